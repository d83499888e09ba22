"""What trading has the shell do, strictly in its order: records are on disk before an order that they precede leaves.

An order leaves once, and only while the latch is open. Cancels wait for nothing but their turn. A record that cannot
be stored is tried again and holds back the orders behind it; meanwhile trading is told, and takes no new risk.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from engine.errors import ConsoleError
from engine.execution.venue import Venue
from engine.orders import (
    AccountEvent,
    AmendRefused,
    CancelOrder,
    CancelRefused,
    ChangeOrder,
    ConditionChanged,
    Journaled,
    Mode,
    OrderDenied,
    OrderEvent,
    OrderSpec,
    OrderUnresolved,
    QueryOrder,
    SubmitOrder,
)

log = logging.getLogger(__name__)

FULL = 20_000
"""Records that may wait; beyond that trading is told that storage is full."""

AGAIN_S = 0.2
"""Pause before a record that could not be stored is tried again; it doubles up to `AGAIN_MOST_S`."""

AGAIN_MOST_S = 5.0

GROUP = 500
"""Records that are handed to storage together."""

Item = Journaled | SubmitOrder | CancelOrder | ChangeOrder | QueryOrder


class Recorder(Protocol):
    """Keeps records for good."""

    async def record(self, kind: str, client_key: str, body: bytes | str, *, mode: str, ts: int) -> bool:
        """Keep one; False if one of this key is there already.

        Raises:
            StorageFailed: It could not be written.
        """


class Outbox:
    """The one way from the core to storage and venues. `tell` puts what they say back into the queue."""

    def __init__(
        self,
        mode: Mode,
        recorder: Recorder | None,
        venues: dict[str, Venue],
        tell: Callable[[OrderEvent | AccountEvent], None],
        now: Callable[[], int],
        latch: Callable[[OrderSpec], str],
    ) -> None:
        """`latch` tells why the kill switch holds an order back, "" where it does not."""
        self.mode = mode
        self.venues = venues
        self._recorder = recorder
        self._tell = tell
        self._now = now
        self._latch = latch
        self._items: deque[Item] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._error = ""
        self._full = False

    @property
    def waiting(self) -> int:
        """Things that have not left yet."""
        return len(self._items)

    def put(self, item: Item) -> None:
        """Take something; never waits. Cancels and questions go at once: they need nothing to be stored first."""
        if isinstance(item, CancelOrder) and self._take_back(item.order):
            return
        if isinstance(item, CancelOrder | QueryOrder):
            self._begin(self._carry(item))
            return
        self._items.append(item)
        self._idle.clear()
        self._wake.set()
        if len(self._items) > FULL and not self._full:
            self._full = True
            self._condition(
                "storage queue", f"{len(self._items):,} records wait to be stored; storage does not keep up"
            )

    def _take_back(self, order: str) -> bool:
        """Take back an order that has not left yet."""
        for item in self._items:
            if isinstance(item, SubmitOrder) and item.order.value.id == order:
                self._items.remove(item)
                self._deny(item, "it was cancelled before it was sent")
                return True
        return False

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            if not self._items:
                self._idle.set()
                self._wake.clear()
                await self._wake.wait()
                continue
            item = self._items[0]
            if isinstance(item, Journaled):
                await self._store()
            else:
                self._items.popleft()
                self._begin(self._carry(item))

    async def flush(self, within_s: float) -> bool:
        """Wait until everything has left and been answered, at most so long; tell whether it has."""
        try:
            async with asyncio.timeout(within_s):
                await self._idle.wait()
                while self._tasks:
                    await asyncio.gather(*self._tasks, return_exceptions=True)
        except TimeoutError:
            return False
        return True

    async def _store(self) -> None:
        """Store the records at the head, together; they stay until they are on disk."""
        group: list[Journaled] = []
        for item in self._items:
            if not isinstance(item, Journaled) or len(group) >= GROUP:
                break
            group.append(item)
        recorder, pause = self._recorder, AGAIN_S
        while recorder is not None:
            results = await asyncio.gather(
                *(recorder.record(e.kind, e.key, e.body, mode=self.mode, ts=e.ts) for e in group),
                return_exceptions=True,
            )
            failed = next((each for each in results if isinstance(each, BaseException)), None)
            if failed is None:
                break
            if not isinstance(failed, ConsoleError):
                raise failed
            self._failed(str(failed))
            await asyncio.sleep(pause)
            pause = min(2 * pause, AGAIN_MOST_S)
        self._works()
        for _ in group:
            self._items.popleft()

    def _failed(self, error: str) -> None:
        if error != self._error:
            log.error("records of trading cannot be stored: %s; tried again", error)
            self._error = error
            self._condition("journal", f"orders and fills cannot be stored: {error}")
        held = [item for item in self._items if isinstance(item, SubmitOrder)]
        for item in held:  # an order that waited for a broken disk is of another moment when it heals
            self._items.remove(item)
            self._deny(item, f"it could not be stored first: {error}")

    def _works(self) -> None:
        if self._error:
            self._error = ""
            self._condition("journal", "")
        if self._full and len(self._items) < FULL // 2:
            self._full = False
            self._condition("storage queue", "")

    def _condition(self, name: str, text: str) -> None:
        self._tell(ConditionChanged(name=name, text=text, ts=self._now()))

    def _deny(self, item: SubmitOrder, reason: str) -> None:
        self._tell(OrderDenied(order=item.order.value.id, ts=self._now(), reason=reason))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, item: Item) -> None:
        """Have a venue do one thing, and hand on what it says."""
        try:
            await self._ask(item)
        except ConsoleError as error:
            log.warning("%s: %s", type(item).__name__, error)
            self._unresolved(item, str(error))
        except Exception as error:
            log.exception("a request to a venue failed by a fault of ours")
            self._unresolved(item, f"a fault of ours while it was sent ({type(error).__name__}, see the log)")

    def _unresolved(self, item: Item, reason: str) -> None:
        """Tell that nobody knows whether the venue has heard; who only asked a question asks again."""
        match item:
            case SubmitOrder():
                order, doing = item.order.value.id, "submit"
            case ChangeOrder():
                order, doing = item.order.value.id, "amend"
            case CancelOrder():
                order, doing = item.order, "cancel"
            case _:
                return
        self._tell(OrderUnresolved(order=order, ts=self._now(), doing=doing, reason=reason))

    async def _ask(self, item: Item) -> None:
        if isinstance(item, Journaled):
            return
        instrument = item.order.value.instrument if isinstance(item, SubmitOrder | ChangeOrder) else item.instrument
        venue = self.venues.get(instrument.partition(":")[0])
        match item:
            case SubmitOrder():
                closed = self._latch(item.order.value)
                if closed or venue is None:
                    self._deny(item, f"the kill switch holds: {closed}" if closed else f"no venue trades {instrument}")
                    return
                self._tell(await venue.submit(item.order))
            case ChangeOrder() if closed := self._latch(item.order.value):
                text = f"the kill switch holds: {closed}"
                self._tell(AmendRefused(order=item.order.value.id, ts=self._now(), reason=text))
            case ChangeOrder() if venue is not None:
                self._tell(await venue.amend(item.order, item.venue_id))
            case CancelOrder() if venue is not None:
                self._tell(await venue.cancel(item.instrument, item.order, item.venue_id))
            case QueryOrder() if venue is not None:
                for event in await venue.query(item.instrument, item.order, item.venue_id, item.since):
                    self._tell(event)
            case CancelOrder():
                text = f"no venue trades {instrument}"
                self._tell(CancelRefused(order=item.order, ts=self._now(), reason=text))
            case ChangeOrder():
                text = f"no venue trades {instrument}"
                self._tell(AmendRefused(order=item.order.value.id, ts=self._now(), reason=text))
            case _:
                return
