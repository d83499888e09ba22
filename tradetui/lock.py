"""One profile, one engine: an flock held for as long as the engine lives, with a note of who holds it."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import msgspec

from engine.errors import EngineRunning, SettingsInvalid

RETRY_S = 0.5
"""A lock is asked for again within this time: somebody may just be looking whether it is held."""


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds a profile: process, socket, start (UTC ns), version."""

    pid: int
    socket: str
    started: int
    version: str = ""


class ProfileLock:
    """The lock of one profile.

    A note left behind by an engine that did not end cleanly is found at the next start, in `left_behind`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._note = b""
        self.left_behind: Holder | None = None

    def acquire(self, holder: Holder) -> None:
        """Take the lock and leave the note.

        Raises:
            EngineRunning: Another engine has it; the message names its pid.
            SettingsInvalid: The file cannot be made.
        """
        descriptor = self._open()
        patience = time.monotonic() + RETRY_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._is_in_place(descriptor):
                    break
                os.close(descriptor)  # taken away by somebody in between: another would hold another file
                descriptor = self._open()
            except OSError as error:
                if time.monotonic() < patience:
                    time.sleep(0.05)
                    continue
                os.close(descriptor)
                other = holder_of(self._path)
                who = f"pid {other.pid}" if other is not None else "another process"
                name = self._path.parent.name
                more = "" if name == "default" else f" --profile {name}"
                raise EngineRunning(
                    f"an engine of profile {name!r} is running already ({who}); attach with `tradetui{more}`, "
                    f"end it with `tradetui stop{more}`, or choose another --profile"
                ) from error
        self._descriptor = descriptor
        self.left_behind = holder_of(self._path)
        self._note = msgspec.json.encode(holder)
        self._write(self._note)

    def renew(self) -> None:
        """Leave the note again where a full disk did not take it."""
        if self._descriptor is not None and os.fstat(self._descriptor).st_size != len(self._note):
            self._write(self._note)

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SettingsInvalid(f"{self._path}: {error.strerror or error}") from error

    def _is_in_place(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._path.stat())
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Take the note back and let go."""
        if self._descriptor is not None:
            self._write(b"")
            os.close(self._descriptor)
            self._descriptor = None

    def _write(self, note: bytes) -> None:
        """Put a note into the file; a full disk must not keep an engine from starting or ending."""
        assert self._descriptor is not None
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, note, 0)
        except OSError:
            return


def holder_of(path: Path) -> Holder | None:
    """Return the note in a lock file, or None if there is none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Holder)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def is_held(path: Path) -> bool:
    """Tell whether somebody holds the lock."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
