"""The order book as a ladder: the mid in the middle, asks above it, bids below; a row is a bucket, or a single price.

Every row is labelled with the lower edge of its bucket, as on the heat map: a price on an edge belongs to the bucket
above it. A bucket that holds both the best bid and the best ask is there twice, each time with one side.
"""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tradetui.console.render import ramps
from tradetui.console.render.cells import aligned, decimals, places_for, places_of
from tradetui.console.render.columns import EDGE, Bools, Window, gather, present
from tradetui.console.render.instruments import base, inverse
from tradetui.console.render.pens import ASK, BID, BOLD, FAINT, MID, TEXT, pen
from tradetui.console.series import Floats

if TYPE_CHECKING:
    from engine.snapshot import BookView, CobView
    from tradetui.console.render.frame import Frame

WIDE = 24
"""Columns from which the sums are shown, too."""

HEADED = 14
"""Rows from which there is a head."""

EXACT, LEAST = 9, 5
"""Characters of the size of a single price, at most and at least."""

NOT_KNOWN = "·"

MINE = "\u25cf"
"""Stands behind the price of a row in which an order of one's own waits."""


class Side(NamedTuple):
    """One side, best price first.

    Units: `prices` (lower edges of the rows) in quote units; `sizes` and their `sums` from the best price on in base
    asset, nan where nothing is known; `partial` and `bounds` tell which of the sizes and sums are lower bounds.
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
    for best, up in ((bid, False), (ask, True)):
        bottom = best if up else best - rows + 1
        grid = gather(seconds, Window(0, 1, 1, bottom, rows, merge, size), "size")
        order = slice(None) if up else slice(None, None, -1)
        prices = (np.arange(bottom, bottom + rows) * size)[order]
        sizes = np.where(grid.known, grid.asks if up else grid.bids, np.nan)[order, 0]
        partial = grid.partial[order, 0]
        found.append(Side(prices, sizes, np.cumsum(sizes), partial, np.logical_or.accumulate(partial)))
    return found[0], found[1]


def levels(book: BookView) -> tuple[Side, Side] | None:
    """Return the best price levels of the bids and of the asks; None if there are none of one side."""
    if not book.bids or not book.asks:
        return None
    found = []
    for side in (book.bids, book.asks):
        prices, sizes = np.array(side, dtype=np.float64).T
        whole = np.zeros(len(prices), dtype=bool)
        found.append(Side(prices, sizes, np.cumsum(sizes), whole, whole))
    return found[0], found[1]


class Widths(NamedTuple):
    """Columns of the parts of a row, 0 for one that is not shown.

    `digits` are the characters of a size, `places` the decimals of price, size and sum.
    """

    price: int
    bar: int
    size: int
    sum: int
    digits: int
    places: tuple[int, int, int]


class Middle(NamedTuple):
    """What the row between the sides tells: the mid, its decimals, and the spread, the fullest text first."""

    mid: float
    places: int
    spreads: tuple[str, ...]


class Ladder:
    """One ladder and what it remembers from frame to frame: where the mid came from, and the scale of the bars."""

    def __init__(self) -> None:
        self.top = 0.0
        self.direction = NOT_KNOWN
        self.own: tuple[tuple[float, int], ...] = ()
        """Prices of one's own orders, and their colours."""
        self._mid: float | None = None
        self._of: tuple[object, ...] = ()
        self._places = 0

    def draw(self, frame: Frame, cob: CobView, merge: int, tick: float, *, live: bool) -> bool:
        """Draw buckets; return False, and draw nothing, if no book is known."""
        _, above, below = _rows_of(frame)
        found = sides(cob, merge, max(below, 1))
        if found is None or cob.mid is None:
            return False
        spreads = (f" {cob.spread_bps:.2f} bp ",) if cob.spread_bps is not None else ()
        middle = Middle(cob.mid, decimals(tick / 2) if tick else 2, spreads)
        self._begin((cob.instrument, merge, cob.bucket_size), middle)
        self._follow(found, above, below)
        widths = self._widths(frame.width, found, decimals(cob.bucket_size or 1.0))
        self._draw(frame, found, widths, middle, f"{base(cob.instrument)} size", live=live)
        return True

    def draw_levels(self, frame: Frame, book: BookView, tick: float, *, live: bool) -> bool:
        """Draw single prices; return False, and draw nothing, if there are none of one side."""
        found = levels(book)
        if found is None:
            return False
        bid, ask = book.bids[0][0], book.asks[0][0]
        fine = decimals(tick) if tick else places_of(price for side in found for price in side.prices.tolist())
        spread, share = f"spread {ask - bid:.{fine}f}", f"{20_000 * (ask - bid) / (ask + bid):.2f} bp"
        middle = Middle(
            (bid + ask) / 2,
            decimals(tick / 2) if tick else fine + 1,
            (f" {spread} \u00b7 {share} ", f" {spread} ", f" {share} "),
        )
        self._begin((book.instrument, "levels"), middle)
        _, above, below = _rows_of(frame)
        self._follow(found, above, below)
        shown = (*found[0].sizes[:below].tolist(), *found[1].sizes[:above].tolist())
        self._places = max(self._places, places_of(shown))
        size = "contracts" if inverse(book.instrument) else f"{base(book.instrument)} size"
        self._draw(frame, found, self._exact(frame.width, found, fine), middle, size, live=live)
        return True

    def _begin(self, of: tuple[object, ...], middle: Middle) -> None:
        """Forget what does not hold for this book, and see where its mid went."""
        if of != self._of:
            self._of, self.top, self._mid, self.direction, self._places = of, 0.0, None, NOT_KNOWN, 0
        if self._mid is not None and middle.mid != self._mid:
            self.direction = "▲" if middle.mid > self._mid else "▼"
        self._mid = middle.mid

    def _follow(self, found: tuple[Side, Side], above: int, below: int) -> None:
        """Let the scale of the bars hold all that is in sight."""
        largest = np.concatenate((found[0].sizes[:below], found[1].sizes[:above], [0.0]))
        self.top = ramps.follow_top(self.top, float(np.nanmax(largest)))

    def _draw(
        self, frame: Frame, found: tuple[Side, Side], widths: Widths, middle: Middle, size: str, *, live: bool
    ) -> None:
        head, above, below = _rows_of(frame)
        width, (bids, asks) = frame.width, found
        if head:
            _head(frame.part(0, 0, width, 1), widths, size)
        least = max(above - len(asks.prices), 0)
        self._rows(frame.part(0, head + least, width, above - least), asks, widths, ask=True)
        self._mine(frame.part(0, head + least, width, above - least), asks, widths, above=middle.mid)
        _middle(frame.part(0, head + above, width, 1), middle, self.direction if live else "")
        self._rows(frame.part(0, head + above + 1, width, min(below, len(bids.prices))), bids, widths, ask=False)
        self._mine(frame.part(0, head + above + 1, width, min(below, len(bids.prices))), bids, widths, below=middle.mid)

    def _mine(
        self, frame: Frame, side: Side, widths: Widths, *, above: float = 0.0, below: float = float("inf")
    ) -> None:
        """Mark the rows in which orders of one's own wait at prices from `above` to `below` the mid."""
        prices = side.prices[: frame.height]
        if not self.own or not len(prices):
            return
        order = np.sort(prices)
        step = float(np.diff(order).min()) if len(order) > 1 else 0.0
        for price, colour in self.own:
            at = int(np.searchsorted(order, price + EDGE * step, side="right")) - 1
            if at < 0 or not above <= price < below or price >= order[at] + max(step, 1e-12) * (1 - EDGE):
                continue
            row = len(order) - 1 - at
            frame.text(widths.price, row, MINE, pen(colour, attributes=BOLD))

    def _widths(self, width: int, found: tuple[Side, Side], places: int) -> Widths:
        """Return the widths for buckets."""
        price = _widest(found, places)
        size, sums = (7, 8) if width >= max(WIDE, price + 16) else (6, 0) if width >= price + 7 else (0, 0)
        fine = places_for(self.top)
        return Widths(price, width - price - 1 - size - sums, size, sums, 5, (places, fine, max(fine - 1, 0)))

    def _exact(self, width: int, found: tuple[Side, Side], places: int) -> Widths:
        """Return the widths for single prices: their sizes are told as exactly as there is room for."""
        price = _widest(found, places)
        digits = min(max(width - price - 1, 0), EXACT)
        size = digits + 1 if width > price + EXACT + 1 else digits
        sums = EXACT + 2 if width >= price + 2 * EXACT + 6 else 0
        if digits < LEAST:
            digits = size = 0
        bar = width - price - 1 - size - sums
        return Widths(price, bar, size, sums, digits, (places, self._places, self._places))

    def _rows(self, frame: Frame, side: Side, widths: Widths, *, ask: bool) -> None:
        """Draw one side; the best asks stand in the last row, the best bids in the first."""
        order = slice(None, None, -1) if ask else slice(None)
        sizes, partial = side.sizes[: frame.height][order], side.partial[: frame.height][order]
        places, digits, gap = widths.places, widths.digits, " " * max(widths.bar + 1, 0)
        lines = []
        for row in zip(*(part[: frame.height][order].tolist() for part in side), strict=True):
            line = f"{row[0]:{widths.price}.{places[0]}f}{gap}"
            line += f"{told(row[1], row[3], places[1], digits):>{widths.size}}" if widths.size else ""
            line += f"{told(row[2], row[4], places[2], digits):>{widths.sum}}" if widths.sum else ""
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


