"""The lines round the tables: status, banner, footer. The words for mode and state are the engine's own."""

from __future__ import annotations

import math
from typing import NamedTuple

from rich.cells import cell_len
from rich.text import Text

from tradetui.keymap import KEYS
from tradetui.link import Link, Phase
from tradetui.render.cells import (
    ALARM,
    BAD,
    BAR,
    FAINT,
    GOOD,
    NOTHING,
    STALE,
    WARN,
    clock,
    count,
    fit,
    uptime,
)

WIDE = 118
"""Columns from which the status line has names for all its parts."""

STATES = {"healthy": GOOD, "degraded": WARN, "starting": FAINT, "stopping": WARN}


def state_of(link: Link) -> tuple[str, str]:
    """Return the engine's state in a word, and its style."""
    if not link.attached:
        word = {Phase.GONE: "NO LINK" if link.refusal else "GONE", Phase.STARTING: "starting"}.get(
            link.phase, "looking"
        )
        return word, BAD if word.isupper() else FAINT
    if link.stalled_s() is not None:
        return "STALLED", BAD
    if link.health is None or not link.fresh("health"):
        return "attached", FAINT
    return link.health.state, STATES.get(link.health.state, WARN)


class Part(NamedTuple):
    """A part of the status line: its name and width on a wide terminal, its width on a narrow one, its style."""

    name: str
    text: str
    wide: int
    narrow: int
    style: str = ""


def status(link: Link, width: int, lag_ms: float, frozen: bool) -> Text:
    """Return the status line: every part at its place, whatever its value."""
    wide = width >= WIDE
    line = Text(style=BAR, no_wrap=True, end="")
    for part in _parts(link, lag_ms, frozen, wide):
        text = f"{part.name} {part.text}" if wide and part.name else part.text
        line.append(fit(text, part.wide if wide else part.narrow), part.style)
        line.append("  " if width >= WIDE + 10 else " ")
    line.truncate(width)
    line.append(" " * max(width - cell_len(line.plain), 0))
    return line


def _parts(link: Link, lag_ms: float, frozen: bool, wide: bool) -> list[Part]:
    health = link.health
    own = "" if link.fresh("health") else STALE
    mode, feeds, gaps, seq = NOTHING, NOTHING, NOTHING, NOTHING
    bad_feeds = bad_gaps = False
    if health is not None:
        mode = f"data {health.data}, trading {health.trading}" if wide else f"{health.data}\u00b7{health.trading}"
        good = sum(each.up and not each.stale for each in health.connections)
        feeds, bad_feeds = f"{good}/{len(health.connections)}", good < len(health.connections)
        lost = sum(each.gaps + each.trade_gaps for each in health.instruments)
        gaps, bad_gaps = count(lost, 4), lost > 0
        seq = count(health.seq, 9 if wide else 7)
    word, style = state_of(link)
    up = uptime((link.wall() - link.started) / 1e9) if link.started and link.attached else NOTHING
    return [
        Part("", mode, 28, 14, own or "bold"),
        Part("", word, 8, 8, f"bold {style}"),
        Part("pid", str(link.pid or NOTHING), 11, 7, own),
        Part("up", up, 9, 6, own),
        Part("feeds", feeds if wide else f"{feeds} up", 9, 6, own or (WARN if bad_feeds else "")),
        Part("gaps", gaps if wide else f"gaps {gaps}", 9, 8, own or (WARN if bad_gaps else "")),
        Part("", "FROZEN", 13, 8, ALARM) if frozen else Part("seq", seq if wide else f"#{seq}", 13, 8, own),
        Part("", clock(link.wall()), 9, 9, "bold"),
        Part("lag", f"{min(lag_ms, 9999):.0f}ms", 9, 6, WARN if lag_ms > 250 else ""),
    ]


def banner(link: Link) -> str:
    """Return what has to be said above all else, "" if nothing has."""
    if link.phase is Phase.STARTING:
        return f"starting engine of profile {link.places.profile}\nits first words: {link.places.logs / 'engine.start'}"
    if link.phase is Phase.LOOKING:
        return f"looking for the engine of profile {link.places.profile}"
    silent = link.stalled_s()
    if silent is not None:
        return (
            f"engine (pid {link.pid}) stalled: attached, but no news for {silent:.0f} s\n"
            "all numbers are old; it is stopped or too busy, and nothing has been given up"
        )
    if link.attached:
        return ""
    seconds = link.again_in()
    again = "looking now" if seconds is None else f"looking again in {math.ceil(seconds)} s (r: now)"
    since = clock(link.since)
    if link.refusal:
        return f"an engine is there and cannot be attached to ({link.refusal})\nsince {since}; {again}"
    if link.pid:
        return f"engine gone since {since} (pid {link.pid}: {link.why})\n{again}; start it with E"
    return f"no engine since {since} ({link.why})\n{again}; start it with E"


def footer(width: int) -> Text:
    """Return the keys in a line."""
    line = Text(style=BAR, no_wrap=True, end="")
    for key in (*KEYS,):
        if key.hint:
            line.append(f" {key.shown} ", "bold").append(f"{key.hint} ", FAINT)
    line.append(" j k ", "bold").append("alerts", FAINT)
    line.append(" " * max(width - cell_len(line.plain), 0))
    line.truncate(width)
    return line
