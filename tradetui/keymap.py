"""Every key of the console, once: bindings, footer and help are made of this table.

Lower-case keys look, upper-case keys act and ask first.
"""

from __future__ import annotations

from typing import NamedTuple


class Key(NamedTuple):
    """One key: its names for the terminal, how it is shown, what it does. Without a hint it is not in the footer."""

    names: str
    shown: str
    action: str
    hint: str
    explained: str


KEYS = (
    Key("question_mark,f1", "?", "help", "help", "this help"),
    Key(
        "q,ctrl+q,ctrl+c", "q", "detach", "detach",
        "leave the console; the engine goes on, and `tradetui` attaches to it again"),
    Key(
        "E", "E", "engine", "engine",
        "stop the engine, or start one when none is there; asks first, and no is the default"),
    Key("j,down", "j \u2193", "select(1)", "", "select the next alert"),
    Key("k,up", "k \u2191", "select(-1)", "", "select the alert before"),
    Key("home", "home", "select(-1000)", "", "select the first alert"),
    Key("end", "end", "select(1000)", "", "select the last alert"),
    Key("a", "a", "acknowledge", "acknowledge", "mark the selected alert as seen; its cause stays until it heals"),
    Key("r", "r", "try_now", "try now", "look for the engine now instead of waiting, when it is gone"),
    Key("space", "space", "freeze", "freeze", "keep the tables as they are, or let them go on; the engine goes on"),
    Key("escape", "esc", "back", "", "leave a dialog or this help; nothing is done"),
)  # fmt: skip
