"""Every series that is stored, for a list."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import msgspec
import numpy as np

from engine.types import MS, Timeframe
from storage import candles as rows
from storage.cold import Cold

_TRADES = """
SELECT i.venue, i.key, x.aggregate, x.source, min(x.first), max(x.last), sum(x.rows)
FROM (
    SELECT instrument_id, aggregate, source, min(ts) AS first, max(ts) AS last, count(*) AS rows
    FROM trades GROUP BY 1, 2, 3
    UNION ALL
    SELECT f.instrument_id, ifnull((SELECT max(t.aggregate) FROM trades t WHERE t.instrument_id = f.instrument_id), 0),
           'venue', min(f.first), max(f.last), sum(f.rows)
    FROM cold_files f WHERE f.kind = 'trades' GROUP BY 1
) x JOIN instruments i ON i.id = x.instrument_id GROUP BY x.instrument_id, x.aggregate, x.source
"""
"""Trades by instrument, kind and source; packed ones are of the kind that the instrument is followed by."""


class SeriesView(msgspec.Struct, frozen=True, kw_only=True):
    """A stored series, for a list: opening times UTC ms; `gaps` stretches and `missing` bars inside it."""

    venue: str
    symbol: str
    timeframe: str
    source: str
    first_ms: int
    last_ms: int
    rows: int
    gaps: int
    missing: int
    duplicates: int
    conflicts: int


def listed(connection: sqlite3.Connection, cold: Cold) -> list[SeriesView]:
    """Return every stored series, and the trades of every instrument."""
    found = []
    every = connection.execute(
        "SELECT i.key, s.timeframe, s.duplicates, s.conflicts, s.id, s.source, s.rank, i.venue FROM series s"
        " JOIN instruments i ON i.id = s.instrument_id ORDER BY i.key, s.rank, s.source"
    ).fetchall()
    for key, name, duplicates, conflicts, number, source, rank, venue in every:
        timeframe = Timeframe(name)
        one = rows.Series(number, source, rank)
        extent = rows.extent(connection, one)
        if extent is None:
            continue
        count, length = rows.count(connection, one), timeframe.seconds * 1000
        gaps, absent = 0, (extent[1] - extent[0]) // length + 1 - count
        if absent:
            opens = rows.opens(connection, cold, [one], timeframe, 0, rows.NEVER)
            steps = np.diff(opens) // length - 1
            count, gaps, absent = len(opens), int((steps > 0).sum()), int(steps.sum())
        found.append(
            SeriesView(
                venue=venue, symbol=key.partition(":")[2], timeframe=name, source=source, first_ms=extent[0],
                last_ms=extent[1], rows=count, gaps=gaps, missing=absent, duplicates=duplicates,
                conflicts=conflicts,
            )
        )  # fmt: skip
    found += _trades(connection)
    return found


def _trades(connection: sqlite3.Connection) -> Iterator[SeriesView]:
    for venue, key, aggregate, source, first, last, count in connection.execute(_TRADES).fetchall():
        yield SeriesView(
            venue=venue, symbol=key.partition(":")[2], timeframe="aggregate trades" if aggregate else "trades",
            source=source, first_ms=first // MS, last_ms=last // MS, rows=count, gaps=0, missing=0, duplicates=0,
            conflicts=0,
        )  # fmt: skip
