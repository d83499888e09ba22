"""Backups: whole, checked, the last seven; and the way back."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest

from engine.errors import SchemaUnknown, StorageFailed
from engine.types import SECOND
from storage.backup import DailyBackup, back_up, backups, restore
from storage.bulk import Pace
from storage.connection import integrity_check, open_for_reading
from storage.writer import Writer
from tests.storage.rows import T0, bar, keep

NOW = 1_700_000_000 * SECOND
DAY = 86_400 * SECOND


def filled(path: Path, rows: int = 10, begin: int = 0) -> None:
    async def life() -> None:
        async with Writer(path, engine=False) as store:
            for n in range(begin, begin + rows):
                store.put(keep(T0 + n + 1, bar(T0 + n)))

    asyncio.run(life())


def count(path: Path) -> int:
    connection = open_for_reading(path)
    try:
        return int(connection.execute("SELECT count(*) FROM bars").fetchone()[0])
    finally:
        connection.close()


def test_a_backup_is_whole_and_belongs_to_its_owner(tmp_path: Path) -> None:
    filled(tmp_path / "market.db")
    made = back_up(tmp_path / "market.db", tmp_path / "backups", keep=7, now=NOW)
    assert made.path.name == "market-20231114T221320Z.db"
    assert count(made.path) == 10
    assert made.path.stat().st_mode & 0o077 == 0
    assert sorted(file.name for file in (tmp_path / "backups").iterdir()) == [made.path.name]


def test_it_is_taken_while_somebody_writes(tmp_path: Path) -> None:
    """The copy is one state of the database, and the writer is not held up."""
    path, done = tmp_path / "market.db", threading.Event()

    async def life() -> int:
        number = 0
        async with Writer(path, Pace(rows=1), engine=False) as store:
            while not done.is_set():
                store.put(keep(T0 + number + 1, bar(T0 + number)))
                await store.record("x", str(number), "{}", mode="paper", ts=number)
                number += 1
        return number

    written: list[int] = []
    filled(path)
    writing = threading.Thread(target=lambda: written.append(asyncio.run(life())))
    writing.start()
    for number in range(5):
        made = back_up(path, tmp_path / "backups", keep=9, now=NOW + number * DAY)
        connection = open_for_reading(made.path)
        integrity_check(connection, made.path)
        keys = [int(row[0]) for row in connection.execute("SELECT client_key FROM records ORDER BY id")]
        assert keys == list(range(len(keys)))
        connection.close()
    done.set()
    writing.join()
    assert written[0] > 5


def test_the_last_seven_are_kept(tmp_path: Path) -> None:
    filled(tmp_path / "market.db")
    for day in range(10):
        back_up(tmp_path / "market.db", tmp_path / "backups", keep=7, now=NOW + day * DAY)
    kept = [each.path.name for each in backups(tmp_path / "backups")]
    assert len(kept) == 7
    assert kept[-1] == "market-20231123T221320Z.db"


def test_a_copy_that_is_damaged_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(tmp_path / "market.db", 2000)
    back_up(tmp_path / "market.db", tmp_path / "backups", keep=1, now=NOW)

    def damaged(_connection: sqlite3.Connection, path: Path) -> None:
        raise StorageFailed(f"{path} is damaged")

    monkeypatch.setattr("storage.backup.integrity_check", damaged)
    with pytest.raises(StorageFailed, match="is damaged"):
        back_up(tmp_path / "market.db", tmp_path / "backups", keep=1, now=NOW + DAY)
    assert [each.path.name for each in backups(tmp_path / "backups")] == ["market-20231114T221320Z.db"]
    assert len(list((tmp_path / "backups").iterdir())) == 1


def test_restoring_keeps_what_was_replaced(tmp_path: Path) -> None:
    path = tmp_path / "market.db"
    filled(path)
    made = back_up(path, tmp_path / "backups", keep=7, now=NOW)
    filled(path, 5, begin=10)
    aside = restore(made.path, path, now=NOW)
    assert aside is not None
    assert (count(path), count(aside)) == (10, 15)
    assert path.stat().st_mode & 0o077 == 0
    filled(path, 3, begin=10)
    assert count(path) == 13
    path.unlink()
    assert restore(made.path, path, now=NOW) is None
    assert count(path) == 10


def test_a_backup_that_is_none_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "market.db"
    filled(path)
    wrong = tmp_path / "wrong.db"
    wrong.write_text("no database " * 1000)
    with pytest.raises(StorageFailed, match="is not a database"):
        restore(wrong, path, now=NOW)
    with pytest.raises(StorageFailed, match="there is no database"):
        restore(tmp_path / "none.db", path, now=NOW)
    future = tmp_path / "future.db"
    connection = sqlite3.connect(future)
    connection.execute("CREATE TABLE other (x)")
    connection.close()
    with pytest.raises(SchemaUnknown, match="another program"):
        restore(future, path, now=NOW)
    assert count(path) == 10
    assert {file.name for file in tmp_path.iterdir() if not file.name.startswith("market.db-")} == {
        "future.db", "market.db", "wrong.db",
    }  # fmt: skip


async def test_a_copy_a_day(tmp_path: Path) -> None:
    path, folder = tmp_path / "market.db", tmp_path / "backups"
    await asyncio.to_thread(filled, path)
    clock = [0]
    daily = DailyBackup(path, folder, keep=7, clock=lambda: clock[0])
    assert daily.is_due()
    clock[0] = NOW
    await daily.once()
    made = backups(folder)[0].at
    clock[0] = made + DAY - 1
    assert not daily.is_due()
    clock[0] = made + DAY
    assert daily.is_due()
    path.unlink()
    await daily.once()
    assert "there is no database" in daily.last_error
    assert len(backups(folder)) == 1
