"""The lines round the desk: status, tabs, banner, events, keys. They take no focus."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from engine.types import DAY, SECOND
from tradetui.console.keys import pressed
from tradetui.console.panes.pane import Pane
from tradetui.console.panes.system import own
from tradetui.console.render import account, banner, events, footer, status, tabs
from tradetui.console.render.pens import BOLD, WARN, pen
from tradetui.console.render.tabs import Tabs
from tradetui.console.screens.drawn import ARROWS

if TYPE_CHECKING:
    from tradetui.console.desk import Condition, Desk
    from tradetui.console.render.frame import Frame

EVENTS = 8
"""Events that are tried to be told in one line."""


class Line(Pane, can_focus=False):
    """One row over the whole width. What of it is old it says itself."""

    BORDERED = False

    NAME: ClassVar[str]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, self.NAME)

    def condition(self) -> Condition | None:
        """Return None: every part says so itself."""
        return None


class StatusLine(Line):
    """Mode, engine, prices, feeds, alerts, clock."""

    NAME = "status"

    def version(self) -> object:
        """Return what the line is made of; the clock counts seconds."""
        desk, link, shown = self.desk, self.desk.link, self.desk.news
        return (
            link.health, shown.markets[:2], len(shown.markets), link.alerts, link.replay, link.phase, link.refusal,
            link.fresh("health"), link.fresh("markets"), link.fresh("alerts"), link.stalled_s() is None,
            link.ticks("health"), link.ticks("markets"), shown.engine_now() // SECOND,
            link.wall() // SECOND, own(desk), desk.frozen, link.account.mode, self._killing(),
        )  # fmt: skip

    def _killing(self) -> bool:
        """Return whether the second key of the kill switch counts now."""
        return self.desk.link.monotonic() < self.desk.kill_until

    def draw(self, frame: Frame) -> None:
        """Draw the line."""
        if self._killing():
            status.draw_killing(frame, pressed(self.desk.keys, "kill"))
            return
        status.draw(frame, self.desk.link, self.desk.news, own(self.desk), frozen=self.desk.frozen)


class AccountLine(Line):
    """How trading stands; it is there only where there is trading."""

    NAME = "account"

    def version(self) -> object:
        """Return what is told, and whether it is the present."""
        link = self.desk.link
        return link.account.trading, link.fresh("trading")

    def draw(self, frame: Frame) -> None:
        """Draw the line: it is of now even while the screen is frozen."""
        link = self.desk.link
        if link.account.trading is not None:
            account.draw(frame, link.account.trading, fresh=link.fresh("trading"))


class ReplayLine(Line):
    """Where a replay stands; it is there only in a replay."""

    NAME = "replay"

    def version(self) -> object:
        """Return where it stands."""
        return self.desk.replay, self.desk.keys

    def draw(self, frame: Frame) -> None:
        """Draw the line."""
        if self.desk.replay is not None:
            tabs.draw_replay(frame, self.desk.replay, self.desk.keys)


class TabLine(Line):
    """The panes by their digits."""

    NAME = "tabs"

    def tabs(self) -> Tabs:
        """Return what the line tells."""
        desk, view = self.desk, self.desk.view
        panes = [each for each in self.screen.query("*") if isinstance(each, Pane) and each.BORDERED and each.display]
        focused = self.screen.focused
        focus = focused.id if isinstance(focused, Pane) and focused.id else view.pane
        sight = tuple(pane.id or "" for pane in panes)
        trading = desk.link.account.on
        return Tabs(
            sight, focus, tuple(desk.symbols), desk.symbol, view.preset, view.sync, view.theme, desk.keys, trading
        )

    def version(self) -> object:
        """Return what the line tells."""
        return self.tabs()

    def draw(self, frame: Frame) -> None:
        """Draw the line."""
        tabs.draw(frame, self.tabs())


class EventLine(Line):
    """The last events; the console's own words are those of now even while the screen is frozen."""

    NAME = "event"

    def version(self) -> object:
        """Return the last events, whether the newest has only just happened, who tells of them and on which day."""
        news = self.desk.news
        last = news.events[-1] if news.events else None
        notes = self.desk.link.notes
        note = notes[-1] if notes else None
        fresh = [each is not None and events.is_new(each, news) for each in (last, note)]
        told_by = news.attached, news.replay is None, news.engine_now() // DAY, news.wall() // DAY
        return last, len(news.events), note, len(notes), fresh, told_by, self.desk.hold

    def draw(self, frame: Frame) -> None:
        """Draw the line."""
        if self.desk.hold:
            frame.text(1, 0, self.desk.hold, pen(WARN, attributes=BOLD), most=frame.width - 2)
            return
        events.draw_line(frame, events.newest(self.desk.news, EVENTS, self.desk.link.notes), self.desk.news)


class Footer(Line):
    """The keys for the pane in focus, and those that hold everywhere."""

    NAME = "footer"

    def kinds(self) -> tuple[str, ...]:
        """Return the kinds of the pane in focus; in a replay its keys hold everywhere."""
        focused = self.screen.focused
        own = tuple(focused.KIND.split()) if isinstance(focused, Pane) else ()
        own = (*own, "replay") if self.desk.replay is not None else own
        return (*own, "trading") if self.desk.link.account.on else own

    def version(self) -> object:
        """Return the kinds."""
        return self.kinds(), self.desk.keys

    def draw(self, frame: Frame) -> None:
        """Draw the line."""
        keys = self.desk.keys
        if self.desk.look.ascii:
            keys = tuple(key._replace(shown=key.shown.translate(ARROWS)) for key in keys)
        footer.draw(frame, self.kinds(), keys)


class BannerPane(Line):
    """What has to be said above all else; it is there only while there is something to say."""

    NAME = "banner"

    @property
    def said(self) -> list[str]:
        """What is said now, line by line."""
        return banner.banner(self.desk.link, self.desk.keys)

    def lines(self, width: int) -> int:  # noqa: ARG002 - what is too long is cut
        """Return the lines that it needs."""
        return len(self.said)

    def version(self) -> object:
        """Return what is said."""
        return self.said

    def draw(self, frame: Frame) -> None:
        """Draw it."""
        banner.draw(frame, self.said)
