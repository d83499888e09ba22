"""What clients may have the engine do."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from math import inf, isfinite

from engine.actions import Action, Args
from engine.alerts import Alerts
from engine.errors import RequestDenied
from engine.playback import Playback
from engine.protocol import SEEK_MOST_S
from tradetui.logs import ProcessLog

log = logging.getLogger("tradetui.engine")

STEPS_MOST = 1_000_000
"""Lines that one command may step on."""

FASTEST = 1_000_000.0
"""Recorded seconds per second; who wants more wants 0, as fast as possible."""


def commands(
    alerts: Alerts, logged: ProcessLog, end: Callable[[str], None], playback: Playback | None = None
) -> dict[str, Action]:
    """Return the commands of an engine by name; `end` begins its stop, `playback` is what it replays, if anything."""

    def replay() -> Playback:
        if playback is None:
            raise RequestDenied("not_available", "this engine is live: it has nothing to replay")
        return playback

    async def stop(arguments: Args) -> str:
        only(arguments)
        asyncio.get_running_loop().call_later(0.05, end, "a client asked for it")
        return f"the engine (pid {os.getpid()}) is stopping"

    async def log_level(arguments: Args) -> str:
        only(arguments, "level")
        level = arguments.get("level")
        if not isinstance(level, str) or level.lower() not in ("debug", "info", "warning", "error"):
            raise RequestDenied("invalid_argument", f"level {level!r}: expected debug, info, warning or error")
        before = logged.level
        logged.set_level(level)
        log.warning("log level changed from %s to %s", before, logged.level)
        return f"log level {logged.level} (was {before})"

    async def acknowledge(arguments: Args) -> str:
        only(arguments, "alert")
        number = arguments.get("alert")
        if number is not None and (not isinstance(number, int) or isinstance(number, bool)):
            raise RequestDenied("invalid_argument", f"alert {number!r}: expected the number of an alert")
        if number is not None and number not in {alert.id for alert in alerts.all()}:
            raise RequestDenied("invalid_argument", f"there is no alert {number}")
        return f"{alerts.acknowledge(number)} acknowledged"

    async def replay_pause(arguments: Args) -> str:
        only(arguments)
        return replay().pause()

    async def replay_resume(arguments: Args) -> str:
        only(arguments)
        return replay().resume()

    async def replay_step(arguments: Args) -> str:
        only(arguments, "frames")
        played = replay()
        frames = _number(arguments, "frames", 1)
        if frames != int(frames) or not 1 <= frames <= STEPS_MOST:
            raise RequestDenied("invalid_argument", f"frames {frames:g}: expected a whole number, 1 to {STEPS_MOST:,}")
        return played.step(int(frames))

    async def replay_speed(arguments: Args) -> str:
        only(arguments, "speed")
        played = replay()
        speed = _number(arguments, "speed")
        if not 0 <= speed <= FASTEST:
            raise RequestDenied(
                "invalid_argument", f"speed {speed:g}: expected recorded seconds per second, or 0 for the fastest"
            )
        return played.set_speed(speed or inf)

    async def replay_seek(arguments: Args) -> str:
        only(arguments, "to", "by_s")
        played = replay()
        if ("to" in arguments) == ("by_s" in arguments):
            raise RequestDenied("invalid_argument", "expected either to (UTC ns) or by_s (seconds)")
        if "by_s" in arguments:
            by_s = _number(arguments, "by_s")
            if abs(by_s) > SEEK_MOST_S:
                raise RequestDenied("invalid_argument", f"by_s {by_s:g}: expected seconds, a year at most")
            return played.seek_by(by_s)
        to = arguments["to"]
        if not isinstance(to, int) or isinstance(to, bool):
            raise RequestDenied("invalid_argument", f"to {to!r}: expected UTC nanoseconds, a whole number")
        return played.seek(to)

    return {
        "stop": stop,
        "log_level": log_level,
        "acknowledge": acknowledge,
        "replay_pause": replay_pause,
        "replay_resume": replay_resume,
        "replay_step": replay_step,
        "replay_speed": replay_speed,
        "replay_seek": replay_seek,
    }


def _number(arguments: Args, name: str, usual: float | None = None) -> float:
    """Return a number.

    Raises:
        RequestDenied: It is missing, or none.
    """
    value = arguments.get(name, usual)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise RequestDenied("invalid_argument", f"{name} {value!r}: expected a number")
    return value


def only(arguments: Args, *known: str) -> None:
    """Deny arguments that mean nothing: with a misspelt one a command would do more than was meant."""
    for name in arguments:
        if name not in known:
            raise RequestDenied("invalid_argument", f"unknown argument {name!r} (known: {', '.join(known) or 'none'})")
