"""The line of the account: what may be done and why not more, what it is worth, what is open. Words come first."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tradetui.console.render.cells import NOTHING, fit, uptime
from tradetui.console.render.frame import Frame
from tradetui.console.render.pens import (
    ALARM,
    ALARM_TEXT,
    BAD,
    BAR,
    BOLD,
    FAINT,
    OLD,
    TEXT,
    TITLE,
    WARN,
    pen,
    with_back,
)
from tradetui.console.render.sums import STATES, gain, number, plain, share

if TYPE_CHECKING:
    from engine.tradingviews import TradingView

PLAIN = pen(TITLE, BAR)
QUIET = pen(FAINT, BAR)
PAST = pen(TEXT, BAR, OLD)

LEAST = 24
"""Cells that an active account's reason gets before figures do."""

WEIGHTY = 66
"""Cells that figures get before the reason of any other state."""

SENTENCE = 90
"""Cells that are enough for a reason."""


class Figure(NamedTuple):
    """A name, a text in a place of fixed width, and its pen."""

    name: str
    text: str
    width: int
    pen: int = PLAIN


def figures(view: TradingView) -> list[Figure]:
    """Return the figures of an account, the weightiest first; what is troubling comes before what is worth money."""
    day, own = gain(view.day_pnl)
    found = []
    if view.unresolved:
        found.append(Figure("", f"{view.unresolved} UNRESOLVED", 13, pen(ALARM_TEXT, ALARM, BOLD)))
    found += [
        Figure("equity ", plain(view.equity, 2), 10, PLAIN | BOLD),
        Figure("day ", day, 10, with_back(own, BAR)),
        Figure("dd ", share(view.drawdown), 7, PLAIN),
        Figure("orders ", str(view.open_orders), 3),
    ]
    if view.blind_s > 0:
        found.insert(1 if view.unresolved else 0, Figure("blind ", uptime(view.blind_s), 6, pen(WARN, BAR, BOLD)))
    open_, its = gain(view.unrealised)
    found += [
        Figure("open ", open_, 10, with_back(its, BAR)), Figure("exposure ", plain(view.exposure, 2), 10),
        Figure("realised ", plain(view.realised, 2), 10), Figure("fees ", plain(view.fees, 2), 9),
    ]  # fmt: skip
    return found


def state(view: TradingView) -> str:
    """Return the state's word."""
    return view.state.upper()


def reason(view: TradingView, *, fresh: bool = True) -> str:
    """Return why no more may be done, the weightiest sentence first; what an active account may do.

    If it is not the present that is said: without colours the state's word looks like one of now.
    """
    said = "" if view.state != "active" else "orders may add risk"
    if view.reasons:
        more = f" (and {len(view.reasons) - 1} more)" if len(view.reasons) > 1 else ""
        said = f"{view.reasons[0]}{more}"
    return said if fresh else f"as last told: {said}"


def draw(frame: Frame, view: TradingView, *, fresh: bool) -> None:
    """Draw the line: the state and its first reason from the left, figures from the right as far as they have room."""
    frame.fill(PLAIN)
    word = f" {state(view)} "
    x = frame.text(1, 0, word, with_back(STATES.get(view.state, pen(BAD)), BAR) if fresh else PAST) + 1
    said = reason(view, fresh=fresh)
    least = LEAST if view.state == "active" else min(max(LEAST, frame.width - WEIGHTY), SENTENCE)
    room = frame.width - x - 1 - min(len(said), least)
    kept = []
    for each in figures(view):
        size = len(each.name) + each.width + 1
        if size > room:
            continue
        kept.append(each)
        room -= size
    end = frame.width - 1
    for each in reversed(kept):
        end -= each.width
        own = each.pen if fresh else PAST
        frame.text(end, 0, fit(each.text, each.width), own)
        end -= len(each.name)
        frame.text(end, 0, each.name, QUIET)
        end -= 1
    own = QUIET if view.state == "active" else pen(TEXT, BAR)
    frame.text(x, 0, said, own if fresh else PAST, most=max(end - x, 0))


def money(view: TradingView, amount: str | None) -> str:
    """Return an amount in the account's currency, in words."""
    return NOTHING if number(amount) is None else f"{plain(amount, 2)} {view.currency}"
