"""Going to a moment: where a chart is put, and what is said when there are no bars of then."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from engine.types import MS
from tradetui.console.panes.reach import Reach, length_ms
from tradetui.console.render.cells import stamp

if TYPE_CHECKING:
    from tradetui.console.desk import Desk
    from tradetui.console.render.slots import Slots

OLDEST = 0
"""The place of a chart that is to show the oldest bar that is stored, UTC ms."""


class Journey(Reach):
    """A chart that can be put somewhere."""

    def __init__(self, desk: Desk, place: int) -> None:
        super().__init__(desk, place)
        self.sought: int | None = None
        """Where the person has asked to go, until it is known what is there; UTC ms."""

    @abstractmethod
    def slots(self) -> Slots:
        """Return all slots."""

    def within(self) -> None:
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
        if end is not None and not self.loaded(end) and not past.trouble:
            return  # it is asked for next
        if not past.trouble and not past.bare_before and (past.begins_ms or 0) <= ms < past.start_ms:
            return  # so is what leads there, where a page is more than one may ask for
        if not past.trouble and any(self._beside_hole(each) for each in (ms, end if end is not None else ms)):
            return  # what lies on the other side of the hole is asked for next
        self.sought = None
        first, last = int(made.open_ms[0]), int(made.end_ms[-1])
        if first <= ms < last:
            self._centre(made, made.near(ms))
        if ms >= last and not self.detached:
            self.desk.say(f"{name}: the newest bar is of {_when(int(made.open_ms[-1]))}; it is shown")
        elif past.begins_ms is not None and ms < past.begins_ms:
            self.desk.say(f"{name}: no data before {_when(past.begins_ms)}; the oldest are shown")
        elif not first <= ms < last or made.gap[made.near(ms)]:
            near = f"; the nearest bars are of {_when(self._nearest(made, ms))}"
            self.desk.say(f"{name}: there are no bars of {_when(ms)}{past.trouble and f' ({past.trouble})'}{near}")
        if end is not None and not past.trouble and not first <= ms < last:
            # Where there are none the chart does not stay: it would be asked for again and again.
            self._stand(int(made.open_ms[min(max(made.near(ms), self.room - 1), len(made) - 1)]))

    def _beside_hole(self, ms: int) -> bool:
        """Tell whether a moment lies in a hole of which one side, at which bars are stored, is not loaded."""
        past, opens, live = self.past, self.past.candles.open_ms, self.live
        if past.stored is None or not past.start_ms <= ms < past.stop_ms:
            return False
        first, last = past.stored
        if past.bare_before and (not len(opens) or ms < opens[0]) and first < past.start_ms:
            return True
        after = past.stop_ms <= last and not (len(live) and past.stop_ms >= live.open_ms[0])
        return past.bare_after and len(opens) > 0 and ms > opens[-1] and after

    @staticmethod
    def _nearest(made: Slots, ms: int) -> int:
        bars = made.open_ms[~made.gap]
        return int(bars[abs(bars - ms).argmin()])

    def _centre(self, made: Slots, slot: int) -> None:
        """Put a slot into the middle, whatever gaps are beside it."""
        last = slot + self.room // 2
        if self.chart.end is not None and last < len(made):
            self._stand(int(made.open_ms[last]))

    def seek(self, ms: int) -> None:
        """Go to a moment: it comes to stand in the middle, or as far right as there are bars after it.

        Charts that are tied to this one come along.
        """
        live, end = self.live, ms + self.room // 2 * self.slot_ms
        newest = len(live) > 0 and end >= int(live.open_ms[-1])
        self._stand(None if newest else max(end, 0))
        self.desk.view.cross = None

    def _stand(self, end: int | None) -> None:
        """Have the newest bar in sight be that of a moment, None: the newest of all; tied charts follow."""
        for chart in self.desk.view.charts:
            if chart is self.chart or self.desk.view.sync:
                opens, length = self.desk.candles(chart).open_ms, length_ms(chart)
                newest = end is None or (len(opens) > 0 and end >= int(opens[-1]))
                chart.end = None if newest or end is None else end // length * length


def _when(ms: int) -> str:
    return stamp(ms * MS)[:16]
