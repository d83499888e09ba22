"""Rows by key with the version at which each last changed, so that a reader is sent only what it has not seen."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Generic, TypeVar

Row = TypeVar("Row")

_PLACE = re.compile(r"([0-9]{1,15})(?::(-?[0-9]{1,19}))?", re.ASCII)


class Versions(Generic[Row]):
    """One series. Keys grow from row to row; old rows may leave at the front, any row may change.

    A cursor is `epoch.version`, or `epoch.version:first` for a reader who was given the rows from key `first` on alone.
    One of another epoch (another engine, or rows taken away again) is answered in full, and so is one since which more
    has changed than may be sent at once.
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
        """Return the rows changed since `cursor`, the next cursor, and whether the reader must forget what it has.

        With a reset the rows are the newest `limit`; of those before them this reader hears no more.
        """
        epoch, _, text = cursor.rpartition(".")
        place = _PLACE.fullmatch(text) if epoch == self._epoch else None
        if place is not None and self._reset <= (seen := int(place[1])) <= self._version:
            first = None if place[2] is None else int(place[2])
            rows = [
                row for key, (row, version) in self._rows.items() if version > seen and (first is None or key >= first)
            ]
            if len(rows) <= limit:
                return rows, self._cursor(first), False
        newest = list(self._rows.items())[-limit:]
        cut = len(newest) < len(self._rows)
        return [row for _, (row, _) in newest], self._cursor(newest[0][0] if cut else None), True

    def _cursor(self, first: int | None) -> str:
        return f"{self._epoch}.{self._version}" + ("" if first is None else f":{first}")
