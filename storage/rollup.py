"""Candles of several sources made one, and longer candles built from shorter ones (UDS-6)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from engine.ohlcv import OHLCV, Flags, Floats, Ints
from engine.types import MS, Timeframe


def merged(candles: OHLCV, ranks: npt.NDArray[np.int64]) -> OHLCV:
    """Return of each opening time the best candle, in order of time; `ranks` has one number a candle, lower is better.

    A complete one goes before an incomplete one, then the rank decides, then which was known last.
    """
    if len(candles) < 2:
        return candles
    opens = candles.open_ms
    if (np.diff(opens) > 0).all():
        return candles
    order = np.lexsort((-candles.known_at, ranks, ~candles.complete, opens))
    first = np.ones(len(order), np.bool_)
    first[1:] = np.diff(opens[order]) > 0
    return candles.take(order[first])


def rolled_up(parts: OHLCV, timeframe: Timeframe) -> OHLCV:
    """Return longer candles built from shorter ones: first open, highest high, lowest low, last close, sums.

    A part in which nobody traded only carries the price before it: it takes no part in open, high and low.
    A sum with an unknown part is unknown. A candle is complete when all its parts are there and complete. It is known
    when its last part was, and not before its end. Its source is the parts', `mixed` where they have several.
    """
    if not len(parts):
        return OHLCV.empty(timeframe)
    length = timeframe.seconds * 1000
    opens = parts.open_ms // length * length
    starts = np.flatnonzero(np.r_[True, np.diff(opens) > 0])
    ends = np.r_[starts[1:], len(parts)] - 1
    counts = ends - starts + 1
    whole = length // (parts.timeframe.seconds * 1000)
    known: Flags = parts.trades >= 0
    trades = np.add.reduceat(np.where(known, parts.trades, 0), starts)
    best, worst = np.minimum.reduceat(parts.source, starts), np.maximum.reduceat(parts.source, starts)
    from_ours = worst < _IMPORT
    traded: Flags = (parts.volume != 0) | (parts.trades > 0)
    counted = traded | ~np.repeat(np.logical_or.reduceat(traded, starts), counts)
    first = np.minimum.reduceat(np.where(counted, np.arange(len(parts)), len(parts)), starts)
    source = np.where(best == worst, best, np.where(from_ours, _MIXED, _IMPORT)).astype(np.uint8)
    return OHLCV(
        timeframe=timeframe,
        open_ms=opens[starts],
        open=parts.open[first],
        high=np.maximum.reduceat(np.where(counted, parts.high, -np.inf), starts),
        low=np.minimum.reduceat(np.where(counted, parts.low, np.inf), starts),
        close=parts.close[ends],
        volume=_sums(parts.volume, starts),
        quote_volume=_sums(parts.quote_volume, starts),
        taker_buy=_sums(parts.taker_buy, starts),
        trades=np.where(np.logical_and.reduceat(known, starts), trades, -1),
        complete=(counts == whole) & np.logical_and.reduceat(parts.complete, starts),
        known_at=np.maximum(np.maximum.reduceat(parts.known_at, starts), (opens[starts] + length) * MS),
        source=source,
    )


def _sums(values: Floats, starts: npt.NDArray[np.intp]) -> Floats:
    sums: Floats = np.add.reduceat(values, starts)
    return sums


def missing(opens: Ints, start_ms: int, end_ms: int, length: int) -> Ints:
    """Return the opening times in [start_ms, end_ms) that are not among `opens`, which are in order."""
    wanted = np.arange(-(-start_ms // length) * length, end_ms, length, dtype=np.int64)
    found: Ints = wanted[~np.isin(wanted, opens, assume_unique=True)]
    return found


_MIXED = 2
_IMPORT = 3
"""Places in `engine.ohlcv.SOURCES`."""
