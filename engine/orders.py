"""The vocabulary of trading: what a person asks, what goes to a venue, what a venue answers, and what is kept.

Prices, quantities and money are whole numbers of 1e-8 (`UNIT`) of the asset that they are counted in: prices and
costs in the quote asset, quantities in the base asset (in contracts' base asset on derivatives). Times are UTC ns.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TypeAlias

import msgspec

from engine.approval import Approved

UNIT = 100_000_000
"""Of everything that is counted here, one is so many."""


class Mode(StrEnum):
    """Whose money it is. A database, an order and a fill belong to one mode."""

    PAPER = "paper"
    TESTNET = "testnet"
    LIVE = "live"


class TradingState(StrEnum):
    """What may be done now; always shown.

    REDUCE: no new risk, while protective exits, stops and cancels go on. HALTED: latched, only cancels, and by choice
    the flattening that belongs to the halt.
    """

    ACTIVE = "active"
    REDUCE = "reduce"
    HALTED = "halted"


class Side(StrEnum):
    """Of an order, a fill or a taker."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """1 for BUY, -1 for SELL."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> Side:
        """The other one."""
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(StrEnum):
    """`stop` and `take_profit` become market orders when a trade reaches `stop_price`, `_limit` ones limit orders."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TAKE_PROFIT = "take_profit"
    TAKE_PROFIT_LIMIT = "take_profit_limit"

    @property
    def conditional(self) -> bool:
        """Whether it waits for a trade at `stop_price`."""
        return self not in (OrderType.MARKET, OrderType.LIMIT)

    @property
    def limited(self) -> bool:
        """Whether it has a limit price."""
        return self in (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT)


class TimeInForce(StrEnum):
    """How long an order stands: until cancelled, at once or not at all in part, at once or not at all."""

    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"


class Origin(StrEnum):
    """Who wanted an order. Exits and flattening reduce; `external` orders were found at the venue."""

    OPERATOR = "operator"
    MODEL = "model"
    EXIT = "exit"
    FLATTEN = "flatten"
    EXTERNAL = "external"


class Liquidity(StrEnum):
    """Which side of a fill was resting."""

    MAKER = "maker"
    TAKER = "taker"


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What a venue lets orders of an instrument be, in 1e-8: of the quote asset (`tick`, `min_notional`), of the base
    asset (the others). 0 in `max_quantity` is no bound. `assumed`: the venue has not told; they are those known here.
    """

    tick: int
    step: int
    min_quantity: int
    min_notional: int
    max_quantity: int = 0
    max_market_quantity: int = 0
    assumed: bool = False


class OrderSpec(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag=True):
    """An order as a venue is asked for it. `id` is the client order id: made and stored before anything is sent.

    `price` is 0 without a limit, `stop_price` 0 where it waits for nothing. `oco` names the group of which the other
    members end when one is filled. `stop_loss`, `take_profit` (prices), `trailing_bps` and `time_stop_s` are the exits
    that what is filled of it gets; without `stop_loss` its risk is measured at an assumed distance. A rest below `dust`
    (the venue's quantity step) cannot be traded: a position that small is closed.
    """

    id: str
    instrument: str
    side: Side
    type: OrderType
    quantity: int
    price: int = 0
    stop_price: int = 0
    time_in_force: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    post_only: bool = False
    origin: Origin = Origin.OPERATOR
    oco: str = ""
    stop_loss: int = 0
    take_profit: int = 0
    trailing_bps: float = 0.0
    time_stop_s: float = 0.0
    dust: int = 0
    mode: Mode = Mode.PAPER
    created: int = 0


class Fill(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag=True):
    """A part of an order that was executed. `id` is the venue's trade id: the same one counts once.

    `fee` is in 1e-8 of `fee_asset`, rounded up; negative is a rebate.
    """

    id: str
    order: str
    instrument: str
    side: Side
    price: int
    quantity: int
    fee: int
    fee_asset: str
    liquidity: Liquidity
    ts: int
    mode: Mode = Mode.PAPER


# What becomes of an order: facts, from a venue, from the paper venue, or from asking. ---------------------------------


class OrderSubmitted(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag=True):
    """It is on its way; whether it has arrived is not known."""

    order: str
    ts: int


