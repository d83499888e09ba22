"""What the help says: keys as they hold, commands, and the words on the screen. Pure; dialogs draw it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tradetui.console.keymap import KEYS, WHERE, Key
from tradetui.console.prompt import COMMANDS

WORDS = (
    ("live", "every message of the order book is accounted for: this is the market now"),
    ("NOT LIVE", "the book is being put together again after a gap or a loss; nobody should act on these prices"),
    ("stale, grey", "it is old, and says how old: 12s, 3m, 2h; there is no colour in what is not the present"),
    ("no news", "the engine says nothing of it; the engine itself may be gone or stalled"),
    ("FEED DOWN", "the connection to the exchange is lost or silent; it is tried again by itself"),
    ("partial", "hatched, or with ~: not all of it is known, so the size is a lower bound"),
    ("gap, resync", "messages were missed; the book was emptied, and made anew from a snapshot"),
    ("\u254c at the axis, \u250a", "bars are missing: empty columns, or a break with the length of a long gap"),
    ("history", "who gave the older candles of a chart, and in how many ms; they are loaded ahead as you scroll"),
    ("pivot 1 to 5", "a high or low of that level, confirmed by the bars after it; it is shown from then on"),
    ("- or unknown", "there is no such number; it is never shown as 0"),
    ("FROZEN", "you keep the screen as it is; the engine goes on, and nothing is lost"),
    ("REPLAY", "a recording is played, not the market; its position and speed stand beside it"),
    ("\u25b2 \u25bc", "up or down; on a trade: the taker bought, or sold"),
    ("bid, ask", "what buyers would pay, what sellers want; between the best of both lies the spread"),
    ("imbalance", "bids less asks over both, -1 to 1: above 0 there are more bids"),
    ("PAPER, TESTNET, LIVE", "whose money an order is: the engine's own word, on every order and fill"),
    ("ACTIVE", "orders may add risk"),
    ("REDUCE", "only what reduces risk passes, and cancels; the reason stands beside it"),
    ("HALTED", "nothing but cancels; only a person ends it, by the typed word and a reason"),
    ("UNRESOLVED", "the venue has not said what became of an order; nothing new goes there until it has"),
    ("blind", "how long no engine ran: stops held here did not act then"),
    ("R", "profit or loss over what was at risk at the entry"),
    ("staged, *", "a limit you have moved; it holds only after the engine has taken it"),
    ("acknowledged", "somebody has seen the alert; it stays until its cause heals"),
    ("detach", "the console goes, the engine stays; `tradetui` attaches again"),
)
"""Words of the screen and what they mean."""


class Section(NamedTuple):
    """A part of the help: rows of what is pressed, typed or read, and what it is."""

    title: str
    rows: tuple[tuple[str, str], ...]


def guide(
    kinds: Sequence[str] = (), table: Sequence[Key] = KEYS, *, replay: bool = False, narrow: str = ""
) -> list[Section]:
    """Return the help.

    Args:
        kinds: Kinds of the pane in focus: their keys come first.
        table: The keys as they hold.
        replay: The engine replays: keys for that come before those of everywhere.
        narrow: Only rows that hold this text, in any case.
    """
    here = [kind for kind in kinds if kind in WHERE]
    order = [
        *here,
        *(["replay"] if replay else []),
        "everywhere",
        "trading",
        *(kind for kind in WHERE if kind not in here),
    ]
    sections = []
    for place, kind in enumerate(dict.fromkeys(order)):
        rows = tuple((key.shown, key.explained) for key in table if key.where == kind)
        sections.append(Section(f"{WHERE[kind]}{': the pane in focus' if place < len(here) else ''}", rows))
    first = len(here) + replay + 1
    commands = tuple((command.usage, f"{command.explained}, as in `{command.example}`") for command in COMMANDS)
    sections[first:first] = [Section("Words on the screen", WORDS), Section("Commands, behind :", commands)]
    wanted = narrow.strip().lower()
    kept = (
        Section(title, tuple(row for row in rows if wanted in f"{row[0]} {row[1]}".lower())) for title, rows in sections
    )
    return [section for section in kept if section.rows]
