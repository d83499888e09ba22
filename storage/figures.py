"""The database in figures, for people: its size, what is in it, and what waits to be written."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path

from engine.errors import StorageFailed
from engine.types import MS
from engine.views import ReadsView, StorageView, TableView
from storage import schema
from storage.backup import backups
from storage.connection import failures, open_for_reading
from storage.writer import Writer

TABLES = ("bars", "trades", "cob_1s", "cob_1m", "imbalances", "book_snapshots", "pivots", "events", "records")
"""What is counted."""

COUNT_S = 60.0
"""Counting reads every row's key: done once in so many seconds, whoever asks."""


class Figures:
    """Figures of the database that a writer writes. Calls block, and can be made from any thread."""

    def __init__(self, writer: Writer, backups_folder: Path) -> None:
        self._writer = writer
        self._backups = backups_folder
        self._lock = threading.Lock()
        self._counted = -COUNT_S
        self._tables: tuple[TableView, ...] = ()

    def view(self) -> StorageView:
        """Return them; what cannot be read is left out, and `error` says why."""
        view, error = self._writer.view(), ""
        try:
            tables = self.tables()
        except StorageFailed as failed:
            tables, error = (), str(failed)
        kept = backups(self._backups)
        path = Path(view.path)
        return StorageView(
            path=view.path,
            bytes=view.file_bytes + view.wal_bytes,
            free_bytes=shutil.disk_usage(path.parent).free if path.parent.exists() else 0,
            schema=schema.latest(),
            tables=tables,
            waiting=view.waiting,
            written=view.rows,
            rejected=view.rejected,
            lag_ms=max(time.time_ns() - view.flushed, 0) / MS if view.waiting and view.flushed else None,
            backup_ms=kept[-1].at // MS if kept else None,
            error=view.error or error,
            reads=(
                ReadsView(
                    name="flush",
                    count=view.flush.samples,
                    hits=0,
                    misses=0,
                    p50_ms=view.flush.p50_ms,
                    p95_ms=view.flush.p95_ms,
                    p99_ms=view.flush.p99_ms,
                ),
            ),
        )

    def tables(self) -> tuple[TableView, ...]:
        """Return the rows of every kind, warm and packed, as they were within the last minute.

        Raises:
            StorageFailed: The database cannot be read.
        """
        with self._lock:
            if time.monotonic() - self._counted < COUNT_S:
                return self._tables
            with failures(self._writer.path):
                connection = open_for_reading(self._writer.path)
                try:
                    packed = dict(connection.execute("SELECT kind, sum(rows) FROM cold_files GROUP BY kind").fetchall())
                    sizes = dict(connection.execute("SELECT kind, sum(bytes) FROM cold_files GROUP BY kind").fetchall())
                    self._tables = tuple(
                        TableView(
                            name=name,
                            rows=connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0],
                            bytes=sizes.get(name),
                            packed=packed.get(name, 0),
                        )
                        for name in TABLES
                    )
                finally:
                    connection.close()
            self._counted = time.monotonic()
            return self._tables
