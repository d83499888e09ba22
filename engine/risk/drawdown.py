"""Equity against its peak and against the day's start, open positions included, whatever is traded or not."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.risk.limits import Limits
from engine.risk.wording import money, percent, time_of_day
from engine.types import DAY


class Breach(msgspec.Struct, frozen=True, kw_only=True):
    """Something happened to equity, told once. `name`: `daily_loss`, `drawdown`, `unknown` or `known` (again).

    `observed` and `limit` are shares; 0 for the last two.
    """

    name: str
    text: str
    observed: float = 0.0
    limit: float = 0.0


class EquityWatch:
    """Remembers the peak and what equity was at 00:00 UTC; transfers move both, so they are no gain and no loss.

    Attributes:
        limits: May be replaced at any time.
        equity: The last one, 1e-8 of `currency`; None: not known.
        peak: Highest since the last `rebase`; 0: not known yet.
        day_start: First equity known since 00:00 UTC; 0: not known yet.
        day_blocked: The loss of this UTC day has reached its limit.
    """

    __slots__ = (
        "_day",
        "_fallen",
        "_untold",
        "currency",
        "day_blocked",
        "day_start",
        "equity",
        "limits",
        "peak",
    )

    def __init__(self, limits: Limits, currency: str = "") -> None:
        self.limits = limits
        self.currency = currency
        self.equity: int | None = None
        self.peak = 0
        self.day_start = 0
        self.day_blocked = False
        self._day = -1
        self._fallen = False
        self._untold = True

    @property
    def drawdown(self) -> float | None:
        """Fall from the peak, share of the peak; None: not known."""
        return None if self.equity is None or self.peak <= 0 else (self.peak - self.equity) / self.peak

    @property
    def daily(self) -> float | None:
        """Loss since 00:00 UTC, share of what there was then; negative is a gain; None: not known."""
        return None if self.equity is None or self.day_start <= 0 else (self.day_start - self.equity) / self.day_start

    def update(self, now: int, equity: int | None) -> tuple[Breach, ...]:
        """Take equity (1e-8) at `now` (UTC ns), None if it is not known; return what has happened."""
        if now // DAY > self._day:
            self._day, self.day_blocked, self.day_start = now // DAY, False, 0
        known, self.equity = self.equity is not None, equity
        if equity is None:
            if not self._untold:
                return ()
            self._untold = False
            text = (
                f"since {time_of_day(now)} the equity of the account is not known, so its limits cannot be watched and "
                "no new risk is taken: see which asset has no price"
            )
            return (Breach(name="unknown", text=text),)
        told: list[Breach] = []
        if not known and not self._untold:
            told.append(Breach(name="known", text=f"equity is known again: {money(equity, self.currency)}"))
        self._untold = True
        if self.day_start <= 0:
            self.day_start = equity
        self.peak = max(self.peak, equity)
        return (*told, *self._judge(equity))

    def _judge(self, equity: int) -> list[Breach]:
        told = []
        lost, most = self.day_start - equity, self.limits.daily_loss
        if not self.day_blocked and lost > 0 and lost >= most * self.day_start:
            self.day_blocked = True
            told.append(self._breach("daily_loss", lost, self.day_start, most, "since 00:00 UTC",
                                     "no new risk until 00:00 UTC"))  # fmt: skip
        fallen, most = self.peak - equity, self.limits.drawdown
        if not self._fallen and fallen > 0 and fallen >= most * self.peak:
            self._fallen = True
            told.append(self._breach("drawdown", fallen, self.peak, most, f"from its peak of {money(self.peak)}",
                                     "trading is halted until a person arms it again"))  # fmt: skip
        return told

    def _breach(self, name: str, lost: int, base: int, most: float, since: str, done: str) -> Breach:
        share = lost / base if base > 0 else 1.0
        return Breach(
            name=name, observed=share, limit=most,
            text=f"equity has fallen by {money(lost, self.currency)} ({percent(share)}) {since}, open positions "
            f"included, and the limit is {percent(most)}: {done}",
        )  # fmt: skip

    def transfer(self, amount: int) -> None:
        """Take a deposit (1e-8, negative: a withdrawal): peak and day's start move with it, as it is no gain."""
        if self.equity is not None:
            self.equity += amount
        if self.peak > 0:
            self.peak += amount
        if self.day_start > 0:
            self.day_start += amount

    def rebase(self) -> None:
        """A person has armed again: a fall beyond the limit begins a new peak, a smaller one counts from the old."""
        fallen = self.drawdown
        if fallen is not None and self.equity is not None and fallen >= self.limits.drawdown:
            self.peak = self.equity
        self._fallen = False

    def image(self) -> dict[str, Any]:
        """All of it but limits and currency, as builtins."""
        return {
            "equity": self.equity, "peak": self.peak, "day_start": self.day_start, "day_blocked": self.day_blocked,
            "day": self._day, "fallen": self._fallen, "untold": self._untold,
        }  # fmt: skip

    def restore(self, image: dict[str, Any]) -> None:
        """Take what `image` gave."""
        self.equity, self.peak, self.day_start = image["equity"], image["peak"], image["day_start"]
        self.day_blocked, self._day = image["day_blocked"], image["day"]
        self._fallen, self._untold = image["fallen"], image["untold"]
