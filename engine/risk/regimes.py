"""The market condition of an instrument: calm, normal or wild, by its volatility of 30 days and by its spread.

Volatility is that of the last 24 hourly returns; its percentile is where it stands among those of every 24 hours of the
last 30 days. What has been entered is left only a little beyond its threshold, so that it does not flap.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.risk.limits import Regime, Regimes
from engine.types import SECOND

HOURS = 24
"""Hourly returns of one volatility."""

LEAST_HOURS = 72
"""Hourly returns without which the percentile is not known."""

MOST_HOURS = 720
"""Hourly returns that count: 30 days."""

YEAR_HOURS = 8766
"""Hours of a year; crypto markets do not close."""

BACK = 0.05
"""Percentile beyond a threshold at which a condition is left again."""

SPREAD_BACK = 0.8
"""Part of the spread's threshold at which wild is left again."""


class RegimeTracker:
    """Tells the condition of one instrument; "unknown" has normal's parameters.

    Attributes:
        settings: May be replaced at any time.
        percentile: Of volatility, 0 to 1; None: not known.
        volatility: Yearly, of the last 24 hours; None: not known.
        spread_bps: Median of the last minute, one sample a second; None: none yet.
        regime: calm, normal, wild or unknown.
    """

    __slots__ = ("_spreads", "_wide", "percentile", "regime", "settings", "spread_bps", "volatility")

    def __init__(self, settings: Regimes) -> None:
        self.settings = settings
        self.percentile: float | None = None
        self.volatility: float | None = None
        self.spread_bps: float | None = None
        self.regime = "unknown"
        self._wide = False
        self._spreads: deque[tuple[int, float]] = deque(maxlen=60)

    @property
    def parameters(self) -> Regime:
        """What the condition makes of the limits."""
        settings = self.settings
        return {"calm": settings.calm, "wild": settings.wild}.get(self.regime, settings.normal)

    def spread(self, bps: float, now: int) -> bool:
        """Take the spread (bps of the mid) at `now` (UTC ns); return whether the condition has changed."""
        spreads = self._spreads
        if spreads and now - spreads[-1][0] < SECOND:
            return False
        spreads.append((now, bps))
        while spreads[0][0] <= now - 60 * SECOND:
            spreads.popleft()
        ordered = sorted(bps for _, bps in spreads)
        half = len(ordered) // 2
        self.spread_bps = ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
        most = self.settings.wild_spread_bps
        self._wide = self.spread_bps > (most * SPREAD_BACK if self._wide else most)
        return self._tell()

    def closes(self, closes: Sequence[float]) -> bool:
        """Take hourly closes, oldest first, NaN where one is missing; return whether the condition has changed.

        One for each hour; only the last 30 days count.
        """
        prices = np.asarray(closes[-MOST_HOURS - 1 :], np.float64)
        self.percentile = self.volatility = None
        if len(prices) > LEAST_HOURS:
            with np.errstate(divide="ignore", invalid="ignore"):
                returns = np.diff(np.log(prices))
            windows = np.lib.stride_tricks.sliding_window_view(returns, HOURS)
            spans = windows.std(axis=1, ddof=1)
            last, known = float(spans[-1]), spans[np.isfinite(spans)]
            if np.isfinite(last):
                self.volatility = last * YEAR_HOURS**0.5
                if len(known) > LEAST_HOURS - HOURS:
                    below, same = np.count_nonzero(known < last), np.count_nonzero(known == last)
                    self.percentile = float((below + same / 2) / len(known))
        return self._tell()

    def _tell(self) -> bool:
        before, at, settings = self.regime, self.percentile, self.settings
        if self._wide:
            self.regime = "wild"
        elif at is None:
            self.regime = "unknown"
        elif at > settings.wild_above - (BACK if before == "wild" else 0):
            self.regime = "wild"
        elif at < settings.calm_below + (BACK if before == "calm" else 0):
            self.regime = "calm"
        else:
            self.regime = "normal"
        return self.regime != before

    def image(self) -> dict[str, Any]:
        """All of it but the settings, as builtins."""
        return {
            "percentile": self.percentile, "volatility": self.volatility, "spread_bps": self.spread_bps,
            "regime": self.regime, "wide": self._wide, "spreads": list(self._spreads),
        }  # fmt: skip
