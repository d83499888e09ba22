"""Technical indicators bar by bar: the same numbers as `indicators`, for what is live.

A state holds the averages, the last 300 returns and 200 closes. It is not stored: `IndicatorState.of` builds it from
the last `WARM_UP` bars in a few milliseconds, and from the day's anchor.
"""

from __future__ import annotations

from collections import deque
from math import fsum, log, nan, sqrt
from typing import Self, TypeAlias

import numpy as np

from engine.market.anchored import DayAnchor, DaySums
from engine.market.indicators import FLAT
from engine.ohlcv import OHLCV, Floats

Row: TypeAlias = tuple[float, ...]
"""A value for each of `indicators.NAMES`."""


class IndicatorState:
    """All indicators of one series, as of its last bar."""

    __slots__ = (
        "_adx", "_atr", "_close", "_closes", "_ema", "_fast", "_gain", "_high", "_highs", "_loss", "_low", "_lows",
        "_minus", "_plus", "_raw", "_returns", "_signal", "_slow", "_stoch_d", "_stoch_k", "_sums", "_vwap_obv",
    )  # fmt: skip

    def __init__(self, anchor: DayAnchor | None = None) -> None:
        """Start before the first bar; `anchor` carries VWAP and OBV from where the day's start was seen."""
        self._sums = DaySums(anchor)
        self._vwap_obv = (nan, nan)
        self._high = self._low = self._close = nan
        self._ema = [_Average(n, 2 / (n + 1)) for n in (9, 21, 50, 100)]
        self._fast, self._slow, self._signal = (_Average(n, 2 / (n + 1)) for n in (12, 26, 9))
        self._gain, self._loss, self._atr, self._plus, self._minus, self._adx = (_Average(14, 1 / 14) for _ in range(6))
        self._closes, self._returns = _Last(200), _Last(300)
        self._highs: deque[float] = deque(maxlen=14)
        self._lows: deque[float] = deque(maxlen=14)
        self._raw: deque[float] = deque(maxlen=3)
        self._stoch_k: deque[float] = deque(maxlen=3)
        self._stoch_d = nan

    @classmethod
    def of(cls, ohlcv: OHLCV, anchor: DayAnchor | None = None) -> Self:
        """Return the state after candles."""
        state = cls(anchor)
        names = ("open_ms", "open", "high", "low", "close", "volume", "quote_volume")
        for bar in zip(*[getattr(ohlcv, name).tolist() for name in names], strict=True):
            state.take(*bar)
        return state

    def copy(self) -> Self:
        """Return one that goes its own way."""
        other = type(self).__new__(type(self))
        for name in IndicatorState.__slots__:
            held = getattr(self, name)
            if isinstance(held, _Average | _Last | DaySums | deque):
                held = held.copy()
            elif isinstance(held, list):
                held = [average.copy() for average in held]
            setattr(other, name, held)
        return other

    @property
    def anchor(self) -> DayAnchor | None:
        """Where VWAP and OBV can go on from; None while the day's start was not seen."""
        return self._sums.anchor

    def advance(
        self, open_ms: int, open_: float, high: float, low: float, close: float, volume: float, quote: float = nan
    ) -> Row:
        """Take in the next bar and return its row.

        Units as in `OHLCV`: UTC ms, quote units, base asset; `quote` is the quote volume, nan when unknown. The bar is
        later than all before it.
        """
        self.take(open_ms, open_, high, low, close, volume, quote)
        return self.row()

    def peek(
        self, open_ms: int, open_: float, high: float, low: float, close: float, volume: float, quote: float = nan
    ) -> Row:
        """Return what `advance` would, and stay as it is: the row of a running bar so far."""
        return self.copy().advance(open_ms, open_, high, low, close, volume, quote)

    def take(
        self, open_ms: int, open_: float, high: float, low: float, close: float, volume: float, quote: float = nan
    ) -> None:
        """Take in the next bar."""
        self._vwap_obv = self._sums.take(open_ms, open_, high, low, close, volume, quote)
        for average in self._ema:
            average.take(close)
        self._fast.take(close)
        self._slow.take(close)
        if self._slow.begun:
            self._signal.take(self._fast.value - self._slow.value)
        self._closes.take(close)
        if self._closes.count > 1:
            self._compare(high, low, close)
        self._turn(high, low, close)
        self._high, self._low, self._close = high, low, close

    def _compare(self, high: float, low: float, close: float) -> None:
        """Set the bar against the one before it."""
        last = self._close
        self._returns.take(log(close / last) if close > 0 and last > 0 else nan)
        change = close - last
        self._gain.take(change if change > 0 else 0.0)
        self._loss.take(-change if change < 0 else 0.0)
        self._atr.take((high if high > last else last) - (low if low < last else last))
        rise, fall = high - self._high, self._low - low
        self._plus.take(rise if rise > fall and rise > 0 else 0.0)
        self._minus.take(fall if fall > rise and fall > 0 else 0.0)
        if self._plus.begun:
            plus, minus = self._plus.value, self._minus.value
            self._adx.take(_share(abs(plus - minus), plus + minus, FLAT * close, 0.0))

    def _turn(self, high: float, low: float, close: float) -> None:
        self._highs.append(high)
        self._lows.append(low)
        if len(self._highs) == 14:
            lowest = min(self._lows)
            self._raw.append(_share(close - lowest, max(self._highs) - lowest, 0.0, 50.0))
            if len(self._raw) == 3:
                self._stoch_k.append(sum(self._raw) / 3)
                if len(self._stoch_k) == 3:
                    self._stoch_d = sum(self._stoch_k) / 3

    def row(self) -> Row:
        """Return the values at the last bar taken in, nan where there have not been enough."""
        flat = FLAT * self._close
        gain, loss, atr = self._gain.value, self._loss.value, self._atr.value
        macd = self._fast.value - self._slow.value
        signal = self._signal.value
        middle = self._closes.mean(20)
        band = 2 * self._closes.deviation(20)
        return (
            _share(gain, gain + loss, flat, 50.0) if self._gain.begun else nan,
            macd,
            signal,
            macd - signal,
            middle + band,
            middle,
            middle - band,
            atr,
            *[average.value for average in self._ema],
            middle,
            self._closes.mean(50),
            self._closes.mean(200),
            *self._vwap_obv,
            self._stoch_k[-1] if self._stoch_k else nan,
            self._stoch_d,
            self._adx.value,
            _share(self._plus.value, atr, flat, 0.0) if self._atr.begun else nan,
            _share(self._minus.value, atr, flat, 0.0) if self._atr.begun else nan,
            self._returns.deviation(20),
            self._returns.deviation(300),
        )


