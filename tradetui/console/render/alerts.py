"""The alerts: what is wrong now comes first, and of that what nobody has seen yet, and of that the worst."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from tradetui.console.render.cells import NOTHING, clock, count, stamp
from tradetui.console.render.frame import Frame
from tradetui.console.render.pens import BAD, BOLD, FAINT, GOOD, TEXT, TITLE, WARN, pen
from tradetui.console.render.table import HEAD, PAST, PLAIN, QUIET, Cell, Column, Row

if TYPE_CHECKING:
    from engine.alerts import Alert
    from tradetui.console.view import AlertsView

Severity = Literal["info", "warning", "error", "critical"]

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "error", "critical")
"""From the least to the worst."""

WORSE: dict[Severity, Severity] = dict(zip(SEVERITIES, (*SEVERITIES[1:], SEVERITIES[0]), strict=True))
"""The next severity of each; after the worst the least."""

SHAPES = {
    "info": ("\u00b7", pen(FAINT)), "warning": ("!", pen(WARN)), "error": ("\u00d7", pen(BAD)),
    "critical": ("\u25a0", pen(BAD, attributes=BOLD)),
}  # fmt: skip
"""What stands for a severity, and its pen."""

COLUMNS = (
    Column("", 1), Column("severity", 8, rank=3), Column("alert", 13, 18), Column("component", 9, 24, end=True),
    Column("since", 10, rank=2), Column("now", 6), Column("seen", 4, rank=1), Column("healed", 10, rank=6),
    Column("times", 5, right=True, rank=5), Column("what is done", 20, 200, rank=4),
)  # fmt: skip

DETAIL = 4
"""Lines that tell of the selected alert."""


def rank(severity: str) -> int:
    """Return how bad; a word that is not known counts as a warning."""
    return next((place for place, known in enumerate(SEVERITIES) if known == severity), 1)


def sign_of(severity: str) -> tuple[str, int]:
    """Return what stands for a severity, and its pen; a word that is not known counts as a warning."""
    return SHAPES.get(severity, ("?", pen(WARN)))


def listed(alerts: Iterable[Alert], view: AlertsView) -> list[Alert]:
    """Return the alerts that the person wants to see, in order."""
    least = rank(view.severity)
    wanted = [alert for alert in alerts if rank(alert.severity) >= least and (alert.active or not view.active)]
    return sorted(wanted, key=lambda each: (not each.active, each.acknowledged, -rank(each.severity), -each.since))


def state_of(alert: Alert) -> str:
    """Return whether it is there now, has healed, or happened once and is past."""
    return "active" if alert.active else f"healed {stamp(alert.healed)}" if alert.healed else "past"


def row(alert: Alert, now: int, fresh: bool) -> Row:
    """Return the row of an alert; one that has healed or is past is told more quietly."""
    shape, severity_pen = sign_of(alert.severity)
    base = PAST if not fresh else PLAIN if alert.active else QUIET
    own = severity_pen if fresh and alert.active else base
    state: Cell = ("healed", pen(GOOD) if fresh else base) if alert.healed else (state_of(alert), own)
    cells: tuple[Cell, ...] = (
        (shape, own), (alert.severity, own), alert.code, alert.component, clock(alert.since, now), state,
        "seen" if alert.acknowledged else "", clock(alert.healed, now) if alert.healed else "", count(alert.count, 5),
        alert.doing if alert.active else "",
    )  # fmt: skip
    return Row(alert.id, cells, base)


def told(alerts: Iterable[Alert], *, short: bool) -> str:
    """Return how many alerts are active, by severity, the worst first, and the severities in words if not `short`."""
    counts = Counter(alert.severity for alert in alerts if alert.active)
    found = sorted(counts.items(), key=lambda each: -rank(each[0]))
    shapes = {severity: sign_of(severity)[0] for severity in counts}
    if short:
        return " ".join(f"{shapes[severity]}{number}" for severity, number in found)
    return "  ".join(f"{shapes[severity]} {number} {severity}" for severity, number in found)


def detail(alert: Alert) -> list[tuple[str, str]]:
    """Return everything of an alert as pairs of name and text."""
    times = f", {alert.count} times since {stamp(alert.first_seen)}" if alert.count > 1 else ""
    seen = ", seen by a person" if alert.acknowledged else ""
    return [
        ("what", alert.text or NOTHING),
        ("engine", alert.doing or (state_of(alert) if alert.healed else NOTHING)),
        ("you", alert.suggestion or NOTHING),
        ("alert", f"{alert.severity}, {state_of(alert)}, since {stamp(alert.since)}{times}{seen}"),
    ]


def draw_detail(frame: Frame, alert: Alert, fresh: bool) -> None:
    """Draw what is known of the selected alert: a title, what, what the engine does, what the person can do."""
    line = Frame(frame.glyphs[:1], frame.pens[:1])
    line.fill(HEAD)
    end = frame.text(1, 0, f"{alert.code} {alert.component}", HEAD, most=max(frame.width - 2, 0))
    since = f"since {stamp(alert.since)}" + (f", {alert.count} times" if alert.count > 1 else "")
    if end + len(since) + 3 < frame.width:
        frame.right(frame.width - 1, 0, since, HEAD)
    for y, (name, text) in enumerate(detail(alert)[: frame.height - 1], 1):
        frame.text(1, y, name, pen(TITLE) if fresh else PAST, most=max(frame.width - 2, 0))
        frame.text(8, y, text, pen(TEXT) if fresh else PAST, most=max(frame.width - 9, 0))
