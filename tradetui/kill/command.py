"""`tradetui kill` without what the other commands load: it is read, done and told by what is here."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from tradetui.kill.card import KillCard
from tradetui.kill.killing import KillReport, kill
from tradetui.places import places


class Asked(NamedTuple):
    """What was asked for; "" is not given."""

    flatten: bool | None = None
    reason: str = ""
    profile: str = ""
    config: str = ""
    as_json: bool = False


def parsed(arguments: Sequence[str]) -> Asked | None:
    """Return what the words after `kill` ask for; None where they are not plain: somebody else explains them."""
    asked = Asked()
    words = list(arguments)
    while words:
        name, given, value = words.pop(0).partition("=")
        if name in ("--reason", "--profile", "--config"):
            if not given:
                if not words or words[0].startswith("-"):
                    return None
                value = words.pop(0)
            asked = Asked(**(asked._asdict() | {name[2:]: value}))
        elif given:
            return None
        elif name in ("--flatten", "--no-flatten"):
            asked = asked._replace(flatten=name == "--flatten")
        elif name == "--json":
            asked = asked._replace(as_json=True)
        else:
            return None
    return asked


def run(asked: Asked) -> int:
    """Kill, say what came of it, and return the exit code: 0 only if everything that is known was cancelled.

    Raises:
        SettingsInvalid: The name cannot be a profile's.
    """
    profile = asked.profile or os.environ.get("TRADETUI_PROFILE") or "default"
    report = kill(
        places(profile), flatten=asked.flatten, reason=asked.reason, card=lambda: _card(profile, asked.config)
    )
    if asked.as_json:
        told = msgspec.json.encode({"done": report.done, **msgspec.to_builtins(report)})
        text = msgspec.json.format(told, indent=2).decode()
    else:
        text = "\n".join(lines(report))
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
    return 0 if report.done else 1


def lines(report: KillReport) -> Iterator[str]:
    """Yield what was done, the worst last, where it is read."""
    yield f"kill switch {'closed' if report.latched else 'NOT CLOSED'}: {report.latch}"
    yield f"{report.mode}: {report.engine}"
    for venue in report.venues:
        yield f"{venue.venue} ({venue.url}), {venue.ms:.0f} ms:"
        yield from (f"  cancelled: {text}" for text in venue.canceled)
        yield from (f"  {text}" for text in venue.closed)
        if not (venue.canceled or venue.closed or venue.open or venue.troubles):
            yield "  no order was open"
        yield from (f"  position: {text}; its stops were cancelled, too" for text in venue.positions)
        yield from (f"  STILL OPEN: {text}" for text in venue.open)
        yield from (f"  NOT DONE: {text}" for text in venue.troubles)
    yield from (f"note: {text}" for text in report.notes)
    yield from (f"NOT DONE: {text}" for text in report.troubles)
    if report.done:
        yield f"everything that is known was cancelled ({report.ms:.0f} ms)"
    else:
        yield "not everything is done; run it again, and look at your venues"


def _card(profile: str, file: str) -> KillCard:
    """Return what the settings say of trading.

    Raises:
        SettingsInvalid: They are wrong.
    """
    from tradetui.config import load
    from tradetui.kill.settings import card_of

    return card_of(load(Path(file) if file else None, profile=profile), places(profile))
