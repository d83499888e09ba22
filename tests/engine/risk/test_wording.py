"""Numbers as people read them."""

from __future__ import annotations

import pytest

from engine.orders import UNIT
from engine.risk.wording import money, percent, span, time_of_day
from engine.types import SECOND


@pytest.mark.parametrize(
    ("amount", "text"),
    [(2000 * UNIT + 1, "2000 USDT"), (-123_456_789_012, "-1234.57 USDT"), (1, "0.00000001 USDT"), (0, "0 USDT")],
)
def test_money(amount: int, text: str):
    assert money(amount, "USDT") == text


def test_shares_and_times():
    assert [percent(share) for share in (0.2, 0.005017, 1.0, -0.05, 123.456)] == [
        "20 %",
        "0.5017 %",
        "100 %",
        "-5 %",
        "12350 %",
    ]
    assert [span(seconds) for seconds in (0.5, 45, 1800, 9000)] == ["0.5 s", "45 s", "30 min", "2.5 h"]
    assert time_of_day((86_400 * 3 + 3661) * SECOND + 5) == "01:01:01 UTC"
