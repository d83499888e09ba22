"""Technical indicators of a series of candles: their names, and all of them for all bars at once.

`indicator_state` gives the same numbers bar by bar. A value at i depends on the bars up to i only. Rolling windows are
summed afresh for each bar, and no average is longer than 100 bars: after `WARM_UP` bars a value is the same to 1e-9
wherever the series began. Bars are taken as they follow one another; a hole in time is not filled, the bar after it is
simply the next. Bars that are not complete count as what was seen.
"""

from __future__ import annotations

from itertools import accumulate
from math import fsum, nan

import msgspec
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from engine.market.anchored import DayAnchor, DaySums
from engine.ohlcv import OHLCV, Floats, Ints
from engine.types import Timeframe

WARM_UP = 1500
"""Bars after which values no longer depend on where the series began."""

FLAT = 1e-12
"""Average movement, as a share of the price, from which down a market counts as not moving: one tick, 200 bars ago."""

ROWS = 8192
"""Windows that are worked on at once."""


class Indicator(msgspec.Struct, frozen=True):
    """One column: its name, its unit, and the first place in a series where it can have a value."""

    name: str
    unit: str
    first: int


INDICATORS: tuple[Indicator, ...] = (
    Indicator("rsi_14", "0..100", 14),
    Indicator("macd", "quote", 25),
    Indicator("macd_signal", "quote", 33),
    Indicator("macd_histogram", "quote", 33),
    Indicator("bb_upper", "quote", 19),
    Indicator("bb_middle", "quote", 19),
    Indicator("bb_lower", "quote", 19),
    Indicator("atr_14", "quote", 14),
    Indicator("ema_9", "quote", 8),
    Indicator("ema_21", "quote", 20),
    Indicator("ema_50", "quote", 49),
    Indicator("ema_100", "quote", 99),
    Indicator("sma_20", "quote", 19),
    Indicator("sma_50", "quote", 49),
    Indicator("sma_200", "quote", 199),
    Indicator("vwap", "quote", 0),
    Indicator("obv", "base", 0),
    Indicator("stoch_k", "0..100", 15),
    Indicator("stoch_d", "0..100", 17),
    Indicator("adx_14", "0..100", 27),
    Indicator("plus_di_14", "0..100", 14),
    Indicator("minus_di_14", "0..100", 14),
    Indicator("volatility_20", "log return per bar", 20),
    Indicator("volatility_300", "log return per bar", 300),
)
"""All of them, in the order of their columns wherever they stand in a matrix.

- `rsi_14`, `atr_14`, `adx_14`, `plus_di_14`, `minus_di_14`: Wilder, New Concepts in Technical Trading Systems (1978):
  averages begin as the mean of their first 14 values, then take in 1/14 of each new one. In a market that has not moved
  for about 200 bars (`FLAT`) RSI is 50, and the directional indicators are 0.
- `macd`: EMA 12 - EMA 26 of the close; `macd_signal` its EMA 9; `macd_histogram` their difference. `ema_*`: exponential
  average with weight 2 / (n + 1), begun as the mean of the first n closes. `sma_*`: mean of the last n closes.
- `bb_*`: Bollinger bands: mean of 20 closes, and 2 population standard deviations above and below.
- `vwap`, `obv`: since 00:00 UTC, see `anchored.DaySums`.
- `stoch_k`: mean of the last 3 of 100 x (close - lowest low) / (highest high - lowest low) over 14 bars, 50 where these
  are equal; `stoch_d` the mean of its last 3.
- `volatility_*`: realised volatility: population standard deviation of the last n log returns from close to close; per
  bar, not annualised.
"""

NAMES: tuple[str, ...] = tuple(indicator.name for indicator in INDICATORS)
"""The columns by name."""

_PLACES = {name: place for place, name in enumerate(NAMES)}


