"""Where a chart looks: its part of the desk's view, kept in times and prices, as slots, columns and a scale.

The crosshair is the desk's: with the charts tied to each other every chart shows the bar that holds its time.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

from engine.types import TIMEFRAME_SECONDS, Timeframe
from tradetui.console.render.axes import decimals, money
from tradetui.console.render.cells import stamp
from tradetui.console.render.chart import Cross, Layout, in_sight, layout
from tradetui.console.render.scale import Scale, between, follow
from tradetui.console.render.slots import Slots, slots
from tradetui.console.render.viewport import Viewport, grouped, viewport
from tradetui.console.series import Candles
from tradetui.console.studies import STUDIES
from tradetui.console.view import ChartView
from tradetui.console.view import Cross as SharedCross

if TYPE_CHECKING:
    from tradetui.console.desk import Desk
    from tradetui.console.past import Past

OLDEST = 0
"""The place of a chart that is to show the oldest bar that is stored, UTC ms."""

SPARE = 400
"""Slots before the one in sight from which on nothing older than the live bars is put together with them."""


class Sight(NamedTuple):
    """What a chart shows at a moment. `cross` is None while there is no crosshair, or no bar at its time."""

    slots: Slots
    parts: Layout
    view: Viewport
    scale: Scale
    cross: Cross | None


class Outlook:
    """Where one of the charts looks; `place` counts from 0."""

    def __init__(self, desk: Desk, place: int) -> None:
        self.desk = desk
        self.place = place
        self._series: tuple[tuple[object, ...], Candles, bool] | None = None
        self._made: tuple[tuple[object, ...], Slots] | None = None
        self._most = 0.0
        """The highest price of all bars."""
        self._scale: tuple[tuple[object, ...], Scale] | None = None
        self._settled: tuple[str, str] | None = None
        self.sought: int | None = None
        """Where the person has asked to go, until it is known what is there; UTC ms."""
        self._room = 100
        """Slots that had room when it was last looked at."""

    @property
    def chart(self) -> ChartView:
        """What is kept of it."""
        return self.desk.view.charts[self.place]

    @property
    def live(self) -> Candles:
        """The candles up to now, as far back as the engine holds them in memory."""
        return self.desk.candles(self.chart)

    @property
    def past(self) -> Past:
        """What is loaded of the time before them."""
        return self.desk.past(self.chart)

    @property
    def candles(self) -> Candles:
        """The candles of where it looks: up to now, or a stretch of the past."""
        return self._round()[0]

    @property
    def detached(self) -> bool:
        """Whether its candles are a stretch of the past that does not reach to the live ones."""
        return self._round()[1]

    def _round(self) -> tuple[Candles, bool]:
        live, past, end = self.live, self.past, self.chart.end
        group = grouped(self.chart.columns)
        key = (live, live.version, past, past.version, end, group)
        if self._series is None or self._series[0] != key:
            self._series = key, *self._chosen(live, past, end, SPARE * group)
        return self._series[1:]

    @staticmethod
    def _chosen(live: Candles, past: Past, end: int | None, spare: int) -> tuple[Candles, bool]:
        """Return the candles that hold a time, or lie next to it, and whether they end before now."""
        before = len(live) if end is None else int(live.open_ms.searchsorted(end))
        if before >= spare or not len(past.candles):
            return live, False
        joined = past.joined(live)
        if joined is not None:
            return joined, False
        first = int(live.open_ms[0]) if len(live) else 2**62
        if end is None or end >= first or min(abs(end - past.start_ms), abs(end - past.stop_ms)) > first - end:
            return (live, False) if len(live) or end is None else (past.candles, True)
        return past.candles, True

    @property
    def slot_ms(self) -> int:
        """Length of a slot, ms."""
        return _length_ms(self.chart) * grouped(self.chart.columns)

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
            made = slots(candles, _length_ms(view), group, heikin=view.heikin, past=self.detached)
            self._made, self._most = (key, made), float(made.ohlc[~made.gap, 1].max(initial=0.0))
        return self._made[1]

    def sight(self, width: int, height: int) -> Sight | None:
        """Return what is in sight on a content of this size, None while there are no bars."""
        made = self.slots()
        if not len(made):
            return None
        view = self.chart
        parts = layout(max(width, 1), max(height, 1), self._label(), volume=view.volume, study=view.study in STUDIES)
        port = viewport(parts.width, view.columns, len(made), None if view.end is None else made.near(view.end))
        self._room = port.room
        cross = self._cross(made)
        if cross is not None:
            port = port.seeing(cross.slot)
        return Sight(made, parts, port, self._scaled(made, port), cross)

    def go(self, sight: Sight, port: Viewport) -> None:
        """Look where a viewport does. Charts that are tied to this one come along, as far as they have bars."""
        made, view, desk = sight.slots, self.chart, self.desk
        live = port.live and not self.detached
        view.end = None if live else int(made.open_ms[port.last])
        until = int(made.end_ms[port.last]) - 1
        for other in desk.view.charts if desk.view.sync else ():
            if other is view:
                continue
            opens = desk.candles(other).open_ms
            span = _length_ms(other) * grouped(other.columns)
            newest = live or (len(opens) and until // span >= int(opens[-1]) // span)
            other.end = None if newest else until // _length_ms(other) * _length_ms(other)
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
        self._scale = None

    def settle(self) -> None:
        """Let go of a place and a scale that do not belong to what is shown now.

        The scale goes with another instrument or timeframe, the place where there are no bars of that time. The same
        holds for what was kept since the last attach, unless the scale still shows something.
        """
        view, made = self.chart, self.slots()
        self._within()
        shown = self.desk.symbol, view.timeframe
        if shown == self._settled or not len(made):
            return
        low, high = float(made.ohlc[~made.gap, 2].min()), float(made.ohlc[~made.gap, 1].max())
        strange = view.low is None or view.high is None or view.low > high or view.high < low
        if self._settled is not None or strange:
            view.low = view.high = None
        self._settled = shown

    def _within(self) -> None:
        """Keep the place within what there is: neither after the newest bar nor before the oldest anybody has."""
        view, live, past = self.chart, self.live, self.past
        if view.end is None:
            self._found()
            return
        if view.end == OLDEST:
            self._oldest()
        elif len(live) and view.end >= int(live.open_ms[-1]):
            view.end = None
        elif past.asked is None and past.begins_ms is not None and view.end < past.begins_ms:
            view.end = past.begins_ms
        self._found()

    def _oldest(self) -> None:
        """Go to the oldest bar that is stored, as soon as it is known which that is."""
        past, first = self.past, int(self.candles.open_ms[0]) if len(self.candles) else None
        self.desk.link.bounds(self.desk.symbol, self.chart.timeframe)
        if past.begins_ms is not None or past.stored is not None:
            begins = past.begins_ms if past.begins_ms is not None else past.stored[0] if past.stored else 0
            self.seek(begins if first is None else min(begins, first))
        elif first is not None and not past.looking:
            self.seek(first)

    def _found(self) -> None:
        """Say where what was gone to is not, once what is there has been loaded."""
        ms, past, made = self.sought, self.past, self.slots()
        if ms is None or past.asked is not None or not len(made):
            return
        end, name = self.chart.end, f"{self.desk.symbol} {self.chart.timeframe}"
        if end is not None and not self._loaded(end) and not past.trouble:
            return  # it is asked for next
        self.sought = None
        first, last = int(made.open_ms[0]), int(made.end_ms[-1])
        if first <= ms < last:
            self._centre(made, made.near(ms))
        if ms >= last and not self.detached:
            self.desk.say(f"{name}: the newest bar is of {_when(int(made.open_ms[-1]))}; it is shown")
        elif ms < first and past.begins_ms is not None:
            self.desk.say(f"{name}: no data before {_when(past.begins_ms)}; the oldest are shown")
        elif not first <= ms < last or made.gap[made.near(ms)]:
            near = f"; the nearest bars are of {_when(self._nearest(made, ms))}"
            self.desk.say(f"{name}: there are no bars of {_when(ms)}{past.trouble and f' ({past.trouble})'}{near}")

    @staticmethod
    def _nearest(made: Slots, ms: int) -> int:
        bars = made.open_ms[~made.gap]
        return int(bars[abs(bars - ms).argmin()])

    def _centre(self, made: Slots, slot: int) -> None:
        """Put a slot into the middle, whatever gaps are beside it."""
        last = slot + self._room // 2
        if self.chart.end is not None and last < len(made):
            self._stand(int(made.open_ms[last]))

    def seek(self, ms: int) -> None:
        """Go to a moment: it comes to stand in the middle, or as far right as there are bars after it.

        Charts that are tied to this one come along.
        """
        live, end = self.live, ms + self._room // 2 * self.slot_ms
        newest = len(live) > 0 and end >= int(live.open_ms[-1])
        self._stand(None if newest else max(end, 0))
        self.desk.view.cross = None

    def _stand(self, end: int | None) -> None:
        """Have the newest bar in sight be that of a moment, None: the newest of all; tied charts follow."""
        for chart in self.desk.view.charts:
            if chart is self.chart or self.desk.view.sync:
                opens, length = self.desk.candles(chart).open_ms, _length_ms(chart)
                newest = end is None or (len(opens) > 0 and end >= int(opens[-1]))
                chart.end = None if newest or end is None else end // length * length

    def load(self, sight: Sight | None) -> None:
        """Have loaded what is in sight, and a page on either side of it."""
        live, end, span = self.live, self.chart.end, self.slot_ms
        page = self._room * span
        newest = int(live.open_ms[0]) if len(live) else self.desk.now() // 1_000_000
        if sight is not None and (end is None or self._loaded(end)):
            begin = int(sight.slots.open_ms[sight.view.first]) - page
            until = int(sight.slots.end_ms[max(sight.view.stop - 1, 0)]) + page
        else:
            until = (newest if end is None else end) + page
            begin = until - 3 * page
        until = min(until, newest)
        if self.desk.symbol and begin < until:
            self.desk.link.load(self.desk.symbol, self.chart.timeframe, max(begin, 0), until)

    def _loaded(self, ms: int) -> bool:
        """Tell whether a moment is within what is loaded."""
        live, past = self.live, self.past
        return past.start_ms <= ms < past.stop_ms or (len(live) > 0 and ms >= int(live.open_ms[0]))

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


def _when(ms: int) -> str:
    return stamp(ms * 1_000_000)[:16]


def _length_ms(view: ChartView) -> int:
    return TIMEFRAME_SECONDS[Timeframe(view.timeframe)] * 1000
