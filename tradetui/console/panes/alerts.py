"""What is wrong, since when, what the engine does about it and what a person can do; and that it was seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.message import Message

from tradetui.console.keys import pressed
from tradetui.console.panes.table import TablePane, Told
from tradetui.console.render import alerts
from tradetui.console.render.frame import Frame
from tradetui.console.render.table import Columns, Row

if TYPE_CHECKING:
    from engine.alerts import Alert

SHORT = 64
"""Columns below which the title counts alerts by shapes alone."""

TALL = 5
"""Rows of the list without which nothing is told below it."""


class Acknowledge(Message):
    """A person has seen an alert; the app asks the engine to mark it."""

    def __init__(self, alert: Alert) -> None:
        super().__init__()
        self.alert = alert


class AlertsPane(TablePane):
    """The one list of alerts."""

    KIND = "table alerts"
    DIGIT = "7"
    NAME = "Alerts"

    def source(self) -> object:
        """Return the alerts, whether they are the present and why not, which are listed; times are told by the day."""
        news, view = self.desk.news, self.desk.view.alerts
        return news.alerts, news.fresh("alerts"), news.attached, view.severity, view.active, self.day()

    def title(self) -> str:
        """Return the name, and what of the alerts is listed."""
        view = self.desk.view.alerts
        least = "" if view.severity == "info" else f" from {view.severity}"
        return f"{super().title()}{least}{' active' if view.active else ''}"

    def told(self) -> str:
        """Return how many are active, by severity."""
        news = self.desk.news
        if not news.fresh("alerts"):
            return "no news"
        return alerts.told(news.alerts, short=self.size.width < SHORT) or "nothing is wrong"

    def items(self) -> Sequence[Alert]:
        """Return the alerts, those first that need somebody."""
        return alerts.listed(self.desk.news.alerts, self.desk.view.alerts)

    def key(self, item: Alert) -> int:
        """Return the number of an alert."""
        return item.id

    def columns(self, width: int) -> Columns:  # noqa: ARG002
        """Return the columns."""
        return alerts.COLUMNS

    def row(self, item: Alert, width: int) -> Row:  # noqa: ARG002
        """Return the row of an alert."""
        news = self.desk.news
        return alerts.row(item, news.engine_now(), news.fresh("alerts"))

    def empty(self) -> str:
        """Return that nothing is wrong, if that is known."""
        news, view = self.desk.news, self.desk.view.alerts
        if not news.fresh("alerts"):
            return "not known: no engine is attached" if not news.attached else "not known yet: the engine was asked"
        if news.alerts:
            active = " that is active" if view.active else ""
            severity, state = pressed(self.desk.keys, "severity"), pressed(self.desk.keys, "active")
            return f"no alert from {view.severity} up{active} ({severity}: severity, {state}: active or all)"
        return "no alert: nothing was wrong so far"

    def below(self, height: int) -> int:
        """Return the lines for the chosen alert, where the list has enough of its own."""
        return alerts.DETAIL if height >= alerts.DETAIL + TALL + 1 else 0

    def draw_below(self, frame: Frame, item: Alert) -> None:
        """Draw what is known of the chosen alert."""
        alerts.draw_detail(frame, item, self.desk.news.fresh("alerts"))

    # Keys. ----------------------------------------------------------------------------------------------------------

    def action_detail(self) -> None:
        """Tell everything of the alert."""
        item = self.item
        if item is not None:
            self.post_message(Told(f"{item.code} {item.component}", alerts.detail(item)))

    def action_severity(self) -> None:
        """List the next severity and what is worse; after the worst all of them."""
        view = self.desk.view.alerts
        view.severity = alerts.WORSE[view.severity]
        self.desk.changed()

    def action_active(self) -> None:
        """List only what is wrong now, or all."""
        view = self.desk.view.alerts
        view.active = not view.active
        self.desk.changed()

    def action_acknowledge(self) -> None:
        """Mark the chosen alert as seen."""
        item = self.item
        if item is None:
            self.desk.say("there is no alert to acknowledge")
        elif item.acknowledged:
            self.desk.say(f"{item.code} {item.component} is acknowledged already")
        else:
            self.post_message(Acknowledge(item))
            return
        self.desk.changed()
