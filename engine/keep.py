"""What of an instrument is to be kept: everything that became known within one second, as one command.

The core says what; who keeps it, and whether anybody does, is the shell's affair.
"""

from __future__ import annotations

import msgspec

from engine.market.cob import Averages, Column
from engine.types import Bar, Instrument, Level, PivotPoint, Timeframe, Trade


class BookKept(msgspec.Struct, frozen=True, kw_only=True):
    """The best levels of a book, best first, in ticks and lots; `sequence` is the venue's update id."""

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    sequence: int


class Keep(msgspec.Struct, frozen=True, kw_only=True):
    """News of one instrument since the last one.

    `known_at` is the boundary (UTC ns, a whole second) at which all of it was known. `bars` are closed bars that are
    new or have changed; those in `withdrawn` (timeframe, open_ms) are no longer believed. `trades` are in the order in
    which they came. `column` is the COB's column of that second and `averages` the imbalance of its band (`band` is
    the band's half-width in ticks), both only while the book is live. `book` comes once a minute. `pivots` are those
    confirmed since.
    """

    instrument: Instrument
    known_at: int
    bars: tuple[tuple[Timeframe, Bar], ...] = ()
    withdrawn: tuple[tuple[Timeframe, int], ...] = ()
    trades: tuple[Trade, ...] = ()
    column: Column | None = None
    bucket: int = 0
    band: int = 0
    averages: tuple[Averages, ...] = ()
    book: BookKept | None = None
    pivots: tuple[PivotPoint, ...] = ()
