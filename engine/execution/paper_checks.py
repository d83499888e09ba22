"""What the paper venue takes of an order: the rules, the book, and what the account has."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from engine.execution.costs import fees_of
from engine.execution.fills import Execution
from engine.execution.money import value_up
from engine.execution.paper_book import Look, OwnBook
from engine.execution.settings import FeeTable
from engine.orders import Fill, OrderSpec, OrderType, Side, decimal
from engine.risk.rules import check, is_derivative, scale
from engine.types import Instrument


class Refusal(NamedTuple):
    """Why an order is not taken: a stable code, and a sentence."""

    code: str
    reason: str


class Holdings:
    """What the account holds: funds and positions as it tells them, with what this step has changed."""

    __slots__ = ("_funds", "_moved", "_position", "_spent")

    def __init__(self, funds: Callable[[OrderSpec], int | None], position: Callable[[str], int]) -> None:
        self._funds = funds
        self._position = position
        self._moved: dict[str, int] = {}
        self._spent: dict[str, int] = {}

    def begin(self) -> None:
        """The account knows of everything until now."""
        if self._moved:
            self._moved.clear()
            self._spent.clear()

    def settled(self, instrument: Instrument, spec: OrderSpec, fill: Fill) -> None:
        """Remember a fill that the account is told of after this step."""
        key, sign = instrument.key, fill.side.sign
        kept = fill.fee if fill.fee_asset == instrument.base else 0
        self._moved[key] = self._moved.get(key, 0) + sign * fill.quantity - kept
        if spec.type is OrderType.MARKET and (sign > 0 or is_derivative(key)):
            # Other orders hold what they need while they are open.
            asset = instrument.quote
            self._spent[asset] = self._spent.get(asset, 0) + value_up(fill.price, fill.quantity)

    def room(self, spec: OrderSpec) -> int:
        """Return how much of the position an order may still close, 1e-8."""
        position = self._position(spec.instrument) + self._moved.get(spec.instrument, 0)
        return max(-position * spec.side.sign, 0)

    def lacks(self, spec: OrderSpec, quantity: int, parts: list[Execution], look: Look) -> Refusal | None:
        """Return what an order lacks: a position to reduce, or funds for `quantity`, of which it takes `parts` now."""
        key, instrument = spec.instrument, look.instrument
        if spec.reduce_only:
            if self.room(spec) >= look.rules.step:
                return None
            return Refusal("reduce_only", f"{key}: there is no position that this {spec.side} would reduce")
        derivative = is_derivative(key)
        if spec.side is Side.SELL and not derivative:
            asset, needed = instrument.base, quantity
        elif spec.type is OrderType.MARKET:
            asset, needed = instrument.quote, sum(value_up(part.price, part.quantity) for part in parts)
        else:
            price = spec.price or spec.stop_price
            if spec.type is OrderType.STOP and spec.side is Side.BUY:  # one that is passed already takes the market's
                price = max(price, look.book.best_ask * scale(instrument.price_decimals) if look.live else 0)
            asset, needed = instrument.quote, value_up(price, quantity)
        if derivative and (closes := min(self.room(spec), quantity)):
            needed = -(-needed * (quantity - closes) // quantity)  # what only closes needs none
        free = self._funds(spec)
        if free is None:
            return Refusal("balance", f"{key}: how much {asset} is free is not known, so it cannot be paid")
        free -= self._spent.get(asset, 0)
        if needed <= free:
            return None
        have = f"{decimal(max(free, 0))} {'may still be traded on margin' if derivative else 'is free'}"
        return Refusal("balance", f"{key}: it needs {decimal(needed)} {asset}, and {have}; lower the quantity")


def examine(
    spec: OrderSpec, quantity: int, look: Look | None, own: OwnBook | None, fees: FeeTable, holdings: Holdings
) -> tuple[Refusal | None, list[Execution]]:
    """Return why an order is not taken, or what of the book it gets at once.

    Args:
        spec: As the venue sees it.
        quantity: What is open of it, 1e-8.
        look: The market; None where it is not followed.
        own: Ours in it.
        fees: By venue.
        holdings: What it may use.
    """
    key = spec.instrument
    if look is None:
        return Refusal("unknown_symbol", f"{key} is not followed here, so nothing is known of its market"), []
    refused = _untradable(look.instrument, fees)
    if refused is not None:
        return refused, []
    best = (look.book.best_ask if spec.side is Side.BUY else look.book.best_bid) if look.live else 0
    wrong = check(spec, look.rules, best * scale(look.instrument.price_decimals) or None)
    if wrong:
        return Refusal("rules", wrong), []
    parts: list[Execution] = []
    if not spec.type.conditional:
        if not look.live:
            text = "its order book is not live, so nothing can be matched; try again when it is"
            return Refusal("no_book", f"{key}: {text}"), []
        parts = (own or OwnBook(key)).against(look).take(spec.side, quantity, spec.price)
        if spec.post_only and parts:
            there = f"at {decimal(spec.price)} it would take what stands at {decimal(parts[0].price)}"
            return Refusal("post_only", f"{key}: {there}, and it was to rest only"), []
    return holdings.lacks(spec, quantity, parts, look), parts


def _untradable(instrument: Instrument, fees: FeeTable) -> Refusal | None:
    key = instrument.key
    if instrument.contract_size:
        return Refusal("inverse", f"{key} is settled in {instrument.base}; the paper venue has no such contracts")
    if max(instrument.price_decimals, instrument.size_decimals) > 8:
        return Refusal("scale", f"{key} is counted finer than 1e-8, which is not traded here")
    if fees_of(fees, instrument.venue) is None:
        return Refusal("fees", f"the fees of {instrument.venue} are not known; set them in trading.fees")
    return None
