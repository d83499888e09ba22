"""Hand-made news of an instrument, for the ways of storage that recordings do not go."""

from __future__ import annotations

from typing import Any

from engine.keep import Keep
from engine.types import SECOND, Bar, Instrument, Timeframe, Trade

T0 = 1_700_000_040
"""A full minute, UTC s."""

ETH = Instrument(
    key="binance:ETH/USDT", venue="binance", symbol="ETHUSDT", base="ETH", quote="USDT", price_decimals=2,
    size_decimals=4,
)  # fmt: skip


def bar(second: int, close: int = 200_000, **other: Any) -> Bar:
    values = {"open": 200_000, "high": 200_500, "low": 199_000, "volume": 30, "trades": 3, "taker_buy": 10}
    values |= {"quote_volume": 30 * close, "close": close, "high": max(close, 200_500), "low": min(close, 199_000)}
    return Bar(open_ms=second * 1000, **{**values, **other})


def trade(number: int, second: int, **other: Any) -> Trade:
    values = {"price": 200_000, "size": 5, "ts_exch": second * SECOND, "ts_sent": second * SECOND, "sell": False}
    return Trade(instrument=ETH.key, id=number, **{**values, **other})


def keep(second: int, *bars: Bar, timeframe: Timeframe = Timeframe.S1, **other: Any) -> Keep:
    """What became known by the end of a second."""
    return Keep(instrument=ETH, known_at=second * SECOND, bars=tuple((timeframe, each) for each in bars), **other)
