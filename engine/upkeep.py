"""What time brings to an instrument: closed bars, COB columns, and requests for what is missing or too narrow."""

from __future__ import annotations

from engine.ingestion.markets import MARKETS
from engine.keep import BookKept, Keep
from engine.market.cob import Cob, Column
from engine.state import DEEPER_PAUSE, EngineState, MarketState
from engine.timers import TENTH
from engine.types import MS, SECOND, TIMEFRAME_SECONDS, Command, FetchBars, FetchSnapshot, Timeframe

DEEPER_MARGIN = 5
"""Buckets between the view and the edge of the known range at which a deeper snapshot is asked for."""

FAIL_PAUSE = 10 * SECOND
"""Least time between two new beginnings of a book that fails."""

SETTLED_MS = 1000
"""A candle of the venue counts as final this long after its end."""

HEAL_EVERY = 600
"""Tenths of a second between two looks for bars to heal."""

HEAL_AT = 30
"""The tenth of that period at which it is done: late enough for the venue's candle to be final."""


HEAL_TRIES = 3
"""Times the same bars are asked for; what the venue does not have stays missing."""


BOOK_LEVELS = 50
"""Levels a side of the books that are kept."""

BOOK_EVERY_S = 60
"""Seconds between two of them."""


def tend(state: EngineState, market: MarketState, boundary: int) -> list[Command | Keep]:
    """Do for one instrument what is due at a timer boundary (ns, a multiple of 100 ms)."""
    tenth = boundary // TENTH
    commands: list[Command | Keep] = []
    column: Column | None = None
    trades = state.sources.get(market.trade_source)
    if tenth % 10 == 0 and market.offsets:
        market.offset = sorted(market.offsets)[len(market.offsets) // 2]
    if trades is not None and trades.up and trades.clock.now:
        market.bars.advance(trades.clock.now - int(state.settings.silence_s * SECOND))
    if tenth % HEAL_EVERY == HEAL_AT:
        commands.extend(_heal(market, boundary))
    if market.failed and not market.sync.live and boundary - market.failed_at >= FAIL_PAUSE:
        market.failed_at = boundary
        commands.append(FetchSnapshot(instrument=market.instrument.key))
    if _book_is_live(state, market, boundary):
        cob = market.open_cob()
        if cob is not None:
            cob.sample(tenth, market.sync.book)
            if tenth % 10 == 0:
                commands.extend(_column(market, cob, boundary))
                column = cob.columns[-1]
    if tenth % 10 == 0:
        kept = _keep(market, boundary, column)
        if kept is not None:
            commands.append(kept)
    return commands


def _keep(market: MarketState, boundary: int, column: Column | None) -> Keep | None:
    """Return what became known of an instrument within the second that ends at `boundary`."""
    bars, withdrawn = market.bars.drain()
    trades, market.fresh = market.fresh, []
    if not (bars or withdrawn or trades or column is not None):
        return None
    cob, book = market.cob, None
    if column is not None and boundary // SECOND % BOOK_EVERY_S == 0:
        bids, asks = market.sync.book.top(BOOK_LEVELS)
        book = BookKept(bids=tuple(bids), asks=tuple(asks), sequence=market.sync.book.update_id)
    live = column is not None and cob is not None
    return Keep(
        instrument=market.instrument,
        known_at=boundary,
        bars=bars,
        withdrawn=withdrawn,
        trades=tuple(trades),
        column=column,
        bucket=cob.bucket if live and cob is not None else 0,
        band=cob.band * cob.bucket if live and cob is not None else 0,
        averages=cob.averages(boundary // TENTH) if live and cob is not None else (),
        book=book,
    )


def _book_is_live(state: EngineState, market: MarketState, boundary: int) -> bool:
    depth, book = state.sources.get(market.book_source), market.sync.book
    if depth is None or not depth.up or boundary - depth.last_frame > int(state.settings.stale_after_s * SECOND):
        return False
    return market.sync.live and bool(book.best_bid and book.best_ask)


def _column(market: MarketState, cob: Cob, boundary: int) -> list[Command]:
    """Keep the second's column; ask for a deeper snapshot before the view leaves what is known."""
    book, low, high = market.sync.book, market.sync.low, market.sync.high
    cob.columns.append(cob.column(boundary // SECOND, book, low, high))
    if cob.covers(book, low, high, DEEPER_MARGIN):
        market.deeper_pause = DEEPER_PAUSE
        return []
    if boundary - market.asked_deeper <= market.deeper_pause:
        return []
    if market.asked_deeper:
        market.deeper_pause = min(2 * market.deeper_pause, 20 * DEEPER_PAUSE)
    market.asked_deeper = boundary
    return [FetchSnapshot(instrument=market.instrument.key, deeper=True)]


def _wanted(market: MarketState) -> list[Timeframe]:
    """Return the timeframes whose candles are asked of the venue."""
    settings = market.settings
    if not settings.cache.enabled:
        return []
    return [length for length in MARKETS[market.instrument.venue].kline_timeframes if length in settings.timeframes]


def history(market: MarketState, ts_recv: int) -> list[Command]:
    """Ask for the candles since the last closed one, at most as many as are kept."""
    now_ms = (ts_recv + (market.offset or 0)) // MS
    commands: list[Command] = []
    for timeframe in _wanted(market):
        length = TIMEFRAME_SECONDS[timeframe] * 1000
        closed = market.bars.closed[timeframe]
        start = max(now_ms // length * length - market.bars.kept * length, closed[-1].open_ms if closed else 0)
        key = market.instrument.key
        commands.append(FetchBars(instrument=key, timeframe=timeframe, start_ms=start, end_ms=now_ms))
    return commands


def _heal(market: MarketState, boundary: int) -> list[Command]:
    """Ask the venue for bars that are missing or not complete."""
    key = market.instrument.key
    now_ms = (boundary + (market.offset or 0)) // MS
    commands: list[Command] = []
    for timeframe in _wanted(market):
        damage = market.bars.damage(timeframe, now_ms - SETTLED_MS)
        if damage is None:
            market.asked_bars.pop(timeframe, None)
            continue
        start, end, times = market.asked_bars.get(timeframe, (0, 0, 0))
        times = times + 1 if (start, end) == damage else 1
        market.asked_bars[timeframe] = (*damage, times)
        if times <= HEAL_TRIES:
            commands.append(FetchBars(instrument=key, timeframe=timeframe, start_ms=damage[0], end_ms=damage[1]))
    return commands
