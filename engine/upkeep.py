"""What time brings to an instrument: closed bars, COB columns, and requests for what is missing or too narrow."""

from __future__ import annotations

from engine.keep import BookKept, Keep
from engine.maintenance import maintain
from engine.market.cob import Cob, Column
from engine.state import DEEPER_PAUSE, EngineState, MarketState
from engine.timers import TENTH
from engine.types import SECOND, Command, FetchSnapshot

DEEPER_MARGIN = 5
"""Buckets between the view and the edge of the known range at which a deeper snapshot is asked for."""

FAIL_PAUSE = 10 * SECOND
"""Least time between two new beginnings of a book that fails."""

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
    if tenth % 10 == 0:
        commands.extend(maintain(market, boundary // SECOND))
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
    cob, book = market.cob, None
    live = column is not None and cob is not None
    bucket = cob.bucket if live and cob is not None else 0
    averages = cob.averages(boundary // TENTH) if live and cob is not None else ()
    pivots = market.frames.take(boundary, bars, withdrawn, column, bucket, averages)
    if not (bars or withdrawn or trades or pivots or column is not None):
        return None
    if column is not None and boundary // SECOND % BOOK_EVERY_S == 0:
        bids, asks = market.sync.book.top(BOOK_LEVELS)
        book = BookKept(bids=tuple(bids), asks=tuple(asks), sequence=market.sync.book.update_id)
    return Keep(
        instrument=market.instrument,
        known_at=boundary,
        bars=bars,
        withdrawn=withdrawn,
        trades=tuple(trades),
        column=column,
        bucket=bucket,
        band=cob.band * bucket if cob is not None else 0,
        averages=averages,
        book=book,
        pivots=pivots,
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
