"""A histogram of latencies, exact to a microsecond up to 100 ms."""

from __future__ import annotations

from array import array

import msgspec

LARGEST_US = 100_000


class LatencyView(msgspec.Struct, frozen=True, kw_only=True):
    """Percentiles in milliseconds; None without samples."""

    samples: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None


class Latency:
    """Counts latencies; what is longer than `LARGEST_US` is counted there, and remembered as the maximum."""

    def __init__(self) -> None:
        self._counts = array("q", bytes(8 * (LARGEST_US + 1)))
        self._samples = 0
        self._longest = 0

    def add(self, nanoseconds: int) -> None:
        """Count one latency; a negative one (a clock set back) counts as zero."""
        us = nanoseconds // 1000
        self._counts[LARGEST_US if us > LARGEST_US else us if us > 0 else 0] += 1
        self._samples += 1
        if us > self._longest:
            self._longest = us

    def reset(self) -> None:
        """Forget everything."""
        self.__init__()  # type: ignore[misc]

    def view(self) -> LatencyView:
        """Return the percentiles."""
        if not self._samples:
            return LatencyView(samples=0, p50_ms=None, p95_ms=None, p99_ms=None, max_ms=None)
        wanted = [0.50 * self._samples, 0.95 * self._samples, 0.99 * self._samples]
        found: list[float] = []
        seen = 0
        for us, number in enumerate(self._counts):
            seen += number
            while len(found) < len(wanted) and seen >= wanted[len(found)]:
                found.append(us / 1000)
        return LatencyView(
            samples=self._samples, p50_ms=found[0], p95_ms=found[1], p99_ms=found[2], max_ms=self._longest / 1000
        )
