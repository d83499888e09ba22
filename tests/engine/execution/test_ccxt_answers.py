"""Answers and messages as the venues' documentation shows them, read by the dialects (hand-made after those pages)."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import FeedError, ProtocolError
from engine.execution.ccxt_binance import BinanceSpot
from engine.execution.ccxt_binanceusdm import ALGO, BinanceUsdm
from engine.execution.ccxt_bybit import WINDOW_MS, Bybit
from engine.execution.ccxt_bybit_rows import order_of
from engine.execution.ccxt_mexc import Mexc
from engine.execution.ccxt_words import Call, Meaning, Said
from engine.orders import OrderAccepted, OrderAmended, OrderCanceled, OrderFilled, OrderRejected, OrderTriggered, units

NOW_MS = 1_760_000_000_000

DAY_MS = 86_400_000


class Answers:
    """Answers by endpoint: a list is used up, one after the other; what was asked stands in `asked`."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[Call] = []

    async def __call__(self, call: Call) -> Any:
        self.asked.append(call)
        given = self.answers[call.method]
        answer = given(call.params) if callable(given) else given.pop(0) if isinstance(given, list) else given
        if isinstance(answer, Exception):
            raise answer
        return answer


def trade(number: int, ms: int, order: int = 7) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT", "id": number, "orderId": order, "price": "60000.10", "qty": "0.00100000",
        "commission": "0.0000007501", "commissionAsset": "BNB", "time": ms, "isBuyer": True, "isMaker": True,
    }  # fmt: skip


async def test_binance_fills_are_asked_by_day_and_then_by_id() -> None:
    words = BinanceSpot()
    market = words.listed("binance:BTC/USDT")
    first = NOW_MS - 3 * DAY_MS + 5
    kept = [trade(100 + n, first + n) for n in range(1500)]

    def listed(params: dict[str, str]) -> list[Any]:
        if "fromId" in params:
            found = [row for row in kept if row["id"] >= int(params["fromId"])]
        else:
            assert int(params["endTime"]) - int(params["startTime"]) < DAY_MS  # the venue refuses more
            found = [row for row in kept if int(params["startTime"]) <= row["time"] <= int(params["endTime"])]
        return found[: int(params["limit"])]

    ask = Answers(privateGetMyTrades=listed)
    found = await words.trades(ask, market, NOW_MS - 5 * DAY_MS, NOW_MS)
    assert [execution.fill.id for execution in found] == [f"binance-BTCUSDT-{100 + n}" for n in range(1500)]
    fill = found[0].fill
    assert (fill.fee, fill.fee_asset, fill.liquidity) == (76, "BNB", "maker")  # 75.01 rounded up
    assert found[0].venue_id == "7"
    assert not found[0].told
    # nothing there is an answer too, and even a moment that is just over is asked for
    empty = Answers(privateGetMyTrades=lambda _: [])
    assert await words.trades(empty, market, NOW_MS + 5, NOW_MS) == []
    assert len(empty.asked) == 1
    old = Answers(privateGetMyTrades=lambda _: [])
    await words.trades(old, market, 0, NOW_MS)
    assert len(old.asked) == 31  # 30 days, and no more


@pytest.mark.parametrize("answer", [{}, None, "no", {"code": 1}])
async def test_another_answer_is_not_nothing(answer: Any) -> None:
    words = BinanceSpot()
    market = words.listed("binance:BTC/USDT")
    with pytest.raises(ProtocolError):
        await words.trades(Answers(privateGetMyTrades=answer), market, NOW_MS, NOW_MS)
    with pytest.raises(ProtocolError):
        await words.standing(Answers(privateGetOpenOrders=answer), [market])


def report(**more: Any) -> dict[str, Any]:
    plain = {
        "e": "executionReport", "E": NOW_MS, "s": "BTCUSDT", "c": "m1-4", "S": "SELL", "o": "STOP_LOSS_LIMIT",
        "f": "GTC", "q": "1.00000000", "p": "59000.00", "P": "59100.00", "C": "", "x": "NEW", "X": "NEW", "r": "NONE",
        "i": 4293153, "l": "0.0", "z": "0.0", "L": "0.0", "n": "0", "N": None, "T": NOW_MS, "t": -1, "w": False,
        "m": False,
    }  # fmt: skip
    return {"subscriptionId": 0, "event": plain | more}


