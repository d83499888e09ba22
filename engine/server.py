"""The engine's socket: the only way in, for its owner alone. Whoever misbehaves loses his connection and nothing else.

A client that does not read costs a bounded buffer for a bounded time; it comes back and resumes by cursor.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Mapping
from itertools import count, zip_longest
from pathlib import Path

from engine.actions import Action, Attributed
from engine.alerts import Cause
from engine.answering import Answering
from engine.delivery import Subscription
from engine.errors import ProtocolError
from engine.health import ConsoleView
from engine.listening import Listening
from engine.monitor import Monitor
from engine.peer import HELLO_S, Peer, Refusal, read_frame
from engine.protocol import (
    PROTOCOL,
    REQUEST_MOST,
    Answer,
    Bye,
    Hello,
    Refused,
    Welcome,
    frame,
    read_hello,
    read_request,
)
from engine.text import inert
from engine.topics import Topics
from engine.types import SECOND
from engine.unix import peer_of, user_of

log = logging.getLogger(__name__)

CLIENTS = 32
"""Connections at a time."""

HELLO_MOST = 4096
"""Bytes of the largest first word."""

SLOW_S = 10.0
"""A client that has not taken what it was given for so long is let go. Subscriptions wait for it: when it reads again
it is given what is new by then, not what it missed."""

TICK_S = 0.05
"""Seconds between two looks for due subscriptions."""

SERVE_S = 0.01
"""Seconds that one look may take; what is due beyond that waits for the next one, and the path comes first."""

LOOK_S = 1.0
"""Seconds between two looks whether the socket's file is still there."""

LAST_S = 0.5
"""Time for commands under way to be answered before the goodbye."""

PART_S = 0.5
"""Time for a refusal to be read before the connection is cut."""

NAME_MOST = 40
"""Characters of a client's name that are kept."""

LOGGED = 100
"""Refusals that are all logged; of those after them one in so many is."""

HOLD = 60 * SECOND
"""How long a refused or slow client stays among the active alerts."""


