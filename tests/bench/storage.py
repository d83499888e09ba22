"""Storage: rows in by the writer and by attached files, reads on 10 M bars, sizes of packed files, the live path.

`python -m tests.bench.storage [--rows 10000000] [--live 60] [--folder DIR]` prints JSON. What is written was recorded;
to have enough of it, it is tiled: ids go on, stamps are shifted by a constant.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import numpy as np

from engine.keep import Keep
from engine.market.bars import Bars
from engine.replay import Recording, Replay
from engine.types import MS, SECOND, Bar, Instrument, Timeframe, Trade
from storage import schema
from storage.archive import StoredArchive
from storage.bulk import Pace
from storage.connection import open_for_reading, open_for_writing
from storage.retention import Days, Policy, Retention
from storage.writer import Writer
from tests.bench import live
from tests.support.exchange import recordings_root

DAY = 86_400 * SECOND
KINDS = ("bars", "trades", "cob_1s", "cob_1m", "imbalances", "book_snapshots")


def recorded(root: Path) -> list[Keep]:
    """What the engine keeps of the recorded minutes of BTC/USDT and ETH/USDT."""
    folder = root / "hftbacktest-binance-ws" / "spot"
    replay = Replay(Recording(sorted(folder.glob("*.gz"))))
    keeps: list[Keep] = []
    replay.commands = lambda commands: keeps.extend(each for each in commands if isinstance(each, Keep))
    replay.run()
    return keeps


def shifted(keep: Keep, seconds: int, ids: int) -> Keep:
    """The same, so much later: stamps and ids go on."""
    column = keep.column
    if column is not None:
        column = msgspec.structs.replace(column, second=column.second + seconds)
    return msgspec.structs.replace(
        keep,
        known_at=keep.known_at + seconds * SECOND,
        bars=tuple((t, msgspec.structs.replace(b, open_ms=b.open_ms + seconds * 1000)) for t, b in keep.bars),
        trades=tuple(
            msgspec.structs.replace(t, id=t.id + ids, ts_exch=t.ts_exch + seconds * SECOND) for t in keep.trades
        ),
        column=column,
    )


def tiled(keeps: list[Keep], times: int, span: int = 86_400) -> list[list[Keep]]:
    return [[shifted(keep, n * span, n * 1_000_000) for keep in keeps] for n in range(1, times + 1)]


async def through_the_writer(path: Path, batches: list[list[Keep]]) -> dict[str, float]:
    """Rows a second from `put` until they are on disk."""
    async with Writer(path, Pace(most_waiting=10**9), engine=False) as writer:
        began, cpu = time.perf_counter(), time.process_time()
        for batch in batches:
            for keep in batch:
                writer.put(keep)
            await writer.flush()
        took, used = time.perf_counter() - began, time.process_time() - cpu
        view = writer.view()
    assert view.lost == 0
    return {"rows": view.rows, "rows_per_s": view.rows / took, "cpu_s_per_million": used / view.rows * 1e6}


def minute_bars(root: Path) -> list[tuple[Any, ...]]:
    """Recorded one-minute candles: opening time and values."""
    from tests.support.series import MINUTES, read

    return read(root / MINUTES / "2022" / "ETHUSDT_1m.csv").rows()


def staged(path: Path, rows: list[tuple[Any, ...]], first_ms: int, length_ms: int, count: int) -> None:
    """A file with so many bars of a second, as an import makes it."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(
        "CREATE TABLE bars (series_id, open_ms, open, high, low, close, volume, quote_volume, taker_buy, trades,"
        " complete, known_at, sequence)"
    )

    def tiles() -> Iterator[tuple[Any, ...]]:
        for number in range(count):
            _, *values = rows[number % len(rows)]
            at = first_ms + number * length_ms
            yield (1, at, *values, None, None, None, 1, (at + length_ms) * MS, -1)

    connection.execute("BEGIN")
    connection.executemany("INSERT INTO bars VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", tiles())
    connection.execute("COMMIT")
    connection.close()


