"""A candle chart: what it draws, and what it says in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from engine.types import MS
from tradetui.console.keys import pressed
from tradetui.console.panes.chart_keys import ChartKeys
from tradetui.console.panes.layers import Layers
from tradetui.console.panes.sight import Sight
from tradetui.console.render import chart as drawing
from tradetui.console.render.cells import length, stamp
from tradetui.console.render.frame import Frame
from tradetui.console.render.instruments import names, pair
from tradetui.console.render.pens import FAINT, TEXT, pen
from tradetui.console.render.viewport import grouped

if TYPE_CHECKING:
    from tradetui.console.desk import Desk

TITLED = 66
"""Columns from which the title has room for the pair beside the figures of a bar."""


class ChartPane(ChartKeys):
    """One of the charts; `number` counts from 1. One key goes to the first chart, and from chart to chart."""

    def __init__(self, desk: Desk, number: int) -> None:
        super().__init__(desk, number)
        self.DIGIT = "1" if number == 1 else ""  # type: ignore[misc]
        self._layers = Layers(self.outlook)
        self._said = ""
        """The trouble with the past that was told last."""

    def version(self) -> object:
        """Return what the drawing is made of. What it will lack when one scrolls on is asked for."""
        self.outlook.settle()
        self.outlook.load(self.sight())
        desk, candles, cross = self.desk, self.outlook.candles, self.outlook.crossed
        return (
            candles, candles.version, desk.symbol, self.outlook.tick, msgspec.structs.astuple(self.chart),
            msgspec.structs.astuple(cross) if cross is not None else None,
            desk.replay is None, None if len(candles) else desk.news.version, self.outlook.live.version,
            self._layers.version(),
        )  # fmt: skip

    def title(self) -> str:
        """Return what is drawn: the instrument, the length of a bar, and all that is not as usual."""
        view = self.chart
        group = grouped(view.columns)
        flags = (
            f"\u00d7{group}" if group > 1 else "",
            "HA" if view.heikin else "",
            {"log": "log", "percent": "%"}.get(view.scale, ""),
            "fixed scale" if view.low is not None else "",
        )
        symbol = self.desk.symbol
        name = pair(symbol) if self.size.width >= TITLED else names(tuple(self.desk.symbols)).get(symbol, pair(symbol))
        return " ".join(filter(None, (name, view.timeframe, *flags)))

    def told(self) -> str:
        """Return the figures of the crosshair's bar, or of the newest one in sight."""
        sight = self.sight()
        if sight is None:
            return ""
        room = self.size.width - len(f"{self.DIGIT} {self.title()}".strip()) - 8
        slot = sight.cross.slot if sight.cross is not None else sight.view.last
        return drawing.legend(sight.slots, slot, self.outlook.places, room, named=sight.cross is not None)

    def foot(self) -> str:
        """Return how far the past is loaded, and who gave it, while one looks at it."""
        past, sight = self.outlook.past, self.sight()
        if past.asked is not None:
            return "loading older candles \u2026"
        if sight is None:
            return f"history: {past.trouble}" if past.trouble else ""
        seen = int(sight.slots.open_ms[sight.view.first])
        live = self.outlook.live
        back = not len(live) or seen < int(live.open_ms[0])
        if past.trouble and (back or not sight.view.first):
            self._tell(past.trouble)
            return f"history: {past.trouble}; it is tried again"
        if past.begins_ms is not None and not sight.view.first and seen - self.outlook.slot_ms < past.begins_ms:
            return f"no data before {stamp(past.begins_ms * MS)[:16]}"
        if past.bare_before and not sight.view.first and past.start_ms < seen:
            return f"nobody has candles before {stamp(seen * MS)[:16]}"
        return f"history: {past.served}" if back and past.served else ""

    def _tell(self, trouble: str) -> None:
        """Tell a trouble once among the events, where there is room for all of it; only to one who looks back."""
        if trouble != self._said and self.chart.end is not None:
            self._said = trouble
            self.desk.say(f"history of {self.desk.symbol} {self.chart.timeframe}: {trouble}")

    def draw(self, frame: Frame) -> None:
        """Draw the chart, or why there is none."""
        sight = self.outlook.sight(frame.width, frame.height)
        if sight is None:
            self._empty(frame)
            return
        view = self.chart
        newest = self.outlook.live if len(self.outlook.live) else self.outlook.candles
        newest_ns = int(newest.open_ms[-1]) * MS
        open_, last = float(newest.ohlc[-1, 0]), float(newest.ohlc[-1, 3])
        chart = drawing.Chart(
            slots=sight.slots,
            view=sight.view,
            scale=sight.scale,
            slot_ms=self.outlook.slot_ms,
            glyphs=view.glyphs,
            places=self.outlook.places,
            last=last,
            change=last - open_,
            base=drawing.base(sight.slots, sight.view) if view.scale == "percent" else None,
            cross=sight.cross,
            tag=self._tag(sight, frame.width),
            year=stamp(int(sight.slots.open_ms[sight.view.first]) * MS)[:4] != stamp(newest_ns)[:4],
            past=self.outlook.detached,
            overlay=self._layers.overlay(sight),
            panel=self._layers.panel(sight) if sight.parts.study else None,
        )
        drawing.draw(frame, chart, sight.parts, self.desk.look)

    def simple(self, frame: Frame) -> None:
        """Draw the closes as a line."""
        drawing.draw_closes(frame, self.outlook.candles.ohlc[:, 3], self.outlook.places)

    def _empty(self, frame: Frame) -> None:
        desk = self.desk
        lines = [f"no {self.chart.timeframe} bars of {desk.symbol or 'any instrument'} yet"]
        why = desk.condition().why
        if why:
            lines.append(why)
        health = desk.news.health
        lines += [f"{each.source}: {each.doing}" for each in (health.connections if health else ()) if each.doing]
        if desk.replay is None:
            lines.append("to see a recording instead: tradetui --replay PATH")
        first = max((frame.height - len(lines)) // 2, 0)
        for row, line in enumerate(lines):
            frame.text(1, first + row, line, pen(FAINT if row else TEXT), most=frame.width - 2)

    def _tag(self, sight: Sight, width: int) -> str:
        """Say how the newest bar in sight stands to the newest there is."""
        after = sight.view.last + 1
        back = int((~sight.slots.gap[after:]).sum()) * grouped(self.chart.columns)
        if self.outlook.detached or sight.slots.broken[after:].any():
            live = self.outlook.live.open_ms
            until = int(live[-1]) if len(live) else self.desk.now() // MS
            ago = f"{length((until - int(sight.slots.open_ms[sight.view.last])) // 1000)} back"
            newest = pressed(self.desk.keys, "live")
            return f" \u25c2 {ago} \u00b7 {newest}: newest " if width >= 56 else f" \u25c2 {ago} "
        if back:
            bars = f"{back:,} bar{'' if back == 1 else 's'} back"
            newest = pressed(self.desk.keys, "live")
            return f" \u25c2 {bars} \u00b7 {newest}: newest " if width >= 56 else f" \u25c2 {back:,} back "
        if self.desk.frozen or not self.desk.condition().live:
            return "last \u25b8"
        return "live \u25b8" if self.desk.replay is None else "replay \u25b8"
