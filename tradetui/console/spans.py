"""Moments and stretches of time as people write them: dates, spans, ranges. Pure; times are UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

HOUR, DAY = 3600, 86_400

UNITS = {"s": 1, "m": 60, "h": HOUR, "d": DAY, "w": 7 * DAY, "M": 30 * DAY, "y": 365 * DAY}
"""Seconds; a month has 30 days, a year 365."""

RANGES = ("1h", "4h", "1d", "1w", "1M")
"""Stretches that are offered."""

LONGEST_S = 20 * 365 * DAY

_SPAN = re.compile(r"([+-])(\d{1,9})([smhdwMy])", re.ASCII)
_RANGE = re.compile(r"(\d{1,9})([smhdwMy])", re.ASCII)
_DATE = re.compile(r"(\d{4})-(\d\d)(?:-(\d\d))?(.*)", re.ASCII)

WHEN = "a date (2024-08-05), a date and time (2024-08-05 06:00), UTC, a span (-2h, -3d, +1w), or now"


def moment(text: str, seen_s: int, now_s: int) -> int:
    """Return a moment, UTC seconds.

    Args:
        text: A date, with a time or without, in ISO 8601 (without a zone: UTC), `now`, or a span: from `seen_s` on or
            back, which is what the person looks at.
        seen_s: What is looked at, UTC seconds.
        now_s: Now, UTC seconds.

    Raises:
        ValueError: It is none of them; the message says what was expected.
    """
    given = text.strip()
    if given.lower() == "now":
        return now_s
    if match := _SPAN.fullmatch(given):
        sign, number, unit = match.groups()
        by = int(number) * UNITS[unit]
        if by > LONGEST_S:
            raise ValueError("expected a span of 20 years at most")
        return seen_s - by if sign == "-" else seen_s + by
    match = _DATE.fullmatch(given)
    if match is None:
        raise ValueError(f"expected {WHEN}")
    year, month, day, rest = match.groups()
    try:
        when = datetime.fromisoformat(f"{year}-{month}-{day or '01'}{rest.upper() if day else ''}")
        when = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
        found = (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    except (ValueError, OverflowError):
        raise ValueError(f"there is no such time; expected {WHEN}") from None
    if found < 0:
        raise ValueError("expected a time after 1970")
    return found


def stretch(text: str) -> int:
    """Return a stretch of time in seconds: 90m, 1h, 3d, 2w, 1M (30 days).

    Raises:
        ValueError: It is none; the message says what was expected.
    """
    match = _RANGE.fullmatch(text.strip())
    length = int(match[1]) * UNITS[match[2]] if match is not None else 0
    if not 10 <= length <= LONGEST_S:
        raise ValueError(f"expected a stretch of time from 10s to 20y, as in {', '.join(RANGES)} or 3d (M: 30 days)")
    return length


def fitting(length_s: int, room: int, frames: dict[str, int], zooms: tuple[float, ...], now: str) -> tuple[str, float]:
    """Return the timeframe and the columns of a bar that show a stretch as large as it fits.

    The timeframe of `now` is kept where the stretch takes between ten bars and as many as there are columns; else the
    finest one is taken for which it fits. Where none does, columns hold several of the longest bars.

    Args:
        length_s: The stretch.
        room: Columns.
        frames: Timeframes and their seconds, the shortest first.
        zooms: Columns that a bar may take, the least first.
        now: The timeframe that is shown.
    """
    room = max(room, 1)
    bars = length_s / frames[now]
    frame = now
    if not 10 <= bars <= room:
        frame = next((name for name, seconds in frames.items() if length_s / seconds <= room), list(frames)[-1])
        bars = length_s / frames[frame]
    fits = [zoom for zoom in zooms if bars * zoom <= room]
    return frame, max(fits, default=zooms[0])
