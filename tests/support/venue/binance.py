"""Binance's private REST, spot and USD-M, as far as orders need it: paths, checks, codes."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import msgspec

from tests.support.venue import binance_words as words
from tests.support.venue import signing
from tests.support.venue.binance_codes import CODES, LINEAR_CODES
from tests.support.venue.instruments import Instrument
from tests.support.venue.matching import Matching
from tests.support.venue.orders import Order, Refusal, Wanted

_DAY_MS = 86_400_000

_WEIGHTS = {"account": 20, "openOrders": 80, "myTrades": 20, "order": 4, "exchangeInfo": 20, "userTrades": 5}


class Call(NamedTuple):
    """A request: method, path from its root on, and all parameters."""

    method: str
    path: str
    params: dict[str, str]


class Binance:
    """Answers requests for one account; `spot` or USD-M."""

    def __init__(self, matching: Matching, now_ms: Callable[[], int], *, spot: bool) -> None:
        self._matching = matching
        self._now_ms = now_ms
        self._spot = spot
        self.keys: set[str] = set()
        """Listen keys that are valid."""
        self.withdraw = False
        """What `apiRestrictions` says of withdrawals."""

    # Reading requests. ---------------------------------------------------------------------------------------------

    def call(self, method: str, path: str, query: str, body: str) -> Call:
        """Put a request together."""
        return Call(method, path, dict(parse_qsl(query, keep_blank_values=True) + parse_qsl(body)))

    def action(self, call: Call) -> str:
        """What a request is for, in the words of `faults.ACTIONS`."""
        match call.path.rpartition("/")[2], call.method:
            case ("order" | "algoOrder", "POST"):
                return "submit"
            case ("order" | "algoOrder", "DELETE"):
                return "cancel"
            case ("order", "PUT") | ("keepPriority", _) | ("cancelReplace", _):
                return "amend"
            case ("order" | "algoOrder", _):
                return "query"
            case ("openOrders" | "allOpenOrders" | "algoOpenOrders", "DELETE"):
                return "cancel_all"
            case ("openOrders" | "openAlgoOrders" | "allOrders", _):
                return "open"
            case ("account" | "balance" | "positionRisk", _):
                return "account"
            case ("myTrades" | "userTrades" | "income", _):
                return "trades"
            case ("time", _):
                return "time"
            case ("exchangeInfo", _):
                return "rules"
            case ("apiRestrictions", _):
                return "permissions"
            case ("listenKey" | "userDataStream", _):
                return "listen"
        return "other"

    def client(self, call: Call) -> str:
        """The client order id of a submit."""
        return call.params.get("newClientOrderId") or call.params.get("clientAlgoId") or ""

    def weight(self, call: Call) -> int:
        """What a request costs of the budget."""
        name = call.path.rpartition("/")[2]
        return 1 if call.method != "GET" or call.params.get("symbol") else _WEIGHTS.get(name, 1)

    def refused(self, why: str, text: str, call: Call | None = None) -> tuple[int, Any]:
        """Status and body of a refusal."""
        codes = CODES if self._spot else CODES | LINEAR_CODES
        code, said = codes.get(why, (-1000, why))
        status = 401 if why in ("key", "no key") else 400
        return status, {"code": code, "msg": said.replace("{}", text)}

    def scripted(self, code: str, text: str) -> tuple[int, Any]:
        """Status and body of a refusal by script."""
        return 400, {"code": int(code or -2010), "msg": text}

    def unseen(self) -> tuple[int, Any]:
        """An order that the venue does not know yet."""
        return self.refused("no such order", "")

    # Answering them. -----------------------------------------------------------------------------------------------

    def answer(self, call: Call, headers: dict[str, str], query: str, body: str) -> Any:
        """Do a request.

        Raises:
            Refusal: The venue does not do it.
        """
        name = call.path.rpartition("/")[2]
        match name:
            case "ping":
                return {}
            case "time":
                return {"serverTime": self._now_ms()}
            case "exchangeInfo":
                return self._rules(call)
            case "status":
                return {"status": 0, "msg": "normal"}
            case "price" | "bookTicker" if call.path.startswith("/api/v3/ticker") or "ticker" in call.path:
                return self._ticker(call)
        if name in ("listenKey", "userDataStream"):
            if headers.get("x-mbx-apikey") != signing.KEY:
                raise Refusal("key")
            return self._listen(call)
        self._signed(call, headers, query, body)
        done = self._private(call, name)
        if done is None:
            raise Refusal("path", f"{call.method} {call.path}")
        return done

    def _signed(self, call: Call, headers: dict[str, str], query: str, body: str) -> None:
        text = re.sub(r"&?signature=[0-9a-f]+", "", query + body)
        signing.binance(
            headers.get("x-mbx-apikey", ""), text, call.params.get("signature", ""),
            call.params.get("timestamp", ""), call.params.get("recvWindow", ""), self._now_ms(),
        )  # fmt: skip

    def _private(self, call: Call, name: str) -> Any:
        match name, call.method:
            case "order", "POST":
                order = self._matching.place(self._wanted(call.params))
                return words.submit_body(order, self._answers(call.params), self._now_ms())
            case "algoOrder", "POST":
                return words.algo_body(self._matching.place(self._wanted(call.params, algo=True)))
            case "test", "POST":
                self._wanted(call.params)
                return {}
            case "order", "GET":
                return words.order_body(self._found(call.params))
            case "algoOrder", "GET":
                return words.algo_body(self._found(call.params, algo=True))
            case "order", "DELETE":
                order = self._cancelled(call.params)
                return words.order_body(order) | {"origClientOrderId": order.client, "transactTime": order.updated}
            case "algoOrder", "DELETE":
                order = self._cancelled(call.params, algo=True)
                return {"algoId": order.algo, "clientAlgoId": order.client, "code": "200", "msg": "success"}
            case "order", "PUT":
                return words.order_body(self._amended(call.params, "quantity"))
            case "keepPriority", "PUT":
                return self._shrunk(call.params)
        return self._lists(call, name)

    def _lists(self, call: Call, name: str) -> Any:
        wanted = self._instrument(call.params["symbol"]) if call.params.get("symbol") else None
        here = [each for each in self._matching.orders if wanted in (None, each.instrument)]
        match name, call.method:
            case "openOrders", "GET":
                return [words.order_body(each) for each in here if each.open and each.child]
            case "openAlgoOrders", "GET":
                return [words.algo_body(each) for each in here if each.open and each.algo and not each.child]
            case "allOrders", "GET":
                return [words.order_body(each) for each in here if each.child][-int(call.params.get("limit", 500)) :]
            case "allAlgoOrders", "GET":
                return [words.algo_body(each) for each in here if each.algo]
            case "openOrders" | "allOpenOrders", "DELETE":
                ended = [each for each in here if each.open and each.child]
                if self._spot and not ended:
                    raise Refusal("unknown order")
                for each in ended:
                    self._matching.cancel(each)
                if self._spot:
                    return [words.order_body(each) for each in ended]
                return {"code": 200, "msg": "The operation of cancel all open order is done."}
            case "algoOpenOrders", "DELETE":
                for each in [each for each in here if each.open and each.algo and not each.child]:
                    self._matching.cancel(each)
                return {"code": 200, "msg": "The operation of cancel all open order is done."}
            case "myTrades" | "userTrades", "GET":
                return self._trades(call.params)
            case "income", "GET":
                return self._income(call.params)
        return self._account(call, name)

    def _account(self, call: Call, name: str) -> Any:
        matching, now = self._matching, self._now_ms()
        match name:
            case "account" if self._spot:
                held = [
                    {"asset": asset, "free": words.number(matching.free(asset)),
                     "locked": words.number(matching.locked(asset))}
                    for asset, total in matching.wallet.total.items()
                    if total or call.params.get("omitZeroBalances") != "true"
                ]  # fmt: skip
                return {
                    "makerCommission": 10, "takerCommission": 10, "canTrade": True, "canWithdraw": self.withdraw,
                    "canDeposit": True, "updateTime": now, "accountType": "SPOT", "balances": held,
                    "permissions": ["SPOT"], "uid": 1,
                }  # fmt: skip
            case "account":
                return {"assets": self._assets(), "positions": words.positions(matching, now), "canTrade": True}
            case "balance":
                return self._assets()
            case "positionRisk":
                return words.positions(matching, now)
            case "apiRestrictions":
                return {
                    "ipRestrict": False, "createTime": now, "enableReading": True, "enableWithdrawals": self.withdraw,
                    "enableInternalTransfer": False, "enableMargin": False, "enableFutures": not self._spot,
                    "enableSpotAndMarginTrading": True, "enableVanillaOptions": False,
                    "permitsUniversalTransfer": False, "enablePortfolioMarginTrading": False,
                }  # fmt: skip
            case "getall" | "allPairs":
                return []
            case "leverageBracket":
                bracket = {"bracket": 1, "initialLeverage": 20, "notionalCap": 10**9, "notionalFloor": 0,
                           "maintMarginRatio": 0.004, "cum": 0.0}  # fmt: skip
                return [{"symbol": each.symbol, "brackets": [bracket]} for each in matching.instruments.values()]
            case "dual":
                return {"dualSidePosition": False}
            case "leverage":
                return {"leverage": 20, "maxNotionalValue": "1000000", "symbol": call.params.get("symbol")}
        return None

    def _assets(self) -> list[dict[str, Any]]:
        matching = self._matching
        return [
            {"accountAlias": "venue", "asset": asset, "balance": words.number(total),
             "walletBalance": words.number(total), "marginBalance": words.number(total),
             "crossWalletBalance": words.number(total), "crossUnPnl": "0", "unrealizedProfit": "0",
             "initialMargin": words.number(matching.locked(asset)),
             "availableBalance": words.number(matching.free(asset)),
             "maxWithdrawAmount": words.number(matching.free(asset)), "marginAvailable": True,
             "updateTime": self._now_ms()}
            for asset, total in matching.wallet.total.items()
        ]  # fmt: skip

    def _rules(self, call: Call) -> Any:
        names = call.params.get("symbols") or call.params.get("symbol")
        wanted = set(re.findall(r"[A-Z0-9]+", names)) if names else None
        listed = [each for each in self._matching.instruments.values() if wanted is None or each.symbol in wanted]
        if wanted is not None and len(listed) != len(wanted):
            raise Refusal("symbol")
        # The engine's other markets are asked of the recorded exchange; these lists are those of this market alone.
        here = ("/api/" in call.path) == self._spot
        limits = [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000}]
        return {
            "timezone": "UTC", "serverTime": self._now_ms(), "rateLimits": limits, "exchangeFilters": [],
            "symbols": [words.listing(each) for each in listed] if here else [],
        }  # fmt: skip

    def _ticker(self, call: Call) -> Any:
        instrument = self._instrument(call.params.get("symbol", ""))
        price = words.number(self._matching.prices[instrument.key])
        if call.path.endswith("price"):
            return {"symbol": instrument.symbol, "price": price}
        return {"symbol": instrument.symbol, "bidPrice": price, "bidQty": "10", "askPrice": price, "askQty": "10"}

    def _listen(self, call: Call) -> Any:
        if call.method == "POST":
            self.keys.add(f"listen-{len(self.keys) + 1}")
            return {"listenKey": f"listen-{len(self.keys)}"}
        return {}

    # One order. ----------------------------------------------------------------------------------------------------

    def _wanted(self, params: dict[str, str], *, algo: bool = False) -> Wanted:
        instrument = self._instrument(_need(params, "symbol"))
        side, said = _need(params, "side"), _need(params, "type")
        if self._spot and "reduceOnly" in params:
            raise Refusal("unread", "reduceOnly")
        stops, takes = said.startswith("STOP"), said.startswith("TAKE_PROFIT")
        if algo != (not self._spot and (stops or takes)):
            raise Refusal("parameter", "type")  # -4120 at the venue: conditional orders have their own desk
        limited = (
            said in ("LIMIT", "LIMIT_MAKER") or said.endswith("_LIMIT") or (algo and said in ("STOP", "TAKE_PROFIT"))
        )
        trigger = "triggerPrice" if algo else "stopPrice"
        forced = params.get("timeInForce", "GTC")
        if limited and said not in ("LIMIT_MAKER",) and not algo:
            _need(params, "timeInForce")
        return Wanted(
            client=self.client(Call("", "", params)), instrument=instrument, side=side, type=said,
            quantity=_number(params, "quantity"),
            price=_number(params, "price") if limited else Decimal(0),
            trigger=_number(params, trigger) if stops or takes else Decimal(0),
            rising=(side == "BUY") == stops,
            time_in_force=forced, post_only=said == "LIMIT_MAKER" or forced == "GTX",
            reduce_only=params.get("reduceOnly") == "true", said=said, algo=algo,
        )  # fmt: skip

    def _answers(self, params: dict[str, str]) -> str:
        usual = "FULL" if self._spot and params["type"] in ("MARKET", "LIMIT") else "ACK"
        return params.get("newOrderRespType", usual)

    def _found(self, params: dict[str, str], *, algo: bool = False) -> Order:
        instrument = self._instrument(params["symbol"]) if algo is False else None
        number, client = ("algoId", "clientAlgoId") if algo else ("orderId", "origClientOrderId")
        return self._matching.find(
            instrument, number=int(params.get(number) or 0), client=params.get(client, ""), algo=algo
        )

    def _cancelled(self, params: dict[str, str], *, algo: bool = False) -> Order:
        try:
            order = self._found(params, algo=algo)
        except Refusal as refusal:
            raise Refusal("unknown order" if refusal.why == "no such order" else refusal.why) from refusal
        if algo and order.child:
            raise Refusal("unknown order")
        self._matching.cancel(order)
        return order

    def _amended(self, params: dict[str, str], quantity: str) -> Order:
        order = self._found(params)
        self._matching.amend(order, _number(params, "price"), _number(params, quantity), Decimal(0))
        return order

    def _shrunk(self, params: dict[str, str]) -> Any:
        order = self._found(params)
        quantity = _number(params, "newQty")
        if quantity >= order.asked.quantity:
            raise Refusal("filled")
        self._matching.amend(order, Decimal(0), quantity, Decimal(0))
        amended = {
            "symbol": order.instrument.symbol, "orderId": order.child, "orderListId": -1,
            "origClientOrderId": order.client, "clientOrderId": order.client, "price": words.number(order.asked.price),
            "qty": words.number(order.asked.quantity), "executedQty": words.number(order.filled), "preventedQty": "0",
            "cumulativeQuoteQty": words.number(order.paid), "status": words.status(order),
            "timeInForce": order.asked.time_in_force, "type": order.asked.said, "side": order.asked.side,
            "workingTime": order.created, "selfTradePreventionMode": "EXPIRE_MAKER",
        }  # fmt: skip
        return {"transactTime": self._now_ms(), "executionId": order.child + 1, "amendedOrder": amended}

    def _trades(self, params: dict[str, str]) -> Any:
        instrument = self._instrument(_need(params, "symbol"))
        begin, end = int(params.get("startTime") or 0), int(params.get("endTime") or 0)
        if begin and end and end - begin > (_DAY_MS if self._spot else 7 * _DAY_MS):
            raise Refusal("hours")
        order, first = int(params.get("orderId") or 0), int(params.get("fromId") or 0)
        found = [
            each
            for each in self._matching.trades
            if each.instrument is instrument
            and (not order or each.order == order)
            and each.number >= first
            and each.ms >= begin
            and (not end or each.ms <= end)
        ]
        most = int(params.get("limit") or 500)
        chosen = found[:most] if begin or first else found[-most:]
        return [words.trade_body(each) for each in chosen]

    def _income(self, params: dict[str, str]) -> Any:
        begin = int(params.get("startTime") or 0)
        return [
            {"symbol": each.instrument.symbol if each.instrument else "", "incomeType": "FUNDING_FEE",
             "income": words.number(each.amount), "asset": each.asset, "time": each.ms, "info": "FUNDING_FEE",
             "tranId": 7000 + number, "tradeId": ""}
            for number, each in enumerate(self._matching.funding)
            if each.ms >= begin
        ]  # fmt: skip

    def _instrument(self, symbol: str) -> Instrument:
        category = "spot" if self._spot else "linear"
        found = self._matching.instruments.get(f"{category}:{symbol}")
        if found is None:
            raise Refusal("symbol")
        return found

    # The stream of spot. -------------------------------------------------------------------------------------------

    def spoken(self, text: str) -> tuple[Any, bool]:
        """Answer a message on the WebSocket API; whether it is a good subscription."""
        said = msgspec.json.decode(text, type=dict[str, Any])
        params = {name: str(value) for name, value in said.get("params", {}).items()}
        signed = "&".join(f"{name}={params[name]}" for name in sorted(params) if name != "signature")
        if said.get("method") != "userDataStream.subscribe.signature":
            return {"id": said.get("id"), "status": 400, "error": {"code": -1000, "msg": "unknown method"}}, False
        try:
            signing.binance(
                params.get("apiKey", ""), signed, params.get("signature", ""), params.get("timestamp", ""),
                params.get("recvWindow", ""), self._now_ms(),
            )  # fmt: skip
        except Refusal as refusal:
            status, error = self.refused(refusal.why, refusal.text)
            return {"id": said.get("id"), "status": status, "error": error}, False
        return {"id": said.get("id"), "status": 200, "result": {"subscriptionId": 0}, "rateLimits": []}, True


def _need(params: dict[str, str], name: str) -> str:
    if not params.get(name):
        raise Refusal("parameter", name)
    return params[name]


def _number(params: dict[str, str], name: str) -> Decimal:
    try:
        return Decimal(params[name])
    except (KeyError, InvalidOperation) as error:
        raise Refusal("parameter", name) from error
