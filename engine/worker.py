"""A worker: a process of its own that the engine starts, listens to, ends, and reports on.

It speaks frames (`engine.protocol`) on standard output and reads its orders from standard input; when that closes, the
engine is gone and it ends. A `Beat` at least every `SILENT_S` shows that it lives. Its own log is its own affair; what
it says on standard error before the log is open is kept for the error message.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence

import msgspec
import psutil

from engine.errors import WorkerLost
from engine.health import ProcessView
from engine.protocol import HEADER
from engine.supervisor import Part
from engine.text import inert

log = logging.getLogger(__name__)

SILENT_S = 10.0
"""A worker that has not beaten for this long hangs, and is ended."""

END_S = 0.2
"""Time for one that has closed its pipes, or sees ours closed, to end by itself."""

TERM_S = 5.0
"""Time for a worker to end after SIGTERM; then it is killed."""

FRAME_MOST = 64 << 20
"""Bytes of the largest frame that a worker may send."""

MOST_RESTARTS = 5
"""Restarts in a row after which a worker is given up; one that ran a minute has begun anew."""


SECRET = re.compile(r"TRADETUI_[A-Z0-9]+_API_[A-Z]+|TRADETUI_WEBHOOK_URL")
"""Variables that no worker is given: it asks no venue."""


class Beat(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="beat"):
    """A sign of life; `doing` says what at."""

    doing: str = ""


_decoder = msgspec.msgpack.Decoder(Beat)


class Worker:
    """One worker process. `run` is what a supervisor keeps running."""

    def __init__(self, name: str, command: Sequence[str], *, silent_s: float = SILENT_S) -> None:
        self.name = name
        self._command = list(command)
        self._silent_s = silent_s
        self._process: asyncio.subprocess.Process | None = None
        self._figures: psutil.Process | None = None
        self._started = 0
        self._heard = 0.0
        self._doing = ""
        self.part = Part(name=name, run=self.run, most_restarts=MOST_RESTARTS, code="WORKER_DOWN")

    async def run(self) -> None:
        """Start the process and listen until it ends; cancelling ends it.

        Raises:
            WorkerLost: It ended, fell silent, or said what cannot be understood.
        """
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={name: value for name, value in os.environ.items() if not SECRET.fullmatch(name)},
            start_new_session=True,  # ctrl-c in the engine's terminal is the engine's to handle
        )
        self._process = process
        self._started, self._heard, self._doing = time.time_ns(), time.monotonic(), "starting"
        with contextlib.suppress(psutil.Error):
            self._figures = psutil.Process(process.pid)
        log.info("worker %s: pid %d", self.name, process.pid)
        words: deque[str] = deque(maxlen=5)
        assert process.stdout is not None
        assert process.stderr is not None
        listening = asyncio.create_task(_words(process.stderr, words))
        try:
            await self._listen(process.stdout)
        finally:
            await _end(process)
            await asyncio.wait((listening,), timeout=0.2)  # its last words are in the pipe
            listening.cancel()
            self._process = self._figures = None
        said = f": {inert(words[-1])}" if words else ""
        raise WorkerLost(f"{self.name} ended ({_code(process.returncode)}){said}")

    async def _listen(self, stdout: asyncio.StreamReader) -> None:
        while True:
            try:
                async with asyncio.timeout(self._silent_s):
                    (length,) = HEADER.unpack(await stdout.readexactly(HEADER.size))
                    if length > FRAME_MOST:
                        raise WorkerLost(f"{self.name} announced a frame of {length} bytes")
                    beat = _decoder.decode(await stdout.readexactly(length))
            except TimeoutError as error:
                raise WorkerLost(f"{self.name} has said nothing for {self._silent_s:g} s") from error
            except msgspec.MsgspecError as error:
                raise WorkerLost(f"{self.name} was not understood: {error}") from error
            except asyncio.IncompleteReadError:
                return
            self._heard, self._doing = time.monotonic(), inert(beat.doing)

    def view(self) -> ProcessView:
        """Return the figures for people."""
        process, part = self._process, self.part
        rss = cpu = None
        if self._figures is not None:
            with contextlib.suppress(psutil.Error), self._figures.oneshot():
                rss = round(self._figures.memory_info().rss / 1e6, 1)
                cpu = self._figures.cpu_percent()
        return ProcessView(
            name=self.name,
            pid=process.pid if process is not None else 0,
            state=str(part.state) + (f": {self._doing}" if process is not None and self._doing else ""),
            started=self._started,
            heartbeat_age_s=round(time.monotonic() - self._heard, 3) if process is not None else None,
            rss_mb=rss,
            cpu_percent=cpu,
            restarts=part.restarts,
            last_error=part.last_error,
        )


async def _words(stderr: asyncio.StreamReader, words: deque[str]) -> None:
    """Keep the last lines of standard error; the pipe is emptied so that the worker never waits for us."""
    rest = b""
    while chunk := await stderr.read(1 << 16):
        *lines, rest = (rest + chunk)[-(1 << 16) :].split(b"\n")
        words.extend(line.decode("utf-8", "replace") for line in lines if line.strip())


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a process that may have ended already: politely, then not."""
    if process.stdin is not None:
        process.stdin.close()
    for number, pause in ((0, END_S), (signal.SIGTERM, TERM_S), (signal.SIGKILL, TERM_S)):
        if process.returncode is not None:
            break
        with contextlib.suppress(ProcessLookupError):
            # Not by its own method, which would take the exit code away from the event loop.
            os.kill(process.pid, number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await process.wait()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)  # what it has started itself; it leads a session of its own


def _code(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit {code}"


def beat(doing: str = "", write: Callable[[int, bytes], int] = os.write) -> None:
    """Give a sign of life; called in the worker."""
    body = msgspec.msgpack.encode(Beat(doing=doing))
    write(1, HEADER.pack(len(body)) + body)
