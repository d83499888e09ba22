"""Orders and trades as the venue keeps them, and its ways of saying no."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from tests.support.venue.instruments import Instrument

OPEN = ("waiting", "open")
"""States of an order that can still be filled; `waiting` waits for its trigger."""


class Refusal(Exception):
    """The venue refuses a request; `why` is one of the words that `binance.CODES` and `bybit.CODES` translate."""

    def __init__(self, why: str, text: str = "") -> None:
        super().__init__(text or why)
        self.why = why
        self.text = text


class Wanted(msgspec.Struct, kw_only=True):
    """An order as somebody asks for it. `rising`: which way the price must go to its trigger."""

    client: str
    instrument: Instrument
    side: str
    type: str
    quantity: Decimal
    price: Decimal = Decimal(0)
    trigger: Decimal = Decimal(0)
    rising: bool = True
    time_in_force: str = "GTC"
    post_only: bool = False
    reduce_only: bool = False
    said: str = ""
    algo: bool = False


class Order:
    """One order. `said` is its type in the venue's words; `algo` its own number where triggers have a desk apart."""

    __slots__ = (
        "algo", "asked", "child", "client", "created", "filled", "paid", "reason", "state", "trades", "triggered",
        "updated",
    )  # fmt: skip

    def __init__(self, wanted: Wanted, number: int, now_ms: int) -> None:
        self.asked = wanted
        self.client = wanted.client
        self.algo = number if wanted.algo else 0
        self.child = 0 if wanted.algo else number
        self.state = "waiting" if wanted.trigger else "open"
        self.filled = Decimal(0)
        self.paid = Decimal(0)
        self.trades: list[Trade] = []
        self.triggered = 0
        self.reason = ""
        self.created = self.updated = now_ms

    @property
    def instrument(self) -> Instrument:
        return self.asked.instrument

    @property
    def buys(self) -> bool:
        return self.asked.side == "BUY"

    @property
    def remaining(self) -> Decimal:
        return self.asked.quantity - self.filled

    @property
    def open(self) -> bool:
        return self.state in OPEN

    @property
    def average(self) -> Decimal:
        return self.paid / self.filled if self.filled else Decimal(0)


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """One fill; `fee` in `asset`, `realised` in the quote asset."""

    number: int
    order: int
    client: str
    instrument: Instrument
    side: str
    price: Decimal
    quantity: Decimal
    fee: Decimal
    asset: str
    maker: bool
    ms: int
    realised: Decimal = Decimal(0)


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a private stream tells.

    `what`: NEW, TRADE, CANCELED, EXPIRED, AMENDED, TRIGGERED, FINISHED (of an order), BALANCE, FUNDING (`asset`,
    `amount`). Positions and balances are read when the message is made.
    """

    what: str
    order: Order | None = None
    trade: Trade | None = None
    asset: str = ""
    amount: Decimal = Decimal(0)
    instrument: Instrument | None = None
    ms: int = 0
