"""An engine that stands still: its clock, its connection and its book are moved by hand."""

from __future__ import annotations

from collections.abc import Iterator

from engine.alerts import Alert, Alerts, Cause
from engine.core import step
from engine.ingestion.connection import Connection
from engine.ingestion.feed import VenueFeed
from engine.ingestion.markets import SPOT
from engine.ingestion.session import FeedSettings
from engine.pulse import Resources
from engine.runtime import Engine
from engine.types import SECOND, BookSnapshot, Event, FeedLost, FeedUp, InstrumentListed, Record
from engine.watch import Watch
from tests.engine.support import BTC, T0, delta, snapshot

KEY, SOURCE, VENUE = BTC.key, "binance", "binance"


class Clock:
    """The engine's clock, moved by hand."""

    def __init__(self) -> None:
        self.ns = T0 * SECOND
        self.steps = 0

    def now(self) -> int:
        return self.ns

    def stamp(self) -> int:
        self.ns += 1
        return self.ns

    def pass_by(self, boundary: int) -> None:
        self.ns = max(self.ns, boundary)


class Bench:
    """An engine with one connection and one instrument, none of which runs, and the watch over it."""

    def __init__(self, *, live: bool = True, disk_low_mb: int = 100) -> None:
        self.clock = Clock()
        self.engine = Engine(self.clock)
        self.feed = VenueFeed(
            SPOT, ["BTCUSDT"], self.engine, None, rest=("http://x",), ws=("ws://x",),  # type: ignore[arg-type]
            settings=FeedSettings(), monotonic=self.monotonic, dice=lambda: 0.5,
        )  # fmt: skip
        self.engine.feeds.append(self.feed)
        self.connection = Connection(self.feed._wiring, SOURCE, ["btcusdt@depth@100ms"], [KEY])
        self.feed.connections = [self.connection]
        self.resources = Resources()
        self.causes: list[Cause] = []
        self.told: list[tuple[str, Alert]] = []
        self.alerts = Alerts(lambda change, alert: self.told.append((change, alert)))
        self.apply(InstrumentListed(instrument=BTC))
        if live:
            self.up()
            self.say_first()
        self.watch = Watch(
            self.engine, self.alerts, self.resources,
            monotonic=self.monotonic, disk_low_mb=disk_low_mb, others=self.others,
        )  # fmt: skip

    def monotonic(self) -> float:
        return self.clock.ns / SECOND

    def others(self) -> Iterator[Cause]:
        yield from self.causes

    @property
    def market(self) -> object:
        return self.engine.state.markets[KEY]

    def apply(self, event: Event) -> None:
        state = self.engine.state
        source = "binance:rest" if isinstance(event, BookSnapshot | InstrumentListed) else SOURCE
        step(state, Record(seq=state.seq + 1, ts_recv=self.clock.stamp(), source=source, event=event, frame=b""))

    def up(self) -> None:
        self.connection.session.opened(self.monotonic())
        self.connection.up = True
        self.connection.since = self.clock.now()
        self.apply(FeedUp(source=SOURCE))

    def say_first(self) -> None:
        """A snapshot, and a diff that follows it."""
        self.apply(snapshot(10, [(100, 5)], [(101, 5)]))
        self.say()

    def say(self) -> None:
        """A diff that follows."""
        last = self.engine.state.markets[KEY].sync.book.update_id
        self.connection.session.frame(self.monotonic())
        self.apply(delta(last + 1, [(100, 6)], ts=self.clock.now()))

    def lose(self, reason: str) -> None:
        self.connection.lose(reason)
        self.apply(FeedLost(source=SOURCE, reason=reason))

    def look(self, after: int = 0, beat_s: float = 0.1) -> dict[tuple[str, str], Alert]:
        """Look `after` ns later; return what is active."""
        self.clock.ns += after
        self.watch.look(self.clock.now(), beat_s)
        return {(alert.code, alert.component): alert for alert in self.alerts.active}

    def one(self, after: int = 0, beat_s: float = 0.1) -> Alert:
        (alert,) = self.look(after, beat_s).values()
        return alert

    def calm(self, after: int) -> dict[tuple[str, str], Alert]:
        """Look `after` ns later, just after the book was heard of."""
        self.clock.ns += after
        self.say()
        return self.look()
