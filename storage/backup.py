"""Copies of the database: one a day while the engine runs, checked before they count, and the way back from one.

A backup holds everything that is in the database; cold files are only named in it, and are not copied.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from engine.errors import StorageFailed
from engine.types import DAY, SECOND
from storage import schema
from storage.connection import copied, failures, integrity_check, open_for_reading

log = logging.getLogger(__name__)

PAGES = 2048
"""Copied at once, 8 MB; between two steps the writer goes on."""

PAUSE_S = 0.01

LOOK_S = 600.0
"""Seconds between two looks whether a backup is due."""


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """A kept copy; `at` is when it was made, UTC ns."""

    path: Path
    at: int
    bytes: int


def backups(folder: Path) -> list[Backup]:
    """Return the kept copies, oldest first."""
    found = []
    for path in folder.glob("market-*.db") if folder.is_dir() else ():
        facts = path.stat()
        found.append(Backup(path=path, at=facts.st_mtime_ns, bytes=facts.st_size))
    return sorted(found, key=lambda each: each.path.name)


def back_up(database: Path, folder: Path, *, keep: int, now: int) -> Backup:
    """Copy a database, also while it is written, check the copy, and remove all but the last `keep` ones. Blocks.

    Raises:
        StorageFailed: It cannot be read or written, or the copy is damaged; older copies stay.
    """
    with failures(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = datetime.fromtimestamp(now // SECOND, UTC).strftime("market-%Y%m%dT%H%M%SZ.db")
    place, part = folder / name, folder / f"{name}.part"
    try:
        _copied(database, part)
        part.replace(place)
    finally:
        part.unlink(missing_ok=True)
    for old in backups(folder)[: -max(keep, 1)]:
        old.path.unlink(missing_ok=True)
    facts = place.stat()
    return Backup(path=place, at=facts.st_mtime_ns, bytes=facts.st_size)


def _copied(database: Path, part: Path) -> None:
    """Make a whole, checked copy that is on disk."""
    source = open_for_reading(database)
    try:
        schema.check(source, str(database))
        with failures(part):
            part.unlink(missing_ok=True)
            os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            copy = sqlite3.connect(part, isolation_level=None)
            try:
                source.backup(copy, pages=PAGES, sleep=PAUSE_S)
                copy.execute("PRAGMA journal_mode = DELETE")
                integrity_check(copy, database)
                schema.check(copy, str(part))
            finally:
                copy.close()
            descriptor = os.open(part, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
    finally:
        source.close()


def restore(backup: Path, database: Path, *, now: int) -> Path | None:
    """Put a backup in the place of a database; return where the replaced file is now, None if there was none. Blocks.

    Nobody may have the database open: the caller holds the profile's lock.

    Raises:
        StorageFailed: The backup is damaged or cannot be copied; the database stays as it is.
        SchemaUnknown: A newer version wrote the backup.
    """
    with failures(backup):
        fresh = database.with_name(f"{database.name}.part")
        source = open_for_reading(backup)
        try:
            schema.refuse_unknown(source, str(backup))
            integrity_check(source, backup)
            copied(source, fresh)
        finally:
            source.close()
        aside = None
        if database.exists():
            stamp = datetime.fromtimestamp(now // SECOND, UTC).strftime("%Y%m%dT%H%M%SZ")
            aside = database.with_name(f"{database.name}.replaced-{stamp}")
            for suffix in ("-wal", "-shm"):  # the log belongs to the file that goes
                beside = database.with_name(database.name + suffix)
                if beside.exists():
                    beside.replace(aside.with_name(aside.name + suffix))
            database.replace(aside)
        fresh.replace(database)
        return aside


class DailyBackup:
    """Makes a copy a day while the engine runs. `last_error` tells why the last one failed, or ""."""

    def __init__(self, database: Path, folder: Path, *, keep: int, clock: Callable[[], int] = time.time_ns) -> None:
        self.database = database
        self.folder = folder
        self.keep = keep
        self.last_error = ""
        self._clock = clock

    async def run(self) -> None:
        """Look every ten minutes whether one is due, until cancelled; with `keep` 0 there is none."""
        while True:
            await asyncio.sleep(LOOK_S)
            if self.keep and self.database.exists() and self.is_due():
                await self.once()

    def is_due(self) -> bool:
        """Tell whether the newest copy is a day old."""
        kept = backups(self.folder)
        return not kept or self._clock() - kept[-1].at >= DAY

    async def once(self) -> None:
        """Make a copy off the loop; a failure is told and tried again at the next look."""
        try:
            made = await asyncio.to_thread(back_up, self.database, self.folder, keep=self.keep, now=self._clock())
        except StorageFailed as error:
            self.last_error = str(error)
            log.warning("no backup: %s", error)
        else:
            self.last_error = ""
            log.info("backup: %s, %d bytes", made.path, made.bytes)
