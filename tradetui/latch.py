"""The kill switch's latch: a file. While it is there no order is sent, by any engine of the profile, before or after a
restart; only arming takes it away.

It fails closed: open means that the file is certainly not there. Closing needs no space on the disk, and no engine.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from engine.text import inert
from engine.unix import user_of

REASON_MOST = 200
"""Characters of a reason that are kept."""

NOTE_MOST = 4096
"""Bytes of a note that are read."""


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """Who closed the latch, when (UTC ns) and why; `engine`: it was the engine itself, for a halt of its own."""

    at: int
    user: str
    pid: int
    reason: str
    engine: bool = False


Mark = tuple[int, int, int]
"""Which closing holds the latch: inode and time of its file (0 without one), and how often this process closed it."""


class ClosedAgain(OSError):
    """The latch was closed by somebody else while it was to be opened."""

    def __init__(self) -> None:
        super().__init__("somebody has closed the kill switch again meanwhile")


class Latch:
    """The latch of one profile, at `path`; processes share it.

    Beside it lies a spare, an empty file that `prepare` makes: where there is no room for a note it becomes the latch.
    """

    __slots__ = ("_arming", "_closings", "_engine", "_folder", "_held", "_mine", "_name", "_path", "_spare")

    def __init__(self, path: Path, *, engine: bool = False) -> None:
        """`engine`: it is the engine's, which halts as it closes it."""
        self._path = path
        self._engine = engine
        self._name = str(path)
        self._folder = str(path.parent)
        self._spare = path.with_name(f"{path.name}.ready")
        self._held = ""
        self._arming = 0
        self._closings = 0
        self._mine = 0
        """Inode of a file without a note with which this process closed it, 0 if it has not."""

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

    def closed_since(self, then: int) -> bool:
        """Tell whether another process has closed it after `then` (UTC ns); without a note its file tells when."""
        note = self.note()
        if note is not None:
            return note.at > then and not (note.engine and note.pid == os.getpid())
        try:
            facts = os.lstat(self._name)
        except OSError:
            return False
        return facts.st_ctime_ns > then and facts.st_ino != self._mine

    def closed_beside(self, reason: str) -> tuple[str, int]:
        """Return by whom it is closed, and when (UTC ns), other than by an engine with the halt for this reason.

        "" and 0 if it is open, or closed by that. Of a closing that nobody has signed the time is now.
        """
        said, note = self.closed(), self.note()
        if not said or (note is not None and note.engine and note.reason == reason):
            return "", 0
        return said, note.at if note is not None else time.time_ns()

    def unheeded(self) -> str:
        """Return as `closed`, but "" while arming is under way: the engine that has just said yes halts not again."""
        return "" if self._arming else self.closed()

    def prepare(self) -> str:
        """Make the spare, so that the latch can be closed when there is no room left; return what is wrong, or ""."""
        try:
            os.close(os.open(self._spare, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
            self._settle()
        except OSError as error:
            return (
                f"the kill switch has no spare ({self._spare}: {error.strerror or error}): it may fail on a full disk"
            )
        return ""

    def hold(self, reason: str, user: str = "") -> bool:
        """Close it in this process, at once; unless it is on disk already, which is returned, `close` is to follow.

        Who is about to open it does not, either way.
        """
        self._closings += 1
        if self.mark()[0]:
            return True
        self._held = _told(_note(reason, user))
        return False

    def close(self, reason: str, user: str = "") -> str:
        """Close the latch and return why it is closed; the last one to close it is told.

        In this process it is closed even when this raises.

        Raises:
            OSError: It is not on disk: other processes do not see it, and a restart forgets it.
        """
        note = _note(reason, user, engine=self._engine)
        self._closings += 1
        self._held = _told(note)
        written = self._path.with_name(f"{self._path.name}.{note.pid}.{note.at}")
        try:
            _write(written, msgspec.json.encode(note))
            written.replace(self._path)
        except OSError:
            self._put_any(written)
        finally:
            with contextlib.suppress(OSError):
                written.unlink(missing_ok=True)
        self._settle()
        self._held = ""  # the file holds it now
        return self.closed()

    def mark(self) -> Mark:
        """Return which closing holds it, or that none does."""
        try:
            facts = os.lstat(self._name)
        except OSError:
            return 0, 0, self._closings
        return facts.st_ino, facts.st_mtime_ns, self._closings

    @contextlib.contextmanager
    def arming(self) -> Iterator[Mark]:
        """Yield which closing is to be ended; while the block lasts `unheeded` is silent, `closed` is not."""
        self._arming += 1
        try:
            yield self.mark()
        finally:
            self._arming -= 1

    def open(self, seen: Mark | None = None) -> None:
        """Open the latch, for a person who arms; with `seen` only if nobody has closed it again since.

        Raises:
            ClosedAgain: Somebody has; it holds.
            OSError: It cannot be taken away, and holds.
        """
        aside = self._path.with_name(f"{self._path.name}.opened.{os.getpid()}")
        found = self.mark()
        if seen is not None and found != seen:
            raise ClosedAgain
        if found[0]:
            if trouble := self.prepare():
                raise OSError(trouble)
            self._path.rename(aside)
            taken = os.lstat(aside)
            if (taken.st_ino, taken.st_mtime_ns) != found[:2]:
                self._give_back(aside)
                raise ClosedAgain
            if stat.S_ISDIR(taken.st_mode):
                aside.rmdir()
            else:
                aside.unlink()
            self._settle()
        self._held, self._mine = "", 0

    def _give_back(self, aside: Path) -> None:
        """Put back what was closed in between, unless it is closed yet again."""
        with contextlib.suppress(FileExistsError):
            os.link(aside, self._path, follow_symlinks=False)
        aside.unlink()

    def _put_any(self, written: Path) -> None:
        """Close without a note: what was begun, or the spare, needs no room where its name is taken over."""
        for file in (written, self._spare):
            try:
                file.replace(self._path)
            except OSError:
                continue
            break
        else:
            self._path.mkdir(mode=0o700)  # the last thing that can be tried, whose error is told
        self._mine = self.mark()[0]

    def _settle(self) -> None:
        """Have the folder's names on disk."""
        descriptor = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _note(reason: str, user: str, *, engine: bool = False) -> Note:
    user = inert(user or user_of(os.getuid()), 64)
    return Note(at=time.time_ns(), user=user, pid=os.getpid(), reason=told(reason), engine=engine)


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
