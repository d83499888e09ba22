"""The ladder: the order book of now, the mid in the middle."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import events

from tradetui.panes.book import BOOK, BookPane, waiting
from tradetui.render.instruments import pair
from tradetui.render.ladder import Ladder
from tradetui.render.pens import FAINT, pen

if TYPE_CHECKING:
    from tradetui.desk import Desk
    from tradetui.render.frame import Frame


TITLED = 36
"""Columns from which the title names the instrument."""


class LadderPane(BookPane):
    """Asks above, bids below, by price buckets, with bars and sums."""

    DIGIT: ClassVar[str] = "3"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, "ladder")
        self._ladder = Ladder()

    def title(self) -> str:
        """Return what is shown."""
        return f"COB {pair(self.desk.symbol)}" if self.size.width >= TITLED else "COB"

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
        return self.desk.symbol, self.desk.cob(), self.desk.view.heat.merge

    def draw(self, frame: Frame) -> None:
        """Draw the ladder."""
        desk, cob = self.desk, self.known
        market = desk.market()
        tick = market.tick if market is not None else 0.0
        live = self.condition().live
        if cob is None or not self._ladder.draw(frame, cob, desk.view.heat.merge, tick, live=live):
            frame.text(0, frame.height // 2, waiting(self.desk, BOOK), pen(FAINT), most=frame.width)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Zoom in: smaller buckets."""
        event.stop()
        self.action_merge(-1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Zoom out: larger buckets."""
        event.stop()
        self.action_merge(1)
