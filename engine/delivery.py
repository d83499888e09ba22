"""Topics as answers: what a subscription has seen, what it has not, and views made once for all who ask."""

from __future__ import annotations

import asyncio

import msgspec

from engine.aside import aside
from engine.data.queries import QUERIES
from engine.market.price import Price
from engine.protocol import Asked, Get, Series, State, Subscribe, raw
from engine.topics import STATES, Topics
from engine.trading.past import PAST
from engine.types import SECOND

SHARED_S = 0.05
"""Seconds for which a view of the same record is given to others, too, by our time and by the engine's."""

ALWAYS = ("alerts", "replay")
"""Topics that change without a record."""

ASK_S = 1.0
"""A stale price is asked of the venue at most this often, whoever wants it: requests are needed for snapshots, too."""

PRICE_S = 3.0
"""Time for the venue's answer; without one the stale price is given, with its age."""


class Subscription:
    """What one client wants again and again, and how far it has come."""

    __slots__ = ("asked", "cursor", "due", "every", "first", "last")

    def __init__(self, asked: Subscribe) -> None:
        self.asked = asked
        self.cursor = asked.since
        self.every = asked.every_ms / 1000
        self.due = 0.0
        self.first = True
        self.last = 0


class Delivery:
    """Makes answers from topics; times are seconds of a monotonic clock."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self._views: dict[tuple[str, str, int], tuple[int, bytes]] = {}
        self._viewed = -1.0
        self._viewed_at = 0
        self._asking: dict[str, asyncio.Task[Price | None]] = {}
        self._asked: dict[str, float] = {}

    async def answer(self, asked: Get, now: float) -> State | Series:
        """Return a topic once.

        Raises:
            RequestDenied: It cannot be had; the message says why.
        """
        self._topics.check(asked)
        if asked.topic == "price":
            price = await self._price(asked.instrument)
            return self._state(asked, bytes(raw(self._topics.price(price, asked.instrument))))
        if asked.topic in QUERIES:
            return self._state(asked, await self._topics.queries.answer(asked))
        if asked.topic in PAST:
            return self._state(asked, await aside(self._topics.past, asked))
        if asked.topic in STATES:
            return self._state(asked, self._view(asked, now))
        return self._series(asked, asked.since)

    def news(self, subscription: Subscription, now: float) -> State | Series | None:
        """Return what a subscription has not seen yet, or None; the first time there is always an answer."""
        asked = subscription.asked
        subscription.due = max(subscription.due + subscription.every, now + subscription.every / 2)
        first, subscription.first = subscription.first, False
        if asked.topic in STATES:
            data = self._view(asked, now)
            known, subscription.last = subscription.last, hash(data)  # the bytes themselves may be many
            return self._state(asked, data) if first or subscription.last != known else None
        series = self._series(asked, subscription.cursor)
        subscription.cursor = series.cursor
        return series if first or series.rows or series.reset else None

    async def _price(self, key: str) -> Price | None:
        """Return the best price; those who want a stale one at the same time wait for the same answer of the venue."""
        engine = self._topics.engine
        price = engine.state.markets[key].price(engine.now())
        asking = self._asking.get(key)
        if asking is None:
            now = asyncio.get_running_loop().time()
            if (price is not None and not price.stale) or now < self._asked.get(key, now):
                return price
            asking = self._asking[key] = asyncio.create_task(self._ask(key))
        # The request goes on when whoever asked first has gone: others wait for the same answer.
        await asyncio.wait((asking,), timeout=PRICE_S)
        return engine.state.markets[key].price(engine.now())

    async def _ask(self, key: str) -> Price | None:
        try:
            return await self._topics.engine.price(key)
        finally:
            self._asked[key] = asyncio.get_running_loop().time() + ASK_S
            del self._asking[key]

    def _view(self, asked: Asked, now: float) -> bytes:
        """Return a state topic packed; the same one is made once for all who ask at the same record."""
        at = self._topics.engine.now()
        if now - self._viewed > SHARED_S or not 0 <= at - self._viewed_at <= SHARED_S * SECOND:
            self._views.clear()
            self._viewed, self._viewed_at = now, at
        seq = self._topics.engine.state.seq
        key = asked.topic, asked.instrument, asked.depth if asked.topic == "book" else 0
        known = self._views.get(key)
        if known is None or known[0] != seq or asked.topic in ALWAYS:
            known = self._views[key] = seq, bytes(raw(self._topics.state(asked)))
        return known[1]

    def _state(self, asked: Asked, data: bytes) -> State:
        engine = self._topics.engine
        return State(
            id=asked.id,
            topic=asked.topic,
            instrument=asked.instrument,
            seq=engine.state.seq,
            ts=engine.now(),
            data=msgspec.Raw(data),
        )

    def _series(self, asked: Asked, cursor: str) -> Series:
        topics = self._topics
        if asked.topic == "events":
            entries, cursor, reset = topics.entries(cursor, asked.limit)
            rows = [raw(entry) for entry in entries]
        else:
            rows, cursor, reset = topics.series(asked).newer(cursor, asked.limit)
        return Series(
            id=asked.id,
            topic=asked.topic,
            instrument=asked.instrument,
            timeframe=asked.timeframe,
            seq=topics.engine.state.seq,
            ts=topics.engine.now(),
            cursor=cursor,
            reset=reset,
            rows=rows,
        )
