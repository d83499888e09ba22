"""The monitor: its verdict, what it tells of everything, and that it looks by itself."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import msgspec
import pytest

from engine.alerts import Alerts, Cause
from engine.distribution import SubscriberView
from engine.health import ConsoleView, ProcessView
from engine.monitor import WINDOW_S, Identity, LogView, Monitor
from engine.supervisor import Part, PartState
from engine.types import SECOND
from engine.watch import HOLD
from tests.engine.workbench import KEY, SOURCE, Bench
from tests.support.exchange import now_ns, run_virtual

IDENTITY = Identity(profile="test", version="1.2", started=5, parts={"inference": "off"})


class Watched(Bench):
    """The same engine with its monitor; its watch is not used."""

    def __init__(self, *, live: bool = True) -> None:
        super().__init__(live=live)
        self.heard: list[Cause] = []
        self.monitor = Monitor(
            self.engine, IDENTITY, self.alerts, monotonic=self.monotonic, resources=self.resources,
            others=self.heard_of, log=lambda: LogView(level="INFO", dropped=3),
        )  # fmt: skip

    def heard_of(self) -> Iterator[Cause]:
        yield from self.heard

    @property
    def state(self) -> str:
        return self.monitor.verdict()[0]


def test_an_engine_starts_until_its_first_books_are_live() -> None:
    on = Watched(live=False)
    assert on.monitor.verdict() == ("starting", ("waiting for the first books",))
    on.up()
    assert on.state == "starting"
    on.say_first()
    assert on.monitor.verdict() == ("healthy", ())
    on.lose("gone")
    assert on.monitor.verdict() == ("degraded", (f"{KEY}: no live book",))


def test_an_alert_ends_the_start() -> None:
    on = Watched(live=False)
    on.alerts.lasting([Cause("REQUEST_FAILED", "binance exchangeInfo", "HTTP 503")], on.clock.now())
    assert on.monitor.verdict() == (
        "degraded",
        ("REQUEST_FAILED binance exchangeInfo: HTTP 503", f"{KEY}: no live book"),
    )
    on.alerts.lasting([], on.clock.now() + 1)
    assert on.state == "degraded"


def test_every_alert_of_a_warning_or_more_is_a_reason_and_less_is_none() -> None:
    on = Watched()
    on.alerts.lasting([Cause("CLIENT_SLOW", "socket", "did not read")], on.clock.now())
    assert on.state == "healthy"
    causes = [Cause("DISK_LOW", "disk", "nearly full"), Cause("FEED_FAILED", SOURCE, "our bug")]
    on.alerts.lasting(causes, on.clock.now() + 1)
    state, why = on.monitor.verdict()
    assert (state, set(why)) == ("degraded", {"DISK_LOW disk: nearly full", f"FEED_FAILED {SOURCE}: our bug"})


def test_instruments_that_are_not_known_yet_are_a_reason() -> None:
    on = Watched()
    assert on.state == "healthy"
    on.feed.symbols = ["BTCUSDT", "ETHUSDT"]
    assert on.monitor.verdict() == ("degraded", ("instruments not known yet: 1",))
    on.feed.missing = ["ETHUSDT"]
    assert on.state == "healthy"


def test_a_part_that_does_not_run_is_a_reason_even_when_it_is_the_monitor() -> None:
    async def run() -> None:
        return

    on = Watched()
    on.engine.supervisor.parts["monitor"] = Part(name="monitor", run=run, state=PartState.WAITING)
    assert on.monitor.verdict() == ("degraded", ("monitor: waiting to start again",))


def test_a_heart_that_has_stopped_is_a_reason() -> None:
    on = Watched()
    on.monitor.heart.beat()
    on.clock.ns += 3 * SECOND
    assert on.monitor.verdict() == ("degraded", ("no heartbeat for 3 s",))


def test_an_engine_that_stops_says_so() -> None:
    on = Watched()
    on.engine.supervisor.stopping = True
    assert on.monitor.verdict() == ("stopping", ())
    view = on.monitor.view()
    assert (view.state, view.processes[0].state) == ("stopping", "stopping")


def test_the_view_tells_everything() -> None:
    on = Watched()
    on.monitor.workers = lambda: (
        ProcessView(
            name="trainer", pid=7, state="running", started=1, heartbeat_age_s=0.1, last_error="no \x1b[31mway"
        ),
    )
    on.monitor.consoles = lambda: (
        ConsoleView(
            id=1, client="console", pid=8, since=2, subscriptions=3, delivered=4, failed=0, sent_bytes=5, waiting=6
        ),
    )
    on.monitor.refused_consoles = lambda: 9

    async def run() -> None:
        return

    on.engine.supervisor.parts["socket"] = Part(name="socket", run=run, state=PartState.RUNNING, restarts=2)
    on.engine.overflow, on.engine.peak = 11, 12
    on.connection.frames, on.connection.refused, on.connection.reconnects = 100, 2, 3
    market = on.engine.state.markets[KEY]
    market.sync.gaps, market.sync.resyncs, market.offset = 4, 5, 250_000_000
    market.counters.trade_gaps, market.counters.crossed, market.counters.failures = 6, 1, 1
    market.failed = "our \x07bug"
    on.clock.ns += SECOND
    view = on.monitor.view()
    assert (view.profile, view.version, view.data, view.trading, view.started) == (
        "test",
        "1.2",
        "live",
        "not built",
        5,
    )
    assert view.parts == {"inference": "off"}
    engine, trainer = view.processes
    assert (engine.name, engine.pid, engine.state) == ("engine", os.getpid(), "running")
    assert trainer.last_error == "no ?[31mway"
    assert [(p.name, p.state, p.restarts) for p in view.components] == [("socket", "running", 2)]
    (queue,) = view.queues
    assert (queue.name, queue.depth, queue.peak, queue.dropped) == ("market", 0, 12, 11)
    (connection,) = view.connections
    assert (connection.source, connection.up, connection.stale, connection.reason) == (SOURCE, True, False, "")
    assert (connection.frames, connection.refused, connection.reconnects) == (100, 2, 3)
    assert (connection.gaps, connection.resyncs, connection.offset_ms) == (4, 4, 250.0)
    assert connection.age_ms == pytest.approx(1000, abs=0.1)
    (book,) = view.instruments
    assert (book.instrument, book.live, book.book) == (KEY, True, "live")
    assert (book.gaps, book.resyncs, book.crossed, book.trade_gaps, book.failures) == (4, 4, 1, 6, 1)
    assert book.failed == "our ?bug"
    (budget,) = view.budgets
    assert (budget.venue, budget.blocked_s) == ("binance", 0.0)
    assert (view.refused_consoles, len(view.consoles)) == (9, 1)
    assert (view.log_level, view.log_dropped) == ("INFO", 3)
    assert view.recorder is None
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(view), type=type(view)) == view


def test_a_connection_that_is_down_or_silent_shows_it_at_once() -> None:
    on = Watched()
    on.lose("no \x1bpong within 5 s")
    (connection,) = on.monitor.view().connections
    assert (connection.up, connection.stale, connection.reason) == (False, False, "no ?pong within 5 s")
    assert connection.rate == 0.0
    on = Watched()
    on.clock.ns += 6 * SECOND
    (connection,) = on.monitor.view().connections
    assert (connection.up, connection.stale) == (True, True)
    assert connection.doing == "given up in 9.0 s"
    assert [view.live for view in on.monitor.view().instruments] == [False]


def test_subscribers_of_the_engine_are_shown() -> None:
    on = Watched()
    on.engine.distributor.subscribe(lambda _view: None, [KEY], "mine")
    assert [each.name for each in on.monitor.view().subscribers] == ["mine"]
    assert isinstance(on.monitor.view().subscribers[0], SubscriberView)


class Living(Watched):
    """In virtual time."""

    def __init__(self) -> None:
        self.begun = 0
        super().__init__()
        self.begun = now_ns()
        self.start = self.clock.ns

    def follow(self) -> None:
        """Bring the clock to the loop's time, and say something."""
        self.clock.ns = max(self.start + now_ns() - self.begun, self.clock.ns)
        self.connection.frames += 10
        self.say()


