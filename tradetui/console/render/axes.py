"""The axes of a chart: prices on the right, times below, and the tags on them. Times are UTC."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from math import ceil, floor, log10
from typing import NamedTuple

import numpy as np

from tradetui.console.render import cells
from tradetui.console.render.frame import Frame
from tradetui.console.render.pens import (
    AXIS,
    BORDER,
    CROSS,
    CROSS_TEXT,
    DOWN,
    FAINT,
    FLAT,
    GROUND,
    REVERSE,
    TAG_TEXT,
    UP,
    pen,
)
from tradetui.console.render.scale import Scale
from tradetui.console.render.slots import Slots
from tradetui.console.render.viewport import Viewport
from tradetui.console.series import Integers

ROWS_APART = 3
"""Rows from one price to the next on the axis, at least on average."""

DECADES = 8
"""From this ratio of its ends on a logarithmic scale is labelled 1, 2, 5, 10, 20 and so on."""

BETWEEN, CLOSE = 3, 1
"""Columns between two times on the axis, and on a narrow one."""

NARROW = 48
"""Columns below which an axis is narrow: it needs all the dates that have room."""

HOUR, DAY = 3600, 86_400


class Step(NamedTuple):
    """A distance of times: seconds, or months; `cells` a label takes."""

    seconds: int
    months: int
    cells: int


STEPS = (
    *(Step(seconds, 0, 8) for seconds in (1, 2, 5, 10, 15, 30)),
    *(Step(minutes * 60, 0, 6) for minutes in (1, 2, 5, 10, 15, 30)),
    *(Step(hours * HOUR, 0, 6) for hours in (1, 2, 3, 4, 6, 8, 12)),
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


def moment(ms: int, length_ms: int, *, year: bool = False) -> str:
    """Return the time of a bar of some length, as exactly as it needs; with its `year` if that is not clear."""
    when = datetime.fromtimestamp(ms / 1000, UTC)
    if length_ms >= DAY * 1000:
        return f"{when:%d %b %Y}"
    date = f"{when:%d %b %Y}" if year else f"{when:%d %b}"
    return f"{date} {when:%H:%M:%S}" if length_ms < 60_000 else f"{date} {when:%H:%M}"


def step(slot_ms: int, each: int, between: int = BETWEEN) -> Step:
    """Return the shortest step whose labels are `between` columns apart when a slot of `slot_ms` takes `each`."""
    for found in STEPS:
        if found.seconds * 1000 // slot_ms * each >= found.cells + between:
            return found
    return STEPS[-1]


def _step(slot_ms: int, view: Viewport) -> Step:
    return step(slot_ms, view.each, BETWEEN if view.width >= NARROW else CLOSE)


def time_ticks(slots: Slots, view: Viewport, slot_ms: int) -> tuple[list[Tick], list[Tick]]:
    """Return the labels below the slots in sight: new days (or years), and other round times.

    A label belongs to the bar in which its step begins, or to the first one after it, and moves with it. It does not
    depend on what else is in sight; some may begin left of it.
    """
    chosen = _step(slot_ms, view)
    before = max(view.first - 2 - chosen.cells // view.each, 0)
    bars = before + np.flatnonzero(~slots.gap[before : view.stop])
    opens, lasts = slots.open_ms[bars], slots.end_ms[bars] - 1
    numbers, days = _numbers(lasts, chosen), _days(lasts, chosen)
    begun = np.flatnonzero(numbers[1:] != numbers[:-1]) + 1
    # A column that holds several bars seldom begins where a step does.
    starts = np.maximum(_starts(numbers[begun], chosen), opens[begun])
    new_days: list[Tick] = []
    others: list[Tick] = []
    if _dated(chosen):
        for place in (np.flatnonzero(days[1:] != days[:-1]) + 1).tolist():
            year = datetime.fromtimestamp(int(lasts[place]) / 1000, UTC)
            new_days.append(Tick(view.middle(int(bars[place])), f"{year:%Y}"))
        # A year is told where it begins, whatever date would stand there.
        since, until = (slot_ms * (cells // view.each + 1) for cells in (len("2024"), chosen.cells))
        clear = _days(starts - since, chosen) == _days(starts + until - 1, chosen)
        begun, starts = begun[clear], starts[clear]
    for place, start in zip(begun.tolist(), starts.tolist(), strict=True):
        new_day = not _dated(chosen) and bool(days[place] != days[place - 1])
        tick = Tick(view.middle(int(bars[place])), _label(start, chosen, new_day=new_day))
        (new_days if new_day else others).append(tick)
    return new_days, others


def _dated(chosen: Step) -> bool:
    """Tell whether the labels of a step are dates."""
    return chosen.seconds >= DAY and not chosen.months


def _numbers(times: Integers, chosen: Step) -> Integers:
    if chosen.months:
        return times.astype("datetime64[ms]").astype("datetime64[M]").astype(np.int64) // chosen.months
    return (times + _shift(chosen)) // (chosen.seconds * 1000)


def _starts(numbers: Integers, chosen: Step) -> Integers:
    """Return when steps begin, ms."""
    if chosen.months:
        return (numbers * chosen.months).astype("datetime64[M]").astype("datetime64[ms]").astype(np.int64)
    return numbers * (chosen.seconds * 1000) - _shift(chosen)


def _shift(chosen: Step) -> int:
    """Return the ms by which steps begin before 1970 did: weeks begin on Mondays, and that was a Thursday."""
    return 3 * DAY * 1000 if chosen.seconds > 2 * DAY else 0


def _days(times: Integers, chosen: Step) -> Integers:
    unit = "D" if chosen.seconds < DAY else "Y"
    return times.astype("datetime64[ms]").astype(f"datetime64[{unit}]").astype(np.int64)


def _label(ms: int, chosen: Step, *, new_day: bool) -> str:
    when = datetime.fromtimestamp(ms / 1000, UTC)
    if chosen.months:
        return f"{when:%Y}" if new_day else f"{when:%b}"
    if chosen.seconds >= DAY or new_day:
        return f"{when:%d %b}"
    return f"{when:%H:%M:%S}" if chosen.seconds < 60 else f"{when:%H:%M}"


def draw_times(
    frame: Frame, slots: Slots, view: Viewport, slot_ms: int, taken: list[tuple[int, int]], *, year: bool = False
) -> None:
    """Draw the time axis into a row; `taken` are columns (from, to) of it that hold something else.

    On the left stands the day (or year) of the oldest bar in sight, so that there always is one; it is not said twice.
    A narrow axis of dates begins with a date, too: it has room for few. With `year` that day has its year.
    """
    if not len(slots) or frame.height < 1:
        return
    free = np.ones(frame.width, dtype=bool)
    for start, stop in taken:
        free[max(start, 0) : max(stop, 0)] = False
    when = datetime.fromtimestamp(int(slots.open_ms[view.first]) / 1000, UTC)
    chosen = _step(slot_ms, view)
    dated = chosen.seconds < DAY or (_dated(chosen) and view.width < NARROW)
    day = f"{when:%d %b}"
    here = f"{when:%Y}" if not dated else f"{day} {when:%Y}" if year else day
    new_days, others = time_ticks(slots, view, slot_ms)
    for tick in (Tick(0, here), *(tick for tick in new_days if tick.text not in (here, day)), *others):
        stop = tick.at + len(tick.text)
        if tick.at >= 0 and stop <= frame.width and free[max(tick.at - 1, 0) : stop + 1].all():
            frame.text(tick.at, 0, tick.text, pen(FAINT))
            free[tick.at : stop] = False
