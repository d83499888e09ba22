"""What of the account stands on a chart: orders, stops, targets, the average price; which can be moved. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tradetui.console.account import kind
from tradetui.console.desk import Taken
from tradetui.console.render.pens import ASK, BAD, BID, FAINT, GOOD, OWN
from tradetui.console.render.sums import gain, number, plain

if TYPE_CHECKING:
    from engine.tradingviews import OrderView, PositionView
    from tradetui.console.account import Account


class Held(NamedTuple):
    """A price that is held: what it is of, its label, where it stands, its colour, and whether it can be moved."""

    what: str
    id: str
    label: str
    price: float
    colour: int
    movable: bool = True
    average: float | None = None
    size: float = 0.0

    @property
    def told(self) -> str:
        """Its label with what it would gain or lose."""
        return Taken(self.what, self.id, self.label, self.price, self.price, self.average, self.size).told


def held(account: Account, instrument: str) -> list[Held]:
    """Return the lines of an instrument: those of its position, then those of open orders.

    Orders that are exits of the position are told once, as its stop and its target.
    """
    position = account.position(instrument)
    found = _of_position(position, acts=account.exits_act) if position is not None else []
    for order in account.open_orders:
        if order.instrument == instrument and not (order.origin == "exit" and position is not None):
            found += _of_order(order)
    return found


def _of_position(view: PositionView, *, acts: bool) -> list[Held]:
    average, size = number(view.average), number(view.quantity) or 0.0
    if average is None:
        return []
    way = "LONG" if size > 0 else "SHORT"
    much = plain(view.quantity.lstrip("-"))
    found = [Held("average", view.instrument, f"{way} {much} {gain(view.unrealised)[0]}", average, OWN, movable=False)]
    for what, text, word, colour in (
        ("stop_loss", view.stop_loss, "stop", BAD), ("take_profit", view.take_profit, "target", GOOD)
    ):  # fmt: skip
        at = number(text)
        if at is not None:
            label, own = (f"{word} {much}", colour) if acts else (f"{word} OFF {much}", FAINT)
            found.append(Held(what, view.instrument, label, at, own, average=average, size=size))
    return found


def _of_order(order: OrderView) -> list[Held]:
    colour = BID if order.side == "buy" else ASK
    label = f"{order.side.upper()} {plain(order.quantity)} {kind(order)}"
    found = []
    for what, text in (("trigger", order.stop_price), ("order", order.price)):
        at = number(text)
        if at:
            word = f"{label} trigger" if what == "trigger" and order.price else label
            found.append(Held(what, order.id, word, at, colour))
    return found


def movable(account: Account, instrument: str) -> list[Taken]:
    """Return the lines of an instrument that can be taken into the hand, from above."""
    lines = [each for each in held(account, instrument) if each.movable]
    return [
        Taken(each.what, each.id, each.label, each.price, each.price, each.average, each.size)
        for each in sorted(lines, key=lambda each: -each.price)
    ]


def marks(account: Account, instrument: str) -> tuple[tuple[float, int], ...]:
    """Return prices of an instrument's own open orders with their colours, for the ladder."""
    return tuple(
        (each.price, each.colour) for each in held(account, instrument) if each.movable and each.colour != FAINT
    )
