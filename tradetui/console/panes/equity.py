"""What the account was worth over time, and how far it has fallen: two curves, drawn once a second at most."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tradetui.console.keys import pressed
from tradetui.console.panes.dealt import silent
from tradetui.console.panes.pane import Pane
from tradetui.console.render.pens import FAINT, TEXT, pen
from tradetui.console.render.sums import plain, share

if TYPE_CHECKING:
    from engine.tradingviews import EquityView
    from tradetui.console.desk import Condition, Desk
    from tradetui.console.render.frame import Frame

PAUSE_S = 1.0
"""Least seconds between two drawings."""

POINTS = 2
"""Points that make a curve."""


class EquityPane(Pane):
    """Equity and drawdown."""

    KEY: ClassVar[str] = "equity"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, "equity")
        self._drawn: tuple[EquityView | None, float] = (None, -PAUSE_S)
        self._deepest: tuple[object, float] = (None, 0.0)

    def condition(self) -> Condition | None:
        """Return None: the curve is of the past in any case, and the title says how old it is."""
        return None

    def title(self) -> str:
        """Return the name with its key, and whose money it is."""
        word = self.desk.news.account.word
        return f"{pressed(self.desk.keys, self.KEY)} Equity{f' {word}' if word else ''}"

    def told(self) -> str:
        """Return the last figures."""
        account = self.desk.news.account
        view, trading = account.equity, account.trading
        if view is None or not view.points:
            return ""
        if not self.desk.news.fresh("equity"):
            return "old"
        last = view.points[-1]
        currency = f" {trading.currency}" if trading is not None else ""
        if self._deepest[0] is not view:
            self._deepest = view, max(point[2] for point in view.points)
        deepest = self._deepest[1]
        return f"{plain(str(last[1]), 2)}{currency}, down {share(last[2])} (most {share(deepest)})"

    def version(self) -> object:
        """Return the points; new ones wait until a second has passed since those before."""
        view, now = self.desk.news.account.equity, self.desk.link.monotonic()
        if view != self._drawn[0] and now - self._drawn[1] >= PAUSE_S:
            self._drawn = view, now
        return self._drawn[0], silent(self.desk)

    def draw(self, frame: Frame) -> None:
        """Draw the curves, or why there are none."""
        view = self._drawn[0] or self.desk.news.account.equity
        if view is not None and len(view.points) >= POINTS:
            from tradetui.console.render import curves

            curves.draw(frame, view.points, self.desk.look)
            return
        why = silent(self.desk) or "no curve yet: a point is kept a minute"
        frame.text(1, frame.height // 2, why, pen(FAINT), most=frame.width - 2)

    def simple(self, frame: Frame) -> None:
        """Tell the last figures."""
        frame.text(0, 1, self.told(), pen(TEXT), most=frame.width)
