"""The one place that is asked for data, live or past, and gives the same answer for the same time.

With a running engine the present comes out of memory, everything else out of storage, read in threads; without one all
of it comes out of storage. An answer for t holds what was known at t, never more: nothing is looked up for a time that
is later, and what cannot be had is said with its reason.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from time import perf_counter_ns
from typing import Literal

from engine.data import lookup
from engine.data.answers import InferenceData, OrderBookData, Time, TimeframesData, moment
from engine.data.archive import Archive, StoredBook, StoredColumn
from engine.data.inference import Inference
from engine.data.parts import NO_OUTPUTS
from engine.data.sources import Sources, copied, live_columns
from engine.errors import SettingsInvalid, StorageFailed
from engine.ingestion.symbols import full_key
from engine.market.assembly import Parts
from engine.market.cob import Averages, Cob, Heatmap
from engine.market.inputs import ModelInput
from engine.market.outputs import ModelOutput
from engine.ohlcv import OHLCV
from engine.settings import REFERENCES
from engine.snapshot import CobView, cob_view, is_live
from engine.state import EngineState
from engine.types import SECOND, Instrument, PivotPoint, Timeframe
from engine.views import ReadsView

Aggregation = Literal["raw", "1s", "1m"]

METRICS = {"imbalance": "imbalance", "volume": "size", "spread": "spread"}


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
        self._sources = Sources(state, archive, now, written)
        self._inference = Inference(self._sources, references, outputs or (lambda _: NO_OUTPUTS))

    @property
    def archive(self) -> Archive | None:
        """What is stored."""
        return self._sources.archive

    # Model input. -----------------------------------------------------------------------------------------------------

    async def get_inference_data(
        self, symbol: str, timestamp: Time = None, context_window_minutes: float = 5
    ) -> InferenceData:
        """Return what models are given at a time: the same object whether it is the present or the past.

        The time is taken down to the whole second. Where the newest bar then known is older than it should be the
        answer has a warning, where it is older by more than one bar there is a reason instead of an input; nothing
        later than the time is ever used. With a context window the answer has what lies around the time beside it.
        """
        return await self._inference.at(symbol, timestamp, context_window_minutes)

    async def get_base_data_input(self, symbol: str) -> ModelInput | None:
        """Return the input of the present; None where there is none."""
        return (await self.get_inference_data(symbol, context_window_minutes=0)).input

    def live_parts(self, key: str) -> Parts:
        """Return what the live input is built from.

        Raises:
            KeyError: The engine does not follow the instrument.
        """
        return self._inference.live_parts(key)

    def live_input(self, key: str) -> ModelInput:
        """Return the input at the engine's last boundary; it is built once, whoever asks.

        Raises:
            KeyError: The engine does not follow the instrument.
        """
        return self._inference.live_input(key)

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
            market = self._sources.market(key)
            if market is not None and market.frames.as_of and asked in (None, market.frames.as_of):
                tracks = market.frames.tracks
                if limit <= tracks[Timeframe.S1].kept or self.archive is None:
                    candles = {each: copied(tracks[each].candles(limit)) for each in wanted}
                    return self._timeframes(key, market.frames.as_of, candles, "cache", began, _absent(candles))
                asked = market.frames.as_of
            if self.archive is None:
                return self._timeframes(symbol, asked or 0, {}, "cache", began, f"{key}: no storage to look it up in")
            as_of = asked if asked is not None else await self._sources.read(lookup.newest, self.archive, key)
            if as_of is None:
                return self._timeframes(key, 0, {}, "database", began, f"nothing of {key} is stored")
            await self._sources.settle(as_of)
            candles = await self._sources.read(lookup.candles, self.archive, key, wanted, as_of, limit)
        except (SettingsInvalid, StorageFailed, ValueError) as error:
            return self._timeframes(symbol, 0, {}, "database", began, str(error))
        return self._timeframes(key, as_of, candles, "database", began, _absent(candles))

    def _timeframes(
        self, key: str, as_of: int, candles: dict[Timeframe, OHLCV], source: str, began: int, reason: str = ""
    ) -> TimeframesData:
        took = self._sources.took("bars", began, source == "cache")
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
            market = self._sources.market(key)
            if market is not None and market.frames.as_of and asked in (None, market.frames.as_of):
                columns = tuple(live_columns(market, limit))
                if aggregation == "1s" and (len(columns) == limit or self.archive is None):
                    return self._book(
                        key, market.frames.as_of, aggregation, (), columns, "cache", began, _dark(columns)
                    )
                asked = market.frames.as_of
            if self.archive is None:
                return self._book(symbol, asked or 0, aggregation, (), (), "cache", began, "no storage to look in")
            as_of = asked if asked is not None else await self._sources.read(lookup.newest, self.archive, key)
            if as_of is None:
                return self._book(key, 0, aggregation, (), (), "database", began, f"nothing of {key} is stored")
            await self._sources.settle(as_of)
            books, columns = await self._sources.read(lookup.books, self.archive, key, aggregation, as_of, limit)
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
            query_latency_ms=self._sources.took("book", began, source == "cache"),
            reason=reason,
        )

    def get_latest_cob_data(self, symbol: str) -> CobView | None:
        """Return the consolidated book of this moment; None without an engine that follows the instrument."""
        key = full_key(symbol)
        market = self._sources.market(key)
        if market is None or self._sources.state is None:
            return None
        return cob_view(self._sources.state(), key, self._sources.clock(market))

    def get_current_cob_imbalance(self, symbol: str) -> tuple[Averages, ...]:
        """Return the imbalance round the mid over 1, 5, 15 and 60 s; none while the book is not live."""
        market = self._sources.market(full_key(symbol))
        if market is None or market.cob is None or self._sources.state is None:
            return ()
        state = self._sources.state()
        return market.cob.averages(state.tenth) if is_live(state, market, self._sources.clock(market)) else ()

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
        market = self._sources.market(key)
        if market is not None and asked in (None, market.frames.as_of):
            return {each: list(track.pivots) for each, track in market.frames.tracks.items()}
        return {} if self.archive is None else await self._sources.read(lookup.pivots, self.archive, key, asked)

    # Sources and figures. ---------------------------------------------------------------------------------------------

    def instrument(self, key: str) -> Instrument | None:
        """Return an instrument that the engine follows."""
        market = self._sources.market(key)
        return market.instrument if market is not None else None

    def reads(self) -> tuple[ReadsView, ...]:
        """Return how long questions took, by kind, and how many memory could answer."""
        return self._sources.reads()


def _timeframe(name: Timeframe | str) -> Timeframe:
    if name not in list(Timeframe):
        raise SettingsInvalid(f"unknown timeframe {name!r} (known: {', '.join(Timeframe)})")
    return Timeframe(name)


def _positive(name: str, number: int) -> None:
    if not isinstance(number, int) or number < 1:
        raise SettingsInvalid(f"{name} is {number!r}; it is a whole number from 1 on")


def _absent(candles: Mapping[Timeframe, OHLCV]) -> str:
    missing = [str(each) for each, found in candles.items() if not len(found)]
    return f"nothing known of {', '.join(missing)} at that time" if missing else ""


def _dark(found: Sequence[object]) -> str:
    return "" if found else "no live book is known of that time"
