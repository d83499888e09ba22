"""One test for each rule of what may be stored (UDS-17) of what is followed live."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.keep import BookKept
from engine.market.cob import Column
from engine.types import SECOND, Timeframe
from storage import validation
from tests.storage.rows import T0, bar, trade

NOW = (T0 + 60) * SECOND

BARS: list[tuple[dict[str, Any], str]] = [
    ({"high": 100, "low": 200, "open": 150, "close": 150}, "high 100 < low 200"),
    ({"high": 199_999}, "high 199999 < open 200000 or close 200000"),
    ({"low": 200_001, "high": 200_002}, "low 200001 > open 200000 or close 200000"),
    ({"open": 0, "low": 0}, "low 0 is no price"),
    ({"volume": -1}, "volume -1 < 0"),
    ({"open_ms": T0 * 1000 + 1}, "is no multiple of 1s"),
    ({"open_ms": 1000}, "is no time"),
    ({"open_ms": (T0 + 200_000) * 1000}, "is no time"),
]


def test_a_sound_bar_is_taken() -> None:
    for timeframe in Timeframe:
        opens = T0 // timeframe.seconds * timeframe.seconds
        assert validation.bar_fault(timeframe, bar(opens), NOW) == ""
    assert validation.bar_fault(Timeframe.S1, bar(T0, volume=0, trades=0), NOW) == ""


@pytest.mark.parametrize(("values", "reason"), BARS)
def test_a_bar_that_cannot_be_is_refused(values: dict[str, Any], reason: str) -> None:
    assert reason in validation.bar_fault(Timeframe.S1, msgspec.structs.replace(bar(T0), **values), NOW)


def test_a_bar_of_a_longer_timeframe_is_aligned() -> None:
    assert "no multiple of 5m" in validation.bar_fault(Timeframe.M5, bar(T0 // 300 * 300 + 60), NOW)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, ""),
        ({"price": 0}, "price 0 is no price"),
        ({"size": 0}, "size 0 <= 0"),
        ({"size": -3}, "size -3 <= 0"),
        ({"ts_exch": T0}, "is no time"),
        ({"ts_exch": (T0 + 200_000) * SECOND}, "is no time"),
    ],
)
def test_trades(values: dict[str, Any], reason: str) -> None:
    assert reason in (fault := validation.trade_fault(trade(1, T0, **values), NOW))
    assert bool(fault) is bool(reason)


@pytest.mark.parametrize(
    ("bids", "asks", "reason"),
    [
        (((99, 1),), ((100, 1),), ""),
        (((100, 1),), ((100, 1),), "best bid 100 >= best ask 100"),
        ((), ((100, 1),), "a side is empty"),
        (((99, 1), (98, 0)), ((100, 1),), "a level has no size"),
    ],
)
def test_books(bids: Any, asks: Any, reason: str) -> None:
    assert validation.book_fault(BookKept(bids=bids, asks=asks, sequence=1)) == reason


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, ""),
        ({"best_bid": 101}, "best bid 101 >= best ask 100"),
        ({"asks": (1,)}, "2 buckets of bids, 1 of asks"),
        ({"bids": (1, -1)}, "a bucket has a volume < 0"),
    ],
)
def test_columns(values: dict[str, Any], reason: str) -> None:
    sound: dict[str, Any] = {
        "second": T0, "base": 1, "best_bid": 99, "best_ask": 100, "bids": (1, 2), "asks": (1, 2),
        "bid_notional": (1, 2), "ask_notional": (1, 2), "partial": (False, True),
    }  # fmt: skip
    assert validation.column_fault(Column(**{**sound, **values})) == reason
