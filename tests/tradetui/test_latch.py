"""The kill switch's latch: closed means closed, whatever the disk does, until a person opens it."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from engine.types import SECOND
from tradetui import latch as module
from tradetui.latch import ClosedAgain, Latch


@pytest.fixture
def latch(tmp_path: Path) -> Latch:
    made = Latch(tmp_path / "killed")
    made.prepare()
    return made


def no_room(*_: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_it_is_open_until_it_is_closed_and_then_for_every_process_and_every_start(latch: Latch, tmp_path: Path) -> None:
    assert latch.closed() == ""
    said = latch.close("the feed is mad", "anna")
    assert "anna" in said
    assert "the feed is mad" in said
    assert "tradetui arm" in said
    assert Latch(tmp_path / "killed").closed() == said == latch.closed()
    code = "import pathlib, sys; from tradetui.latch import Latch; print(Latch(pathlib.Path(sys.argv[1])).closed())"
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "killed"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == said
    note = json.loads((tmp_path / "killed").read_text())
    assert note["user"] == "anna"
    assert note["pid"] == os.getpid()
    assert (tmp_path / "killed").stat().st_mode & 0o777 == 0o600


def test_who_closed_it_last_is_told_and_opening_ends_it(latch: Latch, tmp_path: Path) -> None:
    latch.close("first", "anna")
    assert "second" in Latch(tmp_path / "killed").close("second", "ben")
    Latch(tmp_path / "killed").open()
    assert latch.closed() == ""
    latch.open()  # twice is once
    assert "third" in latch.close("third")


@pytest.mark.parametrize("fails", ["write", "fsync", "short"])
def test_a_full_disk_does_not_keep_it_open(
    fails: str, latch: Latch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fails == "short":
        monkeypatch.setattr(module.os, "write", lambda *_: 3)
    else:
        real = os.fsync

        def fsync(descriptor: int) -> None:
            if not os.path.isdir(f"/proc/self/fd/{descriptor}"):  # noqa: PTH112
                no_room()
            real(descriptor)

        monkeypatch.setattr(module.os, fails, no_room if fails == "write" else fsync)
    assert latch.close("no room")
    monkeypatch.undo()
    assert Latch(tmp_path / "killed").closed()
    latch.open()
    assert Latch(tmp_path / "killed").closed() == ""


def test_where_no_file_can_be_made_the_spare_becomes_the_latch(
    latch: Latch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def opened(path: os.PathLike[str], flags: int, mode: int = 0o777) -> int:
        return no_room() if flags & os.O_CREAT else real(path, flags, mode)

    monkeypatch.setattr(module.os, "open", opened)
    said = latch.close("no inode")
    assert "not known" in said
    assert not (tmp_path / "killed.ready").exists()
    assert (tmp_path / "killed").exists()


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs a file system of its own")
def test_on_a_file_system_that_is_really_full(tmp_path: Path) -> None:
    script = f"""
    mount -t tmpfs -o size=64k,nr_inodes=16 none {tmp_path} || exit 77
    {sys.executable} - <<'PY'
