"""The dialect of Binance USD-M. Conditional orders are "algo orders" there, with ids and endpoints of their own.

When one is triggered, an order with another id takes its place; the algo order names it. Source: see `ccxt_binance`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import structs

from engine.errors import ProtocolError, SettingsInvalid
from engine.execution.ccxt_binance import PAGE, BinanceSpot
from engine.execution.ccxt_binance_rows import read_rules
from engine.execution.ccxt_words import (
    Ask,
    Call,
    Execution,
    Heard,
    Holdings,
    Listed,
    Meaning,
    Said,
    amount,
    coarse,
    inner,
    label,
    named,
    rows,
    split,
)
from engine.execution.venue import Permissions, VenueOrder
from engine.orders import (
    FundingPaid,
    OrderAccepted,
    OrderCanceled,
    OrderRejected,
    OrderSpec,
    OrderTriggered,
    OrderType,
    Rules,
    decimal,
)
from engine.types import DAY_MS, MS

ALGO = "algo:"
"""Marks the venue id of an algo order; it counts from a sequence of its own."""

ALGO_STATES = {
    "NEW": "working",
    "TRIGGERING": "working",
    "TRIGGERED": "working",
    "CANCELED": "canceled",
    "EXPIRED": "expired",
    "REJECTED": "rejected",
}

REMEMBERED = 1000
"""Triggered orders whose algo order is remembered."""


OPTIONS: dict[str, Any] = {
    "defaultType": "swap",
    "defaultSubType": "linear",
    "recvWindow": 5000,
    "watchPositions": {"fetchPositionsSnapshot": False},
}

TYPES: Mapping[OrderType, str] = {
    OrderType.MARKET: "MARKET",
    OrderType.LIMIT: "LIMIT",
    OrderType.STOP: "STOP_MARKET",
    OrderType.STOP_LIMIT: "STOP",
    OrderType.TAKE_PROFIT: "TAKE_PROFIT_MARKET",
    OrderType.TAKE_PROFIT_LIMIT: "TAKE_PROFIT",
}


class BinanceUsdm(BinanceSpot):
    """Binance USD-M futures in one-way mode."""

    venue = "binanceusdm"
    category = "linear"
    weight_limit = 2400
    acks = 0
    window_ms = 7 * DAY_MS - 1
    most_ms = 90 * DAY_MS
    trades_weight = 5

    def __init__(self) -> None:
        super().__init__()
        self.options, self.types = OPTIONS, TYPES
        self.read_types = {word: str(kind) for kind, word in TYPES.items()}
        self._children: dict[str, str] = {}
        """Our order by symbol and the venue's id of what was triggered."""
        self._waiting: dict[str, set[str]] = {}
        """By symbol: algo orders that stand; while one does, an unknown order may be its child."""

    def listed(self, key: str) -> Listed:
        """Return an instrument by its key.

        Raises:
            SettingsInvalid: Not a contract settled in its quote asset.
        """
        base, quote, settle = split(key)
        settle, _, expiry = settle.partition("-")
        if settle != quote:
            raise SettingsInvalid(
                f"{key}: {self.venue} trades contracts settled in {quote}, as in {base}/{quote}:{quote}"
            )
        symbol = f"{base}{quote}" + (f"_{expiry}" if expiry else "")
        return Listed(key=key, symbol=symbol, category="linear", base=base, quote=quote, settle=settle)

    def apart(self, market: Listed) -> bool:  # noqa: ARG002
        """Tell that algo orders are cancelled at their own endpoint."""
        return True

    async def clock(self, ask: Ask) -> int:
        """Return the venue's time, UTC ms."""
        return int((await ask(Call("fapiPublicGetTime", {})))["serverTime"])

    async def rules(self, ask: Ask, markets: Sequence[Listed]) -> dict[str, Rules]:
        """Return the filters of instruments by key."""
        return read_rules(await ask(Call("fapiPublicGetExchangeInfo", {})), markets)

    async def permissions(self, ask: Ask, testnet: bool) -> Permissions:
        """Return what the key may do."""
        if testnet:
            account = await ask(Call("fapiPrivateV2GetAccount", {}, 5))
            return Permissions(trade=bool(account["canTrade"]), withdraw=False, text="play money")
        told = await ask(Call("sapiGetAccountApiRestrictions", {}))
        return Permissions(
            trade=bool(told["enableFutures"]),
            withdraw=bool(told["enableWithdrawals"]),
            text="bound to addresses" if told.get("ipRestrict") else "not bound to addresses",
        )

    def submit(self, spec: OrderSpec, market: Listed) -> Call | str:
        """Word an order."""
        if spec.post_only and spec.type is not OrderType.LIMIT:
            return f"{self.venue} takes post-only for limit orders alone"
        params = self._common(spec, market) | {"type": self.types[spec.type], "quantity": decimal(spec.quantity)}
        if spec.reduce_only:
            params["reduceOnly"] = "true"
        if spec.type.limited:
            params["price"] = decimal(spec.price)
            params["timeInForce"] = "GTX" if spec.post_only else spec.time_in_force.upper()
        if not spec.type.conditional:
            return Call("fapiPrivatePostOrder", params | {"newClientOrderId": spec.id, "newOrderRespType": "ACK"})
        trigger = {"algoType": "CONDITIONAL", "clientAlgoId": spec.id, "triggerPrice": decimal(spec.stop_price)}
        self._waiting.setdefault(market.symbol, set()).add(spec.id)
        return Call("fapiPrivatePostAlgoOrder", params | trigger)

    def submitted(self, answer: Any) -> str:
        """Return the venue's id."""
        return ALGO + label(answer["algoId"]) if "algoId" in answer else label(answer["orderId"])

    def cancel(self, market: Listed, order: str, venue_id: str, conditional: bool) -> Call:
        """Word a cancel."""
        if conditional or venue_id.startswith(ALGO):
            return Call("fapiPrivateDeleteAlgoOrder", _which_algo(order, venue_id))
        which = self._which(market, order, venue_id)
        return Call("fapiPrivateDeleteOrder", {"symbol": market.symbol} | which)

    def canceled(self, answer: Any) -> int | None:
        """Return what was filled of it: nothing, of an algo order that was not triggered."""
        return 0 if "algoId" in answer else super().canceled(answer)

    def amend(self, spec: OrderSpec, market: Listed, venue_id: str, old: OrderSpec | None) -> Call | str:  # noqa: ARG002
        """Word a change; only limit orders can be changed."""
        if spec.type is not OrderType.LIMIT:
            return f"{self.venue} changes limit orders alone: cancel it and place it anew"
        numbers = {"quantity": decimal(spec.quantity), "price": decimal(spec.price)}
        params = self._common(spec, market) | numbers | self._which(market, spec.id, venue_id)
        return Call("fapiPrivatePutOrder", params)

    async def find(self, ask: Ask, market: Listed, order: str, venue_id: str) -> VenueOrder | None:
        """Return an order, looking among the algo orders where it is not among the others."""
        found = None
        if not venue_id.startswith(ALGO):
            found = await self._get(
                ask, "fapiPrivateGetOrder", {"symbol": market.symbol} | self._which(market, order, venue_id)
            )
        if found is not None:
            return self.order(found, market)
        algo = await self._get(ask, "fapiPrivateGetAlgoOrder", _which_algo(order, venue_id))
        if algo is None:
            return None
        child = str(algo.get("actualOrderId") or "")
        if child in ("", "0"):
            return self._algo(algo, market)
        self._adopt_child(
            market, child, named(self.venue, market.symbol, str(algo["clientAlgoId"]), ALGO + label(algo["algoId"]))
        )
        found = await self._get(ask, "fapiPrivateGetOrder", {"symbol": market.symbol, "orderId": child})
        return self.order(found, market) if found is not None else self._algo(algo, market)

    async def _get(self, ask: Ask, method: str, which: dict[str, str]) -> Any:
        try:
            return await ask(Call(method, which))
        except Said as error:
            if error.meaning is Meaning.MISSING:
                return None
            raise

    def _which(self, market: Listed, order: str, venue_id: str) -> dict[str, str]:
        """Name an order; one that took the place of an algo order goes by the venue's id."""
        for key, name in self._children.items():
            if name == order and key.startswith(market.symbol + " "):
                return {"orderId": key.partition(" ")[2]}
        if order and not order.startswith("x-"):
            return {"origClientOrderId": order}
        return {"orderId": venue_id or inner(order)}

    def order(self, raw: Mapping[str, Any], market: Listed) -> VenueOrder:
        """Read an order of an answer, under the name of the algo order that it came from."""
        found = super().order(raw, market)
        ours = self._children.get(f"{market.symbol} {found.venue_id}")
        return found if ours is None else structs.replace(found, id=ours)

    def _algo(self, raw: Mapping[str, Any], market: Listed) -> VenueOrder:
        word = str(raw["algoStatus"])
        # FINISHED: triggered, and what it became is over; its order is asked for by its own id.
        state = "expired" if word == "FINISHED" else ALGO_STATES.get(word)
        if state is None:
            raise ProtocolError(f"{self.venue}: algo order {raw['algoId']} has the unknown status {word!r:.40}")
        venue_id = ALGO + label(raw["algoId"])
        order = named(self.venue, market.symbol, str(raw.get("clientAlgoId") or ""), venue_id)
        if state == "working":
            self._waiting.setdefault(market.symbol, set()).add(order)
        return VenueOrder(
            id=order,
            venue_id=venue_id,
            instrument=market.key,
            side=str(raw["side"]).lower(),
            type=self.read_types.get(str(raw["orderType"]), "stop"),
            quantity=amount(raw["quantity"]),
            filled=0,
            price=amount(raw.get("price")),
            stop_price=amount(raw.get("triggerPrice")),
            reduce_only=bool(raw.get("reduceOnly", False)),
            state=state,
            ts=int(raw.get("updateTime") or raw.get("createTime") or 0) * MS,
        )

    def _adopt_child(self, market: Listed, child: str, order: str) -> None:
        self._children[f"{market.symbol} {child}"] = order
        self._waiting.get(market.symbol, set()).discard(order)
        while len(self._children) > REMEMBERED:
            del self._children[next(iter(self._children))]

    def _trades_call(self, market: Listed, which: dict[str, str], weight: int) -> Call:
        return Call("fapiPrivateGetUserTrades", {"symbol": market.symbol, "limit": str(PAGE)} | which, weight)

    def _executions(self, found: list[Any], market: Listed) -> list[Execution]:
        plain = super()._executions(found, market)
        return [
            Execution(venue_id, structs.replace(fill, order=ours), True)
            if (ours := self._children.get(f"{market.symbol} {venue_id}"))
            else Execution(venue_id, fill, False)
            for venue_id, fill, _ in plain
        ]

    async def funding(self, ask: Ask, markets: Sequence[Listed], since_ms: int, now_ms: int) -> list[FundingPaid]:  # noqa: ARG002
        """Return the funding since then."""
        listed = {market.symbol: market for market in markets}
        found: dict[str, FundingPaid] = {}
        start = since_ms
        while True:
            params = {"incomeType": "FUNDING_FEE", "startTime": str(start), "limit": "1000"}
            page = rows(await ask(Call("fapiPrivateGetIncome", params, 30)), "income")
            for row in page:
                if (market := listed.get(row["symbol"])) is not None:
                    told = f"{self.venue}-funding-{label(row['tranId'])}"
                    found[told] = FundingPaid(
                        id=told,
                        instrument=market.key,
                        ts=int(row["time"]) * MS,
                        amount=coarse(row["income"]),
                        asset=label(row["asset"]),
                    )
            last = max((int(row["time"]) for row in page), default=0)
            if len(page) < PAGE or last <= start:
                return sorted(found.values(), key=lambda paid: paid.ts)
            start = last

    async def holdings(self, ask: Ask, markets: Sequence[Listed]) -> Holdings:
        """Return balances and positions."""
        told = rows(await ask(Call("fapiPrivateV3GetPositionRisk", {}, 5)), "positions")
        keys = {market.symbol: market.key for market in markets}
        positions: dict[str, int] = {}
        for row in told:
            if (key := keys.get(row["symbol"])) is not None:
                positions[key] = positions.get(key, 0) + amount(row["positionAmt"])
        held = rows(await ask(Call("fapiPrivateV3GetBalance", {}, 5)), "balances")
        balances = {label(row["asset"]): units for row in held if (units := coarse(row["balance"]))}
        return Holdings(balances, positions)

    async def _open(self, ask: Ask, market: Listed) -> list[VenueOrder]:
        which = {"symbol": market.symbol}
        plain = rows(await ask(Call("fapiPrivateGetOpenOrders", which)), "open orders")
        algo = rows(await ask(Call("fapiPrivateGetOpenAlgoOrders", which)), "open algo orders")
        return [self.order(row, market) for row in plain] + [self._algo(row, market) for row in algo]

    def ack(self, message: Mapping[str, Any]) -> bool:  # noqa: ARG002
        """Tell nothing: the stream is complete as soon as it is open."""
        return False

    def heard(self, message: Mapping[str, Any], markets: Mapping[tuple[str, str], Listed]) -> Heard | None:
        """Read a message of the stream."""
        kind = message.get("e")
        if kind in ("listenKeyExpired", "eventStreamTerminated", "serverShutdown"):
            return Heard(lost="the venue ended the stream")
        if kind == "ACCOUNT_UPDATE":
            return Heard(doubt=message["a"].get("m") not in ("ORDER", None))
        if kind not in ("ORDER_TRADE_UPDATE", "ALGO_UPDATE"):
            return Heard() if kind in ("TRADE_LITE", "ACCOUNT_CONFIG_UPDATE", "MARGIN_CALL") else None
        event = message["o"]
        market = markets.get(("linear", event["s"]))
        if market is None:
            return Heard()
        event = {"T": message["T"]} | event
        return self._algo_report(event, market) if kind == "ALGO_UPDATE" else self._order_report(event, market)

    def _order_report(self, event: Mapping[str, Any], market: Listed) -> Heard:
        ours = self._children.get(f"{market.symbol} {event['i']}")
        if ours is not None:
            event = {**event, "c": ours}
        heard = self.report(event, market)
        if ours is None and heard.orders[0].id.startswith("x-") and self._waiting.get(market.symbol):
            # It may be what an algo order of ours has become: the venue is asked, before it is taken for a stranger's.
            return Heard(doubt=True)
        return heard

    def _algo_report(self, event: Mapping[str, Any], market: Listed) -> Heard:
        raw = {
            "algoId": event["aid"], "clientAlgoId": event["caid"], "algoStatus": event["X"], "orderType": event["o"],
            "side": event["S"], "quantity": event["q"], "price": event.get("p"), "triggerPrice": event.get("tp"),
            "reduceOnly": event.get("R", False), "updateTime": event["T"],
        }  # fmt: skip
        stands = self._algo(raw, market)
        child = str(event.get("ai") or "")
        if child not in ("", "0"):
            self._adopt_child(market, child, stands.id)
        word, ts = event["X"], stands.ts
        if word == "FINISHED":
            return Heard(doubt=True)
        heard = Heard(orders=[stands])
        if word == "NEW":
            heard.events.append(OrderAccepted(order=stands.id, ts=ts, venue_id=stands.venue_id))
        elif word in ("TRIGGERING", "TRIGGERED"):
            heard.events.append(OrderTriggered(order=stands.id, ts=ts, price=stands.stop_price))
            heard.doubt = word == "TRIGGERED"
        elif word == "REJECTED":
            reason = label(event.get("rm") or "the venue refused the order")
            heard.events.append(OrderRejected(order=stands.id, ts=ts, code="REJECTED", reason=reason))
        else:
            expired = word == "EXPIRED"
            heard.events.append(OrderCanceled(order=stands.id, ts=ts, expired=expired, filled=0 if not child else -1))
        if stands.state != "working":
            self._waiting.get(market.symbol, set()).discard(stands.id)
        return heard


def _which_algo(order: str, venue_id: str) -> dict[str, str]:
    if order and not order.startswith("x-"):
        return {"clientAlgoId": order}
    return {"algoId": (venue_id or inner(order)).removeprefix(ALGO)}
