"""The socket against clients of every kind: whoever misbehaves loses his connection, and nobody else notices."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import stat
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgpack
import pytest

from engine import server as served
from engine.actions import Attributed
from engine.answering import BESIDE, SEND_MOST, SUBSCRIPTIONS
from engine.digest import state_hash
from engine.errors import EngineRunning, RequestDenied, SettingsInvalid
from engine.operator import Who
from engine.peer import AT_WORK, HELLO_S, RATE, Peer
from engine.protocol import REQUEST_MOST, Asked
from engine.server import CLIENTS, SLOW_S
from engine.unix import user_of
from tests.fault.frames import open_files
from tests.support.exchange import now_ns
from tests.support.exchange.virtual_time import VirtualLoop
from tests.support.serving import KEY, Market, Stage, in_virtual_time, stage
from tests.support.wire import HELLO, Wire, packed, said

EVERYTHING: tuple[dict[str, Any], ...] = (
    {"topic": "health"},
    {"topic": "alerts"},
    {"topic": "markets"},
    {"topic": "book", "instrument": KEY, "depth": 200},
    {"topic": "cob", "instrument": KEY},
    {"topic": "trades", "instrument": KEY},
    {"topic": "heat", "instrument": KEY},
    {"topic": "events"},
    *(
        {"topic": "bars", "instrument": KEY, "timeframe": frame}
        for frame in ("1s", "1m", "5m", "15m", "1h", "4h", "1d")
    ),
)

TLS = bytes.fromhex("16030100c8010000c40303") + bytes(194)


class Honest:
    """A client that follows prices and bars, and counts what it is given."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.news = {1: 0, 2: 0}
        self.seqs: list[int] = []
        self.reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        self.wire.send(type="subscribe", id=1, topic="markets", every_ms=100)
        self.wire.send(type="subscribe", id=2, topic="bars", instrument=KEY, timeframe="1s", every_ms=100)
        async for message in self.wire:
            self.news[message["id"]] += 1
            self.seqs.append(message["seq"])

    async def end(self, seconds: float) -> None:
        """Leave; the news must have come ten times a second and in order."""
        assert not self.reading.done()
        self.reading.cancel()
        await asyncio.gather(self.reading, return_exceptions=True)
        await self.wire.close()
        for number in self.news.values():
            assert 8 * seconds <= number <= 10 * seconds + 3
        assert self.seqs == sorted(self.seqs)


@asynccontextmanager
async def busy(folder: Path, **chosen: Any) -> AsyncIterator[Stage]:
    """A stage with a moving market and an honest client, whose news must go on to the end."""
    market = Market()
    async with stage(folder, state=market.state, **chosen) as made:
        moving = asyncio.create_task(market.run())
        honest = Honest(await made.client())
        begun = now_ns()
        try:
            yield made
            await asyncio.sleep(2)
            await honest.end((now_ns() - begun) / 1e9)
        finally:
            moving.cancel()
            await asyncio.gather(moving, return_exceptions=True)


def serve_instead(made: Stage, topic: str, give: Callable[[], object]) -> None:
    """Have a topic be something else than it is."""
    real = made.topics.state
    made.topics.state = lambda asked: give() if asked.topic == topic else real(asked)  # type: ignore[method-assign]


# Who comes in. ------------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_welcome_says_who_answers(tmp_path: Path) -> None:
    market = Market()
    async with stage(tmp_path, state=market.state) as made:
        wire = await made.client()
        assert wire.welcome == {
            "type": "welcome", "protocol": 1, "version": "0.0", "pid": os.getpid(), "profile": "stage",
            "started": made.monitor.identity.started, "seq": market.state.seq,
        }  # fmt: skip
        (view,) = made.server.consoles()
        assert (view.client, view.pid, view.subscriptions, view.failed) == ("test", os.getpid(), 0, 0)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "a frame of 1195725856 bytes"),
        (TLS, "a frame of 369295616 bytes"),
        (bytes(4), "a frame of 0 bytes"),
        (b"\xff" * 4, "a frame of 4294967295 bytes"),
        (b"\x00\x00\x10\x01" + bytes(8), "a frame of 4097 bytes"),
        (said(type="get", id=1, topic="markets"), "expected hello"),
        (packed(b"\x80"), "expected hello"),
        (packed(b"\x90"), "expected hello"),
        (packed(b"\xc1"), "expected hello"),
        (packed(b"\xdf\xff\xff\xff\xff"), "expected hello"),
        (packed(b"\x81\xa4type\xa5\xff\xfe\xfd\xfc\xfb"), "expected hello"),
        (packed(b"\x82\xa4type\xa5hello\xa1x" + b"\x91" * 4000), "expected hello"),
        (said(type="hello"), "protocol"),
        (said(type="hello", protocol="1"), "protocol"),
        (said(type="hello", protocol=1, client="x" * 201), "client"),
        (said(type="hello", protocol=float("nan")), "protocol"),
    ],
)
def test_another_first_word_is_refused(words: bytes, why: str, tmp_path: Path) -> None:
    @in_virtual_time
    async def scene() -> None:
        async with busy(tmp_path) as made:
            wire = await made.client(words)
            assert wire.welcome["type"] == "refused"
            assert wire.welcome["code"] == "protocol"
            assert why in wire.welcome["reason"]
            assert await wire.rest() == []
            assert made.server.refused == 1
            (text,) = made.said("CLIENT_REFUSED")
            assert text.startswith(f"protocol: pid {os.getpid()}: ")
            assert len(made.server.consoles()) == 1

    scene()


