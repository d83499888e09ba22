"""Freqtrade's files: JSON arrays of [open time ms, open, high, low, close, volume], Feather (LZ4), and Parquet.

Source: www.freqtrade.io, "Data Downloading", data formats. Other JSON arrays of rows are read alike: klines as
Binance's REST gives them (twelve entries), objects with named fields, events of a venue (`events`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from engine.errors import ImportRefused
from storage.interchange.batch import Hints, Parsed
from storage.interchange.formats import events
from storage.interchange.formats.delimited import BARE
from storage.interchange.identity import of_freqtrade, of_name
from storage.interchange.packed import content
from storage.interchange.tabular import take

TRADES = ("timestamp", "id", "type", "side", "price", "amount", "cost")
"""Columns of its files of trades."""

Rows = list[tuple[float, float, float, float, float, float]]
_candles = msgspec.json.Decoder(Rows)


def read_json(path: Path, hints: Hints) -> Parsed:
    """Read a JSON array of rows, objects or events.

    Raises:
        ImportRefused: It is no whole JSON, or nothing that can be imported.
    """
    import polars as pl

    data = content(path)
    ours = of_freqtrade(path)
    parsed = Parsed("freqtrade" if ours is not None else "json")
    identity, usual = (ours, "freqtrade") if ours is not None else (of_name(path), "json")
    try:
        plain = np.array(_candles.decode(data), np.float64).reshape(-1, 6)
    except msgspec.MsgspecError:
        entries = _entries(data)
    else:
        names = list(hints.columns or BARE[6])
        take(parsed, pl.DataFrame(plain, schema=[f"c{i}" for i in range(6)]), names, identity, hints, usual)
        return parsed
    if not entries:
        parsed.note("no rows")
        return parsed
    if isinstance(entries[0], dict):
        if "e" in entries[0]:
            events.take_events(parsed, entries, identity, hints)
        else:
            names = list(dict.fromkeys(name for entry in entries if isinstance(entry, dict) for name in entry))
            cells = [[_cell(entry.get(name)) for name in names] if isinstance(entry, dict) else [] for entry in entries]
            _take_rows(parsed, cells, names, identity, hints, usual)
        return parsed
    rows = [[_cell(cell) for cell in entry] if isinstance(entry, list) else [] for entry in entries]
    width = len(rows[0])
    bare = {**BARE, 7: TRADES} if ours is not None and path.name.partition(".")[0].endswith("-trades") else BARE
    usual_names = hints.columns or bare.get(width)
    if usual_names is None or len(usual_names) != width:
        raise ImportRefused(f"JSON rows of {width} entries: name them in order with --columns")
    _take_rows(parsed, rows, list(usual_names), identity, hints, usual)
    return parsed


def _entries(data: bytes) -> list[Any]:
    """Return the entries of a JSON array; NaN, which JSON does not know and Python writes, is read too."""
    try:
        whole = json.loads(data)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            raise ImportRefused("JSON, one value a line: `jq -s . FILE` makes the array of it that is read") from error
        raise ImportRefused(f"no whole JSON: {error}; fetch it again") from error
    except (ValueError, RecursionError) as error:
        raise ImportRefused(f"no whole JSON: {error}; fetch it again") from error
    if isinstance(whole, dict):
        if "lastUpdateId" in whole or ("bids" in whole and "asks" in whole):
            raise ImportRefused("an order book of one moment: neither candles nor trades")
        lists = [value for value in whole.values() if isinstance(value, list) and value]
        whole = lists[0] if len(lists) == 1 else whole
    if not isinstance(whole, list):
        raise ImportRefused("JSON, but no array of candles, trades or events")
    return whole


def _cell(value: object) -> str | None:
    return None if value is None else value if isinstance(value, str) else json.dumps(value)


def _take_rows(
    parsed: Parsed, rows: list[list[str | None]], names: list[str], identity: Any, hints: Hints, usual: str
) -> None:
    import polars as pl

    width = len(names)
    for place, row in enumerate(rows, 1):
        if len(row) != width:
            row[:] = [None] * width
            parsed.note(f"entry {place} is not like the others")
    take(
        parsed,
        pl.DataFrame(rows, schema={f"c{i}": pl.String for i in range(width)}, orient="row"),
        names,
        identity,
        hints,
        usual,
    )


def read_feather(path: Path, hints: Hints) -> Parsed:
    """Read a Feather (Arrow IPC) file.

    Raises:
        ImportRefused: It cannot be read, or is neither candles nor trades.
    """
    import polars as pl

    ours = of_freqtrade(path)
    parsed = Parsed("freqtrade" if ours is not None else "feather")
    frame = frame_of(path, pl.read_ipc)
    names = list(hints.columns or frame.columns)
    identity, usual = (ours, "freqtrade") if ours is not None else (of_name(path), "feather")
    take(parsed, frame, names, identity, hints, usual)
    return parsed


def frame_of(path: Path, read: Any) -> Any:
    """Return a file's table as polars reads it.

    Raises:
        ImportRefused: It does not.
    """
    import polars as pl

    try:
        with path.open("rb") as stream:
            return read(stream)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ImportRefused(f"the file is torn or of another kind: {said}") from error
