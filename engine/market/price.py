"""The current price of an instrument, from the best source there is, never without its source and age."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from engine.types import MS

FRESH = 500 * MS
"""A price older than this is stale."""


class PriceSource(StrEnum):
    """Where a price comes from, best first."""

    BOOK = "book mid"
    TRADE = "last trade"
    TICKER = "ticker"
    REST = "rest"


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """A price in ticks (a mid may lie between two), where it is from, and how old it is in ns."""

    instrument: str
    ticks: float
    source: PriceSource
    age: int

    @property
    def stale(self) -> bool:
        """True when nobody should act on it."""
        return self.age > FRESH


def choose(instrument: str, known: list[tuple[PriceSource, float, int]], now: int) -> Price | None:
    """Return the first fresh price in the given order, else the youngest, else None.

    Args:
        instrument: Whose price it is.
        known: (source, price in ticks, receive stamp in ns), best source first.
        now: The engine's clock in ns.
    """
    prices = [
        Price(instrument=instrument, ticks=ticks, source=source, age=max(now - ts, 0)) for source, ticks, ts in known
    ]
    fresh = next((price for price in prices if not price.stale), None)
    return fresh or min(prices, key=lambda price: price.age, default=None)
