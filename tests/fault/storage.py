"""`kill -9` while storage ingests and imports, at random moments; then everything that was promised is looked for.

`python -m tests.fault.storage --seed N --count 200 [--from K]`: each case has its own database and lives several times.
Prints one line a case; ends with 1 if a promise was broken. A run goes on at case K with `--from K`.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from engine.keep import Keep
from engine.types import SECOND
from storage.bulk import Pace
from storage.connection import integrity_check, open_for_reading
from storage.writer import Writer
from tests.storage.rows import ETH, T0, bar, keep, trade

PACE = Pace(rows=100, seconds=2.0)
"""Two seconds instead of five: what was put two seconds before the kill must be there."""

LIVES = 3
"""Times that each database is killed."""

ROWS = 20_000
"""Of one import."""

TRADES = 15
"""Of one second."""

DOWN = 20
"""Seconds of the market's time that pass while nobody follows it."""


def news(number: int, source: str = "trades") -> Keep:
    """The second `number` of the market's time."""
    second = T0 + number
    many = range(number * TRADES, (number + 1) * TRADES)
    return keep(second + 1, bar(second, source=source), trades=tuple(trade(each, second) for each in many))


# The process that is killed. ------------------------------------------------------------------------------------------


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def live(path: Path, life: int, begin: int, lost: range, slow: bool) -> None:
    """Follow a market from a second on, write records and import files, and say what is promised."""
    async with Writer(path, PACE, clock=lambda: (T0 + begin) * SECOND) as store:
        say("ready")
        for number in lost:  # what the last kill took is asked of the venue again
            store.put(news(number, "venue"))
        await store.flush()
        say("healed")
        await asyncio.gather(_follow(store, begin, slow), _record(store, life), _import(store, life))


async def _follow(store: Writer, number: int, slow: bool) -> None:
    while True:
        store.put(news(number))
        say("put", number, time.monotonic_ns())
        number += 1
        await asyncio.sleep(0.3 if slow else 0.005)


async def _record(store: Writer, life: int) -> None:
    number = 0
    while True:
        key = f"{life}-{number}"
        await store.record("order", key, msgspec.json.encode({"n": number}), mode="paper", ts=number)
        say("record", key)
        number += 1
        await asyncio.sleep(0.002)


async def _import(store: Writer, life: int) -> None:
    number = 0
    while True:
        name = f"import:{life}-{number}"
        file = store.path.with_name(f"{name.replace(':', '-')}.staged")
        await asyncio.to_thread(_staged, file)
        await store.upkeep(lambda connection, name=name, file=file: _merge(connection, name, file))  # type: ignore[misc]
        say("import", name)
        number += 1


def _staged(file: Path) -> None:
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("CREATE TABLE staged (at, price)")
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO staged VALUES (?, ?)", ((n * 60_000, 1.0 + n) for n in range(1, ROWS + 1)))
    connection.execute("COMMIT")
    connection.close()


def _merge(connection: sqlite3.Connection, name: str, file: Path) -> None:
    connection.execute("ATTACH ? AS incoming", (str(file),))
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(
        "INSERT INTO instruments (key, venue, symbol, base, quote) VALUES (?, '', '', '', '') ON CONFLICT DO NOTHING",
        (ETH.key,),
    )
    connection.execute(
        "INSERT INTO series (instrument_id, timeframe, source, rank) SELECT id, '1m', ?, 30 FROM instruments", (name,)
    )
    connection.execute(
        "INSERT INTO bars SELECT (SELECT id FROM series WHERE source = ?), at, price, price, price, price, 1, NULL,"
        " NULL, NULL, 1, at * 1000000, -1 FROM incoming.staged",
        (name,),
    )
    connection.execute("COMMIT")
    connection.execute("DETACH incoming")


# The one that kills and looks. ----------------------------------------------------------------------------------------


class Promises:
    """What a database has been heard to promise, over its lives."""

    def __init__(self) -> None:
        self.records: set[str] = set()
        self.imports: set[str] = set()
        self.put: dict[int, int] = {}
        self.broken: list[str] = []
        self.next = 0
        self.lost = range(0)

    def hear(self, line: str) -> None:
        word, *rest = line.split()
        match word:
            case "record":
                self.records.add(rest[0])
            case "import":
                self.imports.add(rest[0])
            case "put":
                self.put[int(rest[0])] = int(rest[1])
            case "healed":
                self.lost = range(0)

    def expect(self, fact: bool, what: str) -> None:
        if not fact:
            self.broken.append(what)


