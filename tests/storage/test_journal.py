"""The journal on disk: torn and damaged lines, full disks, files that vanish, engines that are killed."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.alerts import Alert, Alerts, Cause
from engine.ports import Entry
from storage import journal as module
from storage.journal import KEPT, JournalFile

T0 = 1_700_000_000_000_000_000

REPEATABLE = settings(
    deadline=None, derandomize=True, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def alert(number: int, count: int = 1, *, active: bool = True) -> Alert:
    return Alert(
        id=number, code="BOOK_GAP", severity="warning", component=f"x{number}", text="missing", doing="", suggestion="",
        first_seen=T0, since=T0, last_seen=T0 + count, healed=None if active else T0 + count, count=count,
        active=active, acknowledged=False,
    )  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def write(path: Path, number: int, *, begin: int = 0) -> JournalFile:
    """A journal with so many more entries, every tenth of them an alert; all on disk."""
    journal = JournalFile(path)
    journal.load()
    for each in range(begin, begin + number):
        if each % 10 == 0:
            journal.append(T0 + each, each, "alert", "raised", alert=alert(each // 10 + 1))
        else:
            journal.append(T0 + each, each, "start", text=f"number {each}")
    asyncio.run(journal.flush())
    return journal


def read(path: Path) -> tuple[JournalFile, list[Alert]]:
    journal = JournalFile(path)
    return journal, journal.load()


def texts(journal: JournalFile) -> list[str]:
    return [entry.text or entry.change for entry in journal.after(0, 10**6)]


def entries(path: Path) -> list[Entry]:
    return [msgspec.json.decode(line, type=Entry) for line in path.read_bytes().splitlines()]


# What is written is read. ---------------------------------------------------------------------------------------------


def test_a_journal_that_is_not_there_is_empty(path: Path) -> None:
    journal, alerts = read(path)
    assert (alerts, journal.last, journal.after(0, 10), journal.error) == ([], 0, [], "")
    asyncio.run(journal.flush())
    assert not path.exists()


def test_what_was_written_is_read_again(path: Path) -> None:
    first = write(path, 25)
    assert path.stat().st_mode & 0o777 == 0o600
    second, alerts = read(path)
    assert second.after(0, 100) == first.after(0, 100)
    assert [each.id for each in alerts] == [1, 2, 3]
    assert (second.last, second.damaged) == (25, 0)
    third = write(path, 5, begin=25)
    assert [entry.cursor for entry in third.after(0, 100)] == list(range(1, 31))


def test_the_last_word_on_every_alert_counts_oldest_first(path: Path) -> None:
    journal = JournalFile(path)
    for number, count in ((1, 1), (2, 1), (3, 1), (1, 2), (2, 5)):
        journal.append(T0, 0, "alert", "changed", alert=alert(number, count))
    asyncio.run(journal.flush())
    assert [(each.id, each.count) for each in read(path)[1]] == [(3, 1), (1, 2), (2, 5)]


@REPEATABLE
@given(cursor=st.integers(-5, 60), limit=st.integers(1, 60), missing=st.sets(st.integers(1, 40), max_size=20))
def test_after_a_cursor_come_the_oldest_after_it(
    cursor: int, limit: int, missing: set[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("journal") / "events.jsonl"
    write(path, 40)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(b"x\n" if place in missing else line for place, line in enumerate(lines, 1)))
    journal, _ = read(path)
    kept = [number for number in range(1, 41) if number not in missing]
    assert [entry.cursor for entry in journal.after(cursor, limit)] == [n for n in kept if n > cursor][:limit]


def test_as_many_are_kept_in_memory_as_is_said(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 20)
    journal = JournalFile(path)
    for each in range(50):
        journal.append(T0, 0, "start", text=str(each))
    assert texts(journal) == [str(each) for each in range(30, 50)]
    assert [entry.text for entry in journal.after(33, 3)] == ["33", "34", "35"]


def test_a_long_file_is_cut_and_still_knows_every_alert(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path, 100)
    monkeypatch.setattr(module, "KEPT", 20)
    before = path.stat().st_size
    journal, alerts = read(path)
    assert [each.id for each in alerts] == list(range(1, 11))
    assert path.stat().st_size < before
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(each.name for each in path.parent.iterdir()) == ["events.jsonl"]
    assert [entry.cursor for entry in entries(path)] == [1, 11, 21, 31, 41, 51, 61, 71, *range(81, 101)]
    assert [entry.cursor for entry in journal.after(0, 100)] == list(range(81, 101))
    again, the_same = read(path)
    assert (the_same, again.last, again.damaged) == (alerts, 100, 0)


# Damage. --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("left", [1, 20, -2, -1])
def test_a_line_that_was_torn_is_skipped_and_written_over(path: Path, left: int) -> None:
    write(path, 10)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:9]) + lines[9][:left])
    journal, alerts = read(path)
    assert (journal.last, journal.damaged, len(alerts)) == (9, 1, 1)
    journal.append(T0, 0, "start", text="after")
    asyncio.run(journal.flush())
    again, _ = read(path)
    assert (again.damaged, again.last) == (0, 10)
    assert texts(again)[-2:] == ["number 8", "after"]
    assert path.with_suffix(".damaged").read_bytes() == b"".join(lines[:9]) + lines[9][:left]


DAMAGE = [
    b"\x00" * 700 + b"\n",
    b"\xff\xfe\xfd\n",
    b"{}\n",
    b"[1, 2]\n",
    b'{"cursor":5,"ts":1,"seq":1,"kind":"start"',
    b'{"cursor":"5","ts":1,"seq":1,"kind":"start"}\n',
    b'{"cursor":99999999999999999999,"ts":1,"seq":1,"kind":"start"}\n',
    b'{"cursor":-3,"ts":1,"seq":1,"kind":"start"}\n',
    b'{"cursor":5,"ts":1,"seq":1,"kind":"\xff"}\n',
    b'{"cursor":5,"ts":1,"seq":1,"kind":"alert","alert":{"id":1}}\n',
    b'{"x":' + b"[" * 50_000 + b"\n",
    b"x" * 3_000_000 + b"\n",
]


@pytest.mark.parametrize("damage", DAMAGE, ids=[repr(each[:24]) for each in DAMAGE])
def test_damage_in_the_middle_costs_what_is_damaged(path: Path, damage: bytes) -> None:
    write(path, 20)
    lines = path.read_bytes().splitlines(keepends=True)
    joined = 0 if damage.endswith(b"\n") else 1  # a torn line swallows the one that follows
    path.write_bytes(b"".join(lines[:12]) + damage + b"".join(lines[12:]))
    journal, alerts = read(path)
    assert (journal.damaged, journal.last) == (1, 20)
    assert [entry.cursor for entry in journal.after(0, 99)] == [*range(1, 13), *range(13 + joined, 21)]
    assert [each.id for each in alerts] == [1, 2]
    assert [entry.cursor for entry in entries(path)] == [entry.cursor for entry in journal.after(0, 99)]
    journal.append(T0, 0, "start", text="after")
    asyncio.run(journal.flush())
    assert read(path)[0].damaged == 0


def test_what_is_there_twice_is_read_once(path: Path) -> None:
    write(path, 10)
    whole = path.read_bytes()
    path.write_bytes(whole + whole)
    journal, alerts = read(path)
    assert (journal.damaged, journal.last, len(alerts)) == (10, 10, 1)
    assert [entry.cursor for entry in entries(path)] == list(range(1, 11))


def test_empty_lines_are_no_damage(path: Path) -> None:
    write(path, 4)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\n\n"))
    journal, _ = read(path)
    assert (journal.damaged, journal.last) == (0, 4)


@REPEATABLE
@given(data=st.data())
def test_any_damage_leaves_a_journal_that_goes_on(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("journal") / "events.jsonl"
    write(path, 12)
    whole = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(whole) - 1))
        length = data.draw(st.integers(0, 300))
        whole[at : at + length] = data.draw(st.binary(max_size=300))
    path.write_bytes(whole)
    journal, _ = read(path)
    cursors = [entry.cursor for entry in journal.after(-(10**9), 99)]
    assert cursors == sorted(set(cursors))
    last = journal.last
    journal.append(T0, 0, "start", text="after")
    asyncio.run(journal.flush())
    again, _ = read(path)
    assert (again.last, again.damaged) == (last + 1, 0)
    assert [entry.cursor for entry in again.after(-(10**9), 99)] == [*cursors, last + 1]


def test_a_journal_that_cannot_be_read_says_so(path: Path) -> None:
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        JournalFile(path).load()


# Disks that refuse. ---------------------------------------------------------------------------------------------------


class Disk:
    """`os.write` on a disk with room for so many bytes."""

    def __init__(self, room: int | None) -> None:
        self.room = room
        self.real = os.write

    def write(self, descriptor: int, data: bytes) -> int:
        if self.room is None:
            return self.real(descriptor, data)
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = self.real(descriptor, bytes(data[: self.room]))
        self.room -= taken
        return taken


@pytest.mark.parametrize("room", [0, 1, 150])
def test_what_does_not_fit_waits_in_memory_and_the_file_stays_whole(
    path: Path, room: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    journal = write(path, 5)
    before = path.read_bytes()
    disk = Disk(room)
    monkeypatch.setattr(module.os, "write", disk.write)
    for each in range(3):
        journal.append(T0, 0, "start", text=f"waits {each}")
    asyncio.run(journal.flush())
    assert journal.error == "events.jsonl: No space left on device"
    assert path.read_bytes() == before
    assert texts(journal)[-3:] == ["waits 0", "waits 1", "waits 2"]
    journal.append(T0, 0, "start", text="waits 3")
    asyncio.run(journal.flush())
    assert caplog.text.count("No space left") == 1, "it is said once"
    disk.room = None
    asyncio.run(journal.flush())
    assert journal.error == ""
    again, _ = read(path)
    assert texts(again)[-4:] == [f"waits {each}" for each in range(4)]
    assert (again.damaged, again.last) == (0, 9)


def test_a_disk_that_is_full_for_long_costs_bounded_memory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 50)
    journal = JournalFile(path)
    disk = Disk(0)
    monkeypatch.setattr(module.os, "write", disk.write)

    async def fill() -> None:
        for each in range(500):
            journal.append(T0, 0, "start", text=str(each))
            if each % 7 == 0:
                await journal.flush()
        assert len(journal._pending) <= 50
        disk.room = None
        await journal.flush()

    asyncio.run(fill())
    assert texts(read(path)[0]) == [str(each) for each in range(450, 500)]


def test_a_full_disk_at_the_start_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cutting needs room for a copy; without it the journal is used as it is."""
    write(path, 100)
    monkeypatch.setattr(module, "KEPT", 20)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"cursor":101,"ts"')

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(module.os, "fsync", full)
        journal, alerts = read(path)
        assert len(alerts) == 10
        assert journal.last == 100
        assert path.read_bytes().startswith(whole)
        assert not path.with_suffix(".new").exists(), "half a copy takes room that is needed"
    journal.append(T0, 0, "start", text="after")
    asyncio.run(journal.flush())
    again, the_same = read(path)
    assert (again.last, again.damaged, the_same) == (101, 0, alerts)


