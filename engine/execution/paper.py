"""The paper venue: real market data, modelled fills. It has no clock and no dice: the same records, the same fills.

What it assumes, each time against the order: an order reaches the book `latency_ns` after it was sent, and meets the
book as our feed shows it then. It walks the levels that are displayed, less what our own orders took of them since
their last update; hidden size is never met. A limit order stands behind everything displayed at its price; only trades
and a smaller displayed size bring it forward. A trade beyond its price fills it up to that trade's size. Our orders
never meet each other, and move nobody else. A stop wakes at a trade, and then takes what that trade has left.

Where no book is known an order is rejected; one that stands keeps standing, and a stop that a trade wakes is filled at
that trade's price, as after a restart: never at the stop price, which may have been passed unseen. A stop that the
price has passed already when it arrives is taken all the same, and wakes at the next trade.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from engine.approval import Approved, released
from engine.execution.lifecycle import Order, OrderState
from engine.execution.paper_book import Look, Resting
from engine.execution.paper_checks import Holdings, examine
from engine.execution.paper_match import Matching
from engine.execution.settings import FeeTable
from engine.orders import (
    AmendRefused,
    CancelRefused,
    OrderAccepted,
    OrderAmended,
    OrderCanceled,
    OrderEvent,
    OrderRejected,
    OrderSpec,
    OrderType,
    decimal,
)
from engine.types import BookDelta, Trade

__all__ = ["NEVER", "Look", "PaperVenue"]

NEVER = 2**62
"""When something happens that does not."""


class _Submit(NamedTuple):
    due: int
    spec: OrderSpec


class _Cancel(NamedTuple):
    due: int
    order: str


class _Amend(NamedTuple):
    due: int
    spec: OrderSpec


class PaperVenue:
    """Orders of the paper account, on all instruments.

    `due` is when the next order, cancel or change reaches the book (`NEVER` without one); `watched` are the
    instruments whose trades and book changes it has to hear of. The caller applies the events of each call to its
    account before it makes the next.
    """

    __slots__ = ("_actions", "_latency", "_matching", "due", "watched")

    def __init__(
        self,
        latency_ns: int,
        fees: FeeTable,
        funds: Callable[[OrderSpec], int | None],
        position: Callable[[str], int],
    ) -> None:
        """Make an empty venue.

        Args:
            latency_ns: From an order to the book, ns.
            fees: By venue.
            funds: What is free for an order, 1e-8: quote asset of a BUY on spot, base asset of a SELL; on derivatives
                the value that may still be bought or sold. Less what other open orders hold at their prices: of a
                market order that is what is sold on spot, else nothing. None is unknown, and rejects.
            position: Signed position of an instrument, 1e-8: orders that only reduce never go beyond it.
        """
        self._latency = latency_ns
        self._matching = Matching(fees, Holdings(funds, position))
        self._actions: deque[_Submit | _Cancel | _Amend] = deque()
        self.due = NEVER
        self.watched = self._matching.watched

    # What is sent. ------------------------------------------------------------------------------------------------

    def submit(self, order: Approved[OrderSpec], now: int) -> None:
        """Send an order; it is in the book `latency_ns` after `now`."""
        self._send(_Submit(now + self._latency, released(order)))

    def cancel(self, order: str, now: int) -> None:
        """Ask to cancel an order."""
        self._send(_Cancel(now + self._latency, order))

    def amend(self, order: Approved[OrderSpec], now: int) -> None:
        """Ask to change price, stop price and quantity (the whole) of an order to those of `order`."""
        self._send(_Amend(now + self._latency, released(order)))

    def _send(self, action: _Submit | _Cancel | _Amend) -> None:
        self._actions.append(action)
        self.due = self._actions[0].due

    # What happens. ------------------------------------------------------------------------------------------------

    def advance(self, now: int, look: Callable[[str], Look | None]) -> list[OrderEvent]:
        """Let all that is due by `now` reach the book as it is; to be called before a later record is applied."""
        self._matching.begin()
        actions = self._actions
        while actions and actions[0].due <= now:
            action = actions.popleft()
            match action:
                case _Submit(due, spec):
                    self._arrive(spec, due, look(spec.instrument))
                case _Cancel(due, order):
                    self._cancelled(order, due)
                case _Amend(due, spec):
                    self._amended(spec, due, look(spec.instrument))
        self.due = actions[0].due if actions else NEVER
        return self._matching.events

    def on_delta(self, look: Look, delta: BookDelta, now: int) -> list[OrderEvent]:
        """Hear of a change of a live book that has been applied to it; one that was old news changes nothing."""
        matching = self._matching
        own = matching.books.get(delta.instrument)
        matching.begin()
        if own is not None and look.live and delta.last_id == look.book.update_id:
            own.see(look)
            own.told(delta)
            matching.meet(own, look, now)
            matching.watch(own)
        return matching.events

    def on_reload(self, look: Look, now: int) -> list[OrderEvent]:
        """Hear that a book began anew or was widened (live), or was lost (not live)."""
        matching = self._matching
        own = matching.books.get(look.instrument.key)
        matching.begin()
        if own is not None:
            own.reloaded(look)
            if look.live:
                matching.meet(own, look, now)
            matching.watch(own)
        return matching.events

    def on_trade(self, look: Look, trade: Trade, now: int) -> list[OrderEvent]:
        """Hear of a regular trade of the stream that is followed; the book is as its last message said."""
        matching = self._matching
        own = matching.books.get(trade.instrument)
        matching.begin()
        if own is not None:
            own.see(look)
            matching.trade(own, look, trade, now)
            matching.watch(own)
        return matching.events

    # Orders. ------------------------------------------------------------------------------------------------------

    def _arrive(self, spec: OrderSpec, now: int, look: Look | None) -> None:
        matching = self._matching
        own = matching.books.get(spec.instrument)
        refused, parts = examine(spec, spec.quantity, look, own, matching.fees, matching.holdings)
        if look is None or refused is not None:
            code, reason = refused or ("", "")
            matching.events.append(OrderRejected(order=spec.id, ts=now, code=code, reason=reason))
            return
        own = matching.book(spec.instrument)
        own.see(look)
        order = Resting(spec)
        own.orders[spec.id] = order
        matching.of[spec.id] = own
        matching.events.append(OrderAccepted(order=spec.id, ts=now, venue_id=f"paper/{spec.id}"))
        if not order.waiting:
            matching.enter(own, order, parts, look, now, own.against(look))
        matching.watch(own)

    def _cancelled(self, order: str, now: int) -> None:
        own = self._matching.of.get(order)
        if own is None:
            self._matching.events.append(CancelRefused(order=order, ts=now, reason=_absent(order)))
            return
        self._matching.end(own.orders[order], "as asked", now, expired=False)

    def _amended(self, spec: OrderSpec, now: int, look: Look | None) -> None:
        """Change an order. A smaller quantity keeps its place in the queue; anything else is as a new order."""
        matching = self._matching
        own = matching.of.get(spec.id)
        if own is None:
            matching.events.append(AmendRefused(order=spec.id, ts=now, reason=_absent(spec.id)))
            return
        order = own.orders[spec.id]
        left = spec.quantity - order.filled
        if left <= 0:
            text = f"{decimal(order.filled)} of it is filled, so its quantity cannot become {decimal(spec.quantity)}"
            matching.events.append(AmendRefused(order=spec.id, ts=now, reason=text))
            return
        refused, parts = examine(_as_it_is(spec, order), left, look, own, matching.fees, matching.holdings)
        if look is None or refused is not None:
            reason = refused.reason if refused is not None else ""
            matching.events.append(AmendRefused(order=spec.id, ts=now, reason=reason))
            return
        smaller = spec.price == order.price and spec.quantity <= order.quantity
        order.price, order.stop_price, order.quantity = spec.price, spec.stop_price, spec.quantity
        matching.events.append(
            OrderAmended(order=spec.id, ts=now, price=spec.price, stop_price=spec.stop_price, quantity=spec.quantity)
        )
        own.see(look)
        if not order.waiting and not smaller:
            own.unqueue(order)
            matching.enter(own, order, parts, look, now, own.against(look))
        matching.watch(own)

    # A restart. ---------------------------------------------------------------------------------------------------

    def restore(self, orders: Iterable[Order], *, blind: bool) -> list[OrderEvent]:
        """Let open orders stand again after a restart; return what became of those that were under way.

        `blind`: nothing is known of the time in between; each instrument's first trade is then all that a stop has.
        An order that had not arrived is not placed; one that was to be cancelled is.
        """
        matching = self._matching
        matching.begin()
        for order in orders:
            number, ts = order.spec.id, order.updated
            if not order.open:
                continue
            if not order.accepted:
                text = "the engine ended before it was at the paper venue; it was not placed"
                matching.events.append(OrderRejected(order=number, ts=ts, code="not_placed", reason=text))
                continue
            if order.state is OrderState.CANCELING:
                matching.events.append(OrderCanceled(order=number, ts=ts, reason="as asked", filled=order.filled))
                continue
            if order.state is OrderState.AMENDING:
                text = "the engine ended before the change was at the paper venue"
                matching.events.append(AmendRefused(order=number, ts=ts, reason=text))
            self._stand_again(order, blind=blind)
        return matching.events

    def _stand_again(self, order: Order, *, blind: bool) -> None:
        matching = self._matching
        own = matching.book(order.spec.instrument)
        mine = Resting(order.spec)
        mine.price, mine.stop_price, mine.quantity = order.price, order.stop_price, order.quantity
        mine.filled, mine.fills = order.filled, len(order.fills)
        mine.waiting = order.spec.type.conditional and not order.triggered
        own.stand(mine)
        own.blind = own.blind or blind
        matching.of[order.spec.id] = own
        matching.watch(own)

    def state(self) -> list[object]:
        """Return everything as plain values, in canonical order."""
        actions = [
            [type(action).__name__, action.due, action.order if isinstance(action, _Cancel) else action.spec]
            for action in self._actions
        ]
        books = self._matching.books
        return [actions, [books[key].state() for key in sorted(books)]]


def _absent(order: str) -> str:
    return f"{order} does not stand at the paper venue: it is over, or never came"


def _as_it_is(spec: OrderSpec, order: Resting) -> OrderSpec:
    """Return an order as the venue sees it: one that was triggered is a limit order."""
    if order.waiting or not spec.type.conditional:
        return spec
    return msgspec.structs.replace(spec, type=OrderType.LIMIT, stop_price=0)
