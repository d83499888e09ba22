"""The kill switch inside an engine: the latch closed beside its loop, and the signal that does so."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
import types
from collections.abc import Awaitable, Callable

from engine.operator import Kill, OperatorCommand, Who
from engine.orders import Answered
from tradetui.latch import Latch

log = logging.getLogger("tradetui.engine")

Ask = Callable[[OperatorCommand, Who], Awaitable[Answered]]
"""Has the engine judge and do a command."""

DISK_S = 1.0
"""Time for the latch to be on disk before the answer to a kill goes without it."""

SIGNALLED = "signal SIGUSR1"

KEEP_RUNNING = "do not restart this engine"


class KillSignal:
    """SIGUSR1 as kill switch: the latch is closed at once, also in a loop that is busy; the engine halts when it can.

    A signal that comes while the latch is closed already asks for no flattening: who closed it has said whether.
    """

    def __init__(self, latch: Latch, ask: Ask, who: Who) -> None:
        """`who` stands for whoever sent it, which a signal does not tell."""
        self._latch = latch
        self._ask = ask
        self._who = who
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._before: signal.Handlers | int | Callable[[int, types.FrameType | None], object] | None = None

    def install(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take the signal, where this is the main thread."""
        if threading.current_thread() is threading.main_thread():
            self._loop = loop
            self._before = signal.signal(signal.SIGUSR1, self._hear)

    def remove(self) -> None:
        """Give it back."""
        if self._loop is not None:
            signal.signal(signal.SIGUSR1, self._before if self._before is not None else signal.SIG_DFL)
            self._loop = None

    def _hear(self, _number: int, _frame: types.FrameType | None) -> None:
        """Close the latch between two instructions of whatever runs; say it when the loop comes round."""
        first = not self._latch.closed()
        if first and not self._latch.hold(SIGNALLED):
            threading.Thread(target=_close, args=(self._latch, SIGNALLED, self._who.user), daemon=True).start()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._begin, first)

    def _begin(self, first: bool) -> None:
        task = asyncio.ensure_future(self._kill(first))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _kill(self, first: bool) -> None:
        with contextlib.suppress(Exception):
            answered = await self._ask(Kill(flatten=None if first else False, reason=SIGNALLED), self._who)
            log.warning("kill by signal: %s", answered.text)


async def closed(latch: Latch, reason: str, user: str) -> str:
    """Close the latch on disk, in a thread; return what is wrong with that, "" if nothing is."""
    work = asyncio.ensure_future(asyncio.to_thread(_close, latch, reason, user))
    finished, _ = await asyncio.wait((work,), timeout=DISK_S)
    return work.result() if finished else f"the kill switch is not on disk yet, after {DISK_S:g} s: {KEEP_RUNNING}"


def _close(latch: Latch, reason: str, user: str) -> str:
    try:
        latch.close(reason, user)
    except OSError as error:
        said = f"the kill switch is closed in this engine only, not on disk ({error.strerror or error}): {KEEP_RUNNING}"
        log.critical("%s", said)
        return said
    return ""
