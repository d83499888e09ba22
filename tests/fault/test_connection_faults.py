"""A fixed sample of the seeded fault runs; all thousand: `python -m tests.fault --seeds 0 1000 --out FILE`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.run import run
from tests.support.exchange import FaultKind

SAMPLE = (*range(0, 2 * len(FaultKind), 2), *range(1, 40, 4))


@pytest.mark.parametrize("seed", SAMPLE)
def test_books_are_right_or_not_live(seed: int, recordings_root_path: Path) -> None:
    outcome = run(recordings_root_path, seed)
    assert outcome.wrong == 0
    assert outcome.complaints == []
    assert outcome.checks > 100


@pytest.mark.parametrize("seed", [3, 7, 11, 19, 22, 30, 35])
def test_a_recording_full_of_faults_replays_to_the_same_state(
    seed: int, recordings_root_path: Path, tmp_path: Path
) -> None:
    outcome = run(recordings_root_path, seed, tmp_path)
    assert outcome.complaints == []
    assert outcome.fills > 3 or outcome.market == "coinm", "inverse contracts are not traded"