@pytest.mark.parametrize(
    ("protocol", "older"), [(0, "the console"), (2, "the engine (stop it"), (-(2**63), "the console")]
)
def test_another_version_is_told_which_side_to_upgrade(protocol: int, older: str, tmp_path: Path) -> None:
    @in_virtual_time
    async def scene() -> None:
        async with busy(tmp_path) as made:
            wire = await made.client(said(type="hello", protocol=protocol, version="9.\x1b[2J", news={"a": [1]}))
            assert wire.welcome["code"] == "version"
            assert f"(tradetui 9.?[2J) speaks protocol {protocol}" in wire.welcome["reason"]
            assert f"protocol 1: upgrade {older}" in wire.welcome["reason"]
            assert made.said("CLIENT_REFUSED") == []  # an upgrade is no attack
            assert await wire.rest() == []

    scene()


@in_virtual_time
async def test_another_user_is_refused(tmp_path: Path) -> None:
    async with stage(tmp_path, uid=os.getuid() + 1) as made:
        wire = await made.client()
        assert (wire.welcome["code"], wire.welcome["reason"]) == ("user", "this engine belongs to another user")
        said_ = f"user: user {os.getuid()}, pid {os.getpid()}: this engine belongs to another user"
        assert made.said("CLIENT_REFUSED") == [said_]
        assert await wire.rest() == []


@in_virtual_time
async def test_a_peer_that_the_system_does_not_tell_is_refused(tmp_path: Path) -> None:
    def unknown(_sock: socket.socket) -> tuple[int, int]:
        raise OSError("no")

    async with stage(tmp_path) as made:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(served, "peer_of", unknown)
            wire = await made.client()
        assert wire.welcome["code"] == "peer"
        assert made.said("CLIENT_REFUSED") == ["peer: unknown peer: the system does not tell who you are: no"]


@in_virtual_time
async def test_a_hundred_at_once_get_in_as_far_as_there_is_room(tmp_path: Path) -> None:
    async with busy(tmp_path) as made:
        wires = await asyncio.gather(*(made.client() for _ in range(100)))
        answers = [wire.welcome.get("type") for wire in wires]
        assert answers.count("welcome") == CLIENTS - 1
        assert answers.count("refused") == 100 - CLIENTS + 1
        assert {wire.welcome["code"] for wire in wires if wire.welcome["type"] == "refused"} == {"full"}
        for wire in wires:
            await wire.close()
        await asyncio.sleep(0.2)
        again = await made.client()
        assert again.welcome["type"] == "welcome"
        await again.close()


@in_virtual_time
async def test_a_name_cannot_draw_on_the_owners_screen(tmp_path: Path) -> None:
    async with stage(tmp_path) as made:
        await made.client(said(type="hello", protocol=1, client="\x1b[31mroot\u202e\n" + "x" * 100))
        (view,) = made.server.consoles()
        assert view.client == "?[31mroot? " + "x" * 29


# Who is slow, silent or gone. ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("greeted", [False, True])
@pytest.mark.parametrize("begun", [b"\x00", b"\x00\x00", b"\x00\x00\x00\x40", b"\x00\x00\x00\x40\x81\xa4"])
def test_a_frame_that_begins_and_does_not_go_on(begun: bytes, greeted: bool, tmp_path: Path) -> None:
    @in_virtual_time
    async def scene() -> None:
        async with busy(tmp_path) as made:
            wire = await made.client(HELLO if greeted else b"")
            await asyncio.sleep(1)
            wire.writer.write(begun)
            sent = now_ns()
            answer = await wire.read()
            assert (answer["type"], answer["code"]) == ("refused", "timeout")
            waited = (now_ns() - sent) / 1e9
            assert HELLO_S - (0 if greeted else 1) <= waited + 0.01 < HELLO_S + 0.5
            assert made.said("CLIENT_REFUSED") == [f"timeout: pid {os.getpid()}: {answer['reason']}"]

    scene()


