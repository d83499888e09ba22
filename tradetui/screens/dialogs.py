"""Dialogs: a question whose default is no, and the help."""

from __future__ import annotations

from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from tradetui.keymap import KEYS
from tradetui.render.cells import FAINT, TEXT, WARN

NO = "n,enter,escape,q,ctrl+q,ctrl+c"


class Confirm(ModalScreen[bool]):
    """Asks; only `y` means yes."""

    BINDINGS: ClassVar = [Binding("y", "answer(True)"), Binding(NO, "answer(False)")]
    CSS = """
    Confirm { align: center middle; background: #000000 50%; }
    Confirm > Static {
        width: 66; max-width: 100%; height: auto; padding: 1 2; border: heavy #ffb000; background: #1c1c1c;
    }
    """

    def __init__(self, question: str, consequence: str) -> None:
        super().__init__()
        self._question = question
        self._consequence = consequence

    def compose(self) -> ComposeResult:
        """Show question, consequence, answers."""
        text = Text(style=TEXT)
        text.append(f"{self._question}\n\n", f"bold {WARN}")
        text.append(f"{self._consequence}\n\n")
        text.append("[ no ]", "reverse").append("  enter, n, esc        ").append(" yes ", "bold").append(" y")
        yield Static(text, markup=False)

    def action_answer(self, answer: bool) -> None:
        """Close with the answer."""
        self.dismiss(answer)


class Help(ModalScreen[None]):
    """Every key, and what the words on the screen mean."""

    BINDINGS: ClassVar = [Binding("escape,question_mark,f1,q,enter,ctrl+q,ctrl+c", "leave")]
    CSS = """
    Help { align: center middle; background: #000000 50%; }
    Help > VerticalScroll {
        width: 76; max-width: 100%; height: auto; max-height: 100%;
        padding: 0 2; border: heavy #4aa3ff; background: #1c1c1c; scrollbar-size-vertical: 1;
    }
    Help Static { height: auto; }
    """

    def compose(self) -> ComposeResult:
        """Show the table of keys."""
        keys = Table.grid(padding=(0, 2))
        keys.add_column(width=6, style="bold")
        keys.add_column()
        for key in KEYS:
            keys.add_row(Text(key.shown), Text(key.explained))
        with VerticalScroll() as scroll:
            scroll.border_title = "keys"
            scroll.border_subtitle = "esc leaves"
            yield Static(keys)
            yield Static(Text(WORDS, style=FAINT), markup=False)

    def action_leave(self) -> None:
        """Close."""
        self.dismiss(None)


WORDS = """
live: every message of the book is accounted for. NOT LIVE: do not use these prices. no news: the engine says \
nothing of it. Grey is old, and its age stands beside it. \u25b2 the last trade was a buy, \u25bc a sell.
The console only looks on: leaving it, killing it or losing the line does nothing to the engine."""
