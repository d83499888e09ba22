"""One real venue looked after: its key and clock, its private stream, and that its books and ours agree.

Until it was reconciled for the first time, and whenever it cannot be, there is no new risk there. What it does not
answer is never taken for "nothing".
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from engine.errors import ConsoleError
from engine.execution.account import Account
from engine.execution.reconcile import compare
from engine.execution.venue import Venue
from engine.orders import AccountEvent, ConditionChanged, Fill, KeyChecked, Mode, OrderEvent, QueryOrder, Reconciled
from engine.types import SECOND

log = logging.getLogger(__name__)

EVERY_S = 60.0
"""Seconds between two reconciliations while all is well."""

AGAIN_S = 2.0
"""Pause before one that failed is tried again; it doubles up to `EVERY_S`."""

SOON_S = 1.0
"""Pause after which fills of the moment of a reconciliation have been heard."""

NEAR = SECOND
"""A fill that is no further from a report of balances (ns) may be in it or not: venues' clocks are known to a few ms at
best, by a busy machine to less. Then it is reconciled again."""

IN_A_ROW = 3
"""Times that this is done in a row: where there are fills all the time there is no better moment."""

BACK = 24 * 3600 * SECOND
"""How far back fills are asked for where they were never asked for, ns."""

OVERLAP = 60 * SECOND
"""Fills are asked for from so long before, ns: stamps of a venue may be late."""


FIRST_S = 10.0
"""How long the private stream waits for the first reconciliation, which shows a person what differs."""


class Keeper:
    """Looks after one venue. `tell` puts what it finds into the queue."""

    def __init__(
        self,
        venue: Venue,
        account: Account,
        instruments: tuple[str, ...],
        tell: Callable[[OrderEvent | AccountEvent], None],
        ask: Callable[[QueryOrder], None],
        now: Callable[[], int],
    ) -> None:
        self.venue = venue
        self._account = account
        self._instruments = instruments
        self._tell = tell
        self._ask = ask
        self._now = now
        self._wake = asyncio.Event()
        self._done = asyncio.Event()
        self._wrong = ""

    def wake(self) -> None:
        """Reconcile now."""
        self._wake.set()

    async def follow(self) -> None:
        """Keep the venue's private stream until cancelled.

        What happened before the start is left to the first reconciliation: the stream would only put it right.
        """
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._done.wait(), FIRST_S)
        await self.venue.run()

    async def run(self) -> None:
        """Look after the venue until cancelled."""
        name, pause, doubts = self.venue.name, AGAIN_S, 0
        self._condition(f"{name} has not been reconciled yet: orders, fills and balances there are not known")
        while True:
            self._wake.clear()
            try:
                await self._check()
                await self._reconcile()
            except ConsoleError as error:
                log.warning("%s cannot be reconciled: %s", name, error)
                self._condition(f"{name} cannot be reconciled ({error}); it is tried again")
                wait, pause = pause, min(2 * pause, EVERY_S)
            else:
                wait, pause = EVERY_S, AGAIN_S
                self._done.set()
                if await self._in_doubt(doubts):
                    doubts += 1
                    continue
                doubts = 0
            try:
                await asyncio.wait_for(self._wake.wait(), wait)
            except TimeoutError:
                continue

    async def _in_doubt(self, doubts: int) -> bool:
        """Wait a moment; tell whether a fill is so near to the balances that they may lack it, or have it twice."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), SOON_S)
        return doubts < IN_A_ROW and self._account.ledger_of(f"{self.venue.name}:").near(NEAR)

    def _condition(self, text: str, of: str = "reconcile") -> None:
        self._tell(ConditionChanged(name=f"{of} {self.venue.name}", text=text, ts=self._now()))

    async def _check(self) -> None:
        found = await self.venue.check()
        self._tell(
            KeyChecked(
                venue=self.venue.name,
                ts=self._now(),
                clock_ms=found.clock_ms,
                trade=found.trade,
                withdraw=found.withdraw,
                rules=found.rules,
            )
        )
        wrong = ""  # armed or not: a key can be changed at the venue at any time
        if found.trade is False:
            wrong = "may not trade: allow it at the venue, or use another key"
        elif found.withdraw and self._account.mode is Mode.LIVE:
            wrong = "may withdraw: take that from it at the venue, or make one that may only trade"
        if wrong != self._wrong:
            self._wrong = wrong
            self._condition(f"the key of {self.venue.name} {wrong}" if wrong else "", "key")

    async def _reconcile(self) -> None:
        """Ask for everything, compare, and put right what differs; the core does each step by itself."""
        venue, account, began = self.venue, self._account, self._now()
        fills: dict[str, tuple[Fill, ...]] = {}
        for instrument in self._instruments:
            fills[instrument] = await venue.fills(instrument, self._since(instrument))
        reported = await venue.account()
        ledger = account.ledger_of(f"{venue.name}:")
        found = compare(account.orders, ledger, reported, fills)
        for event in found.events:
            self._tell(event)
        for number in found.ask:
            order = account.orders.by_id.get(number)
            if order is not None:
                spec = order.spec
                self._ask(
                    QueryOrder(order=number, instrument=spec.instrument, venue_id=order.venue_id, since=spec.created)
                )
        if found.differences:
            log.warning("%s differed: %s", venue.name, "; ".join(found.differences))
        self._tell(
            Reconciled(
                venue=venue.name,
                ts=began,
                differences=found.differences,
                position_mismatch=found.mismatches,
            )
        )

    def _since(self, instrument: str) -> int:
        """Return from when on fills are asked for: before all were last asked for, and before every open order."""
        status = self._account.venues.get(self.venue.name)
        since = [order.spec.created for order in self._account.orders.open(instrument)]
        since.append((status.complete if status is not None else 0) or self._now() - BACK)
        return min(since) - OVERLAP
