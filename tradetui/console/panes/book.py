"""What heat map and ladder share: the keys of the book, and whether it is the market now."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tradetui.console.desk import Condition
from tradetui.console.keys import pressed
from tradetui.console.panes.pane import Pane
from tradetui.console.render.cells import age
from tradetui.console.render.instruments import pair
from tradetui.console.render.pens import TEXT, pen
from tradetui.console.view import HeatView

if TYPE_CHECKING:
    from engine.snapshot import BookView, CobView
    from tradetui.console.desk import Desk
    from tradetui.console.render.frame import Frame

SECONDS = (1, 2, 5, 10, 30)
"""Seconds in a column."""

MERGES = (1, 2, 5, 10)
"""Buckets that are shown as one."""

CUTS = (0.0, 1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0)
"""Per cent that are cut off at both ends of the sizes."""

METRICS = ("size", "imbalance", "spread")

BOOK = "the book"
"""What these panes wait for."""


def stepped(steps: tuple[float, ...], value: float, by: int) -> float:
    """Return the step that is `by` places from the one nearest to `value`."""
    nearest = min(range(len(steps)), key=lambda place: abs(steps[place] - value))
    return steps[min(max(nearest + by, 0), len(steps) - 1)]


def waiting(desk: Desk, what: str) -> str:
    """Tell in one line what an empty pane waits for, and what the person can do."""
    condition = desk.condition()
    if not desk.symbol:
        return f"waiting for instruments: {condition.why or 'none told yet'}"
    why = f" ({condition.why})" if condition.why else ""
    return f"waiting for {what} of {pair(desk.symbol)}{why}; {pressed(desk.keys, 'symbol')}: next instrument"


class BookPane(Pane):
    """A pane that shows the order book in buckets."""

    KIND: ClassVar[str] = "heat"

    def condition(self) -> Condition:
        """Tell whether the book is the market now; the buckets have to be new as well as the feed."""
        return self.told_of("cob", self.desk.cob())

    def told_of(self, topic: str, book: CobView | BookView | None) -> Condition:
        """Tell whether a book, as a topic tells it, is the market now."""
        desk = self.desk
        condition = desk.condition()
        if not condition.live:
            return condition
        if book is None or not book.live:
            return Condition(False, "BOOK NOT LIVE")
        if not desk.news.fresh(topic, desk.symbol):
            return Condition(False, f"BOOK SILENT {age(desk.news.age(topic, desk.symbol))}")
        return condition

    @property
    def known(self) -> CobView | None:
        """The last book that was known, None while there is none."""
        cob = self.desk.cob()
        return cob if cob is not None and cob.buckets and cob.bucket_size else None

    def simple(self, frame: Frame) -> None:
        """Tell the best prices."""
        cob = self.known
        told = f"best bid {cob.best_bid}  best ask {cob.best_ask}" if cob is not None else waiting(self.desk, BOOK)
        frame.text(0, 1, told, pen(TEXT), most=frame.width)

    def action_seconds(self, by: int) -> None:
        """Put less or more time into a column."""
        self._set(seconds=int(stepped(SECONDS, self.desk.view.heat.seconds, by)))

    def action_merge(self, by: int) -> None:
        """Show smaller or larger buckets; at either end say so."""
        desk, before = self.desk, self.desk.view.heat.merge
        merge = int(stepped(MERGES, before, by))
        if merge == before:
            end = "smallest" if by < 0 else "largest"
            prices = f"; {pressed(desk.keys, 'finer')} on the ladder: single prices" if by < 0 else ""
            desk.say(f"these are the {end} buckets{prices}")
        self._set(merge=merge)

    def action_cut(self, by: int) -> None:
        """Cut off more or less of the small and the large sizes."""
        self._set(cut=stepped(CUTS, self.desk.view.heat.cut, by))

    def action_tint(self) -> None:
        """Give bids and asks colours of their own, or one to both."""
        self._set(tint=not self.desk.view.heat.tint)

    def action_metric(self) -> None:
        """Go to the next metric."""
        self._set(metric=METRICS[(METRICS.index(self.desk.view.heat.metric) + 1) % len(METRICS)])

    def action_dots(self) -> None:
        """Show trades, or not."""
        self._set(dots=not self.desk.view.heat.dots)

    def action_lines(self) -> None:
        """Show the best prices, or not."""
        self._set(lines=not self.desk.view.heat.lines)

    def action_reset(self) -> None:
        """Show everything as at the start."""
        self.desk.view.heat = HeatView()
        self.desk.changed()

    def _set(self, **changed: object) -> None:
        for name, value in changed.items():
            setattr(self.desk.view.heat, name, value)
        self.desk.changed()
