"""What a person, a script or a program asks of trading, and who it was."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from engine.orders import AccountEvent, OrderEvent, OrderType, Side, TimeInForce


class Who(msgspec.Struct, frozen=True, kw_only=True):
    """Who asked: OS user, and the name and pid of the client."""

    user: str = ""
    client: str = ""
    pid: int = 0


class PlaceOrder(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field="command",
    tag="order",
    forbid_unknown_fields=True,
):
    """An order; numbers are decimals as text, in quote units (prices) and base units (`quantity`).

    Without `quantity` the engine sizes it: by `size` ("fraction", "volatility", "kelly"), the risk limits and the stop.
    `stop_loss` and `take_profit` make a bracket: exits of what is filled, of which one ends the other.
    `trailing_bps` moves the stop behind the best price since, `time_stop_s` closes after so many seconds.
    """

    symbol: str
    side: Side
    type: OrderType = OrderType.MARKET
    quantity: str = ""
    price: str = ""
    stop_price: str = ""
    time_in_force: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    post_only: bool = False
    stop_loss: str = ""
    take_profit: str = ""
    trailing_bps: float = 0.0
    time_stop_s: float = 0.0
    size: str = ""


class CancelOrders(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field="command",
    tag="cancel",
    forbid_unknown_fields=True,
):
    """Cancel one order, all of a symbol, or all."""

    order: str = ""
    symbol: str = ""
    all: bool = False


class AmendOrder(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field="command",
    tag="amend",
    forbid_unknown_fields=True,
):
    """Change an order; what is "" stays. `order` is a client order id."""

    order: str
    price: str = ""
    stop_price: str = ""
    quantity: str = ""


class Protect(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field="command",
    tag="protect",
    forbid_unknown_fields=True,
):
    """Set the exits of an open position; "" and 0 leave one as it is, "off" and a negative number take it away."""

    symbol: str
    stop_loss: str = ""
    take_profit: str = ""
    trailing_bps: float = 0.0
    time_stop_s: float = 0.0


class Flatten(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field="command",
    tag="flatten",
    forbid_unknown_fields=True,
):
    """Cancel the orders of a symbol (of all, without one) and close its position at the market."""

    symbol: str = ""


class Kill(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field="command",
    tag="kill",
    forbid_unknown_fields=True,
):
    """Halt: latch, cancel everything, and flatten if so chosen (None: as the settings say)."""

    flatten: bool | None = None
    reason: str = ""


class Arm(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field="command",
    tag="arm",
    forbid_unknown_fields=True,
):
    """Let new risk be taken; `word` is the mode's name in capitals. It also ends a halt, which needs a `reason`.

    `unknown_withdrawal`: go on although the venue does not tell whether the key may withdraw.
    """

    word: str = ""
    reason: str = ""
    unknown_withdrawal: bool = False


class Disarm(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field="command",
    tag="disarm",
    forbid_unknown_fields=True,
):
    """Take no new risk until armed."""

    reason: str = ""


class Switch(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field="command",
    tag="switch",
    forbid_unknown_fields=True,
):
    """Turn `trading`, `entries`, `exits` or a symbol on or off. Off exits are the person's own affair, and alarmed."""

    name: str
    on: bool


class SetLimits(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field="command",
    tag="limits",
    forbid_unknown_fields=True,
):
    """Change risk limits by name; all or none."""

    values: dict[str, float]


class Reconcile(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field="command",
    tag="reconcile",
    forbid_unknown_fields=True,
):
    """Ask the venues for everything now, and put right what differs."""


OperatorCommand: TypeAlias = (
    PlaceOrder | CancelOrders | AmendOrder | Protect | Flatten | Kill | Arm | Disarm | Switch | SetLimits | Reconcile
)


class OperatorAsked(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag=True):
    """A command, when it entered the queue; `id` finds who waits for its answer (0: nobody)."""

    id: int
    who: Who
    command: OperatorCommand


TradingEvent: TypeAlias = OperatorAsked | OrderEvent | AccountEvent
