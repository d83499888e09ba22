"""The functional core: `step(state, record)` applies one record and returns what the shell should do.

Nothing here awaits, reads a clock, or draws lots: the same records give the same state and the same commands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.ingestion.markets import MARKETS
from engine.keep import Keep
from engine.maintenance import SETTLED_MS, history, note_loaded
from engine.market.stamps import Told
from engine.market.sync import Step
from engine.state import EngineState, MarketState, SourceState
from engine.timers import TENTH
from engine.trading import path
from engine.types import (
    MS,
    SECOND,
    TIMEFRAME_SECONDS,
    BarsLoaded,
    BookDelta,
    BookSnapshot,
    Command,
    FeedAlive,
    FeedLost,
    FeedUp,
    FetchSnapshot,
    InstrumentListed,
    MarkPrice,
    PivotsLoaded,
    PriceReported,
    Quote,
    Record,
    Ticker,
    TimerFired,
    Trade,
)
from engine.upkeep import FAIL_PAUSE, tend

AHEAD = 5 * SECOND
"""A trade time this far ahead of the exchange's clock is damage, unless ten in a row agree."""

BEHIND = 3600 * SECOND
"""The same for a trade time behind it; what is less late revises its bar."""

FAR_ID = 10_000_000
"""A trade id this far ahead of the last is damage, unless ten in a row agree."""

STRAYS = 10
"""Implausible trades in a row that are believed after all, and known ids on newer trades that show a restart of ids."""

LATE_TRADES = 1000
"""Missing trade ids of the last hole that are still taken when they come late."""

UNSURE_MS = 30_000
"""`SETTLED_MS` while the offset between our clock and the exchange's is not known yet."""

Commands = tuple[Command | Keep, ...]
_NOTHING: Commands = ()

CONTROL = "control"
"""Source of records that go before those that wait: their stamp is later than that of records which come after them."""


def step(state: EngineState, record: Record) -> Commands:
    """Apply one record.

    A record of one instrument that fails (our bug) stops that instrument's book until it is synchronised again, and
    nothing else. Where trading fails, no new risk is taken, and the market goes on.
    """
    account = state.account
    if account is None:
        return _step(state, record)
    paper, event, market = account.paper, record.event, _NOTHING
    kind = type(event)
    if kind in _QUIET and (paper is None or record.ts_recv <= paper.due):
        return _step(state, record)
    commands: path.Commands = []
    try:
        if paper is not None and paper.due < record.ts_recv and record.source != CONTROL:
            commands = path.due(state, account, record.ts_recv)
    except Exception as error:  # noqa: BLE001 - see above
        commands = path.failed(state, account, record, error)
    if kind not in path.TRADING:
        market = _step(state, record)
    try:
        if kind in path.TRADING:
            state.seq = record.seq
            commands += path.apply(state, account, record, event)  # type: ignore[arg-type]
        elif kind is TimerFired:
            commands += path.timer(state, account, event)  # type: ignore[arg-type]
        elif kind in _OF_BOOK:
            key = event.instrument  # type: ignore[union-attr]
            if (paper is not None and key in paper.watched) or (kind is Trade and account.protections):
                commands += path.market(state, account, record)
        elif kind is FeedLost and paper is not None:
            commands += path.lost(state, account, record)
    except Exception as error:  # noqa: BLE001 - see above
        commands += path.failed(state, account, record, error)
    return (*market, *commands) if commands else market


def _step(state: EngineState, record: Record) -> Commands:
    event = record.event
    state.seq = record.seq
    state.ts_recv = record.ts_recv
    apply = _OF_MARKET.get(type(event))
    if apply is None:
        of_engine = _OF_ENGINE.get(type(event))
        return of_engine(state, record, event) if of_engine is not None else _NOTHING  # of trading, which is off
    market = state.markets.get(event.instrument)  # type: ignore[union-attr, arg-type]
    if market is None:
        return _NOTHING
    source = state.sources.get(record.source) or state.source(record.source)
    source.last_frame = record.ts_recv
    source.up = True
    try:
        return apply(state, market, source, record, event)
    except Exception as error:  # noqa: BLE001 - one failing instrument must not stop the others
        return _fail(market, record.ts_recv, error)


