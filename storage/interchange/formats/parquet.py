"""Parquet: our own exports, with instrument, timeframe and source in columns, and others' (`ETHUSDT_1m.parquet`)."""

from __future__ import annotations

from pathlib import Path

from engine.errors import ImportRefused
from storage.interchange.batch import Hints, Parsed
from storage.interchange.formats.freqtrade import frame_of
from storage.interchange.identity import of_freqtrade, of_name
from storage.interchange.tabular import take

MOST_ROWS = 200_000_000


def read(path: Path, hints: Hints) -> Parsed:
    """Read a Parquet file.

    Raises:
        ImportRefused: It cannot be read, or is neither candles nor trades.
    """
    import polars as pl

    parsed = Parsed("parquet")
    rows = frame_of(path, lambda stream: pl.scan_parquet(stream).select(pl.len()).collect()).item()
    if rows > MOST_ROWS:
        raise ImportRefused(f"{rows:,} rows, and {MOST_ROWS:,} are the most: cut it into months")
    frame = frame_of(path, pl.read_parquet)
    names = list(hints.columns or frame.columns)
    if len(names) != frame.width:
        raise ImportRefused(f"--columns names {len(names)} columns, and the file has {frame.width}")
    take(parsed, frame, names, of_freqtrade(path) or of_name(path), hints, "parquet")
    return parsed
