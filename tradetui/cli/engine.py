"""Commands about the running engine: status, stop, log, alerts, metrics."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from tradetui.cli.options import Json, Profile, places_of
from tradetui.cli.output import clock, number, show_json, span, table

if TYPE_CHECKING:
    from engine.alerts import Alert
    from engine.health import HealthView, ServingView
    from tradetui.places import Places

STOP_S = 20.0
"""Time for an engine to stop."""


def status(profile: Profile = None, as_json: Json = False) -> None:
    """Tell how the engine fares. Exit code: 0 healthy, 1 degraded or starting, 2 no engine."""
    import asyncio

    from engine.alerts import Alert
    from engine.errors import EngineUnreachable
    from engine.health import HealthView
    from tradetui.client import engine_of

    places = places_of(profile)

    async def ask() -> tuple[HealthView, list[Alert]]:
        async with engine_of(places, "status") as engine:
            alerts = await engine.get("alerts", list[Alert])  # first, so that health knows of all of them
            return await engine.get("health", HealthView), alerts

    try:
        health, alerts = asyncio.run(ask())
    except EngineUnreachable as error:
        if as_json:
            state = "refused" if error.refused else "unresponsive" if error.hung else "none"
            show_json({"state": state, "profile": places.profile, "why": [str(error)]})
        else:
            typer.echo(f"tradetui: {error}", err=True)
            _replays(places)
        raise typer.Exit(1 if error.hung else 2) from None
    if as_json:
        import msgspec

        show_json({**msgspec.to_builtins(health), "alerts": [alert for alert in alerts if alert.active]})
    else:
        _show(health, alerts)
        _replays(places)
    raise typer.Exit(0 if health.state == "healthy" else 1)


def _show(health: HealthView, alerts: list[Alert]) -> None:
    process = health.processes[0]
    live = health.data == "live"  # otherwise its clock is that of a recording
    time = f"up {span((health.ts - health.started) / 1e9)}" if live else f"at {clock(health.ts)}"
    typer.echo(
        f"engine {health.state}  profile {health.profile}  pid {process.pid}  {time}  data {health.data}"
        f"  trading {health.trading}"
    )
    typer.echo(
        f"{number(health.messages)} messages, record {health.seq}  memory {number(process.rss_mb)} MB"
        f"  processor {number(process.cpu_percent)} %  heartbeat p99 {number(process.beat_p99_ms)} ms"
        f"  free disk {number(health.disk_free_mb)} MB"
    )
    if process.last_error:
        typer.echo(f"last error {process.last_error}")
    if len(health.processes) > 1:
        typer.echo("")
        table(
            ("process", "pid", "state", "beat", "memory MB", "cpu %", "restarts", "last error"),
            [
                (p.name, str(p.pid or "-"), p.state, span(p.heartbeat_age_s), number(p.rss_mb), number(p.cpu_percent),
                 str(p.restarts), p.last_error)
                for p in health.processes
            ], "13456",
        )  # fmt: skip
    typer.echo("")
    table(
        ("connection", "state", "since", "age", "msg/s", "reconnects", "refused", "gaps", "resyncs"),
        [
            (c.source, "silent" if c.stale else "up" if c.up else "DOWN", clock(c.since),
             span(c.age_ms / 1000 if c.age_ms is not None else None), number(c.rate, 1), str(c.reconnects),
             str(c.refused), str(c.gaps), str(c.resyncs))
            for c in health.connections
        ], "345678",
    )  # fmt: skip
    typer.echo("")
    table(
        ("instrument", "book", "age", "gaps", "resyncs", "trade gaps"),
        [
            (i.instrument, "live" if i.live else "NOT LIVE", span(i.age_ms / 1000 if i.age_ms is not None else None),
             str(i.gaps), str(i.resyncs), str(i.trade_gaps))
            for i in health.instruments
        ], "2345",
    )  # fmt: skip
    typer.echo("")
    table(
        ("stage", "samples", "p50 ms", "p95 ms", "p99 ms", "max ms"),
        [
            (name.replace("_", " "), number(v.samples), number(v.p50_ms, 3), number(v.p95_ms, 3), number(v.p99_ms, 3),
             number(v.max_ms, 1))
            for name, v in health.stages.items()
        ], "12345",
    )  # fmt: skip
    typer.echo("")
    for queue in health.queues:
        typer.echo(
            f"queue {queue.name}: {queue.depth} wait, most {queue.peak} of {queue.limit:,}, {queue.dropped} dropped"
        )
    for budget in health.budgets:
        blocked = f", blocked for {budget.blocked_s:.0f} s" if budget.blocked_s else ""
        typer.echo(
            f"requests {budget.venue}: {budget.used} of {budget.limit:,} used, back in {budget.reset_s:.0f} s{blocked}"
        )
    _history(health.history)
    typer.echo(f"consoles: {len(health.consoles)} attached, {health.refused_consoles} refused")
    active = [alert for alert in alerts if alert.active]
    if active:
        typer.echo("")
        _list(active)


def _history(views: tuple[ServingView, ...]) -> None:
    """Say who serves past candles, and why others did not."""
    asked = [each for each in views if each.source or each.failed]
    if not asked:
        return
    typer.echo("")
    table(
        ("candles of", "timeframe", "from", "rows", "ms", "nowhere"),
        [
            (each.instrument, each.timeframe, each.stand_in or each.source or "nobody", str(each.rows),
             number(each.ms, 0), str(each.missing))
            for each in asked
        ], "345",
    )  # fmt: skip
    for reason, times in Counter(each.failed for each in asked if each.failed).items():
        typer.echo(f"not had, {times} of {len(asked)}: {reason}")
    typer.echo("")


def _replays(places: Places) -> None:
    """Name the replays that run beside a profile's engine."""
    from tradetui.replays import running

    found = [each.profile for each in running(places.profile)]
    if found and not places.replay:
        typer.echo(f"replays: {', '.join(found)}")


