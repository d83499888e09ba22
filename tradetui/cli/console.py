"""The console: what `tradetui` opens."""

from __future__ import annotations

from pathlib import Path

from engine.errors import SettingsInvalid
from tradetui.cli.screen import Screen, show

SWITCHES = {"parts.inference": "--no-inference", "parts.training": "--no-training", "parts.trading": "--no-trading"}


def console(
    profile: str,
    config: Path | None,
    flags: dict[str, object],
    *,
    symbols: list[str],
    screen: Screen = Screen(),  # noqa: B008
) -> None:
    """Attach to the profile's engine, or start one, and show it until the person leaves.

    Raises:
        SettingsInvalid: There is no terminal, or a setting is wrong; nothing was started.
    """
    from engine.ingestion.symbols import full_key, symbol_of
    from tradetui.config import load
    from tradetui.lock import is_held
    from tradetui.places import places

    terminal()
    load(config, profile=profile, flags=flags)
    for symbol in symbols:
        symbol_of(full_key(symbol))
    here = places(profile)
    if here.replay and not is_held(here.lock):
        raise SettingsInvalid(f"no replay {profile!r} is running; `tradetui --replay PATH` starts one")
    here.make()
    show(here, arguments(config, flags, symbols), screen)


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


def terminal() -> None:
    """Find out whether there is a terminal to draw on (Textual draws on standard error).

    Raises:
        SettingsInvalid: There is none.
    """
    import sys

    streams = (sys.__stdin__, sys.__stdout__, sys.__stderr__)
    if not all(stream is not None and not stream.closed and stream.isatty() for stream in streams):
        raise SettingsInvalid("the console needs a terminal; use `tradetui status` or `tradetui --headless`")
