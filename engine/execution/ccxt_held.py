"""What a venue has told so far of the orders of one account: their names, which stand, and what was handed on."""

from __future__ import annotations

from typing import TypeVar

from msgspec import structs

from engine.execution.ccxt_words import Listed
from engine.execution.reconcile import spec_of
from engine.execution.venue import VenueOrder
from engine.orders import Adopted, Fill, Mode, OrderSpec

K = TypeVar("K")
V = TypeVar("V")

REMEMBERED = 20_000
"""Names of orders and ids of fills that are remembered; the core counts a fill once for ever."""

YOUNG_NS = 2_000_000_000
"""Age below which an order may be on its way, and is not looked for."""


class Standing:
    """An order that stands, or may stand, at the venue. `filled` is what was handed on, `ended` what it ended with."""

    __slots__ = ("accepted", "ended", "filled", "market", "since", "spec", "venue_id")

    def __init__(self, market: Listed, since: int, spec: OrderSpec | None = None, venue_id: str = "") -> None:
        self.market = market
        self.spec = spec
        self.venue_id = venue_id
        self.since = since
        self.filled = 0
        self.ended: int | None = None
        self.accepted = bool(venue_id)

    @property
    def conditional(self) -> bool:
        """Whether it waits for a price, as far as is known."""
        return self.spec is not None and self.spec.type.conditional


class Held:
    """Orders of one account at one venue."""

    def __init__(self, mode: Mode) -> None:
        self.mode = mode
        self.open: dict[str, Standing] = {}
        self._names: dict[tuple[str, str], str] = {}
        self._seen: dict[str, None] = {}
        self._adopted: dict[str, None] = {}
        self._over: dict[str, None] = {}
        self.last_fill = 0
        """When the last fill that was handed on happened, UTC ns by the venue's clock."""

    def sent(self, spec: OrderSpec, market: Listed, now: int) -> None:
        """An order is about to be sent."""
        self._over.pop(spec.id, None)
        self.open[spec.id] = Standing(market, now, spec)

    def accepted(self, order: str, venue_id: str) -> None:
        """The venue has it."""
        standing = self.open.get(order)
        if standing is not None:
            standing.venue_id, standing.accepted = venue_id, True
            self.name(standing.market.key, venue_id, order)

    def gone(self, order: str) -> None:
        """It was never there, or is over with all its fills."""
        self.open.pop(order, None)
        self._over[order] = None
        _bounded(self._over)

    def name(self, instrument: str, venue_id: str, order: str) -> None:
        """Remember what the venue calls an order."""
        self._names[instrument, venue_id] = order
        _bounded(self._names)

    def named(self, instrument: str, venue_id: str) -> str:
        """Return our name of an order, "" where it is not known."""
        return self._names.get((instrument, venue_id), "")

    def told(self, order: VenueOrder, market: Listed, now: int) -> None:
        """The venue says how an order is now."""
        self.name(order.instrument, order.venue_id, order.id)
        standing = self.open.get(order.id)
        if standing is None:
            if order.state != "working" or order.id in self._over:
                return
            standing = self.open[order.id] = Standing(market, now, spec_of(order, self.mode), order.venue_id)
            standing.filled = order.filled
        standing.venue_id, standing.accepted = order.venue_id, True
        if order.state != "working":
            standing.ended = order.filled
        self._settle(order.id, standing)

    def fill(self, fill: Fill) -> bool:
        """Take a fill; False: it was handed on before."""
        if not self.first(fill.id):
            return False
        self.last_fill = max(self.last_fill, fill.ts)
        standing = self.open.get(fill.order)
        if standing is not None:
            standing.filled += fill.quantity
            self._settle(fill.order, standing)
        return True

    def first(self, told: str) -> bool:
        """Tell whether something with this id is new."""
        if told in self._seen:
            return False
        self._seen[told] = None
        _bounded(self._seen)
        return True

    def _settle(self, order: str, standing: Standing) -> None:
        if standing.ended is not None and standing.filled >= standing.ended:
            self.gone(order)

    def lacking(self) -> bool:
        """Tell whether an order ended with fills that have not come."""
        return any(standing.ended is not None for standing in self.open.values())

    def strange(self, order: str) -> bool:
        """Tell whether an order was not made here and not handed on yet."""
        return order.startswith("x-") and order not in self._adopted

    def adopt(self, order: VenueOrder, now: int) -> Adopted:
        """Take in an order that was not made here."""
        self._adopted[order.id] = None
        _bounded(self._adopted)
        return Adopted(spec=spec_of(order, self.mode), venue_id=order.venue_id, ts=now)


def of_mode(fill: Fill, order: str, mode: Mode) -> Fill:
    """Return a fill under the name of its order."""
    return structs.replace(fill, order=order, mode=mode)


def _bounded(kept: dict[K, V]) -> None:
    while len(kept) > REMEMBERED:
        del kept[next(iter(kept))]
