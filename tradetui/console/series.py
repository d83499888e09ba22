"""What the engine has told of the markets, kept as columns that can be drawn: candles, heat map, trades.

Only what makes sense is kept: a candle whose low lies above its open or close, or whose time is none, is refused,
counted and told; it is never drawn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from math import isfinite

import numpy as np
import numpy.typing as npt

from engine.views import BarRow, HeatRow, TradeRow

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

MOST_BARS = 5000
"""Bars of one chart that are kept; the oldest leave."""

MOST_TRADES = 1000

MOST_SECONDS = 600
"""Seconds of the heat map that are kept."""


def wrong(bar: BarRow) -> str:
    """Return what makes a bar impossible, "" if nothing does."""
    prices = (bar.open, bar.high, bar.low, bar.close)
    if not all(map(isfinite, prices)) or not isfinite(bar.volume):
        return "a price or a volume that is no number"
    if bar.low > min(bar.open, bar.close):
        return f"low {bar.low:g} above open or close"
    if bar.high < max(bar.open, bar.close):
        return f"high {bar.high:g} below open or close"
    if bar.volume < 0:
        return f"negative volume {bar.volume:g}"
    return "" if 0 <= bar.open_ms < 2**53 else f"time {bar.open_ms}"


class Candles:
    """Bars of one instrument and timeframe, oldest first, each time once.

    Units: `open_ms` UTC ms; prices in quote units; `volume` in base asset (contracts on inverse markets).
    """

    def __init__(self) -> None:
        self.version = 0
        self.refused = 0
        self.refusal = ""
        """What was wrong with the last bar that was refused."""
        self._size = 0
        self._open_ms: Integers = np.zeros(64, dtype=np.int64)
        self._values: Floats = np.zeros((64, 5))
        self._flags: npt.NDArray[np.bool_] = np.zeros((64, 2), dtype=bool)

    def __len__(self) -> int:
        return self._size

    @property
    def open_ms(self) -> Integers:
        """Opening times."""
        return self._open_ms[: self._size]

    @property
    def ohlc(self) -> Floats:
        """Open, high, low, close; shape [bars, 4]."""
        return self._values[: self._size, :4]

    @property
    def volume(self) -> Floats:
        """Volumes."""
        return self._values[: self._size, 4]

    @property
    def closed(self) -> npt.NDArray[np.bool_]:
        """False for the bar that is still running."""
        return self._flags[: self._size, 0]

    @property
    def complete(self) -> npt.NDArray[np.bool_]:
        """False where not every trade of the bar is known to be in it."""
        return self._flags[: self._size, 1]

    def take(self, rows: Iterable[BarRow], *, reset: bool = False) -> None:
        """Take new and changed bars; with `reset` forget those before."""
        if reset:
            self._size = 0
        for row in rows:
            told = wrong(row)
            if told:
                self.refused += 1
                self.refusal = told
            else:
                self._put(row)
        self.version += 1

    def _put(self, row: BarRow) -> None:
        size = self._size
        if not size or row.open_ms > self._open_ms[size - 1]:
            at = self._room()
            self._size += 1
        else:
            at = int(np.searchsorted(self.open_ms, row.open_ms))
            if self._open_ms[at] != row.open_ms:
                self._room()
                for column in (self._open_ms, self._values, self._flags):
                    column[at + 1 : self._size + 1] = column[at : self._size]
                self._size += 1
        self._open_ms[at] = row.open_ms
        self._values[at] = row.open, row.high, row.low, row.close, row.volume
        self._flags[at] = row.closed, row.complete

    def _room(self) -> int:
        """Make room for one bar more; return the place behind the last one."""
        if self._size >= MOST_BARS:
            keep = MOST_BARS - MOST_BARS // 10
            for column in (self._open_ms, self._values, self._flags):
                column[:keep] = column[self._size - keep : self._size]
            self._size = keep
        elif self._size == len(self._open_ms):
            more = min(2 * self._size, MOST_BARS)
            self._open_ms = np.resize(self._open_ms, more)
            self._values = np.resize(self._values, (more, 5))
            self._flags = np.resize(self._flags, (more, 2))
        return self._size

    @classmethod
    def of(cls, rows: Sequence[BarRow]) -> Candles:
        """Return bars as they are, in order of time; those that are impossible are refused."""
        sound = [row for row in rows if not wrong(row)]
        return cls._made(
            np.array([row.open_ms for row in sound], dtype=np.int64),
            np.array([(row.open, row.high, row.low, row.close, row.volume) for row in sound]).reshape(-1, 5),
            np.array([(row.closed, row.complete) for row in sound], dtype=bool).reshape(-1, 2),
        )

    @classmethod
    def join(cls, first: Candles, second: Candles) -> Candles:
        """Return bars and those that follow them, as they are now."""
        return cls._made(
            np.concatenate((first.open_ms, second.open_ms)),
            np.concatenate((first._values[: len(first)], second._values[: len(second)])),
            np.concatenate((first._flags[: len(first)], second._flags[: len(second)])),
        )

    def part(self, start: int, stop: int) -> Candles:
        """Return the bars at [start, stop), as they are now."""
        return self.where(slice(start, stop))

    def where(self, which: slice | npt.NDArray[np.bool_]) -> Candles:
        """Return some of the bars, as they are now."""
        size = self._size
        return self._made(self._open_ms[:size][which], self._values[:size][which], self._flags[:size][which])

    @classmethod
    def _made(cls, open_ms: Integers, values: Floats, flags: npt.NDArray[np.bool_]) -> Candles:
        made = cls()
        made._size = len(open_ms)
        made._open_ms, made._values, made._flags = open_ms.copy(), values.copy(), flags.copy()
        return made

    def still(self) -> Candles:
        """Return a copy that does not change any more."""
        copied = Candles()
        copied.__dict__.update(self.__dict__)
        copied._open_ms, copied._values = self._open_ms.copy(), self._values.copy()
        copied._flags = self._flags.copy()
        return copied


class Heat:
    """Seconds of one instrument's heat map, oldest first, as the engine sends them (40 buckets each)."""

    def __init__(self) -> None:
        self.version = 0
        self._rows: dict[int, HeatRow] = {}

    @property
    def rows(self) -> list[HeatRow]:
        """The seconds, oldest first."""
        return list(self._rows.values())

    def take(self, rows: Iterable[HeatRow], *, reset: bool = False) -> None:
        """Take new and changed seconds; with `reset` forget those before."""
        if reset:
            self._rows.clear()
        last = next(reversed(self._rows), -1)
        ordered = True
        for row in rows:
            ordered = ordered and row.second >= last
            last = row.second
            self._rows[row.second] = row
        if not ordered:
            self._rows = dict(sorted(self._rows.items()))
        for second in list(self._rows)[: max(len(self._rows) - MOST_SECONDS, 0)]:
            del self._rows[second]
        self.version += 1

    def still(self) -> Heat:
        """Return a copy that does not change any more."""
        copied = Heat()
        copied.version, copied._rows = self.version, self._rows.copy()
        return copied


class Trades:
    """The last trades of one instrument, in the order in which they were told."""

    def __init__(self) -> None:
        self.version = 0
        self.rows: deque[TradeRow] = deque(maxlen=MOST_TRADES)
        self._known: set[int] = set()

    def take(self, rows: Iterable[TradeRow], *, reset: bool = False) -> None:
        """Take new trades; with `reset` forget those before. A venue may begin to count anew."""
        if reset:
            self.rows.clear()
            self._known.clear()
        for row in rows:
            if isfinite(row.price) and isfinite(row.size) and self._follows(row):
                self.rows.append(row)
                self._known.add(row.id)
        if len(self._known) > 2 * MOST_TRADES:
            self._known = {row.id for row in self.rows}
        self.version += 1

    def _follows(self, row: TradeRow) -> bool:
        newest = self.rows[-1] if self.rows else row
        return row.id not in self._known and (row.id >= newest.id or row.ts_ms > newest.ts_ms)

    def still(self) -> Trades:
        """Return a copy that does not change any more."""
        copied = Trades()
        copied.version, copied.rows, copied._known = self.version, self.rows.copy(), self._known.copy()
        return copied
