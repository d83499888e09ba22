"""Where answers are looked for: the engine's memory, and storage, which is read in threads, a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter_ns
from typing import TypeVar

from engine.aside import aside
from engine.data.answers import Reads
from engine.data.archive import Archive, StoredColumn
from engine.ohlcv import OHLCV
from engine.state import EngineState, MarketState
from engine.types import MS, SECOND
from engine.views import ReadsView

UNWRITTEN = 15 * SECOND
"""What is younger than this may not be on disk yet; it is written before it is read."""

READERS = 2
"""Questions to storage at a time; the others wait."""

T = TypeVar("T")


class Sources:
    """Memory and storage, of which either may be missing, and how long it took to be answered."""

    def __init__(
        self,
        state: Callable[[], EngineState] | None,
        archive: Archive | None,
        now: Callable[[], int] | None,
        written: Callable[[], Awaitable[None]] | None,
    ) -> None:
        self.state = state
        """The running engine's state; it is read in the event loop alone."""
        self.archive = archive
        self.now = now
        """The engine's clock, UTC ns."""
        self._written = written
        self._reads: dict[str, Reads] = {}
        self._turns = asyncio.Semaphore(READERS)

    def market(self, key: str) -> MarketState | None:
        """Return an instrument that the engine follows."""
        return self.state().markets.get(key) if self.state is not None else None

    def clock(self, market: MarketState | None) -> int:
        """Return the time now, UTC ns: the engine's, or that of the market's last boundary."""
        return self.now() if self.now is not None else market.frames.as_of if market is not None else 0

    async def settle(self, as_of: int) -> None:
        """See that what was known by a time is on disk."""
        if self._written is not None and self.now is not None and as_of > self.now() - UNWRITTEN:
            await self._written()

    async def read(self, question: Callable[..., T], *given: object) -> T:
        """Ask storage, in a thread, a few at a time."""
        async with self._turns:
            return await aside(question, *given)

    def took(self, name: str, began: int, hit: bool) -> float:
        """Count a question that `began` then (`perf_counter_ns`); return how long it took, ms."""
        reads = self._reads.setdefault(name, Reads())
        took = perf_counter_ns() - began
        reads.latency.add(took)
        reads.hits += hit
        reads.misses += not hit
        return took / MS

    def reads(self) -> tuple[ReadsView, ...]:
        """Return how long questions took, by kind, and how many memory could answer."""
        return tuple(reads.view(name) for name, reads in self._reads.items())


def live_columns(market: MarketState, limit: int) -> list[StoredColumn]:
    """Return the COB columns in memory of the last `limit` seconds."""
    cob = market.cob
    if cob is None:
        return []
    newest = market.frames.as_of // SECOND
    averaged = dict(market.frames.averaged)
    return [
        StoredColumn(
            column=column,
            bucket=cob.bucket,
            averages=averaged.get(column.second, ()),
            known_at=column.second * SECOND,
        )
        for column in cob.columns
        if newest - limit < column.second <= newest
    ]


def copied(candles: OHLCV) -> OHLCV:
    """Return candles that do not change when memory does."""
    return OHLCV.join([candles])
