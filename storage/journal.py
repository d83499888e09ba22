"""The journal of events on disk: one JSON line per entry, appended, folded at the start, cut when it grows long.

A line that was torn by a killed process or a full disk is skipped and counted; what cannot be written waits in memory
and is tried again.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from itertools import islice
from pathlib import Path

import msgspec

from engine.alerts import Alert
from engine.ports import Entry

log = logging.getLogger(__name__)

KEPT = 10_000
"""Entries kept in memory, and on disk after a cut."""

FLUSH_S = 0.2
"""Seconds between two writes."""

ALERTS = 1000
"""Alerts whose last word is kept; the list itself holds fewer."""

SKIPPED = 10 * KEPT
"""More cursors than can have been waiting to be written."""

LARGEST = 10**15
"""A cursor of more digits is damage."""


class JournalFile:
    """The journal of one profile; its folder must be there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: deque[Entry] = deque(maxlen=KEPT)
        self._pending: list[Entry] = []
        self._writing = asyncio.Lock()
        self._encoder = msgspec.json.Encoder()
        self._alerts: dict[int, Entry] = {}
        self._whole = 0
        self._lines = 0
        self._error = ""
        self.last = 0
        self.damaged = 0
        self.lost = 0

    @property
    def error(self) -> str:
        """What keeps entries from being written, or ""."""
        return self._error

    def load(self) -> list[Alert]:
        """Read what earlier engines left; return the last word on every alert, oldest first.

        Raises:
            OSError: The file cannot be read.
        """
        decoder = msgspec.json.Decoder(Entry)
        lines = offset = good = 0
        try:
            with self._path.open("rb") as stream:
                for line in stream:
                    lines += 1
                    offset += len(line)
                    if not line.strip():
                        continue
                    try:
                        entry = decoder.decode(line)
                    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                        self.damaged += 1
                        continue
                    if not self.last < entry.cursor < LARGEST or not line.endswith(b"\n"):
                        self.damaged += 1
                        continue
                    self.last = entry.cursor
                    good = offset
                    self._remember(entry)
        except FileNotFoundError:
            return []
        if self.damaged:
            log.warning("%s: %d damaged lines were skipped", self._path, self.damaged)
        self._whole, self._lines = good, lines
        if lines > 2 * KEPT or self.damaged:
            try:
                self._cut(self._worth_keeping())
            except OSError as error:
                log.warning("%s could not be cut: %s", self._path, error.strerror or error)
        return [entry.alert for entry in self._alerts.values() if entry.alert is not None]

    def skip(self) -> None:
        """Leave out the cursors that an engine which was killed may have told of and not written any more."""
        self.last += SKIPPED

    def _remember(self, entry: Entry) -> None:
        self._entries.append(entry)
        if entry.alert is not None:
            self._alerts.pop(entry.alert.id, None)
            self._alerts[entry.alert.id] = entry
            if len(self._alerts) > ALERTS:
                del self._alerts[next(iter(self._alerts))]

    def _worth_keeping(self) -> list[Entry]:
        """Return the last entries, and before them the last word on older alerts."""
        first = self._entries[0].cursor if self._entries else 0
        older = [entry for entry in self._alerts.values() if entry.cursor < first]
        return sorted(older, key=lambda entry: entry.cursor) + list(self._entries)

    def _cut(self, kept: list[Entry]) -> None:
        """Write the file anew."""
        fresh = self._path.with_suffix(".new")
        try:
            with fresh.open("wb") as stream:
                fresh.chmod(0o600)
                stream.writelines(self._encoder.encode(entry) + b"\n" for entry in kept)
                stream.flush()
                os.fsync(stream.fileno())
            if self.damaged:
                self._keep_damaged()
            fresh.replace(self._path)
            self._whole, self._lines = self._path.stat().st_size, len(kept)
        finally:
            fresh.unlink(missing_ok=True)

    def _keep_damaged(self) -> None:
        """Keep what could not be read beside, once; it may be wanted by whoever looks into the damage.

        The journal itself stays in its place until the new one takes it: there is never none.
        """
        beside = self._path.with_suffix(".damaged")
        beside.unlink(missing_ok=True)
        os.link(self._path, beside)

    def append(
        self, ts: int, seq: int, kind: str, change: str = "", text: str = "", alert: Alert | None = None
    ) -> None:
        """Take an event; it is on disk at the next flush."""
        self.last += 1
        entry = Entry(cursor=self.last, ts=ts, seq=seq, kind=kind, change=change, text=text, alert=alert)
        self._remember(entry)
        self._pending.append(entry)
        self.lost += max(len(self._pending) - KEPT, 0)
        del self._pending[:-KEPT]

    def after(self, cursor: int, limit: int) -> list[Entry]:
        """Return the oldest `limit` entries after `cursor` that are still in memory."""
        if not self._entries or cursor >= self.last:
            return []
        # Cursors grow by one except over damaged lines, so the place is at least this far from the end.
        skip = max(len(self._entries) - (self.last - cursor), 0)
        later = (entry for entry in islice(self._entries, skip, None) if entry.cursor > cursor)
        return list(islice(later, limit))

    async def run(self) -> None:
        """Write what is pending, again and again, until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_S)
            await self.flush()

    async def flush(self) -> None:
        """Write what is pending; a disk that refuses is tried again at the next call."""
        if self._pending:
            await asyncio.shield(asyncio.create_task(self._flush()))

    async def _flush(self) -> None:
        async with self._writing:
            entries, self._pending = self._pending, []
            if not entries:
                return
            data = b"".join(self._encoder.encode(entry) + b"\n" for entry in entries)
            try:
                await asyncio.to_thread(self._write, data)
                self._lines += len(entries)
                self._error = ""
            except OSError as error:
                if not self._error:
                    log.warning("%s: %s; events wait in memory", self._path, error.strerror or error)
                self._error = f"{self._path.name}: {error.strerror or error}"
                self._pending = entries + self._pending
                return
            if self._lines > 2 * KEPT:
                kept = [entry for entry in self._worth_keeping() if entry.cursor <= entries[-1].cursor]
                try:
                    await asyncio.to_thread(self._cut, kept)
                except OSError as error:
                    self._lines = KEPT  # tried again when as many have come once more
                    log.warning("%s could not be cut: %s", self._path, error.strerror or error)

    def _write(self, data: bytes) -> None:
        """Append; after a failure the file is cut back to its whole lines."""
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            if size < self._whole:  # somebody has cut or removed it, perhaps in the middle of a line
                self._whole = size
                data = b"\n" + data if size else data
            elif size > self._whole:
                os.ftruncate(descriptor, self._whole)  # the rest of a line that could not be written, or not be read
            os.lseek(descriptor, self._whole, os.SEEK_SET)
            rest = memoryview(data)
            try:
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, self._whole)
                raise
            self._whole += len(data)
        finally:
            os.close(descriptor)
