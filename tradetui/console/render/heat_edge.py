"""Round the heat map: prices and depth of now on its right, time below it, and what its cells mean."""

from __future__ import annotations

from datetime import UTC, datetime
from math import floor, log10
from typing import NamedTuple

import numpy as np

from engine.types import SECOND
from themes.palette import LEVELS
from tradetui.console.render import ramps
from tradetui.console.render.cells import amount, clock, decimals
from tradetui.console.render.columns import EDGE, Grid, Window
from tradetui.console.render.frame import Frame
from tradetui.console.render.heat_image import ASCII_DOTS, DOTS, LINES, Scheme
from tradetui.console.render.pens import (
    ASK,
    AXIS,
    BALANCE,
    BID,
    BOLD,
    FAINT,
    HEAT,
    HEAT_ASK,
    HEAT_BID,
    MID,
    OLD,
    STALE,
    TAG_TEXT,
    TEXT,
    UNKNOWN,
    pen,
)
from tradetui.console.render.ramps import Cut
from tradetui.console.series import Floats

STEPS = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400)
"""Seconds between two times on the axis."""

ROOM = 14
"""Columns that a time takes, with some air."""


def prices(frame: Frame, window: Window, scheme: Scheme) -> None:
    """Write the lower edges of the buckets, where a row shows two that of the lower one."""
    places = decimals(window.size / window.merge)
    lines = []
    for up in reversed(range(scheme.rows)):
        bucket = floor(up / scheme.scale)
        told = not scheme.tall or up % scheme.tall == 0
        lines.append(f"{(window.bottom + bucket) * window.size:{frame.width}.{places}f}" if told else "")
    frame.block(0, 0, lines)
    frame.pens[:] = pen(AXIS)


def middle(frame: Frame, mid: float, text: str, window: Window, scheme: Scheme, *, live: bool) -> None:
    """Mark the row of the mid price; a bucket of several rows keeps its own label. One that is past is only named."""
    bucket = mid / window.size + EDGE - window.bottom
    y = int(scheme.row(np.array(bucket)))
    if scheme.tall > 1 and y == int(scheme.row(np.array(floor(bucket)))):
        y -= 1
    if 0 <= y < frame.height:
        frame.glyphs[y] = " "
        frame.pens[y] = pen(TAG_TEXT, MID, BOLD) if live else pen(STALE, attributes=OLD)
        frame.text(0, y, "\u25b8" if live else " ")
        frame.right(frame.width, y, text[: frame.width - 1])


def depth(frame: Frame, now: Grid, top: float, scheme: Scheme) -> None:
    """Draw the book of now, one bar a row; `now` is a grid of one column."""
    bids, asks = row_sums(now, scheme)
    partial = _folded(now.partial[:, 0].astype(np.float64), scheme) > 0
    ask = asks > bids
    total = bids + asks
    told = np.where(
        ask[:, None],
        ramps.bars(total, top, frame.width, ramps.ASK_BAR),
        ramps.bars(total, top, frame.width),
    )
    hatched = partial[:, None] & (told != " ")
    frame.glyphs[:] = np.where(hatched, ramps.HATCH, told)
    frame.pens[:] = np.where(ask, pen(ASK), pen(BID))[:, None]


def row_sums(now: Grid, scheme: Scheme) -> tuple[Floats, Floats]:
    """Return bids and asks of now by screen row, base asset; where a row shows two buckets, their sum."""
    return _folded(now.bids[:, 0], scheme), _folded(now.asks[:, 0], scheme)


def _folded(values: Floats, scheme: Scheme) -> Floats:
    upside = values[::-1]
    if not scheme.tall:
        found: Floats = upside.reshape(-1, 2).sum(axis=1)
        return found
    return np.repeat(upside, scheme.tall)[-scheme.rows :]


