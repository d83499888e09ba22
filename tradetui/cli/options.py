"""Options that many commands share, and what is read out of them: profile, settings, instruments, timeframes, times."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from tradetui.places import Places

T = TypeVar("T")

Profile = Annotated[
    str | None,
    typer.Option("--profile", help="Profile, with an engine, state and logs of its own. [default: default]"),
]
Config = Annotated[Path | None, typer.Option("--config", help="Settings file instead of the default one.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Symbol = Annotated[str, typer.Argument(help="Instrument, as in ETH/USDT or binanceusdm:BTC/USDT:USDT.")]
Stored = Annotated[str, typer.Argument(help="Instrument, as in ETH/USDT or kraken:BTC/USDC; without one all.")]
"""One of those that are stored, of any venue."""

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


def key_of(symbol: str) -> str:
    """Return the key of an instrument of any venue; without a venue it is Binance spot. "" stays.

    Raises:
        SettingsInvalid: Not an instrument.
    """
    from engine.errors import SettingsInvalid

    venue, colon, name = symbol.partition(":")
    if not symbol:
        return ""
    if not colon or "/" in venue:
        venue, name = "binance", symbol
    if "/" not in name:
        raise SettingsInvalid(f"{symbol!r}: expected an instrument, as in ETH/USDT or kraken:BTC/USDC")
    return f"{venue.lower()}:{name.upper()}"


def timeframe_of(name: str) -> str:
    """Return a timeframe's name; "" stays.

    Raises:
        SettingsInvalid: There is none such.
    """
    from engine.errors import SettingsInvalid
    from engine.types import Timeframe

    if name and name not in list(Timeframe):
        raise SettingsInvalid(f"--timeframe {name!r}: expected one of {', '.join(Timeframe)}")
    return name


def time_of(option: str, text: str, usual: T) -> int | T:
    """Return a UTC time as ms, `usual` for nothing.

    Raises:
        SettingsInvalid: Not a time.
    """
    return int(utc_of(option, text).timestamp() * 1000) if text else usual


def utc_of(option: str, text: str, also: str = "") -> datetime:
    """Return a time; without a zone it is UTC. `also` is what else may stand there, for the error.

    Raises:
        SettingsInvalid: Not a time.
    """
    from engine.errors import SettingsInvalid

    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise SettingsInvalid(
            f"{option} {text!r} is no time: expected a UTC time, as in 2024-08-09 or 2024-08-09T00:00{also}"
        ) from error
    return when if when.tzinfo is not None else when.replace(tzinfo=UTC)
