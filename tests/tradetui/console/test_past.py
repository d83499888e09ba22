"""The past of a chart: whatever pages come in whatever order, what is loaded has no hole and no double."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.protocol import Asked
from engine.types import Timeframe
from engine.views import HistoryView
from tests.support.recorded_past import RecordedPast
from tests.support.series import minutes
from tradetui.console.past import AGAIN_S, KEPT, MOST, Page, Past
from tradetui.console.series import Candles

MINUTE = 60_000
ETH = "binance:ETH/USDT"


@cache
def recorded(root: Path) -> RecordedPast:
    """Two months of 2021 with the outage of April in it."""
    return RecordedPast(ETH, minutes(root, "ETH", ("2021-04_05",)))


@pytest.fixture
def archive(recordings_root_path: Path) -> RecordedPast:
    return recorded(recordings_root_path)


def answer(archive: RecordedPast, page: Page) -> HistoryView:
    return archive.history(
        Asked(id=1, topic="history", instrument=ETH, timeframe="1m", start_ms=page.start_ms, end_ms=page.end_ms,
              limit=(page.end_ms - page.start_ms) // MINUTE + 1)
    )  # fmt: skip


def load(past: Past, archive: RecordedPast, begin: int, end: int, most: int = 50) -> int:
    """Ask and take until nothing is lacking; return how many pages it took."""
    for count in range(most):
        page = past.lacks(begin, end, 0.0)
        if page is None:
            return count
        past.ask(page)
        past.take(page, answer(archive, page), 0.0)
    raise AssertionError("it never has enough")


def whole(past: Past, archive: RecordedPast) -> None:
    """What is loaded is what is recorded of that stretch: each bar once, in order."""
    opens = archive.bars(Timeframe.M1).open_ms
    inside = opens[(opens >= past.start_ms) & (opens < past.stop_ms)]
    assert past.candles.open_ms.tolist() == inside.tolist()


places = st.integers(-3000, 62_000)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(places, st.integers(60, 4000)), min_size=1, max_size=8))
def test_wherever_one_looks_it_is_loaded_without_hole_or_double(
    recordings_root_path: Path, looks: list[tuple[int, int]]
) -> None:
    archive = recorded(recordings_root_path)
    first = 1_618_951_200_000
    past = Past(MINUTE)
    for at, bars in looks:
        begin, end = first + at * MINUTE, first + (at + bars) * MINUTE
        load(past, archive, begin, end)
        whole(past, archive)
        if end > first:
            assert past.start_ms <= max(begin, past.begins_ms or 0)
            assert past.stop_ms >= min(end, first + 10**12)
        assert len(past.candles) <= max(KEPT, 2 * bars) + MOST


def test_paging_back_asks_for_one_page_after_another_and_says_where_data_begin(archive: RecordedPast) -> None:
    past, begin = Past(MINUTE), 1_618_951_200_000 + 20_000 * MINUTE
    end = begin + 300 * MINUTE
    pages = 0
    while past.begins_ms is None:
        pages += load(past, archive, begin, end)
        begin, end = begin - 100 * MINUTE, end - 100 * MINUTE
        assert pages < 100
    assert past.begins_ms == 1_618_951_200_000
    assert past.lacks(0, past.begins_ms + MINUTE, 0.0) is None, "nothing is asked for that nobody has"
    assert len(past.candles) <= KEPT + MOST
    assert past.served.startswith("storage ")
    assert past.stored is not None
    assert past.stored[0] == past.begins_ms


def test_a_venue_that_begins_later_than_what_is_stored_is_not_where_data_begin(archive: RecordedPast) -> None:
    past, first = Past(MINUTE), 1_618_951_200_000
    hole = Page(first + 6222 * MINUTE, first + 6480 * MINUTE)
    past.ask(hole)
    told = answer(archive, hole)
    assert not told.rows
    past.take(hole, msgspec.structs.replace(told, reached_start=True), 0.0)
    assert past.begins_ms is None, "older ones are stored"
    load(past, archive, first + 6000 * MINUTE, first + 6480 * MINUTE)
    assert past.candles.open_ms[0] <= first + 6000 * MINUTE
    whole(past, archive)


def test_a_page_that_fails_keeps_nobody_from_looking_elsewhere(archive: RecordedPast) -> None:
    past, first = Past(MINUTE), 1_618_951_200_000
    page = past.lacks(first + 9000 * MINUTE, first + 9300 * MINUTE, 0.0)
    assert page is not None
    past.ask(page)
    past.failed(page, "binance answers 418", 0.0)
    assert past.lacks(first + 9000 * MINUTE, first + 9300 * MINUTE, 1.0) is None
    other = past.lacks(first + 30_000 * MINUTE, first + 30_300 * MINUTE, 1.0)
    assert other is not None
    assert past.lacks(first + 9000 * MINUTE, first + 9300 * MINUTE, AGAIN_S + 1) is not None


def test_what_lies_behind_a_hole_is_not_let_go_for_being_long_ago(recordings_root_path: Path) -> None:
    """From the bars of 2024 back over three years without any: what comes is kept, however far off in time."""
    archive = RecordedPast(ETH, minutes(recordings_root_path, "ETH", ("2021-04_05", "2024-07_08")))
    past, begun = Past(MINUTE), 1_722_003_360_000
    for at in range(KEPT, 0, -3000):
        load(past, archive, begun + at * MINUTE, begun + (at + 3000) * MINUTE)
    load(past, archive, begun, begun + 3000 * MINUTE)
    assert len(past.candles) >= KEPT - 3000
    begin, end = begun - 180 * MINUTE, begun + 360 * MINUTE
    load(past, archive, begin, end)
    past.bounded(archive.gaps(Asked(id=1, topic="gaps", instrument=ETH, timeframe="1m")))
    for _ in range(3):
        load(past, archive, past.start_ms - 180 * MINUTE if past.bare_before else begin, end)
    assert past.candles.open_ms[0] < 1_621_543_140_000
    assert past.stop_ms >= end


def test_older_bars_may_be_imported_meanwhile(archive: RecordedPast) -> None:
    past, first = Past(MINUTE), 1_618_951_200_000
    page = Page(first + 900 * MINUTE, first + 1200 * MINUTE)
    begun = first + 1000 * MINUTE
    past.ask(page)
    told = answer(archive, page)
    later = tuple(row for row in told.rows if row.open_ms >= begun)
    past.take(page, msgspec.structs.replace(told, rows=later, reached_start=True, first_ms=begun), 0.0)
    assert past.begins_ms == begun
    load(past, archive, page.start_ms, page.end_ms)
    past.bounded(None)
    assert past.begins_ms == begun
    page = Page(past.stop_ms, past.stop_ms + 300 * MINUTE)
    past.ask(page)
    past.take(page, answer(archive, page), 0.0)
    assert past.begins_ms is None


def test_one_request_at_a_time_unless_one_looks_elsewhere(archive: RecordedPast) -> None:
    past, first = Past(MINUTE), 1_618_951_200_000
    page = past.lacks(first + 9000 * MINUTE, first + 9300 * MINUTE, 0.0)
    assert page is not None
    past.ask(page)
    assert past.lacks(first + 8900 * MINUTE, first + 9200 * MINUTE, 0.0) is None
    other = past.lacks(first + 30_000 * MINUTE, first + 30_300 * MINUTE, 0.0)
    assert other is not None
    past.ask(other)
    assert past.take(page, answer(archive, page), 0.0) == 0
    assert not len(past.candles), "an answer that nobody waits for any more is dropped"
    past.take(other, answer(archive, other), 0.0)
    whole(past, archive)
    assert past.stop_ms == first + 30_300 * MINUTE


def test_the_past_and_the_live_bars_are_joined_where_they_meet(archive: RecordedPast) -> None:
    past, first = Past(MINUTE), 1_618_951_200_000
    live = Candles.of(answer(archive, Page(first + 3500 * MINUTE, first + 5000 * MINUTE)).rows)
    assert past.joined(live) is None
    load(past, archive, first + 2000 * MINUTE, int(live.open_ms[0]))
    joined = past.joined(live)
    assert joined is not None
    assert len(np.unique(joined.open_ms)) == len(joined)
    assert (np.diff(joined.open_ms) > 0).all()
    assert joined.open_ms[-1] == live.open_ms[-1]
    assert joined.ohlc[-1].tolist() == live.ohlc[-1].tolist()
    later = live.part(200, len(live))
    assert past.joined(later) is None, "live bars have left meanwhile: what lies between is asked for first"
    load(past, archive, first + 3000 * MINUTE, int(later.open_ms[0]))
    again = past.joined(later)
    assert again is not None
    assert (np.diff(again.open_ms) > 0).all()
    assert set(live.open_ms.tolist()) <= set(again.open_ms.tolist())


def test_what_fails_is_asked_again_after_a_pause_with_its_reason(archive: RecordedPast) -> None:
    past, first = Past(MINUTE), 1_618_951_200_000
    page = past.lacks(first, first + 300 * MINUTE, 0.0)
    assert page is not None
    past.ask(page)
    past.failed(page, "binance answers 503", 5.0)
    assert past.trouble == "binance answers 503"
    assert past.lacks(first, first + 300 * MINUTE, 5.0 + AGAIN_S / 2) is None
    assert past.lacks(first, first + 300 * MINUTE, 5.0 + AGAIN_S) == page
    past.ask(page)
    past.take(page, answer(archive, page), 20.0)
    assert past.trouble == ""


def test_a_long_hole_is_crossed_by_larger_pages(archive: RecordedPast) -> None:
    past, last = Past(MINUTE), int(archive.bars(Timeframe.M1).open_ms[-1])
    day = 24 * 60 * MINUTE
    pages = load(past, archive, last - 200 * MINUTE, last + 60 * day)
    assert pages < 60 * 24 * 60 / MOST + 8
    whole(past, archive)
    assert past.stop_ms == last + 60 * day


def test_what_a_source_could_not_give_is_not_taken_for_missing(archive: RecordedPast) -> None:
    past, first = Past(MINUTE), 1_618_951_200_000
    page = past.lacks(first + 600 * MINUTE, first + 900 * MINUTE, 0.0)
    assert page is not None
    past.ask(page)
    told = msgspec.structs.replace(answer(archive, page), reason="binance answers 503; storage gave what it has")
    half = told.rows[len(told.rows) // 2 :]
    past.take(page, msgspec.structs.replace(told, rows=half), 0.0)
    assert past.start_ms == half[0].open_ms, "what is before it is asked for again"
    assert "503" in past.trouble
    again = past.lacks(page.start_ms, page.end_ms, AGAIN_S + 1)
    assert again is not None
    assert again.end_ms == past.start_ms


def test_an_answer_without_rows_and_with_a_reason_is_no_gap() -> None:
    past = Past(MINUTE)
    page = past.lacks(10**12, 10**12 + 300 * MINUTE, 0.0)
    assert page is not None
    past.ask(page)
    told = HistoryView(
        instrument=ETH, timeframe="1m", rows=(), served=(), gaps=(), reached_start=False, first_ms=None, last_ms=None,
        reason="storage is locked, and binance answers 418 until 12:00",
    )  # fmt: skip
    past.take(page, told, 0.0)
    assert not past.stop_ms, "nothing is known of that time"
    assert "418" in past.trouble
    assert past.lacks(10**12, 10**12 + 300 * MINUTE, AGAIN_S + 1) is not None


def test_impossible_bars_and_bars_of_another_time_are_not_drawn(archive: RecordedPast) -> None:
    past, first = Past(MINUTE), 1_618_951_200_000
    page = past.lacks(first + 600 * MINUTE, first + 900 * MINUTE, 0.0)
    assert page is not None
    past.ask(page)
    told = answer(archive, page)
    rows = list(told.rows)
    rows[5] = msgspec.structs.replace(rows[5], low=rows[5].high + 1)
    rows[-1] = msgspec.structs.replace(rows[-1], open_ms=page.end_ms)
    assert past.take(page, msgspec.structs.replace(told, rows=tuple(rows)), 0.0) == 2
    assert len(past.candles) == len(rows) - 2
    assert (past.candles.open_ms < page.end_ms).all()
