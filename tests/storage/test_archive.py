"""The archive: what was known when, sources merged, longer bars built, memory that stays true."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from engine.errors import StorageFailed
from engine.keep import BookKept, Keep
from engine.ohlcv import COLUMNS, OHLCV
from engine.types import MS, SECOND, PivotPoint, Timeframe
from storage import stretches as module
from storage.archive import StoredArchive
from storage.bulk import Pace
from storage.connection import open_for_writing
from storage.rollup import merged, rolled_up
from storage.writer import Writer
from tests.storage.rows import ETH, T0, bar, keep, trade

S1, M1, M5, H1 = Timeframe.S1, Timeframe.M1, Timeframe.M5, Timeframe.H1
LAZY = Pace(rows=10**9, seconds=3600.0, most_waiting=10**7)
HOUR0 = T0 // 86_400 * 86_400


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Writer]:
    async with Writer(tmp_path / "market.db", LAZY, engine=False) as writer:
        yield writer


@pytest.fixture
async def archive(store: Writer) -> AsyncIterator[StoredArchive]:
    found = StoredArchive(store.path, store.path.parent / "cold", store.changes)
    yield found
    found.close()


def closes(candles: OHLCV) -> list[tuple[int, float]]:
    return list(zip((candles.open_ms // 1000).tolist(), candles.close.tolist(), strict=True))


def same(one: OHLCV, other: OHLCV) -> bool:
    return all(np.array_equal(getattr(one, n), getattr(other, n), equal_nan=n != "source") for n in COLUMNS)


def imported(path: Path, source: str, rank: int, timeframe: Timeframe, rows: list[tuple[int, float]]) -> None:
    """Bars of a file: opening second and price; known at their end."""
    connection = open_for_writing(path)
    connection.execute("BEGIN")
    connection.execute(
        "INSERT INTO instruments (key, venue, symbol, base, quote) VALUES (?, 'binance', '', 'ETH', 'USDT')"
        " ON CONFLICT DO NOTHING",
        (ETH.key,),
    )
    series = connection.execute(
        "INSERT INTO series (instrument_id, timeframe, source, rank) VALUES (1, ?, ?, ?) RETURNING id",
        (str(timeframe), source, rank),
    ).fetchone()[0]
    connection.executemany(
        "INSERT INTO bars VALUES (?, ?, ?, ?, ?, ?, 1.0, NULL, NULL, NULL, 1, ?, -1)",
        [(series, at * 1000, p, p, p, p, (at + timeframe.seconds) * SECOND) for at, p in rows],
    )
    connection.execute("COMMIT")
    connection.close()


# What is stored. ------------------------------------------------------------------------------------------------------


async def test_what_was_kept_is_read_again(store: Writer, archive: StoredArchive, recorded: list[Keep]) -> None:
    """Candles equal those that the engine has; trades, columns, averages and books are the same values."""
    for each in recorded:
        store.put(each)
    await store.flush()
    for key in {each.instrument.key for each in recorded}:
        mine = [each for each in recorded if each.instrument.key == key]
        assert archive.instrument(key) == mine[-1].instrument
        for timeframe in (S1, M1):
            bars = {b.open_ms: (b, k) for each in mine for t, b in each.bars if t is timeframe for k in [each.known_at]}
            whole = [
                OHLCV.of_bars(timeframe, [b], mine[0].instrument, known_at) for _, (b, known_at) in sorted(bars.items())
            ]
            assert same(archive.candles(key, timeframe), OHLCV.join(whole))
        trades = sorted((t for each in mine for t in each.trades), key=lambda t: t.id)
        assert archive.trades(key, start=0, end=1 << 62) == trades
        assert archive.trades(key, start=0, end=1 << 62, limit=10) == trades[-10:]
        known = trades[len(trades) // 2].ts_exch
        assert archive.trades(key, start=0, end=known) == [t for t in trades if t.ts_exch < known]
        columns = archive.columns(key, start_s=0, end_s=1 << 40)
        wanted = [each for each in mine if each.column is not None]
        assert [(c.column, c.averages, c.bucket, c.known_at) for c in columns] == [
            (each.column, each.averages, each.bucket, each.known_at) for each in wanted
        ]
        until = wanted[20].known_at
        assert len(archive.columns(key, start_s=0, end_s=1 << 40, known_at=until)) == 21
        books = [each for each in mine if each.book is not None]
        stored = archive.books(key, start=0, end=1 << 62)
        assert [book.ts for book in stored] == [each.known_at for each in books]
        first, scales = books[0].book, mine[0].instrument
        assert first is not None
        assert stored[0].bids[0] == (scales.price(first.bids[0][0]), scales.size(first.bids[0][1]))
        assert archive.minutes(key, start_s=0, end_s=1 << 40)[0].bucket == 10 * columns[0].bucket


async def test_nothing_is_nothing(store: Writer, archive: StoredArchive) -> None:
    key = "binance:SOL/USDT"
    assert len(archive.candles(key, S1, limit=5)) == 0
    assert archive.bounds(key, S1) is None
    assert archive.gaps(key, S1, 0, 10**15) == ()
    assert archive.trades(key, start=0, end=1 << 62) == []
    assert archive.columns(key, start_s=0, end_s=1 << 40) == []
    assert (archive.instrument(key), archive.pivot_state(key, S1), archive.series()) == (None, None, [])


async def test_a_database_that_is_not_there_is_told(tmp_path: Path) -> None:
    archive = StoredArchive(tmp_path / "none.db", tmp_path)
    with pytest.raises(StorageFailed, match="there is no database"):
        archive.candles(ETH.key, S1)


async def test_trades_of_a_file_alone_have_no_scales(store: Writer, archive: StoredArchive) -> None:
    imported(store.path, "import:x", 30, S1, [])
    connection = open_for_writing(store.path)
    connection.execute("INSERT INTO trades VALUES (1, 0, 1, 5, 1.0, 1.0, 0, 1, 1, 0, 'import:x', 5)")
    connection.close()
    assert archive.instrument(ETH.key) is None
    with pytest.raises(StorageFailed, match="scales are not known"):
        archive.trades(ETH.key, start=0, end=10)


async def test_pivots_by_level_as_they_were_known(store: Writer, archive: StoredArchive) -> None:
    pivots = tuple(
        PivotPoint(
            timeframe=M1, level=1 + n % 2, high=n % 4 < 2, ts_ms=n * 60_000, price=1.5 * n,
            confirmed_ms=(n + 2) * 60_000, known_at=(T0 + n) * SECOND,
        )
        for n in range(40)
    )  # fmt: skip
    store.put(keep(T0 + 40, pivots=pivots))
    store.put(keep(T0 + 41, pivots=pivots[:7]))
    await store.flush()
    assert archive.pivots(ETH.key, M1, per_level=100) == list(pivots)
    assert archive.pivots(ETH.key, M1, per_level=3, known_at=(T0 + 20) * SECOND) == list(pivots[15:21])
    assert archive.pivots(ETH.key, S1, per_level=3) == []


async def test_the_state_of_a_structure_is_replaced(store: Writer, archive: StoredArchive) -> None:
    store.put(keep(T0 + 1, bar(T0)))
    await store.flush()
    for until, state in ((5, b"old"), (7, b"new\x00")):
        await store.save_structure(ETH.key, M1, until, state)
    assert archive.pivot_state(ETH.key, M1) == (7, b"new\x00")
    assert archive.pivot_state(ETH.key, S1) is None
    await store.save_structure("binance:SOL/USDT", M1, 1, b"")  # nobody knows it: there are no bars of it


# What was known when. -------------------------------------------------------------------------------------------------


async def test_a_query_for_a_time_sees_what_was_known_then(store: Writer, archive: StoredArchive) -> None:
    """Every version of every bar, told in random order of time, against a plain list of what was believed."""
    dice = Random(7)
    believed: list[dict[int, float]] = []
    now: dict[int, float] = {}
    for second in range(T0, T0 + 120):
        at = dice.randrange(T0, second + 1)
        source = dice.choice(["trades", "venue"])
        if now and dice.random() < 0.1:
            gone = dice.choice(list(now))
            del now[gone]
            store.put(keep(second, withdrawn=((S1, gone * 1000),)))
        else:
            close = 200_000 + dice.randrange(500)
            now[at] = close / 100
            store.put(keep(second, bar(at, close, source=source)))
        believed.append(dict(now))
        if dice.random() < 0.3:
            await store.flush()
    await store.flush()
    for second, expected in enumerate(believed, T0):
        for known_at in (second * SECOND, second * SECOND + SECOND - 1):
            assert dict(closes(archive.candles(ETH.key, S1, known_at=known_at))) == expected
    assert dict(closes(archive.candles(ETH.key, S1))) == believed[-1]


async def test_the_newest_of_a_stretch(store: Writer, archive: StoredArchive) -> None:
    """Holes of any length are passed over; limits and ends are exact."""
    held = [T0 + n for n in (*range(10), *range(5000, 5010), 3_000_000)]
    for at in held:
        store.put(keep(at + 1, bar(at)))
    await store.flush()
    for limit in (1, 5, 11, 15, 100):
        assert [at for at, _ in closes(archive.candles(ETH.key, S1, limit=limit))] == held[-limit:]
    inside = archive.candles(ETH.key, S1, start_ms=(T0 + 5) * 1000, end_ms=(T0 + 5003) * 1000)
    assert [at for at, _ in closes(inside)] == held[5:13]
    assert len(archive.candles(ETH.key, S1, limit=0)) == 0
    assert archive.bounds(ETH.key, S1) == (T0 * 1000, held[-1] * 1000)
    gaps = archive.gaps(ETH.key, S1, 0, 1 << 50)
    assert [(gap.first_ms // 1000 - T0, gap.last_ms // 1000 - T0, gap.missing) for gap in gaps] == [
        (10, 4999, 4990), (5010, 2_999_999, 2_994_990),
    ]  # fmt: skip


# Sources. -------------------------------------------------------------------------------------------------------------


async def test_the_best_source_of_each_time(store: Writer, archive: StoredArchive) -> None:
    """Complete before incomplete, then the rank; what one source lacks another one gives."""
    imported(store.path, "import:second", 35, S1, [(T0 + n, 30.0 + n) for n in range(6)])
    imported(store.path, "import:first", 30, S1, [(T0 + n, 20.0 + n) for n in range(4)])
    store.put(keep(T0 + 9, bar(T0), bar(T0 + 1, complete=False)))
    await store.flush()
    found = archive.candles(ETH.key, S1)
    assert [close for _, close in closes(found)] == [2000.0, 21.0, 22.0, 23.0, 34.0, 35.0]
    assert found.source.tolist() == [1, 3, 3, 3, 3, 3]
    listed = [(each.source, each.rows, each.first_ms, each.gaps) for each in archive.series()]
    assert listed == [
        ("trades", 2, T0 * 1000, 0), ("import:first", 4, T0 * 1000, 0), ("import:second", 6, T0 * 1000, 0),
    ]  # fmt: skip
    early = archive.candles(ETH.key, S1, known_at=(T0 + 3) * SECOND)
    assert [close for _, close in closes(early)] == [20.0, 21.0, 22.0]


# Longer bars from shorter ones (UDS-6, UDS-7, C-43). ------------------------------------------------------------------


def minutes(count: int, first: int = HOUR0, **unknown: bool) -> OHLCV:
    dice = np.random.default_rng(3)
    opens = (first + 60 * np.arange(count)) * 1000
    walk = 2000 + dice.normal(size=(4, count)).cumsum(axis=1)
    trades = dice.integers(1, 90, count)
    taker = dice.random(count)
    if unknown:
        trades[count // 2], taker[count // 2] = -1, np.nan
    return OHLCV(
        timeframe=M1, open_ms=opens, open=walk[0], high=walk.max(axis=0) + 1, low=walk.min(axis=0) - 1, close=walk[1],
        volume=dice.random(count), quote_volume=dice.random(count), taker_buy=taker, trades=trades,
        complete=np.ones(count, np.bool_), known_at=(opens + 60_000) * MS, source=np.full(count, 3, np.uint8),
    )  # fmt: skip


def test_rolling_up_in_steps_equals_rolling_up_at_once() -> None:
    parts = minutes(60 * 50)
    steps = parts
    for timeframe in (M5, Timeframe.M15, H1, Timeframe.H4, Timeframe.D1):
        steps, once = rolled_up(steps, timeframe), rolled_up(parts, timeframe)
        for name in COLUMNS:
            assert np.allclose(
                getattr(steps, name).astype(float), getattr(once, name).astype(float), rtol=1e-12
            ), (timeframe, name)  # fmt: skip
    assert steps.complete.tolist() == [True, True, False]


def test_a_bar_is_first_open_highest_lowest_last_close_and_sums() -> None:
    parts = minutes(10, unknown=True)
    one, two = (rolled_up(parts, M5)[n : n + 1] for n in (0, 1))
    assert (one.open[0], one.close[0]) == (parts.open[0], parts.close[4])
    assert (one.high[0], one.low[0]) == (parts.high[:5].max(), parts.low[:5].min())
    assert one.volume[0] == pytest.approx(parts.volume[:5].sum(), rel=1e-12)
    assert one.trades[0] == parts.trades[:5].sum()
    assert (two.trades[0], np.isnan(two.taker_buy[0])) == (-1, True)
    assert one.complete[0]
    assert not rolled_up(parts.take(np.arange(10) != 7), M5).complete[1]
    assert len(rolled_up(parts[:0], M5)) == 0


async def test_what_is_not_stored_is_built(store: Writer, archive: StoredArchive) -> None:
    rows = [(HOUR0 + 60 * n, 100.0 + n) for n in range(60 * 30) if n not in (61, 62)]
    imported(store.path, "import:m", 30, M1, rows)
    imported(store.path, "import:h", 30, H1, [(HOUR0 + 3600 * 5, 7.0)])
    hours = archive.candles(ETH.key, H1)
    assert [at for at, _ in closes(hours)] == [HOUR0 + 3600 * n for n in range(30)]
    assert hours.close[5] == 7.0
    assert hours.close[4] == 100.0 + 299
    assert hours.complete.tolist() == [n != 1 for n in range(30)]
    days = archive.candles(ETH.key, Timeframe.D1)
    assert closes(days) == [(HOUR0, 100.0 + 60 * 24 - 1)]
    assert not days.complete[0]  # two minutes of it are missing
    assert archive.bounds(ETH.key, Timeframe.D1) == (HOUR0 * 1000, HOUR0 * 1000)
    early = archive.candles(ETH.key, H1, known_at=(HOUR0 + 3600 * 3 + 600) * SECOND)
    assert [at for at, _ in closes(early)] == [HOUR0, HOUR0 + 3600, HOUR0 + 7200]
    gaps = archive.gaps(ETH.key, M1, 0, 1 << 50)
    assert [(gap.first_ms, gap.missing) for gap in gaps] == [((HOUR0 + 61 * 60) * 1000, 2)]


async def test_what_came_later_does_not_end_a_bar(store: Writer, archive: StoredArchive) -> None:
    """Before its last second is known, or in an outage, nothing tells that a minute is over, whatever is stored now."""
    for second, known in ((0, 2), (1, 3), (58, 60), (59, 61), (63, 65), (3598, 3600)):
        store.put(keep(T0 + known, bar(T0 + second)))
    await store.flush()

    def minutes_at(second: int) -> list[int]:
        candles = archive.candles(ETH.key, M1, known_at=(T0 + second) * SECOND)
        return [open_ms // 1000 - T0 for open_ms in candles.open_ms.tolist()]

    assert minutes_at(60) == []
    assert minutes_at(61) == [0]
    assert minutes_at(1800) == [0]
    assert minutes_at(3600) == [0, 60]


async def test_a_clock_behind_the_venue_loses_no_bar(store: Writer, archive: StoredArchive) -> None:
    """A bar that is known before it has opened by our clock."""
    store.put(keep(T0, bar(T0 + 3)))
    await store.flush()
    assert len(archive.candles(ETH.key, S1, known_at=T0 * SECOND)) == 1


def test_merging_takes_the_later_known_of_equals() -> None:
    one = minutes(3)
    later = OHLCV(**{**{n: getattr(one, n) for n in COLUMNS}, "timeframe": M1, "known_at": one.known_at + 5})
    whole = merged(OHLCV.join([one, later]), np.zeros(6, np.int64))
    assert whole.known_at.tolist() == later.known_at.tolist()


# Memory. --------------------------------------------------------------------------------------------------------------


async def test_memory_answers_until_something_is_written(store: Writer, archive: StoredArchive) -> None:
    for n in range(3000):
        store.put(keep(T0 + n + 1, bar(T0 + n)))
    await store.flush()
    first = archive.candles(ETH.key, S1)
    read = archive.cache().misses
    assert same(archive.candles(ETH.key, S1), first)
    assert archive.cache().misses == read
    assert archive.cache().hits == read
    store.put(keep(T0 + 4000, bar(T0 + 2999, 200_400)))
    await store.flush()
    assert archive.candles(ETH.key, S1).close[-1] == 2004.0
    assert archive.cache().misses == read + 1, "only the stretch that was written into is read again"
    assert closes(archive.candles(ETH.key, M1))[0][0] == T0


async def test_another_process_is_seen_to_write(store: Writer) -> None:
    """Without the writer's own news, the database tells that somebody wrote."""
    reader = StoredArchive(store.path, store.path.parent / "cold")
    for n in range(3):
        store.put(keep(T0 + n + 1, bar(T0 + n)))
        await store.flush()
        assert len(reader.candles(ETH.key, S1)) == n + 1
        assert len(reader.candles(ETH.key, S1)) == n + 1
    assert reader.cache().hits == 3
    reader.close()


