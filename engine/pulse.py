"""The engine's own pulse, memory, processor and disk, gathered without touching the path."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections import deque
from collections.abc import Callable
from pathlib import Path

import psutil

BEAT_S = 0.1
"""Seconds between two heartbeats."""

BEATS = 600
"""Heartbeats over which intervals are told."""

SAMPLE_S = 2.0
"""Seconds between two looks at memory, processor and disk."""


class Heart:
    """The engine loop's pulse: beats every 100 ms and remembers how late each beat came."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._intervals: deque[float] = deque(maxlen=BEATS)
        self._last: float | None = None
        self.beats = 0

    def begin(self) -> None:
        """Begin again; what lies before was no stand-still of the loop."""
        self._last = None

    def beat(self) -> float:
        """Take a beat; return the seconds since the last one (0 at the first)."""
        now = self._monotonic()
        interval = now - self._last if self._last is not None else 0.0
        if self._last is not None:
            self._intervals.append(interval)
        self._last = now
        self.beats += 1
        return interval

    @property
    def age(self) -> float | None:
        """Seconds since the last beat."""
        return None if self._last is None else self._monotonic() - self._last

    def intervals_ms(self) -> tuple[float | None, float | None, float | None, float | None]:
        """Return p50, p95, p99 and the longest interval of the last minute."""
        ordered = sorted(self._intervals)
        if not ordered:
            return None, None, None, None
        last = len(ordered) - 1
        p50, p95, p99 = (round(1000 * ordered[min(int(q * len(ordered)), last)], 3) for q in (0.50, 0.95, 0.99))
        return p50, p95, p99, round(1000 * ordered[-1], 3)


class Resources:
    """Memory, processor and disk, sampled now and then."""

    def __init__(self, folder: Path | None = None) -> None:
        self._process = psutil.Process(os.getpid())
        self._folder = folder
        self.rss_mb: float | None = None
        self.cpu_percent: float | None = None
        self.disk_free_mb: int | None = None

    def sample(self) -> None:
        """Look again."""
        with contextlib.suppress(psutil.Error), self._process.oneshot():
            self.rss_mb = round(self._process.memory_info().rss / 1e6, 1)
            self.cpu_percent = self._process.cpu_percent()
        if self._folder is not None:
            try:
                self.disk_free_mb = shutil.disk_usage(self._folder).free // 1_000_000
            except OSError:
                self.disk_free_mb = None
