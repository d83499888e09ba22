"""A frame: characters and pens of a rectangle of cells, drawn by numpy and compared with the frame before.

Every cell holds one character of width one. What would take two cells, or none, is drawn as a replacement: a column
that moves because of somebody's text would break everything to its right.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from rich.cells import get_character_cell_size

from engine.text import inert
from tradetui.console.render.look import ASCII_HEAVY, ASCII_LIGHT, FULL, HEAVY, LIGHT, Look, plain
from tradetui.console.render.pens import BOLD, BORDER, FAINT, FOCUS, OLD, TEXT, TITLE, WARN, pen

Glyphs = npt.NDArray[np.str_]
Pens = npt.NDArray[np.int32]

JOIN = 12
"""Changed runs of a row that lie closer than this are sent as one: moving the cursor costs as much."""

ELLIPSIS = "\u2026"


class Run(NamedTuple):
    """Changed cells of one row."""

    x: int
    y: int
    width: int


class Frame:
    """A rectangle of cells; `part` gives views into it that share its memory."""

    __slots__ = ("glyphs", "pens")

    def __init__(self, glyphs: Glyphs, pens: Pens) -> None:
        self.glyphs = glyphs
        self.pens = pens

    @classmethod
    def blank(cls, width: int, height: int, with_pen: int = pen(TEXT)) -> Frame:
        """Return a frame of spaces."""
        shape = max(height, 0), max(width, 0)
        return cls(np.full(shape, " ", dtype="<U1"), np.full(shape, with_pen, dtype=np.int32))

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.glyphs.shape[1])

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.glyphs.shape[0])

    def part(self, x: int, y: int, width: int, height: int) -> Frame:
        """Return a view of a rectangle, cut to this frame."""
        x, y = max(x, 0), max(y, 0)
        rows, columns = slice(y, max(y + height, y)), slice(x, max(x + width, x))
        return Frame(self.glyphs[rows, columns], self.pens[rows, columns])

    def inside(self) -> Frame:
        """Return a view of what lies within a border."""
        return self.part(1, 1, self.width - 2, self.height - 2)

    def text(self, x: int, y: int, text: str, with_pen: int | None = None, *, most: int | None = None) -> int:
        """Write one line, cut to `most` cells and to the frame; return the column after it. No pen: as it is."""
        room = self.width - max(x, 0) if most is None else min(most, self.width - max(x, 0))
        if not 0 <= y < self.height or room <= 0:
            return x
        text = one_cell_each(text)
        if x < 0:
            text, x = text[-x:], 0
        if len(text) > room:
            text = text[: room - 1] + ELLIPSIS if most is not None and room > 1 else text[:room]
        end = x + len(text)
        if text:
            self.glyphs[y, x:end] = list(text)
            if with_pen is not None:
                self.pens[y, x:end] = with_pen
        return end

    def block(self, x: int, y: int, lines: Sequence[str]) -> None:
        """Write lines at once, cut to the frame; they are numbers and words of our own, one cell a character."""
        lines = lines[: self.height - y]
        length = max(map(len, lines), default=0)
        if length and x < self.width:
            glyphs = np.array([line.ljust(length) for line in lines]).view("<U1").reshape(len(lines), length)
            self.glyphs[y : y + len(lines), x : x + length] = glyphs[:, : self.width - x]

    def right(self, end: int, y: int, text: str, with_pen: int | None = None) -> int:
        """Write one line that ends before column `end`; return its first column. It is cut at its beginning."""
        text = one_cell_each(text)
        start = end - len(text)
        self.text(start, y, text, with_pen)
        return max(start, 0)

    def fill(self, with_pen: int, glyph: str | None = None) -> None:
        """Set every pen, and every character if one is given."""
        self.pens[:] = with_pen
        if glyph is not None:
            self.glyphs[:] = glyph

    def border(
        self, title: str, told: str = "", *, heavy: bool = False, look: Look = FULL, urgent: bool = False
    ) -> None:
        """Draw a border with a title on its left and `told` on its right, which goes first if it is `urgent`."""
        width, height = self.width, self.height
        if width < 2 or height < 1:
            return
        lines = (ASCII_HEAVY if heavy else ASCII_LIGHT) if look.ascii else (HEAVY if heavy else LIGHT)
        edge = pen(FOCUS if heavy else BORDER, attributes=BOLD if heavy else 0)
        for y in {0, height - 1}:
            self.glyphs[y] = lines.across
            self.pens[y] = edge
        for x in {0, width - 1}:
            self.glyphs[:, x] = lines.down
            self.pens[:, x] = edge
        if height == 1:
            self.glyphs[0, 0] = self.glyphs[0, -1] = lines.across
        else:
            corners = (0, 0, -1, -1), (0, -1, 0, -1)
            self.glyphs[corners] = list(lines.corners)
        room = width - 4
        if urgent and told:
            room = max(room - len(told) - 3, 0)
        end = 2
        if title and room > 2:
            end = self.text(2, 0, f" {title} ", pen(TITLE, attributes=BOLD), most=room)
        if told and width - 2 - end > 4:
            text = one_cell_each(f" {told} ")
            if len(text) > width - 2 - end:
                text = text[: width - 3 - end] + ELLIPSIS
            self.right(width - 2, 0, text, pen(WARN, attributes=BOLD) if urgent else pen(FAINT))

    def old(self) -> None:
        """Take the colour out of everything: it is not the present."""
        self.pens |= OLD

    def ascii(self) -> None:
        """Put ASCII characters in the place of all others."""
        for char in np.unique(self.glyphs):
            if not char.isascii():
                self.glyphs[self.glyphs == char] = plain(str(char))

    def copy(self) -> Frame:
        """Return a frame of its own."""
        return Frame(self.glyphs.copy(), self.pens.copy())

    def lines(self) -> list[str]:
        """Return the characters, row by row."""
        return ["".join(row) for row in self.glyphs]

    def changed(self, before: Frame | None) -> list[Run] | None:
        """Return what differs from the frame before, or None if it is best to send everything."""
        if before is None or before.glyphs.shape != self.glyphs.shape:
            return None
        differs = (self.glyphs != before.glyphs) | (self.pens != before.pens)
        total = int(np.count_nonzero(differs))
        if not total:
            return []
        if total * 2 > differs.size:
            return None
        found: list[Run] = []
        for y in np.flatnonzero(differs.any(axis=1)):
            places = np.flatnonzero(differs[y])
            cuts = np.flatnonzero(np.diff(places) > JOIN)
            starts = places[np.r_[0, cuts + 1]]
            ends = places[np.r_[cuts, len(places) - 1]]
            found += [Run(int(x), int(y), int(end - x + 1)) for x, end in zip(starts, ends, strict=True)]
        return found


def one_cell_each(text: str) -> str:
    """Return a text whose every character takes one cell and does nothing to the terminal."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_cell, inert(text)))


@lru_cache(4096)
def _cell(char: str) -> str:
    return char if get_character_cell_size(char) == 1 and char.isprintable() else "\ufffd"
