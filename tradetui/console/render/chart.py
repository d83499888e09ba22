"""A chart put together: candles, what lies over and under them, axes, tags, crosshair, each in its part of a frame."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.types import DAY_MS
from tradetui.console.render import overlay as overlays
from tradetui.console.render import study
from tradetui.console.render.axes import (
    cross_tag,
    draw_prices,
    draw_times,
    last_tag,
    moment,
    money,
    nice,
    price_ticks,
)
from tradetui.console.render.candles import GAP, draw_candles, draw_volume
from tradetui.console.render.cells import amount, length, uptime
from tradetui.console.render.frame import Frame
from tradetui.console.render.look import Look
from tradetui.console.render.overlay import Overlay
from tradetui.console.render.pens import (
    AXIS,
    BORDER,
    CROSS,
    CROSS_TEXT,
    FAINT,
    SELECT,
    SELECT_TEXT,
    TEXT,
    WARN,
    pen,
    with_back,
)
from tradetui.console.render.scale import Scale
from tradetui.console.render.slots import Slots
from tradetui.console.render.study import Panel
from tradetui.console.render.viewport import Viewport
from tradetui.console.series import Floats

RUNNING = "\u25b4"
"""Stands under the bar that is still running."""


ABSENT = "\u254c"
"""Stands above the axis where a bar is missing."""


class Layout(NamedTuple):
    """Parts of a chart.

    `width` and `rows` of the plot, `strip` rows of volume below it, `study` rows of an indicator below that, `axis`
    columns of prices.
    """

    width: int
    rows: int
    strip: int
    axis: int
    times: int
    study: int = 0

    @property
    def bottom(self) -> int:
        """The row of the time axis."""
        return self.rows + self.strip + self.study


class Cross(NamedTuple):
    """The crosshair: the slot it stands on, and its price."""

    slot: int
    price: float


class Chart(NamedTuple):
    """What is drawn.

    `slot_ms`: length of a slot; `last`: the last price, `change`: from its bar's open; `base`: the price that per cent
    are of, if they are shown; `tag`: how the view stands to now.
    """

    slots: Slots
    view: Viewport
    scale: Scale
    slot_ms: int
    glyphs: str
    places: int
    last: float
    change: float
    base: float | None
    cross: Cross | None
    tag: str
    past: bool = False
    """Whether the slots end before now."""
    year: bool = False
    """Whether the year has to be said: it is another one than now."""
    overlay: Overlay = Overlay()
    panel: Panel | None = None

    @property
    def told(self) -> int:
        """The slot whose figures are told: the crosshair's, or the newest one in sight."""
        return self.cross.slot if self.cross is not None else self.view.last


def layout(width: int, height: int, label: int, *, volume: bool, study: bool = False) -> Layout:
    """Return the parts of a chart in a frame of this size; `label` is the width of a price. Small frames have fewer."""
    axis = label + 2 if width >= label + 14 else 0
    times = 1 if height >= 4 else 0
    strip = 0 if not volume or height < 8 else 2 if height < 16 else 3 if height < 28 else 4
    panel = 0 if not study or height < 12 else 3 if height < 18 else 4 if height < 28 else 6
    return Layout(max(width - axis, 1), max(height - times - strip - panel, 0), strip, axis, times, panel)


def in_sight(slots: Slots, view: Viewport) -> tuple[float, float]:
    """Return the lowest and highest price of the bars in sight; of all bars if there is nothing but a gap."""
    seen = slots.ohlc[view.first : view.stop]
    if not len(seen) or np.isnan(seen[:, 2]).all():
        seen = slots.ohlc
    return float(np.nanmin(seen[:, 2])), float(np.nanmax(seen[:, 1]))


def base(slots: Slots, view: Viewport) -> float:
    """Return the price that per cent are counted from: the open of the first bar in sight."""
    opens = slots.ohlc[view.first :, 0]
    return float(opens[np.flatnonzero(~np.isnan(opens))[0]])


def row_of(scale: Scale, price: float, rows: int) -> int:
    """Return the row above the lower edge on which a price stands, or the nearest one in sight."""
    at = float(scale.rows(np.array([price]), rows)[0])
    return int(min(max(np.nan_to_num(np.floor(at), nan=0.0), 0), rows - 1))


