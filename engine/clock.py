"""The engine's clock: the only place that reads time."""

from __future__ import annotations

import time
from collections.abc import Callable

from engine.types import SECOND

STEP = SECOND
"""A wall clock this far ahead of ours was set, or the machine slept: we follow."""


SLOWER = 10
"""Behind a wall clock that was set back, ours loses one part in so many."""


class Clock:
    """UTC nanoseconds that never run backwards and never stand still.

    Time runs with the monotonic clock from the wall clock's reading at the start. When the wall clock is found more
    than `STEP` ahead, ours jumps there; when it is set back, ours goes on a tenth slower until the two agree.
    """

    def __init__(
        self, wall: Callable[[], int] = time.time_ns, monotonic: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._base = wall() - monotonic()
        self._last = 0
        self._slowed: int | None = None
        self._steps = 0

    @property
    def steps(self) -> int:
        """Times that the wall clock was found set."""
        return self._steps

    def now(self) -> int:
        """Return the time."""
        monotonic = self._monotonic()
        mine = self._base + monotonic
        wall = self._wall()
        if wall - mine > STEP:
            self._steps += 1
            self._base += wall - mine
            return wall
        if self._slowed is None:
            if mine - wall > STEP:
                self._steps += 1
                self._slowed = monotonic
            return mine
        if mine <= wall:
            self._slowed = None
            return mine
        late = min((monotonic - self._slowed) // SLOWER, mine - wall)
        if late > 0:
            self._slowed = monotonic
            self._base -= late
        return mine - max(late, 0)

    def stamp(self) -> int:
        """Return a receive stamp: the time, and more than every stamp before."""
        self._last = max(self.now(), self._last + 1)
        return self._last

    def pass_by(self, boundary: int) -> None:
        """Promise that every later stamp is above `boundary`."""
        self._last = max(self._last, boundary)
