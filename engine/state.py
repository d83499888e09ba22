"""All state of the engine: plain values with one owner, changed by `core.step` alone."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import TYPE_CHECKING

from engine.errors import SettingsInvalid
from engine.market.bars import Bars
from engine.market.cob import Cob, nice_bucket
from engine.market.flow import Tape
from engine.market.frames import Frames
from engine.market.price import Price, PriceSource, choose
from engine.market.profile import VolumeProfile
from engine.market.raw import RawUpdates
from engine.market.stamps import ExchangeClock
from engine.market.sync import BookSync
from engine.orders import Rules
from engine.settings import MarketSettings
from engine.types import MS, SECOND, Instrument, MarkPrice, Quote, Ticker, Timeframe, Trade

if TYPE_CHECKING:
    from engine.execution.account import Account

DEEPER_PAUSE = 30 * SECOND
"""Least time between two requests for a deeper snapshot; it doubles while they do not help, up to 20 times."""


class Counters:
    """What happened to one instrument since the start."""

    __slots__ = (
        "candles",
        "crossed",
        "depth_updates",
        "duplicate_trades",
        "excluded_trades",
        "failures",
        "implausible_trades",
        "marks",
        "prices",
        "quotes",
        "snapshots",
        "tickers",
        "trade_gaps",
        "trades",
    )

    def __init__(self) -> None:
        for name in self.__slots__:
            setattr(self, name, 0)

    candles: int
    crossed: int
    depth_updates: int
    duplicate_trades: int
    excluded_trades: int
    failures: int
    implausible_trades: int
    marks: int
    prices: int
    quotes: int
    snapshots: int
    tickers: int
    trade_gaps: int
    trades: int

    def values(self) -> dict[str, int]:
        """Return all counts by name."""
        return {name: getattr(self, name) for name in self.__slots__}


class SourceState:
    """One connection as the core knows it.

    `last_frame` is the stamp of its last message; `clock` also heeds pongs. `covered`: its instruments were told where
    their coverage begins. `reason` says why it was lost.
    """

    __slots__ = ("clock", "covered", "last_frame", "lost", "name", "reason", "up")

    def __init__(self, name: str) -> None:
        self.name = name
        self.clock = ExchangeClock()
        self.up = False
        self.lost = False
        self.covered = False
        self.last_frame = 0
        self.reason = "not connected yet"


class MarketState:
    """One instrument: book, bars, COB, tape, latest quotes."""

    __slots__ = (
        "aggregate",
        "asked_bars",
        "asked_deeper",
        "asked_snapshot",
        "band",
        "bars",
        "book_source",
        "bucket",
        "cob",
        "compared",
        "counters",
        "deeper_pause",
        "failed",
        "failed_at",
        "frames",
        "fresh",
        "gaps",
        "instrument",
        "last_trade",
        "mark",
        "missing_trades",
        "offset",
        "offsets",
        "profile",
        "quote",
        "raw",
        "rest_price",
        "rules",
        "settings",
        "stamp_book",
        "strays",
        "suspects",
        "sync",
        "tape",
        "ticker",
        "trade_id",
        "trade_source",
        "ts_book",
        "ts_quote",
        "ts_ticker",
        "ts_trade",
    )

    def __init__(
        self,
        instrument: Instrument,
        settings: MarketSettings,
        *,
        book_source: str,
        trade_source: str,
        aggregate: bool,
    ) -> None:
        self.instrument = instrument
        self.settings = settings
        self.book_source = book_source
        self.trade_source = trade_source
        self.aggregate = aggregate
        self.sync = BookSync()
        self.bars = Bars(settings.cache.candles_per_timeframe)
        self.frames = Frames(instrument, settings.cache.candles_per_timeframe)
        self.cob: Cob | None = None
        self.bucket, self.band = self._configured()
        self.tape = Tape(settings.large_trade)
        self.profile: VolumeProfile | None = None
        self.counters = Counters()
        self.raw = RawUpdates()
        self.quote: Quote | None = None
        self.ticker: Ticker | None = None
        self.mark: MarkPrice | None = None
        self.last_trade: Trade | None = None
        self.rest_price: tuple[int, int] | None = None
        self.rules: Rules | None = None
        """What the venue lets orders be, where it has told."""
        self.stamp_book = 0
        """Exchange time of the book's last message, ns."""
        self.ts_book = self.ts_quote = self.ts_ticker = self.ts_trade = 0
        self.trade_id = -1
        self.fresh: list[Trade] = []
        """Trades since what is to be kept was last told."""
        self.missing_trades: set[int] = set()
        self.offsets: deque[int] = deque(maxlen=63)
        self.offset: int | None = None
        self.suspects = 0
        self.strays = 0
        self.asked_snapshot = False
        self.asked_deeper = 0
        self.deeper_pause = DEEPER_PAUSE
        self.asked_bars: dict[Timeframe, tuple[int, int, int, int]] = {}
        """Bars that healing asks for: opens of first and last (ms), how often, and when again (s)."""
        self.compared: dict[Timeframe, int] = {}
        """Opening time of the newest candle heard of from elsewhere, ms."""
        self.gaps: dict[Timeframe, list[tuple[int, int]]] = {}
        """Stretches of bars that are missing or not complete: opens of first and last, ms."""
        self.failed = ""
        self.failed_at = 0

    def _configured(self) -> tuple[int | None, int | None]:
        """Return bucket size and band width in ticks, None where the settings say nothing.

        Raises:
            SettingsInvalid: They do not fit the instrument.
        """
        instrument = self.instrument
        name = f"{instrument.base}/{instrument.quote}"
        cob = self.settings.cob
        size, width = cob.bucket_sizes.get(name), cob.price_ranges.get(name)
        return (
            None if size is None else in_ticks(size, instrument, "bucket size"),
            None if width is None else in_ticks(width, instrument, "imbalance range"),
        )

    def open_cob(self) -> Cob | None:
        """Return the COB, made when the first live book tells the price level; None where none is wanted."""
        if self.cob is None and self.settings.cob.enabled:
            book = self.sync.book
            bucket = self.bucket or nice_bucket((book.best_bid + book.best_ask) / 2, self.instrument.tick)
            self.cob = Cob(bucket, max(self.band // bucket, 1) if self.band else 5)
            self.cob.rebuild(book)
        return self.cob

    def count_volume(self, trade: Trade) -> None:
        """Count a trade in the volume by price of its day, which the first trade begins."""
        if self.profile is None:
            bucket = self.bucket or nice_bucket(trade.price, self.instrument.tick)
            self.profile = VolumeProfile(bucket, trade.ts_exch // MS)
        self.profile.take(trade)

    def price(self, now: int) -> Price | None:
        """Return the best price there is at `now` (engine clock, ns), with source and age."""
        known: list[tuple[PriceSource, float, int]] = []
        book = self.sync.book
        if self.sync.live and book.best_bid and book.best_ask:
            known.append((PriceSource.BOOK, (book.best_bid + book.best_ask) / 2, self.ts_book))
        if self.last_trade is not None:
            known.append((PriceSource.TRADE, self.last_trade.price, self.ts_trade))
        if self.ticker is not None:
            known.append((PriceSource.TICKER, self.ticker.last, self.ts_ticker))
        if self.rest_price is not None:
            known.append((PriceSource.REST, *self.rest_price))
        return choose(self.instrument.key, known, now)

    def state(self) -> list[object]:
        """Return the content that the state hash covers, in canonical order."""
        book = self.sync.book
        bars = self.bars
        return [
            self.instrument,
            self.counters.values(),
            [self.quote, self.ticker, self.mark, self.rest_price],
            [str(self.sync.state), self.sync.gaps, self.sync.resyncs, self.sync.low, self.sync.high],
            [book.update_id, sorted(book.bids.items()), sorted(book.asks.items())],
            [[list(bars.closed[timeframe]), bars.running(timeframe)] for timeframe in Timeframe],
            [bars.revisions, bars.unplaced, self.trade_id, self.offset],
            self.cob.state() if self.cob is not None else None,
            self.frames.state(),
        ]


class EngineState:
    """Everything.

    `tenth` is the number of the last timer boundary passed, in tenths of a second since 1970; `connections` counts what
    was heard of connections.
    """

    __slots__ = ("account", "connections", "markets", "seq", "settings", "sources", "tenth", "ts_recv")

    def __init__(self, settings: MarketSettings | None = None, account: Account | None = None) -> None:
        """`account` is what trades; without one nothing does."""
        self.account = account
        self.settings = settings or MarketSettings()
        self.markets: dict[str, MarketState] = {}
        self.sources: dict[str, SourceState] = {}
        self.seq = 0
        self.ts_recv = 0
        self.tenth = 0
        self.connections = 0

    def source(self, name: str) -> SourceState:
        """Return a connection by name, known or not yet."""
        source = self.sources.get(name)
        if source is None:
            source = self.sources[name] = SourceState(name)
        return source

    def add(self, market: MarketState) -> None:
        """Follow an instrument."""
        self.markets[market.instrument.key] = market


def in_ticks(amount: str | float, instrument: Instrument, what: str) -> int:
    """Return an amount of quote units as ticks.

    Raises:
        SettingsInvalid: Not positive, not a number, or not a multiple of the instrument's price step.
    """
    try:
        ticks = Decimal(str(amount)) * instrument.price_scale
    except ArithmeticError as error:
        raise SettingsInvalid(f"{what} {amount!r} of {instrument.key} is not a number") from error
    if not ticks.is_finite() or ticks <= 0 or ticks % instrument.tick:
        raise SettingsInvalid(
            f"{what} {amount} of {instrument.key} is not a positive multiple of its price step "
            f"{instrument.price(instrument.tick)}"
        )
    return int(ticks)
