"""What traders read off the pivots: the trend of each level, support and resistance, classic floor pivots."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from enum import StrEnum

import msgspec

from engine.market.pivots import LEVELS
from engine.ohlcv import OHLCV
from engine.types import PivotPoint, Timeframe

NEWEST = 8
"""Highs, and lows, of each level that count as resistance and support."""


class Trend(StrEnum):
    """Where the swings of one level lead."""

    UP = "up"
    DOWN = "down"
    SIDEWAYS = "sideways"


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One level of the structure, seen from a price (quote units, positive).

    `trend` as `Swings.trend`. `support` is the highest of the level's newest lows that is not above the price,
    `resistance` the lowest of its newest highs that is not below it; None where there is none. A low that the price
    has fallen through supports nothing, nor does a high that it has passed.
    """

    level: int
    price: float
    trend: Trend | None
    support: PivotPoint | None
    resistance: PivotPoint | None

    @property
    def to_support(self) -> float | None:
        """Distance down to the support, quote units, not negative."""
        return None if self.support is None else self.price - self.support.price

    @property
    def to_resistance(self) -> float | None:
        """Distance up to the resistance, quote units, not negative."""
        return None if self.resistance is None else self.resistance.price - self.price

    @property
    def to_support_bps(self) -> float | None:
        """The same in basis points (1/100 %) of the price."""
        return None if self.to_support is None else 10_000 * self.to_support / self.price

    @property
    def to_resistance_bps(self) -> float | None:
        """The same in basis points (1/100 %) of the price."""
        return None if self.to_resistance is None else 10_000 * self.to_resistance / self.price


class Swings:
    """The newest `kept` highs and as many lows of each level of one timeframe, out of the log of confirmations.

    Filled from storage with at least `kept` of each level and side, it equals one that has seen the whole log.
    """

    __slots__ = ("_highs", "_lows", "kept", "timeframe")

    def __init__(self, timeframe: Timeframe, kept: int = NEWEST) -> None:
        if kept < 2:
            raise ValueError(f"{kept} pivots of a kind kept; a trend is read from 2")
        self.timeframe = timeframe
        self.kept = kept
        self._highs: list[deque[PivotPoint]] = [deque(maxlen=kept) for _ in range(LEVELS)]
        self._lows: list[deque[PivotPoint]] = [deque(maxlen=kept) for _ in range(LEVELS)]

    def take(self, points: Iterable[PivotPoint]) -> None:
        """Take in pivots in order of confirmation, each once.

        Raises:
            ValueError: A pivot is of another timeframe, or not later than the last of its level and side.
        """
        for point in points:
            if point.timeframe is not self.timeframe:
                raise ValueError(f"a pivot of {point.timeframe} given to the swings of {self.timeframe}")
            side = (self._highs if point.high else self._lows)[point.level - 1]
            if side and point.ts_ms <= side[-1].ts_ms:
                raise ValueError(
                    f"the level {point.level} pivot of {point.ts_ms} ms comes after the one of {side[-1].ts_ms} ms"
                )
            side.append(point)

    def highs(self, level: int) -> tuple[PivotPoint, ...]:
        """Return the newest highs of a level, oldest first."""
        return tuple(self._highs[level - 1])

    def lows(self, level: int) -> tuple[PivotPoint, ...]:
        """Return the newest lows of a level, oldest first."""
        return tuple(self._lows[level - 1])

    def points(self) -> list[PivotPoint]:
        """Return all that are kept, in the order of the log."""
        kept = [point for side in (*self._highs, *self._lows) for point in side]
        return sorted(kept, key=lambda point: (point.confirmed_ms, not point.high, point.level))

    def trend(self, level: int) -> Trend | None:
        """Return up when the last high and the last low are higher than the ones before, down when both are lower.

        Sideways when they disagree or are equal; None before there are two highs and two lows (C. Dow's definition).
        """
        highs, lows = self._highs[level - 1], self._lows[level - 1]
        if len(highs) < 2 or len(lows) < 2:
            return None
        if highs[-1].price > highs[-2].price and lows[-1].price > lows[-2].price:
            return Trend.UP
        if highs[-1].price < highs[-2].price and lows[-1].price < lows[-2].price:
            return Trend.DOWN
        return Trend.SIDEWAYS

    def support(self, level: int, price: float) -> PivotPoint | None:
        """Return the highest kept low of a level that is not above a price; of equals the newest."""
        return max(
            (point for point in self._lows[level - 1] if point.price <= price),
            key=lambda point: (point.price, point.ts_ms),
            default=None,
        )

    def resistance(self, level: int, price: float) -> PivotPoint | None:
        """Return the lowest kept high of a level that is not below a price; of equals the newest."""
        return min(
            (point for point in self._highs[level - 1] if point.price >= price),
            key=lambda point: (point.price, -point.ts_ms),
            default=None,
        )

    def read(self, price: float) -> tuple[Reading, ...]:
        """Return every level as it stands to a price, level 1 first.

        Raises:
            ValueError: The price is not positive.
        """
        if not price > 0:
            raise ValueError(f"a price of {price}: distances are told in parts of it")
        return tuple(
            Reading(
                level=level,
                price=price,
                trend=self.trend(level),
                support=self.support(level, price),
                resistance=self.resistance(level, price),
            )
            for level in range(1, LEVELS + 1)
        )


class FloorPivots(msgspec.Struct, frozen=True, kw_only=True):
    """The classic pivot point with three supports and resistances, quote units."""

    pivot: float
    r1: float
    r2: float
    r3: float
    s1: float
    s2: float
    s3: float


def floor_pivots(high: float, low: float, close: float) -> FloorPivots:
    """Return the classic floor pivots of a closed bar.

    P = (H+L+C)/3; R1 = 2P-L, S1 = 2P-H; R2 = P+(H-L), S2 = P-(H-L); R3 = H+2(P-L), S3 = L-2(H-P): the usual set, as at
    https://docs.tradingalert.net/indicator-alert-feature/indicator-definition-and-usage/pivot-point

    Raises:
        ValueError: The close is not between low and high.
    """
    if not low <= close <= high:
        raise ValueError(f"a bar with high {high}, low {low}, close {close} has no floor pivots")
    pivot, span = (high + low + close) / 3, high - low
    return FloorPivots(
        pivot=pivot,
        r1=2 * pivot - low,
        r2=pivot + span,
        r3=high + 2 * (pivot - low),
        s1=2 * pivot - high,
        s2=pivot - span,
        s3=low - 2 * (high - pivot),
    )


def floor_pivots_at(candles: OHLCV, at_ms: int) -> FloorPivots | None:
    """Return the floor pivots that hold at a time (UTC ms): those of the bar before the one that is running then.

    `candles` are usually of 1d, those that were known at that time. None when that bar is missing or incomplete: older
    ones are not the previous bar.
    """
    length = candles.timeframe.seconds * 1000
    place = int(candles.open_ms.searchsorted((at_ms // length - 1) * length))
    if place == len(candles) or candles.close_ms[place] != at_ms // length * length or not candles.complete[place]:
        return None
    return floor_pivots(float(candles.high[place]), float(candles.low[place]), float(candles.close[place]))
