"""A database in a folder that files are imported into, and what is in it."""

from __future__ import annotations

import sqlite3
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from storage import schema
from storage.archive import StoredArchive
from storage.cold import Cold
from storage.connection import open_for_writing
from storage.interchange import staging, swings
from storage.interchange.batch import Hints
from storage.interchange.importing import Importer, units
from storage.interchange.manifest import Manifest
from storage.interchange.report import FileReport, Report

NOW = 1_800_000_000 * 10**9
START = 1_700_000_040_000
"""UTC ms, a whole minute."""


class Shelf:
    """Storage without an engine, as an import sees it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.path = folder / "market.db"
        self.connection = open_for_writing(self.path)
        schema.migrate(self.connection, str(self.path))
        self.cold = Cold(folder / "cold")
        self.archive = StoredArchive(self.path, folder / "cold")

    def done(self, sha256: str, said: str) -> str | None:
        return staging.imported(self.connection, sha256, said)

    def take(self, staged: Path) -> FileReport:
        return staging.merge(self.connection, staged, NOW).report

    def bring(self, *paths: Path, manifest: Manifest | None = None, **said: Any) -> Report:
        """Import files as the command line does."""
        return Importer(self, self.folder).run(units(list(paths), manifest or Manifest(), Hints(**said)))

    def pivots(self) -> int:
        """Work out the pivots that are due; return how many there are."""
        write = lambda work: work(self.connection)  # noqa: E731
        return sum(swings.build(self.archive, write, *each, 2, NOW) for each in swings.due(self.connection))

    def dump(self) -> list[str]:
        """Return everything that is in the database."""
        return list(self.connection.iterdump())

    def rows(self, query: str, *given: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        return self.connection.execute(query, given).fetchall()

    def close(self) -> None:
        self.archive.close()
        self.connection.close()


def only(report: Report) -> FileReport:
    """Return the one file of a report, whose counts add up."""
    (file,) = report.files
    assert file.adds_up
    return file


def table(rows: list[str], path: Path, head: str = "timestamp,open,high,low,close,volume") -> Path:
    """Write a table."""
    path.write_text("\n".join([head, *rows] if head else rows) + "\n")
    return path


def bars(count: int, *, start: int = START, step: int = 60_000, price: float = 100.0) -> list[str]:
    """Return rows of made-up candles, for parsers only; the price goes up and down a little."""
    prices = [price * (1 + (i * 7 % 10) / 1000) for i in range(count + 1)]
    return [
        f"{start + i * step},{a!r},{max(a, b)!r},{min(a, b)!r},{b!r},{1 + i % 3}"
        for i, (a, b) in enumerate(pairwise(prices))
    ]


def closes(shelf: Shelf, key: str = "binance:BTC/USDT", timeframe: str = "1m") -> dict[int, float]:
    """Return the closes of all series of an instrument and timeframe, by opening time."""
    query = (
        "SELECT b.open_ms, b.close FROM bars b JOIN series s ON s.id = b.series_id"
        " JOIN instruments i ON i.id = s.instrument_id WHERE i.key = ? AND s.timeframe = ?"
    )
    return dict(shelf.rows(query, key, timeframe))


def raw(path: Path) -> sqlite3.Connection:
    """Open a database to write into it by hand."""
    return sqlite3.connect(path)


def equal(left: Any, right: Any) -> bool:
    """Whether two arrays are the same, unknown equal to unknown."""
    return bool(np.array_equal(left, right, equal_nan=left.dtype.kind == "f"))
