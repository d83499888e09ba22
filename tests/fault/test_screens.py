"""A fixed sample of the consoles' random lives; more: `python -m tests.fault.screens --seed 0 --count 3000`."""

from __future__ import annotations

from pathlib import Path

from tests.fault.screens import run

STEPS = 100


def test_what_is_sent_equals_a_full_render(recordings_root_path: Path) -> None:
    found = run(seed=7, count=STEPS)
    assert found.differences == []
    assert found.steps == STEPS <= found.compared
    assert found.panes > STEPS
