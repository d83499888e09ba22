"""Which candles are wanted still, and which answers are candles of the question."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ProtocolError
from engine.ingestion.coverage import JOIN, Wanted, checked, runs
from engine.types import Bar, Timeframe
from tests.engine.support import BTC, T0

MINUTE = 60_000
START = T0 * 1000


def bar(place: int, source: str = "venue", **changes: object) -> Bar:
    """A bar of price 100 in the minute `place` of the day."""
    made = Bar(
        open_ms=START + place * MINUTE, open=100, high=100, low=100, close=100, volume=1, trades=1, taker_buy=0,
        quote_volume=100, source=source,
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def wanted(start: int, end: int) -> Wanted:
    return Wanted(BTC, Timeframe.M1, START + start * MINUTE, START + end * MINUTE)


def places(windows: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [((a - START) // MINUTE, (b - START) // MINUTE) for a, b in windows]


@given(st.sets(st.integers(0, 300)), st.integers(0, 5))
def test_runs_hold_every_opening_time_and_no_wider_hole_than_allowed(opens: set[int], join: int) -> None:
    found = list(runs(sorted(opens), 1, join))
    covered = {place for first, last in found for place in range(first, last + 1)}
    assert opens <= covered
    assert {first for first, _ in found} | {last for _, last in found} <= opens
    for (_, last), (first, _) in pairwise(found):
        assert first - last > join + 1
    for place in covered - opens:
        assert any(place < other <= place + join for other in opens)


@pytest.mark.parametrize(
    ("start", "end", "first", "count"),
    [(0, 600_000, 0, 10), (1, 600_001, 1, 10), (-59_999, 1, 0, 1), (1, 59_999, 1, 0)],
)
def test_bug_18_bounds_are_those_of_opening_times(start: int, end: int, first: int, count: int) -> None:
    """Inclusive at the start, exclusive at the end; the candle at the edge is never in two neighbouring ranges."""
    asked = Wanted(BTC, Timeframe.M1, START + start, START + end)
    assert list(asked.missing) == [START + (first + place) * MINUTE for place in range(count)]


def test_bug_14_15_what_counts_is_which_candles_came_and_not_how_many() -> None:
    asked = wanted(0, 10)
    assert asked.take([bar(place) for place in range(20, 120)]) == ()
    assert len(asked.missing) == 10
    taken = asked.take([bar(place) for place in (0, 1, 2, 5, 9)])
    assert [place.open_ms for place in taken] == [START + place * MINUTE for place in (0, 1, 2, 5, 9)]
    assert places(asked.windows(1, any_source=False)) == [(3, 4), (4, 5), (5, 6), (6, 7), (7, 8), (8, 9)]
    assert places(asked.windows(1000, any_source=False)) == [(3, 9)]


def test_a_candle_is_taken_once_and_only_whole() -> None:
    asked = wanted(0, 3)
    assert asked.take([bar(0, complete=False)]) == ()
    assert asked.take([bar(0), bar(0)]) == (bar(0),)
    assert asked.take([bar(0)]) == ()


def test_far_holes_are_asked_for_apart_and_in_pages() -> None:
    asked = wanted(0, 1000)
    asked.take([bar(place) for place in range(10, 10 + JOIN + 1)])
    assert places(asked.windows(500, any_source=False)) == [(0, 10), (11 + JOIN, 511 + JOIN), (511 + JOIN, 1000)]


def test_a_stand_in_fills_only_what_nobody_has_and_the_venue_is_still_asked_for_it() -> None:
    asked = wanted(0, 4)
    asked.take([bar(0)])
    assert asked.stand([bar(place, "mexc") for place in range(4)]) == tuple(bar(place, "mexc") for place in (1, 2, 3))
    assert asked.windows(10, any_source=True) == []
    assert places(asked.windows(10, any_source=False)) == [(1, 4)]
    assert asked.take([bar(2)]) == (bar(2),)
    assert places(asked.windows(1, any_source=False)) == [(1, 2), (2, 3), (3, 4)]


def test_a_stored_candle_of_a_stand_in_is_only_used_for_want_of_better() -> None:
    asked = wanted(0, 3)
    assert asked.take([bar(0, "mexc"), bar(1, "bybit"), bar(2)]) == (bar(2),)
    assert len(asked.nowhere()) == 2
    assert asked.take([bar(0)]) == (bar(0),)
    assert asked.make_do() == (bar(1, "bybit"),)
    assert asked.nowhere() == {}


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (bar(3, open_ms=START + 3 * MINUTE + 1), "none of 1m"),
        (bar(-1), "none of 1m"),
        (bar(10), "none of 1m"),
        (bar(1), "comes after"),
        (bar(5, low=101), "contradicts"),
        (bar(5, high=99), "contradicts"),
        (bar(5, low=0), "contradicts"),
        (bar(5, volume=-1), "contradicts"),
    ],
)
def test_an_answer_that_is_none_to_the_question_is_refused(wrong: Bar, why: str) -> None:
    good = [bar(0), bar(1)]
    assert checked(good, Timeframe.M1, START, START + 10 * MINUTE, "venue") == tuple(good)
    with pytest.raises(ProtocolError, match=f"venue: candle {wrong.open_ms} .*{why}|venue: candle .*{why}"):
        checked([*good, wrong], Timeframe.M1, START, START + 10 * MINUTE, "venue")
