"""The audit: who had what changed, from what to what, and what came of it. Records are added, never changed.

Commands about trading are audited by the core that judges them, in the order of everything else that it keeps. Here are
the others: those that change the engine, its log, or data, by an engine and without one, and those about trading that
were refused before the core was asked, or that it has not answered.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sqlite3
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from engine.actions import BEGUN, Action, Args, Attributed
from engine.errors import ConsoleError, RequestDenied, StorageFailed
from engine.execution.account import Account
from engine.operator import Who
from engine.text import inert
from engine.trading.turn import state_of
from engine.tradingviews import AuditView
from engine.unix import user_of
from storage.writer import INSERT_RECORD

log = logging.getLogger("tradetui.engine")

KIND = "audit"

WITHIN_S = 2.0
"""A command waits so long for its record to be on disk; then the record waits for the disk."""

WAITING_MOST = 1000
"""Records that wait in memory while the database refuses; the oldest go to the log alone."""

QUIET = frozenset(
    {"acknowledge", "preview", "replay_pause", "replay_resume", "replay_step", "replay_speed", "replay_seek"}
)
"""Commands that change nothing of trading, limits, models, settings or data."""

TEXT_MOST = 1000
"""Characters of one field that are kept."""

Record = Callable[..., Awaitable[bool]]
"""`storage.writer.Writer.record`: (kind, key, body, *, mode, ts)."""

_encode = msgspec.json.Encoder().encode


class Judged(RequestDenied):
    """The core has said no, and keeps a record of that itself."""


class Audit:
    """The audit of one engine. What cannot be stored is in the log at once, and stored when that goes again."""

    def __init__(
        self, record: Record, mode: str, clean: Callable[[str], str], now: Callable[[], int] = time.time_ns
    ) -> None:
        """`clean` takes secrets out of a text, `now` is the engine's clock, UTC ns."""
        self._record = record
        self._mode = mode
        self._clean = clean
        self._now = now
        self._begun = time.time_ns()
        self._count = 0
        self._waiting: deque[tuple[str, AuditView]] = deque()
        self._going: set[tuple[str, str]] = set()
        self._writing = asyncio.Lock()

    @property
    def waiting(self) -> int:
        """Records that are not on disk yet."""
        return len(self._waiting)

    def over(
        self, commands: Mapping[str, Action | Attributed], facts: Mapping[str, Callable[[], str]] | None = None
    ) -> dict[str, Action | Attributed]:
        """Return commands that leave a record; `facts` tell by command's name what it changes, before and after."""
        tell = facts or {}
        return {
            name: action if name in QUIET else Attributed(self._audited(name, action, tell.get(name, str)))
            for name, action in commands.items()
        }

    def refusals(
        self, commands: Mapping[str, Action | Attributed], fact: Callable[[], str]
    ) -> dict[str, Action | Attributed]:
        """Return commands about trading that leave a record of what the core does not audit: of what never reached it.

        `fact` tells the state of trading in a few words.
        """
        return {
            name: action if name in QUIET else Attributed(self._unjudged(name, action, fact))
            for name, action in commands.items()
        }

    def _unjudged(
        self, name: str, action: Action | Attributed, fact: Callable[[], str]
    ) -> Callable[[Args, Who], Awaitable[str]]:
        async def act(arguments: Args, who: Who) -> str:
            before = fact()
            try:
                return await _done(action, arguments, who)
            except Judged:
                raise
            except Exception as error:
                said = str(error) if isinstance(error, ConsoleError) else type(error).__name__
                await self.note(name, arguments, who, before=before, after=fact(), done=False, result=said)
                raise

        return act

    def _audited(
        self, name: str, action: Action | Attributed, fact: Callable[[], str]
    ) -> Callable[[Args, Who], Awaitable[str]]:
        async def act(arguments: Args, who: Who) -> str:
            before, said, done = fact(), "", False
            try:
                said = await _done(action, arguments, who)
                done = True
            except ConsoleError as error:
                said = str(error)
                raise
            except BaseException as error:
                said = type(error).__name__
                raise
            finally:
                if self._is_news(name, arguments, said):
                    await self.note(name, arguments, who, before=before, after=fact(), done=done, result=said)
            return said

        return act

    def _is_news(self, name: str, arguments: Args, said: str) -> bool:
        """Tell whether an answer is the first or the last of its work."""
        work = (name, repr(sorted(arguments.items())))
        if said == BEGUN:
            known = work in self._going
            self._going.add(work)
            return not known
        self._going.discard(work)
        return True

    async def note(
        self,
        command: str,
        arguments: Mapping[str, object],
        who: Who,
        *,
        before: str = "",
        after: str = "",
        done: bool = True,
        result: str = "",
    ) -> None:
        """Keep a record; never raises for a database that refuses."""
        self._count += 1
        view = AuditView(
            ts=self._now(),
            user=self._inert(who.user),
            client=self._inert(who.client),
            pid=who.pid,
            command=command,
            detail=self._inert(json.dumps(dict(arguments), default=str, ensure_ascii=False)),
            before=self._inert(before),
            after=self._inert(after),
            done=done,
            result=self._inert(result),
        )
        log.info("audit %s", _encode(view).decode())
        self._waiting.append((f"{self._mode}/{KIND}/shell-{self._begun:x}-{self._count}", view))
        while len(self._waiting) > WAITING_MOST:
            self._waiting.popleft()
        writing = asyncio.ensure_future(self.flush())
        await asyncio.wait((writing,), timeout=WITHIN_S)

    async def flush(self) -> None:
        """Store what waits, in its order; a database that refuses is tried again at the next record."""
        async with self._writing:
            while self._waiting:
                key, view = self._waiting[0]
                try:
                    await self._record(KIND, key, _encode(view), mode=self._mode, ts=view.ts)
                except StorageFailed as error:
                    log.warning("%d records of the audit wait for the database: %s", len(self._waiting), error)
                    return
                if self._waiting and self._waiting[0][0] == key:
                    self._waiting.popleft()

    def _inert(self, text: str) -> str:
        return inert(self._clean(text), TEXT_MOST)


def standing(account: Account) -> str:
    """Return the state of trading in a few words, as the core's own records have it."""
    state, reasons = state_of(account)
    return f"{state}: {reasons[0]}" if reasons else str(state)


async def _done(action: Action | Attributed, arguments: Args, who: Who) -> str:
    return await (action.act(arguments, who) if isinstance(action, Attributed) else action(arguments))


def note_here(connection: sqlite3.Connection, mode: str, command: str, detail: Mapping[str, Any], result: str) -> None:
    """Keep a record of what this process did to a database that it holds by itself, in a transaction of its own.

    Raises:
        sqlite3.Error: The database refused.
    """
    now = time.time_ns()
    view = AuditView(
        ts=now,
        user=user_of(os.getuid()),
        client="command line",
        pid=os.getpid(),
        command=command,
        detail=inert(json.dumps(dict(detail), default=str, ensure_ascii=False), TEXT_MOST),
        before="",
        after="",
        done=True,
        result=inert(result, TEXT_MOST),
    )
    row = (KIND, mode, f"{mode}/{KIND}/here-{now:x}-{os.getpid()}", now, _encode(view).decode())
    with connection:
        connection.execute(INSERT_RECORD, row)
