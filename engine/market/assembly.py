"""A model input out of its parts: one pure function, the same for what is in memory and for what is stored."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from engine.market import input_bars, input_book
from engine.market.bounds import pivot_bounds
from engine.market.cob import Averages
from engine.market.columns import Columns
from engine.market.input_bars import KEPT
from engine.market.inputs import (
    NEWEST_PIVOTS,
    TIMEFRAMES,
    CobInput,
    Frame,
    IndicatorInput,
    ModelInput,
    PivotInput,
    SoFar,
    facts_of,
)
from engine.market.outputs import ModelOutput
from engine.market.pivots import LEVELS
from engine.market.quality import quality
from engine.market.structure import Swings, Trend, floor_pivots_at
from engine.ohlcv import OHLCV, Floats
from engine.types import MS, SECOND, Timeframe

_TRENDS = {Trend.UP: 1.0, Trend.SIDEWAYS: 0.0, Trend.DOWN: -1.0, None: np.nan}


class Parts(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What was known of an instrument at `as_of` (UTC ns, a whole second), wherever it was kept.

    `candles` holds of every timeframe of `TIMEFRAMES` the newest closed bars, 300 or more (of 1m 1500 or more) where
    there are so many, and `values` their indicators [n, 24]. `contract_size` is that of the instrument, 0 on linear
    markets. `columns` are the last COB seconds, `averages` those of the second `as_of`. `swings` come from the log of
    pivots. An instrument without a reference has "" and no candles of it.
    """

    symbol: str
    as_of: int
    contract_size: int
    candles: Mapping[Timeframe, OHLCV]
    values: Mapping[Timeframe, Floats]
    columns: Columns
    averages: tuple[Averages, ...]
    swings: Mapping[Timeframe, Swings]
    reference: str
    reference_1s: OHLCV
    reference_contract_size: int
    outputs: Mapping[str, ModelOutput]


def reached(candles: Mapping[Timeframe, OHLCV]) -> int:
    """Return the end of the newest closed bar of any timeframe, UTC ms, 0 without one: where all grids end."""
    return max(
        (int(each.open_ms[-1]) + each.timeframe.seconds * 1000 for each in candles.values() if len(each)), default=0
    )


def build(parts: Parts) -> ModelInput:
    """Return the input; the same parts give the same input, bit by bit. It is shared: its arrays are read-only."""
    end_ms = reached(parts.candles)
    frames = {each: input_bars.frame(parts.candles[each], each, end_ms, parts.contract_size) for each in TIMEFRAMES}
    seconds = frames[Timeframe.S1]
    reference = input_bars.frame(parts.reference_1s, Timeframe.S1, end_ms, parts.reference_contract_size)
    cob = input_book.cob(parts.columns, parts.as_of // SECOND)
    micro = input_book.micro(cob, frames)
    at_ms = max(parts.as_of // MS, end_ms)
    days = parts.candles[Timeframe.D1][-KEPT:]
    pivots = {each: _pivots(parts.swings[each], days, micro["price"], at_ms) for each in TIMEFRAMES}
    given = ModelInput(
        symbol=parts.symbol,
        reference=parts.reference if reference.there.any() else "",
        as_of=parts.as_of,
        frames=frames,
        reference_1s=reference,
        so_far={each: input_bars.so_far(parts.candles, parts.contract_size, each, end_ms) for each in TIMEFRAMES[1:]},
        indicators={
            each: input_bars.indicators(parts.candles, parts.values[each], each, frames[each]) for each in TIMEFRAMES
        },
        cob=cob,
        imbalance=input_book.imbalance(parts.averages),
        bucket_imbalance=input_book.bucket_imbalance(parts.columns, parts.as_of // SECOND),
        flow=input_book.flow(seconds),
        pivots=pivots,
        floor=floor_pivots_at(days, at_ms),
        micro=micro,
        outputs={name: output for name, output in parts.outputs.items() if output.known_at <= parts.as_of},
        quality=quality(facts_of(parts.as_of, frames, reference, cob, pivots)),
    )
    _freeze(given)
    return given


def _freeze(value: object) -> None:
    """Make all arrays in an input read-only; answers of models are their own affair."""
    if isinstance(value, np.ndarray):
        value.flags.writeable = False
    elif isinstance(value, dict):
        for each in value.values():
            _freeze(each)
    elif isinstance(value, ModelInput | Frame | SoFar | IndicatorInput | CobInput | PivotInput):
        for name in value.__struct_fields__:
            _freeze(getattr(value, name))


def _pivots(swings: Swings, days: OHLCV, price: float, at_ms: int) -> PivotInput:
    shape = LEVELS, NEWEST_PIVOTS
    ts_ms, confirmed_ms = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    prices, high, there = np.full(shape, np.nan), np.zeros(shape, np.int8), np.zeros(shape, np.bool_)
    trend, support, resistance = (np.full(LEVELS, np.nan) for _ in range(3))
    for row in range(LEVELS):
        sides = (*swings.highs(row + 1), *swings.lows(row + 1))
        newest = sorted(sides, key=lambda point: (point.confirmed_ms, point.ts_ms, point.high))[-NEWEST_PIVOTS:]
        for place, point in enumerate(newest, NEWEST_PIVOTS - len(newest)):
            ts_ms[row, place], confirmed_ms[row, place] = point.ts_ms, point.confirmed_ms
            prices[row, place], high[row, place], there[row, place] = point.price, 1 if point.high else -1, True
        trend[row] = _TRENDS[swings.trend(row + 1)]
        below, above = swings.support(row + 1, price), swings.resistance(row + 1, price)
        support[row] = below.price if below is not None else np.nan
        resistance[row] = above.price if above is not None else np.nan
    return PivotInput(
        ts_ms=ts_ms,
        confirmed_ms=confirmed_ms,
        price=prices,
        high=high,
        there=there,
        trend=trend,
        support=support,
        resistance=resistance,
        bounds=pivot_bounds(swings, days, at_ms),
    )
