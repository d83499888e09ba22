"""The schema: steps forward in one transaction each, and databases that are refused."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from engine.errors import SchemaUnknown, StorageFailed
from storage import schema
from storage.connection import open_for_reading, open_for_writing


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "market.db"


def opened(path: Path) -> sqlite3.Connection:
    return open_for_writing(path)


def test_an_empty_database_becomes_the_latest(path: Path) -> None:
    connection = opened(path)
    assert schema.migrate(connection, "x") == list(range(1, schema.latest() + 1))
    assert schema.version(connection) == schema.latest()
    assert schema.migrate(connection, "x") == []
    schema.check(connection, "x")
    connection.close()


def test_a_step_that_fails_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = schema.steps()
    connection = opened(path)
    schema.migrate(connection, "x")
    monkeypatch.setattr(schema, "steps", lambda: (*good, "CREATE TABLE half (x); INSERT INTO nowhere VALUES (1);"))
    with pytest.raises(sqlite3.Error, match="nowhere"):
        schema.migrate(connection, "x")
    assert schema.version(connection) == len(good)
    assert connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'half'").fetchone() is None
    schema._wanted.cache_clear()
    monkeypatch.setattr(schema, "steps", lambda: (*good, "CREATE TABLE more (x);"))
    assert schema.migrate(connection, "x") == [len(good) + 1]
    connection.close()
    schema._wanted.cache_clear()


def test_an_older_one_has_to_be_migrated_first(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = opened(path)
    schema.migrate(connection, "x")
    now = schema.latest()
    monkeypatch.setattr(schema, "latest", lambda: now + 1)
    said = f"has schema {now}, this version of tradetui needs {now + 1}: `tradetui data migrate`"
    with pytest.raises(StorageFailed, match=said):
        schema.check(connection, "x")
    connection.close()


def test_every_older_version_is_brought_up_to_date_with_what_is_in_it(tmp_path: Path) -> None:
    for number in range(1, schema.latest() + 1):
        connection = opened(tmp_path / f"{number}.db")
        for step in schema.steps()[:number]:
            connection.executescript(step)
        connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("INSERT INTO records VALUES (7, 'fill', 'paper', 'f1', 5, '{\"order\":\"o1\"}')")
        assert schema.migrate(connection, "x") == list(range(number + 1, schema.latest() + 1))
        assert connection.execute("SELECT * FROM records").fetchall() == [
            (7, "fill", "paper", "f1", 5, '{"order":"o1"}')
        ]
        connection.close()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("PRAGMA user_version = 99", "has schema 99, and this version of tradetui knows"),
        ("PRAGMA application_id = 5", "is a database of another program"),
        ("DROP TABLE gaps", f"table gaps is not what schema {schema.latest()} says"),
        ("ALTER TABLE trades ADD COLUMN more", f"table trades is not what schema {schema.latest()} says"),
        ("DROP TRIGGER bars_revised", f"trigger bars_revised is not what schema {schema.latest()} says"),
    ],
)
def test_what_is_not_ours_is_refused_and_not_touched(path: Path, change: str, said: str) -> None:
    connection = opened(path)
    schema.migrate(connection, "x")
    connection.execute(change)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    before = path.read_bytes()
    for refuse in (schema.migrate, schema.check):
        with pytest.raises(SchemaUnknown, match=said):
            refuse(connection, "x")
    connection.close()
    assert path.read_bytes() == before


def test_a_table_of_others_beside_ours_is_no_harm(path: Path) -> None:
    """Whoever looks into the database with another tool may leave an index or a view there."""
    connection = opened(path)
    schema.migrate(connection, "x")
    connection.execute("CREATE VIEW mine AS SELECT 1")
    schema.check(connection, "x")
    connection.close()


def test_readers_write_nothing(path: Path) -> None:
    connection = opened(path)
    schema.migrate(connection, "x")
    connection.close()
    reader = open_for_reading(path)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("INSERT INTO meta VALUES ('a', 'b')")
    reader.close()
