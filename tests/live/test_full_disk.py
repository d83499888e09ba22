"""An engine whose disk is full says so, loses no event, and heals when there is room again."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import sqlite3
import tempfile
from pathlib import Path

import msgspec
import pytest

from engine.alerts import Alert
from engine.errors import EngineUnreachable
from engine.keep import Keep
from engine.types import SECOND, Instrument, Trade
from storage.journal import stored_events
from tradetui.client import Client, connect
from tradetui.config.sections import Addresses, Settings, Venues
from tradetui.places import Places, places
from tradetui.service import Service

T0 = 1_700_000_000 * SECOND
ETH = Instrument(
    key="binance:ETH/USDT", venue="binance", symbol="ETHUSDT", base="ETH", quote="USDT", price_decimals=2,
    size_decimals=4,
)  # fmt: skip

NOWHERE = Addresses(rest=("http://127.0.0.1:9",), ws=("ws://127.0.0.1:9",))


async def attached(where: Places) -> Client:
    while True:
        with contextlib.suppress(EngineUnreachable):
            return await connect(where, "test")
        await asyncio.sleep(0.01)


async def told(client: Client, code: str, *, active: bool) -> Alert:
    """The alert, once it is as it must become."""
    while True:
        for alert in await client.get("alerts", list[Alert]):
            if alert.code == code and alert.active is active:
                return alert
        await asyncio.sleep(0.05)


async def fill_database(service: Service, full: bool) -> None:
    """The database may not grow any more, and has more to take than it holds; or it may again."""

    def work(connection: sqlite3.Connection) -> None:
        connection.execute(f"PRAGMA max_page_count = {1 if full else 1 << 30}").fetchone()

    await service.stored.writer.upkeep(work)
    trade = Trade(instrument=ETH.key, id=0, price=1, size=1, ts_exch=T0, ts_sent=T0, sell=True)
    many = tuple(msgspec.structs.replace(trade, id=number) for number in range(20_000))
    if full:
        service.stored.writer.put(Keep(instrument=ETH, known_at=T0, trades=many))


@pytest.mark.parametrize(
    ("name", "code", "component", "hold_s"),
    [("market.db", "STORAGE_FAILED", "storage", 0), ("engine.log", "LOG_FAILED", "log", 10)],
)
def test_a_full_disk_is_told_and_heals(
    name: str, code: str, component: str, hold_s: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    where = places("default", {"HOME": str(tmp_path)})
    full, real = [False], os.write
    file = where.logs / "engine.log"

    def write(descriptor: int, data: bytes) -> int:
        if full[0] and file.exists() and os.path.samestat(os.fstat(descriptor), file.stat()):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", write)

    async def fill(service: Service, *, now: bool) -> None:
        if name == "engine.log":
            full[0] = now
        else:
            await fill_database(service, now)

    async def main(service: Service) -> None:
        async with asyncio.timeout(90):
            running = asyncio.create_task(service.run())
            async with await attached(where) as client:
                await fill(service, now=True)
                await client.command("log_level", level="debug")  # something to be logged
                alert = await told(client, code, active=True)
                assert alert.component == component
                assert "No space left on device" in alert.text
                assert alert.doing.startswith("tried again")
                await fill(service, now=False)
                await client.command("log_level", level="info")
                if not hold_s:  # what happened stays in sight for ten seconds, which is nothing to wait for
                    await told(client, code, active=False)
            service.stop("the test is over")
            await running

    with Service(Settings(venues=Venues(binance=NOWHERE)), where) as service:
        asyncio.run(main(service))
    kept = stored_events(where.database)
    assert [entry.cursor for entry in kept] == list(range(1, len(kept) + 1))
    assert next(entry.change for entry in kept if entry.alert is not None and entry.alert.code == code) == "raised"
    assert kept[-1].kind == "stop"
