"""What happened: the engine's events and the console's own words, merged by time."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING

from engine.alerts import CATALOGUE
from engine.types import SECOND
from tradetui.console.news import Note
from tradetui.console.render.alerts import sign_of
from tradetui.console.render.cells import NOTHING, clock, stamp
from tradetui.console.render.frame import Frame
from tradetui.console.render.pens import BOLD, FAINT, GOOD, OWN, TEXT, pen
from tradetui.console.render.table import PAST, PLAIN, QUIET, Column, Row

if TYPE_CHECKING:
    from typing import TypeAlias

    from engine.ports import Entry
    from tradetui.console.news import News

    Event: TypeAlias = Entry | Note

COLUMNS = (Column("time", 10), Column("who", 7, 12), Column("event", 14, 1000))

NEW_S = 10
"""Seconds for which the newest event stands out."""

BETWEEN = "  \u00b7  "


def story(news: News, notes: Iterable[Note] | None = None) -> list[Event]:
    """Return everything that happened, oldest first; `notes` are told instead of those in `news`.

    A live engine and the console share a clock. The times of a replay are those of its recording, so there a word of
    the console stands behind the event that was the last one when it was said.
    """
    said = news.notes if notes is None else notes
    if news.replay is None:
        told = [(entry.ts, 0, number, entry) for number, entry in enumerate(news.events)]
        mine = [(note.ts, 1, number, note) for number, note in enumerate(said)]
    else:
        told = [(entry.cursor, 0, number, entry) for number, entry in enumerate(news.events)]
        mine = [(note.after, 1, number, note) for number, note in enumerate(said)]
    merged: list[tuple[int, int, int, Event]] = [*told, *mine]
    return [event for *_, event in sorted(merged, key=lambda each: each[:3])]


def words(event: Event) -> tuple[str, str]:
    """Return who tells of an event, or what became of it, and the event."""
    if isinstance(event, Note):
        return "console", event.text
    if event.alert is not None:
        who = "engine" if _happened(event) else event.change or event.kind
        return who, f"{event.alert.code} {event.alert.component}: {event.alert.text}"
    return "engine", f"{event.kind} {event.text}".rstrip()


def pens(event: Event, current: bool) -> int:
    """Return the pen of who tells of it."""
    if isinstance(event, Note):
        return pen(OWN)
    if not current:
        return PAST
    if event.alert is not None and (event.change == "raised" or _happened(event)):
        return sign_of(event.alert.severity)[1]
    return pen(GOOD) if event.change == "healed" else QUIET


def _happened(event: Entry) -> bool:
    """Tell whether it is about something that happened once: that neither begins nor changes."""
    alert = event.alert
    return (
        alert is not None
        and event.change in ("raised", "changed")
        and alert.code in CATALOGUE
        and CATALOGUE[alert.code].once
    )


def when(event: Event, news: News) -> str:
    """Return the time of an event, or its date if that is another day."""
    return clock(event.ts, news.wall() if isinstance(event, Note) else news.engine_now())


def row(event: Event, news: News) -> Row:
    """Return the row of an event."""
    who, text = words(event)
    current = news.attached or isinstance(event, Note)
    base = pen(OWN) if isinstance(event, Note) else PLAIN if current else PAST
    return Row(identity(event), (when(event, news), (who, pens(event, current)), text), base)


def identity(event: Event) -> object:
    """Return what tells an event from all others."""
    return event if isinstance(event, Note) else event.cursor


def detail(event: Event) -> list[tuple[str, str]]:
    """Return everything of an event as pairs of name and text."""
    who, text = words(event)
    told = [("when", stamp(event.ts)), ("who", who), ("what", text)]
    if not isinstance(event, Note) and event.alert is not None:
        told += [("engine", event.alert.doing or NOTHING), ("you", event.alert.suggestion or NOTHING)]
    return told


def newest(news: News, most: int, notes: Iterable[Note] | None = None) -> list[Event]:
    """Return the last events, newest first; `notes` are told instead of those in `news`.

    A fill is told once: the console says what became of the order, and the engine's event stands in the pane.
    """
    found = (event for event in reversed(story(news, notes)) if not _is_fill(event))
    return list(islice(found, most))


def _is_fill(event: Event) -> bool:
    return not isinstance(event, Note) and event.alert is not None and event.alert.code == "FILLED"


def draw_line(frame: Frame, told: list[Event], news: News) -> None:
    """Draw the last events, newest first, in one row; those before are fainter."""
    x, width = 1, frame.width - 1
    for number, event in enumerate(told):
        who, text = words(event)
        if who not in ("console", "engine"):
            text = f"{who} {text}"
        if number:
            if x + len(BETWEEN) + 20 > width:
                break
            x = frame.text(x, 0, BETWEEN, QUIET)
        stale = not news.attached and not isinstance(event, Note)
        fresh = not number and is_new(event, news)
        fore = OWN if isinstance(event, Note) and not number else TEXT if not number else FAINT
        own = PAST if stale else pen(fore, attributes=BOLD if fresh else 0)
        x = frame.text(x, 0, f"{when(event, news)} ", PAST if stale else QUIET, most=width - x)
        x = frame.text(x, 0, text, own, most=max(width - x, 0))


def is_new(event: Event, news: News) -> bool:
    """Tell whether an event happened a moment ago."""
    now = news.wall() if isinstance(event, Note) else news.engine_now()
    return 0 <= now - event.ts < NEW_S * SECOND