def one_life(path: Path, promises: Promises, life: int, dice: random.Random) -> None:
    """Start, kill at a random moment, and look."""
    slow, wait = dice.random() < 0.2, dice.choice([0.0, 0.05, 0.3, 1.2]) * dice.random()
    during_start = dice.random() < 0.1
    lost = promises.lost
    command = [sys.executable, "-m", "tests.fault.storage", "--live", str(path), str(life), str(promises.next)]
    process = subprocess.Popen(
        [*command, str(lost.start), str(lost.stop), str(int(slow))],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    if during_start:
        time.sleep(dice.random())
    else:
        for line in process.stdout:
            promises.hear(line)
            if line.strip() == "healed":
                break
        time.sleep(3 * wait if slow else wait)
    killed = time.monotonic_ns()
    process.kill()
    for line in process.stdout:  # the last line may be torn
        if line.endswith("\n"):
            promises.hear(line)
    error = process.stderr.read()
    process.wait()
    process.stdout.close()
    process.stderr.close()
    promises.expect("Traceback" not in error, error[-500:])
    if promises.put:
        asyncio.run(look(path, promises, killed))


async def look(path: Path, promises: Promises, killed: int) -> None:
    """Open as the next engine does, and compare with what was promised."""
    expect = promises.expect
    begin = max(promises.put) + DOWN
    async with Writer(path, PACE, clock=lambda: (T0 + begin) * SECOND) as store:
        store._engine = False  # this one has looked only; the next one begins as after the kill
    connection = open_for_reading(path)
    try:
        integrity_check(connection, path)
        kept = [row[0] for row in connection.execute("SELECT client_key FROM records")]
        expect(len(kept) == len(set(kept)), "a record is there twice")
        expect(promises.records <= set(kept), f"records are lost: {sorted(promises.records - set(kept))[:3]}")
        sizes = dict(
            connection.execute(
                "SELECT s.source, (SELECT count(*) FROM bars b WHERE b.series_id = s.id) FROM series s"
                " WHERE s.rank = 30"
            )
        )
        expect(set(sizes.values()) <= {ROWS}, f"an import is there in part: {sizes}")
        expect(promises.imports <= set(sizes), "an import is lost")
        stored = {
            row[0] // 1000 - T0
            for row in connection.execute(
                "SELECT open_ms FROM bars b JOIN series s ON s.id = b.series_id WHERE s.timeframe = '1s'"
            )
        }
        volume = connection.execute("SELECT count(*), count(DISTINCT trade_id), min(size), max(size) FROM trades")
        trades, distinct, least, most = volume.fetchone()
        expect(trades == distinct == TRADES * len(stored), f"{trades} trades, {distinct} ids, {len(stored)} seconds")
        expect(least == most, "a trade has changed")
        doubled = connection.execute(
            "SELECT count(*) - count(DISTINCT open_ms) FROM bars b JOIN series s ON s.id = b.series_id"
            " WHERE s.timeframe = '1s'"
        )
        expect(doubled.fetchone()[0] == 0, "a bar is there twice")
        missing = sorted(set(promises.put) - stored)
        late = [n for n in missing if promises.put[n] < killed - int(PACE.seconds * SECOND)]
        expect(not late, f"rows are lost that were put {[(killed - promises.put[n]) / SECOND for n in late[:3]]} s ago")
        if stored:
            last = max(stored)
            expect(not [n for n in missing if n < last], "a second in the middle is lost")
            gap = connection.execute(
                "SELECT first_ms / 1000, last_ms / 1000 FROM gaps WHERE reason = 'process ended' AND first_ms = ?",
                ((T0 + last + 1) * 1000,),
            ).fetchone()
            expect(gap == (T0 + last + 1, T0 + begin - 1), f"the stretch after second {last} is listed as {gap}")
            promises.lost = range(last + 1, begin)
            healed = connection.execute(
                "SELECT count(*) FROM gaps WHERE healed_at IS NULL AND last_ms < ?", ((T0 + last) * 1000,)
            )
            expect(healed.fetchone()[0] == 0, "a gap whose bars are there is listed as open")
        else:
            promises.lost = range(begin)
        promises.put = dict.fromkeys(promises.lost, killed + 3600 * SECOND) | {
            n: promises.put.get(n, 0) for n in stored
        }
        promises.next = begin
    finally:
        connection.close()


def case(seed: int, number: int) -> list[str]:
    """Kill one database several times; return what was broken."""
    dice = random.Random(f"{seed}-{number}")
    promises = Promises()
    with tempfile.TemporaryDirectory(prefix="kill-") as folder:
        for life in range(LIVES):
            one_life(Path(folder) / "market.db", promises, life, dice)
    return promises.broken


def main() -> None:
    if sys.argv[1:2] == ["--live"]:
        path, life, begin, first, stop, slow = sys.argv[2:]
        asyncio.run(live(Path(path), int(life), int(begin), range(int(first), int(stop)), slow == "1"))
        return
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--count", type=int, default=200, help="kills; each database is killed three times")
    arguments.add_argument("--from", type=int, default=0, dest="first")
    chosen = arguments.parse_args()
    broken = 0
    cases = -(-chosen.count // LIVES)
    for number in range(chosen.first, chosen.first + cases):
        found = case(chosen.seed, number)
        broken += bool(found)
        print(f"case {number}: {'; '.join(found) or 'holds'}", flush=True)
    print(f"{cases * LIVES} kills, {broken} cases broken")
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
