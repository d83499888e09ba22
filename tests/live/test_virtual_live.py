"""The live engine in virtual time: rotation, deeper snapshots, healing, price requests, several addresses."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from engine.errors import FeedUnavailable
from engine.ingestion.session import FeedSettings
from engine.market.price import PriceSource
from engine.market.sync import Step, SyncState
from engine.runtime import Engine
from engine.snapshot import CobView, cob_view
from engine.types import SECOND, FeedLost, FeedUp, Record, Timeframe
from tests.fault.run import START_NS, VENUES, Outcome, Watch, address, tape_of
from tests.support.exchange import Fault, FaultKind, FaultScript, MemoryTransport, RecordedExchange, now_ns, run_virtual
from tests.support.virtual_clock import VirtualClock
from tradetui.bootstrap import build_engine
from tradetui.config.sections import Addresses, DataProvider, Settings, Venues

ETH, BTC = "binance:ETH/USDT", "binance:BTC/USDT"
SILENT = (Fault(kind=FaultKind.SILENCE, at_s=10.0, seconds=14.0),)
Scene = Callable[[Engine, RecordedExchange], Awaitable[None]]


def settings(**changes: object) -> Settings:
    venues = Venues(**{venue: address(prefix) for prefix, venue in VENUES.items()})
    return msgspec.structs.replace(Settings(venues=venues), **changes)


def play(
    root: Path, scene: Scene, chosen: Settings, symbols: tuple[str, ...] = (ETH, BTC), faults: tuple[Fault, ...] = ()
) -> Outcome:
    """Run a scene on the live engine; every book is compared with the oracle after every message."""
    market = {venue: prefix for prefix, venue in VENUES.items()}[symbols[0].partition(":")[0]]
    tape = tape_of(root, market)
    outcome = Outcome(seed=0, market=market, faults=[])

    async def main() -> None:
        exchange = RecordedExchange(tape, now_ns, recordings=root, begin="start", faults=FaultScript(faults))
        engine = build_engine(
            chosen,
            list(symbols),
            clock=VirtualClock(),
            transport=MemoryTransport(exchange),
            monotonic=asyncio.get_running_loop().time,
            dice=random.Random(0).random,
            observer=Watch(exchange, tape, outcome),
        )
        stop = asyncio.Event()
        running = asyncio.create_task(engine.run(stop))
        await scene(engine, exchange)
        stop.set()
        await running

    run_virtual(main, start_ns=tape.aligned(START_NS))
    return outcome


def test_rotation_loses_nothing(recordings_root_path: Path) -> None:
    events: list[object] = []

    async def scene(engine: Engine, _exchange: RecordedExchange) -> None:
        watch = engine.observer
        assert watch is not None

        def keep(record: Record, state: object) -> None:
            if isinstance(record.event, FeedUp | FeedLost):
                events.append(record.event)
            watch(record, state)  # type: ignore[arg-type]

        engine.observer = keep
        await asyncio.sleep(40)
        for market in engine.state.markets.values():
            assert market.sync.resyncs == 1
            assert market.sync.gaps == 0
            assert market.counters.trade_gaps == 0
            seconds = [bar for bar in market.bars.closed[Timeframe.S1] if bar.source == "trades"]
            assert all(bar.complete for bar in seconds[1:])

    outcome = play(
        recordings_root_path, scene, settings(data_provider=DataProvider(websocket=FeedSettings(rotate_after_s=8)))
    )
    assert outcome.complaints == []
    assert outcome.checks > 500
    assert len([event for event in events if isinstance(event, FeedUp) and event.rotated]) >= 4
    assert not [event for event in events if isinstance(event, FeedLost)]


def test_a_narrow_book_is_widened_without_resync(recordings_root_path: Path) -> None:
    """USD-M gives 1,000 levels a side, which is less than 20 buckets of $10 either way."""
    key = "binanceusdm:BTC/USDT:USDT"
    merged: list[Step] = []

    async def scene(engine: Engine, _exchange: RecordedExchange) -> None:
        await asyncio.sleep(1)
        market = engine.state.markets[key]
        first = (market.sync.low, market.sync.high)
        real = type(market.sync)._merge

        def spy(self: object, snapshot: object) -> Step:
            merged.append(real(self, snapshot))  # type: ignore[arg-type]
            return merged[-1]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(market.sync), "_merge", spy)
            await asyncio.sleep(45)
        assert market.sync.low <= first[0]
        assert market.sync.high >= first[1]
        assert market.sync.resyncs == 1

    outcome = play(recordings_root_path, scene, settings(), (key,))
    assert outcome.complaints == []
    assert set(merged) == {Step.MERGED}
    assert len(merged) >= 1


def test_history_joins_the_stream_without_hole(recordings_root_path: Path) -> None:
    async def scene(engine: Engine, _exchange: RecordedExchange) -> None:
        await asyncio.sleep(64)
        for key in (ETH, BTC):
            for timeframe in (Timeframe.S1, Timeframe.M1, Timeframe.M5):
                bars = list(engine.state.markets[key].bars.closed[timeframe])
                step = timeframe.seconds * 1000
                opens = [bar.open_ms for bar in bars]
                assert opens == list(range(opens[0], opens[-1] + step, step)), (key, timeframe)
            minutes = engine.state.markets[key].bars.closed[Timeframe.M1]
            assert len(minutes) == 1500
            assert all(bar.complete for bar in minutes)
            assert minutes[0].source == "venue"

    assert play(recordings_root_path, scene, settings()).complaints == []


def test_cob_topic_comes_ten_times_a_second_and_a_failing_subscriber_harms_nobody(recordings_root_path: Path) -> None:
    views: list[CobView] = []

    def broken(_view: CobView) -> None:
        raise RuntimeError("boom")

    async def scene(engine: Engine, _exchange: RecordedExchange) -> None:
        engine.distributor.subscribe(broken, [ETH], "broken")
        number = engine.distributor.subscribe(views.append, [ETH], "good")
        await asyncio.sleep(10)
        stats = {view.name: view for view in engine.distributor.stats()}
        assert stats["good"].delivered == pytest.approx(97, abs=4)
        assert stats["broken"].failed == stats["good"].delivered
        assert "boom" in stats["broken"].last_error
        assert engine.distributor.unsubscribe(number)

    assert play(recordings_root_path, scene, settings()).complaints == []
    last = views[-1]
    assert last.live
    assert len(last.buckets) == 40
    assert last.best_bid is not None
    assert last.best_ask is not None
    assert last.best_bid < last.volume_weighted_mid < last.best_ask  # type: ignore[operator]
    assert last.imbalance[3].plain is not None
    assert -1 <= last.imbalance[3].plain <= 1


def test_a_silent_feed_is_stale_and_gives_no_columns(recordings_root_path: Path) -> None:
    async def scene(engine: Engine, _exchange: RecordedExchange) -> None:
        await asyncio.sleep(9.5)
        market = engine.state.markets[ETH]
        assert cob_view(engine.state, ETH, now_ns()).live
        await asyncio.sleep(7.5)
        columns = len(market.cob.columns)  # type: ignore[union-attr]
        assert not cob_view(engine.state, ETH, now_ns()).live
        await asyncio.sleep(3)
        assert len(market.cob.columns) == columns  # type: ignore[union-attr]

    play(recordings_root_path, scene, settings(), faults=SILENT)


def test_price_falls_back_and_names_source_and_age(recordings_root_path: Path) -> None:
    async def scene(engine: Engine, _exchange: RecordedExchange) -> None:
        await asyncio.sleep(9)
        price = await engine.price(ETH)
        assert price is not None
        assert (price.source, price.stale) == (PriceSource.BOOK, False)
        assert price.age < SECOND // 2
        await asyncio.sleep(3)
        price = await engine.price(ETH)
        assert price is not None
        assert (price.source, price.stale) == (PriceSource.REST, False)
        feed = engine.feeds[0]

        async def down(_url: str, *, timeout_s: float) -> object:  # noqa: ARG001, ASYNC109, RUF100
            raise FeedUnavailable("down")

        feed.transport.get = down  # type: ignore[method-assign, assignment]
        await asyncio.sleep(2)
        for _ in range(5):
            price = await engine.price(ETH)
            assert price is not None
            assert price.stale
            assert price.age > SECOND
        assert not feed.breaker.allows(asyncio.get_running_loop().time())

    play(recordings_root_path, scene, settings(), faults=SILENT)


def test_addresses_are_tried_in_turn(recordings_root_path: Path) -> None:
    dead = Addresses(
        rest=("http://dead/nowhere", "http://exchange/spot"), ws=("ws://dead/nowhere", "ws://exchange/spot")
    )
    venues = msgspec.structs.replace(settings().venues, binance=dead)

    async def scene(engine: Engine, _exchange: RecordedExchange) -> None:
        real = engine.feeds[0].transport.get

        async def get(url: str, *, timeout_s: float) -> object:  # noqa: ASYNC109, RUF100
            if "dead" in url:
                raise FeedUnavailable("dead")
            return await real(url, timeout_s=timeout_s)

        engine.feeds[0].transport.get = get  # type: ignore[method-assign, assignment]
        await asyncio.sleep(8)
        assert {market.sync.state for market in engine.state.markets.values()} == {SyncState.LIVE}

    assert play(recordings_root_path, scene, settings(venues=venues)).complaints == []


def test_an_instrument_whose_scale_changed_begins_again(recordings_root_path: Path) -> None:
    """The engine starts with a tick of 0.1; the first finer price makes it ask, and follow with the right one."""

    async def scene(engine: Engine, _exchange: RecordedExchange) -> None:
        real = engine.feeds[0].transport.get
        lies = [1]

        async def get(url: str, *, timeout_s: float) -> object:  # noqa: ASYNC109, RUF100
            response = await real(url, timeout_s=timeout_s)
            if "exchangeInfo" in url and lies:
                lies.pop()
                coarse = response.body.replace(b'"tickSize":"0.01000000"', b'"tickSize":"0.10000000"')
                assert coarse != response.body
                return msgspec.structs.replace(response, body=coarse)
            return response

        engine.feeds[0].transport.get = get  # type: ignore[method-assign, assignment]
        await asyncio.sleep(20)
        for market in engine.state.markets.values():
            assert market.instrument.price_decimals == 2
            assert market.sync.live

    assert play(recordings_root_path, scene, settings()).complaints == []
