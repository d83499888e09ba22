"""Which of two bars of the same time is believed."""

from __future__ import annotations

from engine.ohlcv import source_code
from engine.types import Bar

OURS = ("trades", "mixed")
"""Sources of bars that were built here, and change with a late trade."""


def goes_before(bar: Bar, old: Bar) -> bool:
    """Tell whether a bar takes the place of another of the same time; a newer word of the venue does."""
    if bar.complete is not old.complete:
        return bar.complete
    better = source_code(bar.source) - source_code(old.source)
    return better < 0 or (not better and bar.source == "venue" and not equal(bar, old))


def equal(bar: Bar, other: Bar) -> bool:
    """Tell whether two bars say the same; what one of them does not know cannot differ."""
    told = bar.open, bar.high, bar.low, bar.close, bar.volume
    if told != (other.open, other.high, other.low, other.close, other.volume):
        return False
    counts = (bar.trades, other.trades), (bar.taker_buy, other.taker_buy), (bar.quote_volume, other.quote_volume)
    return all(one == two or one < 0 or two < 0 for one, two in counts)
