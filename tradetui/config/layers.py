"""Values laid over each other key by key; what is wrong is collected in words that name key, value, rule and source."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from tradetui.config.schema import SECTIONS, SETTINGS, Setting, find, nearest
from tradetui.config.schema import Path as Key
from tradetui.config.toml import dotted, shown

DATA = "{data}"
"""Stands for the profile's data folder in settings that name a place."""


class Layers:
    """The settings so far: `values` by path, `sources` by dotted key, and what was wrong on the way."""

    def __init__(self, home: Path, data: Path) -> None:
        self.values: dict[Key, Any] = {}
        self.sources: dict[str, str] = {}
        self.problems: list[str] = []
        self._home = home
        self._data = data
        self._source = ""
        self._folder = Path()
        self._prefix: Key = ()
        self._keep = True
        self._tell = True
        for path, setting in SETTINGS.items():
            self.values[path] = dict(setting.default) if setting.table else setting.default
            self.sources[setting.key] = "default"
            if setting.table:
                self.sources |= dict.fromkeys((dotted((*path, entry)) for entry in setting.default), "default")

    def table(
        self,
        tree: Mapping[str, Any],
        source: str,
        folder: Path,
        *,
        prefix: Key = (),
        keep: bool = True,
        tell: bool = True,
    ) -> None:
        """Lay a tree over what is there.

        Args:
            tree: Nested tables, as TOML gives them.
            source: What to name as the origin.
            folder: Where relative paths begin.
            prefix: Where the tree stands, for messages.
            keep: False only checks.
            tell: False keeps silent about what is wrong.
        """
        self._source, self._folder, self._prefix, self._keep, self._tell = source, folder, prefix, keep, tell
        self._walk(tree, ())

    def at(self, parts: Key, value: object, source: str, joint: str = ".") -> None:
        """Lay one value over what is there; a text is read as TOML where no text is wanted.

        Args:
            parts: Where; names of settings in any case.
            value: What.
            source: What to name as the origin.
            joint: What joins the parts of a table's entry.
        """
        self._source, self._folder, self._prefix, self._keep, self._tell = source, here(), (), True, True
        path = tuple(part.lower() for part in parts)
        found = find(path)
        if isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError:
                self.problems.append(f"{dotted(path)} ({source}): not UTF-8 text")
                return
        if found is None:
            self._section(path, value)
            return
        setting, rest = found
        if isinstance(value, str):
            value = setting.read(value)
        if rest:
            value = {joint.join(parts[len(parts) - len(rest) :]): value}
        self._take(setting, value)

    def wrong(self, path: Key, value: object, source: str, allowed: str) -> None:
        """Note a value that is not allowed."""
        self.problems.append(f"{dotted(path)} = {shown(path, value)} ({source}): expected {allowed}")

    def _walk(self, tree: Mapping[str, Any], path: Key) -> None:
        for name, value in tree.items():
            here = (*path, name)
            setting = SETTINGS.get(here)
            if setting is not None:
                self._take(setting, value)
            else:
                self._section(here, value)

    def _section(self, path: Key, value: object) -> None:
        """Take what stands where no setting is: a table, or a key that does not exist."""
        known = path in SECTIONS and path != ()
        if isinstance(value, str) and known:
            value = _inline(value)
        if known and isinstance(value, Mapping):
            self._walk(value, path)
        elif known:
            self._wrong(path, value, f"a table, as in [{dotted(path)}]")
        elif isinstance(value, Mapping) and value:
            self._walk(value, path)
        elif self._tell:
            shown_path = (*self._prefix, *path)
            self.problems.append(
                f"unknown setting {dotted(shown_path)} = {shown(shown_path, value)} ({self._source}): {nearest(path)}"
            )

    def _take(self, setting: Setting, value: object) -> None:
        if setting.table and isinstance(value, Mapping):
            for entry, amount in value.items():
                self._entry(setting, entry, amount)
            return
        try:
            value = setting.convert(value)
        except msgspec.ValidationError:
            self._wrong(setting.path, value, setting.allowed)
            return
        if setting.place and value:
            value = self._placed(str(value))
        self._put(setting.path, value)

    def _entry(self, setting: Setting, entry: str, amount: object) -> None:
        """Take one entry of a table: of positive numbers by BASE/QUOTE, or of texts."""
        path = (*setting.path, entry)
        base, slash, quote = entry.partition("/")
        if not setting.pairs and isinstance(amount, int | float) and not isinstance(amount, bool):
            amount = str(amount)
        if not setting.pairs:
            wrong = "" if _fits(setting, entry, amount) else setting.allowed
        elif not (slash and base and quote) or entry != entry.upper():
            wrong = "a key BASE/QUOTE in capitals, as in ETH/USDT"
        else:
            wrong = "" if _positive(amount) else "a positive number"
        if wrong:
            self._wrong(path, amount, wrong)
        elif self._keep:
            self.values[setting.path] = {**self.values[setting.path], entry: amount}
            self.sources[dotted(path)] = self.sources[setting.key] = self._source

    def _put(self, path: Key, value: object) -> None:
        if self._keep:
            self.values[path] = value
            self.sources[dotted(path)] = self._source

    def _wrong(self, path: Key, value: object, allowed: str) -> None:
        if self._tell:
            self.wrong((*self._prefix, *path), value, self._source, allowed)

    def _placed(self, text: str) -> str:
        """Return an absolute path: `~` is home, `{data}` the data folder; else it begins at the source's folder."""
        if text == "~" or text.startswith("~/"):
            return str(self._home / text[2:])
        return str(self._folder / text.replace(DATA, str(self._data)))


def _inline(text: str) -> object:
    """Return what a text means where a table is wanted."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _fits(setting: Setting, entry: str, value: object) -> bool:
    try:
        setting.convert({entry: value})
    except msgspec.ValidationError:
        return False
    return True


def _positive(amount: object) -> bool:
    """Tell whether an amount is a positive number, as a number or as text."""
    if isinstance(amount, bool) or not isinstance(amount, str | int | float):
        return False
    try:
        number = Decimal(str(amount))
    except ArithmeticError:
        return False
    return number.is_finite() and number > 0


def here() -> Path:
    """Return the present folder, or the root where it has been deleted meanwhile."""
    try:
        return Path.cwd()
    except OSError:
        return Path("/")
