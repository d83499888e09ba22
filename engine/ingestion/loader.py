"""Candles for the core: what it asks for is taken from the sources in their order, delivered and recorded.

One request goes after the other. The venue is asked until it answers; meanwhile others stand in.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import Protocol

import msgspec

from engine.errors import FeedError, VenueThrottled
from engine.ingestion import envelope
from engine.ingestion.connection import Sink
from engine.ingestion.coverage import Wanted
from engine.ingestion.history import COMPARE_SHARE, History
from engine.ports import StructureSource
from engine.types import Bar, BarsLoaded, FetchBars, Instrument, Timeframe

log = logging.getLogger(__name__)

WHAT = "klines"
"""Name of these requests among the troubles of a feed."""

RETRY_S = 0.5
"""Pause after a failed request; it doubles."""

TRIES = 5
"""Times a request is tried before others have their turn; it is tried again after `AGAIN_S`."""

AGAIN_S = 60.0

STAND_IN_AT = 2
"""The failed try after which other venues stand in; one failure is mostly that of one address."""

Series = tuple[str, Timeframe]


class Troubles(Protocol):
    """Where it is remembered what fails, for people."""

    def has(self, what: str) -> bool:
        """Tell whether a kind of request fails."""

    def note(self, what: str, error: FeedError, pause: float) -> None:
        """Remember that it fails, and that it is tried again after `pause` seconds."""

    def over(self, what: str) -> None:
        """It works."""


class CandleLoader:
    """Loads the candles of one venue's instruments.

    `maintains`: closed bars are compared with the venue's own.
    """

    def __init__(
        self,
        history: History,
        sink: Sink,
        source: str,
        troubles: Troubles,
        *,
        monotonic: Callable[[], float],
        structures: StructureSource | None = None,
    ) -> None:
        """`source` is the name under which REST answers are delivered."""
        self.history = history
        self.maintains = True
        self._sink = sink
        self._source = source
        self._troubles = troubles
        self._monotonic = monotonic
        self._structures = structures
        self._instruments: dict[str, Instrument] = {}
        self._seeded: set[str] = set()
        self._waiting: asyncio.Queue[FetchBars] = asyncio.Queue(maxsize=1000)
        self._comparing: set[Series] = set()
        self._postponed: dict[Series, FetchBars] = {}

    def add(self, instrument: Instrument) -> None:
        """Know an instrument, or its new scales."""
        if self._instruments.get(instrument.key) != instrument:
            self._seeded.discard(instrument.key)
        self._instruments[instrument.key] = instrument

    def fetch(self, command: FetchBars) -> None:
        """Take a request; when too many wait, the newest is dropped and asked for later."""
        series = command.instrument, command.timeframe
        if command.compare and (not self.maintains or series in self._comparing):
            return
        with contextlib.suppress(asyncio.QueueFull):
            self._waiting.put_nowait(command)
            if command.compare:
                self._comparing.add(series)

    async def run(self) -> None:
        """Load what is asked for until cancelled."""
        while True:
            command = await self._waiting.get()
            instrument = self._instruments[command.instrument]
            if instrument.key not in self._seeded:
                await self._seed(instrument)
            wanted = Wanted(instrument, command.timeframe, command.start_ms, command.end_ms + 1)
            await (self._compare(wanted) if command.compare else self._load(wanted, command))

    async def _seed(self, instrument: Instrument) -> None:
        """Deliver the stored market structure of an instrument; its history goes on from there."""
        self._seeded.add(instrument.key)
        if self._structures is not None:
            async for event in self._structures.load(instrument):
                note = envelope.of_pivots(event, instrument.symbol)
                self._sink.deliver(self._sink.stamp(), self._source, event, b"", [instrument.key], note)

    async def _compare(self, wanted: Wanted) -> None:
        """Ask for the venue's own candles; what finds no room or fails twice is asked for when the next are due."""
        venue = self.history.venue
        weight = venue.rest.market.kline_weight(min(len(wanted.missing), venue.page))
        try:
            for _ in range(2):
                if venue.rest.budget.wait(weight, self._monotonic(), COMPARE_SHARE) > 0:
                    return
                try:
                    await self._hand_over(wanted, self.history.own(wanted, compare=True))
                except FeedError as error:
                    log.info("%s: candles to compare: %s", wanted.instrument.key, error)
                    self._troubles.note(WHAT, error, RETRY_S)
                    await asyncio.sleep(RETRY_S)
                else:
                    self._troubles.over(WHAT)
                    return
        finally:
            self._comparing.discard((wanted.instrument.key, wanted.timeframe))

    async def _load(self, wanted: Wanted, command: FetchBars) -> None:
        """Ask storage, then the venue until it answers; others stand in meanwhile, and for what it does not have."""
        await self._hand_over(wanted, self.history.stored(wanted))
        for tries in range(1, TRIES + 1):
            if not wanted.missing:
                return
            try:
                await self._hand_over(wanted, self.history.own(wanted))
            except FeedError as error:
                log.warning("%s: %s: %s", wanted.instrument.venue, WHAT, error)
                if await self._failed(wanted, command, error, tries):
                    return
            else:
                if self.history.venue.serves(wanted.instrument, wanted.timeframe):
                    self._troubles.over(WHAT)
                await self._hand_over(wanted, self.history.stand_in(wanted))
                return

    async def _failed(self, wanted: Wanted, command: FetchBars, error: FeedError, tries: int) -> bool:
        """Let others stand in, and wait; return whether it is the turn of other requests."""
        throttled = isinstance(error, VenueThrottled)
        if tries == STAND_IN_AT or throttled or self._troubles.has(WHAT):
            await self._hand_over(wanted, self.history.stand_in(wanted))
        # With other candles in place the venue's own can wait until everything else has been asked for.
        served = not wanted.nowhere() and not self._waiting.empty()
        pause = error.retry_after_s if isinstance(error, VenueThrottled) else RETRY_S * 2 ** (tries - 1)
        if tries == TRIES or served:
            self._postpone(command)
            if self._waiting.empty():
                self._troubles.note(WHAT, error, AGAIN_S)
                return True
        pause = RETRY_S if served else pause
        self._troubles.note(WHAT, error, pause)
        await asyncio.sleep(pause)
        return served

    def _postpone(self, command: FetchBars) -> None:
        """Ask again later; several requests of one series become one."""
        series = command.instrument, command.timeframe
        known = self._postponed.get(series)
        if known is None:
            asyncio.get_running_loop().call_later(AGAIN_S, self._again, series)
            known = command
        start, end = min(known.start_ms, command.start_ms), max(known.end_ms, command.end_ms)
        self._postponed[series] = msgspec.structs.replace(command, start_ms=start, end_ms=end)

    def _again(self, series: Series) -> None:
        self.fetch(self._postponed.pop(series))

    async def _hand_over(self, wanted: Wanted, answers: AsyncIterator[tuple[Bar, ...]]) -> None:
        """Deliver candles as they come, and record them; those of scales that have changed meanwhile are dropped."""
        instrument, timeframe = wanted.instrument, wanted.timeframe
        async for bars in answers:
            if self._instruments[instrument.key] == instrument:
                event = BarsLoaded(instrument=instrument.key, timeframe=timeframe, bars=bars)
                note = envelope.of_bars(event, instrument.symbol, self.history.serving(wanted).source)
                self._sink.deliver(self._sink.stamp(), self._source, event, b"", [instrument.key], note)
