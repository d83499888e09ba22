"""An event loop whose time jumps to the next timer instead of passing."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

_Result = TypeVar("_Result")

GRACE_S = 5.0
"""How long threads of which the loop does not know may stay silent before everything counts as stuck."""
START_NS = 1_767_225_600_000_000_000


class VirtualDeadlock(RuntimeError):
    """Everything waits and no timer is set: nothing will ever happen again."""


class _Selector(selectors.BaseSelector):
    """Real readiness, but a wait for the next timer is over at once and moves the clock instead."""

    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self.passed_ns = 0
        self.threads_at_work = 0

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self.threads_at_work:
            # A thread's work takes no virtual time.
            return self._real.select(0.05)
        if timeout is None:
            # Threads that the loop does not know of may still report.
            ready = self._real.select(GRACE_S)
            if ready:
                return ready
            raise VirtualDeadlock("every task waits and no timer is set")
        self.passed_ns += max(1, round(timeout * 1e9))
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop for whole runs of the product in no time; `now_ns` is its wall clock."""

    def __init__(self, start_ns: int = START_NS) -> None:
        self._virtual = _Selector()
        self.start_ns = start_ns
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.passed_ns / 1e9

    def now_ns(self) -> int:
        """The wall clock."""
        return self.start_ns + self._virtual.passed_ns

    def work(self, seconds: float) -> None:
        """Stand for work in the loop: time passes, and nobody has a turn meanwhile."""
        self._virtual.passed_ns += round(seconds * 1e9)

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        future = super().run_in_executor(executor, func, *args)
        self._virtual.threads_at_work += 1
        future.add_done_callback(self._thread_done)
        return future

    @contextmanager
    def thread_at_work(self) -> Iterator[None]:
        """A thread that the loop does not know of works meanwhile, and its work takes no virtual time, either."""
        self._virtual.threads_at_work += 1
        try:
            yield
        finally:
            self._virtual.threads_at_work -= 1

    async def shutdown_default_executor(self, *_timeout: Any) -> None:
        self._virtual.threads_at_work += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self._virtual.threads_at_work -= 1

    def _thread_done(self, _future: Awaitable[Any]) -> None:
        self._virtual.threads_at_work -= 1


def now_ns() -> int:
    """The wall clock of the running virtual loop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop.now_ns()


def run_virtual(coro_fn: Callable[[], Coroutine[Any, Any, _Result]], *, start_ns: int = START_NS) -> _Result:
    """Run a coroutine function to its end in virtual time.

    Raises:
        VirtualDeadlock: It waits for something that can never come.
    """
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(start_ns)) as runner:
        return runner.run(coro_fn())
