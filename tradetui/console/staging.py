"""Limits that are to be changed: staged here, step by step, and sent as one command. Pure.

Nothing that is staged holds: the engine is asked with all of it at once, and says why not.
"""

from __future__ import annotations

from math import floor, isfinite, log10
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.tradingviews import LimitView

SHARES = ("share", "share of equity", "fraction")
"""Units that are told in per cent."""


def whole(limit: LimitView) -> bool:
    """Tell whether a limit counts things."""
    return limit.value == int(limit.value) and limit.least >= 1


def step_of(limit: LimitView, value: float) -> float:
    """Return what one step changes of a value: one of its second digit, at least 1 for what is counted."""
    if value <= 0:
        return 1.0 if whole(limit) else (limit.most - limit.least) / 100
    size = 10.0 ** (floor(log10(value) + 1e-9) - 1)
    return max(size, 1.0) if whole(limit) else size


def stepped(limit: LimitView, value: float, steps: int) -> float:
    """Return a value so many steps on, within the bounds of its limit."""
    if not steps:
        return value
    for _ in range(abs(steps)):
        up = steps > 0
        size = step_of(limit, value if up else value * (1 - 1e-6) if value > 0 else value)
        value = round((round(value / size) + (1 if up else -1)) * size, 12)
    return bounded(limit, value)


def bounded(limit: LimitView, value: float) -> float:
    """Return a value within the bounds of its limit, whole for what is counted."""
    value = min(max(value, limit.least), limit.most)
    return float(round(value)) if whole(limit) else value


def read(limit: LimitView, text: str) -> float:
    """Return a value as a person types it: `25%` and `25 %` are 0.25 of a share, 0.25 is, too.

    Raises:
        ValueError: It is no number, or outside of the bounds.
    """
    share = text.strip().endswith("%")
    try:
        value = float(text.strip().removesuffix("%").replace(",", "")) / (100 if share else 1)
    except ValueError:
        value = float("nan")
    if not isfinite(value) or not limit.least <= value <= limit.most:
        raise ValueError(f"{limit.name}: expected {told(limit, limit.least)} to {told(limit, limit.most)}")
    return value


def told(limit: LimitView, value: float | None) -> str:
    """Return a value of a limit with its unit: `20 %`, `2000 ms`, `3`."""
    if value is None:
        return "-"
    if limit.unit in SHARES:
        return f"{value * 100:.6g} %"
    return f"{value:,.10g} {limit.unit.removeprefix('1')}".rstrip()


def part(limit: LimitView, value: float) -> float:
    """Return where a value stands between its bounds, 0 to 1; by its size where they are far apart."""
    low, high = max(limit.least, 0.0), limit.most
    if high <= low:
        return 0.0
    floor_ = max(low, high / 1000)
    if high / floor_ > 50 and value > 0:
        return min(max(log10(max(value, floor_) / floor_) / log10(high / floor_), 0.0), 1.0)
    return min(max((value - low) / (high - low), 0.0), 1.0)
