"""Candles of the first choice: what is stored, and what the venue itself gives."""

from __future__ import annotations

import asyncio
import math
from typing import Protocol

from engine.errors import FeedUnavailable, StorageFailed
from engine.ingestion import answers
from engine.ingestion.coverage import checked
from engine.ingestion.rest import Rest
from engine.ohlcv import OHLCV, SOURCES
from engine.types import Bar, Instrument, Timeframe

STORAGE_PAGE = 10_000
"""Candles read from storage at once."""


class StoredCandles(Protocol):
    """The part of the archive that is needed here; the call reads a disk and is made in a thread."""

    def candles(self, instrument: str, timeframe: Timeframe, *, start_ms: int, end_ms: int) -> OHLCV:
        """Return what is stored of [start_ms, end_ms), of each time the best source's."""


class Storage:
    """Candles that are stored. Those that are not complete are none: another source may have them whole."""

    name = "storage"
    page = STORAGE_PAGE

    def __init__(self, archive: StoredCandles) -> None:
        self._archive = archive

    def serves(self, instrument: Instrument, timeframe: Timeframe) -> bool:  # noqa: ARG002
        """Tell that anything may be stored."""
        return True

    async def candles(
        self,
        instrument: Instrument,
        timeframe: Timeframe,
        start_ms: int,
        end_ms: int,
        *,
        share: float,  # noqa: ARG002
    ) -> tuple[Bar, ...]:
        """Return the complete stored candles that open in [start_ms, end_ms).

        Raises:
            FeedUnavailable: The database cannot be read.
            ProtocolError: What is stored contradicts itself.
        """
        try:
            found = await asyncio.to_thread(
                self._archive.candles, instrument.key, timeframe, start_ms=start_ms, end_ms=end_ms
            )
        except StorageFailed as error:
            raise FeedUnavailable(f"storage: {error}") from error
        bars = bars_of(found.take(found.complete), instrument)
        return checked(bars, timeframe, start_ms, end_ms, self.name)


class Venue:
    """The venue's own candles."""

    name = "venue"

    def __init__(self, rest: Rest) -> None:
        self.rest = rest
        self.page = rest.market.kline_limit
        self._firsts: dict[tuple[str, Timeframe], int | None] = {}

    def serves(self, instrument: Instrument, timeframe: Timeframe) -> bool:
        """Tell whether the market gives such candles."""
        market = self.rest.market
        return instrument.venue == market.venue and timeframe in market.kline_timeframes

    async def candles(
        self, instrument: Instrument, timeframe: Timeframe, start_ms: int, end_ms: int, *, share: float
    ) -> tuple[Bar, ...]:
        """Return the venue's candles that open in [start_ms, end_ms), as it sent them.

        Raises:
            FeedError: No usable answer.
        """
        most = -(-(end_ms - start_ms) // (timeframe.seconds * 1000))
        # The venue's bounds are inclusive.
        body = await self.rest.klines(instrument.symbol, timeframe, start_ms, end_ms - 1, limit=most, share=share)
        return checked(answers.klines(instrument, timeframe, body).bars, timeframe, start_ms, end_ms, self.name)

    async def first(self, instrument: Instrument, timeframe: Timeframe, *, share: float) -> int | None:
        """Return when the venue's first candle opened, UTC ms; None if it has none. Asked once.

        Raises:
            FeedError: No usable answer.
        """
        key = instrument.key, timeframe
        if key not in self._firsts:
            body = await self.rest.klines(instrument.symbol, timeframe, 0, None, limit=1, share=share)
            bars = answers.klines(instrument, timeframe, body).bars
            self._firsts[key] = bars[0].open_ms if bars else None
        return self._firsts[key]


def bars_of(candles: OHLCV, instrument: Instrument) -> list[Bar]:
    """Return candles in ticks and lots; prices that are finer than the tick are rounded to it."""
    price, size = instrument.price_scale, instrument.size_scale
    columns = (
        candles.open_ms, candles.open, candles.high, candles.low, candles.close, candles.volume, candles.quote_volume,
        candles.taker_buy, candles.trades, candles.complete, candles.source,
    )  # fmt: skip
    return [
        Bar(
            open_ms=open_ms,
            open=round(o * price),
            high=round(h * price),
            low=round(l * price),
            close=round(c * price),
            volume=round(volume * size),
            trades=trades,
            taker_buy=-1 if math.isnan(taker_buy) else round(taker_buy * size),
            quote_volume=-1 if math.isnan(quote) else round(quote * price * size),
            complete=complete,
            source=SOURCES[source],
        )
        for open_ms, o, h, l, c, volume, quote, taker_buy, trades, complete, source in zip(  # noqa: E741
            *(column.tolist() for column in columns), strict=True
        )
    ]
