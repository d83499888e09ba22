"""The ladder: the order book of now, the mid in the middle."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import events

from tradetui.console.desk import Condition
from tradetui.console.holdings import marks
from tradetui.console.keys import pressed
from tradetui.console.panes.book import BOOK, BookPane, waiting
from tradetui.console.render.cells import decimals
from tradetui.console.render.instruments import pair
from tradetui.console.render.ladder import Ladder
from tradetui.console.render.pens import FAINT, pen

if TYPE_CHECKING:
    from tradetui.console.desk import Desk
    from tradetui.console.render.frame import Frame


TOLD = 19
"""Columns that the title leaves to the imbalance and the border."""


class LadderPane(BookPane):
    """Asks above, bids below, by price buckets or single prices, with bars and sums."""

    DIGIT: ClassVar[str] = "3"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, "ladder")
        self._ladder = Ladder()

    def title(self) -> str:
        """Return what is shown, and as far as there is room how large a bucket is, and the instrument."""
        desk, cob = self.desk, self.known
        if desk.view.heat.levels:
            forms = [f"book {pair(desk.symbol)}", "book"]
        else:
            size = cob.bucket_size if cob is not None else None
            told = f" \u00b7 bucket {size * desk.view.heat.merge:.{decimals(size)}f}" if size else ""
            forms = [f"COB {pair(desk.symbol)}{told}", f"COB{told}", "COB"]
        return next((form for form in forms if len(form) + TOLD <= self.size.width), forms[-1])

    def condition(self) -> Condition:
        """Tell whether what is shown is the market now: buckets, or single prices."""
        desk = self.desk
        return self.told_of("book", desk.book()) if desk.view.heat.levels else super().condition()

    def told(self) -> str:
        """Return the imbalance near the mid over the last seconds, as much as there is room for."""
        cob = self.known
        if cob is None:
            return ""
        means = {each.window_s: each.plain for each in cob.imbalance if each.plain is not None}
        if 1 not in means:
            return ""
        room = self.size.width - len(self.title()) - 10
        texts = [f"imb {means[1]:+.2f}"]
        if 5 in means:
            texts.insert(0, f"imb 1s {means[1]:+.2f} 5s {means[5]:+.2f}")
        return next((text for text in texts if len(text) <= room), "")

    def version(self) -> object:
        """Return what is drawn: the book, and the size of a bucket."""
        desk, heat = self.desk, self.desk.view.heat
        own = marks(desk.news.account, desk.symbol)
        return desk.symbol, desk.cob(), heat.merge, heat.levels and desk.book(), heat.levels, own

    def draw(self, frame: Frame) -> None:
        """Draw the ladder."""
        desk, heat = self.desk, self.desk.view.heat
        market = desk.market()
        tick = market.tick if market is not None else 0.0
        live = self.condition().live
        cob, book = self.known, desk.book()
        self._ladder.own = marks(desk.news.account, desk.symbol)
        if heat.levels:
            drawn = book is not None and self._ladder.draw_levels(frame, book, tick, live=live)
        else:
            drawn = cob is not None and self._ladder.draw(frame, cob, heat.merge, tick, live=live)
        if not drawn:
            frame.text(0, frame.height // 2, waiting(desk, BOOK), pen(FAINT), most=frame.width)

    def action_merge(self, by: int) -> None:
        """Show smaller or larger buckets; below the smallest are single prices."""
        heat = self.desk.view.heat
        if heat.levels and by < 0:
            self.desk.say(f"these are single prices; {pressed(self.desk.keys, 'coarser')}: buckets")
            self.desk.changed()
        elif heat.levels or (by < 0 and heat.merge == 1):
            self._set(levels=by < 0)
        else:
            super().action_merge(by)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Zoom in: smaller buckets."""
        event.stop()
        self.action_merge(-1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Zoom out: larger buckets."""
        event.stop()
        self.action_merge(1)
