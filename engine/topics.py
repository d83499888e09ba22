"""What can be read on the socket: state topics as a whole, series topics by what is new."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import msgspec

from engine.data.provider import DataProvider
from engine.data.queries import QUERIES, Queries
from engine.errors import RequestDenied, SettingsInvalid
from engine.ingestion.symbols import full_key
from engine.market.cob import Column
from engine.market.price import Price
from engine.monitor import Monitor
from engine.ports import Entry, Journal, Records
from engine.protocol import Asked, raw
from engine.runtime import Engine
from engine.series import Versions
from engine.snapshot import book_view, cob_view, is_live
from engine.state import MarketState
from engine.trading.past import PAST, past
from engine.trading.shown import TRADING, Shown
from engine.types import MS, Bar, Instrument, Timeframe, Trade
from engine.views import BarRow, HeatRow, MarketRow, PriceView, ReplayView, TradeRow

STATES = ("health", "alerts", "markets", "book", "cob", "replay", *TRADING)
SERIES = ("bars", "trades", "heat", "events")
OF_INSTRUMENT = ("book", "cob", "bars", "trades", "heat", "price", *(each for each in QUERIES if each != "storage"))
ONCE = ("price", *QUERIES, *PAST)
"""Topics that can be asked for, but not subscribed to: they ask others, or read and compute for a while."""


class Topics:
    """Reads an engine for others. Nothing here changes it."""

    def __init__(
        self,
        engine: Engine,
        monitor: Monitor,
        journal: Journal,
        epoch: str,
        replay: Callable[[], ReplayView] | None = None,
        queries: Queries | None = None,
        records: Records | None = None,
    ) -> None:
        """`epoch` marks the cursors of this engine, `replay` tells where it stands in a recording, if it plays one.

        `queries` answers what is asked once; without it, out of this engine's memory alone. `records` are those of
        trading; without them nothing of the past is known.
        """
        self.engine = engine
        self._monitor = monitor
        self._journal = journal
        self._epoch = epoch
        self._replay = replay
        provider = DataProvider(state=lambda: engine.state, now=engine.now)
        self.queries = queries or Queries(provider, lambda: engine.state, engine.now)
        self._records = records
        self._shown = Shown()
        self._series: dict[tuple[str, str, str], Versions[object, msgspec.Raw]] = {}
        self._read: dict[tuple[str, str, str], int] = {}

    def check(self, asked: Asked) -> None:
        """Find out whether a request can be answered.

        Raises:
            RequestDenied: No such topic, instrument or timeframe; the message names the nearest.
        """
        topics = (*STATES, *SERIES, *ONCE)
        if asked.topic not in topics:
            raise RequestDenied("unknown_topic", _unknown("topic", asked.topic, topics))
        if asked.topic == "replay" and self._replay is None:
            raise RequestDenied("not_available", "this engine is live: it has nothing to replay")
        if asked.topic in TRADING and self.engine.state.account is None:
            raise RequestDenied("not_available", "trading is off in this engine: parts.trading = false, --no-trading")
        if asked.topic in PAST:
            self._check_past(asked)
        elif asked.topic in QUERIES:
            self.queries.check(asked)
        elif asked.topic in OF_INSTRUMENT and asked.instrument not in self.engine.state.markets:
            raise RequestDenied(
                "unknown_instrument", _unknown("instrument", asked.instrument, self.engine.state.markets)
            )
        frames = [str(timeframe) for timeframe in self.engine.state.settings.timeframes]
        if asked.topic == "bars" and asked.timeframe not in frames:
            raise RequestDenied("unknown_timeframe", _unknown("timeframe", asked.timeframe, frames))
        if asked.topic in ("cob", "heat") and not self.engine.state.settings.cob.enabled:
            raise RequestDenied("not_available", "the COB is switched off: data_provider.cob.enabled = false")

    def _check_past(self, asked: Asked) -> None:
        if self._records is None:
            raise RequestDenied("not_available", "this engine keeps no records")
        try:
            full_key(asked.instrument or "BTC/USDT")
        except SettingsInvalid as error:
            raise RequestDenied("unknown_instrument", str(error)) from error

    def past(self, asked: Asked) -> bytes:
        """Return rows of the past, packed. Blocks: it reads storage.

        Raises:
            StorageFailed: They cannot be read.
        """
        assert self._records is not None
        found = past(
            self._records,
            asked.topic,
            limit=asked.limit,
            start=None if asked.start_ms is None else asked.start_ms * MS,
            end=None if asked.end_ms is None else asked.end_ms * MS,
            instrument=full_key(asked.instrument) if asked.instrument else "",
        )
        return bytes(raw(found))

    def state(self, asked: Asked) -> object:
        """Return a state topic as a whole."""
        now, account = self.engine.now(), self.engine.state.account
        if asked.topic in TRADING:
            return self._shown.topic(asked.topic, self.engine.state, account, now) if account is not None else None
        match asked.topic:
            case "health":
                return self._monitor.view()
            case "alerts":
                return self._monitor.alerts.all()
            case "markets":
                return [self._row(market, now) for market in self.engine.state.markets.values()]
            case "book":
                return book_view(self.engine.state, asked.instrument, asked.depth, now)
            case "replay":
                return self._replay() if self._replay is not None else None
            case _:
                return cob_view(self.engine.state, asked.instrument, now)

    def price(self, price: Price | None, key: str) -> PriceView:
        """Return a price for people."""
        if price is None:
            return PriceView(instrument=key, price=None, source="unknown", age_ms=None, stale=True)
        return PriceView(
            instrument=key,
            price=self.engine.state.markets[key].instrument.price(price.ticks),
            source=str(price.source),
            age_ms=round(price.age / MS, 1),
            stale=price.stale,
        )

    def entries(self, since: str, limit: int) -> tuple[list[Entry], str, bool]:
        """Return the oldest events after a cursor, the next cursor, and whether some before them cannot be had.

        Without a cursor, or with one that is none of this journal's, they are the newest.
        """
        last = self._journal.last
        known = since.isdecimal() and len(since) <= 15 and int(since) <= last
        after = int(since) if known else max(last - limit, 0)
        found = self._journal.after(after, limit)
        hole = bool(found) and found[0].cursor > after + 1
        return found, str(found[-1].cursor if found else after), not known or hole

    def series(self, asked: Asked) -> Versions[object, msgspec.Raw]:
        """Return a series topic, with the rows of this moment taken in.

        A replay that goes back takes rows back, which is a reset for their readers; the same record has the same rows.
        """
        key = asked.topic, asked.instrument, asked.timeframe if asked.topic == "bars" else ""
        found = self._series.get(key)
        if found is None:
            found = self._series[key] = Versions(self._epoch, partial(self._packed, asked.instrument))
        seq = self.engine.state.seq
        if self._read.get(key) == seq:
            return found
        self._read[key] = seq
        market = self.engine.state.markets[asked.instrument]
        match asked.topic:
            case "bars":
                found.update(_bars(market, Timeframe(asked.timeframe)))
            case "trades":
                found.update((trade.id, trade) for trade in market.tape.trades)
            case _:
                found.update((column.second, column) for column in _columns(market))
        return found

    def _packed(self, key: str, row: object) -> msgspec.Raw:
        """Return a row of a series for people, packed."""
        market = self.engine.state.markets[key]
        if isinstance(row, Bar):
            row = _bar(row, market.instrument, closed=True)
        elif isinstance(row, Column):
            row = _heat(row, market)
        elif isinstance(row, Trade):
            row = _trade(row, market)
        return raw(row)

    def _row(self, market: MarketState, now: int) -> MarketRow:
        instrument, book, ticker, trade = market.instrument, market.sync.book, market.ticker, market.last_trade
        price = instrument.price
        return MarketRow(
            instrument=instrument.key,
            live=is_live(self.engine.state, market, now),
            age_ms=round((now - market.ts_book) / MS, 1) if market.ts_book else None,
            tick=price(instrument.tick),
            best_bid=price(book.best_bid) if book.best_bid else None,
            best_ask=price(book.best_ask) if book.best_ask else None,
            last=price(trade.price) if trade is not None else None,
            last_sell=trade.sell if trade is not None else None,
            change_24h_pct=ticker.change_pct if ticker is not None else None,
            high_24h=price(ticker.high) if ticker is not None else None,
            low_24h=price(ticker.low) if ticker is not None else None,
            volume_24h=instrument.size(ticker.volume) if ticker is not None else None,
            mark=market.mark.mark if market.mark is not None else None,
            funding_rate=market.mark.funding_rate if market.mark is not None else None,
        )


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(name, names, 1, 0.5)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"unknown {what} {name!r}{hint} (known: {', '.join(names) or 'none yet'})"


def _bars(market: MarketState, timeframe: Timeframe) -> Iterator[tuple[int, object]]:
    closed = market.bars.closed[timeframe]
    last = -1
    for bar in closed:
        last = bar.open_ms
        yield last, bar
    running = market.bars.running(timeframe)
    if running is not None and running.open_ms > last:
        yield running.open_ms, _bar(running, market.instrument, closed=False)


def _bar(bar: Bar, instrument: Instrument, *, closed: bool) -> BarRow:
    price: Callable[[float], float] = instrument.price
    return BarRow(
        bar.open_ms,
        price(bar.open),
        price(bar.high),
        price(bar.low),
        price(bar.close),
        instrument.size(bar.volume),
        bar.trades,
        instrument.size(bar.taker_buy),
        closed,
        bar.complete,
        bar.source,
    )


def _trade(trade: Trade, market: MarketState) -> TradeRow:
    instrument = market.instrument
    return TradeRow(
        trade.id,
        trade.ts_exch // MS,
        instrument.price(trade.price),
        instrument.size(trade.size),
        trade.sell,
        market.tape.is_large(trade, instrument),
    )


def _columns(market: MarketState) -> Iterable[Column]:
    return market.cob.columns if market.cob is not None else ()


def _heat(column: Column, market: MarketState) -> HeatRow:
    instrument = market.instrument
    bucket = market.cob.bucket if market.cob is not None else 0
    scale, contract = instrument.size_scale, instrument.contract_size
    if contract:
        # A lot is a contract, worth contract_size quote units; at the bucket's middle price that is so much base asset.
        per_base = [
            instrument.price((column.base + i + 0.5) * bucket) * scale / contract for i in range(len(column.bids))
        ]
        bids = [lots / lots_per_base for lots, lots_per_base in zip(column.bids, per_base, strict=True)]
        asks = [lots / lots_per_base for lots, lots_per_base in zip(column.asks, per_base, strict=True)]
    else:
        bids, asks = [lots / scale for lots in column.bids], [lots / scale for lots in column.asks]
    return HeatRow(
        column.second,
        instrument.price(column.base * bucket),
        instrument.price(bucket),
        instrument.price(column.best_bid),
        instrument.price(column.best_ask),
        tuple(bids),
        tuple(asks),
        column.partial,
    )
