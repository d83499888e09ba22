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

from engine.types import SECOND, TIMEFRAME_SECONDS, Bar, BarsLoaded, Timeframe, Trade

KEPT = 1500
"""Closed bars in memory per timeframe: 300 for a model input, the rest for outcomes and charts."""

LONGEST_FILL = 3600
"""Flat seconds written at once; a longer silence is a hole."""

_PARENT = dict(zip(list(Timeframe)[:-1], list(Timeframe)[1:], strict=True))
_CHILD = {parent: child for child, parent in _PARENT.items()}


class Candle:
    """A bar being built. `children` counts the shorter bars in it that are known and complete."""

    __slots__ = (
        "children",
        "close",
        "first_id",
        "high",
        "last_id",
        "low",
        "open",
        "open_s",
        "quote_volume",
        "taker_buy",
        "trades",
        "volume",
    )

    def __init__(self, open_s: int) -> None:
        self.open_s = open_s
        self.open = self.high = self.low = self.close = 0
        self.volume = self.trades = self.taker_buy = self.quote_volume = 0
        self.first_id = self.last_id = -1
        self.children = 0

    def add(self, trade: Trade) -> None:
        """Take in a trade, in any order; ids decide which trade opened and which closed."""
        price, size = trade.price, trade.size
        if not self.trades:
            self.open = self.high = self.low = self.close = price
            self.first_id = self.last_id = trade.id
        else:
            if price > self.high:
                self.high = price
            elif price < self.low:
                self.low = price
            if trade.id > self.last_id:
                self.close = price
                self.last_id = trade.id
            elif trade.id < self.first_id:
                self.open = price
                self.first_id = trade.id
        self.volume += size
        self.trades += trade.count
        self.quote_volume += price * size
        if not trade.sell:
            self.taker_buy += size

    def merge(self, bar: Bar | Candle) -> None:
        """Append a shorter bar that is later than everything in this one; a flat bar adds no price."""
        if bar.trades or bar.volume:
            if not (self.trades or self.volume):
                self.open, self.high, self.low, self.first_id = bar.open, bar.high, bar.low, bar.first_id
            self.high = max(self.high, bar.high)
            self.low = min(self.low, bar.low)
            self.close, self.last_id = bar.close, bar.last_id
        elif not self.open:
            self.open = self.high = self.low = self.close = bar.close
        self.volume += bar.volume
        self.trades += bar.trades
        self.taker_buy += bar.taker_buy
        known = self.quote_volume >= 0 and bar.quote_volume >= 0
        self.quote_volume = self.quote_volume + bar.quote_volume if known else -1

    def bar(self, *, complete: bool) -> Bar:
        """Return the values as they stand."""
        return Bar(
            open_ms=self.open_s * 1000,
            open=self.open,
            high=self.high,
            low=self.low,
            close=self.close,
            volume=self.volume,
            trades=self.trades,
            taker_buy=self.taker_buy,
            quote_volume=self.quote_volume,
            first_id=self.first_id,
            last_id=self.last_id,
            complete=complete,
        )


