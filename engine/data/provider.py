"""The one place that is asked for data, live or past, and gives the same answer for the same time.

With a running engine the present comes out of memory, everything else out of storage, read in threads; without one all
of it comes out of storage. An answer for t holds what was known at t, never more: nothing is looked up for a time that
is later, and what cannot be had is said with its reason.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from math import inf
from time import perf_counter_ns
from typing import Literal, TypeVar

import msgspec

from engine.data import lookup
from engine.data.answers import LATEST, Context, InferenceData, OrderBookData, Reads, Time, TimeframesData, moment
from engine.data.archive import Archive, StoredBook, StoredColumn
from engine.data.parts import NO_OUTPUTS, live_parts
from engine.errors import SettingsInvalid, StorageFailed
from engine.ingestion.symbols import full_key
from engine.market.assembly import Parts, build
from engine.market.cob import SECONDS, Averages, Cob, Heatmap
from engine.market.columns import Columns
from engine.market.inputs import ModelInput
from engine.market.outputs import ModelOutput
from engine.market.quality import LEAST_SCORE
from engine.ohlcv import OHLCV
from engine.settings import REFERENCES
from engine.snapshot import CobView, cob_view, is_live
from engine.state import EngineState, MarketState
from engine.types import MS, SECOND, Instrument, PivotPoint, Timeframe
from engine.views import ReadsView

Aggregation = Literal["raw", "1s", "1m"]
LAG_S = 3
"""Seconds by which the newest bar of a second may lag: it closes when a later trade comes, or half a second of silence,
and is known with the whole second after that. Longer bars that are the newest come from files, and do not lag."""

UNWRITTEN = 15 * SECOND
"""What is younger than this may not be on disk yet; it is written before it is read."""

HELD = 8
"""Inputs that are kept for whoever asks for the same one."""

READERS = 2
"""Questions to storage at a time; the others wait."""

METRICS = {"imbalance": "imbalance", "volume": "size", "spread": "spread"}

T = TypeVar("T")


class DataProvider:
    """Answers for live and past times; every part of it may be missing.

    All times are UTC. Symbols are instrument keys, or BASE/QUOTE for Binance spot.
    """

    def __init__(
        self,
        *,
        state: Callable[[], EngineState] | None = None,
        archive: Archive | None = None,
        now: Callable[[], int] | None = None,
        written: Callable[[], Awaitable[None]] | None = None,
        references: Mapping[str, str] = REFERENCES,
        outputs: Callable[[str], Mapping[str, ModelOutput]] | None = None,
    ) -> None:
        """Bring the sources together.

        Args:
            state: The running engine's state; it is read in the event loop alone.
            archive: What is stored.
            now: The engine's clock, UTC ns.
            written: Returns when all that is known is on disk.
            references: Base asset of the reference by that of the instrument.
            outputs: The last answers of all models for an instrument.
        """
        self._state = state
        self.archive = archive
        self._now = now
        self._written = written
        self._references = references
        self._outputs = outputs or (lambda _: NO_OUTPUTS)
        self._inputs: OrderedDict[tuple[str, int], ModelInput] = OrderedDict()
        self._before: dict[str, Columns] = {}
        self._reads: dict[str, Reads] = {}
        self._turns = asyncio.Semaphore(READERS)

    # Model input. -----------------------------------------------------------------------------------------------------

    async def get_inference_data(
        self, symbol: str, timestamp: Time = None, context_window_minutes: float = 5
    ) -> InferenceData:
        """Return what models are given at a time: the same object whether it is the present or the past.

        The time is taken down to the whole second. Where the newest bar then known is older than it should be the
        answer has a warning, where it is older by more than one bar there is a reason instead of an input; nothing
        later than the time is ever used. With a context window the answer has what lies around the time beside it.
        """
        began = perf_counter_ns()
        try:
            key = full_key(symbol)
            asked = moment(timestamp)
            half = _window(context_window_minutes)
            data = await self._inference(key, asked)
        except (SettingsInvalid, StorageFailed) as error:
            data = InferenceData(
                symbol=symbol, as_of=0, input=None, source="database", query_latency_ms=0, reason=str(error)
            )
        else:
            if half > 0 and data.as_of:
                data = msgspec.structs.replace(data, context=await self._context(data, half))
        return msgspec.structs.replace(data, query_latency_ms=self._took("input", began, data.source == "cache"))

    async def get_base_data_input(self, symbol: str) -> ModelInput | None:
        """Return the input of the present; None where there is none."""
        return (await self.get_inference_data(symbol, context_window_minutes=0)).input

    async def _inference(self, key: str, asked: int | None) -> InferenceData:
        market = self._market(key)
        if market is not None and market.frames.as_of:
            await self._recall(market)
        if market is not None and market.frames.as_of and asked in (None, market.frames.as_of):
            given = self.live_input(key)
            return self._judged(key, given.as_of, given, "cache")
        if self.archive is None:
            why = "no storage to look it up in" if asked is not None else "the engine has nothing of it yet"
            followed = "" if market is not None else f"{key} is not followed; "
            return InferenceData(
                symbol=key, as_of=asked or 0, input=None, source="cache", query_latency_ms=0, reason=followed + why
            )
        as_of = asked if asked is not None else await self._read(lookup.newest, self.archive, key)
        if as_of is None:
            return self._nothing(key, 0)
        if self._now is not None and as_of > self._now():
            ahead = (as_of - self._now()) / SECOND
            return InferenceData(
                symbol=key, as_of=as_of, input=None, source="database", query_latency_ms=0,
                reason=f"that time is {ahead:.0f} s in the future",
            )  # fmt: skip
        await self._settle(as_of)
        found = await self._read(lookup.model_input, self.archive, key, as_of, self._references, self._outputs(key))
        return self._nothing(key, as_of) if found is None else self._judged(key, as_of, found, "database")

    def live_parts(self, key: str) -> Parts:
        """Return what the live input is built from.

        Raises:
            KeyError: The engine does not follow the instrument.
        """
        assert self._state is not None
        parts = live_parts(self._state(), key, self._references, self._outputs(key))
        before = self._before.get(key)
        if before is None or not len(before):
            return parts
        first = int(parts.columns.seconds[0]) if len(parts.columns) else parts.as_of // SECOND + 1
        both = Columns.join([before.take(before.seconds < first), parts.columns])
        return msgspec.structs.replace(parts, columns=both)

    async def _recall(self, market: MarketState) -> None:
        """Read, once, the COB seconds of the last minutes before this engine's own: those of the one before it."""
        key, held = market.instrument.key, market.frames.columns.last()
        if key in self._before or self.archive is None:
            return
        first = int(held.seconds[0]) if len(held) else market.frames.as_of // SECOND + 1
        self._before[key] = held.take(held.seconds < 0)
        with suppress(StorageFailed):  # the market stays on screen
            wanted = lookup.columns, self.archive, market.instrument, first - SECONDS, first - 1
            self._before[key] = await self._read(*wanted)

    def live_input(self, key: str) -> ModelInput:
        """Return the input at the engine's last boundary; it is built once, whoever asks.

        Raises:
            KeyError: The engine does not follow the instrument.
        """
        assert self._state is not None
        state = self._state()
        outputs = self._outputs(key)
        place = key, state.markets[key].frames.as_of
        held = self._inputs.get(place)
        if held is not None and held.outputs == outputs:
            return held
        given = build(self.live_parts(key))
        self._hold(place, given)
        return given

    def _hold(self, place: tuple[str, int], given: ModelInput) -> None:
        self._inputs[place] = given
        self._inputs.move_to_end(place)
        while len(self._inputs) > HELD:
            self._inputs.popitem(last=False)

    def _judged(self, key: str, as_of: int, given: ModelInput, source: str) -> InferenceData:
        """Return an input with its age, or the reason why it is too old."""
        ends = [(end, -frame.timeframe.seconds, frame) for frame in given.frames.values() if (end := frame.end_ms)]
        if not ends:
            reason = "no closed bar is known yet"
            return InferenceData(symbol=key, as_of=as_of, input=None, source=source, query_latency_ms=0, reason=reason)
        end_ms, _, newest = max(ends, key=lambda each: each[:2])
        age, bar = max(as_of // MS - end_ms, 0) / 1000, newest.timeframe.seconds
        said = f"the newest bar ({newest.timeframe}) ended {age:.1f} s before that time"
        late = age - (LAG_S if newest.timeframe is Timeframe.S1 else 0)
        if late >= 2 * bar:
            reason = f"{said}, which is more than one bar: nothing is known of the time between"
            return InferenceData(
                symbol=key, as_of=as_of, input=None, source=source, query_latency_ms=0, age_s=age, reason=reason
            )
        warnings = [said] if late >= bar else []
        if given.quality.score < LEAST_SCORE:
            why = "; ".join(part.why for part in given.quality.parts if part.why)
            warnings.append(f"quality {given.quality.score:.2f} is below {LEAST_SCORE}: {why}")
        return InferenceData(
            symbol=key,
            as_of=as_of,
            input=given,
            source=source,
            query_latency_ms=0,
            age_s=age,
            warnings=tuple(warnings),
        )

    def _nothing(self, key: str, as_of: int) -> InferenceData:
        reason = f"nothing of {key} is stored" + (" that was known by then" if as_of else "")
        return InferenceData(symbol=key, as_of=as_of, input=None, source="database", query_latency_ms=0, reason=reason)

    async def _context(self, data: InferenceData, half: int) -> Context | None:
        """Return what is stored round a time; of what is not stored, what is in memory."""
        start, end = max(data.as_of - half, 0), min(data.as_of + half, LATEST)
        market = self._market(data.symbol)
        if self.archive is not None:
            try:
                await self._settle(data.as_of)
                return await self._read(lookup.context, self.archive, data.symbol, start, end)
            except StorageFailed:
                pass  # the market stays on screen
        if market is None:
            return None
        candles = {}
        for timeframe, track in market.frames.tracks.items():
            held = track.candles(track.kept)
            candles[timeframe] = _copied(held.take((held.open_ms >= start // MS) & (held.open_ms < end // MS)))
        return Context(
            start=start,
            end=end,
            candles=candles,
            columns=tuple(each for each in _live_columns(market, SECONDS) if start <= each.column.second * SECOND),
            trades=tuple(trade for trade in market.tape.trades if start <= trade.ts_exch < end),
        )

    # Bars. ------------------------------------------------------------------------------------------------------------

    async def get_multi_timeframe_data(
        self, symbol: str, timeframes: Iterable[Timeframe | str], timestamp: Time = None, limit: int = 100
    ) -> TimeframesData:
        """Return the newest `limit` closed bars of each timeframe, all as known at the same time."""
        began = perf_counter_ns()
        try:
            key, asked = full_key(symbol), moment(timestamp)
            wanted = [_timeframe(each) for each in timeframes]
            _positive("limit", limit)
            market = self._market(key)
            if market is not None and market.frames.as_of and asked in (None, market.frames.as_of):
                tracks = market.frames.tracks
                if limit <= tracks[Timeframe.S1].kept or self.archive is None:
                    candles = {each: _copied(tracks[each].candles(limit)) for each in wanted}
                    return self._timeframes(key, market.frames.as_of, candles, "cache", began, _absent(candles))
                asked = market.frames.as_of
            if self.archive is None:
                return self._timeframes(symbol, asked or 0, {}, "cache", began, f"{key}: no storage to look it up in")
            as_of = asked if asked is not None else await self._read(lookup.newest, self.archive, key)
            if as_of is None:
                return self._timeframes(key, 0, {}, "database", began, f"nothing of {key} is stored")
            await self._settle(as_of)
            candles = await self._read(lookup.candles, self.archive, key, wanted, as_of, limit)
        except (SettingsInvalid, StorageFailed, ValueError) as error:
            return self._timeframes(symbol, 0, {}, "database", began, str(error))
        return self._timeframes(key, as_of, candles, "database", began, _absent(candles))

    def _timeframes(
        self, key: str, as_of: int, candles: dict[Timeframe, OHLCV], source: str, began: int, reason: str = ""
    ) -> TimeframesData:
        took = self._took("bars", began, source == "cache")
        return TimeframesData(
            symbol=key, as_of=as_of, candles=candles, source=source, query_latency_ms=took, reason=reason
        )

    async def get_historical_data(self, symbol: str, timeframe: Timeframe | str, limit: int = 1000) -> OHLCV:
        """Return the newest closed bars; fewer, or none, where there are not so many.

        Raises:
            ValueError: No such timeframe.
        """
        wanted = Timeframe(timeframe)
        found = await self.get_multi_timeframe_data(symbol, [wanted], limit=limit)
        return found.candles.get(wanted, OHLCV.empty(wanted))

    # The book. --------------------------------------------------------------------------------------------------------

    async def get_order_book_data(
        self, symbol: str, timestamp: Time = None, aggregation: Aggregation = "1s", limit: int = 300
    ) -> OrderBookData:
        """Return the newest `limit` books (`raw`, one a minute), COB seconds (`1s`) or COB minutes (`1m`) by a time.

        Raises:
            ValueError: No such aggregation.
        """
        if aggregation not in ("raw", "1s", "1m"):
            raise ValueError(f"no aggregation {aggregation!r}; there are raw, 1s, 1m")
        began = perf_counter_ns()
        try:
            key, asked = full_key(symbol), moment(timestamp)
            _positive("limit", limit)
            market = self._market(key)
            if market is not None and market.frames.as_of and asked in (None, market.frames.as_of):
                columns = tuple(_live_columns(market, limit))
                if aggregation == "1s" and (len(columns) == limit or self.archive is None):
                    return self._book(
                        key, market.frames.as_of, aggregation, (), columns, "cache", began, _dark(columns)
                    )
                asked = market.frames.as_of
            if self.archive is None:
                return self._book(symbol, asked or 0, aggregation, (), (), "cache", began, "no storage to look in")
            as_of = asked if asked is not None else await self._read(lookup.newest, self.archive, key)
            if as_of is None:
                return self._book(key, 0, aggregation, (), (), "database", began, f"nothing of {key} is stored")
            await self._settle(as_of)
            books, columns = await self._read(lookup.books, self.archive, key, aggregation, as_of, limit)
        except (SettingsInvalid, StorageFailed, ValueError) as error:
            return self._book(symbol, 0, aggregation, (), (), "database", began, str(error))
        return self._book(key, as_of, aggregation, books, columns, "database", began, _dark(books or columns))

    def _book(
        self,
        key: str,
        as_of: int,
        aggregation: str,
        books: tuple[StoredBook, ...],
        columns: tuple[StoredColumn, ...],
        source: str,
        began: int,
        reason: str = "",
    ) -> OrderBookData:
        return OrderBookData(
            symbol=key,
            as_of=as_of,
            aggregation=aggregation,
            books=books,
            columns=columns,
            source=source,
            query_latency_ms=self._took("book", began, source == "cache"),
            reason=reason,
        )

    def get_latest_cob_data(self, symbol: str) -> CobView | None:
        """Return the consolidated book of this moment; None without an engine that follows the instrument."""
        key = full_key(symbol)
        market = self._market(key)
        return cob_view(self._state(), key, self._clock(market)) if market is not None and self._state else None

    def get_current_cob_imbalance(self, symbol: str) -> tuple[Averages, ...]:
        """Return the imbalance round the mid over 1, 5, 15 and 60 s; none while the book is not live."""
        market = self._market(full_key(symbol))
        if market is None or market.cob is None or self._state is None:
            return ()
        state = self._state()
        return market.cob.averages(state.tenth) if is_live(state, market, self._clock(market)) else ()

    async def get_cob_heatmap_matrix(
        self, symbol: str, window_s: int = 300, radius: int = 10, metric: str = "imbalance", timestamp: Time = None
    ) -> Heatmap | None:
        """Return time by price round the newest mid: `metric` is imbalance, volume or spread; None without a book.

        Raises:
            ValueError: No such metric.
        """
        if metric not in METRICS:
            raise ValueError(f"heat map metric {metric!r}; known are {', '.join(METRICS)}")
        data = await self.get_order_book_data(symbol, timestamp, "1s", window_s)
        columns = [each for each in data.columns if each.column.second > data.as_of // SECOND - window_s]
        if not columns:
            return None
        cob = Cob(columns[-1].bucket, 1)
        cob.columns = deque((each.column for each in columns if each.bucket == cob.bucket), maxlen=window_s)
        return cob.heatmap(METRICS[metric], radius=radius)

    # Market structure. ------------------------------------------------------------------------------------------------

    async def calculate_williams_pivot_points(
        self, symbol: str, timestamp: Time = None
    ) -> dict[Timeframe, list[PivotPoint]]:
        """Return the newest confirmed pivots of every level, in order of confirmation, by timeframe."""
        key, asked = full_key(symbol), moment(timestamp)
        market = self._market(key)
        if market is not None and asked in (None, market.frames.as_of):
            return {each: list(track.pivots) for each, track in market.frames.tracks.items()}
        return {} if self.archive is None else await self._read(lookup.pivots, self.archive, key, asked)

    # Sources and figures. ---------------------------------------------------------------------------------------------

    def instrument(self, key: str) -> Instrument | None:
        """Return an instrument that the engine follows."""
        market = self._market(key)
        return market.instrument if market is not None else None

    def reads(self) -> tuple[ReadsView, ...]:
        """Return how long questions took, by kind, and how many memory could answer."""
        return tuple(reads.view(name) for name, reads in self._reads.items())

    def _market(self, key: str) -> MarketState | None:
        return self._state().markets.get(key) if self._state is not None else None

    def _clock(self, market: MarketState | None) -> int:
        return self._now() if self._now is not None else market.frames.as_of if market is not None else 0

    async def _settle(self, as_of: int) -> None:
        """See that what was known by a time is on disk."""
        if self._written is not None and self._now is not None and as_of > self._now() - UNWRITTEN:
            await self._written()

    async def _read(self, question: Callable[..., T], *given: object) -> T:
        """Ask storage, in a thread, a few at a time."""
        async with self._turns:
            return await asyncio.to_thread(question, *given)

    def _took(self, name: str, began: int, hit: bool) -> float:
        reads = self._reads.setdefault(name, Reads())
        took = perf_counter_ns() - began
        reads.latency.add(took)
        reads.hits += hit
        reads.misses += not hit
        return took / MS


def _live_columns(market: MarketState, limit: int) -> list[StoredColumn]:
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


def _timeframe(name: Timeframe | str) -> Timeframe:
    if name not in list(Timeframe):
        raise SettingsInvalid(f"unknown timeframe {name!r} (known: {', '.join(Timeframe)})")
    return Timeframe(name)


def _window(minutes: float) -> int:
    """Return a context window as ns."""
    if not minutes < inf:
        raise SettingsInvalid(f"a context window of {minutes} minutes has no end")
    return round(max(minutes, 0) * 60 * SECOND)


def _positive(name: str, number: int) -> None:
    if not isinstance(number, int) or number < 1:
        raise SettingsInvalid(f"{name} is {number!r}; it is a whole number from 1 on")


def _absent(candles: Mapping[Timeframe, OHLCV]) -> str:
    missing = [str(each) for each, found in candles.items() if not len(found)]
    return f"nothing known of {', '.join(missing)} at that time" if missing else ""


def _dark(found: Sequence[object]) -> str:
    return "" if found else "no live book is known of that time"


def _copied(candles: OHLCV) -> OHLCV:
    """Return candles that do not change when memory does."""
    return OHLCV.join([candles])
