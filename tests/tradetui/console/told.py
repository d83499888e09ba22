"""News as an engine has told them, without an engine: for what draws them."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.alerts import Alert
from engine.health import (
    BudgetView,
    ConsoleView,
    HealthView,
    LatencyView,
    PartView,
    ProcessView,
    QueueView,
    RecorderView,
)
from engine.ports import Entry
from engine.protocol import Series, State, raw
from engine.types import SECOND
from engine.views import MarketRow, ReplayView
from tests.tradetui.fake_engine import alert, health, market
from themes.palette import load
from tradetui.console.desk import Desk
from tradetui.console.link import Link
from tradetui.console.news import Phase
from tradetui.console.panes.paint import Paint
from tradetui.console.render.look import Look
from tradetui.console.view import View
from tradetui.places import places

NOW = 1_722_859_200 * SECOND
"""2024-08-05 12:00:00 UTC."""

EVIL = "[bold red]x[/] \x1b[31mred\x07 \u202eabc \u65e5\u672c"


class Told:
    """A desk whose news are what a test says, and whose time passes when a test says so."""

    def __init__(self, look: Look = Look(), theme: str = "colour-safe") -> None:  # noqa: B008
        self.seconds = 1000.0
        self.link = Link(
            places("default", {"HOME": "/home/somebody"}), [], monotonic=lambda: self.seconds, wall=lambda: self.now
        )
        self.desk = Desk(self.link, View(), look, Paint(load(theme), look))
        self.said: list[str] = []
        self.changes = 0
        self.desk.changed = self._changed

    def _changed(self) -> None:
        self.changes += 1

    @property
    def now(self) -> int:
        return NOW + int((self.seconds - 1000) * SECOND)

    def state(self, topic: str, value: Any) -> None:
        """Tell a topic as a whole."""
        self.link.take(State(id=1, topic=topic, instrument="", seq=1, ts=self.now, data=msgspec.Raw(raw(value))))

    def entries(self, *entries: Entry) -> None:
        """Tell events."""
        rows = [raw(entry) for entry in entries]
        self.link.take(
            Series(
                id=1,
                topic="events",
                instrument="",
                timeframe="",
                seq=1,
                ts=self.now,
                cursor="1",
                reset=False,
                rows=rows,
            )
        )

    def attached(
        self,
        health: HealthView | None = None,
        markets: list[MarketRow] | None = None,
        alerts: list[Alert] | None = None,
        replay: ReplayView | None = None,
    ) -> Told:
        """Attach, and tell all that is always followed."""
        link = self.link
        link.phase, link.pid, link.started, link.since = Phase.ATTACHED, 4711, NOW - 11_040 * SECOND, self.now
        link._attached_at = self.seconds
        self.state("health", fit() if health is None else health)
        self.state("markets", list(MARKETS) if markets is None else markets)
        self.state("alerts", list(ALERTS) if alerts is None else alerts)
        if replay is not None:
            self.state("replay", replay)
        return self

    def gone(self, why: str = "killed") -> None:
        """Lose the engine."""
        link = self.link
        link.phase, link.why, link.since, link.again_at = Phase.GONE, why, self.now, self.seconds + 3.2


def fit(**changed: Any) -> HealthView:
    """Return the health of an engine that has one of everything."""
    connection, instrument = health().connections[0], health().instruments[0]
    connection = msgspec.structs.replace(connection, since=NOW - 60 * SECOND)
    latency = LatencyView(samples=123_456, p50_ms=0.021, p95_ms=0.35, p99_ms=1.24, max_ms=131.0)
    fields: dict[str, Any] = {
        "ts": NOW, "started": NOW - 11_040 * SECOND, "profile": "default",
        "processes": (
            ProcessView(
                name="engine", pid=4711, state="running", started=NOW - 11_040 * SECOND, heartbeat_age_s=0.1,
                beat_p50_ms=100.2, beat_p95_ms=101.0, beat_p99_ms=104.3, beat_max_ms=131.0, rss_mb=81.4,
                cpu_percent=12.4,
            ),
            ProcessView(
                name="trainer", pid=4712, state="waiting", started=0, heartbeat_age_s=None, restarts=3,
                last_error="exit 1: out of memory",
            ),
        ),
        "parts": {"inference": "not built", "training": "not built", "trading": "off"},
        "components": (
            PartView(name="binance", state="running", restarts=0, last_error=""),
            PartView(name="recorder", state="waiting", restarts=2, last_error="OSError: no space left"),
        ),
        "stages": {"queue": latency, "apply": latency, "receive_to_state": latency},
        "queues": (QueueView(name="market", depth=12, peak=310, limit=1024, dropped=0),),
        "connections": (
            connection,
            msgspec.structs.replace(
                connection, source="binanceusdm/public", up=False, age_ms=42_000.0, rate=0.0, reconnects=3, gaps=2,
                resyncs=2, offset_ms=None, reason="cannot connect: refused", doing="try 4 in 3.2 s",
            ),
        ),
        "instruments": (
            instrument, msgspec.structs.replace(instrument, instrument="binanceusdm:BTC/USDT:USDT", gaps=2)
        ),
        "budgets": (BudgetView(venue="binance", used=4800, limit=6000, reset_s=31.0, blocked_s=0.0),),
        "consoles": (
            ConsoleView(
                id=1, client="console", pid=999, since=NOW - 1000 * SECOND, subscriptions=11, delivered=1, failed=0,
                sent_bytes=12_345_678, waiting=0,
            ),
        ),
        "recorder": RecorderView(path="/tape", bytes_raw=10**9, bytes_written=10**8, lost_lines=0, error=""),
        "disk_free_mb": 51_234,
    }  # fmt: skip
    return health(**(fields | changed))


MARKETS = (
    market(mark=2683.7, funding_rate=0.0001),
    market(
        "binance:BTC/USDT", best_bid=61000.5, best_ask=61000.51, last=61000.51, last_sell=True, change_24h_pct=0.42,
        high_24h=62111.0, low_24h=59001.2,
    ),
    market(
        "binanceusdm:BTC/USDT:USDT", live=False, age_ms=42_000.0, tick=0.1, best_bid=61001.0, best_ask=61001.1,
        last=61001.1, high_24h=62111.0, low_24h=59001.2,
    ),
    market(
        "binance:NEW/USDT", live=False, age_ms=None, best_bid=None, best_ask=None, last=None, last_sell=None,
        change_24h_pct=None, high_24h=None, low_24h=None, volume_24h=None,
    ),
)  # fmt: skip


def troubled(number: int, **changed: Any) -> Alert:
    """Return an alert that began a minute ago."""
    times = {"first_seen": NOW - 60 * SECOND, "since": NOW - 60 * SECOND, "last_seen": NOW}
    return alert(number, **(times | changed))


ALERTS = (
    troubled(1, component="binanceusdm/public", text="cannot connect: refused", doing="try 4 in 3.2 s", count=12),
    troubled(
        2, code="TRADES_MISSED", severity="warning", component="binance:ETH/USDT", active=False,
        healed=NOW - 10 * SECOND, count=3, doing="",
    ),
    troubled(3, code="CLIENT_SLOW", severity="info", component="console 12", acknowledged=True, doing=""),
    troubled(
        4, code="WORKER_GIVEN_UP", severity="critical", component="trainer", text="it ended 5 times in a minute",
        suggestion="see the worker's log, then restart the engine", doing="left alone; its part is off",
    ),
    troubled(
        5, code="BOOK_OUT_OF_STEP", severity="warning", component="binanceusdm:BTC/USDT:USDT",
        since=NOW - 90_000 * SECOND, doing="waiting for a depth snapshot",
    ),
)  # fmt: skip


def playing(**changed: Any) -> ReplayView:
    """Return a replay of an hour, five minutes after its start."""
    fields: dict[str, Any] = {
        "position": NOW, "start": NOW - 300 * SECOND, "end": NOW + 3300 * SECOND, "speed": 10.0, "paused": False,
        "ended": False, "seeking": None, "progress": None, "messages": 1, "refused": 0, "files": (), "notes": (),
    }  # fmt: skip
    return ReplayView(**(fields | changed))
