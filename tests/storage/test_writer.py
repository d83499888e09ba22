"""The writer: two lanes, their order, what a refusing database does to them, and what identical news do."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.errors import SchemaUnknown, StorageFailed
from engine.keep import Keep
from engine.types import SECOND, Timeframe
from storage import writer as module
from storage.archive import StoredArchive
from storage.bulk import Pace
from storage.connection import open_for_reading, open_for_writing
from storage.writer import Writer
from tests.storage.rows import ETH, T0, bar, keep, trade

LAZY = Pace(rows=10**9, seconds=3600.0, most_waiting=10**6)
"""Writes when told to only."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "market.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Writer]:
    async with Writer(path, LAZY, engine=False) as writer:
        yield writer


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    connection = open_for_reading(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def cramped(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA max_page_count = 1").fetchone()


def roomy(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA max_page_count = {1 << 30}").fetchone()


def many(second: int, number: int = 3000) -> Keep:
    return keep(second, trades=tuple(trade(second * 10_000 + each, second) for each in range(number)))


# Files. ---------------------------------------------------------------------------------------------------------------


async def test_files_belong_to_their_owner_alone(store: Writer, path: Path) -> None:
    store.put(keep(T0, bar(T0)))
    await store.flush()
    for file in path.parent.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file
    assert path.parent.stat().st_mode & 0o077 == 0


# Bulk rows. -----------------------------------------------------------------------------------------------------------


async def test_rows_are_written_at_a_number(path: Path) -> None:
    async with Writer(path, Pace(rows=100, seconds=3600.0), engine=False) as store:
        store.put(many(T0, 99))
        await asyncio.sleep(0.1)
        assert (store.flushes, store.waiting) == (0, 99)
        store.put(keep(T0, bar(T0)))
        async with asyncio.timeout(30):
            while store.waiting or not store.flushes:  # noqa: ASYNC110 - another thread writes
                await asyncio.sleep(0.01)
        assert rows(path, "SELECT count(*) FROM trades") == [(99,)]


async def test_rows_are_written_after_a_time(path: Path) -> None:
    async with Writer(path, Pace(rows=100, seconds=0.2), engine=False) as store:
        store.put(keep(T0, bar(T0)))
        async with asyncio.timeout(30):
            while not store.flushes:  # noqa: ASYNC110 - another thread writes
                await asyncio.sleep(0.01)
        assert rows(path, "SELECT count(*) FROM bars") == [(1,)]


async def test_what_is_sent_twice_changes_nothing(store: Writer, path: Path, recorded: list[Keep]) -> None:
    """C-18 (a): a candle that is sent again must not count double."""
    tables = ("bars", "bar_revisions", "trades", "cob_1s", "cob_1m", "imbalances", "book_snapshots", "rejects")

    def everything() -> list[list[tuple[Any, ...]]]:
        return [rows(path, f"SELECT * FROM {table}") for table in tables]

    for each in recorded:
        store.put(each)
    await store.flush()
    first = everything()
    assert all(first[:1] + first[2:7])
    assert (first[1], first[7]) == ([], [])
    for each in recorded:
        store.put(msgspec.structs.replace(each, known_at=each.known_at + 60 * SECOND, book=None))
    await store.flush()
    assert everything() == first


async def test_a_bar_that_changes_is_replaced_and_its_old_version_kept(store: Writer, path: Path) -> None:
    for second, close in ((T0, 200_000), (T0 + 1, 200_100), (T0 + 1, 200_200), (T0 + 9, 200_200)):
        store.put(keep(second, bar(T0, close)))
    await store.flush()
    assert rows(path, "SELECT close, volume, known_at FROM bars") == [(2002.0, 0.003, (T0 + 1) * SECOND)]
    kept = [(2000.0, T0 * SECOND, (T0 + 1) * SECOND)]
    assert rows(path, "SELECT close, known_at, until FROM bar_revisions") == kept


async def test_an_older_version_does_not_come_back(store: Writer, path: Path) -> None:
    store.put(keep(T0 + 5, bar(T0, 200_300)))
    store.put(keep(T0, bar(T0, 200_000)))
    await store.flush()
    assert rows(path, "SELECT close FROM bars") == [(2003.0,)]


async def test_one_live_source_believes_one_bar(store: Writer, path: Path) -> None:
    """The venue's own candle takes the place of the one that was built here, which stays as what was known before."""
    store.put(keep(T0, bar(T0, 200_000)))
    store.put(keep(T0 + 3, bar(T0, 200_100, source="venue")))
    await store.flush()
    query = "SELECT s.source, b.close FROM bars b JOIN series s ON s.id = b.series_id"
    assert rows(path, query) == [("venue", 2001.0)]
    old = "SELECT s.source, b.close, b.until FROM bar_revisions b JOIN series s ON s.id = b.series_id"
    assert rows(path, old) == [("trades", 2000.0, (T0 + 3) * SECOND)]


async def test_a_bar_that_is_withdrawn_is_no_longer_believed(store: Writer, path: Path) -> None:
    store.put(keep(T0, bar(T0)))
    store.put(keep(T0 + 2, withdrawn=((Timeframe.S1, T0 * 1000),)))
    await store.flush()
    assert rows(path, "SELECT * FROM bars") == []
    assert rows(path, "SELECT known_at, until FROM bar_revisions") == [(T0 * SECOND, (T0 + 2) * SECOND)]
    store.put(keep(T0 + 4, bar(T0)))
    await store.flush()
    assert rows(path, "SELECT known_at FROM bars") == [((T0 + 4) * SECOND,)]


async def test_bars_that_came_from_an_import_are_not_stored_again(store: Writer, path: Path) -> None:
    store.put(keep(T0, bar(T0, source="import"), bar(T0 + 1, source="import:archive")))
    await store.flush()
    assert rows(path, "SELECT * FROM bars") == []


async def test_rows_that_come_while_it_writes_are_kept(store: Writer, path: Path) -> None:
    """C-18 (b): the buffer is swapped before anything is awaited."""
    entered, go_on = threading.Event(), threading.Event()

    def slowly(connection: sqlite3.Connection) -> None:
        entered.set()
        go_on.wait(10)

    store.put(keep(T0, bar(T0)))
    blocked = asyncio.create_task(store.upkeep(slowly))
    await asyncio.to_thread(entered.wait, 10)
    flushing = asyncio.create_task(store.flush())
    for second in range(1, 50):
        store.put(keep(T0 + second, bar(T0 + second)))
        await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(blocked, flushing)
    await store.flush()
    assert rows(path, "SELECT count(*) FROM bars") == [(50,)]
    assert store.rows == 50


async def test_trades_imbalances_and_minutes_are_written(store: Writer, path: Path, recorded: list[Keep]) -> None:
    """C-18 (e, f): every kind that comes is written; a minute holds the mean of its seconds."""
    for each in recorded:
        store.put(each)
    await store.flush()
    assert rows(path, "SELECT count(*) FROM trades") == [(sum(len(each.trades) for each in recorded),)]
    assert rows(path, "SELECT count(*) FROM imbalances") == [(sum(each.column is not None for each in recorded),)]
    end, base, bids, seconds, bucket, number = rows(
        path, "SELECT second, base, bids, seconds, bucket, instrument_id FROM cob_1m ORDER BY second LIMIT 1"
    )[0]
    parts = rows(
        path,
        "SELECT base, bids, bucket FROM cob_1s"
        f" WHERE instrument_id = {number} AND second > {end - 60} AND second <= {end}",
    )
    sums: dict[int, int] = {}
    for low, text, small in parts:
        assert small * 10 == bucket
        for place, volume in enumerate(msgspec.json.decode(text), low):
            sums[place // 10] = sums.get(place // 10, 0) + volume
    assert seconds == len(parts)
    assert msgspec.json.decode(bids) == [round(sums.get(base + n, 0) / seconds) for n in range(len(sums))]


async def test_a_row_that_cannot_be_is_refused_alone(
    store: Writer, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store.put(keep(T0, bar(T0), bar(T0 + 1, low=300_000)))
    store.put(keep(T0 + 1, trades=(trade(1, T0), trade(2, T0, size=0))))
    await store.flush()
    assert rows(path, "SELECT count(*) FROM bars UNION ALL SELECT count(*) FROM trades") == [(1,), (1,)]
    found = rows(path, "SELECT kind, instrument, reason, body FROM rejects")
    assert [(kind, key, reason) for kind, key, reason, _ in found] == [
        ("bars", ETH.key, "high 200500 < low 300000"),
        ("trades", ETH.key, "size 0 <= 0"),
    ]
    assert msgspec.json.decode(found[1][3])["id"] == 2
    assert store.view().rejected == 2
    assert "size 0 <= 0" in caplog.text


async def test_a_second_that_the_database_cannot_hold_costs_itself_alone(store: Writer, path: Path) -> None:
    store.put(keep(T0, bar(T0)))
    store.put(keep(T0 + 1, trades=(trade(1 << 70, T0),)))
    store.put(keep(T0 + 2, bar(T0 + 2)))
    await store.flush()
    assert rows(path, "SELECT count(*) FROM bars") == [(2,)]
    assert "too large" in rows(path, "SELECT reason FROM rejects")[0][0]
    assert store.waiting == 0


# A database that refuses. ---------------------------------------------------------------------------------------------


async def test_on_a_full_disk_rows_wait_in_order_and_come_later(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """C-18 (c, d): tried again by itself, after longer and longer pauses."""
    waits: list[float] = []
    async with Writer(path, Pace(rows=1, seconds=3600.0), engine=False) as store:
        real = module.time.monotonic
        shift = [0.0]
        monkeypatch.setattr(module.time, "monotonic", lambda: real() + shift[0])
        await store.upkeep(cramped)
        store.put(many(T0))
        for _ in range(8):
            async with asyncio.timeout(30):
                while not store._bulk.pause or store._bulk.again < module.time.monotonic():  # noqa: ASYNC110
                    await asyncio.sleep(0.002)
            waits.append(store._bulk.pause)
            shift[0] += store._bulk.pause + 0.01
            store.put(keep(T0 + 1, bar(T0 + 1)))
        assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
        assert "No space left on device" in store.error
        assert "free some, it goes on by itself" in store.view().error
        assert store.lost == 0
        await store.upkeep(roomy)
        shift[0] += 61
        store.put(keep(T0 + 2, bar(T0 + 2)))
        async with asyncio.timeout(30):
            while store.waiting or store.error:  # noqa: ASYNC110 - another thread writes
                await asyncio.sleep(0.01)
        assert rows(path, "SELECT count(*) FROM trades UNION ALL SELECT count(*) FROM bars") == [(3000,), (2,)]


async def test_what_waits_is_bounded_and_the_oldest_goes_first(path: Path) -> None:
    """C-18 (d)."""
    async with Writer(path, Pace(rows=10**9, seconds=3600.0, most_waiting=10), engine=False) as store:
        for second in range(25):
            store.put(keep(T0 + second, bar(T0 + second)))
        assert (store.lost, store.waiting) == (15, 10)
        await store.flush()
        assert rows(path, "SELECT min(open_ms) / 1000, count(*) FROM bars") == [(T0 + 15, 10)]


async def test_a_locked_database_is_told_and_waited_for(
    store: Writer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.upkeep(lambda connection: connection.execute("PRAGMA busy_timeout = 50").fetchone())
    other = open_for_writing(path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageFailed, match="locked by another process; see who holds it: fuser"):
        await store.record("order", "k1", "{}", mode="paper", ts=T0)
    assert "locked" in store.error
    other.execute("COMMIT")
    other.close()
    assert await store.record("order", "k1", "{}", mode="paper", ts=T0)
    assert store.error == ""


def damaged(path: Path, damage: str) -> bytes:
    if damage == "corrupted":
        data = bytearray(path.read_bytes())
        data[4096 * 30 : 4096 * 60] = b"\xff" * (4096 * 30)
        path.write_bytes(data)
    elif damage == "no database":
        path.write_bytes(b"something else\n" * 1000)
    return path.read_bytes()


def same_bytes(path: Path, before: bytes) -> bool:
    return path.read_bytes() == before


@pytest.mark.parametrize("damage", ["corrupted", "no database", "future", "foreign"])
async def test_a_file_that_cannot_be_used_is_left_as_it_is(path: Path, damage: str) -> None:
    async with Writer(path, LAZY, engine=False) as store:
        store.put(many(T0))
        await store.flush()
    connection = sqlite3.connect(path)
    match damage:
        case "future":
            connection.execute("PRAGMA user_version = 99")
        case "foreign":
            connection.execute("PRAGMA application_id = 7")
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    before = damaged(path, damage)
    store = Writer(path, LAZY)
    expected = {
        "corrupted": "is damaged .*it is left as it is: `tradetui data restore`",
        "no database": "is not a database; it is left as it is",
        "future": "has schema 99, and this version of tradetui knows 2 at most; nothing was touched",
        "foreign": "is a database of another program; nothing was touched",
    }[damage]
    kind = SchemaUnknown if damage in ("future", "foreign") else StorageFailed
    with pytest.raises(kind, match=expected):
        await store.open()
    assert store.error
    assert not store.is_open
    store.put(keep(T0, bar(T0)))  # the market goes on
    await store.close()
    assert same_bytes(path, before)


async def test_a_folder_that_cannot_be_written_is_told(path: Path) -> None:
    path.parent.parent.joinpath("data").write_text("in the way")
    store = Writer(path)
    with pytest.raises(StorageFailed, match="free space or mend the folder"):
        await store.open()
    assert not store.is_open


async def test_a_database_that_cannot_be_opened_at_first_is_opened_later(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.parent.write_text("in the way")
    store = Writer(path, LAZY, engine=False)
    monkeypatch.setattr(module, "AGAIN_S", 0.01)
    running = asyncio.create_task(store.run())
    store.put(keep(T0, bar(T0)))
    with pytest.raises(StorageFailed):
        await store.record("order", "k1", "{}", mode="paper", ts=T0)
    async with asyncio.timeout(30):
        while not store.error:  # noqa: ASYNC110 - another thread opens
            await asyncio.sleep(0.01)
    path.parent.unlink()
    async with asyncio.timeout(30):
        while not store.is_open:  # noqa: ASYNC110 - another thread opens
            await asyncio.sleep(0.01)
    assert store.error == ""
    await store.flush()
    assert rows(path, "SELECT count(*) FROM bars") == [(1,)]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await store.close()


# The journal lane. ----------------------------------------------------------------------------------------------------


async def test_a_record_is_kept_once(store: Writer, path: Path) -> None:
    assert await store.record("order", "k1", b'{"price":1}', mode="paper", ts=T0)
    assert not await store.record("order", "k1", b'{"price":2}', mode="paper", ts=T0 + 1)
    assert await store.record("fill", "k2", b"{}", mode="live", ts=T0)
    assert rows(path, "SELECT kind, mode, client_key, ts, body FROM records ORDER BY id") == [
        ("order", "paper", "k1", T0, '{"price":1}'),
        ("fill", "live", "k2", T0, "{}"),
    ]


async def test_a_record_is_on_disk_when_it_is_told(store: Writer) -> None:
    """FULL: the log is written through before the commit returns; bulk rows need not be."""

    def synchronous(connection: sqlite3.Connection) -> int:
        return int(connection.execute("PRAGMA synchronous").fetchone()[0])

    assert await store.commit(synchronous) == 2
    store.put(keep(T0, bar(T0)))
    await store.flush()
    assert await store.upkeep(synchronous) == 1
    assert await store.commit(synchronous) == 2


async def test_the_journal_goes_before_bulk_rows_and_upkeep(store: Writer) -> None:
    order: list[str] = []
    release = threading.Event()
    blocked = asyncio.create_task(store.upkeep(lambda _: release.wait(10)))
    await asyncio.sleep(0.05)
    store.put(many(T0, 10))
    store._bulk.pace = Pace(rows=1)
    later = asyncio.create_task(store.upkeep(lambda _: order.append("upkeep")))
    await asyncio.sleep(0)
    journal = asyncio.create_task(store.commit(lambda _: order.append(f"journal {store.flushes}")))
    await asyncio.sleep(0)
    release.set()
    await asyncio.gather(blocked, later, journal)
    assert order == ["journal 0", "upkeep"]
    assert store.flushes == 1


async def test_one_that_fails_harms_no_other_of_the_same_commit(store: Writer, path: Path) -> None:
    def half(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO records (kind, mode, client_key, ts, body) VALUES ('x', '', 'half', 0, '')")
        raise LookupError("not there")

    results = await asyncio.gather(
        store.record("order", "a", "{}", mode="paper", ts=1),
        store.commit(half),
        store.record("order", "b", "{}", mode="paper", ts=1),
        return_exceptions=True,
    )
    assert [results[0], results[2]] == [True, True]
    assert isinstance(results[1], LookupError)
    assert rows(path, "SELECT client_key FROM records ORDER BY id") == [("a",), ("b",)]


async def test_a_record_that_does_not_fit_is_refused_and_nothing_of_it_is_there(store: Writer, path: Path) -> None:
    await store.upkeep(cramped)
    with pytest.raises(StorageFailed, match="No space left on device"):
        await store.record("order", "k1", "x" * 100_000, mode="paper", ts=T0)
    await store.upkeep(roomy)
    assert rows(path, "SELECT * FROM records") == []


async def test_a_caller_that_is_cancelled_leaves_its_record_written(store: Writer, path: Path) -> None:
    asking = asyncio.create_task(store.record("order", "k1", "{}", mode="paper", ts=1))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await store.upkeep(lambda _: None)
    assert rows(path, "SELECT client_key FROM records") == [("k1",)]


# Ends and beginnings. -------------------------------------------------------------------------------------------------


async def test_closing_writes_what_waits(path: Path) -> None:
    async with Writer(path, LAZY) as store:
        store.put(keep(T0, bar(T0)))
    assert rows(path, "SELECT count(*) FROM bars") == [(1,)]
    with pytest.raises(StorageFailed, match="not open"):
        await store.record("order", "k1", "{}", mode="paper", ts=1)
    await store.close()


async def test_what_a_stop_left_out_is_listed_and_healed(path: Path) -> None:
    """Killed: the stretch from the last stored second to the next start; it heals when the bars are there."""
    now = [T0 * SECOND]
    store = Writer(path, LAZY, clock=lambda: now[0])
    await store.open()
    store.put(keep(T0 + 1, bar(T0)))
    await store.flush()
    store._engine = False  # as if it were killed: the end is not noted
    await store.close()
    now[0] = (T0 + 10) * SECOND + 5
    async with Writer(path, LAZY, clock=lambda: now[0]) as again:
        listed = rows(path, "SELECT timeframe, first_ms / 1000, last_ms / 1000, missing, reason, healed_at FROM gaps")
        assert listed == [("1s", T0 + 1, T0 + 9, 9, "process ended", None)]
        again.put(keep(T0 + 11, *(bar(T0 + n, source="venue") for n in range(1, 9))))
        await again.flush()
        assert rows(path, "SELECT healed_at FROM gaps") == [(None,)]
        again.put(keep(T0 + 12, bar(T0 + 9, source="venue")))
        await again.flush()
        assert rows(path, "SELECT healed_at FROM gaps") == [((T0 + 12) * SECOND,)]
    now[0] = (T0 + 20) * SECOND
    async with Writer(path, LAZY, clock=lambda: now[0]):
        pass
    query = "SELECT reason, last_ms / 1000 FROM gaps WHERE healed_at IS NULL"
    assert rows(path, query) == [("engine was not running", T0 + 19)]
    now[0] = (T0 + 30) * SECOND
    async with Writer(path, LAZY, clock=lambda: now[0]):
        pass
    assert rows(path, query) == [("engine was not running", T0 + 29)], "nothing came meanwhile: it has grown"


async def test_a_minute_that_a_kill_cut_in_two_is_whole(path: Path, recorded: list[Keep]) -> None:
    key = recorded[0].instrument.key
    mine = [each for each in recorded if each.instrument.key == key and each.column is not None]
    half = next(n for n, each in enumerate(mine) if each.known_at // SECOND % 60 == 30)
    for part in (mine[:half], mine[half:]):
        async with Writer(path, LAZY, engine=False) as store:
            for each in part:
                store.put(each)
    cut = rows(path, "SELECT * FROM cob_1m ORDER BY second")
    async with Writer(path.with_name("whole.db"), LAZY, engine=False) as store:
        for each in mine:
            store.put(each)
    assert rows(path.with_name("whole.db"), "SELECT * FROM cob_1m ORDER BY second") == cut
    assert cut


# A file that is taken away. -------------------------------------------------------------------------------------------


async def until(true: Callable[[], bool]) -> None:
    """Wait until something is so."""
    for _ in range(10_000):
        if true():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never was")


async def reopened(store: Writer, saved: str) -> None:
    """Record something in a file that is gone, until it can be recorded again."""
    with pytest.raises(StorageFailed, match="was removed or replaced while it was in use"):
        await store.record("note", "lost", "{}", mode="paper", ts=1)
    await until(lambda: not store.is_open)
    await until(lambda: store.is_open)
    assert store.error == ""
    assert await store.record("note", saved, "{}", mode="paper", ts=1)


@pytest.mark.parametrize("beside", [False, True])
async def test_a_file_that_is_removed_under_the_writer_is_put_back(path: Path, beside: bool) -> None:
    store = Writer(path, LAZY)
    archive = StoredArchive(path, path.parent / "cold")
    task = asyncio.create_task(store.run())
    await until(lambda: store.is_open)
    assert await store.record("note", "before", "{}", mode="paper", ts=1)
    store.put(keep(T0 + 1, bar(T0)))
    await store.flush()
    assert len(archive.candles(ETH.key, Timeframe.S1)) == 1
    store.put(keep(T0 + 2, bar(T0 + 1)))
    for name in ("", "-wal", "-shm") if beside else ("",):
        path.with_name(path.name + name).unlink()
    await reopened(store, "after")
    await store.flush()
    assert rows(path, "SELECT client_key FROM records ORDER BY 1") == [("after",), ("before",)]
    assert len(archive.candles(ETH.key, Timeframe.S1)) == 2
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await store.close()
    archive.close()
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]


async def test_a_file_that_is_put_in_its_place_stays_and_what_was_there_is_saved_beside(path: Path) -> None:
    async with Writer(path.with_name("other.db"), LAZY) as other:
        assert await other.record("note", "other", "{}", mode="paper", ts=1)
    store = Writer(path, LAZY)
    task = asyncio.create_task(store.run())
    await until(lambda: store.is_open)
    assert await store.record("note", "before", "{}", mode="paper", ts=1)
    path.with_name("other.db").replace(path)
    await reopened(store, "after")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await store.close()
    assert rows(path, "SELECT client_key FROM records ORDER BY 1") == [("after",), ("other",)]
    (saved,) = path.parent.glob("market.db.rescued-*")
    assert rows(saved, "SELECT client_key FROM records") == [("before",)]


async def test_a_file_that_was_removed_is_put_back_at_the_end(path: Path) -> None:
    async with Writer(path, LAZY) as store:
        assert await store.record("note", "before", "{}", mode="paper", ts=1)
        await asyncio.to_thread(path.unlink)
    assert rows(path, "SELECT client_key FROM records") == [("before",)]
