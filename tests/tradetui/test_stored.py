"""Storage of a profile: what it tells when something is wrong, and engines whose database cannot be used."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from engine.alerts import CATALOGUE, Alert
from engine.errors import EngineUnreachable
from engine.health import HealthView
from storage.archive import StoredArchive
from storage.journal import EventJournal, stored_events
from tests.storage.rows import T0, bar, keep, trade
from tradetui.client import Client, connect
from tradetui.config.sections import Addresses, Settings, Storage, Venues
from tradetui.places import Places, places
from tradetui.service import Service
from tradetui.stored import Stored, policy

SETTINGS = Settings(
    venues=Venues(binance=Addresses(rest=("http://127.0.0.1:9",), ws=("ws://127.0.0.1:9",))),
)


@pytest.fixture
def where(monkeypatch: pytest.MonkeyPatch) -> Iterator[Places]:
    monkeypatch.setattr(tempfile, "tempdir", None)
    # The folders of pytest are too long for a socket's path.
    with tempfile.TemporaryDirectory(prefix="tt") as home:
        yield places("default", {"HOME": home})


def codes(stored: Stored) -> list[str]:
    return [cause.code for cause in stored.troubles()] + [cause.code for cause, _ in stored.news()]


def test_the_usual_policy_is_the_ruling() -> None:
    days = {table: (each.pack, each.keep) for table, each in policy(Storage()).days.items()}
    assert days == {
        "book_snapshots": (1, 30), "cob_1s": (2, 60), "cob_1m": (2, 60), "imbalances": (2, 60), "trades": (7, 90),
        "bars": (7, 730),
    }  # fmt: skip


async def test_everything_that_can_be_wrong_is_told(where: Places) -> None:
    stored = Stored(where, Storage(waiting_rows=1000))
    await stored.writer.open()
    assert codes(stored) == []
    stored.writer.put(keep(T0, bar(T0, volume=-1)))
    await stored.writer.flush()
    assert codes(stored) == ["ROWS_REFUSED"]
    assert codes(stored) == [], "it is told once"
    for n in range(3):
        stored.writer.put(keep(T0 + n, trades=tuple(trade(1000 * n + each, T0 + n) for each in range(600))))
    assert codes(stored) == ["ROWS_LOST"]
    stored.retention.pressed = "1 MB free, 512 MB wanted"
    stored.backup.last_error = "no room"
    stored.writer.error = "locked"
    assert codes(stored) == ["STORAGE_FAILED", "STORAGE_PRESSED", "BACKUP_FAILED"]
    assert set(codes(stored)) <= CATALOGUE.keys()
    stored.writer.error = ""
    await stored.close()


def test_a_replay_is_neither_packed_nor_copied(where: Places) -> None:
    assert [part.name for part in Stored(where, Storage()).parts()] == ["storage", "retention", "backup"]
    replay = places("default/4711", {"HOME": str(where.state)})
    assert [part.name for part in Stored(replay, Storage()).parts()] == ["storage"]
    assert replay.database.is_relative_to(replay.state), "it goes with the replay"


def run(where: Places, scene: Callable[[Service, Client], Awaitable[None]]) -> None:
    async def main(service: Service) -> None:
        async with asyncio.timeout(60):
            running = asyncio.create_task(service.run())
            while True:
                with contextlib.suppress(EngineUnreachable):
                    client = await connect(where, "test")
                    break
                await asyncio.sleep(0.01)
            async with client:
                await scene(service, client)
            service.stop("the test is over")
            await running

    with Service(SETTINGS, where) as service:
        asyncio.run(main(service))


def database_of(where: Places, damage: str) -> bytes:
    where.make()
    connection = sqlite3.connect(where.database)
    connection.execute("CREATE TABLE other (x)" if damage == "foreign" else "PRAGMA user_version = 99")
    connection.commit()
    connection.close()
    if damage == "corrupted":
        where.database.write_bytes(b"\x00damaged" * 2000)
    return where.database.read_bytes()


@pytest.mark.parametrize("damage", ["foreign", "corrupted"])
def test_an_engine_whose_database_cannot_be_used_goes_on_without_it(where: Places, damage: str) -> None:
    before = database_of(where, damage)

    async def scene(service: Service, client: Client) -> None:
        found: list[Alert] = []
        while not found:
            found = [each for each in await client.get("alerts", list[Alert]) if each.code == "STORAGE_FAILED"]
            await asyncio.sleep(0.05)
        assert found[0].active
        assert ("of another program" if damage == "foreign" else "is not a database") in found[0].text
        assert found[0].doing == "the market goes on without it; tried again"
        health = await client.get("health", HealthView)
        assert {part.name: str(part.state) for part in health.components}["storage"] == "running"

    run(where, scene)
    assert where.database.read_bytes() == before


def test_an_engine_takes_over_the_old_journal(where: Places) -> None:
    where.make()

    journal = EventJournal()
    for number in range(3):
        journal.append(T0, number, "start", text=f"old {number}")
    where.journal.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in journal.after(0, 9)))

    async def scene(service: Service, client: Client) -> None:
        del client
        assert service.stored.writer.is_open

    run(where, scene)

    assert [entry.text for entry in stored_events(where.database)][:3] == ["old 0", "old 1", "old 2"]
    assert not where.journal.exists()


def test_a_replay_in_the_foreground_can_write_a_database(recordings_root_path: Path, tmp_path: Path) -> None:
    recording = recordings_root_path / "hftbacktest-binance-ws" / "spot" / "ethusdt_20240808.gz"
    file, report = tmp_path / "replay.db", tmp_path / "report.json"
    command = [sys.executable, "-m", "tradetui", "--headless", "--replay", str(recording), "--speed", "max"]
    command += ["--database", str(file), "--report", str(report)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    archive = StoredArchive(file, tmp_path / "cold")
    rows = {each.timeframe: each.rows for each in archive.series()}
    archive.close()
    streams = json.loads(report.read_bytes())["streams"]
    assert rows["1s"] > 300
    played = next(iter(streams.values()))["trades"]
    assert played - 50 < rows["trades"] <= played, "all but those of the last second, which did not end"
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert "it is there already; a replay writes a new one" in again.stderr
