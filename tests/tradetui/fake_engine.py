"""An engine that says and does what a test wants, on a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

import msgspec

from engine.alerts import Alert
from engine.health import ConnectionView, HealthView, InstrumentView
from engine.ports import Entry
from engine.protocol import (
    HEADER,
    PROTOCOL,
    Bye,
    Command,
    Denied,
    Done,
    Series,
    State,
    Subscribe,
    Welcome,
    frame,
    raw,
    read_hello,
    read_request,
)
from engine.unix import reachable
from engine.views import MarketRow
from tradetui.places import Places


def health(**changed: Any) -> HealthView:
    now = time.time_ns()
    connection = ConnectionView(
        source="binance", up=True, stale=False, since=now, age_ms=12.0, rate=81.3, frames=100, refused=0, reconnects=0,
        gaps=0, resyncs=0, offset_ms=1.0, reason="", doing="",
    )  # fmt: skip
    instrument = InstrumentView(
        instrument="binance:ETH/USDT", live=True, book="live", age_ms=5.0, gaps=0, resyncs=0, crossed=0, trade_gaps=0,
        failures=0, failed="",
    )  # fmt: skip
    fields: dict[str, Any] = dict.fromkeys(HealthView.__struct_fields__, 0)
    fields |= {
        "state": "healthy", "why": (), "profile": "default", "version": "1", "data": "live", "trading": "not built",
        "seq": 1234567, "ts": now, "parts": {}, "processes": (), "components": (), "stages": {}, "queues": (),
        "connections": (connection,), "instruments": (instrument,), "budgets": (), "consoles": (), "subscribers": (),
        "recorder": None, "log_level": "INFO", "disk_free_mb": 1000,
    }  # fmt: skip
    return HealthView(**(fields | changed))


def market(name: str = "binance:ETH/USDT", **changed: Any) -> MarketRow:
    fields: dict[str, Any] = {
        "instrument": name, "live": True, "age_ms": 20.0, "tick": 0.01, "best_bid": 2683.61, "best_ask": 2683.62,
        "last": 2683.62, "last_sell": False, "change_24h_pct": -1.25, "high_24h": 2700.0, "low_24h": 2600.0,
        "volume_24h": 12345.6, "mark": None, "funding_rate": None,
    }  # fmt: skip
    return MarketRow(**(fields | changed))


def alert(number: int, **changed: Any) -> Alert:
    now = time.time_ns()
    fields: dict[str, Any] = {
        "id": number, "code": "FEED_DOWN", "severity": "error", "component": f"binance{number}", "text": "it is down",
        "doing": "try 2 in 1 s", "suggestion": "nothing, if it heals", "first_seen": now, "since": now,
        "last_seen": now, "healed": None, "count": 1, "active": True, "acknowledged": False,
    }  # fmt: skip
    return Alert(**(fields | changed))


class FakeEngine:
    """Serves the topics in `states` and `entries`; `commands` keeps what was asked."""

    def __init__(self, places: Places, pid: int = 4711, started: int = 1) -> None:
        self.places = places
        self.pid, self.started = pid, started
        self.states: dict[str, Any] = {"health": health(), "markets": [market()], "alerts": []}
        self.entries: list[Entry] = []
        self.asked: list[Subscribe] = []
        self.commands: list[tuple[str, dict[str, Any]]] = []
        self.denies: set[str] = set()
        self.mute = False
        self.dies_of: set[str] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self._ids: dict[str, int] = {}
        self._server: asyncio.Server | None = None
        self._beating: asyncio.Task[None] | None = None

    async def __aenter__(self) -> FakeEngine:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        self.places.make()
        self.places.socket.unlink(missing_ok=True)
        with reachable(self.places.socket) as address:  # pytest's folders have long names
            self._server = await asyncio.start_unix_server(self._talk, path=address)
        self._beating = asyncio.create_task(self._beat())

    async def stop(self, reason: str = "") -> None:
        """Go: with a goodbye, or as if killed."""
        assert self._server is not None
        assert self._beating is not None
        self._beating.cancel()
        self._server.close()
        for writer in self._writers:
            if reason:
                writer.write(frame(Bye(reason=reason)))
            writer.close()
        self._writers.clear()
        self.places.socket.unlink(missing_ok=True)

    def event(self, text: str) -> None:
        cursor = len(self.entries) + 1
        self.entries.append(Entry(cursor=cursor, ts=time.time_ns(), seq=cursor, kind="start", text=text))
        self.say("events")

    def say(self, topic: str) -> None:
        """Send news of a topic to all who follow it."""
        for writer in self._writers:
            if topic in self._ids:
                writer.write(frame(self._news(topic, "")))

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(0.1)
            if not self.mute:
                for topic in ("health", "markets"):
                    self.say(topic)

    def _news(self, topic: str, since: str) -> State | Series:
        number = self._ids[topic]
        if topic == "events":
            after = int(since or 0)
            rows = [raw(entry) for entry in self.entries if entry.cursor > after]
            return Series(
                id=number, topic=topic, instrument="", timeframe="", seq=1, ts=1, cursor=str(len(self.entries)),
                reset=not since, rows=rows,
            )  # fmt: skip
        return State(id=number, topic=topic, instrument="", seq=1, ts=1, data=msgspec.Raw(raw(self.states[topic])))

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def read() -> bytes:
            (length,) = HEADER.unpack(await reader.readexactly(HEADER.size))
            return await reader.readexactly(length)

        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            read_hello(await read())
            writer.write(
                frame(Welcome(
                    protocol=PROTOCOL, version="1", pid=self.pid, profile="default", started=self.started, seq=1
                ))
            )  # fmt: skip
            self._writers.append(writer)
            while True:
                request = read_request(await read())
                if isinstance(request, Subscribe):
                    self.asked.append(request)
                    if request.topic in self.dies_of:
                        writer.close()
                        return
                    if request.topic in self.denies:
                        writer.write(frame(Denied(id=request.id, code="unknown_topic", reason="no such topic")))
                        continue
                    self._ids[request.topic] = request.id
                    writer.write(frame(self._news(request.topic, request.since)))
                elif isinstance(request, Command):
                    self.commands.append((request.name, dict(request.arguments)))
                    writer.write(frame(Done(id=request.id, text="done")))
                    if request.name == "stop":
                        await self.stop("the engine is stopping")
                        return
