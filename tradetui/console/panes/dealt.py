"""Positions, orders, fills and closed trades: lists of what the engine tells of trading."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, ClassVar

from engine.types import SECOND
from tradetui.console.keys import pressed
from tradetui.console.panes.table import TablePane, Told
from tradetui.console.render import dealt
from tradetui.console.render.instruments import names, pair
from tradetui.console.render.sums import gain
from tradetui.console.render.table import Columns, Row

if TYPE_CHECKING:
    from engine.tradingviews import FillView, JournalView, OrderView, PositionView
    from tradetui.console.account import Account
    from tradetui.console.desk import Condition, Desk


AGES = 15 * SECOND
"""Nanoseconds after which ages are told anew."""


def silent(desk: Desk) -> str:
    """Tell why nothing is known of trading, "" if something is."""
    news = desk.news
    if news.account.on:
        return ""
    if not news.attached:
        return "not known: no engine is attached"
    return f"no trading here: {news.account.refused}" if news.account.refused else "the engine was asked about trading"


class AccountPane(TablePane):
    """A list of the account. Its id is the topic that tells of it."""

    KEY: ClassVar[str]
    """Id of the key that goes here; its name stands in the title."""

    @property
    def account(self) -> Account:
        """What is told of trading."""
        return self.desk.news.account

    @property
    def fresh(self) -> bool:
        """Whether the engine vouches for it now."""
        return self.desk.news.fresh(self.id or "")

    def source(self) -> object:
        """Return the rows, why there are none, whether they are the present, and the time that ages are told of."""
        told = getattr(self.account, self.id or "")
        return told, silent(self.desk), self.fresh, self.desk.now() // AGES, self.day()

    def condition(self) -> Condition | None:
        """Return None: rows that are not the present have no colour, and the title says so."""
        return None

    def title(self) -> str:
        """Return the name with its key, and whose money it is."""
        word = self.account.word
        key = pressed(self.desk.keys, self.KEY)
        return f"{key} {super().title()}{f' {word}' if word else ''}"

    def told(self) -> str:
        """Return that it is old, if it is, else a figure."""
        if not self.account.on:
            return ""
        asked = f"{len(self.desk.asked)} asked, " if self.id == "orders" and self.desk.asked else ""
        return self.figure() if self.fresh else f"{asked}old"

    def figure(self) -> str:
        """Return a figure of all rows together."""
        return ""

    def empty(self) -> str:
        """Return why there is no row."""
        return silent(self.desk) or self.nothing()

    def nothing(self) -> str:
        """Return what is said when there is nothing, as a matter of fact."""
        return "nothing yet"

    def short(self, instrument: str) -> str:
        """Return the short name of an instrument."""
        return names(tuple(self.desk.symbols)).get(instrument, pair(instrument))

    def step(self, instrument: str) -> float:
        """Return the price step of an instrument, 0 where it is not known."""
        market = self.desk.market(instrument)
        return market.tick if market is not None else 0.0


class PositionsPane(AccountPane):
    """What is held, at what price, with which exits."""

    NAME = "Positions"
    KEY = "positions"

    def source(self) -> object:
        """Return the rows, and whether their exits act."""
        return super().source(), self.account.exits_act

    def figure(self) -> str:
        """Return how many there are, and what they gain or lose as they stand."""
        trading, held = self.account.trading, len(self.account.positions)
        if trading is None or not held:
            return f"{held} open"
        return f"{held} open {gain(trading.unrealised)[0]}"

    def items(self) -> Sequence[PositionView]:
        """Return the open positions."""
        return self.account.positions

    def key(self, item: PositionView) -> Hashable:
        """Return the instrument."""
        return item.instrument

    def columns(self, width: int) -> Columns:  # noqa: ARG002
        """Return the columns."""
        return dealt.POSITIONS

    def row(self, item: PositionView, width: int) -> Row:  # noqa: ARG002
        """Return the row of a position."""
        now = self.desk.now()
        step, acts = self.step(item.instrument), self.account.exits_act
        return dealt.position(item, self.short(item.instrument), step, now, self.fresh, acts=acts)

    def nothing(self) -> str:
        """Return that nothing is held, and how to change that."""
        return f"nothing is held ({pressed(self.desk.keys, 'buy')}: an order ticket)"

    def action_detail(self) -> None:
        """Tell everything of the position."""
        item: PositionView | None = self.item
        if item is not None:
            lines = dealt.position_told(item, self.desk.now(), acts=self.account.exits_act)
            self.post_message(Told(f"position {pair(item.instrument)}", lines))


class OrdersPane(AccountPane):
    """Orders: those that are open, then those that are over, the newest first."""

    NAME = "Orders"
    KEY = "orders"

    def source(self) -> object:
        """Return the rows, and what was asked and is not answered yet."""
        return super().source(), len(self.desk.asked)

    def figure(self) -> str:
        """Return how many are open, how many are asked for, and of how many nobody knows what became."""
        trading, asked = self.account.trading, len(self.desk.asked)
        lost = f", {trading.unresolved} UNRESOLVED" if trading is not None and trading.unresolved else ""
        return f"{f'{asked} asked, ' if asked else ''}{len(self.account.open_orders)} open{lost}"

    def items(self) -> Sequence[OrderView]:
        """Return open orders, then the others."""
        return sorted(self.account.orders, key=lambda each: (not each.open, -each.created))

    def key(self, item: OrderView) -> Hashable:
        """Return the id."""
        return item.id

    def columns(self, width: int) -> Columns:  # noqa: ARG002
        """Return the columns."""
        return dealt.ORDERS

    def row(self, item: OrderView, width: int) -> Row:  # noqa: ARG002
        """Return the row of an order."""
        now = self.desk.now()
        return dealt.order(item, self.short(item.instrument), self.step(item.instrument), now, self.fresh)

    def nothing(self) -> str:
        """Return that there is no order, and how to make one."""
        return f"no order ({pressed(self.desk.keys, 'buy')}: an order ticket; :order buy 0.01)"

    def action_detail(self) -> None:
        """Tell everything of the order."""
        item: OrderView | None = self.item
        if item is not None:
            self.post_message(Told(f"order {item.id}", dealt.order_told(item)))


class FillsPane(AccountPane):
    """What was executed, the newest first."""

    NAME = "Fills"
    KEY = "fills"

    def figure(self) -> str:
        """Return how many are told."""
        return f"{len(self.account.fills)}, newest first"

    def items(self) -> Sequence[FillView]:
        """Return the fills."""
        return self.account.fills

    def key(self, item: FillView) -> Hashable:
        """Return the ids of order and fill."""
        return item.order, item.id

    def columns(self, width: int) -> Columns:  # noqa: ARG002
        """Return the columns."""
        return dealt.FILLS

    def row(self, item: FillView, width: int) -> Row:  # noqa: ARG002
        """Return the row of a fill."""
        now = self.desk.now()
        return dealt.fill(item, self.short(item.instrument), self.step(item.instrument), now, self.fresh)

    def nothing(self) -> str:
        """Return that nothing was filled."""
        return "nothing was filled yet"

    def action_detail(self) -> None:
        """Tell everything of the fill."""
        item: FillView | None = self.item
        if item is not None:
            self.post_message(Told(f"fill {item.id}", dealt.fill_told(item)))


class JournalPane(AccountPane):
    """Closed trades, from flat to flat, the newest first."""

    NAME = "Journal"
    KEY = "journal"

    def figure(self) -> str:
        """Return how many there are, and how many of them won."""
        trades = self.account.journal
        won = sum(not each.net.startswith("-") and each.net != "0" for each in trades)
        return f"{len(trades)} closed, {won} won" if trades else "0 closed"

    def items(self) -> Sequence[JournalView]:
        """Return the closed trades."""
        return self.account.journal

    def key(self, item: JournalView) -> Hashable:
        """Return the id."""
        return item.id

    def columns(self, width: int) -> Columns:  # noqa: ARG002
        """Return the columns."""
        return dealt.JOURNAL

    def row(self, item: JournalView, width: int) -> Row:  # noqa: ARG002
        """Return the row of a trade."""
        now = self.desk.now()
        return dealt.trade(item, self.short(item.instrument), self.step(item.instrument), now, self.fresh)

    def nothing(self) -> str:
        """Return that no trade was closed."""
        return "no trade was closed yet"

    def action_detail(self) -> None:
        """Tell everything of the trade."""
        item: JournalView | None = self.item
        if item is not None:
            self.post_message(Told(f"trade {item.id}", dealt.trade_told(item)))
