"""What the engine has told of trading: state, positions, orders, fills, closed trades, risk, equity. Draws nothing.

Nothing here is assumed: an order is what the engine says it is, and money is text, exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from engine.tradingviews import (
        EquityView,
        FillView,
        JournalView,
        LimitView,
        OrderView,
        PositionView,
        RiskView,
        TradingView,
    )

ALWAYS = ("trading", "positions", "orders")
"""Topics that are followed whatever is looked at: mode, money and open risk are never out of sight."""

SOMETIMES = ("fills", "journal", "risk", "equity")
"""Topics that are followed while somebody looks at them; each is the id of its pane."""

TOPICS = (*ALWAYS, *SOMETIMES)

WORDS = {"paper": "PAPER", "testnet": "TESTNET", "live": "LIVE"}
"""How a mode is written wherever there is room for all of it."""

MARKS = {"paper": "PAPER", "testnet": "TEST", "live": "LIVE"}
"""How it is written in a row."""


class Account(msgspec.Struct, kw_only=True):
    """Everything told so far; what was never told is None, or empty. `refused` says why nothing is told at all."""

    trading: TradingView | None = None
    positions: tuple[PositionView, ...] = ()
    orders: tuple[OrderView, ...] = ()
    fills: tuple[FillView, ...] = ()
    journal: tuple[JournalView, ...] = ()
    risk: RiskView | None = None
    equity: EquityView | None = None
    refused: str = ""
    told: frozenset[str] = frozenset()
    """Topics that were told by the engine of now."""

    def take(self, topic: str, data: msgspec.Raw) -> list[Notice]:
        """Keep what is told of a topic; return what has happened to orders since it was told before.

        Raises:
            msgspec.MsgspecError: It cannot be read.
        """
        from engine import tradingviews

        kinds: dict[str, Any] = {
            "trading": tradingviews.TradingView, "positions": tuple[tradingviews.PositionView, ...],
            "orders": tuple[tradingviews.OrderView, ...], "fills": tuple[tradingviews.FillView, ...],
            "journal": tuple[tradingviews.JournalView, ...], "risk": tradingviews.RiskView,
            "equity": tradingviews.EquityView,
        }  # fmt: skip
        value = msgspec.msgpack.decode(data, type=kinds[topic])
        noticed: list[Notice] = []
        if topic == "orders" and topic in self.told:
            noticed = notices(self.orders, value)
        setattr(self, topic, value)
        self.told |= {topic}
        return noticed

    def forget(self) -> None:
        """Another engine is told of from now on: what was known stays to be seen, as of then; nothing is compared."""
        self.told, self.refused = frozenset(), ""

    @property
    def on(self) -> bool:
        """Whether trading was ever told of."""
        return self.trading is not None

    @property
    def mode(self) -> str:
        """The engine's word for whose money it is, "" if it has said none."""
        return self.trading.mode if self.trading is not None else ""

    @property
    def word(self) -> str:
        """The mode as it is written."""
        return WORDS.get(self.mode, self.mode.upper())

    @property
    def open_orders(self) -> tuple[OrderView, ...]:
        """Orders that are not over."""
        return tuple(order for order in self.orders if order.open)

    @property
    def exits_act(self) -> bool:
        """Whether stops and targets act: not after a halt, which cancels them, and not while they are switched off."""
        view = self.trading
        return view is None or (
            view.state != "halted"
            and not view.latched
            and all(each.on for each in view.switches if each.name == "exits")
        )

    def position(self, instrument: str) -> PositionView | None:
        """Return the open position of an instrument."""
        return next((each for each in self.positions if each.instrument == instrument), None)

    def order(self, id_: str) -> OrderView | None:
        """Return an order by its id."""
        return next((each for each in self.orders if each.id == id_), None)

    def limit(self, name: str) -> LimitView | None:
        """Return a limit by its name."""
        return next((each for each in self.risk.limits if each.name == name), None) if self.risk is not None else None


class Notice(NamedTuple):
    """Something that has happened to an order, in a sentence; `rings`: it is worth a bell."""

    text: str
    rings: bool


def notices(before: tuple[OrderView, ...], after: tuple[OrderView, ...]) -> list[Notice]:
    """Return what has happened to orders between two tellings, the oldest order first."""
    known = {order.id: order for order in before}
    found = []
    for order in reversed(after):
        old = known.get(order.id)
        filled = old.filled if old is not None else "0"
        state = old.state if old is not None else ""
        if order.filled != filled and float(order.filled or 0):
            part = "" if order.filled == order.quantity else f" {order.filled} of"
            at = f" at {order.average}" if order.average else ""
            found.append(Notice(f"filled{part} {described(order)}{at}", True))
        if order.state != state and order.state in ("rejected", "denied", "unresolved", "expired"):
            why = f": {order.reason}" if order.reason else ""
            found.append(Notice(f"{order.state} {described(order)}{why}", order.state == "unresolved"))
    return found


def described(order: OrderView) -> str:
    """Return an order in a few words: `buy 0.25 ETH/USDT limit 2600 (PAPER)`."""
    name = order.instrument.partition(":")[2] or order.instrument
    prices = " ".join(filter(None, (order.stop_price, order.price)))
    return f"{order.side} {order.quantity} {name} {kind(order)}{f' {prices}' if prices else ''} ({mark(order.mode)})"


def kind(order: OrderView) -> str:
    """Return an order's type as it is read."""
    return order.type.replace("_", " ")


def mark(mode: str) -> str:
    """Return the mark of a mode in a row."""
    return MARKS.get(mode, mode.upper())
