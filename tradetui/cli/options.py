"""Options that many commands share, and what a command line says about profile and settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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


before: dict[str, str | None] = {"profile": None, "config": None}
"""What was given before the command, as in `tradetui --profile cob status`."""


def profile_of(option: str | None, usual: str = "default") -> str:
    """Return the profile: of the command, else given before it, else TRADETUI_PROFILE, else the usual one."""
    return option or before["profile"] or os.environ.get("TRADETUI_PROFILE") or usual


def config_of(option: Path | None) -> Path | None:
    """Return the settings file given with the command or before it."""
    first = before["config"]
    return option if option is not None else Path(first) if first is not None else None


def places_of(option: str | None) -> Places:
    """Return the places of the profile.

    Raises:
        SettingsInvalid: The name cannot be a profile's.
    """
    from tradetui.places import places

    return places(profile_of(option))