def draw(frame: Frame, chart: Chart, parts: Layout, look: Look) -> None:
    """Draw a chart into a blank frame."""
    plot = frame.part(0, 0, parts.width, parts.rows)
    prices = frame.part(parts.width, 0, parts.axis, parts.rows)
    if parts.rows:
        draw_candles(plot, chart.slots, chart.view, chart.scale, chart.glyphs, look)
        overlays.draw(plot, chart.overlay, chart.slots, chart.view, chart.scale, chart.places, look)
        if chart.overlay.legend:
            overlays.draw_legend(plot, chart.overlay, chart.told, chart.places, look)
        if parts.axis:
            draw_prices(prices, price_ticks(chart.scale, parts.rows, chart.places, chart.base))
            last_tag(prices, chart.scale, chart.last, chart.change, chart.places)
    if parts.strip:
        _volume(frame, chart, parts, look)
    if parts.study and chart.panel is not None:
        below = parts.rows + parts.strip
        side = frame.part(parts.width, below, parts.axis, parts.study)
        study.draw(frame.part(0, below, parts.width, parts.study), side, chart.panel, chart.view, chart.told, look)
    if parts.rows:
        _absent(frame, chart, parts)
    if parts.times:
        _times(frame, chart, parts)
    if chart.cross is not None and parts.rows:
        _crosshair(frame, chart, chart.cross, parts, look)


def _volume(frame: Frame, chart: Chart, parts: Layout, look: Look) -> None:
    strip = frame.part(0, parts.rows, parts.width, parts.strip)
    most = top_volume(float(chart.slots.volume[chart.view.first : chart.view.stop].max(initial=0)))
    draw_volume(strip, chart.slots, chart.view, most, look)
    if parts.axis:
        side = frame.part(parts.width, parts.rows, parts.axis, parts.strip)
        draw_prices(side, ())
        side.right(side.width, 0, f"vol {round_amount(most)}" if most else "no vol", pen(FAINT))


def _absent(frame: Frame, chart: Chart, parts: Layout) -> None:
    """Mark the columns of bars that are missing, above the axis of times."""
    slots, view = chart.slots, chart.view
    seen = slice(view.first, view.stop)
    lefts = view.lefts()[slots.gap[seen] & ~slots.broken[seen]]
    row = parts.rows + parts.strip - 1
    for column in range(view.each):
        columns = lefts + column
        columns = columns[(columns >= 0) & (columns < parts.width)]
        columns = columns[frame.glyphs[row, columns] == " "]
        frame.glyphs[row, columns], frame.pens[row, columns] = ABSENT, pen(WARN)


def _breaks(frame: Frame, chart: Chart, taken: list[tuple[int, int]]) -> None:
    """Write the length of each break under it, and the date behind it if that is another day."""
    slots, view = chart.slots, chart.view
    for slot in (view.first + np.flatnonzero(slots.broken[view.first : view.stop])).tolist():
        seconds, at = int(slots.end_ms[slot] - slots.open_ms[slot]) // 1000, view.middle(slot)
        short = f"{GAP}{length(seconds)}"
        date = moment(int(slots.end_ms[slot]), DAY_MS)
        for text in (f"{short} {date}", short) if seconds >= DAY_MS // 1000 else (short,):
            stop = at + len(text)
            if at >= 0 and stop <= frame.width and not any(one <= stop and at <= other for one, other in taken):
                frame.text(at, 0, text, pen(WARN))
                taken.append((at, stop))
                break


