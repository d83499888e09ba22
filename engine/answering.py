"""Requests of clients: in turn or beside each other, and what is answered to each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import NoReturn

from engine.actions import Action, Attributed
from engine.delivery import Delivery, Subscription
from engine.errors import ConsoleError, RequestDenied
from engine.monitor import Monitor
from engine.operator import Who
from engine.peer import Peer
from engine.protocol import Answer, Command, Denied, Done, Get, Request, Subscribe, Unsubscribe, frame
from engine.topics import ONCE, Topics

log = logging.getLogger(__name__)

SUBSCRIPTIONS = 64
"""Subscriptions of one connection."""

SEND_MOST = 4 << 20
"""Bytes that may wait for a client before its next answer; with more it is let go."""

REST = 3.0
"""A client rests this many times as long as its last request took, at most `REST_MOST_S`, before its next is read."""

REST_MOST_S = 0.05

BESIDE = 64
"""Questions of one connection that may be under way, and commands; more are denied."""

TOTAL = 4096
"""Requests that may be under way beside all connections, commands of those who have left among them."""

URGENT = frozenset({"kill", "flatten", "cancel", "disarm"})
"""Commands that take risk away: they are never denied for being many, only the rate bounds them."""


class Answering:
    """Answers requests, and brings subscriptions what is new; `tasks` are the requests that are under way."""

    def __init__(
        self,
        topics: Topics,
        monitor: Monitor,
        commands: Mapping[str, Action | Attributed],
        user: str,
        let_go: Callable[[Peer], None],
    ) -> None:
        """`user` is the name of whoever may ask; `let_go` cuts off a client that does not read."""
        self._topics = topics
        self._monitor = monitor
        self._commands = commands
        self._user = user
        self._let_go = let_go
        self._delivery = Delivery(topics)
        self._turnstile = asyncio.Lock()
        self.tasks: set[asyncio.Task[None]] = set()

    async def take(self, client: Peer, request: Request) -> None:
        """Answer a request; many of them, or dear ones, must not keep the path waiting."""
        loop = asyncio.get_running_loop()
        client.count(loop.time())
        if isinstance(request, Command) or (isinstance(request, Get) and request.topic in ONCE):
            await self._answer_beside(client, request)
            return
        async with self._turnstile:  # one at a time: many clients must not get more of the loop than one
            now = loop.time()
            await self._answer(client, request)
            await asyncio.sleep(min(REST * (loop.time() - now), REST_MOST_S))

    async def _answer_beside(self, client: Peer, request: Request) -> None:
        """Answer what waits for others rather than works: an order must not wait for candles, nor a goodbye for both.

        Commands begin in the order in which they came.
        """
        name = request.name if isinstance(request, Command) else None
        tasks = client.questions if name is None else client.commands
        if (len(tasks) >= BESIDE or len(self.tasks) >= TOTAL) and name not in URGENT:
            reason = f"{len(tasks)} of your requests, of {len(self.tasks)}, are under way"
            self.send(client, Denied(id=request.id, code="busy", reason=reason))
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        task = asyncio.create_task((self._in_turn if name is None else self._answer)(client, request))
        for kept in (tasks, self.tasks):
            kept.add(task)
            task.add_done_callback(kept.discard)
        await asyncio.sleep(0)  # it has begun; a rest, as for what is answered in turn, but nobody else waits for it
        await asyncio.sleep(min(REST * (loop.time() - now), REST_MOST_S))

    async def _in_turn(self, client: Peer, question: Request) -> None:
        async with client.turns:
            await self._answer(client, question)

    async def _answer(self, client: Peer, request: Request) -> None:
        try:
            match request:
                case Get():
                    self.send(client, await self._delivery.answer(request, asyncio.get_running_loop().time()))
                    client.delivered += 1
                case Subscribe():
                    self._subscribe(client, request)
                case Unsubscribe():
                    if client.subscriptions.pop(request.subscription, None) is None:
                        _deny("subscription", f"there is no subscription {request.subscription}")
                    self.send(client, Done(id=request.id))
                case Command():
                    self.send(client, Done(id=request.id, text=await self._command(client, request)))
        except RequestDenied as denied:
            self.send(client, Denied(id=request.id, code=denied.code, reason=self._monitor.clean(denied.reason)))
        except ConsoleError as error:
            self.send(client, Denied(id=request.id, code="failed", reason=self._monitor.clean(str(error))))
        except Exception as error:
            client.failed += 1
            log.exception("a request failed by a fault of ours: %r", request)
            self.send(client, Denied(id=request.id, code="failed", reason=f"{type(error).__name__}: see the log"))

    def _subscribe(self, client: Peer, request: Subscribe) -> None:
        """Begin a subscription, and deliver for the first time."""
        if request.topic == "price":
            _deny("not_available", "a price can be asked for, not subscribed to; the topic markets tells of changes")
        if request.topic in ONCE:
            _deny("not_available", f"{request.topic} can be asked for, not subscribed to")
        self._topics.check(request)
        if request.id in client.subscriptions or len(client.subscriptions) >= SUBSCRIPTIONS:
            _deny("subscription", f"subscription {request.id} is there already, or {SUBSCRIPTIONS} are reached")
        subscription = Subscription(request)
        self._deliver(client, subscription)
        client.subscriptions[request.id] = subscription

    async def _command(self, client: Peer, command: Command) -> str:
        action = self._commands.get(command.name)
        if action is None:
            _deny("unknown_command", f"unknown command {command.name!r} (known: {', '.join(self._commands)})")
        log.info("command %s %s", command.name, command.arguments)
        if isinstance(action, Attributed):
            return await action.act(command.arguments, Who(user=self._user, client=client.name, pid=client.pid))
        return await action(command.arguments)

    def renew(self, client: Peer, subscription: Subscription) -> None:
        """Deliver; a subscription that fails ends, and nothing else."""
        try:
            self._deliver(client, subscription)
        except Exception as error:
            client.failed += 1
            if client.failed == 1:
                log.exception("topic %s failed", subscription.asked.topic)
            client.subscriptions.pop(subscription.asked.id, None)
            reason = f"{type(error).__name__}: see the log"
            self.send(client, Denied(id=subscription.asked.id, code="failed", reason=reason))

    def _deliver(self, client: Peer, subscription: Subscription) -> None:
        news = self._delivery.news(subscription, asyncio.get_running_loop().time())
        if news is not None:
            self.send(client, news)
            client.delivered += 1

    def send(self, client: Peer, answer: Answer) -> None:
        """Write an answer; a client for whom too much waits is let go."""
        if client.parted or client.writer.transport.is_closing():
            return
        if client.waiting > SEND_MOST:
            self._let_go(client)
            return
        data = frame(answer)
        client.writer.write(data)
        client.sent += len(data)


def _deny(code: str, reason: str) -> NoReturn:
    raise RequestDenied(code, reason)
