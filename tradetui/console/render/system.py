"""The engine's health: a verdict with its reasons, the processes, then the figures; in a small pane a line for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradetui.console.news import Phase
from tradetui.console.render import vitals
from tradetui.console.render.cells import NOTHING, age, bar, count, figure, size, uptime
from tradetui.console.render.pens import BAD, BOLD, FAINT, GOOD, OWN, TEXT, TITLE, WARN, pen
from tradetui.console.render.table import LINE, PAST, PLAIN, Cell, Column, Gauge, Row, heading, text_of
from tradetui.console.render.vitals import MB, Own, box, worst_s

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.health import HealthView, ProcessView
    from tradetui.console.news import News

ENGINE = "process", "engine"
"""The row that stands for the engine's process."""

STATES = {
    "healthy": pen(GOOD, attributes=BOLD), "degraded": pen(WARN, attributes=BOLD), "starting": pen(TEXT),
    "stopping": pen(WARN),
}  # fmt: skip

PROCESSES = (
    Column("process", 12, 16), Column("state", 8, 10), Column("pid", 7, right=True, rank=3),
    Column("up", 6, right=True, rank=2), Column("cpu %", 5, right=True), Column("memory", 7, right=True),
    Column("beat p99", 8, right=True, rank=1), Column("max ms", 7, right=True, rank=4),
    Column("restarts", 8, right=True, rank=5), Column("last error", 10, 200, rank=6),
)  # fmt: skip


def verdict(news: News) -> tuple[str, int]:
    """Return the state of the engine in a word, and its pen. The word is the engine's own while it speaks."""
    if not news.attached:
        gone = "NO LINK" if news.refusal else "GONE"
        word = {Phase.GONE: gone, Phase.STARTING: "starting"}.get(news.phase, "looking")
        return word, pen(BAD, attributes=BOLD) if word.isupper() else pen(FAINT)
    if news.stalled_s() is not None:
        return "STALLED", pen(BAD, attributes=BOLD)
    if news.health is None or not news.fresh("health"):
        return "attached", pen(FAINT)
    return news.health.state, STATES.get(news.health.state, pen(WARN))


def sections(news: News, own: Own, *, low: bool) -> list[list[Row]]:
    """Return the sections: the verdict, the processes, what else the engine tells, and what this console costs.

    In a `low` pane a line for each comes before those that say all.
    """
    health = news.health
    first = [_verdict(news), _processes(news, health)]
    if health is None:
        return [*first, vitals.this(own)]
    told = [
        vitals.connections(news, health), vitals.played(news), vitals.latencies(news, health), vitals.queues(health),
        vitals.budgets(health), vitals.history(health), vitals.parts(health), vitals.disk(health),
        vitals.consoles(news, health),
    ]  # fmt: skip
    if low:
        told.insert(0, list(_brief(news, health, own)))
    if not news.fresh("health"):
        told = [[_past(row) for row in section] for section in told]
    return [*first, *(section for section in told if any(not row.head for row in section)), vitals.this(own)]


def _past(row: Row) -> Row:
    """Return a row as one that tells of the past."""
    return row if row.head else row._replace(cells=tuple(map(_plain, row.cells)), pen=PAST)


def _plain(cell: Cell) -> Cell:
    return cell._replace(pen=PAST) if isinstance(cell, Gauge) else text_of(cell)


def _verdict(news: News) -> list[Row]:
    health, (word, own) = news.health, verdict(news)
    if health is None:
        return [Row(("verdict", 0), ((word, own), news.why or "nothing is known of it yet"), columns=LINE)]
    fresh = news.fresh("health")
    up = f"up {uptime((news.wall() - news.started) / 1e9)}, " if news.started and news.attached else ""
    silent = "" if fresh else f"old, no news for {age(news.age('health'))}: "
    text = f"{silent}{up}profile {health.profile}, data {health.data}, trading {health.trading}, {health.version}"
    return [
        Row(("verdict", 0), ((word, own), text), PLAIN if fresh else PAST, LINE),
        *(
            Row(("why", number), (("because", pen(WARN)), reason), columns=LINE)
            for number, reason in enumerate(health.why if fresh else ())
        ),
    ]


