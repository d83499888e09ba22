"""Past candles from whoever has them: storage, then the venue itself, then venues that stand in.

Two roads lead here. The feed loads what the core asks for (`stored`, `own`, `stand_in`), hands it to the core and
retries; `range` answers charts and backfills for any past time, without the core, and hands what is new to storage.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec

from engine.errors import FeedError, FeedUnavailable, RequestDenied
from engine.health import GapView, ServingView
from engine.ingestion.coverage import Wanted, runs
from engine.ingestion.sources import Storage, Venue
from engine.ingestion.standins import StandIn
from engine.ohlcv import COLUMNS, OHLCV
from engine.types import MS, Bar, Instrument, Timeframe

log = logging.getLogger(__name__)

LOAD_SHARE = 0.7
"""Part of a venue's request budget up to which the core's candles are asked for; the rest is for what cannot wait."""

RANGE_SHARE = 0.5
"""The same for charts and backfills."""

COMPARE_SHARE = 0.3
"""The same for comparing our bars with the venue's."""

RANGES = 2
"""Ranges that are looked up at once; others wait. It bounds the threads that read storage, too."""

MOST = 50_000
"""Candles that may be asked for in one range."""

PAUSE_S = 60.0
"""Pause before a source is asked again for a stretch that it did not have; it doubles up to `PAUSE_MOST_S`."""

PAUSE_MOST_S = 3600.0

ABSENCES = 1000
"""Stretches remembered that a source does not have; the oldest are forgotten."""

Keeper = Callable[[Instrument, Timeframe, Sequence[Bar]], None]
"""Takes new candles for storage; never blocks, never raises."""


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """What one source gave to an answer, and how long that took (milliseconds)."""

    source: str
    rows: int
    ms: float


