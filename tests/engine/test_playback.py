"""A replay as an engine: wherever it is sent, it holds and serves what a straight replay to that place would."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache
from math import inf
from pathlib import Path
from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.alerts import Alert, Alerts
from engine.clock import Clock
from engine.delivery import Delivery, Subscription
from engine.digest import state_hash
from engine.errors import RequestDenied
from engine.health import HealthView
from engine.monitor import REPLAY, Identity, Monitor
from engine.playback import Playback
from engine.player import SLICE_S, Player
from engine.protocol import Get, Series, State, Subscribe
from engine.pulse import Resources
from engine.replay import Recording, Replay
from engine.runtime import Engine
from engine.settings import MarketSettings
from engine.topics import SERIES, STATES, Topics
from engine.types import MS, SECOND, Timeframe
from engine.views import ReplayView
from storage.journal import EventJournal
from tests.support.exchange import run_virtual

KEYS = ("binance:BTC/USDT", "binance:ETH/USDT")


def cut(source: Path, target: Path, lines: int) -> None:
    with gzip.open(source) as stream:
        target.write_bytes(b"".join(line for line, _ in zip(stream, range(lines), strict=False)))


async def until(fact: Callable[[], bool]) -> None:
    """Give the others turns until something is so."""
    for _ in iter(fact, True):
        await asyncio.sleep(0)


async def settled(player: Player) -> None:
    await until(lambda: player.settled)


@pytest.fixture(scope="module")
def clip(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 2,500 lines of both spot symbols: BTC 30 s, ETH 40 s; every book is live."""
    folder = tmp_path_factory.mktemp("clip")
    for symbol in ("btcusdt", "ethusdt"):
        source = data_root / "hftbacktest-binance-ws" / "spot" / f"{symbol}_20240808.gz"
        cut(source, folder / f"{symbol}.jsonl", 2500)
    return folder


@pytest.fixture(scope="module")
def spot(data_root: Path) -> Path:
    return data_root / "hftbacktest-binance-ws" / "spot"


@pytest.fixture(scope="module")
def straight(clip: Path) -> Callable[[int], tuple[str, int, int | None]]:
    """Hash, position and next stamp after so many lines of a straight replay."""

    @cache
    def found(lines: int) -> tuple[str, int, int | None]:
        replay = Replay(Recording([clip]))
        replay.run(limit=lines)
        return state_hash(replay.state), replay.position, replay.next_stamp()

    return found


# The player. --------------------------------------------------------------------------------------------------------

ACTS = st.one_of(
    st.just(("pause", 0)),
    st.just(("resume", 0)),
    st.tuples(st.just("step"), st.integers(1, 300)),
    st.tuples(st.just("seek"), st.integers(0, 45_000)),
    st.tuples(st.just("speed"), st.sampled_from([0.25, 1.0, 10.0, 100.0, inf])),
    st.tuples(st.just("wait"), st.integers(0, 3000)),
)


@settings(max_examples=25)
@given(st.lists(st.tuples(ACTS, st.booleans()), min_size=1, max_size=8))
def test_whatever_is_done_the_state_is_that_of_a_straight_replay(
    clip: Path, straight: Callable[[int], tuple[str, int, int | None]], acts: list[tuple[tuple[str, int], bool]]
) -> None:
    """Acts follow each other at once, or when the one before is done."""

    async def main() -> None:
        player = Player(Replay(Recording([clip])))
        start = player.replay.recording.start
        last = start
        floor = start

        def look() -> None:
            nonlocal last
            assert player.now >= min(last, floor)
            last = player.now

        async def play() -> None:
            while True:
                await player.play()
                await player.changed()

        player.progress = look
        playing = asyncio.create_task(play())
        for (act, amount), settle in acts:
            match act:
                case "pause":
                    player.pause()
                case "resume":
                    player.resume()
                case "step":
                    player.step(amount)
                case "seek":
                    floor = start + amount * MS
                    player.seek(floor)
                case "speed":
                    player.set_speed(amount)
                case "wait":
                    await asyncio.sleep(amount / 1000)
            await asyncio.sleep(0)
            if settle:
                await settled(player)
        await settled(player)
        expected, position, following = straight(player.replay.messages)
        assert state_hash(player.replay.state) == expected
        assert player.replay.position in (0, position)
        assert position <= player.now <= (following or position) or not player.replay.messages
        playing.cancel()

    run_virtual(main)


