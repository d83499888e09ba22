"""The last line: the keys that matter for the pane in focus, then those that hold everywhere."""

from __future__ import annotations

from tradetui.console.keymap import KEYS, Key
from tradetui.console.keys import pressed
from tradetui.console.render.frame import Frame
from tradetui.console.render.pens import BAR, BOLD, FAINT, KEY, pen

ALWAYS = ("help", "command", "leave")
"""Keys that are named however narrow the terminal is; the last one stands at the end."""

FIRST = ("symbol", "longer", "zoom", "filter", "layout", "freeze", "palette", "jump", "engine")
"""The order of the keys that hold everywhere; lists have use for the filter, and none for a timeframe."""

LATER = ("date", "indicators")
"""Keys of a pane that get a place only after those of everywhere that one cannot do without."""

NEEDED = ("symbol", "longer")

VITAL = "kill"
"""What is named however narrow the terminal is, where there is trading."""

TRADING = "trading"
"""Keys of trading come after those of the pane, where there is trading at all."""

PAUSE = "pause"
"""What the key that freezes the screen does in a replay."""

PAIRS = {
    "longer": ("shorter", "longer"), "closer": ("closer", "wider"), "quicker": ("quicker", "longer-columns"),
    "finer": ("finer", "coarser"), "cut-more": ("cut-more", "cut-less"), "less": ("less", "more"),
}  # fmt: skip
"""Keys that are told with the one that does the opposite, in this order."""


def hints(width: int, kinds: tuple[str, ...], keys: tuple[Key, ...] = KEYS) -> tuple[tuple[str, str], ...]:
    """Return the keys that have room in `width` cells, as they are shown, and their hints.

    Each takes ` shown hint `. Help, command and quit come first to their place, then the pane's own, then the others;
    how they stand is the order of their tables.
    """
    replay = "replay" in kinds
    known = [key._replace(hint=PAUSE) if replay and key.id == "freeze" else key for key in keys if key.hint]
    own = [key for key in known if key.where in kinds and key.where != TRADING]
    trading = [key for key in known if key.where in kinds and key.where == TRADING]
    always = sorted((key for key in known if key.id in ALWAYS), key=lambda key: ALWAYS.index(key.id))
    others = [key for key in known if key.where == "everywhere" and key.id not in ALWAYS]
    order = ("filter", *(name for name in FIRST if name not in ("filter", "longer"))) if "table" in kinds else FIRST
    others.sort(key=lambda key: order.index(key.id) if key.id in order else len(order))
    told = {key.id: pressed(keys, *PAIRS.get(key.id, (key.id,))) for key in known}
    kept, room = set(), width
    late = [key for key in own if key.id in LATER]
    first = [key for key in own if key.id not in LATER]
    needed = [key for key in others if key.id in NEEDED] if late else []
    vital = [key for key in trading if key.id == VITAL]
    for key in (*always, *vital, *first, *needed, *trading, *late, *(key for key in others if key not in needed)):
        size = len(told[key.id]) + len(key.hint) + 3
        if size <= room and key.id not in kept:
            kept.add(key.id)
            room -= size
    ordered = [*always[:-1], *own, *trading, *others, *always[-1:]]
    return tuple((told[key.id], key.hint) for key in ordered if key.id in kept)


def draw(frame: Frame, kinds: tuple[str, ...], keys: tuple[Key, ...] = KEYS) -> None:
    """Draw the keys of a pane of these kinds."""
    frame.fill(pen(FAINT, BAR))
    x = 0
    for told, hint in hints(frame.width, kinds, keys):
        x = frame.text(x, 0, f" {told} ", pen(KEY, BAR, BOLD))
        x = frame.text(x, 0, f"{hint} ", pen(FAINT, BAR))
