"""How many requests a venue still allows: a sliding window of weights, and the venue's own word when it says stop."""

from __future__ import annotations

from collections import deque

from engine.health import BudgetView

WINDOW_S = 60.0


class Budget:
    """Request weight of one venue and address; times are seconds of a monotonic clock.

    `share` of the limit is ours to plan with; the rest is kept for requests that must not wait.
    """

    def __init__(self, venue: str, limit: int, share: float = 0.9) -> None:
        self.venue = venue
        self.limit = limit
        self.share = share
        self._spent: deque[tuple[float, int]] = deque()
        self._used = 0
        self._blocked_until = 0.0

    def _forget(self, now: float) -> None:
        spent = self._spent
        while spent and spent[0][0] <= now - WINDOW_S:
            self._used -= spent.popleft()[1]

    def wait(self, weight: int, now: float, share: float | None = None) -> float:
        """Return the seconds until a request of `weight` may be sent; 0 means now.

        `share` is for requests that can wait: they are held back while more than that part of the limit is used, so
        that what must not wait finds room.
        """
        self._forget(now)
        if now < self._blocked_until:
            return self._blocked_until - now
        over = self._used + weight - int(self.limit * min(self.share, self.share if share is None else share))
        if over <= 0 or not self._spent:
            return 0.0
        freed_at = now
        for spent_at, given in self._spent:
            over -= given
            freed_at = spent_at + WINDOW_S
            if over <= 0:
                break
        return max(freed_at - now, 0.001)

    def spend(self, weight: int, now: float) -> None:
        """Count a request that is being sent."""
        self._forget(now)
        self._spent.append((now, weight))
        self._used += weight

    def correct(self, used: int, now: float) -> None:
        """Take the venue's own count, where it is higher than ours (somebody else shares the address)."""
        self._forget(now)
        if used > self._used:
            self._spent.append((now, used - self._used))
            self._used = used

    def block(self, seconds: float, now: float) -> None:
        """The venue said stop: send nothing until then."""
        self._blocked_until = max(self._blocked_until, now + seconds)

    def view(self, now: float) -> BudgetView:
        """Return the figures for people."""
        self._forget(now)
        reset = self._spent[0][0] + WINDOW_S - now if self._spent else 0.0
        blocked = max(self._blocked_until - now, 0.0)
        return BudgetView(venue=self.venue, used=self._used, limit=self.limit, reset_s=reset, blocked_s=blocked)


class Breaker:
    """A circuit breaker: after `failures` in a row it stays open for `pause_s`, then lets one try through."""

    def __init__(self, failures: int = 3, pause_s: float = 30.0) -> None:
        self.failures = failures
        self.pause_s = pause_s
        self._count = 0
        self._open_until = 0.0

    def allows(self, now: float) -> bool:
        """Tell whether a request may be tried."""
        return now >= self._open_until

    def succeeded(self) -> None:
        """A request went well."""
        self._count = 0
        self._open_until = 0.0

    def failed(self, now: float) -> None:
        """A request failed."""
        self._count += 1
        if self._count >= self.failures:
            self._open_until = now + self.pause_s