def test_the_clock_runs_with_the_speed_between_frames_and_stands_while_paused(clip: Path) -> None:
    async def main() -> None:
        player = Player(Replay(Recording([clip])), 2.0)
        start = player.replay.recording.start
        playing = asyncio.create_task(player.play())
        await asyncio.sleep(3.0)
        assert start + 5.9 * SECOND <= player.now <= start + 6 * SECOND
        player.pause()
        await asyncio.sleep(0.01)
        paused, messages = player.now, player.replay.messages
        await asyncio.sleep(5.0)
        assert (player.now, player.replay.messages) == (paused, messages)
        player.resume()
        player.set_speed(0.5)
        await asyncio.sleep(4.0)
        assert paused + 1.9 * SECOND <= player.now <= paused + 2 * SECOND
        player.seek(start + 20 * SECOND + 1)
        await settled(player)
        assert player.now == start + 20 * SECOND + 1
        await asyncio.sleep(0.5)
        now = player.now
        assert now > start + 20.2 * SECOND
        player.set_speed(inf)
        assert player.now == now
        playing.cancel()

    run_virtual(main)


def test_at_the_end_it_stays_and_one_can_go_back(clip: Path) -> None:
    async def main() -> None:
        playback = Playback(Recording([clip]), speed=inf)
        playing = asyncio.create_task(playback.run())
        await until(lambda: playback.player.ended and playback.end is not None)
        end, expected = playback.end, state_hash(playback.engine.state)
        assert playback.view().position == end == playback.player.replay.position
        await asyncio.sleep(100)
        assert playback.clock.now() == end
        assert "no next frame" in playback.step(5)
        assert "at the end" in playback.resume()
        playback.seek_by(-1e6)  # no further than to the start
        await asyncio.sleep(1)
        assert playback.view().ended  # played once more
        assert state_hash(playback.engine.state) == expected
        with pytest.raises(RequestDenied, match=r"from 2024-08-08T23:54:13\.937Z to 2024-08-08T23:54"):
            playback.seek(end + 1)
        with pytest.raises(RequestDenied, match="not in the recording"):
            playback.seek(playback.recording.start - 1)
        playback.pause()
        playback.seek(end)
        await asyncio.sleep(1)
        assert playback.view().ended
        playing.cancel()

    run_virtual(main)


def test_until_is_the_end_and_seek_the_beginning(clip: Path) -> None:
    async def main() -> None:
        recording = Recording([clip])
        first, last = recording.start + 5 * SECOND, recording.start + 10 * SECOND
        playback = Playback(recording, speed=1.0, seek=first, until=last)
        playing = asyncio.create_task(playback.run())
        await asyncio.sleep(0.01)
        assert first <= playback.clock.now() <= first + 11 * MS
        await asyncio.sleep(2)
        assert first + 1.9 * SECOND <= playback.clock.now() <= first + 2.1 * SECOND
        await asyncio.sleep(10)
        view = playback.view()
        assert (view.ended, view.position, view.end) == (True, last, last)
        with pytest.raises(RequestDenied, match="not in the recording"):
            playback.seek(last + 1)
        playing.cancel()

    run_virtual(main)


