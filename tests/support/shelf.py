"""A store and its archive in memory, for tests that need something kept and read again."""

from __future__ import annotations

from collections.abc import Iterable

from engine.errors import StorageFailed
from engine.keep import Keep
from engine.ohlcv import OHLCV
from engine.types import Bar, Instrument, Timeframe


class Shelf:
    """Holds bars by instrument, timeframe and opening time; the last word counts."""

    def __init__(self) -> None:
        self.bars: dict[tuple[str, Timeframe], dict[int, Bar]] = {}
        self.instruments: dict[str, Instrument] = {}
        self.reads: list[tuple[int, int]] = []
        self.broken = ""

    def put(self, keep: Keep) -> None:
        for timeframe, bar in keep.bars:
            self.lay(keep.instrument, timeframe, [bar])

    def lay(self, instrument: Instrument, timeframe: Timeframe, bars: Iterable[Bar]) -> None:
        self.instruments[instrument.key] = instrument
        self.bars.setdefault((instrument.key, timeframe), {}).update((bar.open_ms, bar) for bar in bars)

    def candles(self, instrument: str, timeframe: Timeframe, *, start_ms: int, end_ms: int) -> OHLCV:
        self.reads.append((start_ms, end_ms))
        if self.broken:
            raise StorageFailed(self.broken)
        found = self.bars.get((instrument, timeframe), {})
        inside = [found[at] for at in sorted(found) if start_ms <= at < end_ms]
        if not inside:
            return OHLCV.empty(timeframe)
        return OHLCV.of_bars(timeframe, inside, self.instruments[instrument])
