"""What queries answer, made of what they found: views for people, no reading and no waiting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.data.answers import InferenceData, TimeframesData
from engine.market.bounds import pivot_bounds
from engine.market.buckets import Buckets
from engine.market.cob import WINDOWS, Column
from engine.market.depth import depth as bands_of
from engine.market.depth import liquidity
from engine.market.heat import WALL, Heat, Point
from engine.market.inputs import FRAMES, Frame, ModelInput
from engine.market.profile import ProfileKept, VolumeProfile
from engine.market.structure import floor_pivots_at
from engine.market.track import swings_of
from engine.market.validation import validate
from engine.ohlcv import OHLCV, SOURCES
from engine.types import MS, Instrument, PivotPoint, Timeframe
from engine.views import (
    NOBODY_HAS,
    NOTHING_OLDER,
    BandView,
    BarRow,
    BoundsView,
    DepthView,
    FloorView,
    HistoryView,
    ModelInputView,
    PivotRow,
    PivotsView,
    ProfileView,
    QualityPartView,
    ServedView,
    SpanView,
    StreamView,
    TrendView,
    WallView,
)

TOP = 5
"""Largest buckets of a side that are told."""


# Candles. -----------------------------------------------------------------------------------------------------------


def together(timeframe: Timeframe, parts: Sequence[OHLCV]) -> OHLCV:
    """Return stretches as one, in order of time; where two have the same candle the later stretch's counts."""
    if not parts:
        return OHLCV.empty(timeframe)
    whole = OHLCV.join(list(parts))
    backwards = whole.open_ms[::-1]
    _, newest = np.unique(backwards, return_index=True)
    return whole.take(len(whole) - 1 - newest)


def missing(rows: OHLCV, start_ms: int, end_ms: int, length: int) -> tuple[int, int] | None:
    """Return the opening times of the first and the last candle of [start_ms, end_ms) that is absent, or None."""
    wanted = np.arange(start_ms, end_ms, length, dtype=np.int64)
    absent = wanted[~np.isin(wanted, rows.open_ms)]
    return (int(absent[0]), int(absent[-1])) if len(absent) else None


def holes(rows: OHLCV) -> tuple[SpanView, ...]:
    """Return the stretches that are missing between the first and the last candle."""
    length = rows.timeframe.seconds * 1000
    steps = np.diff(rows.open_ms)
    return tuple(
        SpanView(
            first_ms=int(rows.open_ms[place]) + length,
            last_ms=int(rows.open_ms[place + 1]) - length,
            missing=int(steps[place]) // length - 1,
        )
        for place in np.flatnonzero(steps > length)
    )


def history(
    key: str,
    timeframe: Timeframe,
    rows: OHLCV,
    served: Sequence[ServedView],
    reached_start: bool,
    bounds: tuple[int, int] | None,
    failed: Sequence[str],
    limit: int,
) -> HistoryView:
    """Return candles for charts."""
    reason = "; ".join(failed)
    if not reason and len(rows) < limit:
        reason = NOTHING_OLDER if reached_start else NOBODY_HAS
    columns = (rows.open_ms, rows.open, rows.high, rows.low, rows.close, rows.volume, rows.trades, rows.taker_buy)
    told = zip(*[column.tolist() for column in columns], rows.complete.tolist(), rows.source.tolist(), strict=True)
    return HistoryView(
        instrument=key,
        timeframe=str(timeframe),
        rows=tuple(_bar(row) for row in told),
        served=tuple(served),
        gaps=holes(rows),
        reached_start=reached_start,
        first_ms=bounds[0] if bounds else None,
        last_ms=bounds[1] if bounds else None,
        reason=reason,
    )


def _bar(row: tuple[Any, ...]) -> BarRow:
    open_ms, open_, high, low, close, volume, trades, taker_buy, complete, source = row
    return BarRow(open_ms, open_, high, low, close, volume, trades, taker_buy, True, complete, SOURCES[source])


# Market structure. --------------------------------------------------------------------------------------------------


def last_price(candles: Mapping[Timeframe, OHLCV]) -> float | None:
    """Return the newest close."""
    ends = [(int(each.close_ms[-1]), float(each.close[-1])) for each in candles.values() if len(each)]
    return max(ends)[1] if ends else None


