"""What was written since a reader last looked, so that what it remembers of other stretches stays good."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from engine.types import TIMEFRAME_SECONDS, Timeframe

CHUNK_BARS = 1024
"""Bars of one timeframe that are remembered, and forgotten, together."""

MOST = 100_000
"""Stretches whose number is kept; beyond that, everything counts as new."""


class Changes:
    """Counts writes by stretch. Safe in any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all = 0
        self._chunks: dict[tuple[str, str, int], int] = {}

    def touch(self, spans: Iterable[tuple[str, str, int, int]]) -> None:
        """Bars were written: instrument, timeframe, opening times (ms) of the first and the last.

        Longer bars may be built of them, so their stretches have changed, too.
        """
        with self._lock:
            for key, written, first, last in spans:
                for timeframe in _LONGER[written]:
                    length = chunk_ms(timeframe)
                    for chunk in range(first // length, min(last // length, first // length + MOST) + 1):
                        place = (key, timeframe, chunk)
                        self._chunks[place] = self._chunks.get(place, 0) + 1
            if len(self._chunks) > MOST:
                self._chunks.clear()
                self._all += 1

    def everything(self) -> None:
        """More was written than is worth telling apart."""
        with self._lock:
            self._all += 1

    def generation(self, key: str, timeframe: str, chunk: int) -> tuple[int, int]:
        """Return a number that changes whenever the stretch does."""
        with self._lock:
            return self._all, self._chunks.get((key, timeframe, chunk), 0)


_LENGTHS = list(TIMEFRAME_SECONDS)
_LONGER = {str(each): tuple(str(longer) for longer in _LENGTHS[place:]) for place, each in enumerate(_LENGTHS)}


def chunk_ms(timeframe: str) -> int:
    """Return how long a stretch is, ms: 1024 bars, from an hour on 256."""
    seconds = TIMEFRAME_SECONDS[Timeframe(timeframe)]
    return seconds * 1000 * (CHUNK_BARS if seconds < 3600 else CHUNK_BARS // 4)
