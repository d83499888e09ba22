"""What is wrong with the engine at this moment, and what went wrong since the last look."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from engine.alerts import Alerts, Cause
from engine.ingestion.connection import Connection
from engine.ingestion.feed import Trouble, VenueFeed
from engine.pulse import Resources
from engine.runtime import Engine
from engine.snapshot import is_live
from engine.state import MarketState
from engine.supervisor import Part, PartState
from engine.trading import troubles
from engine.types import SECOND

HOLD = 5 * SECOND
"""How long something that is already over stays in sight."""

PATIENCE = SECOND
"""How long a book may be out of step before that is an alert of its own; a gap usually heals in a tenth of it."""

START = 15 * SECOND
"""How long a new connection or book may take before its absence is an alert."""

APART = SECOND
"""Difference between our clock and an exchange's that is worth an alert."""

APART_STILL = 8 * SECOND // 10
"""Difference at which that alert heals; between the two it stays as it is, or it would come and go with the noise."""

STALL_S = 1.0

RECORDED = ("gaps ", "trades ")
"""Counters of what befell the market data; in a replay it befell them when they were recorded."""


class Counted:
    """Counters that only grow, by name: how much since the last look. A new one began at 0, one that shrinks again."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def grown(self, name: str, value: int) -> int:
        """Return by how much a counter has grown."""
        before = self._seen.get(name, 0)
        self._seen[name] = value
        return value - before if value >= before else value


class Watch:
    """Looks at an engine and keeps its list of alerts true."""

    def __init__(
        self,
        engine: Engine,
        alerts: Alerts,
        resources: Resources,
        *,
        monotonic: Callable[[], float],
        disk_low_mb: int,
        others: Callable[[], Iterator[Cause]] = lambda: iter(()),
        replayed: bool = False,
    ) -> None:
        """`others` tells what is wrong outside the engine's own state: journal, log, workers.

        `replayed`: what happened is recorded, and nobody does anything about it.
        """
        self._engine = engine
        self._alerts = alerts
        self._resources = resources
        self._monotonic = monotonic
        self._disk_low_mb = disk_low_mb
        self._others = others
        self._replayed = replayed
        self._counted = Counted()
        self._apart: dict[str, str] = {}
        self._out: dict[str, tuple[int, bool]] = {}
        self._count()

    def _count(self) -> None:
        for name, value in self._counters():
            self._counted.grown(name, value)

    def forget(self, now: int) -> None:
        """Time has jumped to `now`: what was counted and seen before it is of another time."""
        self._out.clear()
        self._count()
        self._alerts.jumped(now)

    def look(self, now: int, beat_s: float = 0.0) -> None:
        """Look once, at `now` (UTC ns); `beat_s` is the time since the last heartbeat."""
        self._passed(now, beat_s)
        self._alerts.lasting(self._causes(now), now)

    # What is wrong now. ---------------------------------------------------------------------------------------------

    def _causes(self, now: int) -> Iterator[Cause]:
        engine = self._engine
        for feed in engine.feeds:
            yield from self._feed(feed, now)
        for key, market in engine.state.markets.items():
            yield from self._instrument(key, market, now)
        for part in engine.supervisor.parts.values():
            if part.state is not PartState.RUNNING:
                code = "WORKER_GIVEN_UP" if part.state is PartState.GIVEN_UP else part.code
                yield Cause(code, part.name, part.last_error, self._mending(part))
        free = self._resources.disk_free_mb
        if free is not None and free < self._disk_low_mb:
            yield Cause("DISK_LOW", "disk", f"less than {self._disk_low_mb} MB are free", f"{free} MB are free")
        if engine.recorder is not None and (error := engine.recorder.view().error):
            yield Cause("RECORDING_FAILED", "recorder", error, "tried again every second")
        if engine.state.account is not None:
            yield from troubles.causes(engine.state.account, now)
        yield from self._others()

    def _feed(self, feed: VenueFeed, now: int) -> Iterator[Cause]:
        venue = feed.market.venue
        blocked = feed.rest.budget.view(feed.monotonic()).blocked_s
        for what, trouble in feed.troubles.items():
            doing = self._next_try(trouble, blocked)
            yield Cause("REQUEST_FAILED", f"{venue} {what}", trouble.text, doing, trouble.since)
        yield from self._stand_ins(feed)
        if blocked > 0:
            said = f"{venue} told us to send no requests for a while"
            yield Cause("VENUE_THROTTLED", venue, said, f"requests go on in {blocked:.1f} s")
        if feed.missing:
            yield Cause(
                "INSTRUMENT_UNKNOWN", venue, f"not listed: {', '.join(feed.missing)}", "the others are followed"
            )
        for connection in feed.connections:
            yield from self._connection(connection, now)

    def _stand_ins(self, feed: VenueFeed) -> Iterator[Cause]:
        for (key, timeframe), serving in feed.history.servings.items():
            if serving.instead:
                text = serving.failed or "the venue does not have all candles asked for"
                doing = f"candles of {serving.stand_in} fill the holes; the venue is asked again"
                yield Cause("HISTORY_FALLBACK", f"{key} {timeframe}", text, doing)

    def _next_try(self, trouble: Trouble, blocked: float) -> str:
        pause = max(trouble.again_at - self._monotonic(), blocked)
        return f"try {trouble.tries + 1} " + (f"in {pause:.1f} s" if pause > 0 else "under way")

    def _connection(self, connection: Connection, now: int) -> Iterator[Cause]:
        if not connection.up:
            reason = connection.session.reason
            if reason or now - connection.since > START:
                text = reason or "not connected yet"
                yield Cause("FEED_DOWN", connection.source, text, connection.doing, connection.since)
            return
        if self._is_silent(connection, now):
            text = f"no valid message for more than {self._engine.state.settings.stale_after_s:g} s"
            doing = connection.doing or "waiting for a valid message"
            yield Cause("FEED_SILENT", connection.source, text, doing, self._heard(connection))

    def _heard(self, connection: Connection) -> int:
        """Return when a connection last said something, or was opened (UTC ns)."""
        source = self._engine.state.sources.get(connection.source)
        return max(source.last_frame if source is not None else 0, connection.since)

    def _is_silent(self, connection: Connection, now: int) -> bool:
        return now - self._heard(connection) > self._engine.state.settings.stale_after_s * SECOND

    def _instrument(self, key: str, market: MarketState, now: int) -> Iterator[Cause]:
        if market.failed:
            yield Cause("INSTRUMENT_FAILED", key, market.failed, "its book begins again")
        yield from self._book(key, market, now)
        # Recorded, it is the clock of another time and maybe of another machine.
        offset = 0 if self._replayed else market.offset or 0
        if abs(offset) <= (APART_STILL if key in self._apart else APART):
            self._apart.pop(key, None)
        else:
            ahead = "ahead of" if offset > 0 else "behind"
            said = f"the exchange's clock is more than {abs(offset) // SECOND} s {ahead} ours"
            now_s = f"bars follow the exchange's clock, {offset / SECOND:+.1f} s from ours"
            yield Cause("CLOCK_APART", key, self._apart.setdefault(key, said), now_s)

    def _book(self, key: str, market: MarketState, now: int) -> Iterator[Cause]:
        """Tell of a book that stays out of step; one whose connection is down or silent has its alert already."""
        if is_live(self._engine.state, market, now):
            self._out.pop(key, None)
            return
        connections = (c for feed in self._engine.feeds for c in feed.connections if c.source == market.book_source)
        connection = next(connections, None)
        since, told = self._out.setdefault(key, (now, False))
        if not told and (connection is None or not connection.up or self._is_silent(connection, now)):
            del self._out[key]
        elif now - since > (PATIENCE if market.sync.resyncs else START):
            self._out[key] = since, True
            if connection is None or not connection.up:
                waits = "waiting for its connection"
            elif market.sync.live or not market.asked_snapshot:
                waits = "waiting for the stream"
            else:
                waits = "waiting for a depth snapshot"
            yield Cause("BOOK_OUT_OF_STEP", key, "the book is not the market", waits, since)

    # What went wrong since the last look. -----------------------------------------------------------------------------

    def _counters(self) -> Iterator[tuple[str, int]]:
        engine = self._engine
        yield "overflow", engine.overflow
        yield "steps", engine.clock.steps
        for feed in engine.feeds:
            for connection in feed.connections:
                yield f"refused {connection.source}", connection.refused
        for key, market in engine.state.markets.items():
            yield f"gaps {key}", market.sync.gaps
            yield f"crossed {key}", market.counters.crossed
            yield f"trades {key}", market.counters.trade_gaps
            yield f"failures {key}", market.counters.failures
            yield f"differed {key}", market.bars.differed
        for name, part in engine.supervisor.parts.items():
            yield f"restarts {name}", part.restarts
            yield f"breakdowns {name}", part.failures

    def _passed(self, now: int, beat_s: float) -> None:
        grown = {name: number for name, value in self._counters() if (number := self._counted.grown(name, value))}
        for name, number in grown.items():
            cause = self._tell(name, number, grown)
            if cause is not None:
                if self._replayed and name.startswith(RECORDED):
                    cause = msgspec.structs.replace(cause, doing="it is so in the recording")
                self._alerts.passing(cause, now, times=0 if name.startswith("restarts ") else number, hold=HOLD)
        if beat_s > STALL_S:
            said = f"the engine's loop stood still for {beat_s:.1f} s"
            since = now - int(beat_s * SECOND)
            self._alerts.passing(Cause("ENGINE_STALLED", "engine", said, "it goes on", since), now, hold=HOLD)

    def _tell(self, name: str, number: int, grown: dict[str, int]) -> Cause | None:
        kind, _, what = name.partition(" ")
        match kind:
            case "overflow":
                return Cause("QUEUE_OVERFLOW", "market queue", f"{number} records dropped", "books begin again")
            case "steps":
                return Cause(
                    "CLOCK_STEPPED", "clock", "this machine's clock was set", "stamps go on without a jump back"
                )
            case "refused":
                return Cause(
                    "FEED_REFUSED", what, self._refusal(what), "dropped; ten in a row open the connection anew"
                )
            case "gaps":
                crossed = grown.get(f"crossed {what}", 0)
                said = "the book crossed" if crossed else "messages of the book are missing or differ"
                return Cause("BOOK_GAP", what, said, "the book begins again from a snapshot")
            case "trades":
                return Cause(
                    "TRADES_MISSED", what, "trade ids are missing", "the bars concerned are asked of the venue"
                )
            case "differed":
                return Cause("BARS_DIFFERED", what, self._difference(what, number), "the venue's candles replace them")
            case "failures":
                failed = self._engine.state.markets[what].failed
                return Cause("INSTRUMENT_FAILED", what, failed or "failed, and began again", "its book begins again")
            case "restarts" | "breakdowns":
                part = self._engine.supervisor.parts[what]
                return Cause(part.code, what, part.last_error, self._mending(part))
        return None

    def _difference(self, key: str, number: int) -> str:
        """Say how a bar of ours differed; the others are in the log as far as they are remembered."""
        market = self._engine.state.markets[key]
        if not market.bars.differences:
            return f"{number} bars differed"
        timeframe, ours, theirs = market.bars.differences[-1]
        names = ("open", "high", "low", "close", "volume", "trades", "taker_buy", "quote_volume")
        apart = [n for n in names if getattr(ours, n) != getattr(theirs, n)]
        said = ", ".join(f"{name} {getattr(ours, name)} and not {getattr(theirs, name)}" for name in apart)
        return f"{number} bars, the last of {timeframe} at {ours.open_ms}: {said} (ticks, lots)"

    def _mending(self, part: Part) -> str:
        match part.state:
            case PartState.RUNNING:
                return "started again"
            case PartState.WAITING:
                return f"starts again in {max(part.again_at - self._monotonic(), 0):.1f} s"
            case PartState.GIVEN_UP:
                return "left alone; its part is off"

    def _refusal(self, source: str) -> str:
        connections = (c for feed in self._engine.feeds for c in feed.connections if c.source == source)
        return next((connection.refusal for connection in connections), "")
