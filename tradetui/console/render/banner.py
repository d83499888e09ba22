"""What has to be said above all else: no engine, an engine that says nothing, no network."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tradetui.console.keymap import KEYS, Key
from tradetui.console.keys import pressed
from tradetui.console.news import Phase
from tradetui.console.render.cells import clock
from tradetui.console.render.frame import Frame
from tradetui.console.render.pens import ALARM, ALARM_TEXT, BOLD, pen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tradetui.console.link import Link
    from tradetui.console.news import News

TROUBLES = ("FEED_DOWN", "REQUEST_FAILED", "VENUE_THROTTLED")
"""Alerts that say why there is no market data."""

TOLD = 2
"""Connections that are told of one by one."""


def banner(link: Link, keys: tuple[Key, ...] = KEYS) -> list[str]:
    """Return the lines; none if there is nothing to say."""
    profile = link.places.profile
    if link.phase is Phase.STARTING:
        return [f"starting engine of profile {profile}", f"its first words: {link.places.logs / 'engine.start'}"]
    if link.phase is Phase.LOOKING:
        return [f"looking for the engine of profile {profile}"]
    silent = link.stalled_s()
    if silent is not None:
        return [
            f"engine (pid {link.pid}) stalled: attached, but no news for {silent:.0f} s",
            "all numbers are old; it is stopped or too busy, and nothing has been given up",
        ]
    if link.attached:
        return _no_network(link, pressed(keys, "leave"))
    since, seconds = clock(link.since), link.again_in()
    now, start = f"({pressed(keys, 'try')}: now)", f"start it with {pressed(keys, 'engine')}"
    again = "looking now" if seconds is None else f"looking again in {math.ceil(seconds)} s {now}"
    if link.refusal:
        return [f"an engine is there and cannot be attached to ({link.refusal})", f"since {since}; {again}"]
    if link.pid:
        return [f"engine gone since {since} (pid {link.pid}: {link.why})", f"{again}; {start}"]
    return [f"no engine since {since} ({link.why})", f"{again}; {start}"]


def _no_network(news: News, leave: str) -> list[str]:
    """Return what an engine does that reaches no venue: what it tries, when it tries again, and what one can do.

    `leave` is the key that leaves the console.
    """
    health = news.health
    if health is None or health.data != "live" or any(each.live for each in news.markets):
        return []
    if any(each.up for each in health.connections):
        return []
    tried = list(_tried(news))
    if not tried:
        return []  # it has only just begun
    more = f" (and {len(tried) - TOLD} more)" if len(tried) > TOLD else ""
    return [
        "no market data: no venue can be reached, and it goes on trying by itself",
        *tried[: TOLD - 1],
        *(f"{line}{more}" for line in tried[TOLD - 1 : TOLD]),
        f"without a network: {leave}, then `tradetui --replay PATH` shows a recording",
    ]


def _tried(news: News) -> Iterator[str]:
    """Yield what is tried: by connection, or by request where the venue's list has not come yet."""
    health = news.health
    for each in health.connections if health is not None else ():
        if each.reason:
            yield f"{each.source}: {each.doing or 'waits'} ({each.reason})"
    if health is not None and not health.connections:
        for alert in news.alerts:
            if alert.active and alert.code in TROUBLES:
                yield f"{alert.component}: {alert.doing or 'waits'} ({alert.text})"


def draw(frame: Frame, lines: list[str]) -> None:
    """Draw them."""
    frame.fill(pen(ALARM_TEXT, ALARM))
    for y, line in enumerate(lines):
        frame.text(1, y, line, pen(ALARM_TEXT, ALARM, 0 if y else BOLD), most=max(frame.width - 2, 0))
