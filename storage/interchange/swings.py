"""Pivots of what was imported: the market structure is worked out over the whole stored series, away from the live
path.

A merge notes which series it touched, in the same transaction; the notes go when their pivots are written. So an import
that was broken off leaves nothing out.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeVar

from engine.market.pivotlog import PivotLog
from engine.market.pivots import Structure, pivots
from engine.types import TIMEFRAME_SECONDS, Timeframe
from storage.archive import StoredArchive
from storage.atomic import transaction

DUE = "pivots_due:"
"""Begins the names of the notes in `meta`."""

PIECE = 20_000
"""Pivots of one transaction, so that nobody waits long for the writer."""

IN_MEMORY = 20_000
"""The most bars of a timeframe that an engine can be told to hold in memory."""

T = TypeVar("T")
Write = Callable[[Callable[[sqlite3.Connection], T]], T]
"""Has the writer do a piece of work in autocommit mode, and returns what it returns."""


def note(connection: sqlite3.Connection, touched: Iterable[tuple[str, str]]) -> None:
    """Note series whose pivots are due, and those of longer bars, which may be built of them."""
    lengths = list(TIMEFRAME_SECONDS)
    for key, name in set(touched):
        for longer in lengths[lengths.index(Timeframe(name)) :]:
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, '')", (f"{DUE}{longer}:{key}",))


def due(connection: sqlite3.Connection) -> list[tuple[str, Timeframe]]:
    """Return the series whose pivots are due."""
    names = connection.execute("SELECT key FROM meta WHERE key >= ? AND key < ?", (DUE, DUE + "\x7f")).fetchall()
    parted = [str(name).removeprefix(DUE).partition(":") for (name,) in names]
    return [(key, Timeframe(timeframe)) for timeframe, _, key in parted]


def build(archive: StoredArchive, write: Write[None], key: str, timeframe: Timeframe, distance: int, now: int) -> int:
    """Work out the pivots of a series and have them written; return how many there are. `now`: UTC ns.

    Where no engine has followed the series, they take the place of those of earlier imports; else the log only grows.
    An engine goes on from a state of before the bars that it holds in memory, so such a one is saved.
    """
    candles = archive.candles(key, timeframe)
    complete = candles.take(candles.complete)
    log, _ = pivots(complete, distance)
    _, structure = pivots(complete[:-IN_MEMORY], distance)
    write(partial(_begin, key=key, timeframe=timeframe))
    for start in range(0, len(log), PIECE):
        write(partial(_add, key=key, log=log[start : start + PIECE]))
    write(partial(_end, key=key, structure=structure, now=now))
    return len(log)


def _begin(connection: sqlite3.Connection, *, key: str, timeframe: Timeframe) -> None:
    instrument = _number(connection, key)
    if not _followed(connection, instrument, timeframe):
        with transaction(connection):
            connection.execute(
                "DELETE FROM pivots WHERE instrument_id = ? AND timeframe = ?", (instrument, str(timeframe))
            )


def _add(connection: sqlite3.Connection, *, key: str, log: PivotLog) -> None:
    instrument = _number(connection, key)
    rows = zip(
        [instrument] * len(log), [str(log.timeframe)] * len(log), log.level.tolist(), log.confirmed_ms.tolist(),
        log.ts_ms.tolist(), log.high.tolist(), log.price.tolist(), log.known_at.tolist(), strict=True,
    )  # fmt: skip
    with transaction(connection):
        connection.executemany("INSERT INTO pivots VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", rows)


def _end(connection: sqlite3.Connection, *, key: str, structure: Structure, now: int) -> None:
    instrument, timeframe = _number(connection, key), str(structure.timeframe)
    with transaction(connection):
        connection.execute(
            "DELETE FROM pivot_states WHERE instrument_id = ? AND timeframe = ?", (instrument, timeframe)
        )
        if structure.until_ms is not None:
            connection.execute(
                "INSERT INTO pivot_states VALUES (?, ?, ?, ?, ?)",
                (instrument, timeframe, structure.until_ms, structure.state(), now),
            )
        connection.execute("DELETE FROM meta WHERE key = ?", (f"{DUE}{timeframe}:{key}",))


def _number(connection: sqlite3.Connection, key: str) -> int:
    return int(connection.execute("SELECT id FROM instruments WHERE key = ?", (key,)).fetchone()[0])


def _followed(connection: sqlite3.Connection, instrument: int, timeframe: Timeframe) -> bool:
    """Tell whether an engine has followed an instrument's bars of a timeframe."""
    query = "SELECT 1 FROM series WHERE instrument_id = ? AND timeframe = ? AND source NOT LIKE 'import:%' LIMIT 1"
    return connection.execute(query, (instrument, str(timeframe))).fetchone() is not None
