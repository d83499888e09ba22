"""Balances and positions of one account: spot and linear in one wallet, as far as the venue lists them."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_UP, Decimal

from tests.support.venue.instruments import LEVERAGE, Instrument
from tests.support.venue.orders import Order

_SMALLEST = Decimal("0.00000001")


class Position:
    """Signed amount of a contract, and its average entry price."""

    __slots__ = ("amount", "entry", "realised")

    def __init__(self) -> None:
        self.amount = Decimal(0)
        self.entry = Decimal(0)
        self.realised = Decimal(0)

    def add(self, signed: Decimal, price: Decimal) -> Decimal:
        """Fill; return what it realised."""
        before = self.amount
        closed = min(abs(before), abs(signed)) if before * signed < 0 else Decimal(0)
        gain = (closed * (price - self.entry) * (1 if before > 0 else -1)).quantize(_SMALLEST)
        self.amount += signed
        if self.amount == 0:
            self.entry = Decimal(0)
        elif before * self.amount < 0 or before == 0:
            self.entry = price
        elif not closed:
            self.entry = (self.entry * abs(before) + price * abs(signed)) / abs(self.amount)
        self.realised += gain
        return gain


class Wallet:
    """What is held. Locks follow from the open orders, so that none is ever forgotten."""

    def __init__(self, balances: dict[str, Decimal]) -> None:
        self.total = dict(balances)
        self.positions: dict[str, Position] = {}

    def position(self, instrument: Instrument) -> Position:
        return self.positions.setdefault(instrument.key, Position())

    def locked(self, asset: str, orders: Iterable[Order], prices: dict[str, Decimal]) -> Decimal:
        """What open orders and positions hold of an asset."""
        found = Decimal(0)
        for order in orders:
            name, amount = self.lock(order, prices[order.instrument.key])
            found += amount if name == asset else 0
        for key, position in self.positions.items():
            if key.startswith("linear:") and asset == "USDT":
                found += abs(position.amount) * position.entry / LEVERAGE
        return found

    def lock(self, order: Order, price: Decimal) -> tuple[str, Decimal]:
        """Asset and amount that an order holds."""
        instrument = order.instrument
        worth = (order.asked.price or order.asked.trigger or price) * order.remaining
        if instrument.spot:
            return (instrument.quote, worth) if order.buys else (instrument.base, order.remaining)
        held = self.position(instrument).amount
        reduces = order.asked.reduce_only or (held < 0 if order.buys else held > 0)
        return instrument.quote, Decimal(0) if reduces or order.state == "waiting" else worth / LEVERAGE

    def fill(self, order: Order, price: Decimal, quantity: Decimal, rate: Decimal) -> tuple[Decimal, str, Decimal]:
        """Book a fill; return fee, its asset, and what was realised."""
        instrument = order.instrument
        worth, sign = price * quantity, 1 if order.buys else -1
        if not instrument.spot:
            fee = _fee(worth, rate)
            realised = self.position(instrument).add(sign * quantity, price)
            self.change(instrument.quote, realised - fee)
            return fee, instrument.quote, realised
        fee = _fee(quantity if order.buys else worth, rate)
        asset = instrument.base if order.buys else instrument.quote
        self.change(instrument.base, sign * quantity)
        self.change(instrument.quote, -sign * worth)
        self.change(asset, -fee)
        return fee, asset, Decimal(0)

    def change(self, asset: str, amount: Decimal) -> None:
        self.total[asset] = self.total.get(asset, Decimal(0)) + amount


def _fee(amount: Decimal, rate: Decimal) -> Decimal:
    return (amount * rate).quantize(_SMALLEST, rounding=ROUND_UP)
