"""What lies over candles: at its price, in free cells only, told apart without colours."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tradetui.console.render.rows import MINUTE, MONDAY, candles, crash, row, series
from tradetui.console.render import overlay, study
from tradetui.console.render.candles import draw_candles
from tradetui.console.render.frame import Frame
from tradetui.console.render.look import Look
from tradetui.console.render.overlay import DOTS, Drawn, Level, Overlay, Profile, Turn, colour_of, curve, trace
from tradetui.console.render.pens import fore_of
from tradetui.console.render.scale import Scale, fit
from tradetui.console.render.slots import slots
from tradetui.console.render.study import Panel
from tradetui.console.render.viewport import ZOOMS, viewport

PLAIN = Look()


def line(values: list[float], number: int = 0) -> Drawn:
    return Drawn(np.array(values), colour_of(number), "abc"[number], "LINE")


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.floats(0, 100) | st.just(float("nan")), min_size=1, max_size=40), st.sampled_from(ZOOMS[6:]),
    st.integers(4, 60), st.integers(2, 20),
)  # fmt: skip
def test_a_line_goes_through_its_values_and_nowhere_else(
    values: list[float], columns: float, width: int, rows: int
) -> None:
    view = viewport(width, columns, len(values), None)
    heights = curve(np.array(values), view) / 100 * rows
    cells = trace(heights, rows)
    for slot in range(view.first, view.stop):
        x, value = view.middle(slot), values[slot]
        if not 0 <= x < width:
            continue
        if np.isnan(value):
            assert not cells[:, x].any() or view.each > 1, "nothing is drawn where there is no value"
            continue
        at = min(int(value / 100 * rows * 4), 4 * rows - 1)
        found = cells[rows - 1 - at // 4, x]
        if value < 100:
            assert found & int(DOTS[at % 4, 0] | DOTS[at % 4, 1]), (slot, value)
    assert cells.max() < 256


def test_a_line_is_broken_where_a_value_is_missing() -> None:
    view = viewport(30, 4.0, 4, None)
    drawn = curve(np.array([1.0, 2.0, float("nan"), 4.0]), view)
    between = slice(2 * view.middle(1) + 2, 2 * view.middle(3))
    assert np.isnan(drawn[between]).all()


@pytest.mark.parametrize("look", [Look(), Look("16"), Look("none"), Look("none", ascii=True)])
def test_candles_are_never_covered(recordings_root_path: Path, look: Look) -> None:
    bars = candles(crash(recordings_root_path))
    made = slots(bars, MINUTE)
    view = viewport(100, 1.0, len(made), None)
    scale = fit(2200, 2400, 0.01)
    before = Frame.blank(100, 24)
    draw_candles(before, made, view, scale, "eighth", look)
    after = before.copy()
    whole = Overlay(
        lines=(line(made.ohlc[:, 3].tolist()), line((made.ohlc[:, 1] + 9).tolist(), 1)),
        levels=(Level(2300.0, "S3", colour_of(2)),),
        turns=tuple(
            Turn(int(at), int(at) + 3 * MINUTE, 1 + n % 5, n % 2 > 0, 2300.0) for n, at in enumerate(made.open_ms[-60:])
        ),
        profile=Profile(2100.0, 10.0, tuple(range(1, 40)), 2300.0, 2250.0, 2350.0),
    )  # fmt: skip
    overlay.draw(after, whole, made, view, scale, 2, look)
    kept = before.glyphs != " "
    assert (after.glyphs[kept] == before.glyphs[kept]).all()
    assert (after.pens[kept] == before.pens[kept]).all()
    assert (after.glyphs != before.glyphs).sum() > 100
    if look.ascii:
        assert all(line.isascii() for line in after.lines())


def test_lines_have_letters_where_there_are_few_colours() -> None:
    flat = series([(5, 5, 5, 5)] * 60)
    made = slots(flat, MINUTE)
    view = viewport(60, 1.0, 60, None)
    chosen = Overlay(lines=(line([7.0] * 60), line([3.0] * 60, 1)))
    for look, most in ((Look(), 0), (Look("none"), 10), (Look("none", ascii=True), 200)):
        frame = Frame.blank(60, 10)
        overlay.draw(frame, chosen, made, view, Scale(0, 10), 1, look)
        letters = "".join(frame.lines())
        assert letters.count("a") <= most
        assert (letters.count("a") > 0) == (letters.count("b") > 0) == (most > 0)


def test_a_pivot_is_the_digit_of_its_level_above_a_high_and_below_a_low() -> None:
    made = slots(series([(5, 6, 4, 5), (5, 9, 4, 5), (5, 6, 4, 5), (5, 6, 1, 5), (5, 6, 4, 5)]), MINUTE)
    view = viewport(20, 1.0, 5, None)
    turns = (
        Turn(MONDAY + MINUTE, 0, 1, True, 9.0), Turn(MONDAY + MINUTE, 0, 3, True, 9.0),
        Turn(MONDAY + 3 * MINUTE, 0, 2, False, 1.0), Turn(MONDAY - 99 * MINUTE, 0, 5, True, 9.0),
    )  # fmt: skip
    frame = Frame.blank(20, 24)
    draw_candles(frame, made, view, Scale(0, 12), "eighth", PLAIN)
    overlay.draw(frame, Overlay(turns=turns), made, view, Scale(0, 12), 1, PLAIN)
    lines = frame.lines()
    digits = {(x, y): char for y, text in enumerate(lines) for x, char in enumerate(text) if char.isdigit()}
    high, low = view.middle(1), view.middle(3)
    assert digits == {(high, 24 - 18 - 1 - 1): "3", (low, 24 - 2): "2"}
    assert fore_of(int(frame.pens[24 - 18 - 2, high])) == colour_of(2)


def test_levels_have_names_and_those_out_of_sight_are_not_drawn() -> None:
    made = slots(series([(5, 6, 4, 5)] * 5), MINUTE)
    view = viewport(40, 1.0, 5, None)
    frame = Frame.blank(40, 10)
    levels = (Level(7.5, "R2", colour_of(1)), Level(99.0, "R3", colour_of(2)))
    overlay.draw(frame, Overlay(levels=levels), made, view, Scale(0, 10), 2, PLAIN)
    text = "\n".join(frame.lines())
    assert "R2 7.50" in frame.lines()[2]
    assert "R3" not in text


def test_the_volume_by_price_is_as_wide_as_there_was_volume() -> None:
    made = slots(candles([row(MONDAY, (5, 5, 5, 5))]), MINUTE)
    view = viewport(60, 1.0, 1, None)
    frame = Frame.blank(60, 10)
    profile = Profile(0.0, 1.0, (0.0, 1.0, 2.0, 4.0, 8.0, 8.0, 4.0, 2.0, 1.0, 0.0), 4.5, 3.0, 7.0)
    overlay.draw(frame, Overlay(profile=profile), made, view, Scale(0, 10), 1, PLAIN)
    widths = [len(text) - len(text.rstrip("\u2592\u2591")) for text in frame.lines()[::-1]]
    assert widths[0] == widths[9] == 0
    assert widths[4] == widths[5] == 12
    assert widths[1] < widths[2] < widths[3] < widths[4]
    assert "POC" in frame.lines()[5]
    assert "VAH" in frame.lines()[2]
    assert "VAL" in frame.lines()[6]
    assert frame.lines()[5].endswith("\u2592")
    assert frame.lines()[8].endswith("\u2591")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=50), st.integers(3, 6),
    st.booleans(),
)  # fmt: skip
def test_an_indicator_of_its_own_fits_its_rows_whatever_its_values(values: list[float], rows: int, bars: bool) -> None:
    view = viewport(40, 1.0, len(values), None)
    panel = Panel((line(values),), np.array(values) if bars else None, None, None, (0.0,), 2)
    frame, side = Frame.blank(40, rows), Frame.blank(18, rows)
    study.draw(frame, side, panel, view, len(values) - 1, PLAIN)
    told = "-" if np.isnan(values[-1]) else f"{values[-1]:,.2f}"
    assert f"LINE {told}"[:40].rstrip() in frame.lines()[0]
    scale = study.scale_of(panel, view)
    seen = [value for value in values[view.first : view.stop] if np.isfinite(value)]
    assert (scale is None) == (not seen)
    if scale is not None:
        assert scale.low <= min(*seen, 0.0) if len(seen) > 1 else scale.low <= seen[0]
        ticks = [
            float(text.strip("\u2502\u251c ").replace(",", "")) for text in side.lines() if text.strip("\u2502\u251c ")
        ]
        assert all(above >= below for above, below in pairwise(ticks))


def test_a_price_below_all_is_named_above_the_candles_that_fill_the_lower_rows() -> None:
    made, view = slots(series([(5, 6, 4, 5)] * 5), MINUTE), viewport(40, 1.0, 5, None)
    frame = Frame.blank(40, 16)
    frame.glyphs[11:] = "#"
    levels = (Level(-3.0, "stop 1", colour_of(1), own=True),)
    overlay.draw(frame, Overlay(levels=levels), made, view, Scale(0, 10), 2, PLAIN)
    assert "\u2193 stop 1 -3.00" in frame.lines()[10]


@pytest.mark.parametrize("look", [PLAIN, Look(ascii=True)])
def test_a_price_of_ones_own_is_named_even_if_it_is_not_in_sight(look: Look) -> None:
    made = slots(series([(5, 6, 4, 5)] * 5), MINUTE)
    view = viewport(40, 1.0, 5, None)
    frame = Frame.blank(40, 10)
    prices = {"BUY 1": 99.0, "target 1": 50.0, "stop 1": -3.0, "SELL 1": 5.2, "SELL 2": 5.1}
    levels = tuple(Level(price, label, colour_of(1), own=True) for label, price in prices.items())
    overlay.draw(frame, Overlay(levels=levels), made, view, Scale(0, 10), 2, look)
    lines, up, down = frame.lines(), "^" if look.ascii else "\u2191", "v" if look.ascii else "\u2193"
    assert f"{up} BUY 1 99.00" in lines[0] or f"{up} BUY 1 99.00" in lines[1]
    assert any(f"{up} target 1 50.00" in line for line in lines[:3])
    assert f"{down} stop 1 -3.00" in lines[9]
    assert all(any(f"{label} {prices[label]:.2f}" in line for line in lines[3:6]) for label in ("SELL 1", "SELL 2"))
