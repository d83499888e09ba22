"""What was traded, by second and price bucket: the dots on the heat map."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tradetui.console.render.columns import EDGE, Window
from tradetui.console.series import Floats, Integers

if TYPE_CHECKING:
    from engine.views import TradeRow

MOST = 8192
"""Cells of seconds and buckets that are kept; the oldest quarter leaves when there are more."""

SMALL = 0.2
"""Part of a large trade, a second, from which a cell's volume is worth a dot."""


class Hits(NamedTuple):
    """Cells of a window in which enough was traded.

    `x` column and `bucket` of the window; `net` bought minus sold by takers, base asset; `large` 1 for a large dot.
    """

    x: Integers
    bucket: Integers
    net: Floats
    large: Integers


class Prints:
    """Taker volume of one instrument by second and bucket; trades are added as they come and stay when the tape rolls.

    A dot is large when a trade in it was marked large, or as much as a large trade was traded each second. Until one
    was marked, the largest trade so far is the measure.
    """

    def __init__(self) -> None:
        self._begin(0.0)

    def _begin(self, size: float) -> None:
        """Forget everything; `size` of a bucket in quote units."""
        self.size = size
        self._cells: dict[tuple[int, int], list[float]] = {}
        self._last = -1
        self._marked = float("inf")
        self._most = 0.0

    @property
    def measure(self) -> float:
        """The size from which a dot is large, in base asset."""
        return self._marked if self._marked < float("inf") else self._most

    def take(self, rows: Sequence[TradeRow], size: float) -> None:
        """Take the trades that are new among the last ones, oldest first."""
        if size != self.size or (rows and rows[-1].id < self._last):
            self._begin(size)  # other buckets, or a replay that went back
        new: list[TradeRow] = []
        for row in reversed(rows):
            if row.id <= self._last:
                break
            new.append(row)
        for row in reversed(new):
            self._add(row)
        if new:
            self._last = new[0].id
        if len(self._cells) > MOST:
            for key in sorted(self._cells)[: MOST // 4]:
                del self._cells[key]

    def _add(self, row: TradeRow) -> None:
        key = row.ts_ms // 1000, floor(row.price / self.size + EDGE)
        cell = self._cells.setdefault(key, [0.0, 0.0, 0.0])
        cell[row.sell] += row.size
        cell[2] += row.large
        self._most = max(self._most, row.size)
        if row.large:
            self._marked = min(self._marked, row.size)

    def hits(self, window: Window) -> Hits:
        """Return the cells of a window in which enough was traded."""
        oldest, newest = window.first * window.each, (window.first + window.columns) * window.each
        found = [(key, cell) for key, cell in self._cells.items() if oldest <= key[0] < newest]
        keys = np.array([key for key, _ in found], dtype=np.int64).reshape(len(found), 2)
        cells = np.array([cell for _, cell in found], dtype=np.float64).reshape(len(found), 3)
        x = keys[:, 0] // window.each - window.first
        bucket = keys[:, 1] // window.merge - window.bottom
        inside = (bucket >= 0) & (bucket < window.buckets)
        place, back = np.unique(x[inside] * window.buckets + bucket[inside], return_inverse=True)
        buy, sell, large = (
            np.bincount(back, weights=column, minlength=len(place)).astype(np.float64) for column in cells[inside].T
        )
        volume, measure = buy + sell, self.measure * window.each
        much = (large > 0) | (volume >= measure)
        told = much | (volume >= SMALL * measure)
        return Hits(
            (place // max(window.buckets, 1))[told],
            (place % max(window.buckets, 1))[told],
            (buy - sell)[told],
            much[told].astype(np.int64),
        )
