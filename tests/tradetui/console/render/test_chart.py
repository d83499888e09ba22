"""A chart put together: every part in its place, at any size, and the words that go with it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tradetui.console.render.rows import MINUTE, MONDAY, candles, crash, row, series
from tradetui.console.render.chart import (
    RUNNING,
    Chart,
    Cross,
    base,
    draw,
    draw_closes,
    in_sight,
    layout,
    legend,
    row_of,
    top_volume,
)
from tradetui.console.render.frame import Frame
from tradetui.console.render.look import Look
from tradetui.console.render.pens import CROSS, SELECT, back_of
from tradetui.console.render.scale import between, fit
from tradetui.console.render.slots import Slots, slots
from tradetui.console.render.viewport import viewport


def chart(
    made: Slots, width: int, *, last: int | None = None, cross: Cross | None = None, tag: str = "live \u25b8"
) -> Chart:
    view = viewport(width, 1.0, len(made), last)
    close = float(made.ohlc[-1, 3])
    return Chart(
        slots=made, view=view, scale=fit(*in_sight(made, view), 0.01), slot_ms=MINUTE, glyphs="eighth", places=2,
        last=close, change=-1.0, base=None, cross=cross, tag=tag,
    )  # fmt: skip


@pytest.fixture(scope="module")
def fall(recordings_root_path: Path) -> Slots:
    return slots(candles(crash(recordings_root_path)), MINUTE)


def drawn(made: Slots, width: int, height: int, look: Look = Look(), **more) -> tuple[Frame, Chart]:  # noqa: B008
    frame, parts = Frame.blank(width, height), layout(width, height, 8, volume=True)
    whole = chart(made, parts.width, **more)
    draw(frame, whole, parts, look)
    return frame, whole


def test_the_crash_is_drawn_with_its_axes(fall: Slots) -> None:
    frame, _ = drawn(fall, 78, 22)
    lines = frame.lines()
    assert [line[69:].strip() for line in lines if line[68] == "\u251c"] == [
        "2,400.00",
        "2,350.00",
        "2,300.00",
        "2,250.00",
    ]
    assert sum("\u25bc2,284.53" in line for line in lines) == 1
    assert lines[18].endswith("vol 16000")
    assert lines[-1].startswith("05 Aug")
    assert lines[-1].endswith("live \u25b8")
    assert all(line[68] in "\u2502\u251c" for line in lines)


@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 120),
    st.integers(1, 50),
    st.booleans(),
    st.sampled_from([Look(), Look("none"), Look("16", ascii=True)]),
)
def test_every_size_is_drawn(width: int, height: int, volume: bool, look: Look) -> None:
    made = slots(series([(2, 4, 1, 3), (3, 3, 2, 2)] * 30), MINUTE)
    frame, parts = Frame.blank(width, height), layout(width, height, 6, volume=volume)
    assert parts.width + parts.axis == max(width, 1)
    assert parts.rows + parts.strip + parts.times == height
    draw(frame, chart(made, parts.width, cross=Cross(59, 2.0)), parts, look)


def test_volume_gives_its_rows_back(fall: Slots) -> None:
    assert layout(78, 22, 8, volume=False).rows == layout(78, 22, 8, volume=True).rows + 3
    assert layout(60, 7, 8, volume=True).strip == 0


def test_the_crosshair_marks_its_column_its_row_and_both_axes(fall: Slots) -> None:
    slot = len(fall) - 20
    frame, whole = drawn(fall, 78, 22, cross=Cross(slot, 2350.0))
    row = 17 - row_of(whole.scale, 2350.0, 18)
    x = whole.view.middle(slot)
    across = [back_of(int(pen)) == CROSS for pen in frame.pens[row]]
    assert all(across[:68])
    assert [back_of(int(pen)) == CROSS for pen in frame.pens[:21, x]] == [True] * 21
    assert frame.lines()[row][68:] == "\u251c\u25b82,350.00" or frame.lines()[row][68:] == "\u2502\u25b82,350.00"
    assert " 05 Aug 02:10 " in frame.lines()[-1]


def test_without_colours_the_crosshair_is_dashes_where_nothing_is(fall: Slots) -> None:
    slot = len(fall) - 20
    plain, _ = drawn(fall, 78, 22, Look("none"))
    frame, whole = drawn(fall, 78, 22, Look("none"), cross=Cross(slot, 2350.0))
    candle = plain.glyphs[:21, whole.view.middle(slot)]
    crossed = frame.glyphs[:21, whole.view.middle(slot)]
    assert np.array_equal(crossed[candle != " "], candle[candle != " "])
    assert set(crossed[candle == " "]) <= {"\u254c", "\u250a"}
    ascii_, _ = drawn(fall, 78, 22, Look("none", ascii=True), cross=Cross(slot, 2350.0))
    assert any("-------" in line for line in ascii_.lines())


def test_a_look_back_says_so_and_leaves_no_word_of_live(fall: Slots) -> None:
    frame, _ = drawn(fall, 78, 22, last=1400, tag=" \u25c2 99 bars back ")
    assert "99 bars back" in frame.lines()[-1]
    assert back_of(int(frame.pens[-1, -3])) == SELECT


def test_the_running_bar_has_a_mark_below_it() -> None:
    rows = [row(MONDAY + place * MINUTE, (2, 4, 1, 3)) for place in range(60)]
    going = row(MONDAY + 60 * MINUTE, (2, 4, 1, 3), closed=False)
    ended, _ = drawn(slots(candles(rows), MINUTE), 78, 22)
    frame, whole = drawn(slots(candles([*rows, going]), MINUTE), 78, 22)
    assert RUNNING not in ended.lines()[-1]
    assert frame.lines()[-1].index(RUNNING) == whole.view.middle(60)


def test_a_stretch_of_nothing_but_a_gap_has_a_scale() -> None:
    made = slots(candles([row(MONDAY, (2, 4, 1, 3)), row(MONDAY + 9 * MINUTE, (2, 5, 1, 3))]), MINUTE)
    assert in_sight(made, viewport(1, 1.0, 3, 1)) == (1.0, 5.0)
    assert base(made, viewport(2, 1.0, 3, 2)) == 2.0


def test_a_price_beyond_the_scale_stands_on_its_edge() -> None:
    scale = between(10.0, 20.0)
    assert [row_of(scale, price, 5) for price in (0.0, 10.0, 15.0, 20.0, 99.0)] == [0, 0, 2, 4, 4]
    assert row_of(between(1.0, 2.0, log_=True), -1.0, 5) == 0


# Words. -------------------------------------------------------------------------------------------------------------


def test_the_legend_tells_as_much_as_there_is_room_for() -> None:
    made = slots(series([(1100, 1110, 95, 1102.5)], volume=1234.5), MINUTE)
    told = [
        "O 1,100.00 H 1,110.00 L 95.00 C 1,102.50 \u25b2+0.23% V  1234",
        "O1100.00 H1110.00 L95.00 C1102.50 \u25b2+0.23% V 1234",
        "O1100.00 H1110.00 L95.00 C1102.50 \u25b2+0.23%",
        "O1100.00 H1110.00 L95.00 C1102.50",
        "H1110.00 L95.00 C1102.50",
        "L95.00 C1102.50",
        "C1102.50",
        "",
    ]
    for text, shorter in pairwise(told):
        assert legend(made, 0, 2, len(text)) == text
        assert legend(made, 0, 2, len(text) - 1) == shorter


def test_a_running_bar_under_the_crosshair_keeps_its_four_prices() -> None:
    made = slots(candles([row(MONDAY, (61_700.0, 61_733.55, 61_690.0, 61_728.21), closed=False)]), MINUTE)
    assert legend(made, 0, 2, 47) == "O61700.00 H61733.55 L61690.00 C61728.21 \u25b2+0.05%"
    assert legend(made, 0, 2, 47, named=True) == f"O61700.00 H61733.55 L61690.00 C61728.21 {RUNNING}"


def test_the_legend_tells_the_direction_and_what_is_special() -> None:
    rows = [
        row(MONDAY, (4, 4, 2, 2), complete=False), row(MONDAY + MINUTE, (4, 4, 4, 4)),
        row(MONDAY + 74 * MINUTE, (2, 3, 2, 3), closed=False),
    ]  # fmt: skip
    made = slots(candles(rows), MINUTE)
    assert "\u25bc-50.00%" in legend(made, 0, 1, 80, named=True)
    assert legend(made, 0, 1, 80, named=True).endswith("partial")
    assert "= 0.00%" in legend(made, 1, 1, 80, named=True)
    assert legend(made, 2, 1, 80, named=True) == "no bars for 1h12m, from 05 Aug 00:02"
    assert legend(made, 2, 1, 20, named=True) == "no bars for 1h12m"
    assert legend(made, 3, 1, 80, named=True).endswith(f" {RUNNING}")
    assert not legend(made, 3, 1, 80).endswith(RUNNING)


@settings(max_examples=100)
@given(st.floats(1e-9, 1e12))
def test_the_top_of_the_volume_is_round_and_near(most: float) -> None:
    assert most <= top_volume(most) * (1 + 1e-6)
    assert top_volume(most) <= most * 2.1


def test_no_volume_has_no_top() -> None:
    assert top_volume(0.0) == 0.0


def test_the_last_resort_is_a_line_of_closes() -> None:
    frame = Frame.blank(20, 8)
    draw_closes(frame, np.array([5.0] * 50 + [10.0, 20.0, 15.0]), 1)
    assert frame.lines() == [
        " " * 20,
        "closes only, last 15.0"[:19] + "\u2026",
        " " * 18 + "\u2022 ",
        " " * 20,
        " " * 19 + "\u2022",
        " " * 17 + "\u2022  ",
        " " * 20,
        "\u2022" * 17 + "   ",
    ]
    draw_closes(Frame.blank(20, 2), np.zeros(0), 2)
