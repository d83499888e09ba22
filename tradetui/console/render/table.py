"""Tables: columns that give way by rank where there is no room, rows that are drawn at once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from tradetui.console.render.cells import NOTHING, bar, fit
from tradetui.console.render.frame import Frame
from tradetui.console.render.pens import BAR, BOLD, FAINT, OLD, SELECT, TEXT, TITLE, WARN, pen, with_back

PLAIN = pen(TEXT)
HEAD = pen(TITLE, BAR, BOLD)
QUIET = pen(FAINT)
PAST = pen(TEXT, attributes=OLD)
"""What was told once, and is not the present."""
MARK = pen(WARN, attributes=BOLD)

ROOMY = 24
"""Cells that a column of text wishes to have before columns stand further apart."""

POINTER = "\u25b8"
"""Stands before the row of the cursor."""


class Column(NamedTuple):
    """A column: it takes `least` cells and grows up to `most`. The highest rank leaves first, rank 0 never does.

    `end`: what is too long keeps its end.
    """

    head: str
    least: int
    most: int = 0
    right: bool = False
    rank: int = 0
    end: bool = False
    early: bool = False
    """Whether it grows before the others: a number that must not be cut while a name has cells to spare."""


Columns = tuple[Column, ...]

LINE: Columns = (Column("", 8, 11), Column("", 10, 1000))
"""Columns of what is told in a sentence."""


class Gauge(NamedTuple):
    """A cell that is filled by a part of one, as wide as its column."""

    part: float | None
    pen: int

    @property
    def text(self) -> str:
        """The part in words."""
        return NOTHING if self.part is None else f"{self.part * 100:.0f}%"


Cell = str | tuple[str, int] | Gauge
"""A text, a text and its pen, or a bar."""


def text_of(cell: Cell) -> str:
    """Return what a cell says."""
    return cell if isinstance(cell, str) else cell.text if isinstance(cell, Gauge) else cell[0]


class Row(NamedTuple):
    """A row: a text for every column. `columns` are its own, if not the table's; a `head` cannot be chosen."""

    id: Hashable
    cells: tuple[Cell, ...]
    pen: int = PLAIN
    columns: Columns = ()
    head: bool = False

    @property
    def text(self) -> str:
        """All of it in one line, to be searched."""
        return " ".join(map(text_of, self.cells))


class Place(NamedTuple):
    """Where a column stands."""

    number: int
    x: int
    width: int


@lru_cache(256)
def places(columns: Columns, width: int) -> tuple[Place, ...]:
    """Return where the columns stand that have room in `width` cells."""
    kept = list(range(len(columns)))

    def needed(gap: int) -> int:
        return sum(columns[number].least for number in kept) + gap * (len(kept) - 1)

    while needed(1) > width and (most := max(columns[number].rank for number in kept)) > 0:
        kept.remove(max(number for number in kept if columns[number].rank == most))
    wished = sum(max(min(columns[number].most, ROOMY), columns[number].least) for number in kept)
    gap = 2 if wished + 2 * (len(kept) - 1) <= width else 1
    left, x, found, more = width - needed(gap), 0, [], dict.fromkeys(kept, 0)
    for number in sorted(kept, key=lambda each: not columns[each].early):
        column = columns[number]
        more[number] = min(max(column.most - column.least, 0), max(left, 0))
        left -= more[number]
    for number in kept:
        size = min(columns[number].least + more[number], max(width - x, 0))
        if size:
            found.append(Place(number, x, size))
        x += size + gap
    return tuple(found)


def heading(columns: Columns) -> Row:
    """Return the heads of columns as a row."""
    return Row(None, tuple(column.head for column in columns), HEAD, columns, head=True)


def draw(frame: Frame, columns: Columns, rows: Sequence[Row], *, chosen: int = -1, active: bool = False) -> None:
    """Draw rows from the top; that at `chosen` is the cursor's, and stands out if the pane is `active`.

    One column on the left is the pointer's, one on the right stays free.
    """
    rows = rows[: frame.height]
    width = frame.width
    if not rows or width < 3:
        return
    lines = []
    for y, row in enumerate(rows):
        own = row.columns or columns
        frame.pens[y] = row.pen
        line, at = POINTER if y == chosen else " ", 1
        for number, x, size in places(own, width - 2):
            cell, column = row.cells[number], own[number]
            if isinstance(cell, str):
                text = cell
            else:
                text = bar(cell.part, size) if isinstance(cell, Gauge) else cell[0]
                frame.pens[y, 1 + x : 1 + x + size] = cell[1]
            line += " " * (1 + x - at) + fit(text, size, right=column.right, keep_end=column.end and not row.head)
            at = 1 + x + size
        lines.append(line.ljust(width)[:width])
        if y == chosen:
            frame.pens[y, 0] = MARK if active else QUIET
            if active:
                frame.pens[y] = with_back(frame.pens[y], SELECT)
        elif row.head:
            frame.pens[y] = with_back(frame.pens[y], BAR)
    frame.glyphs[: len(lines)] = np.array(lines, dtype=f"<U{width}").view("<U1").reshape(len(lines), width)


def found(row: Row, text: str) -> bool:
    """Tell whether a row holds a text, whatever its case."""
    return text.casefold() in row.text.casefold()
