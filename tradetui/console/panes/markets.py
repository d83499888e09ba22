"""Every instrument in a line; enter puts one on the desk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tradetui.console.keys import pressed
from tradetui.console.panes.table import TablePane
from tradetui.console.render import markets
from tradetui.console.render.instruments import names
from tradetui.console.render.table import Columns, Row

if TYPE_CHECKING:
    from engine.views import MarketRow


class MarketsPane(TablePane):
    """The instruments that the engine follows."""

    KIND = "table markets"
    DIGIT = "5"
    NAME = "Markets"

    def source(self) -> object:
        """Return the lines, whether they are the present, how old they are, and what is on the desk."""
        news = self.desk.news
        return news.markets, news.fresh("markets"), news.ticks("markets"), self.desk.symbol

    def told(self) -> str:
        """Return how many books are the market now."""
        news = self.desk.news
        live = sum(each.live for each in news.markets) if news.fresh("markets") else 0
        return f"{live} of {len(news.markets)} live" if news.markets else ""

    def items(self) -> Sequence[MarketRow]:
        """Return the lines as the engine orders them."""
        return self.desk.news.markets

    def key(self, item: MarketRow) -> str:
        """Return the instrument."""
        return item.instrument

    def columns(self, width: int) -> Columns:
        """Return as many columns as have room."""
        return markets.columns(width)

    def row(self, item: MarketRow, width: int) -> Row:
        """Return the row of an instrument."""
        short = names(tuple(self.desk.symbols)).get(item.instrument, item.instrument)
        return markets.row(self.desk.news, item, short, item.instrument == self.desk.symbol, width)

    def empty(self) -> str:
        """Return what is waited for."""
        if not self.desk.news.attached:
            return f"not known: no engine is attached ({pressed(self.desk.keys, 'engine')} starts one)"
        return "no instrument yet: the engine asks the venue for its list"

    def action_detail(self) -> None:
        """Put the instrument on the desk."""
        item = self.item
        if item is not None:
            self.desk.show(item.instrument)
            self.desk.changed()
