"""Fixtures of the tests of import and export."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.storage.interchange.support import Shelf


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    """An empty database."""
    made = Shelf(tmp_path / "shelf")
    yield made
    made.close()
