"""Reads the records of trading: newest first for people, in their order for an engine that begins again.

Reading is read-only, with a connection for each question, and disturbs no writer. Calls block: an engine makes them in
a thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from engine.ports import Record
from storage import schema
from storage.connection import failures, open_for_reading
from storage.writer import Writer

AT_ONCE = 500
"""Orders asked for by one statement."""

IMAGES = 2
"""Images of the account that are kept: an older one is of no use, for the records stay."""

NAMED = "coalesce(" + ", ".join(f"json_extract(body, '$.{at}instrument')" for at in ("", "fill.", "spec.")) + ")"
"""The instrument that a body names."""

COLUMNS = "id, kind, client_key, ts, body"


class StoredRecords:
    """The records of one database and mode. Every method raises StorageFailed when it cannot be read."""

    def __init__(self, path: Path, mode: str) -> None:
        self.path = path
        self.mode = mode

    def newest(
        self,
        kinds: Sequence[str],
        *,
        limit: int,
        start: int | None = None,
        end: int | None = None,
        instrument: str = "",
        tag: str = "",
    ) -> list[Record]:
        """Return the newest `limit` records of some kinds with start <= ts < end (UTC ns), newest first.

        With `instrument` only those whose body names it, with `tag` only those whose `record` is that.
        """
        query = f"SELECT {COLUMNS} FROM records WHERE kind IN ({_marks(kinds)}) AND mode = ?"
        given: list[str | int] = [*kinds, self.mode]
        for what, value in (("ts >= ?", start), ("ts < ?", end)):
            if value is not None:
                query, given = f"{query} AND {what}", [*given, value]
        if instrument:
            query += f" AND {NAMED} = ?"
            given.append(instrument)
        if tag:
            query += " AND json_extract(body, '$.record') = ?"
            given.append(tag)
        with self._reading() as connection:
            found = connection.execute(f"{query} ORDER BY ts DESC, id DESC LIMIT ?", (*given, limit))
            return [_record(row) for row in found]

    def of_orders(self, orders: Sequence[str]) -> list[Record]:
        """Return what became of some orders (kinds `order_event` and `fill`), in the order in which it was kept."""
        found: list[Record] = []
        with self._reading() as connection:
            for first in range(0, len(orders), AT_ONCE):
                some = orders[first : first + AT_ONCE]
                rows = connection.execute(
                    f"SELECT {COLUMNS} FROM records WHERE kind IN ('order_event', 'fill')"
                    f" AND json_extract(body, '$.order') IN ({_marks(some)}) AND mode = ?",
                    (*some, self.mode),
                )
                found += [_record(row) for row in rows]
        return sorted(found, key=lambda record: record.id)

    def since_image(self) -> tuple[Record | None, Iterator[Record]]:
        """Return the newest image of the account, and every record after it, in the order in which they were kept.

        Without an image they are all records. They are read while they are iterated over, as of the first one.
        """
        with self._reading() as connection:
            # By id, not by kind: what is passed over on the way back to the image is read next anyway.
            row = connection.execute(
                f"SELECT {COLUMNS} FROM records WHERE +kind = 'image' AND mode = ? ORDER BY id DESC LIMIT 1",
                (self.mode,),
            ).fetchone()
        image = _record(row) if row is not None else None
        return image, self.after(image.id if image is not None else 0)

    def after(self, number: int) -> Iterator[Record]:
        """Yield every record behind one, images left out, in the order in which they were kept."""
        with self._reading() as connection:
            rows = connection.execute(
                f"SELECT {COLUMNS} FROM records WHERE id > ? AND +kind != 'image' AND mode = ? ORDER BY id",
                (number, self.mode),
            )
            for row in rows:
                yield _record(row)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        connection = open_for_reading(self.path)
        try:
            with failures(self.path):
                schema.check(connection, str(self.path))
                yield connection
        finally:
            connection.close()


async def forget_images(writer: Writer, mode: str, keep: int = IMAGES) -> int:
    """Delete all images of the account but the newest; return how many. Nothing else is ever deleted from records.

    Raises:
        StorageFailed: The database refused.
    """

    def work(connection: sqlite3.Connection) -> int:
        return connection.execute(
            "DELETE FROM records WHERE kind = 'image' AND mode = ? AND id NOT IN"
            " (SELECT id FROM records WHERE kind = 'image' AND mode = ? ORDER BY id DESC LIMIT ?)",
            (mode, mode, keep),
        ).rowcount

    return await writer.upkeep(work)


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))


def _record(row: tuple[int, str, str, int, str]) -> Record:
    number, kind, key, ts, body = row
    return Record(id=number, kind=kind, key=key, ts=ts, body=body.encode())
