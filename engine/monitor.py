"""The engine's doctor in house: beats its heart, looks after its alerts, and tells how everything stands."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator

import msgspec

from engine.alerts import Alerts, Cause, Severity
from engine.health import (
    ConnectionView,
    ConsoleView,
    GapView,
    HealthView,
    InstrumentView,
    PartView,
    ProcessView,
    QueueView,
    ServingView,
)
from engine.ingestion.budget import Budget
from engine.ingestion.connection import Connection
from engine.pulse import BEAT_S, SAMPLE_S, Heart, Resources
from engine.runtime import LANE, Engine
from engine.snapshot import is_live
from engine.text import inert
from engine.types import MS, SECOND
from engine.watch import Watch

GAPS = 20
"""Gaps told of each series."""

STALE_S = 2.0
"""A heart that has not beaten for so long has stopped."""

WINDOW_S = 60.0
"""Seconds of one latency window; two of them are told."""


REPLAY = "replay"
"""Data of an engine that plays a recording."""


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """What does not change while the engine runs. `parts` tells of each part of the product whether it runs."""

    profile: str
    version: str
    started: int
    parts: dict[str, str] = {}
    data: str = "live"
    trading: str = "not built"


class LogView(msgspec.Struct, frozen=True, kw_only=True):
    """How the log stands."""

    level: str = ""
    dropped: int = 0


class Monitor:
    """Looks after one engine."""

    def __init__(
        self,
        engine: Engine,
        identity: Identity,
        alerts: Alerts,
        *,
        monotonic: Callable[[], float],
        resources: Resources,
        disk_low_mb: int = 0,
        others: Callable[[], Iterator[Cause]] = lambda: iter(()),
        log: Callable[[], LogView] = LogView,
        clean: Callable[[str], str] = inert,
    ) -> None:
        """`others` tells what is wrong outside the engine's own state, `clean` makes text from outside fit to show."""
        self.engine = engine
        self.identity = identity
        self.alerts = alerts
        self.heart = Heart(monotonic)
        self.consoles: Callable[[], tuple[ConsoleView, ...]] = tuple
        self.workers: Callable[[], tuple[ProcessView, ...]] = tuple
        self.refused_consoles: Callable[[], int] = int
        self.jumps: Callable[[], int] = int
        """Counts how often the engine's time has jumped: what was seen before tells nothing of now."""
        self.last_error: Callable[[], str] = str
        self._monotonic = monotonic
        self._resources = resources
        self._log = log
        self.clean = clean
        self._watch = Watch(
            engine,
            alerts,
            resources,
            monotonic=monotonic,
            disk_low_mb=disk_low_mb,
            others=others,
            replayed=identity.data == REPLAY,
        )
        self._jumped = 0
        self._frames: dict[str, tuple[float, int, float]] = {}
        self._starting = True

    async def run(self) -> None:
        """Beat and look until cancelled."""
        sampled = turned = -WINDOW_S
        engine = self.engine
        self.heart.begin()
        while True:
            beat_s = self.heart.beat()
            now = self._monotonic()
            if now - sampled >= SAMPLE_S:
                sampled = now
                self._resources.sample()
                self._rates(now)
            if now - turned >= WINDOW_S:
                turned = now
                for latency in (engine.latency, engine.waiting, engine.applying):
                    latency.turn()
            self._heed_jumps()
            self._watch.look(engine.now(), beat_s)
            self.verdict()  # whether the start is over must not depend on who asks
            await asyncio.sleep(BEAT_S)

    def _heed_jumps(self) -> None:
        """After a jump of the engine's time forget what was seen; books that never were are waited for again."""
        jumps = self.jumps()
        if jumps != self._jumped:
            self._jumped = jumps
            self._watch.forget(self.engine.now())
            markets = self.engine.state.markets.values()
            self._starting = not any(market.sync.resyncs and not market.sync.live for market in markets)

    def _rates(self, now: float) -> None:
        for connection in self._connections():
            before, frames, _ = self._frames.get(connection.source, (now, connection.frames, 0.0))
            rate = max(connection.frames - frames, 0) / (now - before) if now > before else 0.0
            self._frames[connection.source] = now, connection.frames, round(rate, 1)

    def _connections(self) -> list[Connection]:
        return [connection for feed in self.engine.feeds for connection in feed.connections]

    def verdict(self) -> tuple[str, tuple[str, ...]]:
        """Return `starting`, `healthy`, `degraded` or `stopping`, and why it is not healthy."""
        engine = self.engine
        if engine.supervisor.stopping:
            return "stopping", ()
        self._heed_jumps()
        why = [
            f"{alert.code} {alert.component}: {alert.text}"
            for alert in self.alerts.active
            if Severity[alert.severity.upper()] >= Severity.WARNING
        ]
        # The alerts are only as good as this monitor: one that has failed or stands still is told here.
        why += [f"{part.name}: {part.state}" for part in engine.supervisor.parts.values() if part.state != "running"]
        if (self.heart.age or 0.0) > STALE_S:
            why.append(f"no heartbeat for {self.heart.age:.0f} s")
        now = engine.now()
        wanted = sum(len(feed.symbols) - len(feed.missing) for feed in engine.feeds)
        missing = max(wanted - len(engine.state.markets), 0)
        waiting = [key for key, market in engine.state.markets.items() if not is_live(engine.state, market, now)]
        if why or (not self._starting and (waiting or missing)):
            self._starting = False
            unlisted = (f"instruments not known yet: {missing}",) if missing else ()
            return "degraded", (*why, *(f"{key}: no live book" for key in waiting), *unlisted)
        if waiting or missing:
            return "starting", ("waiting for the first books",)
        self._starting = False
        return "healthy", ()

    def view(self) -> HealthView:
        """Return everything."""
        engine, identity = self.engine, self.identity
        state, why = self.verdict()
        log = self._log()
        return HealthView(
            state=state,
            why=why,
            profile=identity.profile,
            version=identity.version,
            data=identity.data,
            trading=identity.trading,
            seq=engine.state.seq,
            ts=engine.now(),
            started=identity.started,
            messages=engine.messages,
            parts=identity.parts,
            processes=(
                self._process(state),
                *(msgspec.structs.replace(w, last_error=self.clean(w.last_error)) for w in self.workers()),
            ),
            components=tuple(
                PartView(name=p.name, state=str(p.state), restarts=p.restarts, last_error=self.clean(p.last_error))
                for p in engine.supervisor.parts.values()
            ),
            stages={
                "queue": engine.waiting.recent(),
                "apply": engine.applying.recent(),
                "receive_to_state": engine.latency.recent(),
            },
            queues=(
                QueueView(name="market", depth=engine.depth, peak=engine.peak, limit=LANE, dropped=engine.overflow),
            ),
            connections=tuple(self._connection(connection) for connection in self._connections()),
            instruments=self._instruments(),
            budgets=tuple(budget.view(self._monotonic()) for budget in self._budgets()),
            history=self._history(),
            gaps=self._gaps(),
            maintenance=engine.data_maintenance_active,
            consoles=self.consoles(),
            subscribers=engine.distributor.stats(),
            refused_consoles=self.refused_consoles(),
            refused_frames=engine.refusals.count,
            recorder=engine.recorder.view() if engine.recorder is not None else None,
            log_level=log.level,
            log_dropped=log.dropped,
            disk_free_mb=self._resources.disk_free_mb,
            clock_steps=engine.clock.steps,
        )

    def _process(self, state: str) -> ProcessView:
        p50, p95, p99, most = self.heart.intervals_ms()
        age = self.heart.age
        return ProcessView(
            name="engine",
            pid=os.getpid(),
            state="stopping" if state == "stopping" else "running",
            started=self.identity.started,
            heartbeat_age_s=round(age, 3) if age is not None else None,
            beat_p50_ms=p50,
            beat_p95_ms=p95,
            beat_p99_ms=p99,
            beat_max_ms=most,
            rss_mb=self._resources.rss_mb,
            cpu_percent=self._resources.cpu_percent,
            last_error=self.clean(self.last_error()),
        )

    def _connection(self, connection: Connection) -> ConnectionView:
        state, now = self.engine.state, self.engine.now()
        source = state.sources.get(connection.source)
        fed = [m for m in state.markets.values() if connection.source in (m.book_source, m.trade_source)]
        books = [market for market in fed if market.book_source == connection.source]
        heard = source.last_frame if source is not None else 0
        stale = connection.up and now - max(heard, connection.since) > state.settings.stale_after_s * SECOND
        offset = max((m.offset for m in fed if m.offset is not None), key=abs, default=None)
        return ConnectionView(
            source=connection.source,
            up=connection.up,
            stale=stale,
            since=connection.since,
            age_ms=round((now - heard) / MS, 1) if heard else None,
            rate=self._frames.get(connection.source, (0.0, 0, 0.0))[2] if connection.up else 0.0,
            frames=connection.frames,
            refused=connection.refused,
            reconnects=connection.reconnects,
            gaps=sum(market.sync.gaps for market in books),
            resyncs=sum(max(market.sync.resyncs - 1, 0) for market in books),
            offset_ms=round(offset / MS, 1) if offset is not None else None,
            reason="" if connection.up else self.clean(connection.session.reason),
            doing=connection.doing,
        )

    def _budgets(self) -> list[Budget]:
        """Return every venue's request budget, each once: venues that stand in are shared by the feeds."""
        feeds = self.engine.feeds
        found = [feed.rest.budget for feed in feeds]
        return found + list(dict.fromkeys(each.budget for feed in feeds for each in feed.history.stand_ins))

    def _history(self) -> tuple[ServingView, ...]:
        views: list[ServingView] = []
        for feed in self.engine.feeds:
            trouble = feed.troubles.get("klines")
            again_s = max(round(trouble.again_at - self._monotonic(), 1), 0.0) if trouble is not None else None
            views += feed.history.views(again_s)
        return tuple(msgspec.structs.replace(view, failed=self.clean(view.failed)) for view in views)

    def _gaps(self) -> tuple[GapView, ...]:
        """Return the newest gaps of every series, oldest first."""
        failed = {(view.instrument, view.timeframe): view.failed for view in self._history()}
        return tuple(
            GapView(
                instrument=key,
                timeframe=str(timeframe),
                first_ms=first,
                last_ms=last,
                missing=(last - first) // (timeframe.seconds * 1000) + 1,
                reason=failed.get((key, str(timeframe))) or "no source has it",
            )
            for key, market in self.engine.state.markets.items()
            for timeframe, gaps in market.gaps.items()
            for first, last in gaps[-GAPS:]
        )

    def _instruments(self) -> tuple[InstrumentView, ...]:
        state, now = self.engine.state, self.engine.now()
        return tuple(
            InstrumentView(
                instrument=key,
                live=is_live(state, market, now),
                book=str(market.sync.state),
                age_ms=round((now - market.ts_book) / MS, 1) if market.ts_book else None,
                gaps=market.sync.gaps,
                resyncs=max(market.sync.resyncs - 1, 0),
                crossed=market.counters.crossed,
                trade_gaps=market.counters.trade_gaps,
                failures=market.counters.failures,
                failed=self.clean(market.failed),
            )
            for key, market in state.markets.items()
        )
