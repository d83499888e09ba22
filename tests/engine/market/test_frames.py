"""Columns, indicators and market structure in memory are those of the bars as they stand, whatever has happened."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings

from engine.core import Commands
from engine.keep import Keep
from engine.market import track
from engine.market.bars import Bars
from engine.market.frames import BEGIN, Frames
from engine.market.indicators import indicators
from engine.market.pivots import Structure, pivots
from engine.ohlcv import COLUMNS, OHLCV
from engine.replay import Recording, Replay
from engine.types import SECOND, Bar, BarsLoaded, PivotPoint, PivotsLoaded, Timeframe
from tests.engine.lives import STEPS, Step, live
from tests.engine.support import BTC, T0
from tests.support.series import BINANCE_1M, read


def candle(open_s: int, price: int, volume: int = 7) -> Bar:
    return Bar(
        open_ms=open_s * 1000, open=price, high=price + 2, low=price - 1, close=price + 1, volume=volume, trades=2,
        taker_buy=-1, quote_volume=-1, source="venue",
    )  # fmt: skip


class Follower:
    """Frames driven by bars as the core drives them."""

    def __init__(self, kept: int) -> None:
        self.bars = Bars(kept)
        self.frames = Frames(BTC, kept)
        self.boundary = T0 * SECOND
        self.log: list[PivotPoint] = []

    def second(self) -> tuple[PivotPoint, ...]:
        self.boundary += SECOND
        there, gone = self.bars.drain()
        found = self.frames.take(self.boundary, there, gone, None, 0, ())
        assert all(point.known_at == self.boundary for point in found)
        self.log += found
        return found

    def check(self) -> None:
        for timeframe, held in self.frames.tracks.items():
            closed = self.bars.closed[timeframe]
            wanted = OHLCV.of_bars(timeframe, closed, BTC)
            mine = held.candles(max(len(closed), 1))
            for name in COLUMNS:
                if name != "known_at":
                    np.testing.assert_array_equal(getattr(mine, name), getattr(wanted, name), err_msg=name)
            if len(closed):
                values = indicators(wanted).values
                np.testing.assert_allclose(held.values(len(closed)), values, rtol=1e-9, atol=1e-9)


@settings(max_examples=150, deadline=None)
@given(steps=STEPS)
def test_whatever_happens_columns_and_indicators_are_those_of_the_bars(steps: list[Step]) -> None:
    follower = Follower(5000)
    for _ in live(follower.bars, steps, candle):
        follower.second()
        follower.check()
    keys = [(point.timeframe, point.level, point.high, point.ts_ms) for point in follower.log]
    assert len(keys) == len(set(keys))


@pytest.fixture(scope="module")
def closes(recordings_root_path: Path) -> list[int]:
    """Recorded closes of minutes, in ticks; here they stand for seconds."""
    return [round(100 * close) for close in read(recordings_root_path / BINANCE_1M)["close"][:1300]]


def feed(follower: Follower, opens: range, prices: list[int], late: dict[int, int] | None = None) -> dict[int, Bar]:
    """Close one second after the other; `late` revises a second so many bars later."""
    whole: dict[int, Bar] = {}
    for place, (open_s, price) in enumerate(zip(opens, prices, strict=True)):
        bar = candle(open_s, price)
        follower.bars.load(BarsLoaded(instrument=BTC.key, timeframe=Timeframe.S1, bars=(bar,)))
        back = (late or {}).get(place)
        if back is not None:
            closed = follower.bars.closed[Timeframe.S1]
            old = closed[-1 - back]
            changed = msgspec.structs.replace(old, high=old.high + 2000, close=old.close + 200)
            closed[-1 - back] = changed
            follower.bars.touched[Timeframe.S1, changed.open_ms] = None
            whole[changed.open_ms] = changed
        whole[bar.open_ms] = bar
        follower.second()
    return whole


@pytest.mark.parametrize("late", [{}, {450: 3, 700: 63, 701: 64, 702: 65, 1200: 90, 1201: 1}])
def test_what_has_left_memory_still_counts(late: dict[int, int], closes: list[int]) -> None:
    """With 100 bars in memory and 1300 given, the indicators are those of all 1300, corrected ones included."""
    follower = Follower(100)
    whole = feed(follower, range(T0, T0 + 1300), closes, late)
    wanted = OHLCV.of_bars(Timeframe.S1, [whole[open_ms] for open_ms in sorted(whole)], BTC)
    held = follower.frames.tracks[Timeframe.S1]
    assert len(held.candles(100)) == 100
    np.testing.assert_array_equal(held.candles(100).close, wanted.close[-100:])
    np.testing.assert_allclose(held.values(100), indicators(wanted).values[-100:], rtol=1e-9, atol=1e-9)


def test_pivots_of_a_series_without_corrections_are_those_of_all_of_it(closes: list[int]) -> None:
    follower = Follower(100)
    whole = feed(follower, range(T0, T0 + 1300), closes)
    wanted, _ = pivots(OHLCV.of_bars(Timeframe.S1, whole.values(), BTC))
    log = [point for point in follower.log if point.timeframe is Timeframe.S1]
    asked = [(p.level, p.high, p.ts_ms, p.price, p.confirmed_ms) for p in wanted.points()]
    assert [(p.level, p.high, p.ts_ms, p.price, p.confirmed_ms) for p in log] == asked
    held = follower.frames.tracks[Timeframe.S1].pivots
    for level in range(1, 6):
        mine = [point for point in held if point.level == level]
        newest = [each for each in asked if each[0] == level][-track.PIVOTS :]
        assert sorted((p.level, p.high, p.ts_ms) for p in mine) == sorted(each[:3] for each in newest)


def test_a_correction_adds_pivots_and_takes_none_back(closes: list[int]) -> None:
    plain, corrected = Follower(200), Follower(200)
    feed(plain, range(T0, T0 + 600), closes[:600])
    feed(corrected, range(T0, T0 + 600), closes[:600], {400: 40, 500: 12})
    before = {(p.level, p.high, p.ts_ms) for p in plain.log if p.confirmed_ms <= (T0 + 400) * 1000}
    after = {(p.level, p.high, p.ts_ms): p for p in corrected.log}
    assert before <= after.keys()
    turned = [p for p in corrected.log if p.known_at > (p.confirmed_ms + 1000) * 1_000_000]
    assert turned, "the corrected bar is a high, and was found late"
    assert {p.known_at for p in turned} <= {(T0 + 401) * SECOND, (T0 + 501) * SECOND}


def test_a_bar_that_is_not_whole_waits_until_it_is(closes: list[int]) -> None:
    """The structure is that of the complete bars; one that is mended later takes its place, and adds what it turned."""
    follower, bars = Follower(200), seconds_of(closes[:60])
    partial = msgspec.structs.replace(bars[30], complete=False)
    for bar in (*bars[:30], partial, *bars[31:50]):
        follower.bars.closed[Timeframe.S1].append(bar)
        follower.bars.touched[Timeframe.S1, bar.open_ms] = None
        follower.second()

    def log() -> set[tuple[int, bool, int]]:
        return {(p.level, p.high, p.ts_ms) for p in follower.log if p.timeframe is Timeframe.S1}

    def of(some: list[Bar]) -> set[tuple[int, bool, int]]:
        return {(p.level, p.high, p.ts_ms) for p in pivots(OHLCV.of_bars(Timeframe.S1, some, BTC))[0].points()}

    assert log() == of([*bars[:30], *bars[31:50]])
    follower.bars.load(BarsLoaded(instrument=BTC.key, timeframe=Timeframe.S1, bars=(bars[30],)))
    follower.second()
    assert log() == of([*bars[:30], *bars[31:50]]) | of(bars[:50])


def seconds_of(prices: list[int]) -> list[Bar]:
    return [candle(open_s, price) for open_s, price in enumerate(prices, T0)]


def test_the_structure_waits_for_its_history(closes: list[int]) -> None:
    """It begins with the history that is loaded; without one a few seconds later."""
    prices = closes[:40]
    follower = Follower(100)
    feed(follower, range(T0, T0 + 3), prices[:3])
    history = tuple(candle(T0 - 300 + 60 * i, price) for i, price in enumerate([1, 5, 9, 4, 2]))
    follower.bars.load(BarsLoaded(instrument=BTC.key, timeframe=Timeframe.M1, bars=history))
    assert not follower.frames.tracks[Timeframe.M1].begun
    follower.frames.loaded(Timeframe.M1)
    found = [point for point in follower.second() if point.timeframe is Timeframe.M1]
    assert [(point.high, point.ts_ms // 1000 - T0) for point in found] == [(True, -180)]
    while follower.boundary < T0 * SECOND + SECOND + BEGIN:
        assert not follower.frames.tracks[Timeframe.H1].begun
        follower.second()
    assert follower.frames.tracks[Timeframe.H1].begun


def test_it_goes_on_from_what_was_stored(closes: list[int]) -> None:
    """Stopped in the middle and begun again from state and log, it says what one does that never stopped."""
    prices = closes[:900]
    whole = Follower(100)
    feed(whole, range(T0, T0 + 900), prices)
    first = Follower(100)
    feed(first, range(T0, T0 + 500), prices[:500])
    held = first.frames.tracks[Timeframe.S1]
    loaded = PivotsLoaded(
        instrument=BTC.key,
        timeframe=Timeframe.S1,
        until_ms=(T0 + 499) * 1000,
        state=held.structure.state(),
        pivots=tuple(held.pivots),
    )
    second = Follower(100)
    second.boundary = first.boundary
    second.frames.seed(loaded)
    known = list(first.bars.closed[Timeframe.S1])
    second.bars.load(BarsLoaded(instrument=BTC.key, timeframe=Timeframe.S1, bars=tuple(known)))
    second.frames.loaded(Timeframe.S1)
    assert second.second() == ()
    second.boundary = first.boundary
    feed(second, range(T0 + 500, T0 + 900), prices[500:])
    mine = [p for p in second.log if p.timeframe is Timeframe.S1]
    theirs = [p for p in whole.log if p.timeframe is Timeframe.S1 and p.known_at > first.boundary]
    assert mine == theirs
    assert second.frames.tracks[Timeframe.S1].pivots == whole.frames.tracks[Timeframe.S1].pivots


def test_a_state_that_cannot_be_read_is_left(closes: list[int]) -> None:
    follower = Follower(100)
    log = (PivotPoint(timeframe=Timeframe.S1, level=1, high=True, ts_ms=1, price=9.0, confirmed_ms=3, known_at=3),)
    follower.frames.seed(
        PivotsLoaded(instrument=BTC.key, timeframe=Timeframe.S1, until_ms=5, state=b"\x09?", pivots=log)
    )
    feed(follower, range(T0, T0 + 100), closes[:100])
    assert follower.frames.tracks[Timeframe.S1].pivots[0] == log[0]
    assert len(follower.log) > 5


def test_a_bar_that_contradicts_itself_gives_no_pivot() -> None:
    follower = Follower(100)
    follower.frames.loaded(Timeframe.S1)
    upside_down = msgspec.structs.replace(candle(T0, 100), high=90)
    follower.bars.load(BarsLoaded(instrument=BTC.key, timeframe=Timeframe.S1, bars=(upside_down,)))
    assert follower.second() == ()
    structure = follower.frames.tracks[Timeframe.S1].structure
    assert isinstance(structure, Structure)
    assert structure.until_ms is None


def test_memory_of_the_recording_equals_its_bars(recordings_root_path: Path) -> None:
    replay = Replay(Recording([recordings_root_path / "hftbacktest-binance-ws" / "spot"]))
    found: dict[str, list[PivotPoint]] = {}

    def commanded(commands: Commands) -> None:
        for command in commands:
            if isinstance(command, Keep):
                found.setdefault(command.instrument.key, []).extend(command.pivots)

    replay.commands = commanded
    replay.run()
    for key, market in replay.state.markets.items():
        assert [p for p in found[key] if p.timeframe is Timeframe.S1]
        for timeframe, held in market.frames.tracks.items():
            mine = held.candles(5000)
            bars = (
                [bar for bar in market.bars.closed[timeframe] if bar.open_ms <= mine.open_ms[-1]] if len(mine) else []
            )
            wanted = OHLCV.of_bars(timeframe, bars, market.instrument)
            np.testing.assert_array_equal(mine.close, wanted.close)
            if len(bars):
                np.testing.assert_allclose(held.values(5000), indicators(wanted).values, rtol=1e-9, atol=1e-9)
        assert market.cob is not None
        assert market.frames.columns.last().seconds.tolist() == [c.second for c in market.cob.columns][-300:]
