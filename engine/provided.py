"""What the data provider answers with."""

from __future__ import annotations

import msgspec

from engine.archive import StoredBook, StoredColumn
from engine.market.inputs import ModelInput
from engine.ohlcv import OHLCV
from engine.types import Timeframe, Trade


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
