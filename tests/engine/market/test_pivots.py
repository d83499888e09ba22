"""The market structure against its definition, in all its forms, on invented and on recorded candles."""

from __future__ import annotations

import random
from collections import Counter
from itertools import accumulate, pairwise
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.market.pivotlog import PivotLog
from engine.market.pivots import DISTANCE, LEVELS, VERSION, Structure, pivots
from engine.ohlcv import COLUMNS, OHLCV
from engine.types import MS, PivotPoint, Timeframe
from tests.support.series import FILES, recorded_of

MINUTE = 60_000

Row = tuple[int, float, float, int]
"""(opening time in ms, high, low, known at)"""


def candles(rows: list[Row], timeframe: Timeframe = Timeframe.M1) -> OHLCV:
    columns = {name: np.zeros(len(rows), kind) for name, kind in COLUMNS.items()}
    for name, values in zip(("open_ms", "high", "low", "known_at"), zip(*rows, strict=True), strict=False):
        columns[name] = np.array(values, COLUMNS[name])
    return OHLCV(timeframe=timeframe, **columns)


def rows_of(bars: OHLCV) -> list[Row]:
    return list(zip(bars.open_ms.tolist(), bars.high.tolist(), bars.low.tolist(), bars.known_at.tolist(), strict=True))


def defined(rows: list[Row], distance: int, timeframe: Timeframe = Timeframe.M1) -> list[PivotPoint]:
    """The log by the ruling's words, with nothing clever."""
    found: list[tuple[int, bool, int, int, float]] = []
    for low in (False, True):
        # (place of the bar that turned, its price, place of the bar that made it known)
        items = [(place, row[2] if low else row[1], place) for place, row in enumerate(rows)]
        for level in range(1, LEVELS + 1):
            pivots_of_level = []
            for at in range(distance, len(items) - distance):
                price = items[at][1]
                before = [item[1] for item in items[at - distance : at]]
                after = [item[1] for item in items[at + 1 : at + 1 + distance]]
                if low:
                    turned = all(price < other for other in before) and not any(price > other for other in after)
                else:
                    turned = all(price > other for other in before) and not any(price < other for other in after)
                if turned:
                    confirmed = items[at + distance][2]
                    pivots_of_level.append((items[at][0], price, confirmed))
                    found.append((confirmed, low, level, items[at][0], price))
            items = pivots_of_level
    known_at = list(accumulate((row[3] for row in rows), max))
    return [
        PivotPoint(
            timeframe=timeframe,
            level=level,
            high=not low,
            ts_ms=rows[place][0],
            price=price,
            confirmed_ms=rows[confirmed][0] + timeframe.seconds * 1000,
            known_at=known_at[confirmed],
        )
        for confirmed, low, level, place, price in sorted(found)
    ]


def one_by_one(structure: Structure, rows: list[Row]) -> list[PivotPoint]:
    return [point for row in rows for point in structure.advance(*row)]


def same(one: PivotLog, other: PivotLog) -> bool:
    return len(one) == len(other) and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in PivotLog.__struct_fields__
    )


@st.composite
def bars(draw: st.DrawFn) -> list[Row]:
    """Bars of few prices, so with many ties, with holes in time, some known late."""
    top = draw(st.integers(1, 60))
    count = draw(st.sampled_from((0, 1, 4, 5, 6, 20, 100, 300)))
    part = st.tuples(st.integers(0, top), st.integers(0, 3), st.sampled_from((1, 1, 1, 2, 50)), st.integers(0, 200))
    rows: list[Row] = []
    open_ms = 1_700_000_040_000
    for low, span, ahead, late in draw(st.lists(part, min_size=count, max_size=count)):
        open_ms += ahead * MINUTE
        rows.append((open_ms, float(low + span), float(low), (open_ms + MINUTE + late * 1000) * MS))
    return rows


# By the definition. ---------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(bars(), st.integers(1, 3))
def test_at_once_and_bar_by_bar_are_the_definition(rows: list[Row], distance: int) -> None:
    expected = defined(rows, distance)
    log, at_once = pivots(candles(rows), distance)
    structure = Structure(Timeframe.M1, distance)
    assert one_by_one(structure, rows) == expected
    assert log.points() == expected
    assert at_once.state() == structure.state()


