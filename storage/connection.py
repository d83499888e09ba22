"""How a database is opened, for the one writer or for readers, and what its failures are called."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar
from urllib.parse import quote

import aiosqlite

from engine.errors import StorageFailed
from storage import schema

P = ParamSpec("P")
T = TypeVar("T")

BUSY_MS = 5000
"""How long is waited for another process's lock."""

WRITER_KIB = 8192
"""Pages in memory of the writer."""

READER_KIB = 4096
"""Pages in memory of each reader; there is one a thread."""

WAL_BYTES = 64 << 20
"""The write-ahead log is cut to this size when it was longer."""


class Moved(OSError):
    """The file that a connection has open is no longer the one of its name: what is written to it, nobody finds."""


class Line(aiosqlite.Connection):
    """The writer's connection: whole pieces of work are done in its thread, one after the other."""

    def __init__(self, path: Path) -> None:
        super().__init__(lambda: open_for_writing(path), iter_chunk_size=64)
        self._path = path
        self._wal = path.with_name(f"{path.name}-wal")
        self._file: tuple[int, int] | None = None
        self._log: tuple[int, int] | None = None
        self._worker: Any = getattr(self, "_thread", self)
        self._worker.daemon = True  # a fault elsewhere must not keep the process from ending

    async def call(self, work: Callable[Concatenate[sqlite3.Connection, P], T], *given: P.args, **named: P.kwargs) -> T:
        """Do a piece of work in the connection's thread; return what it returns, raise what it raises.

        Raises:
            Moved: The file was removed or replaced; nothing was done.
        """

        def done() -> T:
            self._stay()
            return work(self._conn, *given, **named)

        return await self._execute(done)  # type: ignore[no-any-return,no-untyped-call]

    def _stay(self) -> None:
        """See that the open file, of which SQLite does not look for the name again, is still the one of its name."""
        file = identity(self._path)
        self._file, self._log = self._file or file, self._log or identity(self._wal)
        if file is None or file != self._file:
            raise Moved

    async def rescue(self, stamp: str) -> Path:
        """Write what the connection sees to a file: the one of its name, or beside another that is there now.

        Raises:
            OSError, sqlite3.Error: It cannot be written.
        """

        def done() -> Path:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            part = self._path.with_name(f"{self._path.name}.part")
            copied(self._conn, part)
            taken = self._path.exists()
            if (
                self._log is not None and identity(self._wal) == self._log
            ):  # it would be read into the file of this name
                self._wal.unlink()
                self._path.with_name(f"{self._path.name}-shm").unlink(missing_ok=True)
            return part.replace(self._path.with_name(f"{self._path.name}.rescued-{stamp}") if taken else self._path)

        return await self._execute(done)  # type: ignore[no-any-return,no-untyped-call]

    async def end(self) -> None:
        """Close, also what could not be opened; afterwards its thread has ended."""
        await self.close()
        await asyncio.to_thread(self._worker.join, BUSY_MS / 1000)


def identity(path: Path) -> tuple[int, int] | None:
    """Return which file has a name; None if none has."""
    try:
        facts = path.stat()
    except FileNotFoundError:
        return None
    return facts.st_dev, facts.st_ino


def copied(source: sqlite3.Connection, path: Path) -> None:
    """Copy a database into a new file, for its owner alone, and onto the disk.

    Raises:
        OSError, sqlite3.Error: It cannot be written.
    """
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        copy = sqlite3.connect(path, isolation_level=None)
        try:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
        finally:
            copy.close()
        os.fsync(descriptor)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def open_for_writing(path: Path, *, busy_ms: int = BUSY_MS) -> sqlite3.Connection:
    """Open for writing, in autocommit mode; a file that is not there is made, for its owner alone.

    Raises:
        StorageFailed: It cannot be opened; the message says why and what to do.
        SchemaUnknown: A newer version or another program wrote it; nothing was touched.
    """
    with failures(path):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(path, timeout=busy_ms / 1000, isolation_level=None, check_same_thread=False)
        try:
            if path.stat().st_size:
                schema.refuse_unknown(connection, str(path))
            else:
                _set(connection, auto_vacuum="INCREMENTAL")
            _set(connection, cache_size=-WRITER_KIB, foreign_keys="ON")
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            _set(connection, synchronous="FULL", journal_size_limit=WAL_BYTES)
        except BaseException:
            connection.close()
            raise
        if mode != "wal":
            connection.close()
            raise StorageFailed(f"{path}: its file system knows no write-ahead log (mode {mode}); use a local disk")
        return connection


