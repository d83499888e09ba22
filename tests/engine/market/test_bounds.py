"""Pivot bounds against the log of that time, and what stands in for them at a cold start."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.market.bounds import BoundSource, PivotBounds, pivot_bounds
from engine.market.pivots import pivots
from engine.market.structure import Swings
from engine.ohlcv import OHLCV
from engine.types import Timeframe
from tests.support.series import recorded_of

LATE = 1 << 60
"""A time after all bars, UTC ms."""


def bounds(supports: tuple[float, ...], resistances: tuple[float, ...]) -> PivotBounds:
    return PivotBounds(
        timeframe=Timeframe.M1,
        source=BoundSource.PIVOTS,
        supports=supports,
        resistances=resistances,
        known_at=0,
    )


def test_bounds_are_the_newest_pivots_known_by_then(recordings_root_path: Path) -> None:
    minutes, days = (recorded_of(recordings_root_path, timeframe) for timeframe in (Timeframe.M1, Timeframe.D1))
    log, _ = pivots(minutes)
    dice = random.Random(1)
    for place in dice.sample(range(100, len(minutes)), 40):
        now_ms, price = int(minutes.close_ms[place]), float(minutes.close[place])
        then = log.until(now_ms)
        newest = then.newest(8)
        swings = Swings(Timeframe.M1)
        swings.take(then.points())
        found = pivot_bounds(swings, days, now_ms)
        assert found is not None
        assert (found.source, found.timeframe) == (BoundSource.PIVOTS, Timeframe.M1)
        assert found.supports == tuple(np.unique(newest.price[~newest.high]).tolist())
        assert found.resistances == tuple(np.unique(newest.price[newest.high]).tolist())
        assert found.known_at == newest.known_at[-1]
        nearest = [reading.to_support for reading in swings.read(price) if reading.to_support is not None]
        assert found.to_support(price) == (min(nearest) if nearest else None)
        nearest = [reading.to_resistance for reading in swings.read(price) if reading.to_resistance is not None]
        assert found.to_resistance(price) == (min(nearest) if nearest else None)


def test_until_there_are_pivots_the_closed_days_stand_in_and_say_so(recordings_root_path: Path) -> None:
    minutes, days = (recorded_of(recordings_root_path, timeframe) for timeframe in (Timeframe.M1, Timeframe.D1))
    swings = Swings(Timeframe.M1)
    now_ms = int(days.open_ms[300]) + 5
    found = pivot_bounds(swings, days, now_ms)
    assert found is not None
    assert (found.source, found.timeframe) == (BoundSource.RANGE, Timeframe.D1)
    assert (found.lower, found.upper) == (days.low[:300].min(), days.high[:300].max())
    assert found.known_at == days.known_at[299]
    assert found == pivot_bounds(swings, days[:300], now_ms), "the running day plays no part"
    assert found == pivot_bounds(swings, days, now_ms - 5), "a day that just ended does"
    points = pivots(minutes)[0].points()
    first_high = next(point for point in points if point.high)
    first_low = next(point for point in points if not point.high)
    swings.take([first_high])
    assert pivot_bounds(swings, days, now_ms) == found, "one side alone bounds nothing"
    swings.take([first_low])
    found = pivot_bounds(swings, days, now_ms)
    assert found is not None
    assert (found.source, found.supports, found.resistances) == (
        BoundSource.PIVOTS,
        (first_low.price,),
        (first_high.price,),
    )


def test_with_neither_there_are_none(recordings_root_path: Path) -> None:
    swings, days = Swings(Timeframe.M1), recorded_of(recordings_root_path, Timeframe.D1)[:20]
    assert pivot_bounds(swings, OHLCV.empty(Timeframe.D1), LATE) is None
    assert pivot_bounds(swings, days, int(days.close_ms[0]) - 1) is None
    unknown = np.full(len(days), np.nan)
    assert pivot_bounds(swings, msgspec.structs.replace(days, high=unknown, low=unknown), LATE) is None
    half = np.where(np.arange(len(days)) < 10, days.high, np.nan)
    found = pivot_bounds(swings, msgspec.structs.replace(days, high=half), LATE)
    assert found is not None
    assert found.upper == days.high[:10].max()


@given(st.lists(st.integers(1, 50), min_size=1), st.lists(st.integers(1, 50), min_size=1), st.integers(0, 60))
def test_a_price_has_a_place_between_the_bounds(lows: list[int], highs: list[int], price: int) -> None:
    found = bounds(tuple(sorted(set(lows))), tuple(sorted(set(highs))))
    lower, upper = min(lows), max(highs)
    place = found.position(price)
    if upper <= lower:
        assert place is None
        assert found.beyond(price) is None
    else:
        assert place == pytest.approx((min(max(price, lower), upper) - lower) / (upper - lower))
        assert found.beyond(price) == price - min(max(price, lower), upper)
    assert found.to_support(price) == min((price - low for low in lows if low <= price), default=None)
    assert found.to_resistance(price) == min((high - price for high in highs if high >= price), default=None)


def test_round_numbers() -> None:
    found = bounds((90, 100), (110, 130))
    assert [found.position(price) for price in (80, 90, 100, 110, 130, 150)] == [0, 0, 0.25, 0.5, 1, 1]
    assert [found.beyond(price) for price in (80, 90, 130, 150)] == [-10, 0, 0, 20]
    assert (found.to_support(105), found.to_resistance(105)) == (5, 5)
    assert (found.to_support(89), found.to_resistance(131)) == (None, None)
    assert bounds((100,), (100,)).position(100) is None
