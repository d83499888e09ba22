"""The COB's seconds as arrays: what models and training take instead of `cob.Column`.

Volumes are in base asset and in quote units on all markets. On inverse markets a lot is a contract of `contract_size`
quote units: base asset is that value over the bucket's mean price.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Self

import msgspec
import numpy as np
import numpy.typing as npt

from engine.market.cob import RADIUS, SECONDS, Column
from engine.ohlcv import Flags, Floats, Ints
from engine.types import Instrument

BUCKETS = 2 * RADIUS
"""Buckets of a column."""

_SHAPES: dict[str, tuple[type, int]] = {
    "seconds": (np.int64, 0),
    "base": (np.int64, 0),
    "size": (np.float64, 0),
    "low": (np.float64, 0),
    "best_bid": (np.float64, 0),
    "best_ask": (np.float64, 0),
    "bids": (np.float64, BUCKETS),
    "asks": (np.float64, BUCKETS),
    "bid_quote": (np.float64, BUCKETS),
    "ask_quote": (np.float64, BUCKETS),
    "partial": (np.bool_, BUCKETS),
}
"""Name, type and width of each array; width 0: one value a second."""


class Columns(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Seconds with a live book, oldest first.

    Shapes: `bids`, `asks`, `bid_quote`, `ask_quote`, `partial` [n, 40], the others [n]. Units: `seconds` UTC s; `base`
    index of the lowest bucket, which begins at `low`; `size` width of a bucket, prices in quote units; `bids`, `asks`
    base asset; `*_quote` the same in quote units; `partial` where a bucket is a lower bound.
    """

    seconds: Ints
    base: Ints
    size: Floats
    low: Floats
    best_bid: Floats
    best_ask: Floats
    bids: Floats
    asks: Floats
    bid_quote: Floats
    ask_quote: Floats
    partial: Flags

    def __len__(self) -> int:
        return len(self.seconds)

    def take(self, places: npt.NDArray[np.intp] | Flags | slice) -> Self:
        """Return the seconds at places, or where a mask is true."""
        return type(self)(**{name: getattr(self, name)[places] for name in _SHAPES})

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Return stretches as one; they follow one another in time."""
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in _SHAPES})

    @classmethod
    def of(cls, columns: Iterable[tuple[Column, int]], instrument: Instrument) -> Self:
        """Return columns, each with its bucket size in ticks, as arrays."""
        rows = list(columns)
        buckets = np.array([bucket for _, bucket in rows], np.int64)
        price, size = float(instrument.price_scale), float(instrument.size_scale)

        def of_seconds(name: str, kind: type = np.int64) -> Ints:
            return np.array([getattr(column, name) for column, _ in rows], kind)

        def of_buckets(name: str, kind: type = np.float64) -> Floats:
            return np.array([getattr(column, name) for column, _ in rows], kind).reshape(len(rows), BUCKETS)

        base = of_seconds("base")
        bids, bid_quote = _valued(of_buckets("bids"), of_buckets("bid_notional"), instrument)
        asks, ask_quote = _valued(of_buckets("asks"), of_buckets("ask_notional"), instrument)
        return cls(
            seconds=of_seconds("second"),
            base=base,
            size=buckets / price,
            low=base * buckets / price,
            best_bid=of_seconds("best_bid") / price,
            best_ask=of_seconds("best_ask") / price,
            bids=bids / size,
            asks=asks / size,
            bid_quote=bid_quote / size,
            ask_quote=ask_quote / size,
            partial=of_buckets("partial", np.bool_),  # type: ignore[arg-type]
        )


def _valued(lots: Floats, notional: Floats, instrument: Instrument) -> tuple[Floats, Floats]:
    """Return volumes as lots of base asset, and their value in quote units per lot scale."""
    if not instrument.contract_size:
        return lots, notional / float(instrument.price_scale)
    value = lots * instrument.contract_size
    mean = np.divide(notional, lots * float(instrument.price_scale), out=np.ones_like(lots), where=lots > 0)
    return value / mean, value


class ColumnRing:
    """The last 300 columns, taken in one by one, and made into arrays when somebody looks."""

    __slots__ = ("_arrays", "_instrument", "_stop", "_waiting")

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        # Twice as long as needed: the last ones always lie in one piece, and are moved once in 300 seconds.
        self._arrays: dict[str, npt.NDArray[Any]] = {
            name: np.zeros((2 * SECONDS, width) if width else 2 * SECONDS, kind)
            for name, (kind, width) in _SHAPES.items()
        }
        self._stop = 0
        self._waiting: deque[tuple[Column, int]] = deque(maxlen=SECONDS)

    def append(self, column: Column, bucket: int) -> None:
        """Take in the column of the next second; `bucket` is its bucket size in ticks."""
        self._waiting.append((column, bucket))

    def last(self) -> Columns:
        """Return them; the arrays are views, good until the next one comes."""
        if self._waiting:
            self._take_in(Columns.of(list(self._waiting), self._instrument))
            self._waiting.clear()
        held = slice(max(self._stop - SECONDS, 0), self._stop)
        return Columns(**{name: array[held] for name, array in self._arrays.items()})

    def _take_in(self, rows: Columns) -> None:
        new = len(rows.seconds)
        if self._stop + new > 2 * SECONDS:
            kept = SECONDS - new
            for array in self._arrays.values():
                array[:kept] = array[self._stop - kept : self._stop].copy()
            self._stop = kept
        for name, array in self._arrays.items():
            array[self._stop : self._stop + new] = getattr(rows, name)
        self._stop += new
