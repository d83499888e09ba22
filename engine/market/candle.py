"""One bar being built, from trades or from shorter bars."""

from __future__ import annotations

import msgspec

from engine.types import Bar, Trade


class Candle:
    """A bar being built.

    `children` counts the shorter bars in it that are known and complete; `source` is `mixed` once one is the venue's.
    """

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
        "source",
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
        self.source = "trades"

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
        if self.trades >= 0:
            self.trades += trade.count
        if self.quote_volume >= 0:
            self.quote_volume += price * size
        if not trade.sell and self.taker_buy >= 0:
            self.taker_buy += size

    def merge(self, bar: Bar | Candle) -> None:
        """Take in the next shorter bar; a flat one adds no price. Known trade ids decide as in `add`."""
        if bar.trades > 0 or bar.volume:
            if not (self.trades > 0 or self.volume):
                self.open, self.high, self.low, self.first_id = bar.open, bar.high, bar.low, bar.first_id
                self.close, self.last_id = bar.close, bar.last_id
            self.high = max(self.high, bar.high)
            self.low = min(self.low, bar.low)
            if bar.last_id < 0 or bar.last_id >= self.last_id:
                self.close, self.last_id = bar.close, bar.last_id
            if 0 <= bar.first_id < self.first_id:
                self.open, self.first_id = bar.open, bar.first_id
        elif not (self.trades > 0 or self.volume):
            # The last flat one is right: a late trade may have moved the price under those before it.
            self.open = self.high = self.low = self.close = bar.close
        if bar.source != "trades":
            self.source = "mixed"
        self.volume += bar.volume
        self.trades = _sum(self.trades, bar.trades)
        self.taker_buy = _sum(self.taker_buy, bar.taker_buy)
        self.quote_volume = _sum(self.quote_volume, bar.quote_volume)

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
            source=self.source,
        )


def _sum(one: int, other: int) -> int:
    """Return the sum of two counts, -1 where one is unknown."""
    return one + other if one >= 0 and other >= 0 else -1


def revised(bar: Bar, trade: Trade) -> Bar:
    """Return a closed bar with a trade that came late."""
    candle = Candle(bar.open_ms // 1000)
    candle.merge(bar)
    candle.add(trade)
    return candle.bar(complete=bar.complete)


def flat(open_s: int, price: int, *, complete: bool) -> Bar:
    """Return the bar of a second in which nothing was traded, as the exchanges make it."""
    candle = Candle(open_s)
    candle.open = candle.high = candle.low = candle.close = price
    return candle.bar(complete=complete)


def moved(bar: Bar, price: int) -> Bar:
    """Return a bar without trades at another price."""
    return msgspec.structs.replace(bar, open=price, high=price, low=price, close=price)
