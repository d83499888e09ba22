"""Asking one account at a venue: clock, filters, rights, orders, fills, balances and positions.

What is not answered is an error, and never "nothing there".
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence

from msgspec import structs

from engine.errors import FeedUnavailable, ProtocolError
from engine.execution.ccxt_held import Held, of_mode
from engine.execution.ccxt_wire import Wire
from engine.execution.ccxt_words import DAMAGE, Ask, Execution, Listed, Words, external
from engine.execution.venue import Permissions, VenueAccount, VenueOrder
from engine.orders import Fill, Mode, OrderEvent, OrderFilled, OrderReported, Rules, decimal
from engine.types import MS, SECOND

log = logging.getLogger(__name__)

LATE_NS = 8 * SECOND
"""Until when an order that was sent may still arrive: the venues refuse requests older than 5 s (`recvWindow`)."""

MISSES = 2
"""How often a venue has to say that it knows no such order before it is believed."""

CLOCK_TRIES = 3

STILL_S = 0.1
"""Pause after which a fill during a question for balances has been heard."""

STILL_TRIES = 3

MARGIN_NS = 20 * MS
"""By which our reckoning of the venue's clock may be wrong."""


class Asked:
    """One account at one venue, as far as it can be asked.

    `clock_ms` is the venue's clock less ours (None: not measured), `rules` the filters by instrument, `permissions`
    what the key may do: all found by `check`.
    """

    def __init__(
        self,
        words: Words,
        wire: Wire,
        instruments: Iterable[str],
        mode: Mode,
        *,
        now: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the dialect of the venue and the line to it.

        Raises:
            SettingsInvalid: An instrument that is not traded there.
        """
        self.name = words.venue
        self.mode = mode
        self.words = words
        self.wire = wire
        self.markets: dict[str, Listed] = {key: words.listed(key) for key in instruments}
        self.clock_ms: float | None = None
        self.rules: dict[str, Rules] = {}
        self.permissions: Permissions | None = None
        self.held = Held(mode)
        self.now = now
        self._monotonic = monotonic
        self._missed: dict[str, int] = {}

    @property
    def listed(self) -> Sequence[Listed]:
        """The instruments that are traded here."""
        return tuple(self.markets.values())

    async def check(self) -> Permissions:
        """Measure the clock, load the filters, and find out what the key may do.

        Raises:
            FeedError: It does not answer, or refuses the key.
            SettingsInvalid: It has no testnet.
        """
        try:
            await self.measure()
            self.rules = await self.words.rules(self.wire.ask, self.listed)
            told = await self.words.permissions(self.wire.ask, self.mode is Mode.TESTNET)
            self.permissions = structs.replace(told, clock_ms=self.clock_ms, rules=dict(self.rules))
        except DAMAGE as error:
            raise self._damaged("what may be traded", error) from None
        return self.permissions

    async def measure(self) -> None:
        """Measure the venue's clock: of a few answers the fastest counts, and half its way is taken off.

        Raises:
            FeedError: No answer.
        """
        await self.wire.open()
        best = float("inf")
        for _ in range(CLOCK_TRIES):
            asked, began = self._monotonic(), self.now()
            told = await self.words.clock(self.wire.ask)
            took = self._monotonic() - asked
            if took < best:
                best = took
                self.clock_ms = told - (began / MS + took * 500)
        if self.clock_ms is not None:
            self.wire.clock(self.clock_ms)

    async def query(self, instrument: str, order: str, venue_id: str, since: int) -> tuple[OrderEvent, ...]:
        """Ask what became of an order: all its fills, then an `OrderReported`.

        That the venue knows no such order is believed when it says so twice, after the order can no longer arrive.

        Raises:
            FeedError: Not known yet.
        """
        market = self._market(instrument)
        try:
            found = await self.words.find(self.wire.ask, market, order, venue_id)
            if found is None:
                return (self._missing(order, since),)
            fills = await self.fills_of(market, found) if found.filled else []
        except DAMAGE as error:
            raise self._damaged(f"order {order}", error) from None
        if sum(fill.quantity for fill in fills) < found.filled:
            raise FeedUnavailable(
                f"{self.name} says that {decimal(found.filled)} of order {order} is filled, and lists fewer fills yet"
            )
        self._missed.pop(order, None)
        self.held.told(found, market, self.now())
        told = [OrderFilled(order=order, ts=fill.ts, fill=fill) for fill in fills]
        return (*told, self.reported(found, order))

    def _missing(self, order: str, since: int) -> OrderReported:
        missed = self._missed[order] = self._missed.get(order, 0) + 1
        if missed < MISSES or self.now() - since < LATE_NS:
            raise FeedUnavailable(f"{self.name} knows no order {order}; it may be on its way, and is asked for again")
        del self._missed[order]
        self.held.gone(order)
        return OrderReported(order=order, ts=self.now(), state="missing", reason=f"{self.name} knows no such order")

    def reported(self, found: VenueOrder, order: str = "") -> OrderReported:
        """Return what the venue says an order is, as an event."""
        return OrderReported(
            order=order or found.id, ts=self.now(), state=found.state, venue_id=found.venue_id, filled=found.filled,
            reason=self.wire.shown(found.reason),
        )  # fmt: skip

    async def account(self) -> VenueAccount:
        """Ask for balances, positions and open orders, at a moment without fills: of such it is known what is in them.

        Raises:
            FeedError: No answer.
        """
        try:
            for _ in range(STILL_TRIES):
                asked = int(self.venue_ms() * MS)
                balances, positions = await self.words.holdings(self.wire.ask, self.listed)
                await asyncio.sleep(STILL_S)
                if self.held.last_fill < asked - MARGIN_NS:
                    break
            orders = await self.words.standing(self.wire.ask, self.listed)
        except DAMAGE as error:
            raise self._damaged("the account", error) from None
        for order in orders:
            self.held.told(order, self.markets[order.instrument], self.now())
        return VenueAccount(
            venue=self.name,
            ts=asked,
            balances=balances,
            positions=positions,
            open_orders=tuple(orders),
            mode=self.mode,
        )

    async def fills(self, instrument: str, since: int) -> tuple[Fill, ...]:
        """Ask for all fills since `since` (UTC ns), oldest first.

        Raises:
            FeedError: No answer.
        """
        return tuple(await self.fills_since(self._market(instrument), since, self.wire.ask))

    async def fills_since(self, market: Listed, since: int, ask: Ask) -> list[Fill]:
        """Ask for fills, and whose they are where the venue names orders by its own ids alone.

        Raises:
            FeedError: No answer.
        """
        try:
            found = await self.words.trades(ask, market, since // MS, self.venue_ms())
            return [await self._of_order(market, execution, ask) for execution in found]
        except DAMAGE as error:
            raise self._damaged(f"the fills of {market.key}", error) from None

    async def fills_of(self, market: Listed, found: VenueOrder) -> list[Fill]:
        """Ask for all fills of an order.

        Raises:
            FeedError: No answer.
        """
        executions = await self.words.trades_of(self.wire.ask, market, found)
        return [of_mode(execution.fill, found.id, self.mode) for execution in executions]

    async def _of_order(self, market: Listed, execution: Execution, ask: Ask) -> Fill:
        if execution.told:
            return of_mode(execution.fill, execution.fill.order, self.mode)
        order = self.held.named(market.key, execution.venue_id)
        if not order:
            found = await self.words.find(ask, market, "", execution.venue_id)
            order = found.id if found is not None else external(self.name, market.symbol, execution.venue_id)
            self.held.name(market.key, execution.venue_id, order)
        return of_mode(execution.fill, order, self.mode)

    def venue_ms(self) -> int:
        """Return the venue's time, UTC ms."""
        return int(self.now() / MS + (self.clock_ms or 0.0))

    async def close(self) -> None:
        """Release everything; never raises."""
        try:
            await self.wire.close()
        except Exception as error:  # noqa: BLE001 - it is over in any case
            log.warning("%s: closing: %s", self.name, type(error).__name__)

    def _market(self, instrument: str) -> Listed:
        market = self.markets.get(instrument)
        if market is None:
            raise FeedUnavailable(f"{instrument} is not among the instruments that are traded at {self.name}")
        return market

    def _damaged(self, what: str, error: Exception) -> ProtocolError:
        return ProtocolError(f"{self.name} answered in an unknown form when asked for {what} ({type(error).__name__})")
