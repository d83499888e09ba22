"""A list of things that can be switched on and off, or chosen one of; the chart under it shows each change at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, NamedTuple

from textual.binding import Binding
from textual.content import Content
from textual.widget import Widget
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tradetui.console.screens.dialogs import OUT, Choice, Dialog
from tradetui.console.screens.drawn import as_shown


class Switch(NamedTuple):
    """One line: its name, what it is, and whether it is one of several of which one holds (`single`)."""

    name: str
    explained: str
    single: bool = False


class Switches(Dialog[None]):
    """Switches things; space or enter does it, `esc` leaves and keeps them."""

    BINDINGS: ClassVar = [
        Binding(OUT, "leave"), Binding("j", "move(1)"), Binding("k", "move(-1)"), Binding("space", "switch"),
    ]  # fmt: skip

    def __init__(
        self, title: str, switches: Sequence[Switch], on: Callable[[str], bool], switch: Callable[[str], None]
    ) -> None:
        """`on` tells whether something is on, `switch` changes it."""
        super().__init__()
        self.TITLE_ = title  # type: ignore[misc]
        self._switches = switches
        self._on = on
        self._switch = switch

    def content(self) -> Iterable[Widget]:
        """Return the list."""
        yield OptionList(*(Option(self._line(each), id=each.name) for each in self._switches), compact=True)
        yield Choice("enter space", "on or off", "switch", first=True)
        yield Choice("esc", "close", "leave")

    def on_mount(self) -> None:
        """Begin at the first line."""
        self.query_one(OptionList).highlighted = 0

    def _line(self, switch: Switch) -> Content:
        mark = "*" if self._on(switch.name) else " "
        box = f"({mark})" if switch.single else f"[{mark}]"
        return Content(as_shown(self.app, f"{box} {switch.name:<11} {switch.explained}"))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Switch the line under the cursor."""
        event.stop()
        self._change()

    def action_switch(self) -> None:
        """Switch the line under the cursor."""
        self._change()

    def _change(self) -> None:
        lines = self.query_one(OptionList)
        at = lines.highlighted
        if at is None:
            return
        self._switch(self._switches[at].name)
        for number, each in enumerate(self._switches):
            lines.replace_option_prompt_at_index(number, self._line(each))

    def action_move(self, steps: int) -> None:
        """Go to another line."""
        lines = self.query_one(OptionList)
        if steps > 0:
            lines.action_cursor_down()
        else:
            lines.action_cursor_up()