def open_for_reading(path: Path, *, busy_ms: int = BUSY_MS) -> sqlite3.Connection:
    """Open read-only; every read sees one state of the database, and disturbs no writer.

    Raises:
        StorageFailed: It is not there or cannot be opened; the message says why and what to do.
    """
    with failures(path):
        if not path.exists():
            raise StorageFailed(f"{path}: there is no database; the first start of the engine or an import makes one")
        address = f"file:{quote(str(path.absolute()))}?mode=ro"
        connection = sqlite3.connect(
            address, uri=True, timeout=busy_ms / 1000, isolation_level=None, check_same_thread=False
        )
        try:
            _set(connection, cache_size=-READER_KIB, query_only="ON")
        except BaseException:
            connection.close()
            raise
        return connection


def _set(connection: sqlite3.Connection, **options: str | int) -> None:
    for name, value in {"mmap_size": 0, "temp_store": "MEMORY", **options}.items():
        connection.execute(f"PRAGMA {name} = {value}")


@contextlib.contextmanager
def failures(path: Path) -> Iterator[None]:
    """Turn errors of the database and its files into those of the product.

    Raises:
        StorageFailed: Instead of them.
    """
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise failed(path, error) from error


def failed(path: Path, error: Exception) -> StorageFailed:
    """Return an error of the database or its files as one that says what is wrong and what to do."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if isinstance(error, Moved):
        return StorageFailed(f"{path} was removed or replaced while it was in use; what was in it is saved again")
    if isinstance(error, OSError):
        return StorageFailed(f"{path}: {error.strerror or error}; free space or mend the folder")
    match code:
        case sqlite3.SQLITE_FULL:
            return StorageFailed(f"{path}: No space left on device ({_free(path)}); free some, it goes on by itself")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StorageFailed(f"{path} is locked by another process; see who holds it: fuser {path}")
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_CANTOPEN:
            return StorageFailed(f"{path} cannot be written ({error}); see the rights of the file and {path.parent}")
        case sqlite3.SQLITE_CORRUPT:
            return StorageFailed(f"{path} is damaged ({error}); it is left as it is: `tradetui data restore`")
        case sqlite3.SQLITE_NOTADB:
            return StorageFailed(f"{path} is not a database; it is left as it is: `tradetui data restore`")
        case sqlite3.SQLITE_IOERR:
            return StorageFailed(f"{path}: the disk failed ({error}); see the system's log")
    return StorageFailed(f"{path}: {error}")


def is_environment(error: BaseException) -> bool:
    """Tell whether the database or its disk refused, rather than a row being impossible: it may work later."""
    if isinstance(error, OSError | StorageFailed):
        return True
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(
        error, sqlite3.IntegrityError | sqlite3.DataError | sqlite3.ProgrammingError
    )


def _free(path: Path) -> str:
    try:
        return f"{shutil.disk_usage(path.parent).free / 1e6:.0f} MB free"
    except OSError:
        return "free space unknown"


def quick_check(connection: sqlite3.Connection, path: Path) -> None:
    """See that the file's pages hang together; indexes are not compared with their tables.

    Raises:
        StorageFailed: They do not.
    """
    _checked(connection, path, "quick_check(3)")


def integrity_check(connection: sqlite3.Connection, path: Path) -> None:
    """See that everything in the file agrees: pages, order, indexes. Takes seconds per GB.

    Raises:
        StorageFailed: It does not.
    """
    _checked(connection, path, "integrity_check(3)")


def _checked(connection: sqlite3.Connection, path: Path, check: str) -> None:
    with failures(path):
        found = [str(row[0]) for row in connection.execute(f"PRAGMA {check}")]
    if found != ["ok"]:
        told = "; ".join(found).replace("\n", "; ")
        raise StorageFailed(f"{path} is damaged ({told}); it is left as it is: `tradetui data restore`")
