"""A terminal with a console in it: a real pty, read by the test."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time

import pyte

SEQUENCE = re.compile(rb"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[=>NOPc]|P[^\x1b]*\x1b\\)")
LEFT = b"\x1b[?1049l"

PIECE = 256
"""Bytes after which it is noted what the screen shows: less than is written from one frame to the next."""


class Desk:
    """A terminal with a console in it."""

    def __init__(
        self,
        environment: dict[str, str],
        *arguments: str,
        size: tuple[int, int] = (120, 40),
        module: str = "tradetui",
        term: str = "xterm-256color",
    ) -> None:
        self.master, slave = pty.openpty()
        self.before = termios.tcgetattr(slave)
        self.raw = b""
        self.shown: set[str] = set()
        self.marked = 0
        self.size = size
        self.resize(*size)
        self.began = time.monotonic()
        on_it = ("sh", "-c", 'tty=$1; shift; exec "$@" <"$tty" >"$tty" 2>&1', "sh", os.ttyname(slave))
        self.process = subprocess.Popen(
            [*on_it, sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            env={**environment, "TERM": term},
        )  # fmt: skip
        self._slave = slave

    def resize(self, width: int, height: int) -> None:
        self.mark()
        self.size = width, height
        self._screen = pyte.Screen(width, height)  # what is left of the old picture differs from terminal to terminal
        self._stream = pyte.ByteStream(self._screen)
        self._fed = len(self.raw)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def read(self, seconds: float) -> bytes:
        """Read for so long; return what came."""
        until, came = time.monotonic() + seconds, b""
        while (left := until - time.monotonic()) > 0:
            if not select.select([self.master], [], [], left)[0]:
                break
            try:
                came += os.read(self.master, 1 << 16)
            except OSError:
                break
        self.raw += came
        return came

    def sees(self, text: str, within_s: float = 30.0) -> float:
        """Wait until this text is on the screen; return the seconds since the console's start."""
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            if any(text in line for line in self.screen()):
                return time.monotonic() - self.began
            assert self.process.poll() is None, f"it ended: {self.text[-2000:]}"
            self.read(0.05)
        raise AssertionError(f"{text!r} is not on the screen:\n" + "\n".join(self.screen()))

    def showed(self, text: str, within_s: float = 30.0) -> None:
        """Wait until this text is on the screen, or has been: the newest event takes the place of the one before it."""
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            screen = self.screen()
            if any(text in line for line in self.shown):
                return
            assert self.process.poll() is None, f"it ended: {self.text[-2000:]}"
            self.read(0.05)
        raise AssertionError(f"{text!r} was never on the screen:\n" + "\n".join(screen))

    def misses(self, text: str, within_s: float = 30.0) -> None:
        """Wait until this text is on the screen no more."""
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            if not any(text in line for line in self.screen()):
                return
            self.read(0.05)
        raise AssertionError(f"{text!r} is still on the screen:\n" + "\n".join(self.screen()))

    def drawn(self) -> str:
        return SEQUENCE.sub(b"", self.raw[self.marked :]).decode("utf-8", "replace")

    def mark(self) -> None:
        """Only what is drawn from now on counts."""
        self.read(0.05)
        self.marked = len(self.raw)

    def sees_anything(self, within_s: float = 30.0) -> float:
        """Wait for the first drawn frame: text, not only the terminal's set-up; return the seconds since the start."""
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            if len(self.drawn().strip()) > 20:
                return time.monotonic() - self.began
            self.read(0.005)
        raise AssertionError("nothing was drawn")

    def press_now(self, keys: str) -> None:
        """Press without reading first; only what is drawn from now on counts."""
        self.marked = len(self.raw)
        os.write(self.master, keys.encode())

    def press(self, keys: str) -> None:
        self.mark()
        os.write(self.master, keys.encode())

    def ended(self, within_s: float = 30.0) -> int:
        """Wait for its end, and read what it says; return its exit code."""
        until = time.monotonic() + within_s
        while self.process.poll() is None and time.monotonic() < until:
            self.read(0.05)
        self.read(0.2)
        code = self.process.poll()
        assert code is not None, "it did not end"
        return code

    def screen(self) -> list[str]:
        """Return what the terminal shows now, line by line."""
        fresh, self._fed = self.raw[self._fed :], len(self.raw)
        screen = self._screen
        for at in range(0, len(fresh), PIECE):
            self._stream.feed(fresh[at : at + PIECE])
            for row in screen.dirty:
                self.shown.add("".join(screen.buffer[row][column].data for column in range(screen.columns)))
            screen.dirty.clear()
        return screen.display

    def leave(self, answer: str = "d") -> int:
        """Leave by `q`: detach, or stop the engine (`s`); return the exit code."""
        self.press("q")
        self.sees("stay")
        self.press(answer)
        return self.ended()

    @property
    def text(self) -> str:
        return SEQUENCE.sub(b"", self.raw).decode("utf-8", "replace")

    def restored(self) -> bool:
        return termios.tcgetattr(self._slave) == self.before and self.raw.rfind(LEFT) > self.raw.rfind(b"\x1b[?1049h")

    def hang_up(self) -> None:
        for each in (self._slave, self.master):
            with contextlib.suppress(OSError):
                os.close(each)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.hang_up()
