"""Slots: columns keep their bars, gaps take the room of what is missing, what is not whole says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.series import read
from tests.tradetui.console.render.rows import CRASH, MINUTE, MONDAY, candles, crash, row, series
from tradetui.console.render.slots import LONG, slots

FLAT = (10.0, 10.0, 10.0, 10.0)


def test_a_bar_is_a_slot() -> None:
    made = slots(series([(1, 4, 0.5, 3), (3, 3, 2, 2)]), MINUTE)
    assert made.ohlc.tolist() == [[1, 4, 0.5, 3], [3, 3, 2, 2]]
    assert made.open_ms.tolist() == [MONDAY, MONDAY + MINUTE]
    assert not made.gap.any()
    assert not made.partial.any()
    assert not made.running.any()


def test_no_bars_are_no_slots() -> None:
    assert len(slots(candles([]), MINUTE, 4, heikin=True)) == 0


def test_columns_of_five_minutes_are_the_five_minute_bars(recordings_root_path: Path) -> None:
    made = slots(candles(crash(recordings_root_path)), MINUTE, 5)
    fives = {bar.open_ms: bar for bar in crash(recordings_root_path, "5m")}
    assert len(made) == 300
    for at, ohlc, volume in zip(made.open_ms.tolist(), made.ohlc.tolist(), made.volume, strict=True):
        bar = fives[at]
        assert ohlc == [bar.open, bar.high, bar.low, bar.close]
        assert volume == pytest.approx(bar.volume)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 200), min_size=2, max_size=60, unique=True).map(sorted),
    st.sampled_from([1, 2, 4, 8]), st.integers(1, 59),
)  # fmt: skip
def test_a_new_bar_changes_no_column_but_the_last(minutes: list[int], group: int, known: int) -> None:
    rows = [row(MONDAY + minute * MINUTE, (5, 5 + minute, 5, 5)) for minute in minutes]
    known = min(known, len(rows) - 1)
    before, after = (slots(candles(some), MINUTE, group) for some in (rows[:known], rows[: known + 1]))
    kept = len(before) - 1
    assert np.array_equal(before.ohlc[:kept], after.ohlc[:kept], equal_nan=True)
    assert np.array_equal(before.open_ms[: kept + 1], after.open_ms[: kept + 1])
    assert np.array_equal(before.gap[: kept + 1], after.gap[: kept + 1])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 300), min_size=1, max_size=60, unique=True).map(sorted), st.sampled_from([1, 2, 8]))
def test_time_never_goes_back_and_nothing_overlaps(minutes: list[int], group: int) -> None:
    made = slots(candles([row(MONDAY + minute * MINUTE, FLAT) for minute in minutes]), MINUTE, group)
    assert (made.open_ms[1:] == made.end_ms[:-1]).all()
    assert (made.open_ms < made.end_ms).all()
    assert not made.gap[[0, -1]].any()
    assert ((made.end_ms - made.open_ms)[~made.broken] == group * MINUTE).all()
    assert (made.gap | ~made.broken).all()
    assert not (made.broken[1:] & made.gap[:-1]).any(), "a break stands for all of its gap"
    assert made.volume.sum() == len(minutes)
    for minute in minutes:
        slot = made.at(MONDAY + minute * MINUTE)
        assert slot is not None
        assert not made.gap[slot]


@pytest.mark.parametrize("missing", [1, 2, LONG - 1])
def test_a_short_hole_takes_a_slot_for_each_bar_that_is_missing(missing: int) -> None:
    made = slots(candles([row(MONDAY, FLAT), row(MONDAY + (missing + 1) * MINUTE, FLAT)]), MINUTE)
    assert made.gap.tolist() == [False, *[True] * missing, False]
    assert not made.broken.any()
    assert np.isnan(made.ohlc[1:-1]).all()
    assert (np.diff(made.open_ms) == MINUTE).all()
    for slot in range(1, missing + 1):
        assert made.hole(slot) == (MONDAY + MINUTE, MONDAY + (missing + 1) * MINUTE)
        assert made.at(MONDAY + slot * MINUTE) == slot


def test_a_long_hole_in_time_takes_one_slot_however_long_it_is() -> None:
    made = slots(candles([row(MONDAY + place * MINUTE, FLAT) for place in (0, 1, 500, 501)]), MINUTE)
    assert made.gap.tolist() == [False, False, True, False, False]
    assert made.broken.tolist() == made.gap.tolist()
    assert made.hole(2) == (MONDAY + 2 * MINUTE, MONDAY + 500 * MINUTE)
    assert (made.open_ms[2], made.end_ms[2]) == (MONDAY + 2 * MINUTE, MONDAY + 500 * MINUTE)
    assert np.isnan(made.ohlc[2]).all()
    assert made.at(MONDAY + 300 * MINUTE) == 2
    assert made.at(MONDAY - 1) is None
    assert made.at(MONDAY + 502 * MINUTE) is None
    assert made.near(MONDAY - 1) == 0
    assert made.near(MONDAY + 900 * MINUTE) == 4


def test_a_column_with_a_bar_missing_is_partial_but_one_that_still_fills_is_not() -> None:
    rows = [row(MONDAY + place * MINUTE, FLAT) for place in (0, 1, 2, 4, 5, 6, 7, 8)]
    made = slots(candles(rows), MINUTE, 4)
    assert made.partial.tolist() == [True, False, False]
    assert made.running.tolist() == [False, False, True]


def test_what_was_not_wholly_heard_is_partial_and_the_running_bar_only_runs() -> None:
    rows = [
        row(MONDAY, FLAT, complete=False),
        row(MONDAY + MINUTE, FLAT),
        row(MONDAY + 2 * MINUTE, FLAT, closed=False, complete=False),
    ]
    made = slots(candles(rows), MINUTE)
    assert made.partial.tolist() == [True, False, False]
    assert made.running.tolist() == [False, False, True]


def test_the_outage_of_april_2021_is_a_break_of_its_length(recordings_root_path: Path) -> None:
    names = ("open_ms", "open", "high", "low", "close", "volume")
    every = read(recordings_root_path / "candles-1m-binance-spot/2021-04_05/ETH_USDT-1m.json").select(names)
    opens = every["open_ms"].to_numpy()
    (hole,) = np.flatnonzero(np.diff(opens) > MINUTE)
    near = every.slice(int(hole) - 100, 200)
    made = slots(candles([row(int(at), ohlcv[:4], ohlcv[4]) for at, *ohlcv in near.iter_rows()]), MINUTE)
    (slot,) = np.flatnonzero(made.broken)
    assert made.hole(int(slot)) == (opens[hole] + MINUTE, opens[hole + 1])
    assert (made.end_ms[slot] - made.open_ms[slot]) // MINUTE == 284
    assert len(made) == 201


def test_a_stretch_of_the_past_has_no_running_bar() -> None:
    rows = [row(MONDAY + place * MINUTE, FLAT) for place in range(6)]
    assert slots(candles(rows), MINUTE, 4).running.tolist() == [False, True]
    made = slots(candles(rows), MINUTE, 4, past=True)
    assert not made.running.any()
    assert made.partial.tolist() == [False, True]


def test_heikin_ashi_is_the_recursion_over_the_whole_series(recordings_root_path: Path) -> None:
    bars = candles(crash(recordings_root_path, until=CRASH))
    made = slots(bars, MINUTE, heikin=True)
    open_, close = 0.0, 0.0
    for place, (o, h, l, c) in enumerate(bars.ohlc.tolist()):  # noqa: E741
        open_ = (o + c) / 2 if place == 0 else (open_ + close) / 2
        close = (o + h + l + c) / 4
        assert made.ohlc[place] == pytest.approx([open_, max(h, open_, close), min(l, open_, close), close], rel=1e-12)
