"""What a model input says of the book and of trades: the COB second by second, imbalances, order flow, figures."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engine.market.cob import SECONDS, WINDOWS, Averages
from engine.market.columns import BUCKETS, Columns
from engine.market.inputs import FLOW, MICRO, CobInput, Frame
from engine.ohlcv import Floats
from engine.types import Timeframe


def cob(columns: Columns, second: int) -> CobInput:
    """Put the columns of the newest bucket size on the 300 seconds that end with `second`."""
    grid = np.arange(second - SECONDS + 1, second + 1, dtype=np.int64)
    if len(columns):
        columns = columns.take((columns.seconds > second - SECONDS) & (columns.seconds <= second))
    if len(columns):
        columns = columns.take(columns.size == columns.size[-1])
    places = columns.seconds - grid[0]
    there = np.zeros(SECONDS, np.bool_)
    there[places] = True

    def of_seconds(values: Floats) -> Floats:
        row = np.full(SECONDS, np.nan)
        row[places] = values
        return row

    def of_buckets(values: Floats) -> Floats:
        matrix = np.full((SECONDS, BUCKETS), np.nan)
        matrix[places] = values
        return matrix

    partial = np.ones((SECONDS, BUCKETS), np.bool_)
    partial[places] = columns.partial
    return CobInput(
        seconds=grid,
        there=there,
        size=float(columns.size[-1]) if len(columns) else np.nan,
        low=of_seconds(columns.low),
        best_bid=of_seconds(columns.best_bid),
        best_ask=of_seconds(columns.best_ask),
        mid=of_seconds((columns.best_bid + columns.best_ask) / 2),
        spread_bps=of_seconds(20_000 * (columns.best_ask - columns.best_bid) / (columns.best_ask + columns.best_bid)),
        bids=of_buckets(columns.bids),
        asks=of_buckets(columns.asks),
        bid_quote=of_buckets(columns.bid_quote),
        ask_quote=of_buckets(columns.ask_quote),
        imbalance=of_buckets(_balance(columns.bids, columns.asks)),
        partial=partial,
    )


def _balance(bids: Floats, asks: Floats) -> Floats:
    total = bids + asks
    balance: Floats = np.full(total.shape, np.nan)
    return np.divide(bids - asks, total, out=balance, where=total > 0)


def imbalance(averages: tuple[Averages, ...]) -> Floats:
    """Return the imbalance [4, 2] of the band round the mid, plain and volume-weighted, by window."""
    found: Floats = np.full((len(WINDOWS), 2), np.nan)
    for average in averages:
        row = WINDOWS.index(average.window_s)
        found[row] = [np.nan if value is None else value for value in (average.plain, average.weighted)]
    return found


def bucket_imbalance(columns: Columns, second: int) -> Floats:
    """Return the mean imbalance [40, 4] of the newest column's buckets over the seconds in which they were known."""
    found: Floats = np.full((BUCKETS, len(WINDOWS)), np.nan)
    columns = columns.take((columns.seconds > second - max(WINDOWS)) & (columns.seconds <= second))
    if not len(columns):
        return found
    columns = columns.take(columns.size == columns.size[-1])
    balance = np.where(columns.partial, np.nan, _balance(columns.bids, columns.asks))
    moved = np.arange(BUCKETS) + (columns.base[-1] - columns.base)[:, None]
    inside = (moved >= 0) & (moved < BUCKETS)
    rows = np.arange(len(columns))[:, None]
    balance = np.where(inside, balance[rows, np.clip(moved, 0, BUCKETS - 1)], np.nan)
    known = ~np.isnan(balance)
    balance = np.where(known, balance, 0.0)
    for place, window in enumerate(WINDOWS):
        held = columns.seconds > second - window
        count = known[held].sum(axis=0)
        np.divide(balance[held].sum(axis=0), count, out=found[:, place], where=count > 0)
    return found


def flow(seconds: Frame) -> Floats:
    """Return the order flow [4, 5] by `FLOW`, of the seconds of each window that are there."""
    found: Floats = np.full((len(WINDOWS), len(FLOW)), np.nan)
    for row, window in enumerate(WINDOWS):
        bars = seconds.values[-window:][seconds.there[-window:]]
        volume, buy, trades = bars[:, 4].sum(), bars[:, 6].sum(), bars[:, 7].sum()
        if len(bars):
            found[row] = buy, volume - buy, buy / volume if volume > 0 else np.nan, trades, len(bars)
    return found


def micro(cob: CobInput, frames: Mapping[Timeframe, Frame]) -> dict[str, float]:
    """Return the figures of `MICRO`; those of the book only while it is live."""
    found = dict.fromkeys(MICRO, np.nan)
    ended = [(end, frame) for frame in frames.values() if (end := frame.end_ms) is not None]
    if ended:
        newest = max(ended, key=lambda each: (each[0], -each[1].timeframe.seconds))[1]
        found["price"] = float(newest.values[newest.there][-1, 3])
    if cob.there[-1]:
        bid, ask = float(cob.bids[-1].sum()), float(cob.asks[-1].sum())
        found |= {
            "price": float(cob.mid[-1]),
            "best_bid": float(cob.best_bid[-1]),
            "best_ask": float(cob.best_ask[-1]),
            "mid": float(cob.mid[-1]),
            "spread_bps": float(cob.spread_bps[-1]),
            "bid_volume": bid,
            "ask_volume": ask,
            "bid_quote": float(cob.bid_quote[-1].sum()),
            "ask_quote": float(cob.ask_quote[-1].sum()),
            "liquidity_imbalance": (bid - ask) / (bid + ask) if bid + ask else np.nan,
            "partial_buckets": float(cob.partial[-1].sum()),
        }
    return found
