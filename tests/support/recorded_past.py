"""What an engine would tell of years of recorded candles: history, gaps, pivots, volume by price, quality.

Everything is the recordings' own: minutes and hours of Binance spot, longer bars made of them. What they do not hold is
missing. For the stand-in engine (`tests.support.candles`) and for tests of the console.
"""

from __future__ import annotations

import time

import numpy as np
import polars as pl

from engine.market.pivots import pivots
from engine.market.profile import value_area
from engine.market.structure import Swings, floor_pivots_at
from engine.ohlcv import OHLCV
from engine.protocol import Asked
from engine.types import MS, Timeframe
from engine.views import (
    NOBODY_HAS,
    BarRow,
    FloorView,
    GapsView,
    HistoryView,
    PivotRow,
    PivotsView,
    ProfileView,
    QualityPartView,
    QualityView,
    ServedView,
    SpanView,
    StorageView,
    StreamView,
    TableView,
    TrendView,
)
from tests.support.series import candles, longer

DAY_MS = 86_400_000


class RecordedPast:
    """Answers for one instrument, of what had closed by `until_ms`."""

    def __init__(self, instrument: str, table: pl.DataFrame, hours: pl.DataFrame | None = None) -> None:
        self.instrument = instrument
        self.until_ms = 2**53
        self._tables = {Timeframe.M1: table}
        if hours is not None:
            self._tables[Timeframe.H1] = hours
        self._made: dict[Timeframe, OHLCV] = {}

    def bars(self, timeframe: Timeframe) -> OHLCV:
        """Return all closed bars of a timeframe."""
        if timeframe not in self._made:
            base = Timeframe.H1 if timeframe.seconds >= 3600 and Timeframe.H1 in self._tables else Timeframe.M1
            table = self._tables.get(timeframe)
            if table is None:
                table = longer(self._tables[base], timeframe)
            self._made[timeframe] = candles(timeframe, table)
        made_bars = self._made[timeframe]
        return made_bars[: int(np.searchsorted(made_bars.close_ms, self.until_ms, side="right"))]

    def history(self, asked: Asked) -> HistoryView:
        """Return the bars that open in [start_ms, end_ms), the newest `limit` at most."""
        began = time.perf_counter()
        bars = self.bars(Timeframe(asked.timeframe))
        opens = bars.open_ms
        first = int(np.searchsorted(opens, asked.start_ms or 0))
        last = len(opens) if asked.end_ms is None else int(np.searchsorted(opens, asked.end_ms))
        first = max(first, last - asked.limit)
        part = bars[first:last]
        columns = [getattr(part, name).tolist() for name in ("open_ms", "open", "high", "low", "close", "volume")]
        rows = tuple(
            BarRow(at, open_, high, low, close, volume, -1, float("nan"), True, True, "import")
            for at, open_, high, low, close, volume in zip(*columns, strict=True)
        )
        ms = (time.perf_counter() - began) * 1000
        return HistoryView(
            instrument=asked.instrument, timeframe=asked.timeframe, rows=rows,
            served=(ServedView(source="storage", rows=len(rows), ms=ms),), gaps=self._spans(part),
            reached_start=(asked.start_ms or 0) <= int(opens[0]),
            first_ms=int(opens[0]) if len(opens) else None, last_ms=int(opens[-1]) if len(opens) else None,
            reason="" if len(rows) == asked.limit else NOBODY_HAS,
        )  # fmt: skip

    @staticmethod
    def _spans(bars: OHLCV) -> tuple[SpanView, ...]:
        length = bars.timeframe.seconds * 1000
        apart = np.diff(bars.open_ms)
        return tuple(
            SpanView(
                first_ms=int(bars.open_ms[at]) + length, last_ms=int(bars.open_ms[at + 1]) - length,
                missing=int(apart[at] // length) - 1, reason="no recording",
            )
            for at in np.flatnonzero(apart > length)
        )  # fmt: skip

    def gaps(self, asked: Asked) -> GapsView:
        """Return what is missing of a timeframe."""
        bars = self.bars(Timeframe(asked.timeframe)) if asked.timeframe != "1s" else OHLCV.empty(Timeframe.S1)
        spans = self._spans(bars)
        return GapsView(
            instrument=asked.instrument, timeframe=asked.timeframe,
            first_ms=int(bars.open_ms[0]) if len(bars) else None, last_ms=int(bars.open_ms[-1]) if len(bars) else None,
            gaps=spans, missing=sum(span.missing for span in spans), reason="",
        )  # fmt: skip

    def pivots(self, asked: Asked) -> PivotsView:
        """Return the market structure as known at the end of the last bar."""
        timeframe = Timeframe(asked.timeframe)
        bars = self.bars(timeframe)[-20_000:]
        log, _ = pivots(bars)
        swings = Swings(timeframe)
        swings.take(log.points())
        readings = swings.read(float(bars.close[-1]))
        floor = floor_pivots_at(self.bars(Timeframe.D1), int(bars.close_ms[-1]))
        return PivotsView(
            instrument=asked.instrument, timeframe=asked.timeframe, as_of=int(bars.close_ms[-1]) * MS,
            points=tuple(
                PivotRow(each.ts_ms, each.confirmed_ms, each.level, each.high, each.price)
                for each in log.newest(200).points()
            ),
            trends=tuple(
                TrendView(
                    level=each.level, trend=str(each.trend or "unknown"),
                    support=each.support.price if each.support is not None else None,
                    resistance=each.resistance.price if each.resistance is not None else None,
                )
                for each in readings
            ),
            floor=None if floor is None else FloorView(
                day_ms=(int(bars.close_ms[-1]) // DAY_MS - 1) * DAY_MS,
                **{name: getattr(floor, name) for name in ("pivot", "r1", "r2", "r3", "s1", "s2", "s3")},
            ),
            bounds=None, reason="",
        )  # fmt: skip

    def profile(self, asked: Asked, size: float = 10.0) -> ProfileView:
        """Return the volume by price of the last day, each minute at the middle of its range."""
        bars = self.bars(Timeframe.M1)[-1440:]
        until = int(bars.close_ms[-1])
        bars = bars.take(bars.open_ms >= until // DAY_MS * DAY_MS)
        places = ((bars.high + bars.low) / 2 // size).astype(np.int64)
        low = int(places.min()) if len(places) else 0
        volumes = np.bincount(places - low, bars.volume) if len(places) else np.zeros(0)
        area = value_area({at: round(volume * 1000) for at, volume in enumerate(volumes.tolist())})
        return ProfileView(
            instrument=asked.instrument, since_ms=until // DAY_MS * DAY_MS, until_ms=until, price=low * size, size=size,
            volumes=tuple(volumes.tolist()), total=float(volumes.sum()), approximate=True, reason="",
            control=(low + area.control + 0.5) * size if area is not None else None,
            value_low=(low + area.low) * size if area is not None else None,
            value_high=(low + area.high + 1) * size if area is not None else None,
        )  # fmt: skip

    def quality(self, asked: Asked) -> QualityView:
        """Return how much of the candles of a model input there is; nothing is known of anything else."""
        streams, now = [], self.until_ms
        for timeframe in (Timeframe.S1, Timeframe.M1, Timeframe.H1, Timeframe.D1):
            bars = OHLCV.empty(timeframe) if timeframe is Timeframe.S1 else self.bars(timeframe)[-300:]
            spans = self._spans(bars)
            some = len(bars) > 0
            streams.append(StreamView(
                name=f"primary_{timeframe}", wanted=300, rows=len(bars), incomplete=0,
                missing=sum(span.missing for span in spans), first_ms=int(bars.open_ms[0]) if some else None,
                last_ms=int(bars.open_ms[-1]) if some else None,
                age_ms=float(now - int(bars.close_ms[-1])) if some else None, sources={"import": len(bars)},
            ))  # fmt: skip
        full = sum(stream.rows >= 100 for stream in streams) / len(streams)
        return QualityView(
            instrument=asked.instrument, as_of=now * MS, score=0.4 * full, valid=False,
            parts=(
                QualityPartView(name="candles", weight=0.4, score=full, why="no bars of 1s"),
                QualityPartView(name="indicators", weight=0.3, score=0.0, why="not told"),
                QualityPartView(name="order book", weight=0.2, score=0.0, why="the recording has none"),
                QualityPartView(name="pivots", weight=0.1, score=0.0, why="not told"),
            ),
            missing=("primary_1s: 0 of 100 bars", "cob: no live book"), streams=tuple(streams),
            storage=StorageView(
                path="/data/market.db", bytes=412_000_000, free_bytes=51_000_000_000, schema=1,
                tables=(TableView(name="bars", rows=len(self.bars(Timeframe.M1)), bytes=None, packed=0),), waiting=0,
                written=0, rejected=0, lag_ms=None, backup_ms=None, error="",
            ),
            reason="",
        )  # fmt: skip