class _Average:
    """An exponential average that begins as the mean of its first values; nan until then."""

    __slots__ = ("begun", "first", "period", "value", "weight")

    def __init__(self, period: int, weight: float) -> None:
        self.period = period
        self.weight = weight
        self.value = nan
        self.begun = False
        self.first: list[float] = []

    def take(self, value: float) -> None:
        if self.begun:
            self.value += self.weight * (value - self.value)
            return
        self.first.append(value)
        if len(self.first) == self.period:
            self.value = fsum(self.first) / self.period
            self.begun = True
            self.first.clear()

    def copy(self) -> Self:
        other = type(self)(self.period, self.weight)
        other.value, other.begun, other.first = self.value, self.begun, self.first.copy()
        return other


class _Last:
    """The last values of a series, in order: a ring written twice, so that any stretch of it lies in one piece."""

    __slots__ = ("_cells", "count", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.count = 0
        self._cells: Floats = np.empty(2 * size)

    def take(self, value: float) -> None:
        place = self.count % self.size
        self._cells[place] = self._cells[place + self.size] = value
        self.count += 1

    def last(self, number: int) -> Floats:
        end = (self.count - 1) % self.size + 1 + self.size
        return self._cells[end - number : end]

    def mean(self, number: int) -> float:
        return float(np.add.reduce(self.last(number))) / number if self.count >= number else nan

    def deviation(self, number: int) -> float:
        if self.count < number:
            return nan
        values = self.last(number)
        centred = values - np.add.reduce(values) / number
        return sqrt(centred.dot(centred) / number)

    def copy(self) -> Self:
        other = type(self)(self.size)
        other.count = self.count
        other._cells[:] = self._cells
        return other


def _share(part: float, whole: float, least: float, otherwise: float) -> float:
    return 100 * (part / whole) if whole > least else otherwise