class OrderDenied(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag=True):
    """It was not sent, for a reason on this side: latch, storage, no connection yet. It is over."""

    order: str
    ts: int
    reason: str


class OrderAccepted(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag=True):
    """The venue has it, under `venue_id`."""

    order: str
    ts: int
    venue_id: str = ""


class OrderRejected(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag=True):
    """The venue said no, for certain; `code` is its own."""

    order: str
    ts: int
    code: str
    reason: str


class OrderUnresolved(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag=True):
    """No answer, or one that does not tell: it may be there or not. Its instrument is frozen until the venue tells.

    `doing` is what was asked: `submit`, `cancel` or `amend`.
    """

    order: str
    ts: int
    doing: str
    reason: str


class OrderTriggered(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag=True):
    """A trade reached its stop price."""

    order: str
    ts: int
    price: int


class OrderFilled(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag=True):
    """Some of it was executed."""

    order: str
    ts: int
    fill: Fill


class FillKept(OrderFilled, frozen=True, kw_only=True, tag="OrderFilled"):
    """The record of a fill: with what it realised, 1e-8 of what it is settled in; None in older ones."""

    realised: int | None = None


class CancelSent(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag=True):
    """The venue is being asked to cancel it."""

    order: str
    ts: int


class OrderCanceled(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag=True):
    """It is over before it was wholly filled: cancelled, or expired by its own terms (`expired`).

    `filled` is what the venue says was filled of it in all, -1 where it does not say: fills may still be under way.
    """

    order: str
    ts: int
    reason: str = ""
    expired: bool = False
    filled: int = -1


class CancelRefused(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag=True):
    """The venue does not cancel it; it stands as before, or is filled already."""

    order: str
    ts: int
    reason: str


class AmendSent(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag=True):
    """The venue is being asked to change it."""

    order: str
    ts: int
    price: int = 0
    stop_price: int = 0
    quantity: int = 0


class OrderAmended(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag=True):
    """It stands with other numbers; 0 is as before. `quantity` is the whole, with what is filled."""

    order: str
    ts: int
    price: int = 0
    stop_price: int = 0
    quantity: int = 0
    venue_id: str = ""


class AmendRefused(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag=True):
    """The venue does not change it; it stands as before."""

    order: str
    ts: int
    reason: str


class OrderReported(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag=True):
    """What the venue says an order is, when asked: `state` is `working`, `filled`, `canceled`, `rejected`, `expired`
    or `missing` (it knows none of this id, which was asked often and late enough to be believed).

    `filled` in all; fills come by themselves and before this.
    """

    order: str
    ts: int
    state: str
    venue_id: str = ""
    filled: int = 0
    reason: str = ""


OrderEvent: TypeAlias = (
    OrderSubmitted
    | OrderDenied
    | OrderAccepted
    | OrderRejected
    | OrderUnresolved
    | OrderTriggered
    | OrderFilled
    | CancelSent
    | OrderCanceled
    | CancelRefused
    | AmendSent
    | OrderAmended
    | AmendRefused
    | OrderReported
)

# What else becomes known about an account. ---------------------------------------------------------------------------


class BalancesReported(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag=True):
    """All balances of a venue's account (free and locked together), 1e-8 of each asset."""

    venue: str
    ts: int
    balances: dict[str, int]


class FundingPaid(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag=True):
    """Funding of a perpetual: `amount` of `asset`, positive is received. The same `id` counts once."""

    id: str
    instrument: str
    ts: int
    amount: int
    asset: str


class Adopted(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag=True):
    """An order that stands at the venue and was not made here: taken in, as external, to be seen and cancelled."""

    spec: OrderSpec
    venue_id: str
    ts: int


class ConditionChanged(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag=True):
    """Something that means REDUCE while it lasts began (`text` says what) or is over (`text` is "").

    `name` is stable: `journal`, `reconcile binance`, `connection binance`, `worker forecaster`, ...
    """

    name: str
    text: str
    ts: int


class Reconciled(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag=True):
    """A venue was asked for everything, and what differed was put right (`differences`, sentences).

    `position_mismatch` names instruments whose position cannot be explained: no new risk there.
    """

    venue: str
    ts: int
    differences: tuple[str, ...] = ()
    position_mismatch: tuple[str, ...] = ()


