"""Recordings for the tests of the engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.recorded import Recorded
from tests.exchange.conftest import recordings, spot  # noqa: F401 - fixtures shared with the recorded exchange's tests


@pytest.fixture(scope="session")
def data_root(recordings_root_path: Path) -> Path:
    """The folder of all recorded data."""
    return recordings_root_path


@pytest.fixture(scope="session")
def recorded(recordings_root_path: Path) -> Recorded:
    """The recorded quarter of an hour, replayed with all that is kept of it; nobody may change it."""
    return Recorded(recordings_root_path)


@pytest.fixture(scope="session")
def recorded_database(recorded: Recorded, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of all of it."""
    return recorded.store(tmp_path_factory.mktemp("recorded") / "market.db")