async def attached(path: Path, rows: list[tuple[Any, ...]], total: int) -> dict[str, float]:
    """Rows a second of attached files, one transaction each, until the database has `total` bars of a second."""
    each, took, done, first = 1_000_000, 0.0, 0, 1_500_000_000_000
    async with Writer(path, engine=False) as writer:
        await writer.commit(_one_series)
        while done < total:
            with tempfile.TemporaryDirectory(dir=path.parent) as folder:
                file = Path(folder) / "staged.db"
                staged(file, rows, first + done * 1000, 1000, each)

                def merge(connection: sqlite3.Connection, file: Path = file) -> None:
                    connection.execute("ATTACH ? AS staged", (str(file),))
                    connection.execute("BEGIN IMMEDIATE")
                    connection.execute("INSERT INTO bars SELECT * FROM staged.bars WHERE true ON CONFLICT DO NOTHING")
                    connection.execute("COMMIT")
                    connection.execute("DETACH staged")

                began = time.perf_counter()
                await writer.upkeep(merge)
                took += time.perf_counter() - began
                done += each
    return {"rows": done, "rows_per_s": done / took}


def _one_series(connection: sqlite3.Connection) -> None:
    connection.execute(
        "INSERT INTO instruments (key, venue, symbol, base, quote, price_decimals, size_decimals, tick, contract_size)"
        " VALUES ('binance:ETH/USDT', 'binance', 'ETHUSDT', 'ETH', 'USDT', 2, 4, 1, 0)"
    )
    connection.execute("INSERT INTO series VALUES (1, 1, '1s', 'import:tiled', 30, 0, 0)")


def timed(work: Callable[[], Any], times: int = 20) -> dict[str, float]:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        took.append((time.perf_counter() - began) * 1000)
    return {"median_ms": median(took), "worst_ms": max(took)}


def reads(path: Path, total: int) -> dict[str, Any]:
    """How long reads take on the large file; each stretch is asked for the first time."""
    archive = StoredArchive(path, path.parent / "cold")
    key, s1 = "binance:ETH/USDT", Timeframe.S1
    first, dice = 1_500_000_000_000, np.random.default_rng(7)
    somewhere = iter((first + dice.integers(0, total - 4000, 400) * 1000).tolist())
    begin = time.perf_counter()
    archive.candles(key, s1, limit=1500)
    cold = (time.perf_counter() - begin) * 1000

    def one() -> None:
        at = next(somewhere)
        assert len(archive.candles(key, s1, end_ms=at + 1, limit=1)) == 1

    def known() -> None:
        at = next(somewhere)
        assert len(archive.candles(key, s1, limit=300, known_at=at * MS)) == 300

    def hour() -> None:
        at = next(somewhere)
        assert len(archive.candles(key, s1, start_ms=at, end_ms=at + 3_600_000)) == 3600

    found = {
        "latest_1500_first_ms": cold,
        "latest_1500": timed(lambda: archive.candles(key, s1, limit=1500)),
        "one_timestamp": timed(one),
        "300_known_by_a_time": timed(known),
        "one_hour_of_1s": timed(hour),
        "series_list_ms": timed(archive.series, 1)["median_ms"],
        "cache": msgspec.to_builtins(archive.cache()),
    }
    archive.close()
    return found


async def packed(path: Path, root: Path, keeps: list[Keep]) -> dict[str, float]:
    """Bytes a packed row, and of trades against the venue's messages that they came from."""
    now = max(keep.known_at for keep in keeps) + 30 * DAY
    async with Writer(path, Pace(most_waiting=10**9), engine=False) as writer:
        for keep in keeps:
            writer.put(keep)
        await writer.flush()
        archive = StoredArchive(path, path.parent / "cold")
        policy = Policy(days=dict.fromkeys(KINDS, Days(pack=1, keep=3650)), prune_below_mb=0)
        await Retention(writer, archive.cold, policy, clock=lambda: now).once()
    connection = open_for_reading(path)
    bytes_of = dict(connection.execute("SELECT kind, sum(bytes) FROM cold_files GROUP BY 1"))
    rows_of = dict(connection.execute("SELECT kind, sum(rows) FROM cold_files GROUP BY 1"))
    connection.close()
    messages = 0
    for file in (root / "hftbacktest-binance-ws" / "spot").glob("*.gz"):
        with gzip.open(file) as lines:
            messages += sum(len(line.partition(b" ")[2].strip()) for line in lines if b"@trade" in line)
    archive.close()
    return {
        **{f"{kind}_bytes_per_row": bytes_of[kind] / rows_of[kind] for kind in bytes_of},
        "trades_share_of_messages": bytes_of["trades"] / messages,
    }


