"""A price-level book in integer ticks and lots: hash maps with a tracked best price on each side.

Sorting is left to readers: updates come a thousand times more often than somebody looks.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import nlargest, nsmallest

from engine.types import Level

SCAN = 256
"""How far the next best price is looked for tick by tick before all levels are searched."""


class Book:
    """Bids and asks of one instrument.

    Holds: no level has size zero; `best_bid` is the highest bid (0 without bids), `best_ask` the lowest ask
    (0 without asks).
    """

    __slots__ = ("asks", "best_ask", "best_bid", "bids", "update_id")

    def __init__(self) -> None:
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.best_bid = 0
        self.best_ask = 0
        self.update_id = 0

    def clear(self) -> None:
        """Forget everything."""
        self.bids.clear()
        self.asks.clear()
        self.best_bid = self.best_ask = self.update_id = 0

    def load(self, bids: Iterable[Level], asks: Iterable[Level], update_id: int) -> None:
        """Replace the content by the levels of a snapshot."""
        self.bids = {price: size for price, size in bids if size}
        self.asks = {price: size for price, size in asks if size}
        self.update_id = update_id
        self.best_bid = max(self.bids, default=0)
        self.best_ask = min(self.asks, default=0)

    def apply(self, bids: Iterable[Level], asks: Iterable[Level], update_id: int) -> None:
        """Set the given levels to the given absolute sizes; zero removes, removing an absent level is nothing."""
        levels = self.bids
        best = self.best_bid
        drop = levels.pop
        for price, size in bids:
            if size:
                levels[price] = size
                if price > best:
                    best = price
            else:
                drop(price, None)
        if best not in levels:
            best = self._next_bid(best)
        self.best_bid = best

        levels = self.asks
        best = self.best_ask
        drop = levels.pop
        for price, size in asks:
            if size:
                levels[price] = size
                if price < best or not best:
                    best = price
            else:
                drop(price, None)
        if best not in levels:
            best = self._next_ask(best)
        self.best_ask = best
        self.update_id = update_id

    def _next_bid(self, gone: int) -> int:
        levels = self.bids
        for price in range(gone - 1, max(gone - SCAN, 0), -1):
            if price in levels:
                return price
        return max(levels, default=0)

    def _next_ask(self, gone: int) -> int:
        levels = self.asks
        for price in range(gone + 1, gone + SCAN):
            if price in levels:
                return price
        return min(levels, default=0)

    @property
    def crossed(self) -> bool:
        """True when the best bid is not below the best ask."""
        return bool(self.best_bid and self.best_ask and self.best_bid >= self.best_ask)

    def top(self, depth: int) -> tuple[list[Level], list[Level]]:
        """Return the best `depth` levels of each side, best first."""
        bids = [(price, self.bids[price]) for price in nlargest(depth, self.bids)]
        asks = [(price, self.asks[price]) for price in nsmallest(depth, self.asks)]
        return bids, asks
