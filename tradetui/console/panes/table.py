"""The ground of lists: a cursor that stays with its row, a window that follows it, a filter, the mouse."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from textual import events
from textual.message import Message

from engine.types import SECOND
from tradetui.console.keys import pressed
from tradetui.console.panes.pane import Pane
from tradetui.console.render.frame import Frame
from tradetui.console.render.pens import FAINT, pen
from tradetui.console.render.table import Columns, Row, draw, found, heading

if TYPE_CHECKING:
    from tradetui.console.desk import Condition, Desk

WHEEL = 3
"""Rows that one step of the wheel scrolls."""


class Told(Message):
    """A person wants to know more of a row: pairs of name and text, to be shown by the app."""

    def __init__(self, title: str, lines: list[tuple[str, str]]) -> None:
        super().__init__()
        self.title = title
        self.lines = lines


class Window(NamedTuple):
    """A part of the list on the screen: where its first row stands, and which items it shows."""

    x: int
    y: int
    width: int
    first: int
    last: int


class TablePane(Pane):
    """A list of items, one row each. The cursor holds on to the item, not to its place."""

    KIND = "table"
    NAME: ClassVar[str] = ""
    """How it is called in its title; in lower case it is its id."""
    FOLLOWS: ClassVar[bool] = False
    """Whether the newest item is the last one; it is followed until the cursor moves up."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, self.NAME.lower())
        self.chosen: Hashable | None = None
        """What the cursor is on; None: nobody has moved it, so it is on the first item, or on the newest."""
        self._at = 0
        self._tops: list[int] = []
        self._windows: list[Window] = []
        self._listed: tuple[object, list[Any]] | None = None
        self._all = 0
        self._room = 1

    # What a list says of itself. ------------------------------------------------------------------------------------

    @abstractmethod
    def source(self) -> object:
        """Return what the rows are made of; it compares equal as long as they are the same."""

    @abstractmethod
    def items(self) -> Sequence[Any]:
        """Return everything that is listed, in order."""

    @abstractmethod
    def key(self, item: Any) -> Hashable | None:
        """Return what tells an item from all others; None if it cannot be chosen."""

    @abstractmethod
    def row(self, item: Any, width: int) -> Row:
        """Return the row of an item in a table of that width."""

    def columns(self, width: int) -> Columns:  # noqa: ARG002 - most tables need it
        """Return the columns; none if every row has its own."""
        return ()

    def empty(self) -> str:
        """Return what an empty list waits for, and what the person can do."""
        return "nothing yet"

    def below(self, height: int) -> int:  # noqa: ARG002
        """Return how many lines under the list tell of the chosen item."""
        return 0

    def draw_below(self, frame: Frame, item: Any) -> None:
        """Draw those lines."""

    def cuts(self, items: Sequence[Any], width: int) -> list[int]:  # noqa: ARG002
        """Return where the list is cut to stand side by side: places among the items, with the first and the last."""
        return [0, len(items)]

    # The list. ------------------------------------------------------------------------------------------------------

    @property
    def sought(self) -> str:
        """The filter."""
        return self.desk.view.filters.get(self.id or "", "")

    def day(self) -> int:
        """Return the day, counted from 1970: times of another day are told as dates."""
        return self.desk.now() // (86_400 * SECOND)

    def listed(self) -> list[Any]:
        """Return the items that are shown; they are found anew only when there is something new."""
        source = self.source(), self.sought
        if self._listed is None or self._listed[0] != source:
            items = list(self.items())
            self._all = sum(self.key(item) is not None for item in items)
            self._listed = source, self._filtered(items) if self.sought else items
        return self._listed[1]

    def _filtered(self, items: list[Any]) -> list[Any]:
        """Return the items that hold the filter's text; a heading stays if something under it does."""
        kept: list[Any] = []
        heads: list[Any] = []
        for item in items:
            if self.key(item) is None:
                heads = [item]
            elif found(self.row(item, 1000), self.sought):
                kept += [*heads, item]
                heads = []
        return kept

    def condition(self) -> Condition | None:
        """Return None: each row says so itself."""
        return None

    def version(self) -> object:
        """Return what is listed, and where the cursor is."""
        return self.source(), self.sought, self.chosen, tuple(self._tops)

    def title(self) -> str:
        """Return the name, and the filter."""
        if not self.sought:
            return self.NAME
        shown = sum(self.key(item) is not None for item in self.listed())
        return f"{self.NAME} /{self.sought} {shown} of {self._all}"

    @property
    def item(self) -> Any | None:
        """What the cursor is on, None if nothing is listed."""
        items = self.listed()
        at = self._find(items)
        return items[at] if 0 <= at < len(items) else None

    def _find(self, items: Sequence[Any]) -> int:
        """Return where the cursor is, -1 if nothing can be chosen. If its item is gone it stays where it was."""
        if self.chosen is not None:
            for at, item in enumerate(items):
                if self.key(item) == self.chosen:
                    return at
        wanted = len(items) - 1 if self.FOLLOWS else 0
        return self._nearest(items, wanted if self.chosen is None else self._at)

    def _nearest(self, items: Sequence[Any], at: int) -> int:
        """Return the place of the item next to `at` that can be chosen."""
        at = min(max(at, 0), len(items) - 1)
        places = [*range(at, len(items)), *range(at - 1, -1, -1)] if items else []
        return next((place for place in places if self.key(items[place]) is not None), -1)

    # Drawing. -------------------------------------------------------------------------------------------------------

    def draw(self, frame: Frame) -> None:
        """Draw heads, the rows that have room, and what is told of the chosen one."""
        items = self.listed()
        self._at = at = self._find(items)
        below = self.below(frame.height) if items else 0
        columns = self.columns(frame.width)
        if columns:
            draw(frame, columns, [heading(columns)])
        top = int(bool(columns))
        height = max(frame.height - top - below, 0)
        if not items and height:
            frame.text(1, top, self._nothing(), pen(FAINT), most=max(frame.width - 2, 0))
        cuts = self.cuts(items, frame.width)
        self._tops = (self._tops + [0] * len(cuts))[: len(cuts) - 1]
        self._room, self._windows = max(height, 1), []
        wide = frame.width // len(self._tops)
        for number, (first, last) in enumerate(pairwise(cuts)):
            most = max(last - first - height, 0)
            shown = self._tops[number]
            if first <= at < last:
                shown = min(max(shown, at - first - height + 1), at - first)
                if shown == 1 and self.key(items[first]) is None and at - first < height:
                    shown = 0  # the heading over the first row
            self._tops[number] = shown = min(max(shown, 0), most)
            begin = first + shown
            end = min(begin + height, last)
            place = frame.part(number * wide, top, wide, height)
            rows = [self.row(item, wide) for item in items[begin:end]]
            draw(place, columns, rows, chosen=at - begin if begin <= at < end else -1, active=self.has_focus)
            self._windows.append(Window(number * wide, top, wide, begin, end))
        if below and at >= 0:
            self.draw_below(frame.part(0, frame.height - below, frame.width, below), items[at])

    def _nothing(self) -> str:
        """Return why no row is listed."""
        if self.sought and self._all:
            return f"no row holds {self.sought!r}; {pressed(self.desk.keys, 'filter')} changes the filter"
        return self.empty()

    # Keys. ----------------------------------------------------------------------------------------------------------

    def action_row(self, steps: int) -> None:
        """Move the cursor by so many rows."""
        items = self.listed()
        at = self._find(items)
        choosable = [place for place, item in enumerate(items) if self.key(item) is not None]
        if at < 0 or not choosable:
            return
        to = min(max(choosable.index(at) + steps, 0), len(choosable) - 1)
        self._choose(items, choosable[to])

    def action_rows(self, pages: int) -> None:
        """Move the cursor by so many pages."""
        self.action_row(pages * max(self._room - 1, 1))

    def action_detail(self) -> None:
        """Tell more of the row, or use it."""

    def _choose(self, items: Sequence[Any], at: int) -> None:
        follows = self.FOLLOWS and at == len(items) - 1
        self.chosen = None if follows else self.key(items[at])
        self._at = at
        self.desk.changed()

    # The mouse. -----------------------------------------------------------------------------------------------------

    def on_click(self, event: events.Click) -> None:
        """Choose the row under the mouse; a double click uses it."""
        x, y = event.x - self.BORDERED, event.y - self.BORDERED
        items = self.listed()
        for window in self._windows:
            at = window.first + y - window.y
            if window.x <= x < window.x + window.width and window.first <= at < min(window.last, len(items)):
                if y >= window.y and self.key(items[at]) is not None:
                    self._choose(items, at)
                    if event.chain == 2:
                        self.action_detail()
                return

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scroll on."""
        self._scroll(event.x - self.BORDERED, WHEEL)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scroll back."""
        self._scroll(event.x - self.BORDERED, -WHEEL)

    def _scroll(self, x: int, rows: int) -> None:
        """Move the window under the mouse; the cursor stays in sight."""
        items = self.listed()
        cuts = self.cuts(items, self.size.width - 2 * self.BORDERED)
        number = next((n for n, window in enumerate(self._windows) if window.x <= x < window.x + window.width), 0)
        if not items or number >= len(self._tops) or number + 1 >= len(cuts):
            return
        first, last = cuts[number], cuts[number + 1]
        top = min(max(self._tops[number] + rows, 0), max(last - first - self._room, 0))
        self._tops[number] = top
        at = self._find(items)
        if first <= at < last:
            inside = self._nearest(items, min(max(at, first + top), first + top + self._room - 1))
            if inside != at and inside >= 0:
                self._choose(items, inside)
                return
        self.desk.changed()
