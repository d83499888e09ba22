"""The axes of a chart: prices on the right, times below, and the tags on them. Times are UTC."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from math import ceil, floor, log10
from typing import NamedTuple

import numpy as np

from tradetui.render import cells
from tradetui.render.frame import Frame
from tradetui.render.pens import AXIS, BORDER, CROSS, CROSS_TEXT, DOWN, FAINT, FLAT, GROUND, REVERSE, TAG_TEXT, UP, pen
from tradetui.render.scale import Scale
from tradetui.render.slots import Slots
from tradetui.render.viewport import Viewport
from tradetui.series import Integers

ROWS_APART = 3
"""Rows from one price to the next on the axis, at least on average."""

DECADES = 8
"""From this ratio of its ends on a logarithmic scale is labelled 1, 2, 5, 10, 20 and so on."""

BETWEEN = 3
"""Columns between two times on the axis."""

HOUR, DAY = 3600, 86_400


class Step(NamedTuple):
    """A distance of times: seconds, or months; `cells` a label takes."""

    seconds: int
    months: int
    cells: int


STEPS = (
    *(Step(seconds, 0, 8) for seconds in (1, 2, 5, 10, 15, 30)),
    *(Step(minutes * 60, 0, 6) for minutes in (1, 2, 5, 10, 15, 30)),
    *(Step(hours * HOUR, 0, 6) for hours in (1, 2, 3, 4, 6, 12)),
    *(Step(days * DAY, 0, 6) for days in (1, 2, 7, 14)),
    *(Step(months * 30 * DAY, months, 4) for months in (1, 2, 3, 6, 12, 24, 60, 120)),
)  # fmt: skip


class Tick(NamedTuple):
    """A labelled place: a row or a column, and its text."""

    at: int
    text: str


# Prices. ------------------------------------------------------------------------------------------------------------


def decimals(tick: float, price: float) -> int:
    """Return the decimals of a price: those of its step, or enough for six digits while the step is unknown."""
    if tick > 0:
        return cells.decimals(tick)
    return min(max(5 - floor(log10(price)), 0), 10) if price > 0 else 2


def money(price: float, places: int) -> str:
    """Return a price as it stands on the axis."""
    return f"{price:,.{places}f}"


def nice(least: float) -> float:
    """Return the smallest of 1, 2, 5, 10, 20, 50 and so on that is not below `least`."""
    power = 10.0 ** floor(log10(least))
    return power * next(factor for factor in (1, 2, 5, 10) if power * factor >= least * (1 - 1e-9))


def price_ticks(scale: Scale, rows: int, places: int, base: float | None = None) -> list[Tick]:
    """Return round prices and their rows, from above; with `base` round percentages of it."""
    low, high = scale.low, scale.high
    if base is not None and base > 0:
        shares = _round_between((low / base - 1) * 100, (high / base - 1) * 100, rows, 2)
        wanted = [(base * (1 + share / 100), f"{share:+.2f}%") for share in shares]
    elif scale.log and low > 0 and high / low > DECADES:
        wanted = [(price, money(price, places)) for price in _decades(low, high)]
    else:
        wanted = [(price, money(price, places)) for price in _round_between(low, high, rows, places)]
    found: list[Tick] = []
    heights = scale.rows(np.array([price for price, _ in wanted]), rows)
    for height, (_, text) in zip(heights[::-1], wanted[::-1], strict=True):
        row = rows - 1 - floor(height)
        if 0 <= row < rows and (not found or row - found[-1].at >= 2):
            found.append(Tick(row, text))
    return found


def _round_between(low: float, high: float, rows: int, places: int) -> list[float]:
    found: list[float] = []
    for apart in (ROWS_APART, 2, 1):
        step = max(nice((high - low) / max(rows / apart, 2)), 10.0**-places)
        first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
        found = [number * step for number in range(first, min(last, first + 200) + 1)]
        if len(found) > 2:
            break
    return found


def _decades(low: float, high: float) -> list[float]:
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    return [price for power in powers for factor in (1, 2, 5) if low <= (price := factor * 10.0**power) <= high]


def draw_prices(frame: Frame, ticks: Iterable[Tick]) -> None:
    """Draw the price axis: a line, and a label for each tick."""
    frame.glyphs[:, :1], frame.pens[:, :1] = "\u2502", pen(BORDER)
    for tick in ticks:
        frame.text(0, tick.at, "\u251c", pen(BORDER))
        frame.right(frame.width, tick.at, tick.text, pen(AXIS))


def last_tag(frame: Frame, scale: Scale, price: float, change: float, places: int) -> None:
    """Draw the last price on the price axis, with the direction of its bar.

    Beyond the scale it stands at the edge, and an arrow tells on which side.
    """
    at = float(scale.rows(np.array([price]), frame.height)[0])
    if np.isnan(at):
        return
    mark = (
        "\u2191"
        if at >= frame.height
        else "\u2193"
        if at < 0
        else "\u25b2"
        if change > 0
        else "\u25bc"
        if change < 0
        else "="
    )
    tagged = pen(TAG_TEXT, UP if change > 0 else DOWN) if change else pen(FLAT, GROUND, REVERSE)
    _tag(frame, at, mark, money(price, places), tagged)


def cross_tag(frame: Frame, row: int, price: float, places: int) -> None:
    """Draw the price of the crosshair on the price axis."""
    _tag(frame, row, "\u25b8", money(price, places), pen(CROSS_TEXT, CROSS))


def _tag(frame: Frame, at: float, mark: str, text: str, with_pen: int) -> None:
    row = frame.height - 1 - floor(min(max(at, 0), frame.height - 1))
    if frame.width > 1:
        frame.text(1, row, text.rjust(frame.width - 1), with_pen)
        frame.text(1, row, mark, with_pen)


# Times. -------------------------------------------------------------------------------------------------------------


def moment(ms: int, length_ms: int) -> str:
    """Return the time of a bar of some length, as exactly as it needs."""
    when = datetime.fromtimestamp(ms / 1000, UTC)
    if length_ms >= DAY * 1000:
        return f"{when:%d %b %Y}"
    return f"{when:%d %b %H:%M:%S}" if length_ms < 60_000 else f"{when:%d %b %H:%M}"


def step(slot_ms: int, each: int) -> Step:
    """Return the shortest step whose labels do not meet when a slot of `slot_ms` takes `each` columns."""
    for found in STEPS:
        if found.seconds * 1000 * each >= (found.cells + BETWEEN) * slot_ms:
            return found
    return STEPS[-1]


def time_ticks(slots: Slots, view: Viewport, slot_ms: int) -> tuple[list[Tick], list[Tick]]:
    """Return the labels below the slots in sight: new days (or years), and other round times.

    A label belongs to the first bar of its step and moves with it. It does not depend on what else is in sight.
    """
    chosen = step(slot_ms, view.each)
    before = max(view.first - 2, 0)
    bars = before + np.flatnonzero(~slots.gap[before : view.stop])
    opens = slots.open_ms[bars]
    numbers, days = _numbers(opens, chosen), _days(opens, chosen)
    new_days: list[Tick] = []
    others: list[Tick] = []
    for place in np.flatnonzero(numbers[1:] != numbers[:-1]) + 1:
        new_day = bool(days[place] != days[place - 1])
        tick = Tick(view.middle(int(bars[place])), _label(int(opens[place]), chosen, new_day=new_day))
        (new_days if new_day else others).append(tick)
    return new_days, others


def _numbers(opens: Integers, chosen: Step) -> Integers:
    if chosen.months:
        return opens.astype("datetime64[ms]").astype("datetime64[M]").astype(np.int64) // chosen.months
    # Weeks begin on Mondays; 1970 began on a Thursday.
    return (opens + (3 * DAY * 1000 if chosen.seconds > 2 * DAY else 0)) // (chosen.seconds * 1000)


def _days(opens: Integers, chosen: Step) -> Integers:
    unit = "D" if chosen.seconds < DAY else "Y"
    return opens.astype("datetime64[ms]").astype(f"datetime64[{unit}]").astype(np.int64)


def _label(ms: int, chosen: Step, *, new_day: bool) -> str:
    when = datetime.fromtimestamp(ms / 1000, UTC)
    if chosen.months:
        return f"{when:%Y}" if new_day else f"{when:%b}"
    if chosen.seconds >= DAY or new_day:
        return f"{when:%d %b}"
    return f"{when:%H:%M:%S}" if chosen.seconds < 60 else f"{when:%H:%M}"


def draw_times(frame: Frame, slots: Slots, view: Viewport, slot_ms: int, taken: list[tuple[int, int]]) -> None:
    """Draw the time axis into a row; `taken` are columns (from, to) of it that hold something else.

    On the left stands the day (or year) of the oldest bar in sight, so that there always is one; it is not said twice.
    """
    if not len(slots) or frame.height < 1:
        return
    free = np.ones(frame.width, dtype=bool)
    for start, stop in taken:
        free[max(start, 0) : max(stop, 0)] = False
    when = datetime.fromtimestamp(int(slots.open_ms[view.first]) / 1000, UTC)
    here = f"{when:%d %b}" if step(slot_ms, view.each).seconds < DAY else f"{when:%Y}"
    new_days, others = time_ticks(slots, view, slot_ms)
    for tick in (Tick(0, here), *(tick for tick in new_days if tick.text != here), *others):
        stop = tick.at + len(tick.text)
        if tick.at >= 0 and stop <= frame.width and free[max(tick.at - 1, 0) : stop + 1].all():
            frame.text(tick.at, 0, tick.text, pen(FAINT))
            free[tick.at : stop] = False
