"""Records of trading, read newest first, by order, and since the last image."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from engine.errors import StorageFailed
from storage.connection import open_for_reading
from storage.records import StoredRecords, forget_images
from storage.writer import Writer

BTC, ETH = "binance:BTC/USDT", "binance:ETH/USDT"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "market.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Writer]:
    async with Writer(path, engine=False) as writer:
        yield writer


@pytest.fixture
def records(path: Path) -> StoredRecords:
    return StoredRecords(path, "paper")


async def keep(store: Writer, kind: str, key: str, ts: int, *, mode: str = "paper", **body: object) -> None:
    assert await store.record(kind, key, msgspec.json.encode(body), mode=mode, ts=ts)


async def test_the_newest_come_first_within_their_times_and_of_their_kind(
    store: Writer, records: StoredRecords
) -> None:
    for number in range(10):
        await keep(store, "order", f"o{number}", 100 + number, instrument=BTC if number % 2 else ETH)
        await keep(store, "audit", f"a{number}", 100 + number)
    assert [each.key for each in records.newest(["order"], limit=3)] == ["o9", "o8", "o7"]
    both = records.newest(["order", "audit"], limit=3)
    assert [each.key for each in both] == ["a9", "o9", "a8"]  # of one time, what was kept later comes first
    within = records.newest(["order"], limit=100, start=103, end=106)
    assert [(each.key, each.ts) for each in within] == [("o5", 105), ("o4", 104), ("o3", 103)]
    assert [each.key for each in records.newest(["order"], limit=2, instrument=ETH)] == ["o8", "o6"]
    assert records.newest(["fill"], limit=5) == []
    await keep(store, "fill", "f1", 1, fill={"instrument": ETH})
    assert [each.key for each in records.newest(["fill"], limit=2, instrument=ETH)] == ["f1"]
    assert records.newest(["fill"], limit=2, instrument=BTC) == []


async def test_records_of_one_tag_and_instrument(store: Writer, records: StoredRecords) -> None:
    for number, (tag, key) in enumerate((("Adopted", BTC), ("BalancesReported", BTC), ("Adopted", ETH))):
        await keep(store, "account", f"a{number}", number, record=tag, spec={"instrument": key})
    assert [each.key for each in records.newest(["account"], limit=9, tag="Adopted")] == ["a2", "a0"]
    assert [each.key for each in records.newest(["account"], limit=9, tag="Adopted", instrument=BTC)] == ["a0"]


async def test_another_mode_is_never_read(store: Writer, path: Path, records: StoredRecords) -> None:
    await keep(store, "order", "a", 1, order="x", mode="live")
    await keep(store, "fill", "b", 2, order="x", mode="live")
    await keep(store, "image", "c", 3, mode="live")
    assert records.newest(["order"], limit=5) == []
    assert records.of_orders(["x"]) == []
    image, rest = records.since_image()
    assert (image, list(rest)) == (None, [])
    assert [each.key for each in StoredRecords(path, "live").of_orders(["x"])] == ["b"]


async def test_what_became_of_orders_comes_in_the_order_of_keeping(store: Writer, records: StoredRecords) -> None:
    await keep(store, "order", "o1", 1, id="o1")
    await keep(store, "order_event", "o1/1", 9, order="o1")
    await keep(store, "order_event", "o2/1", 2, order="o2")
    await keep(store, "fill", "f1", 1, order="o1")
    await keep(store, "order_event", "o3/1", 1, order="o3")
    assert [each.key for each in records.of_orders(["o1", "o2"])] == ["o1/1", "o2/1", "f1"]
    many = [f"n{number}" for number in range(1200)]
    assert [each.key for each in records.of_orders([*many, "o3"])] == ["o3/1"]
    assert records.of_orders([]) == []


async def test_an_order_is_found_by_the_index(store: Writer, path: Path, records: StoredRecords) -> None:
    await keep(store, "fill", "f1", 1, order="o1")
    connection = open_for_reading(path)
    plan = connection.execute(
        "EXPLAIN QUERY PLAN SELECT id FROM records WHERE kind IN ('order_event', 'fill')"
        " AND json_extract(body, '$.order') IN (?, ?) AND mode = ?",
        ("o1", "o2", "paper"),
    ).fetchall()
    connection.close()
    assert any("records_by_order" in row[-1] for row in plan), plan


async def test_recovery_begins_at_the_newest_image(store: Writer, records: StoredRecords) -> None:
    await keep(store, "order", "o1", 1, n=1)
    image, rest = records.since_image()
    assert image is None
    assert [each.key for each in rest] == ["o1"]
    await keep(store, "image", "i1", 2, n=2)
    await keep(store, "fill", "f1", 3, n=3)
    await keep(store, "image", "i2", 4, n=4)
    await keep(store, "trading", "t1", 2, n=5)  # kept later, although of an earlier time
    await keep(store, "fill", "f2", 6, n=6)
    image, rest = records.since_image()
    assert image is not None
    assert (image.key, image.body) == ("i2", b'{"n":4}')
    assert [(each.kind, each.key) for each in rest] == [("trading", "t1"), ("fill", "f2")]


async def test_records_read_are_those_of_one_moment(store: Writer, records: StoredRecords) -> None:
    await keep(store, "fill", "f1", 1)
    await keep(store, "fill", "f2", 1)
    _, rest = records.since_image()
    first = next(rest)
    await keep(store, "fill", "f3", 1)
    assert [first.key, *(each.key for each in rest)] == ["f1", "f2"]


async def test_old_images_are_forgotten_and_nothing_else(store: Writer, records: StoredRecords) -> None:
    for number in range(5):
        await keep(store, "image", f"i{number}", number)
        await keep(store, "fill", f"f{number}", number)
    assert await forget_images(store, "paper") == 3
    assert await forget_images(store, "paper") == 0
    image, rest = records.since_image()
    assert image is not None
    assert image.key == "i4"
    assert [each.key for each in rest] == ["f4"]
    assert [each.key for each in records.newest(["fill", "image"], limit=9)] == [
        "f4", "i4", "f3", "i3", "f2", "f1", "f0",
    ]  # fmt: skip


async def test_what_cannot_be_read_says_so(path: Path, records: StoredRecords) -> None:
    with pytest.raises(StorageFailed, match="there is no database"):
        records.newest(["order"], limit=1)
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE records (id INTEGER PRIMARY KEY)")
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()
    with pytest.raises(StorageFailed, match="another program"):
        records.of_orders(["o1"])


async def test_a_burst_of_records_is_committed_in_groups_and_in_order(store: Writer, records: StoredRecords) -> None:
    """The first one begins a commit; what comes while it is written goes into the next one, all together."""
    groups: list[int] = []
    line = store._line
    assert line is not None
    call = line.call

    async def counted(work: object, *given: object, **named: object) -> object:
        groups.append(len(given[0]))  # type: ignore[arg-type]
        return await call(work, *given, **named)  # type: ignore[arg-type]

    line.call = counted  # type: ignore[assignment,method-assign]
    await asyncio.gather(*(keep(store, "order_event", f"e{n}", n, order="o") for n in range(300)))
    assert sum(groups) == 300
    assert len(groups) <= 3
    assert [each.key for each in records.of_orders(["o"])] == [f"e{n}" for n in range(300)]