def test_binance_reports() -> None:
    words = BinanceSpot()
    markets = {("spot", "BTCUSDT"): words.listed("binance:BTC/USDT")}

    def heard(**more: Any) -> Any:
        found = words.heard(report(**more), markets)
        assert found is not None
        return found

    assert [type(event) for event in heard().events] == [OrderAccepted]
    assert [type(event) for event in heard(w=True).events] == [OrderAccepted, OrderTriggered]
    (over,) = heard(x="CANCELED", X="CANCELED", c="cancel-of-it", C="m1-4", z="0.25").events
    assert over == OrderCanceled(order="m1-4", ts=NOW_MS * 10**6, filled=units("0.25"))
    (over,) = heard(x="EXPIRED", X="EXPIRED").events
    assert over.expired
    (no,) = heard(x="REJECTED", X="REJECTED", r="INSUFFICIENT_BALANCE").events
    assert isinstance(no, OrderRejected)
    assert no.code == "INSUFFICIENT_BALANCE"
    (fill,) = heard(
        x="TRADE", X="PARTIALLY_FILLED", l="0.1", z="0.35", L="59000.5", n="5.9", N="USDT", t=77, m=True
    ).events
    assert isinstance(fill, OrderFilled)
    assert (fill.fill.quantity, fill.fill.price, fill.fill.fee) == (units("0.1"), units("59000.5"), units("5.9"))
    assert heard(x="TRADE_PREVENTION").doubt
    assert words.heard(report(s="DOGEUSDT"), markets).events == []  # type: ignore[union-attr]
    assert words.heard({"e": "eventStreamTerminated", "E": 1}, markets).lost  # type: ignore[union-attr]
    assert words.heard({"id": "1", "status": 200, "result": {"subscriptionId": 0}}, markets) is None


ALGO_ORDER = {
    "algoId": 2146760, "clientAlgoId": "m1-9", "algoType": "CONDITIONAL", "orderType": "STOP_MARKET",
    "symbol": "BTCUSDT", "side": "SELL", "positionSide": "BOTH", "timeInForce": "GTC", "quantity": "0.01",
    "algoStatus": "NEW", "actualOrderId": "", "triggerPrice": "59000", "price": "0", "reduceOnly": True,
    "createTime": NOW_MS, "updateTime": NOW_MS,
}  # fmt: skip

CHILD = {
    "e": "ORDER_TRADE_UPDATE", "E": NOW_MS, "T": NOW_MS,
    "o": {
        "s": "BTCUSDT", "c": "Zk3autogenerated", "S": "SELL", "o": "MARKET", "ot": "MARKET", "f": "GTC", "q": "0.01",
        "p": "0", "ap": "58999", "sp": "0", "x": "TRADE", "X": "FILLED", "i": 8886774, "l": "0.01", "z": "0.01",
        "L": "58999", "N": "USDT", "n": "0.3", "T": NOW_MS, "t": 5, "m": False, "R": True,
    },
}  # fmt: skip


async def test_what_an_algo_order_becomes_is_not_taken_for_a_strangers() -> None:
    words = BinanceUsdm()
    market = words.listed("binanceusdm:BTC/USDT:USDT")
    markets = {("linear", "BTCUSDT"): market}
    stands = (
        await words.standing(
            Answers(fapiPrivateGetOpenOrders=[[]], fapiPrivateGetOpenAlgoOrders=[[ALGO_ORDER]]), [market]
        )
    )[0]
    assert (stands.id, stands.venue_id, stands.type) == ("m1-9", f"{ALGO}2146760", "stop")
    # the venue tells of an order that we do not know: perhaps it is that one
    first = words.heard(CHILD, markets)
    assert first is not None
    assert first.doubt
    assert not first.events
    # asked, it says so
    missing = Said("binanceusdm", "-2013", "Order does not exist.", Meaning.MISSING)
    order = {
        "orderId": 8886774, "symbol": "BTCUSDT", "status": "FILLED", "clientOrderId": "Zk3autogenerated", "price": "0",
        "origQty": "0.01", "executedQty": "0.01", "type": "MARKET", "side": "SELL", "updateTime": NOW_MS,
    }  # fmt: skip
    ask = Answers(
        fapiPrivateGetOrder=[missing, order],
        fapiPrivateGetAlgoOrder=[ALGO_ORDER | {"algoStatus": "FINISHED", "actualOrderId": "8886774"}],
    )
    found = await words.find(ask, market, "m1-9", "")
    assert found is not None
    assert (found.id, found.state, found.filled, found.venue_id) == ("m1-9", "filled", units("0.01"), "8886774")
    assert ask.asked[0].params == {"symbol": "BTCUSDT", "origClientOrderId": "m1-9"}
    assert ask.asked[-1].params == {"symbol": "BTCUSDT", "orderId": "8886774"}
    # from now on its fills are of our order, in the stream and in lists
    again = words.heard(CHILD, markets)
    assert again is not None
    (filled,) = again.events
    assert isinstance(filled, OrderFilled)
    assert filled.order == "m1-9"
    listed = Answers(fapiPrivateGetUserTrades=[[{**trade(5, NOW_MS, 8886774), "buyer": False, "maker": False}]])
    (execution,) = await words.trades_of(listed, market, found)
    assert execution.told
    assert execution.fill.order == "m1-9"
    # and it is cancelled by the id that it has now
    assert words.cancel(market, "m1-9", "8886774", False).params["orderId"] == "8886774"
    # a real stranger is one as soon as no algo order waits
    other = {**CHILD, "o": {**CHILD["o"], "i": 99, "c": "web_1"}}
    stranger = words.heard(other, markets)
    assert stranger is not None
    assert not stranger.doubt