@pytest.mark.parametrize("timeframe", FILES)
def test_recorded_candles_give_the_definition(recordings_root_path: Path, timeframe: Timeframe) -> None:
    known = recorded_of(recordings_root_path, timeframe)[-20_000:]
    rows = rows_of(known)
    expected = defined(rows, DISTANCE, timeframe)
    log, at_once = pivots(known)
    structure = Structure(timeframe)
    assert log.points() == expected
    assert one_by_one(structure, rows) == expected
    assert at_once.state() == structure.state()
    assert set(log.level.tolist()) >= {1, 2, 3, 4}


def test_of_equal_prices_the_first_turned() -> None:
    rows = [(place * MINUTE, float(high), 0.0, 0) for place, high in enumerate((1, 2, 5, 5, 5, 2, 1))]
    found = one_by_one(Structure(Timeframe.M1), rows)
    assert [(point.high, point.ts_ms, point.confirmed_ms, point.known_at) for point in found] == [
        (True, 2 * MINUTE, 5 * MINUTE, 5 * MINUTE * MS)
    ]


def test_a_level_needs_all_its_neighbours() -> None:
    """Two rises on the left are missing at the start of the series, the second fall on the right at its end."""
    rows = [(place * MINUTE, float(high), 0.0, 0) for place, high in enumerate((9, 8, 7, 8, 9, 8))]
    assert one_by_one(Structure(Timeframe.M1), rows) == []
    assert len(one_by_one(Structure(Timeframe.M1), [*rows, (6 * MINUTE, 7.0, 0.0, 0)])) == 1


# What is in the log. ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=list(FILES))
def series(request: pytest.FixtureRequest, recordings_root_path: Path) -> tuple[OHLCV, PivotLog]:
    known = recorded_of(recordings_root_path, request.param)
    return known, pivots(known)[0]


def test_each_pivot_is_one_of_the_level_below_which_was_confirmed_by_then(series: tuple[OHLCV, PivotLog]) -> None:
    confirmed = {}
    for point in series[1].points():
        if point.level > 1:
            below = confirmed[point.level - 1, point.high, point.ts_ms]
            assert below.price == point.price
            assert below.confirmed_ms < point.confirmed_ms
        confirmed[point.level, point.high, point.ts_ms] = point
    assert len(confirmed) == len(series[1]), "a pivot was confirmed twice"


def test_a_pivot_stands_on_its_bar_and_is_confirmed_by_later_ones(series: tuple[OHLCV, PivotLog]) -> None:
    known, log = series
    places = np.searchsorted(known.open_ms, log.ts_ms)
    assert np.array_equal(known.open_ms[places], log.ts_ms)
    assert np.array_equal(np.where(log.high, known.high[places], known.low[places]), log.price)
    first = log.level == 1
    assert np.array_equal(known.close_ms[places[first] + DISTANCE], log.confirmed_ms[first])
    assert (log.confirmed_ms[~first] > known.close_ms[places[~first] + DISTANCE]).all()
    assert np.array_equal(log.known_at, log.confirmed_ms * MS)
    assert (np.diff(log.confirmed_ms) >= 0).all()


def test_the_log_of_what_was_known_is_the_log_as_it_was(series: tuple[OHLCV, PivotLog]) -> None:
    """Cut at any time: nothing in the log is ever taken back, moved or made better."""
    known, log = series
    dice = random.Random(len(known))
    for cut in [0, 1, *(dice.randrange(len(known) + 1) for _ in range(40))]:
        then = pivots(known[:cut])[0]
        assert same(then, log.until(int(known.close_ms[cut - 1])) if cut else log[:0])
        between = int(known.close_ms[cut - 1]) + known.timeframe.seconds * 1000 - 1 if cut else 0
        assert same(then, log.until(between))


# Going on. ----------------------------------------------------------------------------------------------------------


def test_saved_anywhere_it_goes_on_as_if_nothing_had_been(series: tuple[OHLCV, PivotLog]) -> None:
    known, log = series
    known = known[:20_000]
    dice = random.Random(len(known))
    cuts = sorted(dice.sample(range(1, len(known)), 60))
    structure, points = Structure(known.timeframe), []
    for start, end in pairwise([0, *cuts, len(known)]):
        part = known[start:end]
        if dice.random() < 0.5:
            points += structure.extend(part).points()
        else:
            points += one_by_one(structure, rows_of(part))
        assert structure.until_ms == part.open_ms[-1]
        saved = structure.state()
        assert len(saved) < 1000
        structure = Structure.restore(saved)
        assert structure.state() == saved
    assert points == log.until(int(known.close_ms[-1])).points()


