"""The life of orders: what an event makes of one, and all orders of an account.

The venue is right: a fill that it tells is counted once, whatever state the order was thought to be in. What cannot be
known is `unresolved` until the venue has told; nothing is inferred from silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from engine.execution.effects import EFFECTS, ENDINGS, NEVER_THERE, count
from engine.execution.order import Order
from engine.execution.states import FINAL, OPEN, TRANSITIONS, OrderState, Outcome
from engine.orders import (
    Adopted,
    AmendRefused,
    CancelRefused,
    OrderAccepted,
    OrderAmended,
    OrderCanceled,
    OrderDenied,
    OrderEvent,
    OrderFilled,
    OrderRejected,
    OrderReported,
    OrderSpec,
    OrderTriggered,
)

__all__ = ["FINAL", "KEPT", "NEVER_THERE", "OPEN", "TRANSITIONS", "Order", "OrderState", "Orders", "Outcome", "apply"]

KEPT = 1000
"""Orders that are over and still remembered."""

_ANSWERS: Final[Mapping[type[OrderEvent], tuple[str, ...]]] = {
    OrderAccepted: ("submit",),
    OrderTriggered: ("submit",),
    OrderFilled: ("submit",),
    CancelRefused: ("cancel",),
    OrderAmended: ("submit", "amend"),
    AmendRefused: ("amend",),
}
"""Which questions an event answers; an order's end and a report answer all."""

_ASKED: Final[Mapping[OrderState, str]] = {OrderState.CANCELING: "cancel", OrderState.AMENDING: "amend"}


def apply(order: Order, event: OrderEvent) -> Outcome:
    """Take in what became known of an order.

    `APPLIED` events, and fills that are counted, lead where the table says. Others leave the state as it is, but for
    what makes it unknown: more fills reported than are here, a sign of life of an order that was thought never to have
    reached the venue, a venue that knows nothing of an order that it had accepted; it is `unresolved` then.
    """
    kind = type(event)
    row, before = TRANSITIONS[order.state], order.filled
    if kind not in row:
        return Outcome.IMPOSSIBLE
    if order.state in FINAL:
        outcome = _afterwards(order, event)
    elif order.ending is not None and not isinstance(
        event, OrderFilled | OrderRejected | OrderCanceled | OrderReported
    ):
        return Outcome.LATE  # it has ended, and only fills of it are missing
    else:
        outcome = EFFECTS[kind](order, event)
        if outcome is Outcome.APPLIED or order.filled != before:
            _move(order, row[kind], event)
    if outcome is Outcome.APPLIED or order.filled != before:
        order.updated = max(order.updated, event.ts)
    return outcome


def _move(order: Order, target: OrderState | None, event: OrderEvent) -> None:
    """Go where the table says, unless the order is over, fills are missing, or the question is not answered."""
    stands = order.standing()
    if order.missing or stands in FINAL:
        target = stands
    elif order.state is OrderState.UNRESOLVED and not _answered(order, event):
        target = None
    elif target is OrderState.WORKING:
        target = stands
    if target is None:
        return
    order.state = target
    if target is not OrderState.UNRESOLVED:
        order.doing = _ASKED.get(target, "")
        if not order.doing:
            order.asked_price = order.asked_quantity = 0
    elif order.missing:
        order.doing = "fills"


def _answered(order: Order, event: OrderEvent) -> bool:
    return order.doing == "fills" or isinstance(event, OrderReported) or order.doing in _ANSWERS.get(type(event), ())


def _afterwards(order: Order, event: OrderEvent) -> Outcome:
    """Take in what comes after the end: fills count, and what speaks of fills that are missing opens it again."""
    if isinstance(event, OrderFilled):
        outcome = count(order, event.fill)
        if order.filled >= order.quantity:
            order.state = OrderState.FILLED
        elif outcome is Outcome.APPLIED and order.state in (OrderState.REJECTED, OrderState.DENIED):
            order.query()
        return Outcome.LATE if outcome is Outcome.APPLIED else outcome
    if isinstance(event, OrderCanceled | OrderReported) and event.filled > order.filled:
        order.awaited, order.ending = event.filled, order.state
        order.state, order.doing = OrderState.UNRESOLVED, "fills"
        return Outcome.LATE
    alive = isinstance(event, OrderAccepted | OrderTriggered) or (
        isinstance(event, OrderReported) and event.state == "working"
    )
    if alive and order.state is OrderState.REJECTED and order.reason == NEVER_THERE:
        order.accepted = True
        order.query()
        return Outcome.LATE
    if isinstance(event, OrderAccepted) and not order.venue_id:
        order.venue_id = event.venue_id
    return Outcome.DUPLICATE if _says_again(order.state, event) else Outcome.LATE


