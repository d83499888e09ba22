"""The console's link to its engine: attaches, subscribes, keeps the news, and comes back by itself when it is lost.

An engine is started once, at the first attach if none runs; afterwards only when a person asks for it. Nothing here
draws: the screen reads what is kept, four times a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

import msgspec

from engine.errors import ConsoleError, EngineUnreachable, RequestDenied
from engine.protocol import Series, State
from engine.text import inert
from tradetui.client import Client, connect
from tradetui.console import account
from tradetui.console.inquiry import Inquiry
from tradetui.console.news import EVENTS, SILENT_S, Note, Phase, Want
from tradetui.launch import attach
from tradetui.places import Places

__all__ = ["EVENTS", "SILENT_S", "Link", "Note", "Phase", "Want"]

PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Pauses between attempts to come back; the last one is kept for ever."""

FIRST_EVENTS = 50
"""Newest events that are asked for the first time."""

ALWAYS = {Want("health"): 500, Want("markets"): 250, Want("alerts"): 500, Want("events"): 500}
"""What is followed whatever is looked at, and how often news may come, ms."""

EVERY_MS = {
    "bars": 250, "book": 250, "cob": 250, "heat": 500, "trades": 250, "fills": 500, "journal": 1000, "risk": 500,
    "equity": 1000,
}  # fmt: skip
"""How often news of what is looked at may come, ms."""

BARS = 1500
"""Bars asked for of each chart: what the engine holds in memory."""

DEPTH = 40
"""Levels asked for of each side of a book."""

AGAIN_S = 1.0
"""Pause before something that the engine does not know yet is asked for again."""


class Link(Inquiry):
    """The way to the engine. `run` keeps the news up to date; everything else only reads, or asks for acts."""

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
        super().__init__(monotonic, wall)
        self.places = places
        self.cursor = ""
        self.attached_times = 0
        self.arguments = arguments
        self._pauses = pauses
        self._tries = 0
        self._wanted = False
        self._stopped_here = False
        self._wake = asyncio.Event()
        self._changed = asyncio.Event()
        self._cursors: dict[Want, str] = {}

    def look_at(self, wants: set[Want]) -> None:
        """Follow these topics besides what is always followed, and no others."""
        if wants != self._looked_at:
            self._looked_at = set(wants)
            self._changed.set()
            self._sought.set()

    # What a person asks for. ----------------------------------------------------------------------------------------

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

    async def command(self, name: str, /, **arguments: str | int | float | bool) -> str:
        """Have the engine do something; return its word about it.

        Raises:
            RequestDenied: The engine says why not.
            EngineUnreachable: It is gone or does not answer.
        """
        return await self._attached_client().command(name, **arguments)

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
        self._pasts.clear()  # another engine may have more, or less
        self.account.forget()
        self._attached_at = self.monotonic()
        self._stopped_here = False
        self.replay = None
        self.attached_times += 1
        self.phase, self.since, self.why, self.refusal = Phase.ATTACHED, self.wall(), "", ""
        self._tell(known, started)
        for want, every_ms in ALWAYS.items():
            asked = {"since": self.cursor, "limit": FIRST_EVENTS} if want.topic == "events" else {}
            try:
                await client.subscribe(want.topic, self._news, every_ms=every_ms, **asked)
            except RequestDenied as denied:
                self.say(f"the engine does not tell of {want.topic}: {denied}")
        tasks = [asyncio.create_task(each(client), name=each.__name__) for each in (self._look, self.question)]
        try:
            reason = await client.lost()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
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

    async def _look(self, client: Client) -> None:
        """Follow what is looked at, as long as the connection lasts."""
        with contextlib.suppress(EngineUnreachable):  # then it is lost, which is told elsewhere
            with contextlib.suppress(RequestDenied):  # a live engine replays nothing
                await client.subscribe("replay", self._news, every_ms=250)
            try:
                for topic in account.ALWAYS:
                    await client.subscribe(topic, self._news, every_ms=250)
            except RequestDenied as refused:
                self.account.trading, self.account.refused = None, inert(str(refused))
            followed: dict[Want, int] = {}
            while True:
                self._changed.clear()
                for want in [want for want in followed if want not in self._looked_at]:
                    await client.unsubscribe(followed.pop(want))
                denied = False
                for want in sorted(each for each in self._looked_at - followed.keys() if each.topic in EVERY_MS):
                    try:
                        followed[want] = await self._begin(client, want)
                    except RequestDenied:  # not listed yet, or switched off
                        denied = True
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(AGAIN_S if denied else None):
                        await self._changed.wait()

    async def _begin(self, client: Client, want: Want) -> int:
        asked: dict[str, str | int] = {"instrument": want.instrument} if want.instrument else {}
        if want.topic == "bars":
            asked |= {"timeframe": want.timeframe, "limit": BARS}
        elif want.topic == "book":
            asked["depth"] = DEPTH
        since = self._cursors.get(want, "") if self.has(want) else ""
        every_ms = EVERY_MS[want.topic]
        return await client.subscribe(want.topic, self._news, every_ms=every_ms, since=since, **asked)

    def _news(self, news: State | Series) -> None:
        """Keep what the engine says; what cannot be read is said once, and its topic goes stale."""
        try:
            self.take(news)
        except msgspec.MsgspecError as error:
            if news.topic not in self._unread:
                self._unread.add(news.topic)
                self.say(f"news of {news.topic} cannot be read: is the engine another version? {error}")
            return
        if isinstance(news, Series):
            if news.topic == "events":
                self.cursor = news.cursor
            else:
                self._cursors[Want(news.topic, news.instrument, news.timeframe)] = news.cursor
        self._tries = 0

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
