"""The order book in time, as arrays: seconds as the engine tells them, and grids of columns and price buckets.

A second of the heat map is the book at its end: the engine stamps it with the second that begins then. Here it is filed
under the second in which it lay, so that a trade and the book after it fall into the same column. Columns and buckets
are counted from zero, not from what is in sight: a column holds the same seconds for as long as it is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from tradetui.console.series import Floats, Integers

if TYPE_CHECKING:
    from engine.snapshot import CobView
    from engine.views import HeatRow

Bools = npt.NDArray[np.bool_]

WIDTH = 40
"""Buckets of a second."""

EDGE = 1e-6
"""Part of a bucket by which a price on its edge may miss it, as floats go."""


class Seconds(NamedTuple):
    """Seconds of the book, oldest first; n of them.

    Units: `start` UTC seconds; `base` index of the lowest bucket (price / bucket size); `bids` and `asks` base asset,
    shape [n, 40]; `partial` [n, 40], True: a lower bound; `best` [n, 2], best bid and ask in quote units.
    """

    start: Integers
    base: Integers
    bids: Floats
    asks: Floats
    partial: Bools
    best: Floats

    def pick(self, which: Integers | Bools | slice) -> Seconds:
        """Return some of the seconds."""
        start, base, bids, asks, partial, best = self
        return Seconds(start[which], base[which], bids[which], asks[which], partial[which], best[which])


def read(rows: Sequence[HeatRow]) -> Seconds:
    """Return seconds as the engine tells them, all of one bucket size, as arrays."""
    shape = len(rows), WIDTH
    return Seconds(
        np.array([row.second - 1 for row in rows], dtype=np.int64),
        np.array([round(row.price / row.size) for row in rows], dtype=np.int64),
        np.array([row.bids for row in rows], dtype=np.float64).reshape(shape),
        np.array([row.asks for row in rows], dtype=np.float64).reshape(shape),
        np.array([row.partial for row in rows], dtype=bool).reshape(shape),
        np.array([(row.best_bid, row.best_ask) for row in rows], dtype=np.float64).reshape(len(rows), 2),
    )


def present(view: CobView, start: int) -> Seconds | None:
    """Return the book of now as the second that began at `start` (UTC s), None if nothing of it is known."""
    buckets, size = view.buckets, view.bucket_size
    if len(buckets) != WIDTH or not size or view.best_bid is None or view.best_ask is None:
        return None
    return Seconds(
        np.array([start], dtype=np.int64),
        np.array([round(buckets[0].price / size)], dtype=np.int64),
        np.array([[bucket.bid for bucket in buckets]]),
        np.array([[bucket.ask for bucket in buckets]]),
        np.array([[bucket.partial for bucket in buckets]]),
        np.array([[view.best_bid, view.best_ask]]),
    )


def join(one: Seconds, other: Seconds) -> Seconds:
    """Return seconds followed by later ones."""
    return Seconds(*(np.concatenate(parts) for parts in zip(one, other, strict=True)))


class History:
    """The seconds of one instrument as arrays; only those that are new are read again."""

    def __init__(self) -> None:
        self.size = 0.0
        """Bucket size in quote units; seconds of another one are left out."""
        self.seconds = read(())
        self._rows: list[HeatRow] = []

    def take(self, rows: Sequence[HeatRow], size: float) -> None:
        """Take all seconds there are, oldest first."""
        if size != self.size:
            self.size, self.seconds, self._rows = size, read(()), []
        rows = [row for row in rows if row.size == size and len(row.bids) == len(row.asks) == len(row.partial) == WIDTH]
        known = {row.second: (place, row) for place, row in enumerate(self._rows)}
        places: list[int] = []
        new: list[HeatRow] = []
        for row in rows:
            place, found = known.get(row.second, (0, None))
            if found is row:
                places.append(place)
            else:
                places.append(len(self._rows) + len(new))
                new.append(row)
        if new or len(rows) != len(self._rows):
            self.seconds = join(self.seconds, read(new)).pick(np.array(places, dtype=np.int64))
            self._rows = rows


class Window(NamedTuple):
    """What of time and price is in sight.

    Units: `each` seconds a column; `first` the oldest column, counted from 1970 in columns; `size` price of a merged
    bucket; `bottom` index of the lowest merged bucket; `merge` buckets of the engine in one of these.
    """

    first: int
    columns: int
    each: int
    bottom: int
    buckets: int
    merge: int
    size: float


class Grid(NamedTuple):
    """A window filled; index 0 of the buckets is the lowest. Shapes [buckets, columns], `best` [2, columns].

    `value` is the metric (nan: there is none), `bids` and `asks` base asset; `known` False where the bucket was never
    in view in the column's time; `partial` True for a lower bound; `best` bid and ask in quote units, nan: unknown.
    """

    value: Floats
    bids: Floats
    asks: Floats
    known: Bools
    partial: Bools
    best: Floats


def gather(seconds: Seconds, window: Window, metric: str) -> Grid:
    """Return a window of the book: means over the known seconds of a column, sums over merged buckets.

    Args:
        seconds: Oldest first; a second that is missing is not filled in.
        window: What is in sight.
        metric: `size` (bids + asks, base asset), `imbalance` ((bids - asks) / (bids + asks)) or `spread` (basis points
            of the mid, in the buckets that the spread touches).
    """
    column = seconds.start // window.each - window.first
    inside = (column >= 0) & (column < window.columns)
    if not inside.all():
        seconds, column = seconds.pick(inside), column[inside]
    shape = len(column), window.buckets * window.merge
    place = (seconds.base - window.bottom * window.merge)[:, None] + np.arange(WIDTH)
    there = (place >= 0) & (place < shape[1])
    into = (np.arange(len(column))[:, None] * shape[1] + place)[there]
    bids, asks = np.zeros(shape), np.zeros(shape)
    known, partial = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    bids.ravel()[into], asks.ravel()[into] = seconds.bids[there], seconds.asks[there]
    known.ravel()[into], partial.ravel()[into] = True, seconds.partial[there]
    if window.merge > 1:
        parts = len(column), window.buckets, window.merge
        bids, asks = bids.reshape(parts).sum(axis=2), asks.reshape(parts).sum(axis=2)
        whole = np.logical_and.reduce(known.reshape(parts), axis=2)
        known = np.logical_or.reduce(known.reshape(parts), axis=2)
        partial = np.logical_or.reduce(partial.reshape(parts), axis=2) | (known & ~whole)
    value = _metric(metric, seconds, bids, asks, window)
    if metric == "spread":
        partial &= ~np.isnan(value)  # the best prices are known exactly wherever the book is
    return _columns(column, window.columns, Grid(value, bids, asks, known, partial, seconds.best))


def _metric(metric: str, seconds: Seconds, bids: Floats, asks: Floats, window: Window) -> Floats:
    total = bids + asks
    if metric == "size":
        return total
    if metric == "imbalance":
        empty: Floats = np.full(total.shape, np.nan)
        return np.divide(bids - asks, total, out=empty, where=total > 0)
    if metric == "spread":
        edges = np.floor(seconds.best / window.size + EDGE) - window.bottom
        bucket = np.arange(window.buckets)
        touched = (bucket >= edges[:, :1]) & (bucket <= edges[:, 1:])
        bid, ask = seconds.best.T
        found: Floats = np.where(touched, (20_000 * (ask - bid) / (ask + bid))[:, None], np.nan)
        return found
    raise ValueError(f"heat map metric {metric!r}; known are size, imbalance, spread")


def _columns(column: Integers, count: int, rows: Grid) -> Grid:
    """Return one row per second, made into columns: means over what is known, the best prices of the last second."""
    shape = rows.value.shape[1], count
    value, bids, asks = np.full(shape, np.nan), np.zeros(shape), np.zeros(shape)
    known, partial, best = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool), np.full((2, count), np.nan)
    if len(column):
        starts = np.flatnonzero(np.r_[True, column[1:] != column[:-1]])
        at = column[starts]
        ends = np.r_[starts[1:], len(column)] - 1
        best[:, at] = rows.best[ends].T
        if len(starts) == len(column):
            value[:, at] = np.where(rows.known.T, rows.value.T, np.nan)
            bids[:, at], asks[:, at] = rows.bids.T, rows.asks.T
            known[:, at], partial[:, at] = rows.known.T, rows.partial.T
            return Grid(value, bids, asks, known, partial, best)
        seen = np.add.reduceat(rows.known, starts, axis=0, dtype=np.int64)
        some = rows.known & ~np.isnan(rows.value)
        counted = np.add.reduceat(some, starts, axis=0, dtype=np.int64)
        summed = np.add.reduceat(np.where(some, rows.value, 0.0), starts, axis=0)
        value[:, at] = np.divide(summed, counted, out=np.full(summed.shape, np.nan), where=counted > 0).T
        for into, of in ((bids, rows.bids), (asks, rows.asks)):
            into[:, at] = (np.add.reduceat(of, starts, axis=0) / np.maximum(seen, 1)).T
        known[:, at] = (seen > 0).T
        partial[:, at] = np.logical_or.reduceat(rows.partial, starts, axis=0).T
    return Grid(value, bids, asks, known, partial, best)