@in_virtual_time
async def test_a_drip_does_not_hold_a_frame_open(tmp_path: Path) -> None:
    async with busy(tmp_path) as made:
        wire = await made.client()
        begun = now_ns()
        wire.writer.write(b"\x00\x00\x00\x40")
        answer = asyncio.create_task(wire.read())
        while not answer.done():
            await asyncio.sleep(0.5)
            wire.writer.write(b"\x81")
        assert answer.result()["code"] == "timeout"
        assert (now_ns() - begun) / 1e9 < HELLO_S + 1


@in_virtual_time
async def test_a_quiet_client_may_stay(tmp_path: Path) -> None:
    async with busy(tmp_path) as made:
        wire = await made.client()
        await asyncio.sleep(60)
        assert (await wire.ask(type="get", id=1, topic="markets"))["type"] == "state"
        assert made.server.refused == 0


@in_virtual_time
async def test_a_client_that_leaves_in_the_middle_of_a_frame_leaves_nothing(tmp_path: Path) -> None:
    async with busy(tmp_path) as made:
        for words in (b"", b"\x00\x00", HELLO[:9], HELLO, HELLO + b"\x00\x00\x01\x00\x81"):
            made.deaf(words).close()
        await asyncio.sleep(0.2)
        assert len(made.server.consoles()) == 1
        assert made.server.refused == 0
        assert made.alerts.all() == []


@in_virtual_time
async def test_coming_and_vanishing_leaks_nothing(tmp_path: Path) -> None:
    async with busy(tmp_path) as made:
        ways = (
            b"",
            HELLO,
            HELLO + said(type="subscribe", id=1, topic="health", every_ms=100),
            b"GET / HTTP/1.1\r\n\r\n",
        )

        async def rounds(times: int) -> None:
            for _ in range(times):
                for words in ways:
                    made.deaf(words).close()
                await asyncio.sleep(0.01)
            await asyncio.sleep(1)

        def held() -> tuple[int, int, int]:
            gc.collect()
            peers = sum(isinstance(each, Peer) for each in gc.get_objects())
            return open_files(), len(asyncio.all_tasks()), peers

        await rounds(3)
        before = held()
        await rounds(75)
        assert all(now <= then for now, then in zip(held(), before, strict=True)), (before, held())


@in_virtual_time
async def test_a_client_that_never_reads_costs_a_bounded_buffer_and_goes(tmp_path: Path) -> None:
    async with busy(tmp_path) as made:
        wants = [
            said(type="subscribe", id=number, every_ms=100, **topic)
            for number, topic in enumerate(EVERYTHING, start=10)
        ]
        sock = made.deaf(HELLO, *wants)
        begun, most = now_ns(), 0
        await asyncio.sleep(0.05)
        while len(views := made.server.consoles()) == 2:
            most = max(most, *(view.waiting for view in views))
            await asyncio.sleep(0.05)
        took = (now_ns() - begun) / 1e9
        assert 0 < most < 1 << 20  # what one look delivers at once, not what piles up
        assert SLOW_S < took < SLOW_S + 40  # the kernel takes about 200 kB before anything waits
        assert made.said("CLIENT_SLOW") == [f"test, pid {os.getpid()}, did not read"]
        sock.close()


@in_virtual_time
async def test_a_client_that_asks_and_never_reads_is_let_go_at_the_limit(tmp_path: Path) -> None:
    async with busy(tmp_path) as made:
        serve_instead(made, "book", lambda: bytes(1 << 20))
        waiting: list[int] = []
        real = made.server._answering.send

        def send(client: Peer, answer: Any) -> None:
            real(client, answer)
            waiting.append(client.waiting)

        made.server._answering.send = send  # type: ignore[method-assign]
        asked = (said(type="get", id=n, topic="book", instrument=KEY, depth=n) for n in range(1, 30))
        made.deaf(HELLO, *asked)
        await asyncio.sleep(1)
        assert made.said("CLIENT_SLOW") == [f"test, pid {os.getpid()}, did not read"]
        assert SEND_MOST < max(waiting) < SEND_MOST + (1 << 20) + 1000
        assert len(made.server.consoles()) == 1


@in_virtual_time
async def test_a_large_answer_is_no_reason_to_let_go(tmp_path: Path) -> None:
    async with busy(tmp_path) as made:
        serve_instead(made, "book", lambda: bytes(3 * SEND_MOST))
        wire = await made.client()
        answer = await wire.ask(type="get", id=1, topic="book", instrument=KEY)
        assert len(answer["data"]) == 3 * SEND_MOST
        assert made.said("CLIENT_SLOW") == []


