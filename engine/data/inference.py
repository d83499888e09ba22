"""What models are given at a time, live or past: built once, with its age, its warnings, or the reason why not."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from math import inf
from time import perf_counter_ns

import msgspec

from engine.data import lookup
from engine.data.answers import LATEST, Context, InferenceData, Time, moment
from engine.data.parts import live_parts
from engine.data.sources import Sources, copied, live_columns
from engine.errors import SettingsInvalid, StorageFailed
from engine.ingestion.symbols import full_key
from engine.market.assembly import Parts, build
from engine.market.cob import SECONDS
from engine.market.columns import Columns
from engine.market.inputs import ModelInput
from engine.market.outputs import ModelOutput
from engine.market.quality import LEAST_SCORE
from engine.state import MarketState
from engine.types import MS, SECOND, Timeframe

LAG_S = 3
"""Seconds by which the newest bar of a second may lag: it closes when a later trade comes, or half a second of silence,
and is known with the whole second after that. Longer bars that are the newest come from files, and do not lag."""

HELD = 8
"""Inputs that are kept for whoever asks for the same one."""


class Inference:
    """Model inputs of all instruments, out of memory or storage."""

    def __init__(
        self,
        sources: Sources,
        references: Mapping[str, str],
        outputs: Callable[[str], Mapping[str, ModelOutput]],
    ) -> None:
        """`references`: base asset of the reference by that of the instrument; `outputs`: answers of all models."""
        self._sources = sources
        self._references = references
        self._outputs = outputs
        self._inputs: OrderedDict[tuple[str, int], ModelInput] = OrderedDict()
        self._before: dict[str, Columns] = {}

    async def at(self, symbol: str, timestamp: Time, context_window_minutes: float) -> InferenceData:
        """Return what `DataProvider.get_inference_data` promises."""
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
        return msgspec.structs.replace(
            data, query_latency_ms=self._sources.took("input", began, data.source == "cache")
        )

    async def _inference(self, key: str, asked: int | None) -> InferenceData:
        market = self._sources.market(key)
        if market is not None and market.frames.as_of:
            await self._recall(market)
        if market is not None and market.frames.as_of and asked in (None, market.frames.as_of):
            given = self.live_input(key)
            return self._judged(key, given.as_of, given, "cache")
        if self._sources.archive is None:
            why = "no storage to look it up in" if asked is not None else "the engine has nothing of it yet"
            followed = "" if market is not None else f"{key} is not followed; "
            return InferenceData(
                symbol=key, as_of=asked or 0, input=None, source="cache", query_latency_ms=0, reason=followed + why
            )
        as_of = asked if asked is not None else await self._sources.read(lookup.newest, self._sources.archive, key)
        if as_of is None:
            return self._nothing(key, 0)
        if self._sources.now is not None and as_of > self._sources.now():
            ahead = (as_of - self._sources.now()) / SECOND
            return InferenceData(
                symbol=key, as_of=as_of, input=None, source="database", query_latency_ms=0,
                reason=f"that time is {ahead:.0f} s in the future",
            )  # fmt: skip
        await self._sources.settle(as_of)
        found = await self._sources.read(
            lookup.model_input, self._sources.archive, key, as_of, self._references, self._outputs(key)
        )
        return self._nothing(key, as_of) if found is None else self._judged(key, as_of, found, "database")

    def live_parts(self, key: str) -> Parts:
        """Return what the live input is built from.

        Raises:
            KeyError: The engine does not follow the instrument.
        """
        assert self._sources.state is not None
        parts = live_parts(self._sources.state(), key, self._references, self._outputs(key))
        before = self._before.get(key)
        if before is None or not len(before):
            return parts
        first = int(parts.columns.seconds[0]) if len(parts.columns) else parts.as_of // SECOND + 1
        both = Columns.join([before.take(before.seconds < first), parts.columns])
        return msgspec.structs.replace(parts, columns=both)

    async def _recall(self, market: MarketState) -> None:
        """Read, once, the COB seconds of the last minutes before this engine's own: those of the one before it."""
        key, held = market.instrument.key, market.frames.columns.last()
        if key in self._before or self._sources.archive is None:
            return
        first = int(held.seconds[0]) if len(held) else market.frames.as_of // SECOND + 1
        self._before[key] = held.take(held.seconds < 0)
        with suppress(StorageFailed):  # the market stays on screen
            wanted = lookup.columns, self._sources.archive, market.instrument, first - SECONDS, first - 1
            self._before[key] = await self._sources.read(*wanted)

    def live_input(self, key: str) -> ModelInput:
        """Return the input at the engine's last boundary; it is built once, whoever asks.

        Raises:
            KeyError: The engine does not follow the instrument.
        """
        assert self._sources.state is not None
        state = self._sources.state()
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
        market = self._sources.market(data.symbol)
        if self._sources.archive is not None:
            try:
                await self._sources.settle(data.as_of)
                return await self._sources.read(lookup.context, self._sources.archive, data.symbol, start, end)
            except StorageFailed:
                pass  # the market stays on screen
        if market is None:
            return None
        candles = {}
        for timeframe, track in market.frames.tracks.items():
            held = track.candles(track.kept)
            candles[timeframe] = copied(held.take((held.open_ms >= start // MS) & (held.open_ms < end // MS)))
        return Context(
            start=start,
            end=end,
            candles=candles,
            columns=tuple(each for each in live_columns(market, SECONDS) if start <= each.column.second * SECOND),
            trades=tuple(trade for trade in market.tape.trades if start <= trade.ts_exch < end),
        )


def _window(minutes: float) -> int:
    """Return a context window as ns."""
    if not minutes < inf:
        raise SettingsInvalid(f"a context window of {minutes} minutes has no end")
    return round(max(minutes, 0) * 60 * SECOND)
