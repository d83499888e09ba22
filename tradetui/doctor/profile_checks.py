"""Checks of a profile: database, keys, engine."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from engine.errors import EngineUnreachable, SettingsInvalid, StorageFailed
from storage import schema
from storage.connection import failures, open_for_reading, quick_check
from tradetui.client import connect
from tradetui.credentials import load_credentials
from tradetui.doctor.checks import Check, Outcome
from tradetui.lock import holder_of, is_held
from tradetui.places import Places

COUNTED = ("events", "series", "rejects")
"""Tables whose rows are told."""


def database(path: Path) -> Check:
    """Whether the database can be read and written, hangs together, and is of this version."""
    try:
        if not path.exists():
            return Check("database", Outcome.PASS, f"none yet; will be {path}")
        size = path.stat().st_size
    except OSError as error:
        return Check("database", Outcome.FAIL, f"{path}: {error.strerror or error}", f"chmod 700 {path.parent}")
    try:
        connection = open_for_reading(path)
        try:
            schema.check(connection, str(path))
            quick_check(connection, path)
            with failures(path):
                counts = [connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in COUNTED]
        finally:
            connection.close()
    except StorageFailed as error:
        return Check("database", Outcome.FAIL, str(error), "do as it says; the engine goes on without it")
    if not os.access(path, os.W_OK):
        return Check("database", Outcome.FAIL, f"{path} cannot be written", f"chmod 600 {path}")
    told = ", ".join(f"{count:,} {name}" for name, count in zip(COUNTED, counts, strict=True))
    return Check("database", Outcome.PASS, f"{told}, {size:,} bytes in {path}")


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
