"""What a person says about many files at once: a TOML file of patterns, the first that fits counts.

    [[file]]
    glob = "candles/kraken/*.csv"       # fits any path that ends so; * stays within a folder, ** does not
    venue = "kraken"
    symbol = "BTC/USDC"
    timeframe = "1m"

Keys are those of `Hints`. Entries with `since` or `until` may share a file: each takes its part.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec

from engine.errors import ImportRefused
from storage.interchange.batch import Hints


class Entry(msgspec.Struct, frozen=True):
    """A pattern, and what it says of the files that fit."""

    pattern: re.Pattern[str]
    hints: Hints


class Manifest:
    """The entries of a manifest, in their order."""

    def __init__(self, entries: list[Entry] | None = None) -> None:
        self._entries = entries or []

    def hints(self, path: Path) -> list[Hints]:
        """Return what is said of a file: usually one, none if no pattern fits, several where each takes a part."""
        name, found = path.as_posix(), []
        for entry in self._entries:
            if entry.pattern.fullmatch(name):
                found.append(entry.hints)
                if not (entry.hints.since or entry.hints.until):
                    break
        ranged = [each for each in found if each.since or each.until]
        return ranged or found


def load(path: Path) -> Manifest:
    """Read a manifest.

    Raises:
        ImportRefused: It cannot be read, or says something that has no meaning; the message names the entry.
    """
    try:
        text = path.read_text(encoding="utf-8")
        said = tomllib.loads(text)
    except OSError as error:
        raise ImportRefused(f"--manifest {path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ImportRefused(f"--manifest {path}: {error}") from error
    unknown = sorted(said.keys() - {"file"})
    if unknown or not isinstance(said.get("file", []), list):
        raise ImportRefused(
            f"--manifest {path}: {', '.join(unknown) or 'file'}: expected [[file]] entries and nothing else"
        )
    entries = []
    for number, each in enumerate(said.get("file", []), 1):
        where = f"--manifest {path}, entry {number}"
        if not isinstance(each, dict) or not isinstance(each.get("glob"), str) or not each["glob"]:
            raise ImportRefused(f'{where}: expected glob = "..."')
        glob = each.pop("glob")
        times = {name: str(each[name]) for name in ("since", "until") if name in each}  # TOML has dates of its own
        try:
            hints = msgspec.convert({**each, **times}, Hints)
        except msgspec.ValidationError as error:
            raise ImportRefused(
                f"{where} ({glob}): {error}; keys are glob, {', '.join(Hints.__struct_fields__)}"
            ) from error
        if hints.volume not in ("base", "quote", "contracts"):
            raise ImportRefused(f"{where} ({glob}): volume {hints.volume!r}: expected base, quote or contracts")
        entries.append(Entry(pattern_of(glob), hints))
    return Manifest(entries)


def pattern_of(glob: str) -> re.Pattern[str]:
    """Return a glob as the pattern of whole paths that end so."""
    parts = []
    for piece in re.findall(r"\*\*/|\*\*|\*|\?|[^*?]+", glob):
        match piece:
            case "**/":
                parts.append("(?:.*/)?")
            case "**":
                parts.append(".*")
            case "*":
                parts.append("[^/]*")
            case "?":
                parts.append("[^/]")
            case _:
                parts.append(re.escape(piece))
    return re.compile(f"(?:.*/)?{''.join(parts)}", re.DOTALL)
