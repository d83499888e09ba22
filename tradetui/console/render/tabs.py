"""The panes by their digits, the instruments, layout, sync and theme; and in a replay, where it stands."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from tradetui.console.keymap import KEYS, Key
from tradetui.console.keys import pressed
from tradetui.console.layout import DIGITS, TRADING
from tradetui.console.render.cells import bar, clock, stamp
from tradetui.console.render.frame import Frame
from tradetui.console.render.instruments import names
from tradetui.console.render.pens import BOLD, FAINT, KEY, OWN, TEXT, TITLE, UNDERLINE, WARN, pen

if TYPE_CHECKING:
    from engine.views import ReplayView

TABS = {"1": "Charts", **{digit: pane.capitalize() for digit, pane in DIGITS.items()}}
"""Names of the panes by their digits."""

QUIET = pen(FAINT)
SYMBOLS, FEW = 5, 2
"""Instruments that are named, on a wide terminal and on a narrow one."""

ROOMY = 140
"""Columns from which groups stand further apart, and more instruments are named."""


class Tabs(NamedTuple):
    """What the line tells: the panes in sight and in focus by id, the instruments, and how the desk is set."""

    sight: Collection[str]
    focus: str
    symbols: tuple[str, ...]
    symbol: str
    layout: str
    sync: bool
    theme: str
    keys: tuple[Key, ...] = KEYS
    """The keys as they hold."""
    trading: bool = False
    """Whether there is trading: then its panes are named, too."""


def digit_of(pane: str) -> str:
    """Return the digit that leads to a pane, "" if none does."""
    return "1" if pane.startswith("chart") else next((digit for digit, each in DIGITS.items() if each == pane), "")


def draw(frame: Frame, tabs: Tabs) -> None:
    """Draw the line; what stands furthest right gives way first, and the names of panes only if digits must do."""
    rest = [_symbols(tabs, SYMBOLS if frame.width >= ROOMY else FEW), *_settings(tabs)]
    if tabs.trading:
        rest.insert(1, _account(tabs))
    gap = 3 if frame.width >= ROOMY else 1
    panes = _panes(tabs, named=True)
    if _width(panes) > frame.width:
        panes = _panes(tabs, named=False)
    x = _write(frame, 0, panes)
    for group in rest:
        if x + gap + _width(group) > frame.width:
            if tabs.trading and group is rest[1]:
                continue
            break
        x = _write(frame, x + gap, group)


Text = tuple[str, int]


def _width(pieces: Sequence[Text]) -> int:
    return sum(len(text) for text, _ in pieces)


def _write(frame: Frame, x: int, pieces: Sequence[Text]) -> int:
    for text, own in pieces:
        x = frame.text(x, 0, text, own)
    return x


def _panes(tabs: Tabs, *, named: bool) -> list[Text]:
    """Return the panes: the one in focus in brackets, those in sight underlined, the others faint."""
    sight = {digit_of(pane) for pane in tabs.sight}
    focus = digit_of(tabs.focus)
    found: list[Text] = []
    for digit, name in TABS.items():
        text = f"{digit} {name}" if named or digit == focus else digit
        if digit == focus:
            found += [(" [", pen(KEY)), (text, pen(KEY, attributes=BOLD)), ("]", pen(KEY))]
        else:
            found += [(" ", QUIET), (text, pen(TEXT, attributes=UNDERLINE) if digit in sight else QUIET)]
    return found


def _account(tabs: Tabs) -> list[Text]:
    """Return the panes of trading by their keys: that in focus in brackets, those in sight underlined."""
    found: list[Text] = []
    for pane in TRADING:
        key, name = pressed(tabs.keys, pane), pane.capitalize()
        if pane == tabs.focus:
            found += [("[", pen(KEY)), (f"{key} {name}", pen(KEY, attributes=BOLD)), ("]", pen(KEY))]
        else:
            own = pen(TEXT, attributes=UNDERLINE) if pane in tabs.sight else QUIET
            found += [(f"{key} {name}", own)]
        found.append((" ", QUIET))
    return found


def _symbols(tabs: Tabs, most: int = SYMBOLS) -> list[Text]:
    """Return the instruments, `most` of them: that on the desk in brackets."""
    if not tabs.symbols:
        return [("no instrument", QUIET)]
    short = names(tabs.symbols)
    at = tabs.symbols.index(tabs.symbol) if tabs.symbol in tabs.symbols else 0
    first = min(max(at - most + 1, 0), len(tabs.symbols))
    named = tabs.symbols[first : first + most]
    found: list[Text] = []
    for key in named:
        name = short.get(key, key)[:14]
        on = key == tabs.symbol
        found += [(f"[{name}]", pen(KEY, attributes=BOLD)) if on else (f" {name} ", pen(TEXT))]
    left = len(tabs.symbols) - len(named)
    if left:
        found.append((f"+{left} ", QUIET))
    return [*found, ("(", QUIET), (pressed(tabs.keys, "symbol"), pen(KEY, attributes=BOLD)), (")", QUIET)]


def _settings(tabs: Tabs) -> list[list[Text]]:
    """Return how the desk is set; each setting has the name of its key."""

    def setting(name: str, value: str) -> list[Text]:
        key = pressed(tabs.keys, name), pen(KEY, attributes=BOLD)
        return [(f"{name} ", QUIET), (value, pen(TEXT)), (" (", QUIET), key, (")", QUIET)]

    return [
        setting("layout", tabs.layout), setting("sync", "on " if tabs.sync else "off"), setting("theme", tabs.theme),
    ]  # fmt: skip


# A replay. ----------------------------------------------------------------------------------------------------------

LEAST_BAR = 8
"""Cells that the bar keeps before keys are named."""

REPLAY_KEYS = (
    (("freeze",), "pause"), (("slower", "faster"), "speed"), (("rewind", "forward"), "10 s"), (("step",), "step"),
)  # fmt: skip
"""Keys of a replay by their ids, and what they do, in the order in which they are named."""

PLAYS = "plays"
AS_TRADED = "as traded"
"""Orders and positions are those of then."""


def playing(replay: ReplayView) -> tuple[str, str, str]:
    """Return how a replay goes: a shape, a word, and how fast it plays or how far it has sought."""
    speed = "max" if replay.speed == 0 else f"{replay.speed:g}x"
    if replay.seeking is not None:
        return "\u2192", "seeks", f"{(replay.progress or 0.0) * 100:.0f}%"
    if replay.ended:
        return "\u25a0", "ended", ""
    return ("\u2016", "paused", speed) if replay.paused else ("\u25b6", PLAYS, speed)


def draw_replay(frame: Frame, replay: ReplayView, keys: tuple[Key, ...] = KEYS) -> None:
    """Draw where a replay stands between its start and its end, how fast it goes, and the keys for it."""
    start, end, position = replay.start, replay.end, replay.position
    shape, word, more = playing(replay)
    x = frame.text(1, 0, f"{shape} ", pen(TITLE, attributes=BOLD))
    x = frame.text(x, 0, f"{word} {more}".ljust(12), pen(TEXT if word == PLAYS else WARN))
    x = frame.text(x + 1, 0, stamp(position), pen(TITLE, attributes=BOLD)) + 1
    if replay.as_traded:
        x = frame.text(x, 0, AS_TRADED, pen(WARN)) + 1
    until = clock(end) if end is not None else "end not known yet"
    right: list[Text] = [(f" {until}", pen(TEXT))]
    groups = [[(f"  {pressed(keys, *ids)} ", pen(KEY, attributes=BOLD)), (hint, QUIET)] for ids, hint in REPLAY_KEYS]
    for group in groups:
        if frame.width - x - _width(right) - _width(group) > LEAST_BAR:
            right += group
    room = frame.width - 1 - x - _width(right)
    done = (position - start) / (end - start) if end is not None and end > start else None
    if room >= 4:
        x = frame.text(x, 0, bar(done, min(room, 60)), pen(FAINT if done is None else OWN))
    _write(frame, x, right)
