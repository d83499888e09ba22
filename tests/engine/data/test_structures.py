"""The stored market structure: what the engine begins with, and the bars in memory, make that of the whole series."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from engine.data.structures import Structures
from engine.errors import StorageFailed
from engine.market.pivotlog import PivotLog
from engine.market.pivots import Structure, pivots
from engine.ohlcv import OHLCV
from engine.types import MS, PivotPoint, PivotsLoaded, Timeframe
from tests.engine.support import BTC
from tests.support.series import recorded_of

KEPT = 1500


class Shelf:
    """An archive of one series, in memory."""

    def __init__(self, candles: OHLCV) -> None:
        self.candles_kept = candles
        self.log: PivotLog = pivots(candles)[0]
        self.state: tuple[int, bytes] | None = None
        self.read: list[tuple[int, int]] = []
        self.broken = False

    def bounds(self, instrument: str, timeframe: Timeframe) -> tuple[int, int] | None:
        if self.broken:
            raise StorageFailed("the disk is gone")
        if timeframe is not self.candles_kept.timeframe or not len(self.candles_kept):
            return None
        return int(self.candles_kept.open_ms[0]), int(self.candles_kept.open_ms[-1])

    def candles(self, instrument: str, timeframe: Timeframe, *, start_ms: int, end_ms: int) -> OHLCV:
        self.read.append((start_ms, end_ms))
        opens = self.candles_kept.open_ms
        return self.candles_kept.take((opens >= start_ms) & (opens < end_ms))

    def pivots(self, instrument: str, timeframe: Timeframe, *, per_level: int) -> list[PivotPoint]:
        return self.log.newest(per_level).points()

    def pivot_state(self, instrument: str, timeframe: Timeframe) -> tuple[int, bytes] | None:
        return self.state

    async def save(self, instrument: str, timeframe: Timeframe, until_ms: int, state: bytes) -> None:
        self.state = until_ms, state


@pytest.fixture(scope="module", params=[Timeframe.M1, Timeframe.H1])
def series(request: pytest.FixtureRequest, recordings_root_path: Path) -> OHLCV:
    return recorded_of(recordings_root_path, request.param)


async def loaded(shelf: Shelf) -> list[PivotsLoaded]:
    now = int(shelf.candles_kept.close_ms[-1]) * MS if len(shelf.candles_kept) else 0
    return [each async for each in Structures(shelf, KEPT, lambda: now, shelf.save).load(BTC)]


async def test_with_the_bars_in_memory_it_is_the_structure_of_the_whole_series(series: OHLCV) -> None:
    shelf = Shelf(series)
    (found,) = await loaded(shelf)
    structure = Structure.restore(found.state)
    memory = series.take(series.open_ms > found.until_ms)
    assert 1000 < len(memory) <= KEPT  # the hours have holes
    log = structure.extend(memory)
    whole, end = pivots(series)
    assert structure.state() == end.state()
    assert log.points() == whole.points()[len(whole) - len(log) :]
    assert found.pivots == tuple(shelf.log.newest(64).points())


async def test_a_saved_state_is_gone_on_from(series: OHLCV) -> None:
    early = Shelf(series[: len(series) // 2])
    (before,) = await loaded(early)
    assert early.state == (before.until_ms, before.state)
    late = Shelf(series)
    late.state = early.state
    (resumed,) = await loaded(late)
    assert min(start for start, _ in late.read) > before.until_ms
    (anew,) = await loaded(Shelf(series))
    assert resumed == anew


@pytest.mark.parametrize("state", [b"", b"\x01damaged", bytes([99])])
async def test_a_damaged_state_is_made_anew(series: OHLCV, state: bytes, caplog: pytest.LogCaptureFixture) -> None:
    shelf = Shelf(series)
    shelf.state = int(series.open_ms[5]), state
    with caplog.at_level(logging.WARNING):
        assert await loaded(shelf) == await loaded(Shelf(series))
    assert "made anew" in caplog.text


async def test_a_state_that_has_seen_bars_in_memory_is_made_anew(series: OHLCV) -> None:
    shelf = Shelf(series)
    shelf.state = int(series.open_ms[-1]), pivots(series)[1].state()
    assert await loaded(shelf) == await loaded(Shelf(series))


async def test_incomplete_bars_and_an_empty_archive_give_nothing(series: OHLCV) -> None:
    assert await loaded(Shelf(series[:0])) == []
    shelf = Shelf(series)
    shelf.candles_kept.complete[:] = False
    try:
        (found,) = await loaded(shelf)
        assert found.until_ms == -1  # the log is there, its bars are not
    finally:
        shelf.candles_kept.complete[:] = True


async def test_a_broken_archive_is_said(series: OHLCV, caplog: pytest.LogCaptureFixture) -> None:
    shelf = Shelf(series)
    shelf.broken = True
    with caplog.at_level(logging.WARNING):
        assert await loaded(shelf) == []
    assert "the disk is gone" in caplog.text
