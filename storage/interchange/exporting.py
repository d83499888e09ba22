"""Candles and trades out of storage into files: Parquet, CSV, freqtrade's Feather and JSON.

Parquet and CSV say whose rows they are in columns of their own, so that they can be imported again as they are. A file
has its name only when it is whole. Rows come in stretches; only Feather and JSON, which have to be written at once, are
held in memory as a whole.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec
import numpy as np

from engine.errors import ImportRefused, StorageFailed
from engine.ohlcv import OHLCV
from engine.types import DAY_MS, Timeframe
from storage.archive import StoredArchive
from storage.cold import KINDS, Cold

if TYPE_CHECKING:
    import polars as pl

FORMATS = ("parquet", "csv", "freqtrade-feather", "freqtrade-json")

PRICED = ("open", "high", "low", "close", "volume")

PIECE = 100_000
"""Candles read at once."""


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was written; `first`, `last` are opening (trades: trade) times, UTC ms."""

    path: str
    rows: int
    first: int
    last: int
    bytes: int


def name_of(key: str, what: str, format: str) -> str:
    """Return the usual name of a file: freqtrade's own, else `binance_BTC-USDT_1m.parquet`."""
    venue, _, symbol = key.partition(":")
    pair, _, settle = symbol.partition(":")
    if format.startswith("freqtrade"):
        suffix = format.removeprefix("freqtrade-")
        futures = f"_{settle}-{what}-futures" if settle else f"-{what}"
        return f"{pair.replace('/', '_')}{futures}.{suffix}"
    return f"{venue}_{symbol.replace('/', '-').replace(':', '_')}_{what}.{format}"


def candles(
    archive: StoredArchive, key: str, timeframe: Timeframe, path: Path, format: str, *, start_ms: int, end_ms: int,
    progress: Callable[[int, int, str], None], read: Callable[[int, int], OHLCV] | None = None, source: str = "export",
) -> Exported:  # fmt: skip
    """Write the candles that open in [start_ms, end_ms), of each time the best source's, or what `read` gives.

    Raises:
        ImportRefused: There are none.
        StorageFailed: The file cannot be written.
    """
    import polars as pl

    def stretches() -> Iterator[OHLCV]:
        taking = read or (lambda a, b: archive.candles(key, timeframe, start_ms=a, end_ms=b))
        length = timeframe.seconds * 1000
        step, at = PIECE * length, start_ms // length * length
        while at < end_ms:
            progress(at - start_ms, end_ms - start_ms, path.name)
            found = taking(max(at, start_ms), min(at + step, end_ms))
            if len(found):
                yield found
            at += step

    def frame(rows: OHLCV) -> pl.DataFrame:
        opens = pl.Series(rows.open_ms).cast(pl.Datetime("ms", "UTC"))
        if format.startswith("freqtrade"):
            return pl.DataFrame({"date": opens, **{name: getattr(rows, name) for name in PRICED}})
        whose = {"instrument": key, "timeframe": str(timeframe), "source": source}
        numbers = {name: _known(getattr(rows, name)) for name in (*PRICED, "quote_volume", "taker_buy")}
        return pl.DataFrame(
            {
                "open_time": opens,
                **{name: pl.repeat(value, len(rows), eager=True) for name, value in whose.items()},
                **numbers,
                "trades": pl.Series(rows.trades).replace(-1, None),
                "complete": rows.complete,
                "known_at": rows.known_at,
            }
        )

    time = "date" if format.startswith("freqtrade") else "open_time"
    return _write(map(frame, stretches()), path, format, time, f"{key} {timeframe}")


