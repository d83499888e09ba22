"""What goes wrong at the loopback venue goes wrong as it is scripted."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from tests.support.venue import Venue, serve
from tests.venue.clients import ccxt_client, seen
from tests.venue.test_binance import client_error, named, until_open

BTC = "BTC/USDT"


@pytest.mark.parametrize(
    ("fault", "error", "there"),
    [
        ({"kind": "refuse", "code": "-2010", "text": "no"}, "OrderImmediatelyFillable|ExchangeError", False),
        ({"kind": "error", "status": 503}, "ExchangeNotAvailable", False),
        ({"kind": "broken", "status": 504}, "ExchangeNotAvailable|RequestTimeout", True),
        ({"kind": "throttle", "seconds": 7}, "DDoSProtection", False),
        ({"kind": "ban", "seconds": 7}, "DDoSProtection", False),
        ({"kind": "lost"}, "RequestTimeout", False),
        ({"kind": "silent"}, "RequestTimeout", True),
        ({"kind": "cut"}, "NetworkError", False),
        ({"kind": "torn"}, "NetworkError", True),
        ({"kind": "garbage"}, "ExchangeError|BaseError", True),
    ],
)
async def test_a_request_goes_wrong_and_the_order_is_there_or_not(
    fault: dict[str, Any], error: str, there: bool
) -> None:
    venue = Venue("binance")
    async with serve(venue) as address, ccxt_client("binance", address) as client:
        await client.load_markets()
        client.timeout = 300 if error == "RequestTimeout" else 30_000
        venue.control("fault", {"on": "submit", **fault})
        kinds = tuple(client_error(name) for name in error.split("|"))
        try:
            await client.create_order(BTC, "limit", "buy", 0.01, 50000, named("a"))
        except kinds:
            pass
        else:
            assert fault["kind"] == "garbage", "ccxt reads half a body as a text"
        assert bool(venue.matching.orders) == there
        assert venue.heard == {"a": 1}
        client.timeout = 30_000
        await client.create_order(BTC, "limit", "buy", 0.01, 50000, named("b"))


async def test_queries_may_not_know_an_order_yet() -> None:
    venue = Venue("binance")
    async with serve(venue) as address, ccxt_client("binance", address) as client:
        await client.create_order(BTC, "limit", "buy", 0.01, 50000, named("a"))
        venue.control("fault", {"on": "query", "kind": "unseen", "times": 2, "skip": 1})
        found = []
        for _ in range(4):
            try:
                found.append((await client.fetch_order("", BTC, {"origClientOrderId": "a"}))["status"])
            except client_error("OrderNotFound"):
                found.append("unseen")
        assert found == ["open", "unseen", "unseen", "open"]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"duplicate": 100}, ["0.001", "0.001", "0.002", "0.002"]),
        ({"mute": 1}, ["0.002"]),
        ({"reorder": 1}, ["0.001", "0.002"]),
        ({"drop_after": 0}, []),
    ],
)
async def test_the_stream_repeats_swallows_swaps_and_breaks(fault: dict[str, int], told: list[str]) -> None:
    heard: list[Any] = []
    venue = Venue("binance")
    async with serve(venue) as address, ccxt_client("binance", address) as client:
        await client.load_markets()
        await client.create_order(BTC, "limit", "buy", 0.01, 50000, named("a"))
        listening = asyncio.create_task(client.watch_orders())
        await until_open(venue)
        handle = client.handle_message
        client.handle_message = lambda socket, message: (heard.append(message.get("event")), handle(socket, message))
        for each in client.clients.values():
            each.on_message_callback = client.handle_message
        venue.control("stream", dict(fault))
        venue.control("fill", {"order": "a", "quantity": "0.001"})
        venue.control("fill", {"order": "a", "quantity": "0.002"})

        def reported() -> list[str]:
            return [each["l"][:5] for each in heard if each and each["e"] == "executionReport"]

        with contextlib.suppress(TimeoutError):  # what was swallowed never comes
            async with asyncio.timeout(20 if told else 0.2):
                while len(reported()) < len(told):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)  # would more come
        assert reported() == told
        if "reorder" in fault:
            assert [each["e"] for each in heard[:2]] == ["outboundAccountPosition", "executionReport"]
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def test_a_stream_that_broke_can_be_opened_again() -> None:
    venue = Venue("binance")
    async with serve(venue) as address, ccxt_client("binance", address) as client:
        await client.load_markets()
        first = asyncio.create_task(client.watch_orders())
        await until_open(venue)
        venue.control("stream", {"cut": True})
        with pytest.raises(client_error("NetworkError")):
            await first
        again = asyncio.create_task(seen(client.watch_orders, lambda each: each["clientOrderId"] == "a"))
        await until_open(venue)
        await client.create_order(BTC, "limit", "buy", 0.01, 50000, named("a"))
        await again
        assert venue.streams.opened == 2


async def test_the_budget_of_weight_is_kept() -> None:
    venue = Venue("binance")
    async with serve(venue) as address, ccxt_client("binance", address) as client:
        venue.control("set", {"weight_limit": 45})
        await client.privateGetAccount()
        await client.privateGetAccount()
        with pytest.raises(client_error("DDoSProtection"), match="-1003"):
            await client.privateGetAccount()
