"""A model input out of its parts: one pure function, the same for what is in memory and for what is stored."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
import numpy.typing as npt

from engine.market.anchored import DAY_MS
from engine.market.bounds import pivot_bounds
from engine.market.cob import SECONDS, WINDOWS, Averages
from engine.market.columns import BUCKETS, Columns
from engine.market.indicators import NAMES
from engine.market.inputs import (
    BARS,
    FLOW,
    FRAMES,
    MICRO,
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
from engine.ohlcv import OHLCV, Floats, Ints
from engine.types import MS, SECOND, Timeframe

SHORT = FRAMES + 60
"""Seconds from which VWAP and OBV of the 1s stream are made: the grid, and the minute that it begins in."""

KEPT = 1500
"""Bars of a timeframe that are in memory: what reaches farther back is told of no more of them, wherever it is read."""

MINUTES = KEPT
"""Minutes before those seconds: the day, and something of the one before it."""

_OF_DAY = [NAMES.index("vwap"), NAMES.index("obv")]

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
    frames = {each: _frame(parts.candles[each], each, end_ms, parts.contract_size) for each in TIMEFRAMES}
    seconds = frames[Timeframe.S1]
    reference = _frame(parts.reference_1s, Timeframe.S1, end_ms, parts.reference_contract_size)
    cob = _cob(parts.columns, parts.as_of // SECOND)
    micro = _micro(cob, frames)
    at_ms = max(parts.as_of // MS, end_ms)
    days = parts.candles[Timeframe.D1][-KEPT:]
    pivots = {each: _pivots(parts.swings[each], days, micro["price"], at_ms) for each in TIMEFRAMES}
    given = ModelInput(
        symbol=parts.symbol,
        reference=parts.reference if reference.there.any() else "",
        as_of=parts.as_of,
        frames=frames,
        reference_1s=reference,
        so_far={each: _so_far(parts, each, end_ms) for each in TIMEFRAMES[1:]},
        indicators={each: _indicators(parts, each, frames[each]) for each in TIMEFRAMES},
        cob=cob,
        imbalance=_imbalance(parts.averages),
        bucket_imbalance=_bucket_imbalance(parts.columns, parts.as_of // SECOND),
        flow=_flow(seconds),
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


# Bars. --------------------------------------------------------------------------------------------------------------


def _values(candles: OHLCV, contract_size: int) -> Floats:
    """Return bars [n, 8] by `BARS`; contracts become base asset."""
    values: Floats = np.empty((len(candles), len(BARS)))
    for place, name in enumerate(BARS[:-1]):
        values[:, place] = getattr(candles, name)
    values[:, 7] = np.where(candles.trades < 0, np.nan, candles.trades)
    if contract_size:
        mean = np.where(
            candles.volume > 0, candles.quote_volume / np.where(candles.volume > 0, candles.volume, 1), np.nan
        )
        mean = np.where(np.isfinite(mean), mean, (candles.high + candles.low + candles.close) / 3)
        values[:, 5] = candles.volume * contract_size
        values[:, 4] = values[:, 5] / mean
        values[:, 6] = candles.taker_buy * contract_size / mean
    return values


def _frame(candles: OHLCV, timeframe: Timeframe, end_ms: int, contract_size: int) -> Frame:
    """Put bars on the grid that ends with the last bar of the timeframe that is over at `end_ms`."""
    length = timeframe.seconds * 1000
    grid = end_ms // length * length - length * np.arange(FRAMES, 0, -1, dtype=np.int64)
    newest = candles[int(np.searchsorted(candles.open_ms, grid[0])) :]
    places, fits = _places(newest.open_ms, grid, length)
    values = np.full((FRAMES, len(BARS)), np.nan)
    there, complete = np.zeros(FRAMES, np.bool_), np.zeros(FRAMES, np.bool_)
    values[places] = _values(newest, contract_size)[fits]
    there[places] = True
    complete[places] = newest.complete[fits]
    return Frame(timeframe=timeframe, open_ms=grid, values=values, there=there, complete=complete)


def _places(open_ms: Ints, grid: Ints, length: int) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Return where times stand on a grid, and which of them do."""
    places = (open_ms - grid[0]) // length
    fits = (places >= 0) & (places < len(grid)) & ((open_ms - grid[0]) % length == 0)
    return places[fits], fits


def _so_far(parts: Parts, timeframe: Timeframe, end_ms: int) -> SoFar | None:
    """Return the bar that is running at `end_ms`, or None when it has just begun or nothing of it is known."""
    length = timeframe.seconds * 1000
    opened = end_ms // length * length
    cursor, pieces, covered = opened, [], 0
    for shorter in reversed(TIMEFRAMES[: TIMEFRAMES.index(timeframe)]):
        candles = parts.candles[shorter]
        first, last = np.searchsorted(candles.open_ms, (cursor, end_ms - shorter.seconds * 1000 + 1))
        if last > first:
            pieces.append(_values(candles[first:last], parts.contract_size))
            covered += int(last - first) * shorter.seconds
            cursor = int(candles.open_ms[last - 1]) + shorter.seconds * 1000
    if not pieces:
        return None
    rows = np.concatenate(pieces)
    # A bar in which nobody traded only carries the price before it, as in the bar that this one becomes.
    traded = rows[rows[:, 4] != 0]
    if not len(traded):
        traded = np.repeat(rows[-1:, [3]], 4, axis=1)
    prices = traded[0, 0], traded[:, 1].max(), traded[:, 2].min(), rows[-1, 3]
    values = np.concatenate((prices, rows[:, 4:].sum(axis=0)))
    return SoFar(
        timeframe=timeframe,
        open_ms=opened,
        values=values,
        elapsed_s=(end_ms - opened) // 1000,
        covered_s=covered,
    )