def _list(alerts: list[Alert]) -> None:
    table(
        ("id", "severity", "code", "component", "since", "count", "state", "text"),
        [
            (str(a.id), a.severity, a.code, a.component, clock(a.since), str(a.count), _state(a),
             a.text + (f" ({a.doing})" if a.doing else ""))
            for a in alerts
        ], "05",
    )  # fmt: skip


def _state(alert: Alert) -> str:
    state = "active" if alert.active else f"healed {clock(alert.healed)[11:]}" if alert.healed else "past"
    return f"{state}, read" if alert.acknowledged else state


def stop(profile: Profile = None, as_json: Json = False) -> None:
    """Stop the engine and wait until it is gone."""
    import asyncio
    import os
    import signal

    from engine.errors import EngineUnreachable
    from tradetui.client import engine_of
    from tradetui.lock import holder_of, is_held

    places = places_of(profile)

    async def ask() -> tuple[int, str]:
        async with engine_of(places, "stop") as engine:
            return engine.welcome.pid, await engine.command("stop")

    try:
        pid, _ = asyncio.run(ask())
    except EngineUnreachable as error:
        # An engine of another version cannot be talked to, and must still be stopped to be upgraded.
        holder = holder_of(places.lock)
        if not (error.refused and holder is not None and is_held(places.lock)):
            raise
        pid = holder.pid
        os.kill(pid, signal.SIGTERM)
    if not _gone(places, pid):
        raise EngineUnreachable(f"the engine (pid {pid}) has not stopped within {STOP_S:.0f} s", hung=True)
    if as_json:
        show_json({"stopped": pid, "profile": places.profile})
    else:
        typer.echo(f"engine of profile {places.profile} (pid {pid}) stopped")