@settings(max_examples=80, deadline=None)
@given(bars(), st.integers(1, 3), st.lists(st.integers(0, 300), max_size=8), st.integers(0, 2**32))
def test_cut_into_any_stretches_it_finds_the_same(rows: list[Row], distance: int, cuts: list[int], seed: int) -> None:
    dice = random.Random(seed)
    structure, points = Structure(Timeframe.M1, distance), []
    for start, end in pairwise([0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]):
        other = structure.copy()
        assert other.state() == structure.state()
        whole = one_by_one(other, rows[start:end])
        assert structure.extend(candles(rows[start:end])).points() == whole, "a copy goes on by itself"
        assert other.state() == structure.state()
        points += whole
        structure = dice.choice((structure, other, Structure.restore(structure.state())))
    assert points == defined(rows, distance)


def test_the_state_does_not_grow(series: tuple[OHLCV, PivotLog]) -> None:
    structure = Structure(series[0].timeframe)
    structure.extend(series[0][:5000])
    early = len(structure.state())
    structure.extend(series[0][5000:])
    assert len(structure.state()) < early + 300


# What is refused. ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ((120_000, 2.0, 1.0, 0), "comes after the one of 120000 ms"),
        ((60_000, 2.0, 1.0, 0), "comes after the one of 120000 ms"),
        ((180_000, 1.0, 2.0, 0), "high of 1.0 and a low of 2.0"),
        ((180_000, float("nan"), 1.0, 0), "high of nan"),
        ((180_000, 1.0, float("nan"), 0), "low of nan"),
    ],
)
def test_what_is_no_next_bar_is_refused_and_changes_nothing(row: Row, why: str) -> None:
    structure = Structure(Timeframe.M1)
    structure.extend(candles([(place * MINUTE, 2.0 + place, 1.0, 0) for place in range(3)]))
    before = structure.state()
    with pytest.raises(ValueError, match=why):
        structure.advance(*row)
    with pytest.raises(ValueError, match=why):
        structure.extend(candles([row]))
    with pytest.raises(ValueError, match=r"comes after the one of 150000 ms|high of"):
        structure.extend(candles([(150_000, 2.0, 1.0, 0), row]))
    assert structure.state() == before


def test_candles_of_another_timeframe_and_a_distance_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="candles of 1h given to a market structure of 1m"):
        Structure(Timeframe.M1).extend(candles([(0, 2.0, 1.0, 0)], Timeframe.H1))
    with pytest.raises(ValueError, match="min_pivot_distance is 0"):
        Structure(Timeframe.M1, 0)


def test_bytes_that_are_no_state_are_refused() -> None:
    structure = Structure(Timeframe.M1)
    structure.extend(candles([(place * MINUTE, 2.0 + place % 4, 1.0, 0) for place in range(40)]))
    state = structure.state()
    with pytest.raises(ValueError, match=f"version {VERSION + 1}, read is {VERSION}"):
        Structure.restore(bytes([VERSION + 1]) + state[1:])
    with pytest.raises(ValueError, match="version none"):
        Structure.restore(b"")
    for end in range(1, len(state)):
        with pytest.raises(ValueError, match="damaged"):
            Structure.restore(state[:end])
    fields = msgspec.msgpack.decode(state[1:])
    for windows in (fields[4][:-1], [[[1.0] * 5, [1] * 5], *fields[4][1:]], [[[1.0], []], *fields[4][1:]]):
        with pytest.raises(ValueError, match="damaged: windows"):
            Structure.restore(bytes([VERSION]) + msgspec.msgpack.encode([*fields[:4], windows]))


# Columns. -----------------------------------------------------------------------------------------------------------


def test_columns_and_points_are_the_same_log(series: tuple[OHLCV, PivotLog]) -> None:
    log = series[1][:500]
    assert same(PivotLog.of_points(log.timeframe, log.points()), log)
    nothing = PivotLog.of_points(log.timeframe, [])
    assert (len(nothing), nothing.points(), len(nothing.newest(3))) == (0, [], 0)
    assert same(pivots(OHLCV.empty(log.timeframe))[0], nothing)


@pytest.mark.parametrize("kept", [0, 1, 8])
def test_the_newest_of_each_level_and_side(series: tuple[OHLCV, PivotLog], kept: int) -> None:
    left: Counter[tuple[int, bool]] = Counter()
    expected = []
    for point in reversed(series[1].points()):
        left[point.level, point.high] += 1
        if left[point.level, point.high] <= kept:
            expected.append(point)
    assert series[1].newest(kept).points() == expected[::-1]
