"""Matching our orders with the market: what is taken, what rests, what ends."""

from __future__ import annotations

import msgspec

from engine.execution.costs import fees_of
from engine.execution.fills import BookFills, Execution, FillModel, TradeFills
from engine.execution.paper_book import Look, OwnBook, Resting
from engine.execution.paper_checks import Holdings
from engine.execution.settings import FeeTable
from engine.orders import (
    Fill,
    Liquidity,
    OrderAmended,
    OrderCanceled,
    OrderEvent,
    OrderFilled,
    OrderTriggered,
    OrderType,
    Side,
    TimeInForce,
    decimal,
)
from engine.risk.rules import round_quantity
from engine.types import Trade


class Matching:
    """All our orders at the venue, by instrument, and the events of the step that is under way.

    `watched` are the instruments of which something stands here, or is gone from the book.
    """

    __slots__ = ("books", "events", "fees", "holdings", "of", "watched")

    def __init__(self, fees: FeeTable, holdings: Holdings) -> None:
        self.fees = fees
        self.holdings = holdings
        self.books: dict[str, OwnBook] = {}
        self.of: dict[str, OwnBook] = {}
        self.events: list[OrderEvent] = []
        self.watched: set[str] = set()

    def begin(self) -> None:
        """Begin a step: the caller's account knows of everything until now."""
        self.events = []
        self.holdings.begin()

    def book(self, instrument: str) -> OwnBook:
        """Return ours in an instrument, made where there is nothing yet."""
        own = self.books.get(instrument)
        if own is None:
            own = self.books[instrument] = OwnBook(instrument)
        return own

    def watch(self, own: OwnBook) -> None:
        """Find out whether an instrument's market still matters."""
        if not own.idle:
            self.watched.add(own.key)
        else:
            self.watched.discard(own.key)
            self.books.pop(own.key, None)

    # Taking. ------------------------------------------------------------------------------------------------------

    def enter(
        self, own: OwnBook, order: Resting, parts: list[Execution], look: Look, now: int, book: BookFills | None
    ) -> None:
        """Let an order take what it gets, and rest or end with what is left; `book` is where it takes it from."""
        spec = order.spec
        limited, terms = spec.type.limited, spec.time_in_force
        there = sum(part.quantity for part in parts)
        if limited and terms is TimeInForce.FOK and there < order.remaining:
            text = f"{decimal(there)} of {decimal(order.remaining)} could be had at {decimal(order.price)} or better"
            self.end(order, f"fill or kill: {text}", now)
            return
        self.fill(own, order, parts, Liquidity.TAKER, look, now, book)
        if spec.id not in own.orders:
            return
        if not limited:
            text = f"the book, as far as it is known, ended with {decimal(order.remaining)} of it not filled"
            self.end(order, text, now)
        elif terms is not TimeInForce.GTC:
            text = f"{decimal(order.remaining)} could not be had at {decimal(order.price)} or better"
            self.end(order, f"immediate or cancel: {text}", now)
        else:
            own.join(order, look)

    def meet(self, own: OwnBook, look: Look, now: int) -> None:
        """Fill resting orders whose price the other side has come to, best first, then in the order of arrival."""
        for side, best in ((Side.BUY, look.book.best_ask), (Side.SELL, look.book.best_bid)):
            levels = own.queues[side]
            if not levels or not best:
                continue
            for price in sorted(levels, reverse=side is Side.BUY):
                if (price - best) * side.sign < 0:
                    break
                for order in list(levels.get(price, ())):
                    book = own.against(look)
                    parts = book.take(side, order.remaining, order.price)
                    self.fill(own, order, parts, Liquidity.MAKER, look, now, book)

    def trade(self, own: OwnBook, look: Look, trade: Trade, now: int) -> None:
        """Fill resting orders that a trade came to, and wake those that wait for it."""
        fills = TradeFills(look.instrument, trade, look.rules.step)
        for order, quantity in own.dealt(trade, fills):
            self.fill(own, order, [Execution(order.price, quantity)], Liquidity.MAKER, look, now)
        for order in [order for order in own.orders.values() if order.waiting and order.reached(fills.price)]:
            if order.spec.id in own.orders:
                self._wake(own, order, trade, fills, look, now)
        own.blind = False

    def _wake(self, own: OwnBook, order: Resting, trade: Trade, fills: TradeFills, look: Look, now: int) -> None:
        """A trade has reached an order's stop price: it becomes a market or limit order at once.

        The book still shows what that trade has swept, which the order does not get.
        """
        spec = order.spec
        order.waiting = False
        self.events.append(OrderTriggered(order=spec.id, ts=now, price=fills.price))
        book = own.against(look, trade) if look.live and not own.blind else None
        model: FillModel = fills if book is None else book
        parts = model.take(spec.side, order.remaining, order.price)
        refused = None
        if not spec.type.limited and not spec.reduce_only:  # the market may have gone beyond what was held for it
            paid = msgspec.structs.replace(spec, type=OrderType.MARKET)
            refused = self.holdings.lacks(paid, order.remaining, parts, look)
        if refused is None:
            self.enter(own, order, parts, look, now, book)
        else:
            self.end(order, refused.reason, now)
        self._others(own, order, now, f"{spec.id} of the same group was triggered")

    # Fills. -------------------------------------------------------------------------------------------------------

    def fill(
        self,
        own: OwnBook,
        order: Resting,
        parts: list[Execution],
        liquidity: Liquidity,
        look: Look,
        now: int,
        book: BookFills | None = None,
    ) -> None:
        """Execute parts one by one: at their own price for one that takes, at the order's for one that rested.

        `book` is what they are taken from; it has less of them afterwards.
        """
        spec, instrument = order.spec, look.instrument
        costs = fees_of(self.fees, instrument.venue)
        filled = 0
        for part in parts:
            quantity = min(part.quantity, order.remaining)
            if spec.reduce_only:
                quantity = round_quantity(min(quantity, self.holdings.room(spec)), look.rules)
            if quantity <= 0 or costs is None or spec.id not in own.orders:
                break
            price = part.price if liquidity is Liquidity.TAKER else order.price
            fee, asset = costs.fee(instrument, spec.side, price, quantity, liquidity)
            order.filled += quantity
            order.fills += 1
            filled += quantity
            fill = Fill(
                id=f"{spec.id}/{order.fills}",
                order=spec.id,
                instrument=spec.instrument,
                side=spec.side,
                price=price,
                quantity=quantity,
                fee=fee,
                fee_asset=asset,
                liquidity=liquidity,
                ts=now,
                mode=spec.mode,
            )
            self.events.append(OrderFilled(order=spec.id, ts=now, fill=fill))
            self.holdings.settled(instrument, spec, fill)
            if book is not None:
                book.commit(spec.side, part.price, quantity)
        if not order.remaining:
            self._gone(order)
        if filled:
            self._reduced(own, order, filled, now)
        if parts and spec.reduce_only and spec.id in own.orders and self.holdings.room(spec) < look.rules.step:
            self.end(order, "reduce-only: there is nothing left to reduce", now)

    # Ends. --------------------------------------------------------------------------------------------------------

    def _reduced(self, own: OwnBook, order: Resting, filled: int, now: int) -> None:
        """Take what one order of a group was filled from the others; they end with it.

        One that was triggered ends them in any case.
        """
        group = order.spec.oco
        if not group or order.spec.type.conditional:
            return
        if not order.remaining:
            self._others(own, order, now, f"{order.spec.id} of the same group was filled")
            return
        for other in list(own.orders.values()):
            if other.spec.oco != group or other is order:
                continue
            other.quantity -= min(filled, other.remaining)
            if other.remaining:
                self.events.append(OrderAmended(order=other.spec.id, ts=now, quantity=other.quantity))
            else:
                self.end(other, f"{order.spec.id} of the same group was filled", now, expired=False)

    def _others(self, own: OwnBook, order: Resting, now: int, why: str) -> None:
        group = order.spec.oco
        if group:
            for other in list(own.orders.values()):
                if other.spec.oco == group and other is not order:
                    self.end(other, why, now, expired=False)

    def end(self, order: Resting, reason: str, now: int, *, expired: bool = True) -> None:
        """End an order before it is filled: by its own terms (`expired`), or because somebody wants it."""
        self._gone(order)
        self.events.append(
            OrderCanceled(order=order.spec.id, ts=now, reason=reason, expired=expired, filled=order.filled)
        )

    def _gone(self, order: Resting) -> None:
        own = self.of.pop(order.spec.id, None)
        if own is not None:
            own.leave(order)
            self.watch(own)