def _says_again(state: OrderState, event: OrderEvent) -> bool:
    """Whether an event tells an end that is known."""
    match event:
        case OrderCanceled(expired=expired):
            return state is (OrderState.EXPIRED if expired else OrderState.CANCELED)
        case OrderRejected():
            return state is OrderState.REJECTED
        case OrderDenied():
            return state is OrderState.DENIED
        case OrderReported(state=told):
            return ENDINGS.get(told) is state
        case _:
            return False


class Orders:
    """The orders of one account by client order id, in the order in which they were made.

    Of those that are over the newest `KEPT` stay, so that their late fills count; the ledger counts fills of others.
    """

    __slots__ = ("_open", "_over", "by_id")

    def __init__(self) -> None:
        self.by_id: dict[str, Order] = {}
        self._open: dict[str, Order] = {}
        self._over: dict[str, None] = {}

    def add(self, spec: OrderSpec) -> Order:
        """Take in an order that was made here.

        Raises:
            ValueError: There is one of that id.
        """
        if spec.id in self.by_id:
            raise ValueError(f"order {spec.id} is there already")
        order = Order(spec)
        self.by_id[spec.id] = self._open[spec.id] = order
        return order

    def adopt(self, adopted: Adopted) -> Order:
        """Take in an order that stands at the venue; one of a known id that was thought over is asked for again."""
        order = self.by_id.get(adopted.spec.id) or self.add(adopted.spec)
        event = OrderAccepted(order=order.id, ts=adopted.ts, venue_id=adopted.venue_id)
        if order.open:
            apply(order, event)
        else:
            order.accepted, order.venue_id = True, adopted.venue_id
            order.query()
        self._place(order)
        return order

    def apply(self, event: OrderEvent) -> tuple[Order | None, Outcome]:
        """Take in what became known of an order; a fill must be given to the ledger whatever the outcome is."""
        order = self.by_id.get(event.order)
        if order is None:
            return None, Outcome.UNKNOWN
        outcome = apply(order, event)
        self._place(order)
        return order, outcome

    def _place(self, order: Order) -> None:
        if order.open:
            self._over.pop(order.id, None)
            self._open[order.id] = order
        elif order.id in self._open:
            del self._open[order.id]
            self._over[order.id] = None
            while len(self._over) > KEPT:
                oldest = next(iter(self._over))
                del self._over[oldest], self.by_id[oldest]

    def open(self, instrument: str = "") -> list[Order]:
        """Return the orders that are not over, of one instrument or all, oldest first."""
        return [order for order in self._open.values() if instrument in ("", order.spec.instrument)]

    def unresolved(self, instrument: str = "") -> list[Order]:
        """Return those whose state is not known, of one instrument or all."""
        return [order for order in self.open(instrument) if order.state is OrderState.UNRESOLVED]

    def recent(self, limit: int) -> list[Order]:
        """Return all that are open and the last `limit` that are over, newest first."""
        kept = set(list(self._over)[-limit:]) if limit > 0 else set()
        return [order for order in reversed(self.by_id.values()) if order.open or order.id in kept]

    def image(self) -> list[dict[str, Any]]:
        """All of it in plain values, for `restore`: the orders as they were made, and the places of those over."""
        places = {order: place for place, order in enumerate(self._over)}
        return [order.image() | {"over": places.get(order.id, -1)} for order in self.by_id.values()]

    @classmethod
    def restore(cls, image: list[dict[str, Any]]) -> Orders:
        """Return the orders of an image."""
        orders = cls()
        over: list[tuple[int, str]] = []
        for row in image:
            order = Order.restore(row)
            orders.by_id[order.id] = order
            if order.open:
                orders._open[order.id] = order
            else:
                over.append((row["over"], order.id))
        orders._over = dict.fromkeys(order for _, order in sorted(over))
        return orders

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Orders) and self.image() == other.image()

    __hash__ = None  # type: ignore[assignment]
