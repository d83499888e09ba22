"""Slots: what stands side by side on a chart. One for every bar, or for a fixed stretch of time; gaps have theirs, too.

Groups of bars lie on multiples of their length since 1970, not on a count from the newest bar: a column keeps its bars
when a new one comes. A gap takes the room of the bars it lacks; a long one is a break, one slot wide.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tradetui.console.series import Candles, Floats, Integers

Bools = npt.NDArray[np.bool_]

LONG = 20
"""Missing slots from which on a gap is a break."""

_SEED_TERMS = 64
"""Terms of the Heikin-Ashi mean that are summed: the next one weighs less than a rounding error."""


@dataclass(frozen=True, slots=True, eq=False)
class Slots:
    """Slots, oldest first; arrays of one length.

    Units: `open_ms` inclusive to `end_ms` exclusive, UTC ms; `ohlc` in quote units, shape [slots, 4], NaN in a gap;
    `volume` in base asset. `gap`: there are no bars; `broken`: it stands for a long gap, longer than a slot. `partial`:
    not every trade is known to be in it. `running`: it goes on.
    """

    open_ms: Integers
    end_ms: Integers
    ohlc: Floats
    volume: Floats
    gap: Bools
    broken: Bools
    partial: Bools
    running: Bools

    def __len__(self) -> int:
        return len(self.open_ms)

    def at(self, ms: int) -> int | None:
        """Return the slot that holds a moment, None if there is none."""
        place = int(np.searchsorted(self.open_ms, ms, side="right")) - 1
        return place if place >= 0 and ms < self.end_ms[place] else None

    def near(self, ms: int) -> int:
        """Return the slot that holds a moment, or the one next to it."""
        return max(int(np.searchsorted(self.open_ms, ms, side="right")) - 1, 0)

    def hole(self, slot: int) -> tuple[int, int]:
        """Return from when to when there are no bars round a slot of a gap, UTC ms."""
        bars = np.flatnonzero(~self.gap)
        after = int(np.searchsorted(bars, slot))
        return int(self.end_ms[bars[after - 1]]), int(self.open_ms[bars[after]])


def slots(candles: Candles, length_ms: int, group: int = 1, *, heikin: bool = False, past: bool = False) -> Slots:
    """Return the slots of a series.

    `length_ms` is a bar's length, `group` the number of bars in a column; `past`: the series ends before now.
    """
    span = length_ms * group
    opens = candles.open_ms
    if not len(opens):
        nothing = np.zeros(0)
        whole, no = nothing.astype(np.int64), nothing.astype(bool)
        return Slots(whole, whole, np.zeros((0, 4)), nothing, no, no, no, no)
    ohlc, volume, closed, complete = candles.ohlc, candles.volume, candles.closed, candles.complete
    numbers = opens // span
    starts = np.r_[0, np.flatnonzero(numbers[1:] != numbers[:-1]) + 1]
    stops = np.r_[starts[1:], len(opens)]
    numbers = numbers[starts]
    rows = np.column_stack(
        (
            ohlc[starts, 0],
            np.maximum.reduceat(ohlc[:, 1], starts),
            np.minimum.reduceat(ohlc[:, 2], starts),
            ohlc[stops - 1, 3],
        )
    )
    partial = np.logical_or.reduceat(closed & ~complete, starts) | (stops - starts < group)
    running = np.zeros(len(starts), dtype=bool)
    ended = int(opens[-1]) + length_ms >= (int(numbers[-1]) + 1) * span
    running[-1] = not past and not (closed[-1] and ended)
    if running[-1]:
        # What is still to come is not missing; a hole in what has been is.
        first, expected = int(starts[-1]), int(opens[-1] - numbers[-1] * span) // length_ms + 1
        partial[-1] = bool((closed[first:] & ~complete[first:]).any()) or len(opens) - first < expected
    if heikin:
        rows = _heikin_ashi(rows)
    volumes = np.add.reduceat(volume, starts)
    return _with_gaps(numbers * span, span, rows, volumes, partial, running)


def _with_gaps(opens: Integers, span: int, ohlc: Floats, volume: Floats, partial: Bools, running: Bools) -> Slots:
    """Put slots into every hole in time: as many as are missing, or one that stands for all of them."""
    missing = np.r_[0, np.diff(opens) // span - 1]
    taken = np.where(missing < LONG, missing, 1)
    place = np.arange(len(opens)) + np.cumsum(taken)
    total = int(place[-1]) + 1
    gap = np.ones(total, dtype=bool)
    gap[place] = False

    def spread(values: Floats, absent: float) -> Floats:
        out = np.full((total, *values.shape[1:]), absent, dtype=values.dtype)
        out[place] = values
        return out

    open_ms = np.zeros(total, dtype=np.int64)
    open_ms[place] = opens
    # The n-th slot of a gap begins n slots after the end of the bar before it.
    before = np.maximum.accumulate(np.where(gap, 0, np.arange(total)))
    holes = np.flatnonzero(gap)
    open_ms[holes] = open_ms[before[holes]] + (holes - before[holes]) * span
    end_ms = np.r_[open_ms[1:], opens[-1] + span]
    flags = np.zeros((2, total), dtype=bool)
    flags[:, place] = partial, running
    return Slots(
        open_ms, end_ms, spread(ohlc, np.nan), spread(volume, 0.0), gap, gap & (end_ms - open_ms > span), flags[0],
        flags[1],
    )  # fmt: skip


def _heikin_ashi(ohlc: Floats) -> Floats:
    """Return Heikin-Ashi candles (Valcu, "Using the Heikin-Ashi technique", 2004) of the whole series.

    close = mean of the four prices; open = mean of the open and close before. The recursion is summed by doubling.
    """
    close = ohlc.mean(axis=1)
    open_ = np.r_[(ohlc[0, 0] + ohlc[0, 3]) / 2, close[:-1] / 2]
    step = 1
    while step < min(_SEED_TERMS, len(open_)):
        open_[step:] = open_[step:] + 0.5**step * open_[:-step]
        step *= 2
    high = np.maximum(ohlc[:, 1], np.maximum(open_, close))
    low = np.minimum(ohlc[:, 2], np.minimum(open_, close))
    return np.column_stack((open_, high, low, close))
