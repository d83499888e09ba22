"""The report of a run: what came, what became of it, and whether the book agrees with the venue's own quotes."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from typing import Any

from engine.digest import state_hash
from engine.state import EngineState, MarketState
from engine.types import Bar, BookDelta, Instrument, Quote, Record, Timeframe

KEPT_QUOTES = 20_000
"""Quotes kept per instrument for books that come later than the quote of the same update."""


FAR_ID = 10**11
"""An update id this far ahead is damage."""


class QuoteCheck:
    """Compares each book with the venue's newest quote of an update id not above the book's, whichever comes first.

    A book waits until a quote of a higher id has come: only then is the newest one not above known.
    """

    __slots__ = ("_asks", "_bids", "_ids", "_waiting", "checked", "matched")

    def __init__(self) -> None:
        self.checked = 0
        self.matched = 0
        self._ids: list[int] = []
        self._bids: list[int] = []
        self._asks: list[int] = []
        self._waiting: deque[tuple[int, int, int]] = deque(maxlen=KEPT_QUOTES)

    def quote(self, update_id: int, bid: int, ask: int) -> None:
        """Take a quote; one that is not newer than the last is a double."""
        ids = self._ids
        if ids and not ids[-1] < update_id < ids[-1] + FAR_ID:
            return
        waiting = self._waiting
        while waiting and waiting[0][0] < update_id:
            self._settle(*waiting.popleft())
        ids.append(update_id)
        self._bids.append(bid)
        self._asks.append(ask)
        if len(ids) > KEPT_QUOTES:
            for kept in (ids, self._bids, self._asks):
                del kept[: KEPT_QUOTES // 2]

    def book(self, update_id: int, bid: int, ask: int) -> None:
        """Take the best prices after a diff."""
        if self._ids and self._ids[-1] > update_id:
            self._settle(update_id, bid, ask)
        else:
            self._waiting.append((update_id, bid, ask))

    def finish(self) -> None:
        """No more quotes will come."""
        while self._waiting:
            self._settle(*self._waiting.popleft())

    def _settle(self, update_id: int, bid: int, ask: int) -> None:
        place = bisect_right(self._ids, update_id) - 1
        if place >= 0:
            self.checked += 1
            self.matched += self._bids[place] == bid and self._asks[place] == ask


class Report:
    """Watches a run record by record; `build` tells the result."""

    def __init__(self) -> None:
        self._checks: dict[str, QuoteCheck] = {}

    def __call__(self, record: Record, state: EngineState) -> None:
        """Keep the venue's quotes, and the best prices after each diff."""
        event = record.event
        kind = type(event)
        if kind is Quote:
            assert isinstance(event, Quote)
            check = self._checks.get(event.instrument)
            if check is None:
                check = self._checks[event.instrument] = QuoteCheck()
            check.quote(event.update_id, event.bid, event.ask)
        elif kind is BookDelta:
            assert isinstance(event, BookDelta)
            market = state.markets.get(event.instrument)
            if market is None or not market.sync.live:
                return
            check = self._checks.get(event.instrument)
            if check is None:
                check = self._checks[event.instrument] = QuoteCheck()
            book = market.sync.book
            check.book(book.update_id, book.best_bid, book.best_ask)

    def streams(self, state: EngineState) -> dict[str, Any]:
        """Return the findings per instrument."""
        return {key: self._stream(market) for key, market in sorted(state.markets.items())}

    def build(self, state: EngineState, messages: int, seconds: float) -> dict[str, Any]:
        """Return the whole report; `seconds` is wall time."""
        return {
            "streams": self.streams(state),
            "throughput": {
                "messages": messages,
                "seconds": round(seconds, 6),
                "messages_per_s": round(messages / seconds) if seconds else None,
            },
            "state_hash": state_hash(state),
        }

    def _stream(self, market: MarketState) -> dict[str, Any]:
        counters = market.counters
        sync, book, instrument = market.sync, market.sync.book, market.instrument
        view = market.cob.column(0, book, sync.low, sync.high) if market.cob is not None and sync.live else None
        return {
            "depth_updates": counters.depth_updates,
            "trades": counters.trades,
            "quotes": counters.quotes,
            "snapshots": counters.snapshots,
            "gaps": sync.gaps,
            "resyncs": max(sync.resyncs - 1, 0),
            "crossed": counters.crossed,
            "live": sync.live,
            "tick": instrument.price(instrument.tick),
            "book": {
                "update_id": book.update_id,
                "best_bid": instrument.price(book.best_bid) if book.best_bid else None,
                "best_ask": instrument.price(book.best_ask) if book.best_ask else None,
                "bid_levels": len(book.bids),
                "ask_levels": len(book.asks),
            },
            "quote_check": self._check(instrument.key),
            "bars_1m": _complete(market, Timeframe.M1),
            "bars_1s": _complete(market, Timeframe.S1),
            "partial": {str(timeframe): _partial(market, timeframe) for timeframe in (Timeframe.M1, Timeframe.S1)},
            "partial_buckets": sum(view.partial) if view is not None else None,
            "bar_revisions": market.bars.revisions,
            "trade_gaps": counters.trade_gaps,
            "duplicate_trades": counters.duplicate_trades,
            "excluded_trades": counters.excluded_trades,
            "implausible_trades": counters.implausible_trades,
            "failures": counters.failures,
            "failed": market.failed,
        }

    def _check(self, key: str) -> dict[str, int]:
        check = self._checks.get(key)
        if check is None:
            return {"checked": 0, "matched": 0}
        check.finish()
        return {"checked": check.checked, "matched": check.matched}


def _row(bar: Bar, instrument: Instrument) -> list[float]:
    price, size = instrument.price, instrument.size
    return [
        bar.open_ms,
        price(bar.open),
        price(bar.high),
        price(bar.low),
        price(bar.close),
        size(bar.volume),
        bar.trades,
    ]


def _complete(market: MarketState, timeframe: Timeframe) -> list[list[float]]:
    return [_row(bar, market.instrument) for bar in market.bars.closed[timeframe] if bar.complete]


def _partial(market: MarketState, timeframe: Timeframe) -> list[list[float]]:
    bars = list(market.bars.incomplete(timeframe))
    running = market.bars.running(timeframe)
    return [_row(bar, market.instrument) for bar in [*bars, *([running] if running is not None else [])]]