def test_algo_updates() -> None:
    words = BinanceUsdm()
    markets = {("linear", "BTCUSDT"): words.listed("binanceusdm:BTC/USDT:USDT")}

    def heard(word: str, **more: Any) -> Any:
        order = {
            "caid": "m1-9", "aid": 2148719, "at": "CONDITIONAL", "o": "TAKE_PROFIT", "s": "BTCUSDT", "S": "SELL",
            "f": "GTC", "q": "0.01", "X": word, "ai": "", "tp": "75000", "p": "74990", "R": False, "rm": "",
        }  # fmt: skip
        return words.heard({"e": "ALGO_UPDATE", "T": NOW_MS, "E": NOW_MS, "o": order | more}, markets)

    assert [type(event) for event in heard("NEW").events] == [OrderAccepted]
    assert heard("NEW").orders[0].type == "take_profit_limit"
    assert [type(event) for event in heard("TRIGGERED", ai="123").events] == [OrderTriggered]
    (over,) = heard("CANCELED").events
    assert isinstance(over, OrderCanceled)
    assert over.filled == 0
    (no,) = heard("REJECTED", rm="ReduceOnly reject").events
    assert no.reason == "ReduceOnly reject"
    assert heard("FINISHED", ai="123").doubt
    assert words.heard({"e": "listenKeyExpired", "E": NOW_MS}, markets).lost  # type: ignore[union-attr]
    amended = {**CHILD, "o": {**CHILD["o"], "c": "m1-5", "x": "AMENDMENT", "X": "NEW", "ot": "LIMIT", "p": "51"}}
    (event,) = words.heard(amended, markets).events  # type: ignore[union-attr]
    assert isinstance(event, OrderAmended)
    assert (event.price, event.quantity) == (units("51"), units("0.01"))


def execution(number: int, ms: int, **more: Any) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT", "orderLinkId": "m1-3", "orderId": "8c06", "side": "Sell", "execId": f"e{number:04}",
        "execPrice": "60000", "execQty": "0.001", "execFee": "0.06", "execTime": str(ms), "isMaker": False,
        "execType": "Trade", "feeCurrency": "",
    } | more  # fmt: skip


async def test_bybit_executions_are_asked_by_week_and_page() -> None:
    words = Bybit()
    market = words.listed("bybit:BTC/USDT")
    kept = [execution(n, NOW_MS - 9 * DAY_MS + n * 3_600_000) for n in range(210)]

    def listed(params: dict[str, str]) -> Any:
        start, end = int(params["startTime"]), int(params["endTime"])
        assert end - start <= WINDOW_MS
        found = [row for row in reversed(kept) if start <= int(row["execTime"]) <= end]
        at = int(params.get("cursor") or 0)
        more = str(at + 100) if len(found) > at + 100 else ""
        return {"result": {"list": found[at : at + 100], "nextPageCursor": more}}

    found = await words.trades(Answers(privateGetV5ExecutionList=listed), market, NOW_MS - 10 * DAY_MS, NOW_MS)
    assert [each.fill.id for each in found] == [f"bybit-e{n:04}" for n in range(210)]
    assert {each.fill.order for each in found} == {"m1-3"}
    assert found[0].fill.fee_asset == "USDT"


async def test_bybit_funding_is_no_fill() -> None:
    words = Bybit()
    market = words.listed("bybit:BTC/USDT:USDT")
    markets = {("linear", "BTCUSDT"): market}
    rows = [
        execution(1, NOW_MS, execType="Funding", execFee="-0.12", category="linear"),
        execution(2, NOW_MS, category="linear"),
        execution(3, NOW_MS, execType="BlockTradeless", category="linear"),
    ]
    heard = words.heard({"topic": "execution", "data": rows}, markets)
    assert heard is not None
    paid, filled = heard.events
    assert (paid.amount, paid.asset) == (units("0.12"), "USDT")  # type: ignore[union-attr]
    assert isinstance(filled, OrderFilled)
    asked = Answers(privateGetV5ExecutionList={"result": {"list": rows[:1], "nextPageCursor": ""}})
    assert await words.funding(asked, [market], NOW_MS - 1, NOW_MS) == [paid]


