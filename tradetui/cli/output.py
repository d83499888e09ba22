"""What commands print: aligned tables, JSON, times and sizes for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import typer

from engine.text import inert

MS, SECOND = 1_000_000, 1_000_000_000
"""Nanoseconds, as in `engine.types`, which is not loaded for a help page."""

CELL_MOST = 1000
"""Characters of one cell of a table."""


def show_json(value: object) -> None:
    """Print a value as JSON, indented."""
    import msgspec

    typer.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def json_line(value: object) -> None:
    """Print a value as JSON on one line."""
    import msgspec

    typer.echo(msgspec.json.encode(value).decode())


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: str = "") -> None:
    """Print rows under their heads; columns named in `right` (their places as digits) are aligned right."""
    everything = [list(head), *[[inert(cell, CELL_MOST) for cell in row] for row in rows]]
    widths = [max(len(row[i]) for row in everything) for i in range(len(head))]
    for row in everything:
        cells = [
            cell.rjust(width) if str(i) in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        typer.echo("  ".join(cells).rstrip())


def clock(ns: int | None) -> str:
    """Return a time, UTC ns, for people."""
    return "-" if not ns else datetime.fromtimestamp(ns / SECOND, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def iso(ms: int) -> str:
    """Return a time, UTC ms, as ISO 8601."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def span(seconds: float | None) -> str:
    """Return a length of time for people, e.g. `2d 03:04:05`, `03:04:05` or `4.2 s`."""
    if seconds is None:
        return "-"
    if seconds < 60:
        return f"{seconds:.1f} s"
    days, rest = divmod(int(seconds), 86_400)
    text = f"{rest // 3600:02}:{rest % 3600 // 60:02}:{rest % 60:02}"
    return f"{days}d {text}" if days else text


def number(value: float | None, decimals: int = 0, unit: str = "") -> str:
    """Return a number for people, `-` for none."""
    return "-" if value is None else f"{value:,.{decimals}f}{unit}"


def decimals_of(tick: float) -> int:
    """Return the decimals that a price step needs."""
    return len(f"{tick:.10f}".rstrip("0").partition(".")[2])
