"""Calm, normal and wild, from volatility and spread; known only from enough, and without flapping."""

from __future__ import annotations

import math
import random
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from engine.risk.limits import Regimes
from engine.risk.regimes import LEAST_HOURS, MOST_HOURS, RegimeTracker
from engine.types import SECOND, Timeframe
from tests.support.series import BINANCE_1H, OUTAGES_1H, recorded


def walk(*stretches: tuple[int, float], seed: int = 7) -> list[float]:
    """Hourly closes: so many hours at so much volatility an hour, one stretch after the other."""
    dice, price = random.Random(seed), 60_000.0
    closes = [price]
    for hours, volatility in stretches:
        for _ in range(hours):
            price *= math.exp(dice.gauss(0, volatility))
            closes.append(price)
    return closes


def told(closes: list[float]) -> RegimeTracker:
    tracker = RegimeTracker(Regimes())
    tracker.closes(closes)
    return tracker


def test_a_day_unlike_the_month_is_told():
    assert told(walk((696, 0.005), (24, 0.03))).regime == "wild"
    assert told(walk((696, 0.005), (24, 0.0005))).regime == "calm"
    assert told(walk((720, 0.005))).regime in {"calm", "normal"}


def test_the_percentile_is_that_of_the_last_day_among_all_days_of_the_month():
    closes = walk((900, 0.005), seed=3)
    tracker = told(closes)
    returns = np.diff(np.log(closes))[-720:]
    spans = [returns[at : at + 24].std(ddof=1) for at in range(len(returns) - 23)]
    below = sum(each < spans[-1] for each in spans)
    assert tracker.percentile == pytest.approx((below + 0.5) / len(spans))
    assert tracker.volatility == pytest.approx(spans[-1] * math.sqrt(24 * 365.25))


def test_three_days_are_needed():
    assert told(walk((LEAST_HOURS - 1, 0.005))).regime == "unknown"
    assert told(walk((LEAST_HOURS, 0.005))).percentile is not None
    assert told([]).regime == "unknown"
    assert RegimeTracker(Regimes()).parameters == Regimes().normal


def test_a_missing_hour_is_no_hour():
    closes = walk((720, 0.005))
    closes[300] = math.nan
    assert told(closes).percentile is not None
    closes[-5] = math.nan
    assert told(closes).percentile is None
    assert told(closes).regime == "unknown"
    assert told([math.nan] * 700).regime == "unknown"


def test_prices_that_never_move_are_normal():
    assert told([1.0] * 721).regime == "normal"


def test_a_condition_is_left_only_beyond_its_threshold():
    tracker = RegimeTracker(Regimes())
    seen = []
    for percentile in (0.5, 0.91, 0.89, 0.86, 0.84, 0.89, 0.29, 0.31, 0.34, 0.36, 0.31):
        tracker.percentile = percentile
        tracker._tell()
        seen.append(tracker.regime)
    assert seen == ["normal", "wild", "wild", "wild", "normal", "normal", "calm", "calm", "calm", "normal", "normal"]


def test_a_wide_spread_is_wild_and_halves_size():
    tracker = told(walk((720, 0.005)))
    before = tracker.regime
    at = 0
    for bps in [0.1] * 60 + [9.0] * 31:
        at += SECOND
        tracker.spread(bps, at)
    assert tracker.spread_bps == 9.0
    assert tracker.regime == "wild"
    assert tracker.parameters.size == 0.5
    for bps in [4.5] * 60:  # under the threshold of 5, not yet under 4
        at += SECOND
        assert tracker.spread(bps, at) is False
    changes = []
    for bps in [3.9] * 60:
        at += SECOND
        changes.append(tracker.spread(bps, at))
    assert changes.count(True) == 1
    assert tracker.regime == before


def test_recorded_hours_are_what_their_percentiles_say_and_do_not_flap(recordings_root_path: Path):
    closes = recorded(recordings_root_path, BINANCE_1H, Timeframe.H1).close.tolist()[: MOST_HOURS + 1501]
    tracker, seen, changes, bare = RegimeTracker(Regimes()), Counter[str](), 0, []
    for end in range(MOST_HOURS + 1, len(closes)):
        changes += tracker.closes(closes[:end])
        seen[tracker.regime] += 1
        assert tracker.percentile is not None
        bare.append((tracker.percentile > 0.9) - (tracker.percentile < 0.3))
    assert set(seen) == {"calm", "normal", "wild"}
    assert 0.04 < seen["wild"] / seen.total() < 0.2
    assert 0.2 < seen["calm"] / seen.total() < 0.5
    assert changes < 0.8 * sum(one != other for one, other in pairwise(bare))


def test_a_recorded_outage_makes_the_last_day_unknown_until_it_is_past(recordings_root_path: Path):
    hours = recorded(recordings_root_path, OUTAGES_1H, Timeframe.H1)
    places = hours.open_ms // 3_600_000
    holes = [at for at in np.flatnonzero(np.diff(places) > 1) if at > MOST_HOURS]
    assert holes
    known = dict(zip(places.tolist(), hours.close.tolist(), strict=True))
    last = int(places[holes[0]])

    def told_at(hour: int) -> RegimeTracker:
        return told([known.get(each, math.nan) for each in range(hour - MOST_HOURS, hour + 1)])

    after = int(places[holes[0] + 1])
    assert told_at(last).percentile is not None
    assert told_at(after).regime == "unknown"
    assert told_at(after + 23).regime == "unknown"
    assert told_at(after + 24).percentile is not None


def test_the_spread_is_of_the_last_minute_one_sample_a_second():
    tracker = RegimeTracker(Regimes())
    for tenth in range(100):
        tracker.spread(8.0 if tenth % 10 else 1.0, tenth * SECOND // 10)
    assert tracker.spread_bps == 1.0
    tracker.spread(3.0, 1000 * SECOND)
    assert tracker.spread_bps == 3.0
    tracker.spread(4.0, 1001 * SECOND)
    assert tracker.spread_bps == 3.5


def test_an_image_is_plain():
    tracker = told(walk((720, 0.03)))
    tracker.spread(2.0, SECOND)
    assert tracker.image()["regime"] == tracker.regime
    assert tracker.image()["spreads"] == [(SECOND, 2.0)]
