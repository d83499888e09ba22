"""How good the data of the instrument on the desk are, how complete, and where they come from."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from tradetui.console.panes.table import TablePane, Told
from tradetui.console.render import data
from tradetui.console.render.instruments import pair
from tradetui.console.render.table import Row, text_of
from tradetui.console.view import TIMEFRAMES

if TYPE_CHECKING:
    from engine.views import GapsView


class DataPane(TablePane):
    """Quality of the model input, streams, stored candles and their gaps, the database."""

    DIGIT = "9"
    NAME = "Data"

    def source(self) -> object:
        """Return what is told of the instrument, whether the engine speaks, and what this console has loaded."""
        news, symbol = self.desk.news, self.desk.symbol
        pasts = [(news.past(symbol, each).version, len(news.candles(symbol, each))) for each in TIMEFRAMES]
        told = [news.gaps.get((symbol, each)) for each in TIMEFRAMES]
        served = news.health.history if news.health is not None else ()
        return symbol, news.qualities.get(symbol), told, served, news.attached, pasts

    def title(self) -> str:
        """Return the name with the instrument."""
        title = super().title()
        return f"{title} {pair(self.desk.symbol)}" if self.desk.symbol and not self.sought else title

    def told(self) -> str:
        """Return the score."""
        news = self.desk.news
        return data.verdict(news.qualities.get(self.desk.symbol))[0] if news.attached else "old"

    def items(self) -> Sequence[Row]:
        """Return the rows of all sections."""
        return [row for section in data.sections(self.desk.news, self.desk.symbol, TIMEFRAMES) for row in section]

    def key(self, item: Row) -> Hashable | None:
        """Return what a row stands for; headings cannot be chosen."""
        return None if item.head else item.id

    def row(self, item: Row, width: int) -> Row:  # noqa: ARG002
        """Return the row itself."""
        return item

    def action_detail(self) -> None:
        """Tell every gap of a timeframe, on its row; tell all of any other."""
        item: Row | None = self.item
        if item is None:
            return
        if isinstance(item.id, tuple) and item.id[0] == data.GAP:
            timeframe = str(item.id[1])
            gaps: GapsView | None = self.desk.news.gaps.get((self.desk.symbol, timeframe))
            lines = data.gaps(gaps)
            self.post_message(Told(f"Gaps of {self.desk.symbol} {timeframe}", [("", line) for line in lines]))
            return
        heads = [column.head for column in item.columns]
        texts = list(map(text_of, item.cells))
        pairs = [(head or texts[0], text) for head, text in zip(heads, texts, strict=True) if text]
        self.post_message(Told("Data", pairs))
