"""What is kept for how long: old days are packed into Parquet, older ones deleted, and on a full disk more of them.

Days are counted from when a row was stored (`known_at` of what an engine followed). Imports, bars of a minute and up,
journal records, events and pivots are never touched. Every step can be killed: a file is complete and compared before
the one transaction that takes its rows out of the database, and a file that the database does not know is removed.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec

from engine.errors import StorageFailed
from engine.types import DAY, SECOND, Timeframe
from storage.atomic import transaction
from storage.catalogue import IMPORT_RANKS
from storage.cold import KINDS, SLICE, Cold, Kind, Packed
from storage.connection import open_for_reading
from storage.writer import Writer

log = logging.getLogger(__name__)

T = TypeVar("T")

BEGIN_S = 60.0
"""Seconds before the first pass: a start has other things to do."""

EVERY_S = 3600.0
"""Seconds between two passes."""

FILE_ROWS = 250_000
"""Rows of one file, about: their transaction must not hold up the journal lane."""

FIRST_TO_GO = ("book_snapshots", "cob_1s", "imbalances", "cob_1m", "trades", "bars")
"""In which order days are given up on a disk that is nearly full, oldest first, each kind down to its last day."""


class Days(msgspec.Struct, frozen=True, kw_only=True):
    """After how many days rows of a table are packed, and deleted."""

    pack: int
    keep: int


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Days by table (`bars`: those of a second that an engine followed), and free space, MB, below which more goes."""

    days: dict[str, Days]
    prune_below_mb: int = 512


class Outcome(msgspec.Struct, kw_only=True):
    """What a pass did: rows packed, rows and files deleted, bytes of the files written."""

    packed: int = 0
    deleted: int = 0
    files: int = 0
    bytes: int = 0
    pressed: bool = False


