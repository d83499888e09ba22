"""The store: one connection that writes, in a thread of its own, and two lanes that lead to it.

The journal lane carries what must not be lost: its work is committed with synchronous FULL before the caller goes on,
and goes before everything that waits. The bulk lane takes the market's rows and never blocks: they are written at 100
rows or after 5 s. While the database refuses they wait in memory, in their order, and are tried again after 1, 2, 4 ...
60 s; when more than `most_waiting` rows wait, the oldest are dropped and counted, for the newest can no longer be had
from anybody else, while old ones may be healed from the venue.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Self, TypeVar

import msgspec

from engine.errors import SchemaUnknown, StorageFailed
from engine.health import LatencyView
from engine.keep import Keep
from engine.latency import Latency
from engine.types import SECOND, Timeframe
from storage import recovery, schema
from storage.bulk import AGAIN_S, RETRY_MOST_S, Bulk, Pace
from storage.catalogue import Catalogue
from storage.changes import Changes
from storage.connection import Line, Moved, failed, quick_check
from storage.ingest import Ingest, Written
from storage.lanes import Job, nothing, together
from storage.minutes import Minutes

log = logging.getLogger(__name__)

T = TypeVar("T")

INSERT_RECORD = """
INSERT INTO records (kind, mode, client_key, ts, body) VALUES (?, ?, ?, ?, ?) ON CONFLICT (client_key) DO NOTHING
"""
"""Of two records with one key the first one stands."""


class StoreView(msgspec.Struct, frozen=True, kw_only=True):
    """How the store does.

    `error` is what keeps it from writing, or "". `rows` were written, `rejected` refused by validation, `lost` dropped
    because too many waited, `waiting` are not on disk yet. `file_bytes`, `wal_bytes` are sizes on disk; `flushed` is
    when bulk rows were last written (UTC ns).
    """

    path: str
    open: bool
    error: str
    rows: int
    rejected: int
    lost: int
    waiting: int
    flushes: int
    commits: int
    flushed: int
    flush: LatencyView
    commit: LatencyView
    file_bytes: int
    wal_bytes: int


class Writer:
    """The one writer of a database. It can be made, and given rows, before it is open.

    `changes` tells readers in this process what was written; `error` is what keeps it from writing, or "".
    """

    def __init__(
        self, path: Path, pace: Pace | None = None, *, clock: Callable[[], int] = time.time_ns, engine: bool = True
    ) -> None:
        """`clock` gives UTC ns. `engine`: it writes what it follows; what it misses between two runs is a gap."""
        self.path = path
        self.changes = Changes()
        self.error = ""
        self.unknown = False
        self.rows = self.rejected = self.flushes = self.commits = self.flushed = 0
        self._clock = clock
        self._engine = engine
        self._line: Line | None = None
        self._ingest = Ingest(Catalogue(), Minutes(), recovery.Holes(), self.changes)
        self._bulk = Bulk(pace or Pace())
        self._journal: deque[Job] = deque()
        self._upkeep: deque[Job] = deque()
        self._wake = asyncio.Event()
        self._closing = self._moved = False
        self._task: asyncio.Task[None] | None = None
        self._commit = Latency()
        self._flush = Latency()

    # Opening and closing. ---------------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether there is a connection."""
        return self._line is not None

    async def open(self) -> None:
        """Open the database, bring it up to date, note what is missing since the last engine, begin to write.

        Raises:
            StorageFailed: It cannot be opened or written; nothing was begun, and it can be tried again.
            SchemaUnknown: A newer version or another program wrote it; nothing was touched.
        """
        if self._line is not None:
            return
        connection = Line(self.path)
        try:
            await connection
            noted = await connection.call(self._prepare)
        except BaseException as error:
            await connection.end()
            if isinstance(error, sqlite3.Error | OSError):
                error = failed(self.path, error)
            self.error, self.unknown = str(error), isinstance(error, SchemaUnknown)
            raise error from None
        for each in noted:
            log.info("%s: %s", self.path.name, each)
        self._line, self.error, self._closing, self.unknown = connection, "", False, False
        self._bulk.go_on()
        self._moved = False
        self._task = asyncio.create_task(self._write(connection), name="storage")

    def _prepare(self, connection: sqlite3.Connection) -> list[str]:
        taken = schema.migrate(connection, str(self.path))
        for step in taken:
            log.info("%s: schema %d", self.path.name, step)
        quick_check(connection, self.path)
        self._ingest.minutes.recall(connection)
        return recovery.begin(connection, self._clock()) if self._engine else []

    async def run(self) -> None:
        """Keep the store open until cancelled: what cannot be opened is tried again, what failed is told.

        Raises:
            Exception: The writing ended by a fault of ours.
        """
        pause = AGAIN_S
        while True:
            try:
                await self.open()
            except StorageFailed as error:
                log.warning("%s; tried again in %.0f s", error, pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, RETRY_MOST_S)
                continue
            task, pause = self._task, AGAIN_S
            assert task is not None
            await asyncio.shield(task)
            if self._closing:
                await asyncio.Event().wait()

    async def close(self) -> None:
        """Write what waits, as far as the database takes it, and close; never raises."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        connection, self._line = self._line, None
        self._give_up()
        if self._bulk.count:
            log.error("%s: %d rows could not be written and are lost: %s", self.path, self._bulk.count, self.error)
        if connection is None:
            return
        try:
            if self._engine and not self._bulk.count:
                await connection.call(recovery.end)
        except (sqlite3.Error, OSError) as error:
            log.warning("%s", failed(self.path, error))
            if isinstance(error, Moved):
                await self._rescue(connection)
        finally:
            await connection.end()

    def _give_up(self) -> None:
        """Tell those who wait that nobody writes any more."""
        for job in (*self._journal, *self._upkeep):
            job.fail(StorageFailed(f"{self.path}: it is closed"))
        self._journal.clear()
        self._upkeep.clear()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # The two lanes. ---------------------------------------------------------------------------------------------------

    def put(self, keep: Keep) -> None:
        """Take the news of one instrument; they are on disk a few seconds later."""
        if self._bulk.put(keep):
            self._wake.set()

    async def commit(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do a piece of work on the journal lane; when this returns it is committed and on disk.

        `work` runs in the writer's thread, in a transaction that it must neither begin nor end; when it raises, what
        it did is taken back, and the error is the caller's.

        Raises:
            StorageFailed: It could not be written; nothing of it is there.
        """
        return await self._ask(self._journal, work)

    async def record(self, kind: str, client_key: str, body: bytes | str, *, mode: str, ts: int) -> bool:
        """Keep a record (JSON) for good; return False if one of this key is there already, which then stands.

        Raises:
            StorageFailed: It could not be written.
        """
        text = body.decode() if isinstance(body, bytes) else body
        row = (kind, mode, client_key, ts, text)

        def work(connection: sqlite3.Connection) -> bool:
            return connection.execute(INSERT_RECORD, row).rowcount == 1

        return await self.commit(work)

    async def save_structure(self, instrument: str, timeframe: Timeframe, until_ms: int, state: bytes) -> None:
        """Keep the state of a market structure that has seen every bar up to the one that opened at `until_ms`.

        Raises:
            StorageFailed: It could not be written.
        """
        row = (str(timeframe), until_ms, state, self._clock(), instrument)

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT OR REPLACE INTO pivot_states (instrument_id, timeframe, until_ms, state, known_at)"
                " SELECT id, ?, ?, ?, ? FROM instruments WHERE key = ?",
                row,
            )

        await self.commit(work)

    async def upkeep(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do a piece of work when neither lane has anything to write; it begins and ends its own transactions.

        Raises:
            StorageFailed: The database refused.
        """
        return await self._ask(self._upkeep, work)

    async def _ask(self, lane: deque[Job], work: Callable[[sqlite3.Connection], T]) -> T:
        if self._line is None or self._closing:
            raise StorageFailed(self.error or f"{self.path}: it is not open")
        job = Job(work)
        lane.append(job)
        self._wake.set()
        result: T = await asyncio.shield(job.future)
        return result

    async def flush(self) -> None:
        """Write what waits now, as far as the database takes it."""
        if self._line is not None and not self._closing:
            while self._bulk.count and not self.error:
                self._bulk.hurry()
                await self.upkeep(nothing)

    # Writing. ---------------------------------------------------------------------------------------------------------

    async def _write(self, connection: Line) -> None:
        """Serve the lanes until closed: first the journal, then bulk rows that are due, then upkeep.

        Where the file was removed or replaced, what it held is saved, and the writing ends, to be begun anew.
        """
        try:
            while True:
                if self._moved:
                    if await self._rescue(connection) or self._closing:
                        return
                    await asyncio.sleep(AGAIN_S)
                elif self._journal:
                    await self._commit_journal(connection)
                elif self._bulk.due() or (self._closing and self._bulk.count and not self.error):
                    await self._flush_bulk(connection)
                elif self._closing:
                    return
                elif self._upkeep:
                    await self._do(connection, self._upkeep.popleft())
                else:
                    self._wake.clear()
                    try:
                        await asyncio.wait_for(self._wake.wait(), self._bulk.due_in())
                    except TimeoutError:
                        continue
        finally:
            if not self._closing:  # a fault of ours: the supervisor begins again
                self._line = None
                self._give_up()
                await connection.end()

    async def _commit_journal(self, connection: Line) -> None:
        jobs = list(self._journal)
        self._journal.clear()
        try:
            results = await connection.call(together, [job.work for job in jobs])
        except (sqlite3.Error, OSError) as error:
            results = [failed(self.path, error)] * len(jobs)
            self._refused(error)
        except BaseException:
            self._journal.extendleft(reversed(jobs))  # they are told that nobody writes
            raise
        else:
            self._works()
        now = time.perf_counter_ns()
        for job, result in zip(jobs, results, strict=True):
            self._commit.add(now - job.began)
            self.commits += 1
            if isinstance(result, Exception):
                job.fail(self._told(result))
            else:
                job.give(result)

    async def _do(self, connection: Line, job: Job) -> None:
        try:
            result = await connection.call(job.work)
        except BaseException as error:
            self._moved = self._moved or isinstance(error, Moved)
            job.fail(self._told(error))
            if not isinstance(error, Exception):
                raise
        else:
            job.give(result)

    def _told(self, error: BaseException) -> BaseException:
        """Return an error as those who wait are told it: the database's in our words."""
        return failed(self.path, error) if isinstance(error, sqlite3.Error | OSError) else error

    async def _flush_bulk(self, connection: Line) -> None:
        batch, rows = self._bulk.take()
        began = time.perf_counter_ns()
        try:
            written = await connection.call(self._put_down, batch)
        except (sqlite3.Error, OSError) as error:
            self._bulk.put_back(batch, rows)
            self._refused(error)
            return
        self._flush.add(time.perf_counter_ns() - began)
        self.flushes += 1
        self.rows += written.rows
        self.rejected += written.rejected
        self.flushed = self._clock()
        self._bulk.written()
        self.changes.touch(written.touched)
        self._works()

    def _put_down(self, connection: sqlite3.Connection, batch: list[Keep]) -> Written:
        connection.execute("PRAGMA synchronous = NORMAL")
        return self._ingest.write_what_can(connection, batch, self.path.name)

    async def _rescue(self, connection: Line) -> bool:
        """Save what is in a file that has lost its name; tell whether it is done."""
        try:
            saved = await connection.rescue(
                datetime.fromtimestamp(self._clock() / SECOND, UTC).strftime("%Y%m%dT%H%M%SZ")
            )
        except (sqlite3.Error, OSError) as error:
            self.error = str(failed(self.path, error))
            return False
        log.error("%s was removed or replaced while it was in use; what was in it is %s now", self.path, saved)
        self._moved = False
        self.changes.everything()
        return True

    def _refused(self, error: Exception) -> None:
        self._moved = self._moved or isinstance(error, Moved)
        told = str(failed(self.path, error))
        if not self.error:
            log.warning("%s; rows wait in memory", told)
        self.error = told

    def _works(self) -> None:
        if self.error:
            log.info("%s can be written again", self.path)
        self.error = ""

    # What others see. -------------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """Rows that are not on disk yet."""
        return self._bulk.count

    @property
    def lost(self) -> int:
        """Rows that were dropped because too many waited."""
        return self._bulk.lost

    def view(self) -> StoreView:
        """Return how it does."""
        return StoreView(
            path=str(self.path), open=self.is_open, error=self.error, rows=self.rows, rejected=self.rejected,
            lost=self.lost, waiting=self.waiting, flushes=self.flushes, commits=self.commits, flushed=self.flushed,
            flush=self._flush.view(), commit=self._commit.view(), file_bytes=_bytes(self.path),
            wal_bytes=_bytes(self.path.with_name(self.path.name + "-wal")),
        )  # fmt: skip


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
