"""The policy of one connection, without a socket: when to ping, when to give up, how long to wait, when to rotate.

All times are seconds of a monotonic clock, handed in by the caller.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Seconds = Annotated[float, Meta(gt=0, lt=1e9)]

ANSWER_S = 1.0
"""A pong comes sooner as a rule; a ping without one for longer is worth a word."""


class SessionSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of a connection."""

    ping_after_s: Annotated[Seconds, Meta(description="Silence, s, after which a ping is sent.")] = 2.0
    pong_within_s: Annotated[
        Seconds, Meta(description="Time for the pong, s; later the connection counts as lost.")
    ] = 5.0
    silence_s: Annotated[
        Seconds,
        Meta(description="Silence of all streams, s, after which the connection is opened anew, pongs or not."),
    ] = 15.0
    rotate_after_s: Annotated[
        Seconds, Meta(description="Age, s, at which a connection is replaced; the venue cuts it at 24 h.")
    ] = 23.5 * 3600
    max_errors: Annotated[
        int, Meta(ge=1, le=1000, description="Protocol errors in a row that count as a lost connection.")
    ] = 10
    reconnect_delay: Annotated[
        Seconds,
        Meta(description="First delay before a connection is opened again, s; doubled each time, times U(0.5, 1)."),
    ] = 1.0
    max_reconnect_delay: Annotated[Seconds, Meta(description="Largest such delay, s.")] = 60.0
    settle_s: Annotated[Seconds, Meta(description="Good data for so long, s, resets the delay.")] = 1.0
    connect_timeout_s: Annotated[Seconds, Meta(description="Time for a connection to be opened, s.")] = 10.0


class FeedSettings(SessionSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The connections of a market, and what is asked of it."""

    update_speed: Annotated[
        Literal["100ms", "250ms", "500ms", "1000ms"],
        Meta(description="Time between two depth updates. Spot: 100ms or 1000ms; futures: 100ms, 250ms or 500ms."),
    ] = "100ms"
    max_depth: Annotated[
        int,
        Meta(
            ge=5,
            le=5000,
            description="Levels a side of the snapshot that a book starts from, as far as the market gives them "
            "(spot 5000, futures 1000). A snapshot that widens a live book is always as deep as the market gives.",
        ),
    ] = 1000


class Due(StrEnum):
    """What a connection needs now."""

    NOTHING = "nothing"
    PING = "ping"
    ROTATE = "rotate"
    RECONNECT = "reconnect"


class Session:
    """State of one connection over its whole life, reconnects included."""

    __slots__ = ("_errors", "_failures", "_frame_at", "_good_since", "_opened_at", "_pinged_at", "reason", "settings")

    def __init__(self, settings: SessionSettings) -> None:
        self.settings = settings
        self.reason = ""
        self._failures = 0
        self._errors = 0
        self._opened_at = 0.0
        self._frame_at = 0.0
        self._pinged_at: float | None = None
        self._good_since: float | None = None

    @property
    def failures(self) -> int:
        """Connections lost or refused since data last flowed."""
        return self._failures

    @property
    def awaits_pong(self) -> bool:
        """True from a ping until its pong, or data, comes."""
        return self._pinged_at is not None

    def opened(self, now: float) -> None:
        """A connection was opened."""
        self._opened_at = self._frame_at = now
        self._pinged_at = None
        self._good_since = None
        self._errors = 0

    def frame(self, now: float) -> None:
        """A good frame came."""
        self._frame_at = now
        self._pinged_at = None
        self._errors = 0
        if self._good_since is None:
            self._good_since = now
        elif self._failures and now - self._good_since >= self.settings.settle_s:
            self._failures = 0

    def refused(self, now: float) -> bool:
        """A bad frame came; return True when the connection is to be given up."""
        self._frame_at = now
        self._errors += 1
        if self._errors < self.settings.max_errors:
            return False
        self.reason = f"{self._errors} protocol errors in a row"
        return True

    def pinged(self, now: float) -> None:
        """A ping was sent."""
        self._pinged_at = now

    def pong(self) -> None:
        """The pong came: the connection is alive, only silent."""
        self._pinged_at = None

    def due(self, now: float) -> Due:
        """Return what is to be done now."""
        settings = self.settings
        silent = now - self._frame_at
        if silent >= settings.silence_s:
            self.reason = f"no data for {silent:.0f} s"
            return Due.RECONNECT
        if self._pinged_at is not None:
            if now - self._pinged_at >= settings.pong_within_s:
                self.reason = f"no pong within {settings.pong_within_s:.0f} s"
                return Due.RECONNECT
        elif silent >= settings.ping_after_s:
            return Due.PING
        if now - self._opened_at >= settings.rotate_after_s:
            return Due.ROTATE
        return Due.NOTHING

    def given_up_in(self, now: float) -> float | None:
        """Return the seconds until a silent connection is given up if it stays silent; None while it is not silent."""
        settings = self.settings
        if now - self._frame_at < settings.ping_after_s:
            return None
        until = self._frame_at + settings.silence_s
        if self._pinged_at is not None and self.unanswered(now):
            until = min(until, self._pinged_at + settings.pong_within_s)
        return max(until - now, 0.0)

    def unanswered(self, now: float) -> bool:
        """Tell whether a ping has been without its pong for longer than usual."""
        return self._pinged_at is not None and now - self._pinged_at >= ANSWER_S

    def delay(self, dice: float) -> float:
        """Count a failure; return the seconds to wait: min(60, 2^n) x U(0.5, 1), `dice` uniform in [0, 1)."""
        settings = self.settings
        delay = min(settings.max_reconnect_delay, settings.reconnect_delay * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return delay * (0.5 + 0.5 * dice)
