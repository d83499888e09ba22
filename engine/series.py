"""Rows by key with the version at which each last changed, so that a reader is sent only what it has not seen."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

Row = TypeVar("Row")
Packed = TypeVar("Packed")

_PLACE = re.compile(r"([0-9]{1,15})(?::(-?[0-9]{1,19}))?", re.ASCII)


class Versions(Generic[Row, Packed]):
    """One series. New rows come at the end, old rows leave at the front, any row may change.

    A cursor is `epoch.version`, or `epoch.version:first` for a reader who was given the rows from key `first` on alone.
    Answered in full, with a reset, is a cursor of another epoch (another engine), one since which rows were taken away
    again, one that missed a row which has left meanwhile, and one since which more has changed than may be sent.
    """

    def __init__(self, epoch: str, pack: Callable[[Row], Packed]) -> None:
        """`pack` makes of a row what readers are given; it is called once for each version of a row."""
        self._epoch = epoch
        self._pack = pack
        self._version = 0
        self._reset = 0
        self._gone = 0
        self._gone_key: int | None = None
        self._rows: dict[int, tuple[Row, int]] = {}
        self._packed: dict[int, Packed] = {}

    def update(self, rows: Iterable[tuple[int, Row]]) -> None:
        """Take the whole series as it is now; rows are compared by identity first."""
        self._version += 1
        old, self._rows = self._rows, {}
        changed = False
        for key, row in rows:
            known = old.get(key)
            if known is not None and (known[0] is row or known[0] == row):
                self._rows[key] = known
            else:
                self._rows[key] = row, self._version
                self._packed.pop(key, None)
                changed = True
        self._departed(old)
        if not changed and self._reset != self._version:
            self._version -= 1

    def _departed(self, old: dict[int, tuple[Row, int]]) -> None:
        """Look after the rows that are not there any more."""
        at_front = True
        for key, (_, version) in old.items():
            if key in self._rows:
                at_front = False
                continue
            self._packed.pop(key, None)
            if at_front:
                self._gone = max(self._gone, version)
                self._gone_key = key if self._gone_key is None else max(self._gone_key, key)
            else:
                self._reset = self._version
        if old and at_front:
            self._reset = self._version  # none is left of those before: what lay between is not known

    def newer(self, cursor: str, limit: int) -> tuple[list[Packed], str, bool]:
        """Return the rows changed since `cursor`, the next cursor, and whether the reader must forget what it has.

        With a reset the rows are the newest `limit`; of those before them this reader hears no more.
        """
        epoch, _, text = cursor.rpartition(".")
        place = _PLACE.fullmatch(text) if epoch == self._epoch else None
        if place is not None and self._reset <= (seen := int(place[1])) <= self._version:
            first = None if place[2] is None else int(place[2])
            missed = seen < self._gone and (first is None or (self._gone_key or 0) >= first)
            keys = [
                key for key, (_, version) in self._rows.items() if version > seen and (first is None or key >= first)
            ]
            if not missed and len(keys) <= limit:
                return self._of(keys), self._cursor(first), False
        newest = list(self._rows)[-limit:]
        cut = len(newest) < len(self._rows)
        return self._of(newest), self._cursor(min(newest) if cut else None), True

    def _of(self, keys: list[int]) -> list[Packed]:
        packed = self._packed
        for key in keys:
            if key not in packed:
                packed[key] = self._pack(self._rows[key][0])
        return [packed[key] for key in keys]

    def _cursor(self, first: int | None) -> str:
        return f"{self._epoch}.{self._version}" + ("" if first is None else f":{first}")