@in_virtual_time
async def test_after_a_pause_a_client_is_given_what_is_new_and_not_what_it_missed(tmp_path: Path) -> None:
    async with busy(tmp_path) as made:
        serve_instead(made, "book", lambda: [now_ns(), bytes(100_000)])
        wire = await made.client(b"", limit=2)
        wire.writer.write(HELLO + said(type="subscribe", id=1, topic="book", instrument=KEY, every_ms=100))
        await asyncio.sleep(8)
        resumed = now_ns()
        assert (await wire.read())["type"] == "welcome"
        ages = [(resumed - (await wire.read())["data"][0]) / 1e9 for _ in range(12)]
        assert sum(age > 0 for age in ages) <= 5  # what lay in the kernel and in one answer, not eighty of them
        assert made.said("CLIENT_SLOW") == []


# Who asks for much. -------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_too_many_requests_end_the_connection_and_say_so(tmp_path: Path) -> None:
    async with busy(tmp_path) as made:
        wire = await made.client()
        for number in range(3 * RATE):
            wire.send(type="unsubscribe", id=number, subscription=7)
        answers = await wire.rest()
        assert answers[-1] == {"type": "refused", "code": "rate", "reason": f"more than {RATE} requests a second"}
        assert len(answers) - 1 == 2 * RATE
        assert {answer["code"] for answer in answers[:-1]} == {"subscription"}
        assert made.said("CLIENT_REFUSED") == [f"rate: pid {os.getpid()}: more than {RATE} requests a second"]


@in_virtual_time
async def test_as_many_requests_as_are_allowed_may_go_on_for_ever(tmp_path: Path) -> None:
    async with busy(tmp_path) as made:
        wire = await made.client()
        for number in range(10 * RATE):
            assert (await wire.ask(type="get", id=number, topic="markets"))["type"] == "state"
            await asyncio.sleep(1 / RATE)
        assert made.server.refused == 0


@in_virtual_time
async def test_ten_thousand_subscriptions_are_sixty_four(tmp_path: Path) -> None:
    async with busy(tmp_path) as made:
        wire = await made.client()
        kinds: list[str] = []
        for number in range(10_000):
            wire.send(type="subscribe", id=number, topic="markets", every_ms=60_000)
            await asyncio.sleep(1 / RATE)
            while len(kinds) <= number:
                answer = await wire.read()
                if answer["type"] == "denied" or answer["id"] == len(kinds):
                    kinds.append(answer["type"])
        assert kinds == ["state"] * SUBSCRIPTIONS + ["denied"] * (10_000 - SUBSCRIPTIONS)
        assert [view.subscriptions for view in made.server.consoles()] == [2, SUBSCRIPTIONS]


@in_virtual_time
async def test_a_subscription_has_one_number_and_can_be_ended(tmp_path: Path) -> None:
    async with busy(tmp_path) as made:
        wire = await made.client()
        assert (await wire.ask(type="subscribe", id=5, topic="markets"))["type"] == "state"
        wire.send(type="subscribe", id=5, topic="health")
        while (answer := await wire.read())["type"] == "state":
            pass
        assert (answer["type"], answer["code"], answer["id"]) == ("denied", "subscription", 5)
        assert (await wire.ask(type="unsubscribe", id=6, subscription=5)) == {"type": "done", "id": 6, "text": ""}
        assert (await wire.ask(type="unsubscribe", id=7, subscription=5))["code"] == "subscription"
        await asyncio.sleep(2)
        wire.send(type="get", id=8, topic="markets")
        assert (await wire.read())["id"] == 8  # nothing came in between


@in_virtual_time
async def test_what_cannot_be_had_is_denied_with_a_way_out(tmp_path: Path) -> None:
    async with busy(tmp_path) as made:
        wire = await made.client()
        for asked, code, said_ in (
            ({"topic": "pricez"}, "unknown_topic", "did you mean price?"),
            ({"topic": ""}, "unknown_topic", "known: health"),
            ({"topic": "book", "instrument": "binance:BTC/USD"}, "unknown_instrument", f"did you mean {KEY}?"),
            ({"topic": "book"}, "unknown_instrument", KEY),
            ({"topic": "bars", "instrument": KEY, "timeframe": "2m"}, "unknown_timeframe", "1m"),
            ({"topic": "bars", "instrument": KEY}, "unknown_timeframe", "known: 1s"),
            ({"topic": "\x1b[2J" + "x" * 190}, "unknown_topic", "\\x1b[2J"),
        ):
            for kind in ("get", "subscribe"):
                answer = await wire.ask(type=kind, id=1, **asked)
                assert (answer["type"], answer["code"]) == ("denied", code)
                assert said_ in answer["reason"]
        answer = await wire.ask(type="subscribe", id=2, topic="price", instrument=KEY)
        assert (answer["code"], "markets" in answer["reason"]) == ("not_available", True)
        assert made.server.consoles()[1].subscriptions == 0


