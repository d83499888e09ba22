"""The line at the bottom: commands behind `:`, the filter of the pane in focus behind `/`."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.suggester import Suggester
from textual.widget import Widget
from textual.widgets import Input, Static

from engine.text import inert
from tradetui.console.arguments import Known
from tradetui.console.prompt import LONGEST, Wrong, complete, hint, parse
from tradetui.console.screens.drawn import drawn

KEPT = 100
"""Lines of each kind that are remembered."""


class CommandLine(Widget):
    """One line of input. A command that cannot be read stays in it, and what is wrong is said above.

    `begin` and `focus_line` open it; it closes itself by `esc`, and when a line was entered.
    """

    def __init__(
        self,
        known: Callable[[], Known],
        entered: Callable[[str, str], None],
        changed: Callable[[str, str], None],
        closed: Callable[[], None],
    ) -> None:
        """Tell at once what happens: keys that come in one burst must meet what those before them have caused.

        Args:
            known: Tells what a command may speak of.
            entered: Called with prefix and text when a line was entered: a command that can be read, or a filter.
            changed: Called with prefix and text as it is typed; `esc` sets a filter back to what it was at first.
            closed: Called when the line has been closed.
        """
        super().__init__(id="command")
        self.open = False
        self.prefix = ":"
        self.known = known
        self._when_entered, self._when_changed, self._when_closed = entered, changed, closed
        self._first = self._refused = ""
        self._lines: dict[str, list[str]] = {":": [], "/": []}
        self._mark = Static(":", classes="prefix", markup=False)
        self._input = LineInput(self)
        self._said = Static("", classes="said", markup=False)

    def compose(self) -> ComposeResult:
        """Put the line together."""
        yield self._mark
        yield self._input
        yield self._said

    # For the app. ---------------------------------------------------------------------------------------------------

    def begin(self, prefix: str, text: str = "") -> None:
        """Open it with a text to go on from."""
        self.open, self.prefix, self._first = True, prefix, text
        self._mark.update(Content(prefix))
        self._input.set(text)
        self._hint(text)

    def focus_line(self) -> None:
        """Take the keys."""
        self.screen.set_focus(self._input)  # at once: the next keys may have come with this one

    def wrong(self, told: str) -> None:
        """Say what is wrong with the line, above it."""
        self._said.update(drawn(self.app, told))
        self._said.add_class("wrong")
        self._refused = self._input.value

    @property
    def refused(self) -> bool:
        """Whether what stands in the line was entered, and is wrong: a new colon begins a new line."""
        return self._said.has_class("wrong")

    def close(self) -> None:
        """Give the keys back."""
        if self.open:
            self.open = False
            self._when_closed()

    # For the input. -------------------------------------------------------------------------------------------------

    def candidates(self, text: str) -> list[str]:
        """Return whole lines that begin as a text does."""
        return complete(text, self.known()) if self.prefix == ":" else []

    def past(self) -> list[str]:
        """Return the lines entered before, the oldest first."""
        return self._lines[self.prefix]

    def leave(self) -> None:
        """Close it; a filter is again what it was."""
        if self.prefix == "/" and self._input.value != self._first:
            self._when_changed(self.prefix, self._first)
        self.close()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Say what can be typed, or tell what is to be filtered."""
        event.stop()
        if not self.open or event.value != self._input.value or (self.refused and event.value == self._refused):
            return  # keys of a burst: what was typed has been entered meanwhile
        self._hint(event.value)
        self._when_changed(self.prefix, event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take a line that was not entered by its key."""
        event.stop()
        self.submit(event.value)

    def submit(self, value: str) -> None:
        """Take a line, or say what is wrong with it."""
        if not self.open:
            return
        text = value.strip()
        if self.prefix == ":" and text:
            read = parse(text, self.known())
            if isinstance(read, Wrong):
                self.wrong(read.told)
                return
        lines = self._lines[self.prefix]
        if text:
            lines[:] = [*(line for line in lines if line != text), text][-KEPT:]
        self.close()
        if text or self.prefix == "/":
            self._when_entered(self.prefix, text)

    def on_click(self, event: events.Click) -> None:
        """Take the keys."""
        event.stop()
        self.focus_line()

    def _hint(self, text: str) -> None:
        filtering = "rows that hold this text; enter keeps it, esc takes it back, an empty line shows all"
        told = hint(text, self.known()) if self.prefix == ":" else filtering
        self._said.remove_class("wrong")
        self._said.update(drawn(self.app, told))


class LineInput(Input):
    """The input of the line: history by up and down, completion by tab or right."""

    BINDINGS: ClassVar = [
        Binding("up", "past(-1)"),
        Binding("down", "past(1)"),
        Binding("tab", "complete(1)"),
        Binding("shift+tab", "complete(-1)"),
        Binding("escape,ctrl+c", "leave"),
    ]

    def __init__(self, line: CommandLine) -> None:
        super().__init__(compact=True, max_length=LONGEST, suggester=_Completion(line), select_on_focus=False)
        self._line = line
        self._typed = ""
        """What was typed before the history was gone through."""
        self._at: int | None = None
        self._found: list[str] = []
        """What tab goes through, and began with."""

    def on_key(self, event: events.Key) -> None:
        """Take the keys that decide over the line at once: those of a burst are here before what they cause."""
        line = self._line
        if not line.open:
            self.app.post_message(events.Key(event.key, event.character))
        elif event.key == "enter":
            line.submit(self.value)
        elif event.character == ":" == line.prefix and line.refused:
            line.begin(":")
        else:
            return
        event.stop()
        event.prevent_default()

    def set(self, text: str) -> None:
        """Put a text into it, and the cursor behind it."""
        self.value = inert(text, LONGEST)
        self.cursor_position = len(self.value)
        self._at, self._found = None, []

    def action_past(self, steps: int) -> None:
        """Go to another line entered before; after the last one is what was typed."""
        past = self._line.past()
        if self._at is None:
            self._typed, self._at = self.value, len(past)
        at = min(max(self._at + steps, 0), len(past))
        self.set(past[at] if at < len(past) else self._typed)
        self._at = at

    def action_complete(self, steps: int) -> None:
        """Complete what is typed; again: the next way to do so."""
        if self.value not in self._found[1:]:
            self._found = [self.value, *(line for line in self._line.candidates(self.value) if line != self.value)]
        if len(self._found) > 1:
            found = self._found
            self.set(found[(found.index(self.value) + steps) % len(found)])
            self._found = found

    def action_leave(self) -> None:
        """Close the line."""
        self._line.leave()


class _Completion(Suggester):
    """Shows the likeliest completion behind the cursor."""

    def __init__(self, line: CommandLine) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._line = line

    async def get_suggestion(self, value: str) -> str | None:
        """Return the first way to complete a text."""
        return next((line for line in self._line.candidates(value) if line != value), None)
