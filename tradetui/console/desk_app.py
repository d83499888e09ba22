"""The app as its parts see it: acts, dialogs and keys know this much of it, and the app itself knows all of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.app import App

if TYPE_CHECKING:
    from engine.tradingviews import OrderView
    from tradetui.console.desk import Desk
    from tradetui.console.keymap import Key
    from tradetui.console.keys import Keys
    from tradetui.console.link import Link
    from tradetui.console.panes.paint import Paint
    from tradetui.console.panes.pane import Pane


class DeskApp(App[None]):
    """A Textual app with a desk on its screen and an engine at the end of its link."""

    desk: Desk
    link: Link
    keys: Sequence[Key]
    """The keys as they hold."""
    own_keys: Keys

    @abstractmethod
    def changed(self) -> None:
        """Draw at once what a key has changed."""

    @abstractmethod
    def paint(self, paint: Paint) -> None:
        """Take a theme: the panes draw themselves anew, dialogs follow."""

    @abstractmethod
    def focus_pane(self, name: str) -> None:
        """Go to a pane; one without a place is given one."""

    @property
    @abstractmethod
    def focused_pane(self) -> Pane:
        """The pane in focus, or that was before a dialog came."""

    @abstractmethod
    def chosen_order(self) -> OrderView | None:
        """Return the order under the cursor, while the list of orders is in focus."""

    @abstractmethod
    def chosen_symbol(self) -> str:
        """Return the instrument of the row under the cursor of positions or orders in focus; else the desk's."""