@in_virtual_time
async def test_a_topic_that_fails_ends_its_subscription_alone(tmp_path: Path) -> None:
    async with busy(tmp_path) as made:
        wire = await made.client()
        await wire.ask(type="subscribe", id=1, topic="health", every_ms=100)
        await wire.ask(type="subscribe", id=2, topic="alerts", every_ms=100)
        working = made.topics.state

        def broken(asked: Any) -> object:
            if asked.topic == "health":
                raise ZeroDivisionError("secret")
            return working(asked)

        made.topics.state = broken  # type: ignore[method-assign]
        while (answer := await wire.read())["type"] == "state":
            pass
        assert answer == {"type": "denied", "id": 1, "code": "failed", "reason": "ZeroDivisionError: see the log"}
        answer = await wire.ask(type="subscribe", id=3, topic="health")
        assert (answer["code"], answer["reason"]) == ("failed", "ZeroDivisionError: see the log")
        assert made.server.consoles()[1].subscriptions == 1
        made.topics.state = working  # type: ignore[method-assign]
        assert (await wire.ask(type="get", id=4, topic="health"))["type"] == "state"


@in_virtual_time
async def test_dear_subscriptions_do_not_keep_the_path_waiting(tmp_path: Path) -> None:
    """64 topics of 4 ms each, wanted ten times a second, are 2.5 s of work a second. A task that wants a turn every
    20 ms gets it within as much again even so, and another client its news.
    """
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    async with stage(tmp_path) as made:
        working = made.topics.state

        def dear(asked: Any) -> object:
            if asked.topic == "health":
                loop.work(0.004)
                return asked.id, now_ns()
            return working(asked)

        made.topics.state = dear  # type: ignore[method-assign]
        made.server._answering._delivery._view = lambda asked, _now: msgpack.packb(dear(asked))  # type: ignore[method-assign]
        greedy, modest = await made.client(), await made.client()
        for number in range(SUBSCRIPTIONS):
            greedy.send(type="subscribe", id=number, topic="health", every_ms=100)
        swallowing = asyncio.create_task(greedy.rest())
        await asyncio.sleep(0.5)
        modest.send(type="subscribe", id=1, topic="health", every_ms=100)
        news = asyncio.create_task(asyncio.wait_for(_count(modest, 10), 8))
        longest = 0.0
        while not news.done():
            begun = loop.time()
            await asyncio.sleep(0.02)
            longest = max(longest, loop.time() - begun - 0.02)
        await news
        assert longest < 0.02
        await greedy.close()
        await asyncio.wait_for(swallowing, 5)
        await modest.close()


async def _count(wire: Wire, number: int) -> None:
    for _ in range(number):
        assert (await wire.read())["type"] == "state"


# Frames. ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        packed(b"\x80"),
        packed(b"\xc0"),
        said(type="hello", protocol=1),
        said(type="welcome", protocol=1),
        said(type="get", id=-1, topic="health"),
        said(type="get", id=2**53 + 1, topic="health"),
        said(type="get", id=1.5, topic="health"),
        said(type="get", id="1", topic="health"),
        said(type="get", id=1, topic="x" * 201),
        said(type="get", id=1, topic="health", depth=0),
        said(type="get", id=1, topic="health", limit=5001),
        said(type="subscribe", id=1, topic="health", every_ms=99),
        said(type="subscribe", id=1, topic="health", every_ms=float("inf")),
        said(type="get", id=1, topic=None),
        said(type="command", id=1, name="stop", arguments={"a": [1]}),
        said(type="command", id=1, name="stop", arguments={"a": {"b": 1}}),
        said(type="command", id=1, name="stop", arguments={1: 1}),
        said(type="command", id=1, name="stop", arguments={"a": None}),
        said(type="command", id=1, name="stop", arguments={"x" * 201: 1}),
        packed(msgpack.packb({"type": "get", "id": 1, "topic": msgpack.ExtType(5, b"x")})),
        packed(msgpack.packb({"type": "get", "id": 1, "topic": "health"}) + b"\x00"),
        packed(b"\xdf\xff\xff\xff\xff\xa4type\xa3get"),
        packed(b"\x83\xa4type\xa3get\xa2id\x01\xa5topic\xd9\xff"),
        packed(b"\x84\xa4type\xa3get\xa2id\x01\xa5topic\xa6health\xa1x" + b"\x91" * 60_000),
        packed(b"\x84\xa4type\xa3get\xa2id\x01\xa5topic\xa6health\xa1x" + b"\x81\xa1x" * 20_000),
        packed(bytes(REQUEST_MOST))[:-1] + b"\xc1",
        (REQUEST_MOST + 1).to_bytes(4, "big") + bytes(16),
        (100 << 20).to_bytes(4, "big") + bytes(1 << 16),
    ],
)
def test_a_frame_that_is_no_request_ends_the_connection_and_says_why(words: bytes, tmp_path: Path) -> None:
    @in_virtual_time
    async def scene() -> None:
        async with busy(tmp_path) as made:
            wire = await made.client()
            wire.writer.write(words)
            answers = await wire.rest()
            assert [answer["type"] for answer in answers] == ["refused"]
            assert answers[0]["code"] == "protocol"
            assert answers[0]["reason"]
            (text,) = made.said("CLIENT_REFUSED")
            assert text.startswith(f"protocol: pid {os.getpid()}: ")

    scene()


