"""What an order gets: one port, and three forms of it for what is known of the market: a book, a trade, a bar.

They differ in what they may assume, never in favour of the order. None of them throws dice. All prices and quantities
are in 1e-8 (`orders.UNIT`); what is filled is a multiple of the lot step.
"""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heapify, heappop
from typing import NamedTuple, Protocol

import msgspec

from engine.execution.costs import CostModel
from engine.market.book import Book
from engine.orders import Side
from engine.risk.rules import scale
from engine.types import Bar, Instrument, Trade

UNKNOWN = 2**62
"""Quantity that stands before an order where nobody knows how much it is."""


class Execution(NamedTuple):
    """A quantity at a price, both 1e-8."""

    price: int
    quantity: int


class FillModel(Protocol):
    """What the market gives; asking changes nothing."""

    def take(self, side: Side, quantity: int, limit: int = 0) -> list[Execution]:
        """Return what an order gets that takes what is there, best first; `limit` 0 is any price."""

    def meet(self, side: Side, price: int, quantity: int, ahead: int = 0) -> int:
        """Return how much of an order that rests at `price` is filled, at that price, behind `ahead`."""


# The book as it is. --------------------------------------------------------------------------------------------------


class Swept(NamedTuple):
    """A trade that a book does not know of: what stood before its price (ticks) is gone, and `size` (1e-8) at it."""

    price: int
    size: int