# Indicators. --------------------------------------------------------------------------------------------------------


def _indicators(parts: Parts, timeframe: Timeframe, frame: Frame) -> IndicatorInput:
    candles, values = parts.candles[timeframe], parts.values[timeframe]
    newest = values[-FRAMES:].copy()
    if timeframe is Timeframe.S1 and len(newest):
        day = since_midnight(parts.candles[Timeframe.M1][-MINUTES:], candles[-SHORT:])[-len(newest) :]
        newest[:, _OF_DAY] = day
    elif timeframe is Timeframe.M1 and len(newest):
        begun = _begun(candles.open_ms[-KEPT:])
        newest[: int(np.searchsorted(candles.open_ms[-FRAMES:], begun)), _OF_DAY] = np.nan
    places, fits = _places(candles[-FRAMES:].open_ms, frame.open_ms, timeframe.seconds * 1000)
    grid: Floats = np.full((FRAMES, len(NAMES)), np.nan)
    grid[places] = newest[fits]
    # What lies before the grid is of another time, and nothing to be told as the last.
    last = grid[places[-1]].tolist() if len(places) else [np.nan] * len(NAMES)
    return IndicatorInput(values=grid, last=dict(zip(NAMES, last, strict=True)))


def _begun(opens: Ints) -> int:
    """Return the first midnight (UTC ms) from which on all that was kept is there, from before it or from then on."""
    return -(-int(opens[0]) // DAY_MS) * DAY_MS


def since_midnight(minutes: OHLCV, seconds: OHLCV) -> Floats:
    """Return VWAP and OBV [n, 2] since 00:00 UTC at the end of each second.

    Each counts the day's closed minutes before its own, and the seconds of its own up to it; nan where the day's first
    minute is not known: neither it nor a minute of the day before.
    """
    found: Floats = np.full((len(seconds), 2), np.nan)
    days = seconds.open_ms // DAY_MS
    for day in np.unique(days):
        rows = np.flatnonzero(days == day)
        found[rows] = _of_day(int(day) * DAY_MS, minutes, seconds[int(rows[0]) : int(rows[-1]) + 1])
    return found


def _of_day(day_ms: int, minutes: OHLCV, seconds: OHLCV) -> Floats:
    first, last = np.searchsorted(minutes.open_ms, (day_ms, day_ms + DAY_MS))
    whole = minutes[int(first) : int(last)]
    begun = len(whole) > 0 and whole.open_ms[0] == day_ms
    if not (first > 0 or begun or seconds.open_ms[0] == day_ms):
        return np.full((len(seconds), 2), np.nan)
    sums = np.zeros((len(whole) + 1, 3))
    sums[1:] = np.cumsum(_counted(whole, np.concatenate((whole.open[:1], whole.close[:-1]))), axis=0)
    starts = seconds.open_ms // 60_000 * 60_000
    before = np.searchsorted(whole.open_ms, starts)
    heads = np.searchsorted(seconds.open_ms, starts)
    closes = np.concatenate((seconds.open[:1], seconds.close[:-1]))
    at_head = np.arange(len(seconds)) == heads
    known = before > 0
    closes = np.where(at_head & known, whole.close[before - 1] if len(whole) else np.nan, closes)
    closes = np.where(at_head & ~known, seconds.open, closes)
    running = np.zeros((len(seconds) + 1, 3))
    running[1:] = np.cumsum(_counted(seconds, closes), axis=0)
    total = sums[before] + running[1:] - running[heads]
    vwap = np.divide(total[:, 1], total[:, 0], out=np.full(len(seconds), np.nan), where=total[:, 0] > 0)
    return np.stack((vwap, total[:, 2]), axis=1)


def _counted(candles: OHLCV, before: Floats) -> Floats:
    """Return what each bar adds [n, 3]: volume, its value, and the volume signed by the close against `before`."""
    typical = candles.volume * (candles.high + candles.low + candles.close) / 3
    value = np.where(np.isnan(candles.quote_volume), typical, candles.quote_volume)
    return np.stack((candles.volume, value, np.sign(candles.close - before) * candles.volume), axis=1)


# Book and trades. ---------------------------------------------------------------------------------------------------


def _cob(columns: Columns, second: int) -> CobInput:
    """Put the columns of the newest bucket size on the 300 seconds that end with `second`."""
    grid = np.arange(second - SECONDS + 1, second + 1, dtype=np.int64)
    if len(columns):
        columns = columns.take((columns.seconds > second - SECONDS) & (columns.seconds <= second))
    if len(columns):
        columns = columns.take(columns.size == columns.size[-1])
    places = columns.seconds - grid[0]
    there = np.zeros(SECONDS, np.bool_)
    there[places] = True

    def of_seconds(values: Floats) -> Floats:
        row = np.full(SECONDS, np.nan)
        row[places] = values
        return row

    def of_buckets(values: Floats) -> Floats:
        matrix = np.full((SECONDS, BUCKETS), np.nan)
        matrix[places] = values
        return matrix

    partial = np.ones((SECONDS, BUCKETS), np.bool_)
    partial[places] = columns.partial
    return CobInput(
        seconds=grid,
        there=there,
        size=float(columns.size[-1]) if len(columns) else np.nan,
        low=of_seconds(columns.low),
        best_bid=of_seconds(columns.best_bid),
        best_ask=of_seconds(columns.best_ask),
        mid=of_seconds((columns.best_bid + columns.best_ask) / 2),
        spread_bps=of_seconds(20_000 * (columns.best_ask - columns.best_bid) / (columns.best_ask + columns.best_bid)),
        bids=of_buckets(columns.bids),
        asks=of_buckets(columns.asks),
        bid_quote=of_buckets(columns.bid_quote),
        ask_quote=of_buckets(columns.ask_quote),
        imbalance=of_buckets(_balance(columns.bids, columns.asks)),
        partial=partial,
    )


def _balance(bids: Floats, asks: Floats) -> Floats:
    total = bids + asks
    balance: Floats = np.full(total.shape, np.nan)
    return np.divide(bids - asks, total, out=balance, where=total > 0)


def _imbalance(averages: tuple[Averages, ...]) -> Floats:
    found: Floats = np.full((len(WINDOWS), 2), np.nan)
    for average in averages:
        row = WINDOWS.index(average.window_s)
        found[row] = [np.nan if value is None else value for value in (average.plain, average.weighted)]
    return found


def _bucket_imbalance(columns: Columns, second: int) -> Floats:
    """Return the mean imbalance [40, 4] of the newest column's buckets over the seconds in which they were known."""
    found: Floats = np.full((BUCKETS, len(WINDOWS)), np.nan)
    columns = columns.take((columns.seconds > second - max(WINDOWS)) & (columns.seconds <= second))
    if not len(columns):
        return found
    columns = columns.take(columns.size == columns.size[-1])
    balance = np.where(columns.partial, np.nan, _balance(columns.bids, columns.asks))
    moved = np.arange(BUCKETS) + (columns.base[-1] - columns.base)[:, None]
    inside = (moved >= 0) & (moved < BUCKETS)
    rows = np.arange(len(columns))[:, None]
    balance = np.where(inside, balance[rows, np.clip(moved, 0, BUCKETS - 1)], np.nan)
    known = ~np.isnan(balance)
    balance = np.where(known, balance, 0.0)
    for place, window in enumerate(WINDOWS):
        held = columns.seconds > second - window
        count = known[held].sum(axis=0)
        np.divide(balance[held].sum(axis=0), count, out=found[:, place], where=count > 0)
    return found


def _flow(seconds: Frame) -> Floats:
    found: Floats = np.full((len(WINDOWS), len(FLOW)), np.nan)
    for row, window in enumerate(WINDOWS):
        bars = seconds.values[-window:][seconds.there[-window:]]
        volume, buy, trades = bars[:, 4].sum(), bars[:, 6].sum(), bars[:, 7].sum()
        if len(bars):
            found[row] = buy, volume - buy, buy / volume if volume > 0 else np.nan, trades, len(bars)
    return found


def _micro(cob: CobInput, frames: Mapping[Timeframe, Frame]) -> dict[str, float]:
    """Return the figures of `MICRO`; those of the book only while it is live."""
    found = dict.fromkeys(MICRO, np.nan)
    ended = [(end, frame) for frame in frames.values() if (end := frame.end_ms) is not None]
    if ended:
        newest = max(ended, key=lambda each: (each[0], -each[1].timeframe.seconds))[1]
        found["price"] = float(newest.values[newest.there][-1, 3])
    if cob.there[-1]:
        bid, ask = float(cob.bids[-1].sum()), float(cob.asks[-1].sum())
        found |= {
            "price": float(cob.mid[-1]),
            "best_bid": float(cob.best_bid[-1]),
            "best_ask": float(cob.best_ask[-1]),
            "mid": float(cob.mid[-1]),
            "spread_bps": float(cob.spread_bps[-1]),
            "bid_volume": bid,
            "ask_volume": ask,
            "bid_quote": float(cob.bid_quote[-1].sum()),
            "ask_quote": float(cob.ask_quote[-1].sum()),
            "liquidity_imbalance": (bid - ask) / (bid + ask) if bid + ask else np.nan,
            "partial_buckets": float(cob.partial[-1].sum()),
        }
    return found


# Market structure. --------------------------------------------------------------------------------------------------


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
