"""What a live row must be to be kept (UDS-17): one rule after the other, the first that is broken is the reason.

Rows of files are judged by the column, in `storage/interchange/sifting.py`.
"""

from __future__ import annotations

from engine.keep import BookKept
from engine.market.cob import Column
from engine.types import DAY, MS, TIMEFRAME_SECONDS, Bar, Timeframe, Trade

EARLIEST_MS = 1_230_768_000_000
"""2009-01-01 UTC: nothing was traded before."""

AHEAD = DAY
"""An exchange's clock may be as far ahead of ours, ns; anything later is another unit or damage."""

_LENGTHS = {timeframe: seconds * 1000 for timeframe, seconds in TIMEFRAME_SECONDS.items()}


def bar_fault(timeframe: Timeframe, bar: Bar, known_at: int) -> str:
    """Return why a live bar is refused, or ""."""
    if bar.high < bar.low:
        return f"high {bar.high} < low {bar.low}"
    if bar.high < bar.open or bar.high < bar.close:
        return f"high {bar.high} < open {bar.open} or close {bar.close}"
    if bar.low > bar.open or bar.low > bar.close:
        return f"low {bar.low} > open {bar.open} or close {bar.close}"
    if bar.low <= 0:
        return f"low {bar.low} is no price"
    if bar.volume < 0:
        return f"volume {bar.volume} < 0"
    if bar.open_ms % _LENGTHS[timeframe]:
        return f"opens at {bar.open_ms} ms, which is no multiple of {timeframe}"
    if not EARLIEST_MS <= bar.open_ms < (known_at + AHEAD) // MS:
        return f"opens at {bar.open_ms} ms, which is no time"
    return ""


def trade_fault(trade: Trade, known_at: int) -> str:
    """Return why a live trade is refused, or ""."""
    if trade.price <= 0:
        return f"price {trade.price} is no price"
    if trade.size <= 0:
        return f"size {trade.size} <= 0"
    if not EARLIEST_MS * MS <= trade.ts_exch < known_at + AHEAD:
        return f"time {trade.ts_exch} ns is no time"
    return ""


def book_fault(book: BookKept) -> str:
    """Return why a book is refused, or ""."""
    if not book.bids or not book.asks:
        return "a side is empty"
    if book.bids[0][0] >= book.asks[0][0]:
        return f"best bid {book.bids[0][0]} >= best ask {book.asks[0][0]}"
    if min(size for _, size in book.bids) <= 0 or min(size for _, size in book.asks) <= 0:
        return "a level has no size"
    return ""


def column_fault(column: Column) -> str:
    """Return why a second of the COB is refused, or ""."""
    if column.best_bid >= column.best_ask:
        return f"best bid {column.best_bid} >= best ask {column.best_ask}"
    if not len(column.bids) == len(column.asks) == len(column.partial):
        return f"{len(column.bids)} buckets of bids, {len(column.asks)} of asks"
    if min(column.bids) < 0 or min(column.asks) < 0:
        return "a bucket has a volume < 0"
    return ""
