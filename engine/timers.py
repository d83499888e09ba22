"""Where timers stand among the records: one rule for the live engine and for replays."""

from __future__ import annotations

from collections.abc import Iterator

from engine.types import SECOND

TENTH = SECOND // 10
"""Distance of two timer boundaries."""

LONGEST_SILENCE = 60 * SECOND
"""A longer time without records is crossed in one step: every feed is stale by then and timers change nothing."""


class Timers:
    """Boundaries are multiples of 100 ms; each stands before the first record that is later than it."""

    __slots__ = ("next",)

    def __init__(self) -> None:
        self.next = 0

    def before(self, stamp: int) -> Iterator[int]:
        """Yield the boundaries to be passed before a record received at `stamp`."""
        following = (stamp - 1) // TENTH * TENTH + TENTH
        if not self.next:
            self.next = following
        crossing = stamp - self.next > LONGEST_SILENCE
        end = self.next + LONGEST_SILENCE // 2 if crossing else stamp
        while self.next < end:
            boundary, self.next = self.next, self.next + TENTH
            yield boundary
        self.next = following
