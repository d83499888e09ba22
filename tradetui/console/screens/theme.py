"""Themes for what Textual draws itself (dialogs, lines, the palette of commands), and the dialog that chooses one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from rich._palettes import STANDARD_PALETTE  # what Rich rounds to on a terminal of 16 colours
from rich.color import Color
from textual.binding import Binding
from textual.theme import Theme
from textual.widget import Widget
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from themes.palette import Palette
from tradetui.console.render.look import Look
from tradetui.console.screens.dialogs import OUT, Choice, Dialog
from tradetui.console.screens.drawn import drawn

FULL = Look()

BLACK, WHITE = 0, 15

WHITE_ON_BLACK = frozenset({"text", "faint", "focus", "border", "key", "own", "warn", "bad", "good", "select"})
"""Roles that are white where there are no colours; the others are black."""


def textual_theme(palette: Palette, look: Look = FULL) -> Theme:
    """Return a theme in which Textual's own widgets look like the panes.

    On a terminal of 16 colours each colour is exactly one of those, so that none is rounded to a neighbour.
    """

    def colour(role: str) -> str:
        if look.colours in ("16", "none"):
            number = palette.sixteen[role]
            if look.colours == "none":
                number = WHITE if role in WHITE_ON_BLACK else BLACK
            elif number < 0:
                number = BLACK if palette.dark else WHITE
            return STANDARD_PALETTE[number].hex
        return Color.from_rgb(*palette.colours[role]).get_truecolor().hex

    text, ground, panel, bar = colour("text"), colour("ground"), colour("panel"), colour("bar")
    select, select_text, border = colour("select"), colour("select_text"), colour("border")
    return Theme(
        name=f"tradetui-{palette.name}",
        primary=colour("key"),
        secondary=colour("own"),
        accent=colour("warn"),
        warning=colour("warn"),
        error=colour("bad"),
        success=colour("good"),
        foreground=text,
        background=ground,
        surface=panel,
        panel=bar,
        boost=bar,
        dark=palette.dark,
        text_alpha=1.0,
        variables={
            "text": text,
            "text-muted": colour("faint"),
            "text-disabled": colour("faint"),
            "text-error": colour("bad"),
            "text-warning": colour("warn"),
            "border": colour("focus"),
            "border-blurred": border,
            "block-cursor-background": select,
            "block-cursor-foreground": select_text,
            "block-cursor-blurred-background": select,
            "block-cursor-blurred-foreground": select_text,
            "block-hover-background": select,
            "input-cursor-background": text,
            "input-cursor-foreground": ground,
            "input-selection-background": select,
            "input-selection-foreground": select_text,
            "panel-darken-1": panel,
            "scrollbar": border,
            "scrollbar-hover": text,
            "scrollbar-active": text,
            "scrollbar-background": panel,
            "scrollbar-background-hover": panel,
            "scrollbar-background-active": panel,
            "scrollbar-corner-color": panel,
        },
    )


class ThemePicker(Dialog[str]):
    """Every theme in a list; the one under the cursor is shown at once, `esc` brings the first one back."""

    TITLE_ = "theme"
    BINDINGS: ClassVar = [Binding(OUT, "leave"), Binding("j", "move(1)"), Binding("k", "move(-1)")]

    def __init__(self, palettes: Sequence[Palette], now: str, preview: Callable[[str], None]) -> None:
        """`preview` is called with the name of the theme to be shown; `now` is the one that holds."""
        super().__init__()
        self._palettes = palettes
        self._now = now
        self._shown = now
        self._preview = preview

    def content(self) -> Iterable[Widget]:
        """Return the list."""
        names = [palette.name for palette in self._palettes]
        options = [
            Option(drawn(self.app, f"{palette.name:<15} {palette.title}"), id=palette.name)
            for palette in self._palettes
        ]
        themes = OptionList(*options, compact=True)
        themes.highlighted = names.index(self._now) if self._now in names else 0
        yield themes
        yield Choice("enter", "take it", "take", first=True)
        yield Choice("esc", "as it was", "leave")

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Show a theme."""
        name = event.option.id or ""
        if name != self._shown:
            self._shown = name
            self._preview(name)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Take a theme."""
        self.dismiss(event.option.id)

    def action_move(self, steps: int) -> None:
        """Go to another theme."""
        themes = self.query_one(OptionList)
        if steps > 0:
            themes.action_cursor_down()
        else:
            themes.action_cursor_up()

    def action_take(self) -> None:
        """Take the theme that is shown."""
        self.dismiss(self._shown)

    def action_leave(self) -> None:
        """Go back to the theme that held."""
        if self._shown != self._now:
            self._preview(self._now)
        self.dismiss(None)
