"""The price scale of a chart: on which row a price stands, and when the scale gives way to the candles.

A scale is sticky. A new one repaints the whole chart, so the one before is kept as long as it can be read.
"""

from __future__ import annotations

from math import exp, log
from typing import NamedTuple

import numpy as np

from tradetui.console.series import Floats

PAD = 0.08
"""Room above and below the candles of a new scale, as a part of their range."""

FILL = 0.6
"""The least part of a scale that the candles fill before it is made anew."""

LEAST_TICKS = 4
"""Price steps that a scale shows at least: less would make mountains of nothing."""

STRETCH = 1.25
"""By how much one press stretches the prices."""

NARROWEST = 1e-9
"""The least height of a scale, as a part of its price; below it floating point is coarser than a row."""

LARGEST, LARGEST_LOG = 1e14, 32.0
"""The farthest from 0 that a held scale may go, as a price and as a logarithm."""


class Scale(NamedTuple):
    """Prices at the lower and the upper edge of the plot; their natural logarithms where `log` is set."""

    bottom: float
    top: float
    log: bool = False

    def rows(self, prices: Floats, height: int) -> Floats:
        """Return where prices stand, in rows above the lower edge; NaN where there is no such price."""
        with np.errstate(divide="ignore", invalid="ignore"):
            bent = np.log(prices) if self.log else prices
            return (bent - self.bottom) * (height / (self.top - self.bottom))

    def price(self, row: float, height: int) -> float:
        """Return the price that stands `row` rows above the lower edge."""
        return self._straight(self.bottom + (self.top - self.bottom) * row / height)

    @property
    def low(self) -> float:
        """The price at the lower edge."""
        return self._straight(self.bottom)

    @property
    def high(self) -> float:
        """The price at the upper edge."""
        return self._straight(self.top)

    def _straight(self, bent: float) -> float:
        return exp(bent) if self.log else bent


def between(low: float, high: float, *, log_: bool = False) -> Scale:
    """Return a scale between two prices. Prices that have no logarithm are shown on a linear scale."""
    if log_ and low > 0:
        return _apart(log(low), log(high), log_=True)
    return _apart(low, high, log_=False)


def fit(low: float, high: float, tick: float, *, log_: bool = False) -> Scale:
    """Return a new scale for candles between two prices; `tick` is the instrument's price step, 0 if unknown."""
    tight = between(*_wide_enough(low, high, tick), log_=log_)
    room = (tight.top - tight.bottom) * PAD
    return Scale(tight.bottom - room, tight.top + room, tight.log)


def follow(before: Scale | None, low: float, high: float, tick: float, *, log_: bool = False) -> Scale:
    """Return the scale before as long as the candles lie within it and fill enough of it, else a new one."""
    tight = between(*_wide_enough(low, high, tick), log_=log_)
    if before is not None and before.log == tight.log:
        inside = before.bottom <= tight.bottom and tight.top <= before.top
        if inside and tight.top - tight.bottom >= FILL * (before.top - before.bottom):
            return before
    return fit(low, high, tick, log_=log_)


def stretched(scale: Scale, steps: int, around: float | None = None) -> Scale:
    """Return a scale that shows fewer prices on more rows (`steps` > 0) or the other way round.

    The price `around` keeps its place; without one the middle of the scale does.
    """
    fixed = (scale.bottom + scale.top) / 2
    if around is not None and (around > 0 or not scale.log):
        fixed = min(max(log(around) if scale.log else around, scale.bottom), scale.top)
    factor = STRETCH**-steps
    bottom, top = fixed + (scale.bottom - fixed) * factor, fixed + (scale.top - fixed) * factor
    limit = LARGEST_LOG if scale.log else LARGEST
    if top - bottom < _narrowest(scale) or max(-bottom, top) > limit:
        return scale
    return Scale(bottom, top, scale.log)


def shifted(scale: Scale, rows: float, height: int) -> Scale:
    """Return a scale that lies `rows` rows higher."""
    by = (scale.top - scale.bottom) * rows / max(height, 1)
    limit = LARGEST_LOG if scale.log else LARGEST
    if max(-(scale.bottom + by), scale.top + by) > limit:
        return scale
    return Scale(scale.bottom + by, scale.top + by, scale.log)


def _wide_enough(low: float, high: float, tick: float) -> tuple[float, float]:
    """Return two prices that are apart: a flat market has a scale, too."""
    least = max(LEAST_TICKS * tick, max(abs(low), abs(high)) * 1e-6, 1e-12)
    missing = least - (high - low)
    if missing <= 0:
        return low, high
    middle = (low + high) / 2
    bottom = middle - least / 2
    return (bottom if bottom > 0 or low <= 0 else low / 2), middle + least / 2


def _narrowest(scale: Scale) -> float:
    return NARROWEST if scale.log else NARROWEST * max(abs(scale.bottom), abs(scale.top), 1e-6)


def _apart(bottom: float, top: float, *, log_: bool) -> Scale:
    least = NARROWEST if log_ else NARROWEST * max(abs(bottom), abs(top), 1e-6)
    return Scale(bottom, max(top, bottom + least), log_)
