"""An engine that says and does what a test wants, on a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

import msgspec

from engine.alerts import Alert
from engine.health import ConnectionView, HealthView, InstrumentView
from engine.ports import Entry
from engine.protocol import (
    HEADER,
    PROTOCOL,
    Asked,
    Bye,
    Command,
    Denied,
    Done,
    Get,
    Series,
    State,
    Subscribe,
    Unsubscribe,
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
        "history": (), "gaps": (), "maintenance": False, "connections": (connection,),
        "instruments": (instrument,), "budgets": (), "consoles": (), "subscribers": (),
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
    """Serves the topics in `states`, `series`, `answers` and `entries`; `commands` keeps what was asked."""

    def __init__(self, places: Places, pid: int = 4711, started: int = 1) -> None:
        self.places = places
        self.pid, self.started = pid, started
        self.states: dict[str, Any] = {"health": health(), "markets": [market()], "alerts": []}
        self.cobs: dict[str, Any] = {}
        self.answers: dict[str, Callable[[Asked], Any]] = {}
        """What is told of a topic, by what was asked: once, or to those who follow it."""
        self.answer_s = 0.0
        """How long a question takes to be answered."""
        self.answering = asyncio.Event()
        """Unless it is set, questions wait for their answers."""
        self.answering.set()
        self.got: list[Get] = []
        self.series: dict[tuple[str, str, str], list[Any]] = {}
        """Rows by topic, instrument and timeframe."""
        self.entries: list[Entry] = []
        self.asked: list[Subscribe] = []
        self.commands: list[tuple[str, dict[str, Any]]] = []
        self.ended: list[int] = []
        self.denies: set[str] = set()
        self.says: dict[str, str] = {}
        """What is said of a command that is done."""
        self.refuses: dict[str, str] = {}
        """Why a command is refused."""
        self.slow: set[str] = set()
        """Commands that are never answered."""
        self.mute = False
        self.clock: Callable[[], int] = time.time_ns
        self.dies_of: set[str] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self._ids: dict[tuple[str, str, str], int] = {}
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
        self._ids.clear()
        self.places.socket.unlink(missing_ok=True)

    def event(self, text: str) -> None:
        cursor = len(self.entries) + 1
        self.entries.append(Entry(cursor=cursor, ts=time.time_ns(), seq=cursor, kind="start", text=text))
        self.say("events")

    def say(self, topic: str, instrument: str = "", timeframe: str = "") -> None:
        """Send news of a topic to all who follow it."""
        for writer in self._writers:
            if (topic, instrument, timeframe) in self._ids:
                writer.write(frame(self._news((topic, instrument, timeframe), "")))

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(0.1)
            if not self.mute:
                for topic in ("health", "markets"):
                    self.say(topic)

    def _news(self, key: tuple[str, str, str], since: str) -> State | Series:
        topic, instrument, timeframe = key
        number = self._ids[key]
        if topic in ("bars", "heat", "trades"):
            found = [raw(row) for row in self.series.get(key, [])]
            return Series(
                id=number, topic=topic, instrument=instrument, timeframe=timeframe, seq=1, ts=self.clock(),
                cursor="1", reset=True, rows=found,
            )  # fmt: skip
        if topic == "events":
            # A cursor beyond the end is of another journal.
            known = int(since or 0) <= len(self.entries)
            after = int(since or 0) if known else 0
            rows = [raw(entry) for entry in self.entries if entry.cursor > after]
            return Series(
                id=number, topic=topic, instrument="", timeframe="", seq=1, ts=self.clock(),
                cursor=str(len(self.entries)), reset=not since or not known, rows=rows,
            )  # fmt: skip
        if topic in self.answers:
            asked = Get(id=number, topic=topic, instrument=instrument, timeframe=timeframe)
            data = self.answers[topic](asked)
        else:
            data = self.cobs[instrument] if topic == "cob" else self.states[topic]
        now = self.clock()
        return State(id=number, topic=topic, instrument=instrument, seq=1, ts=now, data=msgspec.Raw(raw(data)))

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
                    key = request.topic, request.instrument, request.timeframe
                    known = (
                        self.states.keys()
                        | self.answers.keys()
                        | {"events", "bars", "heat", "trades"}
                        | ({"cob"} if request.instrument in self.cobs else set())
                    )
                    if request.topic in self.denies or request.topic not in known:
                        writer.write(frame(Denied(id=request.id, code="unknown_topic", reason="no such topic")))
                        continue
                    self._ids[key] = request.id
                    writer.write(frame(self._news(key, request.since)))
                elif isinstance(request, Get):
                    self.got.append(request)
                    await asyncio.sleep(self.answer_s)
                    await self.answering.wait()
                    if request.topic in self.denies or request.topic not in self.answers:
                        writer.write(frame(Denied(id=request.id, code="unknown_topic", reason="no such topic")))
                        continue
                    told = raw(self.answers[request.topic](request))
                    writer.write(frame(State(
                        id=request.id, topic=request.topic, instrument=request.instrument, seq=1, ts=self.clock(),
                        data=msgspec.Raw(told),
                    )))  # fmt: skip
                elif isinstance(request, Unsubscribe):
                    self.ended.append(request.subscription)
                    self._ids = {key: number for key, number in self._ids.items() if number != request.subscription}
                    writer.write(frame(Done(id=request.id)))
                elif isinstance(request, Command):
                    self.commands.append((request.name, dict(request.arguments)))
                    if request.name in self.slow:
                        continue
                    if request.name in self.denies or request.name in self.refuses:
                        reason = self.refuses.get(request.name, "it cannot be done")
                        writer.write(frame(Denied(id=request.id, code="invalid_argument", reason=reason)))
                        continue
                    writer.write(frame(Done(id=request.id, text=self.says.get(request.name, "done"))))
                    if request.name == "stop":
                        await self.stop("the engine is stopping")
                        return
