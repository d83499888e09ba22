"""What can be laid over candles and under them: indicators by name, what they are made of, and their values. Pure.

The numbers are those of `engine.market.indicators`: of the bars that are loaded, nan while there have not been enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from engine.types import Timeframe

if TYPE_CHECKING:
    from engine.market.indicator_state import IndicatorState
    from engine.ohlcv import OHLCV
    from tradetui.console.series import Candles, Floats


class Line(NamedTuple):
    """An indicator on the price scale: how it is named, the letter that stands for it, and its columns."""

    label: str
    letter: str
    columns: tuple[str, ...]


LINES = {
    "ema9": Line("EMA 9", "a", ("ema_9",)),
    "ema21": Line("EMA 21", "b", ("ema_21",)),
    "ema50": Line("EMA 50", "c", ("ema_50",)),
    "ema100": Line("EMA 100", "d", ("ema_100",)),
    "sma20": Line("SMA 20", "e", ("sma_20",)),
    "sma50": Line("SMA 50", "f", ("sma_50",)),
    "sma200": Line("SMA 200", "g", ("sma_200",)),
    "bollinger": Line("BB 20 2", "h", ("bb_upper", "bb_middle", "bb_lower")),
    "vwap": Line("VWAP day", "i", ("vwap",)),
}
"""By the name they have in the view and on the command line."""


class Study(NamedTuple):
    """An indicator with a scale of its own.

    `columns` are lines; `bars` is drawn from 0, up or down. `low` and `high` fix the scale, None: it fits what is in
    sight. `guides` are values with a line across. `places`: decimals.
    """

    label: str
    columns: tuple[str, ...]
    bars: str = ""
    low: float | None = None
    high: float | None = None
    guides: tuple[float, ...] = ()
    places: int = 1


STUDIES = {
    "rsi": Study("RSI 14", ("rsi_14",), low=0, high=100, guides=(30, 70)),
    "macd": Study("MACD 12 26 9", ("macd", "macd_signal"), bars="macd_histogram", guides=(0,), places=2),
    "atr": Study("ATR 14", ("atr_14",), places=2),
    "stochastic": Study("Stochastic 14 3 3", ("stoch_k", "stoch_d"), low=0, high=100, guides=(20, 80)),
    "adx": Study("ADX 14 +DI -DI", ("adx_14", "plus_di_14", "minus_di_14"), low=0, guides=(25,)),
    "obv": Study("OBV day", ("obv",), places=0),
    "volatility": Study("volatility 20, 300 bp a bar", ("volatility_20", "volatility_300"), low=0, places=2),
}
"""One at a time stands under the volume."""

SCALES = {"volatility_20": 1e4, "volatility_300": 1e4}
"""What a column is multiplied by to be read: basis points of a log return."""

PROFILE = "profile"
PIVOTS = tuple(f"pivots{level}" for level in range(1, 6))
LEVELS, FLOOR, TREND = "levels", "floor", "trend"
ORDERS = "orders"
OF_PIVOTS = frozenset((*PIVOTS, LEVELS, FLOOR, TREND))

MARKS = {
    **{name: f"confirmed pivots of level {level}" for level, name in enumerate(PIVOTS, 1)},
    LEVELS: "nearest support and resistance of each level",
    FLOOR: "floor pivots of the last closed day: P, R1-3, S1-3",
    TREND: "trend of each level, in words",
    PROFILE: "volume by price since 00:00 UTC, with its value area",
    ORDERS: "open orders, stops, targets and the average price of the position",
}
"""What else is laid over candles, by name."""


class Values:
    """The indicators of a chart's candles. What is closed is counted once; only the running bar is looked at again."""

    def __init__(self) -> None:
        self._bars: Floats = np.zeros((0, 6))
        self._rows: Floats = np.zeros((0, 0))
        self._state: IndicatorState | None = None
        self._told: tuple[tuple[object, int], Floats] | None = None

    def of(self, candles: Candles, timeframe: str) -> Floats:
        """Return all indicators, shape [bars, columns in the order of `indicators.NAMES`]."""
        key = candles, candles.version
        if self._told is None or self._told[0] != key:
            self._told = key, self._counted(candles, timeframe)
        return self._told[1]

    def _counted(self, candles: Candles, timeframe: str) -> Floats:
        bars = np.column_stack((candles.open_ms.astype(np.float64), candles.ohlc, candles.volume))
        closed = len(bars) - (len(bars) > 0 and not candles.closed[-1])
        known = len(self._bars)
        if not known or known > closed or not np.array_equal(bars[:known], self._bars):
            self._whole(bars[:closed], timeframe)
        elif closed > known:
            state = self._after(timeframe)
            new = [state.advance(int(bar[0]), *bar[1:]) for bar in bars[known:closed].tolist()]
            self._rows, self._bars = np.vstack((self._rows, new)), bars[:closed]
        if closed == len(bars):
            return self._rows
        last = bars[-1].tolist()
        return np.vstack((self._rows, self._after(timeframe).peek(int(last[0]), *last[1:])))

    def _whole(self, bars: Floats, timeframe: str) -> None:
        from engine.market.indicators import indicators

        self._bars, self._rows, self._state = bars, indicators(_ohlcv(bars, timeframe)).values, None

    def _after(self, timeframe: str) -> IndicatorState:
        """Return the state after the closed bars; it is made when the first bar follows them."""
        if self._state is None:
            from engine.market.indicator_state import IndicatorState

            self._state = IndicatorState.of(_ohlcv(self._bars, timeframe))
        return self._state


def column(values: Floats, name: str) -> Floats:
    """Return one indicator as it is read, shape [bars]."""
    from engine.market.indicators import NAMES

    found: Floats = values[:, NAMES.index(name)] * SCALES.get(name, 1.0)
    return found


def _ohlcv(bars: Floats, timeframe: str) -> OHLCV:
    from engine.ohlcv import OHLCV

    count = len(bars)
    unknown = np.full(count, np.nan)
    return OHLCV(
        timeframe=Timeframe(timeframe), open_ms=bars[:, 0].astype(np.int64), open=bars[:, 1], high=bars[:, 2],
        low=bars[:, 3], close=bars[:, 4], volume=bars[:, 5], quote_volume=unknown, taker_buy=unknown,
        trades=np.full(count, -1), complete=np.ones(count, dtype=bool), known_at=np.zeros(count, dtype=np.int64),
        source=np.zeros(count, dtype=np.uint8),
    )  # fmt: skip
