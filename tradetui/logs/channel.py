"""From a log call to its file: a bounded queue, emptied by a thread, so that a slow or full disk holds nobody."""

from __future__ import annotations

import queue
import threading
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from engine.errors import SettingsInvalid
from tradetui.logs.files import Entry, harmless

WAITING_MOST = 4096
"""Lines that wait for the disk; more are dropped and counted."""

HELD_MOST = 16_000
"""Characters of a text that wait for the disk."""

TEXT_MOST = 8_000
"""Characters of a text in the log."""

SECRET_MOST = 4_000
"""Characters taken from the end of a text that was cut before it was redacted: no half of a secret stays."""

ERROR_MOST = 32_000
"""Characters of a traceback in the log; the end is kept."""


class Line(msgspec.Struct, frozen=True):
    """A log call as it waits; `created` in UTC seconds."""

    created: float
    level: str
    logger: str
    seq: int | None
    text: str
    error: traceback.TracebackException | None = None


def _entry(line: Line, redact: Callable[[str], str]) -> Entry:
    """Return what may be seen of a line."""
    text = redact(line.text)
    if len(line.text) >= HELD_MOST:
        text = text[: max(len(text) - SECRET_MOST, 0)] + "..."
    if len(text) > TEXT_MOST:
        text = text[:TEXT_MOST] + "..."
    error = redact("".join(line.error.format())).rstrip("\n") if line.error is not None else ""
    if len(error) > ERROR_MOST:
        error = "..." + error[-ERROR_MOST:]
    moment = datetime.fromtimestamp(line.created, UTC).isoformat(timespec="milliseconds")
    return Entry(
        ts=moment.replace("+00:00", "Z"),
        level=line.level,
        logger=harmless(line.logger),
        seq=line.seq,
        text=harmless(text),
        error="\n".join(map(harmless, error.split("\n"))),
    )


class Channel:
    """A bounded queue and the thread that empties it into `put`; what `put` raises is counted."""

    def __init__(
        self, name: str, put: Callable[[Entry], None], redact: Callable[[str], str], end: Callable[[], None]
    ) -> None:
        self.dropped = 0
        self.errors = 0
        self.last_error = ""
        self._put = put
        self._redact = redact
        self._end = end
        self._told = (0, 0)
        # A finaliser may log in the middle of another put: SimpleQueue allows that, Queue would wait for itself.
        self._queue: queue.SimpleQueue[Line | threading.Event | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"log {name}", daemon=True)
        self._thread.start()

    def offer(self, line: Line) -> None:
        """Take a line, or count it as dropped; the caller holds the handler's lock."""
        if self._queue.qsize() >= WAITING_MOST:
            self.dropped += 1
        else:
            self._queue.put(line)

    def flush(self, timeout_s: float) -> bool:
        """Wait until all lines so far are through."""
        through = threading.Event()
        self._queue.put(through)
        return through.wait(timeout_s)

    def close(self, timeout_s: float) -> None:
        """End the thread after what waits; one that hangs on its disk is left behind."""
        self._queue.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            if isinstance(item, threading.Event):
                item.set()
                continue
            lost = (self.dropped, self.errors)
            if self._write(item) and lost != self._told and self._queue.qsize() <= WAITING_MOST // 2:
                self._tell(item.seq, lost)
        self._end()

    def _tell(self, seq: int | None, lost: tuple[int, int]) -> None:
        """Say how many lines are missing, now that one came through."""
        dropped, failed = lost[0] - self._told[0], lost[1] - self._told[1]
        text = f"{dropped} lines were dropped because too many waited"
        if failed:
            text = f"{dropped} lines were dropped, {failed} could not be written; the last: {self.last_error}"
        if self._write(Line(time.time(), "WARNING", "tradetui.logs", seq, text)):
            self._told = lost
        else:
            self.errors -= 1

    def _write(self, line: Line) -> bool:
        try:
            self._put(_entry(line, self._redact))
        except Exception as error:  # noqa: BLE001 - whatever it is given, the log goes on
            self.errors += 1
            # What other errors say may be the text that was to be logged.
            said = f": {error}" if isinstance(error, OSError | SettingsInvalid) else ""
            self.last_error = type(error).__name__ + said
            return False
        return True
