"""What models read of one instrument, kept in memory as columns and brought up to date once a second.

Bars, indicators and market structure of every timeframe (`Track`), the COB's seconds (`ColumnRing`) and the imbalance
averages, all as they were at the last boundary: what comes between two boundaries is not in here. Whatever is made of
it for the boundary T is what storage gives for `known_at <= T`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from engine.market.cob import SECONDS, Averages, Column
from engine.market.columns import ColumnRing
from engine.market.pivots import DISTANCE, Structure
from engine.market.track import Track
from engine.types import SECOND, Bar, Instrument, PivotPoint, PivotsLoaded, Timeframe

BEGIN = 5 * SECOND
"""So long after the first boundary the structure of a timeframe begins, though no history of it has come."""

_NOTHING: tuple[list[Bar], list[int]] = ([], [])


class Frames:
    """One instrument at the boundary `as_of` (UTC ns, 0 before the first).

    `averages` are those of the second `as_of`, empty when the book was not live then; `averaged` those of the last
    seconds with a live book.
    """

    __slots__ = ("_began", "_loaded", "as_of", "averaged", "averages", "columns", "instrument", "tracks")

    def __init__(self, instrument: Instrument, kept: int, distance: int = DISTANCE) -> None:
        self.instrument = instrument
        self.as_of = 0
        self.averages: tuple[Averages, ...] = ()
        self.averaged: deque[tuple[int, tuple[Averages, ...]]] = deque(maxlen=SECONDS)
        self.columns = ColumnRing(instrument)
        self.tracks = {timeframe: Track(instrument, timeframe, kept, distance) for timeframe in Timeframe}
        self._began = 0
        self._loaded: set[Timeframe] = set()

    def loaded(self, timeframe: Timeframe) -> None:
        """History of a timeframe has come into the bars: its structure begins with the next boundary."""
        self._loaded.add(timeframe)

    def seed(self, loaded: PivotsLoaded) -> None:
        """Go on from the structure as it was stored; it takes in the history that follows.

        A state that cannot be read is left: the structure then begins with the bars in memory, and the log goes on.
        """
        track = self.tracks[loaded.timeframe]
        try:
            structure = Structure.restore(loaded.state)
        except ValueError:
            structure = Structure(loaded.timeframe, track.structure.distance)
        track.seed(structure, loaded.pivots)

    def take(
        self,
        boundary: int,
        bars: Iterable[tuple[Timeframe, Bar]],
        withdrawn: Iterable[tuple[Timeframe, int]],
        column: Column | None,
        bucket: int,
        averages: tuple[Averages, ...],
    ) -> tuple[PivotPoint, ...]:
        """Take in what became known within the second that ends at `boundary`; return the pivots that are new."""
        self.as_of = boundary
        self._began = self._began or boundary
        self.averages = averages
        if column is not None:
            self.columns.append(column, bucket)
            self.averaged.append((column.second, averages))
        found: list[PivotPoint] = []
        touched: dict[Timeframe, tuple[list[Bar], list[int]]] = {}
        for timeframe, bar in bars:
            touched.setdefault(timeframe, ([], []))[0].append(bar)
        for timeframe, open_ms in withdrawn:
            touched.setdefault(timeframe, ([], []))[1].append(open_ms)
        for timeframe, track in self.tracks.items():
            there, gone = touched.get(timeframe, _NOTHING)
            if not track.begun and (timeframe in self._loaded or boundary - self._began >= BEGIN):
                found += track.begin(there, gone, boundary)
            else:
                found += track.take(there, gone, boundary)
        return tuple(found)

    def state(self) -> list[object]:
        """Return what the state hash covers: the log of pivots; all else follows from the bars."""
        return [track.pivots for track in self.tracks.values()]
