"""A live engine in virtual time with its monitor, and a witness who knows from the exchange what really happens.

The witness reads the exchange's side of every socket and request: when it was opened and lost, what was sent, answered,
refused. Ten times a second it holds status, alerts and metrics against that. Nothing of what it knows comes from the
engine.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import aiosqlite
from prometheus_client.parser import text_string_to_metric_families

from engine.alerts import Alert, Alerts
from engine.errors import FeedUnavailable
from engine.health import HealthView
from engine.ingestion.markets import MARKETS
from engine.ingestion.session import FeedSettings
from engine.monitor import Identity, Monitor
from engine.ports import Entry, Response
from engine.pulse import Resources
from engine.runtime import Engine
from engine.settings import CacheSettings
from engine.supervisor import Part
from engine.types import SECOND, Timeframe
from storage.connection import Line
from storage.journal import EventJournal
from storage.writer import Writer
from tests.fault.run import FOLDERS, START_NS, VENUES, Outcome, Watch, address
from tests.support.exchange import Fault, FaultScript, MemoryTransport, RecordedExchange, Tape, load_tape, now_ns
from tests.support.exchange.addresses import RestAddress, StreamAddress, parse
from tests.support.exchange.memory import MemorySocket
from tests.support.exchange.virtual_time import VirtualLoop, run_virtual
from tests.support.virtual_clock import VirtualClock
from tradetui.bootstrap import build_engine
from tradetui.config.sections import DataProvider, Settings, Venues
from tradetui.metrics import exposition

MS = SECOND // 1000
LOOK = 100 * MS
"""The watch looks ten times a second."""

TOLD = 300 * MS
"""Time for an alert to follow the truth: the next look, a sample just before it, and as much in reserve."""

AT_ONCE = 50 * MS
"""Time for status itself to follow: it is made from the state, so only messages that are on their way are missing."""

STALE = 5 * SECOND
"""`market.stale_after_s` as it comes."""

SAMPLE_S = 0.1

CONNECT = 5 * MS
"""Time that the network in memory needs for a handshake."""

Key = tuple[str, str]


@dataclass
class Life:
    """One socket, seen from the exchange."""

    opened: int
    closed: int | None = None


@dataclass
class Asked:
    """One request, seen from the exchange; `status` 0: never answered."""

    what: str
    sent: int
    done: int | None = None
    status: int = 0
    wait_s: float = 0.0


class Truth(MemoryTransport):
    """The network, and all that passes over it."""

    def __init__(self, exchange: RecordedExchange) -> None:
        super().__init__(exchange)
        self.refuses: Callable[[str], bool] = lambda _what: False
        self.hangs = False
        self.attempts: dict[str, list[int]] = defaultdict(list)
        self.failed: dict[str, int] = {}
        self.lives: dict[str, list[Life]] = defaultdict(list)
        self.heard: dict[str, int] = {}
        self.garbled: dict[str, list[int]] = defaultdict(list)
        self.asked: list[Asked] = []
        self.dropped: list[Asked] = []
        self.breaks: dict[str, list[int]] = defaultdict(list)
        self.holes: dict[str, list[int]] = defaultdict(list)
        self.newest: dict[str, int] = {}
        self.said: dict[str, list[int]] = defaultdict(list)
        self.traded: dict[str, list[int]] = defaultdict(list)
        self._trades: dict[str, int] = {}

    # What passes. -----------------------------------------------------------------------------------------------------

    async def connect(self, url: str) -> MemorySocket:
        stream = parse(url)
        assert isinstance(stream, StreamAddress)
        venue = VENUES[stream.market]
        source = MARKETS[venue].source(stream.streams[0])
        self.attempts[source].append(now_ns())
        try:
            if self.hangs:
                await asyncio.Event().wait()
            socket = await super().connect(url)
        except (FeedUnavailable, asyncio.CancelledError):
            self.failed[source] = now_ns()
            raise
        connection = socket._connection
        life = Life(now_ns(), now_ns() if connection.closed else None)
        self.lives[source].append(life)
        last: dict[str, int] = {}
        changed, send, close = connection.on_change, connection.send, socket.close

        def on_change() -> None:
            if connection.closed and life.closed is None:
                life.closed = now_ns()
            if changed is not None:
                changed()

        async def leave() -> None:
            await close()
            on_change()

        def sent(message: bytes) -> None:
            if not connection.closed:
                self._sent(venue, source, message, last)
            send(message)

        connection.on_change = on_change
        connection.send = sent  # type: ignore[method-assign]
        socket.close = leave  # type: ignore[method-assign]
        return socket

    async def get(self, url: str, *, timeout_s: float) -> Response:
        request = parse(url)
        assert isinstance(request, RestAddress)
        name = request.path.rpartition("/")[2]
        symbol = f" of {request.params['symbol']}" if name == "depth" else ""
        asked = Asked(f"{VENUES[request.market]} {name}{symbol}", now_ns())
        self.asked.append(asked)
        try:
            response = await super().get(url, timeout_s=timeout_s)
            if self.refuses(asked.what):
                response = Response(status=503, headers={}, body=b"no")
            asked.status = response.status
            if response.status in (418, 429):
                asked.wait_s = float(response.headers["retry-after"])
        except asyncio.CancelledError:
            self.asked.remove(asked)
            self.dropped.append(asked)
            raise
        finally:
            asked.done = now_ns()
        return response

    def _sent(self, venue: str, source: str, message: bytes, last: dict[str, int]) -> None:
        now = now_ns()
        try:
            data = json.loads(message)["data"]
            kind = data.get("e", "bookTicker")
            symbol = data["s"]
            ids = {"depthUpdate": ("U", "u"), "trade": ("t", "t"), "aggTrade": ("a", "a")}.get(kind, ())
            first, final = (int(data[name]) for name in ids) if ids else (0, 0)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            self.garbled[source].append(now)
            return
        self.heard[source] = now
        self.said[source].append(now)
        key = f"{venue}:{symbol.removesuffix('USDT')}/USDT" + (":USDT" if MARKETS[venue].futures else "")
        if kind == "depthUpdate":
            before = last.get(key)
            if before is None:
                self.newest[key] = final
            elif final > before:
                if int(data.get("pu", first - 1)) > before:
                    self.breaks[key].append(now)
                self.newest[key] = final
            last[key] = max(final, before or 0)
        elif ids and kind == MARKETS[venue].trade_stream:
            self.traded[key].append(now)
            known = self._trades.get(key)
            if known is not None and final > known + 1:
                self.holes[key].append(now)
            self._trades[key] = max(final, known or 0)

    # What is so at a moment. ------------------------------------------------------------------------------------------

    def is_open(self, source: str) -> bool:
        lives = self.lives[source]
        return bool(lives) and lives[-1].closed is None

    def turned(self, source: str) -> int:
        """When a connection last came or went."""
        lives = self.lives[source]
        return max(self.failed.get(source, 0), (lives[-1].closed or lives[-1].opened) if lives else 0)

    def losses(self, source: str, shortest: int = 0) -> list[int]:
        """When the connection was lost; not where it was there for less than `shortest`, nor at a rotation."""
        lives = self.lives[source]
        return [
            life.closed
            for life, following in zip(lives, [*lives[1:], None], strict=False)
            if life.closed is not None
            and life.closed - life.opened >= shortest
            and (following is None or following.opened > life.closed)
        ]

    def last(self, what: str, now: int) -> Asked | None:
        """The last request of a kind that is over."""
        done = [a for a in self.asked if a.what == what and a.done is not None and a.done <= now]
        return max(done, key=lambda asked: asked.done or 0) if done else None

    def told_to_wait(self, venue: str, now: int) -> tuple[int, int] | None:
        """From when until when the venue told us to wait."""
        waits = [
            (a.done or 0, (a.done or 0) + int(a.wait_s * SECOND))
            for a in self.asked
            if a.wait_s and a.done is not None and a.what.partition(" ")[0] == venue and a.done <= now
        ]
        return max(waits, key=lambda wait: wait[1]) if waits else None

    def events(self) -> list[int]:
        """Every moment at which something went wrong or right again."""
        lives = [life for many in self.lives.values() for life in many]
        found = [at for life in lives for at in (life.opened, life.closed) if at is not None]
        found += [at for many in (self.breaks, self.holes, self.garbled) for each in many.values() for at in each]
        bad = {a.what for a in self.asked if a.done is not None and a.status != 200}
        found += [a.done for a in self.asked if a.what in bad and a.done is not None]
        return sorted(found)


@dataclass
class Sample:
    """What was shown at a moment."""

    at: int
    health: HealthView
    alerts: dict[Key, Alert]
    metrics: dict[tuple[str, frozenset[tuple[str, str]]], float]

    @property
    def active(self) -> dict[Key, Alert]:
        return {key: alert for key, alert in self.alerts.items() if alert.active}


@dataclass
class Run:
    """A finished run."""

    truth: Truth
    began: int
    samples: list[Sample] = field(default_factory=list)
    changes: list[tuple[int, str, Alert]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    kept: list[Alert] = field(default_factory=list)
    shown: dict[Key, Alert] = field(default_factory=dict)
    checks: int = 0
    calm: int = 0
    ended: int = 0

    def s(self, at: int) -> float:
        """A time in seconds since the beginning."""
        return round((at - self.began) / SECOND, 3)

    def raised(self) -> set[Key]:
        """Alerts that were ever raised."""
        return {(alert.code, alert.component) for _, change, alert in self.changes if change == "raised"}

    def of(self, code: str, component: str) -> list[tuple[int, str, Alert]]:
        """What was told of one alert."""
        return [row for row in self.changes if (row[2].code, row[2].component) == (code, component)]

    def at(self, ns: int) -> Sample:
        """The first sample at or after a time."""
        return next(sample for sample in self.samples if sample.at >= ns)

    def healthy_since(self) -> int:
        """When the verdict was healthy for good."""
        bad = [sample.at for sample in self.samples if sample.health.state != "healthy"]
        return bad[-1] if bad else self.began


class Witness:
    """Holds samples against the truth."""

    def __init__(self, run: Run, engine: Engine, watch: Watch) -> None:
        self.run = run
        self.engine = engine
        self.watch = watch
        self._said: set[str] = set()
        self._live: dict[str, int] = {}
        self._counting: list[tuple[int, str, str, float]] = []

    def complain(self, text: str) -> None:
        kind = re.sub(r"[\d.]+", "#", text)
        if kind not in self._said:
            self._said.add(kind)
            self.run.complaints.append(f"{self.run.s(now_ns())}: {text}")

    def look(self, sample: Sample) -> None:
        """Compare one sample with the truth of its moment."""
        truth, at = self.run.truth, sample.at
        for connection in sample.health.connections:
            source = connection.source
            is_open, turned = truth.is_open(source), truth.turned(source)
            if connection.up is not is_open and at - turned > AT_ONCE:
                self.complain(f"status shows {source} up={connection.up}, open is {is_open} since {self.run.s(turned)}")
            active = ("FEED_DOWN", source) in sample.active
            if active is is_open and at - turned > TOLD and (active or turned):
                self.complain(f"FEED_DOWN {source} active={active}, open is {is_open} since {self.run.s(turned)}")
            self._silence(sample, source, connection.stale)
        for feed in self.engine.feeds:
            self._requests(sample, feed.market.venue)
        for view in sample.health.instruments:
            if view.live:
                self._book(sample, view.instrument)
        self._verdict(sample)
        self._metrics(sample)
        self._countdowns(sample)

    def _silence(self, sample: Sample, source: str, stale: bool) -> None:
        truth, at = self.run.truth, sample.at
        if not truth.is_open(source):
            return
        heard = max(truth.heard.get(source, 0), truth.lives[source][-1].opened)
        active = sample.active.get(("FEED_SILENT", source))
        if at - heard > STALE + TOLD and (active is None or not stale):
            self.complain(f"{source} silent since {self.run.s(heard)}: alert {active is not None}, status {stale}")
        if active is not None and TOLD < at - heard < STALE:
            self.complain(f"FEED_SILENT {source}, heard {self.run.s(heard)}")
        if stale and AT_ONCE < at - heard < STALE:
            self.complain(f"status shows {source} silent, heard {self.run.s(heard)}")
        if active is not None and at - heard >= STALE and abs(active.since - heard) > LOOK:
            self.complain(f"FEED_SILENT {source} since {self.run.s(active.since)}, heard {self.run.s(heard)}")

    def _requests(self, sample: Sample, venue: str) -> None:
        truth, at = self.run.truth, sample.at
        for what in {asked.what for asked in truth.asked if asked.what.startswith(f"{venue} ")}:
            last = truth.last(what, at)
            active = ("REQUEST_FAILED", what) in sample.active
            if last is not None and active is (last.status == 200) and at - (last.done or 0) > TOLD:
                self.complain(f"REQUEST_FAILED {what} active={active}, last answer {last.status}")
        wait = truth.told_to_wait(venue, at)
        active = ("VENUE_THROTTLED", venue) in sample.active
        blocked = next(b.blocked_s for b in sample.health.budgets if b.venue == venue)
        waiting = wait is not None and at < wait[1]
        if wait is not None and at - wait[0] > TOLD and abs(at - wait[1]) > TOLD and active is not waiting:
            self.complain(f"VENUE_THROTTLED {venue} active={active}, told to wait until {self.run.s(wait[1])}")
        if wait is None and (active or blocked):
            self.complain(f"VENUE_THROTTLED {venue} active={active}, {blocked} s, and nobody told us to wait")
        if wait is not None and abs(blocked - max(wait[1] - at, 0) / SECOND) > 0.01:
            self.complain(f"status shows {venue} blocked for {blocked} s, it is until {self.run.s(wait[1])}")

    def _book(self, sample: Sample, key: str) -> None:
        truth, at, market = self.run.truth, sample.at, self.engine.state.markets[key]
        source = market.book_source
        if not truth.is_open(source) and at - truth.turned(source) > AT_ONCE:
            self.complain(f"{key} shown live, {source} is not open")
        if at - truth.heard.get(source, 0) > STALE + AT_ONCE:
            self.complain(f"{key} shown live, {source} was heard {self.run.s(truth.heard.get(source, 0))}")
        if market.sync.book.update_id < truth.newest.get(key, 0):
            self.complain(f"{key} shown live, its book is older than what was sent")
        # The whole book is compared right after it came back, and once a second.
        number = self._live[key] = self._live.get(key, 0) + 1
        if number <= 3 or number % 10 == 0:
            self.watch.compare(market)

    def _verdict(self, sample: Sample) -> None:
        health = sample.health
        reasons = [f"{a.code} {a.component}: {a.text}" for a in sample.active.values()]
        dead = [view.instrument for view in health.instruments if not view.live]
        for key in {view.instrument for view in health.instruments} & set(dead):
            self._live.pop(key, None)
        expected = {*reasons, *(f"{key}: no live book" for key in dead)}
        expected |= {f"{part.name}: {part.state}" for part in health.components if part.state != "running"}
        wanted = sum(len(feed.symbols) for feed in self.engine.feeds) - len(health.instruments)
        if wanted:
            expected.add(f"instruments not known yet: {wanted}")
        if health.state == "healthy" and (expected or not health.instruments):
            self.complain(f"healthy in spite of {expected}")
        elif health.state == "degraded" and (set(health.why) ^ expected or not expected):
            self.complain(f"degraded: {sorted(set(health.why) ^ expected)} is too much or missing in {health.why}")
        elif health.state == "starting" and (reasons or self._seen_healthy()):
            self.complain(f"starting in spite of {reasons}")

    def _seen_healthy(self) -> bool:
        return any(sample.health.state in ("healthy", "degraded") for sample in self.run.samples)

    def _metrics(self, sample: Sample) -> None:
        health, metrics = sample.health, sample.metrics
        expected: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}

        def say(name: str, value: float | None, **labels: str) -> None:
            if value is not None:
                expected[f"tradetui_{name}", frozenset(labels.items())] = value

        for state in ("starting", "healthy", "degraded", "stopping"):
            say("health", state == health.state, state=state)
        for c in health.connections:
            say("connection_up", c.up, source=c.source)
            say("connection_stale", c.stale, source=c.source)
            say("connection_reconnects_total", c.reconnects, source=c.source)
            say("connection_refused_total", c.refused, source=c.source)
            say("connection_frames_total", c.frames, source=c.source)
            say("clock_offset_seconds", None if c.offset_ms is None else c.offset_ms / 1000, source=c.source)
        for i in health.instruments:
            say("book_live", i.live, instrument=i.instrument)
            say("book_gaps_total", i.gaps, instrument=i.instrument)
            say("book_resyncs_total", i.resyncs, instrument=i.instrument)
            say("trade_gaps_total", i.trade_gaps, instrument=i.instrument)
        for b in health.budgets:
            say("request_blocked_seconds", b.blocked_s, venue=b.venue)
        for a in sample.alerts.values():
            say("alert_active", a.active, code=a.code, component=a.component, severity=a.severity)
            say("alert_occurrences_total", a.count, code=a.code, component=a.component)
        for name, value in expected.items():
            if metrics.get(name) != value:
                self.complain(f"metric {name} is {metrics.get(name)}, status says {value}")
        names = {name for name, _ in expected}
        for extra in {key for key in metrics if key[0] in names} - expected.keys():
            self.complain(f"metric {extra} is about nothing")

    # Count-downs are held against what came of them, at the end. ------------------------------------------------------

    def _countdowns(self, sample: Sample) -> None:
        for (code, component), alert in sample.active.items():
            if said := re.search(r"\bin ([\d.]+) s$", alert.doing):
                self._counting.append((sample.at, code, component, float(said[1])))
        for connection in sample.health.connections:
            if said := re.fullmatch(r"try (\d+) in ([\d.]+) s", connection.doing):
                self._counting.append((sample.at, "status", connection.source, float(said[2])))
                truth = self.run.truth
                lost = max(truth.losses(connection.source), default=0)
                tries = sum(lost <= attempt <= sample.at for attempt in truth.attempts[connection.source])
                if int(said[1]) != tries + 1:
                    self.complain(f"{connection.source}: {connection.doing}, but it tried {tries} times")

    def settle(self) -> None:
        """Hold every count-down against what happened then, and what was told against what was kept."""
        truth, end = self.run.truth, now_ns()
        self.run.ended = end
        troubles = [at for at in truth.events() if at > self.run.began + SECOND]
        self.run.calm = max(troubles, default=self.run.began)
        for at, code, component, seconds in self._counting:
            # The text of an alert is as old as the last look; all are rounded to a tenth.
            due = at + int(seconds * SECOND)
            early, late = due - AT_ONCE - (0 if code == "status" else LOOK), due + AT_ONCE
            if late > end:
                continue
            match code:
                case "FEED_DOWN" | "status":
                    came = truth.attempts[component]
                case "REQUEST_FAILED":
                    came = [asked.sent for asked in (*truth.asked, *truth.dropped) if asked.what == component]
                    if any(a.wait_s and at - LOOK < (a.done or 0) < late for a in truth.asked):
                        continue  # meanwhile the venue told us to wait
                    if any(at - LOOK < life.opened < late for many in truth.lives.values() for life in many):
                        continue  # a new connection asks anew
                case "VENUE_THROTTLED":
                    came = [a.sent for a in truth.asked if a.what.partition(" ")[0] == component]
                case _:
                    continue
            sooner = [each for each in came if at < each < early]
            # A venue that told us to wait may be asked later, but not sooner.
            if sooner or not (code == "VENUE_THROTTLED" or any(early <= each <= late for each in came)):
                self.complain(f"{code} {component} at {self.run.s(at)} promised {self.run.s(due)}, sooner: {sooner}")
        self._kept()
        for source in truth.lives:
            # What comes back for less than a look may be seen or not; connections that never came have no loss.
            times = sum(change == "raised" for _, change, _ in self.run.of("FEED_DOWN", source))
            first = truth.attempts[source][0] != truth.lives[source][0].opened - CONNECT
            most = len(truth.losses(source)) + first
            least = len(truth.losses(source, 2 * LOOK)) + first
            if not least <= times <= most:
                self.complain(f"FEED_DOWN {source} raised {times} times, lost {least} to {most} times")
        for key in self.engine.state.markets:
            # What is lost while a book is being built, or before its first diff, breaks nothing.
            self._counted("BOOK_GAP", key, truth.breaks[key], lambda at, key=key: self._followed(key, at))
            self._counted("TRADES_MISSED", key, truth.holes[key], lambda _at: True)

    def _followed(self, key: str, at: int) -> bool:
        """Whether a book was in step, and its diffs came, for a second before."""
        before = [sample for sample in self.run.samples if at - SECOND < sample.at < at]
        views = [view for sample in before for view in sample.health.instruments if view.instrument == key]
        return all(view.book == "live" and view.age_ms is not None and view.age_ms < 1000 for view in views)

    def _counted(self, code: str, key: str, truly: list[int], counts: Callable[[int], bool]) -> None:
        """An alert that counts was told soon after every occurrence, counts them all, and no others."""
        sure = [at for at in truly if now_ns() - at > TOLD and counts(at)]
        for at in sure:
            if (code, key) not in self.run.at(at + TOLD).active:
                self.complain(f"{code} {key} of {self.run.s(at)} was not told by {self.run.s(at + TOLD)}")
        last = self.run.shown.get((code, key))
        if not len(sure) <= (last.count if last is not None else 0) <= len(truly):
            self.complain(f"{code} {key} counts {last and last.count}, it was so {len(sure)} to {len(truly)} times")

    def _kept(self) -> None:
        """The journal tells the same as the list: raised, healed, raised, in the order of time."""
        run = self.run
        states: dict[Key, str] = {}
        for at, change, alert in run.changes:
            key = alert.code, alert.component
            allowed = {None: {"raised"}, "raised": {"changed", "healed"}, "changed": {"changed", "healed"}}
            if change not in allowed.get(states.get(key), {"raised"}):
                self.complain(f"{key} {change} after {states.get(key)}")
            states[key] = change
            if change == "healed" and not (not alert.active and alert.healed == at and not alert.doing):
                self.complain(f"{key} healed at {run.s(at)} as {alert}")
            if change != "healed" and not (
                alert.active and alert.healed is None and alert.since <= alert.last_seen <= at
            ):
                self.complain(f"{key} {change} at {run.s(at)} as {alert}")
        told = [(entry.change, entry.alert) for entry in run.entries if entry.kind == "alert"]
        if told != [(change, alert) for _, change, alert in run.changes]:
            self.complain("the journal has something else than what was told")
        if [entry.ts for entry in run.entries] != sorted(entry.ts for entry in run.entries):
            self.complain("the journal is not in the order of time")
        shown = run.shown
        kept = {(alert.code, alert.component): alert for alert in run.kept}
        for key in shown.keys() | kept.keys():
            if shown.get(key) != kept.get(key) and not (key in shown and shown[key].active):
                self.complain(f"{key} is kept as {kept.get(key)}, shown as {shown.get(key)}")


Metric = tuple[str, frozenset[tuple[str, str]]]


def whole(text: str) -> dict[Metric, float]:
    """All samples of an exposition."""
    return {
        (each.name, frozenset(each.labels.items())): each.value
        for family in text_string_to_metric_families(text)
        for each in family.samples
    }


@cache
def name_of(head: str) -> Metric:
    (name,) = whole(f"{head} 0\n")
    return name


def read_line(line: str) -> tuple[Metric, float]:
    """One sample; names and labels are read once, for they are the same from sample to sample."""
    head, _, value = line.rpartition(" ")
    return name_of(head), float(value)


@cache
def tape_of(root: Path, markets: tuple[str, ...], symbols: tuple[str, ...]) -> Tape:
    """A recorded minute; no run is longer."""
    folders = [root / "hftbacktest-binance-ws" / FOLDERS[market] for market in markets]
    return load_tape(*folders, symbols=symbols, limit_s=61)


def lighter(root: Path, folder: Path) -> Path:
    """The recordings without old candles, which take long to read and are of no use here."""
    light = folder / "recordings"
    light.mkdir()
    for each in root.iterdir():
        if not each.name.startswith("candles"):
            (light / each.name).symlink_to(each)
    return light


async def _in_no_time(line: Line, work: Callable[[], Any], *given: Any, **named: Any) -> Any:
    """Do a piece of work of the database in its thread, as ever, while the clock stands still."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    with loop.thread_at_work():
        return await aiosqlite.Connection._execute(line, work, *given, **named)  # type: ignore[no-untyped-call]


