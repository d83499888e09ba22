"""What the recorded minutes make an engine keep, computed once."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.keep import Keep
from engine.replay import Recording, Replay
from engine.types import SECOND


@pytest.fixture(scope="session")
def recorded(recordings_root_path: Path) -> list[Keep]:
    folder = recordings_root_path / "hftbacktest-binance-ws" / "spot"
    replay = Replay(Recording(sorted(folder.glob("*.gz"))))
    keeps: list[Keep] = []
    replay.commands = lambda commands: keeps.extend(each for each in commands if isinstance(each, Keep))
    replay.run(until=replay.recording.start + 150 * SECOND)
    return keeps
