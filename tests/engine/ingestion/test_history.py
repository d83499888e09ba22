"""Ranges of past candles: the sources in their order, and what is told of them. The candles are recorded ones."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import pytest

from engine.errors import FeedUnavailable, RequestDenied
from engine.ingestion.history import MOST, RANGES, History, HistoryAnswer
from engine.ingestion.markets import SPOT
from engine.ingestion.rest import Rest
from engine.ingestion.sources import Storage, Venue
from engine.ingestion.standins import StandIn
from engine.ingestion.symbols import guess
from engine.ohlcv import OHLCV, SOURCES
from engine.types import Bar, Instrument, Timeframe
from tests.support.exchange import START_NS, MemoryTransport, RecordedExchange, Tape, load_tape, now_ns, run_virtual
from tests.support.exchange.candle_faults import CandleFault
from tests.support.exchange.tape import Instrument as Symbol
from tests.support.shelf import Shelf

MINUTE = 60_000
M1 = Timeframe.M1
BTC = guess(SPOT, "BTCUSDT", 2, 8)


@cache
def tape_of(root: Path) -> Tape:
    return load_tape(root / "hftbacktest-binance-ws" / "spot", limit_s=65)


class Scene:
    """A history over the recorded exchange, one minute after its play began."""

    def __init__(self, root: Path, stand_ins: tuple[str, ...]) -> None:
        self.exchange = RecordedExchange(tape_of(root), now_ns, recordings=root, begin="start")
        self.shelf = Shelf()
        self.kept: list[tuple[Timeframe, Bar]] = []
        self.transport = MemoryTransport(self.exchange)
        clock = asyncio.get_running_loop().time
        self.history = History(
            Venue(Rest(SPOT, ("http://exchange/spot",), self.transport, clock)),
            storage=Storage(self.shelf),
            stand_ins=[
                StandIn(name, (f"http://exchange/{name}",), self.transport, now=now_ns, monotonic=clock)
                for name in stand_ins
            ],
            now=now_ns,
            monotonic=clock,
            keep=self.keep,
        )
        self.end = now_ns() // 10**6 // MINUTE * MINUTE

    def keep(self, instrument: Instrument, timeframe: Timeframe, bars: object) -> None:
        taken: list[Bar] = list(bars)  # type: ignore[call-overload]
        self.shelf.lay(instrument, timeframe, taken)
        self.kept += [(timeframe, bar) for bar in taken]

    async def ask(self, minutes: int, before: int = 0, timeframe: Timeframe | str = M1) -> HistoryAnswer:
        end = self.end - before * MINUTE
        return await self.history.range(BTC, timeframe, end - minutes * MINUTE, end)

    def truth(self) -> dict[int, int]:
        """The recorded closes by opening time, in ticks."""
        rows = self.exchange.listings[Symbol("spot", "BTCUSDT")].candles.rows("1m", self.exchange.server_ms())
        return {row.open_ms: row.close // 10**6 for row in rows}


Act = Callable[[Scene], Awaitable[None]]


def play(root: Path, act: Act, stand_ins: tuple[str, ...] = ("mexc", "bybit")) -> None:
    async def main() -> None:
        await act(Scene(root, stand_ins))

    run_virtual(main, start_ns=tape_of(root).aligned(START_NS))


def closes(ohlcv: OHLCV) -> dict[int, int]:
    return dict(zip(ohlcv.open_ms.tolist(), np.rint(ohlcv.close * 100).astype(int).tolist(), strict=True))


def sources(ohlcv: OHLCV) -> set[str]:
    return {SOURCES[code] for code in ohlcv.source}


def test_bug_14_15_a_range_is_answered_for_what_it_is_and_not_by_rows_at_hand(recordings_root_path: Path) -> None:
    """A hundred stored rows of another time answer nothing, and half a range of them leaves the other half to ask."""

    async def act(scene: Scene) -> None:
        recent = await scene.ask(200)
        assert [each.source for each in recent.served] == ["venue"]
        far = await scene.ask(300, before=5000)
        assert len(far.ohlcv) == 300
        assert closes(far.ohlcv) == {at: scene.truth()[at] for at in far.ohlcv.open_ms.tolist()}
        scene.exchange.candle_requests = 0
        both = await scene.ask(400)
        assert [(each.source, each.rows) for each in both.served] == [("storage", 200), ("venue", 200)]
        assert scene.exchange.candle_requests == 1
        assert len(both.ohlcv) == 400
        assert both.gaps == ()
        again = await scene.ask(400)
        assert [(each.source, each.rows) for each in again.served] == [("storage", 400)]
        assert scene.exchange.candle_requests == 1

    play(recordings_root_path, act)


def test_bug_16_what_is_handed_out_cannot_be_changed_for_others(recordings_root_path: Path) -> None:
    async def act(scene: Scene) -> None:
        first, second = await asyncio.gather(scene.ask(50), scene.ask(50))
        before = closes(first.ohlcv)
        with pytest.raises(ValueError, match="read-only"):
            first.ohlcv.close[:] = 1.0
        assert closes(second.ohlcv) == closes((await scene.ask(50)).ohlcv) == before

    play(recordings_root_path, act)


@pytest.mark.parametrize("timeframe", ["30m", "1M", "", "1m "])
def test_bug_17_an_unknown_timeframe_is_an_error(recordings_root_path: Path, timeframe: str) -> None:
    async def act(scene: Scene) -> None:
        with pytest.raises(RequestDenied, match=r"no timeframe .*; there are 1s, 1m, 5m"):
            await scene.ask(50, timeframe=timeframe)
        assert scene.exchange.candle_requests == 0

    play(recordings_root_path, act)


def test_bug_18_long_ranges_are_paged_and_neighbours_share_no_candle(recordings_root_path: Path) -> None:
    async def act(scene: Scene) -> None:
        long = await scene.ask(2500)
        assert scene.exchange.candle_requests == 3
        assert len(long.ohlcv) == 2500
        assert (np.diff(long.ohlcv.open_ms) == MINUTE).all()
        first, second = await scene.ask(100, before=100), await scene.ask(100)
        assert first.ohlcv.open_ms[-1] + MINUTE == second.ohlcv.open_ms[0]
        assert second.ohlcv.open_ms[-1] == scene.end - MINUTE
        start = scene.end - 10 * MINUTE
        odd = await scene.history.range(BTC, M1, start + 1, scene.end - 1)
        assert odd.ohlcv.open_ms.tolist() == list(range(start + MINUTE, scene.end, MINUTE))

    play(recordings_root_path, act)


def test_too_long_or_empty_a_range_is_refused_with_the_number(recordings_root_path: Path) -> None:
    async def act(scene: Scene) -> None:
        for start, end in ((scene.end, scene.end), (scene.end, scene.end - 1), (-5, 10), (0, (MOST + 1) * MINUTE)):
            with pytest.raises(RequestDenied, match=str(MOST)):
                await scene.history.range(BTC, M1, start, end)

    play(recordings_root_path, act)


def test_bug_23_what_is_still_to_come_is_neither_in_an_answer_nor_missing(recordings_root_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await asyncio.sleep(30)
        found = await scene.history.range(BTC, M1, scene.end - 5 * MINUTE, scene.end + 100 * MINUTE)
        assert found.ohlcv.open_ms[-1] == now_ns() // 10**6 // MINUTE * MINUTE - MINUTE
        assert found.gaps == ()

    play(recordings_root_path, act)


def test_bug_19_nothing_blocks_while_storage_is_read(recordings_root_path: Path) -> None:
    """The disk is read in a thread, and the loop that asks is the only loop there is."""

    async def act(scene: Scene) -> None:
        where: list[int] = []
        real = scene.shelf.candles

        def candles(*args: object, **named: object) -> OHLCV:
            where.append(threading.get_ident())
            return real(*args, **named)  # type: ignore[arg-type]

        scene.shelf.candles = candles  # type: ignore[method-assign]
        await scene.ask(50)
        assert where
        assert threading.get_ident() not in where

    play(recordings_root_path, act)


def test_bug_20_storage_that_cannot_be_read_is_said_and_the_venue_serves(recordings_root_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.shelf.broken = "disk on fire"
        found = await scene.ask(50)
        assert [each.source for each in found.served] == ["venue"]
        assert found.reason == "storage: storage: disk on fire"
        assert len(found.ohlcv) == 50

    play(recordings_root_path, act)


def test_bug_21_the_start_is_that_of_all_data_and_not_of_a_window(recordings_root_path: Path) -> None:
    async def act(scene: Scene) -> None:
        oldest = min(scene.truth())
        inside = await scene.history.range(BTC, M1, oldest + 50 * MINUTE, oldest + 100 * MINUTE)
        assert not inside.reached_start
        across = await scene.history.range(BTC, M1, oldest - 100 * MINUTE, oldest + 10 * MINUTE)
        assert across.reached_start
        assert across.ohlcv.open_ms[0] == oldest
        assert across.gaps == ()
        before = await scene.history.range(BTC, M1, oldest - 200 * MINUTE, oldest - 100 * MINUTE)
        assert before.reached_start
        assert len(before.ohlcv) == 0

    play(recordings_root_path, act, stand_ins=())


def test_bug_22_the_same_question_is_asked_once_and_few_at_a_time(recordings_root_path: Path) -> None:
    async def act(scene: Scene) -> None:
        same = await asyncio.gather(*(scene.ask(100) for _ in range(20)))
        assert scene.exchange.candle_requests == 1
        assert all(each is same[0] for each in same)
        busy = [0, 0]
        real = scene.history.venue.candles

        async def candles(*args: object, **named: object) -> tuple[Bar, ...]:
            busy[0] += 1
            busy[1] = max(busy)
            try:
                return await real(*args, **named)  # type: ignore[arg-type]
            finally:
                busy[0] -= 1

        scene.history.venue.candles = candles  # type: ignore[method-assign]
        await asyncio.gather(*(scene.ask(100, before=1000 * place) for place in range(1, 9)))
        assert busy[1] == RANGES

    play(recordings_root_path, act)


def test_a_question_that_nobody_waits_for_is_given_up(recordings_root_path: Path) -> None:
    async def act(scene: Scene) -> None:
        waiting = [asyncio.create_task(scene.ask(3000)) for _ in range(2)]
        await asyncio.sleep(0.005)
        waiting[0].cancel()
        await asyncio.sleep(0.005)
        assert scene.history._running
        waiting[1].cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await asyncio.sleep(5)
        assert scene.exchange.candle_requests <= 1
        assert not scene.history._running
        assert len((await scene.ask(100)).ohlcv) == 100

    play(recordings_root_path, act)


@pytest.mark.parametrize("stand_in", ["mexc", "bybit"])
@pytest.mark.parametrize("fault", [fault for fault in CandleFault if fault not in ("short", "holes")])
def test_errors_and_other_shapes_fall_over_to_the_next_source(
    recordings_root_path: Path, fault: CandleFault, stand_in: str
) -> None:
    async def act(scene: Scene) -> None:
        scene.exchange.candle_fault = fault
        found = await scene.ask(300)
        assert [(each.source, each.rows) for each in found.served] == [(stand_in, 300)]
        assert found.reason.startswith("venue: ")
        assert sources(found.ohlcv) == {stand_in}
        assert found.ohlcv.complete.all()
        assert np.isnan(found.ohlcv.taker_buy).all()
        assert (found.ohlcv.trades == -1).all()
        (view,) = scene.history.views(3.0)
        assert (view.source, view.rows, view.again_s) == (stand_in, 300, 3.0)
        assert view.failed.startswith("venue: ")

    play(recordings_root_path, act, (stand_in,))


@pytest.mark.parametrize(("fault", "rows"), [(CandleFault.SHORT, 150), (CandleFault.HOLES, 180)])
def test_half_answers_are_filled_up_by_the_next_source(
    recordings_root_path: Path, fault: CandleFault, rows: int
) -> None:
    async def act(scene: Scene) -> None:
        scene.exchange.candle_fault = fault
        found = await scene.ask(300)
        assert [(each.source, each.rows) for each in found.served] == [("venue", rows), ("mexc", 300 - rows)]
        assert closes(found.ohlcv) == {at: scene.truth()[at] for at in found.ohlcv.open_ms.tolist()}
        assert len(found.ohlcv) == 300
        assert found.gaps == ()

    play(recordings_root_path, act)


def test_the_venues_own_candles_take_the_place_of_a_stand_ins(recordings_root_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.exchange.candle_fault = CandleFault.ERROR
        assert sources((await scene.ask(100)).ohlcv) == {"mexc"}
        requests = scene.exchange.abroad_requests
        stored = await scene.ask(100)
        assert sources(stored.ohlcv) == {"mexc"}
        assert scene.exchange.abroad_requests == requests, "what storage has of a stand-in is not asked for again"
        scene.exchange.candle_fault = None
        healed = await scene.ask(100)
        assert sources(healed.ohlcv) == {"venue"}
        assert healed.reason == ""

    play(recordings_root_path, act, ("mexc",))


def test_bug_24_nobody_answers_is_an_error_that_names_everybody(recordings_root_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.exchange.candle_fault = CandleFault.ERROR
        scene.exchange.abroad_closed = True
        with pytest.raises(
            FeedUnavailable, match=r"binance:BTC/USDT 1m: venue: .*HTTP 503.*; mexc: .*; bybit: "
        ) as one:
            await scene.ask(100)
        assert len(str(one.value)) < 1000
        scene.shelf.lay(BTC, M1, [])
        scene.exchange.candle_fault = None
        assert len((await scene.ask(100)).ohlcv) == 100
        scene.exchange.candle_fault = CandleFault.ERROR
        partly = await scene.ask(150)
        assert len(partly.ohlcv) == 100
        (gap,) = partly.gaps
        assert (gap.missing, gap.last_ms) == (50, scene.end - 101 * MINUTE)
        assert "HTTP 503" in gap.reason

    play(recordings_root_path, act)


def test_what_nobody_has_is_a_gap_and_is_asked_for_ever_more_rarely(recordings_root_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.exchange.candle_fault = CandleFault.HOLES
        found = await scene.ask(10)
        assert sum(gap.missing for gap in found.gaps) == 10 - len(found.ohlcv) == 4
        assert {gap.reason for gap in found.gaps} == {"no source has it"}
        asked = []
        for _ in range(60):
            before = scene.exchange.candle_requests
            await scene.ask(10, before=10)
            asked.append(scene.exchange.candle_requests - before)
            await asyncio.sleep(30)
        assert asked[0] == 1
        assert 4 <= sum(asked) <= 12, asked

    play(recordings_root_path, act, ())


def test_new_candles_are_handed_to_storage_and_stored_ones_are_not(recordings_root_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.ask(100)
        assert len(scene.kept) == 100
        await scene.ask(150)
        assert len(scene.kept) == 150
        assert {bar.source for _, bar in scene.kept} == {"venue"}

    play(recordings_root_path, act)


def test_an_incomplete_stored_candle_is_none(recordings_root_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.ask(20)
        half = msgspec.structs.replace(scene.kept[5][1], complete=False, high=10**9, source="trades")
        scene.shelf.lay(BTC, M1, [half])
        found = await scene.ask(20)
        assert [(each.source, each.rows) for each in found.served] == [("storage", 19), ("venue", 1)]
        assert found.ohlcv.high.max() < 10**6

    play(recordings_root_path, act)


def test_charts_leave_half_of_the_request_budget_to_the_rest(recordings_root_path: Path) -> None:
    async def act(scene: Scene) -> None:
        budget = scene.history.venue.rest.budget
        clock = asyncio.get_running_loop().time
        budget.spend(3000, clock())
        begun = clock()
        await scene.ask(100)
        assert clock() - begun > 59
        budget.spend(3000, clock())
        assert budget.wait(250, clock()) == 0

    play(recordings_root_path, act)
