"""What the dialects of the venues have in common: names, numbers, and what a dialect has to know.

Numbers leave and arrive as decimal text and are never floats. An id that this program made is told by its form; other
orders at the venue are named after the venue's own id, always in the same way, so that a restart finds them again.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

import msgspec

from engine.errors import FeedError, ProtocolError, SettingsInvalid
from engine.execution.venue import Permissions, VenueOrder
from engine.orders import UNIT, Fill, FundingPaid, OrderEvent, OrderSpec, Rules, units
from engine.text import inert

OWN = re.compile(r"[a-z0-9]{1,20}-[0-9]{1,11}")
"""Form of the client order ids of this program (`account.next_id`)."""

LONGEST_LABEL = 64
"""Characters kept of an id or a name of the venue."""

DAMAGE = (KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError)
"""What reading an answer of another shape raises."""


class Call(NamedTuple):
    """One request: ccxt's name of the endpoint, its parameters as text, its request weight."""

    method: str
    params: dict[str, Any]
    weight: int = 1


Ask = Callable[[Call], Awaitable[Any]]
"""Sends a request and returns the answer, decoded, with numbers as text.

Raises:
    FeedError: No answer, or a refusal.
"""


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """An instrument as its venue names it; `category` is the venue's own word where it has one."""

    key: str
    symbol: str
    category: str
    base: str
    quote: str
    settle: str

    @property
    def derivative(self) -> bool:
        """Whether positions are held in it, and not the asset."""
        return bool(self.settle)


class Meaning(StrEnum):
    """What a refusal of a venue means for the order it is about."""

    REFUSED = "refused"
    """No, for certain."""
    THROTTLED = "throttled"
    """Not looked at: too many requests."""
    UNKNOWN = "unknown"
    """It may have happened."""
    MISSING = "missing"
    """It knows no such order."""
    CLOCK = "clock"
    """Not looked at: our clock and the venue's differ by too much."""


class Said(FeedError):
    """The venue answered that it does not do what was asked; `text` is inert and short."""

    def __init__(self, venue: str, code: str, text: str, meaning: Meaning) -> None:
        super().__init__(f"{venue} said: {text or 'no reason'} (code {code})")
        self.code = code
        self.text = text
        self.meaning = meaning


class Execution(NamedTuple):
    """A fill as a venue lists it: which order it is of, by the venue's id; without `told`, `fill.order` is empty."""

    venue_id: str
    fill: Fill
    told: bool


class Holdings(NamedTuple):
    """Balances (free and locked) by asset, signed positions of derivatives by instrument."""

    balances: dict[str, int]
    positions: dict[str, int]


class Heard(msgspec.Struct, kw_only=True):
    """What one message of a private stream says.

    `orders`: orders as they are now. `doubt`: something happened that the message does not wholly tell, so the venue is
    asked. `lost`: the stream is over, in words.
    """

    events: list[OrderEvent | FundingPaid] = msgspec.field(default_factory=list)
    orders: list[VenueOrder] = msgspec.field(default_factory=list)
    doubt: bool = False
    lost: str = ""


