"""The trade tape and order flow: who was aggressive, and which trades were large."""

from __future__ import annotations

from collections import deque

import msgspec

from engine.types import Bar, Instrument, Trade

TAPE = 1000
"""Trades in memory per instrument."""


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """Aggressive volume over a window, in lots; `buy_ratio` is buys over both, None without trades."""

    window_s: int
    buy: int
    sell: int
    trades: int

    @property
    def buy_ratio(self) -> float | None:
        """Share of the volume that was bought aggressively."""
        total = self.buy + self.sell
        return self.buy / total if total else None


class Tape:
    """The last trades, newest last. `large` is the quote notional from which a trade is marked."""

    __slots__ = ("large", "trades")

    def __init__(self, large: float) -> None:
        self.trades: deque[Trade] = deque(maxlen=TAPE)
        self.large = large

    def is_large(self, trade: Trade, instrument: Instrument) -> bool:
        """Tell whether a trade is to be marked."""
        return notional(trade, instrument) >= self.large


def notional(trade: Trade, instrument: Instrument) -> float:
    """Return the value of a trade in quote units; on inverse markets a contract has a fixed quote value."""
    size = instrument.size(trade.size)
    return size * instrument.contract_size if instrument.contract_size else size * instrument.price(trade.price)


def flow(seconds: list[Bar], running: Bar | None, now_s: int, window_s: int) -> Flow:
    """Sum the aggressive volume of the 1s bars that opened within the last `window_s` seconds before `now_s`."""
    recent = [bar for bar in seconds[-window_s:] if bar.open_ms // 1000 > now_s - window_s]
    if running is not None and running.open_ms // 1000 > now_s - window_s:
        recent.append(running)
    buy = sum(bar.taker_buy for bar in recent)
    volume = sum(bar.volume for bar in recent)
    return Flow(window_s=window_s, buy=buy, sell=volume - buy, trades=sum(bar.trades for bar in recent))
