"""The states of an order and the table of what may follow what."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from engine.orders import (
    AmendRefused,
    AmendSent,
    CancelRefused,
    CancelSent,
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


class OrderState(StrEnum):
    """Where an order is. `triggered`, `partial`: it stands at the venue, its stop was reached, some of it was filled.

    `unresolved`: the venue has not told what we must know; nothing else is sent for its instrument meanwhile.
    """

    NEW = "new"
    SUBMITTED = "submitted"
    WORKING = "working"
    TRIGGERED = "triggered"
    PARTIAL = "partial"
    CANCELING = "canceling"
    AMENDING = "amending"
    UNRESOLVED = "unresolved"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    DENIED = "denied"


class Outcome(StrEnum):
    """What an event did to an order.

    `duplicate`: it said what was known. `late`: it came after something that makes it old news; a fill was counted all
    the same. `impossible`: it contradicts what is known; a fill was counted if it is one of this order. `unknown`: of
    no order that is remembered here.
    """

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    LATE = "late"
    IMPOSSIBLE = "impossible"
    UNKNOWN = "unknown"


_S = OrderState

FINAL: Final = frozenset({_S.FILLED, _S.CANCELED, _S.EXPIRED, _S.REJECTED, _S.DENIED})
"""It is over."""

OPEN: Final = frozenset(OrderState) - FINAL
"""It stands, or may stand, at the venue."""

_SETTLED: Final[Mapping[type[OrderEvent], OrderState | None]] = {
    OrderSubmitted: None,
    OrderAccepted: None,
    OrderUnresolved: None,
    OrderTriggered: None,
    OrderFilled: None,
    CancelSent: None,
    OrderCanceled: None,
    CancelRefused: None,
    AmendSent: None,
    OrderAmended: None,
    AmendRefused: None,
    OrderReported: None,
}
"""Of an order that is over these are late, except for what they say of fills."""

_STANDING: Final[Mapping[type[OrderEvent], OrderState | None]] = {
    OrderSubmitted: None,
    OrderAccepted: None,
    OrderRejected: _S.REJECTED,
    OrderUnresolved: _S.UNRESOLVED,
    OrderTriggered: _S.WORKING,
    OrderFilled: _S.WORKING,
    CancelSent: _S.CANCELING,
    OrderCanceled: _S.CANCELED,
    CancelRefused: None,
    AmendSent: _S.AMENDING,
    OrderAmended: _S.WORKING,
    AmendRefused: None,
    OrderReported: _S.WORKING,
}

_UNDER_WAY: Final[Mapping[type[OrderEvent], OrderState | None]] = {
    **_STANDING,
    OrderSubmitted: _S.SUBMITTED,
    OrderDenied: _S.DENIED,
    OrderAccepted: _S.WORKING,
}

_CHANGING: Final[Mapping[type[OrderEvent], OrderState | None]] = {
    **_STANDING,
    OrderDenied: _S.DENIED,
    OrderTriggered: None,
    OrderFilled: None,
    OrderReported: None,
}

TRANSITIONS: Final[Mapping[OrderState, Mapping[type[OrderEvent], OrderState | None]]] = MappingProxyType(
    {
        _S.NEW: _UNDER_WAY,
        _S.SUBMITTED: _UNDER_WAY,
        _S.WORKING: _STANDING,
        _S.TRIGGERED: _STANDING,
        _S.PARTIAL: _STANDING,
        _S.CANCELING: {**_CHANGING, CancelSent: None, CancelRefused: _S.WORKING, AmendSent: None, OrderAmended: None},
        _S.AMENDING: {**_CHANGING, AmendSent: None, AmendRefused: _S.WORKING},
        _S.UNRESOLVED: {
            **_STANDING,
            OrderAccepted: _S.WORKING,
            OrderUnresolved: None,
            CancelSent: None,
            CancelRefused: _S.WORKING,
            AmendSent: None,
            AmendRefused: _S.WORKING,
        },
        _S.FILLED: _SETTLED,
        _S.CANCELED: _SETTLED,
        _S.EXPIRED: _SETTLED,
        _S.REJECTED: {**_SETTLED, OrderRejected: None},
        _S.DENIED: {**_SETTLED, OrderDenied: None},
    }
)
"""By state and event the state that follows; None: it stays. What is not there is impossible.

WORKING means "as it stands": new, submitted, working, triggered, partial or filled, as its facts say. CANCELED means
expired where the venue says so. Guards (see `lifecycle.Order`): an unresolved order is resolved by what answers the
question alone; an end that tells of fills that have not come leaves it unresolved until they have; a fill ends whatever
it completes, and shows that an order that was thought rejected or not sent is there.
"""
