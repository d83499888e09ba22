"""The heat map: the order book in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import events

from engine.types import SECOND
from tradetui.console.panes.book import BOOK, BookPane, waiting
from tradetui.console.render.cells import decimals
from tradetui.console.render.heat import HeatMap, Scene
from tradetui.console.render.instruments import pair
from tradetui.console.render.pens import FAINT, pen

if TYPE_CHECKING:
    from tradetui.console.desk import Desk
    from tradetui.console.render.frame import Frame


class HeatPane(BookPane):
    """Resting size, imbalance or spread by second and price, with the best prices and the trades over it."""

    DIGIT: ClassVar[str] = "2"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, "heat")
        self._map = HeatMap()

    def title(self) -> str:
        """Return what is shown, and the size of a cell."""
        view, size = self.desk.view.heat, self._bucket()
        parts = [f"COB {view.metric} {pair(self.desk.symbol)}".rstrip(), f"{view.seconds} s/col"]
        if size:
            parts.append(f"bucket {size * view.merge:.{decimals(size)}f}")
        return " \u00b7 ".join(parts)

    def told(self) -> str:
        """Return how the sizes are cut off, or between what the others lie."""
        view = self.desk.view.heat
        fixed = {"imbalance": "\u22121 to +1", "spread": "0 to widest"}
        return fixed.get(view.metric, f"cut {view.cut:g}\u2013{100 - view.cut:g} %")

    def version(self) -> object:
        """Return what is drawn: the seconds, the book, the trades, the column of now and its word, and the view."""
        desk = self.desk
        heat, view = desk.heat(), desk.view.heat
        shown = (view.metric, view.seconds, view.merge, view.cut, view.tint, view.dots, view.lines)
        trades = desk.trades().version if view.dots else 0
        word = self._word(self.condition().live)
        return desk.symbol, heat.version, trades, desk.cob(), self._now() // view.seconds, word, shown

    def draw(self, frame: Frame) -> None:
        """Draw the map."""
        desk = self.desk
        heat, trades, market, live = desk.heat(), desk.trades(), desk.market(), self.condition().live
        scene = Scene(
            instrument=desk.symbol,
            rows=heat.rows,
            rows_version=heat.version,
            trades=trades.rows,
            trades_version=trades.version,
            cob=self.known,
            live=live,
            now=self._now(),
            tick=market.tick if market is not None else 0.0,
            word=self._word(live),
        )
        if not self._map.draw(frame, scene, desk.view.heat, desk.look):
            frame.text(0, frame.height // 2, waiting(self.desk, BOOK), pen(FAINT), most=frame.width)

    def _now(self) -> int:
        """Return the second of the newest column; without an engine time stands still."""
        return self.desk.now() // SECOND if self.desk.news.attached else 0

    def _word(self, live: bool) -> str:
        """Return what the newest column is."""
        desk = self.desk
        if desk.frozen:
            return "frozen\u25b8"
        if not desk.news.attached:
            return "last\u25b8"
        return "now\u25b8" if not live else "replay\u25b8" if desk.replay is not None else "live\u25b8"

    def _bucket(self) -> float:
        cob = self.known
        rows = self.desk.heat().rows if cob is None else ()
        return (cob.bucket_size or 0.0) if cob is not None else rows[-1].size if rows else 0.0

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Zoom in: less time in a column."""
        event.stop()
        self.action_seconds(-1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Zoom out: more time in a column."""
        event.stop()
        self.action_seconds(1)
