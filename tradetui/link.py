"""The console's link to its engine: attaches, subscribes, keeps the news, and comes back by itself when it is lost.

An engine is started once, at the first attach if none runs; afterwards only when a person asks for it. Nothing here
draws: the screen reads what is kept, four times a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import time
from collections import deque
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from engine.alerts import Alert
from engine.errors import ConsoleError, EngineUnreachable, RequestDenied
from engine.ports import Entry
from engine.protocol import Series, State
from engine.text import inert
from engine.views import MarketRow
from tradetui.client import Client, connect
from tradetui.launch import attach
from tradetui.places import Places

if TYPE_CHECKING:
    from engine.health import HealthView

PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Pauses between attempts to come back; the last one is kept for ever."""

SILENT_S = 3.0
"""Without news for this long a topic is stale, and an engine without news of its health is stalled."""

EVENTS = 200
"""Events kept; the first time the newest `FIRST_EVENTS` are asked for."""

FIRST_EVENTS = 50

TOPICS = {"health": 500, "markets": 250, "alerts": 500, "events": 500}
"""What is followed, and how often news may come, ms."""


class Phase(StrEnum):
    """How the link stands."""

    LOOKING = "looking for the engine"
    STARTING = "starting engine"
    ATTACHED = "attached"
    GONE = "gone"


class Note(msgspec.Struct, frozen=True):
    """A word of the console itself among the events, UTC ns."""

    ts: int
    text: str


