"""ccxt itself against the loopback venue: Binance spot and USD-M."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.venue import Venue, serve
from tests.venue.clients import ccxt_client, seen

BTC = "BTC/USDT"
PERPETUAL = "BTC/USDT:USDT"


def named(client: str) -> dict[str, str]:
    return {"newClientOrderId": client}


async def test_spot_orders_are_made_filled_cancelled_and_found() -> None:
    venue = Venue("binance")
    async with serve(venue) as address, ccxt_client("binance", address) as client:
        made = await client.create_order(BTC, "limit", "buy", 0.01, 50000, named("one"))
        assert (made["clientOrderId"], made["status"], made["amount"]) == ("one", "open", 0.01)
        assert (await client.fetch_balance())["USDT"]["used"] == 500
        assert [each["clientOrderId"] for each in await client.fetch_open_orders()] == ["one"]

        venue.control("fill", {"order": "one", "quantity": "0.004"})
        part = await client.fetch_order("", BTC, {"origClientOrderId": "one"})
        assert (part["filled"], part["status"]) == (0.004, "open")
        ended = await client.cancel_order("", BTC, {"origClientOrderId": "one"})
        assert (ended["status"], ended["filled"]) == ("canceled", 0.004)
        with pytest.raises(client_error("OrderNotFound")):
            await client.cancel_order("", BTC, {"origClientOrderId": "one"})

        bought = await client.create_order(BTC, "market", "buy", 0.01, None, named("two"))
        assert (bought["status"], bought["average"]) == ("closed", 60000)
        trades = await client.fetch_my_trades(BTC)
        assert [(each["amount"], each["takerOrMaker"], each["fee"]["currency"]) for each in trades] == [
            (0.004, "maker", "BTC"),
            (0.01, "taker", "BTC"),
        ]
        held = venue.state()["balances"]
        assert held["BTC"] == "0.01398600"
        assert held["USDT"].startswith("99200.")
        assert venue.state()["heard"] == {"one": 1, "two": 1}


async def test_spot_stops_wait_at_the_venue_and_sell_when_the_price_comes() -> None:
    venue = Venue("binance")
    async with serve(venue) as address, ccxt_client("binance", address) as client:
        await client.create_order(BTC, "market", "buy", 0.01, None, named("entry"))
        amount = 0.00999
        await client.create_order(BTC, "market", "sell", amount, None, {"stopLossPrice": 58000, **named("stop")})
        assert (await client.fetch_balance())["BTC"]["used"] == amount
        venue.control("price", {"symbol": "BTCUSDT", "price": "58500"})
        assert (await client.fetch_order("", BTC, {"origClientOrderId": "stop"}))["status"] == "open"
        venue.control("price", {"symbol": "BTCUSDT", "price": "57000"})
        sold = await client.fetch_order("", BTC, {"origClientOrderId": "stop"})
        assert (sold["status"], sold["average"]) == ("closed", 57000)


def client_error(name: str) -> type[Exception]:
    import ccxt

    found: type[Exception] = getattr(ccxt, name)
    return found


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"quantity": "0.010001"}, "-1013"),
        ({"price": "50000.001"}, "-1013"),
        ({"quantity": "0.00009", "price": "50000"}, "-1013"),
        ({"quantity": "5"}, "insufficient balance"),
        ({"type": "LIMIT_MAKER", "price": "61000"}, "immediately match"),
        ({"symbol": "BTCEUR"}, "-1121"),
        ({"reduceOnly": "true"}, "-1104"),
    ],
)
async def test_what_is_against_the_filters_is_refused_with_the_venues_code(wrong: dict[str, Any], code: str) -> None:
    good = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    good |= {"quantity": "0.01", "price": "50000", "newClientOrderId": "a"}
    async with serve(venue := Venue("binance")) as address, ccxt_client("binance", address) as client:
        with pytest.raises(client_error("ExchangeError"), match=code):
            await client.privatePostOrder(good | wrong)
        assert not venue.matching.orders
        await client.privatePostOrder(good)
        with pytest.raises(client_error("ExchangeError"), match="Duplicate"):
            await client.privatePostOrder(good)
        assert venue.heard["a"] == 3


async def test_keys_signatures_and_clocks_are_checked() -> None:
    venue = Venue("binance")
    async with serve(venue) as address, ccxt_client("binance", address) as client:
        venue.skew_ms = 60_000
        with pytest.raises(client_error("InvalidNonce"), match="outside of the recvWindow"):
            await client.privateGetAccount()
        venue.skew_ms = -60_000
        with pytest.raises(client_error("InvalidNonce"), match="ahead"):
            await client.privateGetAccount()
        venue.skew_ms = 0
        client.secret = "another"
        with pytest.raises(client_error("AuthenticationError"), match="-1022"):
            await client.privateGetAccount()
        client.apiKey = "another"
        with pytest.raises(client_error("AuthenticationError"), match="-2015"):
            await client.privateGetAccount()


async def test_the_spot_stream_tells_orders_trades_and_balances() -> None:
    venue = Venue("binance")
    async with serve(venue) as address, ccxt_client("binance", address) as client:
        await client.load_markets()
        orders = asyncio.create_task(seen(client.watch_orders, lambda each: each["status"] == "closed"))
        trades = asyncio.create_task(seen(client.watch_my_trades, lambda each: each["amount"] == 0.006))
        await until_open(venue)
        await client.create_order(BTC, "limit", "buy", 0.01, 50000, named("one"))
        venue.control("fill", {"order": "one", "quantity": "0.004"})
        venue.control("fill", {"order": "one"})
        assert (await orders)["clientOrderId"] == "one"
        trade = await trades
        assert (trade["price"], trade["side"], trade["fee"]) == (50000, "buy", {"cost": 6e-6, "currency": "BTC"})


async def until_open(venue: Venue) -> None:
    """The stream is there, and somebody has subscribed."""
    while not any(each.topics for each in venue.streams.open):  # noqa: ASYNC110 the venue has no event for tests
        await asyncio.sleep(0.01)


async def test_contracts_have_positions_reduce_only_and_amendments() -> None:
    venue = Venue("binanceusdm")
    async with serve(venue) as address, ccxt_client("binanceusdm", address) as client:
        with pytest.raises(client_error("ExchangeError"), match="-2022"):
            await client.create_order(PERPETUAL, "market", "sell", 0.01, None, {"reduceOnly": True})
        made = await client.create_order(PERPETUAL, "limit", "sell", 0.01, 61000, named("short"))
        await client.edit_order(made["id"], PERPETUAL, "limit", "sell", 0.02, 60500)
        venue.control("price", {"symbol": "BTCUSDT", "price": "60600"})
        (position,) = await client.fetch_positions()
        assert (position["side"], position["contracts"], position["entryPrice"]) == ("short", 0.02, 60500)
        closed = await client.create_order(PERPETUAL, "market", "buy", 1, None, {"reduceOnly": True, **named("flat")})
        assert closed["filled"] == 0.02
        assert await client.fetch_positions() == []
        fees = [trade["fee"]["cost"] for trade in await client.fetch_my_trades(PERPETUAL)]
        assert fees == pytest.approx([0.242, 0.606])
        venue.control("fund", {"symbol": "BTCUSDT", "amount": "-1.5"})
        assert [each["amount"] for each in await client.fetch_funding_history()] == [-1.5]
        assert (await client.fetch_balance())["USDT"]["total"] == pytest.approx(100_000 - 2 - 0.848 - 1.5)


async def test_conditional_orders_of_contracts_have_a_desk_of_their_own() -> None:
    venue = Venue("binanceusdm")
    async with serve(venue) as address, ccxt_client("binanceusdm", address) as client:
        await client.load_markets()
        orders = asyncio.create_task(
            seen(client.watch_orders, lambda each: each["clientOrderId"] == "stop" and each["status"] == "closed")
        )
        await until_open(venue)
        await client.create_order(PERPETUAL, "market", "buy", 0.01, None, named("long"))
        stop = {"stopLossPrice": 58000, "reduceOnly": "true", "clientAlgoId": "stop"}
        made = await client.create_order(PERPETUAL, "market", "sell", 0.01, None, stop)
        assert (made["clientOrderId"], made["status"], made["triggerPrice"]) == ("stop", "open", 58000)
        assert await client.fetch_open_orders(PERPETUAL) == []
        waiting = await client.fetch_open_orders(PERPETUAL, params={"trigger": True})
        assert [each["clientOrderId"] for each in waiting] == ["stop"]
        venue.control("price", {"symbol": "BTCUSDT", "price": "57900"})
        assert (await orders)["symbol"] == PERPETUAL
        child = await client.fetch_order("", PERPETUAL, {"origClientOrderId": "stop"})
        assert (child["status"], child["average"]) == ("closed", 57900)
        assert (await client.fapiPrivateGetAlgoOrder({"clientAlgoId": "stop"}))["algoStatus"] == "FINISHED"
