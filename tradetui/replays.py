"""Replays of a profile: how long they last without anybody who looks on, and their places.

Places are made for one console, and taken away with the engine that used them. A replay is named `PROFILE/NUMBER`
after the process that asked for it; its folder lies in that profile's state folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sized

from tradetui.lock import is_held
from tradetui.places import REPLAY, REPLAYS, Places, places

GONE_S = 15.0
"""A replay ends so long after the last client has gone."""

NOBODY_S = 60.0
"""A replay to which nobody came ends after so long."""

LOOK_S = 0.5
"""Seconds between two looks whether anybody is there."""


def places_for(profile: str) -> Places:
    """Return places for a new replay of this process; what dead ones have left behind is taken away.

    Raises:
        SettingsInvalid: The name cannot be a profile's.
    """
    home = places(profile).settings
    for each in existing(home):
        if not _in_use(each):
            remove(each)
    number, more = str(os.getpid()), 0
    while (found := places(f"{home}/{number}")).state.exists():  # of a dead process of the same number, or of ours
        more += 1
        number = f"{os.getpid()}-{more}"
    return found


def existing(profile: str) -> Iterator[Places]:
    """Yield the places of a profile's replays, as far as there are any."""
    home = places(profile)
    names: set[str] = set()
    for folder in (home.state / REPLAYS, home.runtime / REPLAYS):
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            names.update(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    yield from (places(f"{profile}/{name}") for name in sorted(names) if REPLAY.fullmatch(name))


def _in_use(replay: Places) -> bool:
    """Tell whether an engine has it, or the console that asked for it may still start one."""
    pid = int(replay.replay.partition("-")[0])
    return is_held(replay.lock) or (pid != os.getpid() and _lives(pid))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def running(profile: str) -> list[Places]:
    """Return the places of the replays that an engine plays at this moment."""
    return [each for each in existing(places(profile).settings) if is_held(each.lock)]


def remove(replay: Places) -> None:
    """Take the places of a replay away, as far as that can be done."""
    if replay.replay:
        for folder in (replay.runtime, replay.state):
            shutil.rmtree(folder, ignore_errors=True)


async def audience(consoles: Callable[[], Sized], end: Callable[[str], None]) -> None:
    """End a replay when all who had come have gone, or nobody comes: it is of no use to nobody."""
    came, since = False, time.monotonic()
    while True:
        await asyncio.sleep(LOOK_S)
        if consoles():
            came, since = True, time.monotonic()
        elif time.monotonic() - since > (GONE_S if came else NOBODY_S):
            end("nobody looks on")
