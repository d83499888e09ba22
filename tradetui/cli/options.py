"""Options that many commands share, and what a command line says about profile and settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click
import typer

if TYPE_CHECKING:
    from tradetui.places import Places

Profile = Annotated[
    str | None,
    typer.Option("--profile", help="Profile, with an engine, state and logs of its own. [default: default]"),
]
Config = Annotated[Path | None, typer.Option("--config", help="Settings file instead of the default one.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Symbol = Annotated[str, typer.Argument(help="Instrument, as in ETH/USDT or binanceusdm:BTC/USDT:USDT.")]


def profile_of(option: str | None) -> str:
    """Return the profile: of the command, else given before it, else TRADETUI_PROFILE, else `default`."""
    from tradetui.config import profile_of as named

    return named(option if option is not None else _root("profile"))


def config_of(option: Path | None) -> Path | None:
    """Return the settings file given with the command or before it."""
    before = _root("config")
    return option if option is not None else Path(before) if before is not None else None


def places_of(option: str | None) -> Places:
    """Return the places of the profile.

    Raises:
        SettingsInvalid: The name cannot be a profile's.
    """
    from tradetui.places import places

    return places(profile_of(option))


def _root(name: str) -> str | None:
    context = click.get_current_context(silent=True)
    value = context.find_root().params.get(name) if context is not None else None
    return None if value is None else str(value)
