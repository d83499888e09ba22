"""Figures of risk and of results: VaR and expected shortfall, R multiples, drawdown, exposure, leverage."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

LEAST_DAYS = 30
"""Days of returns without which there is no VaR."""


class Tail(msgspec.Struct, frozen=True, kw_only=True):
    """The bad end of one day: `var` is lost or more on 5 % of days, `es` is lost on average then; both >= 0.

    In the unit of the positions' values. `samples` are the days it was told from.
    """

    var: float
    es: float
    samples: int


def var_es(values: Sequence[float], closes: NDArray[np.float64], per_day: int = 1, level: float = 0.95) -> Tail | None:
    """Return historical VaR and ES of one day, of positions as they are now; None below 30 days.

    Every day (each window of `per_day` closes: overlapping, where closes are hourly) is played on today's positions.

    Args:
        values: Signed value of each position, any unit: [k].
        closes: Aligned closes, oldest first, NaN where there is none: [n, k].
        per_day: Closes in a day: 24 hourly ones, or 1.
        level: Of confidence.
    """
    held = np.asarray(values, np.float64)
    if closes.ndim != 2 or closes.shape[1] != held.size or len(closes) <= per_day:
        return None
    used = held != 0
    prices = closes[:, used]
    outcomes = (prices[per_day:] / prices[:-per_day] - 1) @ held[used]
    outcomes = np.sort(outcomes[np.isfinite(outcomes)])
    days = len(outcomes) // per_day
    if days < LEAST_DAYS:
        return None
    # The smallest outcome that at least 5 % of days do not exceed: never a milder one than was seen.
    worst = outcomes[: max(math.floor(len(outcomes) * (1 - level) + 1e-9), 1)]
    return Tail(var=max(0.0, -float(worst[-1])), es=max(0.0, -float(worst.mean())), samples=days)


def hit_rate(nets: Sequence[float]) -> float | None:
    """Return the share of trades with a net gain; None without trades."""
    return sum(net > 0 for net in nets) / len(nets) if nets else None


def mean_r(multiples: Sequence[float]) -> float | None:
    """Return the mean R multiple; None without trades."""
    return math.fsum(multiples) / len(multiples) if multiples else None


def lower_bound(count: int, mean: float, squares: float) -> float | None:
    """Return the lower 80 % bound (one-sided, Student's t) of a mean; None below 2 values.

    `squares` is the sum of squared deviations from the mean.
    """
    if count < 2:
        return None
    return mean - student_80(count - 1) * math.sqrt(max(squares, 0.0) / (count - 1) / count)


def student_80(freedom: int) -> float:
    """Return the 80 % quantile of Student's t, to 3 decimals.

    Exact for 1 and 2 degrees of freedom; else Abramowitz and Stegun 26.7.5 from the normal quantile.
    """
    if freedom == 1:
        return math.tan(0.3 * math.pi)
    if freedom == 2:
        return 0.6 / math.sqrt(2 * 0.8 * 0.2)
    z, n = 0.8416212335729143, float(freedom)
    return (
        z
        + (z**3 + z) / (4 * n)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
    )


def exposure(values: Iterable[int]) -> int:
    """Return the sum of positions' values, long and short alike."""
    return sum(abs(value) for value in values)


def leverage(exposed: int, equity: int | None) -> float | None:
    """Return exposure as a multiple of equity; None where that is not known or not above 0."""
    return None if equity is None or equity <= 0 else exposed / equity
