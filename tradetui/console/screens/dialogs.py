"""Dialogs: questions whose default does the least, details, the help. `esc` always leaves; the mouse doubles the keys.

How they look is in `themes/console.tcss`, which an app with these dialogs has to load.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from functools import partial
from typing import ClassVar, Generic, TypeVar

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Input, Static

from tradetui.console.guide import guide
from tradetui.console.keymap import KEYS, Key
from tradetui.console.screens.closing import Once
from tradetui.console.screens.drawn import as_shown, drawn

Answer = TypeVar("Answer")

OUT = "escape,q,ctrl+q,ctrl+c"
"""Keys that leave a dialog."""

MUCH = 500
"""Characters of a consequence from which it is scrolled."""

LONG = 2000
"""Characters of a detail."""


class Choice(Horizontal):
    """One answer: its keys, what it does, and on a click the same as its keys."""

    def __init__(self, keys: str, text: str, action: str, *, first: bool = False) -> None:
        """`first`: this is what enter does."""
        super().__init__(classes="choice")
        self._keys = keys
        self._text = text
        self._action = action
        self._first = first

    def compose(self) -> ComposeResult:
        """Put keys and text side by side."""
        yield Static(Content(self._keys), classes="keys first" if self._first else "keys")
        yield Static(drawn(self.app, self._text), classes="does")

    async def on_click(self) -> None:
        """Do what the keys do."""
        await self.screen.run_action(self._action)


class Dialog(Once[Answer], ModalScreen[Answer], Generic[Answer]):
    """A box in the middle of the screen."""

    TITLE_: ClassVar[str] = ""
    READ_S: ClassVar[float] = 0.3
    """Seconds for which a dialog has to be in sight before it takes an answer that acts."""

    _since = float("inf")

    def on_screen_resume(self) -> None:
        """Count from here how long it is in sight."""
        self._since = time.monotonic()

    @property
    def early(self) -> bool:
        """Whether nobody can have read it yet: a key of now was meant for what was there before, or was pasted."""
        return time.monotonic() - self._since < self.READ_S

    def compose(self) -> ComposeResult:
        """Put the content into a box."""
        with self.box() as box:
            box.border_title = Content(self.TITLE_)
            yield from self.content()

    def box(self) -> Widget:
        """Return the box."""
        return Vertical(classes="box")

    @abstractmethod
    def content(self) -> Iterable[Widget]:
        """Return what is in the box."""

    def on_click(self, event: object) -> None:
        """Leave by a click beside the box."""
        if getattr(event, "widget", None) is self:
            self.action_leave()

    def action_leave(self) -> None:
        """Close without an answer."""
        self.dismiss(None)


class Confirm(Dialog[bool]):
    """Asks; only `y` means yes."""

    TITLE_ = "sure?"
    BINDINGS: ClassVar = [Binding("y", "answer(True)"), Binding(f"n,enter,{OUT}", "answer(False)")]

    def __init__(self, question: str, consequence: str) -> None:
        super().__init__()
        self._question = question
        self._consequence = consequence

    def box(self) -> Widget:
        """Return a box as high as a long consequence needs it, as far as the lines of the account stay in sight."""
        return Vertical(classes="box much" if len(self._consequence) > MUCH else "box")

    def on_resize(self) -> None:
        """Bound the consequence, in cells: a share of the screen does not count where the box is measured."""
        for said in self.query(Scrolled):
            said.styles.max_height = max(self.size.height * 9 // 20, 2)

    def content(self) -> Iterable[Widget]:
        """Return question, consequence, answers."""
        yield Static(drawn(self.app, self._question, LONG), classes="question")
        lines = [Static(drawn(self.app, line, LONG)) for line in self._consequence.split("\n")]
        if len(self._consequence) > MUCH:
            yield Scrolled(*lines, classes="said")
            yield Static(classes="space")
        elif self._consequence:
            yield from lines
            yield Static(classes="space")
        yield Choice("enter n", "no", "answer(False)", first=True)
        yield Choice("y", "yes", "answer(True)")

    def action_answer(self, answer: bool) -> None:
        """Close with the answer; yes only if there was time to read the question."""
        if not (answer and self.early):
            self.dismiss(answer)

    def action_leave(self) -> None:
        """Close with no."""
        self.dismiss(False)


class Leave(Dialog[str]):
    """Asks how to leave: answers `detach`, `stop`, or None to stay."""

    TITLE_ = "leave"
    BINDINGS: ClassVar = [
        Binding("enter,d,q,ctrl+q,ctrl+c", "answer('detach')"),
        Binding("s", "answer('stop')"),
        Binding("escape,n", "leave"),
    ]

    def __init__(self, pid: int, profile: str, others: Sequence[str] = (), *, replay: bool = False) -> None:
        """`others` name the other consoles and clients of the engine; pid 0: none is attached."""
        super().__init__()
        self._pid = pid
        self._profile = profile
        self._others = others
        self._replay = replay

    def content(self) -> Iterable[Widget]:
        """Return what each way of leaving means."""
        yield Static(Content("Leave the replay?" if self._replay else "Leave the console?"), classes="question")
        if not self._pid:
            yield Static(Content("No engine is attached, so nothing goes on, and nothing has to be stopped."))
        elif self._others:
            yield Static(drawn(self.app, f"Attached besides this console: {', '.join(self._others)}."))
        yield Static(classes="space")
        engine = f"(pid {self._pid}, profile {self._profile})"
        if self._replay and self._pid:
            ends = "it goes on for the others" if self._others else "the replay ends: nobody looks on any more"
            yield Choice("enter d", f"leave; {ends}", "answer('detach')", first=True)
            yield Choice("s", f"end the replay {engine}{', for all of them' if self._others else ''}", "answer('stop')")
        elif self._pid:
            yield Choice(
                "enter d", "detach: the engine goes on; `tradetui` attaches again", "answer('detach')", first=True
            )
            whom = ", for all of them" if self._others else ""
            yield Choice("s", f"stop the engine {engine}{whom}: it follows the market no more", "answer('stop')")
        else:
            yield Choice("enter d", "leave", "answer('detach')", first=True)
        yield Choice("esc n", "stay", "leave")

    def action_answer(self, answer: str) -> None:
        """Close with the answer; there is no stopping what is not there."""
        if answer == "detach" or self._pid:
            self.dismiss(answer)


class Scrolled(VerticalScroll):
    """What is scrolled in a dialog, by the keys of the tables, too."""

    BINDINGS: ClassVar = [Binding("j", "scroll_down"), Binding("k", "scroll_up"), Binding("space", "page_down")]


class Told(Dialog[None]):
    """Tells more of something, line by line."""

    BINDINGS: ClassVar = [Binding(f"enter,{OUT}", "leave")]

    def __init__(self, title: str, lines: Sequence[str]) -> None:
        super().__init__()
        self._title = title
        self._lines = lines

    def content(self) -> Iterable[Widget]:
        """Return the lines, each wrapped."""
        yield Static(drawn(self.app, self._title), classes="question")
        yield Scrolled(*(Static(drawn(self.app, line, LONG)) for line in self._lines))
        yield Choice("esc enter", "close", "leave")


class Help(Dialog[None]):
    """What can be pressed and typed here, and what the words on the screen mean."""

    TITLE_ = "help"
    BINDINGS: ClassVar = [
        Binding("slash", "narrow"),
        Binding("question_mark,f1,enter," + OUT, "leave"),
    ]

    def __init__(
        self, kinds: Sequence[str] = (), table: Sequence[Key] = KEYS, *, replay: bool = False, narrow: str = ""
    ) -> None:
        """See `guide` for the arguments."""
        super().__init__()
        self._kinds = kinds
        self._table = table
        self._replay = replay
        self._narrow = narrow

    def box(self) -> Widget:
        """Return a box as high as the screen lets it be."""
        return Vertical(classes="box tall")

    def content(self) -> Iterable[Widget]:
        """Return the line to narrow by, and the sections."""
        yield Input(self._narrow, placeholder="only what has this text", compact=True, classes="narrow")
        yield Scrolled(Static(classes="guide"))
        yield Choice("esc", "leave   \u2191 \u2193 page up page down: scroll   /: find", "leave")

    def on_mount(self) -> None:
        """Show the sections; the line is hidden until somebody wants it."""
        self.query_one(Input).display = bool(self._narrow)
        self.query_one(Scrolled).focus()
        self._show()

    def _show(self) -> None:
        parts: list[RenderableType] = []
        shown = partial(as_shown, self.app)
        for section in guide(self._kinds, self._table, replay=self._replay, narrow=self._narrow):
            parts.append(Text(f"\n{shown(section.title)}", "bold underline"))
            grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
            grid.add_column(width=min(max(self.app.size.width // 4, 12), 24))
            grid.add_column(ratio=1)
            for keys, explained in section.rows:
                grid.add_row(Text(shown(keys), "bold"), Text(shown(explained)))
            parts.append(grid)
        self.query_one(".guide", Static).update(Group(*parts) if parts else Text("\nnothing has this text"))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show only what has the text."""
        self._narrow = event.value
        self._show()

    def on_input_submitted(self) -> None:
        """Give the keys back to what is scrolled."""
        self.query_one(Scrolled).focus()

    def action_narrow(self) -> None:
        """Show the line to narrow by."""
        line = self.query_one(Input)
        line.display = True
        line.focus()
