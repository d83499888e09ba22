"""The engine in the foreground: live, or on a recording."""

from __future__ import annotations

import asyncio
import logging
import shutil
import signal
import sys
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Any

import msgspec
import typer

from engine.collector import calm_collector, give_back
from engine.errors import SettingsInvalid
from engine.ingestion.markets import MARKETS
from engine.replay import Player, Recording, Replay, iso
from engine.report import Report
from engine.runtime import Engine
from engine.snapshot import book_view
from engine.types import SECOND
from tradetui import bootstrap
from tradetui.cli.summary import summary
from tradetui.config import load

log = logging.getLogger("tradetui")

TELL_S = 10.0
"""Seconds between two lines that say how a live engine stands."""

SPEEDS = {"1x": 1.0, "2x": 2.0, "5x": 5.0, "10x": 10.0, "100x": 100.0, "max": inf}


def replay(
    paths: list[Path],
    speed: str,
    seek: str,
    until: str,
    market: str,
    report: Path | None,
    config: Path | None,
    *,
    debug: bool,
) -> None:
    """Replay a recording through the live path and report.

    Raises:
        SettingsInvalid: An option has no such value.
        RecordingUnusable: The recording cannot be used, or does not reach the asked time.
    """
    _log(debug=debug)
    settings = load(config)
    if speed not in SPEEDS:
        raise SettingsInvalid(f"--speed {speed!r}: expected {', '.join(SPEEDS)}")
    if market and market not in MARKETS:
        raise SettingsInvalid(f"--market {market!r}: expected {', '.join(MARKETS)}")
    end = _time("--until", until) if until else inf
    begin = _time("--seek", seek) if seek else 0
    if begin > end:
        raise SettingsInvalid(f"--seek {seek} is after --until {until}")
    _check(report)
    calm_collector()
    began = time.perf_counter()
    watch = Report()
    played = Replay(Recording(paths, MARKETS.get(market)), settings.market, watch)
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
    _write(result, report)


def live(
    symbols: list[str], record: Path | None, report: Path | None, duration: float, config: Path | None, *, debug: bool
) -> None:
    """Follow instruments live until interrupted, or for `duration` seconds.

    Raises:
        SettingsInvalid: A setting or an instrument is wrong.
    """
    _log(debug=debug)
    settings = load(config)
    for symbol in symbols:
        bootstrap.full_key(symbol)
    _check(report)
    watch = Report()
    chosen = symbols or list(settings.data.symbols)
    began = time.perf_counter()

    async def follow() -> Engine:
        engine = bootstrap.build_engine(settings, chosen, record=record, observer=watch)
        log.info("following %s", ", ".join(bootstrap.full_key(symbol) for symbol in chosen))
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        if duration > 0:
            loop.call_later(duration, stop.set)
        telling = asyncio.create_task(_tell(engine))
        await engine.run(stop)
        telling.cancel()
        return engine

    calm_collector()
    engine = asyncio.run(follow())
    result = watch.build(engine.state, engine.messages, time.perf_counter() - began)
    result["state_hash"] = engine.final_hash
    result["latency"] = msgspec.to_builtins(engine.latency.view())
    result["feeds"] = [
        msgspec.to_builtins(connection.view()) for feed in engine.feeds for connection in feed.connections
    ]
    result["refused"] = engine.refusals.count
    result["overflow"] = engine.overflow
    if engine.recorder is not None:
        result["recorder"] = msgspec.to_builtins(engine.recorder.view())
    _write(result, report)
    if not engine.messages:
        log.error("nothing was received")
        raise typer.Exit(1)


async def _tell(engine: Engine) -> None:
    """Say now and then how things stand, and keep the process small."""
    while True:
        await asyncio.sleep(TELL_S)
        give_back()
        now = engine.clock.now()
        for key in engine.state.markets:
            book = book_view(engine.state, key, 1, now)
            best = f"{book.bids[0][0]:,} / {book.asks[0][0]:,}" if book.bids and book.asks else "no book yet"
            log.info("%s: %s%s", key, best, "" if book.live else " - NOT LIVE")


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


def _check(report: Path | None) -> None:
    """Find out before the run whether the report can be written after it.

    Raises:
        SettingsInvalid: It cannot.
    """
    if report is not None:
        try:
            report.open("ab").close()
        except OSError as error:
            raise SettingsInvalid(f"--report {report}: {error.strerror or error}") from error


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


def _write(result: dict[str, Any], report: Path | None) -> None:
    typer.echo(summary(result, shutil.get_terminal_size((200, 24)).columns))
    if report is None:
        return
    report.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")
