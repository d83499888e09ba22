"""The jump: while the panes show letters, the next key goes to one of them."""

from __future__ import annotations

from collections.abc import Mapping

from textual import events
from textual.screen import ModalScreen

from tradetui.console.screens.closing import Once


class Jump(Once[str], ModalScreen[str]):
    """Takes one key; answers the name that belongs to it, None for every other key. Shows nothing itself."""

    def __init__(self, letters: Mapping[str, str]) -> None:
        """`letters` are names by letter."""
        super().__init__()
        self._letters = letters

    def on_key(self, event: events.Key) -> None:
        """Go, or stay."""
        event.stop()
        event.prevent_default()
        self.dismiss(self._letters.get((event.character or "").lower()))

    def on_click(self) -> None:
        """Stay."""
        self.dismiss(None)