def times(frame: Frame, window: Window, right: str) -> None:
    """Write the times below the map, UTC, and on the right what the last column is."""
    step = next((step for step in STEPS if step // window.each >= ROOM and not step % window.each), STEPS[-1])
    start = -(-window.first * window.each // step) * step
    end = frame.width - len(right) - 1
    for second in range(start, (window.first + window.columns) * window.each, step):
        x = second // window.each - window.first
        text = datetime.fromtimestamp(second, UTC).strftime("│%H:%M:%S" if step % 60 else "│%H:%M")
        if x >= 0 and x + len(text) <= end:
            frame.text(x, 0, text, pen(AXIS))
    frame.right(frame.width, 0, right, pen(TEXT, attributes=BOLD))


def hole(frame: Frame, window: Window, newest: int) -> None:
    """Tell in the map since when nothing is known, if the columns after the `newest` second (UTC) have room for it."""
    x = max(newest // window.each - window.first + 1, 0)
    text = f"unknown since {clock((newest + 1) * SECOND)}"
    if frame.width - x >= len(text) + 2:
        frame.text(x + (frame.width - x - len(text)) // 2, frame.height // 2, text, pen(FAINT, UNKNOWN))


class Sign(NamedTuple):
    """One sign of the legend, in words and in a word. Of the lowest `rank` there is no need."""

    sign: str
    words: str
    short: str
    pen: int
    rank: int


def legend(frame: Frame, cut: Cut | None, scheme: Scheme, unit: str, *, dots: bool, best: bool) -> None:
    """Tell what the cells mean: in words, in short ones, then as much as there is room for."""
    x = _ramp(frame, cut, scheme, unit)
    signs = _signs(scheme, dots=dots, best=best)
    words = [(each, each.words) for each in signs]
    if x + _length(words) > frame.width:
        words = [(each, each.short) for each in signs]
    while words and x + _length(words) > frame.width:
        words.remove(min(words, key=lambda each: each[0].rank))
    for each, told in words:
        x = frame.text(x + 2, 0, each.sign, each.pen)
        x = frame.text(x + 1, 0, told, pen(FAINT))


def _signs(scheme: Scheme, *, dots: bool, best: bool) -> list[Sign]:
    """Return the signs in their order."""
    solid, hollow = (ASCII_DOTS[1], ASCII_DOTS[3]) if scheme.look.ascii else (DOTS[1], DOTS[3])
    found = []
    if dots:
        found += [Sign(hollow, "bought", "buy", pen(TEXT), 4), Sign(solid, "sold", "sell", pen(TEXT), 4)]
    if best:
        found.append(Sign(LINES[1], "best prices", "best", pen(MID), 3))
    if scheme.metric != "spread":
        found.append(Sign(ramps.HATCH, "lower bound", "bound", pen(FAINT), 2))
    blank = scheme.look.shades
    found.append(Sign("blank" if blank else "  ", "unknown", "unknown", pen(FAINT if blank else TEXT, UNKNOWN), 1))
    return found


def _length(words: list[tuple[Sign, str]]) -> int:
    return sum(3 + len(each.sign) + len(told) for each, told in words)


def _ramp(frame: Frame, cut: Cut | None, scheme: Scheme, unit: str) -> int:
    low, high, unit = _ends(cut, scheme.metric, unit)
    x = frame.text(0, 0, low, pen(FAINT)) + 1
    lowest = ramps.DIMMEST if scheme.metric == "spread" else 0
    if scheme.look.shades:
        if scheme.metric == "imbalance":
            ramp = ramps.ASCII_LEANS if scheme.look.ascii else ramps.LEANS
        else:
            ramp = ramps.ASCII_SHADES if scheme.look.ascii else ramps.SHADES
        x = frame.text(x, 0, ramp[lowest * len(ramp) // LEVELS :], pen(TEXT)) + 1
    else:
        first = {"imbalance": (BALANCE,)}.get(scheme.metric, (HEAT_BID, HEAT_ASK) if _tinted(scheme) else (HEAT,))
        step = 1 if frame.width >= 60 and len(first) == 1 else 2
        for each in first:
            for level in range(max(step - 1, lowest), LEVELS, step):
                x = frame.text(x, 0, " ", pen(TEXT, each + level))
            x += 1
    x = frame.text(x, 0, high, pen(FAINT))
    return frame.text(x + 1, 0, unit, pen(FAINT))


def _tinted(scheme: Scheme) -> bool:
    return scheme.metric == "size" and scheme.tint


def _ends(cut: Cut | None, metric: str, unit: str) -> tuple[str, str, str]:
    if metric == "imbalance":
        return "asks", "bids", "of both"
    unit = "bp" if metric == "spread" else unit
    if cut is None:
        return "-".rjust(5), "-".ljust(5), unit
    if metric == "spread":
        places = max(1 - floor(log10(cut.high)), 0) if cut.high > 0 else 0
        return "0", f"{cut.high:.{min(places, 8)}f}".ljust(6), unit
    return amount(cut.low).rjust(5), amount(cut.high).ljust(5), unit
