"""Candles for the tests of charts: hand-made ones for edges, and the crash of 2024-08-05 as it was recorded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from engine.types import Timeframe
from engine.views import BarRow
from tests.support.candles import bars, minutes
from tradetui.console.series import Candles

MINUTE = 60_000
MONDAY = int(datetime(2024, 8, 5, tzinfo=UTC).timestamp() * 1000)
CRASH = MONDAY + 150 * MINUTE
"""02:30: the fall and the first recovery are in sight of a small chart."""


def row(at: int, ohlc: Sequence[float], volume: float = 1.0, *, closed: bool = True, complete: bool = True) -> BarRow:
    return BarRow(at, *ohlc, volume, 0, 0.0, closed, complete, "made")


def candles(rows: Sequence[BarRow]) -> Candles:
    made = Candles()
    made.take(rows)
    assert not made.refused, made.refusal
    return made


def series(prices: Sequence[Sequence[float]], *, length: int = MINUTE, volume: float = 1.0) -> Candles:
    return candles([row(MONDAY + place * length, ohlc, volume) for place, ohlc in enumerate(prices)])


def crash(recordings: Path, timeframe: str = "1m", until: int = CRASH) -> list[BarRow]:
    return bars(minutes(recordings, "binance:ETH/USDT"), Timeframe(timeframe), until)