async def test_a_long_seek_leaves_turns_to_others_and_can_be_overruled(spot: Path) -> None:
    player = Player(Replay(Recording([spot])))
    player.pause()
    playing = asyncio.create_task(player.play())
    start = player.replay.recording.start
    shares: list[float] = []
    slices: list[float] = []
    turn = player._turn

    def timed() -> float | None:
        began = time.thread_time()
        try:
            return turn()
        finally:
            slices.append(time.thread_time() - began)

    player._turn = timed  # type: ignore[method-assign]
    player.seek(start + 240 * SECOND)
    while not player.settled:
        shares.append(player.sought or 0.0)
        await asyncio.sleep(0)
    assert len(shares) > 20
    assert shares == sorted(shares)
    assert sorted(slices)[len(slices) * 9 // 10] < SLICE_S + 0.012
    here, expected = player.replay, state_hash(player.replay.state)

    player.seek(start + 200 * SECOND)  # back: the state of now stays until the other is there
    for _ in range(5):
        await asyncio.sleep(0)
    assert player.seeking == start + 200 * SECOND
    assert player.replay is here
    assert player.now == start + 240 * SECOND
    player.pause()
    await asyncio.sleep(0)
    assert player.settled
    assert (player.replay, state_hash(player.replay.state)) == (here, expected)

    player.seek(start + 200 * SECOND)
    for _ in range(5):
        await asyncio.sleep(0)
    player.seek(start + 241 * SECOND)  # nearer from where it is
    await settled(player)
    assert player.replay is here

    player.seek(start + 200 * SECOND)
    for _ in range(5):
        await asyncio.sleep(0)
    ahead = player._ahead
    player.seek(start + 60 * SECOND)  # what was done for the other is used
    assert player._ahead is ahead
    await settled(player)
    assert player.replay is ahead
    assert player.now == start + 60 * SECOND
    playing.cancel()


def test_the_end_is_where_a_straight_replay_ends(data_root: Path) -> None:
    folder = data_root / "hftbacktest-binance-ws"
    recording = Recording([folder / "spot" / "btcusdt_20240808.gz", folder / "cm" / "ethusd_perp_20240808.gz"])
    found = recording.extent()
    assert found is not None
    replay = Replay(recording)
    replay.run()
    assert found == (replay.position, recording.notes())
    assert recording.extent(stopped=lambda: True) is None


# The engine. --------------------------------------------------------------------------------------------------------


class Desk:
    """What a service puts round a playback, without a socket, and one client who follows everything."""

    def __init__(self, playback: Playback, folder: Path) -> None:
        self.playback = playback
        self.engine = playback.engine
        self.journal = EventJournal()
        self.alerts = Alerts(self._changed)
        self.monitor = Monitor(
            self.engine,
            Identity(profile="x", version="0", started=time.time_ns(), data=REPLAY),
            self.alerts,
            monotonic=asyncio.get_running_loop().time,
            resources=Resources(),
        )
        self.monitor.jumps = lambda: playback.player.jumps
        self.topics = Topics(self.engine, self.monitor, self.journal, "a", playback.view)
        self.delivery = Delivery(self.topics)
        self.wanted = {
            (topic, key, timeframe): Subscription(
                Subscribe(id=1, topic=topic, instrument=key, timeframe=timeframe, limit=5000)
            )
            for topic in SERIES if topic != "events"
            for key in self.engine.state.markets
            for timeframe in (list(Timeframe) if topic == "bars" else [""])
        }  # fmt: skip
        self.kept: dict[tuple[str, str, str], dict[int, Any]] = defaultdict(dict)

    def _changed(self, change: str, alert: Alert) -> None:
        self.journal.append(self.engine.now(), self.engine.state.seq, "alert", change, alert=alert)

    def follow(self) -> None:
        """Take what is new of every series, as a client does."""
        for name, subscription in self.wanted.items():
            news = self.delivery.news(subscription, asyncio.get_running_loop().time())
            if news is None:
                continue
            assert isinstance(news, Series)
            if news.reset:
                self.kept[name].clear()
            for row in map(msgpack.unpackb, news.rows):
                self.kept[name][row[0]] = row

    def series(self) -> dict[tuple[str, str, str], list[Any]]:
        """What the client has by now: the rows that the engine still keeps."""
        return {name: [row for _, row in sorted(self.kept[name].items())] for name in self.wanted}

    async def ask(self, topic: str, **asked: Any) -> Any:
        answer = await self.delivery.answer(Get(id=1, topic=topic, **asked), asyncio.get_running_loop().time())
        assert isinstance(answer, State)
        return msgpack.unpackb(bytes(answer.data))

    async def states(self) -> dict[str, Any]:
        """All state topics of this moment; of health what the market data decides."""
        health = await self.ask("health")
        found = {"health": [health[name] for name in ("seq", "ts", "messages", "refused_frames", "instruments")]}
        found["markets"] = await self.ask("markets")
        for key in KEYS:
            for topic in ("book", "cob", "price"):
                found[f"{topic} {key}"] = await self.ask(topic, instrument=key, depth=5000)
        return found

    async def health(self) -> HealthView:
        return msgspec.convert(await self.ask("health"), HealthView)

    async def sought(self, stamp: int) -> None:
        """Go there, and look now and then on the way."""
        self.playback.seek(stamp)
        while not self.playback.player.settled:
            await asyncio.sleep(0)
            self.follow()
        self.follow()


@asynccontextmanager
async def desk(folder: Path, path: Path, **options: Any) -> AsyncIterator[Desk]:
    """A playback that runs, paused at its beginning if nothing else is said, under a monitor."""
    paused = not options
    playback = Playback(Recording([path]), MarketSettings(), **options)
    if paused:
        playback.pause()
    made = Desk(playback, folder)
    tasks = [asyncio.create_task(playback.run()), asyncio.create_task(made.monitor.run())]
    await until(lambda: playback.end is not None)
    try:
        yield made
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def at_desk(folder: Path, path: Path, scene: Callable[[Desk], Awaitable[None]], **options: Any) -> None:
    async def main() -> None:
        async with desk(folder, path, **options) as made:
            await scene(made)

    run_virtual(main)


def test_after_seeks_back_and_forth_a_client_has_what_a_straight_replay_gives(clip: Path, tmp_path: Path) -> None:
    async def scene(made: Desk) -> None:
        start = made.playback.recording.start
        for seconds in (24.0, 8.0, 8.0, 7.999, 19.5, 3.0, 24.0, 0.0, 12.25):
            stamp = start + int(seconds * SECOND)
            await made.sought(stamp)
            async with desk(tmp_path / "fresh", clip) as fresh:
                fresh.playback.player.replay.run(until=stamp)
                fresh.playback._moved()
                fresh.follow()
                assert made.engine.now() == fresh.engine.now() == stamp
                assert state_hash(made.engine.state) == state_hash(fresh.engine.state)
                assert await made.states() == await fresh.states()
                assert made.series() == fresh.series()

    (tmp_path / "fresh").mkdir()
    at_desk(tmp_path, clip, scene)


def test_a_running_replay_is_healthy_and_its_books_are_live(clip: Path, tmp_path: Path) -> None:
    """The recorder's clock was 1.27 s behind the exchange's, and all of it is years ago: neither is a fault of now."""

    async def scene(made: Desk) -> None:
        await made.sought(made.playback.recording.start + 3 * SECOND)
        made.playback.resume()
        for _ in range(20):
            await asyncio.sleep(1)
            health = await made.health()
            assert (health.state, health.why, health.data) == ("healthy", (), "replay")
            assert all(row["live"] and row["age_ms"] < 1000 for row in await made.ask("markets"))
            price = await made.ask("price", instrument=KEYS[0])
            assert (price["source"], price["stale"]) == ("book mid", False)
        made.playback.pause()
        await asyncio.sleep(3600)
        assert (await made.health()).state == "healthy"
        await made.sought(made.playback.recording.start + 1)
        health = await made.health()
        assert (health.state, health.why) == ("starting", ("waiting for the first books",))
        await made.sought(made.playback.recording.start + 20 * SECOND)
        await asyncio.sleep(0.3)
        assert (await made.health()).state == "healthy"
        assert made.alerts.all() == []
        assert made.journal.last == 0

    at_desk(tmp_path, clip, scene)


def test_a_gap_in_the_recording_is_told_when_it_is_played_and_not_when_it_is_jumped(clip: Path, tmp_path: Path) -> None:
    lines = (clip / "btcusdt.jsonl").read_bytes().splitlines(keepends=True)
    depth = [place for place, line in enumerate(lines) if b"@depth" in line]
    missing = depth[len(depth) // 2]
    stamp = int(lines[missing].partition(b" ")[0])
    torn = tmp_path / "torn"
    torn.mkdir()
    (torn / "btcusdt.jsonl").write_bytes(b"".join(lines[:missing] + lines[missing + 1 :]))

    async def scene(made: Desk) -> None:
        await made.sought(stamp - SECOND)
        made.playback.resume()
        await asyncio.sleep(2)
        (alert,) = made.alerts.active
        assert (alert.code, alert.doing) == ("BOOK_GAP", "it is so in the recording")
        assert stamp < alert.since < stamp + SECOND
        assert (await made.health()).state == "degraded"
        made.playback.pause()
        await made.sought(stamp - SECOND)
        await asyncio.sleep(0.3)
        assert made.alerts.active == []
        assert (await made.health()).state == "healthy"
        await made.sought(stamp + SECOND)
        await asyncio.sleep(0.3)
        assert [each.count for each in made.alerts.all()] == [1]
        assert (await made.health()).why == (f"{KEYS[0]}: no live book",)

    at_desk(tmp_path, torn, scene)


def test_the_topic_tells_where_it_stands(clip: Path, tmp_path: Path) -> None:
    async def scene(made: Desk) -> None:
        async def view() -> ReplayView:
            return msgspec.convert(await made.ask("replay"), ReplayView)

        start, end = made.playback.recording.start, made.playback.end
        first = await view()
        assert (first.position, first.start, first.end, first.speed) == (start, start, end, 1.0)
        assert (first.paused, first.ended, first.seeking, first.progress) == (True, False, None, None)
        assert (first.messages, first.refused, first.notes) == (0, 0, ())
        assert first.files == ("btcusdt.jsonl", "ethusdt.jsonl")
        made.playback.set_speed(inf)
        assert (await view()).speed == 0.0
        assert made.playback.step(3) == "3 frames on from 2024-08-08T23:54:13.937Z, then paused"
        await asyncio.sleep(0.1)
        assert ((await view()).messages, (await view()).paused) == (3, True)
        made.playback.seek(start + 20 * SECOND)
        await asyncio.sleep(0)
        there = await view()
        assert there.seeking == start + 20 * SECOND
        assert there.progress is not None
        made.playback.seek_by(-2)  # from what is sought
        assert (await view()).seeking == start + 18 * SECOND
        made.playback.resume()
        await asyncio.sleep(1)
        last = await view()
        assert (last.ended, last.paused, last.position, last.seeking) == (True, False, end, None)
        with pytest.raises(RequestDenied, match="unknown topic 'replya'; did you mean replay"):
            await made.ask("replya")

    at_desk(tmp_path, clip, scene)


async def test_a_live_engine_has_nothing_to_replay(tmp_path: Path) -> None:
    engine = Engine(Clock())
    monitor = Monitor(
        engine, Identity(profile="x", version="0", started=1), Alerts(), monotonic=time.monotonic, resources=Resources()
    )
    topics = Topics(engine, monitor, EventJournal(), "a")
    assert "replay" in STATES
    with pytest.raises(RequestDenied, match="this engine is live") as denied:
        topics.check(Get(id=1, topic="replay"))
    assert denied.value.code == "not_available"
    assert monitor.view().data == "live"
