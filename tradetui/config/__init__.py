"""From defaults, file, profile, environment and flags to one set of settings that says where each value came from."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from engine.errors import SettingsInvalid
from engine.ingestion.symbols import full_key, symbol_of
from tradetui.config.layers import Layers
from tradetui.config.sections import PROFILES, Settings
from tradetui.config.toml import dotted, toml
from tradetui.places import NAME, config_folder, places

PREFIX = "TRADETUI__"
NOTHING: Mapping[str, object] = MappingProxyType({})


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """Settings, and where they came from.

    `sources` gives by dotted key, and by entry of a table, "default", "file PATH", "profile NAME", "environment NAME"
    or "flag". `file` is None where no file was read.
    """

    settings: Settings
    sources: dict[str, str]
    file: Path | None
    profile: str


def default_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where the settings file is looked for."""
    return config_folder(environment) / "config.toml"


def load(
    path: Path | None = None,
    environment: Mapping[str, str] = os.environ,
    profile: str = "default",
    flags: Mapping[str, object] = NOTHING,
) -> Settings:
    """Return the settings; see `resolve`.

    Raises:
        SettingsInvalid: As `resolve`.
    """
    return resolve(path, environment, profile, flags).settings


def resolve(
    path: Path | None = None,
    environment: Mapping[str, str] = os.environ,
    profile: str = "default",
    flags: Mapping[str, object] = NOTHING,
) -> Resolved:
    """Lay defaults, file, profile, environment and flags over each other; what comes later wins.

    Args:
        path: The file; None is the default one, if there is one.
        environment: Settings are read from `TRADETUI__SECTION__KEY`, folders from HOME and the XDG variables.
        profile: Its section, built in or in the file, is laid over the rest of the file.
        flags: By dotted key; texts are read as in the environment, None counts as not given.

    Raises:
        SettingsInvalid: Something is wrong; the message names all of it.
    """
    resolved, problems = examine(path, environment, profile, flags)
    if resolved is None:
        head = f"{len(problems)} settings are wrong:\n  " if len(problems) > 1 else ""
        raise SettingsInvalid(head + "\n  ".join(problems))
    return resolved


def examine(
    path: Path | None = None,
    environment: Mapping[str, str] = os.environ,
    profile: str = "default",
    flags: Mapping[str, object] = NOTHING,
) -> tuple[Resolved | None, list[str]]:
    """Resolve as `resolve` does; return what came of it, and one line for everything that is wrong.

    Raises:
        SettingsInvalid: The profile's name cannot be one.
    """
    found = places(profile, environment)
    data, profile = found.data, found.settings
    home = Path(environment.get("HOME") or "~").expanduser()
    file = path or default_path(environment)
    layers = Layers(home, data)
    tree: dict[str, Any] = {}
    read = True
    try:
        tree = _read(file)
    except SettingsInvalid as error:
        if path is not None or not isinstance(error.__cause__, FileNotFoundError):
            return None, [str(error)]
        read = False
    from_file, folder = f"file {file}", file.parent.absolute()
    sections = _profiles(tree, layers, from_file)
    layers.table(tree, from_file, folder)
    for name, section in sections.items():
        layers.table(section, from_file, folder, prefix=("profiles", name), keep=False)
    layers.table(PROFILES.get(profile, {}), f"profile {profile}", home)
    layers.table(sections.get(profile, {}), f"profile {profile}", folder, tell=False)
    for name, text in sorted(environment.items()):
        if name.startswith(PREFIX):
            parts = tuple(name.removeprefix(PREFIX).split("__"))
            layers.at(parts, text, f"environment {name}", joint="__")
    for key, value in flags.items():
        if value is not None:
            layers.at(tuple(key.split(".")), os.fspath(value) if isinstance(value, os.PathLike) else value, "flag")
    settings = _build(Settings, (), layers.values)
    problems = layers.problems + _contradictions(settings, layers.sources)
    if problems:
        return None, problems
    return Resolved(settings=settings, sources=layers.sources, file=file if read else None, profile=profile), []


def _read(file: Path) -> dict[str, Any]:
    """Return the tree of a TOML file.

    Raises:
        SettingsInvalid: It cannot be read or is no TOML; the message names file and line.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsInvalid(f"{file}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise SettingsInvalid(f"{file}, line {line}: not UTF-8 text") from error
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said, _, place = str(error).rpartition(" (at ")
        found = re.match(r"line (\d+)", place)
        line = int(found[1]) if found else text.count("\n") + 1
        raise SettingsInvalid(f"{file}, line {line}: {said or error}") from error


def _profiles(tree: dict[str, Any], layers: Layers, source: str) -> dict[str, dict[str, Any]]:
    """Take the profiles' sections out of a file's tree."""
    sections = tree.pop("profiles", {})
    if not isinstance(sections, dict):
        layers.wrong(("profiles",), sections, source, "a table for each profile, as in [profiles.mine.parts]")
        return {}
    for name, section in sections.items():
        if not isinstance(section, dict):
            layers.wrong(("profiles", name), section, source, "a table with sections, as in [profiles.mine.parts]")
        elif not NAME.fullmatch(name):
            layers.problems.append(
                f"{dotted(('profiles', name))} ({source}): a profile's name is up to 32 of a-z, 0-9, - and _"
            )
    return {name: section for name, section in sections.items() if isinstance(section, dict)}


def _build(kind: Any, path: tuple[str, ...], values: Mapping[tuple[str, ...], object]) -> Any:
    """Return a section made of the values at and below a path."""
    if path in values:
        return values[path]
    return kind(
        **{field.name: _build(field.type, (*path, field.name), values) for field in msgspec.structs.fields(kind)}
    )


def _contradictions(settings: Settings, sources: Mapping[str, str]) -> list[str]:
    """Say which values do not fit each other, or what is followed."""
    problems = []
    followed = {}
    data = settings.data_provider
    for symbol in data.symbols:
        try:
            market, _ = symbol_of(full_key(symbol))
            followed[market.venue] = market
        except SettingsInvalid as error:
            key = "data_provider.symbols"
            problems.append(f"{key} = {toml(data.symbols)} ({sources[key]}): {error}")
    for market in followed.values():
        try:
            market.depth_stream(data.websocket.update_speed)
        except SettingsInvalid as error:
            key = "data_provider.websocket.update_speed"
            problems.append(f"{key} = {toml(data.websocket.update_speed)} ({sources[key]}): {error}")
    return problems
