"""The exchange's clock as one connection tells it, against single wrong stamps and steps of either clock."""

from __future__ import annotations

from enum import IntEnum

from engine.types import SECOND

APART = 5 * SECOND
"""A stamp this far from what the last ones lead to expect is doubted."""

AGREED = 10
"""Doubted stamps in a row after which the clock is believed to have been set."""

CARRIED = 3 * SECOND
"""Longest time between two signs of life over which our own clock is trusted; pings come every two seconds."""


class Told(IntEnum):
    """What became of a stamp."""

    DOUBTED = 0
    TAKEN = 1
    SET = 2


class ExchangeClock:
    """Exchange time, carried on by our receive stamps between the exchange's own.

    `now` is 0 while it is unknown: at the start, and after a pause so long that our own clock may have been set.
    """

    __slots__ = ("_doubted", "_recv", "now")

    def __init__(self) -> None:
        self.now = 0
        self._recv = 0
        self._doubted = 0

    def tell(self, ts_exch: int, ts_recv: int) -> Told:
        """Take a stamp of sending, received at `ts_recv`; SET when it makes the clock begin anew."""
        told = Told.TAKEN
        if self.now:
            ahead = ts_exch - self.now - (ts_recv - self._recv)
            if not -APART < ahead < APART:
                self._doubted += 1
                if self._doubted < AGREED:
                    return Told.DOUBTED
                self.now = 0
                told = Told.SET
        self._doubted = 0
        self.now = ts_exch
        self._recv = ts_recv
        return told

    def carry(self, ts_recv: int) -> None:
        """A sign of life without a stamp came."""
        if self.now:
            passed = ts_recv - self._recv
            if 0 <= passed < CARRIED:
                self.now += passed
                self._recv = ts_recv
            else:
                self.forget()

    def forget(self) -> None:
        """Know nothing, until the next stamp."""
        self.now = 0
        self._doubted = 0
