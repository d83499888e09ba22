"""Losing trades in a row, and the pause that they bring."""

from __future__ import annotations

from engine.risk.limits import Limits
from engine.types import SECOND


class Streak:
    """Counts losses; from `losses_in_a_row` on every further one begins the pause anew, until a trade does not lose.

    Attributes:
        limits: May be replaced at any time.
        losses: Losing trades in a row.
        pause_until: UTC ns; 0: there was none.
    """

    __slots__ = ("limits", "losses", "pause_until")

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.losses = 0
        self.pause_until = 0

    def closed(self, net: int, now: int) -> int:
        """Take a closed trade's net P&L (1e-8) at `now` (UTC ns); return the time until which there is a pause."""
        if net >= 0:
            self.losses = 0
        else:
            self.losses += 1
            if self.losses >= self.limits.losses_in_a_row:
                self.pause_until = now + int(self.limits.pause_s * SECOND)
        return self.pause_until

    def image(self) -> dict[str, int]:
        """All of it but the limits, as builtins."""
        return {"losses": self.losses, "pause_until": self.pause_until}

    def restore(self, image: dict[str, int]) -> None:
        """Take what `image` gave."""
        self.losses, self.pause_until = int(image["losses"]), int(image["pause_until"])
