"""What lies over candles: lines of indicators, levels of prices, pivots, the day's volume by price.

All of it is drawn where the candles leave cells free, so that no bar is hidden. A line is told from others by its
colour and, where there are few, by its letter.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from tradetui.console.render.axes import money
from tradetui.console.render.frame import Frame
from tradetui.console.render.look import Look
from tradetui.console.render.pens import BOLD, FAINT, LINES, TEXT, pen
from tradetui.console.render.scale import Scale
from tradetui.console.render.slots import Slots
from tradetui.console.render.viewport import Viewport
from tradetui.console.series import Floats

LETTERS_APART = 12
"""Columns from one letter to the next on a line that has no colour of its own."""

DOTS = np.array([[0x40, 0x80], [0x04, 0x20], [0x02, 0x10], [0x01, 0x08]], dtype=np.uint8)
"""Braille dots of a cell, from below, left and right."""

SHARE = 5
"""The volume by price takes one part in so many of the width."""


class Drawn(NamedTuple):
    """A line: its values by slot (nan: none), the place of its colour, its letter, and how it is told."""

    values: Floats
    colour: int
    letter: str
    label: str


class Level(NamedTuple):
    """A price with a line across, and its name."""

    price: float
    label: str
    colour: int
    held: bool = False
    """Whether the person has it in the hand: its line is whole, and lies over everything."""
    own: bool = False
    """Whether it is of the account: its name is told wherever there is room for it."""


class Turn(NamedTuple):
    """A confirmed pivot at its bar's time; the times are UTC ms."""

    ts_ms: int
    confirmed_ms: int
    level: int
    high: bool
    price: float


class Profile(NamedTuple):
    """Volume by price, base asset: bucket i begins at `price` + i x `size`, quote units."""

    price: float
    size: float
    volumes: tuple[float, ...]
    control: float | None
    low: float | None
    high: float | None


class Overlay(NamedTuple):
    """Everything over the candles; `said` is told in words above them."""

    lines: tuple[Drawn, ...] = ()
    levels: tuple[Level, ...] = ()
    turns: tuple[Turn, ...] = ()
    profile: Profile | None = None
    said: tuple[str, ...] = ()

    @property
    def legend(self) -> bool:
        """Whether a line of words is needed."""
        return bool(self.lines or self.said)


def colour_of(number: int) -> int:
    """Return the role of the n-th line."""
    return LINES[number % len(LINES)]


def draw(frame: Frame, overlay: Overlay, slots: Slots, view: Viewport, scale: Scale, places: int, look: Look) -> None:
    """Draw it over candles into their part of a frame, what matters least last: it finds the fewest free cells."""
    if overlay.turns:
        _turns(frame, overlay.turns, slots, view, scale)
    for line in overlay.lines:
        _line(frame, line, view, scale, look)
    top = 1 if overlay.legend else 0
    for level in overlay.levels:
        _level(frame, level, scale, places, look, top)
    if overlay.profile is not None:
        _profile(frame, overlay.profile, scale, look)


def put(frame: Frame, y: int, x: int, text: str, with_pen: int) -> bool:
    """Write where there is room for all of it; return whether there was."""
    stop = x + len(text)
    if not 0 <= y < frame.height or x < 0 or stop > frame.width or (frame.glyphs[y, x:stop] != " ").any():
        return False
    frame.text(x, y, text, with_pen)
    return True


# Lines. -------------------------------------------------------------------------------------------------------------


def curve(values: Floats, view: Viewport) -> Floats:
    """Return values at every half column of the plot: straight between bars, nan where one of them has none."""
    columns = view.lefts() + view.body // 2
    seen = values[view.first : view.stop]
    made: Floats = np.full(2 * view.width, np.nan)
    if view.each > 1 and len(seen):
        made = np.interp(np.arange(2.0 * view.width), columns * 2 + 0.5, seen, left=np.nan, right=np.nan)
    inside = (columns >= 0) & (columns < view.width)
    made[2 * columns[inside]] = made[2 * columns[inside] + 1] = seen[inside]  # both halves are the bar's own
    return made


