"""Glyph sets: which character stands for what a candle covers of a cell.

A row of the screen is cut into units: eight for block characters, four for braille, two for halves and box lines, one
for ASCII. Every set is tabulated once.

Direction never rests on colour alone. A rising body is hollow and a falling one solid, as on paper: with few colours
(`Look.shades`) the rising body is shaded, in ASCII it is `o` against `#`, in braille half as wide. With many colours
there is no room for that in one column: there the wick tells, solid when rising, dashed when falling; the legend has an
arrow, and a wide body is an outline (`candles`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np

from tradetui.console.render.frame import Glyphs, Pens
from tradetui.console.render.look import Look
from tradetui.console.render.pens import REVERSE

RISING, FALLING, EVEN = range(3)
"""Directions; `EVEN`: close equals open."""

GLYPHS: tuple[Literal["eighth", "half", "box", "braille"], ...] = ("eighth", "half", "box", "braille")

LOWER = " \u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"
"""Blocks that fill a cell from below, by eighths."""

SHADE = "\u2592"

BRAILLE, EIGHTHS = 4, 8
"""Units of a row in braille (dots), and of block characters."""

Cell = tuple[str, int]
"""A character, and the attributes of its pen."""


class Cover(NamedTuple):
    """What a candle covers of one cell, in units above its lower edge."""

    body: tuple[int, int]
    wick: tuple[int, int]


class Table(NamedTuple):
    """Characters of a glyph set by direction and cover (body from, body to, wick from, wick to)."""

    units: int
    glyphs: Glyphs
    attributes: Pens


def style(glyphs: str, look: Look) -> str:
    """Return the name of the table for a glyph set on a terminal."""
    if look.ascii:
        return "ascii"
    return f"{glyphs}-shades" if look.shades else glyphs


@lru_cache
def table(name: str) -> Table:
    """Return a glyph set by the name that `style` gives it."""
    units, cell = _SETS[name]
    shape = (3, *(units + 1,) * 4)
    glyphs, attributes = np.full(shape, " ", dtype="<U1"), np.zeros(shape, dtype=np.int32)
    spans = [(low, high) for low in range(units + 1) for high in range(low, units + 1)]
    for direction in (RISING, FALLING, EVEN):
        for body in spans:
            for wick in spans:
                place = (direction, *body, *wick)
                glyphs[place], attributes[place] = cell(direction, Cover(body, wick))
    return Table(units, glyphs, attributes)


def _eighth(direction: int, cover: Cover) -> Cell:
    low, high = cover.body
    if high == low:
        return _wick(direction, cover.wick, 8)
    if low == 0:
        return LOWER[high], 0
    if high == 8:
        return LOWER[low], REVERSE
    # A small body in the middle of a cell: its height is right, its place is moved to the nearer edge.
    size = high - low
    if size <= 2 and 2 <= (low + high) / 2 <= 6:
        return "\u2501", 0
    return (LOWER[size], 0) if low <= 8 - high else (LOWER[8 - size], REVERSE)


def _half(direction: int, cover: Cover) -> Cell:
    return {(0, 2): "\u2588", (0, 1): "\u2584", (1, 2): "\u2580"}.get(cover.body, _wick(direction, cover.wick, 2)[0]), 0


def _box(direction: int, cover: Cover) -> Cell:
    low, high = cover.body
    if high == low:
        return _wick(direction, cover.wick, 2)
    above, below = cover.wick[1] == 2, cover.wick[0] == 0
    if (low, high) == (0, 2):
        return "\u2503", 0
    if low == 0:
        return "\u257d" if above else "\u257b", 0
    return "\u257f" if below else "\u2579", 0


def _braille(direction: int, cover: Cover) -> Cell:
    """Two columns of four dots: the wick on the left, a falling body on both, a rising one only on the right."""
    dots = 0
    for row in range(4):
        left, right = 0x40 if row == 0 else 1 << (3 - row), 0x80 if row == 0 else 8 << (3 - row)
        if cover.body[0] <= row < cover.body[1]:
            dots |= right if direction == RISING else left | right
        elif cover.wick[0] <= row < cover.wick[1]:
            dots |= left
    return (chr(0x2800 + dots) if dots else " "), 0


def _ascii(direction: int, cover: Cover) -> Cell:
    if cover.body == (0, 1):
        return ("o" if direction == RISING else "#"), 0
    return ("|" if cover.wick == (0, 1) else " "), 0


def _shaded(cell: Callable[[int, Cover], Cell]) -> Callable[[int, Cover], Cell]:
    """Return a glyph set whose rising bodies are shaded."""

    def shaded(direction: int, cover: Cover) -> Cell:
        low, high = cover.body
        if direction == RISING and high > low:
            return SHADE, 0
        return cell(direction, cover)

    return shaded


def _wick(direction: int, wick: tuple[int, int], units: int) -> Cell:
    low, high = wick
    if (high - low) * 4 >= units * 3:
        return ("\u254e" if direction == FALLING else "\u2502"), 0
    if (high - low) * 4 < units:
        return " ", 0
    return ("\u2577" if low + high <= units else "\u2575"), 0


_SETS: dict[str, tuple[int, Callable[[int, Cover], Cell]]] = {
    "eighth": (EIGHTHS, _eighth),
    "half": (2, _half),
    "box": (2, _box),
    "braille": (BRAILLE, _braille),
    "eighth-shades": (EIGHTHS, _shaded(_eighth)),
    "half-shades": (2, _shaded(_half)),
    "box-shades": (2, _shaded(_box)),
    "braille-shades": (BRAILLE, _braille),
    "ascii": (1, _ascii),
}
