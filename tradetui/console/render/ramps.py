"""From numbers to levels, glyphs and bars: cut-offs, ramps of colours and of shades, and scales that hold still.

A scale that follows every tick repaints every cell; those here move only when they must.
"""

from __future__ import annotations

from math import ceil, floor, log10
from typing import NamedTuple

import numpy as np

from themes.palette import LEVELS
from tradetui.console.render.frame import Glyphs
from tradetui.console.series import Floats, Integers

SHADES = "·░▒▓█"
"""From the least that is known to the most; what is unknown is blank."""

ASCII_SHADES = ".:+*%#@"
"""The same in ASCII, without the characters of the lines and of the dots."""

LEANS = "▼▾·▴▲"
"""Imbalance from asks to bids."""

ASCII_LEANS = "Vv.^A"

BID_BAR = " ▏▎▍▌▋▊▉█"
ASK_BAR = "  ░░▒▒▓▓▓"
"""Eighths of a cell of a bar; those of asks are told from those of bids without colour."""

HATCH = "╱"
"""Stands for what is a lower bound."""

NICE = (1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0)
"""Ends of a scale of bars, times a power of ten."""


class Cut(NamedTuple):
    """The two ends of a ramp: at `low` and below the first level, at `high` and above the last."""

    low: float
    high: float


SLACK = 0.5
"""Levels by which a value may lie outside its level and keep it."""

EDGE = 1e-9

SPAN = 1.5
"""Least ratio of the ends of a ramp: what hardly differs does not look different."""

DIMMEST = 5
"""The first level of a ramp that begins at 0."""

BALANCED = Cut(-1.0, 1.0)
"""The ramp of the imbalance, whatever is in sight."""


def wanted_cut(values: Floats, cut: float) -> Cut | None:
    """Return the cut-offs that leave `cut` per cent of the positive values at both ends; None without any."""
    some = values[values > 0]  # nan is not
    if not len(some):
        return None
    low, high = np.percentile(some, (cut, 100 - cut)).tolist()
    return Cut(low, max(high, SPAN * low))


def wanted_widest(values: Floats) -> Cut | None:
    """Return the ends of a ramp from 0 to the largest value, rounded up to two digits; None without any above 0.

    Nothing of it is as dark as nothing at all: 0 stands at level `DIMMEST`.
    """
    some = values[values > 0]
    if not len(some):
        return None
    most = float(some.max())
    digit = 10.0 ** (floor(log10(most)) - 1)
    high = ceil(most / digit - EDGE) * digit
    return Cut(-high * DIMMEST / (LEVELS - DIMMEST), high)


def follow_cut(kept: Cut | None, wanted: Cut | None) -> Cut | None:
    """Return the cut-offs to use: those kept, until one of the wanted ones is more than a level away from them."""
    if kept is None or wanted is None:
        return wanted or kept
    step = (kept.high - kept.low) / LEVELS
    moved = max(abs(wanted.low - kept.low), abs(wanted.high - kept.high)) > step
    return wanted if moved else kept


def follow_middle(kept: int | None, middle: int, rows: int) -> int:
    """Return the middle of the prices in sight: that kept, until `middle` leaves the inner third of `rows`."""
    return kept if kept is not None and abs(middle - kept) <= rows / 6 else middle


def follow_top(kept: float, most: float) -> float:
    """Return the end of a scale of bars: that kept, until a bar does not fit or all take less than two fifths of it."""
    if most <= 0 or not np.isfinite(most):
        return kept
    if 0.4 * kept < most <= kept:
        return kept
    power = 10.0 ** np.floor(np.log10(most))
    return float(power * next(step for step in NICE if step * power * (1 + 1e-12) >= most))


def levels(values: Floats, cut: Cut | None, before: Integers | None = None) -> Integers:
    """Return levels 0 to 15 of columns of values; nan gives 0.

    A value keeps the level of the column before (that before the first one is `before`, -1: none) until it lies more
    than `SLACK` levels outside of it. So a size that sways round the edge of a level does not flicker.
    """
    if cut is None:
        return np.zeros(values.shape, dtype=np.int64)
    scaled = np.clip((values - cut.low) * (LEVELS / (cut.high - cut.low)), 0, LEVELS - EDGE)
    known = ~np.isnan(values)
    found: Integers = np.where(known, scaled, 0).astype(np.int64)
    last = np.full(len(values), -1, dtype=np.int64) if before is None else before
    for x in range(values.shape[1]):
        at = scaled[:, x]
        keeps = (last >= 0) & (at >= last - SLACK) & (at < last + 1 + SLACK)
        found[:, x] = np.where(keeps, last, found[:, x])
        last = np.where(known[:, x], found[:, x], -1)
    return found


class Steady:
    """The levels of a window that moves on: columns that were there keep theirs, whatever left on the other side."""

    def __init__(self) -> None:
        self._of: object = None
        self._first = 0
        self._values: Floats = np.zeros((0, 0))
        self._levels: Integers = np.zeros((0, 0), dtype=np.int64)

    def levels(self, values: Floats, cut: Cut | None, first: int, of: object) -> Integers:
        """Return the levels of a window that begins at column `first`; `of` tells windows apart that only moved."""
        shape = values.shape
        kept = shape[1] - (first - self._first)
        same = of == self._of and shape == self._values.shape and 0 < kept <= shape[1]
        if same and np.array_equal(self._values[:, shape[1] - kept :], values[:, :kept], equal_nan=True):
            old = self._levels[:, shape[1] - kept :]
            before = np.where(np.isnan(values[:, kept - 1]), -1, old[:, -1])
            found = np.concatenate((old, levels(values[:, kept:], cut, before)), axis=1)
        else:
            found = levels(values, cut)
        self._of, self._first, self._values, self._levels = of, first, values, found
        return found

    def following(self, values: Floats, cut: Cut | None) -> Integers:
        """Return the levels of what comes behind the window."""
        if len(values) != len(self._levels) or not self._levels.shape[1]:
            return levels(values, cut)
        before = np.where(np.isnan(self._values[:, -1]), -1, self._levels[:, -1])
        return levels(values, cut, before)


def shades(level: Integers, ramp: str) -> Glyphs:
    """Return the glyphs of a ramp for levels 0 to 15."""
    steps = np.array(list(ramp), dtype="<U1")
    found: Glyphs = steps[level * len(ramp) // LEVELS]
    return found


def bars(values: Floats, top: float, width: int, ramp: str = BID_BAR) -> Glyphs:
    """Return bars from left to right, [values, width]; a value at `top` fills its row, more is cut off.

    What is there but too small to be seen shows the smallest piece; 0 and nan show nothing.
    """
    filled = np.nan_to_num(values, nan=0.0) * (8 * width / top) if top > 0 else np.zeros(len(values))
    least = next(place for place, char in enumerate(ramp) if char != " ")
    filled = np.where(filled > 0, np.maximum(np.rint(filled), least), 0)
    eighths = np.clip(filled[:, None] - 8 * np.arange(width), 0, 8).astype(np.int64)
    found: Glyphs = np.array(list(ramp), dtype="<U1")[eighths]
    return found
