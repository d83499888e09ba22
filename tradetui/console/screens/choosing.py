"""A question with several answers, of which the first does nothing; and a line of the chart that is moved by keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from textual import events
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Static

from tradetui.console.screens.closing import Once
from tradetui.console.screens.dialogs import LONG, OUT, Choice, Dialog
from tradetui.console.screens.drawn import drawn


class Way(NamedTuple):
    """One answer: the key that gives it, what it does, and what is answered."""

    key: str
    does: str
    answer: str


class Choose(Dialog[str]):
    """Asks which; enter, `n` and `esc` mean none of them."""

    TITLE_ = "which?"

    def __init__(self, question: str, lines: Sequence[str], ways: Sequence[Way]) -> None:
        super().__init__()
        self._question, self._lines, self._ways = question, lines, ways

    def content(self) -> Iterable[Widget]:
        """Return the question, what it is about, and the answers."""
        yield Static(drawn(self.app, self._question, LONG), classes="question")
        for line in self._lines:
            yield Static(drawn(self.app, line, LONG))
        yield Static(classes="space")
        yield Choice("enter n", "nothing", "leave", first=True)
        for way in self._ways:
            yield Choice(way.key, way.does, f"answer({way.answer!r})")

    def on_key(self, event: events.Key) -> None:
        """Take the key of an answer; every other one that could be meant for it leaves."""
        found = next((way for way in self._ways if way.key == event.character), None)
        if found is not None:
            self.action_answer(found.answer)
        elif event.key in ("enter", "n", *OUT.split(",")):
            self.dismiss(None)
        else:
            return
        event.stop()
        event.prevent_default()

    def action_answer(self, answer: str) -> None:
        """Close with an answer, if there was time to read the question."""
        if not self.early:
            self.dismiss(answer)


STEPS = {
    "up": 1, "k": 1, "down": -1, "j": -1, "pageup": 10, "pagedown": -10, "shift+up": 10, "shift+down": -10,
    "ctrl+up": 10, "ctrl+down": -10,
}  # fmt: skip
"""Keys that move a line, and by how many steps."""

TICKS = {"right": 1, "l": 1, "left": -1, "h": -1}
"""Keys that move it by one price step of the instrument."""


class Moving(Once[bool], ModalScreen[bool]):
    """Takes the keys while a line of the chart is in the hand; shows nothing itself. Answers whether to ask for it."""

    def __init__(self, move: Callable[[int], None], other: Callable[[int], None], tick: Callable[[int], None]) -> None:
        """`move` moves the line by steps, `tick` by price steps; `other` takes the next line, or the one before."""
        super().__init__()
        self._move, self._other, self._tick = move, other, tick

    def on_key(self, event: events.Key) -> None:
        """Move, take another line, ask, or let go; a key that means none of these does nothing."""
        event.stop()
        event.prevent_default()
        if event.key in STEPS:
            self._move(STEPS[event.key])
        elif event.key in TICKS:
            self._tick(TICKS[event.key])
        elif event.key in ("tab", "A", "shift+tab"):
            self._other(-1 if event.key == "shift+tab" else 1)
        elif event.key == "enter":
            self.dismiss(True)
        elif event.key in OUT.split(","):
            self.dismiss(False)

    def on_mouse_scroll_up(self) -> None:
        """Move it up."""
        self._move(1)

    def on_mouse_scroll_down(self) -> None:
        """Move it down."""
        self._move(-1)

    def on_click(self) -> None:
        """Let go."""
        self.dismiss(False)
