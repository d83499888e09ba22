"""Pivot bounds: the support and resistance between which prices are told as parts of one."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from enum import StrEnum

import msgspec
import numpy as np

from engine.market.pivots import LEVELS
from engine.market.structure import Swings
from engine.ohlcv import OHLCV
from engine.types import Timeframe


class BoundSource(StrEnum):
    """What bounds are made of."""

    PIVOTS = "pivots"
    RANGE = "range"


class PivotBounds(msgspec.Struct, frozen=True, kw_only=True):
    """Support and resistance of one timeframe, in quote units, ascending, each price once, neither empty.

    `source` pivots: `supports` are the newest confirmed lows and `resistances` the newest confirmed highs, of all
    levels. `source` range: the lowest low and the highest high of the closed bars, until there are pivots of both
    kinds. `known_at` UTC ns: when the last of them was known.
    """

    timeframe: Timeframe
    source: BoundSource
    supports: tuple[float, ...]
    resistances: tuple[float, ...]
    known_at: int

    @property
    def lower(self) -> float:
        """The lowest support."""
        return self.supports[0]

    @property
    def upper(self) -> float:
        """The highest resistance."""
        return self.resistances[-1]

    def position(self, price: float) -> float | None:
        """Return 0 at the lower bound, 1 at the upper; a price beyond a bound stands on it (`beyond` tells how far).

        None when the bounds enclose nothing: upper not above lower.
        """
        if not self.upper > self.lower:
            return None
        return min(max((price - self.lower) / (self.upper - self.lower), 0.0), 1.0)

    def beyond(self, price: float) -> float | None:
        """Return how far a price is above the upper bound, or (negative) below the lower one, quote units; 0 inside.

        None when the bounds enclose nothing.
        """
        if not self.upper > self.lower:
            return None
        return max(price - self.upper, 0.0) + min(price - self.lower, 0.0)

    def to_support(self, price: float) -> float | None:
        """Return the distance down to the nearest support at or below a price, quote units; None if there is none."""
        place = bisect_right(self.supports, price)
        return price - self.supports[place - 1] if place else None

    def to_resistance(self, price: float) -> float | None:
        """Return the distance up to the nearest resistance at or above a price, quote units; None if there is none."""
        place = bisect_left(self.resistances, price)
        return self.resistances[place] - price if place < len(self.resistances) else None


def pivot_bounds(swings: Swings, highest: OHLCV, at_ms: int) -> PivotBounds | None:
    """Return the bounds out of pivots; while there is no high or no low, out of the highest timeframe's closed bars.

    Args:
        swings: The pivots known at that time.
        highest: Candles of the highest timeframe that were known at that time; those not closed are left out.
        at_ms: The time, UTC ms.

    Returns:
        None when there are neither pivots nor closed bars.
    """
    levels = range(1, LEVELS + 1)
    lows = [point for level in levels for point in swings.lows(level)]
    highs = [point for level in levels for point in swings.highs(level)]
    if lows and highs:
        return PivotBounds(
            timeframe=swings.timeframe,
            source=BoundSource.PIVOTS,
            supports=tuple(sorted({point.price for point in lows})),
            resistances=tuple(sorted({point.price for point in highs})),
            known_at=max(point.known_at for point in (*lows, *highs)),
        )
    closed = highest.take((highest.close_ms <= at_ms) & np.isfinite(highest.high) & np.isfinite(highest.low))
    if not len(closed):
        return None
    return PivotBounds(
        timeframe=highest.timeframe,
        source=BoundSource.RANGE,
        supports=(float(closed.low.min()),),
        resistances=(float(closed.high.max()),),
        known_at=int(closed.known_at.max()),
    )