async def test_bybit_orders_and_where_they_are_looked_for() -> None:
    words = Bybit()
    market = words.listed("bybit:BTC/USDT:USDT")
    row = {
        "symbol": "BTCUSDT", "orderType": "Market", "orderLinkId": "m1-3", "orderId": "c6f0", "orderStatus": "Rejected",
        "rejectReason": "EC_PerCancelRequest", "price": "0", "qty": "0.5", "cumExecQty": "0", "side": "Buy",
        "triggerPrice": "59000", "triggerDirection": 2, "reduceOnly": False, "updatedTime": str(NOW_MS),
    }  # fmt: skip
    ask = Answers(
        privateGetV5OrderRealtime={"result": {"list": []}}, privateGetV5OrderHistory={"result": {"list": [row]}}
    )
    found = await words.find(ask, market, "m1-3", "")
    assert found is not None
    assert (found.type, found.state, found.reason) == ("take_profit", "rejected", "EC_PerCancelRequest")
    with pytest.raises(ProtocolError, match="unknown status"):
        order_of(row | {"orderStatus": "Invented"}, market)


async def test_mexc_fills_go_back_page_by_page() -> None:
    words = Mexc()
    market = words.listed("mexc:BTC/USDT")
    kept = [
        {**trade(0, NOW_MS - n * 1000), "id": f"{n:04}X1", "orderId": "C02__77", "clientOrderId": "m1-2"}
        for n in range(250)
    ]

    def listed(params: dict[str, str]) -> list[Any]:
        start, end = int(params["startTime"]), int(params["endTime"])
        return [row for row in kept if start <= row["time"] <= end][:100]

    found = await words.trades(Answers(spotPrivateGetMyTrades=listed), market, NOW_MS - DAY_MS, NOW_MS)
    assert len(found) == 250
    assert found[0].fill.ts < found[-1].fill.ts
    assert {each.fill.order for each in found} == {"m1-2"}
    crowded = Answers(spotPrivateGetMyTrades=lambda _: [{**trade(n, NOW_MS), "id": str(n)} for n in range(100)])
    with pytest.raises(FeedError, match="more than 100 fills"):
        await words.trades(crowded, market, NOW_MS - 1, NOW_MS)


async def test_mexc_filters_and_rights() -> None:
    words = Mexc()
    market = words.listed("mexc:BTC/USDT")
    entry = {
        "symbol": "BTCUSDT", "baseAssetPrecision": 8, "quotePrecision": 2, "baseSizePrecision": "0.000001",
        "quoteAmountPrecision": "1.000000000000000000",
    }  # fmt: skip
    rules = await words.rules(Answers(spotPublicGetExchangeInfo={"symbols": [entry]}), [market])
    assert (rules[market.key].tick, rules[market.key].min_quantity) == (units("0.01"), units("0.000001"))
    assert rules[market.key].min_notional == units("1")
    told = await words.permissions(Answers(spotPrivateGetAccount={"canTrade": True, "canWithdraw": True}), False)
    assert (told.trade, told.withdraw) == (True, None)
    with pytest.raises(ProtocolError, match="does not list"):
        await words.rules(Answers(spotPublicGetExchangeInfo={"symbols": []}), [market])


async def test_rights_of_keys() -> None:
    spot = BinanceSpot()
    told = {"enableWithdrawals": True, "enableSpotAndMarginTrading": True, "enableFutures": False, "ipRestrict": False}
    found = await spot.permissions(Answers(sapiGetAccountApiRestrictions=told), False)
    assert (found.trade, found.withdraw) == (True, True)
    found = await BinanceUsdm().permissions(Answers(sapiGetAccountApiRestrictions=told), False)
    assert (found.trade, found.withdraw) == (False, True)
    key = {"readOnly": 0, "permissions": {"Wallet": ["AccountTransfer"], "Spot": ["SpotTrade"]}, "ips": ["*"]}
    found = await Bybit().permissions(Answers(privateGetV5UserQueryApi={"result": key}), False)
    assert (found.trade, found.withdraw, found.text) == (True, False, "not bound to addresses")
    found = await Bybit().permissions(Answers(privateGetV5UserQueryApi={"result": key | {"readOnly": 1}}), False)
    assert found.trade is False
