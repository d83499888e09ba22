"""Questions that are answered once and take a while: history, market structure, book analytics, quality, storage.

What is read or worked out for long is done in threads; the event loop only looks at its own state.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from engine.aside import aside
from engine.data import summaries
from engine.data.answers import InferenceData
from engine.data.archive import Archive
from engine.data.provider import DataProvider
from engine.errors import ConsoleError, RequestDenied, SettingsInvalid, StorageFailed
from engine.ingestion.history import HistoryAnswer
from engine.ingestion.symbols import full_key
from engine.market.input_bars import KEPT
from engine.market.validation import validate
from engine.ohlcv import OHLCV
from engine.protocol import Asked, raw
from engine.snapshot import is_live
from engine.state import EngineState
from engine.types import MS, Instrument, Timeframe
from engine.views import (
    DepthView,
    GapsView,
    HistoryView,
    ModelInputView,
    PivotsView,
    ProfileView,
    QualityView,
    ServedView,
    SpanView,
    StorageView,
)

QUERIES = ("history", "pivots", "profile", "depth", "quality", "model_input", "gaps", "storage")
"""The topics that are answered here."""

OF_TIMEFRAME = ("history", "pivots", "gaps")

AT_ONCE = 4
"""Questions that are worked on at a time; others wait."""


class Beyond(Protocol):
    """Who has candles that are neither in memory nor stored: `ingestion.history.History`."""

    async def range(
        self, instrument: Instrument, timeframe: Timeframe | str, start_ms: int, end_ms: int
    ) -> HistoryAnswer:
        """Return the candles that open in [start_ms, end_ms)."""


class Queries:
    """Answers questions about one engine, or about what is stored."""

    def __init__(
        self,
        provider: DataProvider,
        state: Callable[[], EngineState],
        now: Callable[[], int],
        *,
        history: Callable[[Instrument], Beyond | None] = lambda _: None,
        storage: Callable[[], StorageView] | None = None,
    ) -> None:
        """`history` gives the sources of an instrument's candles beyond storage, `storage` the database's figures."""
        self.provider = provider
        self._state = state
        self._now = now
        self._history = history
        self._storage = storage
        self._turns = asyncio.Semaphore(AT_ONCE)

    def check(self, asked: Asked) -> None:
        """Find out whether a question can be answered.

        Raises:
            RequestDenied: No such instrument or timeframe, or there is no storage.
        """
        if asked.topic == "storage":
            if self._storage is None:
                raise RequestDenied("not_available", "this engine keeps nothing")
            return
        try:
            full_key(asked.instrument)
        except SettingsInvalid as error:
            raise RequestDenied("unknown_instrument", str(error)) from error
        if asked.topic in OF_TIMEFRAME and asked.timeframe not in list(Timeframe):
            known = ", ".join(Timeframe)
            raise RequestDenied("unknown_timeframe", f"unknown timeframe {asked.timeframe!r} (known: {known})")

    async def answer(self, asked: Asked) -> bytes:
        """Return the answer, packed.

        Raises:
            RequestDenied: As `check`.
            StorageFailed: The database cannot be read.
        """
        self.check(asked)
        async with self._turns:
            view = await self._view(asked)
            return await aside(lambda: bytes(raw(view)))

    async def _view(self, asked: Asked) -> object:
        key = full_key(asked.instrument) if asked.topic != "storage" else ""
        match asked.topic:
            case "history":
                return await self.history(key, Timeframe(asked.timeframe), asked.start_ms, asked.end_ms, asked.limit)
            case "pivots":
                return await self.pivots(key, Timeframe(asked.timeframe))
            case "profile":
                return await self.profile(key)
            case "depth":
                return await self.depth(key)
            case "quality":
                return await self.quality(key)
            case "model_input":
                return await self.model_input(key, asked.end_ms)
            case "gaps":
                return await self.gaps(key, Timeframe(asked.timeframe), asked.start_ms, asked.end_ms)
            case _:
                assert self._storage is not None
                return await aside(self._storage)

    # Candles. ---------------------------------------------------------------------------------------------------------

    async def history(
        self, key: str, timeframe: Timeframe, start_ms: int | None, end_ms: int | None, limit: int
    ) -> HistoryView:
        """Return the newest `limit` closed candles that open in [start_ms, end_ms), from whoever has them.

        Without an end it is now, without a start `limit` candles before the end. A start without an end gives the
        first `limit` candles from there on.
        """
        length = timeframe.seconds * 1000
        market = self._state().markets.get(key)
        track = market.frames.tracks[timeframe] if market is not None else None
        closed = track.candles(track.kept) if track is not None else OHLCV.empty(timeframe)
        # The exchange's clock, which bars follow, may be ahead of ours.
        now_ms = max(self._now() // MS // length * length, int(closed.close_ms[-1]) if len(closed) else 0)
        if end_ms is None:
            end_ms = now_ms if start_ms is None else min(now_ms, start_ms + limit * length)
        end_ms = -(-min(end_ms, now_ms + length) // length) * length
        start_ms = max(end_ms - limit * length, start_ms or 0, 0)
        start_ms = -(-start_ms // length) * length
        served: list[ServedView] = []
        failed: list[str] = []
        parts: list[OHLCV] = []

        def take(found: OHLCV, source: str, ms: float) -> None:
            if len(found):
                served.append(ServedView(source=source, rows=len(found), ms=round(ms, 1)))
                parts.append(found)

        held = closed.take((closed.open_ms >= start_ms) & (closed.open_ms < end_ms))
        archive, bounds, loop = self.provider.archive, None, asyncio.get_running_loop()
        if archive is not None:
            began = loop.time()
            try:
                found, bounds = await aside(_stored, archive, key, timeframe, start_ms, end_ms)
                take(found, "storage", (loop.time() - began) * 1000)
            except StorageFailed as error:
                failed.append(str(error))
        take(held, "memory", 0.0)
        rows = summaries.together(timeframe, parts)
        reached = bounds is not None and start_ms <= bounds[0]
        wanted = summaries.missing(rows, start_ms, min(end_ms, now_ms), length)
        instrument = market.instrument if market is not None else await self._instrument(key)
        history = self._history(instrument) if instrument is not None and wanted is not None else None
        if history is not None and instrument is not None and wanted is not None:
            try:
                given = await history.range(instrument, timeframe, wanted[0], wanted[1] + length)
            except ConsoleError as error:
                failed.append(str(error))
            else:
                reached = given.reached_start and (bounds is None or start_ms <= bounds[0])
                parts.append(given.ohlcv)
                served += [
                    ServedView(source=each.source, rows=each.rows, ms=round(each.ms, 1))
                    for each in given.served
                    if each.source != "storage"
                ]
                failed += [given.reason] if given.reason else []
                rows = summaries.together(timeframe, parts)
        return await aside(summaries.history, key, timeframe, rows[-limit:], served, reached, bounds, failed, limit)

    async def _instrument(self, key: str) -> Instrument | None:
        archive = self.provider.archive
        return await aside(archive.instrument, key) if archive is not None else None

    async def gaps(self, key: str, timeframe: Timeframe, start_ms: int | None, end_ms: int | None) -> GapsView:
        """Return the stretches without a candle in what is stored."""
        archive = self.provider.archive
        bounds: tuple[int, int] | None = None
        found: tuple[SpanView, ...] = ()
        if archive is not None:
            bounds, found = await aside(_gaps, archive, key, timeframe, start_ms, end_ms)
        return GapsView(
            instrument=key,
            timeframe=str(timeframe),
            first_ms=bounds[0] if bounds else None,
            last_ms=bounds[1] if bounds else None,
            gaps=found,
            missing=sum(each.missing for each in found),
            reason="" if bounds else f"no {timeframe} candle of {key} is stored",
        )

    # Market structure, book. ------------------------------------------------------------------------------------------

    async def pivots(self, key: str, timeframe: Timeframe) -> PivotsView:
        """Return the market structure as it is known now."""
        data = await self.provider.get_multi_timeframe_data(key, [timeframe, Timeframe.D1], limit=KEPT)
        points = (await self.provider.calculate_williams_pivot_points(key)).get(timeframe, [])
        price = summaries.last_price(data.candles)
        return await aside(summaries.pivots, key, timeframe, data, points, price)

    async def profile(self, key: str) -> ProfileView:
        """Return the volume by price since 00:00 UTC; what was traded before the start comes from 1m bars."""
        market = self._state().markets.get(key)
        if market is None or market.profile is None:
            reason = "not followed by this engine" if market is None else "no trade has come yet"
            return summaries.no_profile(key, reason)
        track = market.frames.tracks[Timeframe.M1]
        minutes = OHLCV.join([track.candles(track.kept)])
        return await aside(summaries.profile, market.instrument, market.profile.kept(), minutes)

    async def depth(self, key: str) -> DepthView:
        """Return what the live book amounts to."""
        state = self._state()
        market = state.markets.get(key)
        if market is None or market.cob is None or not is_live(state, market, self._now()):
            reason = "not followed by this engine" if market is None else "the book is not live"
            return summaries.no_depth(key, state.seq, reason)
        book, known = market.sync.book, (market.sync.low, market.sync.high)
        return await aside(
            summaries.depth,
            market.instrument,
            state.seq,
            dict(book.bids),
            dict(book.asks),
            known,
            market.cob.column(0, book, *known),
            market.cob.bucket,
        )

    # Model input. -----------------------------------------------------------------------------------------------------

    async def quality(self, key: str) -> QualityView:
        """Return the quality of the newest input."""
        data = await self.provider.get_inference_data(key, context_window_minutes=0)
        given = data.input
        storage = await aside(self._storage) if self._storage is not None else None
        return QualityView(
            instrument=key,
            as_of=data.as_of,
            score=given.quality.score if given else 0.0,
            valid=bool(given) and not validate(given) if given else False,
            parts=summaries.parts(given),
            missing=tuple(str(each) for each in validate(given)) if given else (),
            streams=summaries.streams(given, self._sources(key, data)),
            storage=storage,
            reason=data.reason,
        )

    async def model_input(self, key: str, at_ms: int | None) -> ModelInputView:
        """Return a summary of the input at a time, UTC ms; None: now."""
        at = None if at_ms is None else at_ms * MS
        data = await self.provider.get_inference_data(key, at, context_window_minutes=0)
        return summaries.model_input(key, data, self._sources(key, data))

    def _sources(self, key: str, data: InferenceData) -> Mapping[str, Sequence[OHLCV]]:
        """Return the candles behind the streams of a live input."""
        state = self._state()
        if data.source != "cache" or key not in state.markets or data.input is None:
            return {}
        parts = self.provider.live_parts(key)
        return {f"primary_{each}": (candles,) for each, candles in parts.candles.items()} | {
            "reference_1s": (parts.reference_1s,)
        }


def _stored(
    archive: Archive, key: str, timeframe: Timeframe, start_ms: int, end_ms: int
) -> tuple[OHLCV, tuple[int, int] | None]:
    return archive.candles(key, timeframe, start_ms=start_ms, end_ms=end_ms), archive.bounds(key, timeframe)


def _gaps(
    archive: Archive, key: str, timeframe: Timeframe, start_ms: int | None, end_ms: int | None
) -> tuple[tuple[int, int] | None, tuple[SpanView, ...]]:
    bounds = archive.bounds(key, timeframe)
    if bounds is None:
        return None, ()
    first = max(start_ms or 0, bounds[0])
    last = min(end_ms if end_ms is not None else bounds[1] + 1, bounds[1] + timeframe.seconds * 1000)
    return bounds, archive.gaps(key, timeframe, first, last) if first < last else ()
