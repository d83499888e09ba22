"""What is answered beside its connection: floods of questions and commands, and who leaves them behind."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.answering import BESIDE, SEND_MOST, TOTAL
from engine.clock import Clock
from engine.market.price import Price
from engine.peer import AT_WORK, Peer
from engine.protocol import Asked
from engine.server import CLIENTS
from tests.support.exchange import now_ns
from tests.support.exchange.virtual_time import VirtualLoop
from tests.support.serving import KEY, Market, Stage, in_virtual_time, stage
from tests.support.wire import HELLO, packed, said

QUESTION = {"type": "get", "topic": "history", "instrument": KEY, "timeframe": "1m"}
PAST_QUESTION = {"type": "get", "topic": "order_history"}


class Reads:
    """Records that take a moment to be read, each in a thread."""

    def __init__(self, made: Stage, seconds: float) -> None:
        self.at_once = self.most = self.count = 0
        self._seconds = seconds
        self._lock = threading.Lock()
        made.topics._records = object()  # type: ignore[assignment]
        made.topics.past = self.past  # type: ignore[method-assign]

    def past(self, _asked: Asked) -> bytes:
        with self._lock:
            self.count += 1
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        time.sleep(self._seconds)
        with self._lock:
            self.at_once -= 1
        return b"\x90"


async def until(fact: Callable[[], object]) -> None:
    """Wait for what a thread does."""
    async with asyncio.timeout(30):
        while not fact():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


class Candles:
    """Questions each of which takes a second, a few at a time."""

    def __init__(self, made: Stage) -> None:
        self.asked = 0
        made.topics.queries._view = self._view  # type: ignore[method-assign]

    async def _view(self, _asked: Asked) -> object:
        self.asked += 1
        await asyncio.sleep(1)
        return None


# Who else waits. ------------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_one_connections_questions_do_not_stand_in_front_of_anothers(tmp_path: Path) -> None:
    async with stage(tmp_path) as made:
        candles = Candles(made)
        greedy, modest = await made.client(), await made.client()
        for number in range(BESIDE):
            greedy.send(id=number, **QUESTION)
        await asyncio.sleep(0.1)
        assert candles.asked == AT_WORK
        begun = now_ns()
        assert (await modest.ask(id=1, **QUESTION))["type"] == "state"
        assert (now_ns() - begun) / 1e9 < 2.1, "one second for those at work, one for itself"


async def test_the_engines_own_threads_do_not_wait_for_questions(tmp_path: Path) -> None:
    """The kill switch's note, the recorder and the daily copy are written in threads, too."""
    async with stage(tmp_path, clock=Clock) as made:
        reads = Reads(made, 0.05)
        wires = [await made.client() for _ in range(10)]
        for wire in wires:
            for number in range(BESIDE):
                wire.send(id=number, **PAST_QUESTION)
        await until(lambda: reads.count)
        before = reads.count
        await asyncio.to_thread(lambda: None)
        assert reads.count - before < 100, "640 readings were before it"
        for wire in wires:
            await wire.close()


async def test_who_asks_and_leaves_again_and_again_has_a_few_threads_at_work(tmp_path: Path) -> None:
    async with stage(tmp_path, clock=Clock) as made:
        reads = Reads(made, 0.1)
        question = said(id=1, **PAST_QUESTION)
        begun = time.monotonic()
        while time.monotonic() - begun < 1:
            made.deaf(HELLO, *[question] * 20).close()
            await asyncio.sleep(0.01)
        assert reads.count > 5
        assert reads.most <= 4
        before = reads.count
        await asyncio.to_thread(lambda: None)
        assert reads.count - before < 50, "what they left behind was before it"
        await until(lambda: not made.server._tasks and not made.server._answering.tasks)
        assert made.server.consoles() == ()


