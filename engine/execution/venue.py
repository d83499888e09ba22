"""A trading venue as the engine sees it. What it answers are order events; what it cannot tell is never guessed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from engine.approval import Approved
from engine.orders import AccountEvent, Fill, Mode, OrderEvent, OrderSpec, Rules


class VenueOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order as the venue reports it; `id` is the client order id, "" where it was not made with one.

    `state`: working, filled, canceled, rejected or expired. Units as in `orders`.
    """

    id: str
    venue_id: str
    instrument: str
    side: str
    type: str
    quantity: int
    filled: int
    price: int
    stop_price: int
    reduce_only: bool
    state: str
    ts: int
    reason: str = ""


class VenueAccount(msgspec.Struct, frozen=True, kw_only=True):
    """All that a venue knows of us at one moment: balances (free and locked), signed positions of derivatives.

    `ts` is by the venue's clock, as are its fills: what was filled until then is in the balances.
    """

    venue: str
    ts: int
    balances: dict[str, int]
    positions: dict[str, int]
    open_orders: tuple[VenueOrder, ...]
    mode: Mode = Mode.LIVE


class Permissions(msgspec.Struct, frozen=True, kw_only=True):
    """What a key may do, and the venue's clock less ours (ms); None: the venue does not tell."""

    trade: bool | None
    withdraw: bool | None
    text: str = ""
    clock_ms: float | None = None
    rules: dict[str, Rules] = {}
    """What the venue lets orders be, by instrument."""


Sink = Callable[[OrderEvent | AccountEvent], None]
"""Takes what a venue says, in the order in which it is heard."""


class Venue(Protocol):
    """One account at one venue. Calls never raise for what a venue may answer: the answer is an event.

    A submit, cancel or amend that was perhaps heard and not answered is `OrderUnresolved`, never tried again.
    """

    name: str

    async def run(self) -> None:
        """Keep the private stream and hand what it says to the sink, until cancelled.

        A connection that was lost is opened again, and followed by asking for what happened in between; while it is
        lost a `ConditionChanged` says so.
        """

    async def check(self) -> Permissions:
        """Measure the clock, load markets and filters, and find out what the key may do.

        Raises:
            FeedError: It does not answer, or refuses the key.
        """

    async def submit(self, order: Approved[OrderSpec]) -> OrderEvent:
        """Send an order once: accepted, rejected, denied (not sent) or unresolved."""

    async def cancel(self, instrument: str, order: str, venue_id: str) -> OrderEvent:
        """Cancel: canceled, refused (filled, or not there), or unresolved."""

    async def amend(self, order: Approved[OrderSpec], venue_id: str) -> OrderEvent:
        """Change an order where the venue can do it in one request: amended, refused or unresolved."""

    async def query(self, instrument: str, order: str, venue_id: str, since: int) -> tuple[OrderEvent, ...]:
        """Ask what became of an order: its fills since `since` (UTC ns), then an `OrderReported`.

        Raises:
            FeedError: No answer; nothing is known, and it is asked again later.
        """

    async def account(self) -> VenueAccount:
        """Ask for balances, positions and open orders.

        Raises:
            FeedError: No answer; "flat" is never assumed.
        """

    async def fills(self, instrument: str, since: int) -> tuple[Fill, ...]:
        """Ask for all fills since `since` (UTC ns), oldest first, page by page.

        Raises:
            FeedError: No answer.
        """

    async def close(self) -> None:
        """Release everything; never raises."""
