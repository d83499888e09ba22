"""How an engine ends, and how a failing feed or connection is kept apart from the rest, in virtual time."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from engine.digest import state_hash
from engine.errors import FeedUnavailable, SettingsInvalid
from engine.ingestion.session import FeedSettings
from engine.replay import Recording, Replay
from engine.runtime import Engine
from engine.state import EngineState
from engine.types import SECOND, BookDelta, FeedLost, FeedUp, Record
from tests.fault.run import START_NS, VENUES, address
from tests.support.exchange import MemoryTransport, RecordedExchange, Tape, load_tape, now_ns, run_virtual
from tests.support.exchange.memory import MemorySocket
from tests.support.virtual_clock import VirtualClock
from tradetui.bootstrap import build_engine
from tradetui.config.sections import DataProvider, Settings, Venues

BTC, USDM = "binance:BTC/USDT", "binanceusdm:BTC/USDT:USDT"


class Ill:
    """A socket that can be made to break, to be silent, to close slowly and to be slow to let go."""

    def __init__(self, socket: MemorySocket, url: str) -> None:
        self.socket = socket
        self.url = url
        self.broken = asyncio.Event()
        self.silent = False
        self.close_s = 0.0
        self.linger_s = 0.0

    async def receive(self) -> bytes:
        if self.silent:
            await asyncio.Event().wait()
        frame = asyncio.create_task(self.socket.receive())
        broken = asyncio.create_task(self.broken.wait())
        try:
            await asyncio.wait((frame, broken), return_when=asyncio.FIRST_COMPLETED)
            if self.silent:
                await asyncio.Event().wait()
            if self.broken.is_set():
                raise FeedUnavailable("broken by the test")
            return frame.result()
        except asyncio.CancelledError:
            if self.linger_s:
                await asyncio.sleep(self.linger_s)
            raise
        finally:
            frame.cancel()
            broken.cancel()

    async def ping(self) -> None:
        await self.socket.ping()

    async def close(self) -> None:
        await asyncio.sleep(self.close_s)
        await self.socket.close()


class Network(MemoryTransport):
    """The exchange's network with such sockets."""

    def __init__(self, exchange: RecordedExchange) -> None:
        super().__init__(exchange)
        self.ill: list[Ill] = []
        self.refuses = False
        self.closed = 0

    async def connect(self, url: str) -> Ill:  # type: ignore[override]
        if self.refuses:
            await asyncio.sleep(0.005)
            raise FeedUnavailable("refused by the test")
        self.ill.append(Ill(await super().connect(url), url))
        return self.ill[-1]

    async def aclose(self) -> None:
        self.closed += 1
        await super().aclose()


class Seen:
    """What was heard of connections, and when."""

    def __init__(self) -> None:
        self.events: list[tuple[int, FeedLost | FeedUp]] = []
        self.last: dict[str, bytes] = {}

    def __call__(self, record: Record, state: EngineState) -> None:
        if isinstance(record.event, FeedLost | FeedUp):
            self.events.append((record.ts_recv, record.event))
        elif isinstance(record.event, BookDelta):
            self.last[record.event.instrument] = record.frame

    def of(self, kind: type, venue: str) -> list[tuple[int, FeedLost | FeedUp]]:
        return [(at, e) for at, e in self.events if isinstance(e, kind) and e.source.startswith(f"{venue}")]


Scene = Callable[[Engine, Network, Seen, asyncio.Event], Awaitable[None]]
_TAPES: dict[tuple[Path, tuple[str, ...]], Tape] = {}


def tape_of(root: Path, folders: tuple[str, ...]) -> Tape:
    if (root, folders) not in _TAPES:
        paths = [root / "hftbacktest-binance-ws" / folder for folder in folders]
        _TAPES[root, folders] = load_tape(*paths, symbols=["BTCUSDT"], limit_s=25)
    return _TAPES[root, folders]


