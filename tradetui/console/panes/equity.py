"""What the account was worth over time, and how far it has fallen: two curves, drawn once a second at most."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from engine.types import SECOND
from tradetui.console.keys import pressed
from tradetui.console.panes.dealt import silent
from tradetui.console.panes.pane import Pane
from tradetui.console.render.pens import FAINT, TEXT, pen
from tradetui.console.render.sums import number, share

if TYPE_CHECKING:
    from tradetui.console.desk import Condition, Desk
    from tradetui.console.render.frame import Frame

PAUSE_S = 5.0
"""Least seconds between two drawings: a point is kept a minute, and the last one is of now."""

Points = tuple[tuple[int, float, float], ...]
"""UTC s, equity, drawdown as a share; oldest first."""

POINTS = 2
"""Points that make a curve."""


class EquityPane(Pane):
    """Equity and drawdown."""

    KEY: ClassVar[str] = "equity"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, "equity")
        self._points: Points = ()
        self._deepest = 0.0
        self._drawn_at = -PAUSE_S

    def condition(self) -> Condition | None:
        """Return None: the curve is of the past in any case, and the title says how old it is."""
        return None

    def title(self) -> str:
        """Return the name with its key, and whose money it is."""
        word = self.desk.news.account.word
        return f"{pressed(self.desk.keys, self.KEY)} Equity{f' {word}' if word else ''}"

    def told(self) -> str:
        """Return how far it has fallen; what it is worth stands in the line of the account."""
        if not self._points:
            return ""
        if not self.desk.news.fresh("equity"):
            return "old"
        return f"down {share(self._points[-1][2])}, at most {share(self._deepest)}"

    def version(self) -> object:
        """Return the points; new ones wait until some seconds have passed since those before."""
        now = self.desk.link.monotonic()
        if now - self._drawn_at >= PAUSE_S or not self._points:
            points = self._curve()
            if points != self._points:
                self._points, self._drawn_at = points, now
                self._deepest = max((point[2] for point in points), default=0.0)
        return self._drawn_at, silent(self.desk)

    def _curve(self) -> Points:
        """Return the points that are kept, and what the account is worth now."""
        account = self.desk.news.account
        points = account.equity.points if account.equity is not None else ()
        trading, now = account.trading, self.desk.now() // SECOND
        worth = number(trading.equity) if trading is not None and self.desk.news.fresh("trading") else None
        if not points or trading is None or worth is None or trading.drawdown is None or now <= points[-1][0]:
            return points
        return (*points, (now, worth, trading.drawdown))

    def draw(self, frame: Frame) -> None:
        """Draw the curves, or why there are none."""
        if len(self._points) >= POINTS:
            from tradetui.console.render import curves

            curves.draw(frame, self._points, self.desk.look)
            return
        why = silent(self.desk) or "no curve yet: a point is kept a minute"
        frame.text(1, frame.height // 2, why, pen(FAINT), most=frame.width - 2)

    def simple(self, frame: Frame) -> None:
        """Tell the last figures."""
        frame.text(0, 1, self.told(), pen(TEXT), most=frame.width)
