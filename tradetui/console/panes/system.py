"""How the engine fares, and what this console costs."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from textual.message import Message

from tradetui.console.keys import pressed
from tradetui.console.news import Phase
from tradetui.console.panes.table import TablePane, Told
from tradetui.console.render import system
from tradetui.console.render.system import ENGINE
from tradetui.console.render.table import Row, text_of
from tradetui.console.render.vitals import Own

if TYPE_CHECKING:
    from tradetui.console.desk import Desk

LOW = 16
"""Lines below which the sections are told in a line each."""

WIDE = 150
"""Columns from which the sections stand in two columns."""


def own(desk: Desk) -> Own:
    """Return what this console costs, as far as somebody measures it."""
    meter, rate = desk.meter, desk.view.rate
    return Own(rate=rate) if meter is None else Own(round(meter.lag_ms), round(meter.kilobytes_s), rate)


class ToggleEngine(Message):
    """A person wants to start or to stop the engine; the app asks first."""


class SystemPane(TablePane):
    """The engine's health."""

    DIGIT = "6"
    NAME = "System"

    def source(self) -> object:
        """Return the health as the engine tells it, how old that is, the replay, and what the console itself knows."""
        news = self.desk.news
        silent = news.ticks("health")
        told = news.health, silent, news.fresh("health"), news.replay
        return *told, news.phase, news.refusal, own(self.desk), self._low

    @property
    def _low(self) -> bool:
        return self.size.height - 2 * self.BORDERED < LOW

    def told(self) -> str:
        """Return the engine's state, and its process."""
        word, _ = system.verdict(self.desk.news)
        return f"{word}, pid {self.desk.news.pid}" if self.desk.news.attached else word

    def items(self) -> Sequence[Row]:
        """Return the rows of all sections."""
        return [row for section in system.sections(self.desk.news, own(self.desk), low=self._low) for row in section]

    def key(self, item: Row) -> Hashable | None:
        """Return what a row stands for; headings cannot be chosen."""
        return None if item.head else item.id

    def row(self, item: Row, width: int) -> Row:  # noqa: ARG002
        """Return the row itself."""
        return item

    def cuts(self, items: Sequence[Row], width: int) -> list[int]:
        """Return two halves of about the same height, cut before a heading, where there is room for them."""
        if width < WIDE:
            return [0, len(items)]
        heads = [place for place, row in enumerate(items) if row.head]
        middle = min(heads, key=lambda place: abs(2 * place - len(items)), default=0)
        return [0, middle, len(items)] if middle else [0, len(items)]

    def empty(self) -> str:
        """Return what is waited for."""
        if self.desk.news.phase is not Phase.GONE:
            return "nothing is known of the engine yet"
        return f"{pressed(self.desk.keys, 'engine')} starts an engine"

    def action_detail(self) -> None:
        """Start or stop the engine, on its row; tell all of any other."""
        item: Row | None = self.item
        if item is None:
            return
        if item.id == ENGINE:
            self.post_message(ToggleEngine())
            return
        heads = [column.head for column in item.columns]
        texts = list(map(text_of, item.cells))
        pairs = [(head or texts[0], text) for head, text in zip(heads, texts, strict=True) if text]
        self.post_message(Told("System", pairs))