class _Heap(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of one owner in one table: its number, its place below the cold folder, its instrument and scales."""

    kind: Kind
    owner: int
    place: str
    instrument: int
    scales: tuple[int, int] | None


class Retention:
    """Packs and prunes one database. `free` gives the free bytes of its disk. `last` is what the last pass did."""

    def __init__(
        self,
        writer: Writer,
        cold: Cold,
        policy: Policy,
        *,
        clock: Callable[[], int] = time.time_ns,
        free: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        self.writer = writer
        self.cold = cold
        self.policy = policy
        self.pressed = ""
        self.last = Outcome()
        self._clock = clock
        self._free = free

    async def run(self) -> None:
        """Make a pass every hour until cancelled; one that fails is logged, the next one tries again."""
        await asyncio.sleep(BEGIN_S)
        while True:
            if self.writer.is_open:
                try:
                    await self.once()
                except StorageFailed as error:
                    log.warning("packing and pruning: %s", error)
                await asyncio.sleep(EVERY_S)
            else:
                await asyncio.sleep(1.0)

    async def once(self) -> Outcome:
        """Make one pass: remove strays, pack, prune, and more on a full disk.

        Raises:
            StorageFailed: The database or the disk refused; what was done until then holds.
        """
        outcome = Outcome()
        for stray in await self._reading(self.cold.strays):
            log.info("%s: the database does not know it; removed", stray)
            stray.unlink(missing_ok=True)
        now = self._clock()
        for heap in await self._reading(_heaps):
            days = self.policy.days[heap.kind.table]
            await self._pack(heap, now - days.pack * DAY, outcome)
            await self._prune(heap, now - days.keep * DAY, outcome)
        await self._relieve(now, outcome)
        if outcome.deleted or outcome.packed:
            await self.writer.upkeep(_shrink)
            log.info(
                "%d rows packed into %d bytes, %d rows and %d files deleted",
                outcome.packed, outcome.bytes, outcome.deleted, outcome.files,
            )  # fmt: skip
        self.last = outcome
        return outcome

    async def _reading(self, work: Callable[[sqlite3.Connection], T]) -> T:
        def read() -> T:
            connection = open_for_reading(self.writer.path)
            try:
                return work(connection)
            finally:
                connection.close()

        return await asyncio.to_thread(read)

    # Packing. ---------------------------------------------------------------------------------------------------------

    async def _pack(self, heap: _Heap, before: int, outcome: Outcome) -> None:
        """Pack the days of which every row was stored before a time, UTC ns."""
        after = 0
        while True:
            day = await self._reading(partial(_oldest_day, heap=heap, after=after))
            if day is None or day + heap.kind.day > _in_time(heap.kind, before):
                return
            after = day + heap.kind.day
            while await self._pack_part(heap, day, before, outcome):
                pass

    async def _pack_part(self, heap: _Heap, day: int, before: int, outcome: Outcome) -> bool:
        """Pack the oldest rows of a day; return whether there are more."""
        packed, more = await self._reading(partial(self._write, heap=heap, day=day, before=before))
        if packed is None:
            return False
        try:
            await self.writer.upkeep(partial(_replace, heap=heap, packed=packed, at=self._clock()))
        except BaseException:
            (self.cold.folder / packed.path).unlink(missing_ok=True)
            raise
        if heap.kind.table == "bars":
            self.writer.changes.everything()
        outcome.packed += packed.rows
        outcome.bytes += packed.bytes
        return bool(more)

    def _write(self, connection: sqlite3.Connection, heap: _Heap, day: int, before: int) -> tuple[Packed | None, bool]:
        kind, end, more = heap.kind, day + heap.kind.day, False
        whose = f"{kind.owner} = ? AND {kind.time} >= ? AND {kind.time} < ? AND {kind.where}"
        if connection.execute(
            f"SELECT 1 FROM {kind.table} WHERE {whose} AND known_at >= ? LIMIT 1", (heap.owner, day, end, before)
        ).fetchone():
            return None, False  # a row of that day came later: it is packed when that one is old enough, too
        cut = connection.execute(
            f"SELECT {kind.time} FROM {kind.table} WHERE {whose} ORDER BY {kind.time} LIMIT 1 OFFSET ?",
            (heap.owner, day, end, FILE_ROWS),
        ).fetchone()
        query = f"SELECT min({kind.time}) FROM {kind.table} WHERE {whose}"
        first = connection.execute(query, (heap.owner, day, end)).fetchone()[0]
        if first is None:
            return None, False
        if cut is not None and cut[0] > first:
            end, more = cut[0], True
        rows = connection.execute(
            f"SELECT {', '.join(kind.columns)} FROM {kind.table} WHERE {whose} ORDER BY {kind.time}",
            (heap.owner, day, end),
        )
        batches = iter(lambda: rows.fetchmany(SLICE), [])
        date = _date(kind, day)
        used = connection.execute("SELECT count(*) FROM cold_files WHERE path LIKE ?", (f"{heap.place}/{date}.%",))
        path = f"{heap.place}/{date}.{used.fetchone()[0] + 1}.parquet"
        return self.cold.write(kind, batches, path, heap.scales), more

    # Pruning. ---------------------------------------------------------------------------------------------------------

    async def _prune(self, heap: _Heap, before: int, outcome: Outcome) -> None:
        """Delete what was stored before a time, UTC ns: cold files, and rows that were not packed."""
        await self._forget_files(heap, "known_at < ?", before, outcome)
        after = 0
        while True:
            day = await self._reading(partial(_oldest_day, heap=heap, after=after))
            if day is None or day >= _in_time(heap.kind, before):
                return
            after = day + heap.kind.day
            outcome.deleted += await self.writer.upkeep(partial(_delete, heap=heap, day=day, before=before))

    async def _forget_files(self, heap: _Heap, which: str, value: int, outcome: Outcome) -> None:
        gone = await self.writer.upkeep(partial(_forget, heap=heap, which=which, value=value))
        for path, rows in gone:
            (self.cold.folder / path).unlink(missing_ok=True)
            outcome.deleted += rows
            outcome.files += 1
        if gone and heap.kind.table == "bars":
            self.writer.changes.everything()

    async def _relieve(self, now: int, outcome: Outcome) -> None:
        """Give up the oldest days while there is less free space than there must be."""
        for table in FIRST_TO_GO:
            for heap in await self._reading(_heaps):
                while heap.kind.table == table and self._is_short():
                    outcome.pressed = True
                    oldest = await self._reading(partial(_oldest, heap=heap))
                    if oldest is None or _in_ns(heap.kind, oldest) >= now - DAY:
                        break
                    day = oldest // heap.kind.day * heap.kind.day
                    await self._forget_files(heap, "first < ?", day + heap.kind.day, outcome)
                    outcome.deleted += await self.writer.upkeep(partial(_delete, heap=heap, day=day, before=now))
                    await self.writer.upkeep(_shrink)
                    log.warning("the disk is nearly full: %s of %s is given up", heap.place, _date(heap.kind, day))
        free = self._free(self.writer.path.parent) // 1_000_000
        short = self._is_short()
        self.pressed = f"{free} MB free, {self.policy.prune_below_mb} MB wanted" if short else ""

    def _is_short(self) -> bool:
        return self._free(self.writer.path.parent) < self.policy.prune_below_mb * 1_000_000


def _heaps(connection: sqlite3.Connection) -> list[_Heap]:
    """Return what there is to be packed, by table and instrument (bars: series of a second that were followed)."""
    found = []
    instruments = connection.execute(
        "SELECT id, key, price_decimals, size_decimals FROM instruments ORDER BY id"
    ).fetchall()
    for number, key, price, size in instruments:
        name = key.replace(":", "_").replace("/", "-")
        scales = None if price is None or size is None else (int(price), int(size))
        for kind in KINDS.values():
            if kind.table != "bars":
                place = f"{kind.table}/{name}"
                found.append(_Heap(kind=kind, owner=number, place=place, instrument=number, scales=scales))
        for series, source in connection.execute(
            "SELECT id, source FROM series WHERE instrument_id = ? AND timeframe = ? AND rank NOT BETWEEN ? AND ?",
            (number, str(Timeframe.S1), *IMPORT_RANKS),
        ):
            place = f"bars/{name}/{source}"
            found.append(_Heap(kind=KINDS["bars"], owner=series, place=place, instrument=number, scales=scales))
    return found


def _oldest_day(connection: sqlite3.Connection, *, heap: _Heap, after: int) -> int | None:
    """Return the beginning of the first day, from `after` on, that has rows in the database."""
    kind = heap.kind
    query = f"SELECT {kind.time} FROM {kind.table} WHERE {kind.owner} = ? AND {kind.time} >= ? AND {kind.where}"
    row = connection.execute(f"{query} ORDER BY {kind.time} LIMIT 1", (heap.owner, after)).fetchone()
    return None if row is None else row[0] // kind.day * kind.day


def _oldest(connection: sqlite3.Connection, *, heap: _Heap) -> int | None:
    """Return the time of the oldest row, in the database or in a cold file."""
    warm = _oldest_day(connection, heap=heap, after=0)
    query = f"SELECT min(first) FROM cold_files WHERE kind = ? AND {_owner(heap)} = ?"
    cold = connection.execute(query, (heap.kind.table, heap.owner)).fetchone()[0]
    return min((each for each in (warm, cold) if each is not None), default=None)


def _owner(heap: _Heap) -> str:
    return "series_id" if heap.kind.table == "bars" else "instrument_id"


def _replace(connection: sqlite3.Connection, *, heap: _Heap, packed: Packed, at: int) -> None:
    """Take the rows of a file out of the database.

    Raises:
        StorageFailed: There are more or fewer than in the file; nothing was deleted.
    """
    kind = heap.kind
    with transaction(connection):
        done = connection.execute(
            f"DELETE FROM {kind.table} WHERE {kind.owner} = ? AND {kind.time} BETWEEN ? AND ? AND known_at <= ?"
            f" AND {kind.where}",
            (heap.owner, packed.first, packed.last, packed.known_at),
        )
        if done.rowcount != packed.rows:
            raise StorageFailed(
                f"{packed.path} has {packed.rows} rows, the database {done.rowcount}; nothing was packed"
            )
        connection.execute(
            "INSERT INTO cold_files (kind, instrument_id, series_id, first, last, rows, path, bytes, sha256, known_at,"
            " at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                kind.table, heap.instrument, heap.owner if kind.table == "bars" else None, packed.first, packed.last,
                packed.rows, packed.path, packed.bytes, packed.sha256, packed.known_at, at,
            ),
        )  # fmt: skip


def _delete(connection: sqlite3.Connection, *, heap: _Heap, day: int, before: int) -> int:
    """Delete the rows of a day that were stored before a time; return how many."""
    kind = heap.kind
    span = (heap.owner, day, day + kind.day, before)
    with transaction(connection):
        if kind.table == "bars":
            revised = "DELETE FROM bar_revisions WHERE series_id = ? AND open_ms >= ? AND open_ms < ? AND known_at < ?"
            connection.execute(revised, span)
        return connection.execute(
            f"DELETE FROM {kind.table} WHERE {kind.owner} = ? AND {kind.time} >= ? AND {kind.time} < ?"
            f" AND known_at < ? AND {kind.where}",
            span,
        ).rowcount


def _forget(connection: sqlite3.Connection, *, heap: _Heap, which: str, value: int) -> list[tuple[str, int]]:
    """Take cold files out of the list; return their paths and rows."""
    where = f"kind = ? AND {_owner(heap)} = ? AND {which}"
    given = (heap.kind.table, heap.owner, value)
    with transaction(connection):
        gone = connection.execute(f"SELECT path, rows FROM cold_files WHERE {where}", given).fetchall()
        connection.execute(f"DELETE FROM cold_files WHERE {where}", given)
    return gone


def _shrink(connection: sqlite3.Connection) -> None:
    """Give free pages back to the file system, some at a time."""
    connection.execute("PRAGMA incremental_vacuum(10000)").fetchall()
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def _in_time(kind: Kind, ns: int) -> int:
    """Return a time, UTC ns, in the unit of a table."""
    return ns * kind.day // DAY


def _in_ns(kind: Kind, at: int) -> int:
    return at * (DAY // kind.day)


def _date(kind: Kind, at: int) -> str:
    return datetime.fromtimestamp(_in_ns(kind, at) // SECOND, UTC).strftime("%Y-%m-%d")
