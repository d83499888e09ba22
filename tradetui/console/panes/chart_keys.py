"""What the keys and the mouse do to a chart's view. The mouse doubles keys, it never replaces them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from textual import events

from engine.types import TIMEFRAME_SECONDS, Timeframe
from tradetui.console.keys import pressed
from tradetui.console.panes.journey import OLDEST
from tradetui.console.panes.outlook import Outlook
from tradetui.console.panes.pane import Pane
from tradetui.console.panes.sight import Sight
from tradetui.console.render import chart as drawing
from tradetui.console.render.glyphs import GLYPHS
from tradetui.console.render.scale import shifted, stretched
from tradetui.console.render.viewport import AIR, ZOOMS, closer
from tradetui.console.spans import fitting
from tradetui.console.view import ChartView, Cross

if TYPE_CHECKING:
    from tradetui.console.desk import Desk

SCALES: tuple[Literal["linear", "log", "percent"], ...] = ("linear", "log", "percent")

STRIDES = 10
"""Strides in a page."""


class ChartKeys(Pane):
    """The acts of a chart; `number` counts from 1."""

    KIND = "chart"

    def __init__(self, desk: Desk, number: int) -> None:
        super().__init__(desk, f"chart{number}")
        self.outlook = Outlook(desk, number - 1)
        self._grip: tuple[int, int] | None = None
        """Column and newest slot at which the mouse took hold of the chart."""
        self._dragged = False

    @property
    def chart(self) -> ChartView:
        """Its part of the view."""
        return self.outlook.chart

    def sight(self) -> Sight | None:
        """Return what is in sight now, None while there are no bars."""
        return self.outlook.sight(self.size.width - 2, self.size.height - 2)

    @property
    def seen(self) -> int | None:
        """The moment in the middle of what is in sight, UTC ms; None while there are no bars."""
        sight = self.sight()
        if sight is None:
            return None
        return int(sight.slots.open_ms[max(sight.view.last - self.outlook.room // 2, 0)])

    # Time. ----------------------------------------------------------------------------------------------------------

    def action_move(self, by: int) -> None:
        """Move the crosshair, or else the view, by bars."""
        sight = self.sight()
        if sight is None:
            return
        if self.outlook.crossed is not None:
            self.outlook.point(sight, sight.cross.slot + by if sight.cross is not None else sight.view.last)
        else:
            self.outlook.go(sight, sight.view.to(sight.view.last + by))
        self.desk.changed()

    def action_stride(self, by: int) -> None:
        """Move by a tenth of what is in sight."""
        sight = self.sight()
        self.action_move(by * max(sight.view.room // STRIDES, 1) if sight is not None else by)

    def action_page(self, by: int) -> None:
        """Move by what is in sight."""
        sight = self.sight()
        self.action_move(by * sight.view.room if sight is not None else by)

    def action_oldest(self) -> None:
        """Go to the oldest bar that is stored; what of it is not loaded is asked for."""
        if self.outlook.crossed is not None:
            self.action_move(-(2**40))
        elif len(self.outlook.candles):
            self.chart.end, self.outlook.sought = OLDEST, None
            self.desk.changed()

    def action_live(self) -> None:
        """Go back to the newest bar, and follow it."""
        self.chart.end = None
        sight = self.sight()
        if sight is None:
            return
        newest = len(sight.slots) - 1
        self.outlook.go(sight._replace(cross=None), sight.view.to(newest))
        if self.outlook.crossed is not None:
            self.outlook.point(sight._replace(view=sight.view.to(newest)), newest)
        self.desk.changed()

    def action_closer(self, by: int) -> None:
        """Show fewer bars, wider; what the crosshair stands on, or else the right edge, keeps its place."""
        sight = self.sight()
        self._zoom(by, sight.cross.slot if sight is not None and sight.cross is not None else None)

    def _zoom(self, by: int, slot: int | None) -> None:
        before = self.sight()
        self.chart.columns = closer(self.chart.columns, by)
        after = self.sight()
        if before is not None and after is not None and slot is not None:
            now = after.slots.near(int(before.slots.open_ms[slot]))
            self.outlook.go(after, after.view.keeping(now, before.view.middle(slot)))
        self.desk.changed()

    # Prices. --------------------------------------------------------------------------------------------------------

    def action_stretch(self, by: int) -> None:
        """Show fewer prices, taller, and hold the scale."""
        sight = self.sight()
        if sight is not None:
            scale = stretched(sight.scale, by, sight.cross.price if sight.cross is not None else None)
            self.chart.low, self.chart.high = scale.low, scale.high
            self.desk.changed()

    def action_price(self, by: int) -> None:
        """Move the crosshair's price by a row; without a crosshair a scale that is held."""
        sight, cross = self.sight(), self.outlook.crossed
        if sight is None:
            return
        if cross is not None and sight.cross is not None:
            row = drawing.row_of(sight.scale, sight.cross.price, sight.parts.rows) + by
            cross.price = self._price(sight, row)
        elif self.chart.low is not None:
            scale = shifted(sight.scale, by, sight.parts.rows)
            self.chart.low, self.chart.high = scale.low, scale.high
        else:
            up, down, show = (pressed(self.desk.keys, name) for name in ("up", "down", "crosshair"))
            self.desk.say(f"{up} and {down} move the crosshair; {show} shows it")
        self.desk.changed()

    def _price(self, sight: Sight, row: int) -> float:
        """Return the price in the middle of a row above the lower edge, in the instrument's steps."""
        row = min(max(row, 0), sight.parts.rows - 1)
        return round(sight.scale.price(row + 0.5, sight.parts.rows), self.outlook.places)

    def action_autoscale(self) -> None:
        """Let the scale follow the candles again."""
        self.outlook.refit()
        self.desk.changed()

    def action_scale(self) -> None:
        """Go on to the next kind of scale."""
        self.chart.scale = SCALES[(SCALES.index(self.chart.scale) + 1) % len(SCALES)]
        self.desk.changed()

    # Dates, ranges, layers. -----------------------------------------------------------------------------------------

    def go_to(self, ms: int) -> None:
        """Go to a moment (UTC ms); where there are no bars of then, the nearest are shown, and it is told."""
        self.outlook.seek(ms)
        self.outlook.sought = ms
        self.desk.changed()

    def show(self, seconds: int) -> None:
        """Show a stretch of time up to what is seen: by the zoom, or by another timeframe where it has to be."""
        sight = self.sight()
        room = (sight.parts.width if sight is not None else self.size.width) - AIR
        frames = {str(each): TIMEFRAME_SECONDS[each] for each in Timeframe}
        name, columns = fitting(seconds, room, frames, ZOOMS, self.chart.timeframe)
        self.desk.timeframe(name)
        self.chart.columns = columns
        self.desk.changed()

    def action_date(self) -> None:
        """Ask for a date to go to."""
        self.desk.ask("goto ")

    def action_range(self) -> None:
        """Ask for a stretch of time to show."""
        self.desk.ask("range ")

    def action_indicators(self) -> None:
        """Choose lines over the candles and the indicator under them."""
        self.desk.choose("indicators")

    def action_overlays(self) -> None:
        """Choose what else is laid over the candles."""
        self.desk.choose("overlays")

    # The rest. ------------------------------------------------------------------------------------------------------

    def action_reset(self) -> None:
        """Look at the newest bars as at the start: zoom, scale and place."""
        self.chart.columns, self.chart.scale = 1.0, "linear"
        self.outlook.refit()
        self.action_live()

    def action_crosshair(self) -> None:
        """Show the crosshair on the newest bar in sight, or put it away."""
        sight = self.sight()
        if self.outlook.crossed is not None:
            self.desk.view.cross = None
        elif sight is not None:
            self.outlook.point(sight, sight.view.last)
        self.desk.changed()

    def action_volume(self) -> None:
        """Show the volume, or leave its room to the candles."""
        self.chart.volume = not self.chart.volume
        self.desk.changed()

    def action_heikin(self) -> None:
        """Show Heikin-Ashi candles, or the real ones."""
        self.chart.heikin = not self.chart.heikin
        self.desk.changed()

    def action_glyphs(self) -> None:
        """Go on to the next glyph set."""
        self.chart.glyphs = GLYPHS[(GLYPHS.index(self.chart.glyphs) + 1) % len(GLYPHS)]
        self.desk.changed()

    # The mouse. -----------------------------------------------------------------------------------------------------

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Zoom in on what is under the pointer."""
        self._scroll(event, 1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Zoom out from what is under the pointer."""
        self._scroll(event, -1)

    def _scroll(self, event: events.MouseEvent, by: int) -> None:
        sight = self.sight()
        if sight is not None:
            event.stop()
            self._zoom(by, sight.view.slot(event.x - 1))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Take hold of the chart."""
        sight = self.sight()
        self._dragged = False
        if sight is not None and event.button == 1 and event.x - 1 < sight.parts.width:
            self._grip = event.x, sight.view.last
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Pull the chart along."""
        sight = self.sight()
        if self._grip is None or sight is None:
            return
        x, last = self._grip
        moved = (event.x - x) // sight.view.each
        port = sight.view.to(last - moved)
        if moved and port.last != sight.view.last:
            self._dragged = True
            self.outlook.go(sight, port)
            self.desk.changed()

    def on_mouse_up(self) -> None:
        """Let go of the chart."""
        if self._grip is not None:
            self._grip = None
            self.release_mouse()

    def on_click(self, event: events.Click) -> None:
        """Put the crosshair where the pointer is; twice on the price axis: let the scale follow the candles again."""
        self.focus()
        sight = self.sight()
        if sight is None or self._dragged:
            return
        x, y = event.x - 1, event.y - 1
        if x >= sight.parts.width:
            if event.chain == 2:
                self.action_autoscale()
        elif x >= 0 and 0 <= y < sight.parts.rows:
            self.desk.view.cross = None
            self.outlook.point(sight, sight.view.slot(x))
            found, row = self.sight(), sight.parts.rows - 1 - y
            cross = self.desk.view.cross
            if found is not None and found.cross is not None and isinstance(cross, Cross):
                held = drawing.row_of(found.scale, found.cross.price, found.parts.rows)
                cross.price = None if row == held else self._price(found, row)
            self.desk.changed()
