"""A real venue through ccxt: every question is asked once, and what came of it is told as an event.

Four outcomes are kept apart: the venue did it, it said no for certain, it was never sent, and nobody knows. What nobody
knows is asked for later (`query`), and never sent again. Source of the outcomes: each venue's page of error codes, as
the dialects (`ccxt_binance`, `ccxt_bybit`, `ccxt_mexc`) have them.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable, Sequence

from msgspec import structs

from engine.approval import Approved
from engine.errors import FeedError, FeedUnavailable, ProtocolError, SettingsInvalid
from engine.execution.ccxt_binance import BinanceSpot
from engine.execution.ccxt_binanceusdm import BinanceUsdm
from engine.execution.ccxt_bybit import Bybit
from engine.execution.ccxt_held import Held, Standing, of_mode
from engine.execution.ccxt_mexc import Mexc
from engine.execution.ccxt_stream import Follower
from engine.execution.ccxt_wire import NotSent, Wire
from engine.execution.ccxt_words import DAMAGE, Ask, Execution, Listed, Meaning, Said, Words, external
from engine.execution.venue import Permissions, Sink, VenueAccount, VenueOrder
from engine.ingestion.budget import Budget
from engine.orders import (
    AmendRefused,
    CancelRefused,
    Fill,
    Mode,
    OrderAccepted,
    OrderAmended,
    OrderCanceled,
    OrderDenied,
    OrderEvent,
    OrderFilled,
    OrderRejected,
    OrderReported,
    OrderSpec,
    OrderUnresolved,
    Rules,
    decimal,
)
from engine.types import MS, SECOND

log = logging.getLogger(__name__)

DIALECTS: dict[str, Callable[[], Words]] = {
    "binance": BinanceSpot,
    "binanceusdm": BinanceUsdm,
    "bybit": Bybit,
    "mexc": Mexc,
}
"""By ccxt's names."""

LATE_NS = 8 * SECOND
"""Until when an order that was sent may still arrive: the venues refuse requests older than 5 s (`recvWindow`)."""

MISSES = 2
"""How often a venue has to say that it knows no such order before it is believed."""

CONFIRM_S = (0.0, 0.1, 0.3)
"""Pauses before looking whether what was only acknowledged has happened."""

CLOCK_TRIES = 3

STILL_S = 0.1
"""Pause after which a fill during a question for balances has been heard."""

STILL_TRIES = 3

MARGIN_NS = 20 * MS
"""By which our reckoning of the venue's clock may be wrong."""


