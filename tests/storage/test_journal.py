"""The journal in the database: cursors over restarts, full disks, engines that are killed, the old file taken over."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.alerts import Alert, Alerts, Cause
from engine.errors import StorageFailed
from engine.ports import Entry
from storage import journal as module
from storage.journal import EventJournal, stored_events
from storage.writer import Writer

T0 = 1_700_000_000_000_000_000

REPEATABLE = settings(
    deadline=None, derandomize=True, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def alert(number: int, count: int = 1, *, active: bool = True) -> Alert:
    return Alert(
        id=number, code="BOOK_GAP", severity="warning", component=f"x{number}", text="missing", doing="", suggestion="",
        first_seen=T0, since=T0, last_seen=T0 + count, healed=None if active else T0 + count, count=count,
        active=active, acknowledged=False,
    )  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "market.db"


def fill(journal: EventJournal, number: int, begin: int = 0) -> None:
    """So many more entries, every tenth of them an alert."""
    for each in range(begin, begin + number):
        if each % 10 == 0:
            journal.append(T0 + each, each, "alert", "raised", alert=alert(each // 10 + 1))
        else:
            journal.append(T0 + each, each, "start", text=f"number {each}")


def write(path: Path, number: int, begin: int = 0) -> EventJournal:
    async def life() -> EventJournal:
        async with Writer(path) as store:
            journal = EventJournal(store)
            await journal.load()
            fill(journal, number, begin)
            await journal.flush()
        return journal

    return asyncio.run(life())


def read(path: Path, old: Path | None = None) -> tuple[EventJournal, list[Alert]]:
    async def life() -> tuple[EventJournal, list[Alert]]:
        async with Writer(path) as store:
            journal = EventJournal(store, old=old)
            return journal, await journal.load()

    return asyncio.run(life())


def texts(entries: Sequence[Entry]) -> list[str]:
    return [entry.text or entry.change for entry in entries]


# What is written is read. ---------------------------------------------------------------------------------------------


def test_a_new_journal_is_empty(path: Path) -> None:
    journal, alerts = read(path)
    assert (alerts, journal.last, journal.after(0, 10), journal.error) == ([], 0, [], "")
    assert stored_events(path) == []


def test_what_was_written_is_read_again(path: Path) -> None:
    first = write(path, 25)
    assert path.stat().st_mode & 0o777 == 0o600
    second, alerts = read(path)
    assert second.after(0, 100) == first.after(0, 100) == stored_events(path)
    assert [each.id for each in alerts] == [1, 2, 3]
    assert second.last == 25
    third = write(path, 5, begin=25)
    assert [entry.cursor for entry in third.after(0, 100)] == list(range(1, 31))


async def test_the_last_word_on_every_alert_counts_oldest_first(path: Path) -> None:
    async with Writer(path) as store:
        journal = EventJournal(store)
        for number, count in ((1, 1), (2, 1), (3, 1), (1, 2), (2, 5)):
            journal.append(T0, 0, "alert", "changed", alert=alert(number, count))
        await journal.flush()
        assert [(each.id, each.count) for each in await EventJournal(store).load()] == [(3, 1), (1, 2), (2, 5)]


@REPEATABLE
@given(cursor=st.integers(-5, 60), limit=st.integers(1, 60), skips=st.sets(st.integers(1, 39), max_size=5))
def test_after_a_cursor_come_the_oldest_after_it(cursor: int, limit: int, skips: set[int]) -> None:
    journal, given = EventJournal(), []
    for each in range(40):
        journal.last += 7 * (each in skips)
        journal.append(T0, each, "start")
        given.append(journal.last)
    assert [entry.cursor for entry in journal.after(cursor, limit)] == [n for n in given if n > cursor][:limit]


def test_as_many_are_kept_in_memory_as_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 20)
    journal = EventJournal()
    for each in range(50):
        journal.append(T0, 0, "start", text=str(each))
    assert texts(journal.after(0, 99)) == [str(each) for each in range(30, 50)]
    assert texts(journal.after(33, 3)) == ["33", "34", "35"]


def test_a_long_journal_still_knows_every_alert(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path, 100)
    monkeypatch.setattr(module, "KEPT", 20)
    journal, alerts = read(path)
    assert [each.id for each in alerts] == list(range(1, 11))
    assert [entry.cursor for entry in journal.after(0, 100)] == list(range(81, 101))
    assert journal.last == 100


def test_a_hundred_thousand_entries_are_read_in_a_moment(path: Path) -> None:
    write(path, 0)
    text = msgspec.json.encode(alert(7)).decode()
    connection = sqlite3.connect(path)
    rows = ((number, T0, 1, "alert", "raised", "", number % 2000, text) for number in range(1, 100_001))
    connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    connection.commit()
    connection.close()
    began = time.process_time()
    journal, alerts = read(path)
    assert time.process_time() - began < 5  # a fifth of a second; much more is not a slow machine any more
    assert (journal.last, len(alerts)) == (100_000, module.ALERTS)


def test_the_list_comes_back_as_it_was(path: Path) -> None:
    async def life() -> Alerts:
        async with Writer(path) as store:
            journal = EventJournal(store)
            alerts = Alerts(lambda change, each: journal.append(T0, 0, "alert", change, alert=each))
            causes = [Cause("FEED_DOWN", "binance", "gone"), Cause("BOOK_GAP", "x", "missing or differ")]
            alerts.lasting(causes, T0)
            alerts.lasting(causes[:1], T0 + 1)
            alerts.passing(Cause("TRADES_MISSED", "y", "ids", since=T0 - 5), T0 + 2, times=3)
            alerts.acknowledge(1)
            alerts.lasting([], T0 + 3)
            await journal.flush()
            return alerts

    alerts, again = asyncio.run(life()), Alerts()
    again.recall(read(path)[1])
    assert again.all() == alerts.all()
    assert len(again.all()) == 3


def test_cursors_grow_over_restarts(path: Path) -> None:
    assert [write(path, 7, begin=7 * life).last for life in range(4)] == [7, 14, 21, 28]


def test_cursors_that_a_killed_engine_told_of_are_not_given_again(path: Path) -> None:
    write(path, 5)
    journal, _ = read(path)
    journal.skip()
    journal.append(T0, 0, "start")
    assert journal.last > 5 + module.KEPT
    assert [entry.cursor for entry in journal.after(5, 10)] == [journal.last]


# Databases that refuse. -----------------------------------------------------------------------------------------------


def cramped(connection: sqlite3.Connection, pages: int = 1) -> None:
    connection.execute(f"PRAGMA max_page_count = {pages}").fetchone()


def roomy(connection: sqlite3.Connection) -> None:
    cramped(connection, 1 << 30)


async def test_what_does_not_fit_waits_in_memory(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with Writer(path) as store:
        journal = EventJournal(store)
        await store.upkeep(cramped)
        long = "x" * 50_000
        for each in range(3):
            journal.append(T0, 0, "start", text=f"waits {each} {long}")
        await journal.flush()
        assert "No space left on device" in journal.error
        assert stored_events(path) == []
        journal.append(T0, 0, "start", text="waits 3")
        await journal.flush()
        assert caplog.text.count("events wait in memory") == 1, "it is said once"
        assert len(journal.after(0, 10)) == 4
        await store.upkeep(roomy)
        await journal.flush()
        assert (journal.error, store.error) == ("", "")
        assert stored_events(path) == journal.after(0, 10)


async def test_a_disk_that_is_full_for_long_costs_bounded_memory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 50)
    async with Writer(path) as store:
        journal = EventJournal(store)
        await store.upkeep(cramped)
        for each in range(200):
            journal.append(T0, 0, "start", text=f"{each:03} {'x' * 100_000}")
            if each % 7 == 0:
                await journal.flush()
        assert len(journal._pending) == 50
        assert journal.lost == 150
        await store.upkeep(roomy)
        await journal.flush()
        assert [text[:3] for text in texts(stored_events(path))] == [str(each) for each in range(150, 200)]


async def test_without_a_database_it_goes_on_in_memory_and_writes_when_there_is_one(tmp_path: Path) -> None:
    """The cursors that were given meanwhile are above all that the database can hold."""
    folder = tmp_path / "data"
    folder.write_text("a file is in the way")
    store = Writer(folder / "market.db")
    journal = EventJournal(store, clock=lambda: T0)
    with pytest.raises(StorageFailed, match="mend the folder"):
        await store.open()
    assert await journal.load() == []
    journal.append(T0, 0, "start", text="in memory")
    await journal.flush()
    assert "mend the folder" in journal.error
    assert journal.last == T0 // 1_000_000 + 1
    folder.unlink()
    await store.open()
    await journal.flush()
    assert journal.error == ""
    await store.close()
    assert texts(stored_events(folder / "market.db")) == ["in memory"]


# Running. -------------------------------------------------------------------------------------------------------------


async def test_it_writes_a_fifth_of_a_second_later(path: Path) -> None:
    async with Writer(path) as store:
        journal = EventJournal(store)
        running = asyncio.create_task(journal.run())
        journal.append(T0, 0, "start", text="soon")
        async with asyncio.timeout(30):
            while not stored_events(path):  # noqa: ASYNC110 - another thread writes
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_entries_that_come_while_it_writes_come_after(path: Path) -> None:
    async with Writer(path) as store:
        journal = EventJournal(store)
        flushes = []
        for each in range(50):
            journal.append(T0, 0, "start", text=str(each))
            flushes.append(asyncio.create_task(journal.flush()))
            await asyncio.sleep(0)
        await asyncio.gather(*flushes)
        await journal.flush()
        assert [entry.cursor for entry in stored_events(path)] == list(range(1, 51))


async def test_a_flush_that_is_cancelled_writes_all_the_same(path: Path) -> None:
    async with Writer(path) as store:
        journal = EventJournal(store)
        journal.append(T0, 0, "start", text="first")
        flushing = asyncio.create_task(journal.flush())
        await asyncio.sleep(0)
        flushing.cancel()
        await asyncio.gather(flushing, return_exceptions=True)
        journal.append(T0, 0, "stop", text="last")
        await journal.flush()
        assert texts(stored_events(path)) == ["first", "last"]


APPENDER = """
import asyncio, sys
from pathlib import Path
from storage.journal import EventJournal
from storage.writer import Writer
async def main():
    store = Writer(Path(sys.argv[1]))
    await store.open()
    journal = EventJournal(store)
    await journal.load()
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
    for _ in range(3):
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
        cursors = [entry.cursor for entry in stored_events(path)]
        assert cursors == sorted(set(cursors))
        assert set(range(promised - 20, promised + 1)) <= set(cursors)
        promised = cursors[-1]


