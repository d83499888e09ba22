"""The console on a terminal: what the person asked of it, what the terminal can show, and its end."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import typer

from engine.errors import SettingsInvalid
from tradetui.console.capabilities import look_of, prepare

if TYPE_CHECKING:
    from tradetui.console.app import ConsoleApp
    from tradetui.console.link import Link
    from tradetui.places import Places


class Screen(NamedTuple):
    """Options of the screen; they hold for one console, and say nothing to the engine."""

    colour: str = "auto"
    ascii: bool = False
    low: bool = False
    mouse: bool = True
    theme: str = ""


def open_console(here: Places, given: list[str], screen: Screen) -> tuple[ConsoleApp, Link, int]:
    """Show the engine of these places until the person leaves; return what was shown, and the signal that ended it.

    Raises:
        SettingsInvalid: An option of the screen has no such value.
    """
    try:
        look = look_of(screen.colour, ascii_only=screen.ascii, low=screen.low)
    except ValueError as error:
        raise SettingsInvalid(str(error)) from error
    prepare(look)  # before Textual is imported

    import asyncio

    from themes.palette import FIRST, ThemeInvalid, load
    from tradetui.console.app import ConsoleApp
    from tradetui.console.desk import Desk
    from tradetui.console.keyboard import Driver
    from tradetui.console.keys import load_keys
    from tradetui.console.link import Link
    from tradetui.console.panes.paint import Paint
    from tradetui.console.terminal import Terminal
    from tradetui.console.view import Memory
    from tradetui.places import config_folder, places

    folder = config_folder()
    memory = Memory(places(here.settings).state / "console.json")
    view = memory.recall()
    keys = load_keys(folder / "keys.toml")
    troubles = [*([memory.trouble] if memory.trouble else []), *keys.problems]
    try:
        palette = load(screen.theme or view.theme, folder / "themes")
    except ThemeInvalid as error:
        if screen.theme:
            raise SettingsInvalid(f"--theme: {error}") from error
        troubles.append(str(error))
        palette = load(FIRST)
    view.theme = palette.name
    terminal = Terminal()

    async def run() -> tuple[ConsoleApp, Link]:
        link = Link(here, given)
        app = ConsoleApp(Desk(link, view, look, Paint(palette, look)), terminal, memory, keys)
        app.driver_class = Driver
        app.low = screen.low
        app.acts.own_themes = folder / "themes"
        for trouble in troubles:
            link.say(trouble)
        if screen.low:
            link.say("low bandwidth: one frame a second, and no heat map unless you go there (2)")
        terminal.watch(app)
        try:
            await app.run_async(mouse=screen.mouse)
        finally:
            terminal.done()
        return app, link

    app, link = asyncio.run(run())
    return app, link, terminal.ended_by


def fault_of(here: Places, fault: BaseException) -> str:
    """Write a report of a fault of ours; return what there is to say."""
    from tradetui.crash import crash_report
    from tradetui.lastwords import everything, masked
    from tradetui.places import places

    report = crash_report(places(here.settings), "console", fault, everything(), lambda: 0)
    where = f"; see {report}" if report is not None else ""
    said = masked(f"{type(fault).__name__}: {fault}")
    return f"the console ended by a fault of ours: {said}{where}; the engine goes on"


def farewell(link: Link) -> str:
    """Return the last line, for the terminal that is given back."""
    if link.places.replay:
        return "detached; the replay ends by itself when nobody looks on any more"
    profile = "" if link.places.profile == "default" else f" --profile {link.places.profile}"
    if link.attached:
        return (
            f"detached; the engine (pid {link.pid}) goes on: `tradetui{profile}` attaches again, "
            f"`tradetui stop{profile}` ends it"
        )
    return f"detached; no engine is attached: `tradetui{profile}` looks for it, or starts one"


def _say(text: str, stream: int) -> None:
    """Write a last line; where the terminal is gone, neither this nor what is left in buffers may fail."""
    try:
        typer.echo(text, err=stream == 2)
    except OSError:
        with open(os.devnull, "wb") as nothing:  # noqa: PTH123 - a descriptor is wanted
            os.dup2(nothing.fileno(), stream)


def show(here: Places, given: list[str], screen: Screen) -> None:
    """Show the engine of these places; one that is started from here is told what is `given`.

    Raises:
        SettingsInvalid: An option of the screen has no such value.
    """
    app, link, ended_by = open_console(here, given, screen)
    if app.fault is not None:
        _say(f"tradetui: {fault_of(here, app.fault)}", 2)
        raise typer.Exit(1)
    _say(farewell(link), 1)
    if ended_by:
        raise typer.Exit(128 + ended_by)
