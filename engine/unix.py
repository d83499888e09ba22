"""Unix sockets: for their owner alone, who is at the other end, and paths longer than an address takes."""

from __future__ import annotations

import contextlib
import os
import pwd
import socket
import stat
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

from engine.errors import EngineRunning, SettingsInvalid

PATH_MOST = 103
"""Bytes of a path that every system takes as a socket's address (Linux 107, macOS 103)."""

_XUCRED = struct.Struct("IIh")
_LOCAL_PEERCRED = 1
_LOCAL_PEERPID = 2
_SOL_LOCAL = 0


def peer_of(sock: socket.socket) -> tuple[int, int]:
    """Return (pid, uid) of the connected process; pid 0 where the system does not tell it.

    Sources: unix(7) SO_PEERCRED on Linux; unix(4) LOCAL_PEERCRED on macOS.

    Raises:
        OSError: The system does not tell who it is.
    """
    if sys.platform == "linux":
        pid, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return pid, uid
    answer = sock.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, 76)
    _, uid, _ = _XUCRED.unpack_from(answer)
    pid = struct.unpack("i", sock.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID, 4))[0]
    return pid, uid


def user_of(uid: int) -> str:
    """Return the name of a user of this system, its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OSError):
        return str(uid)


@contextlib.contextmanager
def reachable(path: Path) -> Iterator[str]:
    """Yield an address for the socket at `path`, valid inside the block; on Linux also where the path is too long.

    Raises:
        OSError: The folder cannot be opened, or the path is too long for this system.
    """
    if len(os.fsencode(path)) <= PATH_MOST:
        yield str(path)
        return
    if sys.platform != "linux":
        raise OSError(f"{path}: a socket's path may have {PATH_MOST} bytes; set XDG_RUNTIME_DIR to a shorter folder")
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def bound(path: Path) -> socket.socket:
    """Return a socket bound to `path`, 0600 from its first moment; one that was left there is replaced.

    Raises:
        EngineRunning: Somebody answers there.
        SettingsInvalid: What is there is no socket of ours; it is left alone.
        OSError: The folder is missing or cannot be written.
    """
    _clear(path)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = None
    try:
        try:
            os.fchmod(made.fileno(), 0o600)  # Linux takes the file's mode from the socket
        except OSError:
            mask = os.umask(0o177)  # others from the umask, which is the whole process's
        with reachable(path) as address:
            made.bind(address)
        path.chmod(0o600)  # a umask may have left less to us
    except BaseException:
        made.close()
        raise
    finally:
        if mask is not None:
            os.umask(mask)
    return made


def _clear(path: Path) -> None:
    """Take away the socket of an engine that is gone."""
    try:
        facts = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(facts.st_mode) or facts.st_uid != os.getuid():
        raise SettingsInvalid(f"{path} is in the way: it is no socket of yours; move it to another place")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, reachable(path) as address:
        probe.setblocking(False)
        try:
            probe.connect(address)
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except BlockingIOError:
            pass  # so many wait there that no more are taken
    raise EngineRunning(f"an engine answers at {path} already; end it, or choose another --profile")
