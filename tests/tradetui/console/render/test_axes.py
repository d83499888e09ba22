"""The axes: round numbers on their rows, times under their bars, nothing over anything else."""

from __future__ import annotations

import re
from itertools import pairwise
from math import log10

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.types import TIMEFRAME_SECONDS, Timeframe
from tests.tradetui.console.render.rows import MINUTE, MONDAY, candles, row
from tradetui.console.render.axes import (
    Tick,
    cross_tag,
    decimals,
    draw_prices,
    draw_times,
    last_tag,
    moment,
    nice,
    price_ticks,
    step,
    time_ticks,
)
from tradetui.console.render.frame import Frame
from tradetui.console.render.pens import DOWN, UP, back_of
from tradetui.console.render.scale import between, fit
from tradetui.console.render.slots import Slots, slots
from tradetui.console.render.viewport import ZOOMS, Viewport, grouped, viewport

DAY = 86_400_000


def regular(timeframe: str, number: int, columns: float = 1.0, start: int = MONDAY) -> tuple[Slots, int]:
    length = TIMEFRAME_SECONDS[Timeframe(timeframe)] * 1000
    rows = [row(start // length * length + place * length, (1, 1, 1, 1)) for place in range(number)]
    return slots(candles(rows), length, grouped(columns)), length * grouped(columns)


def times(made: Slots, view: Viewport, slot_ms: int) -> str:
    frame = Frame.blank(view.width, 1)
    draw_times(frame, made, view, slot_ms, [])
    return frame.lines()[0]


# Prices. ------------------------------------------------------------------------------------------------------------


@settings(max_examples=150)
@given(st.floats(1e-6, 1e6), st.floats(1e-4, 3), st.integers(3, 50), st.booleans())
def test_prices_are_round_stand_on_their_rows_and_never_on_neighbouring_ones(
    price: float, share: float, rows: int, log_: bool
) -> None:
    scale = fit(price, price * (1 + share), 0.0, log_=log_)
    ticks = price_ticks(scale, rows, 10)
    assert all(later.at - tick.at >= 2 for tick, later in pairwise(ticks))
    for tick in ticks:
        shown = float(tick.text.replace(",", ""))
        assert rows - 1 - tick.at == pytest.approx(scale.rows(np.array([shown]), rows)[0], abs=1.01)
    if rows >= 9:
        assert len(ticks) >= 2


def test_prices_are_told_with_the_decimals_of_the_price_step() -> None:
    assert [tick.text for tick in price_ticks(between(2095.0, 2455.0), 18, 2)] == [
        "2,400.00", "2,300.00", "2,200.00", "2,100.00",
    ]  # fmt: skip
    assert [tick.text for tick in price_ticks(between(1.02e-6, 1.09e-6), 9, 8)] == [
        "0.00000108",
        "0.00000106",
        "0.00000104",
        "0.00000102",
    ]
    assert decimals(0.01, 2500.0) == 2
    assert decimals(0.0, 2500.0) == 2
    assert decimals(0.0, 0.00002) == 10
    assert decimals(0.0, 0.0) == 2


def test_percentages_are_of_the_base() -> None:
    texts = [tick.text for tick in price_ticks(between(90.0, 120.0), 12, 2, base=100.0)]
    assert texts == ["+10.00%", "+0.00%", "-10.00%"]


def test_a_wide_logarithmic_scale_is_told_in_decades() -> None:
    assert [tick.text for tick in price_ticks(between(1.0, 1000.0, log_=True), 30, 0)] == [
        "500", "200", "100", "50", "20", "10", "5", "2", "1",
    ]  # fmt: skip


@settings(max_examples=100)
@given(st.floats(1e-9, 1e12))
def test_nice_is_the_next_of_one_two_five(least: float) -> None:
    found = nice(least)
    assert least <= found * (1 + 1e-6)
    assert found <= least * 2.5 * (1 + 1e-6)
    assert round(found / 10 ** np.floor(log10(found * 1.0000001)), 6) in (1, 2, 5)


def test_the_last_price_is_tagged_with_its_direction_and_where_it_is_when_out_of_sight() -> None:
    def tagged(price: float, change: float) -> tuple[list[str], Frame]:
        frame = Frame.blank(9, 4)
        last_tag(frame, between(100.0, 104.0), price, change, 2)
        return frame.lines(), frame

    lines, frame = tagged(102.5, 1.0)
    assert lines == [" " * 9, " \u25b2 102.50", " " * 9, " " * 9]
    assert back_of(int(frame.pens[1, 5])) == UP
    lines, frame = tagged(102.5, -1.0)
    assert lines[1] == " \u25bc 102.50"
    assert back_of(int(frame.pens[1, 5])) == DOWN
    assert tagged(102.5, 0.0)[0][1] == " = 102.50"
    assert tagged(110.0, 1.0)[0][0] == " \u2191 110.00"
    assert tagged(90.0, 1.0)[0][3] == " \u2193  90.00"


def test_the_crosshairs_price_stands_on_its_row() -> None:
    frame = Frame.blank(9, 4)
    cross_tag(frame, 1, 101.5, 2)
    assert frame.lines()[2] == " \u25b8 101.50"


def test_ticks_are_marked_on_the_line() -> None:
    frame = Frame.blank(8, 2)
    draw_prices(frame, [Tick(1, "12.00")])
    assert frame.lines() == ["\u2502       ", "\u251c  12.00"]


# Times. -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timeframe", "texts"),
    [("1s", ["00:00:15", "00:00:30", "00:00:45"]), ("1m", ["00:10", "00:20", "00:30", "00:40", "00:50"])],
)
def test_times_stand_under_the_first_bar_of_their_step(timeframe: str, texts: list[str]) -> None:
    made, slot_ms = regular(timeframe, 70)
    view = viewport(70, 1.0, 70, None)
    new_days, others = time_ticks(made, view, slot_ms)
    assert not new_days
    assert [moment(int(made.open_ms[view.slot(tick.at)]), slot_ms)[7:] for tick in others] == [*texts, others[-1].text]
    line = times(made, view, slot_ms)
    assert [line[tick.at :].split()[0] for tick in others[:-1]] == texts


@pytest.mark.parametrize("timeframe", [str(timeframe) for timeframe in Timeframe])
@pytest.mark.parametrize("columns", ZOOMS)
def test_labels_never_meet_and_move_with_their_bars(timeframe: str, columns: float) -> None:
    made, slot_ms = regular(timeframe, 4000, columns, MONDAY - 4000 * TIMEFRAME_SECONDS[Timeframe(timeframe)] * 1000)
    for width in (24, 60, 190):
        view = viewport(width, columns, len(made), None)
        before = None
        for last in range(view.last, max(view.last - 12, 0), -1):
            new_days, others = time_ticks(made, view.to(last), slot_ms)
            ticks = sorted((*new_days, *others))
            for tick, later in pairwise(ticks):
                assert tick.at + len(tick.text) < later.at
            if before is not None and view.to(last).last == last:
                moved = {(tick.at + view.each, tick.text) for tick in before}
                for tick in ticks:
                    assert (tick.at, tick.text) in moved or tick.at < 2 * view.each
            before = ticks if view.to(last).last == last else None


def test_a_new_day_is_told_by_its_date_and_the_oldest_bar_always() -> None:
    made, slot_ms = regular("1h", 48, start=MONDAY - 12 * 3_600_000)
    line = times(made, viewport(48, 1.0, 48, None), slot_ms)
    assert line.startswith("04 Aug")
    assert "05 Aug" in line
    assert line.index("05 Aug") == viewport(48, 1.0, 48, None).left(12)
    days, length = regular("1d", 400, start=MONDAY - 400 * DAY)
    line = times(days, viewport(300, 1.0, len(days), None), length)
    assert line.startswith("2023")
    assert line.index("2024") == viewport(300, 1.0, len(days), None).middle(400 - 217)  # on the day it began
    quarters, length = regular("1d", 1000, 0.25, start=MONDAY - 1000 * DAY)
    line = times(quarters, viewport(300, 1.0, len(quarters), None), length)
    assert line.startswith("2021")
    assert "Dec" in line
    assert "2024" in line


@pytest.mark.parametrize("timeframe", ["1d", "1h"])
@pytest.mark.parametrize("width", [24, 28, 40])
def test_a_narrow_axis_of_dates_has_at_least_two(timeframe: str, width: int) -> None:
    made, slot_ms = regular(timeframe, 500, start=MONDAY - 500 * TIMEFRAME_SECONDS[Timeframe(timeframe)] * 1000)
    live = viewport(width, 1.0, len(made), None)
    for last in range(live.last - 400, live.last):
        view = live.to(last)
        frame = Frame.blank(width, 1)
        running = view.middle(last), view.middle(last) + 1
        draw_times(frame, made, view, slot_ms, [running])
        words = re.findall(r"\d\d [A-Z][a-z]{2}|\d\d:00|20\d\d", frame.lines()[0])
        assert len(words) >= 2, frame.lines()[0]


def test_a_year_is_told_where_it_begins_on_a_narrow_axis_too() -> None:
    made, slot_ms = regular("1d", 40, start=MONDAY - 238 * DAY)
    line = times(made, viewport(28, 1.0, 30, None), slot_ms)
    assert line == "15 Dec    25 Dec 2024       "


@pytest.mark.parametrize(("timeframe", "columns"), [("1m", 1 / 64), ("1m", 1 / 8), ("1h", 1 / 4), ("1s", 1 / 64)])
def test_columns_of_many_bars_have_round_times(timeframe: str, columns: float) -> None:
    made, slot_ms = regular(timeframe, 9000, columns)
    view = viewport(120, columns, len(made), None)
    _, others = time_ticks(made, view, slot_ms)
    seen = [tick for tick in others if tick.at >= 0 and ":" in tick.text]
    assert len(seen) >= 3 or timeframe == "1h"
    for tick in seen:
        open_, end = (int(times[view.slot(tick.at)]) for times in (made.open_ms, made.end_ms))
        parts = [int(part) for part in tick.text.split(":")]
        told = sum(part * unit for part, unit in zip(parts, (3_600_000, 60_000, 1000), strict=False))
        assert told % (step(slot_ms, 1).seconds * 1000) == 0, tick.text
        assert (told - open_) % DAY < end - open_, "it lies in its column"


def test_the_label_of_a_step_that_begins_in_a_gap_stands_under_the_first_bar_after_it() -> None:
    rows = [row(MONDAY + minute * MINUTE, (1, 1, 1, 1)) for minute in (*range(5, 18), *range(23, 60))]
    made = slots(candles(rows), MINUTE)
    view = viewport(len(made) + 2, 1.0, len(made), None)
    _, others = time_ticks(made, view, MINUTE)
    assert [(tick.text, int(made.open_ms[view.slot(tick.at)] - MONDAY) // MINUTE) for tick in others] == [
        ("00:10", 10), ("00:23", 23), ("00:30", 30), ("00:40", 40), ("00:50", 50),
    ]  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.integers(0, 3000), min_size=1, max_size=120, unique=True).map(sorted), st.sampled_from(ZOOMS),
    st.integers(8, 150), st.lists(st.tuples(st.integers(0, 150), st.integers(1, 30)), max_size=2),
)  # fmt: skip
@example([0, 1440, 1442], 8.0, 30, [])
def test_with_any_gaps_labels_are_whole_and_apart(minutes, columns, width, tags) -> None:  # type: ignore[no-untyped-def]
    made = slots(candles([row(MONDAY + minute * MINUTE, (1, 1, 1, 1)) for minute in minutes]), MINUTE, grouped(columns))
    view = viewport(width, columns, len(made), None)
    frame = Frame.blank(width, 1)
    draw_times(frame, made, view, MINUTE * grouped(columns), [(at, at + long) for at, long in tags])
    line = frame.lines()[0]
    new_days, others = time_ticks(made, view, MINUTE * grouped(columns))
    whole = {tick.text for tick in (*new_days, *others)} | {moment(int(made.open_ms[view.first]), MINUTE)[:6], "2024"}
    rest = line
    for text in sorted(whole, key=len, reverse=True):
        rest = " ".join(part for part in f" {rest} ".split(f" {text} "))
    assert not rest.strip()
    assert all(line.count(tick.text) <= 1 for tick in new_days)
    for at, long in tags:
        assert not line[at : at + long].strip()
