"""What all tests of the console share."""

from __future__ import annotations

import pytest

from tradetui.console.screens.dialogs import Dialog


@pytest.fixture(autouse=True)
def read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take answers of dialogs at once: these keys are meant."""
    monkeypatch.setattr(Dialog, "READ_S", 0.0)
