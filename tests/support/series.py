"""Recorded candles as the product's columns, read plainly: the product's own reader is tested elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from engine.ohlcv import OHLCV
from engine.types import MS, Timeframe

BINANCE_1M = "candles-1m-binance-spot/2024-07_08/ETH_USDT-1m.feather"
BINANCE_1H = "candles-1h-binance-spot/mounik-2020_2024/BTC_USDT-1h.feather"
OUTAGES_1H = "candles-1h-binance-spot/nic-btc-2017_2024/BTC_USDT-1h.feather"
BITSTAMP_1D = "candles-1d-btcusd-2011_2025/BTCUSD_1d_candles.csv"
QUIET_1M = "candles-1m-usdc-depeg-2023-03/binanceus/BTCUSDC_1m.csv"
"""Most minutes of these have no trade; the exchange wrote them down flat."""

BINANCE_1D = "candles-1h-binance-spot/mounik-2020_2024/BTC_USDT-1d.feather"
FILES = {Timeframe.M1: BINANCE_1M, Timeframe.H1: OUTAGES_1H, Timeframe.D1: BINANCE_1D}
"""One file of each of these timeframes; the hours have 28 outages."""


def recorded_of(root: Path, timeframe: Timeframe) -> OHLCV:
    """Return the candles of the file of a timeframe."""
    return recorded(root, FILES[timeframe], timeframe)


def recorded(root: Path, name: str, timeframe: Timeframe) -> OHLCV:
    """Return the candles of a recorded file, oldest first; what these files do not tell is unknown."""
    path = root / name
    table = pl.read_ipc(path) if path.suffix == ".feather" else pl.read_csv(path)
    stamp = next(column for column in ("date", "open_time", "timestamp") if column in table.columns)
    if table[stamp].dtype == pl.String:
        table = table.with_columns(pl.col(stamp).str.slice(0, 19).str.to_datetime(time_zone="UTC"))
    table = table.with_columns(pl.col(stamp).dt.epoch("ms").alias("open_ms")).sort("open_ms").unique("open_ms")
    return candles(timeframe, table.sort("open_ms"))


def candles(timeframe: Timeframe, table: pl.DataFrame) -> OHLCV:
    """Return the columns open_ms, open, high, low, close and volume of a table as candles."""
    size = len(table)
    open_ms = table["open_ms"].to_numpy().astype(np.int64)
    return OHLCV(
        timeframe=timeframe,
        open_ms=open_ms,
        **{name: table[name].to_numpy().astype(np.float64) for name in ("open", "high", "low", "close", "volume")},
        quote_volume=np.full(size, np.nan),
        taker_buy=np.full(size, np.nan),
        trades=np.full(size, -1, np.int64),
        complete=np.ones(size, np.bool_),
        known_at=(open_ms + timeframe.seconds * 1000) * MS,
        source=np.zeros(size, np.uint8),
    )
