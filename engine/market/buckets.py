"""Volume by price bucket, for any bucket size: ranges, the largest, statistics, wider buckets, profile by distance.

`Cob` keeps such sums for the buckets round the mid; this is for whoever looks at them, or at a whole book.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import msgspec

from engine.market.cob import Column
from engine.market.depth import imbalance
from engine.types import Level


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """What the buckets of one side amount to, in lots; `largest` and `average` None without buckets."""

    buckets: int
    volume: int
    largest: int | None
    average: float | None


class BucketStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What a set of buckets amounts to; `lowest` and `highest` edges in ticks, None without volume."""

    bid: Side
    ask: Side
    lowest: int | None
    highest: int | None
    total_volume: int
    volume_imbalance: float | None


class Buckets(msgspec.Struct, frozen=True, kw_only=True):
    """Volume by price bucket: bucket k covers [k, k + 1) x `size` ticks, for bids and asks alike.

    Volumes are lots, by k; buckets without volume are left out. The buckets [`first`, `stop`) are looked at; those in
    `partial`, and all outside, may hold more than is known.
    """

    size: int
    first: int
    stop: int
    bids: dict[int, int]
    asks: dict[int, int]
    partial: frozenset[int] = frozenset()

    @classmethod
    def of_column(cls, column: Column, size: int) -> Self:
        """Return the buckets of a second of the COB, whose buckets are `size` ticks wide."""
        span = range(column.base, column.base + len(column.bids))
        return cls(
            size=size,
            first=span.start,
            stop=span.stop,
            bids={k: volume for k, volume in zip(span, column.bids, strict=True) if volume},
            asks={k: volume for k, volume in zip(span, column.asks, strict=True) if volume},
            partial=frozenset(k for k, partial in zip(span, column.partial, strict=True) if partial),
        )

    @classmethod
    def of_levels(cls, bids: Iterable[Level], asks: Iterable[Level], size: int, low: int, high: int) -> Self:
        """Return the buckets of all levels; [`low`, `high`] is the known range in ticks."""
        sides: list[dict[int, int]] = []
        for levels in (bids, asks):
            side: dict[int, int] = {}
            for price, volume in levels:
                if volume:
                    side[price // size] = side.get(price // size, 0) + volume
            sides.append(side)
        first, stop = low // size, high // size + 1
        edges = frozenset(
            k for k, cut in ((first, low % size != 0), (stop - 1, (high + 1) % size != 0)) if cut and first <= k < stop
        )
        return cls(size=size, first=first, stop=stop, bids=sides[0], asks=sides[1], partial=edges)

    def is_partial(self, k: int) -> bool:
        """Tell whether bucket k may hold more than is known."""
        return k in self.partial or not self.first <= k < self.stop

    def range_round(self, centre: int, depth: int) -> tuple[int, int]:
        """Return the prices `depth` buckets below and above a centre, ticks; the lower not below 0 (PBC-5)."""
        return max(centre - depth * self.size, 0), centre + depth * self.size

    def within(self, low: int, high: int) -> Self:
        """Return the buckets whose lower edge is in [low, high] ticks, both ends included (PBC-6)."""
        first, stop = -(-low // self.size), high // self.size + 1
        kept = range(max(first, self.first), max(first, min(stop, self.stop)))
        return msgspec.structs.replace(
            self,
            first=kept.start,
            stop=max(kept.start, kept.stop),
            bids={k: volume for k, volume in self.bids.items() if first <= k < stop},
            asks={k: volume for k, volume in self.asks.items() if first <= k < stop},
            partial=frozenset(k for k in self.partial if first <= k < stop),
        )

    def top(self, count: int) -> tuple[list[Level], list[Level]]:
        """Return the `count` largest buckets (k, lots) of either side; of equal ones that nearer the spread (PBC-7)."""
        bids = sorted(self.bids.items(), key=lambda bucket: (-bucket[1], -bucket[0]))
        asks = sorted(self.asks.items(), key=lambda bucket: (-bucket[1], bucket[0]))
        return bids[:count], asks[:count]

    def statistics(self) -> BucketStatistics:
        """Return what the set amounts to (PBC-8); without volume the imbalance is None, not 0."""
        bid, ask = (
            Side(
                buckets=len(side),
                volume=sum(side.values()),
                largest=max(side.values(), default=None),
                average=sum(side.values()) / len(side) if side else None,
            )
            for side in (self.bids, self.asks)
        )
        held = self.bids.keys() | self.asks.keys()
        return BucketStatistics(
            bid=bid,
            ask=ask,
            lowest=min(held) * self.size if held else None,
            highest=(max(held) + 1) * self.size if held else None,
            total_volume=bid.volume + ask.volume,
            volume_imbalance=imbalance(bid.volume, ask.volume),
        )

    def merged(self, factor: int = 2) -> Self:
        """Return buckets `factor` times as wide (PBC-9); one of which a part is unknown is partial."""
        if factor < 1:
            raise ValueError(f"buckets are merged by a factor of 1 or more, not {factor}")
        sides: list[dict[int, int]] = []
        for side in (self.bids, self.asks):
            wide: dict[int, int] = {}
            for k, volume in side.items():
                wide[k // factor] = wide.get(k // factor, 0) + volume
            sides.append(wide)
        first, stop = self.first // factor, -(-self.stop // factor)
        partial = {k // factor for k in self.partial}
        if self.first % factor:
            partial.add(first)
        if self.stop % factor:
            partial.add(stop - 1)
        return msgspec.structs.replace(
            self,
            size=self.size * factor,
            first=first,
            stop=stop,
            bids=sides[0],
            asks=sides[1],
            partial=frozenset(partial),
        )

    def profile(self, centre: float) -> tuple[list[tuple[float, int]], list[tuple[float, int]]]:
        """Return (distance, lots) per side, nearest first (PBC-10): from `centre` to each bucket's middle, ticks."""
        bids, asks = (
            sorted((abs((k + 0.5) * self.size - centre), volume) for k, volume in side.items())
            for side in (self.bids, self.asks)
        )
        return bids, asks
