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
from collections.abc import Callable, Iterable

from engine.approval import Approved
from engine.errors import FeedError, FeedUnavailable, SettingsInvalid
from engine.execution.ccxt_asking import Asked
from engine.execution.ccxt_binance import BinanceSpot
from engine.execution.ccxt_binanceusdm import BinanceUsdm
from engine.execution.ccxt_bybit import Bybit
from engine.execution.ccxt_held import Standing
from engine.execution.ccxt_mexc import Mexc
from engine.execution.ccxt_stream import Follower
from engine.execution.ccxt_wire import TIMEOUT_S, NotSent, Wire
from engine.execution.ccxt_words import Listed, Meaning, Said, Words
from engine.execution.venue import Sink, VenueOrder
from engine.ingestion.budget import Budget
from engine.orders import (
    AmendRefused,
    CancelRefused,
    Mode,
    OrderAccepted,
    OrderAmended,
    OrderCanceled,
    OrderDenied,
    OrderEvent,
    OrderRejected,
    OrderSpec,
    OrderUnresolved,
)

log = logging.getLogger(__name__)

DIALECTS: dict[str, Callable[[], Words]] = {
    "binance": BinanceSpot,
    "binanceusdm": BinanceUsdm,
    "bybit": Bybit,
    "mexc": Mexc,
}
"""By ccxt's names."""

CONFIRM_S = (0.0, 0.1, 0.3)
"""Pauses before looking whether what was only acknowledged has happened."""


class CcxtVenue(Asked):
    """One account at one venue; see `venue.Venue`, which it is."""

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
        timeout_s: float = TIMEOUT_S,
        retry_s: float = 1.0,
        now: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
        dice: Callable[[], float] = random.random,
        latch: Callable[[OrderSpec], str] = lambda _: "",
        clean: Callable[[str], str] = str,
    ) -> None:
        """`budget` is shared with the data tasks of the same address. `rest` and `ws` replace scheme and host.

        `latch` tells why the kill switch holds an order back, "" where it does not: it is looked at before a byte of
        it is written. `clean` takes secrets out of what the venue says.

        Raises:
            SettingsInvalid: No such venue, no testnet there, or an instrument that it does not trade.
        """
        if name not in DIALECTS:
            raise SettingsInvalid(f"orders cannot be sent to {name!r}; known are {', '.join(DIALECTS)}")
        if name == "mexc" and mode is Mode.TESTNET and not rest:
            raise SettingsInvalid("mexc has no testnet; trade it on paper, or live")
        words = DIALECTS[name]()
        wire = Wire(
            words, key, secret, budget or Budget(name, words.weight_limit), mode=mode, rest=rest, ws=ws,
            timeout_s=timeout_s, clean=clean, now=now, monotonic=monotonic,
        )  # fmt: skip
        super().__init__(words, wire, instruments, mode, now=now, monotonic=monotonic)
        self._follower = Follower(self, sink, dice, retry_s)
        self._latch = latch

    async def run(self) -> None:
        """Keep the private stream and hand what it says to the sink, until cancelled."""
        await self._follower.run()

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
            venue_id = self.words.submitted(await self.wire.order(call, lambda: self._latch(spec)))
        except NotSent as error:
            self.held.gone(spec.id)
            return self._denied(spec, str(error))
        except Exception as error:  # noqa: BLE001 - it may have arrived, whatever failed
            if (said := self._certain(error)) is None:
                return self._unresolved(spec.id, "submit", error)
            self.held.gone(spec.id)
            return OrderRejected(order=spec.id, ts=self.now(), code=said.code, reason=str(said))
        self.held.accepted(spec.id, venue_id)
        if not self.words.watched:
            self._follower.wake()
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
            await self.wire.order(call, lambda: self._latch(spec))
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


def _matches(found: VenueOrder, spec: OrderSpec) -> bool:
    return (
        found.quantity == spec.quantity
        and (not spec.type.limited or found.price == spec.price)
        and (not spec.type.conditional or found.stop_price == spec.stop_price)
    )
