"""Size with live money: small at first, larger only for a record of closed trades that bears it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.risk.metrics import lower_bound
from engine.risk.wording import percent

TRADES = 20
"""Closed trades that a step needs."""

LEAST_R = -0.1
"""What the lower 80 % bound of their mean net R has to be above."""


class Ramp:
    """The share of full size that is in force.

    Judged after every 20 closed trades since the last step, and over all of them: looking more often would let chance
    open a step sooner or later. What is not good enough after 20 is judged again after 40, 60, ...

    Attributes:
        step: Index of the step in force.
        count: Trades closed since it began.
        why: Why it was last put back to the first; "" if it was not.
    """

    __slots__ = ("_mean", "_squares", "count", "step", "steps", "why")

    def __init__(self, steps: Sequence[float] = (0.1, 0.25, 0.5, 1.0)) -> None:
        self.steps = tuple(steps) or (1.0,)
        self.step = 0
        self.why = ""
        self._begin()

    def _begin(self) -> None:
        self.count = 0
        self._mean = 0.0
        self._squares = 0.0

    @property
    def share(self) -> float:
        """Of full size, 0 to 1."""
        return self.steps[min(self.step, len(self.steps) - 1)]

    @property
    def bound(self) -> float | None:
        """Lower 80 % bound of the mean net R since the step began; None below 2 trades."""
        return lower_bound(self.count, self._mean, self._squares)

    @property
    def told(self) -> str:
        """Where it stands, as a sentence."""
        if self.step >= len(self.steps) - 1:
            return f"{percent(self.share)} of full size, the last step"
        due = (self.count // TRADES + 1) * TRADES
        mean = f" with a mean of {self._mean:+.2f} R" if self.count else ""
        bound = self.bound
        low = "" if bound is None else f" (lower 80 % bound {bound:+.2f})"
        back = f"; put back to the first step: {self.why}" if self.why else ""
        return (
            f"{percent(self.share)} of full size: {self.count} of {due} live trades closed at this step{mean}{low}; "
            f"{percent(self.steps[self.step + 1])} needs a bound above {LEAST_R}{back}"
        )

    def closed(self, r: float) -> str | None:
        """Take the net R multiple of a live trade that was closed; return a sentence if the next step is reached."""
        if self.step >= len(self.steps) - 1:
            return None
        self.count += 1
        apart = r - self._mean
        self._mean += apart / self.count
        self._squares += apart * (r - self._mean)
        bound = self.bound
        if self.count % TRADES or bound is None or bound <= LEAST_R:
            return None
        told = (
            f"{self.count} live trades closed with a mean of {self._mean:+.2f} R (lower 80 % bound {bound:+.2f}): size "
            f"goes from {percent(self.share)} to {percent(self.steps[self.step + 1])}"
        )
        self.step += 1
        self.why = ""
        self._begin()
        return told

    def reset(self, why: str) -> str | None:
        """Go back to the first step, after a halt, a kill or a change of model; return a sentence if it was further."""
        before, self.step, self.why = self.share, 0, why
        self._begin()
        if before == self.share:
            return None
        return f"size goes back from {percent(before)} to {percent(self.share)} of full size: {why}"

    def image(self) -> dict[str, Any]:
        """All of it but the steps, as builtins."""
        return {
            "step": self.step, "count": self.count, "mean": self._mean, "squares": self._squares, "why": self.why,
        }  # fmt: skip

    def restore(self, image: dict[str, Any]) -> None:
        """Take what `image` gave."""
        self.step, self.count, self.why = min(image["step"], len(self.steps) - 1), image["count"], image["why"]
        self._mean, self._squares = float(image["mean"]), float(image["squares"])