def trace(heights: Floats, rows: int) -> np.ndarray:
    """Return braille dots of a curve by cell, shape [rows, columns], 0 where there are none.

    `heights` are rows above the lower edge by half columns. Steep parts are drawn half-way to their neighbours.
    """
    dots = np.floor(heights * 4)
    before, after = np.r_[np.nan, dots[:-1]], np.r_[dots[1:], np.nan]
    low, high = dots, dots
    for side in (before, after):
        half = np.trunc((dots + side) / 2)
        low, high = np.fmin(low, half), np.fmax(high, half)
    found = np.zeros((rows, len(heights) // 2), dtype=np.uint8)
    seen = (high >= 0) & (low < 4 * rows)  # nan is neither
    for half in (0, 1):
        columns = np.flatnonzero(seen[half::2])
        first = np.maximum(low[half::2][columns], 0).astype(np.int64)
        last = np.minimum(high[half::2][columns], 4 * rows - 1).astype(np.int64)
        while len(columns):
            found[rows - 1 - first // 4, columns] |= DOTS[first % 4, half]
            first += 1
            going = first <= last
            columns, first, last = columns[going], first[going], last[going]
    return found


def lay(frame: Frame, cells: np.ndarray, with_pen: int, letter: str, look: Look) -> None:
    """Put the dots of a curve into free cells; its letter stands in where there are no dots, or no colours."""
    free = (cells > 0) & (frame.glyphs == " ")
    glyphs = np.full(cells.shape, letter) if look.ascii else (cells + np.uint32(0x2800)).view("<U1")
    if look.shades and not look.ascii:
        every = np.zeros(frame.width, dtype=bool)
        every[LETTERS_APART // 2 :: LETTERS_APART] = True
        glyphs = np.where(every[None, :], letter, glyphs)
    frame.glyphs[free] = glyphs[free]
    frame.pens[free] = with_pen


def _line(frame: Frame, line: Drawn, view: Viewport, scale: Scale, look: Look) -> None:
    if frame.height:
        heights = scale.rows(curve(line.values, view), frame.height)
        lay(frame, trace(heights, frame.height), pen(line.colour), line.letter, look)


# Levels, pivots, volume. --------------------------------------------------------------------------------------------


def _level(frame: Frame, level: Level, scale: Scale, places: int, look: Look, top: int) -> None:
    at = float(scale.rows(np.array([level.price]), frame.height)[0])
    text = f"{level.label} {money(level.price, places)}"
    own = pen(level.colour, attributes=BOLD if level.held else 0)
    if not 0 <= at < frame.height:
        if level.own or level.held:
            _beyond(frame, text, own, look, top if at >= frame.height else None)
        return
    row = frame.height - 1 - int(at)
    if level.held:
        frame.glyphs[row], frame.pens[row] = "-" if look.ascii else "\u2500", own
        frame.text(max(frame.width - len(text) - 1, 0), row, f" {text} ", own)
        return
    free = frame.glyphs[row] == " "
    free[1::2] = False
    for x in range(frame.width - len(text), -1 if level.own else max(frame.width // 2, 0), -1):
        if put(frame, row, x, text, own):
            free[max(x - 1, 0) : x + len(text) + 1] = False
            break
    else:
        if level.own:
            _beside(frame, (row + away for away in (-1, 1, -2, 2, -3, 3)), text, own)
    frame.glyphs[row, free] = "-" if look.ascii else "\u254c"
    frame.pens[row, free] = own


def _beside(frame: Frame, rows: Iterable[int], text: str, own: int) -> None:
    """Write into the first of some rows that has room, as far right as it has; a price of one's own has to be named."""
    for row in rows:
        if any(put(frame, row, x, text, own) for x in range(frame.width - len(text), -1, -1)):
            return


def _beyond(frame: Frame, text: str, own: int, look: Look, top: int | None) -> None:
    """Name a price of one's own that is not in sight, at the edge that it lies beyond: from row `top`, or the lower."""
    above = top is not None
    arrow = ("^" if above else "v") if look.ascii else "\u2191" if above else "\u2193"
    half = max(frame.height // 2, 3)
    rows = range(frame.height - 1, max(frame.height - 1 - half, -1), -1) if top is None else range(top, top + half)
    _beside(frame, rows, f" {arrow} {text}", own)


def _turns(frame: Frame, turns: tuple[Turn, ...], slots: Slots, view: Viewport, scale: Scale) -> None:
    """Put the digit of its level above each high and below each low; of several at one bar the highest level."""
    best: dict[tuple[int, bool], Turn] = {}
    since, until = int(slots.open_ms[view.first]), int(slots.end_ms[view.stop - 1])
    for turn in (each for each in turns if since <= each.ts_ms < until):
        slot = slots.at(turn.ts_ms)
        if slot is not None and view.first <= slot < view.stop:
            held = best.get((slot, turn.high))
            if held is None or held.level < turn.level:
                best[slot, turn.high] = turn
    for (slot, high), turn in best.items():
        extreme = float(slots.ohlc[slot, 1 if high else 2])
        at = float(scale.rows(np.array([extreme]), frame.height)[0])
        if not np.isfinite(at):
            continue
        row = frame.height - 1 - int(np.floor(at))
        own = pen(colour_of(turn.level - 1), attributes=BOLD if turn.level > 2 else 0)
        for away in (1, 2, 3):
            if put(frame, row - away if high else row + away, view.middle(slot), str(turn.level), own):
                break


def _profile(frame: Frame, profile: Profile, scale: Scale, look: Look) -> None:
    """Lay bars of volume from the right edge inwards, in free cells; those of the value area are denser."""
    edges = np.arange(frame.height + 1, dtype=np.float64)
    prices = np.array([scale.price(edge, frame.height) for edge in edges])
    starts = profile.price + np.arange(len(profile.volumes) + 1) * profile.size
    sums = np.r_[0.0, np.cumsum(profile.volumes)]
    per_row = np.diff(np.interp(prices, starts, sums))[::-1]
    most = float(per_row.max(initial=0.0))
    if most <= 0:
        return
    wide = np.rint(per_row / most * (frame.width // SHARE)).astype(np.int64)
    middles = (prices[1:] + prices[:-1])[::-1] / 2
    inside, outside = ("+", ".") if look.ascii else ("\u2592", "\u2591")
    for row, (cells, price) in enumerate(zip(wide.tolist(), middles.tolist(), strict=True)):
        valued = profile.low is not None and profile.high is not None and profile.low <= price <= profile.high
        part = frame.part(frame.width - cells, row, cells, 1)
        free = part.glyphs == " "
        part.glyphs[free] = inside if valued else outside
        part.pens[free] = pen(FAINT)
    for price, label in ((profile.control, "POC"), (profile.high, "VAH"), (profile.low, "VAL")):
        at = float(scale.rows(np.array([price]), frame.height)[0]) if price is not None else -1.0
        if 0 <= at < frame.height:
            row = frame.height - 1 - int(at)
            x = frame.width - max(int(wide[row]), 0) - len(label) - 1
            put(frame, row, x, label, pen(TEXT, attributes=BOLD if label == "POC" else 0))


# Words. -------------------------------------------------------------------------------------------------------------


def draw_legend(frame: Frame, overlay: Overlay, slot: int, places: int, look: Look) -> None:
    """Write into the first row what lies over the candles, and what the lines say at a slot.

    Where lines have letters instead of colours, these are told.
    """
    x = 0
    for line in overlay.lines:
        value = float(line.values[slot]) if 0 <= slot < len(line.values) else float("nan")
        told = money(value, places) if np.isfinite(value) else "-"
        letter = f"{line.letter}:" if look.shades else ""
        text = f"{letter}{line.label} {told} " if line.label else f"{told} "
        if x + len(text) > frame.width:
            break
        x = frame.text(x, 0, text, pen(line.colour))
    for text in overlay.said:
        if x + len(text) + 1 > frame.width and x:
            break
        x = frame.text(x, 0, f"{text} ", pen(TEXT), most=frame.width - x)
