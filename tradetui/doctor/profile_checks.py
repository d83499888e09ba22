"""Checks of a profile: journal, keys, engine."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from engine.errors import EngineUnreachable, SettingsInvalid
from tradetui.client import connect
from tradetui.credentials import load_credentials
from tradetui.doctor.checks import Check, Outcome
from tradetui.lock import holder_of, is_held
from tradetui.places import Places

JOURNAL_MOST = 32 << 20
"""Bytes read from the end of the journal."""


def database(journal: Path) -> Check:
    """Whether the journal of events can be read and written, and its lines are whole."""
    try:
        with journal.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - JOURNAL_MOST, 0))
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return Check("database", Outcome.PASS, f"none yet; will be {journal}")
    except OSError as error:
        return Check("database", Outcome.FAIL, f"{journal}: {error.strerror or error}", f"chmod 600 {journal}")
    if not os.access(journal, os.W_OK):
        return Check("database", Outcome.FAIL, f"{journal} cannot be written", f"chmod 600 {journal}")
    *whole, rest = lines[1:] if size > JOURNAL_MOST else lines
    bad = [number for number, line in enumerate(whole, 1) if line.strip() and not _parses(line)]
    text = f"{sum(map(bool, whole)):,} events, {size:,} bytes in {journal}"
    if bad:
        text += f"; {len(bad)} lines are damaged, the first is line {bad[0]}" + (
            " of those looked at" if size > JOURNAL_MOST else ""
        )
        return Check("database", Outcome.WARN, text, "they are left out; a copy of the file helps a report")
    if rest:
        text += "; the last line is torn"
        return Check("database", Outcome.WARN, text, "it is left out; a crash or a full disk leaves such a line")
    return Check("database", Outcome.PASS, text)


def _parses(line: bytes) -> bool:
    try:
        return isinstance(msgspec.json.decode(line), dict)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False


def credentials(file: Path | None, environment: Mapping[str, str]) -> Check:
    """Whether there are keys, and whether they are ours alone. Values are never shown."""
    try:
        found = load_credentials(file, environment)
    except SettingsInvalid as error:
        return Check("credentials", Outcome.FAIL, str(error), "do as it says; nothing is traded until then")
    if not found:
        return Check("credentials", Outcome.PASS, "none: market data needs none")
    text = ", ".join(f"{venue} ({each.source})" for venue, each in found.items())
    return Check("credentials", Outcome.PASS, f"{text}: readable by you alone; not used yet")


def engine(places: Places) -> Check:
    """Whether the profile's engine runs and answers: whether its lock is held, and somebody says hello."""
    lock = places.lock
    holder = holder_of(lock)
    if not is_held(lock):
        ended = f" (the last one, pid {holder.pid}, did not end cleanly)" if holder is not None else ""
        return Check("engine", Outcome.PASS, f"not running{ended}")
    if holder is None:
        return Check(
            "engine", Outcome.WARN, f"running, but {lock} does not tell its pid", f"see who it is: fuser {lock}"
        )
    if not Path(holder.socket).is_socket():
        text = f"running, pid {holder.pid}, but its socket {holder.socket} is gone"
        return Check("engine", Outcome.WARN, text, "stop it and start it again; no console can reach it")
    try:
        asyncio.run(_greet(places))
    except EngineUnreachable as error:
        text = f"running, pid {holder.pid}, but {error}"
        return Check("engine", Outcome.FAIL, text, f"`tradetui stop`; if it does not heed that: kill -9 {holder.pid}")
    return Check("engine", Outcome.PASS, f"running, pid {holder.pid}, at {holder.socket}")


async def _greet(places: Places) -> None:
    await (await connect(places, "doctor")).close()
