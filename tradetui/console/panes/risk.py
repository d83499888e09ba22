"""Risk: what may be done and why not more, switches, limits to be staged and applied, figures."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from textual.message import Message

from engine.types import SECOND
from tradetui.console import staging
from tradetui.console.keys import pressed
from tradetui.console.panes.dealt import AccountPane, silent
from tradetui.console.panes.table import Told
from tradetui.console.render import risk
from tradetui.console.render.table import Row, text_of

if TYPE_CHECKING:
    from engine.tradingviews import LimitView

WIDE = 150
"""Columns from which the sections stand in two columns."""


class Toggle(Message):
    """A person wants to turn a switch; the app asks first."""

    def __init__(self, name: str, on: bool) -> None:
        super().__init__()
        self.name = name
        self.on = on


class Apply(Message):
    """A person wants the staged limits to hold; the app asks first."""


class RiskPane(AccountPane):
    """The risk of the account, its switches and its limits."""

    KIND = "table risk"
    NAME = "Risk"
    KEY = "risk"

    def source(self) -> object:
        """Return what is told, and what is staged."""
        desk, account = self.desk, self.account
        pause = account.risk.pause_until if account.risk is not None else 0
        seconds = desk.now() // SECOND if pause > desk.now() else 0
        staged = tuple(desk.staged.items())
        return account.risk, account.trading, silent(desk), self.fresh, staged, seconds, self.day()

    def figure(self) -> str:
        """Return what is staged, or the state."""
        desk, trading = self.desk, self.account.trading
        if desk.staged:
            apply, drop = pressed(desk.keys, "detail"), pressed(desk.keys, "back")
            return f"{len(desk.staged)} staged: {apply} asks, {drop} drops"
        return trading.state.upper() if trading is not None else ""

    def items(self) -> Sequence[Row]:
        """Return the rows of all sections."""
        if not self.account.on:
            return []
        told = risk.sections(self.account, self.desk.staged, self.desk.now(), self.fresh)
        return [row for section in told for row in section]

    def key(self, item: Row) -> Hashable | None:
        """Return what a row stands for; headings cannot be chosen."""
        return None if item.head else item.id

    def row(self, item: Row, width: int) -> Row:  # noqa: ARG002
        """Return the row itself."""
        return item

    def cuts(self, items: Sequence[Row], width: int) -> list[int]:
        """Return two halves, cut before a heading, where there is room for them."""
        heads = [place for place, row in enumerate(items) if row.head]
        if width < WIDE or len(heads) < 2:
            return [0, len(items)]
        middle = min(heads, key=lambda place: abs(2 * place - len(items)))
        return [0, middle, len(items)] if middle else [0, len(items)]

    # Limits. --------------------------------------------------------------------------------------------------------

    @property
    def limit(self) -> LimitView | None:
        """The limit under the cursor."""
        item: Row | None = self.item
        if item is None or not isinstance(item.id, tuple) or item.id[0] != "limit":
            return None
        return self.account.limit(str(item.id[1]))

    def action_stage(self, steps: int) -> None:
        """Stage the limit under the cursor some steps on."""
        limit = self.limit
        if limit is None:
            self.desk.say("only limits are moved by this key: choose a row with a value")
        else:
            self.stage(limit, staging.stepped(limit, self.desk.staged.get(limit.name, limit.value), steps))
        self.desk.changed()

    def stage(self, limit: LimitView, value: float) -> None:
        """Stage a value; the one that holds already is none."""
        if value == limit.value:
            self.desk.staged.pop(limit.name, None)
        else:
            self.desk.staged[limit.name] = value

    def action_unstage(self) -> None:
        """Stage the value that holds again."""
        limit = self.limit
        if limit is not None:
            self.desk.staged.pop(limit.name, None)
        self.desk.changed()

    def action_type(self) -> None:
        """Let the person type the value of the limit under the cursor."""
        limit = self.limit
        if limit is None:
            self.desk.say("only limits have a value to type: choose a row with one")
            self.desk.changed()
        else:
            self.desk.ask(f"limits {limit.name} ")

    def action_detail(self) -> None:
        """Turn the switch under the cursor, apply what is staged, or else tell all of the row."""
        item: Row | None = self.item
        if item is None:
            return
        if isinstance(item.id, tuple) and item.id[0] == "switch":
            trading = self.account.trading
            on = next((each.on for each in trading.switches if each.name == item.id[1]), True) if trading else True
            self.post_message(Toggle(str(item.id[1]), not on))
        elif self.desk.staged:
            self.post_message(Apply())
        else:
            heads = [column.head for column in item.columns]
            texts = list(map(text_of, item.cells))
            pairs = [(head or texts[0], text) for head, text in zip(heads, texts, strict=True) if text]
            self.post_message(Told("Risk", pairs))