@in_virtual_time
async def test_what_a_newer_client_adds_is_ignored(tmp_path: Path) -> None:
    async with stage(tmp_path) as made:
        wire = await made.client(said(type="hello", protocol=1, news=[1, {"a": b"x"}], extra=msgpack.ExtType(1, b"")))
        assert wire.welcome["type"] == "welcome"
        answer = await wire.ask(type="get", id=1, topic="markets", extra={"deep": [[[]]]})
        assert (answer["type"], answer["data"]) == ("state", [])


@in_virtual_time
async def test_frames_may_come_in_pieces_and_several_at_once(tmp_path: Path) -> None:
    async with stage(tmp_path) as made:
        wire = await made.client(b"")
        words = HELLO + b"".join(said(type="get", id=n, topic="markets") for n in range(5))
        for byte in words[:60]:
            wire.writer.write(bytes([byte]))
            await asyncio.sleep(0.01)
        wire.writer.write(words[60:])
        assert (await wire.read())["type"] == "welcome"
        assert [(await wire.read())["id"] for _ in range(5)] == [0, 1, 2, 3, 4]


# Commands. ----------------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_commands_are_done_denied_or_failed(tmp_path: Path) -> None:
    seen: list[Mapping[str, object]] = []

    async def good(arguments: Mapping[str, str | int | float | bool]) -> str:
        seen.append(arguments)
        return "did it"

    async def denied(_arguments: object) -> str:
        raise RequestDenied("invalid_argument", "x\x1b[2J")

    async def unwell(_arguments: object) -> str:
        raise SettingsInvalid("a setting")

    async def broken(_arguments: object) -> str:
        raise KeyError("secret")

    commands: dict[str, Callable[..., Any]] = {"good": good, "denied": denied, "unwell": unwell, "broken": broken}
    async with busy(tmp_path, commands=commands) as made:
        wire = await made.client()
        hostile = {"a": "\x1b[2J\u202e", "b": 2**64 - 1, "c": -(2**63), "": float("nan"), "d": True, "e": "x" * 200}
        assert await wire.ask(type="command", id=1, name="good", arguments=hostile) == {
            "type": "done", "id": 1, "text": "did it",
        }  # fmt: skip
        assert {name: value for name, value in seen[0].items() if name} == {k: v for k, v in hostile.items() if k}
        assert await wire.ask(type="command", id=2, name="good", arguments={str(n): n for n in range(5000)})
        assert len(seen[1]) == 5000
        for name, code, reason in (
            ("denied", "invalid_argument", "x?[2J"),
            ("unwell", "failed", "a setting"),
            ("broken", "failed", "KeyError: see the log"),
            ("gone", "unknown_command", "unknown command 'gone' (known: good, denied, unwell, broken)"),
            ("", "unknown_command", "unknown command '' (known: good, denied, unwell, broken)"),
        ):
            answer = await wire.ask(type="command", id=3, name=name)
            assert (answer["type"], answer["code"], answer["reason"]) == ("denied", code, reason)


@in_virtual_time
async def test_reading_changes_nothing(tmp_path: Path) -> None:
    market = Market()
    for _ in range(50):
        market.tick()
        await asyncio.sleep(0.1)
    async with stage(tmp_path, state=market.state) as made:
        before = state_hash(market.state)
        wire = await made.client()
        for number, topic in enumerate((*EVERYTHING, {"topic": "price", "instrument": KEY})):
            assert (await wire.ask(type="get", id=number, **topic))["type"] in ("state", "series")
        for number, topic in enumerate(EVERYTHING, start=100):
            assert (await wire.ask(type="subscribe", id=number, **topic))["type"] in ("state", "series")
        assert state_hash(market.state) == before


