"""The engine in the foreground, following the market live."""

from __future__ import annotations

import asyncio
import sys
import time
from math import inf
from pathlib import Path
from typing import Any

import msgspec
import typer

from engine.collector import calm_collector
from engine.errors import SettingsInvalid
from engine.report import Report
from engine.runtime import Engine
from engine.snapshot import book_view
from tradetui.cli.summary import check, write
from tradetui.config import load
from tradetui.places import places
from tradetui.service import Service

TELL_S = 10.0
"""Seconds between two lines that say how the engine stands."""


def live(
    profile: str,
    config: Path | None,
    flags: dict[str, object],
    *,
    report: Path | None,
    duration: float,
    detached: bool = False,
) -> None:
    """Follow instruments until interrupted or told to stop, or for `duration` seconds (0: no limit).

    A detached engine was started by a console: nobody reads what it would say here.

    Raises:
        ConsoleError: A setting is wrong, the profile is taken, or the engine cannot go on.
    """
    if not 0 <= duration < inf:
        raise SettingsInvalid(f"--duration {duration}: expected seconds, or 0 for no limit")
    settings = load(config, profile=profile, flags=flags)
    here = places(profile)
    if here.replay:
        raise SettingsInvalid(f"profile {profile!r} is a replay's; an engine that follows the market has a plain name")
    check(report)
    watch = Report()
    began = time.perf_counter()
    with Service(settings, here, echo=None if detached else sys.stderr) as service:
        calm_collector()

        async def follow() -> Engine:
            telling = None if detached else asyncio.create_task(_tell(service))
            try:
                return await service.run(observer=watch if report is not None else None, duration=duration)
            finally:
                if telling is not None:
                    telling.cancel()

        engine = asyncio.run(follow())
    result = watch.build(engine.state, engine.messages, time.perf_counter() - began)
    result.update(_more(engine, service))
    write(result, report)
    lost = engine.recorder.view().lost_lines if engine.recorder is not None else 0
    if lost:
        typer.echo(f"tradetui: {lost} lines of the recording could not be written and are lost", err=True)
        raise typer.Exit(1)
    if not engine.messages:
        typer.echo("tradetui: nothing was received", err=True)
        # Somebody who asked for so many seconds, or for a recording, did not get them; being stopped is no failure.
        if duration or settings.engine.record:
            raise typer.Exit(1)


def _more(engine: Engine, service: Service) -> dict[str, Any]:
    """Return what a live run has to tell besides the report."""
    views = [connection.view() for feed in engine.feeds for connection in feed.connections]
    return {
        "state_hash": engine.final_hash,
        "latency": msgspec.to_builtins(engine.latency.view()),
        "feeds": [{**msgspec.to_builtins(view), "reason": service.clean(view.reason)} for view in views],
        "refused": engine.refusals.count,
        "overflow": engine.overflow,
        "recorder": msgspec.to_builtins(engine.recorder.view()) if engine.recorder is not None else None,
    }


async def _tell(service: Service) -> None:
    """Say now and then how things stand, to whoever watches; the log is spared."""
    while True:
        await asyncio.sleep(TELL_S)
        engine = service.engine
        if engine is None:
            continue
        now = engine.clock.now()
        for key in engine.state.markets:
            book = book_view(engine.state, key, 1, now)
            best = f"{book.bids[0][0]:,} / {book.asks[0][0]:,}" if book.bids and book.asks else "no book yet"
            service.log.say(f"{key}: {best}{'' if book.live else ' - NOT LIVE'}")