class KeyChecked(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag=True):
    """What a venue says of our key and our clock: its clock less ours (ms). None: it does not tell."""

    venue: str
    ts: int
    clock_ms: float | None = None
    trade: bool | None = None
    withdraw: bool | None = None
    rules: dict[str, Rules] = {}


class BlindTime(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag=True):
    """No engine looked after this account between two moments (UTC ns): stops that no venue holds did not act.

    `killed` tells who closed the kill switch other than with the halt that is remembered, `killed_at` when (UTC ns);
    "" and 0 if nobody did.
    """

    since: int
    ts: int
    killed: str = ""
    killed_at: int = 0


AccountEvent: TypeAlias = (
    BalancesReported | FundingPaid | Adopted | ConditionChanged | Reconciled | KeyChecked | BlindTime
)

# What the shell is to do. --------------------------------------------------------------------------------------------


class SubmitOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Send an order, once everything that was journaled before it is on disk and the latch is open."""

    order: Approved[OrderSpec]


class CancelOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Ask a venue to cancel an order."""

    order: str
    instrument: str
    venue_id: str = ""


class ChangeOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Ask a venue to change an order; 0 stays. Its risk was approved."""

    order: Approved[OrderSpec]
    venue_id: str = ""


class QueryOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Find out from the venue what became of an order; the answer is an `OrderReported`, after its fills."""

    order: str
    instrument: str
    venue_id: str = ""
    since: int = 0


class ReconcileVenues(msgspec.Struct, frozen=True, kw_only=True):
    """Ask all venues for orders, fills, balances and positions."""


class Journaled(msgspec.Struct, frozen=True, kw_only=True):
    """Keep a record for good, in this order; `key` makes it idempotent. `body` is JSON.

    Kinds: `order` (an OrderSpec, before it is sent), `order_event`, `fill`, `account` (balances, funding, conditions),
    `trade` (a closed one), `trading` (armed, halted, limits, switches), `equity`, `blind`, `audit`, `image`.
    """

    kind: str
    key: str
    ts: int
    body: bytes


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a command: done, or why not (`code` is then stable)."""

    id: int
    done: bool
    text: str
    code: str = ""


class Noticed(msgspec.Struct, frozen=True, kw_only=True):
    """Something to alert people of, once; `code` is one of the alert catalogue. `detail` is for the log alone."""

    code: str
    component: str
    text: str
    doing: str = ""
    detail: str = ""


TradingCommand: TypeAlias = (
    SubmitOrder | CancelOrder | ChangeOrder | QueryOrder | ReconcileVenues | Journaled | Answered | Noticed
)


def decimal(units: int, places: int = 8) -> str:
    """Return 1e-8 units as a decimal for people, without trailing zeros, at most `places` after the point (rounded)."""
    sign, number = ("-" if units < 0 else ""), abs(units)
    if places < 8:
        step = 10 ** (8 - places)
        number = (number + step // 2) // step * step
    whole, part = divmod(number, UNIT)
    text = f"{part:08d}".rstrip("0")
    return f"{sign}{whole}.{text}" if text else f"{sign if whole else ''}{whole}"


def units(text: str | float) -> int:
    """Return a decimal as 1e-8 units, exactly.

    Raises:
        ValueError: Not a plain finite number, or finer than 1e-8, or beyond 1e12.
    """
    match = _PLAIN.fullmatch(str(text).strip())
    if match is None:
        raise ValueError(f"{text!r} is not a number")
    sign, whole, part, power = match[1], match[2] or "", match[3] or "", int(match[4] or 0)
    if len(whole) + len(part) + abs(power) > 60:
        raise ValueError(f"{text!r} is not a number that can be traded")
    digits, shift = int(whole + part or "0"), 8 + power - len(part)
    value, rest = (digits * int(10**shift), 0) if shift >= 0 else divmod(digits, int(10**-shift))
    if rest:
        raise ValueError(f"{text} is finer than 1e-8")
    if value > 10**20:
        raise ValueError(f"{text!r} is not a number that can be traded")
    return -value if sign == "-" else value


_PLAIN = re.compile(r"([+-]?)(?=\.?[0-9])([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]{1,3}))?")
