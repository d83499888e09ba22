"""The topics of trading as a client asks for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgpack
import pytest

from engine.delivery import Delivery, Subscription
from engine.errors import RequestDenied
from engine.protocol import Get, State, Subscribe
from engine.topics import Topics
from engine.trading.past import PAST
from engine.trading.shown import TRADING
from engine.types import MS
from tests.engine.trading.books import KEY, Books
from tests.support.serving import in_virtual_time, stage

Ask = Callable[..., Any]


@asynccontextmanager
async def asking(folder: Path, books: Books, *, kept: bool = True) -> AsyncIterator[tuple[Ask, Delivery]]:
    async with stage(folder, state=books.driver.state, serve=False) as made:
        records = books.kept if kept else None
        delivery = Delivery(Topics(made.engine, made.monitor, made.journal, "e", records=records))

        async def ask(topic: str, **asked: Any) -> Any:
            answer = await delivery.answer(Get(id=1, topic=topic, **asked), asyncio.get_running_loop().time())
            assert isinstance(answer, State)
            return msgpack.unpackb(bytes(answer.data))

        yield ask, delivery


def test_every_topic_is_there_and_says_whose_money_it_is(tmp_path: Path) -> None:
    @in_virtual_time
    async def scene() -> None:
        books = Books()
        books.order("buy", "0.05", stop_loss="59000")
        books.order("sell", "5")
        async with asking(tmp_path, books) as (ask, _):
            found = {name: await ask(name) for name in (*TRADING, *PAST)}
        assert found["trading"]["mode"] == "paper"
        assert [each["quantity"] for each in found["positions"]] == ["0.04995"]
        assert [each["state"] for each in found["orders"]] == ["working", "filled"]
        assert {len(found["risk"]["limits"]), len(found["risk"]["regimes"])} == {15, 1}
        assert found["equity"]["points"] == []
        assert found["journal"] == found["trade_history"] == []
        assert [each["id"] for each in found["order_history"]] == [each["id"] for each in found["orders"]]
        assert [each["done"] for each in found["audit"]] == [False, True]
        rows = (*found["positions"], *found["orders"], *found["fills"], *found["order_history"], *found["fill_history"])
        assert {each["mode"] for each in rows} == {"paper"}


def test_the_past_heeds_limit_times_and_instrument(tmp_path: Path) -> None:
    @in_virtual_time
    async def scene() -> None:
        books = Books()
        for _ in range(3):
            books.order("buy", "0.001")
            books.wait(5.0)
        async with asking(tmp_path, books) as (ask, _):
            every = await ask("order_history")
            assert [each["id"] for each in every] == ["t-7", "t-4", "t-1"]
            assert await ask("order_history", limit=1) == every[:1]
            middle = every[1]["created"] // MS
            assert await ask("order_history", start_ms=middle) == every[:2]
            assert await ask("order_history", end_ms=middle) == every[2:]
            assert len(await ask("fill_history", instrument="BTC/USDT")) == 3
            assert await ask("fill_history", instrument="binance:ETH/USDT") == []
            with pytest.raises(RequestDenied) as denied:
                await ask("fill_history", instrument="??")
            assert denied.value.code == "unknown_instrument"


def test_an_engine_that_does_not_trade_says_so(tmp_path: Path) -> None:
    @in_virtual_time
    async def scene() -> None:
        books = Books()
        books.driver.state.account = None
        async with asking(tmp_path, books, kept=False) as (ask, _):
            for name in (*TRADING, *PAST):
                with pytest.raises(RequestDenied) as denied:
                    await ask(name)
                assert denied.value.code == "not_available", name


def test_a_subscription_is_told_only_of_what_changed(tmp_path: Path) -> None:
    @in_virtual_time
    async def scene() -> None:
        books = Books()
        async with asking(tmp_path, books) as (_, delivery):
            loop = asyncio.get_running_loop()
            subscription = Subscription(Subscribe(id=1, topic="orders"))
            assert delivery.news(subscription, loop.time()) is not None
            books.wait()
            await asyncio.sleep(1)
            assert delivery.news(subscription, loop.time()) is None
            books.order("buy", "0.01", "limit", price="59000")
            await asyncio.sleep(1)
            told = delivery.news(subscription, loop.time())
            assert isinstance(told, State)
            assert [each["price"] for each in msgpack.unpackb(bytes(told.data))] == ["59000"]
            assert KEY in msgpack.unpackb(bytes(told.data))[0]["instrument"]
