"""What happened, the newest last; it is followed until the cursor moves up."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from engine.types import SECOND
from tradetui.console.keys import pressed
from tradetui.console.panes.table import TablePane, Told
from tradetui.console.render import events
from tradetui.console.render.table import Columns, Row

if TYPE_CHECKING:
    from tradetui.console.render.events import Event


class EventsPane(TablePane):
    """The engine's events and the console's own words."""

    DIGIT = "8"
    NAME = "Events"
    FOLLOWS = True

    def source(self) -> object:
        """Return how many there are and the last ones, whether the engine speaks, and the days of both clocks."""
        news = self.desk.news
        last = news.events[-1] if news.events else None
        note = news.notes[-1] if news.notes else None
        days = self.day(), news.wall() // (86_400 * SECOND)
        return len(news.events), last, len(news.notes), note, news.attached, days, news.replay is None

    def told(self) -> str:
        """Return whether the newest is followed, or how many lie below."""
        items = self.listed()
        if self.chosen is None or not items:
            return f"{len(items)}, newest last"
        under = len(items) - 1 - self._find(items)
        return f"{under} newer ({pressed(self.desk.keys, 'last')})"

    def items(self) -> Sequence[Event]:
        """Return everything that happened, oldest first."""
        return events.story(self.desk.news)

    def key(self, item: Event) -> Hashable:
        """Return what tells an event from all others."""
        return events.identity(item)

    def columns(self, width: int) -> Columns:  # noqa: ARG002
        """Return the columns."""
        return events.COLUMNS

    def row(self, item: Event, width: int) -> Row:  # noqa: ARG002
        """Return the row of an event."""
        return events.row(item, self.desk.news)

    def empty(self) -> str:
        """Return that nothing happened."""
        return "nothing happened yet"

    def action_detail(self) -> None:
        """Tell everything of the event."""
        item = self.item
        if item is not None:
            self.post_message(Told("Event", events.detail(item)))
