"""Packing and pruning: nothing changes for a reader, imports are never touched, every moment can be the last."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from engine.errors import StorageFailed
from engine.keep import Keep
from engine.ohlcv import COLUMNS
from engine.types import DAY, SECOND, Timeframe
from storage import retention as module
from storage.archive import StoredArchive
from storage.bulk import Pace
from storage.cold import KINDS
from storage.connection import open_for_reading, open_for_writing
from storage.retention import Days, Policy, Retention
from storage.writer import Writer
from tests.storage.rows import ETH, T0, bar, keep, trade

LAZY = Pace(rows=10**9, seconds=3600.0, most_waiting=10**7)

USUAL = {
    "book_snapshots": Days(pack=1, keep=30),
    "cob_1s": Days(pack=2, keep=60),
    "cob_1m": Days(pack=2, keep=60),
    "imbalances": Days(pack=2, keep=60),
    "trades": Days(pack=7, keep=90),
    "bars": Days(pack=7, keep=730),
}


class Bench:
    """A database, its reader and its keeper, at a time that the test sets; the disk has room."""

    def __init__(self, store: Writer) -> None:
        self.store = store
        self.archive = StoredArchive(store.path, store.path.parent / "cold", store.changes)
        self.now = T0 * SECOND
        self.free = 10**12
        self.keeper = Retention(
            store, self.archive.cold, Policy(days=USUAL), clock=lambda: self.now, free=lambda _: self.free
        )

    def count(self, table: str, where: str = "1") -> int:
        connection = open_for_reading(self.store.path)
        try:
            return int(connection.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone()[0])
        finally:
            connection.close()

    def files(self) -> list[str]:
        folder = self.archive.cold.folder
        return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())

    def seen(self, key: str) -> list[Any]:
        """Everything that a reader gets of an instrument."""
        candles = self.archive.candles(key, Timeframe.S1)
        everything: dict[str, int] = {"start": 0, "end": 1 << 62}
        seconds = {"start_s": 0, "end_s": 1 << 40}
        return [
            [getattr(candles, name).tolist() for name in COLUMNS],
            self.archive.trades(key, **everything),
            self.archive.columns(key, **seconds),
            self.archive.minutes(key, **seconds),
            self.archive.books(key, **everything),
            self.archive.bounds(key, Timeframe.S1),
            self.archive.gaps(key, Timeframe.S1, 0, 1 << 50),
            [each for each in self.archive.series() if each.symbol == key.partition(":")[2]],
        ]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with Writer(tmp_path / "market.db", LAZY, engine=False) as store:
        made = Bench(store)
        yield made
        made.archive.close()


async def test_a_reader_sees_no_difference(bench: Bench, recorded: list[Keep], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every kind of row, packed in several files of one day; memory is as if it had never been."""
    monkeypatch.setattr(module, "FILE_ROWS", 500)
    for each in recorded:
        bench.store.put(each)
    await bench.store.flush()
    keys = sorted({each.instrument.key for each in recorded})
    before = {key: bench.seen(key) for key in keys}
    known = recorded[len(recorded) // 2].known_at
    half = bench.archive.trades(keys[0], start=0, end=1 << 62, known_at=known)
    rows = {table: bench.count(table, kind.where) for table, kind in KINDS.items()}
    bench.now = recorded[-1].known_at + 9 * DAY
    outcome = await bench.keeper.once()
    assert outcome.packed == sum(rows.values()) - bench.count("bars")
    for table in ("trades", "cob_1s", "cob_1m", "imbalances", "book_snapshots"):
        assert bench.count(table) == 0, table
        assert bench.count("cold_files", f"kind = '{table}'") >= 1, table
    assert bench.count("bars") == rows["bars"] - bench.count("bars", "0") - sum(
        len(bench.archive.candles(key, Timeframe.S1)) for key in keys
    )
    assert len([name for name in bench.files() if name.startswith("trades/")]) > 4
    assert {key: bench.seen(key) for key in keys} == before
    assert bench.archive.trades(keys[0], start=0, end=1 << 62, known_at=known) == half
    few = bench.archive.trades(keys[0], start=0, end=1 << 62, limit=700)
    assert few == before[keys[0]][1][-700:], "over two files"
    again = StoredArchive(bench.store.path, bench.archive.cold.folder)
    assert again.candles(keys[0], Timeframe.S1).close.tolist() == before[keys[0]][0][4]
    again.close()
    assert (await bench.keeper.once()).packed == 0


async def test_files_are_exact_and_plain_parquet(bench: Bench) -> None:
    bench.store.put(keep(T0 + 1, bar(T0, 200_001, quote_volume=-1, taker_buy=-1, trades=-1), trades=(trade(7, T0),)))
    await bench.store.flush()
    bench.now = (T0 + 1) * SECOND + 9 * DAY
    await bench.keeper.once()
    folder = bench.archive.cold.folder
    assert bench.files() == [
        "bars/binance_ETH-USDT/trades/2023-11-14.1.parquet",
        "trades/binance_ETH-USDT/2023-11-14.1.parquet",
    ]
    table = pl.read_parquet(folder / bench.files()[0])
    assert table.schema["close"] == pl.Decimal(18, 2)
    assert table["close"].cast(pl.Float64).to_list() == [2000.01]
    assert table["quote_volume"].to_list() == [None]
    found = bench.archive.candles(ETH.key, Timeframe.S1)
    assert (found.trades[0], np.isnan(found.taker_buy[0]), found.known_at[0]) == (-1, True, (T0 + 1) * SECOND)
    for file in folder.rglob("*"):
        assert file.stat().st_mode & 0o077 == 0


async def test_days_count_from_storing(bench: Bench) -> None:
    """A day is packed when its youngest row is old enough; old bars that were stored today wait."""
    for second in (T0, T0 + 86_400):
        bench.store.put(keep(second + 1, bar(second), trades=(trade(second, second),)))
    bench.store.put(keep(T0 + 86_400 * 3, bar(T0 + 5, source="venue")))
    await bench.store.flush()
    bench.now = (T0 + 86_400 * 8) * SECOND
    assert (
        await bench.keeper.once()
    ).packed == 2  # the first day's bar and trade; not the bar that came two days later
    bench.now = (T0 + 86_400 * 30) * SECOND
    assert (await bench.keeper.once()).packed == 3
    assert len(bench.archive.candles(ETH.key, Timeframe.S1)) == 3


async def test_what_is_past_its_time_goes_and_imports_stay(bench: Bench) -> None:
    for second in (T0, T0 + 86_400 * 40):
        bench.store.put(keep(second + 1, bar(second), trades=(trade(second, second),)))
        bench.store.put(keep(second + 60, bar(second), timeframe=Timeframe.M1))
    await bench.store.record("order", "k", "{}", mode="paper", ts=1)
    await bench.store.flush()
    connection = open_for_writing(bench.store.path)
    connection.execute("INSERT INTO series VALUES (99, 1, '1s', 'import:x', 30, 0, 0)")
    connection.execute("INSERT INTO bars SELECT 99, 5000, 1, 1, 1, 1, 1, NULL, NULL, NULL, 1, 6, -1")
    connection.execute("INSERT INTO trades SELECT 1, 0, 1, 5, 1.0, 1.0, 0, 1, 1, 0, 'import:x', 5")
    connection.close()
    bench.now = (T0 + 86_400 * 35) * SECOND
    await bench.keeper.once()
    bench.now = (T0 + 86_400 * 100) * SECOND
    outcome = await bench.keeper.once()
    assert (outcome.deleted, outcome.files) == (1, 1)
    assert [each.ts_exch // SECOND for each in bench.archive.trades(ETH.key, start=6, end=1 << 62)] == [
        T0 + 86_400 * 40
    ]
    bench.now = (T0 + 86_400 * 1000) * SECOND
    await bench.keeper.once()
    assert bench.files() == []
    assert bench.count("bars", "series_id = 99") == 1
    assert bench.count("trades", "source = 'import:x'") == 1
    assert bench.count("records") == 1
    assert bench.archive.candles(ETH.key, Timeframe.M1).open_ms.tolist() == [T0 * 1000, (T0 + 86_400 * 40) * 1000]


async def test_a_full_disk_gives_up_the_oldest_days_in_order(bench: Bench, recorded: list[Keep]) -> None:
    """Books first, then seconds of the COB, ...; the last day of each stays."""
    shift = 86_400
    for days in range(3):
        for each in recorded[::20]:
            moved = msgspec.structs.replace(each, known_at=each.known_at + days * shift * SECOND, bars=())
            column = each.column
            if column is not None:
                moved = msgspec.structs.replace(
                    moved, column=msgspec.structs.replace(column, second=column.second + days * shift)
                )
            bench.store.put(moved)
    await bench.store.flush()
    bench.now = recorded[-1].known_at + 2 * shift * SECOND
    columns, trades = bench.count("cob_1s"), bench.count("trades")
    bench.free = 10**8
    real = bench.store.upkeep
    given_up: list[int] = []

    async def upkeep(work: Any) -> Any:
        result = await real(work)
        given_up.append(bench.count("cob_1s"))
        if bench.count("cob_1s") < columns:
            bench.free = 10**12  # that was enough
        return result

    bench.store.upkeep = upkeep  # type: ignore[method-assign]
    outcome = await bench.keeper.once()
    assert outcome.pressed
    assert bench.keeper.pressed == ""
    assert 0 < bench.count("cob_1s") < columns
    assert bench.count("trades") == trades
    bench.store.upkeep = real  # type: ignore[method-assign]
    bench.free = 10**8
    await bench.keeper.once()
    assert bench.keeper.pressed == "100 MB free, 512 MB wanted"
    newest = max(each.known_at for each in recorded) // SECOND + 2 * shift
    assert bench.count("cob_1s", f"second > {newest - shift}") > 0


# Every moment can be the last. ----------------------------------------------------------------------------------------


class Killed(Exception):
    """The process has ended here."""


@pytest.mark.parametrize("moment", ["in the file", "before the rename", "after the rename", "in the transaction"])
async def test_packing_can_end_at_every_moment(bench: Bench, moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(50):
        bench.store.put(keep(T0 + n + 1, trades=(trade(n, T0 + n),)))
    await bench.store.flush()
    before = bench.seen(ETH.key)
    bench.now = (T0 + 100) * SECOND + 9 * DAY

    def killed(*_: Any, **__: Any) -> Any:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", lambda *_, **__: None)  # nobody cleans up after a kill
        match moment:
            case "in the file":
                patch.setattr(pl.DataFrame, "write_parquet", killed)
            case "before the rename":
                patch.setattr(Path, "replace", killed)
            case "after the rename":
                patch.setattr(bench.store, "upkeep", killed)
            case _:
                patch.setattr(module, "_replace", lambda connection, **_: killed(connection.execute("BEGIN")))
        with pytest.raises(Killed):
            await bench.keeper.once()
    await bench.store.upkeep(lambda connection: connection.rollback())
    assert bench.seen(ETH.key) == before
    assert bench.count("cold_files") == 0
    assert len(bench.files()) == 1
    assert (await bench.keeper.once()).packed == 50
    assert bench.files() == ["trades/binance_ETH-USDT/2023-11-14.1.parquet"]
    assert bench.seen(ETH.key) == before


async def test_a_row_that_comes_while_its_day_is_packed_is_not_lost(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.store.put(keep(T0 + 1, trades=(trade(1, T0),)))
    await bench.store.flush()
    bench.now = (T0 + 100) * SECOND + 9 * DAY
    real = module._replace

    def meanwhile(connection: sqlite3.Connection, **given: Any) -> None:
        connection.execute(
            f"INSERT INTO trades SELECT 1, 0, 2, {T0 * SECOND}, 1, 1, 0, 1, 1, 0, 'venue', {T0 * SECOND}"
        )
        real(connection, **given)

    monkeypatch.setattr(module, "_replace", meanwhile)
    with pytest.raises(StorageFailed, match="has 1 rows, the database 2; nothing was packed"):
        await bench.keeper.once()
    assert bench.files() == []
    monkeypatch.setattr(module, "_replace", real)
    assert (await bench.keeper.once()).packed == 2
    assert len(bench.archive.trades(ETH.key, start=0, end=1 << 62)) == 2


async def test_a_cold_file_that_is_gone_is_told(bench: Bench) -> None:
    bench.store.put(keep(T0 + 1, trades=(trade(1, T0),)))
    await bench.store.flush()
    bench.now = T0 * SECOND + 9 * DAY
    await bench.keeper.once()
    (bench.archive.cold.folder / bench.files()[0]).unlink()
    with pytest.raises(StorageFailed, match="rows were packed into it"):
        bench.archive.trades(ETH.key, start=0, end=1 << 62)
