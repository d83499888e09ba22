"""Candles as characters: heights are true, direction shows without colours, edges draw what is there."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tradetui.console.render.rows import MINUTE, MONDAY, candles, row, series
from tradetui.console.render.candles import GAP, draw_candles, draw_volume
from tradetui.console.render.frame import Frame
from tradetui.console.render.glyphs import GLYPHS, SHADE
from tradetui.console.render.look import COLOURS, Look
from tradetui.console.render.pens import BOLD, DIM, DOWN, FLAT, REVERSE, UP, UP_FAINT, fore_of, pen
from tradetui.console.render.ramps import HATCH
from tradetui.console.render.scale import Scale, between
from tradetui.console.render.slots import Slots, slots
from tradetui.console.render.viewport import viewport

TRUE = Look()
LOOKS = [Look(colours) for colours in COLOURS] + [Look("none", ascii=True), Look("truecolor", ascii=True)]
TEN = between(0.0, 10.0)
"""A row for each whole number on ten rows."""


def drawn(
    made: Slots, *, scale: Scale = TEN, glyphs: str = "eighth", look: Look = TRUE, columns: float = 1.0,
    width: int | None = None, height: int = 10,
) -> Frame:  # fmt: skip
    each = max(int(columns), 1)
    frame = Frame.blank(width or len(made) * each, height)
    draw_candles(frame, made, viewport(frame.width, columns, len(made), None), scale, glyphs, look)
    return frame


def made(*prices: tuple[float, float, float, float]) -> Slots:
    return slots(series(prices), MINUTE)


def column(frame: Frame, x: int = 0) -> str:
    return "".join(frame.glyphs[:, x])


def test_a_body_ends_on_the_eighth_of_a_row_and_wicks_go_on_from_it() -> None:
    rising = drawn(made((2.25, 9.0, 1.0, 6.5)))
    assert column(rising) == " \u2502\u2502\u2584\u2588\u2588\u2588\u2582\u2502 "
    assert rising.pens[3, 0] == pen(UP)
    # The lower end is a block that fills the rest of the cell, reversed.
    assert rising.pens[7, 0] == pen(UP) | REVERSE
    falling = drawn(made((6.5, 9.0, 1.0, 2.25)))
    assert column(falling) == column(rising).replace("\u2502", "\u254e")
    assert falling.pens[3, 0] == pen(DOWN)


def test_a_sliver_of_a_long_body_gives_way_to_the_wick_so_that_both_meet() -> None:
    assert column(drawn(made((2.75, 9.0, 1.0, 6.25)))) == " " + "\u2502" * 3 + "\u2588" * 3 + "\u2502" * 2 + " "
    assert column(drawn(made((2.75, 6.25, 2.75, 6.25)))) == "   \u2582\u2588\u2588\u2588\u2586  "


@pytest.mark.parametrize(
    ("glyphs", "look", "expected"),
    [
        ("half", Look(), " \u2502\u2502\u2584\u2588\u2588\u2588\u2588\u2502 "),
        ("box", Look(), " \u2502\u2502\u257d\u2503\u2503\u2503\u2503\u2502 "),
        ("eighth", Look("none"), " \u2502\u2502\u2502" + SHADE * 4 + "\u2502 "),
        ("eighth", Look("truecolor", ascii=True), " |||oooo| "),
    ],
)
def test_every_glyph_set_draws_the_same_candle(glyphs: str, look: Look, expected: str) -> None:
    assert column(drawn(made((2.25, 9.0, 1.0, 6.5)), glyphs=glyphs, look=look)) == expected


def test_in_braille_a_wick_is_one_dot_wide_and_a_body_two_or_the_other_one() -> None:
    frame = drawn(made((6.5, 9.0, 1.0, 2.25), (2.25, 9.0, 1.0, 6.5)), glyphs="braille")
    lit = [[bin(ord(char.replace(" ", "\u2800")) - 0x2800).count("1") for char in column(frame, x)] for x in (0, 1)]
    assert lit == [[0, 4, 4, 6, 8, 8, 8, 7, 4, 0], [0, 4, 4, 4, 4, 4, 4, 4, 4, 0]]
    assert [column(frame, 1)[y] for y in (2, 5)] == ["\u2847", "\u28b8"]


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("glyphs", GLYPHS)
@pytest.mark.parametrize("columns", [1.0, 2.0, 4.0, 8.0])
@pytest.mark.parametrize("ends", [(2.9, 7.1), (4.1, 4.3), (4.9, 5.1), (4.0, 5.0)])
def test_up_and_down_differ_in_every_look(look: Look, glyphs: str, columns: float, ends: tuple[float, float]) -> None:
    low, high = ends
    up, down = (
        drawn(made((*way[:1], high + 2, low - 2, *way[1:])), glyphs=glyphs, look=look, columns=columns)
        for way in ((low, high), (high, low))
    )  # fmt: skip
    assert (up.glyphs != down.glyphs).any()


@pytest.mark.parametrize("look", [look for look in LOOKS if look.shades])
@pytest.mark.parametrize("glyphs", GLYPHS)
@settings(max_examples=30, deadline=None)
@given(st.floats(0.5, 9.5), st.floats(0.5, 9.5))
def test_with_few_colours_even_a_body_without_wicks_shows_its_direction(look, glyphs, one, other) -> None:  # type: ignore[no-untyped-def]
    low, high = sorted((one, other))
    if low == high:
        return
    up, down = (
        drawn(made(ohlc), glyphs=glyphs, look=look) for ohlc in ((low, high, low, high), (high, high, low, low))
    )
    assert (up.glyphs != down.glyphs).any()


def test_a_wide_rising_body_is_an_outline_and_a_falling_one_is_full() -> None:
    up, down = drawn(made((1, 9, 1, 9)), columns=6.0), drawn(made((9, 9, 1, 1)), columns=6.0)
    assert "".join(up.glyphs[5, :5]) == "\u2588   \u2588"
    assert "".join(up.glyphs[1, :5]) == "\u2588" * 5
    assert "".join(up.glyphs[8, :5]) == "\u2588" * 5
    assert "".join(down.glyphs[5, :5]) == "\u2588" * 5


@pytest.mark.parametrize(("glyphs", "look"), [("eighth", Look()), ("half", Look()), ("box", Look("none"))])
def test_a_doji_is_a_line_with_its_wicks(glyphs: str, look: Look) -> None:
    frame = drawn(made((5.4, 9, 1, 5.4), (5.4, 5.4, 5.4, 5.4), (5.4, 9, 5.4, 5.4)), glyphs=glyphs, look=look)
    assert [column(frame, x)[4] for x in range(3)] == ["\u253c", "\u2500", "\u2534"]
    assert fore_of(int(frame.pens[4, 0])) == FLAT
    plain = drawn(made((5, 9, 1, 5), (5, 5, 5, 5)), look=Look(ascii=True))
    assert [column(plain, x)[4] for x in range(2)] == ["+", "-"]


def test_nothing_is_drawn_where_nothing_is_known() -> None:
    with_gap = slots(candles([row(MONDAY, (5, 6, 4, 5)), row(MONDAY + 90 * MINUTE, (5, 6, 4, 5))]), MINUTE)
    frame = drawn(with_gap)
    assert column(frame, 1) == GAP * 10
    assert GAP not in column(frame, 0) + column(frame, 2)
    nan = dataclasses.replace(with_gap, ohlc=np.full((3, 4), np.nan), gap=np.zeros(3, bool), broken=np.zeros(3, bool))
    assert set("".join(drawn(nan).lines())) == {" "}


@pytest.mark.parametrize("price", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("log_", [False, True])
def test_the_size_of_the_price_does_not_matter(price: float, log_: bool) -> None:
    prices = [(2.0, 4.0, 1.5, 3.0), (3.0, 3.5, 2.5, 2.6)]
    plain = drawn(made(*prices), scale=between(1.0, 5.0, log_=log_))
    scaled = [tuple(value * price for value in ohlc) for ohlc in prices]
    assert drawn(made(*scaled), scale=between(price, 5 * price, log_=log_)).lines() == plain.lines()


def test_what_lies_beyond_the_scale_is_cut_off() -> None:
    assert column(drawn(made((1, 9, 1, 9)), scale=between(3.0, 6.0), height=3)) == "\u2588" * 3
    assert column(drawn(made((1, 2, 1, 2)), scale=between(3.0, 6.0), height=3)) == "   "
    assert column(drawn(made((1e15, 1e15, 1, 1e15)), scale=between(3.0, 6.0), height=3)) == "\u2502" * 3


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(*[st.floats(0.01, 20)] * 4), min_size=1, max_size=12),
    st.sampled_from(GLYPHS),
    st.sampled_from(LOOKS),
)
def test_a_candle_within_the_scale_is_always_to_be_seen(prices, glyphs, look) -> None:  # type: ignore[no-untyped-def]
    ohlc = [(one, max(each), min(each), other) for each in prices for one, _, _, other in [each]]
    frame = drawn(made(*ohlc), scale=between(0.0, 21.0), glyphs=glyphs, look=look)
    assert all(column(frame, x).strip() for x in range(len(ohlc)))


def test_the_running_bar_is_bold_and_a_partial_one_faint() -> None:
    some = slots(
        candles([row(MONDAY, (2, 8, 2, 8), complete=False), row(MONDAY + MINUTE, (2, 8, 2, 8), closed=False)]), MINUTE
    )
    frame = drawn(some)
    assert frame.pens[5, 0] == pen(UP_FAINT)
    assert frame.pens[5, 1] == pen(UP, attributes=BOLD)
    assert drawn(some, look=Look("none")).pens[5, 0] & DIM


def test_volume_fills_its_strip_and_little_is_not_nothing() -> None:
    rows = [row(MONDAY + place * MINUTE, (1, 2, 1, 2), volume) for place, volume in enumerate((80.0, 40.0, 0.01, 0.0))]
    frame = Frame.blank(4, 2)
    some = slots(candles(rows), MINUTE)
    draw_volume(frame, some, viewport(4, 1.0, 4, None), 80.0, Look())
    assert frame.lines() == ["\u2588   ", "\u2588\u2588\u2581 "]


def test_a_volume_that_is_a_lower_bound_is_shaded() -> None:
    some = slots(candles([row(MONDAY, (1, 2, 1, 2), 80.0, complete=False)]), MINUTE)
    for look, shade in ((Look(), SHADE), (Look("none"), HATCH), (Look(ascii=True), "+")):
        frame = Frame.blank(1, 2)
        draw_volume(frame, some, viewport(1, 1.0, 1, None), 80.0, look)
        assert frame.lines() == [shade, shade]


@pytest.mark.parametrize("look", [look for look in LOOKS if look.shades])
@pytest.mark.parametrize("volume", [80.0, 55.0, 25.0, 5.0])
def test_with_few_colours_volume_tells_the_direction_as_bodies_do(look: Look, volume: float) -> None:
    ways = [(1, 2, 1, 2), (2, 2, 1, 1)]
    some = slots(candles([row(MONDAY + place * MINUTE, ohlc, volume) for place, ohlc in enumerate(ways)]), MINUTE)
    frame = Frame.blank(2, 2)
    draw_volume(frame, some, viewport(2, 1.0, 2, None), 80.0, look)
    up, down = column(frame, 0), column(frame, 1)
    assert up[1] != down[1] != " " != up[1]
    if volume == 80.0:
        assert (up, down) == (("oo", "##") if look.ascii else (SHADE * 2, "\u2588" * 2))