async def test_what_is_given_out_cannot_be_changed(store: Writer, archive: StoredArchive) -> None:
    store.put(keep(T0 + 1, bar(T0), bar(T0 + 1)))
    await store.flush()
    for candles in (archive.candles(ETH.key, S1), archive.candles(ETH.key, S1, known_at=(T0 + 9) * SECOND)):
        with pytest.raises(ValueError, match="read-only"):
            candles.close[0] = 0.0


async def test_memory_is_bounded(store: Writer, archive: StoredArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.stretches.REMEMBERED", 2)
    for n in range(5):
        store.put(keep(T0 + 5000 * n + 1, bar(T0 + 5000 * n)))
    await store.flush()
    assert len(archive.candles(ETH.key, S1)) == 5
    cache = archive.cache()
    assert (cache.held, cache.evictions) == (2, 3)


async def test_many_threads_read_while_one_writes(store: Writer, archive: StoredArchive) -> None:
    """Every answer is a state that was: bars without a hole, never fewer than before."""
    failures: list[BaseException] = []
    done = threading.Event()

    def guarded(work: Callable[[], None]) -> None:
        try:
            while not done.is_set():
                work()
        except BaseException as error:  # noqa: BLE001 - told by the test
            failures.append(error)

    def reader() -> Callable[[], None]:
        seen = [0]

        def work() -> None:
            found = archive.candles(ETH.key, S1)
            assert len(found) >= seen[0]
            assert (np.diff(found.open_ms) == 1000).all()
            seen[0] = len(found)

        return work

    threads = [threading.Thread(target=guarded, args=(reader(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for n in range(60):
        for m in range(30):
            at = T0 + 30 * n + m
            store.put(keep(at + 1, bar(at), trades=(trade(at, at),)))
        await store.flush()
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(archive.candles(ETH.key, S1)) == 1800


async def test_closing_waits_for_those_who_read(
    store: Writer, archive: StoredArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(keep(T0 + 1, bar(T0)))
    await store.flush()
    reading, go_on = threading.Event(), threading.Event()
    found: list[OHLCV] = []
    real = module.rows.stretch

    def slowly(*given: Any) -> Any:
        reading.set()
        go_on.wait(10)
        return real(*given)

    monkeypatch.setattr(module.rows, "stretch", slowly)
    reader = threading.Thread(target=lambda: found.append(archive.candles(ETH.key, S1)))
    reader.start()
    reading.wait(10)
    closing = threading.Thread(target=archive.close)
    closing.start()
    closing.join(0.05)
    assert closing.is_alive()
    go_on.set()
    closing.join()
    reader.join()
    assert len(found[0]) == 1
    with pytest.raises(StorageFailed, match="it is closed"):
        archive.candles(ETH.key, S1)


# The specification's own names. ---------------------------------------------------------------------------------------


async def test_the_views_of_the_specification(store: Writer, recorded: list[Keep]) -> None:
    for each in recorded[:200]:
        store.put(each)
    store.put(keep(T0 + 60, book=BookKept(bids=((100, 5), (99, 1)), asks=((102, 4),), sequence=7)))
    await store.flush()
    connection = open_for_writing(store.path)
    columns = {
        "ohlcv_data": "timestamp symbol timeframe open_price high_price low_price close_price trade_count",
        "trade_events": "timestamp symbol exchange price size side trade_id",
        "order_book_snapshots": "timestamp symbol exchange bids asks mid_price spread bid_volume ask_volume",
        "order_book_1s_agg": "timestamp symbol price_bucket bid_volume ask_volume imbalance",
        "order_book_imbalances": "timestamp symbol imbalance_1s imbalance_60s volume_imbalance_5s price_range",
    }
    for view, names in columns.items():
        assert connection.execute(f"SELECT {', '.join(names.split())} FROM {view}").fetchone() is not None, view
    book = connection.execute(
        f"SELECT mid_price, spread, bid_volume FROM order_book_snapshots WHERE symbol = '{ETH.key}'"
    )
    assert (1.01, 0.02, 0.0006) in book.fetchall()
    connection.close()
