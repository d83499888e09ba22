"""Settings: one TOML file, then the environment (`TRADETUI__SECTION__KEY`), then flags. Wrong keys are errors.

The exchange's own addresses are the default; every address can be set.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import msgspec

from engine.errors import SettingsInvalid
from engine.ingestion.markets import COINM, SPOT, USDM
from engine.ingestion.session import SessionSettings
from engine.state import MarketSettings

PREFIX = "TRADETUI__"


class Addresses(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base addresses of one market, tried in turn."""

    rest: tuple[str, ...]
    """REST, as in `https://api.binance.com`."""
    ws: tuple[str, ...]
    """WebSocket, as in `wss://stream.binance.com:9443`."""


class Venues(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Addresses by market."""

    binance: Addresses = Addresses(rest=SPOT.rest, ws=SPOT.ws)
    binanceusdm: Addresses = Addresses(rest=USDM.rest, ws=USDM.ws)
    binancecoinm: Addresses = Addresses(rest=COINM.rest, ws=COINM.ws)


class Data(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is followed."""

    symbols: tuple[str, ...] = ("binance:ETH/USDT", "binance:BTC/USDT")
    """Instruments, primary first; without a venue, spot is meant."""
    max_depth: Annotated[int, msgspec.Meta(ge=5)] = 5000
    """Levels a side of a depth snapshot, as far as the market gives them."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set."""

    data: Data = msgspec.field(default_factory=Data)
    market: MarketSettings = msgspec.field(default_factory=MarketSettings)
    websocket: SessionSettings = msgspec.field(default_factory=SessionSettings)
    venues: Venues = msgspec.field(default_factory=Venues)


def default_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where the settings file is looked for."""
    base = environment.get("XDG_CONFIG_HOME") or str(Path(environment.get("HOME", "~")).expanduser() / ".config")
    return Path(base) / "tradetui" / "config.toml"


def load(path: Path | None = None, environment: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings of a file (the default one if there is one) with the environment on top.

    Raises:
        SettingsInvalid: The file is missing or no TOML, or a key or a value is wrong; the message names it.
    """
    tree: dict[str, Any] = {}
    file = path or default_path(environment)
    if path is not None or file.exists():
        try:
            tree = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingsInvalid(f"{file}: {error}") from error
    for name, value in sorted(environment.items()):
        if name.startswith(PREFIX):
            _set(tree, name, value)
    _check_keys(tree, Settings, "")
    venues = tree.get("venues", {})
    for name, addresses in venues.items() if isinstance(venues, dict) else ():
        usual: Addresses = getattr(Venues(), name)
        if isinstance(addresses, dict):
            venues[name] = {"rest": usual.rest, "ws": usual.ws, **addresses}
    try:
        settings = msgspec.convert(tree, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsInvalid(f"settings: {error}") from error
    for name in ("bucket_sizes", "price_ranges"):
        for pair, amount in getattr(settings.market, name).items():
            _check_amount(f"market.{name}.{pair}", amount)
    sizes = {**MarketSettings().bucket_sizes, **settings.market.bucket_sizes}
    return msgspec.structs.replace(settings, market=msgspec.structs.replace(settings.market, bucket_sizes=sizes))


def _check_amount(key: str, amount: str | float) -> None:
    """Refuse what is no positive number."""
    try:
        number = Decimal(str(amount))
    except ArithmeticError:
        number = Decimal(0)
    if not number.is_finite() or number <= 0:
        raise SettingsInvalid(f"{key} = {amount!r}: expected a positive number")


def _set(tree: dict[str, Any], name: str, text: str) -> None:
    """Put one environment variable into the tree; its value is read as TOML, or failing that as text."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    kind: Any = Settings
    keys = name.removeprefix(PREFIX).split("__")
    for place, key in enumerate(keys):
        # Names of settings are in lower case; keys of a table, such as BTC/USDT, stand as they are.
        inside = isinstance(kind, type) and issubclass(kind, msgspec.Struct)
        here = key.lower() if inside else key
        kind = {field.name: field.type for field in msgspec.structs.fields(kind)}.get(here) if inside else None
        if place == len(keys) - 1:
            tree[here] = value
        else:
            tree = tree.setdefault(here, {})
            if not isinstance(tree, dict):
                raise SettingsInvalid(f"{name}: {here!r} is not a section")


def _check_keys(tree: object, kind: type[msgspec.Struct], at: str) -> None:
    """Refuse keys that do not exist, naming the nearest that does."""
    if not isinstance(tree, dict):
        return
    fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
    for key, value in tree.items():
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, 1)
            hint = f"; did you mean {at}{near[0]}?" if near else ""
            raise SettingsInvalid(f"unknown setting {at}{key} = {value!r}{hint} (known: {', '.join(fields)})")
        if isinstance(fields[key], type) and issubclass(fields[key], msgspec.Struct):
            _check_keys(value, fields[key], f"{at}{key}.")
