"""The kill switch's latch: a file. While it is there no order is sent, by any engine of the profile, before or after a
restart; only arming takes it away.

It fails closed: open means that the file is certainly not there. Closing needs no space on the disk, and no engine.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import msgspec

from engine.text import inert
from engine.unix import user_of

REASON_MOST = 200
"""Characters of a reason that are kept."""

NOTE_MOST = 4096
"""Bytes of a note that are read."""


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """Who closed the latch, when (UTC ns) and why."""

    at: int
    user: str
    pid: int
    reason: str


class Latch:
    """The latch of one profile, at `path`; processes share it.

    Beside it lies a spare, an empty file that `prepare` makes: where there is no room for a note it becomes the latch.
    """

    __slots__ = ("_folder", "_held", "_name", "_path", "_spare")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._name = str(path)
        self._folder = str(path.parent)
        self._spare = path.with_name(f"{path.name}.ready")
        self._held = ""

    def closed(self) -> str:
        """Return why no order may be sent, "" if the latch is open. Costs a look at the file; never raises."""
        if self._held:
            return self._held
        try:
            os.lstat(self._name)
        except FileNotFoundError:
            return "" if os.access(self._folder, os.X_OK) else f"the kill switch's folder {self._folder} is gone"
        except (OSError, ValueError) as error:
            return f"the kill switch's file {self._path} cannot be looked at ({getattr(error, 'strerror', error)})"
        return _told(self.note())

    def note(self) -> Note | None:
        """Return who closed it; None if it is open, or nobody knows."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                return msgspec.json.decode(os.read(descriptor, NOTE_MOST), type=Note)
            finally:
                os.close(descriptor)
        except (OSError, ValueError, msgspec.MsgspecError, RecursionError):
            return None

    def prepare(self) -> None:
        """Make the spare, so that the latch can be closed when there is no room left.

        Raises:
            OSError: It cannot be made.
        """
        os.close(os.open(self._spare, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        self._settle()

    def close(self, reason: str, user: str = "") -> str:
        """Close the latch and return why it is closed; one that is closed already stays as it is.

        In this process it is closed even when this raises.

        Raises:
            OSError: It is not on disk: other processes do not see it, and a restart forgets it.
        """
        note = Note(
            at=time.time_ns(), user=inert(user or user_of(os.getuid()), 64), pid=os.getpid(), reason=told(reason)
        )
        self._held = _told(note)
        if not self._is_there():
            written = self._path.with_name(f"{self._path.name}.{note.pid}.{note.at}")
            try:
                _write(written, msgspec.json.encode(note))
                self._put(written)
            except OSError:
                self._put_any(written)
            finally:
                with contextlib.suppress(OSError):
                    written.unlink(missing_ok=True)
        self._settle()
        self._held = ""  # the file holds it now
        return self.closed()

    def open(self) -> None:
        """Open the latch, for a person who arms.

        Raises:
            OSError: It cannot be taken away, and holds.
        """
        self.prepare()
        if self._path.is_dir():
            self._path.rmdir()
        else:
            self._path.unlink(missing_ok=True)
        self._settle()
        self._held = ""

    def _is_there(self) -> bool:
        try:
            os.lstat(self._path)
        except OSError:
            return False
        return True

    def _put(self, file: Path) -> None:
        """Give a file the latch's name, unless another process was first: its reason stands."""
        try:
            os.link(file, self._path)
        except FileExistsError:
            return
        except OSError:  # a file system without links
            file.replace(self._path)

    def _put_any(self, written: Path) -> None:
        """Close without a note: what was begun, or the spare, needs no room where its name is taken over."""
        for file in (written, self._spare):
            try:
                file.replace(self._path)
            except OSError:
                continue
            return
        self._path.mkdir(mode=0o700)  # the last thing that can be tried, whose error is told

    def _settle(self) -> None:
        """Have the folder's names on disk."""
        descriptor = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def told(reason: str) -> str:
    """Return a person's reason, fit to be kept and shown."""
    return inert(reason.strip(), REASON_MOST) or "no reason given"


def _told(note: Note | None) -> str:
    if note is None:
        return "the kill switch is closed; who closed it is not known. Orders are sent again after `tradetui arm`"
    at = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(note.at / 1e9))
    return (
        f"the kill switch was closed at {at} by {inert(note.user, 64)} (pid {note.pid}): "
        f"{inert(note.reason, REASON_MOST)}. Orders are sent again after `tradetui arm`"
    )


def _write(path: Path, text: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        if os.write(descriptor, text) != len(text):
            raise OSError("the disk took only a part")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
