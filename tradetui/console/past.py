"""Candles older than those the engine follows: one stretch of them round where a chart looks, read page by page.

A `Past` says what is lacking, and joins what comes; asking is the link's. What lies far from where the chart looks is
let go, and asked for again when somebody comes back to it. Times are UTC ms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from engine.views import NOBODY_HAS, NOTHING_OLDER
from tradetui.console.series import Candles

if TYPE_CHECKING:
    from engine.views import GapsView, HistoryView

LEAST, MOST = 500, 5000
"""Bars of a page that is asked for."""

KEPT = 12_000
"""Bars that are kept before those far off are let go; more while a chart shows more than a sixth of them."""

AGAIN_S = 10.0
"""Pause after an answer that gave nothing, before the same is asked again."""


class Page(NamedTuple):
    """What is asked for: the bars that open in [`start_ms`, `end_ms`)."""

    start_ms: int
    end_ms: int


class Past:
    """The past of one instrument and timeframe, as far as it is loaded; `length_ms` is a bar's length."""

    def __init__(self, length_ms: int) -> None:
        self.length_ms = length_ms
        self.version = 0
        """Goes up with everything that changes what is drawn or said."""
        self.candles = Candles()
        self.start_ms = self.stop_ms = 0
        """What is loaded: between the two there are no other bars than `candles`."""
        self.begins_ms: int | None = None
        """Opening time of the oldest bar that anybody has, once that is known."""
        self.stored: tuple[int, int] | None = None
        """Opening times of the first and the last stored bar, once they are known."""
        self.holes: tuple[tuple[int, int], ...] | None = None
        """From when to when nothing is stored between those two, once that is known."""
        self.looking = False
        """Whether it is being found out what is stored."""
        self.asked: Page | None = None
        """What is under way."""
        self.served = ""
        """Who gave the last page, and in how many ms."""
        self.trouble = ""
        """Why there is not what was asked for."""
        self._again_at = 0.0
        self._failed: Page | None = None
        """What is not asked again before that."""
        self._barren = False
        """Whether the last page had no bars: the next one is as large as can be."""

    def lacks(self, begin: int, end: int, now_s: float) -> Page | None:
        """Return what to ask for next so that [`begin`, `end`) is loaded; None: nothing, or it is under way."""
        begin = max(begin, self.begins_ms or 0, 0)
        if end <= begin:
            return None
        length = self.length_ms
        wanted = (end - begin) // length + 1
        bars = MOST if self._barren else min(max(wanted // 2, LEAST), MOST)
        self._let_go(begin, end, max(KEPT, 2 * wanted))
        self._leap()
        far = not self.stop_ms or end < self.start_ms or begin > self.stop_ms
        if far:
            page = Page(max(end - min(max(wanted, LEAST), MOST) * length, 0), end)
        elif begin < self.start_ms:
            page = Page(max(self.start_ms - bars * length, 0), self.start_ms)
        elif end > self.stop_ms:
            page = Page(self.stop_ms, min(self.stop_ms + bars * length, end))
        else:
            return None
        if self.asked is not None and not (far and self._elsewhere(page, self.asked)):
            return None
        if now_s < self._again_at and (self._failed is None or not (far and self._elsewhere(page, self._failed))):
            return None
        return page

    @staticmethod
    def _elsewhere(page: Page, other: Page) -> bool:
        """Tell whether a page is of another time than one before it."""
        return abs(page.end_ms - other.end_ms) > page.end_ms - page.start_ms

    def _leap(self) -> None:
        """Step over a hole in what is stored, once it is known that nobody has anything at its edge."""
        for first, stop in self.holes or ():
            if self.bare_before and first < self.start_ms <= stop:
                self.start_ms = first
            if self.bare_after and first <= self.stop_ms < stop:
                self.stop_ms = stop

    @property
    def bare_before(self) -> bool:
        """Whether what is loaded begins with a time of which nobody has bars."""
        return self.stop_ms > 0 and (not len(self.candles) or self.start_ms < int(self.candles.open_ms[0]))

    @property
    def bare_after(self) -> bool:
        """Whether what is loaded ends with a time of which nobody has bars."""
        return self.stop_ms > 0 and (
            not len(self.candles) or int(self.candles.open_ms[-1]) + self.length_ms < self.stop_ms
        )

    def _let_go(self, begin: int, end: int, most: int) -> None:
        """Forget what lies furthest from a stretch, if there is too much."""
        over = len(self.candles) - most
        if over <= 0:
            return
        opens = self.candles.open_ms
        before, until = np.searchsorted(opens, (begin, end)).tolist()
        if before > len(opens) - until:  # bars, not time: a hole may lie between
            cut = min(over, before)
            self.start_ms = int(opens[cut]) if cut < len(opens) else self.start_ms
            self.candles = self.candles.part(cut, len(opens))
        else:
            cut = max(len(opens) - over, until)
            self.stop_ms = int(opens[cut]) if cut < len(opens) else self.stop_ms
            self.candles = self.candles.part(0, cut)
        self.version += 1

    # What comes of it. ----------------------------------------------------------------------------------------------

    def ask(self, page: Page) -> None:
        """Take note that a page is under way."""
        self.asked = page
        self.version += 1

    def failed(self, page: Page, why: str, now_s: float) -> None:
        """Take note that a page cannot be had."""
        if page == self.asked:
            self.asked, self.trouble, self._again_at, self._failed = None, why, now_s + AGAIN_S, page
            self.version += 1

    def bounded(self, told: GapsView | None, why: str = "") -> None:
        """Take note of what is stored, or why that cannot be known."""
        self.looking = False
        self.trouble = why
        gaps = told.gaps if told is not None else ()
        self.holes = tuple((gap.first_ms, gap.last_ms + self.length_ms) for gap in gaps)
        if told is not None:
            self._store(told.first_ms, told.last_ms)
        self.version += 1

    def take(self, page: Page, told: HistoryView, now_s: float) -> int:
        """Join a page; one that is not wanted any more is dropped. Return how many bars of it make no sense."""
        if page != self.asked:
            return 0
        failed = told.reason not in ("", NOTHING_OLDER, NOBODY_HAS)
        self.asked, self.trouble = None, told.reason if failed else ""
        self._again_at, self._failed = (now_s + AGAIN_S, page) if failed else (0.0, None)
        self.version += 1
        sources = dict.fromkeys(each.source for each in told.served if each.rows)
        if sources:
            self.served = f"{' + '.join(sources)} {sum(each.ms for each in told.served):.0f} ms"
        self._store(told.first_ms, told.last_ms)
        found = Candles.of(told.rows)
        found = found.where((found.open_ms >= page.start_ms) & (found.open_ms < page.end_ms))
        if told.reached_start and not self._older(page, found):
            self._begun(page, found)
        if len(found) or not failed:
            # What failed may have had more: nothing is known of the time before the first bar that came.
            self._join(page._replace(start_ms=int(found.open_ms[0])) if failed else page, page, found)
        self._barren = not len(found)
        return len(told.rows) - len(found)

    def _store(self, first_ms: int | None, last_ms: int | None) -> None:
        """Take note of what is stored; older bars than ever may have been imported meanwhile."""
        if first_ms is not None and last_ms is not None:
            self.stored = first_ms, last_ms
            if self.begins_ms is not None and first_ms < self.begins_ms:
                self.begins_ms = None

    def _older(self, page: Page, found: Candles) -> bool:
        """Tell whether more is stored before a page's bars: a venue's beginning need not be the beginning."""
        first = int(found.open_ms[0]) if len(found) else page.end_ms
        return self.stored is not None and self.stored[0] < first

    def _begun(self, page: Page, found: Candles) -> None:
        """Take note of where all data begin."""
        if len(found):
            self.begins_ms = int(found.open_ms[0])
        elif page.end_ms == self.start_ms and len(self.candles):
            self.begins_ms = int(self.candles.open_ms[0])
        else:
            self.begins_ms = self.stored[0] if self.stored is not None else page.end_ms

    def _join(self, known: Page, asked: Page, found: Candles) -> None:
        """Put bars where they belong; `known` is the stretch of which there are no others."""
        if asked.end_ms == self.start_ms and self.stop_ms:
            self.candles, self.start_ms = Candles.join(found, self.candles), known.start_ms
        elif asked.start_ms == self.stop_ms == known.start_ms:
            self.candles, self.stop_ms = Candles.join(self.candles, found), asked.end_ms
        else:
            self.candles, self.start_ms, self.stop_ms = found, known.start_ms, known.end_ms

    def joined(self, live: Candles) -> Candles | None:
        """Return what is loaded with the live bars behind it, None if something is missing between them."""
        if not self.stop_ms or not len(live) or self.stop_ms < live.open_ms[0]:
            return None
        before = int(np.searchsorted(self.candles.open_ms, live.open_ms[0]))
        return Candles.join(self.candles.part(0, before), live)
