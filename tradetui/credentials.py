"""Where the keys of exchanges come from, and a type that keeps them from being shown.

A venue's keys are taken from the environment (`TRADETUI_BINANCE_API_KEY`, `..._API_SECRET`, `..._API_PASSPHRASE`) or,
if nothing of that venue is set there, from its table in a TOML file that only its owner may read.
"""

from __future__ import annotations

import hmac
import os
import re
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from engine.errors import SettingsInvalid

VARIABLE = re.compile(r"TRADETUI_([A-Z0-9]+)_(API_KEY|API_SECRET|API_PASSPHRASE)")

VENUE = re.compile(r"[a-z0-9]{1,20}")

NAMES = ("api_key", "api_secret", "api_passphrase")

LARGEST = 1 << 16
"""Bytes of the largest file of credentials."""


class Secret:
    """A text that shows itself as `***` everywhere; `reveal` returns it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself; hand it to nothing but the request that needs it."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, form: str) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode("utf-8", "replace"), other._text.encode("utf-8", "replace"))

    __hash__ = None  # type: ignore[assignment]

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is not pickled")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a secret has no state to show")


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of one venue, and where they were found: `environment` or the file's path."""

    api_key: Secret
    api_secret: Secret
    api_passphrase: Secret | None = None
    source: str

    @property
    def secrets(self) -> list[Secret]:
        """All of them."""
        return [self.api_key, self.api_secret, *([self.api_passphrase] if self.api_passphrase else [])]


_seen: dict[str, Secret] = {}
"""Every key that this process has read, for `known`."""

KEYS_OF = {"binanceusdm": "binance"}
"""A venue without keys of its own is asked with those of another one of the same exchange."""


def keys_for(venue: str, found: Mapping[str, Credentials]) -> Credentials | None:
    """Return the keys that a venue is asked with, of those found."""
    return found.get(venue) or found.get(KEYS_OF.get(venue, ""))


def load_credentials(file: Path | None, environment: Mapping[str, str] = os.environ) -> dict[str, Credentials]:
    """Return the keys by venue (`binance`, `bybit`, ...); `file` is the setting `credentials.file`.

    Raises:
        SettingsInvalid: The file is not there, is not ours, can be read by others, or keys are incomplete. The message
            never holds a value.
    """
    found: dict[str, tuple[dict[str, Any], str]] = {}
    for venue, table in (_read(file) if file is not None else {}).items():
        if not isinstance(table, dict) or not VENUE.fullmatch(venue):
            raise SettingsInvalid(f'{file}: expected a table per venue, as in [binance] and api_key = "..." below it')
        found[venue] = (table, str(file))
    set_there: dict[str, dict[str, Any]] = {}
    for name, value in environment.items():
        if (match := VARIABLE.fullmatch(name)) and value.strip():
            set_there.setdefault(match[1].lower(), {})[match[2].lower()] = value
    found |= {venue: (table, "environment") for venue, table in set_there.items()}
    return {venue: _credentials(venue, table, source) for venue, (table, source) in sorted(found.items())}


def known(environment: Mapping[str, str] = os.environ) -> list[Secret]:
    """Return every key that this process has read, and those of its environment, whole or not: what it never says."""
    there = [value.strip() for name, value in environment.items() if VARIABLE.fullmatch(name)]
    return [*(Secret(value) for value in there if value), *_seen.values()]


def _credentials(venue: str, table: dict[str, Any], source: str) -> Credentials:
    if not set(table) <= set(NAMES):
        # The unknown name is not said: it may be a key that was put on the wrong side.
        raise SettingsInvalid(f"credentials of {venue} ({source}): only {', '.join(NAMES)} can stand there")
    values = {}
    for name, value in table.items():
        text = value.strip() if isinstance(value, str) else ""
        if not text or not text.isprintable() or " " in text:
            raise SettingsInvalid(f"credentials of {venue} ({source}): {name} is no text without blanks")
        values[name] = _seen[text] = Secret(text)
    missing = [name for name in NAMES[:2] if name not in values]
    if missing:
        raise SettingsInvalid(f"credentials of {venue} ({source}): {missing[0]} is missing; set both, or neither")
    return Credentials(source=source, **values)


def _read(file: Path) -> dict[str, Any]:
    """Return the tables of a file that only we can read."""
    try:
        # Without O_NONBLOCK a pipe of that name would hold us.
        number = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        raise SettingsInvalid(f"{file}: {getattr(error, 'strerror', None) or error}") from error
    try:
        facts = os.fstat(number)
        if not stat.S_ISREG(facts.st_mode):
            raise SettingsInvalid(f"{file} is not a file")
        if facts.st_uid != os.getuid():
            raise SettingsInvalid(f"{file} belongs to user {facts.st_uid}, not to you; keys in it may be known to them")
        if facts.st_mode & 0o077:
            mode = stat.S_IMODE(facts.st_mode)
            raise SettingsInvalid(f"{file} holds keys and others can read or change it ({mode:o}); chmod 600 {file}")
        if facts.st_size > LARGEST:
            raise SettingsInvalid(f"{file} is larger than {LARGEST} bytes")
        return tomllib.loads(os.read(number, LARGEST).decode("utf-8"))
    except OSError as error:
        raise SettingsInvalid(f"{file}: {error.strerror or error}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        # Not the error's own words, and not the error itself: both may hold a piece of a key.
        where = re.search(r"line \d+", str(error))
        at = f", {where[0]}" if where else ""
        raise SettingsInvalid(f'{file}{at}: expected TOML in UTF-8, as in api_key = "..."') from None
    finally:
        os.close(number)