def _times(frame: Frame, chart: Chart, parts: Layout) -> None:
    row, view = frame.part(0, parts.bottom, frame.width, 1), chart.view
    taken = []
    if parts.axis:
        row.text(parts.width, 0, "\u2502", pen(BORDER))
    start = frame.width - len(chart.tag)
    live = view.live and not chart.past
    if not live or start > parts.width:
        row.text(max(start, 0), 0, chart.tag, pen(TEXT) if live else pen(SELECT_TEXT, SELECT))
        taken.append((start - 1, frame.width))
    newest = view.total - 1
    if chart.slots.running[newest] and newest < view.stop and view.middle(newest) < start - 1:
        row.text(view.middle(newest), 0, RUNNING, pen(AXIS))
        taken.append((view.middle(newest), view.middle(newest) + 1))
    times = row.part(0, 0, parts.width, 1)
    if chart.cross is None:
        _breaks(times, chart, taken)
    else:
        text = f" {moment(int(chart.slots.open_ms[chart.cross.slot]), chart.slot_ms, year=chart.year)} "
        room = start if taken and 2 * len(text) <= start < times.width else times.width  # what the tag says is kept
        at = min(max(view.middle(chart.cross.slot) - len(text) // 2, 0), max(room - len(text), 0))
        taken.append((at, at + len(text)))
        times.text(at, 0, text, pen(CROSS_TEXT, CROSS))
        _breaks(times, chart, taken)
    draw_times(times, chart.slots, view, chart.slot_ms, taken, year=chart.year)


def _crosshair(frame: Frame, chart: Chart, cross: Cross, parts: Layout, look: Look) -> None:
    """Lay the crosshair over the chart: as a ground, without colours as dashes in what is blank."""
    x, row = chart.view.middle(cross.slot), row_of(chart.scale, cross.price, parts.rows)
    across = frame.part(0, parts.rows - 1 - row, parts.width, 1)
    down = frame.part(x, 0, 1, parts.bottom)
    for line, dash in ((across, "-" if look.ascii else "\u254c"), (down, ":" if look.ascii else "\u250a")):
        if look.colours == "none":
            line.glyphs[line.glyphs == " "] = dash
        else:
            line.pens[:] = with_back(line.pens, CROSS)
    if parts.axis:
        cross_tag(frame.part(parts.width, 0, parts.axis, parts.rows), row, cross.price, chart.places)


# Words. -------------------------------------------------------------------------------------------------------------


def top_volume(most: float) -> float:
    """Return a round volume that is not below `most`: the upper edge of the strip, which seldom moves."""
    if most <= 0:
        return 0.0
    coarse = nice(most) / 10
    return next(coarse * tenths for tenths in (2, 2.5, 3, 4, 5, 6, 8, 10) if coarse * tenths >= most * (1 - 1e-9))


def round_amount(most: float) -> str:
    """Return a round amount without zeros behind it: 0.25, 160, 12k."""
    text = amount(most)
    number = text.rstrip("kMGT")
    return (number.rstrip("0").rstrip(".") if "." in number else number) + text[len(number) :]


def legend(slots: Slots, slot: int, places: int, room: int, *, named: bool = False) -> str:
    """Return the figures of a bar in at most `room` characters; `named` adds what is special about it.

    The change is that from open to close, as the candle shows it. Where room is short the figures move together; only
    then are some given up, the close never.
    """
    if slots.gap[slot]:
        since, until = slots.hole(slot)
        told = f"no bars for {uptime((until - since) // 1000)}"
        more = f"{told}, from {moment(since, 60_000 if (until - since) % 60_000 == 0 else 1000)}"
        return more if len(more) <= room else told
    ohlc, volume = slots.ohlc[slot].tolist(), f"{amount(float(slots.volume[slot])):>5}"
    open_, close = ohlc[0], ohlc[3]
    mark = "\u25b2" if close > open_ else "\u25bc" if close < open_ else "="
    change = f"{mark}{(close / open_ - 1) * 100:{'+' if close != open_ else ' '}.2f}%" if open_ else mark
    special = ("partial" if slots.partial[slot] else "") or (RUNNING if slots.running[slot] else "")
    words = (special,) if named and special else ()
    wide = [f"{name} {money(price, places)}" for name, price in zip("OHLC", ohlc, strict=True)]
    tight = [f"{name}{price:.{places}f}" for name, price in zip("OHLC", ohlc, strict=True)]
    for parts in (
        (*wide, change, f"V {volume}"), (*tight, change, f"V{volume}"), (*tight, change), tight, tight[1:],
        tight[2:], tight[3:],
    ):  # fmt: skip
        text = " ".join((*parts, *words))
        if len(text) <= room:
            return text
    return ""


def draw_closes(frame: Frame, closes: Floats, places: int) -> None:
    """Draw closes as a line of dots, and the last of them as a number, by nothing but themselves: the last resort."""
    closes = closes[-frame.width :]
    rows = frame.height - 1
    if not len(closes) or rows < 2:
        return
    low, high = closes.min(), closes.max()
    at = np.rint((closes - low) / ((high - low) or 1.0) * (rows - 2)).astype(np.int64)
    frame.glyphs[rows - at, np.arange(len(closes))] = "\u2022"
    frame.text(0, 1, f"closes only, last {money(float(closes[-1]), places)}", pen(FAINT), most=frame.width)