# The file of older versions. ------------------------------------------------------------------------------------------


def old_file(path: Path, number: int) -> list[Entry]:
    journal = EventJournal()
    fill(journal, number)
    entries = journal.after(0, number)
    path.write_bytes(b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries))
    return entries


def test_the_old_file_is_taken_over_once(path: Path, tmp_path: Path) -> None:
    old = tmp_path / "events.jsonl"
    entries = old_file(old, 25)
    journal, alerts = read(path, old)
    assert [each.id for each in alerts] == [1, 2, 3]
    assert journal.after(0, 99) == entries == stored_events(path)
    assert journal.last == 25
    assert not old.exists()
    assert (tmp_path / "events.jsonl.imported").exists()
    assert read(path, old)[0].last == 25


DAMAGE = [
    b"\x00" * 700 + b"\n",
    b"{}\n",
    b'{"cursor":5,"ts":1,"seq":1,"kind":"start"',
    b'{"cursor":99999999999999999999,"ts":1,"seq":1,"kind":"start"}\n',
    b'{"cursor":-3,"ts":1,"seq":1,"kind":"start"}\n',
    b'{"cursor":5,"ts":1,"seq":1,"kind":"\xff"}\n',
    b'{"cursor":5,"ts":1,"seq":1,"kind":"alert","alert":{"id":1}}\n',
    b'{"x":' + b"[" * 50_000 + b"\n",
]


