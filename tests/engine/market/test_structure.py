"""Trend, support and resistance, floor pivots: against what can be read off the log by hand."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.market.pivotlog import PivotLog
from engine.market.pivots import LEVELS, pivots
from engine.market.structure import NEWEST, Swings, Trend, floor_pivots, floor_pivots_at
from engine.ohlcv import OHLCV
from engine.types import MS, PivotPoint, Timeframe
from tests.support.series import FILES, recorded_of

DAY = 86_400_000


def pivot(ts_ms: int, price: float, *, high: bool, level: int = 1) -> PivotPoint:
    return PivotPoint(
        timeframe=Timeframe.M1,
        level=level,
        high=high,
        ts_ms=ts_ms,
        price=price,
        confirmed_ms=ts_ms + 180_000,
        known_at=(ts_ms + 180_000) * MS,
    )


def swings(highs: list[float], lows: list[float], kept: int = NEWEST) -> Swings:
    """Highs and lows of level 1 in turns."""
    made = Swings(Timeframe.M1, kept)
    made.take(pivot(place * 60_000, price, high=True) for place, price in enumerate(highs))
    made.take(pivot(place * 60_000, price, high=False) for place, price in enumerate(lows))
    return made


@pytest.fixture(scope="module", params=list(FILES))
def series(request: pytest.FixtureRequest, recordings_root_path: Path) -> tuple[OHLCV, PivotLog]:
    known = recorded_of(recordings_root_path, request.param)
    return known, pivots(known)[0]


# Trend. -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("highs", "lows", "trend"),
    [
        ([], [], None),
        ([3, 4], [1], None),
        ([3], [1, 2], None),
        ([3, 4], [1, 2], Trend.UP),
        ([9, 3, 4], [9, 1, 2], Trend.UP),
        ([4, 3], [2, 1], Trend.DOWN),
        ([3, 4], [2, 1], Trend.SIDEWAYS),
        ([4, 3], [1, 2], Trend.SIDEWAYS),
        ([4, 4], [1, 2], Trend.SIDEWAYS),
        ([3, 4], [1, 1], Trend.SIDEWAYS),
    ],
)
def test_the_trend_is_that_of_the_last_two_highs_and_lows(
    highs: list[float], lows: list[float], trend: Trend | None
) -> None:
    made = swings(highs, lows)
    assert made.trend(1) is trend
    assert made.trend(2) is None


def test_what_is_read_at_any_time_is_in_the_log_of_that_time(series: tuple[OHLCV, PivotLog]) -> None:
    """Trend, support and resistance of each level, out of columns; no later confirmation plays a part."""
    known, log = series
    dice = random.Random(len(log))
    seen: set[Trend | None] = set()
    for place in sorted(dice.sample(range(len(known)), 40)):
        now_ms, price = int(known.close_ms[place]), float(known.close[place])
        then = log.until(now_ms)
        made = Swings(known.timeframe)
        made.take(then.points())
        for reading in made.read(price):
            of_level = then.level == reading.level
            highs, lows = then.price[of_level & then.high], then.price[of_level & ~then.high]
            if min(len(highs), len(lows)) < 2:
                assert reading.trend is None
            else:
                ways = {int(np.sign(highs[-1] - highs[-2])), int(np.sign(lows[-1] - lows[-2]))}
                assert reading.trend is {(1,): Trend.UP, (-1,): Trend.DOWN}.get(tuple(ways), Trend.SIDEWAYS)
            seen.add(reading.trend)
            below = [one for one in lows[-NEWEST:].tolist() if one <= price]
            above = [one for one in highs[-NEWEST:].tolist() if one >= price]
            assert (reading.support and reading.support.price) == (max(below) if below else None)
            assert (reading.resistance and reading.resistance.price) == (min(above) if above else None)
            assert all(one is None or one.confirmed_ms <= now_ms for one in (reading.support, reading.resistance))
    assert seen >= set(Trend)


# Support and resistance. --------------------------------------------------------------------------------------------


def test_distances_are_told_in_quote_units_and_in_parts_of_the_price() -> None:
    reading = swings([105, 102, 99], [95, 98, 101]).read(100)[0]
    assert (reading.level, reading.price) == (1, 100)
    assert reading.support == pivot(60_000, 98, high=False)
    assert reading.resistance == pivot(60_000, 102, high=True)
    assert (reading.to_support, reading.to_resistance) == (2, 2)
    assert (reading.to_support_bps, reading.to_resistance_bps) == (200, 200)


def test_a_price_on_a_level_is_at_no_distance_and_of_equals_the_newest_is_told() -> None:
    reading = swings([100, 100], [100, 100]).read(100)[0]
    assert (reading.to_support_bps, reading.to_resistance_bps) == (0, 0)
    assert reading.support == pivot(60_000, 100, high=False)
    assert reading.resistance == pivot(60_000, 100, high=True)


def test_what_is_not_there_is_none() -> None:
    reading = swings([99], [101]).read(100)[0]
    assert (reading.support, reading.to_support, reading.to_support_bps) == (None, None, None)
    assert (reading.resistance, reading.to_resistance, reading.to_resistance_bps) == (None, None, None)
    assert [reading.level for reading in Swings(Timeframe.M1).read(1.0)] == [1, 2, 3, 4, 5]
    with pytest.raises(ValueError, match="a price of 0"):
        Swings(Timeframe.M1).read(0)


def test_only_the_newest_count() -> None:
    made = swings([110, 120, 130], [90, 80, 70], kept=2)
    assert [point.price for point in made.highs(1)] == [120, 130]
    assert [point.price for point in made.lows(1)] == [80, 70]
    assert made.resistance(1, 100) == pivot(60_000, 120, high=True)
    assert made.support(1, 100) == pivot(60_000, 80, high=False)


@pytest.mark.parametrize("kept", [2, 8])
def test_filled_with_the_newest_it_equals_one_that_has_seen_all(series: tuple[OHLCV, PivotLog], kept: int) -> None:
    """What storage gives at a start, and then what the market confirms."""
    log = series[1]
    start = len(log) - 500
    whole, begun = Swings(log.timeframe, kept), Swings(log.timeframe, kept)
    whole.take(log.points())
    begun.take(log[:start].newest(kept).points())
    begun.take(log[start:].points())
    assert begun.points() == whole.points() == log.newest(kept).points()
    assert all(begun.highs(level) == whole.highs(level) for level in range(1, LEVELS + 1))


def test_pivots_out_of_order_or_of_another_timeframe_are_refused() -> None:
    made = swings([1, 2], [])
    for ts_ms in (0, 60_000):
        with pytest.raises(ValueError, match=f"pivot of {ts_ms} ms comes after the one of 60000 ms"):
            made.take([pivot(ts_ms, 3, high=True)])
    with pytest.raises(ValueError, match="pivot of 1h given to the swings of 1m"):
        made.take([msgspec.structs.replace(pivot(120_000, 3, high=True), timeframe=Timeframe.H1)])
    with pytest.raises(ValueError, match="1 pivots of a kind"):
        Swings(Timeframe.M1, 1)
    assert [point.price for point in made.highs(1)] == [1, 2]


# Floor pivots. ------------------------------------------------------------------------------------------------------


def test_floor_pivots_of_round_numbers() -> None:
    found = floor_pivots(120, 90, 105)
    assert msgspec.structs.astuple(found) == (105, 120, 135, 150, 90, 75, 60)


@given(st.integers(1, 10_000), st.integers(0, 5000), st.integers(0, 5000))
def test_floor_pivots_are_their_formulas_in_exact_arithmetic(low: int, up: int, more: int) -> None:
    close, high = low + up, low + up + more
    exact = Fraction(high + low + close, 3)
    r1, s1 = 2 * exact - low, 2 * exact - high
    r2, s2 = exact + (r1 - s1), exact - (r1 - s1)
    r3, s3 = high + 2 * (exact - low), low - 2 * (high - exact)
    found = msgspec.structs.astuple(floor_pivots(high, low, close))
    assert found == pytest.approx([float(one) for one in (exact, r1, r2, r3, s1, s2, s3)], abs=1e-9)


@pytest.mark.parametrize("bar", [(1, 2, 1.5), (2, 1, 3), (2, 1, 0.5), (float("nan"), 1, 1), (2, 1, float("nan"))])
def test_what_is_no_bar_has_no_floor_pivots(bar: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="has no floor pivots"):
        floor_pivots(*bar)


def test_the_floor_pivots_of_a_day_are_those_of_the_day_before(recordings_root_path: Path) -> None:
    days = recorded_of(recordings_root_path, Timeframe.D1)[-50:]
    for place in range(1, len(days)):
        before = days[place - 1 : place]
        expected = floor_pivots(float(before.high[0]), float(before.low[0]), float(before.close[0]))
        start = int(days.open_ms[place])
        for at_ms in (start, start + 1, start + DAY - 1):
            assert floor_pivots_at(days, at_ms) == expected
            assert floor_pivots_at(days[:place], at_ms) == expected, "the running day plays no part"
    assert floor_pivots_at(days, int(days.close_ms[-1])) is not None


def test_without_the_day_before_there_are_no_floor_pivots(recordings_root_path: Path) -> None:
    days = recorded_of(recordings_root_path, Timeframe.D1)[-10:]
    at_ms = int(days.open_ms[5]) + 1
    assert floor_pivots_at(days, at_ms) is not None
    missing, partial = np.arange(10) != 4, days.complete.copy()
    partial[4] = False
    assert floor_pivots_at(days.take(missing), at_ms) is None
    assert floor_pivots_at(msgspec.structs.replace(days, complete=partial), at_ms) is None
    assert floor_pivots_at(days[:4], at_ms) is None, "an older day is not the day before"
    assert floor_pivots_at(days, int(days.open_ms[0])) is None
    assert floor_pivots_at(days, int(days.close_ms[-1]) + DAY) is None
    assert floor_pivots_at(OHLCV.empty(Timeframe.D1), at_ms) is None
