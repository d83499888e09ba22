"""What counts from 00:00 UTC: volume-weighted average price (VWAP) and on-balance volume (OBV) of the day so far."""

from __future__ import annotations

from math import isnan, nan
from typing import Self

import msgspec

from engine.types import DAY_MS


class DayAnchor(msgspec.Struct, frozen=True, kw_only=True):
    """The sums of a UTC day up to a bar, to go on from where the day's start is no longer in memory.

    Units: `day` days since 1970; `volume` base asset (contracts on inverse markets), `quote` its value in quote units;
    `obv` as `volume`, signed; `close` of the last bar counted, which opened at `until_ms` (UTC ms).
    """

    day: int
    volume: float
    quote: float
    obv: float
    close: float
    until_ms: int


class DaySums:
    """VWAP and OBV of one series, bar by bar.

    VWAP is the sum of quote volume over the sum of volume; where a bar's quote volume is unknown it is the typical
    price (high + low + close) / 3 times the volume. nan while the day has no volume. OBV (Granville 1963) adds the
    volume of a bar that closed above the bar before and subtracts that of one that closed below; the first bar of a day
    counts by its own open, so that nothing from before the day is in it.

    A day whose start was not seen has no values: the series began within it and no `DayAnchor` was given. A day is seen
    from its start when a bar opens at 00:00, or bars of an earlier day came before; holes just follow.
    """

    __slots__ = ("close", "covered", "day", "obv", "quote", "until_ms", "volume")

    def __init__(self, anchor: DayAnchor | None = None) -> None:
        self.covered = anchor is not None
        self.day = anchor.day if anchor else -1
        self.volume = anchor.volume if anchor else 0.0
        self.quote = anchor.quote if anchor else 0.0
        self.obv = anchor.obv if anchor else 0.0
        self.close = anchor.close if anchor else nan
        self.until_ms = anchor.until_ms if anchor else -1

    def take(
        self, open_ms: int, open_: float, high: float, low: float, close: float, volume: float, quote: float
    ) -> tuple[float, float]:
        """Count a bar; return (VWAP, OBV) at its end. Bars up to `until_ms` are counted already and give nan."""
        if open_ms <= self.until_ms:
            return nan, nan
        day = open_ms // DAY_MS
        if day != self.day:
            self.covered = self.day >= 0 or open_ms % DAY_MS == 0
            self.day = day
            self.volume = self.quote = self.obv = 0.0
            self.close = open_
        self.until_ms = open_ms
        before, self.close = self.close, close
        if not self.covered:
            return nan, nan
        self.volume += volume
        self.quote += volume * (high + low + close) / 3 if isnan(quote) else quote
        if close > before:
            self.obv += volume
        elif close < before:
            self.obv -= volume
        return self.quote / self.volume if self.volume > 0 else nan, self.obv

    def copy(self) -> Self:
        """Return one that goes its own way."""
        other = type(self)(self.anchor)
        other.day, other.close, other.until_ms = self.day, self.close, self.until_ms
        return other

    @property
    def anchor(self) -> DayAnchor | None:
        """Where to go on from; None while the day's start was not seen."""
        if not self.covered:
            return None
        return DayAnchor(
            day=self.day,
            volume=self.volume,
            quote=self.quote,
            obv=self.obv,
            close=self.close,
            until_ms=self.until_ms,
        )
