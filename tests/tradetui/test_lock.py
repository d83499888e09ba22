"""One profile, one engine: who holds it, what a killed one leaves, and what the file may look like."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from engine.errors import EngineRunning, SettingsInvalid
from tests.support.processes import until
from tradetui import lock as locks
from tradetui.lock import RETRY_S, Holder, ProfileLock, holder_of, is_held

ME = Holder(pid=os.getpid(), socket="/run/x/engine.sock", started=1, version="0.0")

HOLD = """
import os, sys, time
from pathlib import Path
from engine.errors import EngineRunning
from tradetui.lock import Holder, ProfileLock
lock = ProfileLock(Path(sys.argv[1]))
try:
    lock.acquire(Holder(pid=os.getpid(), socket="s", started=7))
except EngineRunning as error:
    print("refused", error, flush=True)
else:
    print("held", os.getpid(), lock.left_behind, flush=True)
    time.sleep(float(sys.argv[2]))
    lock.release()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "mine").mkdir()
    return tmp_path / "mine" / "engine.lock"


def holding(path: Path, seconds: float) -> subprocess.Popen[str]:
    """Another process that takes the lock, or says why not."""
    return subprocess.Popen([sys.executable, "-c", HOLD, str(path), str(seconds)], stdout=subprocess.PIPE, text=True)


def first_word(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_a_lock_is_held_noted_and_given_back(path: Path) -> None:
    lock = ProfileLock(path)
    assert not is_held(path)
    lock.acquire(ME)
    assert is_held(path)
    assert holder_of(path) == ME
    assert lock.left_behind is None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    lock.release()
    assert not is_held(path)
    assert holder_of(path) is None
    lock.release()
    again = ProfileLock(path)
    again.acquire(ME)
    assert again.left_behind is None
    again.release()


def test_a_second_engine_is_told_the_pid_of_the_first(path: Path) -> None:
    first = holding(path, 60)
    try:
        assert first_word(first).startswith("held")
        began = time.monotonic()
        with pytest.raises(EngineRunning, match=rf"profile 'mine' is running already \(pid {first.pid}\)") as refused:
            ProfileLock(path).acquire(ME)
        assert RETRY_S <= time.monotonic() - began < RETRY_S + 5
        assert "tradetui stop" in str(refused.value)
        assert holder_of(path) == Holder(pid=first.pid, socket="s", started=7)
    finally:
        end(first)


def test_of_many_at_once_exactly_one_wins_and_the_others_name_it(path: Path) -> None:
    racers = [holding(path, 60) for _ in range(6)]
    try:
        words = [first_word(racer) for racer in racers]
        (winner,) = (word.split()[1] for word in words if word.startswith("held"))
        losers = [word for word in words if word.startswith("refused")]
        assert len(losers) == 5
        assert all(f"(pid {winner})" in word for word in losers)
    finally:
        for racer in racers:
            end(racer)


def test_a_killed_engine_leaves_a_free_lock_and_a_note(path: Path) -> None:
    killed = holding(path, 60)
    assert first_word(killed).startswith("held")
    end(killed)
    assert not is_held(path)
    assert holder_of(path) == Holder(pid=killed.pid, socket="s", started=7)
    lock = ProfileLock(path)
    lock.acquire(ME)
    assert lock.left_behind == Holder(pid=killed.pid, socket="s", started=7)
    assert holder_of(path) == ME
    lock.release()


def test_looking_does_not_keep_an_engine_from_starting(path: Path) -> None:
    """A look holds the lock for an instant; who starts just then tries again."""
    import fcntl
    import threading

    path.touch()
    descriptor = os.open(path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    threading.Timer(0.15, lambda: fcntl.flock(descriptor, fcntl.LOCK_UN)).start()
    lock = ProfileLock(path)
    lock.acquire(ME)
    assert is_held(path)
    lock.release()
    os.close(descriptor)


@pytest.mark.parametrize(
    "note",
    [
        b"", b"\0" * 100, b"\xff\xfe\xfd", b'{"pid":1,"socket":"\xff","started":1}', b"[" * 100_000, b"{}", b"null",
        b"4711",
        b'{"pid":"1","socket":"s","started":1}', b'{"pid":1,"socket":"s"', b'{"pid":1,"socket":"s","started":1e99}',
        b'{"pid":1,"x":' + b"[" * 100_000,
    ],
)  # fmt: skip
def test_a_note_that_is_none_is_no_obstacle(note: bytes, path: Path) -> None:
    path.write_bytes(note)
    assert holder_of(path) is None
    assert not is_held(path)
    lock = ProfileLock(path)
    lock.acquire(ME)
    assert lock.left_behind is None
    assert holder_of(path) == ME
    lock.release()


def test_a_note_of_a_newer_version_can_be_read(path: Path) -> None:
    path.write_bytes(msgspec.json.encode({"pid": 5, "socket": "s", "started": 1, "news": [1, {"a": 2}]}))
    assert holder_of(path) == Holder(pid=5, socket="s", started=1)


@pytest.mark.parametrize("broken", ["pwrite", "ftruncate"])
def test_a_full_disk_keeps_no_engine_from_starting_or_ending(
    broken: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    lock = ProfileLock(path)
    with monkeypatch.context() as patch:
        patch.setattr(locks.os, broken, full)
        lock.acquire(ME)
        assert is_held(path)
        assert holder_of(path) is None
        with pytest.raises(EngineRunning, match="another process"):
            ProfileLock(path).acquire(ME)
        lock.release()
    assert not is_held(path)


def test_half_a_note_is_none(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite
    monkeypatch.setattr(locks.os, "pwrite", lambda file, data, place: real(file, data[:20], place))
    lock = ProfileLock(path)
    lock.acquire(ME)
    assert holder_of(path) is None
    lock.release()


def test_a_lock_that_cannot_be_made_is_named(path: Path, tmp_path: Path) -> None:
    path.mkdir()
    for place in (path, tmp_path / "nowhere" / "engine.lock"):
        with pytest.raises(SettingsInvalid, match=str(place)):
            ProfileLock(place).acquire(ME)
        assert not is_held(tmp_path / "nowhere" / "engine.lock")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_a_lock_that_may_not_be_read_is_named(path: Path) -> None:
    path.touch(mode=0o000)
    code = (
        "import os, sys\nfrom pathlib import Path\n"
        "from tradetui.lock import *\nfrom engine.errors import SettingsInvalid\n"
        "folder = os.open(sys.argv[1], os.O_PATH)\nos.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "path = Path(f'/proc/self/fd/{folder}/engine.lock')\n"
        "print(is_held(path), holder_of(path))\n"
        "try:\n    ProfileLock(path).acquire(Holder(pid=1, socket='s', started=1))\n"
        "except SettingsInvalid as error:\n    print(error)"
    )
    path.parent.chmod(0o755)
    done = subprocess.run([sys.executable, "-c", code, str(path.parent)], capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    assert first == "False None"
    assert second.endswith("engine.lock: Permission denied")


def test_a_child_does_not_inherit_the_lock(path: Path) -> None:
    """A worker that outlives its engine must not keep the next one out."""
    lock = ProfileLock(path)
    lock.acquire(ME)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], close_fds=False)
    try:
        lock.release()
        # The system closes a new program's files a moment after it has let us go on.
        until(lambda: not is_held(path), "the lock is free")
    finally:
        child.kill()
        child.wait()
