"""ccxt itself against the loopback venue: Bybit v5, spot and linear."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.venue import Venue, serve
from tests.venue.clients import ccxt_client, seen
from tests.venue.test_binance import client_error, until_open

BTC = "BTC/USDT"
PERPETUAL = "BTC/USDT:USDT"
MARKETS = {"fetchMarkets": {"types": ["spot", "linear"]}}


def named(client: str) -> dict[str, str]:
    return {"clientOrderId": client}


async def test_spot_orders_are_made_amended_filled_cancelled_and_found() -> None:
    venue = Venue("bybit")
    async with serve(venue) as address, ccxt_client("bybit", address, **MARKETS) as client:
        made = await client.create_order(BTC, "limit", "buy", 0.01, 50000, named("one"))
        await client.edit_order(made["id"], BTC, "limit", "buy", 0.02, 51000)
        (standing,) = await client.fetch_open_orders(BTC)
        assert (standing["clientOrderId"], standing["price"], standing["amount"]) == ("one", 51000, 0.02)
        venue.control("fill", {"order": "one", "quantity": "0.005"})
        await client.cancel_order(made["id"], BTC)
        ended = await client.fetch_order(made["id"], BTC, {"acknowledged": True})
        assert (ended["filled"], ended["status"]) == (0.005, "closed")  # PartiallyFilledCanceled
        with pytest.raises(client_error("OrderNotFound")):
            await client.cancel_order(made["id"], BTC)
        await client.create_order(BTC, "market", "buy", 0.01, None, named("two"))
        trades = await client.fetch_my_trades(BTC)
        assert sorted((each["amount"], each["fee"]["currency"]) for each in trades) == [(0.005, "BTC"), (0.01, "BTC")]
        assert (await client.fetch_balance())["BTC"]["total"] == pytest.approx(0.014985)
        with pytest.raises(client_error("ExchangeError"), match="170141"):
            await client.create_order(BTC, "limit", "buy", 0.01, 50000, named("one"))
        assert venue.heard == {"one": 2, "two": 1}


async def test_a_post_only_order_that_would_take_is_accepted_and_cancelled() -> None:
    venue = Venue("bybit")
    async with serve(venue) as address, ccxt_client("bybit", address, **MARKETS) as client:
        made = await client.create_order(BTC, "limit", "buy", 0.01, 61000, {"postOnly": True, **named("maker")})
        ended = await client.fetch_order(made["id"], BTC, {"acknowledged": True})
        assert (ended["status"], ended["info"]["rejectReason"]) == ("canceled", "EC_PostOnlyWillTakeLiquidity")


async def test_contracts_and_their_stops_on_the_private_stream() -> None:
    venue = Venue("bybit")
    async with serve(venue) as address, ccxt_client("bybit", address, **MARKETS) as client:
        await client.load_markets()
        orders = asyncio.create_task(
            seen(client.watch_orders, lambda each: each["clientOrderId"] == "stop" and each["status"] == "closed")
        )
        trades = asyncio.create_task(seen(client.watch_my_trades, lambda each: each["side"] == "sell"))
        await until_open(venue)
        await client.create_order(PERPETUAL, "market", "buy", 0.01, None, named("long"))
        assert [(each["side"], each["contracts"]) for each in await client.fetch_positions()] == [("long", 0.01)]
        stop = {"stopLossPrice": 58000, **named("stop")}
        await client.create_order(PERPETUAL, "market", "sell", 0.01, None, stop)
        venue.control("price", {"symbol": "linear:BTCUSDT", "price": "57900"})
        assert (await orders)["average"] == 57900
        assert (await trades)["price"] == 57900
        assert await client.fetch_positions() == []


async def test_keys_signatures_and_clocks_are_checked() -> None:
    venue = Venue("bybit")
    async with serve(venue) as address, ccxt_client("bybit", address, **MARKETS) as client:
        venue.skew_ms = 60_000
        with pytest.raises(client_error("InvalidNonce"), match="10002"):
            await client.privateGetV5AccountInfo()
        venue.skew_ms = 0
        client.secret = "another"
        with pytest.raises(client_error("AuthenticationError"), match="10004"):
            await client.privateGetV5AccountInfo()