class Indicators(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Indicators of a stretch of candles.

    Shapes: `open_ms` [n] UTC ms; `values` [n, len(NAMES)] float64, nan while an indicator has not seen enough bars.
    """

    timeframe: Timeframe
    open_ms: Ints
    values: Floats

    def __len__(self) -> int:
        return len(self.open_ms)

    def __getitem__(self, name: str) -> Floats:
        """Return one column [n], a view."""
        column: Floats = self.values[:, _PLACES[name]]
        return column


def indicators(ohlcv: OHLCV, anchor: DayAnchor | None = None) -> Indicators:
    """Return all indicators of all candles; `anchor` carries VWAP and OBV where the day's start is not among them."""
    high, low, close = ohlcv.high, ohlcv.low, ohlcv.close
    columns = (
        _averages(close)
        | _momentum(high, low, close)
        | _stochastic(high, low, close)
        | _volatility(close)
        | _since_midnight(ohlcv, anchor)
    )
    size = len(ohlcv)
    values: Floats = np.full((size, len(NAMES)), nan)
    for name, column in columns.items():
        # One that is shorter than the series belongs to its end.
        values[size - len(column) :, _PLACES[name]] = column
    return Indicators(timeframe=ohlcv.timeframe, open_ms=ohlcv.open_ms, values=values)


def _averages(close: Floats) -> dict[str, Floats]:
    fast, slow = _smoothed(close, 12, 2 / 13), _smoothed(close, 26, 2 / 27)
    macd = fast[len(fast) - len(slow) :] - slow
    signal = _smoothed(macd, 9, 2 / 10)
    middle = _means(close, 20)
    band = 2 * _deviations(close, 20)
    return {
        "macd": macd,
        "macd_signal": signal,
        "macd_histogram": macd[len(macd) - len(signal) :] - signal,
        "bb_upper": middle + band,
        "bb_middle": middle,
        "bb_lower": middle - band,
        "sma_20": middle,
        "sma_50": _means(close, 50),
        "sma_200": _means(close, 200),
    } | {f"ema_{n}": _smoothed(close, n, 2 / (n + 1)) for n in (9, 21, 50, 100)}


def _momentum(high: Floats, low: Floats, close: Floats) -> dict[str, Floats]:
    """Wilder's: each takes a bar and the one before it."""
    change = np.diff(close)
    gain, loss = (_wilder(np.maximum(move, 0.0)) for move in (change, -change))
    true_range = _wilder(np.maximum(high[1:], close[:-1]) - np.minimum(low[1:], close[:-1]))
    rise, fall = np.diff(high), -np.diff(low)
    plus = _wilder(np.where((rise > fall) & (rise > 0), rise, 0.0))
    minus = _wilder(np.where((fall > rise) & (fall > 0), fall, 0.0))
    flat = FLAT * close[14:]
    return {
        "rsi_14": _share(gain, gain + loss, flat, 50.0),
        "atr_14": true_range,
        "plus_di_14": _share(plus, true_range, flat, 0.0),
        "minus_di_14": _share(minus, true_range, flat, 0.0),
        "adx_14": _wilder(_share(np.abs(plus - minus), plus + minus, flat, 0.0)),
    }


def _stochastic(high: Floats, low: Floats, close: Floats) -> dict[str, Floats]:
    if len(close) < 14:
        return {}
    lowest = sliding_window_view(low, 14).min(axis=1)
    span = sliding_window_view(high, 14).max(axis=1) - lowest
    k = _means(_share(close[13:] - lowest, span, np.zeros(len(span)), 50.0), 3)
    return {"stoch_k": k, "stoch_d": _means(k, 3)}


def _volatility(close: Floats) -> dict[str, Floats]:
    before, after = close[:-1], close[1:]
    ratios: Floats = np.full(len(after), nan)
    returns = np.log(np.divide(after, before, out=ratios, where=(before > 0) & (after > 0)))
    return {f"volatility_{n}": _deviations(returns, n) for n in (20, 300)}


def _since_midnight(ohlcv: OHLCV, anchor: DayAnchor | None) -> dict[str, Floats]:
    names = ("open_ms", "open", "high", "low", "close", "volume", "quote_volume")
    bars = zip(*[getattr(ohlcv, name).tolist() for name in names], strict=True)
    sums = DaySums(anchor)
    pairs: Floats = np.array([sums.take(*bar) for bar in bars], np.float64).reshape(-1, 2)
    return {"vwap": pairs[:, 0], "obv": pairs[:, 1]}


def _smoothed(values: Floats, period: int, weight: float) -> Floats:
    """Return the exponential average [n - period + 1] that begins as the mean of the first `period` values."""
    if len(values) < period:
        return values[:0]
    taken = values.tolist()
    start = fsum(taken[:period]) / period
    chain = accumulate(taken[period:], lambda average, value: average + weight * (value - average), initial=start)
    return np.fromiter(chain, np.float64, len(values) - period + 1)


def _wilder(values: Floats) -> Floats:
    return _smoothed(values, 14, 1 / 14)


def _share(part: Floats, whole: Floats, least: Floats, otherwise: float) -> Floats:
    """Return `part` in per cent of `whole`, and `otherwise` where the whole is not above `least`."""
    share: Floats = np.full(len(whole), otherwise)
    moving = whole > least
    share[moving] = 100 * (part[moving] / whole[moving])
    return share


def _means(values: Floats, period: int) -> Floats:
    """Return the mean [n - period + 1] of each `period` values in a row."""
    if len(values) < period:
        return values[:0]
    means: Floats = sliding_window_view(values, period).sum(axis=1) / period
    return means


def _deviations(values: Floats, period: int) -> Floats:
    """Return the population standard deviation [n - period + 1] of each `period` values in a row."""
    if len(values) < period:
        return values[:0]
    windows = sliding_window_view(values, period)
    deviations: Floats = np.empty(len(windows))
    for first in range(0, len(windows), ROWS):
        part = windows[first : first + ROWS]
        centred = part - part.mean(axis=1, keepdims=True)
        deviations[first : first + ROWS] = np.sqrt(np.einsum("ij,ij->i", centred, centred) / period)
    return deviations