class Server:
    """Serves an engine's topics and commands on a unix socket."""

    def __init__(
        self,
        topics: Topics,
        monitor: Monitor,
        path: Path,
        *,
        commands: Mapping[str, Action | Attributed],
        uid: int | None = None,
    ) -> None:
        self._topics = topics
        self._monitor = monitor
        self._uid = os.getuid() if uid is None else uid
        self._listening = Listening(path, self._accept, buffered=REQUEST_MOST)
        self._clients: dict[int, Peer] = {}
        self._numbers = count(1)
        self._turn = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._answering = Answering(topics, monitor, commands, user_of(self._uid), self._let_go)
        self.ready = asyncio.Event()
        self.refused = 0

    async def run(self) -> None:
        """Listen and serve until cancelled; clients are told goodbye.

        Raises:
            EngineRunning: Somebody answers on the socket.
            SettingsInvalid: What is at the socket's place is not ours.
        """
        self._listening.open()
        self.ready.set()
        loop = asyncio.get_running_loop()
        look = loop.time() + LOOK_S
        try:
            while True:
                self._serve()
                await asyncio.sleep(TICK_S)
                if loop.time() >= look:
                    look = loop.time() + LOOK_S
                    await self._look()
        finally:
            self.ready.clear()
            await self._listening.close()
            commands = [command for client in self._clients.values() for command in client.commands]
            if commands:  # who asked for the end, and waits for its record in the audit, is among them
                await asyncio.wait(commands, timeout=LAST_S)
            clients = list(self._clients.values())
            for client in clients:
                self._part(client, self._farewell())
            await asyncio.sleep(0)
            for client in clients:
                if client.waiting:
                    client.writer.transport.abort()
            tasks = [*self._tasks, *self._answering.tasks]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _farewell(self) -> Bye:
        why = self._monitor.clean(self._topics.engine.ending)
        return Bye(reason="the engine is stopping" + (f": {why}" if why else ""))

    async def _look(self) -> None:
        """See that clients can come in."""
        trouble = await self._listening.mend()
        if trouble:
            said = f"its file was taken away, and cannot be made again: {trouble}"
            cause = Cause("COMPONENT_FAILED", "socket", said, "tried again every second; open connections go on")
            self._monitor.alerts.passing(cause, self._topics.engine.now(), times=0, hold=3 * SECOND)

    def consoles(self) -> tuple[ConsoleView, ...]:
        """Return the figures of all clients."""
        return tuple(client.view() for client in self._clients.values())

    # Connections. ---------------------------------------------------------------------------------------------------

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        client: Peer | None = None
        try:
            client = self._admit(writer)
            await self._converse(client, reader)
        except Refusal as refusal:
            if client is not None:
                self._clients.pop(client.number, None)
                client.parted = True
            with contextlib.suppress(OSError):
                await self._refuse(writer, refusal)
        except (OSError, asyncio.IncompleteReadError):
            pass
        except asyncio.CancelledError:
            return  # the server is stopping
        except Exception:
            log.exception("a connection failed by a fault of ours")
        finally:
            if client is not None:
                self._clients.pop(client.number, None)
                for question in client.questions:
                    question.cancel()  # nobody waits for it any more; a command goes on
            writer.close()

    def _admit(self, writer: asyncio.StreamWriter) -> Peer:
        try:
            pid, uid = peer_of(writer.get_extra_info("socket"))
        except OSError as error:
            raise Refusal("peer", f"the system does not tell who you are: {error}", "unknown peer") from error
        if uid != self._uid:
            raise Refusal("user", "this engine belongs to another user", f"user {uid}, pid {pid}")
        if len(self._clients) >= CLIENTS:
            raise Refusal("full", f"{CLIENTS} connections are open already", f"pid {pid}")
        now = asyncio.get_running_loop().time()
        client = Peer(next(self._numbers), writer, pid, self._topics.engine.now(), now)
        self._clients[client.number] = client
        return client

    async def _converse(self, client: Peer, reader: asyncio.StreamReader) -> None:
        who = f"pid {client.pid}"
        try:
            async with asyncio.timeout(HELLO_S):
                hello = read_hello(await read_frame(reader, HELLO_MOST))
            if hello.protocol != PROTOCOL:
                raise Refusal("version", self._versions(hello), who, alarming=False)
            self._greet(client, hello)
            while True:
                await self._answering.take(client, read_request(await read_frame(reader, REQUEST_MOST)))
        except ProtocolError as error:
            raise Refusal("protocol", error.reason, who) from error
        except TimeoutError as error:
            said = f"the first word, or the rest of a frame, has not come within {HELLO_S:.0f} s"
            raise Refusal("timeout", said, who) from error

    def _greet(self, client: Peer, hello: Hello) -> None:
        client.name = self._monitor.clean(hello.client)[:NAME_MOST]
        identity = self._monitor.identity
        welcome = Welcome(
            protocol=PROTOCOL,
            version=identity.version,
            pid=os.getpid(),
            profile=identity.profile,
            started=identity.started,
            seq=self._topics.engine.state.seq,
        )
        self._answering.send(client, welcome)

    def _versions(self, hello: Hello) -> str:
        older = "the console" if hello.protocol < PROTOCOL else "the engine (stop it, upgrade, start it again)"
        return (
            f"the console (tradetui {inert(hello.version, NAME_MOST) or '?'}) speaks protocol {hello.protocol}, "
            f"the engine (tradetui {self._monitor.identity.version}) protocol {PROTOCOL}: upgrade {older}"
        )

    async def _refuse(self, writer: asyncio.StreamWriter, refusal: Refusal) -> None:
        """Say why and close; a peer that does not read is cut off."""
        self.refused += 1
        if self.refused <= LOGGED or not self.refused % LOGGED:
            log.warning("connection %d refused: %s: %s: %s", self.refused, refusal.who, refusal.code, refusal.reason)
        if refusal.alarming:
            said = f"{refusal.code}: {refusal.who}: {refusal.reason}"
            cause = Cause("CLIENT_REFUSED", "socket", said, "the connection was closed")
            self._monitor.alerts.passing(cause, self._topics.engine.now(), hold=HOLD)
        writer.transport.set_write_buffer_limits(high=0)  # so that `drain` waits until all is out
        writer.write(frame(Refused(code=refusal.code, reason=self._monitor.clean(refusal.reason))))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PART_S):
                writer.write_eof()
                await writer.drain()
        if writer.transport.get_write_buffer_size():
            writer.transport.abort()

    def _part(self, client: Peer, word: Answer) -> None:
        """Say a last word and close without waiting."""
        self._clients.pop(client.number, None)
        if client.waiting:
            client.writer.transport.abort()
        else:
            client.writer.write(frame(word))
            client.writer.close()

    def _let_go(self, client: Peer) -> None:
        """Cut off a client that does not read; it comes back and resumes by cursor."""
        client.failed += 1
        log.warning("console %d (pid %d) does not read: let go", client.number, client.pid)
        said = f"{client.name or 'a client'}, pid {client.pid}, did not read"
        self._monitor.alerts.passing(
            Cause("CLIENT_SLOW", "socket", said, "let go"), self._topics.engine.now(), hold=HOLD
        )
        self._clients.pop(client.number, None)
        client.subscriptions.clear()
        client.writer.transport.abort()

    # Turns. ---------------------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        """Send what is due, one topic of each client in turn, for as long as a look may take."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        clients = list(self._clients.values())
        self._turn += 1
        first = self._turn % max(len(clients), 1)
        due = [self._due(client, now) for client in (*clients[first:], *clients[:first])]
        for each in zip_longest(*due):
            for what in each:
                if what is None:
                    continue
                if loop.time() - now > SERVE_S:
                    return
                self._answering.renew(*what)

    def _due(self, client: Peer, now: float) -> list[tuple[Peer, Subscription]]:
        """Return what is due, longest due first; nothing while the client has not taken what it was given before."""
        if client.waiting:
            if now - client.up_to_date > SLOW_S:
                self._let_go(client)
            return []
        client.up_to_date = now
        due = [subscription for subscription in client.subscriptions.values() if now >= subscription.due]
        return [(client, subscription) for subscription in sorted(due, key=lambda each: each.due)]