def play(
    root: Path,
    scene: Scene,
    symbols: tuple[str, ...],
    record: Path | None = None,
    websocket: FeedSettings | None = None,
    within_s: float = 2.0,
) -> Engine:
    """Run a scene; the engine must have ended `within_s` after it was told to stop."""
    folders = tuple(
        folder for venue, folder in (("binance:", "spot"), ("binanceusdm:", "usdm")) if venue in str(symbols)
    )
    tape = tape_of(root, folders)

    async def main() -> Engine:
        exchange = RecordedExchange(tape, now_ns, recordings=root, begin="start")
        network, seen = Network(exchange), Seen()
        engine = build_engine(
            Settings(
                venues=Venues(**{venue: address(prefix) for prefix, venue in VENUES.items()}),
                data_provider=DataProvider(websocket=websocket or FeedSettings(), stand_ins=()),
            ),
            list(symbols),
            clock=VirtualClock(),
            transport=network,
            monotonic=asyncio.get_running_loop().time,
            dice=random.Random(0).random,
            observer=seen,
            record=record,
        )
        stop = asyncio.Event()
        running = asyncio.create_task(engine.run(stop))
        try:
            await scene(engine, network, seen, stop)
            assert not running.done() or running.exception() is not None, "the engine ended by itself, without a word"
            stop.set()
            begun = now_ns()
            await asyncio.wait_for(asyncio.shield(running), 60)
            assert now_ns() - begun <= within_s * SECOND
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        assert network.closed == 1
        return engine

    return run_virtual(main, start_ns=tape.aligned(START_NS))


def gap_after(frame: bytes) -> bytes:
    """A diff that does not join the one given."""
    message = json.loads(frame)
    message["data"]["U"] += 5000
    message["data"]["u"] += 5000
    return json.dumps(message, separators=(",", ":")).encode()


def test_a_gap_that_is_queued_when_the_engine_stops(recordings_root_path: Path, tmp_path: Path) -> None:
    """It asks for a snapshot that nobody can fetch any more."""
    carried: list[object] = []

    async def scene(engine: Engine, network: Network, seen: Seen, stop: asyncio.Event) -> None:
        await asyncio.sleep(3)
        assert engine.state.markets[BTC].sync.live
        codec, finish, carry = engine.feeds[0].codec, engine._finish, engine._carry_out

        async def late() -> None:
            frame = gap_after(seen.last[BTC])
            engine.deliver(engine.stamp(), "binance", codec.decode(frame)[0], frame)
            engine._carry_out = lambda commands: (carried.extend(commands), carry(commands))[1]  # type: ignore[method-assign]
            await finish()

        engine._finish = late  # type: ignore[method-assign]

    engine = play(recordings_root_path, scene, (BTC,), tmp_path)
    assert carried, "the gap asked for nothing: the scene is not the one that is meant"
    assert not engine.state.markets[BTC].sync.live
    replay = Replay(Recording([tmp_path]))
    replay.run()
    assert state_hash(replay.state) == engine.final_hash
    (path,) = tmp_path.rglob("*.gz")
    lines = gzip.decompress(path.read_bytes()).splitlines()
    assert b'"e":"end"' in lines[-1]
    assert sum(b'"e":"end"' in line for line in lines) == 1


@pytest.mark.parametrize("failure", ["lost", "bug"])
def test_stopping_while_one_connection_fails_and_the_other_is_slow(failure: str, recordings_root_path: Path) -> None:
    async def scene(engine: Engine, network: Network, seen: Seen, stop: asyncio.Event) -> None:
        await asyncio.sleep(3)
        assert len(network.ill) == 2
        first, other = network.ill
        other.linger_s, other.close_s = 0.8, 5.0
        if failure == "lost":
            first.broken.set()
        else:

            async def receive() -> bytes:
                raise RuntimeError("our bug")

            first.receive = receive  # type: ignore[method-assign]
        while not first.broken.is_set() and not [t for t in asyncio.all_tasks() if t.cancelling()]:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)

    engine = play(recordings_root_path, scene, (USDM,), within_s=2.0)
    assert engine.final_hash


