"""Unix sockets: private from the first moment, in nobody's way, with long paths, and who is at the other end."""

from __future__ import annotations

import errno
import os
import socket
import stat
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import unix
from engine.errors import EngineRunning, SettingsInvalid
from engine.unix import PATH_MOST, bound, peer_of, reachable
from tests.fault.frames import open_files

NOBODY = 65534

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "engine.sock"


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A folder that every user can enter; those of pytest are its owner's."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def listening(path: Path, backlog: int = 8) -> socket.socket:
    sock = bound(path)
    sock.listen(backlog)
    return sock


def reach(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    with reachable(path) as address:
        sock.connect(address)
    return sock


def as_nobody(code: str, *arguments: str) -> str:
    """Run Python code as another user; return what it prints."""
    code = f"import os, socket, sys\nos.setgroups([])\nos.setgid({NOBODY})\nos.setuid({NOBODY})\n{code}"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


# Private. -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_umask", [False, True])
@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o777])
def test_a_socket_is_0600_from_its_first_moment(
    mask: int, by_umask: bool, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mode is looked at just after `bind`, before anything could change it; here as on Linux, and as elsewhere."""
    seen: list[int] = []
    real = Path.chmod

    def chmod(place: Path, mode: int) -> None:
        seen.append(stat.S_IMODE(place.stat().st_mode))
        real(place, mode)

    def not_here(_file: int, _mode: int) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    before = os.umask(mask)
    try:
        monkeypatch.setattr(Path, "chmod", chmod)
        if by_umask:
            monkeypatch.setattr(unix.os, "fchmod", not_here)
        bound(path).close()
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert seen == [0o600 & ~mask if sys.platform == "linux" and not by_umask else 0o600]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_on_linux_other_threads_do_not_notice(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that another thread makes while the umask is lent could not be entered."""
    if sys.platform != "linux":
        pytest.skip("elsewhere the umask has to be lent")
    monkeypatch.setattr(unix.os, "umask", lambda _mask: pytest.fail("the umask was changed"))
    bound(path).close()


def test_what_fails_leaves_neither_umask_nor_file_behind(tmp_path: Path) -> None:
    files, mask = open_files(), os.umask(0o022)
    os.umask(mask)
    for place in (tmp_path / "nowhere" / "x.sock", tmp_path / ("x" * 300)):
        with pytest.raises(OSError, match=r"No such file|too long"):
            bound(place)
    assert os.umask(mask) == mask
    assert open_files() == files
    assert list(tmp_path.iterdir()) == []


@as_root
def test_another_user_does_not_get_in(open_place: Path) -> None:
    code = (
        "sock = socket.socket(socket.AF_UNIX)\n"
        "try:\n    sock.connect(sys.argv[1])\nexcept OSError as error:\n    print(error.errno)\nelse:\n    print('in')"
    )
    path = open_place / "engine.sock"
    with listening(path):
        assert as_nobody(code, str(path)) == str(errno.EACCES)  # by the socket's own mode
        path.chmod(0o666)
        assert as_nobody(code, str(path)) == "in"
        open_place.chmod(0o700)
        assert as_nobody(code, str(path)) == str(errno.EACCES)  # by the folder's


@as_root
def test_the_kernel_tells_another_users_number(open_place: Path) -> None:
    path = open_place / "engine.sock"
    with listening(path) as sock:
        path.chmod(0o666)
        code = "sock = socket.socket(socket.AF_UNIX)\nsock.connect(sys.argv[1])\nprint(os.getpid())"
        pid = int(as_nobody(code, str(path)))
        taken, _ = sock.accept()
        with taken:
            assert peer_of(taken) == (pid, NOBODY)


def test_the_kernel_tells_our_own_number(path: Path) -> None:
    with listening(path) as sock, reach(path):
        taken, _ = sock.accept()
        with taken:
            assert peer_of(taken) == (os.getpid(), os.getuid())


def test_on_macos_the_peer_is_read_from_its_structures(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mac:
        def getsockopt(self, level: int, option: int, size: int) -> bytes:
            assert level == 0
            if option == 1:
                return struct.pack("IIh", 0, 501, 1).ljust(size, b"\0")
            return struct.pack("i", 4711)

    monkeypatch.setattr(unix.sys, "platform", "darwin")
    assert peer_of(Mac()) == (4711, 501)  # type: ignore[arg-type]


# In nobody's way. ---------------------------------------------------------------------------------------------------


def test_one_that_was_left_behind_is_replaced(path: Path) -> None:
    bound(path).close()
    with listening(path), reach(path) as client:
        assert client.getpeername()


def test_one_that_answers_is_left_alone(path: Path) -> None:
    with listening(path) as sock:
        inode = path.stat().st_ino
        with pytest.raises(EngineRunning, match="answers at"):
            bound(path)
        assert path.stat().st_ino == inode
        with reach(path):
            sock.accept()[0].close()


def test_one_where_too_many_wait_answers_too(path: Path) -> None:
    with listening(path, backlog=0), reach(path):
        with pytest.raises(EngineRunning, match="answers at"):
            bound(path)
        assert path.exists()


@pytest.mark.parametrize("kind", ["file", "folder", "full folder", "link", "link to a socket", "dangling link", "pipe"])
def test_what_is_no_socket_is_left_alone(kind: str, path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    match kind:
        case "file":
            path.write_text("precious")
        case "folder" | "full folder":
            path.mkdir()
            if kind == "full folder":
                (path / "x").write_text("precious")
        case "link":
            other.write_text("precious")
            path.symlink_to(other)
        case "link to a socket":
            bound(other).close()
            path.symlink_to(other)
        case "dangling link":
            path.symlink_to(tmp_path / "nowhere")
        case _:
            os.mkfifo(path)
    before = path.lstat()
    with pytest.raises(SettingsInvalid, match=r"is in the way: .* move it"):
        bound(path)
    assert path.lstat() == before
    assert other.exists() is (kind in ("link", "link to a socket"))


@as_root
def test_a_socket_of_another_user_is_left_alone(path: Path) -> None:
    bound(path).close()
    os.chown(path, NOBODY, NOBODY)
    with pytest.raises(SettingsInvalid, match="no socket of yours"):
        bound(path)
    assert path.exists()


# Long paths. --------------------------------------------------------------------------------------------------------


def test_a_path_longer_than_an_address_can_be_used(tmp_path: Path) -> None:
    folder = tmp_path / ("é" * 50) / ("b" * 100)
    folder.mkdir(parents=True)
    path = folder / "engine.sock"
    assert len(os.fsencode(path)) > PATH_MOST
    files = open_files()
    with listening(path), reach(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with pytest.raises(EngineRunning):
            bound(path)
    assert open_files() == files
    with listening(path), reach(path):
        pass


def test_a_long_path_to_nowhere_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), reachable(tmp_path / ("x" * 120) / "engine.sock"):
        pass


def test_where_the_system_cannot_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unix.sys, "platform", "darwin")
    with pytest.raises(OSError, match="set XDG_RUNTIME_DIR"), reachable(tmp_path / ("x" * 120)):
        pass
