"""What the console asks its engine besides what it follows: pages of the past, and questions that take a while."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from engine.errors import ConsoleError, EngineUnreachable, RequestDenied
from engine.text import inert
from engine.views import GapsView, HistoryView, PivotsView, ProfileView, QualityView
from tradetui.client import Client
from tradetui.console.news import News, Told, Want
from tradetui.console.past import MOST, Page, Past

QUESTIONS: dict[str, tuple[type[Told], float]] = {
    "pivots": (PivotsView, 5.0), "profile": (ProfileView, 5.0), "quality": (QualityView, 3.0), "gaps": (GapsView, 30.0),
}  # fmt: skip
"""What can only be asked, what is told of it, and after how many seconds it is asked again while it is looked at."""

QUESTION_S = 0.5


class Inquiry(News):
    """News, and the way to ask for more of them. Answers come beside everything else."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, wall: Callable[[], int] = time.time_ns) -> None:
        super().__init__(monotonic, wall)
        self.arrived: Callable[[], None] = lambda: None
        """To be called when a page of the past has come, or cannot be had: somebody waits for it."""
        self._client: Client | None = None
        self._looked_at: set[Want] = set()
        self._unread: set[str] = set()
        """Topics whose news cannot be read: it is said once."""
        self._sought = asyncio.Event()
        self._pages: set[asyncio.Task[None]] = set()

    def load(self, instrument: str, timeframe: str, begin: int, end: int) -> None:
        """Have the past of a chart loaded from `begin` to `end` (UTC ms), page by page, beside everything else."""
        past = self.past(instrument, timeframe)
        client = self._client
        page = past.lacks(begin, end, self.monotonic()) if client is not None and self.attached else None
        if client is None or page is None:
            return
        past.ask(page)
        task = asyncio.create_task(self._page(client, past, Want("history", instrument, timeframe), page))
        self._pages.add(task)
        task.add_done_callback(self._pages.discard)

    def bounds(self, instrument: str, timeframe: str) -> None:
        """Find out from when to when candles are stored; `Past.stored` has it then."""
        past, client = self.past(instrument, timeframe), self._client
        if client is None or past.looking or past.holes is not None:
            return

        async def ask(client: Client) -> None:
            try:
                past.bounded(await client.get("gaps", GapsView, instrument=instrument, timeframe=timeframe))
            except ConsoleError as error:
                past.bounded(None, inert(str(error)))
            self.version += 1
            self.arrived()

        past.looking = True
        task = asyncio.create_task(ask(client))
        self._pages.add(task)
        task.add_done_callback(self._pages.discard)

    async def _page(self, client: Client, past: Past, want: Want, page: Page) -> None:
        """Get one page; why it cannot be had stands on the chart."""
        try:
            told = await client.get(
                "history", HistoryView, instrument=want.instrument, timeframe=want.timeframe, start_ms=page.start_ms,
                end_ms=page.end_ms, limit=min((page.end_ms - page.start_ms) // past.length_ms + 1, MOST),
            )  # fmt: skip
        except ConsoleError as error:
            past.failed(page, inert(str(error)), self.monotonic())
        else:
            refused = past.take(page, told, self.monotonic())
            if refused:
                self.say(f"{refused} stored candles of {want.instrument} {want.timeframe} make no sense: not drawn")
        self.version += 1
        self.arrived()

    async def question(self, client: Client) -> None:
        """Ask again and again what can only be asked, as long as somebody looks at it."""
        asked: dict[Want, float] = {}
        with contextlib.suppress(EngineUnreachable):
            while True:
                for want in sorted(each for each in self._looked_at if each.topic in QUESTIONS):
                    kind, pause = QUESTIONS[want.topic]
                    if self.monotonic() - asked.get(want, -pause) < pause:
                        continue
                    asked[want] = self.monotonic()
                    await self._answered(client, want, kind)
                self._sought.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(QUESTION_S):
                        await self._sought.wait()

    async def _answered(self, client: Client, want: Want, kind: type[Told]) -> None:
        """Ask one question; an engine that cannot answer it is asked again later."""
        asked = {"timeframe": want.timeframe} if want.timeframe else {}
        try:
            told = await client.get(want.topic, kind, instrument=want.instrument, **asked)
        except RequestDenied:
            return
        except EngineUnreachable as error:
            if error.hung:  # it is of another version, or has too much to do: that ends nothing, and is told once
                if want.topic not in self._unread:
                    self._unread.add(want.topic)
                    self.say(f"{want.topic} of {want.instrument}: {error}")
                return
            raise
        self.told(want, told)
        self.version += 1
