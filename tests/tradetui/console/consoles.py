"""A console on an emulated terminal, attached to whatever serves the profile's socket."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

from textual import events
from textual.pilot import Pilot

from tests.support.emulator import EmulatedDriver, text
from themes.palette import load
from tradetui.console.app import ConsoleApp
from tradetui.console.desk import Desk
from tradetui.console.layout import Box
from tradetui.console.link import Link
from tradetui.console.panes.paint import Paint
from tradetui.console.panes.pane import Pane
from tradetui.console.render.look import Look
from tradetui.console.view import Memory, View
from tradetui.places import Places

SIZES = [(80, 24), (120, 40), (200, 60)]


class Shown:
    """A console on the screen."""

    def __init__(self, app: ConsoleApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def driver(self) -> EmulatedDriver:
        """The terminal."""
        driver = self.app._driver
        assert isinstance(driver, EmulatedDriver)
        return driver

    @property
    def screen(self) -> list[str]:
        """What the desk shows, line by line."""
        if isinstance(self.app._driver, EmulatedDriver):
            return text(self.app)
        return [strip.text for strip in self.app.screen_stack[0]._compositor.render_strips()]

    @property
    def text(self) -> str:
        """What the desk shows, and the dialog over it."""
        lines = self.screen
        if len(self.app.screen_stack) > 1 and not isinstance(self.app._driver, EmulatedDriver):
            lines = lines + [strip.text for strip in self.app.screen._compositor.render_strips()]
        return "\n".join(lines)

    async def sees(self, said: str, within_s: float = 30.0) -> None:
        """Wait until something is shown."""
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            if said in self.text:
                return
            await self.pilot.pause(0.05)
        raise AssertionError(f"{said!r} is not on the screen:\n{self.text}")

    async def misses(self, said: str, within_s: float = 30.0, of: str = "") -> None:
        """Wait until something is shown no more, on the screen or by a pane."""
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            if said not in ("\n".join(self.lines(of)) if of else self.text):
                return
            await self.pilot.pause(0.05)
        raise AssertionError(f"{said!r} is still on the screen:\n{self.text}")

    async def becomes(self, fact: Callable[[], object], within_s: float = 30.0) -> None:
        """Wait until something is so."""
        until = time.monotonic() + within_s
        while not fact():
            assert time.monotonic() < until, self.text
            await self.pilot.pause(0.02)

    async def press(self, *keys: str) -> None:
        """Press keys, and let what they do be drawn."""
        await self.pilot.press(*keys)
        await self.pilot.pause()

    def burst(self, text: str) -> None:
        """Have keys come all at once, as those of a paste, a macro, or `tmux send-keys` do."""
        for char in text:
            name = {" ": "space", ":": "colon", "\r": "enter"}.get(char, char)
            self.app.post_message(events.Key(name, char))

    async def resize(self, width: int, height: int) -> None:
        """Give the terminal another size."""
        if isinstance(self.app._driver, EmulatedDriver):
            self.app._driver.resized(width, height)
        await self.pilot.resize_terminal(width, height)
        await self.pilot.pause(0.1)

    def pane(self, name: str) -> Pane:
        """Return a pane."""
        return self.app.screen_stack[0].query_one(f"#{name}", Pane)

    def lines(self, name: str) -> list[str]:
        """Return what a pane shows, border included."""
        return self.pane(name).plain

    @property
    def boxes(self) -> dict[str, Box]:
        """Where everything is."""
        return self.app._body.places.boxes


@contextlib.asynccontextmanager
async def console(
    here: Places,
    size: tuple[int, int] = (120, 40),
    *,
    given: list[str] | None = None,
    view: View | None = None,
    look: Look = Look(),  # noqa: B008
    memory: Path | None = None,
    emulated: bool = False,
    **clocks: Any,
) -> AsyncIterator[Shown]:
    """Open a console, on an emulated terminal if that is wanted (it is slow); `clocks` go to its link."""
    kept = Memory(memory) if memory is not None else None
    seen = view or (kept.recall() if kept is not None else View())
    link = Link(here, given or [], pauses=(0.2, 0.4), **clocks)
    app = ConsoleApp(Desk(link, seen, look, Paint(load(seen.theme), look)), memory=kept)
    if emulated:
        app.driver_class = EmulatedDriver
    async with app.run_test(headless=not emulated, size=size) as pilot:
        yield Shown(app, pilot)


def everything(pane: Pane) -> Iterator[str]:
    """Yield the kinds of a pane's keys."""
    yield from (*pane.KIND.split(), "everywhere", "replay", "trading")