class Bars:
    """All timeframes of one instrument.

    `revisions` counts trades that came for a closed bar; `unplaced` those older than every bar in memory.
    """

    __slots__ = ("_covered", "_running", "_second", "closed", "last_close", "revisions", "unplaced")

    def __init__(self) -> None:
        self.closed: dict[Timeframe, deque[Bar]] = {timeframe: deque(maxlen=KEPT) for timeframe in Timeframe}
        self.last_close = 0
        self.revisions = 0
        self.unplaced = 0
        self._second: Candle | None = None
        self._running: dict[Timeframe, Candle] = {}
        self._covered: int | None = None

    def cover(self, ts_exch: int) -> None:
        """The trade stream is whole from `ts_exch` on (exchange time, ns); says nothing if it was already."""
        if self._covered is None:
            self._covered = ts_exch // SECOND + 1

    def uncover(self) -> None:
        """The trade stream broke: the running second, and what contains it, stay incomplete."""
        self._covered = None

    def hole(self, since: int) -> None:
        """Trades after `since` (exchange time, ns) were lost: what has been closed from then on is not complete."""
        first_ms = since // SECOND * 1000
        for timeframe, seconds in TIMEFRAME_SECONDS.items():
            bars = self.closed[timeframe]
            for place in range(len(bars) - 1, -1, -1):
                if bars[place].open_ms + seconds * 1000 <= first_ms:
                    break
                bars[place] = msgspec.structs.replace(bars[place], complete=False)
        self._rebuild()
        self.uncover()

    def trade(self, trade: Trade) -> None:
        """Take in a trade."""
        second = trade.ts_exch // SECOND
        candle = self._second
        if candle is None:
            candle = self._start(second)
            self._rebuild()
        elif second != candle.open_s:
            if second < candle.open_s:
                self._revise(trade, second)
                return
            self._close_until(second)
            candle = self._start(second)
        candle.add(trade)

    def advance(self, ts_exch: int) -> None:
        """The exchange's clock has reached `ts_exch` and no earlier trade is outstanding: close what ended by then."""
        candle = self._second
        second = ts_exch // SECOND
        if candle is not None and candle.open_s < second:
            self._close_until(second)
            self._start(second)

    def _start(self, second: int) -> Candle:
        self._second = Candle(second)
        return self._second

    def _close_until(self, second: int) -> None:
        """Close the running second and write flat ones up to, not including, `second`."""
        candle = self._second
        if candle is None:
            return
        covered = self._covered
        complete = covered is not None and candle.open_s >= covered
        if candle.trades:
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
        flat = Candle(second)
        flat.open = flat.high = flat.low = flat.close = self.last_close
        self._close(Timeframe.S1, flat.bar(complete=True))

    def _close(self, timeframe: Timeframe, bar: Bar) -> None:
        """Keep a closed bar and carry it into the longer one. A bar before the first price is carried, not kept."""
        if bar.close:
            self.closed[timeframe].append(bar)
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

    def _finish(self, timeframe: Timeframe, candle: Candle) -> None:
        del self._running[timeframe]
        whole = TIMEFRAME_SECONDS[timeframe] // TIMEFRAME_SECONDS[_CHILD[timeframe]]
        self._close(timeframe, candle.bar(complete=candle.children == whole))

    def _revise(self, trade: Trade, second: int) -> None:
        self.revisions += 1
        placed = False
        for timeframe, seconds in TIMEFRAME_SECONDS.items():
            opened = second // seconds * seconds
            running = self._running.get(timeframe)
            if running is not None and running.open_s == opened:
                running.add(trade)
                placed = True
                continue
            bars = self.closed[timeframe]
            for place in range(len(bars) - 1, -1, -1):
                if bars[place].open_ms <= opened * 1000:
                    if bars[place].open_ms == opened * 1000:
                        bars[place] = _revised(bars[place], trade)
                        placed = True
                    break
        self.unplaced += not placed

    def load(self, loaded: BarsLoaded) -> None:
        """Take closed candles of the venue: fill holes and replace what was not complete."""
        kept = {bar.open_ms: bar for bar in self.closed[loaded.timeframe]}
        for bar in loaded.bars:
            old = kept.get(bar.open_ms)
            if old is None or not old.complete:
                kept[bar.open_ms] = bar
        ordered = sorted(kept.values(), key=lambda bar: bar.open_ms)
        self.closed[loaded.timeframe] = deque(ordered, maxlen=KEPT)
        if not self.last_close and ordered:
            self.last_close = ordered[-1].close
        self._rebuild()

    def _rebuild(self) -> None:
        """Build the running bars again from the closed shorter ones, after some of those have changed."""
        if self._second is None:
            return
        now = self._second.open_s
        for parent, child in _CHILD.items():
            length = TIMEFRAME_SECONDS[parent]
            opened = now // length * length
            inside = [bar for bar in self.closed[child] if opened * 1000 <= bar.open_ms < (opened + length) * 1000]
            self._running.pop(parent, None)
            if inside:
                running = self._running[parent] = Candle(opened)
                for bar in inside:
                    running.merge(bar)
                running.children = sum(bar.complete for bar in inside)

    def running(self, timeframe: Timeframe) -> Bar | None:
        """Return the bar so far, or None before the first price; never `complete`."""
        seconds = TIMEFRAME_SECONDS[timeframe]
        if self._second is None:
            return None
        whole = Candle(self._second.open_s // seconds * seconds)
        for length in reversed(Timeframe):
            part = self._running.get(length)
            if length == Timeframe.S1:
                part = self._second
            if TIMEFRAME_SECONDS[length] <= seconds and part is not None and part.open_s >= whole.open_s:
                whole.merge(part)
        return whole.bar(complete=False) if whole.close else None

    def damage(self, timeframe: Timeframe, until_ms: int) -> tuple[int, int] | None:
        """Return the opens of the first and the last bar, ended by `until_ms`, that are missing or not complete."""
        length = TIMEFRAME_SECONDS[timeframe] * 1000
        first = last = expected = None
        for bar in self.closed[timeframe]:
            if bar.open_ms + length > until_ms:
                break
            hole = expected is not None and bar.open_ms != expected
            if hole or not bar.complete:
                if first is None:
                    first = expected if hole else bar.open_ms
                last = bar.open_ms if not bar.complete else bar.open_ms - length
            expected = bar.open_ms + length
        return None if first is None or last is None else (first, last)

    def incomplete(self, timeframe: Timeframe) -> Iterable[Bar]:
        """Return the closed bars that the feed did not wholly cover."""
        return [bar for bar in self.closed[timeframe] if not bar.complete]


def _revised(bar: Bar, trade: Trade) -> Bar:
    candle = Candle(bar.open_ms // 1000)
    candle.merge(bar)
    candle.add(trade)
    return candle.bar(complete=bar.complete)