class Words(Protocol):
    """The dialect of one venue: how things are asked, and what answers and messages mean."""

    venue: str
    weight_limit: int
    """Request weight a minute, where the venue's budget is not shared."""
    watched: tuple[str, ...]
    """ccxt's methods that keep the private stream; none: the venue is asked instead."""
    acks: int
    """Confirmations after which the stream is complete."""
    options: dict[str, Any]
    """ccxt's options."""

    def apart(self, market: Listed) -> bool:
        """Tell whether conditional orders are cancelled elsewhere than others."""

    def listed(self, key: str) -> Listed:
        """Return an instrument by its key.

        Raises:
            SettingsInvalid: It cannot be traded at this venue.
        """

    def said(self, status: int, answer: Any) -> tuple[str, str] | None:
        """Return code and words of a refusal, None where the answer is none."""

    def meaning(self, status: int, code: str, text: str) -> Meaning:
        """Tell what a refusal means."""

    async def clock(self, ask: Ask) -> int:
        """Return the venue's time, UTC ms."""

    async def rules(self, ask: Ask, markets: Sequence[Listed]) -> dict[str, Rules]:
        """Return the filters of instruments by key."""

    async def permissions(self, ask: Ask, testnet: bool) -> Permissions:
        """Return what the key may do."""

    def submit(self, spec: OrderSpec, market: Listed) -> Call | str:
        """Word an order; text: why the venue cannot be asked for it."""

    def submitted(self, answer: Any) -> str:
        """Return the venue's id of an order that was taken."""

    def cancel(self, market: Listed, order: str, venue_id: str, conditional: bool) -> Call:
        """Word a cancel."""

    def canceled(self, answer: Any) -> int | None:
        """Return what was filled (-1: not said) of an order that is over; None: it is only being cancelled."""

    def amend(self, spec: OrderSpec, market: Listed, venue_id: str, old: OrderSpec | None) -> Call | str:
        """Word a change to what `spec` says, from `old` where that is known; text: why it cannot be done in one."""

    async def find(self, ask: Ask, market: Listed, order: str, venue_id: str) -> VenueOrder | None:
        """Return an order as the venue has it; None: it knows none."""

    async def trades(self, ask: Ask, market: Listed, since_ms: int, now_ms: int) -> list[Execution]:
        """Return all fills since then, oldest first."""

    async def trades_of(self, ask: Ask, market: Listed, found: VenueOrder) -> list[Execution]:
        """Return all fills of an order, oldest first."""

    async def funding(self, ask: Ask, markets: Sequence[Listed], since_ms: int, now_ms: int) -> list[FundingPaid]:
        """Return the funding of perpetuals since then."""

    async def standing(self, ask: Ask, markets: Sequence[Listed]) -> list[VenueOrder]:
        """Return the open orders of instruments."""

    async def holdings(self, ask: Ask, markets: Sequence[Listed]) -> Holdings:
        """Return balances and positions."""

    def ack(self, message: Mapping[str, Any]) -> bool:
        """Tell whether a message of the stream confirms a subscription."""

    def heard(self, message: Mapping[str, Any], markets: Mapping[tuple[str, str], Listed]) -> Heard | None:
        """Read a message of the stream, with instruments by category and symbol; None: nothing about the account."""


def split(key: str) -> tuple[str, str, str]:
    """Return base, quote and settle ("" on spot) of an instrument key.

    Raises:
        SettingsInvalid: Not a key.
    """
    pair, _, settle = key.partition(":")[2].partition(":")
    base, slash, quote = pair.partition("/")
    if not (slash and base and quote):
        raise SettingsInvalid(f"{key}: expected VENUE:BASE/QUOTE, as in binance:BTC/USDT")
    return base, quote, settle


def external(venue: str, symbol: str, venue_id: str) -> str:
    """Return our name of an order that was not made here."""
    return f"x-{venue}-{symbol.lower()}-{venue_id}"


def inner(order: str) -> str:
    """Return the venue's id out of the name of an order that was not made here."""
    return order.split("-", 3)[3]


def named(venue: str, symbol: str, client_id: str, venue_id: str) -> str:
    """Return our name of an order of which the venue told both ids."""
    return client_id if OWN.fullmatch(client_id) else external(venue, symbol, venue_id)


def amount(text: Any) -> int:
    """Return a decimal of an answer as units; "" and None are 0.

    Raises:
        ValueError: Not a number, or finer than 1e-8.
    """
    return units(str(text)) if text not in (None, "") else 0


def label(value: Any) -> str:
    """Return an id or the name of an asset, as the venue wrote it, fit to be shown and kept.

    Raises:
        ValueError: There is none.
    """
    if value in (None, ""):
        raise ValueError("an id is missing")
    return inert(str(value), LONGEST_LABEL)


def coarse(text: Any) -> int:
    """Return a balance as units; what is finer is cut off.

    Raises:
        ValueError: Not a number.
    """
    return int(_decimal(text).to_integral_value(rounding="ROUND_FLOOR"))


def fee(text: Any) -> int:
    """Return a fee as units, rounded up; a rebate (negative) toward zero.

    Raises:
        ValueError: Not a number.
    """
    return int(_decimal(text).to_integral_value(rounding=ROUND_CEILING))


def _decimal(text: Any) -> Decimal:
    try:
        value = Decimal(str(text or 0)) * UNIT
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is not a number") from error
    if not value.is_finite():
        raise ValueError(f"{text!r} is not a number")
    return value


def rows(answer: Any, what: str) -> list[Any]:
    """Return a list of an answer; anything else is not "none there".

    Raises:
        ProtocolError: Not a list.
    """
    if not isinstance(answer, list):
        raise ProtocolError(f"{what}: expected a list, got {type(answer).__name__}")
    return answer
