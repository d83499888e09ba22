"""Minutes of the COB: mean volumes over the seconds of a minute, in buckets ten times as large (C-15)."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from engine.types import SECOND

FACTOR = 10
"""Buckets of a second in one of a minute."""

SELECT = """
SELECT second, bucket, base, best_bid, best_ask, bids, asks, bid_notional, ask_notional, partial, known_at
FROM cob_1s WHERE instrument_id = ? AND second > ? AND second <= ? ORDER BY second
"""

INSERT = "INSERT OR REPLACE INTO cob_1m VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

_ints = msgspec.json.Decoder(list[int]).decode
_text = msgspec.json.Encoder().encode


class Minutes:
    """Knows which minute each instrument is in; a minute is written when its last second, or a later one, has come."""

    __slots__ = ("_begun", "_due")

    def __init__(self) -> None:
        self._begun: dict[int, int] = {}
        self._due: set[tuple[int, int]] = set()

    def forget(self) -> None:
        """Forget what is not written; the seconds come again."""
        self._due.clear()
        self._begun.clear()

    def recall(self, connection: sqlite3.Connection) -> None:
        """Take up the minutes that an earlier engine began."""
        last = "SELECT id, (SELECT max(second) FROM cob_1s c WHERE c.instrument_id = i.id) FROM instruments i"
        for number, second in connection.execute(last).fetchall():
            if second is not None:
                self.saw(number, second)

    def saw(self, instrument: int, second: int) -> None:
        """A second has come; `second` is its end."""
        end = -(-second // 60) * 60
        begun = self._begun.get(instrument, end)
        if begun < end:
            self._due.add((instrument, begun))
        if second == end:
            self._due.add((instrument, end))
        self._begun[instrument] = max(begun, end)

    def roll(self, connection: sqlite3.Connection) -> None:
        """Write the minutes that are over."""
        for instrument, end in sorted(self._due):
            rows = connection.execute(SELECT, (instrument, end - 60, end)).fetchall()
            if rows:
                connection.execute(INSERT, minute(instrument, end, rows))
        self._due.clear()


def minute(instrument: int, end: int, rows: Sequence[Sequence[int | str]]) -> tuple[object, ...]:
    """Return the row of a minute from those of its seconds.

    Volumes are means over the seconds that there are, rounded to a lot; best prices those of the last one. A bucket is
    partial when a second of it was, or did not hold it whole.
    """
    bucket = int(rows[-1][1])
    alike = [row for row in rows if int(row[1]) == bucket]
    low = min(int(row[2]) for row in alike) // FACTOR
    high = max((int(row[2]) + len(_ints(str(row[5]))) - 1) // FACTOR for row in alike)
    sums = [[0] * (high - low + 1) for _ in range(4)]
    whole = [0] * (high - low + 1)
    for row in alike:
        base = int(row[2])
        partial = _ints(str(row[9]))
        for side, column in zip(sums, row[5:9], strict=True):
            for place, value in enumerate(_ints(str(column)), base):
                side[place // FACTOR - low] += value
        for place, unsure in enumerate(partial, base):
            whole[place // FACTOR - low] += not unsure
    count = len(alike)
    means = [_text([(2 * value + count) // (2 * count) for value in side]).decode() for side in sums]
    doubtful = _text([int(seen < FACTOR * count) for seen in whole]).decode()
    known_at = max(end * SECOND, *(int(row[10]) for row in alike))
    return (instrument, end, bucket * FACTOR, low, rows[-1][3], rows[-1][4], *means, doubtful, count, known_at)
