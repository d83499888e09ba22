"""The lines round the tables: status, banner, footer. The words for mode and state are the engine's own."""

from __future__ import annotations

import math

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
        word = {Phase.GONE: "HUNG" if link.hung else "GONE", Phase.STARTING: "starting"}.get(link.phase, "looking")
        return word, BAD if word.isupper() else FAINT
    if link.stalled_s() is not None:
        return "STALLED", BAD
    if link.health is None or not link.fresh("health"):
        return "attached", FAINT
    return link.health.state, STATES.get(link.health.state, WARN)


def status(link: Link, width: int, lag_ms: float, frozen: bool) -> Text:
    """Return the status line: every part at its place, whatever its value."""
    wide = width >= WIDE
    health, fresh = link.health, link.fresh("health")
    own = "" if fresh else STALE
    line = Text(style=BAR, no_wrap=True, end="")
    parts: list[tuple[str, int, str]] = []
    data = health.data if health is not None else NOTHING
    trading = health.trading if health is not None else NOTHING
    parts.append(
        (f"data {data}  trading {trading}", 28, own or "bold")
        if wide
        else (f"{data}\u00b7{trading}", 14, own or "bold")
    )
    word, style = state_of(link)
    parts.append((word, 8, f"bold {style}"))
    pid = str(link.pid) if link.pid else NOTHING
    parts.append((f"pid {pid}", 11, own) if wide else (pid, 7, own))
    up = uptime((link.wall() - link.started) / 1e9) if link.started and link.attached else NOTHING
    parts.append((f"up {up}", 9, own) if wide else (up, 6, own))
    feeds = gaps = seq = NOTHING
    bad_feeds = bad_gaps = False
    if health is not None:
        good = sum(each.up and not each.stale for each in health.connections)
        feeds, bad_feeds = f"{good}/{len(health.connections)}", good < len(health.connections)
        lost = sum(each.gaps + each.trade_gaps for each in health.instruments)
        gaps, bad_gaps = count(lost, 4), lost > 0
        seq = count(health.seq, 10 if wide else 8)
    parts.append((f"feeds {feeds}" if wide else f"up {feeds}", 11 if wide else 8, own or (WARN if bad_feeds else "")))
    parts.append((f"gaps {gaps}", 9, own or (WARN if bad_gaps else "")))
    if frozen:
        parts.append(("FROZEN", 14 if wide else 9, ALARM))
    else:
        parts.append((f"seq {seq}", 14, own) if wide else (f"#{seq}", 9, own))
    parts.append((clock(link.wall()), 9, "bold"))
    lag = f"{min(lag_ms, 99_999):.0f}ms"
    parts.append((f"lag {lag}" if wide else lag, 9 if wide else 5, WARN if lag_ms > 250 else ""))
    gap = "  " if width >= WIDE + 8 else " "
    for number, (text, size, own_style) in enumerate(parts):
        line.append(gap if number else " " if wide else "")
        line.append(fit(text, size, right=number == len(parts) - 1), own_style)
    line.append(" " * max(width - cell_len(line.plain), 0))
    return line


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
    if link.hung:
        return f"engine does not answer since {since} ({link.why})\n{again}"
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