async def live(on: Living, seconds: float) -> None:
    for _ in range(round(seconds * 10)):
        await asyncio.sleep(0.1)
        on.follow()


def test_it_beats_and_looks_ten_times_a_second_and_heals_what_is_over() -> None:
    async def scene() -> None:
        on = Living()
        running = asyncio.create_task(on.monitor.run())
        await live(on, 5)
        assert on.monitor.heart.beats in (50, 51)
        assert on.resources.rss_mb is not None
        on.heard = [Cause("JOURNAL_FAILED", "journal", "full")]
        await live(on, 0.2)
        assert on.monitor.verdict() == ("degraded", ("JOURNAL_FAILED journal: full",))
        on.heard = []
        await live(on, 0.2)
        assert on.state == "healthy"
        assert [change for change, _ in on.told] == ["raised", "healed"]
        (connection,) = on.monitor.view().connections
        assert connection.rate == pytest.approx(100, abs=6)
        age = on.monitor.view().processes[0].heartbeat_age_s
        assert age is not None
        assert age <= 0.11
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    run_virtual(scene)


def test_latencies_are_those_of_the_last_minute_or_two() -> None:
    async def scene() -> None:
        on = Living()
        running = asyncio.create_task(on.monitor.run())
        await live(on, 1)
        on.engine.latency.add(5 * SECOND)
        for _ in range(100):
            on.engine.latency.add(SECOND // 1000)
        assert on.monitor.view().stages["receive_to_state"].max_ms == 5000
        await live(on, WINDOW_S)
        assert on.monitor.view().stages["receive_to_state"].max_ms == 5000
        on.engine.latency.add(SECOND // 1000)
        await live(on, WINDOW_S)
        recent = on.monitor.view().stages["receive_to_state"]
        assert (recent.samples, recent.max_ms) == (1, 1)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    run_virtual(scene)


def test_whether_the_start_is_over_does_not_depend_on_who_asks() -> None:
    """Nobody asks while all is well; later an engine without a book is not one that is starting."""

    async def scene() -> None:
        on = Living()
        running = asyncio.create_task(on.monitor.run())
        await live(on, 1)
        on.engine.state.markets[KEY].sync.lose()
        assert on.monitor.verdict() == ("degraded", (f"{KEY}: no live book",))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    run_virtual(scene)


def test_a_monitor_that_was_started_again_takes_its_absence_for_no_stand_still() -> None:
    async def scene() -> None:
        on = Living()
        for _ in range(2):
            running = asyncio.create_task(on.monitor.run())
            await live(on, 1)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await live(on, 30)
        assert on.told == []
        longest = on.monitor.view().processes[0].beat_max_ms
        assert longest is not None
        assert longest < 200

    run_virtual(scene)


def test_a_loop_that_stood_still_is_told_by_the_next_beat() -> None:
    async def scene() -> None:
        on = Living()
        running = asyncio.create_task(on.monitor.run())
        await live(on, 1)
        # The loop's own time goes on by the clock that the heart beats by; a jump of it is a loop that stood still.
        on.clock.ns += 3 * SECOND
        on.start += 3 * SECOND
        on.say()
        await live(on, 0.2)
        (alert,) = on.alerts.active
        assert (alert.code, alert.text) == ("ENGINE_STALLED", "the engine's loop stood still for 3.1 s")
        assert on.monitor.view().processes[0].beat_max_ms == pytest.approx(3100, abs=5)
        await live(on, HOLD / SECOND)
        assert on.alerts.active == []
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    run_virtual(scene)


def test_alerts_are_shared_with_whoever_else_raises_some() -> None:
    on = Watched()
    assert isinstance(on.alerts, Alerts)
    on.monitor.alerts.passing(Cause("CLIENT_REFUSED", "socket", "who"), on.clock.now(), hold=SECOND)
    assert on.monitor.verdict() == ("degraded", ("CLIENT_REFUSED socket: who",))
