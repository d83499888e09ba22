"""The engine's socket: the only way in, for its owner alone. Whoever misbehaves loses his connection and nothing else.

A client that does not read costs a bounded buffer and is then let go; it comes back and resumes by cursor.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from pathlib import Path
from typing import NoReturn

from engine.alerts import Cause
from engine.delivery import Delivery, Subscription
from engine.errors import ConsoleError, ProtocolError, RequestDenied
from engine.health import ConsoleView
from engine.monitor import Monitor
from engine.protocol import (
    HEADER,
    PROTOCOL,
    REQUEST_MOST,
    Answer,
    Bye,
    Command,
    Denied,
    Done,
    Get,
    Hello,
    Refused,
    Request,
    Subscribe,
    Unsubscribe,
    Welcome,
    frame,
    read_hello,
    read_request,
)
from engine.topics import Topics
from engine.types import SECOND
from engine.unix import peer_of, reachable

log = logging.getLogger(__name__)

CLIENTS = 32
"""Connections at a time."""

SUBSCRIPTIONS = 64
"""Subscriptions of one connection."""

HELLO_S = 5.0
"""Time for the first word, and for the rest of a frame once its length has come."""

HELLO_MOST = 4096
"""Bytes of the largest first word."""

SEND_MOST = 4 << 20
"""Bytes that may wait for a client that does not read."""

RATE = 200
"""Requests a second that a client may send for long; twice as many at once."""

TICK_S = 0.05
"""Seconds between two looks for due subscriptions."""

PART_S = 0.5
"""Time for a refusal to be read before the connection is cut."""

HOLD = 60 * SECOND
"""How long a refused or slow client stays among the active alerts."""

Action = Callable[[Mapping[str, str | int | float | bool]], Awaitable[str]]
"""A command: takes its arguments, returns a word about what was done, raises `RequestDenied`."""


class _Client:
    """One connection."""

    def __init__(self, number: int, writer: asyncio.StreamWriter, pid: int, now: int) -> None:
        self.number = number
        self.writer = writer
        self.pid = pid
        self.since = now
        self.name = ""
        self.subscriptions: dict[int, Subscription] = {}
        self.delivered = 0
        self.failed = 0
        self.sent = 0
        self.tokens = 2.0 * RATE
        self.filled = 0.0

    @property
    def waiting(self) -> int:
        return self.writer.transport.get_write_buffer_size()


class Server:
    """Serves an engine's topics and commands on a unix socket."""

    def __init__(
        self,
        topics: Topics,
        monitor: Monitor,
        path: Path,
        *,
        commands: Mapping[str, Action],
        uid: int | None = None,
    ) -> None:
        self._topics = topics
        self._monitor = monitor
        self._path = path
        self._commands = commands
        self._uid = os.getuid() if uid is None else uid
        self._clients: dict[int, _Client] = {}
        self._numbers = count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._delivery = Delivery(topics)
        self.ready = asyncio.Event()
        self.refused = 0

    async def run(self) -> None:
        """Listen and serve until cancelled; clients are told goodbye."""
        self._path.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        mask = os.umask(0o177)
        try:
            with reachable(self._path) as address:
                listening.bind(address)
        finally:
            os.umask(mask)
        inode = self._path.stat().st_ino
        server = await asyncio.start_unix_server(self._accept, sock=listening, limit=REQUEST_MOST, backlog=CLIENTS)
        self.ready.set()
        try:
            while True:
                self._serve()
                await asyncio.sleep(TICK_S)
        finally:
            self.ready.clear()
            server.close()
            for client in list(self._clients.values()):
                self._part(client, Bye(reason="the engine is stopping"))
            await asyncio.sleep(0)
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            with contextlib.suppress(OSError):
                if self._path.stat().st_ino == inode:
                    self._path.unlink()

    def consoles(self) -> tuple[ConsoleView, ...]:
        """Return the figures of all clients."""
        return tuple(
            ConsoleView(
                id=client.number,
                client=client.name,
                pid=client.pid,
                since=client.since,
                subscriptions=len(client.subscriptions),
                delivered=client.delivered,
                failed=client.failed,
                sent_bytes=client.sent,
                waiting=client.waiting,
            )
            for client in self._clients.values()
        )

    # Connections. ---------------------------------------------------------------------------------------------------

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        client: _Client | None = None
        try:
            try:
                pid, uid = peer_of(writer.get_extra_info("socket"))
            except OSError as error:
                await self._refuse(writer, "peer", f"the system does not tell who you are: {error}", "unknown peer")
                return
            if uid != self._uid:
                await self._refuse(writer, "user", "this engine belongs to another user", f"user {uid}, pid {pid}")
                return
            if len(self._clients) >= CLIENTS:
                await self._refuse(writer, "full", f"{CLIENTS} connections are open already", f"pid {pid}")
                return
            client = _Client(next(self._numbers), writer, pid, self._topics.engine.now())
            self._clients[client.number] = client
            await self._converse(client, reader)
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            pass
        except asyncio.CancelledError:
            return  # the server is stopping
        except Exception:
            log.exception("a connection failed by a fault of ours")
        finally:
            if client is not None:
                self._clients.pop(client.number, None)
            writer.close()

    async def _converse(self, client: _Client, reader: asyncio.StreamReader) -> None:
        try:
            async with asyncio.timeout(HELLO_S):
                hello = read_hello(await _read(reader, HELLO_MOST))
        except ProtocolError as error:
            await self._refuse(client.writer, "protocol", error.reason, f"pid {client.pid}: {error.reason}")
            return
        if hello.protocol != PROTOCOL:
            await self._refuse(
                client.writer, "version", self._versions(hello), f"pid {client.pid}: protocol", known=True
            )
            return
        client.name = hello.client
        identity = self._monitor.identity
        self._send(
            client,
            Welcome(
                protocol=PROTOCOL,
                version=identity.version,
                pid=os.getpid(),
                profile=identity.profile,
                started=identity.started,
                seq=self._topics.engine.state.seq,
            ),
        )
        loop = asyncio.get_running_loop()
        client.filled = loop.time()
        while True:
            try:
                request = read_request(await _read(reader, REQUEST_MOST))
            except ProtocolError as error:
                await self._refuse(client.writer, "protocol", error.reason, f"pid {client.pid}: {error.reason}")
                return
            now = loop.time()
            client.tokens = min(client.tokens + (now - client.filled) * RATE, 2.0 * RATE) - 1
            client.filled = now
            if client.tokens < 0:
                said = f"more than {RATE} requests a second"
                await self._refuse(client.writer, "rate", said, f"pid {client.pid}: {said}")
                return
            await self._answer(client, request)
            await asyncio.sleep(0)  # a burst of requests that have come already must not keep the path waiting

    def _versions(self, hello: Hello) -> str:
        older = "the console" if hello.protocol < PROTOCOL else "the engine (stop it, upgrade, start it again)"
        return (
            f"the console (tradetui {hello.version or '?'}) speaks protocol {hello.protocol}, "
            f"the engine (tradetui {self._monitor.identity.version}) protocol {PROTOCOL}: upgrade {older}"
        )

    async def _refuse(
        self, writer: asyncio.StreamWriter, code: str, reason: str, who: str, *, known: bool = False
    ) -> None:
        """Say why and close; a peer that does not read is cut off."""
        self.refused += 1
        log.warning("connection refused: %s: %s", who, reason)
        if not known:
            now = self._topics.engine.now()
            cause = Cause("CLIENT_REFUSED", "socket", f"{code}: {who}", "the connection was closed")
            self._monitor.alerts.passing(cause, now, hold=HOLD)
        writer.write(frame(Refused(code=code, reason=reason[:300])))
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(PART_S):
                writer.write_eof()
                await writer.drain()
        writer.transport.abort() if writer.transport.get_write_buffer_size() else writer.close()

    def _part(self, client: _Client, word: Answer) -> None:
        """Say a last word and close without waiting."""
        self._clients.pop(client.number, None)
        if client.waiting:
            client.writer.transport.abort()
        else:
            client.writer.write(frame(word))
            client.writer.close()

    def _send(self, client: _Client, answer: Answer) -> None:
        if client.writer.transport.is_closing():
            return
        data = frame(answer)
        client.writer.write(data)
        client.sent += len(data)
        if client.waiting > SEND_MOST:
            client.failed += 1
            log.warning("console %d (pid %d) does not read: let go", client.number, client.pid)
            cause = Cause(
                "CLIENT_SLOW", "socket", f"{client.name or 'a client'}, pid {client.pid}, did not read", "let go"
            )
            self._monitor.alerts.passing(cause, self._topics.engine.now(), hold=HOLD)
            self._clients.pop(client.number, None)
            client.subscriptions.clear()
            client.writer.transport.abort()

    # Requests. ------------------------------------------------------------------------------------------------------

    async def _answer(self, client: _Client, request: Request) -> None:
        try:
            match request:
                case Get():
                    self._send(client, await self._delivery.answer(request, asyncio.get_running_loop().time()))
                    client.delivered += 1
                case Subscribe():
                    self._subscribe(client, request)
                case Unsubscribe():
                    if client.subscriptions.pop(request.subscription, None) is None:
                        _deny("subscription", f"there is no subscription {request.subscription}")
                    self._send(client, Done(id=request.id))
                case Command():
                    self._send(client, Done(id=request.id, text=await self._command(request)))
        except RequestDenied as denied:
            self._send(client, Denied(id=request.id, code=denied.code, reason=self._monitor.clean(denied.reason)))
        except ConsoleError as error:
            self._send(client, Denied(id=request.id, code="failed", reason=self._monitor.clean(str(error))))
        except Exception as error:
            client.failed += 1
            log.exception("a request failed by a fault of ours: %r", request)
            self._send(client, Denied(id=request.id, code="failed", reason=f"{type(error).__name__}: see the log"))

    def _subscribe(self, client: _Client, request: Subscribe) -> None:
        """Begin a subscription, and deliver for the first time."""
        if request.topic == "price":
            _deny("not_available", "a price can be asked for, not subscribed to; the topic markets tells of changes")
        self._topics.check(request)
        if request.id in client.subscriptions or len(client.subscriptions) >= SUBSCRIPTIONS:
            _deny("subscription", f"subscription {request.id} is there already, or {SUBSCRIPTIONS} are reached")
        subscription = client.subscriptions[request.id] = Subscription(request)
        self._deliver(client, subscription)

    async def _command(self, command: Command) -> str:
        action = self._commands.get(command.name)
        if action is None:
            _deny("unknown_command", f"unknown command {command.name!r} (known: {', '.join(self._commands)})")
        log.info("command %s %s", command.name, command.arguments)
        return await action(command.arguments)

    # Topics. --------------------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        """Send what is due."""
        now = asyncio.get_running_loop().time()
        for client in list(self._clients.values()):
            for subscription in list(client.subscriptions.values()):
                if now >= subscription.due:
                    try:
                        self._deliver(client, subscription)
                    except Exception as error:
                        client.failed += 1
                        if client.failed == 1:
                            log.exception("topic %s failed", subscription.asked.topic)
                        client.subscriptions.pop(subscription.asked.id, None)
                        reason = f"{type(error).__name__}: see the log"
                        self._send(client, Denied(id=subscription.asked.id, code="failed", reason=reason))

    def _deliver(self, client: _Client, subscription: Subscription) -> None:
        news = self._delivery.news(subscription, asyncio.get_running_loop().time())
        if news is not None:
            self._send(client, news)
            client.delivered += 1


def _deny(code: str, reason: str) -> NoReturn:
    raise RequestDenied(code, reason)


async def _read(reader: asyncio.StreamReader, most: int) -> bytes:
    """Return the body of the next frame.

    Raises:
        ProtocolError: It is longer than `most`.
        TimeoutError: Its length came and the rest did not.
        IncompleteReadError: The peer closed.
    """
    (length,) = HEADER.unpack(await reader.readexactly(HEADER.size))
    if not 0 < length <= most:
        raise ProtocolError(f"a frame of {length} bytes; between 1 and {most} are taken")
    async with asyncio.timeout(HELLO_S):
        return await reader.readexactly(length)
