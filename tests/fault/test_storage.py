"""A fixed sample of `python -m tests.fault.storage`."""

from __future__ import annotations

import pytest

from tests.fault.storage import case


@pytest.mark.parametrize("number", range(3))
def test_a_killed_database_keeps_what_it_promised(number: int) -> None:
    assert case(1, number) == []
