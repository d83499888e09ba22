"""One rotating log per process: JSON lines, written by a thread, so that a slow or full disk never holds the engine.

A log call becomes a line at once, with the engine's record number as its trace id. Lines wait in a bounded queue; what
does not fit, or cannot be written, is counted, and the number is logged once there is room. Nothing here raises into
the caller or prints a traceback.
"""

from __future__ import annotations

import atexit
import logging
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from engine.errors import SettingsInvalid
from tradetui.logs.channel import HELD_MOST, Channel, Line
from tradetui.logs.files import Entry, LogFile, read_log
from tradetui.places import Places

__all__ = ["LEVELS", "Entry", "ProcessLog", "open_log", "read_log"]

LEVELS = {"DEBUG": logging.DEBUG, "INFO": logging.INFO, "WARNING": logging.WARNING, "ERROR": logging.ERROR}

OTHERS = ("asyncio", "aiohttp")
"""Loggers of others: from WARNING on."""

CLOSE_S = 2.0
"""Seconds that `close` waits for the last lines."""


class _Door(logging.Handler):
    """Makes lines of log calls, in the caller's thread, and hands them to the channels."""

    def __init__(self, channels: list[Channel], seq: Callable[[], int]) -> None:
        super().__init__()
        self.failed = 0
        self._channels = channels
        self._seq = seq

    def emit(self, record: logging.LogRecord) -> None:
        """Read what may change after the call; source lines of a traceback are read later, in the thread."""
        try:
            line = self._line(record)
            for channel in self._channels:
                channel.offer(line)
        except Exception:  # noqa: BLE001 - a log call must not fail
            self.failed += 1

    def _line(self, record: logging.LogRecord) -> Line:
        try:
            text = record.getMessage()
        except Exception as wrong:  # noqa: BLE001 - a wrong log call still says something
            text = f"{record.msg!r}, with arguments that do not fit ({type(wrong).__name__})"
        seq: int | None
        try:
            seq = self._seq()
        except Exception:  # noqa: BLE001 - the engine may be half built, or half gone
            seq = None
        trouble = record.exc_info[1] if record.exc_info else None
        error = traceback.TracebackException.from_exception(trouble, lookup_lines=False) if trouble else None
        return Line(record.created, record.levelname, record.name, seq, text[:HELD_MOST], error)


class ProcessLog:
    """The log of this process, made by `open_log`."""

    def __init__(self, path: Path, door: _Door, channels: list[Channel]) -> None:
        self.path = path
        self._door = door
        self._channels = channels
        self._before = [(each, each.level) for each in (logging.getLogger(), *map(logging.getLogger, OTHERS))]
        for name in OTHERS:
            logging.getLogger(name).setLevel(logging.WARNING)
        logging.getLogger().addHandler(door)
        atexit.register(self.close)

    @property
    def level(self) -> str:
        """The present level's name."""
        return next(name for name, number in LEVELS.items() if number == self._door.level)

    @property
    def dropped(self) -> int:
        """Lines that the file did not get because too many waited."""
        return self._channels[0].dropped

    @property
    def errors(self) -> int:
        """Lines that could not be written to the file; what the terminal does not take is no loss."""
        return self._door.failed + self._channels[0].errors

    @property
    def last_error(self) -> str:
        """Why the last of them could not be written; empty: all were."""
        return self._channels[0].last_error

    def say(self, text: str) -> None:
        """Tell whoever watches the terminal, without the log; a terminal that takes nothing holds up nobody."""
        for channel in self._channels[1:]:
            channel.offer(Line(time.time(), "INFO", "tradetui", None, text, None))

    def set_level(self, name: str) -> None:
        """Log from this level on: DEBUG, INFO, WARNING or ERROR.

        Raises:
            SettingsInvalid: No such level.
        """
        number = _level(name)
        self._door.setLevel(number)
        logging.getLogger().setLevel(number)

    def flush(self, timeout_s: float = CLOSE_S) -> bool:
        """Wait until what was logged is written; False if it took longer. Blocks: not for the event loop."""
        return all(channel.flush(timeout_s) for channel in self._channels)

    def close(self) -> None:
        """Write what waits, at most `CLOSE_S` long, and put logging back as it was. May be called twice."""
        atexit.unregister(self.close)
        logging.getLogger().removeHandler(self._door)
        before, self._before = self._before, []
        for logger, level in before:
            logger.setLevel(level)
        for channel in self._channels:
            channel.close(CLOSE_S)


def open_log(
    places: Places,
    process: str,
    level: str,
    max_mb: float,
    backups: int,
    seq: Callable[[], int],
    redact: Callable[[str], str],
    *,
    echo: TextIO | None = None,
) -> ProcessLog:
    """Send all logging of this process to `<places.logs>/<process>.log`; from then on nothing here raises.

    Args:
        places: Where; the folder is made with the first line.
        process: Name of the file; two running processes must not share one.
        level: DEBUG, INFO, WARNING or ERROR.
        max_mb: Size in MB (10**6 bytes) at which another file is begun.
        backups: How many older files are kept.
        seq: The engine's present record number; called in whatever thread logs.
        redact: Takes secrets out of a text; called in the log's threads.
        echo: A stream that gets a plain line of each, too; one that takes no more holds up only itself.

    Raises:
        SettingsInvalid: No such level.
    """
    _level(level)
    path = places.logs / f"{process}.log"
    file = LogFile(path, int(max_mb * 1_000_000), backups)
    channels = [Channel("file", file.put, redact, file.close)]
    if echo is not None:
        channels.append(Channel("echo", lambda entry: _say(echo, entry), redact, lambda: None))
    log = ProcessLog(path, _Door(channels, seq), channels)
    log.set_level(level)
    return log


def _level(name: str) -> int:
    if name.upper() not in LEVELS:
        raise SettingsInvalid(f"log level {name!r}: expected {', '.join(LEVELS)}")
    return LEVELS[name.upper()]


def _say(stream: TextIO, entry: Entry) -> None:
    trace = "".join(f"  {line}\n" for line in entry.error.split("\n") if line)
    stream.write(f"{entry.ts} {entry.level} {entry.logger} {entry.text}\n{trace}")
    stream.flush()