def _fail(market: MarketState, now: int, error: Exception) -> Commands:
    """Begin the book again, at most every `FAIL_PAUSE`; what the bars may have missed is not complete."""
    market.failed = f"{type(error).__name__}: {error}"
    market.counters.failures += 1
    _lose_book(market)
    if market.last_trade is not None:
        market.bars.hole(market.last_trade.ts_exch)
    market.bars.uncover()
    market.asked_snapshot = True  # when a pause is on, the timer asks at its end
    if market.counters.failures > 1 and now - market.failed_at < FAIL_PAUSE:
        return _NOTHING
    market.failed_at = now
    return (FetchSnapshot(instrument=market.instrument.key),)


# Books. -----------------------------------------------------------------------------------------------------------


def _delta(state: EngineState, market: MarketState, source: SourceState, record: Record, delta: BookDelta) -> Commands:
    market.counters.depth_updates += 1
    market.ts_book = record.ts_recv
    market.stamp_book = delta.ts_exch
    _stamp(state, source, delta.ts_exch, record.ts_recv)
    market.raw.append(record.ts_recv, record.frame)
    sync = market.sync
    cob = market.cob
    if cob is not None and sync.joins(delta):
        cob.apply(delta, sync.book)
        outcome = sync.delta(delta)
        if outcome is Step.APPLIED:
            return _NOTHING
    else:
        outcome = sync.delta(delta)
    return _after(market, outcome)


def _snapshot(
    state: EngineState, market: MarketState, _source: SourceState, _record: Record, snapshot: BookSnapshot
) -> Commands:
    market.counters.snapshots += 1
    if state.source(market.book_source).lost:
        return _NOTHING  # an answer that came after its connection was lost; the next connection asks again
    market.asked_snapshot = False
    return _after(market, market.sync.snapshot(snapshot))


def _after(market: MarketState, outcome: Step) -> Commands:
    """Keep COB and requests in step with what a message did to the book."""
    if outcome is Step.CROSSED:
        market.counters.crossed += 1
    if outcome in _RELOADED:
        if market.sync.live:
            market.failed = ""
            if market.sync.book.best_bid and market.sync.book.best_ask:
                market.open_cob()
        if market.cob is not None:
            market.cob.rebuild(market.sync.book)
    if outcome in _WANTING and not market.asked_snapshot:
        market.asked_snapshot = True
        return (FetchSnapshot(instrument=market.instrument.key),)
    return _NOTHING


_RELOADED = {Step.GAP, Step.CROSSED, Step.DIFFERS, Step.LOADED, Step.MERGED, Step.TOO_OLD}
_WANTING = {Step.BUFFERED, Step.GAP, Step.CROSSED, Step.DIFFERS, Step.TOO_OLD}


def _lose_book(market: MarketState) -> None:
    market.sync.lose()
    market.asked_snapshot = False
    if market.cob is not None:
        market.cob.rebuild(market.sync.book)


# Trades, quotes, statistics. --------------------------------------------------------------------------------------


