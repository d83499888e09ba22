"""The settings as text: the reference in docs/settings.md, the commented file of `config init`, and `config show`."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

import msgspec

from tradetui.config import Resolved
from tradetui.config.schema import SECTIONS, SETTINGS, Path, Setting
from tradetui.config.sections import PROFILES
from tradetui.config.toml import dotted, redacted, toml

INTRODUCTION = """\
# Settings

One TOML file: `~/.config/tradetui/config.toml`, or `--config`. `tradetui config init` writes it with every setting
commented out, `tradetui config show` shows what holds and where it came from, `tradetui config check` finds mistakes.

What comes later wins: defaults, the file, the profile's section, the environment, flags.

- **Profile**: `--profile NAME` or `TRADETUI_PROFILE` keeps state, logs and socket apart. `[profiles.NAME.SECTION]`
  holds settings that are laid over the others under that profile; a name without a section is as good.
- **Environment**: `TRADETUI__SECTION__KEY`, its value TOML or, where a text is wanted, the text itself:
  `TRADETUI__DATA_PROVIDER__SYMBOLS='["binance:ETH/USDT"]'`, `TRADETUI__LOG__LEVEL=DEBUG`.
- **Paths** that are not absolute begin at the file's folder, or where the command was started.

Unknown keys and wrong values are errors that name the key, what is allowed and where it came from.
"""


def _of(section: Path) -> list[Setting]:
    return [setting for path, setting in SETTINGS.items() if path[:-1] == section]


def markdown() -> str:
    """Return docs/settings.md."""
    lines = [INTRODUCTION]
    for path, section in SECTIONS.items():
        if not _of(path):
            continue
        lines += [f"## `[{dotted(path)}]`", "", section.title, "", "| key | default | allowed | means |"]
        lines.append("| --- | --- | --- | --- |")
        for setting in _of(path):
            cells = (f"`{setting.path[-1]}`", f"`{toml(setting.default)}`", setting.allowed, setting.description)
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    lines += ["## Profiles", "", "Built in; a section of the same name in the file is laid over them.", ""]
    lines += ["| profile | sets |", "| --- | --- |"]
    for name, tree in PROFILES.items():
        sets = "; ".join(f"`{dotted(key)} = {toml(value)}`" for key, value in _flat(tree))
        lines.append(f"| `{name}` | {sets or 'nothing'} |")
    return "\n".join(lines) + "\n"


def _flat(tree: dict[str, Any], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, (*path, name))
        else:
            yield (*path, name), value


def commented(profile: str = "default") -> str:
    """Return a settings file that sets nothing: every setting at its default, commented out.

    A profile other than `default` gets a section of its own.
    """
    lines = ["# Settings of tradetui. Everything is at its default; take away a # to set it.", ""]
    for path in SECTIONS:
        if not _of(path):
            continue
        lines += [f"[{dotted(path)}]"]
        for setting in _of(path):
            words = f"{setting.description} Allowed: {setting.allowed}."
            lines += [f"# {line}" for line in textwrap.wrap(words, 117, break_long_words=False)]
            lines += [f"# {setting.path[-1]} = {toml(setting.default)}", ""]
    lines.append("# Laid over all this by --profile NAME; the sections are those above.")
    if profile == "default":
        return "\n".join([*lines, "# [profiles.NAME.parts]", "# training = false"]) + "\n"
    flat = list(_flat(PROFILES.get(profile, {})))
    for path in SECTIONS:
        keys = [(key[-1], value) for key, value in flat if key[:-1] == path]
        if keys:
            lines.append(f"[{dotted(('profiles', profile, *path))}]")
            lines += [f"# {name} = {toml(value)}" for name, value in keys]
    if not flat:
        lines.append(f"[{dotted(('profiles', profile))}]")
    return "\n".join(lines) + "\n"


def shown_toml(resolved: Resolved) -> str:
    """Return what holds as TOML, with the source of whatever is not a default."""
    lines = []
    for path in SECTIONS:
        tables = [setting for setting in _of(path) if setting.table]
        plain = [setting for setting in _of(path) if not setting.table]
        if plain:
            lines.append(f"[{dotted(path)}]")
        lines += [_line(resolved, setting.path, _value(resolved, setting)) for setting in plain]
        if plain:
            lines.append("")
        for setting in tables:
            entries: Any = _value(resolved, setting)
            lines.append(f"[{setting.key}]")
            lines += [_line(resolved, (*setting.path, entry), amount) for entry, amount in entries.items()]
            lines.append("")
    return "\n".join(lines)


def _line(resolved: Resolved, path: Path, value: object) -> str:
    source = resolved.sources[dotted(path)]
    return f"{dotted(path[-1:])} = {toml(value)}" + (f"  # {printable(source)}" if source != "default" else "")


def printable(text: str) -> str:
    """Return a text without control characters."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _value(resolved: Resolved, setting: Setting) -> object:
    value: Any = resolved.settings
    for name in setting.path:
        value = getattr(value, name)
    return redacted(setting.path, value)


def shown_json(resolved: Resolved) -> dict[str, dict[str, object]]:
    """Return by dotted key the value, its source, the default and the documentation."""
    return {
        setting.key: {
            "value": msgspec.to_builtins(_value(resolved, setting)),
            "source": resolved.sources[setting.key],
            "default": msgspec.to_builtins(setting.default),
            "description": setting.description,
        }
        for setting in SETTINGS.values()
    }
