"""Private connections: what is said on them, and what becomes of it on the way."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web

from tests.support.venue.faults import StreamFaults

_HELD_S = 0.05
"""A message that waits for the next one to overtake it goes after so long."""


class Connection:
    """One socket. It hears nothing before it has subscribed to something."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        self.socket = socket
        self.request = request
        self.topics: set[str] = set()
        self.known = False
        self.key = ""
        self._queue: asyncio.Queue[tuple[bytes, float]] = asyncio.Queue()
        self._task = asyncio.get_running_loop().create_task(self._write())

    def send(self, message: Any, delay: float = 0.0) -> None:
        self._queue.put_nowait((msgspec.json.encode(message), delay))

    def cut(self) -> None:
        """Break it in the middle."""
        if self.request.transport is not None:
            self.request.transport.abort()

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _write(self) -> None:
        with contextlib.suppress(ConnectionError, RuntimeError):
            while True:
                message, delay = await self._queue.get()
                if delay:
                    await asyncio.sleep(delay)
                await self.socket.send_str(message.decode())


class Streams:
    """All private connections; each message goes to all that have subscribed to its topic."""

    def __init__(self, kill: Callable[[], None]) -> None:
        self.kill = kill
        self.faults = StreamFaults()
        self.open: set[Connection] = set()
        self.sent = 0
        self.opened = 0
        self._held: list[tuple[str, Any]] = []

    def say(self, topic: str, message: Any) -> None:
        """Send a message, or what the faults make of it."""
        faults = self.faults
        if faults.mute:
            faults.mute -= 1
            return
        if faults.reorder and not self._held:
            faults.reorder -= 1
            self._held.append((topic, message))
            asyncio.get_running_loop().call_later(_HELD_S, self._release)
            return
        self._out(topic, message)
        if faults.duplicate:
            faults.duplicate -= 1
            self._out(topic, message)
        self._release()

    def cut(self) -> None:
        """Break all of them."""
        for connection in list(self.open):
            connection.cut()

    def _release(self) -> None:
        held, self._held = self._held, []
        for topic, message in held:
            self._out(topic, message)

    def _out(self, topic: str, message: Any) -> None:
        faults = self.faults
        if faults.drop_after == 0:
            faults.drop_after = -1
            self.cut()
            return
        if faults.kill_after == 0:
            faults.kill_after = -1
            self.kill()
        faults.drop_after -= faults.drop_after > 0
        faults.kill_after -= faults.kill_after > 0
        self.sent += 1
        for connection in self.open:
            if topic in connection.topics or topic.partition(".")[0] in connection.topics:
                connection.send(message, faults.delay)