def _trade(state: EngineState, market: MarketState, source: SourceState, record: Record, trade: Trade) -> Commands:
    counters = market.counters
    counters.trades += 1
    if trade.aggregate is not market.aggregate or not trade.regular:
        counters.excluded_trades += 1
        return _NOTHING
    ts_recv = record.ts_recv
    ts_exch = trade.ts_exch
    number = trade.id
    told = _stamp(state, source, trade.ts_sent, ts_recv)
    now = source.clock.now
    far = market.trade_id >= 0 and number - market.trade_id > FAR_ID
    if not told or far or not now - BEHIND < ts_exch < now + AHEAD:
        counters.implausible_trades += 1
        market.suspects += 1
        if market.suspects < STRAYS:
            return _NOTHING
        market.bars.uncover()
    market.suspects = 0
    market.offsets.append(trade.ts_sent - ts_recv)
    if not market.bars.covered:
        market.bars.cover(trade.ts_sent)
    if number != market.trade_id + 1 and market.trade_id >= 0:
        last = market.last_trade
        if number <= market.trade_id and number not in market.missing_trades:
            newer = last is not None and ts_exch > last.ts_exch
            market.strays = market.strays + 1 if newer else 0
            if market.strays < STRAYS:
                counters.duplicate_trades += 1
                return _NOTHING
            market.trade_id = -1  # ids have begun again
            market.bars.hole(last.ts_exch if last is not None else ts_exch)
            market.bars.cover(ts_exch)
        elif number <= market.trade_id:
            market.missing_trades.discard(number)
        else:
            counters.trade_gaps += 1
            first_missing = max(market.trade_id + 1, number - LATE_TRADES)
            market.missing_trades = set(range(first_missing, number))
            if last is not None:
                market.bars.hole(last.ts_exch)
            market.bars.cover(ts_exch)
    market.strays = 0
    if number > market.trade_id:
        market.trade_id = number
        market.last_trade = trade
        market.ts_trade = ts_recv
    market.bars.trade(trade)
    market.tape.trades.append(trade)
    market.fresh.append(trade)
    market.count_volume(trade)
    return _NOTHING


def _quote(_state: EngineState, market: MarketState, source: SourceState, record: Record, quote: Quote) -> Commands:
    source.clock.carry(record.ts_recv)
    market.counters.quotes += 1
    if market.quote is None or quote.update_id >= market.quote.update_id:
        market.quote = quote
        market.ts_quote = record.ts_recv
    return _NOTHING


def _ticker(state: EngineState, market: MarketState, source: SourceState, record: Record, ticker: Ticker) -> Commands:
    _stamp(state, source, ticker.ts_exch, record.ts_recv)
    market.counters.tickers += 1
    market.ticker = ticker
    market.ts_ticker = record.ts_recv
    return _NOTHING


def _mark(state: EngineState, market: MarketState, source: SourceState, record: Record, mark: MarkPrice) -> Commands:
    market.counters.marks += 1
    _stamp(state, source, mark.ts_exch, record.ts_recv)
    market.mark = mark
    return _NOTHING


def _price(
    _state: EngineState, market: MarketState, _source: SourceState, record: Record, price: PriceReported
) -> Commands:
    market.counters.prices += 1
    market.rest_price = (price.price, record.ts_recv)
    return _NOTHING


def _bars(
    _state: EngineState, market: MarketState, _source: SourceState, record: Record, loaded: BarsLoaded
) -> Commands:
    market.counters.candles += len(loaded.bars)
    length = TIMEFRAME_SECONDS[loaded.timeframe] * 1000
    settled = SETTLED_MS if market.offset is not None else UNSURE_MS
    now_ms = (record.ts_recv + (market.offset or 0)) // MS
    final = tuple(bar for bar in loaded.bars if bar.open_ms + length + settled <= now_ms)
    market.bars.load(BarsLoaded(instrument=loaded.instrument, timeframe=loaded.timeframe, bars=final))
    note_loaded(market, loaded.timeframe, final, now_ms)
    market.frames.loaded(loaded.timeframe)
    return _NOTHING


# Connections and time. --------------------------------------------------------------------------------------------


def _stamp(state: EngineState, source: SourceState, ts_exch: int, ts_recv: int) -> bool:
    """Tell a connection's clock; a doubtful stamp says nothing about time and gives False.

    The first good stamp tells from when on the trade streams of a fresh connection are whole.
    """
    told = source.clock.tell(ts_exch, ts_recv)
    if told is Told.DOUBTED:
        return False
    if told is Told.SET or not source.covered:
        source.covered = True
        for market in state.markets.values():
            if market.trade_source == source.name:
                if told is Told.SET:
                    market.bars.rewind(ts_exch)
                market.bars.cover(ts_exch)
    return True


