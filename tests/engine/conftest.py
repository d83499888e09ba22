"""Recordings and a repeatable search for the tests of the engine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.exchange.conftest import recordings, spot  # noqa: F401 - fixtures shared with the recorded exchange's tests
from tests.support.exchange import recordings_root

settings.register_profile(
    "repeatable",
    deadline=None,
    derandomize=True,
    print_blob=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of all recorded data; without it tests are skipped, but fail where they must have run."""
    root = recordings_root()
    if root is None:
        if os.environ.get("CI") == "true":
            pytest.fail("the recorded data is missing")
        pytest.skip("no recorded data: set TRADETUI_RECORDINGS")
    return root