@in_virtual_time
async def test_a_flood_of_commands_does_not_keep_the_path_waiting(tmp_path: Path) -> None:
    """Twenty connections with as many commands of 2 ms as they are allowed are 8 s of work a second."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)

    async def act(_arguments: Mapping[str, Any]) -> str:
        loop.work(0.002)
        return "done"

    async with stage(tmp_path, commands={"act": act}) as made:
        wires = [await made.client() for _ in range(20)]
        for wire in wires:
            for number in range(200):
                wire.send(type="command", id=number, name="act", arguments={})
        turns, begun = 0, loop.time()
        while loop.time() - begun < 1:
            await asyncio.sleep(0.001)
            turns += 1
        assert turns > 40, "without a rest for who commands there are thirteen"


# Who is refused, and when. --------------------------------------------------------------------------------------------


@in_virtual_time
async def test_the_kill_switch_is_never_busy(tmp_path: Path) -> None:
    killed: list[int] = []

    async def act(_arguments: Mapping[str, Any]) -> str:
        await asyncio.Event().wait()
        return "never"

    async def kill(_arguments: Mapping[str, Any]) -> str:
        killed.append(now_ns())
        return "halted"

    async with stage(tmp_path, commands={"order": act, "kill": kill}) as made:
        wire = await made.client()
        for number in range(BESIDE + 1):
            wire.send(type="command", id=number, name="order", arguments={})
        assert (await wire.read())["code"] == "busy"
        answer = await wire.ask(type="command", id=100, name="kill", arguments={})
        assert (answer["type"], answer.get("text")) == ("done", "halted")
        assert killed


@in_virtual_time
async def test_commands_that_were_left_behind_are_counted(tmp_path: Path) -> None:
    going = 0

    async def act(_arguments: Mapping[str, Any]) -> str:
        nonlocal going
        going += 1
        await asyncio.sleep(10)
        going -= 1
        return "done"

    async with stage(tmp_path, commands={"act": act}) as made:
        flood = [said(type="command", id=number, name="act", arguments={}) for number in range(BESIDE)]
        for _ in range(3 * CLIENTS):
            sock = made.deaf(HELLO, *flood)
            await asyncio.sleep(0.05)  # until they have begun
            sock.close()
        assert going == TOTAL
        wire = await made.client()
        answer = await wire.ask(type="command", id=1, name="act", arguments={})
        assert (answer["type"], answer["code"]) == ("denied", "busy")
        await asyncio.sleep(11)
        assert going == 0
        assert (await wire.ask(type="command", id=1, name="act", arguments={}))["type"] == "done"


@in_virtual_time
async def test_what_is_answered_after_a_refusal_is_said_to_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A refusal waits for a peer that does not read; what ends meanwhile must not write behind the last word."""
    unhandled: list[Mapping[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: unhandled.append(context))
    ended: list[int] = []

    async def act(_arguments: Mapping[str, Any]) -> str:
        await asyncio.sleep(0.2)
        ended.append(1)
        return "done"

    with caplog.at_level(logging.WARNING):
        async with stage(tmp_path, commands={"act": act}) as made:
            made.topics.state = lambda _asked: bytes(1 << 20)  # type: ignore[method-assign]
            command = said(type="command", id=2, name="act", arguments={})
            sock = made.deaf(HELLO, command, said(type="get", id=1, topic="health"), packed(b"\xc1"))
            await asyncio.sleep(1)
            assert made.said("CLIENT_REFUSED")
            assert ended == [1]
            sock.close()
    assert unhandled == []
    assert [record.message for record in caplog.records if "fault of ours" in record.message] == []


@in_virtual_time
async def test_answers_for_who_does_not_read_are_bounded(tmp_path: Path) -> None:
    async with stage(tmp_path) as made:
        come, waiting = asyncio.Event(), [0]
        real = made.server._answering.send

        async def answer(_asked: Asked) -> bytes:
            await come.wait()
            return b"\xc4\x01x" * (1 << 19)

        def send(client: Peer, said_: Any) -> None:
            real(client, said_)
            waiting.append(client.waiting)

        made.topics.queries.answer = answer  # type: ignore[method-assign]
        made.server._answering.send = send  # type: ignore[method-assign]
        made.deaf(HELLO, *[said(id=number, **QUESTION) for number in range(BESIDE)])
        await asyncio.sleep(0.5)
        (client,) = made.server._clients.values()
        come.set()
        await asyncio.sleep(0.5)
        assert SEND_MOST < max(waiting) < SEND_MOST + (2 << 20)
        assert made.said("CLIENT_SLOW") == [f"test, pid {os.getpid()}, did not read"]
        assert made.server.consoles() == ()
        assert not client.questions


# Who leaves, and the end. ---------------------------------------------------------------------------------------------


@in_virtual_time
async def test_at_the_end_what_is_under_way_is_ended_and_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ended: list[str] = []

    async def act(arguments: Mapping[str, Any]) -> str:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(1)  # as a record of the audit is written
            ended.append(str(arguments["name"]))
        return "done"

    async with stage(tmp_path, commands={"act": act}) as made:
        Candles(made)
        gone, stays = await made.client(), await made.client()
        gone.send(type="command", id=1, name="act", arguments={"name": "left behind"})
        stays.send(type="command", id=1, name="act", arguments={"name": "waited for"})
        for number in range(2, 2 + BESIDE):
            stays.send(id=number, **QUESTION)
        await asyncio.sleep(0.1)
        await gone.close()
        await asyncio.sleep(0.1)
        assert len(made.server.consoles()) == 1
        begun = now_ns()
        await made.stop()
        assert (now_ns() - begun) / 1e9 < 1.7
        assert sorted(ended) == ["left behind", "waited for"]
        assert [answer["type"] for answer in await stays.rest()] == ["bye"]
        assert not made.server._answering.tasks
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []


@in_virtual_time
async def test_who_asks_for_a_stale_price_and_leaves_leaves_the_question_to_the_others(tmp_path: Path) -> None:
    market = Market()
    async with stage(tmp_path, state=market.state) as made:
        asked = 0

        async def price(key: str) -> Price | None:
            nonlocal asked
            asked += 1
            await asyncio.sleep(1)
            return made.engine.state.markets[key].price(now_ns())

        made.engine.price = price  # type: ignore[method-assign]
        await asyncio.sleep(60)  # nothing has moved for a minute
        question = {"type": "get", "topic": "price", "instrument": KEY}
        gone, stays = await made.client(), await made.client()
        for number in range(BESIDE):
            gone.send(id=number, **question)
        await asyncio.sleep(0.1)
        await gone.close()
        begun = now_ns()
        assert (await stays.ask(id=1, **question))["type"] == "state"
        assert (now_ns() - begun) / 1e9 < 1.1
        assert asked == 1
        await asyncio.sleep(2)
        assert not made.server._answering._delivery._asking
        assert (await stays.ask(id=2, **question))["type"] == "state"
        assert asked == 2


@in_virtual_time
async def test_questions_that_never_end_leave_no_turn_taken(tmp_path: Path) -> None:
    async with stage(tmp_path) as made:
        real = made.topics.queries._view

        async def never(_asked: Asked) -> object:
            await asyncio.Event().wait()

        made.topics.queries._view = never  # type: ignore[method-assign]
        for _ in range(50):
            sock = made.deaf(HELLO, *[said(id=number, **QUESTION) for number in range(BESIDE)])
            await asyncio.sleep(0.05)
            sock.close()
        await asyncio.sleep(0.1)
        assert not made.server._answering.tasks
        made.topics.queries._view = real  # type: ignore[method-assign]
        wire = await made.client()
        assert (await wire.ask(id=1, **QUESTION))["type"] == "state"


@in_virtual_time
async def test_who_asks_for_the_end_is_answered_before_it(tmp_path: Path) -> None:
    """The record of the audit may take longer to be on disk than the end to begin."""
    ending: list[asyncio.Task[None]] = []

    async def stop(_arguments: Mapping[str, Any]) -> str:
        asyncio.get_running_loop().call_later(0.05, lambda: ending.append(asyncio.create_task(made.stop())))
        await asyncio.sleep(0.3)
        return "stopping"

    async with stage(tmp_path, commands={"stop": stop}) as made:
        wire = await made.client()
        wire.send(type="command", id=1, name="stop", arguments={})
        assert [(each["type"], each.get("text", "")) for each in await wire.rest()] == [
            ("done", "stopping"),
            ("bye", ""),
        ]
        await asyncio.gather(*ending)


@in_virtual_time
async def test_a_kill_whose_sender_has_gone_is_carried_out(tmp_path: Path) -> None:
    """`tradetui kill` waits half a second for an engine that is stopped; the engine reads it when it goes on."""
    killed: list[str] = []

    async def kill(arguments: Mapping[str, Any]) -> str:
        await asyncio.sleep(1)
        killed.append(str(arguments["reason"]))
        return "halted"

    async with stage(tmp_path, commands={"kill": kill}) as made:
        for number in range(10):
            made.deaf(HELLO, said(type="command", id=1, name="kill", arguments={"reason": str(number)})).close()
        await asyncio.sleep(3)
        assert sorted(killed) == [str(number) for number in range(10)]
        assert made.server.consoles() == ()
