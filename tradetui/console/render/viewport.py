"""The viewport of a chart: which slots are in sight, and on which columns. Places are slots, never times.

The newest slot in sight stands a little before the right edge; younger ones fill that air while one looks back, so one
step of panning moves everything by one slot, also the first step away from live.
"""

from __future__ import annotations

from functools import lru_cache
from math import log2
from typing import NamedTuple

import numpy as np

from tradetui.console.series import Integers

ZOOMS = (1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 6.0, 8.0)
"""Columns that a bar may take. Below 1 a column holds several bars; from 2 on the last of them is left free."""

AIR = 2
"""Columns between the newest bar and the price axis."""

MARGIN = 2
"""Slots beside the crosshair that stay in sight when the view follows it."""


@lru_cache
def snapped(columns: float) -> float:
    """Return the zoom step that is nearest: a kept view may hold any number."""
    return min(ZOOMS, key=lambda each: abs(log2(each / columns)))


def closer(columns: float, steps: int) -> float:
    """Return the zoom some steps closer (`steps` > 0) or wider."""
    place = ZOOMS.index(snapped(columns)) + steps
    return ZOOMS[min(max(place, 0), len(ZOOMS) - 1)]


def grouped(columns: float) -> int:
    """Return how many bars a column holds."""
    return max(round(1 / snapped(columns)), 1)


class Viewport(NamedTuple):
    """`width` columns, `each` for a slot; of `total` slots `last` is the newest in sight."""

    width: int
    each: int
    total: int
    last: int

    @property
    def body(self) -> int:
        """Columns of a candle: an odd number."""
        return max(self.each - 1, 1)

    @property
    def room(self) -> int:
        """Slots that fit, without those in the air."""
        return self._anchor // self.each + 1

    @property
    def first(self) -> int:
        """The oldest slot in sight."""
        return max(self.last - self.room + 1, 0)

    @property
    def stop(self) -> int:
        """One past the newest slot that is drawn."""
        return min(self.last + 1 + max(self.width - self._anchor - self.each, 0) // self.each, self.total)

    @property
    def live(self) -> bool:
        """Whether the newest slot is in its place."""
        return self.last >= self.total - 1

    @property
    def _anchor(self) -> int:
        """The first column of the newest slot in sight."""
        air = AIR if self.width >= 8 * AIR else 0
        return max(self.width - air - self.each, 0)

    def left(self, slot: int) -> int:
        """Return the first column of a slot."""
        return self._anchor - (self.last - slot) * self.each

    def middle(self, slot: int) -> int:
        """Return the column of a slot's wick."""
        return self.left(slot) + self.body // 2

    def lefts(self) -> Integers:
        """Return the first columns of all slots that are drawn."""
        return self._anchor + (np.arange(self.first, self.stop) - self.last) * self.each

    def slot(self, x: int) -> int:
        """Return the slot on a column, or the drawn one next to it."""
        return min(max(self.last + (x - self._anchor) // self.each, self.first), max(self.stop - 1, 0))

    def to(self, last: int) -> Viewport:
        """Return the viewport on another newest slot, within what there is."""
        return self._replace(last=max(min(last, self.total - 1), min(self.room, self.total) - 1, 0))

    def seeing(self, slot: int) -> Viewport:
        """Return the viewport moved as little as needed to see a slot and some beside it."""
        margin = min(MARGIN, (self.room - 1) // 2)
        if slot < self.first + margin:
            return self.to(slot - margin + self.room - 1)
        if slot > self.last - margin:
            return self.to(slot + margin)
        return self

    def keeping(self, slot: int, x: int) -> Viewport:
        """Return the viewport on which the middle of a slot stands as near to a column as can be."""
        return self.to(slot + round((self._anchor + self.body // 2 - x) / self.each))


def viewport(width: int, columns: float, total: int, last: int | None) -> Viewport:
    """Return a viewport; `last` None is live."""
    each = max(int(snapped(columns)), 1)
    return Viewport(max(width, 1), each, total, 0).to(total - 1 if last is None else last)
