"""The market structure of what is stored, for an engine that begins: a swing of last year is still a swing.

Levels 4 and 5 stand on more bars than are in memory, so the structure is taken from the whole stored series: a saved
state, and the bars stored since. It is read up to where memory begins; the bars in memory go on from there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from engine.errors import StorageFailed
from engine.market.pivots import Structure
from engine.market.track import PIVOTS
from engine.ohlcv import OHLCV
from engine.types import MS, Instrument, PivotPoint, PivotsLoaded, Timeframe

log = logging.getLogger(__name__)

PIECE = 200_000
"""Bars read at once."""

Save = Callable[[str, Timeframe, int, bytes], Awaitable[None]]
"""Keeps a state (instrument, timeframe, opening time of the last bar it has seen, bytes) for the next time."""


class StoredStructures(Protocol):
    """The part of the archive that is needed here; the calls read a disk and are made in a thread."""

    def bounds(self, instrument: str, timeframe: Timeframe) -> tuple[int, int] | None:
        """Return the opening times of the first and the last stored candle, UTC ms, or None."""

    def candles(self, instrument: str, timeframe: Timeframe, *, start_ms: int, end_ms: int) -> OHLCV:
        """Return what is stored of [start_ms, end_ms), of each time the best source's."""

    def pivots(self, instrument: str, timeframe: Timeframe, *, per_level: int) -> list[PivotPoint]:
        """Return the newest `per_level` confirmed pivots of each level, in order of confirmation."""

    def pivot_state(self, instrument: str, timeframe: Timeframe) -> tuple[int, bytes] | None:
        """Return the saved state and the opening time of the last bar it has seen, or None."""


class Structures:
    """Reads the structure of each timeframe from storage and brings its saved state up to date."""

    def __init__(self, archive: StoredStructures, kept: int, now: Callable[[], int], save: Save | None = None) -> None:
        """`kept` bars of each timeframe are in memory; `now` tells UTC ns."""
        self._archive = archive
        self._kept = kept
        self._now = now
        self._save = save

    async def load(self, instrument: Instrument) -> AsyncIterator[PivotsLoaded]:
        """Yield the structure of each timeframe of which anything is stored, longest first: they are read soonest.

        What cannot be read is said in the log and left out: the structure then begins with the bars in memory.
        """
        for timeframe in reversed(Timeframe):
            try:
                found = await asyncio.to_thread(self._read, instrument.key, timeframe)
            except StorageFailed as error:
                log.warning("market structure of %s %s: %s", instrument.key, timeframe, error)
                return
            if found is None:
                continue
            loaded, moved = found
            if moved and self._save is not None:
                try:
                    await self._save(instrument.key, timeframe, loaded.until_ms, loaded.state)
                except StorageFailed as error:
                    log.warning("market structure of %s %s is not saved: %s", instrument.key, timeframe, error)
            yield loaded

    def _read(self, key: str, timeframe: Timeframe) -> tuple[PivotsLoaded, bool] | None:
        bounds = self._archive.bounds(key, timeframe)
        if bounds is None:
            return None
        length = timeframe.seconds * 1000
        end = min(self._now() // MS // length * length - self._kept * length, bounds[1] + length)
        structure = self._saved(key, timeframe, end)
        before = structure.until_ms
        start = bounds[0] if before is None else before + length
        while start < end:
            stop = min(start + PIECE * length, end)
            candles = self._archive.candles(key, timeframe, start_ms=start, end_ms=stop)
            structure.extend(candles.take(candles.complete))
            start = stop
        pivots = self._archive.pivots(key, timeframe, per_level=PIVOTS)
        if structure.until_ms is None and not pivots:
            return None
        loaded = PivotsLoaded(
            instrument=key,
            timeframe=timeframe,
            until_ms=structure.until_ms if structure.until_ms is not None else -1,
            state=structure.state(),
            pivots=tuple(pivots),
        )
        return loaded, structure.until_ms != before and structure.until_ms is not None

    def _saved(self, key: str, timeframe: Timeframe, end: int) -> Structure:
        """Return the saved structure, or one that begins: with none saved, with a damaged one, or one that saw more."""
        saved = self._archive.pivot_state(key, timeframe)
        if saved is not None and saved[0] < end:
            try:
                return Structure.restore(saved[1])
            except ValueError as error:
                log.warning("saved market structure of %s %s: %s; it is made anew", key, timeframe, error)
        return Structure(timeframe)
