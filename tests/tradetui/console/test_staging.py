"""Steps of limits: within their bounds, and back again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tradetui import account_rows as rows
from tradetui.console.staging import part, read, stepped, told

LIMITS = st.sampled_from(rows.limits())


@given(LIMITS, st.integers(-400, 400))
def test_steps_stay_within_the_bounds(limit: object, steps: int) -> None:
    value = stepped(limit, limit.value, steps)  # type: ignore[attr-defined, arg-type]
    assert limit.least <= value <= limit.most  # type: ignore[attr-defined]
    if limit.unit in ("1/min", ""):  # type: ignore[attr-defined]
        assert value == int(value)
    if steps and limit.least < limit.value < limit.most:  # type: ignore[attr-defined]
        assert (value > limit.value) == (steps > 0)  # type: ignore[attr-defined]
    assert 0 <= part(limit, value) <= 1  # type: ignore[arg-type]


@given(LIMITS, st.integers(1, 40))
def test_one_step_up_and_one_down_are_none(limit: object, steps: int) -> None:
    value = stepped(limit, limit.value, steps)  # type: ignore[attr-defined, arg-type]
    if value < limit.most:  # type: ignore[attr-defined]
        assert stepped(limit, stepped(limit, value, 1), -1) == pytest.approx(value)  # type: ignore[arg-type]


def test_steps_are_round() -> None:
    share = rows.limit(value=0.2)
    assert [stepped(share, 0.2, steps) for steps in (1, -1, 10, -10)] == pytest.approx([0.21, 0.19, 0.3, 0.1])
    assert stepped(share, 0.1, -1) == pytest.approx(0.099)
    assert stepped(rows.limit("stale_ms", value=2000.0, least=100.0, most=60_000.0, unit="ms"), 2000, 1) == 2100
    assert stepped(rows.limit("max_open_trades", value=3.0, least=1.0, most=100.0, unit=""), 3, -10) == 1


def test_values_are_typed_as_they_are_read() -> None:
    share = rows.limit()
    assert read(share, "25%") == read(share, "0.25") == read(share, " 25 % ") == 0.25
    assert told(share, 0.25) == "25 %"
    assert told(rows.limit("stale_ms", unit="ms"), 2000.0) == "2,000 ms"
    assert told(share, None) == "-"
    for wrong in ("much", "-1", "9000%", "nan", ""):
        with pytest.raises(ValueError, match="expected 0 % to 1000 %"):
            read(share, wrong)
