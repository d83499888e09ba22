"""The command `tradetui doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from tradetui.cli.options import Config, Json, Profile, config_of, profile_of

if TYPE_CHECKING:
    from tradetui.doctor import Check


def doctor(
    profile: Profile = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Check settings, folders, disk, terminal, clock, network and engine; exit code 1 if something does not work.

    Raises:
        SettingsInvalid: The profile's name is none.
    """
    from tradetui.doctor import Outcome, examine

    name = profile_of(profile)
    checks = examine(name, config_of(config))
    typer.echo(_json(name, checks) if as_json else _lines(checks))
    if any(check.outcome is Outcome.FAIL for check in checks):
        raise typer.Exit(1)


def _lines(checks: list[Check]) -> str:
    width = max(len(check.name) for check in checks)
    lines = []
    for check, following in zip(checks, [*checks[1:], None], strict=True):
        mark = f"[{'ok' if check.outcome == 'pass' else check.outcome.value}]"
        lines.append(f"{mark:<6} {check.name:<{width}}  {check.text}")
        # Several in a row that are mended alike say how once.
        if check.remedy and (following is None or check.remedy != following.remedy):
            lines.append(f"{'':<6} {'':<{width}}  -> {check.remedy}")
    return "\n".join(lines).encode("ascii", "backslashreplace").decode("ascii")


def _json(profile: str, checks: list[Check]) -> str:
    import json

    import msgspec

    from tradetui import __version__
    from tradetui.doctor import Outcome

    report = {
        "version": __version__,
        "profile": profile,
        "ok": all(check.outcome is not Outcome.FAIL for check in checks),
        "checks": msgspec.to_builtins(checks),
    }
    return json.dumps(report, indent=1)
