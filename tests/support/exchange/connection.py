"""Open streams: what a client asked for, and what waits to be sent to it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from tests.support.exchange.tape import Instrument, Market

_DEPTH = {"depth", "depth@100ms", "depth@0ms", "depth@500ms", "depth@250ms"}
# The split of the USD-M streams over two addresses.
_PUBLIC = {"depth", "bookTicker", "trade"}


def recorded_kind(channel: str) -> str:
    """Which recorded (or derived) messages a channel such as `depth@100ms` gets; empty: accepted and silent."""
    if channel in _DEPTH:
        return "depth"
    return channel if channel in {"trade", "bookTicker", "aggTrade"} else ""


def routed(market: Market, route: str, kind: str, *, legacy: bool) -> bool:
    """Whether an address serves a kind of message."""
    if market != "usdm":
        return True
    if not route:
        return legacy
    return (route == "public") == (kind in _PUBLIC)


class Connection:
    """One client socket, seen from the exchange.

    Attributes:
        pending: Messages ready to be sent, in order.
        closed: The exchange has dropped it; what is pending is still delivered.
        abrupt: Dropped without a close handshake.
        on_change: Called after something became pending or the connection was closed.
    """

    def __init__(self, market: Market, route: str, *, combined: bool) -> None:
        self.market = market
        self.route = route
        self.combined = combined
        self.streams: dict[str, tuple[Instrument, str]] = {}
        self.pending: deque[bytes] = deque()
        self.closed = False
        self.abrupt = False
        self.frames_sent = 0
        self.frames_left: int | None = None
        self.first_depth: dict[Instrument, int] = {}
        self.on_change: Callable[[], None] | None = None

    def add(self, names: Iterable[str]) -> None:
        """Subscribe to streams by name."""
        for name in names:
            symbol, _, channel = name.partition("@")
            self.streams[name] = (Instrument(self.market, symbol.upper()), recorded_kind(channel))

    def remove(self, names: Iterable[str]) -> None:
        """Unsubscribe."""
        for name in names:
            self.streams.pop(name, None)

    def wrap(self, name: str, body: bytes) -> bytes:
        """A data object as this connection's clients see it."""
        return b'{"stream":"%s","data":%s}' % (name.encode(), body) if self.combined else body

    def send(self, message: bytes) -> None:
        """Put a message in the client's way; the connection breaks when it may send no more."""
        if self.closed:
            return
        self.pending.append(message)
        self.frames_sent += 1
        if self.frames_left is not None:
            self.frames_left -= 1
            if self.frames_left <= 0:
                self.close(abrupt=True)

    def close(self, *, abrupt: bool = False) -> None:
        """Drop the client."""
        if not self.closed:
            self.closed = True
            self.abrupt = abrupt
            self.flush()

    def flush(self) -> None:
        """Tell the transport that there is something to do."""
        if self.on_change is not None:
            self.on_change()
