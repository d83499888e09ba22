"""An engine without feeds behind a real socket in the running loop, driven by hand, in real or in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from engine.actions import Action
from engine.alerts import Alert, Alerts
from engine.monitor import Identity, Monitor
from engine.pulse import Resources
from engine.runtime import Engine, EngineClock
from engine.server import Server
from engine.settings import MarketSettings
from engine.state import EngineState
from engine.topics import Topics
from engine.types import MS, SECOND
from storage.journal import EventJournal
from tests.engine.support import BTC, T0, Driver, delta, snapshot, trade
from tests.support.exchange import now_ns, run_virtual
from tests.support.virtual_clock import VirtualClock
from tests.support.wire import HELLO, Wire

START_NS = (T0 + 3600) * SECOND

KEY = BTC.key


def in_virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test in a loop whose time jumps."""

    @functools.wraps(test)
    def run(**fixtures: Any) -> None:
        run_virtual(lambda: test(**fixtures), start_ns=START_NS)

    return run


class Market:
    """One instrument, driven by hand at the virtual loop's time: each tick moves the book and makes a trade."""

    def __init__(self) -> None:
        self.driver = Driver(BTC)
        self.number = 1000
        now = now_ns()
        bids = [(6_000_000 - 100 * i, 100_000 + i) for i in range(200)]
        asks = [(6_000_100 + 100 * i, 100_000 + i) for i in range(200)]
        self.driver.up(now)
        self.driver.at(now + MS, delta(1001, bids[:1], ts=now))
        self.driver.at(now + 2 * MS, snapshot(1000, bids, asks), "binance:rest")
        self.number = 1001

    @property
    def state(self) -> EngineState:
        return self.driver.state

    def tick(self) -> None:
        now = now_ns()
        self.number += 1
        number = self.number
        self.driver.at(now, delta(number, [(5_999_900, 1000 + number)], ts=now - 5 * MS))
        self.driver.at(now, trade(number, 6_000_000 + number % 7, 1000 + number, now - 10 * MS, sell=bool(number % 2)))

    async def run(self, every_s: float = 0.1) -> None:
        while True:
            await asyncio.sleep(every_s)
            self.tick()


class Stage:
    """What there is on stage."""

    def __init__(self, engine: Engine, folder: Path, commands: Mapping[str, Action], uid: int | None) -> None:
        self.engine = engine
        self.path = folder / "engine.sock"
        self.journal = EventJournal()
        self.alerts = Alerts(self._changed)
        loop = asyncio.get_running_loop()
        self.monitor = Monitor(
            engine,
            Identity(profile="stage", version="0.0", started=engine.now()),
            self.alerts,
            monotonic=loop.time,
            resources=Resources(),
        )
        self.topics = Topics(engine, self.monitor, self.journal, "a")
        self.server = Server(self.topics, self.monitor, self.path, commands=commands, uid=uid)
        self.monitor.consoles = self.server.consoles
        self.monitor.refused_consoles = lambda: self.server.refused
        self.serving: asyncio.Task[None] | None = None
        self.wires: list[Wire] = []
        self.sockets: list[socket.socket] = []

    def _changed(self, change: str, alert: Alert) -> None:
        self.journal.append(self.engine.now(), self.engine.state.seq, "alert", change, alert=alert)

    async def serve(self) -> None:
        """Open the socket."""
        self.serving = asyncio.create_task(self.server.run())
        await self.server.ready.wait()

    async def stop(self) -> None:
        """Close it."""
        if self.serving is not None:
            self.serving.cancel()
            await asyncio.gather(self.serving, return_exceptions=True)

    async def client(self, hello: bytes = HELLO, limit: int = 1 << 20) -> Wire:
        """Connect, and say hello if there is one; closed with the stage at the latest."""
        wire = Wire(*await asyncio.open_unix_connection(self.path, limit=limit))
        self.wires.append(wire)
        if hello:
            await wire.greet(hello)
        return wire

    def deaf(self, *messages: bytes) -> socket.socket:
        """A client that sends and never reads; closed with the stage at the latest."""
        sock = socket.socket(socket.AF_UNIX)
        self.sockets.append(sock)
        sock.connect(str(self.path))
        sock.sendall(b"".join(messages))
        return sock

    def said(self, code: str) -> list[str]:
        """Texts of the alerts of a code."""
        return [alert.text for alert in self.alerts.all() if alert.code == code]


@contextlib.asynccontextmanager
async def stage(
    folder: Path,
    *,
    state: EngineState | None = None,
    settings: MarketSettings | None = None,
    commands: Mapping[str, Action] | None = None,
    clock: Callable[[], EngineClock] = VirtualClock,
    uid: int | None = None,
    serve: bool = True,
) -> AsyncIterator[Stage]:
    """Set up an engine with a state and a listening socket in `folder`."""
    engine = Engine(clock(), settings)
    if state is not None:
        engine.state = state
    made = Stage(engine, folder, commands or {}, uid)
    if serve:
        await made.serve()
    try:
        yield made
    finally:
        await made.stop()
        for wire in made.wires:
            wire.writer.close()
        for sock in made.sockets:
            sock.close()
        await asyncio.sleep(0.01)  # closed transports let go of their sockets in the next turns of the loop
