"""Dialogs about trading: each is about one engine and no other; what has to be told whole waits its turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from tradetui.console.screens.dialogs import Told

if TYPE_CHECKING:
    from textual.screen import Screen

    from tradetui.console.desk_app import DeskApp

Answer = TypeVar("Answer")

ANOTHER = "another engine is attached than the one that was looked at"


class Questions:
    """The dialogs about trading of one console."""

    def __init__(self, app: DeskApp) -> None:
        self._app = app
        self._asking: tuple[Screen[Any], tuple[int, int]] | None = None
        """The lowest dialog about trading that is open, and pid and start of the engine that it is about."""
        self._untold: list[Told] = []

    @property
    def _engine(self) -> tuple[int, int]:
        return self._app.link.pid, self._app.link.started

    def ask(self, screen: Screen[Answer], answered: Callable[[Answer | None], None]) -> None:
        """Show a dialog; what is answered is about the engine of now, or is not asked of any."""
        about = self._engine

        def answer(given: Answer | None) -> None:
            if given and self._engine != about:
                self._say(f"not asked: {ANOTHER}")
            else:
                answered(given)

        if self._asking is None or self._asking[0] not in self._app.screen_stack:
            self._asking = screen, about
        self._app.push_screen(screen, answer)

    def tell(self, title: str, lines: list[str]) -> None:
        """Tell something whole: now, or when no dialog is open any more."""
        self._untold.append(Told(title, lines))
        self.look()

    def look(self) -> None:
        """Close what is asked about an engine that is another one by now; tell what waited for a dialog to end."""
        app = self._app
        if self._asking is not None:
            screen, about = self._asking
            if screen not in app.screen_stack:
                self._asking = None
            elif self._engine != about:
                while len(app.screen_stack) > 1:
                    app.pop_screen()
                self._asking, app.desk.taken, app.desk.hold = None, None, ""
                self._say(f"what was asked is closed: {ANOTHER}")
        if self._untold and len(app.screen_stack) == 1:
            app.push_screen(self._untold.pop(0))

    def _say(self, text: str) -> None:
        self._app.desk.say(text)
        self._app.changed()
