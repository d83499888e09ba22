"""The venue's own truth: orders, trades and balances of one account, and when orders are filled.

Prices are set from outside. A resting order is filled at its own price when the price reaches it; a taker at the price
as it is. `parts` cuts fills into so many trades; `depth` bounds what a taker finds at once; `still` fills nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal

from tests.support.venue.instruments import PRICES, Instrument
from tests.support.venue.orders import Happened, Order, Refusal, Trade, Wanted
from tests.support.venue.wallet import Wallet

MAKER, TAKER = Decimal("0.001"), Decimal("0.001")
LINEAR_MAKER, LINEAR_TAKER = Decimal("0.0002"), Decimal("0.0005")


class Matching:
    """One account; `tell` hears what happens, in order."""

    def __init__(
        self,
        instruments: tuple[Instrument, ...],
        balances: dict[str, Decimal],
        now_ms: Callable[[], int],
        tell: Callable[[Happened], None],
        *,
        unique: bool = False,
    ) -> None:
        self.instruments = {each.key: each for each in instruments}
        self.prices = {each.key: PRICES[each.base] for each in instruments}
        self.wallet = Wallet(balances)
        self.orders: list[Order] = []
        self.trades: list[Trade] = []
        self.funding: list[Happened] = []
        self.made: Counter[str] = Counter()
        self.parts = 1
        self.depth: Decimal | None = None
        self.still = False
        self._now_ms = now_ms
        self._tell = tell
        self._unique = unique
        self._number = 1000
        self._standing: dict[int, Order] = {}

    # What people ask. ----------------------------------------------------------------------------------------------

    def place(self, wanted: Wanted) -> Order:
        """Take an order.

        Raises:
            Refusal: It is against the filters, the balance, or its own terms.
        """
        self._check(wanted)
        order = Order(wanted, self._next(), self._now_ms())
        if wanted.reduce_only:
            self._reduces(order)
        asset, amount = self.wallet.lock(order, self.prices[wanted.instrument.key])
        if amount > self.free(asset):
            raise Refusal("balance")
        self.orders.append(order)
        self.made[order.client] += 1
        self._standing[id(order)] = order
        self._happened("NEW", order)
        if order.state == "open":
            self._meet(order)
        return order

    def cancel(self, order: Order, reason: str = "") -> None:
        """End an open order.

        Raises:
            Refusal: It is over already.
        """
        if not order.open:
            raise Refusal("unknown order")
        order.reason = reason
        self._end(order, "canceled", "CANCELED")

    def amend(self, order: Order, price: Decimal, quantity: Decimal, trigger: Decimal) -> None:
        """Change an open order; 0 leaves a number as it is.

        Raises:
            Refusal: It is over, or it would be against the filters.
        """
        if not order.open:
            raise Refusal("unknown order")
        asked = order.asked
        changed = Wanted(
            client=asked.client, instrument=asked.instrument, side=asked.side, type=asked.type,
            quantity=quantity or asked.quantity, price=price or asked.price, trigger=trigger or asked.trigger,
            rising=asked.rising, time_in_force=asked.time_in_force, post_only=asked.post_only,
            reduce_only=asked.reduce_only, said=asked.said, algo=asked.algo,
        )  # fmt: skip
        if changed.quantity <= order.filled:
            raise Refusal("filled")
        self._filters(changed)
        order.asked = changed
        order.updated = self._now_ms()
        self._happened("AMENDED", order)
        if order.state == "open":
            self._meet(order)

    def find(self, instrument: Instrument | None, *, number: int = 0, client: str = "", algo: bool = False) -> Order:
        """The newest order of a number or client id.

        Raises:
            Refusal: There is none.
        """
        for order in reversed(self.orders):
            known = order.algo if algo else order.child
            here = known and (instrument is None or order.instrument is instrument)
            if here and ((number and known == number) or (client and order.client == client)):
                return order
        raise Refusal("no such order")

    def standing(self, category: str = "") -> Iterator[Order]:
        """Open orders, oldest first."""
        return (each for each in list(self._standing.values()) if category in ("", each.instrument.category))

    def free(self, asset: str) -> Decimal:
        return self.wallet.total.get(asset, Decimal(0)) - self.locked(asset)

    def locked(self, asset: str) -> Decimal:
        return self.wallet.locked(asset, self._standing.values(), self.prices)

    # What the market does. -----------------------------------------------------------------------------------------

    def price(self, key: str, price: Decimal) -> None:
        """The market moves: triggers go off, resting orders that it reaches are filled."""
        self.prices[key] = price
        for order in [each for each in self._standing.values() if each.instrument.key == key]:
            if order.state == "waiting" and _reached(order, price):
                self._trigger(order)
            elif order.state == "open" and not self.still and _crosses(order, price):
                self._trade(order, order.asked.price, order.remaining, maker=True)

    def fill(self, order: Order, quantity: Decimal, price: Decimal) -> None:
        """Fill a part of an open order, as maker."""
        self._trade(order, price or order.asked.price, min(quantity, order.remaining), maker=True)

    def expire(self, order: Order, reason: str = "") -> None:
        """The venue ends an order by itself."""
        order.reason = reason
        self._end(order, "expired", "EXPIRED")

    def deposit(self, asset: str, amount: Decimal) -> None:
        """Money comes, or goes."""
        self.wallet.change(asset, amount)
        self._tell(Happened(what="BALANCE", asset=asset, amount=amount, ms=self._now_ms()))

    def fund(self, key: str, amount: Decimal) -> None:
        """Funding of a contract is paid (negative) or received."""
        instrument = self.instruments[key]
        self.wallet.change(instrument.quote, amount)
        paid = Happened(what="FUNDING", asset=instrument.quote, amount=amount, instrument=instrument, ms=self._now_ms())
        self.funding.append(paid)
        self._tell(paid)

    # How. ----------------------------------------------------------------------------------------------------------

    def _check(self, wanted: Wanted) -> None:
        self._filters(wanted)
        same = [each for each in self.orders if each.client == wanted.client] if wanted.client else []
        if any(each.open for each in same) or (self._unique and same):
            raise Refusal("duplicate")
        price = self.prices[wanted.instrument.key]
        if wanted.post_only and _better(wanted.side, wanted.price, price) and not self.still:
            raise Refusal("would take")
        if wanted.trigger and (price >= wanted.trigger if wanted.rising else price <= wanted.trigger):
            raise Refusal("would trigger")

    def _filters(self, wanted: Wanted) -> None:
        instrument = wanted.instrument
        if wanted.quantity <= 0 or wanted.quantity < instrument.least or wanted.quantity > instrument.most:
            raise Refusal("size")
        if wanted.quantity % instrument.step:
            raise Refusal("lot")
        if wanted.price % instrument.tick or wanted.trigger % instrument.tick:
            raise Refusal("tick")
        price = wanted.price or wanted.trigger or self.prices[instrument.key]
        if wanted.quantity * price < instrument.notional and not wanted.reduce_only:
            raise Refusal("notional")

    def _reduces(self, order: Order) -> None:
        """A reduce-only order is refused where there is nothing to reduce; its fills end with the position."""
        held = self.wallet.position(order.instrument).amount
        if order.state == "open" and (held >= 0 if order.buys else held <= 0):
            raise Refusal("reduce only")

    def _meet(self, order: Order) -> None:
        """An order comes to the book: it takes what is there, and rests or ends."""
        asked, price = order.asked, self.prices[order.instrument.key]
        limited = bool(asked.price)
        takes = not self.still and (not limited or _better(asked.side, asked.price, price))
        there = order.remaining if self.depth is None else min(self.depth, order.remaining)
        if asked.time_in_force == "FOK" and (not takes or there < order.remaining):
            self.expire(order)
            return
        if takes and there:
            self._trade(order, price, there, maker=False)
        if order.open and (asked.time_in_force == "IOC" or (not limited and not self.still)):
            self.expire(order)

    def _trigger(self, order: Order) -> None:
        order.triggered = self._now_ms()
        order.state = "open"
        if order.algo:
            order.child = self._next()
        if order.asked.reduce_only:
            try:
                self._reduces(order)
            except Refusal:
                self.expire(order, "Reduce Only reject")
                return
        self._happened("TRIGGERED", order)
        self._meet(order)

    def _trade(self, order: Order, price: Decimal, quantity: Decimal, *, maker: bool) -> None:
        instrument = order.instrument
        if order.asked.reduce_only:
            quantity = min(quantity, abs(self.wallet.position(instrument).amount))
            if quantity <= 0:
                self.expire(order, "Reduce Only reject")
                return
        rates = (MAKER, TAKER) if instrument.spot else (LINEAR_MAKER, LINEAR_TAKER)
        for part in _parts(quantity, instrument.step, self.parts):
            fee, asset, realised = self.wallet.fill(order, price, part, rates[not maker])
            trade = Trade(
                number=self._next(), order=order.child, client=order.client, instrument=instrument,
                side=order.asked.side, price=price, quantity=part, fee=fee, asset=asset, maker=maker,
                ms=self._now_ms(), realised=realised,
            )  # fmt: skip
            order.filled += part
            order.paid += part * price
            order.updated = trade.ms
            order.trades.append(trade)
            self.trades.append(trade)
            if not order.remaining:
                order.state = "filled"
                del self._standing[id(order)]
            self._happened("TRADE", order, trade)
        if order.algo and order.state == "filled":
            self._happened("FINISHED", order)

    def _end(self, order: Order, state: str, what: str) -> None:
        order.state = state
        order.updated = self._now_ms()
        del self._standing[id(order)]
        self._happened(what, order)

    def _happened(self, what: str, order: Order, trade: Trade | None = None) -> None:
        self._tell(Happened(what=what, order=order, trade=trade, ms=self._now_ms()))

    def _next(self) -> int:
        self._number += 1
        return self._number


def _better(side: str, limit: Decimal, price: Decimal) -> bool:
    """Whether a limit takes what the market offers at a price."""
    return limit >= price if side == "BUY" else limit <= price


def _crosses(order: Order, price: Decimal) -> bool:
    return bool(order.asked.price) and _better(order.asked.side, order.asked.price, price)


def _reached(order: Order, price: Decimal) -> bool:
    return price >= order.asked.trigger if order.asked.rising else price <= order.asked.trigger


def _parts(quantity: Decimal, step: Decimal, count: int) -> list[Decimal]:
    """A quantity in at most so many lots."""
    each = quantity / count // step * step
    if count < 2 or not each:
        return [quantity]
    return [each] * (count - 1) + [quantity - each * (count - 1)]
