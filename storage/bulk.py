"""Rows of the market that wait for the writer: in their order, and bounded, whatever the database says."""

from __future__ import annotations

import time
from collections import deque

import msgspec

from engine.keep import Keep
from storage.ingest import size

BATCH = 20_000
"""Rows of one bulk transaction at most, so that the journal lane waits a fraction of a second for it."""

AGAIN_S = 1.0
"""Pause before an opening or a write that failed is tried again; it doubles."""

RETRY_MOST_S = 60.0

AHEAD_S = 0.5
"""Bulk rows are written so long before their time is over, so that they are on disk by then."""


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How the bulk lane is written: at so many rows or after so many seconds; at most so many rows wait."""

    rows: int = 100
    seconds: float = 5.0
    most_waiting: int = 500_000


class Bulk:
    """The rows that are not on disk yet, and when they are to be written.

    `count` rows wait; `lost` were dropped because too many did. `pause` (s) lies between two tries while the database
    refuses, else it is 0.
    """

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.count = self.lost = 0
        self.pause = 0.0
        self.again = 0.0
        """Before then (monotonic, s) nothing is tried."""
        self._wait = max(pace.seconds - AHEAD_S, pace.seconds / 2)
        self._keeps: deque[Keep] = deque()
        self._since = 0.0

    def put(self, keep: Keep) -> bool:
        """Take the news of one instrument; tell whether there are enough rows to be written."""
        if not self._keeps:
            self._since = time.monotonic()
        self._keeps.append(keep)
        self.count += size(keep)
        while self.count > self.pace.most_waiting and len(self._keeps) > 1:
            dropped = size(self._keeps.popleft())
            self.count -= dropped
            self.lost += dropped
        return self.count >= self.pace.rows

    def hurry(self) -> None:
        """Have what waits be due."""
        self._since = 0.0

    def due(self) -> bool:
        """Tell whether rows are to be written now."""
        now = time.monotonic()
        ready = self.count >= self.pace.rows or now - self._since >= self._wait
        return bool(self._keeps) and ready and now >= self.again

    def due_in(self) -> float:
        """Return the seconds until rows are due by their age."""
        if not self._keeps:
            return self.pace.seconds
        return max(0.0, max(self._since + self._wait, self.again) - time.monotonic())

    def take(self) -> tuple[list[Keep], int]:
        """Take out the oldest rows, before anything is awaited: what comes meanwhile goes behind them."""
        batch, rows = [], 0
        while self._keeps and rows < BATCH:
            keep = self._keeps.popleft()
            batch.append(keep)
            rows += size(keep)
        self.count -= rows
        return batch, rows

    def put_back(self, batch: list[Keep], rows: int) -> None:
        """Take back what the database refused; it is tried again after a longer pause each time."""
        self._keeps.extendleft(reversed(batch))
        self.count += rows
        self.pause = min(2 * self.pause, RETRY_MOST_S) if self.pause else AGAIN_S
        self.again = time.monotonic() + self.pause

    def written(self) -> None:
        """Note that the database has taken what was taken out."""
        self.go_on()
        self._since = time.monotonic()

    def go_on(self) -> None:
        """Wait for nothing any more: the database was opened, or has taken rows."""
        self.pause = self.again = 0.0
