"""Our own orders in the book of one instrument: where they stand in the queue, and what they took of it.

Prices in ticks and sizes in lots come from the market and are kept as such where they are keys; what we count is 1e-8.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from engine.execution.fills import UNKNOWN, BookFills, TradeFills
from engine.market.book import Book
from engine.orders import OrderSpec, OrderType, Rules, Side
from engine.risk.rules import scale
from engine.types import BookDelta, Instrument, Level, Trade


class Look(NamedTuple):
    """An instrument's market at this moment.

    `low`, `high`: lowest bid and highest ask up to which all levels of the book are known, in ticks, 0 is any; `stamp`:
    exchange time of the book's last message, ns, 0 where it is not known; `loads`: how often the book began anew.
    """

    instrument: Instrument
    book: Book
    live: bool
    rules: Rules
    last_trade: Trade | None = None
    low: int = 0
    high: int = 0
    stamp: int = 0
    loads: int = 0


class Resting:
    """One order that stands at the paper venue.

    `waiting`: for a trade at its stop price; then it is in no queue. `ticks` is its limit price. What stands before it
    is at most `queue` (what was displayed when it came, less trades since) and at most `shown` (the least that was
    displayed since, less trades since). Trades up to `since` (exchange ns) were before it.
    """

    __slots__ = (
        "filled",
        "fills",
        "price",
        "quantity",
        "queue",
        "shown",
        "since",
        "spec",
        "stop_price",
        "ticks",
        "waiting",
    )

    def __init__(self, spec: OrderSpec) -> None:
        self.spec = spec
        self.price = spec.price
        self.stop_price = spec.stop_price
        self.quantity = spec.quantity
        self.filled = 0
        self.fills = 0
        self.waiting = spec.type.conditional
        self.ticks = 0
        self.queue = self.shown = UNKNOWN
        self.since = 0

    @property
    def remaining(self) -> int:
        """What is not filled, 1e-8."""
        return self.quantity - self.filled

    @property
    def ahead(self) -> int:
        """The most that may stand before it, 1e-8."""
        return min(self.queue, self.shown)

    def reached(self, price: int) -> bool:
        """Tell whether a trade at `price` (1e-8) wakes it: a stop follows the price, a take profit goes against it."""
        rising = (self.spec.side is Side.BUY) is (self.spec.type in (OrderType.STOP, OrderType.STOP_LIMIT))
        return price >= self.stop_price if rising else price <= self.stop_price

    def state(self) -> list[object]:
        """Return it as plain values."""
        return [
            self.spec.id,
            self.price,
            self.stop_price,
            self.quantity,
            self.filled,
            self.fills,
            self.waiting,
            self.queue,
            self.shown,
            self.since,
        ]


class OwnBook:
    """Ours in one instrument: orders by id in the order of arrival, and what they took of the displayed book.

    `bids`, `asks`: what was taken, price in ticks to 1e-8, until an update touches that level.
    `blind` until the first trade after a restart. `stamp` is what the book's last message said of the time, `loads`
    which of the books since the start it is.
    """

    __slots__ = (
        "asks",
        "bids",
        "blind",
        "key",
        "known",
        "loads",
        "orders",
        "price_scale",
        "queues",
        "size_scale",
        "stamp",
    )

    def __init__(self, key: str) -> None:
        self.key = key
        self.known: Instrument | None = None
        self.orders: dict[str, Resting] = {}
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.blind = False
        self.stamp = 0
        self.loads = 0
        self.price_scale = self.size_scale = 0
        self.queues: dict[Side, dict[int, list[Resting]]] = {Side.BUY: {}, Side.SELL: {}}

    @property
    def idle(self) -> bool:
        """Whether nothing that happens in the market matters to it."""
        return not self.orders and not self.bids and not self.asks

    def see(self, look: Look) -> None:
        """Learn the scales and how old the book is; where scales have changed, old ticks mean something else."""
        self.stamp = max(self.stamp, look.stamp)
        self.loads = look.loads
        instrument = look.instrument
        if instrument is self.known:
            return
        self.known = instrument
        scales = scale(instrument.price_decimals), scale(instrument.size_decimals)
        if scales == (self.price_scale, self.size_scale):
            return
        self.price_scale, self.size_scale = scales
        self._forget()
        self.queues = {Side.BUY: {}, Side.SELL: {}}
        for order in self.orders.values():
            if not order.waiting:
                order.queue = order.shown = UNKNOWN
                self._enter(order)

    def against(self, look: Look, trade: Trade | None = None) -> BookFills:
        """Return the book as we find it; `trade` is one that it may not know of yet."""
        if trade is not None and trade.ts_exch <= self.stamp:
            trade = None
        step, low, high = look.rules.step, look.low, look.high
        return BookFills(look.instrument, look.book, step, self.bids, self.asks, low=low, high=high, trade=trade)

    # Orders. ------------------------------------------------------------------------------------------------------

    def stand(self, order: Resting) -> None:
        """Take in an order: one that waits for a trade, or one that joins its queue when more is known."""
        self.orders[order.spec.id] = order
        if self.known is not None and not order.waiting:
            self._enter(order)

    def join(self, order: Resting, look: Look) -> None:
        """Put an order at the end of the queue at its price, behind everything that is displayed there.

        Where the book does not tell how much that is, it stands behind all until an update tells.
        """
        self.unqueue(order)
        order.waiting = False
        order.since = look.stamp
        self._enter(order)
        self._place(order, look)

    def leave(self, order: Resting) -> None:
        """Take an order out."""
        self.orders.pop(order.spec.id, None)
        self.unqueue(order)

    def unqueue(self, order: Resting) -> None:
        """Take an order out of its queue."""
        levels = self.queues[order.spec.side]
        queue = levels.get(order.ticks)
        if queue is not None and order in queue:
            queue.remove(order)
            if not queue:
                del levels[order.ticks]

    def _enter(self, order: Resting) -> None:
        # Off the grid (scales that were guessed) the next price that is no better to us stands for it.
        price = order.price
        down = order.spec.side is Side.BUY
        order.ticks = price // self.price_scale if down else -(-price // self.price_scale)
        self.queues[order.spec.side].setdefault(order.ticks, []).append(order)

    def _place(self, order: Resting, look: Look) -> None:
        order.queue = order.shown = UNKNOWN
        if not look.live:
            return
        bids = order.spec.side is Side.BUY
        shown = (look.book.bids if bids else look.book.asks).get(order.ticks)
        inside = (not look.low or order.ticks >= look.low) if bids else (not look.high or order.ticks <= look.high)
        if shown is not None or inside:
            order.queue = order.shown = (shown or 0) * self.size_scale

    # The market. --------------------------------------------------------------------------------------------------

    def told(self, delta: BookDelta) -> None:
        """Take a change of the book: levels that it names are as it says, with nothing of ours taken from them."""
        self.stamp = max(self.stamp, delta.ts_exch)
        self._told(self.bids, self.queues[Side.BUY], delta.bids)
        self._told(self.asks, self.queues[Side.SELL], delta.asks)

    def _told(self, consumed: dict[int, int], queues: dict[int, list[Resting]], levels: Iterable[Level]) -> None:
        if consumed:
            for price, _ in levels:
                consumed.pop(price, None)
        if queues:
            for price, size in levels:
                for order in queues.get(price, ()):
                    order.shown = min(order.shown, size * self.size_scale)

    def reloaded(self, look: Look) -> None:
        """The book began anew, or is lost: all of ours stand behind everything that is displayed.

        A snapshot that only widened what is known of a live book tells those where they stand who did not know.
        """
        widened = look.live and look.loads == self.loads
        self.see(look)
        if not widened:
            self._forget()
            self.stamp = look.stamp
        for queue in self.queues.values():
            for orders in queue.values():
                for order in orders:
                    if not widened or order.shown >= UNKNOWN // 2:
                        self._place(order, look)

    def _forget(self) -> None:
        self.bids.clear()
        self.asks.clear()

    def dealt(self, trade: Trade, fills: TradeFills) -> list[tuple[Resting, int]]:
        """Take a trade; return what of our resting orders it fills, best price first, then in the order of arrival.

        A trade of before the book's last message is in what is displayed already: it takes from the queue that we
        counted ourselves, not from what is shown.
        """
        late = trade.ts_exch <= self.stamp
        found: list[tuple[Resting, int]] = []
        for side, levels in self.queues.items():
            if not levels:
                continue
            prices = sorted(levels, reverse=side is Side.BUY)
            for price in prices:
                if (price - trade.price) * side.sign < 0:
                    break
                for order in levels[price]:
                    if trade.ts_exch > order.since:
                        found += self._meets(order, fills, late=late)
        return found

    def _meets(self, order: Resting, fills: TradeFills, *, late: bool) -> list[tuple[Resting, int]]:
        side = order.spec.side
        if fills.passes(side, order.price):
            order.queue = order.shown = 0
        elif not fills.hits(side, order.price):
            return []
        part = fills.meet(side, order.price, order.remaining, order.queue if late else order.ahead)
        usable = fills.size - fills.used
        order.queue = max(order.queue - usable, 0)
        if not late:
            order.shown = max(order.shown - usable, 0)
        fills.used += part
        return [(order, part)] if part else []

    def state(self) -> list[object]:
        """Return it as plain values."""
        orders = [order.state() for order in self.orders.values()]
        return [self.key, self.blind, self.stamp, sorted(self.bids.items()), sorted(self.asks.items()), orders]
