"""The log of pivots as columns: how storage, charts and training take them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import msgspec
import numpy as np
import numpy.typing as npt

from engine.ohlcv import Flags, Floats, Ints
from engine.types import PivotPoint, Timeframe


class PivotLog(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Pivots as columns, in order of confirmation; those of one bar highs first, each level after the one it is from.

    Shapes: every array is [n]. Units as in `PivotPoint`: `ts_ms`, `confirmed_ms` UTC ms, `price` quote units,
    `known_at` UTC ns.
    """

    timeframe: Timeframe
    level: npt.NDArray[np.uint8]
    high: Flags
    ts_ms: Ints
    price: Floats
    confirmed_ms: Ints
    known_at: Ints

    def __len__(self) -> int:
        return len(self.ts_ms)

    def __getitem__(self, part: slice) -> Self:
        """Return a stretch; the arrays are views."""
        return msgspec.structs.replace(self, **{name: getattr(self, name)[part] for name in _COLUMNS})

    def take(self, places: npt.NDArray[np.intp] | Flags) -> Self:
        """Return the pivots at places, or where a mask is true."""
        return msgspec.structs.replace(self, **{name: getattr(self, name)[places] for name in _COLUMNS})

    def until(self, confirmed_ms: int) -> Self:
        """Return those that existed by a time, UTC ms: the log as it was then."""
        return self[: int(np.searchsorted(self.confirmed_ms, confirmed_ms, side="right"))]

    def newest(self, per_side: int) -> Self:
        """Return the newest `per_side` highs and as many lows of each level, still in order of confirmation."""
        kind = self.level.astype(np.intp) * 2 + self.high
        places = [np.flatnonzero(kind == one)[-per_side:] for one in np.unique(kind)] if per_side > 0 else []
        return self.take(np.sort(np.concatenate([*places, np.empty(0, np.intp)])))

    def points(self) -> list[PivotPoint]:
        """Return them one by one."""
        columns = (getattr(self, name).tolist() for name in _COLUMNS)
        return [
            PivotPoint(timeframe=self.timeframe, **dict(zip(_COLUMNS, row, strict=True)))
            for row in zip(*columns, strict=True)
        ]

    @classmethod
    def of_points(cls, timeframe: Timeframe, points: Iterable[PivotPoint]) -> Self:
        """Return pivots of one timeframe, in order of confirmation, as columns."""
        columns = {name: [getattr(point, name) for point in points] for name in _COLUMNS}
        return cls(timeframe=timeframe, **{name: np.array(columns[name], kind) for name, kind in _COLUMNS.items()})


_COLUMNS: dict[str, type] = {
    "level": np.uint8,
    "high": np.bool_,
    "ts_ms": np.int64,
    "price": np.float64,
    "confirmed_ms": np.int64,
    "known_at": np.int64,
}
