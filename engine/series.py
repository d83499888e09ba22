"""Rows by key with the version at which each last changed, so that a reader is sent only what it has not seen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

Row = TypeVar("Row")


class Versions(Generic[Row]):
    """One series. Keys grow from row to row; old rows may leave at the front, any row may change.

    A cursor is `epoch.version`; one of another epoch (another engine, or rows taken away again) is answered in full.
    """

    def __init__(self, epoch: str) -> None:
        self._epoch = epoch
        self._version = 0
        self._reset = 0
        self._rows: dict[int, tuple[Row, int]] = {}

    def update(self, rows: Iterable[tuple[int, Row]]) -> None:
        """Take the whole series as it is now; rows are compared by identity first."""
        self._version += 1
        old, self._rows = self._rows, {}
        changed = False
        for key, row in rows:
            known = old.pop(key, None)
            if known is not None and (known[0] is row or known[0] == row):
                self._rows[key] = known
            else:
                self._rows[key] = row, self._version
                changed = True
        first = next(iter(self._rows), None)
        if any(first is None or key > first for key in old):
            self._reset = self._version
        elif not changed:
            self._version -= 1

    def newer(self, cursor: str, limit: int) -> tuple[list[Row], str, bool]:
        """Return the rows changed since `cursor` (at most the newest `limit`), the next cursor, and whether to reset.

        An empty or foreign cursor gives the newest `limit` rows with a reset.
        """
        epoch, _, text = cursor.rpartition(".")
        seen = int(text) if epoch == self._epoch and text.isdecimal() and len(text) < 16 else -1
        reset = not self._reset <= seen <= self._version
        rows = [row for row, version in self._rows.values() if reset or version > seen]
        return rows[-limit:], f"{self._epoch}.{self._version}", reset
