"""Numbers, times and ages as texts that keep their width, whatever their value; what is missing is `-`, never 0."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from math import isfinite

from tradetui.console.render.frame import ELLIPSIS, one_cell_each

NOTHING = "-"

_UNITS = (("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12))

EIGHTHS = " \u258f\u258e\u258d\u258c\u258b\u258a\u2589"


def fit(text: str, width: int, *, right: bool = False, keep_end: bool = False) -> str:
    """Return `text` exactly `width` cells wide; one that is too long loses its end (or beginning) to an ellipsis."""
    text = one_cell_each(text)
    if len(text) > width:
        if width < 2:
            return text[:width]
        return ELLIPSIS + text[1 - width :] if keep_end else text[: width - 1] + ELLIPSIS
    return text.rjust(width) if right else text.ljust(width)


def price(value: float | None, tick: float, width: int) -> str:
    """Return a price with the decimals of its step; digits are never cut off without a mark."""
    if value is None or not isfinite(value):
        return NOTHING
    places = decimals(tick)
    for text in (f"{value:,.{places}f}", f"{value:.{places}f}"):
        if len(text) <= width:
            return text
    return f"{value:.{max(width - 6, 1)}g}"


@lru_cache(256)
def decimals(step: float) -> int:
    """Return how many decimals a price has that moves in steps."""
    return len(f"{step:.10f}".rstrip("0").partition(".")[2])


def number(value: float | None, places: int = 0, *, sign: bool = False) -> str:
    """Return a number, `-` for none."""
    if value is None or not isfinite(value):
        return NOTHING
    return f"{value:{'+' if sign else ''},.{places}f}"


def figure(value: float | None) -> str:
    """Return a figure in five characters at most, 0 or more: 0.42, 4.2, 81, 1234, 12345, 123k, 12M."""
    if value is None or not isfinite(value):
        return NOTHING
    if abs(value) < 1:
        return f"{value:.2f}" if value else "0"
    return f"{value:.1f}" if abs(value) < 9.95 else count(round(value), 5)


def count(value: int, width: int) -> str:
    """Return a count in at most `width` characters: 12345678, 1234M."""
    text, units = str(value), iter("kMGTPE")
    while len(text) > width and abs(value) >= 1000:
        value //= 1000
        text = f"{value}{next(units, '?')}"
    return text


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


def size(value: float | None) -> str:
    """Return a number of bytes in seven characters at most: 512 B, 4.2 kB, 81 MB."""
    if value is None or not isfinite(value):
        return NOTHING
    for unit in ("B", "kB", "MB", "GB", "TB", "PB", "EB"):
        if abs(value) < 1000 or unit == "EB":
            break
        value /= 1000
    return f"{value:.1f} {unit}" if abs(value) < 10 and unit != "B" else f"{value:.0f} {unit}"


def change(per_cent: float | None, width: int = 8) -> str:
    """Return a change in `width` characters at most, its sign also as a shape: \u25b2+1.25%, \u25bc-0.40%."""
    if per_cent is None or not isfinite(per_cent):
        return NOTHING
    shape = "\u25b2" if per_cent > 0 else "\u25bc" if per_cent < 0 else " "
    for places in (2, 1, 0):
        text = f"{per_cent:+.{places}f}%"
        if len(text) < width:
            break
    return shape + text if len(text) < width else f"{shape}{count(abs(round(per_cent)), width - 2)}%"


def bar(part: float | None, width: int) -> str:
    """Return a bar of `width` cells that is filled by a part of one; a part that is not known leaves it empty."""
    eighths = round(min(max(part if part is not None and isfinite(part) else 0.0, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("\u2588" * full + (EIGHTHS[rest] if rest else "")).ljust(width, "\u00b7")


def age(seconds: float | None) -> str:
    """Return a length of time in four characters at most: <1s, 42s, 12m, 7h, 3d."""
    if seconds is None or not isfinite(seconds):
        return NOTHING
    if seconds < 1:
        return "<1s"
    for most, divisor, unit in ((100, 1, "s"), (6000, 60, "m"), (360_000, 3600, "h")):
        if seconds < most:
            return f"{int(seconds / divisor)}{unit}"
    return f"{min(int(seconds / 86_400), 999)}d"


def uptime(seconds: float) -> str:
    """Return a length of time in six characters at most: 42s, 12m34s, 3h04m, 2d03h."""
    whole = max(int(seconds), 0) if isfinite(seconds) else 0
    for unit, divisor, smaller, part in (("d", 86_400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        if whole >= divisor:
            rest = whole % divisor // part
            return (
                f"{whole // divisor}{unit}{rest:02}{smaller}" if whole < 100 * divisor else f"{whole // divisor}{unit}"
            )
    return f"{whole}s"


def length(seconds: int) -> str:
    """Return a length of time in its largest whole unit of which there are two, or exactly one: 12s, 90m, 1h, 2d."""
    for unit, each in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * each or seconds == each:
            return f"{seconds // each}{unit}"
    return f"{seconds}s"


def clock(ns: int, now: int | None = None) -> str:
    """Return a UTC time of day; with `now`, a time of another day as its date."""
    when = _utc(ns)
    if now is not None and when.date() != _utc(now).date():
        return when.strftime("%Y-%m-%d")
    return when.strftime("%H:%M:%SZ")


def stamp(ns: int) -> str:
    """Return a UTC date and time."""
    return _utc(ns).strftime("%Y-%m-%d %H:%M:%SZ")


def _utc(ns: int) -> datetime:
    try:
        return datetime.fromtimestamp(ns / 1e9, UTC)
    except (OverflowError, OSError, ValueError):
        return datetime.fromtimestamp(0, UTC)
