"""Which candles a chart shows, and what has to be loaded so that one can scroll on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.types import MS, TIMEFRAME_SECONDS, Timeframe
from tradetui.console.render.viewport import grouped
from tradetui.console.series import Candles
from tradetui.console.view import ChartView

if TYPE_CHECKING:
    from tradetui.console.desk import Desk
    from tradetui.console.panes.sight import Sight
    from tradetui.console.past import Past

SPARE = 400
"""Slots before the one in sight from which on nothing older than the live bars is put together with them."""

WARM_UP = 1500
"""Bars before those in sight from which indicators are counted: with more of them the values are the same."""


class Reach:
    """The candles round where one of the charts looks; `place` counts from 0."""

    def __init__(self, desk: Desk, place: int) -> None:
        self.desk = desk
        self.place = place
        self.room = 100
        """Slots that had room when it was last looked at."""
        self._series: tuple[tuple[object, ...], Candles, bool] | None = None

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
        return length_ms(self.chart) * grouped(self.chart.columns)

    def load(self, sight: Sight | None) -> None:
        """Have loaded what is in sight, and a page on either side of it."""
        live, end, span = self.live, self.chart.end, self.slot_ms
        page = self.room * span
        newest = int(live.open_ms[0]) if len(live) else self.desk.now() // MS
        if sight is not None and (end is None or self.loaded(end)):
            begin = int(sight.slots.open_ms[sight.view.first]) - page
            until = int(sight.slots.end_ms[max(sight.view.stop - 1, 0)]) + page
            if end is not None and len(live) and end < newest and not len(self.past.candles):
                # There is nothing of then, and what is in sight is of now: only what lies beyond is asked for.
                begin, until = self.past.start_ms, self.past.stop_ms
            if self.past.bare_before or self.past.bare_after:
                begin, until = self._beyond(sight, begin, until, page)
        else:
            until = (newest if end is None else end) + page
            begin = until - 3 * page
        until = min(until, newest)
        if self.chart.lines or self.chart.study:
            begin -= WARM_UP * length_ms(self.chart)
        if self.desk.symbol and begin < until:
            self.desk.link.load(self.desk.symbol, self.chart.timeframe, max(begin, 0), until)

    def _beyond(self, sight: Sight, begin: int, until: int, page: int) -> tuple[int, int]:
        """Return what is wanted where the view stands at the edge of a hole: what is stored behind it."""
        past, made = self.past, sight.slots
        before = past.bare_before and not sight.view.first and past.start_ms < int(made.open_ms[0])
        after = past.bare_after and self.detached and sight.view.live
        if before or after:
            self.desk.link.bounds(self.desk.symbol, self.chart.timeframe)
        if past.stored is not None:
            if before and past.stored[0] < past.start_ms:
                begin = past.start_ms - page
            if after and past.stop_ms < past.stored[1]:
                until = past.stop_ms + page
        return begin, until

    def loaded(self, ms: int) -> bool:
        """Tell whether a moment is within what is loaded."""
        live, past = self.live, self.past
        return past.start_ms <= ms < past.stop_ms or (len(live) > 0 and ms >= int(live.open_ms[0]))


def length_ms(view: ChartView) -> int:
    """Return the length of a chart's bars."""
    return TIMEFRAME_SECONDS[Timeframe(view.timeframe)] * 1000
