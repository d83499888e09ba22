"""Sizes, prices and names of instruments in few cells of fixed width."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from tradetui.render.cells import NOTHING

_UNITS = (("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12))


def amount(value: float | None, width: int = 5) -> str:
    """Return a size in at most `width` (4 or more) characters: 0.123, 12.35, 1234, 12.3k; never 0 for what is not 0."""
    if value is None or value != value:
        return NOTHING
    sign, value = ("-", -value) if value < 0 else ("", value)
    width -= len(sign)
    if value == 0:
        return "0"
    for unit, factor in _UNITS:
        room = width - len(unit)
        whole = len(f"{value / factor:.0f}")
        if whole > room:
            continue
        text = f"{value / factor:.{max(room - whole - 1, 0)}f}"[:room].rstrip(".")
        if float(text):
            return f"{sign}{text}{unit}"
        return f"{sign}<.{'1'.rjust(width - 2, '0')}"
    return f"{sign}{value:.0e}"[:width]


def aligned(value: float, places: int, width: int) -> str:
    """Return a size with fixed decimals, so that a column of them can be compared by eye; never 0 for what is not 0."""
    text = f"{value:.{places}f}"
    if len(text) > width:
        return amount(value, width)
    if value and not float(text):
        return f"<.{'1'.rjust(places, '0')}" if places else "<1"
    return text


def places_for(largest: float, digits: int = 4) -> int:
    """Return the decimals with which the largest of some sizes has so many digits."""
    return max(digits - len(f"{abs(largest):.0f}"), 0) if largest == largest else 0


def places_of(sizes: Iterable[float], most: int = 8) -> int:
    """Return the decimals that tell all of some sizes exactly, at most `most`."""
    return max((len(f"{size:.{most}f}".rstrip("0").partition(".")[2]) for size in sizes), default=0)


@lru_cache(256)
def decimals(step: float) -> int:
    """Return how many decimals a price has that moves in steps."""
    return len(f"{step:.10f}".rstrip("0").partition(".")[2])


def short(instrument: str) -> str:
    """Return an instrument's name without its venue: `ETH/USDT` of `binance:ETH/USDT`."""
    return instrument.partition(":")[2] or instrument


def base(instrument: str) -> str:
    """Return the asset in which sizes are told: `ETH` of `binance:ETH/USDT`."""
    return short(instrument).partition("/")[0]
