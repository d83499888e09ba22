"""How the engine fares: what status, metrics and the System pane show."""

from __future__ import annotations

import msgspec


class LatencyView(msgspec.Struct, frozen=True, kw_only=True):
    """Percentiles in milliseconds; None without samples."""

    samples: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None


class BudgetView(msgspec.Struct, frozen=True, kw_only=True):
    """What a person is shown: weight used in the last minute, the limit, seconds until something is given back."""

    venue: str
    used: int
    limit: int
    reset_s: float
    blocked_s: float


class RecorderView(msgspec.Struct, frozen=True, kw_only=True):
    """Where a recording goes and how it fares."""

    path: str
    bytes_raw: int
    bytes_written: int
    lost_lines: int
    error: str


class SubscriberView(msgspec.Struct, frozen=True, kw_only=True):
    """One subscriber's figures."""

    id: int
    name: str
    symbols: tuple[str, ...]
    delivered: int
    failed: int
    last_error: str


class ProcessView(msgspec.Struct, frozen=True, kw_only=True):
    """One process.

    Units: `started` UTC ns; `heartbeat_age_s` seconds since its last sign of life; `beat_*_ms` intervals between its
    heartbeats over the last minute (asked for every 100 ms); `rss_mb` MB of memory held; `cpu_percent` of one core.
    """

    name: str
    pid: int
    state: str
    started: int
    heartbeat_age_s: float | None
    beat_p50_ms: float | None = None
    beat_p95_ms: float | None = None
    beat_p99_ms: float | None = None
    beat_max_ms: float | None = None
    rss_mb: float | None = None
    cpu_percent: float | None = None
    restarts: int = 0
    last_error: str = ""


class PartView(msgspec.Struct, frozen=True, kw_only=True):
    """One supervised part of the engine: a feed, the recorder, the socket."""

    name: str
    state: str
    restarts: int
    last_error: str


class QueueView(msgspec.Struct, frozen=True, kw_only=True):
    """One queue: what waits, the most that waited, the limit, and what was dropped at it."""

    name: str
    depth: int
    peak: int
    limit: int
    dropped: int


class ConnectionView(msgspec.Struct, frozen=True, kw_only=True):
    """One market data connection.

    Units: `since` UTC ns of the last change between up and down; `age_ms` since its last message; `offset_ms` exchange
    clock minus ours, transmission time included; `rate` messages a second over the last two seconds. `gaps` and
    `resyncs` are those of the books it feeds. `doing` says what is done about a connection that is down or silent.
    """

    source: str
    up: bool
    stale: bool
    since: int
    age_ms: float | None
    rate: float
    frames: int
    refused: int
    reconnects: int
    gaps: int
    resyncs: int
    offset_ms: float | None
    reason: str
    doing: str


class InstrumentView(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument's book as a source of truth: `live` only while every message is accounted for."""

    instrument: str
    live: bool
    book: str
    age_ms: float | None
    gaps: int
    resyncs: int
    crossed: int
    trade_gaps: int
    failures: int
    failed: str


class ServingView(msgspec.Struct, frozen=True, kw_only=True):
    """Who serves the past candles of an instrument and timeframe.

    `source` gave the last ones: `rows` of them in `ms` milliseconds, at `at` (UTC ns; 0: nobody yet). `failed` says
    what the source before it in order could not do, and `again_s` when that is tried again (None: when next asked).
    `missing` candles of the last request are nowhere; `stand_in` names the other venue that filled in, or is "".
    """

    instrument: str
    timeframe: str
    source: str
    rows: int
    ms: float
    at: int
    failed: str
    again_s: float | None
    missing: int
    stand_in: str


class GapView(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of candles that no source has, or has whole: opening times of first and last (UTC ms), and how many."""

    instrument: str
    timeframe: str
    first_ms: int
    last_ms: int
    missing: int
    reason: str


class ConsoleView(msgspec.Struct, frozen=True, kw_only=True):
    """One client of the socket. Units: `since` UTC ns; `waiting` bytes not yet taken by it."""

    id: int
    client: str
    pid: int
    since: int
    subscriptions: int
    delivered: int
    failed: int
    sent_bytes: int
    waiting: int


class HealthView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of the health topic. `state` is `starting`, `healthy`, `degraded` or `stopping`; `why` says more."""

    state: str
    why: tuple[str, ...]
    profile: str
    version: str
    data: str
    trading: str
    seq: int
    ts: int
    started: int
    messages: int
    parts: dict[str, str]
    processes: tuple[ProcessView, ...]
    components: tuple[PartView, ...]
    stages: dict[str, LatencyView]
    queues: tuple[QueueView, ...]
    connections: tuple[ConnectionView, ...]
    instruments: tuple[InstrumentView, ...]
    budgets: tuple[BudgetView, ...]
    history: tuple[ServingView, ...] = ()
    gaps: tuple[GapView, ...] = ()
    maintenance: bool = False
    consoles: tuple[ConsoleView, ...]
    subscribers: tuple[SubscriberView, ...]
    refused_consoles: int
    refused_frames: int
    recorder: RecorderView | None
    log_level: str
    log_dropped: int
    disk_free_mb: int | None
    clock_steps: int
