"""Work that waits for the writer, and how several pieces of it become one commit."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Any

from storage.atomic import transaction
from storage.connection import is_environment

Work = Callable[[sqlite3.Connection], Any]
"""Something to be done in the writer's thread."""


class Job:
    """Work of the journal lane or of upkeep, and who waits for it."""

    __slots__ = ("began", "future", "work")

    def __init__(self, work: Work) -> None:
        self.work = work
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.began = time.perf_counter_ns()

    def give(self, result: Any) -> None:
        """Hand over what came of it; somebody who waits no more is passed over."""
        if not self.future.done():
            self.future.set_result(result)

    def fail(self, error: BaseException) -> None:
        """Hand over why nothing came of it."""
        if not self.future.done():
            self.future.set_exception(error)


def nothing(_connection: sqlite3.Connection) -> None:
    """Wait for one's turn."""


def together(connection: sqlite3.Connection, works: Sequence[Work]) -> list[Any]:
    """Do pieces of work in one transaction that is on disk at the end; one that fails harms no other."""
    connection.execute("PRAGMA synchronous = FULL")
    results: list[Any] = []
    with transaction(connection):
        for work in works:
            connection.execute("SAVEPOINT piece")
            try:
                results.append(work(connection))
            except Exception as error:
                if isinstance(error, sqlite3.Error | OSError) and is_environment(error):
                    raise
                connection.execute("ROLLBACK TO piece")
                results.append(error)
            connection.execute("RELEASE piece")
    return results
