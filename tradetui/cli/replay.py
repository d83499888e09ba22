"""A recording through the live path, in the foreground."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Any

import typer

from engine.collector import calm_collector
from engine.errors import SettingsInvalid
from engine.ingestion.markets import MARKETS
from engine.replay import Player, Recording, Replay, iso
from engine.report import Report
from engine.types import SECOND
from tradetui.cli.summary import check, write
from tradetui.config import load

log = logging.getLogger("tradetui")

SPEEDS = {"1x": 1.0, "2x": 2.0, "5x": 5.0, "10x": 10.0, "100x": 100.0, "max": inf}


def replay(
    paths: list[Path],
    speed: str,
    seek: str,
    until: str,
    market: str,
    report: Path | None,
    config: Path | None,
    profile: str,
    *,
    debug: bool,
) -> None:
    """Replay a recording through the live path and report.

    Raises:
        SettingsInvalid: An option has no such value.
        RecordingUnusable: The recording cannot be used, or does not reach the asked time.
    """
    _log(debug=debug)
    settings = load(config, profile=profile)
    if speed not in SPEEDS:
        raise SettingsInvalid(f"--speed {speed!r}: expected {', '.join(SPEEDS)}")
    if market and market not in MARKETS:
        raise SettingsInvalid(f"--market {market!r}: expected {', '.join(MARKETS)}")
    end = _time("--until", until) if until else inf
    begin = _time("--seek", seek) if seek else 0
    if begin > end:
        raise SettingsInvalid(f"--seek {seek} is after --until {until}")
    check(report)
    calm_collector()
    began = time.perf_counter()
    watch = Report()
    played = Replay(Recording(paths, MARKETS.get(market)), settings.for_market(), watch)
    log.info("replay of %d files from %s", len(played.recording.paths), iso(played.recording.start))
    if end < played.recording.start:
        raise SettingsInvalid(f"--until {until} is before the recording's start, {iso(played.recording.start)}")
    if begin:
        played.seek(begin)
        log.info("at %s", iso(played.position))
    player = Player(played, SPEEDS[speed])
    with typer.progressbar(
        length=played.recording.size, label="replay", width=0, file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:
        player.progress = lambda: bar.update(played.recording.consumed - bar.pos)
        asyncio.run(_interruptible(player.play(until=end)))
    seconds = time.perf_counter() - began
    for note in played.recording.notes():
        log.warning("%s", note)
    for reason, number in played.refusals.reasons.most_common(10):
        log.warning("%d lines refused: %s", number, reason)
    result = watch.build(played.state, played.messages, seconds)
    result["recording"] = {
        "start": iso(played.recording.start),
        "end": iso(played.position),
        "notes": played.recording.notes(),
        "refused": played.refusals.count,
        "refusals": dict(played.refusals.reasons.most_common(50)),
    }
    for key, stream in result["streams"].items():
        if not stream["live"] and not stream["snapshots"]:
            log.warning("%s: no depth snapshot in the recording, so its book cannot be known", key)
    write(result, report)


async def _interruptible(work: Coroutine[Any, Any, None]) -> None:
    """Run until done, or until SIGINT or SIGTERM asks for the report so far."""
    task = asyncio.create_task(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        log.warning("interrupted; the report covers what was replayed")


def _time(option: str, text: str) -> int:
    """Return UTC nanoseconds.

    Raises:
        SettingsInvalid: Not a time.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise SettingsInvalid(f"{option} {text!r}: expected a UTC time such as 2024-08-09T00:00:00") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    whole = moment.replace(microsecond=0)
    return int(whole.timestamp()) * SECOND + moment.microsecond * 1000


def _log(*, debug: bool) -> None:
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    logging.Formatter.converter = time.gmtime
