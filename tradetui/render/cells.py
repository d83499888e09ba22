"""Cells of fixed width: numbers, times, ages, and rows made of them. What came from outside is drawn inert."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from engine.text import inert

TEXT, FAINT, STALE = "#d0d0d0", "#8a8a8a", "#6c6c6c"
HEAD = "bold #b0b0b0 on #262626"
UP, DOWN = "#4aa3ff", "#ffb000"
GOOD, WARN, BAD = "#4aa3ff", "#ffb000", "bold #ff8c66"
OWN = "#9ecbff"
BAR = "#e4e4e4 on #262626"
ALARM = "bold #121212 on #ffb000"
SELECTED = "reverse"

NOTHING = "-"


class Column(NamedTuple):
    """A column of a table; `width` 0 takes what is left."""

    head: str
    width: int
    right: bool = False


Cell = str | tuple[str, str]
"""A text, or a text and its style."""


def fit(text: str, width: int, *, right: bool = False, keep_end: bool = False) -> str:
    """Return `text` exactly `width` cells wide; one that is too long loses its end (or beginning) to an ellipsis."""
    text = inert(text)
    size = cell_len(text)
    if size > width:
        if keep_end:
            while text and cell_len(text) > width - 1:
                text = text[1:]
            return set_cell_size("\u2026" + text, width)
        return set_cell_size(text, width - 1) + "\u2026" if width > 0 else ""
    return " " * (width - size) + text if right else text + " " * (width - size)


def row(columns: Sequence[Column], cells: Sequence[Cell], width: int, style: str = TEXT, gap: int = 1) -> Text:
    """Return one line of a table."""
    line = Text(no_wrap=True, end="", style=style)
    left = width - sum(column.width for column in columns) - gap * (len(columns) - 1)
    for number, (column, cell) in enumerate(zip(columns, cells, strict=True)):
        text, own = cell if isinstance(cell, tuple) else (cell, "")
        line.append(fit(text, column.width or max(left, 0), right=column.right), own)
        if number < len(columns) - 1:
            line.append(" " * gap)
    return line


def head(columns: Sequence[Column], width: int, gap: int = 1) -> Text:
    """Return the first line of a table, over the whole width."""
    line = row(columns, [column.head for column in columns], width, HEAD, gap)
    line.append(" " * max(width - cell_len(line.plain), 0))
    return line


def words(text: str, width: int, style: str = TEXT) -> Text:
    """Return a plain line."""
    return Text(fit(text, width), style=style, no_wrap=True, end="")


def price(value: float | None, tick: float, width: int) -> str:
    """Return a price with the decimals of its step; digits are never cut off without a mark."""
    if value is None:
        return NOTHING
    decimals = len(f"{tick:.10f}".rstrip("0").partition(".")[2])
    for text in (f"{value:,.{decimals}f}", f"{value:.{decimals}f}"):
        if len(text) <= width:
            return text
    return f"{value:.{max(width - 6, 1)}g}"


def number(value: float | None, decimals: int = 0, *, sign: bool = False) -> str:
    """Return a number, `-` for none."""
    return NOTHING if value is None else f"{value:{'+' if sign else ''},.{decimals}f}"


def count(value: int, width: int) -> str:
    """Return a count in at most `width` characters: 12345678, 1234M."""
    text, unit = str(value), iter("kMGT")
    while len(text) > width and value >= 1000:
        value //= 1000
        text = f"{value}{next(unit, '')}"
    return text


def age(seconds: float | None) -> str:
    """Return a length of time in four characters at most: <1s, 42s, 12m, 7h, 3d."""
    if seconds is None:
        return NOTHING
    if seconds < 1:
        return "<1s"
    for most, divisor, unit in ((100, 1, "s"), (6000, 60, "m"), (360_000, 3600, "h")):
        if seconds < most:
            return f"{int(seconds / divisor)}{unit}"
    return f"{min(int(seconds / 86_400), 999)}d"


def uptime(seconds: float) -> str:
    """Return a length of time in six characters at most: 42s, 12m34s, 3h04m, 2d03h."""
    whole = max(int(seconds), 0)
    for unit, divisor, smaller, part in (("d", 86_400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        if whole >= divisor:
            rest = whole % divisor // part
            return (
                f"{whole // divisor}{unit}{rest:02}{smaller}" if whole < 100 * divisor else f"{whole // divisor}{unit}"
            )
    return f"{whole}s"


def clock(ns: int, now: int | None = None) -> str:
    """Return a UTC time of day; with `now`, a time of another day as its date."""
    when = _utc(ns)
    if now is not None and when.date() != _utc(now).date():
        return when.strftime("%Y-%m-%d")
    return when.strftime("%H:%M:%SZ")


def stamp(ns: int) -> str:
    """Return a UTC date and time."""
    return _utc(ns).strftime("%Y-%m-%d %H:%M:%SZ")


def _utc(ns: int) -> datetime:
    try:
        return datetime.fromtimestamp(ns / 1e9, UTC)
    except (OverflowError, OSError, ValueError):
        return datetime.fromtimestamp(0, UTC)
