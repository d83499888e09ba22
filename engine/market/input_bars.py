"""The bars of a model input on their grids, the running ones, and their indicators."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from engine.market.indicators import NAMES
from engine.market.inputs import BARS, FRAMES, TIMEFRAMES, Frame, IndicatorInput, SoFar
from engine.ohlcv import OHLCV, Floats, Ints
from engine.types import DAY_MS, Timeframe

SHORT = FRAMES + 60
"""Seconds from which VWAP and OBV of the 1s stream are made: the grid, and the minute that it begins in."""

KEPT = 1500
"""Bars of a timeframe that are in memory: what reaches farther back is told of no more of them, wherever it is read."""

MINUTES = KEPT
"""Minutes before those seconds: the day, and something of the one before it."""

_OF_DAY = [NAMES.index("vwap"), NAMES.index("obv")]


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


def frame(candles: OHLCV, timeframe: Timeframe, end_ms: int, contract_size: int) -> Frame:
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


def so_far(candles: Mapping[Timeframe, OHLCV], contract_size: int, timeframe: Timeframe, end_ms: int) -> SoFar | None:
    """Return the bar that is running at `end_ms`, or None when it has just begun or nothing of it is known."""
    length = timeframe.seconds * 1000
    opened = end_ms // length * length
    cursor, pieces, covered = opened, [], 0
    for shorter in reversed(TIMEFRAMES[: TIMEFRAMES.index(timeframe)]):
        held = candles[shorter]
        first, last = np.searchsorted(held.open_ms, (cursor, end_ms - shorter.seconds * 1000 + 1))
        if last > first:
            pieces.append(_values(held[first:last], contract_size))
            covered += int(last - first) * shorter.seconds
            cursor = int(held.open_ms[last - 1]) + shorter.seconds * 1000
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


def indicators(
    candles: Mapping[Timeframe, OHLCV], values: Floats, timeframe: Timeframe, frame: Frame
) -> IndicatorInput:
    """Put the indicators [n, 24] of a stream's bars on the grid of its frame."""
    held = candles[timeframe]
    newest = values[-FRAMES:].copy()
    if timeframe is Timeframe.S1 and len(newest):
        day = since_midnight(candles[Timeframe.M1][-MINUTES:], held[-SHORT:])[-len(newest) :]
        newest[:, _OF_DAY] = day
    elif timeframe is Timeframe.M1 and len(newest):
        begun = _begun(held.open_ms[-KEPT:])
        newest[: int(np.searchsorted(held.open_ms[-FRAMES:], begun)), _OF_DAY] = np.nan
    places, fits = _places(held[-FRAMES:].open_ms, frame.open_ms, timeframe.seconds * 1000)
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