# Beginning and end. -------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_at_the_end_clients_are_told_and_the_socket_is_gone(tmp_path: Path) -> None:
    async with stage(tmp_path) as made:
        wires = [await made.client() for _ in range(3)]
        begun = now_ns()
        await made.stop()
        assert now_ns() - begun < 100_000_000
        for wire in wires:
            assert await wire.rest() == [{"type": "bye", "reason": "the engine is stopping"}]
        assert not made.path.exists()
        assert made.server.consoles() == ()


async def test_the_end_does_not_wait_for_clients_that_are_stuck(tmp_path: Path) -> None:
    from engine.clock import Clock

    async with stage(tmp_path, clock=Clock) as made:
        serve_instead(made, "health", lambda: bytes(1 << 20))
        stuck = [made.deaf(HELLO, said(type="get", id=1, topic="health")) for _ in range(10)]
        stuck += [made.deaf(HELLO, b"\x00\x00") for _ in range(5)]
        stuck += [made.deaf(b"GET / HTTP/1.1\r\n\r\n") for _ in range(5)]
        stuck += [made.deaf() for _ in range(5)]
        await asyncio.sleep(0.2)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await made.stop()
        assert loop.time() - begun < 0.5  # 2 s are allowed; nothing here waits for anybody
        assert not made.path.exists()
        for sock in stuck:
            sock.close()


@in_virtual_time
async def test_a_refusal_does_not_wait_for_a_peer_that_does_not_read(tmp_path: Path) -> None:
    async with busy(tmp_path) as made:
        serve_instead(made, "health", lambda: bytes(1 << 20))
        tasks = len(asyncio.all_tasks())
        sock = made.deaf(HELLO, said(type="get", id=1, topic="health"), packed(b"\xc1"))
        await asyncio.sleep(1)
        assert made.said("CLIENT_REFUSED")
        assert len(asyncio.all_tasks()) == tasks
        sock.close()


@in_virtual_time
async def test_a_refusal_reaches_a_peer_that_reads_late(tmp_path: Path) -> None:
    async with busy(tmp_path) as made:
        serve_instead(made, "health", lambda: bytes(1 << 20))
        wire = await made.client()
        wire.send(type="get", id=1, topic="health")
        wire.writer.write(packed(b"\xc1"))
        await asyncio.sleep(0.2)
        assert [answer["type"] for answer in await wire.rest()] == ["state", "refused"]


@in_virtual_time
async def test_the_socket_is_its_owners_alone(tmp_path: Path) -> None:
    async with stage(tmp_path) as made:
        facts = made.path.stat()
        assert stat.S_ISSOCK(facts.st_mode)
        assert stat.S_IMODE(facts.st_mode) == 0o600


@in_virtual_time
async def test_a_socket_that_was_taken_away_is_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "tradetui"
    folder.mkdir(parents=True)
    async with busy(folder) as made:
        made.path.unlink()
        await asyncio.sleep(1.2)
        wire = await made.client()
        assert wire.welcome["type"] == "welcome"
        assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
        await wire.close()
        made.path.unlink()
        folder.rmdir()
        folder.parent.rmdir()  # as a system does with XDG_RUNTIME_DIR after a logout
        await asyncio.sleep(1.2)
        wire = await made.client()
        assert wire.welcome["type"] == "welcome"
        await wire.close()
        assert made.alerts.all() == []


@in_virtual_time
async def test_when_too_many_files_are_open_it_takes_connections_again_later(tmp_path: Path) -> None:
    async with busy(tmp_path) as made:
        loop = asyncio.get_running_loop()
        real, failures = loop.sock_accept, [3]

        async def full(sock: socket.socket) -> tuple[socket.socket, Any]:
            if failures[0]:
                failures[0] -= 1
                raise OSError(24, "Too many open files")
            return await real(sock)

        loop.sock_accept = full  # type: ignore[method-assign]
        begun = now_ns()
        wires = [await made.client() for _ in range(2)]  # one may have been waited for already
        assert [wire.welcome["type"] for wire in wires] == ["welcome"] * 2
        assert 2.9 < (now_ns() - begun) / 1e9 < 3.1


@in_virtual_time
async def test_what_lies_where_the_socket_was_is_left_alone(tmp_path: Path) -> None:
    async with busy(tmp_path) as made:
        made.path.unlink()
        made.path.write_text("mine")
        await asyncio.sleep(3.5)
        assert made.path.read_text() == "mine"
        (alert,) = made.alerts.all()
        assert (alert.code, alert.component, alert.count) == ("COMPONENT_FAILED", "socket", 1)
        assert "is in the way" in alert.text
        made.path.unlink()
        await asyncio.sleep(1.2)
        wire = await made.client()
        assert wire.welcome["type"] == "welcome"