class HistoryAnswer(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Candles of a range, oldest first.

    `served` in the order in which the sources were asked. `gaps` are the stretches of which no source has a candle.
    `reached_start`: there is nothing before the first candle, anywhere. `reason` says what failed, "" if nothing did.
    """

    ohlcv: OHLCV
    served: tuple[Served, ...]
    gaps: tuple[GapView, ...]
    reached_start: bool
    reason: str


class Serving:
    """How one instrument and timeframe was served last; see `ServingView`.

    `instead`: a stand-in gave what the venue should have had; before the venue's first candle there is nothing amiss.
    """

    __slots__ = ("at", "failed", "failing", "instead", "missing", "ms", "rows", "source", "stand_in")

    def __init__(self) -> None:
        self.source = self.failing = self.failed = self.stand_in = ""
        self.rows = self.at = self.missing = 0
        self.ms = 0.0
        self.instead = False

    def filled(self, bars: Sequence[Bar], wanted: Wanted) -> None:
        """A stand-in gave candles."""
        self.stand_in = bars[0].source
        first = wanted.first_had
        self.instead = self.instead or bool(self.failed) or first is None or bars[-1].open_ms > first

    def forget(self) -> None:
        """Nobody stands in any more."""
        self.stand_in = ""
        self.instead = False


class History:
    """The sources of one venue's candles, and who serves at present."""

    def __init__(
        self,
        venue: Venue,
        *,
        storage: Storage | None = None,
        stand_ins: Sequence[StandIn] = (),
        now: Callable[[], int],
        monotonic: Callable[[], float],
        keep: Keeper | None = None,
    ) -> None:
        """`now` tells UTC ns; `keep` takes what `range` finds outside storage."""
        self.venue = venue
        self.storage = storage
        self.stand_ins = tuple(stand_ins)
        self.servings: dict[tuple[str, Timeframe], Serving] = {}
        self._now = now
        self._monotonic = monotonic
        self._keep = keep
        self._turns = asyncio.Semaphore(RANGES)
        self._running: dict[tuple[str, Timeframe, int, int], tuple[asyncio.Task[HistoryAnswer], list[None]]] = {}
        self._absent: dict[tuple[str, str, Timeframe, int, int], tuple[int, float]] = {}

    def serving(self, wanted: Wanted) -> Serving:
        """Return how a series is served."""
        return self.servings.setdefault((wanted.instrument.key, wanted.timeframe), Serving())

    # What the core asks for. --------------------------------------------------------------------------------------

    async def stored(self, wanted: Wanted) -> AsyncIterator[tuple[Bar, ...]]:
        """Give what is stored; a failure is noted and leaves everything to the others."""
        if self.storage is not None:
            try:
                async for bars in self._ask(self.storage, wanted, LOAD_SHARE):
                    yield bars
            except FeedError as error:
                log.warning("%s: %s", wanted.instrument.key, error)

    async def own(self, wanted: Wanted, *, compare: bool = False) -> AsyncIterator[tuple[Bar, ...]]:
        """Give the venue's own candles of what is wanted; those that are only compared serve nobody.

        Raises:
            FeedError: No usable answer; what had come until then was given.
        """
        if self.venue.serves(wanted.instrument, wanted.timeframe):
            share = COMPARE_SHARE if compare else LOAD_SHARE
            async for bars in self._ask(self.venue, wanted, share, serves=not compare):
                yield bars

    async def stand_in(self, wanted: Wanted) -> AsyncIterator[tuple[Bar, ...]]:
        """Give what is still nowhere from venues that stand in, stored ones first; failures are noted."""
        serving = self.serving(wanted)
        if not wanted.stood_in:
            serving.forget()
        if kept := wanted.make_do():
            serving.filled(kept, wanted)
            yield kept
        for source in self.stand_ins:
            if not wanted.nowhere() or not source.serves(wanted.instrument, wanted.timeframe):
                continue
            try:
                async for bars in self._ask(source, wanted, LOAD_SHARE):
                    serving.filled(bars, wanted)
                    yield bars
            except FeedError as error:
                log.warning("%s: %s", wanted.instrument.key, error)
        serving.missing = len(wanted.nowhere())

    async def _ask(
        self,
        source: Storage | Venue | StandIn,
        wanted: Wanted,
        share: float,
        *,
        patient: bool = False,
        serves: bool = True,
    ) -> AsyncIterator[tuple[Bar, ...]]:
        """Ask one source for what it may have, and note how it served."""
        serving, began, rows = self.serving(wanted), self._monotonic(), 0
        other = source in self.stand_ins
        windows = wanted.windows(source.page, any_source=other)
        try:
            for start, end in windows:
                place = source.name, wanted.instrument.key, wanted.timeframe, start, end
                if patient and self._monotonic() < self._absent.get(place, (0, 0.0))[1]:
                    continue
                found = await source.candles(wanted.instrument, wanted.timeframe, start, end, share=share)
                bars = wanted.stand(found) if other else wanted.take(found)
                if patient and not bars and source is not self.storage:
                    self._note_absent(place)
                if not bars:
                    continue
                rows += len(bars)
                if serves:
                    serving.source, serving.rows, serving.at = source.name, rows, self._now()
                    serving.ms = (self._monotonic() - began) * 1000
                yield bars
        except FeedError as error:
            serving.failing, serving.failed = source.name, f"{source.name}: {error}"
            raise
        else:
            if windows and serving.failing == source.name:
                serving.failing = serving.failed = ""
        finally:
            if rows and serves:
                series = f"{wanted.instrument.key} {wanted.timeframe}"
                log.info("%s: %d candles from %s in %.0f ms", series, rows, source.name, serving.ms)

    def _note_absent(self, place: tuple[str, str, Timeframe, int, int]) -> None:
        times = self._absent.pop(place, (0, 0.0))[0] + 1
        self._absent[place] = times, self._monotonic() + min(PAUSE_S * 2 ** (times - 1), PAUSE_MOST_S)
        if len(self._absent) > ABSENCES:
            del self._absent[next(iter(self._absent))]

    # What charts and backfills ask for. ---------------------------------------------------------------------------

    async def range(
        self, instrument: Instrument, timeframe: Timeframe | str, start_ms: int, end_ms: int
    ) -> HistoryAnswer:
        """Return the closed candles that open in [start_ms, end_ms), from whoever has them.

        The same question asked twice at once is answered once; one that nobody waits for any more is given up.

        Raises:
            RequestDenied: No such timeframe, no range, or too long a one.
            FeedUnavailable: No source gave anything, and at least one failed; the message names each with its reason.
        """
        timeframe = _timeframe(timeframe)
        length = timeframe.seconds * 1000
        if not 0 <= start_ms < end_ms or (end_ms - start_ms) // length > MOST:
            raise RequestDenied(
                "bad_argument",
                f"[{start_ms}, {end_ms}) ms is no range of at most {MOST} candles of {timeframe}; ask for parts of it",
            )
        end_ms = min(end_ms, self._now() // MS // length * length)
        key = instrument.key, timeframe, start_ms, end_ms
        task, waiting = self._running.get(key) or (asyncio.create_task(self._range(instrument, *key[1:])), [])
        self._running[key] = task, waiting
        waiting.append(None)
        try:
            return await asyncio.shield(task)
        finally:
            waiting.pop()
            if not waiting:
                self._running.pop(key, None)
                task.cancel()

    async def _range(self, instrument: Instrument, timeframe: Timeframe, start_ms: int, end_ms: int) -> HistoryAnswer:
        async with self._turns:
            wanted = Wanted(instrument, timeframe, start_ms, end_ms)
            bars: dict[int, Bar] = {}
            served: list[Served] = []
            failed: list[str] = []
            fresh: list[Bar] = []
            sources = [source for source in (self.storage, self.venue, *self.stand_ins) if source is not None]
            for source in sources:
                if source in self.stand_ins:
                    bars.update((bar.open_ms, bar) for bar in wanted.make_do())
                if not wanted.missing or not source.serves(instrument, timeframe):
                    continue
                began, rows = self._monotonic(), 0
                try:
                    async for got in self._ask(source, wanted, RANGE_SHARE, patient=True):
                        bars.update((bar.open_ms, bar) for bar in got)
                        fresh += got if source is not self.storage else ()
                        rows += len(got)
                except FeedError as error:
                    failed.append(f"{source.name}: {error}")
                if rows:
                    served.append(Served(source=source.name, rows=rows, ms=(self._monotonic() - began) * 1000))
            bars.update((bar.open_ms, bar) for bar in wanted.make_do())
            reached = await self._reached_start(wanted, bars, start_ms)
        if not bars and failed:
            raise FeedUnavailable(f"no candles of {instrument.key} {timeframe}: {'; '.join(failed)}")
        if fresh and self._keep is not None:
            self._keep(instrument, timeframe, sorted(fresh, key=lambda bar: bar.open_ms))
        ordered = [bars[open_ms] for open_ms in sorted(bars)]
        ohlcv = OHLCV.of_bars(timeframe, ordered, instrument)
        for name in COLUMNS:
            getattr(ohlcv, name).flags.writeable = False  # all who asked at once are given the same arrays
        reason = "; ".join(failed)
        return HistoryAnswer(
            ohlcv=ohlcv,
            served=tuple(served),
            gaps=tuple(self._gaps(wanted, reason, first_ms=ordered[0].open_ms if reached and ordered else 0)),
            reached_start=reached,
            reason=reason,
        )

    async def _reached_start(self, wanted: Wanted, bars: dict[int, Bar], start_ms: int) -> bool:
        """Tell whether the venue has nothing before the first candle found; only asked where the front is missing."""
        nowhere = wanted.nowhere()
        first = -(-start_ms // wanted.length_ms) * wanted.length_ms
        if first not in nowhere or not self.venue.serves(wanted.instrument, wanted.timeframe):
            return False
        try:
            begun = await self.venue.first(wanted.instrument, wanted.timeframe, share=RANGE_SHARE)
        except FeedError as error:
            log.info("%s: first candle: %s", wanted.instrument.key, error)
            return False
        return begun is None or begun >= min(bars, default=first)

    def _gaps(self, wanted: Wanted, reason: str, *, first_ms: int) -> list[GapView]:
        """Return what is nowhere; before the start of everything there is no gap."""
        why = reason or "no source has it"
        return [
            GapView(
                instrument=wanted.instrument.key,
                timeframe=str(wanted.timeframe),
                first_ms=first,
                last_ms=last,
                missing=(last - first) // wanted.length_ms + 1,
                reason=why,
            )
            for first, last in runs(wanted.nowhere(), wanted.length_ms)
            if last >= first_ms
        ]

    # For people. --------------------------------------------------------------------------------------------------

    def views(self, again_s: float | None) -> list[ServingView]:
        """Return how every series is served; `again_s` is when what fails is tried again."""
        return [
            ServingView(
                instrument=key,
                timeframe=str(timeframe),
                source=serving.source,
                rows=serving.rows,
                ms=round(serving.ms, 1),
                at=serving.at,
                failed=serving.failed,
                again_s=again_s if serving.failed else None,
                missing=serving.missing,
                stand_in=serving.stand_in,
            )
            for (key, timeframe), serving in self.servings.items()
        ]


def _timeframe(name: str) -> Timeframe:
    try:
        return Timeframe(name)
    except ValueError:
        known = ", ".join(Timeframe)
        raise RequestDenied("bad_argument", f"there is no timeframe {name!r}; there are {known}") from None
