"""Whether what is stored agrees with itself: sources that overlap, and longer candles with the shorter ones in them."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import combinations, groupby

import msgspec
import numpy as np
import numpy.typing as npt

from engine.ohlcv import OHLCV
from engine.types import Timeframe
from storage.candles import NEVER, stretch
from storage.cold import Cold
from storage.interchange.holes import Listed
from storage.rollup import rolled_up

FIELDS = ("open", "high", "low", "close", "volume")

CLOSE = 1e-9
"""Relative difference up to which two numbers are the same: sums of floats are not exact."""


class Disagreement(msgspec.Struct, frozen=True, kw_only=True):
    """One value that two hands tell differently: at the candle that opens at `at`, UTC ms."""

    instrument: str
    at: int
    field: str
    left: str
    right: str
    left_value: float
    right_value: float


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two hands compared: `left`, `right` are `TIMEFRAME SOURCE`; `built`: the left one was built of shorter candles.

    `compared` candles that both have complete, `differing` of them; `fields` counts the values that differ, `worst` is
    the largest relative difference of each.
    """

    instrument: str
    left: str
    right: str
    built: bool
    compared: int
    differing: int
    fields: dict[str, int]
    worst: dict[str, float]
    disagreements: list[Disagreement]


def verify(
    connection: sqlite3.Connection, cold: Cold, series: list[Listed], progress: Callable[[int, int, str], None]
) -> Iterator[Comparison]:
    """Compare all that can be compared among series; pairs that share no candle are left out.

    Within a timeframe every pair of sources; across timeframes each series with what it makes of longer ones, by
    candles of which all parts are there.
    """
    done = 0
    for instrument, group in groupby(series, key=lambda each: each.instrument):
        mine = list(group)
        loaded: dict[int, OHLCV] = {}
        for each in mine:
            progress(done, len(series), f"{instrument} {each.name}")
            found = stretch(connection, cold, [each.series], each.timeframe, 0, NEVER, None).candles
            loaded[each.number] = found.take(found.complete)
            done += 1
        for left, right in combinations(mine, 2):
            if left.timeframe is right.timeframe:
                yield from compare(instrument, left.name, loaded[left.number], right.name, loaded[right.number])
        for longer in sorted({each.timeframe for each in mine}, key=list(Timeframe).index):
            for left in mine:
                if left.timeframe.seconds >= longer.seconds:
                    continue
                built = rolled_up(loaded[left.number], longer)
                built = built.take(built.complete)
                for right in mine:
                    if right.timeframe is longer:
                        yield from compare(instrument, left.name, built, right.name, loaded[right.number], built=True)
    progress(len(series), len(series), "")


def compare(
    instrument: str, left_name: str, left: OHLCV, right_name: str, right: OHLCV, *, built: bool = False
) -> Iterator[Comparison]:
    """Yield the comparison of two stretches of one timeframe, nothing if they share no candle."""
    at, ours, theirs = np.intersect1d(left.open_ms, right.open_ms, assume_unique=True, return_indices=True)
    if not len(at):
        return
    fields: Counter[str] = Counter()
    worst: dict[str, float] = {}
    found: list[Disagreement] = []
    rows = np.zeros(len(at), np.bool_)
    for field in FIELDS:
        a: npt.NDArray[np.float64] = getattr(left, field)[ours]
        b: npt.NDArray[np.float64] = getattr(right, field)[theirs]
        with np.errstate(invalid="ignore", divide="ignore"):
            apart = np.abs(a - b) / np.maximum(np.maximum(np.abs(a), np.abs(b)), 1e-300)
        off = apart > CLOSE  # what one of them does not know differs from nothing
        if not off.any():
            continue
        rows |= off
        fields[field] = int(np.count_nonzero(off))
        worst[field] = float(apart[off].max())
        found += [
            Disagreement(
                instrument=instrument, at=int(at[place]), field=field, left=left_name, right=right_name,
                left_value=float(a[place]), right_value=float(b[place]),
            )
            for place in np.flatnonzero(off)
        ]  # fmt: skip
    found.sort(key=lambda each: each.at)
    yield Comparison(
        instrument=instrument, left=left_name, right=right_name, built=built, compared=len(at),
        differing=int(np.count_nonzero(rows)), fields=dict(fields), worst=worst, disagreements=found,
    )  # fmt: skip
