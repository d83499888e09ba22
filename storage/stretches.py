"""Candles out of the database, by stretches that are kept in memory while nothing is written into them."""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterator

import msgspec
import numpy as np

from engine.ohlcv import COLUMNS, OHLCV, Ints
from engine.types import Timeframe
from storage import candles as rows
from storage.candles import SHORTER, Stretch
from storage.changes import Changes, chunk_ms
from storage.cold import Cold
from storage.rollup import merged, missing, rolled_up

REMEMBERED = 512
"""Stretches of candles that are kept in memory, about 50 MB."""

Place = tuple[str, str, int]
"""Instrument, timeframe, number of the stretch."""


class CacheView(msgspec.Struct, frozen=True, kw_only=True):
    """What memory served: stretches found there, read from disk, given up for newer ones, and held now."""

    hits: int
    misses: int
    evictions: int
    held: int


class Stretches:
    """Reads candles through the connections that it is given. Safe in any thread.

    What is missing of a timeframe is built from shorter ones. `changes` is the writer's, if it is in this process.
    """

    def __init__(self, cold: Cold, changes: Changes | None) -> None:
        self._cold = cold
        self._changes = changes
        self._lock = threading.Lock()
        self._held: OrderedDict[Place, tuple[tuple[int, int], Stretch]] = OrderedDict()
        self._hits = self._misses = self._evictions = 0

    def backwards(
        self, connection: sqlite3.Connection, key: str, timeframe: Timeframe, start: int, end: int, known_at: int | None
    ) -> Iterator[OHLCV]:
        """Yield the candles that open in [start, end), ms, by stretches, newest first; empty ones are passed over."""
        length = chunk_ms(timeframe)
        while end > start:
            newest = rows.newest_before(connection, key, timeframe, end, revised=known_at is not None)
            if newest is None or newest < start:
                return
            chunk = newest // length
            part = self._chunk(connection, key, timeframe, chunk, known_at)
            low, high = np.searchsorted(part.open_ms, (start, end))
            yield part[int(low) : int(high)]
            end = chunk * length

    def _chunk(
        self, connection: sqlite3.Connection, key: str, timeframe: Timeframe, chunk: int, known_at: int | None
    ) -> OHLCV:
        """Return the candles of one stretch, from memory if it is there and nothing was written into it."""
        place = (key, str(timeframe), chunk)
        generation = self._generation(connection, place)
        with self._lock:
            held = self._held.get(place)
            if held is not None and held[0] == generation and (known_at is None or held[1].plain):
                self._hits += 1
                self._held.move_to_end(place)
                return rows.known_by(held[1].candles, known_at)
            self._misses += 1
        length = chunk_ms(timeframe)
        end = rows.opened_by((chunk + 1) * length, known_at)
        found = self._read(connection, key, timeframe, chunk * length, end, known_at)
        if known_at is None:
            with self._lock:
                self._held[place] = (generation, Stretch(frozen(found.candles), found.plain))
                while len(self._held) > REMEMBERED:
                    self._held.popitem(last=False)
                    self._evictions += 1
        return found.candles

    def _generation(self, connection: sqlite3.Connection, place: Place) -> tuple[int, int]:
        if self._changes is not None:
            return self._changes.generation(*place)
        return (-1, int(connection.execute("PRAGMA data_version").fetchone()[0]) * 1_000_003 + id(connection))

    def _read(
        self, connection: sqlite3.Connection, key: str, timeframe: Timeframe, start: int, end: int, known_at: int | None
    ) -> Stretch:
        series = rows.series_of(connection, key, timeframe)
        direct = rows.stretch(connection, self._cold, series, timeframe, start, end, known_at)
        holes = missing(direct.candles.open_ms, start, end, _ms(timeframe))
        built = self.build(connection, key, timeframe, holes, known_at)
        if not len(built):
            return direct
        both = OHLCV.join([direct.candles, built])
        return Stretch(merged(both, np.repeat([0, 1], [len(direct.candles), len(built)])), plain=False)

    def build(
        self, connection: sqlite3.Connection, key: str, timeframe: Timeframe, holes: Ints, known_at: int | None
    ) -> OHLCV:
        """Return those of the missing candles that shorter ones make."""
        if not len(holes) or not SHORTER[timeframe]:
            return OHLCV.empty(timeframe)
        shorter, length = SHORTER[timeframe][-1], _ms(timeframe)
        first, last = int(holes[0]), int(holes[-1]) + length
        parts = list(self.backwards(connection, key, shorter, first, last, known_at))
        if not parts:
            return OHLCV.empty(timeframe)
        whole = OHLCV.join(parts[::-1])
        whole = whole.take(np.isin(whole.open_ms // length * length, holes))
        built = rows.known_by(rolled_up(whole, timeframe), known_at)
        if len(built) and not built.complete[-1]:  # it may be running still; those before it are not
            end = int(built.open_ms[-1]) + length
            if not rows.is_over(connection, self._cold, key, shorter, end, known_at):
                return built[:-1]
        return built

    def view(self) -> CacheView:
        """Return what memory served so far."""
        with self._lock:
            return CacheView(hits=self._hits, misses=self._misses, evictions=self._evictions, held=len(self._held))

    def forget(self) -> None:
        """Forget what was read."""
        with self._lock:
            self._held.clear()


def frozen(candles: OHLCV) -> OHLCV:
    """Return candles whose arrays cannot be written to: they are shared."""
    for name in COLUMNS:
        getattr(candles, name).flags.writeable = False
    return candles


def _ms(timeframe: Timeframe) -> int:
    return timeframe.seconds * 1000
