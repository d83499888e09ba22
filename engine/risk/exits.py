"""The exits of an open position: stop-loss, trailing stop, take profit, time stop.

Stop and target rest as orders where the venue takes them; what does not rest is watched here. A stop that was passed
while nobody watched acts on the first price after that, at what the market then gives.
"""

from __future__ import annotations

from typing import Any

import msgspec

from engine.orders import Side

LEAST_MOVE_BPS = 2
"""Bps that a trailing stop has to gain before its order is changed: a venue is not flooded with amendments."""


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done: move the stop to `stop` (1e-8; 0: leave it), or close at the market because of `close`.

    `close` is stop_loss, take_profit or time_stop; "" closes nothing.
    """

    stop: int = 0
    close: str = ""


class Protection:
    """The exits of one position. Prices are 1e-8 of the quote asset, 0 where there is none.

    Attributes:
        side: BUY of a long position, SELL of a short one.
        stop: Where the stop is now; a trailing one only ever moves with the position.
        take_profit: The target.
        trailing_bps: Distance behind the best price since trailing was set.
        best: That best price.
        closes_at: UTC ns of the time stop.
        stop_held: The stop rests as an order, so reaching it is not acted on here; `target_held` likewise.
        closing: Why a close was asked; none is asked again until `again`.
    """

    __slots__ = (
        "best", "closes_at", "closing", "instrument", "side", "stop", "stop_held", "take_profit", "target_held",
        "trailing_bps",
    )  # fmt: skip

    def __init__(self, instrument: str, side: Side) -> None:
        self.instrument = instrument
        self.side = side
        self.stop = 0
        self.take_profit = 0
        self.trailing_bps = 0.0
        self.best = 0
        self.closes_at = 0
        self.stop_held = False
        self.target_held = False
        self.closing = ""

    def set(
        self,
        *,
        stop_loss: int | None = None,
        take_profit: int | None = None,
        trailing_bps: float | None = None,
        closes_at: int | None = None,
        price: int = 0,
    ) -> None:
        """Change exits: None leaves one, 0 takes it away. `price` is where trailing begins; 0: at the next one."""
        if stop_loss is not None:
            self.stop = stop_loss
        if take_profit is not None:
            self.take_profit = take_profit
        if trailing_bps is not None:
            if trailing_bps > 0 and not self.trailing_bps:
                self.best = price
            self.trailing_bps = max(trailing_bps, 0.0)
        if closes_at is not None:
            self.closes_at = closes_at

    @property
    def empty(self) -> bool:
        """Whether there is no exit at all."""
        return not (self.stop or self.take_profit or self.trailing_bps or self.closes_at)

    def price(self, price: int, now: int) -> Due | None:
        """Take a traded price at `now` (UTC ns); return what is due, None for nothing. Each is asked for once."""
        if self.closing:
            return None
        long = self.side is Side.BUY
        if self.stop and not self.stop_held and (price <= self.stop if long else price >= self.stop):
            return self._close("stop_loss")
        target = self.take_profit
        if target and not self.target_held and (price >= target if long else price <= target):
            return self._close("take_profit")
        return self.elapsed(now) or (self._trail(price, long) if self.trailing_bps else None)

    def elapsed(self, now: int) -> Due | None:
        """Return the time stop if it is due at `now` (UTC ns), also while nothing is traded."""
        if self.closing or not self.closes_at or now < self.closes_at:
            return None
        return self._close("time_stop")

    def again(self) -> None:
        """What was asked to close did not: ask again at the next price that says so."""
        self.closing = ""

    def _close(self, why: str) -> Due:
        self.closing = why
        return Due(close=why)

    def _trail(self, price: int, long: bool) -> Due | None:
        if not self.best or (price > self.best if long else price < self.best):
            self.best = price
        away = int(self.best * self.trailing_bps / 10_000)
        stop = self.best - away if long else self.best + away
        gain = stop - self.stop if long else self.stop - stop
        if stop <= 0 or (self.stop and gain * 10_000 < LEAST_MOVE_BPS * self.stop):
            return None
        self.stop = stop
        return Due(stop=stop)

    def image(self) -> dict[str, Any]:
        """All of it, as builtins."""
        return {name: getattr(self, name) for name in self.__slots__} | {"side": self.side.value}

    @classmethod
    def restored(cls, image: dict[str, Any]) -> Protection:
        """Return what `image` was made of."""
        protection = cls(image["instrument"], Side(image["side"]))
        protection.restore(image)
        return protection

    def restore(self, image: dict[str, Any]) -> None:
        """Take what `image` gave."""
        for name in self.__slots__:
            setattr(self, name, Side(image[name]) if name == "side" else image[name])
