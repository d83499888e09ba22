"""What is held of one instrument, and the trade that it belongs to: from flat to flat.

Cost is a total; the average is derived from it. Every pro rata share is rounded half even, and what is left of a total
stays where it was, so that nothing is lost: `realised` and `cost` together always equal what was paid and received.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from engine.execution.contracts import Change, ClosedTrade, Contract
from engine.execution.money import half_even, share
from engine.orders import UNIT, Mode


class Position:
    """What is held of one instrument, signed; `cost` has the sign of `quantity`. Changed by `change` and `fund` alone.

    `trade` is the trade under way, "" without one: what is then left is dust, which cannot be sold by itself. It stays
    here with its cost, and goes into the next trade. `realised`, `fees`, `funding`, `risk`, `entered`, `left` and the
    values belong to that trade; `opened` is its first fill, UTC ns.
    """

    __slots__ = (
        "contract",
        "cost",
        "entered",
        "entered_value",
        "fees",
        "funding",
        "left",
        "left_value",
        "mode",
        "opened",
        "other_fees",
        "quantity",
        "realised",
        "risk",
        "side",
        "trade",
    )

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.quantity = 0
        self.cost = 0
        self._begin("", 0, 0, Mode.PAPER)

    def _begin(self, trade: str, side: int, opened: int, mode: Mode) -> None:
        self.trade = trade
        self.side = side
        self.opened = opened
        self.mode = mode
        self.realised = 0
        self.fees = 0
        self.funding = 0
        self.risk = 0
        self.entered = 0
        self.entered_value = 0
        self.left = 0
        self.left_value = 0
        self.other_fees: dict[str, int] = {}

    @property
    def instrument(self) -> str:
        """Key of the instrument."""
        return self.contract.instrument

    @property
    def open(self) -> bool:
        """Whether a trade is under way; dust that is left of one is none."""
        return self.trade != ""

    @property
    def average(self) -> int:
        """Price at which it was entered, after base fees, 1e-8 quote; 0 when flat."""
        return (
            half_even(self.cost * UNIT, self.quantity)
            if self.quantity > 0
            else (half_even(-self.cost * UNIT, -self.quantity) if self.quantity else 0)
        )

    def change(self, change: Change) -> tuple[int, ClosedTrade | None]:
        """Take in a fill; return what it realised, without fees, and the trade that it closed.

        A fill that crosses zero closes with its first part and opens with the rest. A trade is closed when less than
        `dust`, or nothing, is left after a reduction.
        """
        total = abs(change.quantity)
        sign = 1 if change.quantity > 0 else -1
        closing = min(abs(self.quantity), total) if self.quantity * sign < 0 else 0
        realised, closed = 0, None
        fee = change.fee
        if closing:
            part = share(change.value, closing, total)
            paid = share(change.fee, closing, total)
            realised = self._reduce(closing, part)
            self._pay(paid, change)
            fee -= paid
            if self.open and abs(self.quantity) < max(change.dust, 1):
                closed = self._finish(change.fill.ts, change.reason)
            if closing == total:
                return realised, closed
            change = msgspec.structs.replace(
                change,
                quantity=change.quantity - sign * closing,
                value=change.value - part,
                risk=share(change.risk, total - closing, total),
                other_fee=0,
                other_value=None,
            )
        if change.quantity == 0:
            self._pay(fee, change)
            self.realised -= change.value if self.open else 0
            return realised - change.value, closed
        if not self.open:
            self._begin(f"{self.instrument}#{change.fill.id}", sign, change.fill.ts, change.fill.mode)
        self.quantity += change.quantity
        self.cost += change.value
        self.entered += abs(change.quantity)
        self.entered_value += abs(change.value)
        self.risk += change.risk
        self._pay(fee, change)
        return realised, closed

    def _reduce(self, closing: int, value: int) -> int:
        """Take away a part of the position that brought `-value`; return what that realised."""
        held = abs(self.quantity)
        cost = share(self.cost, closing, held)
        self.cost -= cost
        self.quantity -= closing if self.quantity > 0 else -closing
        realised = -(value + cost)
        if self.open:
            self.realised += realised
            self.left += closing
            self.left_value += abs(value)
        return realised

    def _pay(self, fee: int, change: Change) -> None:
        if not self.open:
            return
        self.fees += fee + (change.other_value or 0)
        if change.other_value is None and change.other_fee:
            asset = change.fill.fee_asset
            self.other_fees[asset] = self.other_fees.get(asset, 0) + change.other_fee

    def sweep(self, dust: int, ts: int, reason: str = "") -> ClosedTrade | None:
        """Close the trade if less than `dust` of it is held, which nobody can sell; return it then."""
        return self._finish(ts, reason) if self.open and abs(self.quantity) < dust else None

    def _finish(self, ts: int, reason: str) -> ClosedTrade:
        net = self.realised - self.fees + self.funding
        trade = ClosedTrade(
            id=self.trade,
            instrument=self.instrument,
            mode=self.mode,
            side="long" if self.side > 0 else "short",
            quantity=self.entered,
            entry=half_even(self.entered_value * UNIT, self.entered) if self.entered else 0,
            exit=half_even(self.left_value * UNIT, self.left) if self.left else 0,
            opened=self.opened,
            closed=ts,
            gross=self.realised,
            fees=self.fees,
            funding=self.funding,
            net=net,
            asset=self.contract.settle,
            risk=self.risk,
            r=net / self.risk if self.risk > 0 else None,
            reason=reason,
            other_fees=self.other_fees,
        )
        self._begin("", 0, 0, self.mode)
        return trade

    def fund(self, amount: int) -> None:
        """Take in funding, 1e-8 of the settle asset, positive is received; it belongs to the trade under way."""
        if self.open:
            self.funding += amount

    def image(self) -> dict[str, Any]:
        """All of it in plain values, for `restore`."""
        image = {name: getattr(self, name) for name in Position.__slots__}
        return image | {
            "contract": msgspec.to_builtins(self.contract),
            "mode": self.mode.value,
            "other_fees": dict(self.other_fees),
        }

    @classmethod
    def restore(cls, image: Mapping[str, Any]) -> Position:
        """Return the position of an image."""
        position = cls(msgspec.convert(image["contract"], Contract))
        for name in cls.__slots__:
            if name != "contract":
                setattr(position, name, image[name])
        position.mode, position.other_fees = Mode(image["mode"]), dict(image["other_fees"])
        return position

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Position) and self.image() == other.image()

    __hash__ = None  # type: ignore[assignment]