def _processes(news: News, health: HealthView | None) -> list[Row]:
    """Return the processes; what the console knows of the engine's own goes before what that said of itself."""
    known = health.processes if health is not None else ()
    found = [heading(PROCESSES)]
    if not news.attached or all(process.name != "engine" for process in known):
        act = "E or enter starts it" if news.phase is Phase.GONE else ""
        cells: tuple[Cell, ...] = (f"{box(news.attached)} engine", verdict(news), *[NOTHING] * 7, act)
        found.append(Row(ENGINE, cells, columns=PROCESSES))
        known = tuple(process for process in known if process.name != "engine")
    fresh = news.fresh("health")
    for process in known:
        row = _process(news, process)
        if process.name == "engine" and not fresh:
            row = _past(row)._replace(cells=(row.cells[0], verdict(news), *map(_plain, row.cells[2:])))
        found.append(row if fresh or process.name == "engine" else _past(row))
    return found


def _process(news: News, process: ProcessView) -> Row:
    running = process.state in ("running", "starting", "stopping")
    up = uptime((news.wall() - process.started) / 1e9) if process.started and running else NOTHING
    cells: tuple[Cell, ...] = (
        f"{box(running)} {process.name}", (process.state, pen(GOOD if process.state == "running" else WARN)),
        str(process.pid or NOTHING), up, figure(process.cpu_percent),
        size(process.rss_mb * MB if process.rss_mb is not None else None), figure(process.beat_p99_ms),
        figure(process.beat_max_ms), count(process.restarts, 5), process.last_error,
    )  # fmt: skip
    return Row(("process", process.name), cells, columns=PROCESSES)


def _brief(news: News, health: HealthView, own: Own) -> Iterator[Row]:
    """Yield the lines of a low pane: one for each section, with its worst figure."""
    good, lost = vitals.good(news), f"gaps {count(vitals.gaps(health), 6)}"
    if news.replay is not None:
        yield _line("played", f"{count(news.replay.messages, 12)} messages, {lost}")
    else:
        feeds = f"{good}/{len(health.connections)} up, {age(worst_s(news))}, {lost}"
        yield _line("feeds", feeds, pen(TEXT if good == len(health.connections) else WARN))
    stages = [(view.p99_ms, name) for name, view in health.stages.items() if view.p99_ms is not None]
    if stages:
        worst, stage = max(stages)
        yield _line("p99", f"{figure(worst)} ms {stage.replace('_', ' ')}", PAST if vitals.dead(news) else PLAIN)
    for queue in health.queues:
        part = vitals.share(queue.depth, queue.limit)
        lost = f", {count(queue.dropped, 6)} dropped" if queue.dropped else ""
        text = f"{bar(part, 6)} {count(queue.depth, 6)} of {count(queue.limit, 6)}{lost}"
        yield _line("queue", text, pen(BAD if queue.dropped else TEXT), queue.name)
    for budget in health.budgets:
        part = vitals.share(budget.used, budget.limit)
        waits = f", waits {age(budget.blocked_s)}" if budget.blocked_s > 0 else ""
        text = f"{bar(part, 6)} {count(budget.used, 6)} of {count(budget.limit, 6)} {budget.venue}{waits}"
        yield _line("requests", text, pen(WARN if waits else TEXT), budget.venue)
    yield _line("disk", f"{vitals.free(health)} free{', recording' if health.recorder is not None else ''}")
    yield _line("console", vitals.cost(own), pen(OWN))


def _line(name: str, text: str, own: int = PLAIN, which: str = "") -> Row:
    return Row(("brief", name, which), ((name, pen(TITLE)), (text, own)), columns=LINE)
