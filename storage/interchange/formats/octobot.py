"""OctoBot's data files: SQLite, one row per candle as JSON [open time s, open, high, low, close, volume].

Source: github.com/Drakkar-Software/OctoBot-Backtesting, data files of version 1.0. The table `description` tells when
they were collected: a candle that had not ended by then is not complete.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from urllib.parse import quote

import msgspec
import numpy as np

from engine.errors import ImportRefused
from engine.types import SECOND, Timeframe
from storage.interchange import sifting
from storage.interchange.batch import Hints, Parsed
from storage.interchange.identity import key_of, timeframe_of
from storage.interchange.stamps import of_numbers
from storage.interchange.tabular import source_of

_candle = msgspec.json.Decoder(tuple[float, float, float, float, float, float])


def read(path: Path, hints: Hints) -> Parsed:
    """Read the candles of a data file.

    Raises:
        ImportRefused: It is another's database, or damaged.
    """
    parsed = Parsed("octobot")
    try:
        connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1", uri=True)
    except sqlite3.Error as error:
        raise ImportRefused(f"cannot be opened: {error}") from error
    try:
        names = {str(row[0]) for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not {"ohlcv", "description"} <= names:
            raise ImportRefused(f"a database, but not OctoBot's: tables {', '.join(sorted(names)[:8]) or 'none'}")
        collected = connection.execute("SELECT max(CAST(timestamp AS REAL)) FROM description").fetchone()[0]
        rows = connection.execute(
            "SELECT rowid, exchange_name, symbol, time_frame, candle FROM ohlcv ORDER BY rowid"
        ).fetchall()
    except sqlite3.Error as error:
        raise ImportRefused(f"no whole OctoBot file: {error}") from error
    finally:
        connection.close()
    series: dict[tuple[str, str, str], list[tuple[int, str]]] = {}
    for number, venue, symbol, length, candle in rows:
        series.setdefault((str(venue), str(symbol), str(length)), []).append((int(number), str(candle)))
    parsed.rows = len(rows)
    for (venue, symbol, length), candles in series.items():
        name, odd = timeframe_of(length)
        if not name:
            parsed.skipped[f"{odd or length} is not a timeframe that is stored"] += len(candles)
        else:
            key = key_of(hints.venue or venue, hints.symbol or symbol)
            _take(parsed, key, Timeframe(name), candles, float(collected or 0), hints)
    return parsed


def _take(
    parsed: Parsed, key: str, timeframe: Timeframe, candles: list[tuple[int, str]], collected: float, hints: Hints
) -> None:
    unknown = (0.0,) + (float("nan"),) * 5
    values = np.empty((len(candles), 6))
    for place, (_, text) in enumerate(candles):
        try:
            values[place] = _candle.decode(text)
        except msgspec.MsgspecError:
            values[place] = unknown
    time, good, _ = of_numbers(values[:, 0])
    time = np.where(good, time, 0)
    named = dict(zip(("open", "high", "low", "close", "volume"), values[:, 1:].T, strict=True))
    ended = time + timeframe.seconds * SECOND <= collected * SECOND if collected else np.ones(len(time), np.bool_)
    running = int(np.count_nonzero(~ended & good))
    if running:
        parsed.note(f"{timeframe}: {running} candle had not ended when the file was made: not complete")
    sifting.candles(
        parsed, key, timeframe, source_of(hints.source, "octobot"),
        {"time": time, "complete": ended.astype(np.int64), **named},
        np.array([number for number, _ in candles]), lambda place: candles[place][1], hints,
    )  # fmt: skip
