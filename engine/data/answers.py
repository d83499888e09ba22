"""What the data provider is asked with, and what it answers with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from operator import index
from typing import SupportsIndex, TypeAlias

import msgspec

from engine.data.archive import StoredBook, StoredColumn
from engine.errors import SettingsInvalid
from engine.latency import Latency
from engine.market.inputs import ModelInput
from engine.ohlcv import OHLCV
from engine.types import SECOND, Timeframe, Trade
from engine.views import ReadsView

Time: TypeAlias = datetime | SupportsIndex | str | None
"""UTC ns, a datetime with a zone, its ISO text, or the present: None or "latest"."""

LATEST = 2**63 - 1
"""The last time that stamps can tell, UTC ns: in the year 2262."""


def moment(time: Time) -> int | None:
    """Return a time as UTC ns, down to the whole second; None for the present.

    Raises:
        SettingsInvalid: It is no time, has no zone, or lies outside 1970 to 2262.
    """
    if time is None or time == "latest":
        return None
    if isinstance(time, str):
        try:
            time = datetime.fromisoformat(time)
        except ValueError as error:
            raise SettingsInvalid(f"{time!r} is no time; as in 2024-08-09T00:00:00Z") from error
    if isinstance(time, datetime):
        if time.tzinfo is None:
            raise SettingsInvalid(f"{time.isoformat()} has no time zone; times are UTC")
        stamp = (time - _BEGIN) // _ONE * SECOND
    else:
        try:
            stamp = index(time)  # a number of numpy is none for the database, which then leaves nothing out
        except TypeError as error:
            raise SettingsInvalid(f"{time!r} is no time; as in 2024-08-09T00:00:00Z, or UTC ns") from error
    if not 0 <= stamp <= LATEST:
        raise SettingsInvalid(f"{time!s} is not between 1970 and 2262")
    return stamp // SECOND * SECOND


_BEGIN, _ONE = datetime(1970, 1, 1, tzinfo=UTC), timedelta(seconds=1)


class Context(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What lies round a time, on both sides of it: for people and labels, never part of an input.

    `candles` by timeframe, `columns` COB seconds, `trades`; [start, end] UTC ns.
    """

    start: int
    end: int
    candles: dict[Timeframe, OHLCV]
    columns: tuple[StoredColumn, ...]
    trades: tuple[Trade, ...]


class InferenceData(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The input of models at `as_of` (UTC ns, a whole second), or None and the reason why there is none.

    `age_s` is how much older the newest bar in it is than the time asked for; `source` cache or database.
    """

    symbol: str
    as_of: int
    input: ModelInput | None
    source: str
    query_latency_ms: float
    age_s: float = 0.0
    reason: str = ""
    warnings: tuple[str, ...] = ()
    context: Context | None = None


class TimeframesData(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Closed bars of several timeframes as known at one time, and as `InferenceData`."""

    symbol: str
    as_of: int
    candles: dict[Timeframe, OHLCV]
    source: str
    query_latency_ms: float
    reason: str = ""


class OrderBookData(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The book as known at a time, newest last: `books` of `raw`, else `columns` with their imbalance averages."""

    symbol: str
    as_of: int
    aggregation: str
    books: tuple[StoredBook, ...]
    columns: tuple[StoredColumn, ...]
    source: str
    query_latency_ms: float
    reason: str = ""


class Reads:
    """How questions of one kind went: how long they took, and how many memory had the answer to."""

    __slots__ = ("hits", "latency", "misses")

    def __init__(self) -> None:
        self.hits = self.misses = 0
        self.latency = Latency()

    def view(self, name: str) -> ReadsView:
        """Return the figures."""
        taken = self.latency.view()
        return ReadsView(
            name=name,
            count=taken.samples,
            hits=self.hits,
            misses=self.misses,
            p50_ms=taken.p50_ms,
            p95_ms=taken.p95_ms,
            p99_ms=taken.p99_ms,
        )
