"""The trade tape."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import events

from engine.types import MS
from tradetui.console.keys import pressed
from tradetui.console.panes.book import waiting
from tradetui.console.panes.pane import Pane
from tradetui.console.render import tape
from tradetui.console.render.cells import places_of, stamp
from tradetui.console.render.instruments import pair
from tradetui.console.render.pens import FAINT, TEXT, pen

if TYPE_CHECKING:
    from engine.views import TradeRow
    from tradetui.console.desk import Desk
    from tradetui.console.render.frame import Frame

WINDOW_S = 60
"""Seconds over which bought and sold are compared."""


class TapePane(Pane):
    """The last trades, newest on top. Scrolled back it stands still: the trades in sight stay where they are."""

    KIND: ClassVar[str] = "table"
    DIGIT: ClassVar[str] = "4"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, "tape")
        self._top: int | None = None
        """Id of the trade in the first row; None: the newest."""
        self._symbol = ""
        self._places = 0
        """Most decimals that a size had so far; they stay, or the digits would jump."""
        self._found: tuple[object, list[TradeRow]] = (None, [])

    def title(self) -> str:
        """Return what is shown: the instrument, the filter, how far back it was scrolled."""
        wanted = self._filter
        newer = self._newer()
        back = f" \u00b7 {newer} newer above" if newer else ""
        return f"Trades {pair(self.desk.symbol)}{f' /{wanted}' if wanted else ''}{back}"

    def told(self) -> str:
        """Return who was more eager over the last minute, and how fast trades come."""
        return tape.flow_told(self._flow(), self.size.width - len(self.title()) - 10)

    def version(self) -> object:
        """Return what is drawn: the trades, the filter, the place."""
        return self.desk.symbol, self.desk.trades().version, self._filter, self._top

    def draw(self, frame: Frame) -> None:
        """Draw the trades."""
        rows = self._rows()
        newer = self._newer()
        shown = rows[newer : newer + frame.height]
        if shown:
            market = self.desk.market()
            self._places = max(self._places, places_of(row.size for row in shown))
            tape.draw(frame, shown, market.tick if market is not None else 0.0, self._places)
            return
        if self.desk.trades().rows:
            known, change = len(self.desk.trades().rows), pressed(self.desk.keys, "filter")
            text = f"no trade of the last {known} fits /{self._filter}; {change}: change the filter"
        else:
            text = waiting(self.desk, "a trade")
        frame.text(0, frame.height // 2, text, pen(FAINT), most=frame.width)

    def simple(self, frame: Frame) -> None:
        """Tell prices and sizes."""
        rows = list(self.desk.trades().rows)[::-1]
        for y, row in zip(range(1, frame.height), rows, strict=False):
            frame.text(0, y, f"{'sold' if row.sell else 'bought'} {row.size} at {row.price}", pen(TEXT))

    # What is shown. -------------------------------------------------------------------------------------------------

    @property
    def _filter(self) -> str:
        return self.desk.view.filters.get("tape", "").strip()

    def _rows(self) -> list[TradeRow]:
        """Return the trades that the filter lets through, newest first."""
        trades = self.desk.trades()
        key = self.desk.symbol, trades.version, self._filter, self.desk.frozen
        if key != self._found[0]:
            if self.desk.symbol != self._symbol:
                self._symbol, self._top, self._places = self.desk.symbol, None, 0
            fits = tape.passes(self._filter)
            rows = [row for row in reversed(trades.rows) if fits(row)] if self._filter else list(reversed(trades.rows))
            self._found = key, rows
        return self._found[1]

    def _newer(self) -> int:
        """Return how many trades are newer than the first row; as many as there are rows at most."""
        rows = self._rows()
        if self._top is None or not rows:
            return 0
        place = next((place for place, row in enumerate(rows) if row.id <= (self._top or 0)), len(rows) - 1)
        return min(place, max(len(rows) - self._height, 0))

    @property
    def _height(self) -> int:
        return max(self.size.height - 2, 1)

    def _flow(self) -> tape.Flow | None:
        desk = self.desk
        cob = desk.cob()
        if cob is not None and cob.live and desk.news.fresh("cob", desk.symbol):
            found = next((each for each in cob.flow if each.window_s == WINDOW_S), None)
            if found is not None:
                return tape.Flow(found.window_s, found.buy, found.sell, found.trades)
        return tape.flow_of(reversed(desk.trades().rows), desk.now() // MS, WINDOW_S)

    # Keys. ----------------------------------------------------------------------------------------------------------

    def action_row(self, by: int) -> None:
        """Scroll; downwards is back in time. At the top it follows the market again."""
        rows = self._rows()
        place = min(max(self._newer() + by, 0), max(len(rows) - self._height, 0))
        self._top = rows[place].id if place else None
        self.desk.changed()

    def action_rows(self, by: int) -> None:
        """Scroll by a page."""
        self.action_row(by * max(self._height - 1, 1))

    def action_detail(self) -> None:
        """Tell everything of the trade in the first row."""
        rows = self._rows()
        if not rows:
            self.desk.say("there is no trade to tell of")
            return
        row = rows[self._newer()]
        side = "sold" if row.sell else "bought"
        large = ", large" if row.large else ""
        self.desk.say(f"trade {row.id}: {stamp(row.ts_ms * MS)} taker {side} {row.size:g} at {row.price:.10g}{large}")

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scroll towards now."""
        event.stop()
        self.action_row(-3)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scroll back."""
        event.stop()
        self.action_row(3)
