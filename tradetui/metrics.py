"""The engine's figures in the text format of Prometheus (exposition format 0.0.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.registry import Collector

from engine.alerts import Alert
from engine.health import ConsoleView, HealthView

Sample = tuple[dict[str, str], float | None]


def exposition(health: HealthView, alerts: list[Alert]) -> str:
    """Return all metrics; what is not known is left out."""
    families: list[Metric] = []

    def metric(name: str, kind: str, text: str, samples: Iterable[Sample]) -> None:
        family = Metric(f"tradetui_{name.removesuffix('_total')}", text, kind)
        for labels, value in samples:
            if value is not None:
                family.add_sample(f"tradetui_{name}", labels, value)
        if family.samples:
            families.append(family)

    metric("up", "gauge", "1 while the engine answers.", [({"profile": health.profile}, 1)])
    metric("info", "gauge", "Version of the engine.", [({"version": health.version, "profile": health.profile}, 1)])
    metric(
        "health", "gauge", "1 for the present state of health.",
        [({"state": state}, int(state == health.state)) for state in ("starting", "healthy", "degraded", "stopping")],
    )  # fmt: skip
    metric("start_time_seconds", "gauge", "Start of the engine, Unix time.", [({}, health.started / 1e9)])
    metric("records_total", "counter", "Records applied.", [({}, health.seq)])
    metric("messages_total", "counter", "Messages of venues applied.", [({}, health.messages)])
    metric("frames_refused_total", "counter", "Frames that gave no event.", [({}, health.refused_frames)])
    metric("clock_steps_total", "counter", "Times the wall clock was found set.", [({}, health.clock_steps)])
    metric("disk_free_bytes", "gauge", "Free space of the state folder.",
           [({}, None if health.disk_free_mb is None else health.disk_free_mb * 1e6)])  # fmt: skip
    metric("log_lines_lost_total", "counter", "Log lines that could not be written.", [({}, health.log_dropped)])

    def of(kind: str, name: str) -> dict[str, str]:
        return {kind: name}

    processes = [(of("process", p.name), p) for p in health.processes]
    metric("process_resident_bytes", "gauge", "Memory held.",
           ((k, None if p.rss_mb is None else p.rss_mb * 1e6) for k, p in processes))  # fmt: skip
    metric(
        "process_cpu_percent", "gauge", "Processor, per cent of one core.", ((k, p.cpu_percent) for k, p in processes)
    )
    metric("process_heartbeat_age_seconds", "gauge", "Time since the last heartbeat.",
           ((k, p.heartbeat_age_s) for k, p in processes))  # fmt: skip
    metric("process_restarts_total", "counter", "Restarts.", ((k, p.restarts) for k, p in processes))
    metric(
        "heartbeat_interval_seconds", "gauge", "Time between heartbeats, asked for every 0.1 s, last minute.",
        [
            ({**k, "quantile": q}, None if v is None else v / 1000)
            for k, p in processes
            for q, v in (("0.5", p.beat_p50_ms), ("0.95", p.beat_p95_ms), ("0.99", p.beat_p99_ms), ("1", p.beat_max_ms))
        ],
    )  # fmt: skip
    metric(
        "stage_latency_seconds", "gauge", "Latency of a stage, last one to two minutes.",
        [
            ({"stage": name, "quantile": q}, None if v is None else v / 1000)
            for name, view in health.stages.items()
            for q, v in (("0.5", view.p50_ms), ("0.95", view.p95_ms), ("0.99", view.p99_ms), ("1", view.max_ms))
        ],
    )  # fmt: skip
    queues = [(of("queue", q.name), q) for q in health.queues]
    metric("queue_depth", "gauge", "Records that wait.", ((k, q.depth) for k, q in queues))
    metric("queue_peak", "gauge", "Most records that waited.", ((k, q.peak) for k, q in queues))
    metric("queue_dropped_total", "counter", "Records dropped at the limit.", ((k, q.dropped) for k, q in queues))

    feeds = [(of("source", c.source), c) for c in health.connections]
    metric("connection_up", "gauge", "1 while the connection is open.", ((k, int(c.up)) for k, c in feeds))
    metric("connection_stale", "gauge", "1 while an open connection is silent.", ((k, int(c.stale)) for k, c in feeds))
    metric("connection_age_seconds", "gauge", "Time since the last message.",
           ((k, None if c.age_ms is None else c.age_ms / 1000) for k, c in feeds))  # fmt: skip
    metric("connection_frames_total", "counter", "Messages received.", ((k, c.frames) for k, c in feeds))
    metric("connection_refused_total", "counter", "Messages that gave no event.", ((k, c.refused) for k, c in feeds))
    metric("connection_reconnects_total", "counter", "Reconnects.", ((k, c.reconnects) for k, c in feeds))
    metric("clock_offset_seconds", "gauge", "Exchange clock minus ours, transmission included.",
           ((k, None if c.offset_ms is None else c.offset_ms / 1000) for k, c in feeds))  # fmt: skip

    books = [(of("instrument", i.instrument), i) for i in health.instruments]
    metric("book_live", "gauge", "1 while the book is the market.", ((k, int(i.live)) for k, i in books))
    metric("book_age_seconds", "gauge", "Time since the last update.",
           ((k, None if i.age_ms is None else i.age_ms / 1000) for k, i in books))  # fmt: skip
    metric("book_gaps_total", "counter", "Gaps found.", ((k, i.gaps) for k, i in books))
    metric("book_resyncs_total", "counter", "Books begun again.", ((k, i.resyncs) for k, i in books))
    metric("book_crossed_total", "counter", "Crossed books.", ((k, i.crossed) for k, i in books))
    metric("trade_gaps_total", "counter", "Holes in trade ids.", ((k, i.trade_gaps) for k, i in books))

    budgets = [(of("venue", b.venue), b) for b in health.budgets]
    metric("request_weight_used", "gauge", "Request weight used in the last minute.", ((k, b.used) for k, b in budgets))
    metric("request_weight_limit", "gauge", "Request weight allowed a minute.", ((k, b.limit) for k, b in budgets))
    metric(
        "request_weight_reset_seconds", "gauge", "Time until some is given back.", ((k, b.reset_s) for k, b in budgets)
    )
    metric("request_blocked_seconds", "gauge", "Time that the venue told us to wait.",
           ((k, b.blocked_s) for k, b in budgets))  # fmt: skip

    # By name, not by number: every scrape is a connection, and would be a series of its own.
    consoles: dict[str, list[ConsoleView]] = {}
    for console in health.consoles:
        if console.client != "metrics":
            consoles.setdefault(console.client, []).append(console)

    def of_consoles(figure: Callable[[ConsoleView], int]) -> Iterator[Sample]:
        return ((of("client", name), sum(map(figure, each))) for name, each in consoles.items())

    metric("consoles", "gauge", "Consoles attached.", of_consoles(lambda _: 1))
    metric("consoles_refused_total", "counter", "Connections refused.", [({}, health.refused_consoles)])
    metric("console_delivered_total", "counter", "Topics delivered.", of_consoles(lambda c: c.delivered))
    metric("console_failed_total", "counter", "Deliveries failed.", of_consoles(lambda c: c.failed))
    metric("console_waiting_bytes", "gauge", "Bytes not taken yet.", of_consoles(lambda c: c.waiting))
    metric(
        "alert_active", "gauge", "1 per alert whose cause is there now.",
        [({"code": a.code, "component": a.component, "severity": a.severity}, int(a.active)) for a in alerts],
    )  # fmt: skip
    metric("alert_occurrences_total", "counter", "Occurrences of an alert.",
           [({"code": a.code, "component": a.component}, a.count) for a in alerts])  # fmt: skip
    return _text(families)


def absence(profile: str) -> str:
    """Return the one metric of an engine that is not there or does not answer."""
    family = Metric("tradetui_up", "1 while the engine answers.", "gauge")
    family.add_sample("tradetui_up", {"profile": profile}, 0)
    return _text([family])


def _text(families: list[Metric]) -> str:
    registry = CollectorRegistry()
    registry.register(_Collector(families))
    return generate_latest(registry).decode()


class _Collector(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families
