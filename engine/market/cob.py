"""The consolidated order book (COB): volume in price buckets round the mid, its second-by-second history, imbalance.

Bucket k of an instrument covers the prices [k, k + 1) x bucket size; a price on an edge belongs to the bucket above.
Bids and asks share the intervals; exact best prices are kept beside. A view is the 40 buckets from 20 below to 19
above the one that holds the mid. A bucket that is not wholly inside the known range of the book is *partial*: it
shows the volume seen so far, a lower bound. Everything is exact integer arithmetic in ticks and lots.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from math import nan
from operator import attrgetter

import msgspec
import numpy as np
import numpy.typing as npt

from engine.market.book import Book
from engine.types import BookDelta, Level

RADIUS = 20
"""Buckets below the mid bucket; as many stand from it upwards."""

SECONDS = 300
"""Columns of history, one a second."""

WINDOWS = (1, 5, 15, 60)
"""Seconds over which imbalance is averaged."""

RATE = 10
"""Imbalance samples a second."""

Floats = npt.NDArray[np.float64]

_tenth = attrgetter("tenth")


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """The 40 buckets at the end of one second.

    Units: `second` UTC seconds; `base` index of the lowest bucket; volumes lots, notionals ticks x lots;
    `partial[i]` True where bucket i is a lower bound.
    """

    second: int
    base: int
    best_bid: int
    best_ask: int
    bids: tuple[int, ...]
    asks: tuple[int, ...]
    bid_notional: tuple[int, ...]
    ask_notional: tuple[int, ...]
    partial: tuple[bool, ...]

    @property
    def spread_bps(self) -> float:
        """Spread in basis points of the mid."""
        return spread_bps(self.best_bid, self.best_ask)


def spread_bps(best_bid: int, best_ask: int) -> float:
    """Return the spread in basis points of the mid price."""
    return 20_000 * (best_ask - best_bid) / (best_ask + best_bid)


class Sample(msgspec.Struct, frozen=True, gc=False):
    """Bid and ask volume (lots) of the band round the mid at one tenth of a second, and both summed up to here."""

    tenth: int
    bid: int
    ask: int
    bids: int
    asks: int

    @property
    def imbalance(self) -> float:
        """(bid - ask) / (bid + ask)."""
        return (self.bid - self.ask) / (self.bid + self.ask)


class Averages(msgspec.Struct, frozen=True, kw_only=True):
    """Imbalance (bid - ask) / (bid + ask) over one window: mean of the samples, and of the volumes. None: no sample."""

    window_s: int
    plain: float | None
    weighted: float | None
    samples: int


class Cob:
    """Buckets of one instrument, kept in step with its book.

    Holds: the sums equal those over all levels of the book that `apply` and `rebuild` have seen.
    """

    __slots__ = (
        "_ask_notional",
        "_ask_volume",
        "_bid_notional",
        "_bid_volume",
        "_imbalances",
        "band",
        "bucket",
        "columns",
        "samples",
    )

    def __init__(self, bucket: int, band: int) -> None:
        """Start empty; `bucket` is the bucket size in ticks, `band` the half-width of the imbalance band in buckets."""
        self.bucket = bucket
        self.band = band
        self._bid_volume: dict[int, int] = {}
        self._ask_volume: dict[int, int] = {}
        self._bid_notional: dict[int, int] = {}
        self._ask_notional: dict[int, int] = {}
        self.columns: deque[Column] = deque(maxlen=SECONDS)
        self.samples: deque[Sample] = deque(maxlen=max(WINDOWS) * RATE)
        self._imbalances: deque[float] = deque(maxlen=max(WINDOWS) * RATE)

    def apply(self, delta: BookDelta, book: Book) -> None:
        """Take in a diff that `book` is about to apply."""
        _shift(delta.bids, book.bids, self.bucket, self._bid_volume, self._bid_notional)
        _shift(delta.asks, book.asks, self.bucket, self._ask_volume, self._ask_notional)

    def rebuild(self, book: Book) -> None:
        """Sum everything again, after the book was loaded, merged or cleared."""
        for levels, volume, notional in (
            (book.bids, self._bid_volume, self._bid_notional),
            (book.asks, self._ask_volume, self._ask_notional),
        ):
            volume.clear()
            notional.clear()
            _shift(levels.items(), {}, self.bucket, volume, notional)

    def middle(self, book: Book) -> int:
        """Return the index of the bucket that holds the mid price."""
        return (book.best_bid + book.best_ask) // (2 * self.bucket)

    def sample(self, tenth: int, book: Book) -> None:
        """Keep the imbalance band at a tenth of a second (`tenth` counts them since 1970), if there is any volume."""
        middle = self.middle(book)
        band = range(middle - self.band, middle + self.band)
        bids, asks = self._bid_volume, self._ask_volume
        bid, ask = sum([bids.get(k, 0) for k in band]), sum([asks.get(k, 0) for k in band])
        if bid + ask:
            last = self.samples[-1] if self.samples else None
            sums = (last.bids + bid, last.asks + ask) if last is not None else (bid, ask)
            sample = Sample(tenth, bid, ask, *sums)
            self.samples.append(sample)
            self._imbalances.append(sample.imbalance)

    def column(self, second: int, book: Book, low: int, high: int) -> Column:
        """Return the 40 buckets as they are now; `low` and `high` bound the known range in ticks."""
        base = self.middle(book) - RADIUS
        span = range(base, base + 2 * RADIUS)
        size = self.bucket
        return Column(
            second=second,
            base=base,
            best_bid=book.best_bid,
            best_ask=book.best_ask,
            bids=tuple([self._bid_volume.get(k, 0) for k in span]),
            asks=tuple([self._ask_volume.get(k, 0) for k in span]),
            bid_notional=tuple([self._bid_notional.get(k, 0) for k in span]),
            ask_notional=tuple([self._ask_notional.get(k, 0) for k in span]),
            partial=tuple([k * size < low or (k + 1) * size - 1 > high for k in span]),
        )

    def covers(self, book: Book, low: int, high: int, margin: int) -> bool:
        """Tell whether the view, widened by `margin` buckets on both sides, lies inside the known range."""
        middle = self.middle(book)
        lowest, highest = middle - RADIUS - margin, middle + RADIUS + margin
        return max(lowest, 0) * self.bucket >= low and highest * self.bucket - 1 <= high

    def averages(self, now_tenth: int) -> tuple[Averages, ...]:
        """Return the imbalance of the band, averaged over each window that ends at `now_tenth`."""
        samples, imbalances = self.samples, list(self._imbalances)
        found = []
        for window in WINDOWS:
            first = bisect_right(samples, now_tenth - window * RATE, key=_tenth)
            inside = imbalances[first:]
            if not inside:
                found.append(Averages(window_s=window, plain=None, weighted=None, samples=0))
                continue
            oldest, newest = samples[first], samples[-1]
            bid, ask = newest.bids - oldest.bids + oldest.bid, newest.asks - oldest.asks + oldest.ask
            plain = sum(inside) / len(inside)
            found.append(
                Averages(window_s=window, plain=plain, weighted=(bid - ask) / (bid + ask), samples=len(inside))
            )
        return tuple(found)

    def bucket_averages(self, now_second: int) -> dict[int, tuple[float | None, ...]]:
        """Return per absolute bucket its mean imbalance over each window, over the seconds in which it was known.

        A second counts for a bucket when it lay in the view, was not partial and held volume.
        """
        sums: dict[int, list[list[float]]] = {}
        for column in self.columns:
            age = now_second - column.second
            if age >= max(WINDOWS):
                continue
            for k, bid, ask, partial in zip(
                range(column.base, column.base + 2 * RADIUS), column.bids, column.asks, column.partial, strict=True
            ):
                if partial or not bid + ask:
                    continue
                cells = sums.setdefault(k, [[] for _ in WINDOWS])
                for cell, window in zip(cells, WINDOWS, strict=True):
                    if age < window:
                        cell.append((bid - ask) / (bid + ask))
        return {
            k: tuple(sum(cell) / len(cell) if cell else None for cell in cells) for k, cells in sorted(sums.items())
        }

    def heatmap(self, metric: str, *, radius: int = RADIUS) -> Heatmap:
        """Return the last 300 columns (seconds with a live book) as a matrix: time downwards, absolute buckets across.

        Args:
            metric: `size` (bid + ask, lots), `imbalance` (-1..1) or `spread` (basis points, in the buckets that the
                spread touches). What was not in view or is unknown is nan.
            radius: Buckets below the newest mid's bucket; as many from it upwards.
        """
        columns = list(self.columns)
        width = 2 * radius
        cells: Floats = np.full((len(columns), width), nan)
        partial = np.zeros((len(columns), width), dtype=bool)
        base = columns[-1].base + RADIUS - radius if columns else 0
        for row, column in enumerate(columns):
            first, last = max(base, column.base), min(base + width, column.base + 2 * RADIUS)
            if first >= last:
                continue
            there, here = slice(first - column.base, last - column.base), slice(first - base, last - base)
            cells[row, here] = self._metric(metric, column, first, there)
            partial[row, here] = column.partial[there]
        return Heatmap(metric=metric, seconds=tuple(c.second for c in columns), base=base, cells=cells, partial=partial)

    def _metric(self, metric: str, column: Column, first: int, there: slice) -> Floats:
        bids: Floats = np.array(column.bids[there], dtype=np.float64)
        asks: Floats = np.array(column.asks[there], dtype=np.float64)
        total = bids + asks
        if metric == "size":
            return total
        if metric == "imbalance":
            empty: Floats = np.full(len(total), nan)
            return np.divide(bids - asks, total, out=empty, where=total > 0)
        if metric == "spread":
            buckets = np.arange(first, first + len(total))
            touched = (buckets >= column.best_bid // self.bucket) & (buckets <= column.best_ask // self.bucket)
            spread: Floats = np.where(touched, column.spread_bps, nan)
            return spread
        raise ValueError(f"heat map metric {metric!r}; known are size, imbalance, spread")

    def state(self) -> list[object]:
        """Return the content in canonical order, for the state hash."""
        sides = [
            sorted((k, v) for k, v in side.items() if v)
            for side in (self._bid_volume, self._ask_volume, self._bid_notional, self._ask_notional)
        ]
        columns = [
            (c.second, c.base, c.best_bid, c.best_ask, c.bids, c.asks, c.bid_notional, c.ask_notional, c.partial)
            for c in self.columns
        ]
        return [self.bucket, self.band, sides, columns, [(s.tenth, s.bid, s.ask) for s in self.samples]]


class Heatmap(msgspec.Struct, frozen=True, kw_only=True):
    """A matrix [seconds, buckets] of one metric; bucket j covers the index `base` + j; `partial` marks lower bounds."""

    metric: str
    seconds: tuple[int, ...]
    base: int
    cells: Floats
    partial: npt.NDArray[np.bool_]


def _shift(
    changes: Iterable[Level],
    levels: dict[int, int],
    bucket: int,
    volume: dict[int, int],
    notional: dict[int, int],
) -> None:
    """Move the sums by the difference between the new sizes and those in `levels`."""
    old = levels.get
    # A price named twice counts once, with its last size, as in the book.
    for price, size in dict(changes).items():
        change = size - old(price, 0)
        if change:
            k = price // bucket
            if k in volume:
                volume[k] += change
                notional[k] += change * price
            else:
                volume[k] = change
                notional[k] = change * price


def nice_bucket(mid: float, tick: int) -> int:
    """Return a bucket size in ticks for an instrument without a configured one: 1, 2 or 5 x 10^n, about 2.5 bps of mid.

    Units: `mid` in ticks; `tick` the venue's price step in ticks.
    """
    wanted = max(mid * 2.5e-4, tick)
    power = int(10 ** (len(str(int(wanted))) - 1))
    size = next((factor * power for factor in (5, 2, 1) if factor * power <= wanted), power)
    return max(size // tick, 1) * tick
