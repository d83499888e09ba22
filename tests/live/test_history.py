"""History of a running engine: storage, the venue, stand-ins, one after the other, and the same again in a replay."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from engine.alerts import Alert, Alerts
from engine.digest import state_hash
from engine.ingestion.session import FeedSettings
from engine.maintenance import EVERY_S
from engine.market.pivots import Structure
from engine.monitor import Identity, Monitor
from engine.pulse import Resources
from engine.replay import Recording, Replay
from engine.runtime import Engine
from engine.settings import CacheSettings
from engine.types import Bar, BarsLoaded, FetchBars, Instrument, PivotPoint, PivotsLoaded, Timeframe
from tests.fault.run import START_NS, address, tape_of
from tests.support.exchange import MemoryTransport, RecordedExchange, now_ns, run_virtual
from tests.support.exchange.candle_faults import CandleFault
from tests.support.shelf import Shelf
from tests.support.virtual_clock import VirtualClock
from tradetui.bootstrap import build_engine
from tradetui.config.sections import DataProvider, Settings, StandInVenue, Venues

ETH = "binance:ETH/USDT"
M1 = Timeframe.M1
KEPT = 300


class Swings:
    """A stored market structure of one timeframe."""

    async def load(self, instrument: Instrument) -> AsyncIterator[PivotsLoaded]:
        await asyncio.sleep(0.5)
        open_ms = now_ns() // 10**6 - 10**10
        swing = PivotPoint(
            timeframe=M1, level=5, high=True, ts_ms=open_ms, price=2576.36, confirmed_ms=open_ms + 60_000, known_at=1
        )
        state = Structure(M1).state()
        yield PivotsLoaded(instrument=instrument.key, timeframe=M1, until_ms=-1, state=state, pivots=(swing,))


class Scene:
    """An engine on the recorded exchange, in virtual time."""

    def __init__(self, root: Path, record: Path | None, fault: CandleFault | None, shelf: Shelf | None) -> None:
        self.exchange = RecordedExchange(tape_of(root, "spot"), now_ns, recordings=root, begin="start")
        self.exchange.candle_fault = fault
        self.shelf = shelf
        self.events: list[type] = []
        clock = asyncio.get_running_loop().time
        settings = Settings(
            venues=Venues(
                binance=address("spot"),
                mexc=StandInVenue(rest=("http://exchange/mexc",)),
                bybit=StandInVenue(rest=("http://exchange/bybit",)),
            ),
            data_provider=DataProvider(
                timeframes=(Timeframe.S1, M1, Timeframe.M5),
                cache=CacheSettings(candles_per_timeframe=KEPT),
                websocket=FeedSettings(),
            ),
        )
        self.engine = build_engine(
            settings,
            [ETH],
            record=record,
            clock=VirtualClock(),
            transport=MemoryTransport(self.exchange),
            monotonic=clock,
            dice=random.Random(0).random,
            store=shelf,
            archive=shelf,  # type: ignore[arg-type]
            structures=Swings(),
            observer=lambda record, _state: self.events.append(type(record.event)),
        )
        self.told: list[tuple[str, Alert]] = []
        alerts = Alerts(lambda change, alert: self.told.append((change, alert)))
        identity = Identity(profile="test", version="0", started=0)
        self.monitor = Monitor(self.engine, identity, alerts, monotonic=clock, resources=Resources())
        self.asked: list[tuple[float, FetchBars]] = []
        feed = self.engine.feeds[0]
        real = feed.fetch_bars

        def fetch_bars(command: FetchBars) -> None:
            self.asked.append((clock(), command))
            real(command)

        feed.fetch_bars = fetch_bars  # type: ignore[method-assign]

    def closed(self, timeframe: Timeframe = M1) -> list[Bar]:
        return list(self.engine.state.markets[ETH].bars.closed[timeframe])

    def sources(self, timeframe: Timeframe = M1) -> set[str]:
        return {bar.source for bar in self.closed(timeframe)}

    def alerts(self) -> set[str]:
        self.monitor._watch.look(now_ns())
        return {f"{alert.code} {alert.component}" for alert in self.monitor.alerts.active}


Act = Callable[[Scene], Awaitable[None]]


def play(
    root: Path, act: Act, *, record: Path | None = None, fault: CandleFault | None = None, shelf: Shelf | None = None
) -> Engine:
    async def main() -> Engine:
        scene = Scene(root, record, fault, shelf)
        stop = asyncio.Event()
        running = asyncio.create_task(scene.engine.run(stop))
        await act(scene)
        stop.set()
        await running
        return scene.engine

    return run_virtual(main, start_ns=tape_of(root, "spot").aligned(START_NS))


def whole(bars: Iterable[Bar], timeframe: Timeframe) -> bool:
    opens = [bar.open_ms for bar in bars]
    return opens == list(range(opens[0], opens[-1] + 1, timeframe.seconds * 1000))


@pytest.mark.parametrize("fault", ["error", "cut", "short", "holes", "object", "elsewhen"])
def test_whatever_the_venue_answers_history_is_there_and_the_screen_says_whose(
    recordings_root_path: Path, fault: str
) -> None:
    """Errors, half answers, other shapes; and when the venue answers again its candles take their place."""

    async def act(scene: Scene) -> None:
        await asyncio.sleep(40)
        bars = scene.closed()
        assert KEPT - 1 <= len(bars) <= KEPT
        assert whole(bars, M1)
        assert "mexc" in scene.sources()
        assert "HISTORY_FALLBACK binance:ETH/USDT 1m" in scene.alerts()
        views = {view.timeframe: view for view in scene.monitor.view().history}
        assert (views["1m"].source, views["1m"].stand_in, views["1m"].missing) == ("mexc", "mexc", 0)
        if fault not in ("short", "holes"):
            assert scene.sources() - {"trades", "mixed"} == {"mexc"}
            assert views["1m"].failed.startswith("venue: ")
        assert {budget.venue for budget in scene.monitor.view().budgets} == {"binance", "mexc", "bybit"}
        scene.exchange.candle_fault = None
        await asyncio.sleep(100)
        assert "mexc" not in scene.sources()
        assert whole(scene.closed(), M1)
        assert "HISTORY_FALLBACK binance:ETH/USDT 1m" not in scene.alerts()
        (view,) = [view for view in scene.monitor.view().history if view.timeframe == "1m"]
        assert (view.source, view.failed, view.stand_in) == ("venue", "", "")

    play(recordings_root_path, act, fault=CandleFault(fault))


def test_a_replay_of_what_storage_and_stand_ins_served_gives_the_same_state(
    recordings_root_path: Path, tmp_path: Path
) -> None:
    shelf = Shelf()

    async def first(scene: Scene) -> None:
        await asyncio.sleep(20)

    play(recordings_root_path, first, shelf=shelf)
    for timeframe in (M1, Timeframe.M5):
        found = shelf.bars[ETH, timeframe]
        for place in list(found)[100:150]:
            del found[place]

    async def again(scene: Scene) -> None:
        await asyncio.sleep(50)
        assert scene.sources() >= {"venue", "mexc"}
        assert whole(scene.closed(), M1)
        assert scene.events.count(PivotsLoaded) == 1
        assert scene.events.index(PivotsLoaded) < scene.events.index(BarsLoaded)

    engine = play(recordings_root_path, again, record=tmp_path, fault=CandleFault.CUT, shelf=shelf)
    replay = Replay(Recording([tmp_path]), engine.state.settings)
    replay.run()
    assert state_hash(replay.state) == engine.final_hash
    pivots = [state.markets[ETH].frames.tracks[M1].pivots for state in (engine.state, replay.state)]
    assert pivots[0] == pivots[1]
    assert pivots[0][0].level == 5
    replayed = replay.state.markets[ETH].bars.closed[M1]
    assert {bar.source for bar in replayed} >= {"venue", "mexc"}


def test_what_is_stored_is_not_asked_of_the_venue_again(recordings_root_path: Path) -> None:
    shelf = Shelf()
    requests: list[int] = []

    async def act(scene: Scene) -> None:
        await asyncio.sleep(1.5)
        requests.append(scene.exchange.candle_requests)
        await asyncio.sleep(20)
        assert whole(scene.closed(), M1)

    play(recordings_root_path, act, shelf=shelf)
    assert len(shelf.bars[ETH, M1]) >= KEPT
    play(recordings_root_path, act, shelf=shelf)
    assert requests[0] > requests[1]


def test_broken_storage_leaves_history_to_the_venue(recordings_root_path: Path) -> None:
    shelf = Shelf()
    shelf.broken = "the disk is gone"

    async def act(scene: Scene) -> None:
        await asyncio.sleep(20)
        assert len(scene.closed()) == KEPT
        (view,) = [view for view in scene.monitor.view().history if view.timeframe == "1m"]
        assert (view.source, view.failed) == ("venue", "storage: storage: the disk is gone")

    play(recordings_root_path, act, shelf=shelf)


def test_every_closed_bar_is_held_against_the_venues(recordings_root_path: Path) -> None:
    """Maintenance at its intervals, in pages of seconds; the recorded trades give the venue's candles exactly."""

    async def act(scene: Scene) -> None:
        await asyncio.sleep(100)
        market = scene.engine.state.markets[ETH]
        assert market.bars.differed == 0
        assert market.bars.confirmed > 60
        compares = {timeframe: [at for at, c in scene.asked if c.compare and c.timeframe is timeframe] for timeframe in
                    (Timeframe.S1, M1)}  # fmt: skip
        for timeframe, times in compares.items():
            steps = {round(b - a) for a, b in pairwise(times)}
            assert steps <= {EVERY_S[timeframe], 2 * EVERY_S[timeframe]}, timeframe
        seconds = [c for _, c in scene.asked if c.compare and c.timeframe is Timeframe.S1]
        assert len(seconds) >= 8
        for one, two in pairwise(seconds):
            assert two.start_ms == one.end_ms + 1000
        assert whole(scene.closed(Timeframe.S1), Timeframe.S1)
        weight = scene.engine.feeds[0].rest.budget.view(asyncio.get_running_loop().time()).used
        assert weight < 60
        assert scene.engine.data_maintenance_active
        scene.engine.stop_automatic_data_maintenance()
        assert not scene.monitor.view().maintenance
        requests, asked = scene.exchange.candle_requests, len(scene.asked)
        await asyncio.sleep(15)
        healed = [command for _, command in scene.asked[asked:] if not command.compare]
        assert scene.exchange.candle_requests == requests + len(healed)

    play(recordings_root_path, act)


def test_a_bar_that_differs_gives_way_and_is_counted(recordings_root_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await asyncio.sleep(32)
        bars = scene.engine.state.markets[ETH].bars
        place, ours = len(bars.closed[Timeframe.S1]) - 1, bars.closed[Timeframe.S1][-1]
        assert ours.source == "trades"
        bars.closed[Timeframe.S1][place] = msgspec.structs.replace(ours, volume=ours.volume + 1)
        scene.alerts()
        await asyncio.sleep(12)
        assert bars.differed == 1
        assert "BARS_DIFFERED binance:ETH/USDT" in scene.alerts()
        (alert,) = [alert for alert in scene.monitor.alerts.active if alert.code == "BARS_DIFFERED"]
        assert f"volume {ours.volume + 1} and not {ours.volume}" in alert.text
        (bar,) = [bar for bar in bars.closed[Timeframe.S1] if bar.open_ms == ours.open_ms]
        assert (bar.source, bar.volume) == ("venue", ours.volume)

    play(recordings_root_path, act)
