"""Lines of text at fixed places. Only those that differ from what is on the screen are drawn again."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget


class Rows(Widget):
    """A table drawn by hand, line by line."""

    DEFAULT_CSS = "Rows { height: 1; width: 100%; }"

    def __init__(self, name: str) -> None:
        super().__init__(id=name)
        self._lines: list[Text] = []
        self.drawn = 0

    def put(self, lines: Sequence[Text]) -> None:
        """Show these lines."""
        before, self._lines = self._lines, list(lines)
        changed = [
            Region(0, y, self.size.width, 1)
            for y in range(max(len(before), len(self._lines)))
            if y >= len(before) or y >= len(self._lines) or not _same(before[y], self._lines[y])
        ]
        if changed:
            self.drawn += len(changed)
            self.refresh(*changed)

    def tall(self, height: int) -> None:
        """Take this many lines of the screen."""
        if self.styles.height is None or self.styles.height.value != height:
            self.styles.height = height

    def render_line(self, y: int) -> Strip:
        """Return one line."""
        width = self.size.width
        if y >= len(self._lines):
            return Strip.blank(width, self.rich_style)
        line = self._lines[y]
        own = self.app.console.get_style(line.style)  # a text without spans is rendered without its own style
        strip = Strip(line.render(self.app.console)).apply_style(own)
        return strip.adjust_cell_length(width, self.rich_style).apply_style(self.rich_style)

    @property
    def plain(self) -> list[str]:
        """What is shown, without styles."""
        return [line.plain for line in self._lines]


def _same(one: Text, other: Text) -> bool:
    return one.plain == other.plain and one.style == other.style and one.spans == other.spans
