"""The journal of events in the database: kept in memory by cursor, written a moment after they come.

An engine whose database cannot be used goes on in memory, says so, and writes what waits when it can be used again.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import msgspec

from engine.alerts import Alert
from engine.errors import StorageFailed
from engine.ports import Entry
from storage import eventfile
from storage.connection import failures, open_for_reading
from storage.writer import Writer

log = logging.getLogger(__name__)

KEPT = 10_000
"""Entries kept in memory, and most that wait to be written."""

FLUSH_S = 0.2
"""Seconds between two writes."""

ALERTS = 1000
"""Alerts whose last word is kept; the list itself holds fewer."""

SKIPPED = 10 * KEPT
"""More cursors than can have been waiting to be written."""

INSERT = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"

NEWEST = "SELECT cursor, ts, seq, kind, change, text, alert FROM events ORDER BY cursor DESC LIMIT ?"

LAST_WORDS = """
SELECT cursor, ts, seq, kind, change, text, alert FROM events
WHERE cursor IN (SELECT max(cursor) FROM events WHERE alert_id IS NOT NULL GROUP BY alert_id ORDER BY 1 DESC LIMIT ?)
ORDER BY cursor
"""

_decode = msgspec.json.Decoder(Alert).decode
_encode = msgspec.json.Encoder().encode


class EventJournal:
    """The journal of one profile. Without a store it is kept in memory only."""

    def __init__(
        self, store: Writer | None = None, *, old: Path | None = None, clock: Callable[[], int] = time.time_ns
    ) -> None:
        """`old` is the file of JSON lines that older versions wrote: it is taken over once."""
        self._store = store
        self._old = old
        self._clock = clock
        self._entries: deque[Entry] = deque(maxlen=KEPT)
        self._pending: list[Entry] = []
        self._writing = asyncio.Lock()
        self._error = ""
        self.last = 0
        self.lost = 0

    @property
    def error(self) -> str:
        """What keeps entries from being written, or ""."""
        return self._error

    async def load(self) -> list[Alert]:
        """Read what earlier engines left; return the last word on every alert, oldest first.

        If the database cannot be read, the list is empty, and cursors go on far above all that can have been given.
        """
        if self._store is None:
            return []
        try:
            if self._old is not None:
                await self._take_over(self._store, self._old)
            entries, words = await self._store.upkeep(lambda db: (_entries(db, NEWEST, KEPT), _words(db)))
        except StorageFailed as error:
            log.warning("events of earlier engines cannot be read: %s", error)
            self.last = self._clock() // 1_000_000
            return []
        self._entries.extend(reversed(entries))
        self.last = entries[0].cursor if entries else 0
        return words

    async def _take_over(self, store: Writer, old: Path) -> None:
        """Put the entries of the old file into the database; the file is renamed when they are there."""
        try:
            entries, damaged = eventfile.read(old)
        except FileNotFoundError:
            return
        except OSError as error:
            log.warning("%s cannot be taken over: %s", old, error.strerror or error)
            return
        await store.commit(lambda db: _insert(db, entries))
        kept = old.with_name(old.name + ".imported")
        try:
            await asyncio.to_thread(old.replace, kept)
        except OSError as error:
            log.warning("%s was taken over, but cannot be renamed: %s", old, error.strerror or error)
            return
        log.info(
            "%s: %d events were taken over, %d damaged lines left out; it is now %s", old, len(entries), damaged, kept
        )

    def skip(self) -> None:
        """Leave out the cursors that an engine which was killed may have told of and not written any more."""
        self.last += SKIPPED

    def append(
        self, ts: int, seq: int, kind: str, change: str = "", text: str = "", alert: Alert | None = None
    ) -> None:
        """Take an event; it is on disk at the next flush."""
        self.last += 1
        entry = Entry(cursor=self.last, ts=ts, seq=seq, kind=kind, change=change, text=text, alert=alert)
        self._entries.append(entry)
        if self._store is None:
            return
        self._pending.append(entry)
        self.lost += max(len(self._pending) - KEPT, 0)
        del self._pending[:-KEPT]

    def after(self, cursor: int, limit: int) -> list[Entry]:
        """Return the oldest `limit` entries after `cursor` that are still in memory."""
        if not self._entries or cursor >= self.last:
            return []
        # Cursors grow by at least one, so the place is at least this far from the end.
        skip = max(len(self._entries) - (self.last - cursor), 0)
        later = (entry for entry in islice(self._entries, skip, None) if entry.cursor > cursor)
        return list(islice(later, limit))

    async def run(self) -> None:
        """Write what is pending, again and again, until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_S)
            await self.flush()

    async def flush(self) -> None:
        """Write what is pending; a database that refuses is tried again at the next call."""
        if self._pending:
            await asyncio.shield(asyncio.create_task(self._flush()))

    async def _flush(self) -> None:
        async with self._writing:
            entries, self._pending = self._pending, []
            if not entries or self._store is None:
                return
            try:
                await self._store.commit(lambda db: _insert(db, entries))
            except StorageFailed as error:
                if not self._error:
                    log.warning("%s; events wait in memory", error)
                self._error = str(error)
                self._pending = entries + self._pending
            else:
                self._error = ""


def _insert(connection: sqlite3.Connection, entries: Sequence[Entry]) -> None:
    connection.executemany(
        INSERT,
        (
            (e.cursor, e.ts, e.seq, e.kind, e.change, e.text, e.alert.id, _encode(e.alert).decode())
            if e.alert is not None
            else (e.cursor, e.ts, e.seq, e.kind, e.change, e.text, None, None)
            for e in entries
        ),
    )


def _entries(connection: sqlite3.Connection, query: str, limit: int) -> list[Entry]:
    found = []
    for cursor, ts, seq, kind, change, text, alert in connection.execute(query, (limit,)):
        try:
            decoded = _decode(alert) if alert is not None else None
        except msgspec.MsgspecError:
            log.warning("event %d tells of an alert that this version cannot read", cursor)
            continue
        found.append(Entry(cursor=cursor, ts=ts, seq=seq, kind=kind, change=change, text=text, alert=decoded))
    return found


def _words(connection: sqlite3.Connection) -> list[Alert]:
    return [entry.alert for entry in _entries(connection, LAST_WORDS, ALERTS) if entry.alert is not None]


def stored_events(path: Path) -> list[Entry]:
    """Return the newest entries of a database, oldest first, without disturbing whoever writes it.

    Raises:
        StorageFailed: It is not there or cannot be read.
    """
    connection = open_for_reading(path)
    try:
        with failures(path):
            return _entries(connection, NEWEST, KEPT)[::-1]
    finally:
        connection.close()
