"""The file of events that older versions wrote: one JSON line per entry. It is only read any more, to be taken over."""

from __future__ import annotations

from pathlib import Path

import msgspec

from engine.ports import Entry

LARGEST = 10**15
"""A cursor of more digits is damage."""


def read(path: Path) -> tuple[list[Entry], int]:
    """Return the entries in order of their cursors, and how many lines were damaged and left out.

    Raises:
        OSError: The file is not there, or cannot be read.
    """
    decoder = msgspec.json.Decoder(Entry)
    entries: list[Entry] = []
    last = damaged = 0
    with path.open("rb") as stream:
        for line in stream:
            if not line.strip():
                continue
            try:
                entry = decoder.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                damaged += 1
                continue
            if not last < entry.cursor < LARGEST or not line.endswith(b"\n"):
                damaged += 1
                continue
            last = entry.cursor
            entries.append(entry)
    return entries, damaged
