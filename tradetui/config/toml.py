"""Values and keys as TOML, for files and for people; secrets leave here only as `***`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from tradetui.redaction import MASK, Redactor

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SECRET = re.compile(r"key|secret|token|password|passphrase", re.IGNORECASE)
_without_secrets = Redactor()


def quoted(text: str) -> str:
    """Return a TOML string; whatever is not printable is escaped."""
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
    return '"' + "".join(escapes.get(c) or (c if c.isprintable() else _escaped(c)) for c in text) + '"'


def _escaped(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def dotted(path: Sequence[str]) -> str:
    """Return a dotted TOML key."""
    return ".".join(part if _BARE.fullmatch(part) else quoted(part) for part in path)


def toml(value: object) -> str:
    """Return a value as TOML in one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quoted(str(value))
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{dotted([str(name)])} = {toml(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    return str(value)


def redacted(path: Sequence[str], value: object) -> object:
    """Return a value without what only its owner may read, judged by the names on its path and by its form.

    Whatever stands in the credentials section is secret, but for the name of the file.
    """
    place = tuple(path)
    if isinstance(value, Mapping):
        return {name: redacted((*place, str(name)), item) for name, item in value.items()}
    # A name with a slash is a pair of assets, such as KEY/USDT.
    secret = any(_SECRET.search(part) for part in place if "/" not in part)
    if secret or ("credentials" in place and place[-1] != "file"):
        return MASK
    if isinstance(value, str):
        return _without_secrets(value)
    if isinstance(value, list | tuple):
        return [redacted(place, item) for item in value]
    return value


def shown(path: Sequence[str], value: object, most: int = 160) -> str:
    """Return a value as TOML for a message: without secrets, and not longer than `most` characters."""
    text = toml(redacted(path, value))
    return text if len(text) <= most else text[: most - 3] + "..."
