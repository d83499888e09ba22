"""Recordings for the tests of the recorded exchange."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.exchange import Tape, load_tape, recordings_root


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of recordings; without it tests are skipped, but fail where they must have run."""
    root = recordings_root()
    if root is None or not (root / "hftbacktest-binance-ws").is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail("the recordings are missing")
        pytest.skip("no recordings: set TRADETUI_RECORDINGS")
    return root / "hftbacktest-binance-ws"


@pytest.fixture(scope="session")
def spot(recordings: Path) -> Tape:
    """Both days of both spot symbols."""
    return load_tape(recordings / "spot")


@pytest.fixture(scope="session")
def usdm(recordings: Path) -> Tape:
    """65 seconds of both USD-M symbols."""
    return load_tape(recordings / "usdm", limit_s=65)


@pytest.fixture(scope="session")
def coinm(recordings: Path) -> Tape:
    """65 seconds of both COIN-M symbols."""
    return load_tape(recordings / "cm", limit_s=65)
