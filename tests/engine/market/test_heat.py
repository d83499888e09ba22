"""Intensities, smoothing, walls and summary of a heat map, on the specification's values and any buckets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.market.buckets import Buckets
from engine.market.heat import Heat, Point

SIDE = st.dictionaries(st.integers(0, 99), st.integers(0, 10**9), max_size=30)


def heat(bids: dict[int, int], asks: dict[int, int] | None = None, size: int = 10) -> Heat:
    return Heat.of(Buckets(size=size, first=0, stop=1000, bids=bids, asks=asks or {}))


def points(*values: tuple[int, float, float]) -> tuple[Point, ...]:
    return tuple(Point(bucket=k, volume=volume, intensity=intensity) for k, volume, intensity in values)


def test_gv7_smoothing() -> None:
    """GV-7: 0.3 over volumes 1, 2, 4 and intensities .25 .5 1; HMC-3."""
    side = points((1, 1, 0.25), (2, 2, 0.5), (3, 4, 1.0))
    smoothed = Heat(size=1, bids=side, asks=side[:2]).smoothed()
    assert [point.volume for point in smoothed.bids] == pytest.approx([1.230769, 2.1875, 3.538462], abs=1e-6)
    assert [point.intensity for point in smoothed.bids] == pytest.approx([0.307692, 0.546875, 0.884615], abs=1e-6)
    assert smoothed.asks == side[:2], "fewer than 3 points stay as they are"
    for factor in (0.0, -1.0):
        assert Heat(size=1, bids=side, asks=()).smoothed(factor).bids == side


@given(bids=SIDE, asks=SIDE)
def test_intensity_is_volume_over_the_95th_percentile_of_its_side(bids: dict[int, int], asks: dict[int, int]) -> None:
    made = heat(bids, asks)
    for side, given_side in ((made.bids, bids), (made.asks, asks)):
        held = {k: volume for k, volume in given_side.items() if volume}
        assert {point.bucket: point.volume for point in side} == held
        assert [point.bucket for point in side] == sorted(held)
        if held:
            full = np.percentile(list(held.values()), 95)
            assert [point.intensity for point in side] == pytest.approx([min(held[k] / full, 1) for k in sorted(held)])
            assert max(point.intensity for point in side) == 1


def test_one_side_does_not_outshine_the_other() -> None:
    """The issue's rule, per side; HMC-1 took the largest of both."""
    made = heat({1: 1, 2: 1}, {5: 1000})
    assert {point.intensity for point in (*made.bids, *made.asks)} == {1.0}


def test_faint_points_are_left_out_from_below_a_tenth() -> None:
    """HMC-4, inclusive."""
    side = points((1, 1, 0.1), (2, 1, 0.0999), (3, 1, 1.0))
    assert [point.bucket for point in Heat(size=1, bids=side, asks=side).visible().asks] == [1, 3]
    assert Heat(size=1, bids=side, asks=()).visible(1.0).bids == side[2:]


def test_largest_points_of_both_sides() -> None:
    """HMC-2."""
    made = heat({1: 5, 2: 9}, {5: 7, 6: 1}).largest(2)
    assert ([point.bucket for point in made.bids], [point.bucket for point in made.asks]) == ([2], [5])


def test_walls_are_support_and_resistance() -> None:
    """HMC-7: intensity 0.7 and more; bids from above, asks from below."""
    bids = points((1, 7, 0.7), (2, 6, 0.69), (3, 9, 0.9))
    asks = points((5, 7, 0.71), (6, 9, 1.0), (7, 1, 0.1))
    support, resistance = Heat(size=1, bids=bids, asks=asks).walls()
    assert [point.bucket for point in support] == [3, 1]
    assert [point.bucket for point in resistance] == [5, 6]


def test_price_levels_and_volume_profile() -> None:
    """HMC-5, HMC-6."""
    made = heat({1: 5, 3: 9}, {3: 2, 4: 7})
    assert made.price_levels() == [10, 30, 40]
    assert made.price_levels(bids=False) == [30, 40]
    assert made.price_levels(asks=False) == [10, 30]
    assert made.volume_profile() == ([(30, 9), (10, 5)], [(30, 2), (40, 7)])


def test_summary() -> None:
    """HMC-8: these fields and no others; of nothing, nothing."""
    side = points((1, 10, 0.5), (3, 20, 1.0))
    assert Heat(size=10, bids=side, asks=points((4, 10, 0.3))).summary() == {
        "total_points": 3,
        "bid_points": 2,
        "ask_points": 1,
        "total_volume": 40,
        "bid_volume": 30,
        "ask_volume": 10,
        "max_intensity": 1.0,
        "avg_intensity": pytest.approx(0.6),
        "price_range": 30,
        "best_bid": 30,
        "best_ask": 40,
        "volume_imbalance": 0.5,
    }
    assert heat({}).summary() == {}
    assert heat({2: 5}).summary()["best_ask"] is None
