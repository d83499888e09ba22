"""What the rules of retention would delete, and the removal of an import that somebody does not want any more."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import msgspec

from engine.errors import ImportRefused
from engine.types import DAY
from storage.atomic import transaction
from storage.catalogue import IMPORT_RANKS
from storage.cold import KINDS
from storage.interchange import swings
from storage.interchange.report import FileReport
from storage.retention import Policy

PIECE = 20_000
"""Rows deleted in one transaction."""


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of a table that were stored more than `days` ago: in the database, and in whole cold files."""

    table: str
    days: int
    rows: int
    packed: int


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """An imported series; `timeframe` may be `trades`."""

    instrument: str
    timeframe: str
    source: str


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """What was removed of an import: rows, and files that may be imported again."""

    rows: int
    files: int


def due(connection: sqlite3.Connection, policy: Policy, now: int) -> Iterator[Due]:
    """Yield what the rules would delete, by table; `now`: UTC ns."""
    for table, days in policy.days.items():
        kind = KINDS[table]
        before = now - days.keep * DAY
        where, given = f"known_at < ? AND {kind.where}", [before]
        if table == "bars":
            where += " AND series_id IN (SELECT id FROM series WHERE timeframe = '1s' AND rank NOT BETWEEN ? AND ?)"
            given += IMPORT_RANKS
        rows = int(connection.execute(f"SELECT count(*) FROM {table} WHERE {where}", given).fetchone()[0])
        query = "SELECT coalesce(sum(rows), 0) FROM cold_files WHERE kind = ? AND known_at < ?"
        packed = int(connection.execute(query, (table, before)).fetchone()[0])
        yield Due(table=table, days=days.keep, rows=rows, packed=packed)


def count(connection: sqlite3.Connection, chosen: Chosen) -> Removed:
    """Return what `remove` would remove.

    Raises:
        ImportRefused: There is no such import.
    """
    table, where, given = _rows(connection, chosen)
    rows = int(connection.execute(f"SELECT count(*) FROM {table} WHERE {where}", given).fetchone()[0])
    return Removed(rows=rows, files=len(_files(connection, chosen)))


def remove(connection: sqlite3.Connection, chosen: Chosen) -> Removed:
    """Remove an imported series, and what is remembered of its files, so that they can be imported again.

    Raises:
        ImportRefused: There is no such import.
    """
    files, rows, more = begin(connection, chosen), 0, True
    while more:
        gone, more = piece(connection, chosen)
        rows += gone
    return Removed(rows=rows, files=files)


def begin(connection: sqlite3.Connection, chosen: Chosen) -> int:
    """Forget the files of an import, before its rows go; return how many. What is broken off may begin again.

    Raises:
        ImportRefused: There is no such import.
    """
    _rows(connection, chosen)
    files = _files(connection, chosen)
    with transaction(connection):
        connection.executemany("DELETE FROM imports WHERE sha256 = ? AND said = ?", files)
        if chosen.timeframe != "trades":
            swings.note(connection, [(chosen.instrument, chosen.timeframe)])
    return len(files)


def piece(connection: sqlite3.Connection, chosen: Chosen) -> tuple[int, bool]:
    """Delete some rows of an import; return how many, and whether there are more.

    Raises:
        ImportRefused: There is no such import.
    """
    table, where, given = _rows(connection, chosen)
    identity = "series_id, open_ms" if table == "bars" else "instrument_id, aggregate, trade_id"
    with transaction(connection):
        some = f"SELECT {identity} FROM {table} WHERE {where} LIMIT {PIECE}"
        rows = connection.execute(f"DELETE FROM {table} WHERE ({identity}) IN ({some})", given).rowcount
        if rows < PIECE and table == "bars":
            connection.execute("DELETE FROM series WHERE id = ?", given)
    return rows, rows == PIECE


def _rows(connection: sqlite3.Connection, chosen: Chosen) -> tuple[str, str, tuple[object, ...]]:
    """Return the table, and how its rows are found."""
    source = f"import:{chosen.source.removeprefix('import:')}"
    if chosen.timeframe == "trades":
        number = connection.execute("SELECT id FROM instruments WHERE key = ?", (chosen.instrument,)).fetchone()
        if number is not None:
            return "trades", "instrument_id = ? AND source = ?", (number[0], source)
    else:
        found = connection.execute(
            "SELECT s.id FROM series s JOIN instruments i ON i.id = s.instrument_id"
            " WHERE i.key = ? AND s.timeframe = ? AND s.source = ?",
            (chosen.instrument, chosen.timeframe, source),
        ).fetchone()
        if found is not None:
            return "bars", "series_id = ?", (found[0],)
    raise ImportRefused(
        f"{chosen.instrument} {chosen.timeframe} has no import {chosen.source!r}; see `tradetui data ls`"
    )


def _files(connection: sqlite3.Connection, chosen: Chosen) -> list[tuple[str, str]]:
    """Return the imports that brought the series: hash, and what was said."""
    source = f"import:{chosen.source.removeprefix('import:')}"
    kinds = ("trades", "aggregate trades") if chosen.timeframe == "trades" else (chosen.timeframe,)
    found = []
    for sha256, said, text in connection.execute("SELECT sha256, said, report FROM imports"):
        for each in msgspec.json.decode(text, type=FileReport).series:
            if each.instrument == chosen.instrument and each.kind in kinds and each.source == source:
                found.append((str(sha256), str(said)))
                break
    return found
