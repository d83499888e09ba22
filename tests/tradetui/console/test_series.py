"""What is kept of the markets: in order, each time once, and nothing that cannot be."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.views import BarRow, HeatRow, TradeRow
from tradetui.console import series
from tradetui.console.series import Candles, Heat, Trades, wrong


def bar(open_ms: int, price: float = 10.0, **changed: object) -> BarRow:
    fields = {
        "open_ms": open_ms, "open": price, "high": price + 2, "low": price - 2, "close": price + 1, "volume": 3.0,
        "trades": 4, "taker_buy": 1.0, "closed": True, "complete": True, "source": "stream",
    }  # fmt: skip
    return BarRow(**(fields | changed))  # type: ignore[arg-type]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.lists(st.integers(0, 60), max_size=20), st.booleans()), max_size=8))
def test_bars_are_kept_in_order_and_the_newest_word_counts(takes: list[tuple[list[int], bool]]) -> None:
    candles, known, price = Candles(), {}, 0.0
    for times, reset in takes:
        if reset:
            known.clear()
        rows = []
        for time in times:
            price += 1.0
            rows.append(bar(time * 1000, price))
            known[time * 1000] = price
        candles.take(rows, reset=reset)
        assert candles.open_ms.tolist() == sorted(known)
        assert candles.ohlc[:, 0].tolist() == [known[time] for time in sorted(known)]
        assert len(candles) == len(known) == len(candles.volume) == len(candles.closed)


def test_the_oldest_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "MOST_BARS", 100)
    candles = Candles()
    for time in range(250):
        candles.take([bar(time * 1000)])
    assert len(candles) <= 100
    assert candles.open_ms[-1] == 249_000
    assert np.all(np.diff(candles.open_ms) == 1000)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"low": 10.5}, "low"),
        ({"high": 10.5}, "high"),
        ({"close": float("nan")}, "no number"),
        ({"high": float("inf")}, "no number"),
        ({"volume": -1.0}, "volume"),
        ({"volume": float("nan")}, "no number"),
    ],
)
def test_a_candle_that_cannot_be_is_refused_and_told(changed: dict[str, object], told: str) -> None:
    candles = Candles()
    candles.take([bar(0), bar(1000, **changed), bar(2000)])
    assert candles.open_ms.tolist() == [0, 2000]
    assert candles.refused == 1
    assert told in candles.refusal
    assert told in wrong(bar(-1, **changed))
    assert "time" in wrong(bar(-1))


def test_a_still_copy_does_not_change() -> None:
    candles, heat, trades = Candles(), Heat(), Trades()
    candles.take([bar(0)])
    heat.take([second(5)])
    trades.take([trade(1)])
    copies = candles.still(), heat.still(), trades.still()
    was = copy.deepcopy([each.__dict__ for each in copies])
    candles.take([bar(0, 99.0), bar(1000)])
    heat.take([second(6)], reset=True)
    trades.take([trade(2)])
    assert copies[0].ohlc[0, 0] == 10.0
    assert [row.second for row in copies[1].rows] == [5]
    assert [row.id for row in copies[2].rows] == [1]
    assert [each["version"] for each in was] == [each.version for each in copies]


def second(at: int) -> HeatRow:
    return HeatRow(at, 100.0, 1.0, 119.5, 120.5, (1.0,) * 40, (0.0,) * 40, (False,) * 40)


def trade(number: int, price: float = 1.0) -> TradeRow:
    return TradeRow(number, number * 10, price, 1.0, False, False)


def test_seconds_of_the_heat_map_are_ordered_and_limited() -> None:
    heat = Heat()
    heat.take([second(at) for at in (5, 6, 7)])
    heat.take([second(4), second(6)])
    assert [row.second for row in heat.rows] == [4, 5, 6, 7]
    heat.take([second(at) for at in range(10, 2000)])
    assert len(heat.rows) == series.MOST_SECONDS
    assert heat.rows[-1].second == 1999
    heat.take([second(1)], reset=True)
    assert [row.second for row in heat.rows] == [1]


def test_trades_come_once() -> None:
    trades = Trades()
    trades.take([trade(1), trade(2), trade(2), trade(1), trade(3, float("nan"))])
    trades.take([trade(2), trade(4)])
    assert [row.id for row in trades.rows] == [1, 2, 4]
    trades.take([trade(1)], reset=True)
    assert [row.id for row in trades.rows] == [1]


def test_a_venue_that_counts_anew_is_followed() -> None:
    trades = Trades()
    trades.take([trade(100), trade(101)])
    anew = TradeRow(1, 5000, 1.0, 1.0, False, False)
    trades.take([anew, trade(100), trade(101)])
    assert [row.id for row in trades.rows] == [100, 101, 1]
    trades.take([TradeRow(2, 5001, 1.0, 1.0, False, False), anew])
    assert [row.id for row in trades.rows] == [100, 101, 1, 2]
