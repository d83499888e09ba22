"""What the console costs: bytes sent to the terminal, and how late its own clock is."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual.app import App

LATE_MS = 250.0
"""A loop that is later than this is given fewer frames."""

KEPT = 8
"""Ticks over which lateness is told."""

WINDOW_S = 2.0
"""Seconds over which bytes are counted."""


class Meter:
    """Counts for one console; times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self.sent = 0
        """Bytes since the start."""
        self._lags: deque[float] = deque([0.0] * KEPT, maxlen=KEPT)
        self._due = 0.0
        self._marks: deque[tuple[float, int]] = deque()

    def watch(self, app: App[Any]) -> None:
        """Count what a running app writes."""
        driver = app._driver
        if driver is None:
            return
        write = driver.write

        def counted(data: str) -> None:
            self.sent += len(data) if data.isascii() else len(data.encode("utf-8", "replace"))
            write(data)

        driver.write = counted  # type: ignore[method-assign]

    def tick(self, now: float, pause_s: float) -> None:
        """Take one tick of the screen's clock; the next is due `pause_s` later."""
        if self._due:
            self._lags.append(max(now - self._due, 0.0) * 1000)
        self._due = now + pause_s
        self._marks.append((now, self.sent))
        while len(self._marks) > 2 and now - self._marks[1][0] >= WINDOW_S:
            self._marks.popleft()

    @property
    def lag_ms(self) -> float:
        """The most that the screen's clock was late lately."""
        return max(self._lags)

    @property
    def late(self) -> bool:
        """Whether the loop keeps being late: not one slip, but most of the last ticks."""
        return sorted(self._lags)[KEPT // 2] > LATE_MS

    @property
    def kilobytes_s(self) -> float:
        """Kilobytes a second sent to the terminal over the last seconds."""
        if len(self._marks) < 2:
            return 0.0
        (began, before), (ended, after) = self._marks[0], self._marks[-1]
        return (after - before) / 1000 / (ended - began) if ended > began else 0.0
