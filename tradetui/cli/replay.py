"""A recording through the live path: in the foreground with a report, or as an engine with a console."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time
from collections.abc import Coroutine
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

import msgspec
import typer

from engine.collector import calm_collector
from engine.core import Commands
from engine.errors import RecordingUnusable, SettingsInvalid
from engine.ingestion.markets import MARKETS
from engine.keep import Keep
from engine.playback import Playback
from engine.player import Player
from engine.replay import Recording, Replay, iso
from engine.report import Report
from engine.script import read_script
from engine.trading.marks import value_account
from engine.trading.statement import Statement
from engine.types import SECOND
from tradetui import replays
from tradetui.bootstrap import account_of
from tradetui.cli.console import arguments, terminal
from tradetui.cli.options import utc_of
from tradetui.cli.screen import Screen, show
from tradetui.cli.summary import check, write
from tradetui.config import load
from tradetui.lock import is_held
from tradetui.places import places
from tradetui.service import Service

log = logging.getLogger("tradetui")

SPEEDS = {"1x": 1.0, "2x": 2.0, "5x": 5.0, "10x": 10.0, "100x": 100.0, "max": inf}

YOUNG = 700
"""New objects between two collections of a replay engine: lines come by the thousand, and a slice must stay short."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a command line says about a replay."""

    paths: list[Path]
    speed: str
    seek: str
    until: str
    market: str
    anew: bool = False

    def arguments(self) -> list[str]:
        """Return the same for another process, which may be in another folder."""
        given = [each for path in self.paths for each in ("--replay", str(path.absolute()))]
        for option in ("speed", "seek", "until", "market"):
            if value := getattr(self, option):
                given += [f"--{option}", value]
        return [*given, "--anew"] if self.anew else given


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """The same, understood: speed in recorded seconds per second, times UTC ns, 0 and infinite where none is given."""

    recording: Recording
    speed: float
    begin: int
    end: float


def opened(asked: Asked) -> Opened:
    """Open the recording.

    Raises:
        SettingsInvalid: An option has no such value.
        RecordingUnusable: The recording cannot be used.
    """
    if asked.speed not in SPEEDS:
        raise SettingsInvalid(f"--speed {asked.speed!r}: expected {', '.join(SPEEDS)}")
    if asked.market and asked.market not in MARKETS:
        raise SettingsInvalid(f"--market {asked.market!r}: expected {', '.join(MARKETS)}")
    end = _time("--until", asked.until) if asked.until else inf
    begin = _time("--seek", asked.seek) if asked.seek else 0
    if begin > end:
        raise SettingsInvalid(f"--seek {asked.seek} is after --until {asked.until}")
    recording = Recording(asked.paths, MARKETS.get(asked.market))
    if end < recording.start:
        raise SettingsInvalid(f"--until {asked.until} is before the recording's start, {iso(recording.start)}")
    return Opened(recording=recording, speed=SPEEDS[asked.speed], begin=begin, end=end)


