"""A terminal emulator under an app: what a person would see after everything that the app has sent."""

from __future__ import annotations

from typing import Any

import pyte
from rich.console import Console
from textual.app import App
from textual.drivers.headless_driver import HeadlessDriver

Cells = list[list[tuple[Any, ...]]]


class EmulatedDriver(HeadlessDriver):
    """Feeds what an app writes to an emulator."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.screen = pyte.Screen(*self._get_terminal_size())
        self.stream = pyte.Stream(self.screen)
        self.written = 0

    @property
    def is_headless(self) -> bool:
        return False

    def write(self, data: str) -> None:
        self.written += len(data)
        self.stream.feed(data)

    def flush(self) -> None:
        """Nothing is buffered."""

    def resized(self, width: int, height: int) -> None:
        self.screen.resize(lines=height, columns=width)


def shown(app: App[Any]) -> Cells:
    """Return the cells that the terminal shows."""
    driver = app._driver
    assert isinstance(driver, EmulatedDriver)
    return cells(driver.screen)


def rendered(app: App[Any]) -> Cells:
    """Return the cells of a full render of the same screen, in a terminal of its own."""
    width, height = app.size
    screen = pyte.Screen(width, height)
    console: Console = app.console
    update = app.screen._compositor.render_full_update()
    pyte.Stream(screen).feed(update.render_segments(console))
    return cells(screen)


def cells(screen: pyte.Screen) -> Cells:
    """Return every cell's character and colours."""
    return [
        [
            (cell.data, cell.fg, cell.bg, cell.bold, cell.reverse, cell.underscore)
            for cell in (screen.buffer[y][x] for x in range(screen.columns))
        ]
        for y in range(screen.lines)
    ]


def text(app: App[Any]) -> list[str]:
    """Return what the terminal shows, line by line, without colours."""
    return ["".join(cell[0] for cell in row) for row in shown(app)]


def differing(one: Cells, other: Cells) -> list[tuple[int, int]]:
    """Return the places (x, y) at which two screens differ."""
    assert len(one) == len(other)
    return [
        (x, y)
        for y, (left, right) in enumerate(zip(one, other, strict=True))
        for x, (a, b) in enumerate(zip(left, right, strict=True))
        if a != b
    ]