def pivots(
    key: str, timeframe: Timeframe, data: TimeframesData, points: Sequence[PivotPoint], price: float | None
) -> PivotsView:
    """Return the market structure of one timeframe."""
    swings = swings_of(timeframe, points)
    days = data.candles.get(Timeframe.D1, OHLCV.empty(Timeframe.D1))
    at_ms = data.as_of // MS
    floor = floor_pivots_at(days, at_ms)
    bounds = pivot_bounds(swings, days, at_ms)
    day = Timeframe.D1.seconds * 1000
    return PivotsView(
        instrument=key,
        timeframe=str(timeframe),
        as_of=data.as_of,
        points=tuple(PivotRow(each.ts_ms, each.confirmed_ms, each.level, each.high, each.price) for each in points),
        trends=tuple(
            TrendView(
                level=each.level,
                trend=str(each.trend) if each.trend is not None else "unknown",
                support=each.support.price if each.support is not None else None,
                resistance=each.resistance.price if each.resistance is not None else None,
            )
            for each in (swings.read(price) if price else ())
        ),
        floor=(
            FloorView(
                day_ms=(at_ms // day - 1) * day,
                **{name: getattr(floor, name) for name in ("pivot", "r1", "r2", "r3", "s1", "s2", "s3")},
            )
            if floor is not None
            else None
        ),
        bounds=(
            BoundsView(low=bounds.lower, high=bounds.upper, source=str(bounds.source)) if bounds is not None else None
        ),
        reason="" if points else data.reason or "no pivot has been confirmed yet",
    )


# Book and volume. ---------------------------------------------------------------------------------------------------


def base_asset(instrument: Instrument, lots: float, price: float) -> float:
    """Return lots as base asset at a price in ticks."""
    if not instrument.contract_size:
        return instrument.size(lots)
    return instrument.size(lots) * instrument.contract_size / instrument.price(price)


def no_profile(key: str, reason: str) -> ProfileView:
    """Return that there is no volume by price, and why."""
    return ProfileView(
        instrument=key, since_ms=0, until_ms=0, price=0.0, size=0.0, volumes=(), total=0.0, control=None,
        value_low=None, value_high=None, approximate=False, reason=reason,
    )  # fmt: skip


def profile(instrument: Instrument, kept: ProfileKept, minutes: OHLCV) -> ProfileView:
    """Return the volume by price of the day; what was traded before the profile begins comes from 1m bars."""
    day = VolumeProfile.of(kept)
    if not day.whole:
        day.fill(minutes, instrument)
    size = day.bucket
    volumes = {k: base_asset(instrument, lots, (k + 0.5) * size) for k, lots in day.volumes().items()}
    area = day.value_area()
    first, last = (min(volumes), max(volumes)) if volumes else (0, -1)
    return ProfileView(
        instrument=instrument.key,
        since_ms=day.since_ms,
        until_ms=day.until_ms,
        price=instrument.price(first * size),
        size=instrument.price(size),
        volumes=tuple(volumes.get(k, 0.0) for k in range(first, last + 1)),
        total=sum(volumes.values()),
        control=instrument.price((area.control + 0.5) * size) if area is not None else None,
        value_low=instrument.price(area.low * size) if area is not None else None,
        value_high=instrument.price((area.high + 1) * size) if area is not None else None,
        approximate=day.approximate,
        reason="" if day.whole else "the bars do not reach back to 00:00 UTC",
    )


def no_depth(key: str, seq: int, reason: str) -> DepthView:
    """Return that there is no live book, and why."""
    return DepthView(
        instrument=key, seq=seq, live=False, mid=None, spread_bps=None, liquidity=None, bands=(), top=(), walls=(),
        partial_buckets=None, reason=reason,
    )  # fmt: skip


def depth(
    instrument: Instrument,
    seq: int,
    bids: Mapping[int, int],
    asks: Mapping[int, int],
    known: tuple[int, int],
    column: Column,
    bucket: int,
) -> DepthView:
    """Return what a live book amounts to: its levels, their known range, and its COB column."""
    bands = bands_of(bids, asks, *known)
    score = liquidity(bids, asks, bands, instrument)
    mid = (column.best_bid + column.best_ask) / 2
    heat = Heat.of(Buckets.of_column(column, bucket))

    def wall(point: Point, *, bid: bool) -> WallView:
        return WallView(
            price=instrument.price(point.bucket * heat.size),
            size=base_asset(instrument, point.volume, (point.bucket + 0.5) * heat.size),
            intensity=point.intensity,
            bid=bid,
        )

    sides = [(point, True) for point in heat.bids] + [(point, False) for point in heat.asks]
    largest = sorted(sides, key=lambda each: -each[0].volume)
    top = [each for bid in (True, False) for each in [one for one in largest if one[1] is bid][:TOP]]
    return DepthView(
        instrument=instrument.key,
        seq=seq,
        live=True,
        mid=instrument.price(mid),
        spread_bps=column.spread_bps,
        liquidity=score.score if score is not None else None,
        bands=tuple(
            BandView(
                within_pct=each.bps / 100,
                bid=base_asset(instrument, each.bid, mid),
                ask=base_asset(instrument, each.ask, mid),
                imbalance=each.imbalance,
                partial=each.partial,
            )
            for each in bands
        ),
        top=tuple(wall(point, bid=bid) for point, bid in top),
        walls=tuple(wall(point, bid=bid) for point, bid in sides if point.intensity >= WALL),
        partial_buckets=sum(column.partial),
        reason="",
    )


# Model input. -------------------------------------------------------------------------------------------------------


def parts(given: ModelInput | None) -> tuple[QualityPartView, ...]:
    """Return what the quality score is made of."""
    if given is None:
        return ()
    return tuple(
        QualityPartView(name=each.name, weight=each.weight, score=each.score, why=each.why)
        for each in given.quality.parts
    )


def streams(given: ModelInput | None, sources: Mapping[str, Sequence[OHLCV]]) -> tuple[StreamView, ...]:
    """Return every stream of an input; `sources` has the candles behind those of which it is known."""
    if given is None:
        return ()
    named = {f"primary_{timeframe}": frame for timeframe, frame in given.frames.items()}
    named["reference_1s"] = given.reference_1s
    found = [_stream(name, frame, given.as_of, sources.get(name, ())) for name, frame in named.items()]
    live = np.flatnonzero(given.cob.there)
    ends = (int(given.cob.seconds[live[0]]), int(given.cob.seconds[live[-1]])) if live.size else None
    found.append(
        StreamView(
            name="cob_1s",
            wanted=FRAMES,
            rows=int(live.size),
            incomplete=int(given.cob.partial[live].any(axis=1).sum()),
            missing=ends[1] - ends[0] + 1 - int(live.size) if ends else 0,
            first_ms=ends[0] * 1000 if ends else None,
            last_ms=ends[1] * 1000 if ends else None,
            age_ms=float(given.as_of // MS - ends[1] * 1000) if ends else None,
            sources={},
        )
    )
    return tuple(found)


def _stream(name: str, frame: Frame, as_of: int, candles: Sequence[OHLCV]) -> StreamView:
    there = np.flatnonzero(frame.there)
    end = frame.end_ms
    counts: dict[str, int] = {}
    for each in candles:
        inside = each.source[np.isin(each.open_ms, frame.open_ms[there])]
        for code, count in zip(*np.unique(inside, return_counts=True), strict=True):
            counts[SOURCES[int(code)]] = counts.get(SOURCES[int(code)], 0) + int(count)
    return StreamView(
        name=name,
        wanted=FRAMES,
        rows=int(there.size),
        incomplete=int((~frame.complete[there]).sum()),
        missing=int(there[-1] - there[0]) + 1 - int(there.size) if there.size else 0,
        first_ms=int(frame.open_ms[there[0]]) if there.size else None,
        last_ms=int(frame.open_ms[there[-1]]) if there.size else None,
        age_ms=float(as_of // MS - end) if end is not None else None,
        sources=counts,
    )


def model_input(key: str, data: InferenceData, sources: Mapping[str, Sequence[OHLCV]]) -> ModelInputView:
    """Return a summary of an input."""
    given = data.input
    imbalance = {} if given is None else {
        f"{kind}_{window}s": number(given.imbalance[row, place])
        for row, window in enumerate(WINDOWS)
        for place, kind in enumerate(("plain", "weighted"))
    }  # fmt: skip
    return ModelInputView(
        instrument=key,
        reference=given.reference if given else "",
        as_of=data.as_of,
        source=data.source,
        age_ms=data.age_s * 1000,
        build_ms=round(data.query_latency_ms, 3),
        price=number(given.price) if given else None,
        score=given.quality.score if given else 0.0,
        missing=tuple(str(each) for each in validate(given)) if given else (),
        warnings=data.warnings,
        streams=streams(given, sources),
        indicators=(
            {
                str(each): {name: number(value) for name, value in found.last.items()}
                for each, found in given.indicators.items()
            }
            if given
            else {}
        ),
        pivots=(
            {str(each): tuple(found.there.sum(axis=1).tolist()) for each, found in given.pivots.items()}
            if given
            else {}
        ),
        imbalance=imbalance,
        micro={name: number(value) for name, value in given.micro.items()} if given else {},
        outputs={name: given.output_age_s(name) * 1000 for name in given.outputs} if given else {},
        reason=data.reason,
    )


def number(value: float) -> float | None:
    """Return a number, or None for nan."""
    return None if value != value else float(value)
