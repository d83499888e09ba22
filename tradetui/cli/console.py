"""The console: what `tradetui` opens."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from engine.errors import SettingsInvalid

if TYPE_CHECKING:
    from tradetui.app import ConsoleApp
    from tradetui.link import Link
    from tradetui.places import Places

SWITCHES = {"parts.inference": "--no-inference", "parts.training": "--no-training", "parts.trading": "--no-trading"}


def console(profile: str, config: Path | None, flags: dict[str, object], *, symbols: list[str]) -> None:
    """Attach to the profile's engine, or start one, and show it until the person leaves.

    Raises:
        SettingsInvalid: There is no terminal, or a setting is wrong; nothing was started.
    """
    from engine.ingestion.symbols import full_key, symbol_of
    from tradetui.config import load
    from tradetui.places import places

    _terminal()
    load(config, profile=profile, flags=flags)
    for symbol in symbols:
        symbol_of(full_key(symbol))
    here = places(profile)
    here.make()
    _show(here, arguments(config, flags, symbols))


def arguments(config: Path | None, flags: dict[str, object], symbols: list[str]) -> list[str]:
    """Return what an engine that is started from here is told."""
    given = ["--config", str(config.absolute())] if config is not None else []
    for symbol in symbols:
        given += ["--symbol", symbol]
    if flags.get("engine.record"):
        given += ["--record", str(flags["engine.record"])]
    given += [switch for key, switch in SWITCHES.items() if flags.get(key) is False]
    if flags.get("log.level"):
        given.append("--debug")
    return given


def _terminal() -> None:
    """Find out whether there is a terminal to draw on (Textual draws on standard error).

    Raises:
        SettingsInvalid: There is none.
    """
    import sys

    streams = (sys.__stdin__, sys.__stdout__, sys.__stderr__)
    if not all(stream is not None and not stream.closed and stream.isatty() for stream in streams):
        raise SettingsInvalid("the console needs a terminal; use `tradetui status` or `tradetui --headless`")


def _show(here: Places, given: list[str]) -> None:
    from tradetui.app import ConsoleApp
    from tradetui.link import Link
    from tradetui.terminal import Terminal

    terminal = Terminal()

    async def run() -> tuple[ConsoleApp, Link]:
        link = Link(here, given)
        app = ConsoleApp(link, terminal)
        terminal.watch(app)
        try:
            await app.run_async(mouse=False)
        finally:
            terminal.done()
        return app, link

    app, link = asyncio.run(run())
    if app.fault is not None:
        typer.echo(f"tradetui: {_fault(here, app.fault)}", err=True)
        raise typer.Exit(1)
    typer.echo(farewell(link))
    if terminal.ended_by:
        raise typer.Exit(128 + terminal.ended_by)


def _fault(here: Places, fault: BaseException) -> str:
    """Write a report of a fault of ours; return what there is to say."""
    from tradetui.crash import crash_report
    from tradetui.redaction import Redactor

    report = crash_report(here, "console", fault, Redactor(), lambda: 0)
    where = f"; see {report}" if report is not None else ""
    return f"the console ended by a fault of ours: {type(fault).__name__}: {fault}{where}; the engine goes on"


def farewell(link: Link) -> str:
    """Return the last line, for the terminal that is given back."""
    profile = "" if link.places.profile == "default" else f" --profile {link.places.profile}"
    if link.attached:
        return (
            f"detached; the engine (pid {link.pid}) goes on: `tradetui{profile}` attaches again, "
            f"`tradetui stop{profile}` ends it"
        )
    return f"detached; no engine is attached: `tradetui{profile}` looks for it, or starts one"
