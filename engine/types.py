"""The vocabulary: units, instruments, events, commands and the record that carries an event along the path.

Prices and sizes are integers: `Ticks` count 10**-price_decimals of the quote asset, `Lots` count
10**-size_decimals of the base asset (of contracts, on inverse markets). Times are UTC nanoseconds.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NewType, TypeAlias

import msgspec

from engine.operator import TradingEvent
from engine.orders import Rules, TradingCommand

Ticks = NewType("Ticks", int)
Lots = NewType("Lots", int)
Nanos = NewType("Nanos", int)

Level: TypeAlias = tuple[int, int]
"""(price in ticks, size in lots); a size of zero removes the level."""

MS = 1_000_000
"""Nanoseconds in a millisecond."""

SECOND = 1_000_000_000
"""Nanoseconds in a second."""

DAY = 86_400 * SECOND
"""Nanoseconds in a day."""

DAY_MS = 86_400_000
"""Milliseconds in a day."""


class Timeframe(StrEnum):
    """Bar lengths, shortest first; each is a whole number of the one before it."""

    S1 = "1s"
    M1 = "1m"
    M5 = "5m"
    M15 = "15m"
    H1 = "1h"
    H4 = "4h"
    D1 = "1d"

    @property
    def seconds(self) -> int:
        """Length in seconds."""
        return TIMEFRAME_SECONDS[self]


TIMEFRAME_SECONDS: dict[Timeframe, int] = {
    Timeframe.S1: 1,
    Timeframe.M1: 60,
    Timeframe.M5: 300,
    Timeframe.M15: 900,
    Timeframe.H1: 3600,
    Timeframe.H4: 14_400,
    Timeframe.D1: 86_400,
}


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """What is traded where, and the scales of its integers.

    `key` is `venue:BASE/QUOTE[:SETTLE]` (ccxt's unified symbol). `tick` is the venue's price step in units of
    10**-price_decimals (1 almost everywhere). `contract_size` is the quote value of one contract on inverse
    markets, in whole quote units, and 0 on linear ones, whose sizes are in base asset.
    """

    key: str
    venue: str
    symbol: str
    base: str
    quote: str
    price_decimals: int
    size_decimals: int
    tick: int = 1
    contract_size: int = 0

    @property
    def price_scale(self) -> int:
        """Ticks in one unit of the quote asset."""
        return int(10**self.price_decimals)

    @property
    def size_scale(self) -> int:
        """Lots in one unit of the base asset (one contract)."""
        return int(10**self.size_decimals)

    def price(self, ticks: float) -> float:
        """Return a price for people, in quote units."""
        return ticks / self.price_scale

    def size(self, lots: float) -> float:
        """Return a size for people, in base units (contracts on inverse markets)."""
        return lots / self.size_scale


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One closed or running candle of one timeframe, in ticks and lots.

    Units: `open_ms` UTC milliseconds; `volume`, `taker_buy` lots; `quote_volume` ticks x lots; -1 in `trades`,
    `taker_buy`, `quote_volume` where the source does not tell; `first_id`, `last_id` venue trade ids that fix open and
    close, -1 when unknown. `complete` is False where the feed did not cover the whole interval. `source` is one of
    `ohlcv.SOURCES`: `trades`, `venue` (its own candle), `mixed` (built here, partly from candles of the venue), ...
    """

    open_ms: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    trades: int
    taker_buy: int
    quote_volume: int
    first_id: int = -1
    last_id: int = -1
    complete: bool = True
    source: str = "trades"


class PivotPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One swing of the market structure, as it was confirmed; a log of them only ever grows.

    Units: `ts_ms` opening time of the bar that turned, `confirmed_ms` end of the bar that confirmed it, UTC ms;
    `price` in quote units; `level` 1 to 5. `known_at` UTC ns: nobody could use it before.
    """

    timeframe: Timeframe
    level: int
    high: bool
    ts_ms: int
    price: float
    confirmed_ms: int
    known_at: int


# Events: facts, in the past tense. ------------------------------------------------------------------------------


class BookDelta(msgspec.Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """Levels that changed since the previous message; sizes are absolute, zero removes.

    `prev_id` is the update id that the venue says came before (futures `pu`), -1 where it does not say (spot).
    """

    instrument: str
    first_id: int
    last_id: int
    prev_id: int
    ts_exch: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class BookSnapshot(msgspec.Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """The best levels of a book as of `last_id`, best first."""

    instrument: str
    last_id: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    ts_exch: int = 0


class Trade(msgspec.Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """One trade, or one aggregate of `count` trades of a taker order at one price.

    `ts_exch` is the trade time T, `ts_sent` the stamp of sending E. `sell` is True when the taker sold.
    `regular` is False for insurance-fund and auto-deleveraging trades, which stay out of bars.
    """

    instrument: str
    id: int
    price: int
    size: int
    ts_exch: int
    ts_sent: int
    sell: bool
    aggregate: bool = False
    count: int = 1
    regular: bool = True


class Quote(msgspec.Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """The venue's own best bid and ask as of its book update `update_id`; `ts_exch` 0 where not sent (spot)."""

    instrument: str
    update_id: int
    bid: int
    bid_size: int
    ask: int
    ask_size: int
    ts_exch: int = 0


class Ticker(msgspec.Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """Rolling 24 h statistics: prices in ticks, volume in lots, change in per cent."""

    instrument: str
    ts_exch: int
    last: int
    open: int
    high: int
    low: int
    volume: int
    trades: int
    change_pct: float


class MarkPrice(msgspec.Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """Mark and index price (quote units; finer than the tick) and the funding rate due at `next_funding`."""

    instrument: str
    ts_exch: int
    mark: float
    index: float | None
    funding_rate: float | None
    next_funding: int


class BarsLoaded(msgspec.Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """Closed candles that the venue, storage or a venue that stands in gave on request, oldest first."""

    instrument: str
    timeframe: Timeframe
    bars: tuple[Bar, ...]


class PivotsLoaded(msgspec.Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """The market structure of a timeframe as storage knows it: its state after all stored bars, and the newest pivots.

    `state` is opaque here (`market.pivots` reads it); it has seen every bar that opened up to `until_ms`.
    """

    instrument: str
    timeframe: Timeframe
    until_ms: int
    state: bytes
    pivots: tuple[PivotPoint, ...]


class PriceReported(msgspec.Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """The last price that the venue gave on request."""

    instrument: str
    price: int


class InstrumentListed(msgspec.Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """An instrument with the scales in force from here on; `trade_stream` feeds its bars ("": the venue's usual).

    `rules`: what the venue lets orders be, where it has told.
    """

    instrument: Instrument
    trade_stream: str = ""
    rules: Rules | None = None


class FeedUp(msgspec.Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """A connection is open; its streams follow. `rotated`: it replaces one that goes on until now, nothing was lost."""

    source: str
    rotated: bool = False


class FeedLost(msgspec.Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """A connection is gone, with all its streams."""

    source: str
    reason: str


class FeedAlive(msgspec.Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """A silent connection answered a ping: silence means that nothing happened."""

    source: str


class TimerFired(msgspec.Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """A boundary of the engine's clock was passed; `boundary` is a multiple of 100 ms."""

    boundary: int


Event: TypeAlias = (
    BookDelta
    | BookSnapshot
    | Trade
    | Quote
    | Ticker
    | MarkPrice
    | BarsLoaded
    | PivotsLoaded
    | PriceReported
    | InstrumentListed
    | FeedUp
    | FeedLost
    | FeedAlive
    | TimerFired
    | TradingEvent
)


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event with its place on the path.

    `seq` counts records as they leave the queue. `ts_recv` is the strictly increasing receive stamp. `source` names
    the connection. `frame` is the raw message, empty for events that the engine made.
    """

    seq: int
    ts_recv: int
    source: str
    event: Event
    frame: bytes = b""


# Commands: orders to the shell, in the imperative. --------------------------------------------------------------


class FetchSnapshot(msgspec.Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """Ask the venue for a depth snapshot; `deeper` when a live book's known range grows too small."""

    instrument: str
    deeper: bool = False


class FetchBars(msgspec.Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """Ask for the candles that open in [start_ms, end_ms], wherever they can be had.

    `compare`: only the venue's own are wanted, to hold those against them that were built here.
    """

    instrument: str
    timeframe: Timeframe
    start_ms: int
    end_ms: int
    compare: bool = False


Command: TypeAlias = FetchSnapshot | FetchBars | TradingCommand