def replay_through(
    asked: Asked,
    profile: str,
    config: Path | None,
    *,
    report: Path | None,
    debug: bool,
    database: Path | None = None,
    script: Path | None = None,
    trading: bool = True,
) -> None:
    """Replay a recording through the live path in the foreground, and report.

    What an engine would keep of it goes into a new `database`, if one is named. A `script` trades on paper: its
    commands enter the queue at their times, and the report has the ledger. Without one it is that of what was traded,
    where the recording tells.

    Raises:
        SettingsInvalid: An option has no such value.
        RecordingUnusable: The recording cannot be used, or does not reach the asked time.
        StorageFailed: The database cannot be made.
    """
    _log(debug=debug)
    settings = load(config, profile=profile)
    check(report)
    if database is not None and database.exists():
        raise SettingsInvalid(f"--database {database}: it is there already; a replay writes a new one")
    calm_collector()
    began = time.perf_counter()
    found = opened(asked)
    watch = Report()
    lines = read_script(script) if script is not None else []
    opening = partial(account_of, settings.on_paper(), prefix="r", armed=True) if script is not None else None
    played = Replay(
        found.recording,
        settings.for_market(),
        watch,
        opening,
        lines,
        traded=trading and settings.parts.trading and not asked.anew,
    )
    statement = Statement() if script is not None or played.traded else None
    if statement is not None:
        played.commands = statement.take  # also of what is asked on the way to where it begins
    for each in (line for line in lines if not found.recording.start <= line.at):
        log.warning("script: %s is before the recording's start; it is asked at its first record", iso(each.at))
    log.info("replay of %d files from %s", len(played.recording.paths), iso(played.recording.start))
    if found.begin:
        played.seek(found.begin)
        log.info("at %s", iso(played.position))
    player = Player(played, found.speed)
    with typer.progressbar(
        length=played.recording.size, label="replay", width=0, file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:
        player.progress = lambda: bar.update(played.recording.consumed - bar.pos)
        asyncio.run(_interruptible(_play(player, found.end, database, statement)))
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
    account = played.state.account
    if statement is not None and account is not None:
        begun = played.begun
        if begun is None:
            begun = account_of(settings.on_paper(), prefix="r")
            value_account(played.state, begun)
        result["ledger"] = statement.build(played.state, account, begun.equity)
        result["ledger"]["unasked"] = played.unasked
    for key, stream in result["streams"].items():
        if not stream["live"] and not stream["snapshots"]:
            log.warning("%s: no depth snapshot in the recording, so its book cannot be known", key)
    write(result, report)


def replay_engine(asked: Asked, profile: str, config: Path | None, flags: dict[str, object]) -> None:
    """Replay a recording as an engine of its own, for the consoles that attach; it ends when they have gone.

    Raises:
        ConsoleError: A setting or an option is wrong, or the recording cannot be used.
    """
    here = places(profile)
    if not here.replay:
        raise SettingsInvalid(f"profile {profile!r}: a replay that others attach to has a number, as in default/4711")
    settings = load(config, profile=profile, flags=flags)
    found = opened(asked)
    trading = settings.parts.trading
    traded = trading and not asked.anew and found.recording.contents.traded
    fresh = partial(account_of, settings.on_paper(), prefix="r", armed=True)
    playback = Playback(
        found.recording,
        settings.for_market(),
        speed=found.speed,
        seek=found.begin,
        until=found.end,
        account=fresh if trading and not traded else None,
        traded=traded,
    )
    with Service(settings, here, playback=playback) as service:
        calm_collector(YOUNG)
        asyncio.run(service.run())


def replay_console(asked: Asked, profile: str, config: Path | None, flags: dict[str, object], screen: Screen) -> None:
    """Open the console on a replay engine of its own.

    Raises:
        SettingsInvalid: There is no terminal, or a setting or an option is wrong; nothing was started.
        RecordingUnusable: The recording cannot be used, or does not reach the asked time.
    """
    terminal()
    load(config, profile=profile, flags=flags)
    found = opened(asked)
    if found.begin:
        last, _ = found.recording.extent(enough=found.begin) or (found.begin, [])
        if not found.recording.start <= found.begin <= last:
            raise RecordingUnusable(found.recording.outside(found.begin, last))
    here = replays.places_for(profile)
    here.make()
    try:
        show(here, [*asked.arguments(), *arguments(config, flags, [])], screen)
    finally:
        if not is_held(here.lock):
            replays.remove(here)


async def _play(player: Player, end: float, database: Path | None, statement: Statement | None) -> None:
    """Play to the end, or to the recording's; what is kept goes into a new database."""
    if database is None:
        await player.play(until=end)
        return
    from storage.bulk import Pace
    from storage.writer import Writer

    async with Writer(database, Pace(rows=10_000, most_waiting=10**9), engine=False) as store:

        def kept(commands: Commands) -> None:
            for command in commands:
                if isinstance(command, Keep):
                    store.put(command)
            if statement is not None:
                statement.take(commands)

        player.replay.commands = kept
        await player.play(until=end)


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
    moment = utc_of(option, text)
    whole = moment.replace(microsecond=0)
    return int(whole.timestamp()) * SECOND + moment.microsecond * 1000


def _log(*, debug: bool) -> None:
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    logging.Formatter.converter = time.gmtime
