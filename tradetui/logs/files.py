"""Log files: what a line is, how lines are appended and rotated, and how the newest are read back."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tradetui.places import own

BLOCK = 1 << 16
"""Bytes read at a time from the end of a file."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a log: UTC with milliseconds, the engine's record number if known, a traceback if there is one.

    Texts hold nothing that could move a cursor, hide or reorder text; only `error` has line ends.
    """

    ts: str
    level: str
    logger: str
    seq: int | None
    text: str
    error: str = ""


def harmless(text: str) -> str:
    """Return `text` with every character that cannot be seen (controls, bidi, surrogates) as its escape: `\\x1b`."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


class LogFile:
    """Appends to a file of at most `largest` bytes; older ones are kept as `.1` to `.<backups>`. Mode 0600.

    The standard rotating handler keeps what a full disk refused in a buffer and raises it again at its end, so this
    one writes by itself, a line at a time.
    """

    def __init__(self, path: Path, largest: int, backups: int) -> None:
        self._path = path
        self._largest = largest
        self._backups = backups
        self._file = -1
        self._torn = False

    def put(self, entry: Entry) -> None:
        """Append an entry.

        Raises:
            OSError: It could not be written; the next call tries everything again.
            SettingsInvalid: The folder cannot be made, or belongs to somebody else.
        """
        fields = {key: value for key, value in msgspec.structs.asdict(entry).items() if key != "error" or value}
        data = json.dumps(fields, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"
        if self._file >= 0 and not os.fstat(self._file).st_nlink:
            self.close()  # somebody removed the file
        if self._file < 0:
            self._open()
        size = os.fstat(self._file).st_size
        if size and size + len(data) > self._largest:
            self.close()
            self._rotate()
            self._open()
        self._write(b"\n" + data if self._torn else data)

    def close(self) -> None:
        """Close the file; the next `put` opens it again."""
        file, self._file = self._file, -1
        if file >= 0:
            with contextlib.suppress(OSError):
                os.close(file)

    def _write(self, data: bytes) -> None:
        try:
            written = os.write(self._file, data)
        except OSError:
            self.close()
            raise
        self._torn = written < len(data) and (self._torn or written > 0)
        if written < len(data):
            raise OSError(errno.ENOSPC, f"only {written} of {len(data)} bytes were written to {self._path}")

    def _open(self) -> None:
        own(self._path.parent)
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        mode = os.fstat(self._file).st_mode
        if stat.S_ISREG(mode) and mode & 0o077:
            os.fchmod(self._file, 0o600)

    def _rotate(self) -> None:
        if not self._backups:
            self._path.unlink()
        for number in range(self._backups, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                _older(self._path, number - 1).replace(_older(self._path, number))


def read_log(path: Path, last: int = 200) -> Iterator[Entry]:
    """Yield the newest `last` lines of a log and its older files, oldest first; torn lines are left out.

    Raises:
        OSError: A file is there and cannot be read.
    """
    lines: list[bytes] = []
    number = 0
    while len(lines) < last:
        try:
            lines[:0] = _newest_lines(_older(path, number), last - len(lines))
        except FileNotFoundError:
            if number:
                break
        number += 1
    decoder = msgspec.json.Decoder(Entry)
    for line in lines:
        with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
            yield decoder.decode(line)


def _newest_lines(path: Path, most: int) -> list[bytes]:
    """Return the last `most` lines of a file that are not empty."""
    with path.open("rb") as file:
        at = file.seek(0, os.SEEK_END)
        blocks: list[bytes] = []
        ends = 0
        while at and ends <= most:
            size = min(BLOCK, at)
            at = file.seek(at - size)
            blocks.append(file.read(size))
            ends += blocks[-1].count(b"\n")
    return [line for line in b"".join(reversed(blocks)).split(b"\n") if line][-most:]


def _older(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}") if number else path
