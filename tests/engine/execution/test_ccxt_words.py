"""What leaves for a venue is what ccxt itself would send for such an order, with our numbers to the last digit."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest

from engine.errors import SettingsInvalid
from engine.execution.ccxt_venue import DIALECTS
from engine.execution.ccxt_words import amount, coarse, external, fee, inner, named
from engine.orders import OrderSpec, OrderType, Side, TimeInForce, decimal, units

QUANTITY, PRICE, STOP = units("0.12345"), units("60123.4"), units("59000.1")

KEYS = {
    "binance": "binance:BTC/USDT",
    "binanceusdm": "binanceusdm:BTC/USDT:USDT",
    "bybit": "bybit:BTC/USDT",
    "bybit linear": "bybit:BTC/USDT:USDT",
    "mexc": "mexc:BTC/USDT",
}

KINDS = [
    (OrderType.MARKET, {}, {}),
    (OrderType.LIMIT, {}, {}),
    (OrderType.LIMIT, {"time_in_force": TimeInForce.IOC}, {"timeInForce": "IOC"}),
    (OrderType.LIMIT, {"time_in_force": TimeInForce.FOK}, {"timeInForce": "FOK"}),
    (OrderType.LIMIT, {"post_only": True}, {"postOnly": True}),
    (OrderType.LIMIT, {"reduce_only": True}, {"reduceOnly": True}),
    (OrderType.STOP, {}, {"stopLossPrice": decimal(STOP)}),
    (OrderType.STOP_LIMIT, {}, {"stopLossPrice": decimal(STOP)}),
    (OrderType.TAKE_PROFIT, {}, {"takeProfitPrice": decimal(STOP)}),
    (OrderType.TAKE_PROFIT_LIMIT, {}, {"takeProfitPrice": decimal(STOP)}),
]


class Left(Exception):
    """A request, on its way."""


@pytest.fixture(scope="module")
def clients() -> Iterator[dict[str, Any]]:
    """ccxt's clients with one market each, which send nothing."""
    made: dict[str, Any] = {}
    for name, key in KEYS.items():
        venue = name.partition(" ")[0]
        words = DIALECTS[venue]()
        options = {**words.options, "createMarketBuyOrderRequiresPrice": False}
        kind = getattr(importlib.import_module(f"ccxt.async_support.{venue}"), venue)
        client = kind({"apiKey": "k", "secret": "s", "enableRateLimit": False, "options": options})

        async def fetch(url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
            raise Left(url, method, body)

        client.fetch = fetch
        swap = key.count(":") == 2
        client.set_markets(
            [
                {
                    "id": "BTCUSDT", "symbol": key.partition(":")[2], "base": "BTC", "quote": "USDT", "active": True,
                    "settle": "USDT" if swap else None, "type": "swap" if swap else "spot", "spot": not swap,
                    "swap": swap, "future": False, "option": False, "contract": swap, "linear": swap or None,
                    "inverse": False if swap else None, "precision": {"amount": 1e-5, "price": 0.1},
                    "limits": {}, "info": {"orderTypes": [*KNOWN]},
                }
            ]
        )  # fmt: skip
        made[name] = client
    return made


KNOWN = (
    "LIMIT", "MARKET", "LIMIT_MAKER", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT", "STOP",
    "STOP_MARKET", "TAKE_PROFIT_MARKET",
)  # fmt: skip


def spec(name: str, kind: OrderType, **more: Any) -> OrderSpec:
    return OrderSpec(
        id="e1-7",
        instrument=KEYS[name],
        side=Side.SELL,
        type=kind,
        quantity=QUANTITY,
        price=PRICE if kind.limited else 0,
        stop_price=STOP if kind.conditional else 0,
        **more,
    )


async def sent(call: Any) -> tuple[str, str, dict[str, Any]]:
    """Where a request goes, and with what, without stamps, signatures and what only shapes the answer."""
    with pytest.raises(Left) as left:
        await call
    url, method, body = left.value.args
    parts = urlsplit(url)
    said = dict(parse_qsl(parts.query))
    if body:
        said |= msgspec.json.decode(body) if body.startswith("{") else dict(parse_qsl(body))
    hidden = ("timestamp", "signature", "recvWindow", "newOrderRespType")
    return method, parts.path, {name: value for name, value in said.items() if name not in hidden}


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize(("kind", "ours", "theirs"), KINDS)
async def test_an_order_is_worded_as_ccxt_words_it(
    clients: dict[str, Any], name: str, kind: OrderType, ours: dict[str, Any], theirs: dict[str, Any]
) -> None:
    client, words = clients[name], DIALECTS[name.partition(" ")[0]]()
    call = words.submit(spec(name, kind, **ours), words.listed(KEYS[name]))
    if name == "mexc" and kind.conditional:
        assert "takes no stop" in str(call)
        return
    assert not isinstance(call, str)
    worded = await sent(getattr(client, call.method)(dict(call.params)))
    if not KEYS[name].endswith(":USDT"):
        theirs = {word: value for word, value in theirs.items() if word != "reduceOnly"}  # spot has no such order
    if name == "bybit" and kind.conditional:
        theirs = {"triggerPrice": decimal(STOP)}  # a stop that locks nothing before it is triggered
    theirs = {"clientOrderId": "e1-7", **theirs}
    if "timeInForce" not in theirs and kind.limited and not theirs.get("postOnly"):
        theirs["timeInForce"] = "GTC"
    price = decimal(PRICE) if kind.limited else None
    own_kind = "limit" if kind.limited else "market"
    symbol = KEYS[name].partition(":")[2]
    wanted = await sent(client.create_order(symbol, own_kind, "sell", decimal(QUANTITY), price, theirs))
    method, path, said = wanted
    said = {word: value for word, value in said.items() if word not in ("hedged", "timeInForce") or word in worded[2]}
    if name.startswith("bybit") and kind.conditional:
        # ours says what triggers, and reduces only where that was wanted
        said.pop("reduceOnly", None)
        worded[2].pop("triggerBy", None)
    if said.get("reduceOnly") in (True, "True", "true"):
        said["reduceOnly"] = worded[2].get("reduceOnly", "missing")
    if name == "mexc":
        said.pop("timeInForce", None)
    assert worded == (method, path, said)


@pytest.mark.parametrize("name", KEYS)
def test_numbers_leave_as_they_are(name: str) -> None:
    words = DIALECTS[name.partition(" ")[0]]()
    tiny = OrderSpec(
        id="e1-8", instrument=KEYS[name], side=Side.BUY, type=OrderType.LIMIT, quantity=1, price=123456789012345678
    )
    call = words.submit(tiny, words.listed(KEYS[name]))
    assert not isinstance(call, str)
    assert "0.00000001" in call.params.values()
    assert "1234567890.12345678" in call.params.values()


def test_directions_of_bybit_triggers() -> None:
    words = DIALECTS["bybit"]()
    market = words.listed("bybit:BTC/USDT:USDT")
    told = {}
    for side in Side:
        for kind in (OrderType.STOP, OrderType.TAKE_PROFIT):
            order = msgspec.structs.replace(spec("bybit linear", kind), side=side)
            call = words.submit(order, market)
            assert not isinstance(call, str)
            told[side, kind] = call.params["triggerDirection"]
    # a stop to buy and a profit to sell lie above the price
    assert told == {
        (Side.BUY, OrderType.STOP): 1,
        (Side.SELL, OrderType.TAKE_PROFIT): 1,
        (Side.SELL, OrderType.STOP): 2,
        (Side.BUY, OrderType.TAKE_PROFIT): 2,
    }


@pytest.mark.parametrize(
    "key",
    ["binance:BTC/USDT:USDT", "binanceusdm:BTC/USDT", "binanceusdm:BTC/USD:BTC", "bybit:BTC/USDC:USDC", "mexc:BTC"],
)
def test_what_is_not_traded_is_said(key: str) -> None:
    with pytest.raises(SettingsInvalid, match=r"BTC"):
        DIALECTS[key.partition(":")[0]]().listed(key)


def test_numbers_of_answers() -> None:
    assert amount("0.00000001") == 1
    assert amount("") == amount(None) == 0
    with pytest.raises(ValueError, match="finer"):
        amount("0.000000001")
    assert coarse("1.999999999") == 199_999_999
    assert fee("0.000000001") == 1  # rounded up
    assert fee("-0.000000001") == 0  # a rebate toward zero
    for damage in ("nan", "inf", "x"):
        with pytest.raises(ValueError, match=r"number|traded"):
            fee(damage)


def test_names_of_orders() -> None:
    assert named("binance", "BTCUSDT", "m1x2y3-17", "99") == "m1x2y3-17"
    for foreign in ("", "web_5f3", "x-TKT5PX2F22ecb58eb", "and_1-2-3", "M1-17"):
        stranger = named("binance", "BTCUSDT", foreign, "99")
        assert stranger == external("binance", "BTCUSDT", "99") == "x-binance-btcusdt-99"
        assert inner(stranger) == "99"
    assert inner(external("bybit", "BTCUSDT", "c6f0-11-aa")) == "c6f0-11-aa"


@pytest.mark.parametrize(
    ("venue", "status", "answer", "meaning"),
    [
        ("binance", 400, {"code": -2010, "msg": "Account has insufficient balance"}, "refused"),
        ("binance", 400, {"code": -2010, "msg": "Duplicate order sent."}, "unknown"),
        ("binance", 400, {"code": -1013, "msg": "Filter failure: LOT_SIZE"}, "refused"),
        ("binance", 400, {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}, "clock"),
        ("binance", 400, {"code": -2013, "msg": "Order does not exist."}, "missing"),
        ("binance", 400, {"code": -1006, "msg": "An unexpected response was received"}, "unknown"),
        ("binance", 408, {"code": -1007, "msg": "Timeout waiting for response"}, "unknown"),
        ("binance", 500, None, "unknown"),
        ("binance", 503, {"code": -1008, "msg": "Server is currently overloaded"}, "throttled"),
        ("binance", 429, {"code": -1003, "msg": "Too much request weight used"}, "throttled"),
        ("binance", 418, {"code": -1003, "msg": "Way too much request weight used"}, "throttled"),
        ("binanceusdm", 400, {"code": -4116, "msg": "ClientOrderId is duplicated."}, "unknown"),
        ("binanceusdm", 400, {"code": -5022, "msg": "Post Only order will be rejected."}, "refused"),
        ("bybit", 200, {"retCode": 170131, "retMsg": "Balance insufficient."}, "refused"),
        ("bybit", 200, {"retCode": 110072, "retMsg": "OrderLinkedID is duplicate"}, "unknown"),
        ("bybit", 200, {"retCode": 10016, "retMsg": "Server error."}, "unknown"),
        ("bybit", 200, {"retCode": 10006, "retMsg": "Too many visits!"}, "throttled"),
        ("bybit", 200, {"retCode": 110001, "retMsg": "order not exists"}, "missing"),
        ("bybit", 200, {"retCode": 10002, "retMsg": "request expired"}, "clock"),
        ("bybit", 403, None, "throttled"),
        ("bybit", 200, None, "unknown"),
        ("bybit", 200, {}, "unknown"),
        ("mexc", 400, {"code": 30004, "msg": "Insufficient position"}, "refused"),
        ("mexc", 400, {"code": 510, "msg": "Requests are too frequent"}, "throttled"),
        ("mexc", 504, None, "unknown"),
        ("mexc", 400, {"code": 700003, "msg": "Timestamp for this request is outside of the recvWindow."}, "clock"),
    ],
)
def test_what_refusals_mean(venue: str, status: int, answer: Any, meaning: str) -> None:
    words = DIALECTS[venue]()
    said = words.said(status, answer)
    assert said is not None
    assert words.meaning(status, *said) == meaning
