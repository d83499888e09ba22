"""Where a chart looks: its part of the desk's view, kept in times and prices, as slots, columns and a scale.

The crosshair is the desk's: with the charts tied to each other every chart shows the bar that holds its time.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from msgspec.structs import astuple

from tradetui.console.panes.journey import Journey
from tradetui.console.panes.reach import length_ms
from tradetui.console.panes.sight import Sight
from tradetui.console.render.axes import decimals, money
from tradetui.console.render.chart import Cross, in_sight, layout
from tradetui.console.render.scale import Scale, between, follow
from tradetui.console.render.slots import Slots, slots
from tradetui.console.render.viewport import Viewport, grouped, viewport
from tradetui.console.studies import STUDIES
from tradetui.console.view import Cross as SharedCross

if TYPE_CHECKING:
    from tradetui.console.desk import Desk


class Outlook(Journey):
    """Where one of the charts looks; `place` counts from 0."""

    def __init__(self, desk: Desk, place: int) -> None:
        super().__init__(desk, place)
        self._made: tuple[tuple[object, ...], Slots] | None = None
        self._most = 0.0
        """The highest price of all bars."""
        self._looked: tuple[tuple[object, ...], Sight] | None = None
        self._scale: tuple[tuple[object, ...], Scale] | None = None
        self._settled: tuple[str, str] | None = None

    @property
    def tick(self) -> float:
        """The instrument's price step, 0 while it is not known."""
        market = self.desk.market()
        return market.tick if market is not None else 0.0

    @property
    def places(self) -> int:
        """Decimals of prices."""
        candles = self.candles
        return decimals(self.tick, float(candles.ohlc[-1, 3]) if len(candles) else 0.0)

    @property
    def crossed(self) -> SharedCross | None:
        """The crosshair, if it is shown here."""
        cross, view = self.desk.view.cross, self.desk.view
        return cross if cross is not None and (view.sync or cross.chart == self.place) else None

    def slots(self) -> Slots:
        """Return all slots."""
        candles, view = self.candles, self.chart
        group = grouped(view.columns)
        key = (candles, candles.version, view.timeframe, group, view.heikin)
        if self._made is None or self._made[0] != key:
            made = slots(candles, length_ms(view), group, heikin=view.heikin, past=self.detached)
            self._made, self._most = (key, made), float(made.ohlc[~made.gap, 1].max(initial=0.0))
        return self._made[1]

    def sight(self, width: int, height: int) -> Sight | None:
        """Return what is in sight on a content of this size, None while there are no bars."""
        made, crossed = self.slots(), self.crossed
        if not len(made):
            return None
        key = made, width, height, astuple(self.chart), crossed and astuple(crossed), self.tick, self.detached
        if self._looked is None or self._looked[0] != key:
            self._looked = key, self._sighted(made, width, height)
        return self._looked[1]

    def _sighted(self, made: Slots, width: int, height: int) -> Sight:
        view = self.chart
        parts = layout(max(width, 1), max(height, 1), self._label(), volume=view.volume, study=view.study in STUDIES)
        port = viewport(parts.width, view.columns, len(made), None if view.end is None else made.near(view.end))
        self.room = port.room
        cross = self._cross(made)
        if cross is not None:
            port = port.seeing(cross.slot)
        return Sight(made, parts, port, self._scaled(made, port), cross)

    def go(self, sight: Sight, port: Viewport) -> None:
        """Look where a viewport does. Charts that are tied to this one come along, as far as they have bars."""
        made, view, desk = sight.slots, self.chart, self.desk
        self.sought = None
        live = port.live and not self.detached
        view.end = None if live else int(made.open_ms[port.last])
        until = int(made.end_ms[port.last]) - 1
        for other in desk.view.charts if desk.view.sync else ():
            if other is view:
                continue
            opens = desk.candles(other).open_ms
            span = length_ms(other) * grouped(other.columns)
            newest = live or (len(opens) and until // span >= int(opens[-1]) // span)
            other.end = None if newest else until // length_ms(other) * length_ms(other)
        cross = self.crossed
        if cross is not None and sight.cross is not None:
            slot = min(max(sight.cross.slot, port.first), port.last)
            if slot != sight.cross.slot:
                cross.ms = int(made.open_ms[slot])

    def point(self, sight: Sight, slot: int) -> None:
        """Put the crosshair on a slot; a price that it has of its own it keeps."""
        slot = min(max(slot, 0), len(sight.slots) - 1)
        before = self.crossed
        price = before.price if before is not None else None
        self.desk.view.cross = SharedCross(ms=int(sight.slots.open_ms[slot]), price=price, chart=self.place)
        port = sight.view.seeing(slot)
        if port.last != sight.view.last:
            self.go(sight._replace(cross=None), port)

    def refit(self) -> None:
        """Let the scale follow the candles again, from now on."""
        self.chart.low = self.chart.high = None
        self._scale = self._looked = None

    def settle(self) -> None:
        """Let go of a place and a scale that do not belong to what is shown now.

        The scale goes with another instrument or timeframe, the place where there are no bars of that time. The same
        holds for what was kept since the last attach, unless the scale still shows something.
        """
        view, made = self.chart, self.slots()
        self.within()
        shown = self.desk.symbol, view.timeframe
        if shown == self._settled or not len(made):
            return
        low, high = float(made.ohlc[~made.gap, 2].min()), float(made.ohlc[~made.gap, 1].max())
        strange = view.low is None or view.high is None or view.low > high or view.high < low
        if self._settled is not None or strange:
            view.low = view.high = None
        self._settled = shown

    def _cross(self, made: Slots) -> Cross | None:
        cross = self.crossed
        slot = made.at(cross.ms) if cross is not None else None
        if cross is None or slot is None:
            return None
        if cross.price is not None:
            return Cross(slot, cross.price)
        while slot and not isfinite(made.ohlc[slot, 3]):
            slot -= 1
        close = float(made.ohlc[slot, 3])
        return Cross(self._slot_of(cross.ms, made), close)

    @staticmethod
    def _slot_of(ms: int, made: Slots) -> int:
        return made.at(ms) or 0

    def _scaled(self, made: Slots, port: Viewport) -> Scale:
        """Return the scale that is held, or the one before as long as the candles in sight fit."""
        view = self.chart
        log_ = view.scale == "log"
        if view.low is not None and view.high is not None and view.low < view.high:
            return between(view.low, view.high, log_=log_)
        key = (self.desk.symbol, view.timeframe, view.heikin)
        before = self._scale[1] if self._scale is not None and self._scale[0] == key else None
        scale = follow(before, *in_sight(made, port), self.tick, log_=log_)
        self._scale = key, scale
        return scale

    def _label(self) -> int:
        """Return the width of a price. It depends on all bars, not on those in sight: the axis does not move."""
        most = max(self._most, self.chart.high or 0.0)
        return max(len(money(most, self.places)), 8 if self.chart.scale == "percent" else 0)
