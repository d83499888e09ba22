"""What each event does to the facts of an order that is not over; which state follows is the table's matter.

Every function returns what the event was. A duplicate changes nothing; a fill is counted whatever else it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from engine.execution.money import value
from engine.execution.order import Order
from engine.execution.states import TRANSITIONS, OrderState, Outcome
from engine.orders import (
    AmendRefused,
    AmendSent,
    CancelRefused,
    CancelSent,
    Fill,
    OrderAccepted,
    OrderAmended,
    OrderCanceled,
    OrderDenied,
    OrderEvent,
    OrderFilled,
    OrderRejected,
    OrderReported,
    OrderSubmitted,
    OrderTriggered,
    OrderUnresolved,
)

NEVER_THERE = "never reached the venue"
"""Reason of an order of which the venue, asked often and late enough, knows nothing."""

ENDINGS: Final[Mapping[str, OrderState]] = {
    "filled": OrderState.FILLED,
    "canceled": OrderState.CANCELED,
    "expired": OrderState.EXPIRED,
    "rejected": OrderState.REJECTED,
}
"""How an order has ended, by what a report says."""


def count(order: Order, fill: Fill) -> Outcome:
    """Count a fill once; `IMPOSSIBLE` is one of another order, which is not counted, or beyond the quantity."""
    spec = order.spec
    ours = fill.order == spec.id and fill.instrument == spec.instrument and fill.side is spec.side
    if not ours or fill.quantity <= 0:
        return Outcome.IMPOSSIBLE
    if fill.id in order.fills:
        return Outcome.DUPLICATE
    order.fills.add(fill.id)
    order.accepted = True
    order.filled += fill.quantity
    order.cost += value(fill.price, fill.quantity)
    if fill.fee:
        order.fees[fill.fee_asset] = order.fees.get(fill.fee_asset, 0) + fill.fee
    return Outcome.APPLIED if order.filled <= order.quantity else Outcome.IMPOSSIBLE


def _end(order: Order, ending: OrderState, filled: int, reason: str) -> Outcome:
    if order.ending is ending and filled <= order.awaited:
        return Outcome.DUPLICATE
    order.ending = ending
    order.awaited = max(order.awaited, filled)
    order.reason = reason or order.reason
    return Outcome.APPLIED


def _submitted(order: Order, _: OrderSubmitted) -> Outcome:
    if order.sent:
        return Outcome.DUPLICATE
    order.sent = True
    return Outcome.LATE if order.accepted else Outcome.APPLIED


def _denied(order: Order, event: OrderDenied) -> Outcome:
    return Outcome.IMPOSSIBLE if order.accepted else _end(order, OrderState.DENIED, 0, event.reason)


def _accepted(order: Order, event: OrderAccepted) -> Outcome:
    if order.accepted and (order.venue_id or not event.venue_id):
        return Outcome.DUPLICATE if event.venue_id in ("", order.venue_id) else Outcome.LATE
    order.accepted, order.venue_id = True, order.venue_id or event.venue_id
    return Outcome.APPLIED


def _rejected(order: Order, event: OrderRejected) -> Outcome:
    return _end(order, OrderState.REJECTED, 0, event.reason)


def _unresolved(order: Order, event: OrderUnresolved) -> Outcome:
    if event.doing == "submit" and order.accepted:
        return Outcome.LATE
    if order.state is OrderState.UNRESOLVED and (order.doing, event.doing) != ("amend", "cancel"):
        return Outcome.DUPLICATE
    order.doing, order.reason = event.doing, event.reason
    return Outcome.APPLIED


def _triggered(order: Order, _: OrderTriggered) -> Outcome:
    if not order.spec.type.conditional:
        return Outcome.IMPOSSIBLE
    if order.triggered:
        return Outcome.DUPLICATE
    order.triggered = order.accepted = True
    return Outcome.APPLIED


def _filled(order: Order, event: OrderFilled) -> Outcome:
    return count(order, event.fill)


def _cancel_sent(order: Order, _: CancelSent) -> Outcome:
    return Outcome.DUPLICATE if order.state is OrderState.CANCELING else Outcome.APPLIED


def _canceled(order: Order, event: OrderCanceled) -> Outcome:
    ending = OrderState.EXPIRED if event.expired else OrderState.CANCELED
    return _end(order, ending, max(event.filled, 0), event.reason)


def _cancel_refused(order: Order, event: CancelRefused) -> Outcome:
    if order.doing != "cancel":
        return Outcome.LATE
    order.reason = event.reason
    return Outcome.APPLIED


def _amend_sent(order: Order, event: AmendSent) -> Outcome:
    if order.state is OrderState.AMENDING:
        return Outcome.DUPLICATE
    if TRANSITIONS[order.state][AmendSent] is None:
        return Outcome.LATE
    order.asked_price = event.price or (0 if order.price else event.stop_price)
    order.asked_quantity = event.quantity
    return Outcome.APPLIED


def _amended(order: Order, event: OrderAmended) -> Outcome:
    before = order.price, order.stop_price, order.quantity, order.venue_id
    after = (
        event.price or order.price,
        event.stop_price or order.stop_price,
        event.quantity or order.quantity,
        event.venue_id or order.venue_id,
    )
    if after == before and order.doing != "amend":
        return Outcome.DUPLICATE
    order.price, order.stop_price, order.quantity, order.venue_id = after
    order.asked_price = order.asked_quantity = 0
    order.accepted = True
    return Outcome.APPLIED


def _amend_refused(order: Order, event: AmendRefused) -> Outcome:
    if order.doing != "amend":
        return Outcome.LATE
    order.asked_price = order.asked_quantity = 0
    order.reason = event.reason
    return Outcome.APPLIED


def _reported(order: Order, event: OrderReported) -> Outcome:
    if event.state == "missing":
        return _missing(order)
    ending = ENDINGS.get(event.state)
    if ending is None and event.state != "working":
        return Outcome.IMPOSSIBLE
    if ending is OrderState.REJECTED:
        return _end(order, ending, event.filled, event.reason)
    before = order.accepted, order.venue_id, order.awaited
    order.accepted, order.venue_id = True, order.venue_id or event.venue_id
    if ending is not None:
        whole = order.quantity if ending is OrderState.FILLED else 0
        return _end(order, ending, event.filled or whole, event.reason)
    order.awaited = max(order.awaited, event.filled)
    known = before == (order.accepted, order.venue_id, order.awaited) and order.state is not OrderState.UNRESOLVED
    return Outcome.DUPLICATE if known else Outcome.APPLIED


def _missing(order: Order) -> Outcome:
    """The venue knows nothing of it: it was never there, or the venue contradicts itself and is asked again."""
    if not order.accepted and order.ending is None:
        return _end(order, OrderState.REJECTED, 0, NEVER_THERE)
    if order.ending is None and not order.missing:
        order.query()
    return Outcome.IMPOSSIBLE


EFFECTS: Final[Mapping[type[OrderEvent], Callable[[Order, Any], Outcome]]] = {
    OrderSubmitted: _submitted,
    OrderDenied: _denied,
    OrderAccepted: _accepted,
    OrderRejected: _rejected,
    OrderUnresolved: _unresolved,
    OrderTriggered: _triggered,
    OrderFilled: _filled,
    CancelSent: _cancel_sent,
    OrderCanceled: _canceled,
    CancelRefused: _cancel_refused,
    AmendSent: _amend_sent,
    OrderAmended: _amended,
    AmendRefused: _amend_refused,
    OrderReported: _reported,
}
