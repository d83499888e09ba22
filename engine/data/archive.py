"""Storage as the engine sees it: who keeps what becomes known, and who reads it again."""

from __future__ import annotations

from typing import Protocol

import msgspec

from engine.keep import Keep
from engine.market.cob import Averages, Column
from engine.ohlcv import OHLCV
from engine.types import Instrument, PivotPoint, Timeframe, Trade
from engine.views import SpanView


class Store(Protocol):
    """Takes what is to be kept; never blocks, never raises."""

    def put(self, keep: Keep) -> None:
        """Take the news of one instrument; they are on disk a few seconds later."""


class StoredBook(msgspec.Struct, frozen=True, kw_only=True):
    """A stored book: levels (price in quote units, size in base asset), best first; stamps UTC ns."""

    ts: int
    known_at: int
    bids: tuple[tuple[float, float], ...]
    asks: tuple[tuple[float, float], ...]
    sequence: int


class StoredColumn(msgspec.Struct, frozen=True, kw_only=True):
    """A stored second of the COB with the imbalance averages of its band; `bucket` is the bucket size in ticks."""

    column: Column
    bucket: int
    averages: tuple[Averages, ...]
    known_at: int


class Archive(Protocol):
    """Reads what is stored. Calls block (they read a disk): the engine makes them in a thread. Safe in any thread.

    Everywhere `known_at` (UTC ns) leaves out what was not known by then; None takes everything.

    Raises:
        StorageFailed: The database cannot be read; the message says why and what to do.
    """

    def instrument(self, key: str) -> Instrument | None:
        """Return the scales last stored for an instrument; None if it is not known or came without scales."""

    def candles(
        self,
        instrument: str,
        timeframe: Timeframe,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int | None = None,
        known_at: int | None = None,
    ) -> OHLCV:
        """Return the newest `limit` candles that open in [start_ms, end_ms), of each time the best source's.

        Complete ones go before incomplete ones, then the order of `SOURCES` decides; cold files are read, too.
        """

    def bounds(self, instrument: str, timeframe: Timeframe) -> tuple[int, int] | None:
        """Return the opening times of the first and the last stored candle, UTC ms, or None."""

    def gaps(self, instrument: str, timeframe: Timeframe, start_ms: int, end_ms: int) -> tuple[SpanView, ...]:
        """Return the stretches without a candle between the first and last stored one inside [start_ms, end_ms)."""

    def trades(
        self, instrument: str, *, start: int, end: int, limit: int | None = None, known_at: int | None = None
    ) -> list[Trade]:
        """Return trades with start <= trade time < end (UTC ns) by their ids, the newest `limit` at most."""

    def columns(self, instrument: str, *, start_s: int, end_s: int, known_at: int | None = None) -> list[StoredColumn]:
        """Return the COB seconds in [start_s, end_s], oldest first."""

    def minutes(self, instrument: str, *, start_s: int, end_s: int, known_at: int | None = None) -> list[StoredColumn]:
        """Return the COB minutes that end in [start_s, end_s]: mean volumes in buckets ten times as large."""

    def books(self, instrument: str, *, start: int, end: int, known_at: int | None = None) -> list[StoredBook]:
        """Return the stored books (top 50, one a minute) of [start, end], UTC ns, oldest first."""

    def pivots(
        self, instrument: str, timeframe: Timeframe, *, per_level: int, known_at: int | None = None
    ) -> list[PivotPoint]:
        """Return the newest `per_level` confirmed pivots of each level, in order of confirmation."""

    def pivot_state(self, instrument: str, timeframe: Timeframe) -> tuple[int, bytes] | None:
        """Return the market structure's saved state and the opening time of the last bar it has seen, or None."""
