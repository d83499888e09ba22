"""LEAN's data folder: zips of one CSV without a header; seconds and minutes count milliseconds since the day's
midnight.

Source: github.com/QuantConnect/Lean, Data/crypto/readme.md. The day stands in the file's name, the time zone is UTC;
hours and days are `yyyymmdd hh:mm`. Quote bars hold best bids and asks: they are refused.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from engine.errors import ImportRefused
from engine.types import DAY_MS
from storage.interchange.batch import Hints, Parsed
from storage.interchange.formats.delimited import BARE, delimiter_of, first_lines, text_table
from storage.interchange.identity import of_lean
from storage.interchange.packed import members

_DAY = re.compile(r"(\d{8})_")


def read(path: Path, hints: Hints) -> Parsed:
    """Read a zip of a LEAN data folder.

    Raises:
        ImportRefused: It holds no bars of trades, or cannot be read.
    """
    parsed = Parsed("lean")
    identity = of_lean(path)
    if identity is None:
        raise ImportRefused(
            "a LEAN zip lies in crypto/VENUE/RESOLUTION/...; keep the folders, or unpack it and import the CSV"
        )
    if identity.refused:
        raise ImportRefused(identity.refused)
    for member, data in members(path):
        day = _DAY.match(member) or _DAY.match(path.name)
        if identity.timeframe in ("1s", "1m"):
            if day is None:
                raise ImportRefused(f"{member}: no day in its name, as in 20161007_trade.zip")
            data = _dated(data, day[1])
        text_table(parsed, data, identity, hints, "lean", {6: BARE[6]})
    return parsed


def _dated(data: bytes, day: str) -> bytes:
    """Return a day's rows with times since 1970 in ms; what is no time of that day stays, and is refused."""
    try:
        midnight = int(np.datetime64(f"{day[:4]}-{day[4:6]}-{day[6:]}", "ms").astype(np.int64))
    except ValueError as error:
        raise ImportRefused(f"{day} is no day") from error
    delimiter = delimiter_of(first_lines(data) or [","]).encode()
    lines = data.split(b"\n")
    for place, line in enumerate(lines):
        head, parting, rest = line.partition(delimiter)
        if parting and head.isdigit() and int(head) < DAY_MS:
            lines[place] = b"%d%s%s" % (midnight + int(head), delimiter, rest)
    return b"\n".join(lines)