@in_virtual_time
async def test_the_end_takes_away_only_its_own_socket(tmp_path: Path) -> None:
    async with stage(tmp_path) as made:
        made.path.unlink()
        made.path.write_text("mine")
        await made.stop()
        assert made.path.read_text() == "mine"


@pytest.mark.parametrize("kind", ["file", "folder", "link", "dangling"])
def test_a_start_where_something_else_lies_ends_with_a_word(kind: str, tmp_path: Path) -> None:
    @in_virtual_time
    async def scene() -> None:
        place, other = tmp_path / "engine.sock", tmp_path / "other"
        other.write_text("precious")
        if kind == "file":
            place.write_text("precious")
        elif kind == "folder":
            place.mkdir()
        else:
            place.symlink_to(other if kind == "link" else tmp_path / "nowhere")
        async with stage(tmp_path, serve=False) as made:
            with pytest.raises(SettingsInvalid, match="is in the way"):
                await made.server.run()

    scene()
    assert (tmp_path / "engine.sock") in tmp_path.iterdir()
    assert (tmp_path / "other").read_text() == "precious"


@in_virtual_time
async def test_a_socket_that_was_left_behind_is_replaced_and_a_living_one_is_not(tmp_path: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "engine.sock"))
    left.close()
    async with stage(tmp_path) as made:
        assert (await made.client()).welcome["type"] == "welcome"
        async with stage(tmp_path, serve=False) as other:
            with pytest.raises(EngineRunning, match="answers at"):
                await other.server.run()
        assert (await made.client()).welcome["type"] == "welcome"
        assert made.server.refused == 0


@in_virtual_time
async def test_a_command_may_know_who_asks(tmp_path: Path) -> None:
    async def who(arguments: Mapping[str, Any], asked: Who) -> str:
        return f"{arguments['word']} {asked.user} {asked.client} {asked.pid}"

    async with busy(tmp_path, commands={"who": Attributed(who)}) as made:
        wire = await made.client()
        answer = await wire.ask(type="command", id=1, name="who", arguments={"word": "it is"})
        assert answer["text"] == f"it is {user_of(os.getuid())} test {os.getpid()}"


# What takes a while. ------------------------------------------------------------------------------------------------


class Slow:
    """Candles that never come."""

    def __init__(self, made: Stage) -> None:
        self.asked = self.dropped = 0
        made.topics.queries.answer = self.answer  # type: ignore[method-assign]

    async def answer(self, _asked: Asked) -> bytes:
        self.asked += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.dropped += 1
            raise
        raise AssertionError


@in_virtual_time
async def test_an_order_does_not_wait_for_candles(tmp_path: Path) -> None:
    done: list[str] = []

    async def act(arguments: Mapping[str, Any]) -> str:
        done.append(str(arguments["name"]))
        if arguments["name"] == "first":
            await asyncio.sleep(3)
        return "done"

    async with busy(tmp_path, commands={"act": act}) as made:
        slow = Slow(made)
        wire = await made.client()
        for number in range(BESIDE):
            wire.send(type="get", id=number, topic="history", instrument=KEY, timeframe="1m")
        wire.send(type="get", id=99, topic="history", instrument=KEY, timeframe="1m")
        wire.send(type="command", id=100, name="act", arguments={"name": "first"})
        wire.send(type="command", id=101, name="act", arguments={"name": "second"})
        answers = [await wire.read() for _ in range(3)]
        assert [(each["type"], each["id"]) for each in answers] == [("denied", 99), ("done", 101), ("done", 100)]
        assert answers[0]["code"] == "busy"
        assert done == ["first", "second"]
        assert slow.asked == AT_WORK, "the others wait for their turn"


@in_virtual_time
async def test_who_leaves_while_he_waits_is_gone_at_once(tmp_path: Path) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def act(_arguments: Mapping[str, Any]) -> str:
        begun.set()
        await asyncio.sleep(3)
        ended.set()
        return "done"

    async with busy(tmp_path, commands={"act": act}) as made:
        slow = Slow(made)
        wire = await made.client()
        wire.send(type="get", id=1, topic="history", instrument=KEY, timeframe="1m")
        wire.send(type="command", id=2, name="act", arguments={})
        await begun.wait()
        assert len(made.server.consoles()) == 2
        await wire.close()
        await asyncio.sleep(0.1)
        assert len(made.server.consoles()) == 1
        assert slow.dropped == 1
        assert not ended.is_set()
        await asyncio.sleep(3)
        assert ended.is_set(), "a command that has begun goes on"
