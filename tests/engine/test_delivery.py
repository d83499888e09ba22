"""What a subscription is given and when, what is made once for all, and how often the venue is asked for a price."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgpack
import pytest

from engine.alerts import Cause
from engine.delivery import ASK_S, PRICE_S, SHARED_S, Delivery, Subscription
from engine.market.price import Price, PriceSource
from engine.protocol import Get, Series, State, Subscribe
from engine.types import MS, SECOND
from tests.support.exchange import now_ns
from tests.support.serving import KEY, Market, Stage, in_virtual_time, stage


class Counted:
    """A stage with its delivery, and how often each state topic was made."""

    def __init__(self, made: Stage, market: Market) -> None:
        self.made = made
        self.market = market
        self.delivery = Delivery(made.topics)
        self.times: dict[str, int] = {}
        real = made.topics.state

        def counting(asked: Get | Subscribe) -> object:
            self.times[asked.topic] = self.times.get(asked.topic, 0) + 1
            return real(asked)

        made.topics.state = counting  # type: ignore[method-assign]

    def subscribed(self, **asked: Any) -> Subscription:
        return Subscription(Subscribe(id=1, **asked))

    def news(self, subscription: Subscription) -> State | Series | None:
        return self.delivery.news(subscription, asyncio.get_running_loop().time())

    async def get(self, **asked: Any) -> Any:
        answer = await self.delivery.answer(Get(id=1, **asked), asyncio.get_running_loop().time())
        return msgpack.unpackb(bytes(answer.data)) if isinstance(answer, State) else answer


@asynccontextmanager
async def counted(folder: Path) -> AsyncIterator[Counted]:
    market = Market()
    async with stage(folder, state=market.state, serve=False) as made:
        yield Counted(made, market)


# When. --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("every_ms", [100, 250, 1000, 60_000])
def test_a_subscription_is_due_as_often_as_it_asks(every_ms: int, tmp_path: Path) -> None:
    @in_virtual_time
    async def scene() -> None:
        async with counted(tmp_path) as on:
            subscription = on.subscribed(topic="health", every_ms=every_ms)
            loop = asyncio.get_running_loop()
            given = []
            for _ in range(3000):
                if loop.time() >= subscription.due:
                    on.news(subscription)
                    given.append(loop.time())
                await asyncio.sleep(0.05)
            gaps = [later - earlier for earlier, later in pairwise(given)]
            assert min(gaps) >= every_ms / 2000 - 0.001
            assert sum(gaps[1:]) / len(gaps[1:]) == pytest.approx(every_ms / 1000, rel=0.02)

    scene()


@in_virtual_time
async def test_a_subscription_that_waited_long_does_not_catch_up(tmp_path: Path) -> None:
    async with counted(tmp_path) as on:
        subscription = on.subscribed(topic="health", every_ms=100)
        on.news(subscription)
        await asyncio.sleep(60)
        on.news(subscription)
        assert subscription.due >= asyncio.get_running_loop().time() + 0.05


# What. --------------------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_the_first_time_there_is_an_answer_and_then_only_news(tmp_path: Path) -> None:
    async with counted(tmp_path) as on:
        states = [on.subscribed(topic="alerts"), on.subscribed(topic="book", instrument=KEY)]
        series = [
            on.subscribed(topic="events"),
            on.subscribed(topic="bars", instrument=KEY, timeframe="1m"),
            on.subscribed(topic="trades", instrument=KEY),
            on.subscribed(topic="heat", instrument=KEY),
        ]
        for subscription in states:
            assert isinstance(on.news(subscription), State)
        for subscription in series:
            first = on.news(subscription)
            assert isinstance(first, Series)
            assert (first.reset, first.rows) == (True, [])
        await asyncio.sleep(1)
        for subscription in (*states, *series):
            assert on.news(subscription) is None
        on.market.tick()
        on.made.alerts.passing(Cause("BOOK_GAP", "x", "gap"), now_ns())
        for subscription in (*states, *series[:3]):
            assert on.news(subscription) is not None
        for subscription in (*states, *series):
            assert on.news(subscription) is None


@in_virtual_time
async def test_an_answer_says_what_was_asked_and_at_which_record(tmp_path: Path) -> None:
    async with counted(tmp_path) as on:
        answer = await on.delivery.answer(Get(id=77, topic="book", instrument=KEY), 0.0)
        assert isinstance(answer, State)
        assert (answer.id, answer.topic, answer.instrument) == (77, "book", KEY)
        assert (answer.seq, answer.ts) == (on.market.state.seq, now_ns())
        rows = await on.delivery.answer(Get(id=78, topic="bars", instrument=KEY, timeframe="5m"), 0.0)
        assert isinstance(rows, Series)
        assert (rows.id, rows.topic, rows.instrument, rows.timeframe) == (78, "bars", KEY, "5m")
        assert (rows.seq, rows.ts, rows.cursor) == (on.market.state.seq, now_ns(), "a.0")


@in_virtual_time
async def test_a_resumed_subscription_is_given_what_is_new_without_a_reset(tmp_path: Path) -> None:
    async with counted(tmp_path) as on:
        first = on.subscribed(topic="trades", instrument=KEY)
        on.news(first)
        on.market.tick()
        again = on.subscribed(topic="trades", instrument=KEY, since=first.cursor)
        news = on.news(again)
        assert isinstance(news, Series)
        assert (news.reset, len(news.rows)) == (False, 1)
        same = on.news(on.subscribed(topic="trades", instrument=KEY, since=again.cursor))
        assert isinstance(same, Series)
        assert (same.reset, same.rows, same.cursor) == (False, [], again.cursor)


# Once for all. ------------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_view_is_made_once_for_all_who_ask_at_the_same_record(tmp_path: Path) -> None:
    async with counted(tmp_path) as on:
        for _ in range(10):
            for topic in ("health", "markets"):
                on.news(on.subscribed(topic=topic))
            for topic in ("cob", "book"):
                on.news(on.subscribed(topic=topic, instrument=KEY))
            await on.get(topic="book", instrument=KEY, depth=20, limit=3)
        assert on.times == {"health": 1, "markets": 1, "cob": 1, "book": 1}
        await on.get(topic="book", instrument=KEY, depth=21)
        assert on.times["book"] == 2
        on.market.tick()
        await on.get(topic="book", instrument=KEY)
        assert on.times["book"] == 3


@in_virtual_time
async def test_a_view_is_not_kept_longer_than_a_moment(tmp_path: Path) -> None:
    """Ages go on while no record comes, and what was made for one is not kept for ever."""
    async with counted(tmp_path) as on:
        ages = []
        for _ in range(4):
            (row,) = await on.get(topic="markets")
            ages.append(row["age_ms"])
            await asyncio.sleep(SHARED_S + 0.01)
        assert [later - earlier for earlier, later in pairwise(ages)] == [60.0] * 3
        for depth in range(1, 100):
            await on.get(topic="book", instrument=KEY, depth=depth)
        await asyncio.sleep(SHARED_S + 0.01)
        await on.get(topic="markets")
        assert len(on.delivery._views) == 1


@in_virtual_time
async def test_an_acknowledged_alert_is_seen_at_once(tmp_path: Path) -> None:
    async with counted(tmp_path) as on:
        on.made.alerts.passing(Cause("BOOK_GAP", "x", "gap"), now_ns())
        (alert,) = await on.get(topic="alerts")
        assert not alert["acknowledged"]
        on.made.alerts.acknowledge(alert["id"])
        (alert,) = await on.get(topic="alerts")
        assert alert["acknowledged"]


# The price. ---------------------------------------------------------------------------------------------------------


def venue(on: Counted, seconds: float, *, knows: bool = True) -> Callable[[], int]:
    """Have the venue answer after some time, if it knows anything; return how often it was asked."""
    ticks = 6_100_000
    asked = [0]

    async def price(key: str) -> Price:
        asked[0] += 1
        await asyncio.sleep(seconds)
        if knows:
            on.market.driver.market().rest_price = (ticks, now_ns())
        return Price(instrument=key, ticks=ticks, source=PriceSource.REST, age=0)

    on.made.engine.price = price  # type: ignore[method-assign]
    return lambda: asked[0]


@in_virtual_time
async def test_a_fresh_price_costs_no_request(tmp_path: Path) -> None:
    async with counted(tmp_path) as on:
        asked = venue(on, 0.1)
        found = await on.get(topic="price", instrument=KEY)
        assert (found["price"], found["source"], found["stale"], asked()) == (60_000.5, "book mid", False, 0)


@in_virtual_time
async def test_a_stale_price_is_asked_of_the_venue_once_for_all_who_want_it(tmp_path: Path) -> None:
    async with counted(tmp_path) as on:
        await asyncio.sleep(2)
        asked = venue(on, 0.2)
        found = await asyncio.gather(*(on.get(topic="price", instrument=KEY) for _ in range(50)))
        assert {(each["price"], each["source"], each["stale"]) for each in found} == {(61_000.0, "rest", False)}
        assert asked() == 1


@in_virtual_time
async def test_who_polls_a_stale_price_does_not_use_up_the_requests(tmp_path: Path) -> None:
    """A silent market and a client that asks two hundred times a second: one request a second, not two hundred."""
    async with counted(tmp_path) as on:
        await asyncio.sleep(2)
        asked = venue(on, 0.0, knows=False)
        for _ in range(2000):
            await on.get(topic="price", instrument=KEY)
            await asyncio.sleep(0.005)
        assert asked() == pytest.approx(10 / ASK_S, abs=1)


@in_virtual_time
async def test_a_venue_that_does_not_answer_is_not_waited_for(tmp_path: Path) -> None:
    async with counted(tmp_path) as on:
        await asyncio.sleep(2)
        asked = venue(on, 60.0)
        begun = now_ns()
        found = await on.get(topic="price", instrument=KEY)
        assert (now_ns() - begun) / SECOND == pytest.approx(PRICE_S, abs=0.01)
        assert (found["price"], found["source"], found["stale"]) == (60_000.5, "book mid", True)
        assert found["age_ms"] == pytest.approx(5000, abs=10 * MS / MS)
        assert asked() == 1
