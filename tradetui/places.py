"""Where a profile keeps its things: state, logs, temporary files, socket. Profiles never share any of them.

Folders follow the XDG base directory specification and belong to their owner alone (0700).
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

import msgspec

from engine.errors import SettingsInvalid

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


REPLAYS = "replays"
"""Folder of the places of a profile's replays."""

REPLAY = re.compile(r"[0-9]{1,10}(-[0-9]{1,4})?")


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """The folders and files of one profile, or of one replay: `NAME/NUMBER`, below those of its profile."""

    profile: str
    state: Path
    """What is kept: lock, journal, logs."""
    data: Path
    """What is large: recordings."""
    runtime: Path
    """What lives as long as the engine: its socket."""
    mode: str = "paper"
    """Whose money is traded; what is stored of one mode is never that of another."""

    def of_mode(self, mode: str) -> Places:
        """Return the same places with the database of this mode."""
        return msgspec.structs.replace(self, mode=mode)

    @property
    def settings(self) -> str:
        """The profile whose settings hold."""
        return self.profile.partition("/")[0]

    @property
    def replay(self) -> str:
        """The number of a replay, "" for a profile's own places."""
        return self.profile.partition("/")[2]

    @property
    def lock(self) -> Path:
        """Held by the running engine; tells its pid and socket."""
        return self.state / "engine.lock"

    @property
    def latch(self) -> Path:
        """There as long as the kill switch is closed."""
        return self.state / "killed"

    @property
    def kill_card(self) -> Path:
        """What the last engine left for the kill switch: mode, venues, addresses."""
        return self.state / "kill.json"

    @property
    def kills(self) -> Path:
        """What kills from the command line have done, one line each."""
        return self.state / "kills.jsonl"

    @property
    def socket(self) -> Path:
        """The engine's only way in."""
        return self.runtime / "engine.sock"

    @property
    def journal(self) -> Path:
        """Events as older versions wrote them; taken over into the database."""
        return self.state / "events.jsonl"

    @property
    def database(self) -> Path:
        """Everything that is stored."""
        return self.data / f"market{self._marked}.db"

    @property
    def cold(self) -> Path:
        """Old days, packed."""
        return self.data / f"cold{self._marked}"

    @property
    def backups(self) -> Path:
        """Daily copies of the database."""
        return self.data / f"backups{self._marked}"

    @property
    def _marked(self) -> str:
        return "" if self.mode == "paper" else f"-{self.mode}"

    @property
    def logs(self) -> Path:
        """One log per process."""
        return self.state / "logs"

    @property
    def temporary(self) -> Path:
        """Temporary files, one folder per process; emptied at the engine's start."""
        return self.state / "tmp"

    def make(self) -> None:
        """Make the folders, for their owner alone.

        Raises:
            SettingsInvalid: One cannot be made, or belongs to somebody else.
        """
        above = [up for folder in (self.state, self.runtime) for up in folder.parents if up.name == REPLAYS]
        for folder in (*(above if self.replay else ()), self.state, self.data, self.runtime, self.logs, self.temporary):
            own(folder)


def own(folder: Path) -> None:
    """Make a folder that only its owner can enter.

    Raises:
        SettingsInvalid: It cannot be made, or is somebody else's.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        facts = folder.stat()
        if facts.st_uid != os.getuid():
            raise SettingsInvalid(f"{folder} belongs to user {facts.st_uid}, not to you; choose another place")
        if stat.S_IMODE(facts.st_mode) & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        raise SettingsInvalid(f"{folder}: {error.strerror or error}") from error


def places(profile: str, environment: Mapping[str, str] = os.environ) -> Places:
    """Return the places of a profile; nothing is made yet.

    Raises:
        SettingsInvalid: The name cannot be a profile's.
    """
    name, slash, number = profile.partition("/")
    if not NAME.fullmatch(name) or (slash and not REPLAY.fullmatch(number)):
        raise SettingsInvalid(f"profile {profile!r}: expected up to 32 of a-z, 0-9, - and _, as in --profile default")
    home = Path(environment.get("HOME") or "~").expanduser()
    state = (named(environment, "XDG_STATE_HOME") or home / ".local" / "state") / "tradetui" / name
    data = (named(environment, "XDG_DATA_HOME") or home / ".local" / "share") / "tradetui" / name
    own_runtime = named(environment, "XDG_RUNTIME_DIR")
    private = own_runtime is not None and _is_private(own_runtime)
    runtime = own_runtime / "tradetui" / name if own_runtime is not None and private else None
    if slash:
        state = data = state / REPLAYS / number
        runtime = runtime / REPLAYS / number if runtime is not None else None
    return Places(profile=profile, state=state, data=data, runtime=runtime or state / "run")


def config_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of what the person sets: settings, keys, themes. Nothing is made."""
    home = Path(environment.get("HOME") or "~").expanduser()
    return (named(environment, "XDG_CONFIG_HOME") or home / ".config") / "tradetui"


def named(environment: Mapping[str, str], variable: str) -> Path | None:
    """Return the folder that a variable names; a relative one is to be ignored, says the specification."""
    path = Path(environment.get(variable, ""))
    return path if path.is_absolute() else None


def contents(path: Path, most: int = 1 << 20) -> bytes:
    """Return what is in a small file; a pipe or a device, which may never end, is none.

    Raises:
        OSError: It is not there, cannot be read, is no plain file, or longer than `most`.
    """
    facts = path.stat()
    if not stat.S_ISREG(facts.st_mode) and not stat.S_ISDIR(facts.st_mode):
        raise OSError(errno.EINVAL, "not a plain file")
    if facts.st_size > most:
        raise OSError(errno.EFBIG, f"longer than {most} bytes")
    return path.read_bytes()


def _is_private(folder: Path) -> bool:
    """Tell whether a folder is there, is ours, and nobody else can put things into it."""
    try:
        facts = folder.stat()
    except OSError:
        return False
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid() and not facts.st_mode & 0o022
