"""The order book as a ladder: the mid in the middle, asks above it, bids below, one bucket a row.

A bid row holds the bids from its price upwards, an ask row the asks up to its price, as exchanges group them. So the
bucket that holds the mid is there twice, each time with one side.
"""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tradetui.render import ramps
from tradetui.render.cells import NOTHING, aligned, decimals, places_for
from tradetui.render.columns import EDGE, Bools, Window, gather, present
from tradetui.render.instruments import base
from tradetui.render.pens import ASK, BID, BOLD, FAINT, MID, TEXT, pen
from tradetui.series import Floats

if TYPE_CHECKING:
    from engine.snapshot import CobView
    from tradetui.render.frame import Frame

WIDE = 24
"""Columns from which the sums are shown, too."""

HEADED = 14
"""Rows from which there is a head."""

NOT_KNOWN = "·"


class Side(NamedTuple):
    """One side, best price first.

    Units: `prices` of the rows in quote units; `sizes` and their `sums` from the best price on in base asset, nan where
    nothing is known; `partial` and `bounds` tell which of the sizes and of the sums are lower bounds.
    """

    prices: Floats
    sizes: Floats
    sums: Floats
    partial: Bools
    bounds: Bools


def sides(cob: CobView, merge: int, rows: int) -> tuple[Side, Side] | None:
    """Return `rows` buckets of the bids and of the asks; None if no book is known."""
    seconds = present(cob, 0)
    if seconds is None or not cob.bucket_size:
        return None
    size = cob.bucket_size * merge
    bid, ask = (floor(price / size + EDGE) for price in seconds.best[0])
    found = []
    for best, up in ((bid, 0), (ask, 1)):
        bottom = best if up else best - rows + 1
        grid = gather(seconds, Window(0, 1, 1, bottom, rows, merge, size), "size")
        order = slice(None) if up else slice(None, None, -1)
        prices = ((np.arange(bottom, bottom + rows) + up) * size)[order]
        sizes = np.where(grid.known, grid.asks if up else grid.bids, np.nan)[order, 0]
        partial = grid.partial[order, 0]
        found.append(Side(prices, sizes, np.cumsum(sizes), partial, np.logical_or.accumulate(partial)))
    return found[0], found[1]


class Widths(NamedTuple):
    """Columns of the parts of a row, 0 for one that is not shown; `places` are the decimals of price, size and sum."""

    price: int
    bar: int
    size: int
    sum: int
    places: tuple[int, int, int]


class Ladder:
    """One ladder and what it remembers from frame to frame: where the mid came from, and the scale of the bars."""

    def __init__(self) -> None:
        self.top = 0.0
        self.direction = NOT_KNOWN
        self._mid: float | None = None
        self._of: tuple[object, ...] = ()

    def draw(self, frame: Frame, cob: CobView, merge: int, tick: float, *, live: bool) -> bool:
        """Draw everything; return False, and draw nothing, if no book is known."""
        head = int(frame.width >= WIDE and frame.height >= HEADED)  # sums need to be told from sizes
        above = max((frame.height - head - 1) // 2, 0)
        below = max(frame.height - head - above - 1, 0)
        found = sides(cob, merge, max(below, 1))
        if found is None or cob.mid is None:
            return False
        of = cob.instrument, merge, cob.bucket_size
        if of != self._of:
            self._of, self.top, self._mid, self.direction = of, 0.0, None, NOT_KNOWN
        if self._mid is not None and cob.mid != self._mid:
            self.direction = "▲" if cob.mid > self._mid else "▼"
        self._mid = cob.mid
        bids, asks = found
        largest = np.concatenate((bids.sizes[:below], asks.sizes[:above], [0.0]))
        self.top = ramps.follow_top(self.top, float(np.nanmax(largest)))
        widths = self._widths(frame.width, found, decimals(cob.bucket_size or 1.0))
        if head:
            _head(frame.part(0, 0, frame.width, 1), widths, base(cob.instrument))
        self._rows(frame.part(0, head, frame.width, above), asks, widths, ask=True)
        _middle(
            frame.part(0, head + above, frame.width, 1),
            cob,
            decimals(tick / 2) if tick else 2,
            self.direction if live else "",
        )
        self._rows(frame.part(0, head + above + 1, frame.width, below), bids, widths, ask=False)
        return True

    def _widths(self, width: int, found: tuple[Side, Side], places: int) -> Widths:
        price = max(len(f"{each:.{places}f}") for side in found for each in (side.prices[0], side.prices[-1]))
        size, sums = (7, 8) if width >= max(WIDE, price + 16) else (6, 0) if width >= price + 7 else (0, 0)
        fine = places_for(self.top)
        return Widths(price, width - price - 1 - size - sums, size, sums, (places, fine, max(fine - 1, 0)))

    def _rows(self, frame: Frame, side: Side, widths: Widths, *, ask: bool) -> None:
        """Draw one side; the best asks stand in the last row, the best bids in the first."""
        order = slice(None, None, -1) if ask else slice(None)
        sizes, partial = side.sizes[: frame.height][order], side.partial[: frame.height][order]
        places, gap = widths.places, " " * max(widths.bar + 1, 0)
        lines = []
        for row in zip(*(part[: frame.height][order].tolist() for part in side), strict=True):
            line = f"{row[0]:{widths.price}.{places[0]}f}{gap}"
            line += f"{told(row[1], row[3], places[1]):>{widths.size}}" if widths.size else ""
            line += f"{told(row[2], row[4], places[2]):>{widths.sum}}" if widths.sum else ""
            lines.append(line)
        frame.block(0, 0, lines)
        fore = pen(ASK if ask else BID)
        frame.pens[:] = pen(TEXT)
        frame.pens[:, : widths.price] = fore
        if widths.sum:
            frame.pens[:, -widths.sum :] = pen(FAINT)
        frame.pens[np.isnan(sizes)] = pen(FAINT)
        if widths.bar > 0:
            bar = frame.part(widths.price + 1, 0, widths.bar, frame.height)
            drawn = ramps.bars(sizes, self.top, widths.bar, ramps.ASK_BAR if ask else ramps.BID_BAR)
            bar.glyphs[:] = np.where(partial[:, None] & (drawn != " "), ramps.HATCH, drawn)
            bar.pens[:] = fore


def _head(frame: Frame, widths: Widths, unit: str) -> None:
    frame.text(max(widths.price - 5, 0), 0, "price", pen(FAINT))
    frame.right(frame.width, 0, "sum", pen(FAINT))
    frame.right(frame.width - widths.sum, 0, f"{unit} size" if widths.bar > len(unit) else "size", pen(FAINT))


def _middle(frame: Frame, cob: CobView, places: int, direction: str) -> None:
    """Draw the mid, its direction and the spread; a mid that is not the present has none, and says `last`."""
    frame.fill(pen(MID, attributes=BOLD), "─")
    mid = f"{cob.mid:.{places}f}" if cob.mid is not None else NOTHING
    text = f" {mid} {direction} " if direction else f" last {mid} "
    spread = f" {cob.spread_bps:.2f} bp " if cob.spread_bps is not None else ""
    room = frame.width - len(spread)
    if spread and room >= len(text) + 2:
        frame.right(frame.width, 0, spread, pen(TEXT))
        frame.text(2 if room >= len(text) + 4 else 1, 0, text)
    else:
        frame.text(max((frame.width - len(text)) // 2, 0), 0, text)


def told(size: float, partial: bool, places: int) -> str:
    """Return a size in at most 6 characters; `≥` before a lower bound, a dot for what is not known."""
    if size != size:
        return NOT_KNOWN
    return ("≥" if partial else "") + aligned(size, places, 5)
