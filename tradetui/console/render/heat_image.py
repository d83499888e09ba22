"""The cells of the heat map: levels, what is partial or unknown, lines of the best prices, dots of trades."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from themes.palette import LEVELS
from tradetui.console.render import ramps
from tradetui.console.render.columns import EDGE, Bools, Grid, Window
from tradetui.console.render.frame import Glyphs, Pens
from tradetui.console.render.look import Look
from tradetui.console.render.pens import (
    ASK,
    BALANCE,
    BID,
    BOLD,
    DOWN,
    FAINT,
    GROUND,
    HEAT,
    HEAT_ASK,
    HEAT_BID,
    MID,
    TAG_TEXT,
    TEXT,
    UNKNOWN,
    UP,
    pen,
)
from tradetui.console.render.prints import Hits
from tradetui.console.series import Floats, Integers

LINES = "▁─▔"
"""A price in the lower, middle, upper third of its cell."""

DOTS = "•●◦○"
"""Sold by takers: little, much; bought: little, much."""

ASCII_DOTS = "xXoO"

STRONG = LEVELS // 2
"""Level from which a glyph on a ramp is written in the colour that stands out from the upper end of it."""


class Scheme(NamedTuple):
    """How a map is drawn. `tall` rows show one bucket; 0: a row shows two, one in each half."""

    rows: int
    tall: int
    metric: str
    tint: bool
    look: Look

    @property
    def scale(self) -> float:
        """Rows per bucket."""
        return self.tall or 0.5

    def row(self, bucket: Floats | Integers) -> Integers:
        """Return the screen rows, counted from the top, of buckets (with their fractions) of the window."""
        found: Integers = self.rows - 1 - np.floor(np.asarray(bucket) * self.scale).astype(np.int64)
        return found


class Picture(NamedTuple):
    """What is drawn of a window: glyphs and pens [rows, columns], and the background role of each bucket and column."""

    glyphs: Glyphs
    pens: Pens
    roles: Integers


def image(grid: Grid, window: Window, level: Integers, scheme: Scheme) -> Picture:
    """Return the cells of a grid, without lines and dots; `level` are the levels of its values."""
    if scheme.look.shades:
        return _shaded(grid, window, level, scheme)
    if scheme.metric == "imbalance":
        ramp: Integers | int = BALANCE
    elif scheme.tint and scheme.metric == "size":
        ramp = np.where(grid.bids >= grid.asks, HEAT_BID, HEAT_ASK)
    else:
        ramp = HEAT
    roles = np.where(grid.known, np.where(np.isnan(grid.value), GROUND, ramp + level), UNKNOWN)
    return _blocks(roles, grid.partial, scheme)


def _blocks(roles: Integers, partial: Bools, scheme: Scheme) -> Picture:
    """Colours as backgrounds, two of them in a cell where a row shows two buckets."""
    if scheme.tall:
        role, hatched = _rows(roles, scheme), _rows(partial, scheme)
        glyphs = np.where(hatched, ramps.HATCH, " ")
        return Picture(glyphs, np.where(hatched, _over(role, FAINT), TEXT | role << 8).astype(np.int32), roles)
    upper, lower = roles[::-1][0::2], roles[::-1][1::2]
    above, below = partial[::-1][0::2], partial[::-1][1::2]
    split = upper != lower
    glyphs = np.where(split, "▀", " ")
    pens = np.where(split, upper, TEXT) | lower << 8
    hatched = above | below
    role = np.where(above & below, np.maximum(upper, lower), np.where(above, upper, lower))
    glyphs = np.where(hatched, ramps.HATCH, glyphs)
    return Picture(glyphs, np.where(hatched, _over(role, FAINT), pens).astype(np.int32), roles)


def _shaded(grid: Grid, window: Window, level: Integers, scheme: Scheme) -> Picture:
    """Levels as glyphs. A level and a hatch do not fit into one cell: every other partial cell is hatched."""
    ascii_ = scheme.look.ascii
    if scheme.metric == "imbalance":
        ramp = ramps.ASCII_LEANS if ascii_ else ramps.LEANS
    else:
        ramp = ramps.ASCII_SHADES if ascii_ else ramps.SHADES
    bucket = window.bottom + np.arange(window.buckets)[:, None]
    hatched = grid.partial & ((bucket + window.first + np.arange(window.columns)) % 2 == 0)
    told = np.where(np.isnan(grid.value), " " if scheme.metric == "spread" else ramp[0], ramps.shades(level, ramp))
    if scheme.metric == "imbalance":
        told = np.where(np.isnan(grid.value), ramp[len(ramp) // 2], told)
    glyphs = np.where(grid.known, np.where(hatched, ramps.HATCH, told), " ")
    side = np.where(grid.bids >= grid.asks, pen(BID), pen(ASK))
    pens = np.where(hatched, pen(FAINT), side if scheme.tint or scheme.metric == "imbalance" else pen(TEXT))
    roles = np.full(grid.value.shape, GROUND)
    return Picture(_rows(glyphs, scheme), _rows(pens, scheme).astype(np.int32), roles)


def _rows(cells: npt.NDArray, scheme: Scheme) -> npt.NDArray:  # type: ignore[type-arg]
    """Return buckets, lowest first, as rows from top to bottom."""
    upside = cells[::-1]
    return (np.repeat(upside, scheme.tall, axis=0) if scheme.tall > 1 else upside)[-scheme.rows :]


def _over(role: Integers, fore: Integers | int) -> Integers:
    """Return pens that can be read on their backgrounds."""
    level = (role - HEAT) % LEVELS
    lean = (level <= LEVELS // 4) | (level >= LEVELS - 1 - LEVELS // 4)
    strong = (role >= HEAT) & np.where(role >= BALANCE, lean, level >= STRONG)
    found: Integers = np.where(strong, TAG_TEXT, fore) | role << 8
    return found


def lines(picture: Picture, grid: Grid, window: Window, scheme: Scheme) -> None:
    """Draw the best bid and ask of every column; where they share a cell, one line stands for both."""
    x = np.flatnonzero(~np.isnan(grid.best).any(axis=0))
    place = (grid.best[:, x] / window.size + EDGE - window.bottom) * scheme.scale
    shared = np.floor(place[0]) == np.floor(place[1])
    for side, fore in enumerate((BID, ASK)):
        where = place[side] if side else np.where(shared, place.mean(axis=0), place[side])
        own = ~shared if side else np.ones(len(x), dtype=bool)
        third = np.clip(((where - np.floor(where)) * 3).astype(np.int64), 0, 2)
        glyphs = np.array(list(LINES), dtype="<U1")[third]
        _put(picture, scheme, x[own], where[own], glyphs[own], np.where(shared, MID, fore)[own])


def dots(picture: Picture, hits: Hits, scheme: Scheme) -> None:
    """Draw trades: hollow where takers bought more than they sold, solid where they sold more; large or small."""
    glyphs = np.array(list(ASCII_DOTS if scheme.look.ascii else DOTS), dtype="<U1")
    bought = (hits.net >= 0).astype(np.int64)
    where: Floats = np.asarray((hits.bucket + 0.5) * scheme.scale, dtype=np.float64)
    fore = np.where(bought, UP, DOWN)
    _put(picture, scheme, hits.x, where, glyphs[2 * bought + hits.large], fore, BOLD)


def _put(
    picture: Picture,
    scheme: Scheme,
    x: Integers,
    where: Floats,
    glyphs: Glyphs,
    fore: Integers,
    attributes: int = 0,
) -> None:
    """Write glyphs over cells that are in sight; `where` is counted in rows from the bottom, with fractions."""
    some = (where >= 0) & (where < scheme.rows)
    x, where, glyphs, fore = x[some], where[some], glyphs[some], fore[some]
    y = scheme.rows - 1 - np.floor(where).astype(np.int64)
    bucket = np.clip(np.floor(where / scheme.scale).astype(np.int64), 0, len(picture.roles) - 1)
    picture.glyphs[y, x] = glyphs
    picture.pens[y, x] = _over(picture.roles[bucket, x], fore) | attributes
