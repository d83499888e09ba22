"""One order and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from engine.execution.money import half_even
from engine.execution.states import FINAL, OrderState
from engine.orders import UNIT, OrderSpec


class Order:
    """An order and what became of it; changed by `lifecycle` alone.

    Units: `quantity`, `filled` 1e-8 base; `cost` what was filled at its prices, and `price`, `stop_price` 1e-8 quote;
    `fees` 1e-8 by asset. `quantity`, `price` and `stop_price` are as amended. `doing` is what the venue is to answer:
    `submit`, `cancel`, `amend`, `fills` (those that it spoke of are not here yet), `query` (what it said cannot be), or
    "". `awaited` is what the venue says was filled in all, as far as it said so. `asked_price` and `asked_quantity` are
    what a change that is under way is to make of it, 0 without one.
    """

    __slots__ = (
        "accepted",
        "asked_price",
        "asked_quantity",
        "awaited",
        "cost",
        "created",
        "doing",
        "ending",
        "fees",
        "filled",
        "fills",
        "price",
        "quantity",
        "reason",
        "sent",
        "spec",
        "state",
        "stop_price",
        "triggered",
        "updated",
        "venue_id",
    )

    def __init__(self, spec: OrderSpec) -> None:
        self.spec = spec
        self.state = OrderState.NEW
        self.venue_id = ""
        self.filled = 0
        self.cost = 0
        self.fees: dict[str, int] = {}
        self.price = spec.price
        self.stop_price = spec.stop_price
        self.quantity = spec.quantity
        self.sent = False
        self.accepted = False
        self.triggered = False
        self.created = spec.created
        self.updated = spec.created
        self.reason = ""
        self.doing = ""
        self.awaited = 0
        self.asked_price = self.asked_quantity = 0
        self.ending: OrderState | None = None
        self.fills: set[str] = set()

    @property
    def id(self) -> str:
        """The client order id."""
        return self.spec.id

    @property
    def open(self) -> bool:
        """Whether it stands, or may stand, at the venue, or fills of it are missing."""
        return self.state not in FINAL

    @property
    def remaining(self) -> int:
        """What can still be filled, 1e-8 base; 0 when it is over."""
        return max(self.quantity - self.filled, 0) if self.open and self.ending is None else 0

    @property
    def most(self) -> int:
        """What can still be filled, also where a change that is under way makes it more, 1e-8 base."""
        more = max(self.asked_quantity - self.quantity, 0) if self.remaining else 0
        return self.remaining + more

    @property
    def dearest(self) -> int:
        """Its limit, or else its stop price, or what a change that is under way makes of it, if that is higher."""
        return max(self.price or self.stop_price, self.asked_price)

    @property
    def missing(self) -> int:
        """What the venue says was filled and no fill has told yet, 1e-8 base."""
        return max(self.awaited - self.filled, 0)

    @property
    def average(self) -> int:
        """Price at which it was filled so far, 1e-8 quote; 0 without a fill."""
        return half_even(self.cost * UNIT, self.filled) if self.filled else 0

    def standing(self) -> OrderState:
        """Return where it is by its facts, whatever is being asked."""
        if self.missing:
            return OrderState.UNRESOLVED
        if self.filled >= self.quantity:
            return OrderState.FILLED
        if self.ending is not None:
            never = self.ending in (OrderState.REJECTED, OrderState.DENIED)
            return OrderState.CANCELED if never and self.filled else self.ending
        if self.filled:
            return OrderState.PARTIAL
        if self.triggered:
            return OrderState.TRIGGERED
        if self.accepted:
            return OrderState.WORKING
        return OrderState.SUBMITTED if self.sent else OrderState.NEW

    def query(self) -> None:
        """Leave it to the venue to tell what the order is."""
        self.state, self.doing, self.ending = OrderState.UNRESOLVED, "query", None

    def image(self) -> dict[str, Any]:
        """All of it in plain values, for `restore`."""
        image = {name: getattr(self, name) for name in Order.__slots__}
        return image | {
            "spec": msgspec.to_builtins(self.spec),
            "state": self.state.value,
            "ending": None if self.ending is None else self.ending.value,
            "fees": dict(self.fees),
            "fills": sorted(self.fills),
        }

    @classmethod
    def restore(cls, image: Mapping[str, Any]) -> Order:
        """Return the order of an image.

        Raises:
            msgspec.ValidationError: It is none.
        """
        order = cls(msgspec.convert(image["spec"], OrderSpec))
        for name in cls.__slots__:
            if name != "spec" and name in image:
                setattr(order, name, image[name])
        order.state = OrderState(image["state"])
        order.ending = None if image["ending"] is None else OrderState(image["ending"])
        order.fees, order.fills = dict(image["fees"]), set(image["fills"])
        return order

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Order) and self.image() == other.image()

    __hash__ = None  # type: ignore[assignment]