def _listed(state: EngineState, record: Record, listed: InstrumentListed) -> Commands:
    """Follow an instrument, or begin it again where its scales have changed: old integers mean something else."""
    instrument = listed.instrument
    old = state.markets.get(instrument.key)
    if old is not None and old.instrument == instrument:
        old.rules = listed.rules or old.rules
        return _NOTHING
    venue = MARKETS[instrument.venue]
    symbol = instrument.symbol.lower()
    trade_stream = listed.trade_stream or venue.trade_stream
    market = MarketState(
        instrument,
        state.settings,
        book_source=venue.source(f"{symbol}@depth"),
        trade_source=venue.source(f"{symbol}@{trade_stream}"),
        aggregate=trade_stream == "aggTrade",
    )
    market.rules = listed.rules
    state.add(market)
    state.source(market.trade_source).covered = False
    if old is None:
        return _NOTHING
    market.asked_snapshot = True
    return (FetchSnapshot(instrument=instrument.key), *history(market, record.ts_recv))


def _up(state: EngineState, record: Record, up: FeedUp) -> Commands:
    state.connections += 1
    source = state.source(up.source)
    source.up = True
    source.lost = False
    source.reason = ""
    if up.rotated:
        return _NOTHING
    commands: list[Command] = []
    for market in state.markets.values():
        if market.book_source == up.source and not market.asked_snapshot:
            market.asked_snapshot = True
            commands.append(FetchSnapshot(instrument=market.instrument.key))
        if market.trade_source == up.source:
            commands.extend(history(market, record.ts_recv))
    return tuple(commands)


def _lost(state: EngineState, _record: Record, lost: FeedLost) -> Commands:
    state.connections += 1
    source = state.source(lost.source)
    source.clock.forget()
    source.up = source.covered = False
    source.lost = True
    source.reason = lost.reason
    for market in state.markets.values():
        if market.book_source == lost.source:
            _lose_book(market)
        if market.trade_source == lost.source:
            market.bars.uncover()
    return _NOTHING


def _alive(state: EngineState, record: Record, alive: FeedAlive) -> Commands:
    state.connections += 1
    state.source(alive.source).clock.carry(record.ts_recv)
    return _NOTHING


def _pivots(
    _state: EngineState, market: MarketState, _source: SourceState, _record: Record, loaded: PivotsLoaded
) -> Commands:
    market.frames.seed(loaded)
    return _NOTHING


def _timer(state: EngineState, _record: Record, timer: TimerFired) -> Commands:
    state.tenth = timer.boundary // TENTH
    commands: list[Command | Keep] = []
    for market in state.markets.values():
        try:
            commands.extend(tend(state, market, timer.boundary))
        except Exception as error:  # noqa: BLE001 - one failing instrument must not stop the others
            commands.extend(_fail(market, timer.boundary, error))
    return tuple(commands)


_OF_MARKET: dict[type, Callable[[EngineState, MarketState, SourceState, Record, Any], Commands]] = {
    BookDelta: _delta,
    BookSnapshot: _snapshot,
    Trade: _trade,
    Quote: _quote,
    Ticker: _ticker,
    MarkPrice: _mark,
    PriceReported: _price,
    BarsLoaded: _bars,
    PivotsLoaded: _pivots,
}

_OF_BOOK = {BookDelta, BookSnapshot, Trade}

_QUIET = {Quote, Ticker, MarkPrice, PriceReported, BarsLoaded, PivotsLoaded, FeedAlive}
"""What trading does not look at."""

_OF_ENGINE: dict[type, Callable[[EngineState, Record, Any], Commands]] = {
    InstrumentListed: _listed,
    FeedUp: _up,
    FeedLost: _lost,
    FeedAlive: _alive,
    TimerFired: _timer,
}
