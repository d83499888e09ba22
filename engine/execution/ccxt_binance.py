"""The dialects of Binance: spot and USD-M.

Source: developers.binance.com, "Spot Trading: REST API, User Data Stream, Errors, Filters", "USDS-Margined Futures",
the same chapters and "New Algo Order" (all conditional orders since 2025-12); ccxt 4.5.90 for names of endpoints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.errors import ProtocolError, SettingsInvalid
from engine.execution.ccxt_binance_rows import STATES, read_rules, trade_id, which
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
    fee,
    label,
    named,
    rows,
    split,
)
from engine.execution.venue import Permissions, VenueOrder
from engine.orders import (
    Fill,
    FundingPaid,
    Liquidity,
    OrderAccepted,
    OrderAmended,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
    OrderSpec,
    OrderTriggered,
    OrderType,
    Rules,
    Side,
    decimal,
)
from engine.types import DAY_MS, MS

PAGE = 1000

UNKNOWN = {"-1000", "-1001", "-1006", "-1007"}
"""Unknown error, disconnected, unexpected answer, timeout: the venue says of each that the order may be there."""

THROTTLED = {"-1003", "-1008", "-1015"}


OPTIONS: dict[str, Any] = {"defaultType": "spot", "recvWindow": 5000}

TYPES: Mapping[OrderType, str] = {
    OrderType.MARKET: "MARKET",
    OrderType.LIMIT: "LIMIT",
    OrderType.STOP: "STOP_LOSS",
    OrderType.STOP_LIMIT: "STOP_LOSS_LIMIT",
    OrderType.TAKE_PROFIT: "TAKE_PROFIT",
    OrderType.TAKE_PROFIT_LIMIT: "TAKE_PROFIT_LIMIT",
}


class BinanceSpot:
    """Binance spot. A changed order is always a new one here, so an amendment is left to the core."""

    venue = "binance"
    category = "spot"
    weight_limit = 6000
    watched: tuple[str, ...] = ("watch_orders",)
    acks = 1
    window_ms = DAY_MS - 1
    """Longest time between the bounds of a request for trades."""
    most_ms = 30 * DAY_MS
    """How far back fills are asked for: a request covers a day. What is older shows in balances and positions."""
    trades_weight = 20

    def __init__(self) -> None:
        self.options: dict[str, Any] = OPTIONS
        self.types: Mapping[OrderType, str] = TYPES
        self.read_types = {word: str(kind) for kind, word in self.types.items()} | {"LIMIT_MAKER": "limit"}

    def listed(self, key: str) -> Listed:
        """Return an instrument by its key.

        Raises:
            SettingsInvalid: Not a spot pair.
        """
        base, quote, settle = split(key)
        if settle:
            raise SettingsInvalid(f"{key}: {self.venue} trades spot pairs, as in {self.venue}:{base}/{quote}")
        return Listed(key=key, symbol=base + quote, category="spot", base=base, quote=quote, settle="")

    def apart(self, market: Listed) -> bool:  # noqa: ARG002
        """Tell that all orders are cancelled in one way."""
        return False

    def said(self, status: int, answer: Any) -> tuple[str, str] | None:
        """Return code and words of a refusal."""
        code = answer.get("code") if isinstance(answer, dict) else None
        if status < 400 and (code is None or str(code) in ("0", "200")):
            return None
        return str(code if code is not None else status), str(answer.get("msg", "")) if isinstance(answer, dict) else ""

    def meaning(self, status: int, code: str, text: str) -> Meaning:
        """Tell what a refusal means. 5xx is no answer, whatever it says; a used client id may be ours."""
        if status in (418, 429) or code in THROTTLED:
            return Meaning.THROTTLED
        if status >= 500 or status == 403 or code in UNKNOWN or "duplicate" in text.lower():
            return Meaning.UNKNOWN
        if code == "-1021":
            return Meaning.CLOCK
        return Meaning.MISSING if code in ("-2013", "-2026") else Meaning.REFUSED

    async def clock(self, ask: Ask) -> int:
        """Return the venue's time, UTC ms."""
        return int((await ask(Call("publicGetTime", {})))["serverTime"])

    async def rules(self, ask: Ask, markets: Sequence[Listed]) -> dict[str, Rules]:
        """Return the filters of instruments by key."""
        wanted = "[" + ",".join(f'"{market.symbol}"' for market in markets) + "]"
        return read_rules(await ask(Call("publicGetExchangeInfo", {"symbols": wanted}, 20)), markets)

    async def permissions(self, ask: Ask, testnet: bool) -> Permissions:
        """Return what the key may do; the testnet does not tell, but has nothing to withdraw."""
        if testnet:
            account = await ask(Call("privateGetAccount", {"omitZeroBalances": "true"}, 20))
            return Permissions(trade=bool(account["canTrade"]), withdraw=False, text="play money")
        told = await ask(Call("sapiGetAccountApiRestrictions", {}))
        return Permissions(
            trade=bool(told["enableSpotAndMarginTrading"]),
            withdraw=bool(told["enableWithdrawals"]),
            text="bound to addresses" if told.get("ipRestrict") else "not bound to addresses",
        )

    def submit(self, spec: OrderSpec, market: Listed) -> Call | str:
        """Word an order."""
        if spec.post_only and spec.type is not OrderType.LIMIT:
            return f"{self.venue} takes post-only for limit orders alone"
        kind = "LIMIT_MAKER" if spec.post_only else self.types[spec.type]
        params = self._common(spec, market) | {
            "type": kind,
            "newClientOrderId": spec.id,
            "newOrderRespType": "ACK",
            "quantity": decimal(spec.quantity),
        }
        if spec.type.limited:
            params["price"] = decimal(spec.price)
            if not spec.post_only:
                params["timeInForce"] = spec.time_in_force.upper()
        if spec.type.conditional:
            params["stopPrice"] = decimal(spec.stop_price)
        return Call("privatePostOrder", params)

    def _common(self, spec: OrderSpec, market: Listed) -> dict[str, Any]:
        return {"symbol": market.symbol, "side": spec.side.upper()}

    def submitted(self, answer: Any) -> str:
        """Return the venue's id."""
        return label(answer["orderId"])

    def cancel(self, market: Listed, order: str, venue_id: str, conditional: bool) -> Call:  # noqa: ARG002
        """Word a cancel; orders that are not ours are named by the venue's id."""
        return Call("privateDeleteOrder", {"symbol": market.symbol} | which(order, venue_id))

    def canceled(self, answer: Any) -> int | None:
        """Return what was filled of it."""
        return amount(answer["executedQty"]) if "executedQty" in answer else -1

    def amend(self, spec: OrderSpec, market: Listed, venue_id: str, old: OrderSpec | None) -> Call | str:  # noqa: ARG002
        """Say that it is not done in one request: cancel-replace may half succeed."""
        return f"{self.venue} cannot change an order in one step: cancel it and place it anew"

    async def find(self, ask: Ask, market: Listed, order: str, venue_id: str) -> VenueOrder | None:
        """Return an order as the venue has it."""
        try:
            found = await ask(Call("privateGetOrder", {"symbol": market.symbol} | which(order, venue_id), 4))
        except Said as error:
            if error.meaning is Meaning.MISSING:
                return None
            raise
        return self.order(found, market)

    def order(self, raw: Mapping[str, Any], market: Listed) -> VenueOrder:
        """Read an order of an answer."""
        venue_id = label(raw["orderId"])
        state = STATES.get(raw["status"])
        if state is None:
            raise ProtocolError(f"{self.venue}: order {venue_id} has the unknown status {raw['status']!r:.40}")
        return VenueOrder(
            id=named(self.venue, market.symbol, str(raw.get("clientOrderId") or ""), venue_id),
            venue_id=venue_id,
            instrument=market.key,
            side=str(raw["side"]).lower(),
            type=self.read_types.get(str(raw.get("origType") or raw["type"]), "limit"),
            quantity=amount(raw["origQty"]),
            filled=amount(raw["executedQty"]),
            price=amount(raw.get("price")),
            stop_price=amount(raw.get("stopPrice")),
            reduce_only=bool(raw.get("reduceOnly", False)),
            state=state,
            ts=int(raw.get("updateTime") or raw.get("time") or 0) * MS,
        )

    async def trades(self, ask: Ask, market: Listed, since_ms: int, now_ms: int) -> list[Execution]:
        """Return all fills since then, at most `most_ms` back: by windows of time until the first, then by trade id."""
        start = min(max(since_ms, now_ms - self.most_ms), now_ms)
        page: list[Any] = []
        while not page and start <= now_ms:
            end = min(start + self.window_ms, now_ms + 60_000)
            bounds = {"startTime": str(start), "endTime": str(end)}
            page = rows(await ask(self._trades_call(market, bounds, self.trades_weight)), "trades")
            start = end + 1
        found = list(page)
        while len(page) >= PAGE or (page and start <= now_ms):
            start = now_ms + 1
            after = {"fromId": str(max(int(row["id"]) for row in found) + 1)}
            page = rows(await ask(self._trades_call(market, after, self.trades_weight)), "trades")
            found += page
        return self._executions(found, market)

    async def trades_of(self, ask: Ask, market: Listed, found: VenueOrder) -> list[Execution]:
        """Return all fills of an order."""
        which = {"orderId": found.venue_id}
        return self._executions(rows(await ask(self._trades_call(market, which, 5)), "trades"), market)

    def _trades_call(self, market: Listed, which: dict[str, str], weight: int) -> Call:
        return Call("privateGetMyTrades", {"symbol": market.symbol, "limit": str(PAGE)} | which, weight)

    def _executions(self, found: list[Any], market: Listed) -> list[Execution]:
        ordered = sorted({int(row["id"]): row for row in found}.items())
        return [Execution(label(row["orderId"]), self._fill(row, market), False) for _, row in ordered]

    def _fill(self, row: Mapping[str, Any], market: Listed) -> Fill:
        buys = row["isBuyer"] if "isBuyer" in row else row["buyer"]
        return Fill(
            id=trade_id(self.venue, market.symbol, row["id"]),
            order="",
            instrument=market.key,
            side=Side.BUY if buys else Side.SELL,
            price=amount(row["price"]),
            quantity=amount(row["qty"]),
            fee=fee(row["commission"]),
            fee_asset=label(row["commissionAsset"]),
            liquidity=Liquidity.MAKER if row.get("isMaker", row.get("maker")) else Liquidity.TAKER,
            ts=int(row["time"]) * MS,
        )

    async def funding(self, ask: Ask, markets: Sequence[Listed], since_ms: int, now_ms: int) -> list[FundingPaid]:  # noqa: ARG002
        """Return nothing: spot has none."""
        return []

    async def standing(self, ask: Ask, markets: Sequence[Listed]) -> list[VenueOrder]:
        """Return the open orders of instruments."""
        return [order for market in markets for order in await self._open(ask, market)]

    async def holdings(self, ask: Ask, markets: Sequence[Listed]) -> Holdings:  # noqa: ARG002
        """Return balances."""
        told = await ask(Call("privateGetAccount", {"omitZeroBalances": "true"}, 20))
        balances = {
            label(row["asset"]): coarse(row["free"]) + coarse(row["locked"])
            for row in rows(told["balances"], "balances")
        }
        return Holdings(balances, {})

    async def _open(self, ask: Ask, market: Listed) -> list[VenueOrder]:
        answer = rows(await ask(Call("privateGetOpenOrders", {"symbol": market.symbol}, 6)), "open orders")
        return [self.order(row, market) for row in answer]

    def ack(self, message: Mapping[str, Any]) -> bool:
        """Tell whether a message confirms the subscription."""
        result = message.get("result")
        return isinstance(result, dict) and result.get("subscriptionId") is not None

    def heard(self, message: Mapping[str, Any], markets: Mapping[tuple[str, str], Listed]) -> Heard | None:
        """Read a message of the stream."""
        event = message.get("event", message)
        kind = event.get("e") if isinstance(event, dict) else None
        if kind in ("eventStreamTerminated", "serverShutdown"):
            return Heard(lost="the venue ended the stream")
        if kind == "balanceUpdate":
            return Heard(doubt=True)
        if kind == "outboundAccountPosition" or kind == "externalLockUpdate":
            return Heard()
        if kind != "executionReport":
            return None
        market = markets.get(("spot", event["s"]))
        return self.report(event, market) if market is not None else Heard()

    def report(self, event: Mapping[str, Any], market: Listed) -> Heard:
        """Read an executionReport, or the order of an ORDER_TRADE_UPDATE, which uses the same letters."""
        what, venue_id, ts = event["x"], label(event["i"]), int(event["T"]) * MS
        client_id = str(event.get("C") or event["c"]) if what in ("CANCELED", "REPLACED") else str(event["c"])
        order = named(self.venue, market.symbol, client_id, venue_id)
        kind = self.read_types.get(str(event.get("ot") or event["o"]), "limit")
        filled = amount(event["z"])
        heard = Heard(
            orders=[
                VenueOrder(
                    id=order,
                    venue_id=venue_id,
                    instrument=market.key,
                    side=str(event["S"]).lower(),
                    type=kind,
                    quantity=amount(event["q"]),
                    filled=filled,
                    price=amount(event["p"]),
                    stop_price=amount(event.get("P", event.get("sp"))),
                    reduce_only=bool(event.get("R", False)),
                    state=STATES.get(event["X"], "working"),
                    ts=ts,
                )
            ]
        )
        tell = heard.events.append
        if what == "NEW":
            tell(OrderAccepted(order=order, ts=ts, venue_id=venue_id))
            if event.get("w") and OrderType(kind).conditional:
                tell(OrderTriggered(order=order, ts=ts, price=heard.orders[0].stop_price))
        elif what in ("TRADE", "CALCULATED") and amount(event["l"]):
            fill = Fill(
                id=trade_id(self.venue, market.symbol, event["t"]),
                order=order,
                instrument=market.key,
                side=Side(heard.orders[0].side),
                price=amount(event["L"]),
                quantity=amount(event["l"]),
                fee=fee(event.get("n")),
                fee_asset=label(event.get("N") or market.settle or market.quote),
                liquidity=Liquidity.MAKER if event["m"] else Liquidity.TAKER,
                ts=ts,
            )
            tell(OrderFilled(order=order, ts=ts, fill=fill))
        elif what == "REJECTED":
            tell(
                OrderRejected(
                    order=order, ts=ts, code=label(event.get("r") or "REJECTED"), reason="the venue refused the order"
                )
            )
        elif what in ("REPLACED", "AMENDMENT"):
            stands = heard.orders[0]
            tell(OrderAmended(order=order, ts=ts, price=stands.price, quantity=stands.quantity, venue_id=venue_id))
        elif what in ("CANCELED", "EXPIRED"):
            tell(OrderCanceled(order=order, ts=ts, expired=what == "EXPIRED", filled=filled))
        else:
            heard.doubt = True
        return heard
