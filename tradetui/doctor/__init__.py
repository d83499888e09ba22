"""Is everything there that the console needs? One check a subject, all at once, none of which raises.

A check that fails stops something from working; one that warns says what will be worse than it could be. The doctor
changes nothing: it makes no folder and writes no file.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TextIO

from engine.errors import SettingsInvalid
from tradetui.config import default_path
from tradetui.config import examine as settings_of
from tradetui.config.sections import Settings
from tradetui.credentials import load_credentials
from tradetui.doctor import machine, network, profile_checks
from tradetui.doctor.checks import LIMIT_S, Check, Outcome, Work, cleaned, run_checks
from tradetui.places import places
from tradetui.redaction import Redactor, redactor

__all__ = ["Check", "Outcome", "examine"]


def examine(
    profile: str,
    config: Path | None = None,
    environment: Mapping[str, str] = os.environ,
    *,
    stream: TextIO | None = None,
    limit_s: float = LIMIT_S,
) -> list[Check]:
    """Return all checks of a profile, in the order in which they are shown; takes at most about `limit_s` seconds.

    Args:
        profile: Name of the profile.
        config: Settings file instead of the default one.
        environment: The process's environment.
        stream: The terminal; standard output, unless given.
        limit_s: Seconds after which a check without an outcome has failed.

    Raises:
        SettingsInvalid: The profile's name is none.
    """
    return asyncio.run(_examine(profile, config, environment, stream or sys.stdout, limit_s))


async def _examine(
    profile: str, config: Path | None, environment: Mapping[str, str], stream: TextIO, limit_s: float
) -> list[Check]:
    where = places(profile, environment)
    first, settings = _settings(profile, config, environment)
    keys = Path(settings.credentials.file) if settings.credentials.file else None
    probes = asyncio.create_task(network.probe_all(settings))
    work: dict[str, Work] = {
        "folders": partial(machine.folders, where),
        "disk": partial(machine.disk, where, settings.engine.disk_low_mb),
        "terminal": partial(machine.terminal, stream, environment),
        "gpu": machine.gpu,
        "database": partial(profile_checks.database, where.database),
        "credentials": partial(profile_checks.credentials, keys, environment),
        "engine": partial(profile_checks.engine, where),
        "clock": partial(network.clock, probes),
        "network": partial(network.addresses, probes, settings),
    }
    found = await run_checks(work, limit_s)
    probes.cancel()
    redact = _redactor(keys, environment)
    return [cleaned(check, redact) for check in (*first, *found)]


def _settings(profile: str, config: Path | None, environment: Mapping[str, str]) -> tuple[list[Check], Settings]:
    """Load the settings; with wrong ones the other checks go by the defaults."""
    resolved, problems = settings_of(config, environment, profile)
    if resolved is None:
        remedy = "correct it; until then the other checks go by the default settings"
        return [Check("config", Outcome.FAIL, problem, remedy) for problem in problems], Settings()
    used = str(resolved.file or f"no file at {default_path(environment)}, default settings")
    return [Check("config", Outcome.PASS, f"{used}; profile {profile}")], resolved.settings


def _redactor(keys: Path | None, environment: Mapping[str, str]) -> Redactor:
    """Return what masks the keys that can be read; the check of credentials tells of those that cannot."""
    for file in (keys, None):
        with contextlib.suppress(SettingsInvalid):
            return redactor(load_credentials(file, environment))
    return Redactor()
