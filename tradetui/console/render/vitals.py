"""The engine's figures, one section of rows for each kind: connections, latencies, queues, budgets, parts, consoles."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tradetui.console.meter import LATE_MS
from tradetui.console.render.cells import NOTHING, age, clock, count, figure, number, size
from tradetui.console.render.pens import BAD, BOLD, GOOD, OWN, TEXT, WARN, pen
from tradetui.console.render.table import PAST, PLAIN, QUIET, Cell, Column, Gauge, Row, heading

if TYPE_CHECKING:
    from engine.health import ConnectionView, HealthView, LatencyView, ServingView
    from tradetui.console.news import News

MB = 1_000_000

HIGH, FULL = 0.6, 0.9
"""Parts of a limit from which it is told."""

CONNECTIONS = (
    Column("connection", 12, 22, end=True), Column("state", 6), Column("age", 4, right=True),
    Column("msg/s", 5, right=True), Column("reconnects", 10, right=True, rank=2), Column("gaps", 4, right=True, rank=1),
    Column("resyncs", 7, right=True, rank=5), Column("offset ms", 9, right=True, rank=6),
    Column("since", 10, rank=7), Column("what is done", 24, 200, rank=4),
)  # fmt: skip

LATENCIES = (
    Column("latency, ms", 16, 22), Column("p50", 5, right=True), Column("p95", 5, right=True, rank=1),
    Column("p99", 5, right=True), Column("max", 6, right=True, rank=2), Column("samples", 8, right=True, rank=3),
)  # fmt: skip

QUEUES = (
    Column("queue", 9, 22), Column("filled", 8, 24), Column("now", 5, right=True),
    Column("peak", 6, right=True, rank=1), Column("limit", 6, right=True, rank=2), Column("dropped", 7, right=True),
)  # fmt: skip

BUDGETS = (
    Column("requests", 9, 22), Column("used", 8, 24), Column("now", 5, right=True), Column("limit", 6, right=True),
    Column("back in", 7, right=True, rank=1), Column("waits", 6, right=True),
)  # fmt: skip

HISTORY = (
    Column("candles of", 12, 24, end=True), Column("from", 7, 10), Column("timeframes", 10, 22, rank=1),
    Column("took ms", 7, right=True, rank=2), Column("nowhere", 7, right=True, rank=3),
    Column("what failed", 12, 200, rank=4),
)  # fmt: skip

PARTS = (
    Column("part", 14, 26), Column("state", 9, 12), Column("restarts", 8, right=True),
    Column("last error", 8, 200, rank=1),
)  # fmt: skip

CONSOLES = (
    Column("console", 9, 22), Column("pid", 7, right=True), Column("since", 10),
    Column("topics", 6, right=True, rank=1), Column("sent", 7, right=True, rank=2), Column("waiting", 7, right=True),
)  # fmt: skip

REPLAY = (Column("replay", 9, 22), Column("", 12, 1000))

DISK = (Column("on disk", 9, 22), Column("", 12, 1000))

THIS = (Column("this console", 9, 22), Column("", 12, 1000))


class Own(NamedTuple):
    """What this console costs: how late its clock is, kilobytes a second sent to the terminal (None: not known)."""

    lag_ms: float | None = None
    kilobytes_s: float | None = None
    rate: float = 0.0
    """Frames a second that the person wants."""

    @property
    def late(self) -> bool:
        """Whether the clock is too late for the frames that are wanted."""
        return self.lag_ms is not None and self.lag_ms > LATE_MS


def box(on: bool) -> str:
    """Return the toggle of something that runs or does not."""
    return "[x]" if on else "[ ]"


def connected(connection: ConnectionView) -> tuple[str, int]:
    """Return the state of a connection in a word, and its pen."""
    if not connection.up:
        return "DOWN", pen(BAD, attributes=BOLD)
    return ("silent", pen(WARN)) if connection.stale else ("up", pen(GOOD))


def silent_s(news: News, connection: ConnectionView) -> float | None:
    """Return the seconds since a connection spoke: as the engine said, and what has passed since it did."""
    return None if connection.age_ms is None else connection.age_ms / 1000 + (news.age("health") or 0.0)


def good(news: News) -> int:
    """Return how many connections are up and speak; none that is known of, while the engine says nothing."""
    known = news.health.connections if news.health is not None and news.fresh("health") else ()
    return sum(each.up and not each.stale for each in known)


def dead(news: News) -> bool:
    """Tell whether there are connections and none of them speaks: what they brought is of then."""
    return news.health is not None and bool(news.health.connections) and not good(news)


def gaps(health: HealthView) -> int:
    """Return how often messages or trades were missed."""
    return sum(each.gaps + each.trade_gaps for each in health.instruments)


def share(part: float, limit: float) -> float | None:
    """Return the part of a limit that is used, None where there is no limit."""
    return part / limit if limit else None


def connections(news: News, health: HealthView) -> list[Row]:
    """Return the market data connections."""
    found = [heading(CONNECTIONS)]
    for each in health.connections:
        rate = figure(each.rate)
        cells: tuple[Cell, ...] = (
            each.source, connected(each), age(silent_s(news, each)),
            rate if each.up and not each.stale else (rate, PAST), count(each.reconnects, 5),
            (count(each.gaps, 4), pen(WARN if each.gaps else TEXT)),
            count(each.resyncs, 7), number(each.offset_ms, sign=True),
            clock(each.since, news.engine_now()), ": ".join(filter(None, (each.doing, each.reason))),
        )  # fmt: skip
        found.append(Row(("connection", each.source), cells, columns=CONNECTIONS))
    return found


def latencies(news: News, health: HealthView) -> list[Row]:
    """Return how long records take through the engine, by stage; of a replay nothing is measured."""
    own = PAST if dead(news) else PLAIN
    stages = [(name, view) for name, view in health.stages.items() if view.samples or news.replay is None]
    rows = [Row(("stage", name), _latency(name, view), own, LATENCIES) for name, view in stages]
    return [heading(LATENCIES), *rows]


def played(news: News) -> list[Row]:
    """Return what a replay has played of its recording."""
    replay = news.replay
    if replay is None:
        return []
    told = f"{replay.messages} messages, {replay.refused} refused"
    return [heading(REPLAY), Row(("replay", "played"), ("played", told), columns=REPLAY)]


def _latency(name: str, view: LatencyView) -> tuple[Cell, ...]:
    times = (view.p50_ms, view.p95_ms, view.p99_ms, view.max_ms)
    return (name.replace("_", " "), *map(figure, times), count(view.samples, 8))


def queues(health: HealthView) -> list[Row]:
    """Return what waits in the engine."""
    found = [heading(QUEUES)]
    for each in health.queues:
        part = share(each.depth, each.limit)
        lost: Cell = (count(each.dropped, 7), pen(BAD)) if each.dropped else "0"
        cells: tuple[Cell, ...] = (
            each.name, gauge(part), count(each.depth, 5), count(each.peak, 6), count(each.limit, 6), lost
        )  # fmt: skip
        found.append(Row(("queue", each.name), cells, columns=QUEUES))
    return found


def gauge(part: float | None) -> Gauge:
    """Return a bar in the colour of what it tells."""
    full, high = part is not None and part > FULL, part is not None and part > HIGH
    return Gauge(part, pen(BAD if full else WARN if high else GOOD))


def budgets(health: HealthView) -> list[Row]:
    """Return how much the venues let the engine ask, and how much of that is used."""
    found = [heading(BUDGETS)]
    for each in health.budgets:
        part = share(each.used, each.limit)
        waits: Cell = (age(each.blocked_s), pen(WARN)) if each.blocked_s > 0 else NOTHING
        cells: tuple[Cell, ...] = (
            each.venue, gauge(part), count(each.used, 5), count(each.limit, 6),
            age(each.reset_s) if each.reset_s > 0 else NOTHING, waits,
        )  # fmt: skip
        found.append(Row(("budget", each.venue), cells, columns=BUDGETS))
    return found


def history(health: HealthView) -> list[Row]:
    """Return who serves the candles of the past: a row for each instrument and source."""
    groups: dict[tuple[str, str, str], list[ServingView]] = {}
    for each in health.history:
        groups.setdefault((each.instrument, each.stand_in or each.source, each.failed), []).append(each)
    found = [heading(HISTORY)]
    for (instrument, source, failed), views in groups.items():
        if not source and not failed:
            continue
        poor = bool(failed or views[0].stand_in)
        nowhere = sum(view.missing for view in views)
        timeframes = " ".join(view.timeframe for view in views)
        cells: tuple[Cell, ...] = (
            instrument, (source or NOTHING, pen(WARN) if poor else pen(TEXT)), timeframes,
            figure(max(view.ms for view in views)), (count(nowhere, 7), pen(WARN)) if nowhere else "0", failed,
        )  # fmt: skip
        found.append(Row(("history", instrument, source, failed), cells, columns=HISTORY))
    return found


def parts(health: HealthView) -> list[Row]:
    """Return the parts of the engine: those that can be switched, then those that always run."""
    found = [heading(PARTS)]
    for name, state in health.parts.items():
        switched: tuple[Cell, ...] = (f"{box(state == 'running')} {name}", state, NOTHING, "")
        found.append(Row(("part", name), switched, QUIET, PARTS))
    for part in health.components:
        good = part.state == "running"
        cells: tuple[Cell, ...] = (
            f"{box(good)} {part.name}", (part.state, pen(GOOD if good else BAD)), count(part.restarts, 5),
            part.last_error,
        )  # fmt: skip
        found.append(Row(("component", part.name), cells, columns=PARTS))
    return found


def consoles(news: News, health: HealthView) -> list[Row]:
    """Return the clients of the socket; one that does not read has bytes waiting."""
    found = [heading(CONSOLES)]
    for each in health.consoles:
        waiting: Cell = (size(each.waiting), pen(WARN)) if each.waiting > MB else size(each.waiting)
        cells: tuple[Cell, ...] = (
            each.client, str(each.pid), clock(each.since, news.wall()), count(each.subscriptions, 6),
            size(each.sent_bytes), waiting,
        )  # fmt: skip
        found.append(Row(("console", each.id), cells, columns=CONSOLES))
    return found


def disk(health: HealthView) -> list[Row]:
    """Return the disk, the recording, the log, and what was refused."""
    log = f"level {health.log_level}, {count(health.log_dropped, 7)} lines lost"
    told: list[tuple[str, Cell]] = [("free", free(health))]
    recorder = health.recorder
    if recorder is not None:
        text = f"{size(recorder.bytes_written)} written of {size(recorder.bytes_raw)}, {recorder.lost_lines} lines lost"
        good = f"{text}, {recorder.path}"
        told.append(("recording", (f"{recorder.error}; {text}", pen(BAD)) if recorder.error else good))
    told += [
        ("log", (log, pen(WARN)) if health.log_dropped else log),
        ("refused", f"{count(health.refused_frames, 9)} frames, {count(health.refused_consoles, 7)} consoles"),
        ("clock set", f"{count(health.clock_steps, 7)} times"),
    ]
    return [heading(DISK), *(Row(("disk", name), (name, cell), columns=DISK) for name, cell in told)]


def free(health: HealthView) -> str:
    """Return the free disk."""
    return size(health.disk_free_mb * MB) if health.disk_free_mb is not None else "unknown"


def this(own: Own) -> list[Row]:
    """Return what this console costs."""
    lag = "not measured" if own.lag_ms is None else f"{count(round(own.lag_ms), 7)} ms late at most"
    sent = "not measured" if own.kilobytes_s is None else kilobytes(own)
    return [
        heading(THIS),
        Row(("own", "clock"), ("its clock", (lag, pen(WARN if own.late else OWN))), columns=THIS),
        Row(("own", "sends"), ("sends", (f"{sent}, at most {own.rate:g} frames a second", pen(OWN))), columns=THIS),
    ]


def cost(own: Own) -> str:
    """Return what this console costs in a line."""
    lag = NOTHING if own.lag_ms is None else count(round(own.lag_ms), 4)
    return f"{lag} ms late, {kilobytes(own)}"


def kilobytes(own: Own) -> str:
    """Return what is sent to the terminal, in nine characters at most."""
    return f"{NOTHING if own.kilobytes_s is None else count(round(own.kilobytes_s), 4)} kB/s"


def worst_s(news: News) -> float | None:
    """Return the seconds since the connection spoke that has been silent for longest."""
    known = news.health.connections if news.health is not None else ()
    silent = (silent_s(news, each) for each in known)
    return max((seconds for seconds in silent if seconds is not None), default=None)
