"""Candles as columns: how everything that computes, draws, stores or learns takes a stretch of one timeframe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Self

import msgspec
import numpy as np
import numpy.typing as npt

from engine.types import MS, Bar, Instrument, Timeframe

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

SOURCES: tuple[str, ...] = ("venue", "trades", "mixed", "import", "mexc", "bybit")
"""Where a bar can come from, best first.

`venue`: its own candle; `trades`: built here from its trades; `mixed`: built here, partly from its candles; `import`: a
file (named more closely in storage); the others are venues that stand in for it.
"""


class OHLCV(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Candles of one instrument and timeframe, oldest first, each `open_ms` once.

    Shapes: every array is [n]. Units: `open_ms` UTC ms; prices in quote units; `volume`, `taker_buy` in base asset
    (contracts on inverse markets), `quote_volume` in quote units; `known_at` UTC ns, when it was known as it stands.
    Unknown: nan in `taker_buy` and `quote_volume`, -1 in `trades`. `complete` is False where the feed did not cover the
    whole interval. `source` indexes `SOURCES`.
    """

    timeframe: Timeframe
    open_ms: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    quote_volume: Floats
    taker_buy: Floats
    trades: Ints
    complete: Flags
    known_at: Ints
    source: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.open_ms)

    def __getitem__(self, part: slice) -> Self:
        """Return a stretch; the arrays are views."""
        return msgspec.structs.replace(self, **{name: getattr(self, name)[part] for name in COLUMNS})

    def take(self, places: npt.NDArray[np.intp] | Flags) -> Self:
        """Return the candles at places, or where a mask is true."""
        return msgspec.structs.replace(self, **{name: getattr(self, name)[places] for name in COLUMNS})

    @property
    def close_ms(self) -> Ints:
        """When each candle ended, UTC ms."""
        return self.open_ms + self.timeframe.seconds * 1000

    @classmethod
    def empty(cls, timeframe: Timeframe) -> Self:
        """Return none."""
        return cls(timeframe=timeframe, **{name: np.empty(0, dtype) for name, dtype in COLUMNS.items()})

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Return stretches of one timeframe as one; they follow one another in time."""
        columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS}
        return cls(timeframe=parts[0].timeframe, **columns)

    @classmethod
    def of_bars(cls, timeframe: Timeframe, bars: Iterable[Bar], instrument: Instrument, known_at: int = 0) -> Self:
        """Return bars in ticks and lots as columns.

        `known_at` 0 stands for the end of each bar. A division of whole numbers is the float nearest to the decimal, so
        the same candle read as text is the same float.
        """
        taken = list(bars)
        price, size = float(instrument.price_scale), float(instrument.size_scale)
        open_ms = np.array([bar.open_ms for bar in taken], np.int64)

        def floats(name: str, scale: float) -> Floats:
            return np.array([getattr(bar, name) for bar in taken], np.float64) / scale

        quote, taker_buy = floats("quote_volume", price * size), floats("taker_buy", size)
        ends = (open_ms + timeframe.seconds * 1000) * MS
        return cls(
            timeframe=timeframe,
            open_ms=open_ms,
            open=floats("open", price),
            high=floats("high", price),
            low=floats("low", price),
            close=floats("close", price),
            volume=floats("volume", size),
            quote_volume=np.where(quote < 0, np.nan, quote),
            taker_buy=np.where(taker_buy < 0, np.nan, taker_buy),
            trades=np.array([bar.trades for bar in taken], np.int64),
            complete=np.array([bar.complete for bar in taken], np.bool_),
            known_at=np.full(len(taken), known_at, np.int64) if known_at else ends,
            source=np.array([source_code(bar.source) for bar in taken], np.uint8),
        )


COLUMNS: dict[str, type] = {
    "open_ms": np.int64,
    "open": np.float64,
    "high": np.float64,
    "low": np.float64,
    "close": np.float64,
    "volume": np.float64,
    "quote_volume": np.float64,
    "taker_buy": np.float64,
    "trades": np.int64,
    "complete": np.bool_,
    "known_at": np.int64,
    "source": np.uint8,
}
"""The columns and their types."""


STAND_INS: frozenset[str] = frozenset({"mexc", "bybit"})
"""The sources that are other venues: better than a hole, never part of what is built from the venue's own trades."""


def source_code(name: str) -> int:
    """Return the place of a source in `SOURCES`; a name of a file's kind is an import."""
    return SOURCES.index(name) if name in SOURCES else SOURCES.index("import")