def play(
    root: Path,
    folder: Path,
    faults: Sequence[Fault],
    seconds: float,
    *,
    symbols: tuple[str, ...],
    websocket: FeedSettings | None = None,
    scene: Callable[[Engine, Truth], Awaitable[None]] | None = None,
    record: Path | None = None,
    seed: int = 0,
) -> Run:
    """Run the live engine for a while; `scene` runs beside it. The journal is written into `folder`."""
    markets = tuple(
        dict.fromkeys(prefix for key in symbols for prefix in VENUES if key.startswith(VENUES[prefix] + ":"))
    )
    names = tuple(dict.fromkeys(key.partition(":")[2].partition(":")[0].replace("/", "") for key in symbols))
    tape = tape_of(root, markets, names)

    async def main() -> Run:
        exchange = RecordedExchange(
            tape, now_ns, recordings=lighter(root, folder), begin="start", faults=FaultScript(faults)
        )
        loop = asyncio.get_running_loop()
        truth = Truth(exchange)
        run = Run(truth, now_ns())
        engine = build_engine(
            Settings(
                venues=Venues(**{venue: address(prefix) for prefix, venue in VENUES.items()}),
                data_provider=DataProvider(
                    timeframes=(Timeframe.S1, Timeframe.M1),
                    cache=CacheSettings(candles_per_timeframe=100),
                    websocket=websocket or FeedSettings(),
                    stand_ins=(),
                ),
            ),
            list(symbols),
            clock=VirtualClock(),
            transport=truth,
            monotonic=loop.time,
            dice=random.Random(seed).random,
            record=record,
        )
        # A true word of the venue on a bar that a fault has spoiled is told, too; `test_history` is about that.
        engine.stop_automatic_data_maintenance()
        assert isinstance(loop, VirtualLoop)
        store = Writer(folder / "market.db", clock=loop.now_ns)  # it asks in a thread of its own
        await store.open()
        engine.closing.append(store.close)
        journal = EventJournal(store)

        def changed(change: str, alert: Alert) -> None:
            run.changes.append((now_ns(), change, alert))
            journal.append(engine.now(), engine.state.seq, "alert", change, alert=alert)

        alerts = Alerts(changed)
        identity = Identity(profile="test", version="0", started=now_ns())
        monitor = Monitor(engine, identity, alerts, monotonic=loop.time, resources=Resources())
        engine.companions += [Part(name="monitor", run=monitor.run), Part(name="journal", run=journal.run)]
        outcome = Outcome(seed=seed, market="", faults=[])
        witness = Witness(run, engine, Watch(exchange, tape, outcome))
        stop = asyncio.Event()
        running = asyncio.create_task(engine.run(stop))
        acting = asyncio.create_task(scene(engine, truth)) if scene is not None else None
        await asyncio.sleep(SAMPLE_S / 2)  # between two looks of the watch
        while now_ns() - run.began < seconds * SECOND and not running.done():
            health = monitor.view()
            listed = {(alert.code, alert.component): alert for alert in alerts.all()}
            text = exposition(health, list(listed.values()))
            metrics = dict(map(read_line, (line for line in text.splitlines() if not line.startswith("#"))))
            if len(run.samples) % 10 == 0:
                assert metrics == whole(text)
            sample = Sample(now_ns(), health, listed, metrics)
            witness.look(sample)
            run.samples.append(sample)
            await asyncio.sleep(SAMPLE_S)
        if acting is not None:
            await acting
        assert not running.done(), running.exception()
        await journal.flush()
        run.shown = {(alert.code, alert.component): alert for alert in alerts.all()}
        run.entries = journal.after(0, 10_000)
        run.kept = await EventJournal(store).load()
        witness.settle()
        run.complaints += outcome.complaints
        run.checks = outcome.checks
        stop.set()
        await running
        return run

    with patch.object(Line, "_execute", _in_no_time):
        return run_virtual(main, start_ns=tape.aligned(START_NS))
