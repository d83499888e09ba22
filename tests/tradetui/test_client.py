"""The product's own client: answers find their askers, and every way of not being answered has its words."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgpack
import msgspec
import pytest

from engine.errors import EngineUnreachable, RequestDenied
from engine.protocol import Series, State
from engine.unix import bound, reachable
from engine.views import BarRow, MarketRow
from tests.support.exchange import run_virtual
from tests.support.wire import HEADER, packed, said
from tests.tradetui.fake_engine import FakeEngine
from tradetui import client as clients
from tradetui.client import ANSWER_S, Client, connect, engine_of
from tradetui.lock import Holder, ProfileLock
from tradetui.places import Places, places

Talk = Callable[["Peer"], Awaitable[None]]


@pytest.fixture
def where(tmp_path: Path) -> Places:
    made = places("default", {"HOME": str(tmp_path)})
    made.make()
    return made


class Peer:
    """The engine's end of a connection, spoken by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def read(self) -> dict[str, Any]:
        (length,) = HEADER.unpack(await self.reader.readexactly(4))
        message: dict[str, Any] = msgpack.unpackb(await self.reader.readexactly(length))
        return message

    def send(self, **message: Any) -> None:
        self.writer.write(said(**message))

    async def welcome(self, **changed: Any) -> None:
        assert (await self.read())["type"] == "hello"
        fields = {"protocol": 1, "version": "1", "pid": 4711, "profile": "default", "started": 1, "seq": 5}
        self.send(type="welcome", **{**fields, **changed})

    def state(self, number: int, data: object, topic: str = "x") -> None:
        self.send(type="state", id=number, topic=topic, instrument="", seq=1, ts=1, data=data)