class Link:
    """The engine as this console knows it. `run` keeps it up to date; everything else only reads, or asks for acts."""

    def __init__(
        self,
        places: Places,
        arguments: list[str],
        *,
        pauses: tuple[float, ...] = PAUSES_S,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], int] = time.time_ns,
    ) -> None:
        """`arguments` are those of an engine that is started from here."""
        self.places = places
        self.phase = Phase.LOOKING
        self.pid = 0
        self.started = 0
        self.since = wall()
        """When the present phase of being attached or not began, UTC ns."""
        self.why = ""
        """Why there is no engine, if there is none."""
        self.refusal = ""
        """What an engine that is there and does not let us in said, or that it said nothing."""
        self.again_at: float | None = None
        self.health: HealthView | None = None
        self.alerts: list[Alert] = []
        self.markets: list[MarketRow] = []
        self.events: deque[Entry] = deque(maxlen=EVENTS)
        self.notes: deque[Note] = deque(maxlen=EVENTS)
        self.cursor = ""
        self.attached_times = 0
        self.monotonic = monotonic
        self.wall = wall
        self.arguments = arguments
        self._pauses = pauses
        self._client: Client | None = None
        self._heard: dict[str, float] = {}
        self._attached_at = 0.0
        self._tries = 0
        self._wanted = False
        self._stopped_here = False
        self._unread: set[str] = set()
        self._wake = asyncio.Event()

    # What the screen reads. -----------------------------------------------------------------------------------------

    @property
    def attached(self) -> bool:
        """Whether the engine answers."""
        return self.phase is Phase.ATTACHED

    def age(self, topic: str) -> float | None:
        """Return the seconds since the last news of a topic from the engine of now, None without any."""
        heard = self._heard.get(topic)
        return None if heard is None else self.monotonic() - heard

    def fresh(self, topic: str) -> bool:
        """Tell whether a topic can be believed: the engine is attached and spoke a moment ago.

        Alerts, and markets without a book, are sent only when they change: for them the engine's health speaks.
        """
        age = self.age(topic)
        if not self.attached or age is None:
            return False
        quiet = topic == "alerts" or (topic == "markets" and all(row.age_ms is None for row in self.markets))
        return age < SILENT_S or (quiet and self.fresh("health"))

    def stalled_s(self) -> float | None:
        """Return how long an attached engine has said nothing of its health, or None while it does."""
        silent = self.monotonic() - max(self._heard.get("health", 0.0), self._attached_at)
        return silent if self.attached and silent >= SILENT_S else None

    def again_in(self) -> float | None:
        """Return the seconds until the next attempt, None while one is under way."""
        return None if self.again_at is None else max(self.again_at - self.monotonic(), 0.0)

    def still(self) -> Link:
        """Return the link as it stands at this moment; what is shown of it does not change any more."""
        copied = copy.copy(self)
        copied.events, copied.notes, copied._heard = self.events.copy(), self.notes.copy(), self._heard.copy()
        now, wall = self.monotonic(), self.wall()
        copied.monotonic, copied.wall = lambda: now, lambda: wall
        return copied

    # What a person asks for. ----------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """Put a word of the console among the events."""
        self.notes.append(Note(self.wall(), inert(text)))

    def try_now(self) -> None:
        """End the pause before the next attempt."""
        self._wake.set()

    def start_engine(self) -> None:
        """Start an engine, if still none is there."""
        self._wanted = True
        self._wake.set()

    async def stop_engine(self, pid: int) -> None:
        """Stop the engine, if it is the one that was meant.

        Raises:
            RequestDenied: The engine says why not, or is another one by now.
            EngineUnreachable: It is gone or does not answer.
        """
        client = self._attached_client()
        if client.welcome.pid != pid:
            raise RequestDenied("changed", f"engine {pid} is gone; the one of now (pid {self.pid}) goes on")
        self._stopped_here = True
        try:
            await client.command("stop")
        except RequestDenied:
            self._stopped_here = False
            raise
        except EngineUnreachable as error:
            if self.attached:
                raise EngineUnreachable(f"{error}; it stops when it comes to itself, or by `kill {pid}`") from error

    async def acknowledge(self, alert: int) -> str:
        """Mark an alert as read; return the engine's word.

        Raises:
            RequestDenied: The engine says why not.
            EngineUnreachable: It is gone or does not answer.
        """
        return await self._attached_client().command("acknowledge", alert=alert)

    def _attached_client(self) -> Client:
        if self._client is None:
            raise EngineUnreachable("no engine is attached")
        return self._client

    # The task. ------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Attach and follow, and come back after every loss, until cancelled."""
        launching = True
        while True:
            self.again_at = None
            self._wake.clear()
            try:
                client, started = await self._open(launching)
                async with client:
                    await self._follow(client, started)
            except ConsoleError as error:
                self._missed(error, launching)
            except Exception as error:  # noqa: BLE001 - a fault of ours must not end the link
                self._lost(f"a fault of the console: {type(error).__name__}: {error}")
            finally:
                self._client = None
            launching = await self._pause()

    async def _open(self, launching: bool) -> tuple[Client, bool]:
        if not launching:
            return await connect(self.places, "console"), False

        def waiting(_text: str) -> None:
            self.phase = Phase.STARTING

        return await attach(self.places, "console", self.arguments, waiting)

    async def _follow(self, client: Client, started: bool) -> None:
        """Take the news of an engine until it is gone."""
        welcome = client.welcome
        known, self.pid, self.started = (self.pid, self.started), welcome.pid, welcome.started
        self._client = client
        self._heard.clear()
        self._unread.clear()
        self._attached_at = self.monotonic()
        self._stopped_here = False
        self.attached_times += 1
        self.phase, self.since, self.why, self.refusal = Phase.ATTACHED, self.wall(), "", ""
        self._tell(known, started)
        for topic, every_ms in TOPICS.items():
            asked = {"since": self.cursor, "limit": FIRST_EVENTS} if topic == "events" else {}
            try:
                await client.subscribe(topic, self._news, every_ms=every_ms, **asked)
            except RequestDenied as denied:
                self.say(f"the engine does not tell of {topic}: {denied}")
        reason = await client.lost()
        self._lost("stopped from this console" if self._stopped_here else reason or "the connection ended")

    def _tell(self, known: tuple[int, int], started: bool) -> None:
        """Say what engine this is, and what became of options that only a new one can take."""
        if known[0] and known != (self.pid, self.started):
            self.say(f"new engine (pid {self.pid}), before it pid {known[0]}")
        elif known[0]:
            self.say(f"attached again to the engine (pid {self.pid})")
        else:
            self.say(f"{'started' if started else 'attached to'} the engine (pid {self.pid})")
        if self.arguments and not started and self.attached_times == 1:
            told = " ".join(self.arguments)
            self.say(f"no effect on a running engine: {told}")

    def _news(self, news: State | Series) -> None:
        """Keep what the engine says; what cannot be read is said once, and its topic goes stale."""
        try:
            self._keep(news)
        except msgspec.MsgspecError as error:
            if news.topic not in self._unread:
                self._unread.add(news.topic)
                self.say(f"news of {news.topic} cannot be read: is the engine another version? {error}")
            return
        self._heard[news.topic] = self.monotonic()
        self._tries = 0

    def _keep(self, news: State | Series) -> None:
        if isinstance(news, Series):
            rows = [msgspec.msgpack.decode(row, type=Entry) for row in news.rows]
            if news.reset or (rows and self.events and rows[0].cursor <= self.events[-1].cursor):
                self.events.clear()  # another journal than before
            self.events.extend(rows)
            self.cursor = news.cursor
        elif news.topic == "health":
            from engine.health import HealthView  # loads much: after the first words are on the screen

            self.health = msgspec.msgpack.decode(news.data, type=HealthView)
        elif news.topic == "alerts":
            self.alerts = msgspec.msgpack.decode(news.data, type=list[Alert])
        else:
            self.markets = msgspec.msgpack.decode(news.data, type=list[MarketRow])

    def _missed(self, error: ConsoleError, launching: bool) -> None:
        """Take an attempt that came to nothing; why the engine was lost is worth more than that it still is."""
        shut = isinstance(error, EngineUnreachable) and error.hung and not error.starting
        if self.attached:
            self._lost(str(error))
        elif launching or not self.why:
            self.why = inert(str(error))
        self.phase, self.refusal = Phase.GONE, inert(str(error)) if shut else ""

    def _lost(self, why: str) -> None:
        self.phase, self.refusal, self.since, self.why = Phase.GONE, "", self.wall(), inert(why)
        if self.pid:
            self.say(f"engine gone (pid {self.pid}): {self.why}")

    async def _pause(self) -> bool:
        """Wait before the next attempt; return whether it may start an engine."""
        pause = self._pauses[min(self._tries, len(self._pauses) - 1)]
        self._tries += 1
        self.again_at = self.monotonic() + pause
        if not self._wake.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
        wanted, self._wanted = self._wanted, False
        return wanted
