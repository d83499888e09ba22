"""Bars against a recomputation from all trades, and against the exchange's own candles."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.ingestion.binance import Codec
from engine.ingestion.markets import SPOT
from engine.ingestion.symbols import guess
from engine.market.bars import LONGEST_FILL, Bars
from engine.settings import CacheSettings
from engine.types import MS, SECOND, TIMEFRAME_SECONDS, Bar, BarsLoaded, Timeframe, Trade
from tests.engine.support import BTC, T0, frames, trade

KEPT = CacheSettings().candles_per_timeframe
SHORT = (Timeframe.S1, Timeframe.M1, Timeframe.M5, Timeframe.M15)


def naive(trades: list[Trade], start: int, length: int) -> dict[str, int] | None:
    """The bar of [start, start + length) seconds from all trades, None without trades. Ids decide open and close."""
    inside = sorted((t for t in trades if start <= t.ts_exch // SECOND < start + length), key=lambda t: t.id)
    if not inside:
        return None
    prices = [t.price for t in inside]
    return {
        "open": prices[0],
        "close": prices[-1],
        "high": max(prices),
        "low": min(prices),
        "volume": sum(t.size for t in inside),
        "trades": len(inside),
        "taker_buy": sum(t.size for t in inside if not t.sell),
        "quote_volume": sum(t.size * t.price for t in inside),
        "first_id": inside[0].id,
        "last_id": inside[-1].id,
    }


def last_price(trades: list[Trade], before: int) -> int:
    """The close that a second without trades carries on: of the last second with trades before `before` (seconds)."""
    older = [t for t in trades if t.ts_exch // SECOND < before]
    return max(older, key=lambda t: (t.ts_exch // SECOND, t.id)).price if older else 0


def check(bar: Bar, timeframe: Timeframe, trades: list[Trade], *, flats: bool = True, edges: bool = True) -> None:
    """One bar equals the recomputation; `flats` also the carried price; `edges` also open and close."""
    start = bar.open_ms // 1000
    expected = naive(trades, start, timeframe.seconds)
    if expected is None:
        assert (bar.volume, bar.trades, bar.taker_buy, bar.quote_volume) == (0, 0, 0, 0)
        assert bar.open == bar.high == bar.low == bar.close
        if flats:
            assert bar.close == last_price(trades, start)
        return
    names = [n for n in expected if edges or n not in ("open", "close", "first_id", "last_id")]
    assert {name: getattr(bar, name) for name in names} == {name: expected[name] for name in names}


GAPS = st.sampled_from([0, 1, 40, 250, 400, 900, 1000, 1600, 4100, 59_000, 61_000, 290_000])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("trade"), GAPS, st.integers(90, 110), st.integers(1, 9), st.booleans()),
        st.tuples(st.just("late"), st.integers(1, 150_000), st.integers(90, 110), st.integers(1, 9), st.booleans()),
        st.tuples(st.just("advance"), GAPS, st.just(0), st.just(0), st.booleans()),
    ),
    min_size=1,
    max_size=60,
)


class Feeder:
    """Feeds bars and keeps all trades, with a clock that only goes forward."""

    def __init__(self, start_ms: int) -> None:
        self.bars = Bars(KEPT)
        self.now_ms = start_ms
        self.trades: list[Trade] = []
        self.number = 1000
        self.late = 0

    def made(self, at_ms: int, price: int, size: int, *, sell: bool) -> Trade:
        self.number += 1
        made = trade(self.number, price, size, at_ms * MS, sell=sell)
        self.trades.append(made)
        return made

    def do(self, step: tuple[str, int, int, int, bool], *, late: bool = True) -> None:
        kind, gap, price, size, sell = step
        if kind == "late":
            if not self.trades or not late:
                return
            at = max(self.now_ms - gap, self.trades[0].ts_exch // MS)
            self.late += at // 1000 < (self.second or 0)
            self.bars.trade(self.made(at, price, size, sell=sell))
            return
        self.now_ms += gap
        if kind == "trade":
            self.bars.trade(self.made(self.now_ms, price, size, sell=sell))
        else:
            self.bars.advance(self.now_ms * MS)

    @property
    def second(self) -> int | None:
        running = self.bars._second
        return running.open_s if running is not None else None


@settings(max_examples=150)
@given(offset=st.integers(0, 299_999), covered_ms=st.integers(-2500, 2500), steps=STEPS)
def test_bars_equal_a_recomputation(offset: int, covered_ms: int, steps: list) -> None:
    feeder = Feeder(T0 * 1000 + offset)
    bars = feeder.bars
    bars.cover((feeder.now_ms + covered_ms) * MS)
    covered = (feeder.now_ms + covered_ms) // 1000 + 1
    for step in steps:
        feeder.do(step)
    assert bars.revisions == feeder.late
    if not feeder.trades:
        assert not any(bars.closed.values())
        return
    trades, now = feeder.trades, feeder.second
    assert now is not None
    first = trades[0].ts_exch // SECOND
    for timeframe in SHORT:
        length = timeframe.seconds
        closed = list(bars.closed[timeframe])
        opens = [bar.open_ms // 1000 for bar in closed]
        expected = list(range(first // length * length, now // length * length, length))
        if timeframe is Timeframe.S1:
            # Before coverage begins a second without trades is missing, not flat.
            expected = [o for o in expected if o >= covered or naive(trades, o, 1)]
            assert opens[-KEPT:] == expected[-KEPT:]
        else:
            assert opens == [o for o in expected if o + length > max(first, min(covered, opens[0] if opens else 0))]
        for bar in closed:
            start = bar.open_ms // 1000
            assert bar.complete == (start >= max(first, covered)), (timeframe, start - first)
            check(bar, timeframe, trades, flats=not feeder.late, edges=not feeder.late)
        running = bars.running(timeframe)
        if running is not None:
            assert not running.complete
            assert running.open_ms == now // length * length * 1000
            check(running, timeframe, trades, flats=False, edges=not feeder.late)


@settings(max_examples=60)
@given(offset=st.integers(0, 59_999), steps=STEPS, cut=st.integers(0, 60))
def test_no_look_ahead_closed_bars_stay(offset: int, steps: list, cut: int) -> None:
    """What is closed after a prefix is still there, unchanged, after later trades that are not late."""
    feeder = Feeder(T0 * 1000 + offset)
    feeder.bars.cover(feeder.now_ms * MS)
    for step in steps[:cut]:
        feeder.do(step)
    before = {timeframe: list(bars) for timeframe, bars in feeder.bars.closed.items()}
    for step in steps[cut:]:
        feeder.do(step, late=False)
    for timeframe, bars in before.items():
        after = list(feeder.bars.closed[timeframe])
        if bars and len(after) < KEPT:
            assert after[: len(bars)] == bars


OUTAGES = st.lists(
    st.one_of(
        st.tuples(st.just("trade"), GAPS, st.integers(90, 110), st.integers(1, 9), st.booleans()),
        st.tuples(st.just("advance"), GAPS, st.just(0), st.just(0), st.booleans()),
        st.tuples(st.just("lose"), GAPS, st.integers(0, 4), st.just(0), st.booleans()),
        st.tuples(st.just("gap"), GAPS, st.integers(1, 4), st.just(0), st.booleans()),
        st.tuples(st.just("load"), st.sampled_from([1, 30, 1001, 1500]), st.just(0), st.just(0), st.booleans()),
    ),
    min_size=3,
    max_size=40,
)


@settings(max_examples=100)
@given(offset=st.integers(0, 59_999), steps=OUTAGES)
def test_outages_gaps_and_loaded_candles(offset: int, steps: list) -> None:
    """Whatever was missed: bars are in order, none is doubled, and a complete one is the bar of all trades.

    "lose": the connection breaks, trades go by unseen, then it is back. "gap": trade ids are missing inside a
    connection. "load": the venue's candles since the last closed bar come, as after every reconnect.
    """
    feeder = Feeder(T0 * 1000 + offset)
    bars = feeder.bars
    bars.cover(feeder.now_ms * MS)
    for step in steps:
        kind, gap, count, _, coin = step
        if kind in ("trade", "advance"):
            feeder.do(step)
            continue
        if not feeder.trades:
            continue
        if kind == "load":
            feeder.now_ms += gap
            for timeframe in SHORT:
                length = timeframe.seconds
                start = bars.closed[timeframe][-1].open_ms // 1000 if bars.closed[timeframe] else T0
                end = (feeder.now_ms - 1000) // 1000 - length + 1
                rows = []
                for opened in range(start // length * length, end, length):
                    values = naive(feeder.trades, opened, length)
                    price = last_price(feeder.trades, opened)
                    if values is None and not price:
                        continue
                    values = values or {
                        **dict.fromkeys(("open", "high", "low", "close"), price),
                        **dict.fromkeys(("volume", "trades", "taker_buy", "quote_volume"), 0),
                    }
                    values |= {"first_id": -1, "last_id": -1}
                    rows.append(Bar(open_ms=opened * 1000, source="venue", **values))
                bars.load(BarsLoaded(instrument=BTC.key, timeframe=timeframe, bars=tuple(rows)))
            continue
        last_seen = feeder.trades[-1]
        for unseen in range(count):
            feeder.now_ms += gap
            feeder.made(feeder.now_ms, 95 + 3 * unseen, 2, sell=coin)
        feeder.now_ms += 5
        if kind == "lose":
            bars.uncover()
            bars.cover(feeder.now_ms * MS)
        else:
            bars.hole(last_seen.ts_exch)
            bars.cover(feeder.now_ms * MS)
            bars.trade(feeder.made(feeder.now_ms, 100, 1, sell=coin))
    for timeframe in SHORT:
        opens = [bar.open_ms for bar in bars.closed[timeframe]]
        assert all(a < b for a, b in pairwise(opens)), f"{timeframe}: bars out of order or doubled"
        for bar in bars.closed[timeframe]:
            if bar.complete:
                check_values(bar, timeframe, feeder.trades)


def check_values(bar: Bar, timeframe: Timeframe, trades: list[Trade]) -> None:
    expected = naive(trades, bar.open_ms // 1000, timeframe.seconds)
    if expected is None:
        check(bar, timeframe, trades)
        return
    for name in ("open", "high", "low", "close", "volume", "trades", "taker_buy", "quote_volume"):
        assert getattr(bar, name) == expected[name], (timeframe, bar.open_ms // 1000 - T0, name)


def run_of(seconds: range, bars: Bars) -> None:
    for second in seconds:
        bars.trade(trade(second - T0 + 1, 100 + second % 7, 1, second * SECOND + MS))


def venue_bar(second: int, close: int = 50, **values: int) -> Bar:
    body = {"open": close, "high": close, "low": close, "volume": 5, "trades": 2, "taker_buy": 1, "quote_volume": 250}
    return Bar(open_ms=second * 1000, close=close, source="venue", **(body | values))


def test_a_late_trade_moves_the_flat_seconds_after_it() -> None:
    """A flat second stands at the last close; when a late trade changes that close, the flat seconds follow."""
    bars = Bars(KEPT)
    bars.cover((T0 - 2) * SECOND)
    bars.trade(trade(1, 100, 1, T0 * SECOND))
    bars.advance((T0 + 3) * SECOND)
    assert [bar.close for bar in bars.closed[Timeframe.S1]] == [100, 100, 100]
    bars.trade(trade(2, 105, 1, T0 * SECOND + 900 * MS))
    bars.advance((T0 + 4) * SECOND)
    assert bars.revisions == 1
    assert [bar.close for bar in bars.closed[Timeframe.S1]] == [105, 105, 105, 105]


@pytest.mark.parametrize("when", ["in the same second", "in the minute", "after the minute"])
def test_a_late_trade_gives_the_same_minute_whenever_it_comes(when: str) -> None:
    bars = Bars(KEPT)
    bars.cover((T0 - 2) * SECOND)
    late = trade(3, 90, 1, (T0 + 4) * SECOND + 500 * MS)
    bars.trade(trade(1, 100, 1, (T0 + 4) * SECOND))
    bars.trade(trade(2, 101, 1, (T0 + 5) * SECOND))
    if when == "in the same second":
        bars.trade(late)
    bars.trade(trade(4, 102, 1, (T0 + 6) * SECOND))
    if when == "in the minute":
        bars.trade(late)
    bars.advance((T0 + 60) * SECOND)
    if when == "after the minute":
        bars.trade(late)
    (minute,) = bars.closed[Timeframe.M1]
    assert (minute.open, minute.high, minute.low, minute.close) == (100, 102, 90, 102)
    assert (minute.first_id, minute.last_id, minute.trades, minute.volume) == (1, 4, 4, 4)
    assert bars.revisions == 1


@pytest.mark.parametrize("when", ["in the minute", "after the minute"])
def test_a_late_trade_of_a_higher_id_closes_the_minute_alike(when: str) -> None:
    """The last trade by id came with an earlier time: its effect must not depend on when the minute was closed."""
    bars = Bars(KEPT)
    bars.cover((T0 - 2) * SECOND)
    late = trade(3, 90, 1, (T0 + 4) * SECOND + 500 * MS)
    bars.trade(trade(1, 100, 1, (T0 + 4) * SECOND))
    bars.trade(trade(2, 101, 1, (T0 + 5) * SECOND))
    if when == "in the minute":
        bars.trade(late)
    bars.advance((T0 + 60) * SECOND)
    if when == "after the minute":
        bars.trade(late)
    (minute,) = bars.closed[Timeframe.M1]
    assert (minute.close, minute.last_id) == (90, 3)


def test_a_late_trade_reaches_every_timeframe_once() -> None:
    bars = Bars(KEPT)
    bars.cover((T0 - 2) * SECOND)
    run_of(range(T0, T0 + 200), bars)
    bars.trade(trade(900, 70, 5, (T0 + 130) * SECOND))
    assert (bars.revisions, bars.unplaced) == (1, 0)
    assert min(bar.low for bar in bars.closed[Timeframe.S1]) == 70
    assert [bar.low for bar in bars.closed[Timeframe.M1]] == [100, 100, 70]
    running = bars.running(Timeframe.M5)
    assert running is not None
    assert (running.low, running.volume) == (70, 205)


def test_a_late_trade_of_the_running_minute_counts_once_in_the_longer_bars() -> None:
    """The minute is still running, so the five minutes get the trade with it and not a second time."""
    bars = Bars(KEPT)
    bars.cover((T0 - 2) * SECOND)
    run_of(range(T0, T0 + 100), bars)
    bars.trade(trade(900, 70, 5, (T0 + 90) * SECOND))
    run_of(range(T0 + 100, T0 + 901), bars)
    assert bars.revisions == 1
    five = bars.closed[Timeframe.M5][0]
    assert (five.complete, five.volume, five.trades) == (True, 305, 301)
    (quarter,) = bars.closed[Timeframe.M15]
    assert (quarter.complete, quarter.volume, quarter.trades) == (True, 905, 901)


def test_a_trade_older_than_memory_is_counted_and_changes_nothing() -> None:
    bars = Bars(KEPT)
    bars.cover((T0 - 2) * SECOND)
    run_of(range(T0, T0 + 3), bars)
    bars.trade(trade(1, 7, 1, (T0 - 500_000) * SECOND))
    assert (bars.revisions, bars.unplaced) == (1, 1)
    assert [bar.low for bar in bars.closed[Timeframe.S1]] == [100 + (T0 + i) % 7 for i in (0, 1)]


def test_a_late_trade_is_not_added_to_a_candle_of_the_venue() -> None:
    """The venue's final candle holds all its trades already, the late one too."""
    bars = Bars(KEPT)
    run_of(range(T0 + 70, T0 + 75), bars)
    bars.load(BarsLoaded(instrument=BTC.key, timeframe=Timeframe.M1, bars=(venue_bar(T0),)))
    bars.trade(trade(1, 50, 3, (T0 + 59) * SECOND + 999 * MS))
    (minute,) = [bar for bar in bars.closed[Timeframe.M1] if bar.open_ms == T0 * 1000]
    assert (minute.volume, minute.trades, minute.quote_volume) == (5, 2, 250)


