"""A histogram of latencies: exact to a microsecond up to about a millisecond, within 1.6 % above."""

from __future__ import annotations

from array import array

from engine.health import LatencyView

EXACT = 1024
"""Microseconds that have a count each; above, every doubling has `STEPS` counts."""

STEPS = 64
LARGEST_US = (1 << 26) - 1
_SIZE = EXACT + STEPS * 16


class Latency:
    """Counts latencies; what is longer than `LARGEST_US` (67 s) is counted there, and remembered as the maximum.

    `turn` begins a new window; `recent` tells of the last whole one and of what came since.
    """

    def __init__(self) -> None:
        self._counts = array("q", bytes(8 * _SIZE))
        self._samples = 0
        self._longest = 0
        self._before: array[int] | None = None
        self._turned: array[int] | None = None
        self._longest_now = self._longest_before = 0

    def add(self, nanoseconds: int) -> None:
        """Count one latency; a negative one (a clock set back) counts as zero."""
        us = nanoseconds // 1000
        if us < EXACT:
            self._counts[us if us > 0 else 0] += 1
        else:
            capped = us if us < LARGEST_US else LARGEST_US
            shift = capped.bit_length() - 7
            self._counts[EXACT + STEPS * (shift - 4) + (capped >> shift) - STEPS] += 1
        self._samples += 1
        if us > self._longest_now:
            self._longest_now = us
            if us > self._longest:
                self._longest = us

    def reset(self) -> None:
        """Forget everything."""
        self.__init__()  # type: ignore[misc]

    def turn(self) -> None:
        """Begin a new window."""
        self._before, self._turned = self._turned, array("q", self._counts)
        self._longest_before, self._longest_now = self._longest_now, 0

    def view(self) -> LatencyView:
        """Return the percentiles of everything."""
        return _view(self._counts, self._samples, self._longest)

    def recent(self) -> LatencyView:
        """Return the percentiles of the last whole window and of what came since."""
        if self._before is None:
            return self.view()
        counts = [now - then for now, then in zip(self._counts, self._before, strict=True)]
        return _view(counts, sum(counts), max(self._longest_now, self._longest_before))


def _view(counts: array[int] | list[int], samples: int, longest: int) -> LatencyView:
    if not samples:
        return LatencyView(samples=0, p50_ms=None, p95_ms=None, p99_ms=None, max_ms=None)
    wanted = [0.50 * samples, 0.95 * samples, 0.99 * samples]
    found: list[float] = []
    seen = 0
    for place, number in enumerate(counts):
        seen += number
        while len(found) < len(wanted) and seen >= wanted[len(found)]:
            found.append(min(_us(place), longest) / 1000)
        if len(found) == len(wanted):
            break
    return LatencyView(samples=samples, p50_ms=found[0], p95_ms=found[1], p99_ms=found[2], max_ms=longest / 1000)


def _us(place: int) -> int:
    """Return the largest latency, in microseconds, that is counted at a place."""
    if place < EXACT:
        return place
    shift, step = divmod(place - EXACT, STEPS)
    return ((STEPS + step + 1) << (shift + 4)) - 1
