"""Fixtures of all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.exchange import recordings_root


@pytest.fixture(scope="session")
def recordings_root_path() -> Path:
    """The folder of recordings; without it tests are skipped, but fail where they must have run."""
    root = recordings_root()
    if root is None or not (root / "hftbacktest-binance-ws").is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail("the recordings are missing: set TRADETUI_RECORDINGS")
        pytest.skip("no recordings: set TRADETUI_RECORDINGS")
    return root