def test_a_silence_longer_than_the_fill_is_a_hole() -> None:
    bars = Bars(KEPT)
    bars.cover((T0 - 2) * SECOND)
    run_of(range(T0, T0 + 60), bars)
    bars.trade(trade(100, 99, 1, (T0 + 60 + LONGEST_FILL + 60) * SECOND))
    bars.advance((T0 + 60 + LONGEST_FILL + 120) * SECOND)
    opens = [bar.open_ms // 1000 - T0 for bar in bars.closed[Timeframe.S1]]
    assert opens[:60] == list(range(60))
    assert opens[60] == 60 + LONGEST_FILL + 60
    minutes = {bar.open_ms // 1000 - T0: bar.complete for bar in bars.closed[Timeframe.M1]}
    assert minutes[0]
    assert all(not minutes[m] for m in minutes if 60 <= m < 60 + LONGEST_FILL)


def test_seconds_without_trades_while_the_feed_is_down_are_missing() -> None:
    bars = Bars(KEPT)
    bars.cover((T0 - 2) * SECOND)
    run_of(range(T0, T0 + 3), bars)
    bars.uncover()
    bars.cover((T0 + 10) * SECOND)
    bars.trade(trade(50, 100, 1, (T0 + 10) * SECOND))
    bars.advance((T0 + 13) * SECOND)
    found = {bar.open_ms // 1000 - T0: (bar.complete, bar.trades) for bar in bars.closed[Timeframe.S1]}
    assert found == {0: (True, 1), 1: (True, 1), 2: (False, 1), 10: (False, 1), 11: (True, 0), 12: (True, 0)}


@pytest.mark.parametrize("known", ["nothing", "candle", "trade"])
def test_flat_seconds_after_an_outage_stand_at_a_price_that_is_known(known: str) -> None:
    """What traded during the outage was not seen: without a newer candle or trade the last close is unknown."""
    bars = Bars(KEPT)
    bars.cover((T0 - 2) * SECOND)
    bars.trade(trade(1, 100, 1, T0 * SECOND))
    bars.uncover()
    if known == "candle":
        bars.load(BarsLoaded(instrument=BTC.key, timeframe=Timeframe.S1, bars=(venue_bar(T0 + 9, 250),)))
    bars.cover((T0 + 10) * SECOND)
    if known == "trade":
        bars.trade(trade(50, 250, 1, (T0 + 11) * SECOND))
    bars.advance((T0 + 15) * SECOND)
    flats = [bar for bar in bars.closed[Timeframe.S1] if bar.open_ms >= (T0 + 12) * 1000]
    assert all(bar.close == 250 for bar in flats if bar.complete)
    if known != "nothing":
        assert len(flats) == 3


def test_a_hole_takes_completeness_back_from_everything_since() -> None:
    bars = Bars(KEPT)
    bars.cover((T0 - 2) * SECOND)
    run_of(range(T0, T0 + 130), bars)
    bars.hole((T0 + 125) * SECOND + 500 * MS)
    complete = {bar.open_ms // 1000 - T0 for bar in bars.closed[Timeframe.S1] if bar.complete}
    assert complete == set(range(125))
    assert [bar.complete for bar in bars.closed[Timeframe.M1]] == [True, True]
    bars.cover((T0 + 131) * SECOND)
    run_of(range(T0 + 131, T0 + 241), bars)
    assert [bar.complete for bar in bars.closed[Timeframe.M1]] == [True, True, False, True]


def test_candles_loaded_while_the_running_second_is_still_open() -> None:
    """After a reconnect the venue's candles may come before our own running second was closed."""
    bars = Bars(KEPT)
    bars.cover((T0 - 2) * SECOND)
    run_of(range(T0, T0 + 31), bars)
    bars.uncover()
    rows = tuple(venue_bar(second) for second in range(T0 + 29, T0 + 90))
    bars.load(BarsLoaded(instrument=BTC.key, timeframe=Timeframe.S1, bars=rows))
    bars.load(BarsLoaded(instrument=BTC.key, timeframe=Timeframe.M1, bars=(venue_bar(T0),)))
    bars.cover((T0 + 90) * SECOND)
    run_of(range(T0 + 91, T0 + 125), bars)
    opens = [bar.open_ms // 1000 - T0 for bar in bars.closed[Timeframe.S1]]
    assert opens == [*range(90), *range(91, 124)]
    assert bars.closed[Timeframe.S1][30].complete
    assert [bar.open_ms // 1000 - T0 for bar in bars.closed[Timeframe.M1]] == [0, 60]
    assert [bar.source for bar in bars.closed[Timeframe.M1]] == ["venue", "mixed"]


def test_candles_loaded_ahead_of_our_own_flat_seconds() -> None:
    """In a silent market the venue's candles are ahead of ours; ours must not be written a second time."""
    bars = Bars(KEPT)
    bars.cover((T0 - 2) * SECOND)
    run_of(range(T0, T0 + 5), bars)
    flat = {"volume": 0, "trades": 0, "taker_buy": 0, "quote_volume": 0}
    rows = tuple(venue_bar(second, 100, **flat) for second in range(T0 + 3, T0 + 9))
    bars.load(BarsLoaded(instrument=BTC.key, timeframe=Timeframe.S1, bars=rows))
    bars.trade(trade(99, 100, 1, (T0 + 12) * SECOND))
    opens = [bar.open_ms // 1000 - T0 for bar in bars.closed[Timeframe.S1]]
    assert opens == list(range(12))


def test_a_minute_begun_before_an_outage_is_not_forgotten() -> None:
    """A load rebuilds the running bars; a minute that has ended by then is closed as incomplete, not dropped."""
    bars = Bars(KEPT)
    bars.cover((T0 - 2) * SECOND)
    run_of(range(T0, T0 + 31), bars)
    bars.uncover()
    bars.advance((T0 + 95) * SECOND)
    bars.load(BarsLoaded(instrument=BTC.key, timeframe=Timeframe.S1, bars=()))
    bars.cover((T0 + 95) * SECOND)
    run_of(range(T0 + 96, T0 + 125), bars)
    first = bars.closed[Timeframe.M1][0]
    assert (first.open_ms // 1000 - T0, first.complete) == (0, False)
    assert T0 * 1000 in [bar.open_ms for bar in bars.incomplete(Timeframe.M1)]


def test_loaded_candles_join_our_own() -> None:
    """Venue seconds of the running minute complete it: the minute is the venue's part and ours together."""
    bars = Bars(KEPT)
    bars.cover((T0 + 19) * SECOND)
    run_of(range(T0 + 20, T0 + 25), bars)
    rows = tuple(venue_bar(second) for second in range(T0 - 10, T0 + 21))
    bars.load(BarsLoaded(instrument=BTC.key, timeframe=Timeframe.S1, bars=rows))
    run_of(range(T0 + 25, T0 + 61), bars)
    opens = [bar.open_ms // 1000 - T0 for bar in bars.closed[Timeframe.S1]]
    assert opens == list(range(-10, 60))
    (minute,) = bars.closed[Timeframe.M1]
    assert minute.complete
    assert (minute.open, minute.low, minute.volume, minute.trades) == (50, 50, 21 * 5 + 39, 21 * 2 + 39)


def stand_in(second: int, close: int = 50) -> Bar:
    return msgspec.structs.replace(venue_bar(second, close, trades=-1, taker_buy=-1, quote_volume=-1), source="mexc")


def load(bars: Bars, timeframe: Timeframe, *rows: Bar) -> None:
    bars.load(BarsLoaded(instrument=BTC.key, timeframe=timeframe, bars=rows))


def sources(bars: Bars, timeframe: Timeframe = Timeframe.S1) -> dict[int, str]:
    return {bar.open_ms // 1000 - T0: bar.source for bar in bars.closed[timeframe]}


def test_the_venues_candle_replaces_ours_where_they_differ_and_confirms_it_where_they_do_not() -> None:
    bars = Bars(KEPT)
    bars.cover((T0 + 2) * SECOND)
    run_of(range(T0, T0 + 6), bars)
    ours = bars.closed[Timeframe.S1][4]
    same = msgspec.structs.replace(ours, source="venue", first_id=-1, last_id=-1, quote_volume=-1)
    load(bars, Timeframe.S1, *(venue_bar(second) for second in range(T0 - 1, T0 + 4)), same)
    assert sources(bars) == {-1: "venue", 0: "venue", 1: "venue", 2: "venue", 3: "venue", 4: "trades"}
    assert not bars.incomplete(Timeframe.S1)
    assert (bars.confirmed, bars.differed) == (1, 1)
    ((timeframe, before, after),) = bars.differences
    assert (timeframe, before.open_ms, before.source, after) == (
        Timeframe.S1,
        after.open_ms,
        "trades",
        venue_bar(T0 + 3),
    )
    bars.drain()
    load(bars, Timeframe.S1, *(venue_bar(second) for second in range(T0 - 1, T0 + 4)), same)
    assert bars.drain() == ((), ())
    assert bars.differed == 1


def test_a_stand_in_fills_holes_only_and_gives_way_to_everything_else() -> None:
    bars = Bars(KEPT)
    load(bars, Timeframe.M1, venue_bar(T0), stand_in(T0, 70), stand_in(T0 + 60, 70), stand_in(T0 + 120, 70))
    assert sources(bars, Timeframe.M1) == {0: "venue", 60: "mexc", 120: "mexc"}
    assert bars.lacking(Timeframe.M1, (T0 + 600) * 1000) == []
    assert bars.damage(Timeframe.M1, (T0 + 600) * 1000) == ((T0 + 60) * 1000, (T0 + 120) * 1000)
    load(bars, Timeframe.M1, venue_bar(T0 + 60))
    assert sources(bars, Timeframe.M1) == {0: "venue", 60: "venue", 120: "mexc"}
    assert (bars.confirmed, bars.differed) == (0, 0)


def test_our_own_minute_takes_the_place_of_a_stand_ins() -> None:
    bars = Bars(KEPT)
    bars.cover((T0 - 2) * SECOND)
    run_of(range(T0, T0 + 5), bars)
    load(bars, Timeframe.M1, stand_in(T0, 70))
    run_of(range(T0 + 5, T0 + 61), bars)
    (minute,) = bars.closed[Timeframe.M1]
    assert (minute.source, minute.complete, minute.trades) == ("trades", True, 60)


def test_nothing_is_built_of_a_stand_ins_candles() -> None:
    """Five minutes of which one is a stand-in's: the longer bar is not complete, and holds none of its prices."""
    bars = Bars(KEPT)
    five = T0 // 300 * 300
    bars.cover((five - 2) * SECOND)
    run_of(range(five, five + 60), bars)
    bars.uncover()
    bars.cover((five + 120) * SECOND)
    run_of(range(five + 121, five + 130), bars)
    load(bars, Timeframe.M1, stand_in(five + 60, 9999))
    run_of(range(five + 130, five + 301), bars)
    assert bars.closed[Timeframe.M1][1].source == "mexc"
    (whole,) = bars.closed[Timeframe.M5]
    assert (whole.complete, whole.high < 9999, whole.source) == (False, True, "trades")


def test_a_stand_ins_price_is_not_carried_into_flat_seconds() -> None:
    bars = Bars(KEPT)
    bars.cover((T0 - 2) * SECOND)
    run_of(range(T0, T0 + 3), bars)
    load(bars, Timeframe.S1, stand_in(T0 + 5, 9999))
    bars.advance((T0 + 9) * SECOND)
    closes = {bar.open_ms // 1000 - T0: bar.close for bar in bars.closed[Timeframe.S1]}
    assert [closes[second] for second in (3, 4, 6, 7, 8)] == [closes[2]] * 5


def test_a_late_trade_leaves_a_stand_ins_candle_alone() -> None:
    bars = Bars(KEPT)
    bars.cover((T0 - 2) * SECOND)
    load(bars, Timeframe.M1, stand_in(T0 - 60, 70))
    run_of(range(T0, T0 + 3), bars)
    bars.trade(trade(900, 90, 1, (T0 - 30) * SECOND))
    assert bars.closed[Timeframe.M1][0] == stand_in(T0 - 60, 70)
    bars.hole((T0 - 30) * SECOND)
    assert bars.closed[Timeframe.M1][0] == stand_in(T0 - 60, 70)


def test_stretches_that_lack_are_told_apart() -> None:
    bars = Bars(KEPT)
    minutes = [venue_bar(T0 + 60 * place) for place in (0, 1, 4, 5, 9)]
    minutes[3] = msgspec.structs.replace(minutes[3], complete=False)
    load(bars, Timeframe.M1, *minutes)
    found = [((a // 1000 - T0) // 60, (b // 1000 - T0) // 60) for a, b in bars.lacking(Timeframe.M1, 2**50)]
    assert found == [(2, 3), (5, 8)]
    assert bars.lacking(Timeframe.M1, (T0 + 300) * 1000) == [((T0 + 120) * 1000, (T0 + 180) * 1000)]


def test_an_unknown_quote_volume_stays_unknown() -> None:
    bars = Bars(KEPT)
    bars.cover((T0 - 2) * SECOND)
    bars.load(BarsLoaded(instrument=BTC.key, timeframe=Timeframe.S1, bars=(venue_bar(T0, quote_volume=-1),)))
    run_of(range(T0 + 1, T0 + 61), bars)
    (minute,) = bars.closed[Timeframe.M1]
    assert minute.quote_volume == -1
    assert minute.complete


def test_memory_is_bounded() -> None:
    bars = Bars(KEPT)
    bars.cover((T0 - 2) * SECOND)
    for block in range(4):
        bars.trade(trade(block + 1, 100, 1, (T0 + block * 1000) * SECOND))
    assert len(bars.closed[Timeframe.S1]) == KEPT
    assert bars.closed[Timeframe.S1][-1].open_ms == (T0 + 2999) * 1000
    assert len(bars.closed[Timeframe.M1]) == 50


def test_every_longer_bar_closes_with_its_last_second() -> None:
    bars = Bars(KEPT)
    day = T0 // 86_400 * 86_400
    bars.cover((day - 2) * SECOND)
    for second in range(day, day + 86_400, 1800):
        bars.trade(trade(second - day + 1, 100 + second % 11, 1, second * SECOND))
    bars.advance((day + 86_400) * SECOND)
    for timeframe, length in TIMEFRAME_SECONDS.items():
        assert bars.closed[timeframe][-1].open_ms == (day + 86_400 - length) * 1000
        assert all(bar.complete for bar in bars.closed[timeframe])
    (whole,) = bars.closed[Timeframe.D1]
    assert (whole.volume, whole.trades, whole.first_id, whole.last_id) == (48, 48, 1, 84_601)


@pytest.mark.parametrize(("symbol", "name"), [("BTCUSDT", "BTC_USDT"), ("ETHUSDT", "ETH_USDT")])
def test_recorded_trades_give_the_exchanges_own_candles(symbol: str, name: str, data_root: Path) -> None:
    """All ten full minutes, both symbols, open, high, low, close and volume to the last digit."""
    instrument = guess(SPOT, symbol, 2, 8)
    codec = Codec(SPOT, [instrument])
    bars = Bars(KEPT)
    folder = data_root / "hftbacktest-binance-ws" / "spot"
    seen: list[Trade] = []
    for path in sorted(folder.glob(f"{symbol.lower()}_*.gz")):
        for _, message in frames(path):
            if b"@trade" not in message[:60]:
                continue
            event = codec.decode(message)[0]
            assert isinstance(event, Trade)
            if not seen:
                bars.cover(event.ts_exch)
            seen.append(event)
            bars.trade(event)
    table = pl.read_ipc(data_root / "candles-1m-binance-spot" / "2024-07_08" / f"{name}-1m.feather")
    first = (seen[0].ts_exch // (60 * SECOND) + 1) * 60
    minutes = [bar for bar in bars.closed[Timeframe.M1] if bar.complete]
    assert [bar.open_ms // 1000 for bar in minutes] == [first + 60 * place for place in range(10)]
    rows = {
        int(row["date"].timestamp()): row
        for row in table.filter(pl.col("date").dt.timestamp("ms").is_between(first * 1000, first * 1000 + 600_000))
        .iter_rows(named=True)
    }  # fmt: skip
    for bar in minutes:
        row = rows[bar.open_ms // 1000]
        ours = [bar.open, bar.high, bar.low, bar.close, bar.volume]
        names = ("open", "high", "low", "close", "volume")
        assert ours == [round(row[n] * (10**8 if n == "volume" else 100)) for n in names]
        check(bar, Timeframe.M1, seen)
    fives = [bar for bar in bars.closed[Timeframe.M5] if bar.complete]
    assert len(fives) == 2
    for place, five in enumerate(fives):
        part = minutes[5 * place : 5 * place + 5]
        assert (five.open, five.close) == (part[0].open, part[-1].close)
        assert (five.high, five.low) == (max(b.high for b in part), min(b.low for b in part))
        assert five.volume == sum(b.volume for b in part)
    for bar in list(bars.closed[Timeframe.S1])[1:40]:
        check(bar, Timeframe.S1, seen)
    assert bars.revisions == sum(a.ts_exch // SECOND > b.ts_exch // SECOND for a, b in pairwise(seen))
