"""Starting an engine from a console: one that stays, one for all who come at once, and words when it does not start."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from engine.errors import EngineUnreachable
from tests.support.wire import said
from tradetui import launch
from tradetui.client import Client, connect
from tradetui.launch import attach
from tradetui.lock import Holder, ProfileLock, holder_of, is_held
from tradetui.places import Places, places


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Places]:
    """A home with settings that lead nowhere; an engine that is still there at the end is ended."""
    config = tmp_path / ".config" / "tradetui"
    config.mkdir(parents=True)
    (config / "config.toml").write_text('[venues.binance]\nrest = ["http://127.0.0.1:9"]\nws = ["ws://127.0.0.1:9"]\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    found = places("default")
    assert tmp_path in found.state.parents
    yield found
    asyncio.run(stopped(found))


async def stopped(where: Places) -> None:
    """End the engine of a profile, if one runs."""
    if not is_held(where.lock):
        return
    with contextlib.suppress(EngineUnreachable):
        client = await connect(where, "end")
        await client.command("stop")
        await client.close()
    async with asyncio.timeout(20):
        while is_held(where.lock):  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def opened(where: Places, arguments: list[str] | None = None) -> AsyncIterator[tuple[Client, bool]]:
    client, started = await attach(where, "test", arguments or [])
    try:
        yield client, started
    finally:
        await client.close()


async def test_the_first_who_comes_starts_an_engine_and_the_next_attaches(where: Places) -> None:
    said_: list[str] = []
    client, started = await attach(where, "test", ["--symbol", "ETH/USDT"], said_.append)
    assert (started, said_) == (True, ["starting engine"])
    pid = client.welcome.pid
    assert os.getsid(pid) == pid != os.getsid(0)  # a session of its own: no hang-up reaches it
    await client.close()
    async with opened(where) as (again, started):
        assert (again.welcome.pid, started) == (pid, False)
    await stopped(where)
    assert not where.socket.exists()
    assert holder_of(where.lock) is None


async def test_all_who_come_at_once_get_the_same_engine(where: Places) -> None:
    attached = await asyncio.gather(*(attach(where, f"test {number}", []) for number in range(3)))
    pids = {client.welcome.pid for client, _ in attached}
    assert len(pids) == 1
    assert [started for _, started in attached].count(True) == 1
    for client, _ in attached:
        await client.close()


@pytest.mark.parametrize(
    ("arguments", "config", "words"),
    [
        (["--symbol", "kraken:BTC/USD"], "", "known are binance"),
        ([], "[nonsense]\nx = 1\n", "nonsense"),
        (["--record", "/proc/nothing"], "", "cannot record into /proc/nothing"),
    ],
)
async def test_an_engine_that_does_not_start_says_why(
    arguments: list[str], config: str, words: str, where: Places, tmp_path: Path
) -> None:
    if config:
        (tmp_path / ".config/tradetui/config.toml").write_text(config)
    with pytest.raises(EngineUnreachable, match=r"the engine ended at its start \(exit 2\)") as failed:
        await attach(where, "test", arguments)
    assert words in str(failed.value)
    assert not is_held(where.lock)


def test_an_engine_outlives_whoever_started_it(where: Places) -> None:
    code = (
        "import asyncio, os\nfrom tradetui.launch import attach\nfrom tradetui.places import places\n"
        "async def main():\n"
        "    client, _ = await attach(places('default'), 'short-lived', [])\n"
        "    print(client.welcome.pid, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=launch.ROOT)
    assert done.returncode == -9

    async def look() -> None:
        async with opened(where) as (client, started):
            assert (client.welcome.pid, started) == (int(done.stdout), False)

    asyncio.run(look())


async def test_an_engine_that_is_starting_is_waited_for_and_no_other_started(
    where: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "PATIENCE_S", 0.3)
    where.make()
    lock = ProfileLock(where.lock)
    lock.acquire(Holder(pid=4711, socket=str(where.socket), started=2**62))
    with pytest.raises(EngineUnreachable, match="starting or stopping"):
        await attach(where, "test", [])
    assert list(where.logs.iterdir()) == []
    lock.release()


async def test_an_engine_that_refuses_us_is_not_replaced(where: Places) -> None:
    where.make()

    async def refuse(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said(type="refused", code="version", reason="upgrade the console"))
        writer.close()

    from engine.unix import bound

    server = await asyncio.start_unix_server(refuse, sock=bound(where.socket))
    with pytest.raises(EngineUnreachable, match="upgrade the console"):
        await attach(where, "test", [])
    server.close()
    await asyncio.sleep(0.01)
    assert list(where.logs.iterdir()) == []


def test_first_words_are_kept_for_the_person(where: Places) -> None:
    where.make()
    started = launch.Launch(where, ["--symbol", "kraken:BTC/USD"])
    started._process.wait(20)
    ended = started.ended()
    assert ended is not None
    assert "kraken" in ended
    assert "kraken" in (where.logs / "engine.start").read_text()
    assert json.dumps(ended).isascii()