from pathlib import Path
from tradetui.latch import Latch
folder = Path({str(tmp_path)!r})
Latch(folder / "killed").prepare()
try:
    with open(folder / "much", "wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
except OSError:
    pass
try:
    for number in range(99):
        (folder / f"inode{{number}}").touch()
except OSError:
    pass
assert Latch(folder / "killed").closed() == ""
Latch(folder / "killed").close("a full disk")
assert Latch(folder / "killed").closed()
PY
    """
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=60)
    if done.returncode == 77:
        pytest.skip("no file system may be mounted here")
    assert done.returncode == 0, done.stderr


def test_who_arms_does_not_open_what_was_closed_again_meanwhile(latch: Latch, tmp_path: Path) -> None:
    latch.close("first")
    with latch.arming() as seen:
        assert latch.unheeded() == ""
        assert latch.closed()
        Latch(tmp_path / "killed").close("second")
        with pytest.raises(ClosedAgain):
            latch.open(seen)
    assert "second" in latch.unheeded()


def test_a_closing_between_two_steps_of_opening_holds(
    latch: Latch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    latch.close("first")
    other, real = Latch(tmp_path / "killed"), Path.rename

    def rename(path: Path, target: Path) -> Path:
        if path.name == "killed":
            other.close("second")
        return real(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(ClosedAgain):
        latch.open(latch.mark())
    assert "second" in other.closed()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["killed", "killed.ready"]


def test_who_arms_an_open_latch_does_not_open_what_is_closed_meanwhile(latch: Latch, tmp_path: Path) -> None:
    for close in (latch.hold, Latch(tmp_path / "killed").close):
        with latch.arming() as seen:
            close("meanwhile")
            with pytest.raises(ClosedAgain):
                latch.open(seen)
        assert "meanwhile" in latch.closed()
        latch.open()
        assert latch.closed() == ""


def test_held_in_the_process_before_it_is_on_disk(latch: Latch, tmp_path: Path) -> None:
    assert not latch.hold("at once")
    assert "at once" in latch.closed()
    assert not (tmp_path / "killed").exists()
    latch.close("on disk")
    seen = latch.mark()
    assert latch.hold("again")
    with pytest.raises(ClosedAgain):
        latch.open(seen)
    latch.open()
    assert latch.closed() == ""


def test_what_cannot_be_looked_at_is_closed(latch: Latch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_path: object) -> os.stat_result:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(module.os, "lstat", refused)
    assert "Permission denied" in latch.closed()
    monkeypatch.undo()
    assert "gone" in Latch(tmp_path / "no such folder" / "killed").closed()
    (tmp_path / "file").touch()
    assert Latch(tmp_path / "file" / "killed").closed()
    (tmp_path / "killed").symlink_to(tmp_path / "nowhere")
    assert latch.closed()


def test_where_nothing_can_be_written_it_is_closed_in_this_process_and_says_so(tmp_path: Path) -> None:
    latch = Latch(tmp_path / "gone" / "killed")
    assert "No such file" in latch.prepare()
    with pytest.raises(OSError, match="No such file"):
        latch.close("read-only")
    assert "read-only" in latch.closed()


@given(content=st.binary(max_size=200))
def test_whatever_is_in_the_file_it_is_closed(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "whatever"
    path.write_bytes(content)
    said = Latch(path).closed()
    assert said
    assert said.isprintable()


def test_hostile_reasons_are_inert_and_short(latch: Latch) -> None:
    said = latch.close("\x1b[2J\u202ecod\x00 " + "x" * 5000, "\x1b]0;root\x07")
    assert said.isprintable()
    assert len(said) < 500


class Histories(RuleBasedStateMachine):
    """Two processes' latches at one path agree with what happened last."""

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self.folder = tempfile.mkdtemp()
        self.both = [Latch(Path(self.folder) / "killed") for _ in range(2)]
        self.is_closed = False

    @rule(which=st.integers(0, 1))
    def close(self, which: int) -> None:
        self.both[which].close("a reason")
        self.is_closed = True

    @rule(which=st.integers(0, 1))
    def open(self, which: int) -> None:
        self.both[which].open()
        self.is_closed = False

    @rule(which=st.integers(0, 1))
    def prepare(self, which: int) -> None:
        self.both[which].prepare()

    @invariant()
    def agree(self) -> None:
        assert [bool(each.closed()) for each in self.both] == [self.is_closed] * 2

    def teardown(self) -> None:
        shutil.rmtree(self.folder)


test_histories = Histories.TestCase
Histories.TestCase.settings = settings(max_examples=25, stateful_step_count=12, deadline=None)


def test_who_closed_it_beside_the_halt_of_an_engine_is_told(tmp_path: Path) -> None:
    path = tmp_path / "killed"
    mine, other = Latch(path, engine=True), Latch(path)
    assert other.closed_beside("K K") == ("", 0)
    mine.close("K K", "anna")
    assert other.closed_beside("K K") == ("", 0), "it is the closing of the halt that is remembered"
    note = other.note()
    assert note is not None
    assert other.closed_beside("a drawdown") == (other.closed(), note.at), "its halt is not remembered"
    other.close("K K", "bert")
    said, at = mine.closed_beside("K K")
    assert "bert" in said
    assert at > note.at
    path.write_bytes(b"")
    said, unsigned = mine.closed_beside("K K")
    assert "not known" in said
    assert unsigned > at


def test_who_closed_it_since_is_told_from_the_engine_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "killed"
    mine, other = Latch(path, engine=True), Latch(path)
    mine.close("K K", "anna")
    assert not mine.closed_since(0), "it was this engine"
    other.close("K K", "bert")  # the same pid, as in a container of its own
    note = mine.note()
    assert note is not None
    assert mine.closed_since(note.at - 1)
    assert not mine.closed_since(note.at)
    mine.open()
    assert not mine.closed_since(0)

    # Where there is no room for a note.
    def full(_path: Path, _text: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_write", full)
    for each in (mine, other):
        each.prepare()
        before = time.time_ns() - SECOND
        each.close("K K")
        assert mine.note() is None
        assert mine.closed_since(before) == (each is other)
        assert not mine.closed_since(time.time_ns() + SECOND)
        each.open()
