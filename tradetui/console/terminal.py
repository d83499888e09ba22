"""The terminal under the console: told to end, gone, or not reading. It is left as it was found, whatever happens.

Textual's writer blocks the event loop when a terminal does not read, and its thread fails when the terminal is gone;
so signals are taken outside the loop, and a console that cannot end within `PATIENCE_S` is ended hard.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import termios
import threading
from types import FrameType
from typing import TYPE_CHECKING, Any

from textual.app import App

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_S = 1.5
"""Time for a clean end once a signal asked for it."""

BEHIND = 4
"""Writes that may wait for the terminal before drawing pauses; Textual blocks at 30."""

LEAVE = b"\x1b[?2004l\x1b[?7h\x1b[<u\x1b[?1049l\x1b[?25h\x1b[?1004l"
"""Bracketed paste, wrapping, keys, screen, cursor and focus as they were."""

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)


class Terminal:
    """Standard input, output and error, as long as the console has them."""

    def __init__(self) -> None:
        self.ended_by = 0
        self._attributes: list[Any] | None = None
        self._leave: Callable[[], None] | None = None
        self._poll = select.poll()

    def watch(self, app: App[Any]) -> None:
        """Begin: `app` is told to end when a signal comes or the terminal is gone. Call it before the app runs."""
        with contextlib.suppress(termios.error):
            self._attributes = termios.tcgetattr(0)
        self._poll.register(0, 0)  # only hang-ups
        loop = asyncio.get_running_loop()

        def leave() -> None:
            loop.call_soon_threadsafe(app.exit)

        self._leave = leave
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._told)
        signal.signal(signal.SIGALRM, self._late)
        threading.excepthook = self._thread_ended

    def look(self) -> None:
        """End the console if the terminal is gone."""
        if any(event & (select.POLLHUP | select.POLLERR) for _, event in self._poll.poll(0)):
            self._end(signal.SIGHUP)

    @staticmethod
    def behind(app: App[Any]) -> bool:
        """Tell whether the terminal is not reading."""
        writer = getattr(getattr(app, "_driver", None), "_writer_thread", None)
        queue = getattr(writer, "_queue", None)
        return queue is not None and queue.qsize() > BEHIND

    def done(self) -> None:
        """The console has ended by itself: nothing is late any more."""
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _told(self, number: int, _frame: FrameType | None) -> None:
        self._end(number)

    def _end(self, number: int) -> None:
        if self.ended_by:
            return
        self.ended_by = number
        signal.setitimer(signal.ITIMER_REAL, PATIENCE_S)
        if self._leave is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._leave()

    def _late(self, _number: int, _frame: FrameType | None) -> None:
        """End at once: the terminal takes nothing, or is gone."""
        with contextlib.suppress(OSError, termios.error):
            if self._attributes is not None:
                termios.tcflush(2, termios.TCOFLUSH)
                termios.tcsetattr(0, termios.TCSANOW, self._attributes)
            os.set_blocking(2, False)
            try:
                os.write(2, LEAVE)
            finally:
                os.set_blocking(2, True)
        os._exit(128 + self.ended_by)

    def _thread_ended(self, hook: threading.ExceptHookArgs) -> None:
        """Take the end of Textual's writer as the terminal's end; other threads have nothing to say there."""
        if isinstance(hook.exc_value, OSError):
            self._end(signal.SIGHUP)
        elif hook.exc_value is not None:
            threading.__excepthook__(hook)