@contextlib.asynccontextmanager
async def engine(where: Places, talk: Talk) -> AsyncIterator[None]:
    """An engine that speaks as `talk` does."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await talk(Peer(reader, writer))
        writer.close()

    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_unix_server(accept, sock=bound(where.socket))
    try:
        yield
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await asyncio.sleep(0.01)


def meeting(where: Places, talk: Talk, scene: Callable[[Client], Awaitable[None]]) -> None:
    """Connect to such an engine and play a scene, in virtual time."""

    async def main() -> None:
        async with engine(where, talk), engine_of(where, "test") as client:
            await scene(client)

    run_virtual(main)


async def refused(where: Places) -> EngineUnreachable:
    with pytest.raises(EngineUnreachable) as error:
        await connect(where, "test")
    return error.value


# Answers. -----------------------------------------------------------------------------------------------------------


def test_answers_find_their_askers_in_any_order(where: Places) -> None:
    async def talk(peer: Peer) -> None:
        await peer.welcome()
        asked = [await peer.read() for _ in range(3)]
        for request in reversed(asked):
            peer.state(request["id"], request["topic"])
        await peer.read()

    async def scene(client: Client) -> None:
        found = await asyncio.gather(*(client.get(topic, str) for topic in ("a", "b", "c")))
        assert found == ["a", "b", "c"]
        assert (client.welcome.pid, client.welcome.seq) == (4711, 5)

    meeting(where, talk, scene)


def test_what_is_asked_is_what_arrives(where: Places) -> None:
    seen: list[dict[str, Any]] = []

    async def talk(peer: Peer) -> None:
        await peer.welcome()
        seen.append(await peer.read())
        peer.send(type="series", id=seen[-1]["id"], topic="bars", instrument="x", timeframe="1m", seq=1, ts=1,
                  cursor="a.1", reset=True, rows=[[60_000, 1.0, 2.0, 0.5, 1.5, 3.0, 4, 1.0, True, True, "trades"]],
        )  # fmt: skip
        seen.append(await peer.read())
        peer.send(type="done", id=seen[-1]["id"], text="did it")

    async def scene(client: Client) -> None:
        (row,) = await client.rows("bars", BarRow, instrument="x", timeframe="1m", limit=7, since="a.0")
        assert (row.open_ms, row.close, row.source) == (60_000, 1.5, "trades")
        assert await client.command("log_level", level="debug", times=3) == "did it"

    meeting(where, talk, scene)
    asked = {"topic": "bars", "instrument": "x", "timeframe": "1m", "limit": 7, "since": "a.0", "depth": 20,
             "start_ms": None, "end_ms": None}  # fmt: skip
    assert {name: value for name, value in seen[0].items() if name not in ("id", "type")} == asked
    assert (seen[1]["name"], seen[1]["arguments"]) == ("log_level", {"level": "debug", "times": 3})


def test_a_denial_is_an_error_with_its_code_and_the_connection_goes_on(where: Places) -> None:
    async def talk(peer: Peer) -> None:
        await peer.welcome()
        for _ in range(2):
            request = await peer.read()
            peer.send(type="denied", id=request["id"], code="unknown_topic", reason="no such topic")
        peer.state((await peer.read())["id"], [])
        await peer.read()

    async def scene(client: Client) -> None:
        with pytest.raises(RequestDenied, match="no such topic") as denied:
            await client.get("x", str)
        assert denied.value.code == "unknown_topic"
        with pytest.raises(RequestDenied):
            await client.subscribe("x", lambda _news: None)
        assert client._callbacks == {}
        assert await client.get("markets", list[MarketRow]) == []

    meeting(where, talk, scene)


def test_news_go_to_their_callbacks_until_the_subscription_ends(where: Places) -> None:
    async def talk(peer: Peer) -> None:
        await peer.welcome()
        first, second = await peer.read(), await peer.read()
        for number in range(3):
            peer.state(first["id"], number)
            peer.state(second["id"], -number)
        ended = await peer.read()
        assert ended["subscription"] == first["id"]
        peer.state(first["id"], 99)
        peer.send(type="done", id=ended["id"])
        peer.state(second["id"], -3)
        peer.state(12345, "nobody asked")
        await peer.read()

    async def scene(client: Client) -> None:
        one: list[int] = []
        two: list[int] = []

        def into(seen: list[int]) -> Callable[[State | Series], None]:
            return lambda news: seen.append(msgspec.msgpack.decode(getattr(news, "data", b"")))

        first, _ = await asyncio.gather(client.subscribe("a", into(one)), client.subscribe("b", into(two)))
        await asyncio.sleep(0.1)
        await client.unsubscribe(first)
        await asyncio.sleep(0.1)
        assert one == [0, 1, 2]
        assert two == [0, -1, -2, -3]

    meeting(where, talk, scene)


@pytest.mark.parametrize("answer", ["state", "series", "done"])
def test_an_answer_of_another_kind_is_said_to_be_one(answer: str, where: Places) -> None:
    async def talk(peer: Peer) -> None:
        await peer.welcome()
        number = (await peer.read())["id"]
        peer.send(type=answer, id=number, topic="x", instrument="", timeframe="", seq=1, ts=1, cursor="", reset=True,
                  rows=[], data=None)  # fmt: skip
        await peer.read()

    async def scene(client: Client) -> None:
        ask = client.rows("x", str) if answer == "state" else client.get("x", str)
        with pytest.raises(EngineUnreachable, match=f"gave a {answer.capitalize()} for x"):
            await ask

    meeting(where, talk, scene)


def test_no_answer_in_time_is_said_and_a_late_one_is_dropped(where: Places) -> None:
    async def talk(peer: Peer) -> None:
        await peer.welcome()
        first = await peer.read()
        await asyncio.sleep(ANSWER_S + 1)
        peer.state(first["id"], "late")
        peer.state((await peer.read())["id"], "in time")
        await peer.read()

    async def scene(client: Client) -> None:
        with pytest.raises(EngineUnreachable, match=r"pid 4711\) does not answer"):
            await client.get("x", str)
        await asyncio.sleep(2)
        assert await client.get("x", str) == "in time"

    meeting(where, talk, scene)


# The end. -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (said(type="bye", reason="the engine is stopping"), "the engine is stopping"),
        (said(type="refused", code="rate", reason="more than 200"), "more than 200"),
        (b"", "the engine closed the connection"),
        (b"\0\0", "the engine closed the connection"),
        (b"\0\0\0\x09abc", "the engine closed the connection"),
        (packed(b"\xc1"), "not understood"),
        (packed(b"\x91" * 5000), "not understood"),
        (packed(b"\x81\xa4type\xa5\xff\xff\xff\xff\xff"), "not understood"),
        (said(type="news"), "not understood"),
        (said(type="state", id=1), "not understood"),
        (b"\xff\xff\xff\xff", "a frame of 4294967295 bytes"),
    ],
)
def test_how_it_ended_is_said_to_all_who_wait_and_all_who_come(words: bytes, why: str, where: Places) -> None:
    async def talk(peer: Peer) -> None:
        await peer.welcome()
        for _ in range(2):
            await peer.read()
        peer.writer.write(words)

    async def scene(client: Client) -> None:
        waiting = [asyncio.create_task(client.get("x", str)), asyncio.create_task(client.command("y"))]
        assert why in await client.lost()
        for task in waiting:
            with pytest.raises(EngineUnreachable, match=why):
                await task
        with pytest.raises(EngineUnreachable, match=why):
            await client.get("x", str)

    meeting(where, talk, scene)


def test_news_that_break_the_callback_end_the_connection_with_a_word(
    where: Places, caplog: pytest.LogCaptureFixture
) -> None:
    async def talk(peer: Peer) -> None:
        await peer.welcome()
        request = await peer.read()
        peer.state(request["id"], 1)
        peer.state(request["id"], 2)
        await peer.read()

    def broken(_news: object) -> None:
        raise ZeroDivisionError("odd")

    async def scene(client: Client) -> None:
        await client.subscribe("x", broken)
        assert await client.lost() == "a fault of ours: ZeroDivisionError: odd"

    meeting(where, talk, scene)
    assert "news could not be taken in" in caplog.text


def test_closing_waits_for_nobody(where: Places) -> None:
    async def talk(peer: Peer) -> None:
        await peer.welcome()
        await asyncio.sleep(60)

    async def scene(client: Client) -> None:
        waiting = asyncio.create_task(client.get("x", str))
        await asyncio.sleep(0)
        begun = asyncio.get_running_loop().time()
        await client.close()
        assert asyncio.get_running_loop().time() == begun
        with pytest.raises(EngineUnreachable, match="has ended"):
            await waiting

    meeting(where, talk, scene)


# Coming in. ---------------------------------------------------------------------------------------------------------


async def test_without_an_engine_it_says_how_to_start_one(where: Places) -> None:
    error = await refused(where)
    assert str(error) == (
        "no engine of profile 'default' is running; start one with `tradetui` or `tradetui --headless`"
    )
    assert (error.hung, error.starting) == (False, False)
    bound(where.socket).close()  # what a killed engine leaves
    assert str(await refused(where)) == str(error)
    other = places("other", {"HOME": str(where.state.parents[3])})
    assert str(await refused(other)).endswith("`tradetui --headless --profile other`")


@pytest.mark.parametrize("socket_there", [False, True])
async def test_an_engine_that_holds_the_lock_and_has_no_socket_yet_is_starting(
    socket_there: bool, where: Places
) -> None:
    lock = ProfileLock(where.lock)
    lock.acquire(Holder(pid=4711, socket=str(where.socket), started=time.time_ns()))
    if socket_there:
        bound(where.socket).close()
    error = await refused(where)
    assert "is starting or stopping; try again" in str(error)
    assert (error.hung, error.starting) == (True, True)
    lock.release()


async def test_an_engine_whose_socket_was_taken_away_is_named_with_what_to_do(where: Places) -> None:
    lock = ProfileLock(where.lock)
    lock.acquire(Holder(pid=4711, socket=str(where.socket), started=time.time_ns() - 60_000_000_000))
    error = await refused(where)
    for word in ("pid 4711", "stopping, or somebody took away its socket", str(where.socket), "`kill 4711`"):
        assert word in str(error)
    lock.release()


async def test_a_note_that_points_to_another_profiles_engine_is_not_followed(where: Places) -> None:
    """A copied state folder, or a note that a killed engine left: `stop` must not end the wrong one."""
    asked: list[str] = []

    async def talk(peer: Peer) -> None:
        await peer.welcome(profile="default", pid=99)
        asked.append((await peer.read())["type"])

    mine = places("mine", {"HOME": str(where.state.parents[3])})
    mine.make()
    lock = ProfileLock(mine.lock)
    lock.acquire(Holder(pid=4711, socket=str(where.socket), started=1))
    async with engine(where, talk):
        error = await refused(mine)
        assert f"{where.socket} belongs to the engine of profile 'default' (pid 99)" in str(error)
        assert error.hung
        lock.release()
        mine.lock.write_bytes(msgspec.json.encode(Holder(pid=4711, socket=str(where.socket), started=1)))
        error = await refused(mine)
        assert "no engine of profile 'mine' is running" in str(error)
        assert not error.hung  # so that `tradetui` starts one
    assert asked == []


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "what answers is no engine of this kind: a frame of 1213486160 bytes"),
        (packed(b"\xc1"), "what answers is no engine of this kind: not understood"),
        (said(type="bye", reason="x"), "what answers is no engine of this kind"),
        (said(type="refused", code="full", reason="32 are open"), "the engine refused the connection: 32 are open"),
    ],
)
def test_what_answers_otherwise_is_named_and_no_second_engine_is_started(words: bytes, why: str, where: Places) -> None:
    async def talk(peer: Peer) -> None:
        await peer.read()
        peer.writer.write(words)
        await peer.reader.read()

    async def main() -> None:
        async with engine(where, talk):
            error = await refused(where)
            assert why in str(error)
            assert (error.hung, error.starting) == (True, False)

    run_virtual(main)


def test_an_engine_that_says_nothing_is_said_to_hang(where: Places) -> None:
    async def talk(peer: Peer) -> None:
        await peer.reader.read()

    async def main() -> None:
        async with engine(where, talk):
            error = await refused(where)
            assert "does not answer" in str(error)
            assert error.hung

    run_virtual(main)


async def test_an_engine_that_takes_no_connections_is_said_to_start(where: Places) -> None:
    """Nobody accepts and no more may wait: the system says so in its own way."""
    lock = ProfileLock(where.lock)
    lock.acquire(Holder(pid=4711, socket=str(where.socket), started=time.time_ns()))
    with bound(where.socket) as sock, socket.socket(socket.AF_UNIX) as waiting, reachable(where.socket) as address:
        sock.listen(0)
        waiting.connect(address)
        error = await refused(where)
        assert error.hung
    lock.release()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_users_engine_is_named() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "open").mkdir()
        path = Path(folder) / "open" / "engine.sock"
        code = (
            "import asyncio, os, sys\nfrom pathlib import Path\n"
            "from tradetui.client import connect\nfrom tradetui.places import Places\n"
            "from engine.errors import EngineUnreachable\nimport encodings.idna\n"
            "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
            "folder = Path(sys.argv[1])\n"
            "where = Places(profile='default', state=folder / 'none', data=folder, runtime=folder)\n"
            "try:\n    asyncio.run(connect(where, 'x'))\nexcept EngineUnreachable as error:\n    print(error)"
        )
        with bound(path) as sock:
            sock.listen()
            done = subprocess.run(
                [sys.executable, "-c", code, str(path.parent)], capture_output=True, text=True, check=True
            )
        assert done.stdout.strip() == f"{path}: this engine belongs to another user"


def test_the_time_to_answer_is_that_of_the_page() -> None:
    assert clients.ANSWER_S == 5.0


async def test_the_last_words_of_an_engine_are_heard_although_writing_fails(tmp_path: Path) -> None:
    here = places("default", {"HOME": str(tmp_path)})
    async with FakeEngine(here) as engine:
        client = await connect(here, "test")
        await engine.stop("nothing to follow")
        asks = [client.command("log_level", level="x" * 100) for _ in range(20)]
        assert {type(each) for each in await asyncio.gather(*asks, return_exceptions=True)} == {EngineUnreachable}
        assert await client.lost() == "nothing to follow"
        await client.close()
