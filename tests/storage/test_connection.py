"""What goes wrong with files is told in words that say what to do."""

from __future__ import annotations

import os
import sqlite3
import stat
import tempfile
from pathlib import Path

import pytest

from engine.errors import StorageFailed
from storage.connection import (
    failed,
    integrity_check,
    is_environment,
    open_for_reading,
    open_for_writing,
    quick_check,
)


def error(code: int) -> sqlite3.OperationalError:
    made = sqlite3.OperationalError("said by the library")
    made.sqlite_errorcode = code
    return made


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (sqlite3.SQLITE_FULL, r"No space left on device \(\d+ MB free\); free some"),
        (sqlite3.SQLITE_BUSY, "is locked by another process; see who holds it: fuser"),
        (sqlite3.SQLITE_READONLY, "cannot be written .*; see the rights of the file"),
        (sqlite3.SQLITE_READONLY | 8 << 8, "cannot be written .*; see the rights of the file"),
        (sqlite3.SQLITE_CANTOPEN, "cannot be written .*; see the rights of the file"),
        (sqlite3.SQLITE_CORRUPT, "is damaged .*; it is left as it is: `tradetui data restore`"),
        (sqlite3.SQLITE_NOTADB, "is not a database; it is left as it is: `tradetui data restore`"),
        (sqlite3.SQLITE_IOERR, "the disk failed .*; see the system's log"),
        (sqlite3.SQLITE_ERROR, "said by the library"),
    ],
)
def test_every_failure_has_its_words(code: int, said: str, tmp_path: Path) -> None:
    told = failed(tmp_path / "market.db", error(code))
    with pytest.raises(StorageFailed, match=f"market.db.*{said}"):
        raise told
    assert is_environment(error(code))


def test_an_impossible_row_is_no_failure_of_the_disk() -> None:
    for kind in (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError):
        assert not is_environment(kind("x"))
    assert not is_environment(OverflowError("x"))
    assert is_environment(OSError(28, "full"))


def test_a_folder_that_is_read_only_is_told() -> None:
    """Root may write everything, so a child process that is nobody tries."""
    with tempfile.TemporaryDirectory() as name:
        folder, nobody = Path(name), 65534
        reading, writing = os.pipe()
        if os.getuid() == 0:
            os.chown(folder, nobody, nobody)
        folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
        child = os.fork()
        if not child:
            try:
                if os.getuid() == 0:
                    os.setgid(nobody)
                    os.setuid(nobody)
                open_for_writing(folder / "market.db")
            except BaseException as error:  # noqa: BLE001 - whatever it is has to be seen on the other side
                os.write(writing, f"{type(error).__name__}: {error}".encode())
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading, encoding="utf-8") as told:
            said = told.read()
        os.waitpid(child, 0)
        folder.chmod(stat.S_IRWXU)
    assert said.startswith("StorageFailed: ")
    assert "Permission denied; free space or mend the folder" in said


def test_a_file_that_is_read_only_can_be_read_and_says_so_when_written(tmp_path: Path) -> None:
    path = tmp_path / "market.db"
    connection = open_for_writing(path)
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    with pytest.raises(sqlite3.OperationalError) as caught:
        reader.execute("INSERT INTO t VALUES (1)")
    assert "cannot be written" in str(failed(path, caught.value))
    reader.close()


def test_checks_find_damage(tmp_path: Path) -> None:
    path = tmp_path / "market.db"
    connection = open_for_writing(path)
    connection.execute("CREATE TABLE t (x)")
    connection.execute("CREATE INDEX i ON t (x)")
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO t VALUES (?)", ((f"{n:09}" * 9,) for n in range(5000)))
    connection.execute("COMMIT")
    quick_check(connection, path)
    integrity_check(connection, path)
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master WHERE name = 't')")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()
    reader = open_for_reading(path)
    with pytest.raises(StorageFailed, match=r"is damaged .*: `tradetui data restore`"):
        integrity_check(reader, path)
    reader.close()


def test_a_new_database_can_give_back_pages(tmp_path: Path) -> None:
    connection = open_for_writing(tmp_path / "new" / "market.db")
    assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
    connection.close()
