"""One timeframe in memory as columns: closed bars, their indicators, and the market structure, in step with `Bars`.

New bars are taken in one by one. A bar that changes, or comes late, is put in its place, and everything from there on
is computed again out of a mark: the states of indicators and structure as they were at some bar before. So columns and
indicators are always those of the bars as they stand now. The log of pivots only grows: what the bars confirm now and
was not in it yet is added, nothing is taken out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from engine.market.indicator_state import IndicatorState
from engine.market.indicators import NAMES, indicators
from engine.market.pivots import LEVELS, Structure
from engine.market.structure import Swings
from engine.ohlcv import COLUMNS, OHLCV, Floats, source_code
from engine.types import Bar, Instrument, PivotPoint, Timeframe

SPAN = 64
"""Bars between two marks."""

PIVOTS = 64
"""Pivots of each level in memory, highs and lows together: the newest by their confirmation."""

FEW = 2 * SPAN
"""Bars up to which indicators are computed one by one; more of them all at once, where there is nothing before them."""


class Mark:
    """Indicators and structure as they were after the bar that opened at `until`; -1: before the first in memory."""

    __slots__ = ("indicators", "structure", "until")

    def __init__(self, until: int, state: IndicatorState, structure: Structure) -> None:
        self.until = until
        self.indicators = state
        self.structure = structure


class Track:
    """The closed bars of one instrument and timeframe: the last `kept` of them, and a few more to compute again from.

    `pivots` is the end of the log, in order of confirmation. `begun`: the structure has begun; before, bars are
    gathered, so that it does not begin in the middle of a history that is on its way.
    Holds: columns and indicators equal, to 1e-9, those of a batch computation over the same bars.
    """

    __slots__ = (
        "_arrays",
        "_first",
        "_instrument",
        "_known",
        "_marks",
        "_since",
        "_state",
        "_stop",
        "_structure",
        "_swings",
        "_values",
        "begun",
        "kept",
        "pivots",
        "timeframe",
    )

    def __init__(self, instrument: Instrument, timeframe: Timeframe, kept: int, distance: int) -> None:
        self._instrument = instrument
        self.timeframe = timeframe
        self.kept = kept
        self.begun = False
        self.pivots: list[PivotPoint] = []
        self._swings: Swings | None = None
        self._known: dict[tuple[int, bool, int], int] = {}
        self._state = IndicatorState()
        self._structure = Structure(timeframe, distance)
        self._marks = [Mark(-1, IndicatorState(), self._structure.copy())]
        self._since = 0
        size = 2 * (kept + SPAN)  # the rows always lie in one piece, and are moved once in so many
        self._arrays: dict[str, npt.NDArray[Any]] = {name: np.zeros(size, kind) for name, kind in COLUMNS.items()}
        self._values: Floats = np.zeros((size, len(NAMES)))
        self._first = self._stop = 0

    def candles(self, most: int) -> OHLCV:
        """Return the newest closed bars; the arrays are views, good until the next boundary."""
        return self._rows(max(self._stop - min(most, self.kept), self._first))

    def values(self, most: int) -> Floats:
        """Return the indicators of the newest closed bars [n, len(NAMES)], a view."""
        return self._values[max(self._stop - min(most, self.kept), self._first) : self._stop]

    @property
    def swings(self) -> Swings:
        """The newest highs and lows of the log; it does not change, a new one takes its place."""
        if self._swings is None:
            self._swings = swings_of(self.timeframe, self.pivots)
        return self._swings

    @property
    def structure(self) -> Structure:
        """The market structure after the newest bar."""
        return self._structure

    def take(self, bars: Sequence[Bar], withdrawn: Sequence[int], known_at: int) -> list[PivotPoint]:
        """Take in bars that are new or have changed (oldest first), and give up others; return what they confirm."""
        last = int(self._arrays["open_ms"][self._stop - 1]) if self._stop > self._first else -1
        if not (bars or withdrawn):
            return []
        if not withdrawn and bars[0].open_ms > last and len(bars) <= FEW:
            found = []
            for bar in bars:
                found += self._push(self._row(bar, known_at))
            return self._log(found, known_at)
        changed = min([*withdrawn, *[bar.open_ms for bar in bars]])
        self._merge(OHLCV.of_bars(self.timeframe, bars, self._instrument, known_at), withdrawn, changed)
        return self._again(changed, known_at)

    def begin(self, bars: Sequence[Bar], withdrawn: Sequence[int], known_at: int) -> list[PivotPoint]:
        """Begin the structure with the oldest bar that it has not seen, after taking in bars as `take` does."""
        self.begun = True
        if bars or withdrawn:
            self._merge(OHLCV.of_bars(self.timeframe, bars, self._instrument, known_at), withdrawn, -1)
        return self._again(-1, known_at)

    def seed(self, structure: Structure, pivots: Sequence[PivotPoint]) -> None:
        """Go on from a structure that has seen more than is in memory, and from the log that it has made."""
        self._marks = [Mark(-1, IndicatorState(), structure)]
        self.begun = False
        self._log(list(pivots), 0)

    # Rows. ----------------------------------------------------------------------------------------------------------

    def _rows(self, first: int) -> OHLCV:
        return OHLCV(
            timeframe=self.timeframe, **{name: array[first : self._stop] for name, array in self._arrays.items()}
        )

    def _row(self, bar: Bar, known_at: int) -> tuple[float, ...]:
        """Return a bar as `OHLCV.of_bars` would."""
        price, size = float(self._instrument.price_scale), float(self._instrument.size_scale)
        quote = bar.quote_volume / (price * size) if bar.quote_volume >= 0 else np.nan
        return (
            bar.open_ms,
            bar.open / price,
            bar.high / price,
            bar.low / price,
            bar.close / price,
            bar.volume / size,
            quote,
            bar.taker_buy / size if bar.taker_buy >= 0 else np.nan,
            bar.trades,
            bar.complete,
            known_at,
            source_code(bar.source),
        )

    def _push(self, row: tuple[float, ...]) -> list[PivotPoint]:
        """Put a bar at the end."""
        most = self.kept + SPAN
        if self._stop == len(self._values):
            kept = slice(self._stop - most, self._stop)
            for array in (*self._arrays.values(), self._values):
                array[:most] = array[kept]
            self._first, self._stop = 0, most
        place = self._stop
        for array, value in zip(self._arrays.values(), row, strict=True):
            array[place] = value
        self._stop += 1
        self._values[place] = self._state.advance(int(row[0]), *row[1:7])
        found = self._swing(row, complete=bool(row[9]))
        self._mark(int(row[0]))
        if self._stop - self._first > most:
            self._first += 1
            self._forget()
        return found

    def _swing(self, row: Sequence[float], *, complete: bool) -> list[PivotPoint]:
        """Take a bar into the structure: one that the feed did not wholly cover may have turned elsewhere."""
        open_ms, high, low, structure = int(row[0]), row[2], row[3], self._structure
        seen = structure.until_ms is not None and open_ms <= structure.until_ms
        return structure.advance(open_ms, high, low) if self.begun and complete and not seen and high >= low else []

    def _mark(self, open_ms: int) -> None:
        self._since += 1
        if self._since >= SPAN:
            self._since = 0
            self._marks.append(Mark(open_ms, self._state.copy(), self._structure.copy()))

    def _forget(self) -> None:
        """Drop marks after which a bar is no longer in memory; there is always one after the first `SPAN` bars."""
        gone = int(self._arrays["open_ms"][self._first - 1]) if self._first else -1
        while len(self._marks) > 1 and self._marks[0].until < gone:
            self._marks.pop(0)

    def _merge(self, bars: OHLCV, withdrawn: Sequence[int], changed: int) -> None:
        """Put bars in their places. The indicators of those before `changed` stay."""
        rows = self._rows(self._first)
        before = int(np.searchsorted(rows.open_ms, changed))
        values = self._values[self._first : self._first + before].copy()
        gone = np.isin(rows.open_ms, np.concatenate((bars.open_ms, np.array(withdrawn, np.int64))))
        merged = OHLCV.join([rows.take(~gone), bars])
        merged = merged.take(np.argsort(merged.open_ms, kind="stable"))
        dropped = merged[: -(self.kept + SPAN)].open_ms
        merged = merged[-(self.kept + SPAN) :]
        for name, array in self._arrays.items():
            array[: len(merged)] = getattr(merged, name)
        stay = max(before - len(dropped), 0)
        self._values[:stay] = values[before - stay :]
        self._first, self._stop = 0, len(merged)
        while len(dropped) and len(self._marks) > 1 and self._marks[0].until < dropped[-1]:
            self._marks.pop(0)

    def _again(self, changed: int, known_at: int) -> list[PivotPoint]:
        """Compute everything again from the bar on that opened at `changed`."""
        marks = self._marks
        while len(marks) > 1 and marks[-1].until >= changed:
            marks.pop()
        if marks[-1].until >= changed:
            # Older than all that is marked: indicators warm up anew, the structure has seen it and does not look back.
            marks[-1] = Mark(-1, IndicatorState(), marks[-1].structure)
        mark = marks[-1]
        self._state, self._structure, self._since = mark.indicators.copy(), mark.structure.copy(), 0
        rows = self._rows(self._first)
        start = int(np.searchsorted(rows.open_ms, mark.until, side="right")) if mark.until >= 0 else 0
        at_once = mark.until < 0 and len(rows) - start > FEW
        if at_once:
            self._values[self._first : self._stop] = indicators(rows).values
        found: list[PivotPoint] = []
        names = ("open_ms", "open", "high", "low", "close", "volume", "quote_volume", "complete")
        bars = zip(*[getattr(rows, name)[start:].tolist() for name in names], strict=True)
        for place, (*row, complete) in enumerate(bars, self._first + start):
            self._state.take(*row)
            if not at_once:
                self._values[place] = self._state.row()
            found += self._swing(row, complete=complete)
            self._mark(row[0])
        return self._log(found, known_at)

    # The log. -------------------------------------------------------------------------------------------------------

    def _log(self, found: list[PivotPoint], known_at: int) -> list[PivotPoint]:
        """Add what is not in the log yet, known from now on; return it."""
        fresh = []
        for point in found:
            key = point.level, point.high, point.ts_ms
            if key not in self._known:
                self._known[key] = point.confirmed_ms
                fresh.append(msgspec.structs.replace(point, known_at=known_at) if known_at else point)
        if fresh:
            self._swings = None
            together = sorted([*self.pivots, *fresh], key=lambda point: (point.confirmed_ms, point.ts_ms, point.high))
            levels = ([point for point in together if point.level == level][-PIVOTS:] for level in range(1, LEVELS + 1))
            kept = [point for level in levels for point in level]
            self.pivots = sorted(kept, key=lambda point: (point.confirmed_ms, not point.high, point.level))
            if len(self._known) > 8 * (self.kept + SPAN):
                oldest = self._marks[0].until
                self._known = {key: end for key, end in self._known.items() if end >= oldest}
        return fresh


def swings_of(timeframe: Timeframe, points: Iterable[PivotPoint]) -> Swings:
    """Return the newest highs and lows of each level out of the end of a log.

    A pivot that was found late, after a bar was corrected, stands where its bar does.
    """
    swings = Swings(timeframe)
    swings.take(sorted(points, key=lambda point: point.ts_ms))
    return swings
