"""Candles of one instrument, from its trades: the second is built from trades, every longer bar from shorter ones.

A bar follows the trade time. It closes when a later trade comes, or in silence when the connection shows that it is
alive and the exchange's clock (our receive time + the median offset) has passed the end. A trade that comes for a
closed bar revises it, and is counted. Seconds without trades on a healthy feed are flat bars of volume zero, as the
exchanges make them; seconds that the feed did not cover are missing, and what contains them is not `complete`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import msgspec

from engine.market.candle import Candle, flat, moved, revised
from engine.market.precedence import OURS, equal, goes_before
from engine.ohlcv import STAND_INS
from engine.types import SECOND, TIMEFRAME_SECONDS, Bar, BarsLoaded, Timeframe, Trade

LONGEST_FILL = 3600
"""Flat seconds written at once; a longer silence is a hole."""

DIFFERENCES = 5
"""Bars that differed from the venue's that are remembered as they were."""

_PARENT = dict(zip(list(Timeframe)[:-1], list(Timeframe)[1:], strict=True))
_CHILD = {parent: child for child, parent in _PARENT.items()}


class Bars:
    """All timeframes of one instrument, the last `kept` closed bars of each.

    `last_close` is the last price, 0 if unknown; it is certain while nothing can have traded unseen since.
    `revisions` counts trades that came for a closed bar; `unplaced` those older than every bar in memory.
    `touched` names the closed bars (timeframe, opening time) that are new, have changed or are gone since it was last
    emptied; it only grows, so whoever keeps bars has to empty it.
    `confirmed` counts bars built here that the venue's own candle confirmed, `differed` those that it replaced;
    `differences` holds the last of those, with what took their place.
    Holds: closed bars of a timeframe are in order of time, each once; a running bar holds exactly the closed bars of
    the next shorter timeframe inside its interval.
    """

    __slots__ = (
        "_certain",
        "_covered",
        "_running",
        "_second",
        "closed",
        "confirmed",
        "differed",
        "differences",
        "kept",
        "last_close",
        "revisions",
        "touched",
        "unplaced",
    )

    def __init__(self, kept: int) -> None:
        self.kept = kept
        self.closed: dict[Timeframe, deque[Bar]] = {timeframe: deque(maxlen=kept) for timeframe in Timeframe}
        self.last_close = 0
        self.revisions = 0
        self.unplaced = 0
        self.confirmed = 0
        self.differed = 0
        self.differences: deque[tuple[Timeframe, Bar, Bar]] = deque(maxlen=DIFFERENCES)
        self.touched: dict[tuple[Timeframe, int], None] = {}
        self._second: Candle | None = None
        self._running: dict[Timeframe, Candle] = {}
        self._covered: int | None = None
        self._certain = False

    # Coverage. ----------------------------------------------------------------------------------------------------

    @property
    def covered(self) -> bool:
        """True while the trade stream is whole."""
        return self._covered is not None

    def cover(self, ts_exch: int) -> None:
        """The trade stream is whole from `ts_exch` on (exchange time, ns); says nothing if it was already."""
        if self._covered is None:
            self._covered = ts_exch // SECOND + 1

    def uncover(self) -> None:
        """The trade stream broke: the running second, and what contains it, stay incomplete; the price is unknown."""
        self._covered = None
        self.last_close = 0
        self._certain = False

    def hole(self, since: int) -> None:
        """Trades after `since` (exchange time, ns) were lost: what our trades made from then on is not complete."""
        first_ms = since // SECOND * 1000
        for timeframe, seconds in TIMEFRAME_SECONDS.items():
            bars = self.closed[timeframe]
            for place in range(len(bars) - 1, -1, -1):
                bar = bars[place]
                if bar.open_ms + seconds * 1000 <= first_ms:
                    break
                if bar.source in OURS:
                    bars[place] = msgspec.structs.replace(bar, complete=False)
                    self.touched[timeframe, bar.open_ms] = None
        self.uncover()
        self._rebuild()

    def rewind(self, ts_exch: int) -> None:
        """The exchange's clock was set to `ts_exch`: nothing is known of the time around, nor of what lies after."""
        now = ts_exch // SECOND
        for timeframe, bars in self.closed.items():
            while bars and bars[-1].open_ms // 1000 + TIMEFRAME_SECONDS[timeframe] > now + 1:
                self.touched[timeframe, bars.pop().open_ms] = None
        if self._second is not None and self._second.open_s > now:
            self._second = None
            self._running.clear()
        self.uncover()

    # Trades and time. ---------------------------------------------------------------------------------------------

    def trade(self, trade: Trade) -> None:
        """Take in a trade."""
        second = trade.ts_exch // SECOND
        candle = self._second
        if candle is None:
            candle = self._second = Candle(second)
            self._rebuild()
        elif second != candle.open_s:
            if second < candle.open_s:
                self._revise(trade, second)
                return
            self._close_until(second)
            candle = self._second = Candle(second)
        candle.add(trade)
        if self._covered is not None:
            self._certain = True

    def advance(self, ts_exch: int) -> None:
        """The exchange's clock has reached `ts_exch` and no earlier trade is outstanding: close what ended by then."""
        candle = self._second
        second = ts_exch // SECOND
        if candle is not None and candle.open_s < second:
            self._close_until(second)
            self._second = Candle(second)

    def _close_until(self, second: int) -> None:
        """Close the running second and write flat ones up to, not including, `second`."""
        candle = self._second
        if candle is None:
            return
        covered = self._covered
        complete = covered is not None and candle.open_s >= covered
        if candle.trades:
            if self._certain:
                self.last_close = candle.close
            self._close(Timeframe.S1, candle.bar(complete=complete))
        elif complete:
            self._close_flat(candle.open_s)
        if covered is None:
            return
        first = max(candle.open_s + 1, covered)
        if second - first <= LONGEST_FILL:
            for empty in range(first, second):
                self._close_flat(empty)

    def _close_flat(self, second: int) -> None:
        """An unknown price makes no bar, but the second is known to be empty; a doubtful one is left to be healed."""
        self._close(Timeframe.S1, flat(second, self.last_close, complete=self._certain or not self.last_close))

    def _close(self, timeframe: Timeframe, bar: Bar) -> None:
        """Keep a closed bar and carry it into the longer one. A bar before the first price is carried, not kept."""
        if bar.close and not self._keep(timeframe, bar):
            self._rebuild()
            return
        parent = _PARENT.get(timeframe)
        if parent is None:
            return
        length = TIMEFRAME_SECONDS[parent]
        end = bar.open_ms // 1000 + TIMEFRAME_SECONDS[timeframe]
        opened = (bar.open_ms // 1000) // length * length
        running = self._running.get(parent)
        if running is not None and running.open_s != opened:
            self._finish(parent, running)
            running = None
        if running is None:
            running = self._running[parent] = Candle(opened)
        running.merge(bar)
        running.children += bar.complete
        if end == opened + length:
            self._finish(parent, running)

    def _keep(self, timeframe: Timeframe, bar: Bar) -> bool:
        """Put a bar in its place; False when it is not the newest, so that longer bars must be built again."""
        bars = self.closed[timeframe]
        if not bars or bar.open_ms > bars[-1].open_ms:
            bars.append(bar)
            self.touched[timeframe, bar.open_ms] = None
            return True
        for place in range(len(bars) - 1, -1, -1):
            old = bars[place]
            if old.open_ms == bar.open_ms:
                if goes_before(bar, old) or (not old.complete and old.source == bar.source):
                    bars[place] = bar
                    self.touched[timeframe, bar.open_ms] = None
                return False
            if old.open_ms < bar.open_ms:
                if len(bars) == self.kept:
                    bars.popleft()
                    place -= 1
                bars.insert(place + 1, bar)
                self.touched[timeframe, bar.open_ms] = None
                return False
        return False

    def _finish(self, timeframe: Timeframe, candle: Candle) -> None:
        self._running.pop(timeframe, None)
        self._close(timeframe, self._finished(timeframe, candle))

    @staticmethod
    def _finished(timeframe: Timeframe, candle: Candle) -> Bar:
        whole = TIMEFRAME_SECONDS[timeframe] // TIMEFRAME_SECONDS[_CHILD[timeframe]]
        return candle.bar(complete=candle.children == whole)

    # Late trades and the venue's candles. -------------------------------------------------------------------------

    def _revise(self, trade: Trade, second: int) -> None:
        """Add a trade to the bars that lack it; the venue's own candles, and what was made of them, hold it already."""
        self.revisions += 1
        seconds_bar = next((bar for bar in reversed(self.closed[Timeframe.S1]) if bar.open_ms == second * 1000), None)
        if seconds_bar is not None and seconds_bar.source != "trades":
            return
        placed = False
        for timeframe, seconds in TIMEFRAME_SECONDS.items():
            opened = second // seconds * seconds
            running = self._running.get(timeframe)
            if running is not None and running.open_s == opened:
                running.add(trade)
                placed = True
                break  # longer bars do not hold this one yet
            placed |= self._revise_closed(timeframe, opened * 1000, trade)
        self.unplaced += not placed

    def _revise_closed(self, timeframe: Timeframe, open_ms: int, trade: Trade) -> bool:
        bars = self.closed[timeframe]
        for place in range(len(bars) - 1, -1, -1):
            bar = bars[place]
            if bar.open_ms < open_ms:
                return False
            if bar.open_ms == open_ms:
                if bar.source in OURS:
                    bar = bars[place] = revised(bar, trade)
                    self.touched[timeframe, open_ms] = None
                    for later in range(place + 1, len(bars)):
                        if bars[later].trades or bars[later].source != "trades":
                            break
                        bars[later] = moved(bars[later], bar.close)
                        self.touched[timeframe, bars[later].open_ms] = None
                    else:
                        if timeframe is Timeframe.S1 and self.last_close:
                            self.last_close = bar.close
                return True
        return False

    def load(self, loaded: BarsLoaded) -> None:
        """Take closed candles from elsewhere: they fill holes and replace what is worth less.

        The venue's own candle is worth most, then what was built of its trades, a stand-in's least; incomplete ones
        are worth less than any complete one. Ours that equal the venue's stay.
        """
        timeframe = loaded.timeframe
        kept = {bar.open_ms: bar for bar in self.closed[timeframe]}
        taken = False
        for bar in loaded.bars:
            old = kept.get(bar.open_ms)
            if old is not None and old.source in OURS and old.complete and bar.source == "venue":
                if old.source == "trades" and equal(old, bar):
                    self.confirmed += 1
                    continue
                if not equal(old, bar):
                    self.differed += 1
                    self.differences.append((timeframe, old, bar))
            if old is None or goes_before(bar, old):
                kept[bar.open_ms] = bar
                self.touched[timeframe, bar.open_ms] = None
                taken = True
        own = [bar for bar in loaded.bars if bar.source not in STAND_INS]
        caught = timeframe is Timeframe.S1 and bool(own) and self._catch_up(max(own, key=lambda bar: bar.open_ms))
        if taken:
            self.closed[timeframe] = deque(sorted(kept.values(), key=lambda bar: bar.open_ms), maxlen=self.kept)
        if taken or caught:
            self._rebuild()

    def _catch_up(self, last: Bar) -> bool:
        """Go on after the second that we were building, if others have closed it; tell whether they have."""
        candle, last_s = self._second, last.open_ms // 1000
        if candle is not None and candle.open_s > last_s:
            return False
        self.last_close = last.close
        self._certain = self._covered is not None and last_s + 1 >= self._covered
        if candle is not None:
            self._second = Candle(last_s + 1)
        return True

    def _rebuild(self) -> None:
        """Build the running bars again from the closed shorter ones, after some of those have changed."""
        if self._second is None:
            return
        now = self._second.open_s
        for parent, child in _CHILD.items():
            length = TIMEFRAME_SECONDS[parent]
            opened = now // length * length
            running = self._running.pop(parent, None)
            if running is not None and running.open_s < opened:
                ended = self._gathered(child, running.open_s, length)
                if ended.close:
                    self._keep(parent, self._finished(parent, ended))
            gathered = self._gathered(child, opened, length)
            if gathered.children or gathered.close:
                self._running[parent] = gathered

    def _gathered(self, child: Timeframe, open_s: int, length: int) -> Candle:
        candle = Candle(open_s)
        for bar in self.closed[child]:
            if open_s * 1000 <= bar.open_ms < (open_s + length) * 1000 and bar.source not in STAND_INS:
                candle.merge(bar)
                candle.children += bar.complete
        return candle

    def drain(self) -> tuple[tuple[tuple[Timeframe, Bar], ...], tuple[tuple[Timeframe, int], ...]]:
        """Return the bars that were touched, as they are now, and the places of those that are gone; begin anew."""
        touched, self.touched = self.touched, {}
        if not touched:
            return (), ()
        there: list[tuple[Timeframe, Bar]] = []
        gone: list[tuple[Timeframe, int]] = []
        for timeframe in Timeframe:
            wanted = {open_ms for length, open_ms in touched if length is timeframe}
            if not wanted:
                continue
            first = min(wanted)
            for bar in reversed(self.closed[timeframe]):
                if bar.open_ms < first or not wanted:
                    break
                if bar.open_ms in wanted:
                    wanted.discard(bar.open_ms)
                    there.append((timeframe, bar))
            oldest = self.closed[timeframe][0].open_ms if self.closed[timeframe] else 0
            gone += [(timeframe, open_ms) for open_ms in sorted(wanted) if open_ms >= oldest]
        there.reverse()
        return tuple(there), tuple(gone)

    # Queries. -----------------------------------------------------------------------------------------------------

    def running(self, timeframe: Timeframe) -> Bar | None:
        """Return the bar so far, or None before the first price; never `complete`."""
        seconds = TIMEFRAME_SECONDS[timeframe]
        if self._second is None:
            return None
        whole = Candle(self._second.open_s // seconds * seconds)
        for length in reversed(Timeframe):
            part = self._second if length is Timeframe.S1 else self._running.get(length)
            if TIMEFRAME_SECONDS[length] <= seconds and part is not None and part.open_s >= whole.open_s:
                whole.merge(part)
        return whole.bar(complete=False) if whole.close else None

    def damage(self, timeframe: Timeframe, until_ms: int) -> tuple[int, int] | None:
        """Return the opens of the first and the last bar, ended by `until_ms`, of which there could be a better one."""
        lacking = self.lacking(timeframe, until_ms, stand_ins=True)
        return (lacking[0][0], lacking[-1][1]) if lacking else None

    def lacking(self, timeframe: Timeframe, until_ms: int, *, stand_ins: bool = False) -> list[tuple[int, int]]:
        """Return the stretches of bars, ended by `until_ms`, that are missing or not complete: first and last opening.

        `stand_ins`: those that another venue filled in count, too.
        """
        length = TIMEFRAME_SECONDS[timeframe] * 1000
        found: list[tuple[int, int]] = []
        expected: int | None = None
        for bar in self.closed[timeframe]:
            if bar.open_ms + length > until_ms:
                break
            poor = not bar.complete or (stand_ins and bar.source in STAND_INS)
            hole = expected is not None and bar.open_ms != expected
            if hole or poor:
                first = expected if hole and expected is not None else bar.open_ms
                last = bar.open_ms if poor else bar.open_ms - length
                if found and found[-1][1] + length == first:
                    found[-1] = found[-1][0], last
                else:
                    found.append((first, last))
            expected = bar.open_ms + length
        return found

    def incomplete(self, timeframe: Timeframe) -> Iterable[Bar]:
        """Return the closed bars that the feed did not wholly cover."""
        return [bar for bar in self.closed[timeframe] if not bar.complete]