def test_a_feed_that_fails_by_a_bug_starts_again_alone(recordings_root_path: Path) -> None:
    async def scene(engine: Engine, network: Network, seen: Seen, stop: asyncio.Event) -> None:
        feed = next(feed for feed in engine.feeds if feed.market.venue == "binanceusdm")
        real, bug = feed.codec.decode, [False]

        def decode(frame: bytes) -> object:
            if bug and bug[0]:
                bug.pop()
                raise RuntimeError("our bug")
            return real(frame)

        feed.codec.decode = decode  # type: ignore[method-assign, assignment]
        await asyncio.sleep(3)
        assert engine.state.markets[USDM].sync.live
        assert engine.state.markets[BTC].sync.live
        begun, messages = now_ns(), engine.state.markets[BTC].counters.depth_updates
        bug[0] = True
        await asyncio.sleep(0.5)
        assert "pump" in {task.get_name() for task in asyncio.all_tasks()}, "the whole engine ended"
        assert not engine.state.markets[USDM].sync.live
        lost = seen.of(FeedLost, "binanceusdm")
        assert len(lost) == 2
        assert all(at - begun < SECOND // 2 and "RuntimeError" in event.reason for at, event in lost)
        await asyncio.sleep(3)
        assert engine.state.markets[USDM].sync.live
        assert len(seen.of(FeedUp, "binanceusdm")) == 4
        assert engine.state.markets[BTC].sync.live
        assert engine.state.markets[BTC].counters.depth_updates - messages > 25
        assert engine.state.markets[BTC].sync.resyncs == 1
        assert not [e for _, e in seen.events if isinstance(e, FeedLost) and e.source == "binance"]
        assert len([e for _, e in seen.events if isinstance(e, FeedUp) and e.source == "binance"]) == 1

    play(recordings_root_path, scene, (BTC, USDM))


def test_a_venue_that_lists_none_of_its_symbols_ends_the_engine(recordings_root_path: Path) -> None:
    live: list[bool] = []

    async def scene(engine: Engine, network: Network, seen: Seen, stop: asyncio.Event) -> None:
        real = network.get

        async def get(url: str, *, timeout_s: float) -> object:  # noqa: ASYNC109, RUF100
            if "fapi" in url:
                await asyncio.sleep(3)
                live.append(engine.state.markets[BTC].sync.live)
            return await real(url, timeout_s=timeout_s)

        network.get = get  # type: ignore[method-assign, assignment]
        await asyncio.sleep(5)
        assert network.closed == 1

    with pytest.raises(SettingsInvalid, match="NOPEUSDT"):
        play(recordings_root_path, scene, (BTC, "binanceusdm:NOPE/USDT:USDT"))
    assert live == [True]


def test_a_slow_close_does_not_delay_the_news_of_the_loss(recordings_root_path: Path) -> None:
    async def scene(engine: Engine, network: Network, seen: Seen, stop: asyncio.Event) -> None:
        await asyncio.sleep(3)
        begun = now_ns()
        network.ill[0].close_s = 5.0
        network.ill[0].broken.set()
        await asyncio.sleep(3)
        (lost,) = seen.of(FeedLost, "binance")
        assert lost[0] - begun < SECOND // 10
        up = seen.of(FeedUp, "binance")
        assert len(up) == 2
        assert up[1][0] - begun < 1.5 * SECOND
        assert engine.state.markets[BTC].sync.live

    play(recordings_root_path, scene, (BTC,))


@pytest.mark.parametrize("websocket", [FeedSettings(rotate_after_s=4, silence_s=3.0)])
def test_a_rotation_that_is_refused_keeps_watching_the_old_connection(
    websocket: FeedSettings, recordings_root_path: Path
) -> None:
    async def scene(engine: Engine, network: Network, seen: Seen, stop: asyncio.Event) -> None:
        await asyncio.sleep(1)
        network.refuses = True
        await asyncio.sleep(5)
        assert not seen.of(FeedLost, "binance")
        assert engine.state.markets[BTC].sync.live
        assert now_ns() - engine.state.markets[BTC].ts_book < SECOND // 2
        silent = now_ns()
        network.ill[0].silent = True
        await asyncio.sleep(4.5)
        (lost,) = seen.of(FeedLost, "binance")
        assert 2.5 * SECOND <= lost[0] - silent <= 4 * SECOND
        assert isinstance(lost[1], FeedLost)
        assert "no data" in lost[1].reason
        assert not engine.state.markets[BTC].sync.live
        network.refuses = False
        await asyncio.sleep(5)
        assert engine.state.markets[BTC].sync.live

    play(recordings_root_path, scene, (BTC,), websocket=websocket)


def test_a_refused_rotation_is_made_up_for_without_loss(recordings_root_path: Path) -> None:
    async def scene(engine: Engine, network: Network, seen: Seen, stop: asyncio.Event) -> None:
        await asyncio.sleep(1)
        network.refuses = True
        await asyncio.sleep(5)
        network.refuses = False
        await asyncio.sleep(4)
        assert not seen.of(FeedLost, "binance")
        assert [e.rotated for _, e in seen.of(FeedUp, "binance")][:2] == [False, True]  # type: ignore[union-attr]
        assert engine.state.markets[BTC].sync.resyncs == 1

    play(recordings_root_path, scene, (BTC,), websocket=FeedSettings(rotate_after_s=4))
