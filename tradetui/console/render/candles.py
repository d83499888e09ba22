"""Candles and volume as characters, drawn by numpy over all slots in sight at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tradetui.console.render.frame import Frame, Glyphs, Pens
from tradetui.console.render.glyphs import BRAILLE, EIGHTHS, EVEN, FALLING, LOWER, RISING, SHADE, style, table
from tradetui.console.render.look import Look
from tradetui.console.render.pens import AXIS, BOLD, DIM, DOWN, DOWN_FAINT, FLAT, STALE, UP, UP_FAINT, pen
from tradetui.console.render.ramps import HATCH
from tradetui.console.render.scale import Scale
from tradetui.console.render.slots import Bools, Slots
from tradetui.console.render.viewport import Viewport
from tradetui.console.series import Floats, Integers

GAP = "\u250a"
"""Fills a slot that stands for a long gap."""

FAINTEST = "\u2591"
"""A rising volume of less than half a cell, where there are few colours."""

SLIVER = 2
"""Eighths of a body that give way to the wick in the cell at its end: one cell cannot hold both."""


def directions(ohlc: Floats) -> npt.NDArray[np.int8]:
    """Return which way each candle went."""
    with np.errstate(invalid="ignore"):
        return np.where(ohlc[:, 3] > ohlc[:, 0], RISING, np.where(ohlc[:, 3] < ohlc[:, 0], FALLING, EVEN)).astype(
            np.int8
        )


def draw_candles(frame: Frame, slots: Slots, view: Viewport, scale: Scale, glyphs: str, look: Look) -> None:
    """Draw the slots in sight into a blank frame as wide as the viewport."""
    seen = slice(view.first, view.stop)
    ohlc, lefts, height = slots.ohlc[seen], view.lefts(), frame.height
    if not len(ohlc) or not height:
        return
    made = table(style(glyphs, look))
    units, way = made.units, directions(ohlc)
    # Far off the screen is far enough; NaN (gaps, prices without a logarithm) is nowhere.
    at = np.nan_to_num(np.clip(scale.rows(ohlc, height), -4, height + 4), nan=-4)
    open_, high, low, close = np.rint(at * units).astype(np.int64).T
    bottom, top = np.minimum(open_, close), np.maximum(open_, close)
    lines = np.flatnonzero(way == EVEN) if units != BRAILLE else np.zeros(0, dtype=np.int64)
    top = np.maximum(top, bottom + 1)  # a body is never nothing
    bottom[lines] = top[lines] = -units
    if units == EIGHTHS:
        bottom, top = _joined(bottom, top, low, high)
    if look.shades and units != BRAILLE:
        bottom, top = _whole_rows(bottom, top, units, way == RISING)
    edge = np.arange(height - 1, -1, -1)[:, None] * units
    body = [np.clip(end - edge, 0, units) for end in (bottom, top)]
    wick = [np.clip(end - edge, 0, units) for end in (low, np.maximum(high, top))]
    pens = _pens(slots, seen, way, look)
    nothing = np.zeros_like(body[0])
    for column in range(view.body):
        middle = column == view.body // 2
        place = (way, *body, *wick) if middle else (way, *body, nothing, nothing)
        chars, attributes = made.glyphs[place], made.attributes[place]
        if 0 < column < view.body - 1 and not look.shades:
            inner = (edge > bottom) & (edge + units < top) & (way == RISING)
            chars = np.where(inner, " ", chars)
        _lines(chars, at, lines, look, crossed=middle)
        _put(frame, lefts + column, chars, pens | attributes)
    _breaks(frame, lefts[slots.broken[seen]] + view.body // 2, look)


def draw_volume(frame: Frame, slots: Slots, view: Viewport, most: float, look: Look) -> None:
    """Draw volumes from below into a blank frame; `most` is the volume at its upper edge.

    A volume that is not wholly known is a lower bound, and shaded. Where there are few colours a rising bar is shaded
    as its body is, and a lower bound hatched.
    """
    seen = slice(view.first, view.stop)
    volume, height = slots.volume[seen], frame.height
    if not len(volume) or not height or most <= 0:
        return
    blocks = np.array(list(" .:#" if look.ascii else LOWER))
    units = len(blocks) - 1
    tall = np.rint(np.clip(np.nan_to_num(volume / most), 0, 1) * height * units).astype(np.int64)
    tall = np.where(volume > 0, np.maximum(tall, 1), 0)  # little is not nothing
    edge = np.arange(height - 1, -1, -1)[:, None] * units
    chars = blocks[np.clip(tall - edge, 0, units)]
    way, bound = directions(slots.ohlc[seen]), SHADE
    if look.shades:
        filled = np.clip(tall - edge, 0, units)
        # There is no part of a shade: half a cell and more is all of it, less is a lighter one, if nothing is under it.
        little = np.where(edge == 0, "o" if look.ascii else FAINTEST, " ")
        shade = np.where(filled * 2 >= units, "o" if look.ascii else SHADE, little)
        chars, bound = np.where((way == RISING) & (filled > 0), shade, chars), "+" if look.ascii else HATCH
    chars = np.where(slots.partial[seen] & (tall - edge >= units), bound, chars)
    pens = np.array([pen(UP_FAINT), pen(DOWN_FAINT), pen(STALE)], dtype=np.int32)[way]
    for column in range(view.body):
        _put(frame, view.lefts() + column, chars, pens)


def _lines(chars: Glyphs, at: Floats, which: Integers, look: Look, *, crossed: bool) -> None:
    """Draw bodies without height as lines; the wick crosses them in the middle column."""
    open_, high, low = at[which, 0], at[which, 1], at[which, 2]
    rows = len(chars) - 1 - np.floor(open_).astype(np.int64)
    ends = ((high - open_) * 4 >= 1) + 2 * ((open_ - low) * 4 >= 1) if crossed else np.zeros(len(which), dtype=np.int64)
    seen = (rows >= 0) & (rows < len(chars))
    chars[rows[seen], which[seen]] = np.array(list("-+++" if look.ascii else "\u2500\u2534\u252c\u253c"))[ends[seen]]


def _joined(bottom: Integers, top: Integers, low: Integers, high: Integers) -> tuple[Integers, Integers]:
    """Cut slivers off the ends of long bodies where a wick goes on through the whole cell, so that both meet."""
    long = top - bottom >= 2 * EIGHTHS
    over, under = top % EIGHTHS, -bottom % EIGHTHS
    cut = long & (over <= SLIVER) & (high >= top - over + EIGHTHS)
    lift = long & (under <= SLIVER) & (low <= bottom + under - EIGHTHS)
    return bottom + lift * under, top - cut * over


def _whole_rows(bottom: Integers, top: Integers, units: int, which: Bools) -> tuple[Integers, Integers]:
    """Round bodies to whole rows, at least one: there is no part of a shade."""
    low, high = np.rint(bottom / units).astype(np.int64), np.rint(top / units).astype(np.int64)
    low = np.where(high > low, low, (bottom + top) // (2 * units))
    high = np.maximum(high, low + 1)
    return np.where(which, low * units, bottom), np.where(which, high * units, top)


def _pens(slots: Slots, seen: slice, way: npt.NDArray[np.int8], look: Look) -> Pens:
    """Return the pen of each candle: what is not wholly known is faint, what still moves is bold."""
    firm = np.array([pen(UP), pen(DOWN), pen(FLAT)], dtype=np.int32)[way]
    faint = np.array([pen(UP_FAINT), pen(DOWN_FAINT), pen(STALE)], dtype=np.int32)[way]
    if look.colours == "none":
        faint = faint | DIM
    return np.where(slots.partial[seen], faint, firm) | slots.running[seen].astype(np.int32) * BOLD


def _put(frame: Frame, columns: Integers, chars: Glyphs, pens: Pens) -> None:
    """Put columns of characters into a blank frame; blank cells keep its pen."""
    fits = (columns >= 0) & (columns < frame.width)
    columns, chars = columns[fits], chars[:, fits]
    pens = np.broadcast_to(pens, (chars.shape[0], len(fits)))[:, fits]
    frame.glyphs[:, columns] = chars
    frame.pens[:, columns] = np.where(chars == " ", frame.pens[:, columns], pens)


def _breaks(frame: Frame, columns: Integers, look: Look) -> None:
    columns = columns[(columns >= 0) & (columns < frame.width)]
    frame.glyphs[:, columns] = ":" if look.ascii else GAP
    frame.pens[:, columns] = pen(AXIS)
