"""Following an account: ccxt keeps the private stream, messages are read here first, and what may be missing is asked.

ccxt's own caches merge updates of one order; they are not used. After a loss, and every half minute while orders stand,
fills and orders are asked for; until that has been answered the connection counts as lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from engine.errors import FeedError, FeedUnavailable
from engine.execution.ccxt_asking import Asked
from engine.execution.ccxt_held import YOUNG_NS, of_mode
from engine.execution.ccxt_words import DAMAGE, Heard, Listed, inner
from engine.execution.venue import Sink, VenueOrder
from engine.orders import ConditionChanged, Fill, FundingPaid, OrderEvent, OrderFilled
from engine.types import MS, SECOND

log = logging.getLogger(__name__)

READY_S = 15.0
"""Within which a stream has to be complete."""

ASK_S = 30.0
"""Between two times that fills are asked for, while orders stand."""

ASK_OFTEN_S = 2.0
"""The same where there is no stream."""

SETTLE_S = 0.25
"""Pause before asking about a doubt: the next message often settles it."""

OVERLAP_NS = 5 * SECOND
"""Asked for again each time; fills that are known are passed over."""

CLOCK_S = 600.0
"""Between two measurements of the clock."""

STEADY_S = 30.0
"""A connection that held so long was a good one: the next pause is a short one again."""

LONGEST_S = 60.0
"""Longest pause before a lost stream is opened again."""

CLOSE_S = 2.0
"""Time for a stream to be closed in order."""


class Follower:
    """Hands on what a venue says of an account: by its stream, and by asking."""

    def __init__(self, venue: Asked, sink: Sink, dice: Callable[[], float], unit_s: float) -> None:
        """`unit_s` is the length of the first pause after a loss."""
        self._venue = venue
        self._sink = sink
        self._dice = dice
        self._unit_s = unit_s
        self._by_symbol = {(market.category, market.symbol): market for market in venue.markets.values()}
        self._woken = asyncio.Event()
        self._ready = asyncio.Event()
        self._lost: asyncio.Future[str] | None = None
        self._acks = 0
        self._clock_at = 0.0
        self._since = 0
        self._told = ""
        self._closing: set[asyncio.Task[None]] = set()

    def wake(self, *, clock: bool = False) -> None:
        """Ask soon; also for the time, if that may be wrong."""
        if clock:
            self._clock_at = 0.0
        self._woken.set()

    async def run(self) -> None:
        """Keep following until cancelled."""
        venue = self._venue
        self._since = venue.now() - 60 * SECOND
        self._condition(f"the private stream of {venue.name} is not open yet")
        tries = 0
        while True:
            began = asyncio.get_running_loop().time()
            try:
                reason = await self._follow(fresh=tries > 1)
            except FeedError as error:
                reason = str(error)
            except DAMAGE as error:
                log.warning("%s: %s", venue.name, type(error).__name__)
                reason = f"{venue.name} answered in an unknown form"
            tries = 1 if asyncio.get_running_loop().time() - began >= STEADY_S else tries + 1
            delay = min(LONGEST_S, 2.0 ** min(tries - 1, 10)) * self._unit_s * (0.5 + self._dice() / 2)
            log.warning("%s: lost: %s; again in %.1f s", venue.name, reason, delay)
            self._condition(f"fills and orders of {venue.name} are not heard: {reason}")
            await asyncio.sleep(delay)

    def _condition(self, text: str) -> None:
        if bool(text) != bool(self._told):
            self._sink(ConditionChanged(name=f"connection {self._venue.name}", text=text, ts=self._venue.now()))
        self._told = text

    async def _follow(self, *, fresh: bool) -> str:
        """Open the stream, catch up, and go on until it is lost; return why."""
        venue = self._venue
        client = await venue.wire.open()
        if venue.clock_ms is None:
            await self._measured()
        self._lost = asyncio.get_running_loop().create_future()
        self._ready.clear()
        self._acks = 0
        watching = self._watch(client, fresh)
        try:
            await self._complete(watching)
            await self._catch_up()
            self._condition("")
            while True:
                pause = (ASK_S if watching else ASK_OFTEN_S) if venue.held.open else ASK_S
                pause = 1.0 if venue.held.lacking() else pause
                if (reason := await self._quiet(watching, pause)) is not None:
                    return reason
                await self._measured()
                if venue.held.open or self._woken.is_set() or not watching:
                    self._woken.clear()
                    await self._catch_up()
        finally:
            self._release(client, watching)

    def _watch(self, client: Any, fresh: bool) -> list[asyncio.Future[Any]]:
        names = self._venue.words.watched
        if not names:
            return []
        if fresh:
            for bucket in ("linear", "listenKey"):
                client.options.pop(bucket, None)
        theirs, connected = type(client).handle_message, type(client).on_connected

        def message(ws: Any, said: Any) -> None:
            if not self._hear(said):
                theirs(client, ws, said)

        def opened(ws: Any, said: Any = None) -> None:
            connected(client, ws, said)
            if not self._venue.words.acks:
                self._ready.set()

        client.handle_message, client.on_connected = message, opened
        return [asyncio.ensure_future(getattr(client, name)()) for name in names]

    async def _complete(self, watching: list[asyncio.Future[Any]]) -> None:
        if not watching:
            return
        ready: asyncio.Future[Any] = asyncio.ensure_future(self._ready.wait())
        try:
            lost = self._lost
            assert lost is not None
            await asyncio.wait([ready, lost, *watching], timeout=READY_S, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                raise FeedUnavailable(self._why(watching) or f"its private stream was not ready within {READY_S:.0f} s")
        finally:
            ready.cancel()

    async def _quiet(self, watching: list[asyncio.Future[Any]], pause: float) -> str | None:
        """Wait until it is time to ask; return why the stream was lost, if it was."""
        woken: asyncio.Future[Any] = asyncio.ensure_future(self._woken.wait())
        try:
            lost = self._lost
            assert lost is not None
            await asyncio.wait([woken, lost, *watching], timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            if (reason := self._why(watching)) is not None:
                return reason
            if woken.done():
                await asyncio.sleep(SETTLE_S)
            return None
        finally:
            woken.cancel()

    def _why(self, watching: list[asyncio.Future[Any]]) -> str | None:
        if self._lost is not None and self._lost.done():
            return self._lost.result()
        for task in watching:
            if task.done():
                # The error's own words may hold an address with the key of the stream in it.
                error = None if task.cancelled() else task.exception()
                return str(error) if isinstance(error, FeedError) else f"the stream ended ({type(error).__name__})"
        return None

    def _release(self, client: Any, watching: list[asyncio.Future[Any]]) -> None:
        """Give the stream up, without waiting for a peer that may be dead."""
        sockets, client.clients = dict(client.clients or {}), {}
        closing = asyncio.ensure_future(_closed(sockets, watching))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def _measured(self) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._clock_at or not self._clock_at:
            await self._venue.measure()
            self._clock_at = now + CLOCK_S

    # What the stream says. -------------------------------------------------------------------------------------------

    def _hear(self, said: Any) -> bool:
        """Take a message; False: it is ccxt's affair. One that cannot be read is a doubt, and is asked about."""
        words = self._venue.words
        if not isinstance(said, dict):
            return False
        try:
            if words.ack(said):
                self._acks += 1
                if self._acks >= words.acks:
                    self._ready.set()
                return False
            heard = words.heard(said, self._by_symbol)
        except (*DAMAGE, FeedError) as error:
            log.warning("%s: a message that cannot be read: %s", words.venue, type(error).__name__)
            self.wake()
            return True
        if heard is None:
            return False
        self._take(heard)
        return True

    def _take(self, heard: Heard) -> None:
        orders = {order.id: order for order in heard.orders}
        for event in heard.events:
            if isinstance(event, FundingPaid):
                self._fund(event)
            elif self._known(event.order, orders.get(event.order)):
                self._tell(event)
            else:
                heard.doubt = True
        for order in heard.orders:
            self._venue.held.told(order, self._venue.markets[order.instrument], self._venue.now())
        if heard.lost and self._lost is not None and not self._lost.done():
            self._lost.set_result(heard.lost)
        if heard.doubt or self._venue.held.lacking():
            self.wake()

    def _known(self, order: str, found: VenueOrder | None) -> bool:
        """Take in an order that was not made here, before anything is told of it; False: too little is known of it."""
        held = self._venue.held
        if held.strange(order):
            if found is None:
                return False
            self._sink(held.adopt(found, self._venue.now()))
        return True

    def _tell(self, event: OrderEvent) -> None:
        if isinstance(event, OrderFilled):
            fill = of_mode(event.fill, event.order, self._venue.mode)
            if self._venue.held.fill(fill):
                self._sink(OrderFilled(order=event.order, ts=event.ts, fill=fill))
        else:
            self._sink(event)

    def _fund(self, paid: FundingPaid) -> None:
        if self._venue.held.first(paid.id):
            self._sink(paid)

    # What asking says. -----------------------------------------------------------------------------------------------

    async def _catch_up(self) -> None:
        """Ask for fills, funding and orders since the last time.

        Raises:
            FeedError: No answer; nothing is taken for granted.
        """
        venue = self._venue
        began, since = venue.now(), self._since - OVERLAP_NS
        shift = int((venue.clock_ms or 0.0) * MS)
        for market in venue.listed:
            for fill in await venue.fills_since(market, since + shift, venue.wire.look):
                await self._filled(market, fill)
        futures = [market for market in venue.listed if market.derivative]
        if futures:
            since_ms = (since + shift) // MS
            for paid in await venue.words.funding(venue.wire.look, futures, since_ms, venue.venue_ms()):
                self._fund(paid)
        await self._compare()
        self._since = began

    async def _filled(self, market: Listed, fill: Fill) -> None:
        venue = self._venue
        if venue.held.strange(fill.order):
            found = await venue.words.find(venue.wire.look, market, fill.order, inner(fill.order))
            self._known(fill.order, found)
        self._tell(OrderFilled(order=fill.order, ts=fill.ts, fill=fill))

    async def _compare(self) -> None:
        """Ask which orders stand; of those that we thought of and that do not, ask what became of them."""
        venue = self._venue
        asked = venue.now()
        standing = await venue.words.standing(venue.wire.look, venue.listed)
        for order in standing:
            held = venue.held.open.get(order.id)
            news = held is None or not held.accepted or held.filled != order.filled
            self._known(order.id, order)
            venue.held.told(order, venue.markets[order.instrument], venue.now())
            if news:
                self._sink(venue.reported(order))
        there = {order.id for order in standing}
        for name, held in list(venue.held.open.items()):
            if name in there or held.since > asked - YOUNG_NS:
                continue
            found = await venue.words.find(venue.wire.look, held.market, name, held.venue_id)
            if found is None or found.state == "working":
                continue  # an order that is not known at all is the core's to ask for: it decides when that is believed
            if found.filled > held.filled:
                for fill in await venue.fills_of(held.market, found):
                    await self._filled(held.market, fill)
            self._sink(venue.reported(found))
            venue.held.told(found, held.market, venue.now())


async def _closed(sockets: dict[str, Any], watching: list[asyncio.Future[Any]]) -> None:
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    for socket in sockets.values():
        try:
            async with asyncio.timeout(CLOSE_S):
                await socket.close()
        except Exception as error:  # noqa: BLE001 - it is given up in any case
            log.debug("closing a stream: %s", type(error).__name__)
