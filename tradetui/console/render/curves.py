"""Curves of equity and drawdown, drawn by plotext into a frame; loaded when the first curve is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from tradetui.console.render.cells import clock, stamp
from tradetui.console.render.pens import AXIS, FAINT, LINE1, WARN, pen

if TYPE_CHECKING:
    from tradetui.console.render.frame import Frame
    from tradetui.console.render.look import Look

DOTS = 2
"""Points of a curve in a column: braille has two."""

LEAST = 8
"""Rows from which the drawdown has a curve of its own."""

FIRST, LAST = "\u2800", "\u28ff"
"""Of braille."""


def thinned(points: Sequence[tuple[int, float, float]], most: int) -> list[tuple[int, float, float]]:
    """Return at most about `most` points: of each stretch the last, the lowest equity, and the deepest drawdown."""
    if len(points) <= most or most < 3:
        return list(points)
    cuts = np.linspace(0, len(points), most // 3 + 1).astype(np.int64).tolist()
    kept = {0, len(points) - 1}
    for first, last in pairwise(cuts):
        if last > first:
            places = range(first, last)
            kept |= {last - 1, min(places, key=lambda at: points[at][1]), max(places, key=lambda at: points[at][2])}
    return [points[at] for at in sorted(kept)]


def draw(frame: Frame, points: Sequence[tuple[int, float, float]], look: Look) -> None:
    """Draw both curves: equity above, drawdown (per cent, downwards) below it. `points`: UTC s, equity, share."""
    some = thinned(points, DOTS * frame.width)
    seconds = [point[0] for point in some]
    below = 0 if frame.height < LEAST else max(frame.height // 3, 4)
    marker = "dot" if look.ascii else "braille"
    values, falls = [point[1] for point in some], [-100 * point[2] for point in some]
    label = max(len(_figure(each, curve)) for curve in (values, falls) for each in (min(curve), max(curve)))
    above = frame.part(0, 0, frame.width, frame.height - below)
    _plot(above, seconds, values, pen(LINE1), marker, label, times=not below)
    if below:
        under = frame.part(0, frame.height - below, frame.width, below)
        _plot(under, seconds, falls, pen(WARN), marker, label, times=True)


def _figure(value: float, among: Sequence[float]) -> str:
    """Return a value as it stands at the axis, with as many decimals as tell it from the others."""
    wide = max(among) - min(among)
    places = 4 if 0 < wide < 0.01 else 3 if 0 < wide < 0.1 else 2
    return f"{round(value, places) + 0.0:,.{places}f}"


def _plot(frame: Frame, x: list[int], y: list[float], own: int, marker: str, label: int, *, times: bool) -> None:
    """Draw one curve; what is no axis and no figure is the curve. `label`: characters of a figure."""
    import plotext  # type: ignore[import-untyped, unused-ignore]

    plotext.clear_figure()
    plotext.theme("clear")
    plotext.limit_size(False, False)  # to a terminal of its own guess
    plotext.plotsize(frame.width, frame.height)
    plotext.plot(x, y, marker=marker)
    low, high = min(y), max(y)
    if high - low < 1e-9:
        low, high = low - 1, high + 1
    plotext.ylim(low, high)
    ticks = np.linspace(low, high, min(max(frame.height // 3, 2), 5)).tolist()
    plotext.yticks(ticks, [_figure(each, ticks).rjust(label) for each in ticks])
    plotext.xaxes(times, False)
    plotext.yaxes(True, False)
    if times:
        days = stamp(x[0] * 10**9)[:10] != stamp(x[-1] * 10**9)[:10]
        told = {  # a time is told once, where it is first
            stamp(each * 10**9)[5:16] if days else clock(each * 10**9)[:5]: each
            for each in (x[-1], x[len(x) // 2], x[0])
        }
        plotext.xticks(list(told.values())[::-1], list(told)[::-1])
    else:
        plotext.xticks([], [])
    lines = plotext.uncolorize(plotext.build()).splitlines()
    plotext.clear_figure()
    for row, line in enumerate(lines[: frame.height]):
        frame.text(0, row, line, pen(FAINT))
    curve = (frame.glyphs >= FIRST) & (frame.glyphs <= LAST) if marker == "braille" else frame.glyphs == "\u2022"
    frame.pens[curve] = own
    frame.pens[np.isin(frame.glyphs, list("\u2502\u2524\u251c\u2500\u250c\u2510\u2514\u2518\u252c\u2534"))] = pen(AXIS)