def test_a_file_system_without_links_keeps_the_journal(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path, 5)
    path.write_bytes(path.read_bytes() + b"torn")

    def none(_old: Path, _new: Path) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(module.os, "link", none)
    journal, _ = read(path)
    assert journal.last == 5
    journal.append(T0, 0, "start", text="after")
    asyncio.run(journal.flush())
    assert [entry.text for entry in entries(path)][-1] == "after"


def test_there_is_a_journal_at_every_moment_of_a_cut(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that is killed while it cuts must not leave the next one without a journal."""
    write(path, 10)
    path.write_bytes(path.read_bytes() + b"torn")
    seen: list[str] = []

    def spied(name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(*arguments: Any, **more: Any) -> Any:
            seen.append(name)
            assert len(path.read_bytes().splitlines()) >= 10, name
            result = real(*arguments, **more)
            assert len(path.read_bytes().splitlines()) >= 10, name
            return result

        return call

    for name in ("link", "replace", "unlink", "rename", "fsync", "chmod"):
        monkeypatch.setattr(os, name, spied(name))
    read(path)
    assert {"link", "fsync", "replace"} <= set(seen)


# Files that somebody touches while the engine runs. -------------------------------------------------------------------


@pytest.mark.parametrize("touch", ["removed", "emptied", "cut at a line", "cut in a line"])
def test_a_file_that_is_removed_or_cut_is_gone_on_with(path: Path, touch: str) -> None:
    journal = write(path, 10)
    lines = path.read_bytes().splitlines(keepends=True)
    kept = 0
    match touch:
        case "removed":
            path.unlink()
        case "emptied":
            path.write_bytes(b"")
        case "cut at a line":
            path.write_bytes(b"".join(lines[:4]))
            kept = 4
        case _:
            path.write_bytes(b"".join(lines[:4]) + lines[4][:30])
            kept = 4
    for each in range(3):
        journal.append(T0, 0, "start", text=f"later {each}")
        asyncio.run(journal.flush())
    assert journal.error == ""
    again, _ = read(path)
    assert [entry.cursor for entry in again.after(0, 99)] == [*range(1, kept + 1), 11, 12, 13]
    assert again.damaged == (1 if touch == "cut in a line" else 0)
    assert texts(again)[-3:] == ["later 0", "later 1", "later 2"]


def test_a_folder_that_is_gone_is_told_and_waited_for(path: Path) -> None:
    journal = write(path, 3)
    away = path.parent.with_name("away")
    path.parent.rename(away)
    journal.append(T0, 0, "start", text="waits")
    asyncio.run(journal.flush())
    assert journal.error == "events.jsonl: No such file or directory"
    away.rename(path.parent)
    asyncio.run(journal.flush())
    assert journal.error == ""
    assert texts(read(path)[0])[-1] == "waits"


# Running. -------------------------------------------------------------------------------------------------------------


async def test_it_writes_a_fifth_of_a_second_later(path: Path) -> None:
    journal = JournalFile(path)
    running = asyncio.create_task(journal.run())
    journal.append(T0, 0, "start", text="soon")
    async with asyncio.timeout(10):
        while journal._pending or journal._writing.locked():  # noqa: ASYNC110 - a thread writes
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert [entry.text for entry in entries(path)] == ["soon"]


async def test_entries_that_come_while_it_writes_come_after(path: Path) -> None:
    journal = JournalFile(path)
    flushes = []
    for each in range(50):
        journal.append(T0, 0, "start", text=str(each))
        flushes.append(asyncio.create_task(journal.flush()))
        await asyncio.sleep(0)
    await asyncio.gather(*flushes)
    await journal.flush()
    assert [entry.cursor for entry in entries(path)] == list(range(1, 51))


async def test_a_flush_that_is_cancelled_writes_all_the_same(path: Path) -> None:
    journal = JournalFile(path)
    journal.append(T0, 0, "start", text="first")
    flushing = asyncio.create_task(journal.flush())
    await asyncio.sleep(0)
    flushing.cancel()
    await asyncio.gather(flushing, return_exceptions=True)
    journal.append(T0, 0, "stop", text="last")
    await journal.flush()
    assert [entry.text for entry in entries(path)] == ["first", "last"]


APPENDER = """
import asyncio, sys
from pathlib import Path
from storage.journal import JournalFile
path = Path(sys.argv[1])
journal = JournalFile(path)
journal.load()
async def main():
    number = 0
    while True:
        for _ in range(20):
            number += 1
            journal.append(number, number, "start", text="x" * (number % 300))
        await journal.flush()
        sys.stdout.write(f"{journal.last}\\n")
        sys.stdout.flush()
asyncio.run(main())
"""


def test_a_killed_engine_loses_nothing_that_was_flushed(path: Path) -> None:
    """Over several lives, each killed in the middle: cursors grow, and what was told to be on disk is there."""
    promised = 0
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", APPENDER, str(path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        try:
            for line in process.stdout:
                assert int(line) > promised
                promised = int(line)
                if promised % 7 == 0 or promised > 4000:
                    break
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
            process.stdout.close()
        journal, _ = read(path)
        assert journal.last >= promised
        assert journal.damaged <= 1
        cursors = [entry.cursor for entry in entries(path)]
        assert cursors == sorted(set(cursors))
        assert set(range(promised - 20, promised + 1)) <= set(cursors)
        promised = journal.last


def test_a_hundred_thousand_entries_are_read_in_a_moment(path: Path) -> None:
    """A start must not take long; a file this long is cut to what is kept."""
    line = msgspec.json.encode(Entry(cursor=1, ts=T0, seq=1, kind="alert", change="raised", alert=alert(7))) + b"\n"
    head, tail = line.split(b'"cursor":1,')
    with path.open("wb") as stream:
        stream.writelines(b'%s"cursor":%d,%s' % (head, number, tail) for number in range(1, 100_001))
    began = time.process_time()
    journal, alerts = read(path)
    took = time.process_time() - began
    assert (journal.last, len(alerts), journal.damaged) == (100_000, 1, 0)
    assert took < 5  # half a second on a slow machine; ten times that is not a slow machine any more
    assert len(path.read_bytes().splitlines()) == KEPT


# With the list of alerts. ---------------------------------------------------------------------------------------------


def test_the_list_comes_back_as_it_was(path: Path) -> None:
    journal = JournalFile(path)
    alerts = Alerts(lambda change, each: journal.append(T0, 0, "alert", change, alert=each))
    causes = [Cause("FEED_DOWN", "binance", "gone"), Cause("BOOK_GAP", "x", "missing \ud800 or differ")]
    alerts.lasting(causes, T0)
    alerts.lasting(causes[:1], T0 + 1)
    alerts.passing(Cause("TRADES_MISSED", "y", "ids", since=T0 - 5), T0 + 2, times=3)
    alerts.acknowledge(1)
    alerts.lasting([], T0 + 3)
    asyncio.run(journal.flush())
    again = Alerts()
    again.recall(read(path)[1])
    assert again.all() == alerts.all()
    assert len(again.all()) == 3


def cursors_of(lives: Sequence[JournalFile]) -> list[int]:
    return [entry.cursor for journal in lives for entry in journal.after(0, 10**6)]


def test_cursors_grow_over_restarts(path: Path) -> None:
    seen: list[int] = []
    for life in range(5):
        journal = write(path, 7, begin=7 * life)
        assert journal.last == 7 * (life + 1)
        seen.append(journal.last)
    assert seen == sorted(set(seen))
    assert cursors_of([read(path)[0]]) == list(range(1, 36))


def test_the_file_is_cut_while_the_engine_runs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 20)

    def lines() -> int:
        return len(path.read_bytes().splitlines())

    async def run() -> None:
        journal = JournalFile(path)
        journal.load()
        for number in range(100):
            journal.append(T0 + number, number, "start", text=f"number {number}")
            await journal.flush()
            assert lines() <= 2 * 20 + 1

    asyncio.run(run())
    again, _ = read(path)
    assert (again.last, again.damaged) == (100, 0)
    assert path.stat().st_mode & 0o077 == 0


def test_cursors_that_a_killed_engine_told_of_are_not_given_again(path: Path) -> None:
    write(path, 5)
    journal, _ = read(path)
    journal.skip()
    journal.append(T0, 0, "start")
    assert journal.last > 5 + module.KEPT
    assert [entry.cursor for entry in journal.after(5, 10)] == [journal.last]
