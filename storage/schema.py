"""The schema of the database: numbered steps that only go forward, each in one transaction, and the check of its shape.

A step is a file `migrations/NNNN_name.sql`; `user_version` is the number of the last one that was taken. The text of
the tables as they stand is part of what is checked: a database whose tables are others is none of ours.
"""

from __future__ import annotations

import re
import sqlite3
from functools import cache
from importlib.resources import files

from engine.errors import SchemaUnknown, StorageFailed

APPLICATION_ID = 0x7452_5544
"""Written into the file's header, so that a database of another program is known as such."""

STEP = re.compile(r"(\d{4})_\w+\.sql")


@cache
def steps() -> tuple[str, ...]:
    """Return the text of all steps, in order; the first one leads to version 1."""
    found = {}
    for file in (files("storage") / "migrations").iterdir():
        name = STEP.fullmatch(file.name)
        if name is not None:
            found[int(name[1])] = file.read_text(encoding="utf-8")
    return tuple(found[number] for number in range(1, len(found) + 1))


def latest() -> int:
    """Return the version that this program writes."""
    return len(steps())


def version(connection: sqlite3.Connection) -> int:
    """Return the version of a database, 0 if it is empty."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection, name: str) -> list[int]:
    """Bring a database up to date; return the steps that were taken.

    `connection` must be in autocommit mode; `name` is the file as errors name it.

    Raises:
        SchemaUnknown: A newer version wrote it, another program did, or its tables are not what they must be.
        sqlite3.Error: It cannot be written.
    """
    refuse_unknown(connection, name)
    taken = []
    for number in range(version(connection) + 1, latest() + 1):
        step = f"BEGIN IMMEDIATE;\n{steps()[number - 1]}\nPRAGMA application_id = {APPLICATION_ID};\n"
        try:
            connection.executescript(f"{step}PRAGMA user_version = {number};\nCOMMIT;")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        taken.append(number)
    check(connection, name)
    return taken


def refuse_unknown(connection: sqlite3.Connection, name: str) -> None:
    """Refuse a database of the future or of another program; nothing is written.

    Raises:
        SchemaUnknown: It is one.
    """
    found = version(connection)
    ours = connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
    if not ours and (found or _shape(connection)):
        raise SchemaUnknown(f"{name} is a database of another program; nothing was touched: move it out of the way")
    if found > latest():
        raise SchemaUnknown(
            f"{name} has schema {found}, and this version of tradetui knows {latest()} at most; nothing was touched: "
            "use the newer version, or another profile"
        )


def check(connection: sqlite3.Connection, name: str) -> None:
    """See that a database is of this version and its tables are what they must be.

    Raises:
        SchemaUnknown: They are not.
        StorageFailed: It is older, and has to be migrated first.
    """
    refuse_unknown(connection, name)
    found = version(connection)
    if found < latest():
        raise StorageFailed(
            f"{name} has schema {found}, this version of tradetui needs {latest()}: `tradetui data migrate` does it, "
            "or the next start of the engine"
        )
    wanted, there = _wanted(), _shape(connection)
    differing = sorted(each for each in wanted if there.get(each) != wanted[each])
    if differing:
        raise SchemaUnknown(
            f"{name}: {', '.join(differing)} {'is' if len(differing) == 1 else 'are'} not what schema {found} says; "
            "nothing was touched: `tradetui data restore` puts a backup in its place"
        )


@cache
def _wanted() -> dict[str, str]:
    """Return the shape that all steps lead to."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        for step in steps():
            connection.executescript(step)
        return _shape(connection)
    finally:
        connection.close()


def _shape(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the definition of every table, index, trigger and view."""
    query = "SELECT type || ' ' || name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' AND sql IS NOT NULL"
    return {str(name): " ".join(str(sql).split()) for name, sql in connection.execute(query)}
