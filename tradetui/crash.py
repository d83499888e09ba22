"""What is kept of a fault of ours: a report per crash, and a log line for what nobody caught.

Tracebacks are redacted and hold no values of variables. Nothing here raises: it runs when all else has failed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import platform
import sys
import threading
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from tradetui import __version__
from tradetui.logs.files import harmless
from tradetui.places import Places, own

log = logging.getLogger(__name__)

KEPT = 10
"""Reports kept of a profile."""

LONGEST = 200_000
"""Characters of a traceback in a report; the end is kept."""


def crash_report(
    places: Places,
    process: str,
    error: BaseException,
    redact: Callable[[str], str],
    seq: Callable[[], int],
) -> Path | None:
    """Write `<places.state>/crashes/<process>-<UTC time>.txt` (mode 0600), keep the newest `KEPT`; never raises.

    Returns:
        The report, or None if it could not be written.
    """
    try:
        now = datetime.now(UTC)
        folder = places.state / "crashes"
        own(folder)
        text = _text(process, error, redact, seq, now)
        path = _write(folder, f"{process}-{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03}Z", text)
        _forget(folder)
    except Exception as trouble:  # noqa: BLE001 - a report is not worth another fault
        log.warning("no crash report could be written: %s", _name(trouble))
        return None
    return path


def _text(
    process: str, error: BaseException, redact: Callable[[str], str], seq: Callable[[], int], now: datetime
) -> str:
    try:
        number = str(seq())
    except Exception:  # noqa: BLE001 - the engine may be half gone
        number = "unknown"
    trace = redact("".join(traceback.format_exception(error, chain=True)))
    trace = trace if len(trace) <= LONGEST else "..." + trace[-LONGEST:]
    return "\n".join((
        f"tradetui   {__version__}",
        f"process    {process}, pid {os.getpid()}",
        f"time       {now.isoformat(timespec='milliseconds').replace('+00:00', 'Z')}",
        f"platform   {platform.platform()}, Python {platform.python_version()}",
        f"seq        {number}",
        "",
        *map(harmless, trace.rstrip("\n").split("\n")),
        "",
    ))  # fmt: skip


def _write(folder: Path, stem: str, text: str) -> Path:
    """Write a new file; two crashes in the same millisecond get two files."""
    for number in range(1, 1000):
        path = folder / (f"{stem}.txt" if number == 1 else f"{stem}-{number}.txt")
        with contextlib.suppress(FileExistsError):
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(file, "w", encoding="utf-8", errors="backslashreplace") as stream:
                stream.write(text)
            return path
    raise FileExistsError(f"{folder / stem}.txt")


def _forget(folder: Path) -> None:
    """Remove all but the newest reports."""
    newest_first = sorted(folder.glob("*.txt"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in newest_first[KEPT:]:
        path.unlink(missing_ok=True)


class Hooks:
    """What `install` put in place; `attach` adds an event loop, `remove` takes all of it away again."""

    def __init__(
        self,
        places: Places,
        process: str,
        redact: Callable[[str], str],
        seq: Callable[[], int],
        stderr: TextIO | None,
    ) -> None:
        self._places = places
        self._process = process
        self._redact = redact
        self._seq = seq
        self._stderr = stderr
        self._before = (sys.excepthook, threading.excepthook, sys.unraisablehook)
        self._loops: list[tuple[asyncio.AbstractEventLoop, Any]] = []
        sys.excepthook = self._fatal
        threading.excepthook = self._thread_ended
        sys.unraisablehook = self._ignored

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Log what the loop's tasks and callbacks raise and nobody takes."""
        self._loops.append((loop, loop.get_exception_handler()))
        loop.set_exception_handler(self._unhandled)

    def remove(self) -> None:
        """Put everything back as it was."""
        sys.excepthook, threading.excepthook, sys.unraisablehook = self._before
        for loop, before in self._loops:
            loop.set_exception_handler(before)
        self._loops.clear()

    def _fatal(self, kind: type[BaseException], error: BaseException, trace: Any) -> None:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            sys.__excepthook__(kind, error, trace)
            return
        log.critical("%s ended: %s", self._process, _name(error), exc_info=error)
        report = crash_report(self._places, self._process, error, self._redact, self._seq)
        where = f"; see {report}" if report is not None else ""
        self._say(f"tradetui: {self._process} ended by a fault of ours: {_name(error)}{where}")

    def _thread_ended(self, hook: threading.ExceptHookArgs) -> None:
        error = hook.exc_value
        if error is None or isinstance(error, SystemExit):
            return
        name = hook.thread.name if hook.thread is not None else "unknown"
        log.error("thread %s ended: %s", name, _name(error), exc_info=error)
        crash_report(self._places, self._process, error, self._redact, self._seq)

    def _ignored(self, hook: Any) -> None:
        error: BaseException | None = hook.exc_value
        if error is not None:
            log.error("raised where nobody could take it: %s", _name(error), exc_info=error)

    def _unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        del loop
        error = context.get("exception")
        task = context.get("task") or context.get("future")
        name = f" ({task.get_name()})" if isinstance(task, asyncio.Task) else ""
        what = f": {_name(error)}" if isinstance(error, BaseException) else ""
        trouble = error if isinstance(error, BaseException) else None
        log.error("%s%s%s", context.get("message", "fault in the event loop"), name, what, exc_info=trouble)

    def _say(self, text: str) -> None:
        with contextlib.suppress(Exception):
            print(harmless(self._redact(text)), file=self._stderr or sys.stderr)


def install(
    places: Places,
    process: str,
    redact: Callable[[str], str],
    seq: Callable[[], int],
    *,
    loop: asyncio.AbstractEventLoop | None = None,
    stderr: TextIO | None = None,
) -> Hooks:
    """Take care of what nobody catches: in the main thread a crash report and one line, elsewhere a log line.

    Args:
        places: Where reports go.
        process: Name of this process.
        redact: Takes secrets out of a text.
        seq: The engine's present record number.
        loop: An event loop to attach; `attach` can do so later.
        stderr: Where the one line goes; standard error, unless given.
    """
    hooks = Hooks(places, process, redact, seq, stderr)
    if loop is not None:
        hooks.attach(loop)
    return hooks


def _name(error: BaseException) -> str:
    """Return kind and text of an error on one line."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - its own text may fail
        text = "without a text"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
