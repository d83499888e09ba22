"""An indicator on a scale of its own, under the candles and at the same columns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tradetui.console.render.axes import Tick, draw_prices, money
from tradetui.console.render.frame import Frame
from tradetui.console.render.look import Look
from tradetui.console.render.overlay import Drawn, curve, lay, trace
from tradetui.console.render.pens import AXIS, DOWN_FAINT, UP_FAINT, pen
from tradetui.console.render.scale import Scale
from tradetui.console.render.viewport import Viewport
from tradetui.console.series import Floats

FLAT = 1e-6
"""The least height of a scale, as a part of its values."""


class Panel(NamedTuple):
    """What is drawn: `lines` by slot, `bars` from 0 by slot, if there are any; the rest as in `studies.Study`."""

    lines: tuple[Drawn, ...]
    bars: Floats | None
    low: float | None
    high: float | None
    guides: tuple[float, ...]
    places: int


def scale_of(panel: Panel, view: Viewport) -> Scale | None:
    """Return the scale that fits what is in sight, None while there is nothing."""
    seen = [line.values[view.first : view.stop] for line in panel.lines]
    if panel.bars is not None:
        seen.append(panel.bars[view.first : view.stop])
    every = np.concatenate(seen)
    every = every[np.isfinite(every)]
    if not len(every):
        return None
    ends = [*every[[every.argmin(), every.argmax()]].tolist(), *(guide for guide in panel.guides if panel.low is None)]
    low = min(ends) if panel.low is None else panel.low
    high = max(ends) if panel.high is None else panel.high
    if high - low <= FLAT * max(abs(low), abs(high), FLAT):
        low, high = low - abs(low) * 1e-3 - FLAT, high + abs(high) * 1e-3 + FLAT
    return Scale(low, high)


def draw(frame: Frame, side: Frame, panel: Panel, view: Viewport, slot: int, look: Look) -> None:
    """Draw it into its rows, with its axis on the `side`; the values told are those at a slot."""
    scale = scale_of(panel, view)
    if side.width:
        draw_prices(side, () if scale is None else _ticks(scale, side.height, panel))
    if scale is not None:
        if panel.bars is not None:
            _bars(frame, panel.bars, view, scale, look)
        for line in panel.lines:
            lay(frame, trace(scale.rows(curve(line.values, view), frame.height), frame.height), pen(line.colour),
                line.letter, look)  # fmt: skip
        for guide in panel.guides:
            _guide(frame, guide, scale, look)
    x = 0
    for line in panel.lines:
        value = float(line.values[slot]) if 0 <= slot < len(line.values) else float("nan")
        told = money(value, panel.places) if np.isfinite(value) else "-"
        letter = f"{line.letter}:" if look.shades else ""
        x = frame.text(x, 0, f"{letter}{line.label} {told} " if line.label else f"{letter}{told} ", pen(line.colour))


def _ticks(scale: Scale, rows: int, panel: Panel) -> list[Tick]:
    """Label both ends and, where they have rows of their own, the guides."""
    found = {0: scale.high, rows - 1: scale.low}
    for guide in panel.guides:
        row = rows - 1 - int(scale.rows(np.array([guide]), rows)[0])
        if 0 < row < rows - 1:
            found[row] = guide
    return [Tick(row, money(value, panel.places)) for row, value in sorted(found.items())]


def _guide(frame: Frame, value: float, scale: Scale, look: Look) -> None:
    at = float(scale.rows(np.array([value]), frame.height)[0])
    if not 0 <= at <= frame.height:
        return
    row = frame.height - 1 - min(int(at), frame.height - 1)
    free = frame.glyphs[row] == " "
    free[1::2] = False
    frame.glyphs[row, free] = "." if look.ascii else "\u00b7"
    frame.pens[row, free] = pen(AXIS)


def _bars(frame: Frame, values: Floats, view: Viewport, scale: Scale, look: Look) -> None:
    """Draw bars from 0; one below it has a lighter pen, and stands below."""
    seen = values[view.first : view.stop]
    zero = float(scale.rows(np.array([0.0]), frame.height)[0])
    at = scale.rows(seen, frame.height)
    row = np.arange(frame.height)[:, None] + 0.5
    with np.errstate(invalid="ignore"):
        on = (row > np.minimum(at, zero)) & (row < np.maximum(at, zero))
    on = on[::-1]
    lefts = view.lefts()
    for column in range(view.body):
        columns = lefts + column
        fits = (columns >= 0) & (columns < frame.width)
        cells = on[:, fits]
        glyphs, pens = frame.glyphs[:, columns[fits]], frame.pens[:, columns[fits]]
        glyphs[cells] = "I" if look.ascii else "\u2502"
        pens = np.where(cells, np.where(seen[fits] >= 0, pen(UP_FAINT), pen(DOWN_FAINT))[None, :], pens)
        frame.glyphs[:, columns[fits]], frame.pens[:, columns[fits]] = glyphs, pens