def _rows_of(frame: Frame) -> tuple[int, int, int]:
    """Return the rows of the head, above the mid and below it."""
    head = int(frame.width >= WIDE and frame.height >= HEADED)  # sums need to be told from sizes
    above = max((frame.height - head - 1) // 2, 0)
    return head, above, max(frame.height - head - above - 1, 0)


def _widest(found: tuple[Side, Side], places: int) -> int:
    return max(len(f"{each:.{places}f}") for side in found for each in (side.prices[0], side.prices[-1]))


def _head(frame: Frame, widths: Widths, size: str) -> None:
    frame.text(max(widths.price - 5, 0), 0, "price", pen(FAINT))
    frame.right(frame.width, 0, "sum", pen(FAINT))
    room = widths.bar + widths.size
    frame.right(frame.width - widths.sum, 0, size if len(size) <= room else "size", pen(FAINT))


def _middle(frame: Frame, middle: Middle, direction: str) -> None:
    """Draw the mid, its direction and the spread; a mid that is not the present has none, and says `last`."""
    frame.fill(pen(MID, attributes=BOLD), "─")
    mid = f"{middle.mid:.{middle.places}f}"
    text = f" {mid} {direction} " if direction else f" last {mid} "
    spread = next((each for each in middle.spreads if frame.width - len(each) >= len(text) + 2), "")
    if spread:
        room = frame.width - len(spread)
        frame.right(frame.width, 0, spread, pen(TEXT))
        frame.text(2 if room >= len(text) + 4 else 1, 0, text)
    else:
        frame.text(max((frame.width - len(text)) // 2, 0), 0, text)


def told(size: float, partial: bool, places: int, digits: int = 5) -> str:
    """Return a size in at most `digits` characters; `≥` before a lower bound, a dot for what is not known."""
    if size != size:
        return NOT_KNOWN
    return ("≥" if partial else "") + aligned(size, places, digits)
