"""The engine's clock over a virtual event loop."""

from __future__ import annotations

from tests.support.exchange import now_ns


class VirtualClock:
    """UTC nanoseconds of the running virtual loop; stamps increase strictly."""

    steps = 0

    def __init__(self) -> None:
        self._last = 0

    def now(self) -> int:
        return max(now_ns(), self._last)

    def stamp(self) -> int:
        self._last = max(now_ns(), self._last + 1)
        return self._last

    def pass_by(self, boundary: int) -> None:
        self._last = max(self._last, boundary)
