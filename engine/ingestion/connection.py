"""One WebSocket of a market: opened, read, watched, rotated, lost, and opened again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from engine.errors import FeedUnavailable, ProtocolError, ScaleOutdated
from engine.ingestion import envelope
from engine.ingestion.binance import Codec
from engine.ingestion.markets import Market
from engine.ingestion.session import Due, Session, SessionSettings
from engine.ports import Socket, Transport
from engine.types import Event, FeedAlive, FeedLost, FeedUp

log = logging.getLogger(__name__)

WATCH_S = 0.25
"""Seconds between two looks at a connection's health."""

YIELD_EVERY = 32
"""Frames read in a row before other tasks get a turn."""

ROTATE_RETRY_S = 0.5
"""Pause after the next connection of a rotation could not be opened."""

OVERLAP_S = 2.0
"""Seconds for which both connections are read at a rotation."""


class Sink(Protocol):
    """Where a feed delivers."""

    def now(self) -> int:
        """Return the engine's time, UTC ns."""

    def stamp(self) -> int:
        """Return the next receive stamp."""

    def deliver(
        self,
        stamp: int,
        source: str,
        event: Event,
        frame: bytes,
        keys: Sequence[str] = (),
        note: envelope.Note | None = None,
    ) -> None:
        """Take an event, and record what it was made from: the frame, or the note in the files of `keys`."""

    def refuse(self, stamp: int, source: str, error: ProtocolError, frame: bytes, keys: Sequence[str]) -> None:
        """Count and record a frame that gave no event."""


class FeedView(msgspec.Struct, frozen=True, kw_only=True):
    """A connection as people are shown it."""

    source: str
    up: bool
    frames: int
    refused: int
    reconnects: int
    reason: str


class Wiring(msgspec.Struct, frozen=True, kw_only=True):
    """What all connections of a market share. `relist` is called when an instrument's scale is out of date."""

    market: Market
    codec: Codec
    sink: Sink
    transport: Transport
    ws: tuple[str, ...]
    settings: SessionSettings
    monotonic: Callable[[], float]
    dice: Callable[[], float]
    relist: Callable[[], None]


