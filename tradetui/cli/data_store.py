"""Storage as the command line reaches it: read-only, or for writing under the profile's lock, or through its engine."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from engine.errors import EngineRunning, EngineUnreachable, ImportRefused, StorageFailed

if TYPE_CHECKING:
    import asyncio
    import sqlite3
    from pathlib import Path

    from storage.archive import StoredArchive
    from storage.interchange.report import FileReport
    from tradetui.client import Client
    from tradetui.places import Places

POLL_S = 0.02
"""Pause before the engine is asked again whether it has done what it was given."""


@contextlib.contextmanager
def reading(places: Places) -> Iterator[sqlite3.Connection]:
    """Open the database for reading, for the length of a block.

    Raises:
        StorageFailed: There is none yet, it is of another version, or it cannot be read.
    """
    from storage import schema
    from storage.connection import failures, open_for_reading

    path = places.database
    if not path.exists():
        raise StorageFailed(
            f"profile {places.profile!r} has stored nothing yet; `tradetui data import PATH` brings data in"
        )
    connection = open_for_reading(path)
    try:
        with failures(path):
            schema.check(connection, str(path))
            yield connection
    finally:
        connection.close()


@contextlib.contextmanager
def archive(places: Places) -> Iterator[StoredArchive]:
    """Open what reads candles, for the length of a block.

    Raises:
        StorageFailed: As `reading`.
    """
    from storage.archive import StoredArchive

    with reading(places):
        pass
    found = StoredArchive(places.database, places.cold)
    try:
        yield found
    finally:
        found.close()


class Own:
    """Storage opened by this process, which holds the profile meanwhile."""

    def __init__(self, places: Places) -> None:
        from storage import schema
        from storage.archive import StoredArchive
        from storage.connection import failures, open_for_writing

        self.path = places.database
        self._mode = places.mode
        self.connection = open_for_writing(self.path)
        with failures(self.path):
            self.migrated = schema.migrate(self.connection, str(self.path))
            # What a power cut takes of an import is imported again; closing puts everything on the disk.
            self.connection.execute("PRAGMA synchronous = NORMAL")
        self._archive = StoredArchive(self.path, places.cold)

    def close(self) -> None:
        """Close it."""
        self._archive.close()
        self.connection.close()

    def write(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        """Do a piece of work that writes.

        Raises:
            StorageFailed: The database refused.
        """
        from storage.connection import failures

        with failures(self.path):
            return work(self.connection)

    def done(self, sha256: str, said: str) -> str | None:
        """Return the path that a file was imported from earlier, or None."""
        from storage.interchange.staging import imported

        return imported(self.connection, sha256, said)

    def take(self, staged: Path) -> FileReport:
        """Merge a staged file."""
        from storage.interchange.staging import merge

        merged = self.write(lambda connection: merge(connection, staged, time.time_ns()))
        report: FileReport = merged.report
        said = f"{report.outcome}: {report.new} new rows, {report.conflicts} conflicts, {report.refused} refused"
        self.note("data_import", {"path": report.path}, said)
        return report

    def note(self, command: str, detail: dict[str, Any], result: str) -> None:
        """Leave a record in the audit of what was done here.

        Raises:
            StorageFailed: The database refused.
        """
        from tradetui.audit import note_here

        self.write(lambda connection: note_here(connection, self._mode, command, detail, result))

    def pivots(self, progress: Callable[[int, int, str], None]) -> int:
        """Work out the pivots that are due; return of how many series."""
        from engine.market.pivots import DISTANCE
        from storage.interchange import swings

        due = swings.due(self.connection)
        for place, (key, timeframe) in enumerate(due):
            progress(place, len(due), f"pivots of {key} {timeframe}")
            swings.build(self._archive, self.write, key, timeframe, DISTANCE, time.time_ns())
        progress(len(due), len(due), "")
        return len(due)


class Through:
    """Storage by way of the engine that holds the profile: it is the one writer."""

    def __init__(self, places: Places, runner: asyncio.Runner, client: Client) -> None:
        self.migrated: list[int] = []  # the engine did that at its start
        self._places = places
        self._runner = runner
        self._client = client

    def work(self, name: str, **arguments: str | int | bool) -> Any:
        """Have the engine do a long piece of work; return its result.

        Raises:
            ImportRefused, StorageFailed: It says why not.
            EngineUnreachable: It does not answer.
        """
        while True:
            answer = msgspec.json.decode(self._runner.run(self._client.command(name, **arguments)))
            if answer["state"] == "done":
                return answer["result"]
            if answer["state"] == "failed":
                kind = ImportRefused if answer["kind"] == "ImportRefused" else StorageFailed
                raise kind(answer["reason"])
            time.sleep(POLL_S)

    def done(self, sha256: str, said: str) -> str | None:
        """Return the path that a file was imported from earlier, or None."""
        from storage.interchange.staging import imported

        with reading(self._places) as connection:
            return imported(connection, sha256, said)

    def take(self, staged: Path) -> FileReport:
        """Have the engine merge a staged file."""
        from storage.interchange.report import FileReport

        return msgspec.convert(self.work("data_import", path=str(staged)), FileReport)

    def pivots(self, progress: Callable[[int, int, str], None]) -> int:
        """Have the engine work out the pivots that are due."""
        progress(0, 1, "pivots")
        count = int(self.work("data_pivots"))
        progress(1, 1, "")
        return count


@contextlib.contextmanager
def held(places: Places) -> Iterator[None]:
    """Hold the profile for the length of a block, so that no engine starts meanwhile.

    Raises:
        EngineRunning: An engine has it, or another command.
    """
    from tradetui import __version__
    from tradetui.lock import Holder, ProfileLock

    places.make()
    lock = ProfileLock(places.lock)
    lock.acquire(Holder(pid=os.getpid(), socket=str(places.socket), started=time.time_ns(), version=__version__))
    try:
        yield
    finally:
        lock.release()
        if lock.left_behind is not None:  # the next engine has to hear that the last one did not end cleanly
            with contextlib.suppress(OSError):
                places.lock.write_bytes(msgspec.json.encode(lock.left_behind))


@contextlib.contextmanager
def writing(places: Places) -> Iterator[Own | Through]:
    """Open storage for writing, for the length of a block: through the profile's engine if one runs, else directly.

    Raises:
        EngineUnreachable: Another process holds the profile, and is no engine that answers.
        StorageFailed: The database cannot be opened.
    """
    with contextlib.ExitStack() as stack:
        storage: Own | Through
        try:
            stack.enter_context(held(places))
        except EngineRunning:
            storage = stack.enter_context(_engine(places))
        else:
            for left in places.temporary.glob("import-*.db"):  # by an import that was killed
                left.unlink(missing_ok=True)
            storage = Own(places)
            stack.callback(storage.close)
        yield storage


@contextlib.contextmanager
def _engine(places: Places) -> Iterator[Through]:
    import asyncio

    from tradetui.client import connect

    with asyncio.Runner() as runner:
        try:
            client = runner.run(connect(places, "data"))
        except EngineUnreachable as error:
            raise EngineUnreachable(
                f"profile {places.profile!r} is held by another process, an import perhaps: wait for it ({error})",
                hung=True,
            ) from error
        try:
            yield Through(places, runner, client)
        finally:
            runner.run(client.close())


class Progress:
    """A line on a terminal's stderr that says how far a command is; nothing where there is no terminal."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._shown = not quiet and sys.stderr.isatty()
        self._last = 0.0

    def __call__(self, done: int, of: int, name: str) -> None:
        """Say that `done` of `of` pieces are done, and which is in hand; "" ends the line."""
        now = time.monotonic()
        if not self._shown or (name and now - self._last < 0.1):
            return
        self._last = now
        if not name:
            sys.stderr.write("\r\x1b[K")
        else:
            share = done / max(of, 1)
            bar = "#" * int(20 * share)
            text = "".join(c if c.isprintable() else "?" for c in name[-60:])
            sys.stderr.write(f"\r\x1b[K[{bar:<20}] {done}/{of} {text}")
        sys.stderr.flush()
