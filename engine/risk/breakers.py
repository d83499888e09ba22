"""What stops new risk by itself for a while: a flash move of a price, trouble with a venue. Time is given (UTC ns)."""

from __future__ import annotations

from collections import deque

from engine.risk.limits import Breakers
from engine.risk.wording import money, percent, span, time_of_day
from engine.types import SECOND


class FlashBreaker:
    """Pauses one symbol after its mid moved too far within a window, up or down.

    Attributes:
        settings: May be replaced at any time.
        until: UTC ns at which the pause is over; 0: there was none.
    """

    __slots__ = ("_high", "_low", "_text", "name", "settings", "until")

    def __init__(self, settings: Breakers, name: str = "") -> None:
        self.settings = settings
        self.name = name
        self.until = 0
        self._text = ""
        # Mids of the window that no later one has passed: the first is the highest, and the lowest.
        self._high: deque[tuple[int, int]] = deque()
        self._low: deque[tuple[int, int]] = deque()

    def price(self, mid: int, now: int) -> str | None:
        """Take a mid (1e-8) at `now` (UTC ns); return what happened if it is a flash move, once for each."""
        since = now - int(self.settings.flash_window_s * SECOND)
        high, low = self._high, self._low
        while high and high[0][0] < since:
            high.popleft()
        while low and low[0][0] < since:
            low.popleft()
        while high and high[-1][1] <= mid:
            high.pop()
        while low and low[-1][1] >= mid:
            low.pop()
        high.append((now, mid))
        low.append((now, mid))
        top, bottom, most = high[0][1], low[0][1], self.settings.flash_move
        begun = top if top - mid > most * top else bottom if mid - bottom > most * bottom else 0
        if not begun:
            return None
        high.clear()
        low.clear()
        high.append((now, mid))
        low.append((now, mid))
        self.until = now + int(self.settings.flash_pause_s * SECOND)
        name = self.name or "the price"
        self._text = (
            f"{name} moved {percent(abs(mid - begun) / begun)} within {span(self.settings.flash_window_s)}, from "
            f"{money(begun)} to {money(mid)}"
        )
        return f"{self._text}: no new risk there for {span(self.settings.flash_pause_s)}; exits go on"

    def open(self, now: int) -> str:
        """Return why new risk has to wait, and how long; "" if it has not."""
        return _waiting(self._text, self.until, now)

    def image(self) -> dict[str, object]:
        """All of it as builtins."""
        return {"until": self.until, "text": self._text, "high": list(self._high), "low": list(self._low)}


class VenueBreaker:
    """Pauses a venue after so many requests in a row failed or were rejected; one that succeeds ends the row.

    After a pause one more failure is enough for the next.
    """

    __slots__ = ("_text", "failures", "name", "settings", "until")

    def __init__(self, settings: Breakers, name: str = "") -> None:
        self.settings = settings
        self.name = name
        self.failures = 0
        self.until = 0
        self._text = ""

    def failed(self, now: int, reason: str = "") -> str | None:
        """Count a failure at `now` (UTC ns; `reason`: inert text); return what happened if it is the one too many."""
        if now < self.until:
            return None
        self.failures += 1
        if self.failures < self.settings.venue_failures:
            return None
        self.until = now + int(self.settings.venue_pause_s * SECOND)
        last = f" (last: {reason})" if reason else ""
        self._text = f"{self.name or 'the venue'} failed or rejected {self.failures} requests in a row{last}"
        return f"{self._text}: no new risk there for {span(self.settings.venue_pause_s)}; exits are still tried"

    def succeeded(self) -> None:
        """A request was answered as asked. A pause that has begun runs its time."""
        self.failures = 0

    def open(self, now: int) -> str:
        """Return why new risk has to wait, and how long; "" if it has not."""
        return _waiting(self._text, self.until, now)

    def image(self) -> dict[str, object]:
        """All of it as builtins."""
        return {"until": self.until, "text": self._text, "failures": self.failures}


def _waiting(text: str, until: int, now: int) -> str:
    if now >= until:
        return ""
    return f"{text}: wait {span((until - now) / SECOND)}, until {time_of_day(until)}, or only reduce"
