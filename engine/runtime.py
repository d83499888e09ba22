"""The engine at work: feeds on one side, one queue, `step`, and the commands carried out on the other side.

Control records leave the queue before market records; market records leave it in the order of their stamps. Timers
are placed before the first record that is later than their boundary, as in a replay.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import msgspec

from engine.core import CONTROL, Commands, step
from engine.data.archive import Store
from engine.digest import state_hash
from engine.distribution import Distributor
from engine.errors import FeedError, ProtocolError
from engine.execution.account import Account
from engine.ingestion import envelope
from engine.ingestion.feed import VenueFeed
from engine.ingestion.history import History
from engine.ingestion.recorder import TRADING, Recorder
from engine.keep import Keep
from engine.latency import Latency
from engine.market.price import Price
from engine.operator import Kill, OperatorAsked, TradingEvent, Who
from engine.replay import Observer, Refusals
from engine.settings import MarketSettings
from engine.snapshot import cob_view
from engine.state import EngineState
from engine.supervisor import Part, Supervisor, told
from engine.timers import LONGEST_SILENCE, Timers
from engine.trader import Trader
from engine.trading import taped
from engine.types import SECOND, Event, FetchBars, FetchSnapshot, Record, TimerFired

log = logging.getLogger(__name__)

LANE = 50_000
"""Market records that may wait; more are dropped, which the sequence check sees as a gap."""

SLICE = 256
"""Records applied before other tasks get a turn."""

TIMED = LONGEST_SILENCE // 2
"""Time (ns) between two notes of the timers in a recording of what is traded: a replay crosses no silence but ours."""

SAMPLED = 16
"""One in so many records is timed stage by stage."""

_Item = tuple[int, str, Event, bytes]


class EngineClock(Protocol):
    """The clock that the engine runs by; `steps` counts how often the wall clock was found set."""

    @property
    def steps(self) -> int:
        """Times that the wall clock was found set."""

    def now(self) -> int:
        """Return the time, UTC ns."""

    def stamp(self) -> int:
        """Return the time as a receive stamp, above every stamp before."""

    def pass_by(self, boundary: int) -> None:
        """Promise that every later stamp is above `boundary`."""


class Engine:
    """State, queue and feeds of one process. It is every feed's sink."""

    def __init__(
        self,
        clock: EngineClock,
        settings: MarketSettings | None = None,
        *,
        recorder: Recorder | None = None,
        observer: Observer | None = None,
        store: Store | None = None,
        account: Account | None = None,
    ) -> None:
        """`account` is what trades; without one nothing does."""
        self.clock = clock
        self.store = store
        self.state = EngineState(settings, account)
        self.trader: Trader | None = None
        self.latch: Callable[[], str] = str
        """Tells why the kill switch holds, "" while it does not; asked before anything is done that could trade."""
        self.feeds: list[VenueFeed] = []
        self.recorder = recorder
        self.observer = observer
        self.distributor = Distributor()
        self.supervisor = Supervisor()
        self.companions: list[Part] = []
        self.latency = Latency()
        self.waiting = Latency()
        self.applying = Latency()
        self.peak = 0
        self.refusals = Refusals()
        self.overflow = 0
        self.messages = 0
        self.final_hash = ""
        self.ending = ""
        """Why it ends, if not because it was told to."""
        self.closing: list[Callable[[], Awaitable[None]]] = []
        self._market: deque[_Item] = deque()
        self._control: deque[TradingEvent] = deque()
        self._wake = asyncio.Event()
        self._timers = Timers()
        self._failed: dict[str, str] = {}
        self._taken_up = 0
        self._timed = 0

    # What feeds call. ---------------------------------------------------------------------------------------------

    def now(self) -> int:
        """Return the time, UTC ns."""
        return self.clock.now()

    @property
    def depth(self) -> int:
        """Records that wait."""
        return len(self._market)

    def stamp(self) -> int:
        """Return the next receive stamp."""
        return self.clock.stamp()

    def deliver(
        self,
        stamp: int,
        source: str,
        event: Event,
        frame: bytes,
        keys: Sequence[str] = (),
        note: envelope.Note | None = None,
    ) -> None:
        """Queue an event and record what it was made from."""
        if len(self._market) >= LANE and frame and not source.endswith(envelope.REST_SUFFIX):
            self.overflow += 1
            return
        recorder = self.recorder
        if recorder is not None:
            if note is not None:
                if note.e == "exchangeInfo":
                    recorder.open(event.instrument)  # type: ignore[union-attr, arg-type]
                recorder.note(keys, stamp, note)
            else:
                recorder.frame(event.instrument, stamp, frame)  # type: ignore[union-attr, arg-type]
        self._market.append((stamp, source, event, frame))
        self._wake.set()

    def tell(self, event: TradingEvent) -> None:
        """Queue what a person asks, or what a venue or storage says; it goes before the market's records."""
        self._control.append(event)
        self._wake.set()

    def take_up(self) -> None:
        """Record the account as it stands, once it is recalled: what is traded from here on can be replayed."""
        account = self.state.account
        if self.recorder is not None and account is not None:
            self._taken_up = self.clock.stamp()
            self.recorder.open_trading()
            self.recorder.note((TRADING,), self._taken_up, taped.of_account(account, self._taken_up))

    def refuse(self, stamp: int, source: str, error: ProtocolError, frame: bytes, keys: Sequence[str]) -> None:
        """Count a frame that gave no event."""
        self.refusals.add(error)
        if self.recorder is not None:
            self.recorder.note(keys, stamp, envelope.garbage(frame))
        if self.refusals.count < 10 or not self.refusals.count % 1000:
            log.warning("%s: frame refused: %s: %r", source, error.reason, error.excerpt)

    # The path. ----------------------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Run feeds and queue until `stop` is set, then finish what is queued and close the recording."""
        parts = [
            Part(name=feed.market.venue, run=feed.run, failed=self._loser(feed), code="FEED_FAILED")
            for feed in self.feeds
        ]
        if self.recorder is not None:
            parts.append(Part(name="recorder", run=self.recorder.run))
        parts += self.companions
        tasks = [asyncio.create_task(self.supervisor.keep(part), name=part.name) for part in parts]
        pump = asyncio.create_task(self._pump(), name="pump")
        ended = asyncio.create_task(stop.wait(), name="stop")
        try:
            done, _ = await asyncio.wait((*tasks, pump, ended), return_when=asyncio.FIRST_COMPLETED)
            failures = [task.exception() for task in done if not task.cancelled()]
            self.ending = next((told(failure) for failure in failures if failure is not None), "")
        finally:
            self.supervisor.stopping = True
            for task in (*tasks, pump, ended):
                task.cancel()
            results = await asyncio.gather(*tasks, pump, ended, return_exceptions=True)
            await self._finish()
        for task, result in zip((*tasks, pump, ended), results, strict=True):
            if task in done and isinstance(result, Exception):
                raise result
            if task in done and task is not ended and isinstance(result, asyncio.CancelledError):
                raise RuntimeError(f"the {task.get_name()} task ended by itself")

    def _loser(self, feed: VenueFeed) -> Callable[[BaseException], None]:
        return lambda error: feed.lose(f"the feed failed: {told(error)}")

    async def _finish(self) -> None:
        """Apply what is queued, pass the last timers, and mark the end of the recording at the same place."""
        while self._market or self._control:
            self._drain(SLICE)
        end = self.clock.stamp()
        if self._timers.next:
            self._fire(end)
        self.final_hash = state_hash(self.state)
        try:
            if self.recorder is not None:
                await self.recorder.close(end)
        finally:
            for close in self.closing:
                await close()

    async def _pump(self) -> None:
        while True:
            if self._market or self._control:
                self._drain(SLICE)
                await asyncio.sleep(0)
                continue
            self._wake.clear()
            now = self.clock.now()
            if self._timers.next and now > self._timers.next:
                self.clock.pass_by(now)
                self._fire(now)
                continue
            pause = (self._timers.next - now) / SECOND + 0.0005 if self._timers.next else None
            timer = asyncio.get_running_loop().call_later(pause, self._wake.set) if pause is not None else None
            await self._wake.wait()
            if timer is not None:
                timer.cancel()

    def _drain(self, most: int) -> None:
        queue, control, state = self._market, self._control, self.state
        observer, latency, now = self.observer, self.latency, self.clock.now
        self.peak = max(self.peak, len(queue))
        self._heed_latch()
        if not queue:
            self._drain_control()
        for _ in range(min(most, len(queue))):
            if control:
                self._drain_control()
            stamp, source, event, frame = queue.popleft()
            sampled = bool(frame) and not state.seq % SAMPLED
            began = now() if sampled else 0
            if stamp > self._timers.next:
                self._fire(stamp)
            self.messages += bool(frame)
            record = Record(seq=state.seq + 1, ts_recv=stamp, source=source, event=event, frame=frame)
            commands = step(state, record)
            if commands:
                self._carry_out(commands)
            if observer is not None:
                observer(record, state)
            if frame:
                done = now()
                latency.add(done - stamp)
                if sampled:
                    self.waiting.add(began - stamp)
                    self.applying.add(done - began)

    def _heed_latch(self) -> None:
        """Halt where the kill switch was closed from outside; who closed it there sees to positions, too."""
        account = self.state.account
        if account is None or account.latched or not (why := self.latch()):
            return
        if not any(isinstance(each, OperatorAsked) and isinstance(each.command, Kill) for each in self._control):
            command = Kill(reason=why, flatten=False)
            self._control.appendleft(OperatorAsked(id=0, who=Who(client="latch"), command=command))

    def _drain_control(self) -> None:
        control = self._control
        while control:
            event = control.popleft()
            stamp = max(self.clock.now(), self.state.ts_recv)
            record = Record(seq=self.state.seq + 1, ts_recv=stamp, source=CONTROL, event=event)
            if self._taken_up:
                self._tape(lambda: taped.of_event(event, stamp, self._timers.next))  # noqa: B023 - called at once
            self._carry_out(step(self.state, record))
            if self.observer is not None:
                self.observer(record, self.state)

    def _tape(self, made: Callable[[], envelope.Note]) -> None:
        """Record a note of trading behind what was applied last; what cannot be written does not end the engine."""
        try:
            note = made()
        except (ValueError, msgspec.MsgspecError):
            log.exception("a record of trading is not in the recording: a replay of it will differ")
            return
        if self.recorder is not None:
            self.recorder.note((TRADING,), max(self.state.ts_recv, self._taken_up), note)

    def _fire(self, stamp: int) -> None:
        """Pass the timers before `stamp`; the last of them carries the topics to their subscribers."""
        last = 0
        self._heed_latch()
        if self._control:
            self._drain_control()
        tell = bool(self._taken_up) and stamp - self._timed > TIMED
        if tell and self._timers.next:
            self._tape(lambda: taped.of_timers(self._timers.next))
        for boundary in self._timers.before(stamp):
            last = boundary
            event = TimerFired(boundary=boundary)
            record = Record(seq=self.state.seq + 1, ts_recv=boundary, source="timer", event=event)
            self._carry_out(step(self.state, record))
            if self.observer is not None:
                self.observer(record, self.state)
        if tell:
            self._timed = stamp
            self._tape(lambda: taped.of_timers(self._timers.next))
        if not last:
            return
        for key in self.distributor.wanted & self.state.markets.keys():
            try:
                view = cob_view(self.state, key, last)
            except Exception:
                log.exception("%s: no COB view", key)
            else:
                self.distributor.publish(view)
        for key, market in self.state.markets.items():
            if market.failed != self._failed.get(key, ""):
                self._failed[key] = market.failed
                log.error("%s: %s", key, market.failed or "works again")

    def _carry_out(self, commands: Commands) -> None:
        for command in commands:
            if isinstance(command, Keep):
                if self.store is not None:
                    self.store.put(command)
                continue
            if self.trader is not None and self.trader.carry_out(command):
                continue
            if self.supervisor.stopping:
                continue  # the feeds are gone
            if not isinstance(command, FetchSnapshot | FetchBars):
                continue
            feed = self._feed_of(command.instrument)
            if feed is None:
                continue
            log.debug("asked for: %s", command)
            match command:
                case FetchSnapshot():
                    feed.fetch_snapshot(command)
                case FetchBars():
                    feed.fetch_bars(command)

    def _feed_of(self, key: str) -> VenueFeed | None:
        venue = key.partition(":")[0]
        return next((feed for feed in self.feeds if feed.market.venue == venue), None)

    def history(self, key: str) -> History | None:
        """Return the sources of an instrument's past candles; None without a feed of its venue, as in a replay."""
        feed = self._feed_of(key)
        return feed.history if feed is not None else None

    # Maintenance: every closed bar is held against the venue's own candle. ----------------------------------------

    @property
    def data_maintenance_active(self) -> bool:
        """Whether it runs."""
        return any(feed.loader.maintains for feed in self.feeds)

    def start_automatic_data_maintenance(self) -> None:
        """Begin it; an engine begins with it."""
        for feed in self.feeds:
            feed.loader.maintains = True

    def stop_automatic_data_maintenance(self) -> None:
        """End it; missing bars are still asked for."""
        for feed in self.feeds:
            feed.loader.maintains = False

    # Queries. -----------------------------------------------------------------------------------------------------

    async def price(self, key: str) -> Price | None:
        """Return the best price there is; when all are stale, the venue is asked, and failing that the age tells."""
        market = self.state.markets[key]
        price = market.price(self.clock.now())
        feed = self._feed_of(key)
        if feed is not None and (price is None or price.stale):
            try:
                await feed.fetch_price(key)
            except FeedError as error:
                log.warning("price of %s: %s", key, error)
            else:
                self._drain(len(self._market))
            price = market.price(self.clock.now())
        return price