def trades(
    connection: sqlite3.Connection, cold: Cold, key: str, path: Path, format: str, *, start_ms: int, end_ms: int,
    progress: Callable[[int, int, str], None],
) -> Exported:  # fmt: skip
    """Write the trades of [start_ms, end_ms).

    Raises:
        ImportRefused: There are none, or the format is freqtrade's.
        StorageFailed: The file cannot be written.
    """
    import polars as pl

    if format.startswith("freqtrade"):
        raise ImportRefused(f"--format {format}: trades are written as parquet or csv")
    number = connection.execute("SELECT id FROM instruments WHERE key = ?", (key,)).fetchone()
    names = KINDS["trades"].columns

    def stored(first: int, last: int) -> list[tuple[Any, ...]]:
        if number is None:
            return []
        where = "instrument_id = ? AND ts BETWEEN ? AND ? ORDER BY ts, trade_id"
        query = f"SELECT {', '.join(names)} FROM trades WHERE {where}"
        rows = connection.execute(query, (number[0], first, last)).fetchall()
        return rows + cold.rows(connection, "trades", number[0], first, last)

    def frames() -> Iterator[pl.DataFrame]:
        at = start_ms // DAY_MS * DAY_MS
        while at < end_ms:
            progress(at - start_ms, end_ms - start_ms, path.name)
            first, end = max(at, start_ms), min(at + DAY_MS, end_ms)
            rows = stored(first * 1_000_000, end * 1_000_000 - 1)
            if rows:
                frame = pl.DataFrame(rows, schema=list(names), orient="row", infer_schema_length=None)
                yield frame.select(
                    pl.col("ts").cast(pl.Datetime("ns", "UTC")).alias("trade_time"), pl.lit(key).alias("instrument"),
                    pl.col("source"), pl.col("trade_id"), pl.col("price"), pl.col("size"),
                    pl.col("sell").cast(pl.Boolean), pl.col("count"), pl.col("aggregate").cast(pl.Boolean),
                    pl.when(pl.col("ts_sent") > 0).then(pl.col("ts_sent")).alias("ts_sent"),
                )  # fmt: skip
            at += DAY_MS

    return _write(frames(), path, format, "trade_time", f"trades of {key}")


def _known(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> pl.Series:
    import polars as pl

    return pl.Series(values).fill_nan(None)


def _write(frames: Iterator[pl.DataFrame], path: Path, format: str, time: str, what: str) -> Exported:
    """Write frames one after the other into a new file, and give it its name."""
    import polars as pl

    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    rows, first, last = 0, 0, 0
    held: list[pl.DataFrame] = []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("wb") as stream:
            for frame in frames:
                first = first if rows else _ms(frame, time, 0)
                last = _ms(frame, time, -1)
                if format == "csv":
                    stream.write(_csv(frame, header=not rows))
                else:
                    held.append(frame)
                rows += frame.height
            if rows and format != "csv":
                _at_once(pl.concat(held), stream, format)
            stream.flush()
            os.fsync(stream.fileno())
        if not rows:
            raise ImportRefused(f"nothing to export: no {what} in that range; `tradetui data ls` lists what there is")
        fresh.replace(path)
    except OSError as error:
        raise StorageFailed(f"{path}: {error.strerror or error}") from error
    finally:
        fresh.unlink(missing_ok=True)
    return Exported(path=str(path), rows=rows, first=first, last=last, bytes=path.stat().st_size)


def _ms(frame: pl.DataFrame, time: str, row: int) -> int:
    return int(frame[time].dt.epoch("ms")[row])


def _csv(frame: pl.DataFrame, *, header: bool) -> bytes:
    """Return rows as CSV; numbers are the shortest that read as the same float."""
    return frame.write_csv(include_header=header, datetime_format="%Y-%m-%dT%H:%M:%S%.fZ").encode()


def _at_once(frame: pl.DataFrame, stream: IO[bytes], format: str) -> None:
    import polars as pl

    if format == "parquet":
        frame.write_parquet(stream, compression="zstd")
    elif format == "freqtrade-feather":
        frame.write_ipc(stream, compression="lz4", compat_level=pl.CompatLevel.oldest())
    else:
        ms = frame["date"].dt.epoch("ms").to_list()
        others = [frame[name].to_list() for name in frame.columns[1:]]
        stream.write(msgspec.json.encode(list(zip(ms, *others, strict=True))))
