"""Bybit's private REST and stream, v5 with a unified account: paths, checks, codes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from tests.support.venue import bybit_words as words
from tests.support.venue import signing
from tests.support.venue.binance import Call
from tests.support.venue.instruments import Instrument
from tests.support.venue.matching import Matching
from tests.support.venue.orders import Order, Refusal, Wanted

SPOT_CODES: dict[str, tuple[int, str]] = {
    "size": (170136, "Order quantity exceeded lower limit."),
    "lot": (170137, "Order volume decimal too long."),
    "tick": (170134, "Order price has too many decimals."),
    "notional": (170140, "Order value exceeded lower limit."),
    "balance": (170131, "Insufficient balance."),
    "duplicate": (170141, "Duplicate clientOrderId"),
    "would trigger": (170312, "Trigger price must be on the other side of the market price."),
    "unknown order": (170213, "Order does not exist."),
    "no such order": (170213, "Order does not exist."),
    "symbol": (170121, "Invalid symbol."),
}
LINEAR_CODES: dict[str, tuple[int, str]] = {
    "size": (10001, "The number of contracts exceeds minimum limit allowed"),
    "lot": (10001, "Qty invalid"),
    "tick": (10001, "Price invalid"),
    "notional": (110094, "Order does not meet minimum order value"),
    "balance": (110007, "ab not enough for new order"),
    "duplicate": (110072, "OrderLinkedID is duplicate"),
    "would trigger": (110092, "expect Rising, but trigger_price <= current"),
    "unknown order": (110001, "order not exists or too late to cancel"),
    "no such order": (110001, "order not exists or too late to cancel"),
    "reduce only": (110017, "current position is zero, cannot fix reduce-only order qty"),
    "symbol": (10001, "params error: symbol invalid"),
}
CODES: dict[str, tuple[int, str]] = {
    "key": (10003, "API key is invalid."),
    "signature": (10004, "error sign! origin_string mismatch"),
    "behind": (10002, "invalid request, please check your server timestamp or recv_window param."),
    "parameter": (10001, "params error: {}"),
    "hours": (10001, "The time range between startTime and endTime cannot exceed 7 days."),
    "filled": (110003, "Order quantity is below what is filled."),
    "path": (10001, "no such path at this venue: {}"),
}

_WEEK_MS = 7 * 86_400_000


class Bybit:
    """Answers requests for one account, both categories."""

    def __init__(self, matching: Matching, now_ms: Callable[[], int]) -> None:
        self._matching = matching
        self._now_ms = now_ms
        self.withdraw = False

    # Reading requests. ---------------------------------------------------------------------------------------------

    def call(self, method: str, path: str, query: str, body: str) -> Call:
        """Put a request together."""
        said = msgspec.json.decode(body, type=dict[str, Any]) if body else {}
        texts = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in said.items()}
        return Call(method, path, dict(parse_qsl(query, keep_blank_values=True)) | texts)

    def action(self, call: Call) -> str:
        """What a request is for, in the words of `faults.ACTIONS`."""
        one = "orderLinkId" in call.params or "orderId" in call.params
        return {
            "order/create": "submit", "order/cancel": "cancel", "order/cancel-all": "cancel_all",
            "order/amend": "amend", "order/realtime": "query" if one else "open",
            "order/history": "query" if one else "open", "execution/list": "trades", "market/time": "time",
            "account/wallet-balance": "account", "position/list": "account", "user/query-api": "permissions",
            "market/instruments-info": "rules",
        }.get("/".join(call.path.split("/")[-2:]), "other")  # fmt: skip

    def client(self, call: Call) -> str:
        """The client order id of a submit."""
        return call.params.get("orderLinkId", "")

    def weight(self, call: Call) -> int:
        """Each request counts once."""
        return 1

    def refused(self, why: str, text: str, call: Call | None = None) -> tuple[int, Any]:
        """Status and body of a refusal."""
        linear = call is not None and call.params.get("category") == "linear"
        codes = CODES | (LINEAR_CODES if linear else SPOT_CODES)
        code, said = codes.get(why, (10001, why))
        return 200, self._envelope({}, code, said.replace("{}", text))

    def scripted(self, code: str, text: str) -> tuple[int, Any]:
        """Status and body of a refusal by script."""
        return 200, self._envelope({}, int(code or 10001), text)

    def unseen(self) -> tuple[int, Any]:
        """An order that the venue does not know yet."""
        return 200, self._envelope({"nextPageCursor": "", "category": "spot", "list": []})

    def _envelope(self, result: Any, code: int = 0, text: str = "OK") -> Any:
        return {"retCode": code, "retMsg": text, "result": result, "retExtInfo": {}, "time": self._now_ms()}

    # Answering them. -----------------------------------------------------------------------------------------------

    def answer(self, call: Call, headers: dict[str, str], query: str, body: str) -> Any:
        """Do a request.

        Raises:
            Refusal: The venue does not do it.
        """
        name = "/".join(call.path.split("/")[-2:])
        if name == "market/time":
            now = self._now_ms()
            return self._envelope({"timeSecond": str(now // 1000), "timeNano": str(now * 1_000_000)})
        if name == "market/instruments-info":
            category = call.params.get("category", "spot")
            listed = [
                words.listing(each)
                for each in self._matching.instruments.values()
                if each.category == category
                and call.params.get("symbol") in (None, each.symbol)
                and call.params.get("status") in (None, "Trading")
            ]
            return self._page(category, listed, "")
        signing.bybit(
            headers.get("x-bapi-api-key", ""), headers.get("x-bapi-timestamp", "0"),
            headers.get("x-bapi-recv-window", ""), body if call.method == "POST" else query,
            headers.get("x-bapi-sign", ""), self._now_ms(),
        )  # fmt: skip
        done = self._private(call, name)
        if done is None:
            raise Refusal("path", call.path)
        return done

    def _private(self, call: Call, name: str) -> Any:
        params = call.params
        match name:
            case "order/create":
                return self._named(self._place(params))
            case "order/cancel":
                order = self._found(params)
                self._matching.cancel(order)
                return self._named(order)
            case "order/amend":
                order = self._found(params)
                self._matching.amend(
                    order, _number(params, "price"), _number(params, "qty"), _number(params, "triggerPrice")
                )
                return self._named(order)
            case "order/cancel-all":
                ended = list(self._matching.standing(params["category"]))
                for order in ended:
                    self._matching.cancel(order)
                return self._envelope({"list": [self._named(order)["result"] for order in ended], "success": "1"})
            case "order/realtime" | "order/history":
                return self._orders(params, live=name == "order/realtime")
            case "execution/list":
                return self._trades(params)
            case "account/wallet-balance":
                return self._envelope({"list": [words.wallet(self._matching)]})
            case "position/list":
                held = words.positions(self._matching, self._now_ms(), params.get("symbol", ""))
                return self._page("linear", held, "")
        return self._key(name)

    def _key(self, name: str) -> Any:
        match name:
            case "user/query-api":
                wallet = ["AccountTransfer"] + ["Withdraw"] * self.withdraw
                return self._envelope({
                    "id": "1", "note": "venue", "apiKey": signing.KEY, "readOnly": 0, "secret": "",
                    "permissions": {
                        "ContractTrade": ["Order", "Position"], "Spot": ["SpotTrade"], "Wallet": wallet, "Options": [],
                        "Derivatives": [], "Exchange": [], "Earn": [],
                    },
                    "ips": ["*"], "type": 1, "deadlineDay": 80, "expiredAt": "2099-01-01T00:00:00Z",
                    "unified": 0, "uta": 1, "userID": 1, "isMaster": True,
                })  # fmt: skip
            case "account/info":
                return self._envelope({"marginMode": "REGULAR_MARGIN", "unifiedMarginStatus": 6, "dcpStatus": "OFF"})
            case "coin/query-info":
                return self._envelope({"rows": []})
        return None

    def _place(self, params: dict[str, str]) -> Order:
        instrument = self._instrument(params)
        limited = params.get("orderType") == "Limit"
        trigger = _number(params, "triggerPrice")
        price = self._matching.prices[instrument.key]
        rising = trigger > price if instrument.spot else params.get("triggerDirection") == "1"
        if trigger and not instrument.spot and params.get("triggerDirection") not in ("1", "2"):
            raise Refusal("parameter", "triggerDirection invalid")
        if not limited and instrument.spot and params.get("side") == "Buy" and params.get("marketUnit") != "baseCoin":
            raise Refusal("parameter", "this venue takes market orders in base coin only")
        forced = params.get("timeInForce", "GTC") if limited else "IOC"
        wanted = Wanted(
            client=params.get("orderLinkId", ""), instrument=instrument, side=params.get("side", "").upper(),
            type=params.get("orderType", ""), quantity=_number(params, "qty"),
            price=_number(params, "price") if limited else Decimal(0), trigger=trigger, rising=rising,
            time_in_force=forced, post_only=forced == "PostOnly", reduce_only=params.get("reduceOnly") == "true",
            said=params.get("orderType", ""),
        )  # fmt: skip
        if wanted.side not in ("BUY", "SELL") or wanted.type not in ("Limit", "Market"):
            raise Refusal("parameter", "side or orderType invalid")
        takes = wanted.price >= price if wanted.side == "BUY" else wanted.price <= price
        if not wanted.post_only or not takes or trigger:
            return self._matching.place(wanted)
        # It is taken, and cancelled at once; the answer says only that it was taken.
        wanted.post_only = False
        still, self._matching.still = self._matching.still, True
        order = self._matching.place(wanted)
        self._matching.still = still
        order.reason = "EC_PostOnlyWillTakeLiquidity"
        self._matching.cancel(order, order.reason)
        return order

    def _named(self, order: Order) -> Any:
        return self._envelope({"orderId": words.order_id(order), "orderLinkId": order.client})

    def _found(self, params: dict[str, str]) -> Order:
        instrument = self._instrument(params)
        order = self._matching.find(
            instrument, number=words.number_of(params.get("orderId", "")), client=params.get("orderLinkId", "")
        )
        stops = order.asked.trigger and not order.triggered
        if instrument.spot and params.get("orderFilter", "Order") != ("StopOrder" if stops else "Order"):
            raise Refusal("no such order")
        return order

    def _orders(self, params: dict[str, str], *, live: bool) -> Any:
        category = params.get("category", "")
        number, client = words.number_of(params.get("orderId", "")), params.get("orderLinkId", "")
        found = [
            order
            for order in reversed(self._matching.orders)
            if order.instrument.category == category
            and params.get("symbol") in (None, order.instrument.symbol)
            and (not number or order.child == number)
            and (not client or order.client == client)
            and (order.open if live and not (number or client) else live or not order.open)
        ]
        return self._page(category, [words.order_body(order) for order in found], params.get("cursor", ""), params)

    def _trades(self, params: dict[str, str]) -> Any:
        category = params.get("category", "")
        begin, end = int(params.get("startTime") or 0), int(params.get("endTime") or 0)
        if begin and end and end - begin > _WEEK_MS:
            raise Refusal("hours")
        rows = [words.trade_body(each) for each in self._matching.trades if each.instrument.category == category]
        if category == "linear":
            rows += [words.funding_body(*each) for each in enumerate(self._matching.funding)]
        found = [
            row
            for row in sorted(rows, key=lambda row: int(row["execTime"]), reverse=True)
            if int(row["execTime"]) >= begin
            and (not end or int(row["execTime"]) <= end)
            and all(params.get(name) in (None, row[name]) for name in ("symbol", "orderLinkId", "orderId", "execType"))
        ]
        return self._page(category, found, params.get("cursor", ""), params)

    def _page(self, category: str, rows: list[Any], cursor: str, params: dict[str, str] | None = None) -> Any:
        first, most = int(cursor or 0), int((params or {}).get("limit") or 1000)
        chosen = list(itertools.islice(rows, first, first + most))
        more = str(first + most) if first + most < len(rows) else ""
        return self._envelope({"category": category, "list": chosen, "nextPageCursor": more})

    def _instrument(self, params: dict[str, str]) -> Instrument:
        found = self._matching.instruments.get(f"{params.get('category')}:{params.get('symbol')}")
        if found is None:
            raise Refusal("symbol")
        return found

    # The stream. ---------------------------------------------------------------------------------------------------

    def spoken(self, text: str, known: bool) -> tuple[Any, bool, list[str]]:
        """Answer a message; whether the speaker is known now, and the topics it wants."""
        said = msgspec.json.decode(text, type=dict[str, Any])
        op = said.get("op")
        base = {"conn_id": "venue-1", "req_id": str(said.get("req_id", "")), "op": op}
        if op == "ping":
            return base | {"op": "pong", "args": [str(self._now_ms())]}, known, []
        if op == "auth":
            key, expires, signature = (str(each) for each in said["args"])
            good = key == signing.KEY and signature == signing.signature(f"GET/realtime{expires}")
            good = good and int(expires) > self._now_ms()
            return (
                {"success": good, "ret_msg": "" if good else "error:USVC1111", "op": "auth"} | {"conn_id": "venue-1"},
                good,
                [],
            )
        if op == "subscribe" and known:
            return base | {"success": True, "ret_msg": ""}, known, [str(each) for each in said.get("args", [])]
        return base | {"success": False, "ret_msg": "error:request not authorized"}, known, []


def _number(params: dict[str, str], name: str) -> Decimal:
    if not params.get(name):
        return Decimal(0)
    try:
        return Decimal(params[name])
    except InvalidOperation as error:
        raise Refusal("parameter", f"{name} invalid") from error
