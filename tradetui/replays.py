"""Places of replays: made for one console, taken away with the engine that used them.

A replay is named `PROFILE/NUMBER` after the process that asked for it; its folder lies in that profile's state folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator

from tradetui.lock import is_held
from tradetui.places import REPLAY, REPLAYS, Places, places


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
