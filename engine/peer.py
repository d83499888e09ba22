"""One connection as the server knows it, and how its frames are read."""

from __future__ import annotations

import asyncio

from engine.delivery import Subscription
from engine.errors import ProtocolError
from engine.health import ConsoleView
from engine.protocol import HEADER

HELLO_S = 5.0
"""Time for the first word, and for the rest of a frame once its first byte has come."""

RATE = 200
"""Requests a second that a client may send for long; twice as many at once."""

AT_WORK = 4
"""Questions of one connection that are worked on at a time; its others wait, and not in front of other people's."""


class Refusal(Exception):
    """A connection must end: what the peer is told, who it is, and whether its owner should know."""

    def __init__(self, code: str, reason: str, who: str, *, alarming: bool = True) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.who = who
        self.alarming = alarming


class Peer:
    """One connection; `now` is loop time, `since` UTC ns."""

    def __init__(self, number: int, writer: asyncio.StreamWriter, pid: int, since: int, now: float) -> None:
        self.number = number
        self.writer = writer
        self.pid = pid
        self.since = since
        self.name = ""
        self.subscriptions: dict[int, Subscription] = {}
        self.questions: set[asyncio.Task[None]] = set()
        self.commands: set[asyncio.Task[None]] = set()
        self.turns = asyncio.Semaphore(AT_WORK)
        self.parted = False
        """It was told its last word."""
        self.delivered = 0
        self.failed = 0
        self.sent = 0
        self.up_to_date = now
        """When it last had taken all that it was given."""
        self._tokens = 2.0 * RATE
        self._filled = now

    @property
    def waiting(self) -> int:
        """Bytes that it has not taken yet."""
        return self.writer.transport.get_write_buffer_size()

    def view(self) -> ConsoleView:
        """Return the figures for people."""
        return ConsoleView(
            id=self.number,
            client=self.name,
            pid=self.pid,
            since=self.since,
            subscriptions=len(self.subscriptions),
            delivered=self.delivered,
            failed=self.failed,
            sent_bytes=self.sent,
            waiting=self.waiting,
        )

    def count(self, now: float) -> None:
        """Count a request.

        Raises:
            Refusal: There are too many.
        """
        self._tokens = min(self._tokens + (now - self._filled) * RATE, 2.0 * RATE) - 1
        self._filled = now
        if self._tokens < 0:
            raise Refusal("rate", f"more than {RATE} requests a second", f"pid {self.pid}")


async def read_frame(reader: asyncio.StreamReader, most: int) -> bytes:
    """Return the body of the next frame.

    Raises:
        ProtocolError: It is longer than `most`.
        TimeoutError: It began and the rest did not come.
        IncompleteReadError: The peer closed.
    """
    first = await reader.readexactly(1)
    async with asyncio.timeout(HELLO_S):
        (length,) = HEADER.unpack(first + await reader.readexactly(HEADER.size - 1))
        if not 0 < length <= most:
            raise ProtocolError(f"a frame of {length} bytes; between 1 and {most} are taken")
        return await reader.readexactly(length)
