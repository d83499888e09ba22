"""Recorded candles as the product's columns, read plainly: the product's own reader is tested elsewhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from engine.ohlcv import OHLCV
from engine.types import MS, Timeframe

VALUES = ("open", "high", "low", "close", "volume")

MINUTES = "candles-1m-binance-spot"
FOLDERS = ("2021-04_05", "2021-09_10", "2021-11_12", "2022", "2023-03_05", "2024-07_08", "2025-05_08")
"""Those of `MINUTES`, each with BTC and ETH."""

HOURS = "candles-1h-binance-spot/mounik-2020_2024"
BINANCE_1M = f"{MINUTES}/2024-07_08/ETH_USDT-1m.feather"
BINANCE_1H = f"{HOURS}/BTC_USDT-1h.feather"
OUTAGES_1H = "candles-1h-binance-spot/nic-btc-2017_2024/BTC_USDT-1h.feather"
BITSTAMP_1D = "candles-1d-btcusd-2011_2025/BTCUSD_1d_candles.csv"
QUIET_1M = "candles-1m-usdc-depeg-2023-03/binanceus/BTCUSDC_1m.csv"
"""Most minutes of these have no trade; the exchange wrote them down flat."""

BINANCE_1D = f"{HOURS}/BTC_USDT-1d.feather"
FILES = {Timeframe.M1: BINANCE_1M, Timeframe.H1: OUTAGES_1H, Timeframe.D1: BINANCE_1D}
"""One file of each of these timeframes; the hours have 28 outages."""


def recorded_of(root: Path, timeframe: Timeframe) -> OHLCV:
    """Return the candles of the file of a timeframe."""
    return recorded(root, FILES[timeframe], timeframe)


def recorded(root: Path, name: str, timeframe: Timeframe) -> OHLCV:
    """Return the candles of a recorded file, oldest first; what these files do not tell is unknown."""
    return candles(timeframe, read(root / name))


def read(path: Path) -> pl.DataFrame:
    """Return the candles of a file (Feather, CSV with a header, JSON rows), oldest first: open_ms and `VALUES`."""
    if path.suffix == ".json":
        table = pl.DataFrame(json.loads(path.read_text()), schema=["open_ms", *VALUES], orient="row", strict=False)
    else:
        table = pl.read_ipc(path) if path.suffix == ".feather" else pl.read_csv(path)
        stamp = next(column for column in ("date", "open_time", "timestamp") if column in table.columns)
        if table[stamp].dtype == pl.String:
            table = table.with_columns(pl.col(stamp).str.slice(0, 19).str.to_datetime(time_zone="UTC"))
        table = table.with_columns(pl.col(stamp).dt.epoch("ms").alias("open_ms"))
    floats = [pl.col(name).cast(pl.Float64) for name in VALUES]
    return table.select(pl.col("open_ms").cast(pl.Int64), *floats).unique("open_ms", keep="first").sort("open_ms")


def minutes(root: Path, coin: str, folders: Sequence[str] = FOLDERS) -> pl.DataFrame:
    """Return every recorded minute of these folders, oldest first."""
    places = (root / MINUTES / folder for folder in folders)
    found = [read(path) for place in places for path in sorted(place.glob(f"{coin}*USDT*1m.*"))]
    return pl.concat(found).unique("open_ms", keep="first").sort("open_ms")


def longer(table: pl.DataFrame, timeframe: Timeframe) -> pl.DataFrame:
    """Return the candles of a timeframe that shorter ones make, whole or not."""
    length = timeframe.seconds * 1000
    return table.group_by((pl.col("open_ms") // length * length).alias("open_ms"), maintain_order=True).agg(
        pl.first("open"), pl.max("high"), pl.min("low"), pl.last("close"), pl.sum("volume")
    )


def candles(timeframe: Timeframe, table: pl.DataFrame) -> OHLCV:
    """Return the columns open_ms, open, high, low, close and volume of a table as candles."""
    size = len(table)
    open_ms = table["open_ms"].to_numpy().astype(np.int64)
    return OHLCV(
        timeframe=timeframe,
        open_ms=open_ms,
        **{name: table[name].to_numpy().astype(np.float64) for name in VALUES},
        quote_volume=np.full(size, np.nan),
        taker_buy=np.full(size, np.nan),
        trades=np.full(size, -1, np.int64),
        complete=np.ones(size, np.bool_),
        known_at=(open_ms + timeframe.seconds * 1000) * MS,
        source=np.zeros(size, np.uint8),
    )
