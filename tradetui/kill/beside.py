"""Work in a thread of its own that nobody has to wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Beside(Generic[T]):
    """Work that has begun; it does not keep the process from ending. `error` is what it raised."""

    def __init__(self, work: Callable[[], T]) -> None:
        self.error: Exception | None = None
        self._result: T | None = None
        self._work = work
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return not self._thread.is_alive()

    def result(self, within_s: float) -> T | None:
        """Wait for it; return what it returned, None if it raised or has not ended in time."""
        self._thread.join(max(within_s, 0.0))
        return self._result if self.done else None

    def _run(self) -> None:
        try:
            self._result = self._work()
        except Exception as error:  # noqa: BLE001 - whoever waits is told
            self.error = error
