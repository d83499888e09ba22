"""The exchange's clock as one connection tells it, against single wrong stamps and steps of either clock."""

from __future__ import annotations

from engine.types import SECOND

APART = 5 * SECOND
"""A stamp this far from what the last ones lead to expect is doubted."""

AGREED = 10
"""Doubted stamps in a row after which the clock is believed to have been set."""


class ExchangeClock:
    """Exchange time, carried on by our receive stamps between the exchange's own.

    `now` is 0 while it is unknown: at the start, and after a pause so long that our own clock may have been set.
    """

    __slots__ = ("_doubted", "_recv", "now")

    def __init__(self) -> None:
        self.now = 0
        self._recv = 0
        self._doubted = 0

    def tell(self, ts_exch: int, ts_recv: int) -> bool:
        """Take a stamp of sending; return False while it is doubted, True when it is taken."""
        expected = self.now + ts_recv - self._recv
        if self.now and not -APART < ts_exch - expected < APART:
            self._doubted += 1
            if self._doubted < AGREED:
                return False
            self.now = 0
        self._doubted = 0
        self.now = ts_exch if ts_exch > self.now else self.now
        self._recv = ts_recv
        return True

    def carry(self, ts_recv: int) -> None:
        """A sign of life without a stamp came."""
        passed = ts_recv - self._recv
        if self.now:
            if 0 <= passed < 2 * APART:
                self.now += passed
                self._recv = ts_recv
            else:
                self.forget()

    def forget(self) -> None:
        """Know nothing, until the next stamp."""
        self.now = 0
        self._doubted = 0
