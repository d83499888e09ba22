"""Where volume stands out in a book: buckets with an intensity, walls, support and resistance."""

from __future__ import annotations

from typing import Self, TypedDict

import msgspec
import numpy as np

from engine.market.buckets import Buckets

VISIBLE = 0.1
"""Intensity from which a bucket is worth showing, included."""

WALL = 0.7
"""Intensity from which a bucket is a wall, included."""

FULL = 95
"""Percentile of a side's buckets that has intensity 1."""


class Point(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A bucket with volume: `bucket` k, `volume` lots (smoothed ones are not whole), `intensity` 0 to 1."""

    bucket: int
    volume: float
    intensity: float


class Summary(TypedDict, total=False):
    """What a heat map amounts to, in the specification's words (HMC-8); prices are lower edges in ticks."""

    total_points: int
    bid_points: int
    ask_points: int
    total_volume: float
    bid_volume: float
    ask_volume: float
    max_intensity: float
    avg_intensity: float
    price_range: int
    best_bid: int | None
    best_ask: int | None
    volume_imbalance: float


class Heat(msgspec.Struct, frozen=True, kw_only=True):
    """The buckets of one moment by how much they stand out on their side; `bids` and `asks` by price, lowest first.

    `size` is the bucket size in ticks.
    """

    size: int
    bids: tuple[Point, ...]
    asks: tuple[Point, ...]

    @classmethod
    def of(cls, buckets: Buckets) -> Self:
        """Return the points of all buckets with volume (HMC-1).

        Intensity is min(volume / full, 1), where full is the 95th percentile (linear between ranks) of the volumes of
        that side's buckets; the two sides do not outshine one another.
        """
        return cls(size=buckets.size, bids=_points(buckets.bids), asks=_points(buckets.asks))

    def largest(self, count: int) -> Self:
        """Return the `count` points with most volume over both sides (HMC-2)."""
        held = sorted([*self.bids, *self.asks], key=lambda point: -point.volume)[:count]
        return self._only({id(point) for point in held})

    def visible(self, least: float = VISIBLE) -> Self:
        """Return the points of at least that intensity (HMC-4)."""
        return self._only({id(point) for point in (*self.bids, *self.asks) if point.intensity >= least})

    def smoothed(self, factor: float = 0.3) -> Self:
        """Return each point averaged with its neighbours on its side (HMC-3).

        Volume and intensity become (own + s left + s right) / (1 + s for each neighbour there is), intensity at most 1.
        A side of fewer than 3 points, and any at s <= 0, stays as it is.
        """
        return msgspec.structs.replace(self, bids=_smoothed(self.bids, factor), asks=_smoothed(self.asks, factor))

    def price_levels(self, *, bids: bool = True, asks: bool = True) -> list[int]:
        """Return the lower edges of the points of one side or both, ticks, ascending (HMC-5)."""
        points = (*(self.bids if bids else ()), *(self.asks if asks else ()))
        return sorted({point.bucket * self.size for point in points})

    def volume_profile(self) -> tuple[list[tuple[int, float]], list[tuple[int, float]]]:
        """Return (lower edge in ticks, lots): bids from the highest price, asks from the lowest (HMC-6)."""
        return (
            [(point.bucket * self.size, point.volume) for point in reversed(self.bids)],
            [(point.bucket * self.size, point.volume) for point in self.asks],
        )

    def walls(self, least: float = WALL) -> tuple[tuple[Point, ...], tuple[Point, ...]]:
        """Return what may support (bids, highest first) and resist (asks, lowest first): intensity >= 0.7 (HMC-7)."""
        return (
            tuple([point for point in reversed(self.bids) if point.intensity >= least]),
            tuple([point for point in self.asks if point.intensity >= least]),
        )

    def summary(self) -> Summary:
        """Return the figures of HMC-8, or nothing when there are no points.

        `price_range` is from the lowest lower edge to the highest, ticks. A side without points has no best price.
        """
        points = (*self.bids, *self.asks)
        if not points:
            return {}
        bid, ask = (sum(point.volume for point in side) for side in (self.bids, self.asks))
        edges = self.price_levels()
        return {
            "total_points": len(points),
            "bid_points": len(self.bids),
            "ask_points": len(self.asks),
            "total_volume": bid + ask,
            "bid_volume": bid,
            "ask_volume": ask,
            "max_intensity": max(point.intensity for point in points),
            "avg_intensity": sum(point.intensity for point in points) / len(points),
            "price_range": edges[-1] - edges[0],
            "best_bid": self.bids[-1].bucket * self.size if self.bids else None,
            "best_ask": self.asks[0].bucket * self.size if self.asks else None,
            "volume_imbalance": (bid - ask) / (bid + ask),
        }

    def _only(self, kept: set[int]) -> Self:
        bids, asks = (tuple([point for point in side if id(point) in kept]) for side in (self.bids, self.asks))
        return msgspec.structs.replace(self, bids=bids, asks=asks)


def _points(side: dict[int, int]) -> tuple[Point, ...]:
    held = sorted((k, volume) for k, volume in side.items() if volume > 0)
    if not held:
        return ()
    full = float(np.percentile([float(volume) for _, volume in held], FULL))
    return tuple([Point(bucket=k, volume=volume, intensity=min(volume / full, 1.0)) for k, volume in held])


def _smoothed(side: tuple[Point, ...], factor: float) -> tuple[Point, ...]:
    if factor <= 0 or len(side) < 3:
        return side
    found = []
    for place, point in enumerate(side):
        neighbours = [side[other] for other in (place - 1, place + 1) if 0 <= other < len(side)]
        weight = 1 + factor * len(neighbours)
        volume = point.volume + factor * sum(neighbour.volume for neighbour in neighbours)
        intensity = point.intensity + factor * sum(neighbour.intensity for neighbour in neighbours)
        found.append(Point(bucket=point.bucket, volume=volume / weight, intensity=min(intensity / weight, 1.0)))
    return tuple(found)