class Connection:
    """One WebSocket with its streams, opened again and again."""

    def __init__(self, wiring: Wiring, source: str, streams: list[str], keys: list[str]) -> None:
        self.source = source
        self.streams = streams
        self.keys = keys
        self.session = Session(wiring.settings)
        self.up = False
        self.frames = 0
        self.refused = 0
        self.reconnects = 0
        self.since = wiring.sink.now()
        self.retry_at: float | None = None
        self.refusal = ""
        self._tries = 0
        self._running = False
        self._wiring = wiring
        self._closing: set[asyncio.Task[None]] = set()
        self._host = 0

    def view(self) -> FeedView:
        """Return the figures for people."""
        return FeedView(
            source=self.source,
            up=self.up,
            frames=self.frames,
            refused=self.refused,
            reconnects=self.reconnects,
            reason="" if self.up else self.session.reason,
        )

    async def run(self) -> None:
        """Keep connected until cancelled."""
        self._running = True
        try:
            while True:
                await self._once()
        finally:
            self._running = False
            self.retry_at = None

    async def _once(self) -> None:
        """Connect, serve until the connection is lost, and wait until it is time for the next try."""
        wiring = self._wiring
        self._tries += 1
        try:
            socket = await self._connect()
        except FeedUnavailable as error:
            self.session.reason = str(error)
            self._host += 1
            log.warning("%s: %s", self.source, error)
        else:
            self.lose(await self._serve(socket))
        self.reconnects += 1
        delay = self.session.delay(wiring.dice())
        self.retry_at = wiring.monotonic() + delay
        await asyncio.sleep(delay)
        self.retry_at = None

    def lose(self, reason: str) -> None:
        """Tell that the connection is gone."""
        if self.up:
            self.up = False
            self.since = self._wiring.sink.now()
            self.session.reason = reason
            self._tell(FeedLost(source=self.source, reason=reason))
            log.warning("%s: lost: %s", self.source, reason)

    async def _connect(self) -> Socket:
        wiring = self._wiring
        base = wiring.ws[self._host % len(wiring.ws)]
        route = wiring.market.route(self.streams[0])
        url = f"{base}{route}/stream?streams={'/'.join(self.streams)}"
        try:
            async with asyncio.timeout(wiring.settings.connect_timeout_s):
                return await wiring.transport.connect(url)
        except TimeoutError as error:
            raise FeedUnavailable(f"{base}: no connection in {wiring.settings.connect_timeout_s:.0f} s") from error

    @property
    def doing(self) -> str:
        """What is done about a connection that is down or silent."""
        now = self._wiring.monotonic()
        if self.up:
            left = self.session.given_up_in(now)
            pinged = "pinged, no answer yet; " if self.session.unanswered(now) else ""
            return "" if left is None else f"{pinged}given up in {left:.1f} s"
        if not self._running:
            return "waits for its feed to start again"
        if self.retry_at is None:
            return f"try {self._tries} under way"
        return f"try {self._tries + 1} in {max(self.retry_at - now, 0):.1f} s"

    def _tell(self, event: FeedUp | FeedLost | FeedAlive) -> None:
        sink = self._wiring.sink
        stamp = sink.stamp()
        sink.deliver(stamp, self.source, event, b"", self.keys, envelope.of_event(event))

    async def _serve(self, socket: Socket) -> str:
        """Read until the connection is lost; return why. A connection due for rotation is replaced on the way."""
        self.session.opened(self._wiring.monotonic())
        self.up = True
        self._tries = 0
        self.since = self._wiring.sink.now()
        self._tell(FeedUp(source=self.source))
        log.info("%s: up with %d streams", self.source, len(self.streams))
        while True:
            reader = asyncio.create_task(self._read(socket))
            watcher = asyncio.create_task(self._watch(socket))
            try:
                await asyncio.wait((reader, watcher), return_when=asyncio.FIRST_COMPLETED)
                if reader.done():
                    return await reader
                if await watcher is Due.RECONNECT:
                    return self.session.reason
                replacement = await self._replace(reader)
                if replacement is None:
                    return await reader if reader.done() else self.session.reason
            finally:
                await _cancel(reader, watcher)
                self._discard(socket)
            socket = replacement

    async def _overlap(self, replacement: Socket, reader: asyncio.Task[str]) -> None:
        """Read both connections for a while, so that nothing is missed; update and trade ids sort out doubles."""
        self.session.opened(self._wiring.monotonic())
        self._tell(FeedUp(source=self.source, rotated=True))
        log.info("%s: rotated", self.source)
        second = asyncio.create_task(self._read(replacement))
        try:
            await asyncio.wait((second, reader), timeout=OVERLAP_S)
        finally:
            # Nothing is lost by cancelling: a frame is taken from the socket and delivered without a pause between.
            await _cancel(second)

    async def _replace(self, reader: asyncio.Task[str]) -> Socket | None:
        """Open the next connection while the old one goes on; None if the old one ended or fell silent first."""
        wiring, session = self._wiring, self.session
        while not reader.done() and session.due(wiring.monotonic()) is not Due.RECONNECT:
            try:
                replacement = await self._connect()
            except FeedUnavailable as error:
                log.warning("%s: rotation: %s", self.source, error)
                await asyncio.wait((reader,), timeout=ROTATE_RETRY_S)
            else:
                await self._overlap(replacement, reader)
                return replacement
        return None

    async def _read(self, socket: Socket) -> str:
        wiring, session, sink = self._wiring, self.session, self._wiring.sink
        decode, monotonic = wiring.codec.decode, wiring.monotonic
        while True:
            try:
                frame = await socket.receive()
            except FeedUnavailable as error:
                return str(error)
            stamp = sink.stamp()
            try:
                event, _ = decode(frame)
            except ProtocolError as error:
                self.refused += 1
                self.refusal = error.reason
                sink.refuse(stamp, self.source, error, frame, self.keys[:1])
                if isinstance(error, ScaleOutdated):
                    wiring.relist()
                if session.refused(monotonic()):
                    return session.reason
                continue
            self.frames += 1
            session.frame(monotonic())
            sink.deliver(stamp, self.source, event, frame)
            if not self.frames % YIELD_EVERY:
                await asyncio.sleep(0)

    async def _watch(self, socket: Socket) -> Due:
        """Look after the connection; return when it is to be replaced."""
        wiring, session = self._wiring, self.session
        while True:
            await asyncio.sleep(WATCH_S)
            due = session.due(wiring.monotonic())
            if due is Due.PING:
                session.pinged(wiring.monotonic())
                try:
                    async with asyncio.timeout(wiring.settings.pong_within_s):
                        await socket.ping()
                except (TimeoutError, FeedUnavailable):
                    if not session.awaits_pong:
                        continue  # data came meanwhile, which is as good
                    session.reason = f"no pong within {wiring.settings.pong_within_s:.0f} s"
                    return Due.RECONNECT
                session.pong()
                self._tell(FeedAlive(source=self.source))
            elif due is not Due.NOTHING:
                return due

    def _discard(self, socket: Socket) -> None:
        """Close a socket without waiting for the peer."""
        closing = asyncio.create_task(socket.close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)


async def _cancel(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