async def hour_of_bars(path: Path, root: Path) -> dict[str, float]:
    """Bytes of an hour of packed bars of a second, built of recorded trades, against the venue's candles."""
    share, rows, now = [0, 0], 0, 0
    async with Writer(path, Pace(most_waiting=10**9), engine=False) as writer:
        for name in ("BTC", "ETH"):
            instrument = Instrument(
                key=f"binance:{name}/USDT", venue="binance", symbol=f"{name}USDT", base=name, quote="USDT",
                price_decimals=2, size_decimals=8,
            )  # fmt: skip
            bars = Bars(4000)
            for each in json.loads((root / "binance-spot-20201101T09" / f"{name}USDT_trades.json").read_bytes()):
                price, size = (round(float(each[key]) * scale) for key, scale in (("p", 100), ("q", 10**8)))
                ts = each["T"] * MS
                bars.cover(ts)
                count = each["l"] - each["f"] + 1
                bars.trade(
                    Trade(
                        instrument=instrument.key, id=each["a"], price=price, size=size, ts_exch=ts,
                        ts_sent=each["E"] * MS, sell=each["m"], aggregate=True, count=count,
                    )
                )  # fmt: skip
            for bar in bars.closed[Timeframe.S1]:
                now = (bar.open_ms + 1000) * MS
                writer.put(Keep(instrument=instrument, known_at=now, bars=((Timeframe.S1, bar),)))
                share[1] += len(kline(instrument, bar))
                rows += 1
        await writer.flush()
        policy = Policy(days=dict.fromkeys(KINDS, Days(pack=1, keep=3650)), prune_below_mb=0)
        archive = StoredArchive(path, path.parent / "cold")
        share[0] = (await Retention(writer, archive.cold, policy, clock=lambda: now + 30 * DAY).once()).bytes
    return {"bars": rows, "bytes_per_row": share[0] / rows, "bars_share_of_klines": share[0] / share[1]}


def kline(instrument: Instrument, bar: Bar) -> bytes:
    """A candle as the venue's REST answers write it."""
    price, size = instrument.price_scale, instrument.size_scale

    def text(value: int, scale: int) -> str:
        return f"{value / scale:.8f}"

    return json.dumps(
        [
            bar.open_ms, *(text(v, price) for v in (bar.open, bar.high, bar.low, bar.close)), text(bar.volume, size),
            bar.open_ms + 999, text(bar.quote_volume, price * size), bar.trades, text(bar.taker_buy, size),
            text(bar.taker_buy * bar.close, price * size), "0",
        ],
        separators=(",", ":"),
    ).encode()  # fmt: skip


NOTHING_KEPT = """
import storage.writer
storage.writer.Writer.put = lambda writer, keep: None
from tradetui.__main__ import main
main()
"""


def live_path(seconds: float) -> dict[str, Any]:
    """Latency of the live path at 1,000 messages a second and symbol, with rows written and without, ms."""
    found = {}
    for name, program in (("without_writing", ("-c", NOTHING_KEPT)), ("while_writing", ("-m", "tradetui"))):
        with live.exchange(1000.0) as address:
            found[name] = live.measure(address, seconds, program)[0]["latency"]
    return {**found, "p99_ratio": found["while_writing"]["p99_ms"] / found["without_writing"]["p99_ms"]}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=10_000_000)
    arguments.add_argument(
        "--live", type=float, default=0.0, help="seconds of live load, each with and without writing"
    )
    arguments.add_argument("--folder", type=Path, default=None)
    chosen = arguments.parse_args()
    root = recordings_root()
    if root is None:
        sys.exit("no recordings: set TRADETUI_RECORDINGS")
    folder = Path(tempfile.mkdtemp(dir=chosen.folder, prefix="bench-storage-"))
    try:
        keeps = recorded(root)
        slim = [msgspec.structs.replace(each, column=None, book=None, averages=()) for each in keeps]
        found: dict[str, Any] = {"schema": schema.latest(), "sqlite": sqlite3.sqlite_version}
        found["writer_bars_and_trades"] = asyncio.run(through_the_writer(folder / "slim.db", tiled(slim, 20)))
        found["writer_everything"] = asyncio.run(through_the_writer(folder / "all.db", tiled(keeps, 5)))
        open_for_writing(folder / "large.db").close()
        found["attached_files"] = asyncio.run(attached(folder / "large.db", minute_bars(root), chosen.rows))
        found["file_bytes_per_bar"] = (folder / "large.db").stat().st_size / chosen.rows
        found["reads"] = reads(folder / "large.db", chosen.rows)
        found["packed_recording"] = asyncio.run(packed(folder / "packed" / "market.db", root, keeps))
        found["packed_hour_of_bars"] = asyncio.run(hour_of_bars(folder / "hour" / "market.db", root))
        if chosen.live:
            found["live_path"] = live_path(chosen.live)
        print(json.dumps(found, indent=2))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