class CcxtVenue:
    """One account at one venue; see `venue.Venue`, which it is.

    `clock_ms` is the venue's clock less ours (None: not measured), `rules` the filters by instrument, `permissions`
    what the key may do: all found by `check`.
    """

    def __init__(
        self,
        name: str,
        instruments: Iterable[str],
        key: Callable[[], str],
        secret: Callable[[], str],
        *,
        mode: Mode,
        sink: Sink,
        budget: Budget | None = None,
        rest: str = "",
        ws: str = "",
        timeout_s: float = 10.0,
        retry_s: float = 1.0,
        now: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
        dice: Callable[[], float] = random.random,
    ) -> None:
        """`budget` is shared with the data tasks of the same address. `rest` and `ws` replace scheme and host.

        Raises:
            SettingsInvalid: No such venue, no testnet there, or an instrument that it does not trade.
        """
        if name not in DIALECTS:
            raise SettingsInvalid(f"orders cannot be sent to {name!r}; known are {', '.join(DIALECTS)}")
        if name == "mexc" and mode is Mode.TESTNET and not rest:
            raise SettingsInvalid("mexc has no testnet; trade it on paper, or live")
        self.name = name
        self.mode = mode
        self.words = DIALECTS[name]()
        self.markets: dict[str, Listed] = {key: self.words.listed(key) for key in instruments}
        self.clock_ms: float | None = None
        self.rules: dict[str, Rules] = {}
        self.permissions: Permissions | None = None
        self.held = Held(mode)
        self.wire = Wire(
            self.words,
            key,
            secret,
            budget or Budget(name, self.words.weight_limit),
            mode=mode,
            rest=rest,
            ws=ws,
            timeout_s=timeout_s,
            now=now,
            monotonic=monotonic,
        )
        self.now = now
        self._monotonic = monotonic
        self._missed: dict[str, int] = {}
        self._follower = Follower(self, sink, dice, retry_s)

    @property
    def listed(self) -> Sequence[Listed]:
        """The instruments that are traded here."""
        return tuple(self.markets.values())

    async def run(self) -> None:
        """Keep the private stream and hand what it says to the sink, until cancelled."""
        await self._follower.run()

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

    async def submit(self, order: Approved[OrderSpec]) -> OrderEvent:
        """Send an order once."""
        spec = order.value
        market = self.markets.get(spec.instrument)
        if market is None:
            return self._denied(spec, f"{spec.instrument} is not among the instruments that are traded at {self.name}")
        if not self.wire.ready:
            return self._denied(spec, f"{self.name} was not reached yet; wait until it is connected")
        call = self.words.submit(spec, market)
        if isinstance(call, str):
            return self._denied(spec, call)
        self.held.sent(spec, market, self.now())
        try:
            venue_id = self.words.submitted(await self.wire.order(call))
        except NotSent as error:
            self.held.gone(spec.id)
            return self._denied(spec, str(error))
        except Exception as error:  # noqa: BLE001 - it may have arrived, whatever failed
            if (said := self._certain(error)) is None:
                return self._unresolved(spec.id, "submit", error)
            self.held.gone(spec.id)
            return OrderRejected(order=spec.id, ts=self.now(), code=said.code, reason=str(said))
        self.held.accepted(spec.id, venue_id)
        return OrderAccepted(order=spec.id, ts=self.now(), venue_id=venue_id)

    async def cancel(self, instrument: str, order: str, venue_id: str) -> OrderEvent:
        """Cancel an order; where it is only acknowledged, look whether it has happened."""
        market = self.markets.get(instrument)
        if market is None or not self.wire.ready:
            return CancelRefused(
                order=order, ts=self.now(), reason=f"{self.name} cannot be asked about {instrument} yet"
            )
        standing = self.held.open.get(order)
        venue_id = venue_id or (standing.venue_id if standing is not None else "")
        try:
            answer = await self._cancelled(market, order, venue_id, standing)
            filled = self.words.canceled(answer)
            if filled is not None:
                return OrderCanceled(order=order, ts=self.now(), filled=filled)
            return await self._confirmed(market, order, venue_id)
        except NotSent as error:
            return CancelRefused(order=order, ts=self.now(), reason=str(error))
        except Exception as error:  # noqa: BLE001 - it may have arrived, whatever failed
            said = self._certain(error)
            if said is None:
                return self._unresolved(order, "cancel", error)
            return CancelRefused(order=order, ts=self.now(), reason=str(said))

    async def _cancelled(self, market: Listed, order: str, venue_id: str, standing: Standing | None) -> object:
        conditional = standing is not None and standing.conditional
        try:
            return await self.wire.urgent(self.words.cancel(market, order, venue_id, conditional))
        except Said as error:
            if not self.words.apart(market) or error.meaning not in (Meaning.REFUSED, Meaning.MISSING):
                raise
        return await self.wire.urgent(self.words.cancel(market, order, venue_id, not conditional))

    async def _confirmed(self, market: Listed, order: str, venue_id: str) -> OrderEvent:
        for pause in CONFIRM_S:
            await asyncio.sleep(pause)
            found = await self.words.find(self.wire.ask, market, order, venue_id)
            if found is not None and found.state in ("canceled", "expired"):
                return OrderCanceled(order=order, ts=self.now(), filled=found.filled)
            if found is not None and found.state == "filled":
                return CancelRefused(order=order, ts=self.now(), reason="it was filled before it could be cancelled")
        return self._unresolved(
            order, "cancel", FeedUnavailable(f"{self.name} took the cancel, and the order still stands")
        )

    async def amend(self, order: Approved[OrderSpec], venue_id: str) -> OrderEvent:
        """Change an order where that is one request, and look whether it has happened."""
        spec = order.value
        market = self.markets.get(spec.instrument)
        if market is None or not self.wire.ready:
            return self._unchanged(spec, f"{self.name} cannot be asked about {spec.instrument} yet")
        standing = self.held.open.get(spec.id)
        call = self.words.amend(spec, market, venue_id, standing.spec if standing is not None else None)
        if isinstance(call, str):
            return self._unchanged(spec, call)
        try:
            await self.wire.order(call)
            for pause in CONFIRM_S:
                await asyncio.sleep(pause)
                found = await self.words.find(self.wire.ask, market, spec.id, venue_id)
                if found is not None and _matches(found, spec):
                    if standing is not None:
                        standing.spec = spec
                    return self._amended(found)
                if found is not None and found.state != "working":
                    return self._unchanged(spec, f"the order is {found.state} already")
        except NotSent as error:
            return self._unchanged(spec, str(error))
        except Exception as error:  # noqa: BLE001 - it may have arrived, whatever failed
            said = self._certain(error)
            return self._unresolved(spec.id, "amend", error) if said is None else self._unchanged(spec, str(said))
        return self._unresolved(spec.id, "amend", FeedUnavailable(f"{self.name} took the change, and does not show it"))

    def _amended(self, found: VenueOrder) -> OrderAmended:
        return OrderAmended(
            order=found.id, ts=self.now(), price=found.price, stop_price=found.stop_price, quantity=found.quantity,
            venue_id=found.venue_id,
        )  # fmt: skip

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

    def _certain(self, error: Exception) -> Said | None:
        """Return what the venue said, where that is a certain no."""
        if not isinstance(error, Said) or error.meaning is Meaning.UNKNOWN:
            return None
        if error.meaning is Meaning.CLOCK:
            self._follower.wake(clock=True)
        return error

    def _unresolved(self, order: str, doing: str, error: Exception) -> OrderUnresolved:
        # Not the words of a foreign error: they may hold an address with a signature.
        text = str(error) if isinstance(error, FeedError) else f"{self.name} answered in an unknown form"
        if not isinstance(error, FeedError):
            log.warning("%s: %s of %s: %s", self.name, doing, order, type(error).__name__)
        self._follower.wake()
        return OrderUnresolved(order=order, ts=self.now(), doing=doing, reason=text)

    def _denied(self, spec: OrderSpec, reason: str) -> OrderDenied:
        return OrderDenied(order=spec.id, ts=self.now(), reason=reason)

    def _unchanged(self, spec: OrderSpec, reason: str) -> AmendRefused:
        return AmendRefused(order=spec.id, ts=self.now(), reason=reason)

    def _damaged(self, what: str, error: Exception) -> ProtocolError:
        return ProtocolError(f"{self.name} answered in an unknown form when asked for {what} ({type(error).__name__})")


def _matches(found: VenueOrder, spec: OrderSpec) -> bool:
    return (
        found.quantity == spec.quantity
        and (not spec.type.limited or found.price == spec.price)
        and (not spec.type.conditional or found.stop_price == spec.stop_price)
    )
