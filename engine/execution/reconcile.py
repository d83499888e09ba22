"""Our books held against a venue's: what has to be applied so that they agree, and what cannot be explained.

Pure. The venue is right about fills, orders and balances; a position that fills do not explain is nobody's guess, and
is told. Everything that is found carries the venue's own ids, so that finding it twice does nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from engine.execution.contracts import Contract
from engine.execution.ledger import Ledger
from engine.execution.lifecycle import Order, Orders
from engine.execution.states import OrderState
from engine.execution.venue import VenueAccount, VenueOrder
from engine.orders import (
    AccountEvent,
    Adopted,
    BalancesReported,
    Fill,
    Mode,
    OrderAmended,
    OrderEvent,
    OrderFilled,
    OrderReported,
    OrderSpec,
    OrderType,
    Origin,
    Side,
    decimal,
)
from engine.types import SECOND

YOUNG = 5 * SECOND
"""Age, ns, below which an order may be on its way, and is not missed."""

ASKED = (OrderState.NEW, OrderState.SUBMITTED, OrderState.UNRESOLVED)
"""Of an order in such a state it is not known whether it arrived."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What to do: `events` in this order, then ask for the orders `ask` (ids); and what to show.

    `differences` are sentences about what differed and is put right; `mismatches` instruments whose position at the
    venue is not what fills make it.
    """

    events: tuple[OrderEvent | AccountEvent, ...]
    ask: tuple[str, ...]
    differences: tuple[str, ...]
    mismatches: tuple[str, ...]


def compare(orders: Orders, ledger: Ledger, account: VenueAccount, fills: Mapping[str, Sequence[Fill]]) -> Comparison:
    """Compare what is known here with an account of a venue and its fills by instrument, asked for before the account.

    `fills` may reach back as far as one likes: those that the ledger has are passed over.
    """
    found = _Findings(orders, account)
    new = [fill for fill in _by_time(fills.values()) if not ledger.knows(fill)]
    found.fills(new)
    found.standing()
    found.missing()
    mismatches = found.positions(ledger, new)
    found.balances(ledger, new)
    return Comparison(
        events=tuple(found.events),
        ask=tuple(found.ask),
        differences=tuple(found.differences),
        mismatches=mismatches,
    )


class _Findings:
    """What is found, one step after the other."""

    def __init__(self, orders: Orders, account: VenueAccount) -> None:
        self.orders = orders
        self.account = account
        self.there = {order.id: order for order in account.open_orders}
        self.events: list[OrderEvent | AccountEvent] = []
        self.ask: dict[str, None] = {}
        self.differences: list[str] = []
        self.adopted: set[str] = set()
        self.filled: dict[str, int] = {}

    def fills(self, new: Sequence[Fill]) -> None:
        """Take in fills that were not known here, with the orders that they are of."""
        strangers: dict[str, list[Fill]] = {}
        for fill in new:
            self.filled[fill.order] = self.filled.get(fill.order, 0) + fill.quantity
            if fill.order not in self.orders.by_id:
                strangers.setdefault(fill.order, []).append(fill)
        for name, own in strangers.items():
            order = self.there.get(name)
            self._adopt(spec_of(order, self.account.mode) if order is not None else _spec_of_fills(own), order)
        for fill in new:
            self.events.append(OrderFilled(order=fill.order, ts=fill.ts, fill=fill))
            whose = "order" if fill.order in self.orders.by_id else "order, not made here,"
            self.differences.append(
                f"{self.account.venue} filled {fill.side} {decimal(fill.quantity)} of {fill.instrument} at "
                f"{decimal(fill.price)} ({whose} {fill.order}), which was not known here"
            )

    def standing(self) -> None:
        """Hold each order that stands at the venue against ours."""
        for order in self.account.open_orders:
            ours = self.orders.by_id.get(order.id)
            if order.id in self.adopted:
                continue
            if ours is None:
                self._adopt(spec_of(order, self.account.mode), order)
                self._differ(order, "stands at the venue and was not made here: it is taken in, as external")
            elif not ours.open:
                self._adopt(ours.spec, order)
                self.ask[order.id] = None
                self._differ(order, f"stands at the venue, and was thought to be {ours.state}")
            else:
                self._agree(order, ours)

    def _agree(self, order: VenueOrder, ours: Order) -> None:
        known = ours.filled + self.filled.get(order.id, 0)
        if ours.state in ASKED:
            self._report(order)
            self._differ(order, f"stands at the venue; here it was {ours.state}")
        if order.filled > known:
            self.ask[order.id] = None
            self._differ(order, f"is filled to {decimal(order.filled)} at the venue, to {decimal(known)} here")
        numbers = (order.quantity, order.price, order.stop_price)
        if numbers != (ours.quantity, ours.price, ours.stop_price) and ours.state is not OrderState.AMENDING:
            self.events.append(
                OrderAmended(
                    order=order.id,
                    ts=self.account.ts,
                    price=order.price,
                    stop_price=order.stop_price,
                    quantity=order.quantity,
                    venue_id=order.venue_id,
                )
            )
            self._differ(order, "has other numbers at the venue than here; the venue's are taken")

    def missing(self) -> None:
        """Ask for orders that are open here and do not stand at the venue: silence tells nothing of them."""
        prefix = f"{self.account.venue}:"
        for order in self.orders.open():
            spec = order.spec
            if not spec.instrument.startswith(prefix) or spec.id in self.there:
                continue
            if order.filled + self.filled.get(spec.id, 0) >= order.quantity:
                continue
            if order.state in ASKED and spec.created > self.account.ts - YOUNG:
                continue
            self.ask[spec.id] = None
            self.differences.append(
                f"{spec.side} {decimal(spec.quantity)} {spec.instrument} ({spec.id}) is {order.state} here and does "
                "not stand at the venue; it is asked for"
            )

    def positions(self, ledger: Ledger, new: Sequence[Fill]) -> tuple[str, ...]:
        """Hold positions of derivatives against what all fills make them; return the instruments that differ."""
        prefix = f"{self.account.venue}:"
        ours = {
            position.instrument: position.quantity
            for position in ledger.positions.values()
            if position.contract.derivative and position.instrument.startswith(prefix)
        }
        for fill in new:
            if _derivative(fill.instrument):
                ours[fill.instrument] = ours.get(fill.instrument, 0) + fill.side.sign * fill.quantity
        differing: list[str] = []
        for instrument in sorted(ours.keys() | self.account.positions.keys()):
            here, there = ours.get(instrument, 0), self.account.positions.get(instrument, 0)
            if here != there:
                differing.append(instrument)
                self.differences.append(
                    f"the position of {instrument} is {decimal(there)} at the venue, all fills make {decimal(here)}; "
                    "nothing is changed: close it at the venue, or find the missing fills"
                )
        return tuple(differing)

    def balances(self, ledger: Ledger, new: Sequence[Fill]) -> None:
        """Take the balances over, last of all."""
        reported = BalancesReported(venue=self.account.venue, ts=self.account.ts, balances=self.account.balances)
        self.events.append(reported)
        if not ledger.reported:
            return  # nothing was known yet: what is there is what it begins with
        if not new and _equal(ledger.balances, self.account.balances):
            return
        copy = Ledger.restore(ledger.image())
        for fill in new:
            copy.fill(_contract(fill.instrument), fill)
        for asset, difference in copy.report(reported).items():
            moved = "more" if difference > 0 else "less"
            self.differences.append(
                f"{self.account.venue} has {decimal(abs(difference))} {asset} {moved} than fills, fees and funding "
                "explain; it counts as moved in or out"
            )

    def _adopt(self, spec: OrderSpec, order: VenueOrder | None) -> None:
        self.adopted.add(spec.id)
        venue_id = order.venue_id if order is not None else ""
        self.events.append(Adopted(spec=spec, venue_id=venue_id, ts=self.account.ts))

    def _report(self, order: VenueOrder) -> None:
        told = OrderReported(
            order=order.id, ts=self.account.ts, state=order.state, venue_id=order.venue_id, filled=order.filled
        )
        self.events.append(told)

    def _differ(self, order: VenueOrder, what: str) -> None:
        self.differences.append(f"{order.side} {decimal(order.quantity)} {order.instrument} ({order.id}) {what}")


def spec_of(order: VenueOrder, mode: Mode) -> OrderSpec:
    """Return an order that stands at the venue as one of ours, external."""
    limited, conditional = order.price > 0, order.stop_price > 0
    kind = OrderType.STOP if conditional else OrderType.MARKET
    if limited:
        kind = OrderType.STOP_LIMIT if conditional else OrderType.LIMIT
    if order.type in set(OrderType):
        kind = OrderType(order.type)
    return OrderSpec(
        id=order.id,
        instrument=order.instrument,
        side=Side(order.side),
        type=kind,
        quantity=order.quantity,
        price=order.price,
        stop_price=order.stop_price,
        reduce_only=order.reduce_only,
        origin=Origin.EXTERNAL,
        mode=mode,
        created=order.ts,
    )


def _spec_of_fills(fills: Sequence[Fill]) -> OrderSpec:
    """Return an order of which only fills are known: as much as was filled, at the market."""
    first = fills[0]
    return OrderSpec(
        id=first.order,
        instrument=first.instrument,
        side=first.side,
        type=OrderType.MARKET,
        quantity=sum(fill.quantity for fill in fills),
        origin=Origin.EXTERNAL,
        mode=first.mode,
        created=first.ts,
    )


def _by_time(fills: Iterable[Sequence[Fill]]) -> list[Fill]:
    """Merge fills of several instruments by time; those of one stay in their order."""
    return sorted((fill for each in fills for fill in each), key=lambda fill: fill.ts)


def _derivative(instrument: str) -> bool:
    return instrument.count(":") == 2


def _contract(instrument: str) -> Contract:
    pair, _, settle = instrument.partition(":")[2].partition(":")
    base, _, quote = pair.partition("/")
    return Contract(instrument=instrument, base=base, quote=quote, settle=quote, derivative=bool(settle))


def _equal(ours: Mapping[str, int], theirs: Mapping[str, int]) -> bool:
    return all(ours.get(asset, 0) == theirs.get(asset, 0) for asset in ours.keys() | theirs.keys())
