"""The report of a run: what came, what became of it, and whether the book agrees with the venue's own quotes."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np

from engine.digest import state_hash
from engine.state import EngineState, MarketState
from engine.types import Bar, BookDelta, Instrument, Quote, Record, Timeframe


class Report:
    """Watches a run record by record; `build` tells the result."""

    def __init__(self) -> None:
        self._quotes: dict[str, array[int]] = {}
        self._tops: dict[str, array[int]] = {}

    def __call__(self, record: Record, state: EngineState) -> None:
        """Keep the venue's quotes, and the best prices after each diff."""
        event = record.event
        kind = type(event)
        if kind is Quote:
            assert isinstance(event, Quote)
            kept = self._quotes.get(event.instrument)
            if kept is None:
                kept = self._quotes[event.instrument] = array("q")
            kept.extend((event.update_id, event.bid, event.ask))
        elif kind is BookDelta:
            assert isinstance(event, BookDelta)
            market = state.markets.get(event.instrument)
            if market is None or not market.sync.live:
                return
            kept = self._tops.get(event.instrument)
            if kept is None:
                kept = self._tops[event.instrument] = array("q")
            book = market.sync.book
            kept.extend((book.update_id, book.best_bid, book.best_ask))

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
        }

    def _check(self, key: str) -> dict[str, int]:
        """Compare each book with the venue's newest quote of an update id not above the book's."""
        tops = np.frombuffer(self._tops.get(key, array("q")), dtype=np.int64).reshape(-1, 3)
        quotes = np.frombuffer(self._quotes.get(key, array("q")), dtype=np.int64).reshape(-1, 3)
        if not len(tops) or not len(quotes):
            return {"checked": 0, "matched": 0}
        quotes = quotes[np.argsort(quotes[:, 0], kind="stable")]
        place = np.searchsorted(quotes[:, 0], tops[:, 0], side="right") - 1
        known = place >= 0
        same = (tops[known, 1:] == quotes[place[known], 1:]).all(axis=1)
        return {"checked": int(known.sum()), "matched": int(same.sum())}


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