def _gone(places: Places, pid: int) -> bool:
    """Wait until this engine is gone; a service manager may have started another one meanwhile."""
    import time

    from tradetui.lock import holder_of, is_held

    until = time.monotonic() + STOP_S
    while time.monotonic() < until:
        holder = holder_of(places.lock)
        if not is_held(places.lock) or (holder is not None and holder.pid != pid):
            return True
        time.sleep(0.05)
    return False


def log(
    level: Annotated[
        str | None, typer.Argument(help="debug, info, warning or error: from now on, without a restart.")
    ] = None,
    lines: Annotated[int, typer.Option("-n", "--lines", min=1, help="How many lines to show.")] = 20,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Show the end of the engine's log, or change its level while it runs."""
    import asyncio

    from engine.errors import SettingsInvalid
    from tradetui.client import engine_of
    from tradetui.logs.files import read_log

    places = places_of(profile)
    if level is None:
        path = places.logs / "engine.log"
        try:
            entries = list(read_log(path, last=lines))
        except OSError as error:
            raise SettingsInvalid(f"{path}: {error.strerror or error}") from error
        if as_json:
            show_json(entries)
        elif not entries:
            typer.echo(f"no log of profile {places.profile!r} ({path})")
        else:
            for entry in entries:
                typer.echo(f"{entry.ts} {entry.level:7} {entry.seq or 0:>9} {entry.logger}: {entry.text}")
        return

    async def ask() -> str:
        async with engine_of(places, "log") as engine:
            return await engine.command("log_level", level=level)

    said = asyncio.run(ask())
    if as_json:
        show_json({"level": level.lower(), "text": said})
    else:
        typer.echo(said)


def alerts(
    acknowledge: Annotated[
        int | None, typer.Option("--ack", help="Mark the alert of this number as read; 0 marks all.")
    ] = None,
    active: Annotated[bool, typer.Option("--active", help="Only those whose cause is there now.")] = False,
    severity: Annotated[str, typer.Option(help="At least this: info, warning, error, critical.")] = "info",
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """List what is and was wrong: since when, what is being done, and what you can do."""
    import asyncio

    from engine.alerts import Alert, Severity
    from engine.errors import SettingsInvalid
    from tradetui.client import engine_of

    if severity.upper() not in Severity.__members__:
        raise SettingsInvalid(f"--severity {severity!r}: expected {', '.join(s.name.lower() for s in Severity)}")
    places = places_of(profile)

    async def ask() -> list[Alert]:
        async with engine_of(places, "alerts") as engine:
            if acknowledge is not None:
                arguments = {"alert": acknowledge} if acknowledge else {}
                await engine.command("acknowledge", **arguments)
            return await engine.get("alerts", list[Alert])

    least = Severity[severity.upper()]
    found = [
        alert
        for alert in asyncio.run(ask())
        if Severity[alert.severity.upper()] >= least and (alert.active or not active)
    ]
    if as_json:
        show_json(found)
    elif not found:
        typer.echo("no alerts")
    else:
        _list(found)
        for code in sorted({alert.code for alert in found if alert.active}):
            typer.echo(f"{code}: {next(alert.suggestion for alert in found if alert.code == code)}")


def metrics(profile: Profile = None, as_json: Json = False) -> None:
    """Print the engine's figures for Prometheus; without an engine `tradetui_up 0`, and exit code 2."""
    import asyncio

    from engine.alerts import Alert
    from engine.errors import EngineUnreachable
    from engine.health import HealthView
    from tradetui.client import engine_of
    from tradetui.metrics import absence, exposition

    places = places_of(profile)

    async def ask() -> tuple[HealthView, list[Alert]]:
        async with engine_of(places, "metrics") as engine:
            return await engine.get("health", HealthView), await engine.get("alerts", list[Alert])

    try:
        health, alerts = asyncio.run(ask())
    except EngineUnreachable:
        if not as_json:  # a scraper has to be told, or it keeps what it heard last
            typer.echo(absence(places.profile), nl=False)
        raise
    if as_json:
        show_json(health)
    else:
        typer.echo(exposition(health, alerts), nl=False)