@pytest.mark.parametrize("damage", DAMAGE, ids=[repr(each[:24]) for each in DAMAGE])
def test_damage_in_the_old_file_costs_what_is_damaged(path: Path, tmp_path: Path, damage: bytes) -> None:
    old = tmp_path / "events.jsonl"
    old_file(old, 20)
    lines = old.read_bytes().splitlines(keepends=True)
    joined = 0 if damage.endswith(b"\n") else 1  # a torn line swallows the one that follows
    old.write_bytes(b"".join(lines[:12]) + damage + b"".join(lines[12:]) + lines[3][:9])
    journal, _ = read(path, old)
    assert journal.last == 20
    assert [entry.cursor for entry in journal.after(0, 99)] == [*range(1, 13), *range(13 + joined, 21)]


def test_an_old_file_that_cannot_be_read_is_left(path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "events.jsonl").mkdir()
    journal, alerts = read(path, tmp_path / "events.jsonl")
    assert (journal.last, alerts) == (0, [])
    assert "cannot be taken over" in caplog.text


def test_a_take_over_that_was_killed_before_the_rename_is_done_again(path: Path, tmp_path: Path) -> None:
    old: Any = tmp_path / "events.jsonl"
    old_file(old, 25)
    kept = old.read_bytes()
    read(path, old)
    write(path, 5, begin=25)
    old.write_bytes(kept)
    journal, _ = read(path, old)
    assert [entry.cursor for entry in journal.after(0, 99)] == list(range(1, 31))