def walk(
    side: Side,
    levels: Mapping[int, int],
    quantity: int,
    *,
    instrument: Instrument,
    step: int,
    limit: int = 0,
    bound: int = 0,
    consumed: Mapping[int, int] | None = None,
    swept: Swept | None = None,
) -> list[Execution]:
    """Walk the opposite side of a book, best first, and return what an order gets, a level at a time.

    Args:
        side: Of the order: a BUY walks asks.
        levels: That opposite side, price in ticks to size in lots.
        quantity: Wanted, 1e-8.
        instrument: Tells the scales.
        step: The lot step, 1e-8; of a level that is no whole number of steps the rest is left.
        limit: Worst price, 1e-8; 0 is any.
        bound: Worst price in ticks up to which all levels are known; 0 is any.
        consumed: What our own orders took of levels that have not been updated since, price in ticks to 1e-8.
        swept: A trade against that side, newer than the book.
    """
    price_scale, size_scale = scale(instrument.price_decimals), scale(instrument.size_decimals)
    sign = side.sign
    edges = [sign * bound] if bound else []
    if limit:
        edges.append(sign * limit // price_scale)
    worst = min(edges, default=None)
    begin = sign * swept.price if swept is not None else None
    heap = [
        sign * price
        for price in levels
        if (worst is None or sign * price <= worst) and (begin is None or sign * price >= begin)
    ]
    heapify(heap)
    found: list[Execution] = []
    while heap and quantity > 0:
        price = sign * heappop(heap)
        there = levels[price] * size_scale
        if consumed:
            there -= consumed.get(price, 0)
        if swept is not None and price == swept.price:
            there -= swept.size
        part = min(there, quantity) // step * step
        if part > 0:
            found.append(Execution(price * price_scale, part))
            quantity -= part
    return found


class BookFills:
    """Against a book as it is, less what our own orders took of it: `bids` and `asks`, price in ticks to 1e-8.

    `low`, `high`: lowest bid and highest ask up to which all levels are known, in ticks; 0 is any. `trade`: one that is
    newer than the book.
    """

    def __init__(
        self,
        instrument: Instrument,
        book: Book,
        step: int,
        bids: dict[int, int],
        asks: dict[int, int],
        *,
        low: int = 0,
        high: int = 0,
        trade: Trade | None = None,
    ) -> None:
        self.instrument = instrument
        self.book = book
        self.step = step
        self.bids = bids
        self.asks = asks
        self.low = low
        self.high = high
        self.trade = trade
        self._scale = scale(instrument.price_decimals)

    def take(self, side: Side, quantity: int, limit: int = 0) -> list[Execution]:
        """Walk the opposite side."""
        buys = side is Side.BUY
        trade, swept = self.trade, None
        if trade is not None and trade.sell is not buys:
            swept = Swept(trade.price, trade.size * scale(self.instrument.size_decimals))
        return walk(
            side,
            self.book.asks if buys else self.book.bids,
            quantity,
            instrument=self.instrument,
            step=self.step,
            limit=limit,
            bound=self.high if buys else self.low,
            consumed=self.asks if buys else self.bids,
            swept=swept,
        )

    def meet(self, side: Side, price: int, quantity: int, ahead: int = 0) -> int:
        """Return what of the other side has come to the order's price or beyond; nobody stands before it then."""
        del ahead
        return sum(part.quantity for part in self.take(side, quantity, price))

    def commit(self, side: Side, price: int, quantity: int) -> None:
        """What an order of `side` took at a level is not there a second time."""
        consumed = self.asks if side is Side.BUY else self.bids
        ticks = price // self._scale
        consumed[ticks] = consumed.get(ticks, 0) + quantity


# A trade. ------------------------------------------------------------------------------------------------------------


class TradeFills:
    """Against one trade, where that is all that is known.

    An order that takes is filled at the trade's own price. An order that rests at the trade's price gets what of it
    is left behind those who stood before; one that the trade has passed gets at most its size, though whatever stood at
    its price must have gone before: how much more came is not known.
    """

    def __init__(self, instrument: Instrument, trade: Trade, step: int) -> None:
        self.price = trade.price * scale(instrument.price_decimals)
        self.size = trade.size * scale(instrument.size_decimals)
        self.seller = trade.sell
        self.step = step
        self.used = 0
        """Of the trade's size, what our own orders have got of it."""

    def take(self, side: Side, quantity: int, limit: int = 0) -> list[Execution]:
        """Fill all at the trade's price, unless the limit is better."""
        if limit and (self.price - limit) * side.sign > 0:
            return []
        return [Execution(self.price, quantity)]

    def passes(self, side: Side, price: int) -> bool:
        """Tell whether it was dealt beyond a resting order's price."""
        return (price - self.price) * side.sign > 0

    def hits(self, side: Side, price: int) -> bool:
        """Tell whether it took from those who rest at a price on that side."""
        return price == self.price and self.seller is (side is Side.BUY)

    def meet(self, side: Side, price: int, quantity: int, ahead: int = 0) -> int:
        """Return what a resting order gets of what our others have left."""
        if self.passes(side, price):
            ahead = 0
        elif not self.hits(side, price):
            return 0
        return max(min(self.size - self.used - ahead, quantity), 0) // self.step * self.step


# A bar. --------------------------------------------------------------------------------------------------------------


class BarFills:
    """Against one candle, for orders that stood before it opened.

    An order that takes is filled at the open, half the spread and slippage worse. A resting order is filled at its
    price once the bar has gone beyond it; to touch it is not enough. How much was traded is not looked at.
    """

    def __init__(self, instrument: Instrument, bar: Bar, costs: CostModel) -> None:
        self.costs = costs
        self.tick = instrument.tick * scale(instrument.price_decimals)
        unit = scale(instrument.price_decimals)
        self.open, self.high, self.low = bar.open * unit, bar.high * unit, bar.low * unit

    def take(self, side: Side, quantity: int, limit: int = 0) -> list[Execution]:
        """Fill all at the open with its costs, unless the limit is better."""
        price = self.costs.against(side, self.open, self.tick)
        if limit and (price - limit) * side.sign > 0:
            return []
        return [Execution(price, quantity)]

    def meet(self, side: Side, price: int, quantity: int, ahead: int = 0) -> int:
        """Fill all once the bar went beyond the price."""
        del ahead
        reached = self.low < price if side is Side.BUY else self.high > price
        return quantity if reached else 0

    def stopped(self, side: Side, stop: int) -> int:
        """Return the price at which a stop order of `side` is filled, with its costs; 0 if the bar does not reach it.

        One that the open has passed already is filled at the open: the stop price was never there.
        """
        reached = self.high >= stop if side is Side.BUY else self.low <= stop
        if not reached:
            return 0
        passed = (self.open - stop) * side.sign >= 0
        return self.costs.against(side, self.open if passed else stop, self.tick)


class BarExit(msgspec.Struct, frozen=True, kw_only=True):
    """How a bar ends a position: at which price (1e-8, costs in it), by its stop or its target."""

    price: int
    stopped: bool


def bar_exit(fills: BarFills, side: Side, stop: int = 0, target: int = 0) -> BarExit | None:
    """Return how a bar ends a position whose exits are of `side` (SELL for a long); None if it does not.

    The order of prices inside a bar is not known: where both are reached, the stop was first.
    """
    if stop and (price := fills.stopped(side, stop)):
        return BarExit(price=price, stopped=True)
    if target and fills.meet(side, target, 1):
        return BarExit(price=target, stopped=False)
    return None
