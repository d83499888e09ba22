"""The dialect of Bybit: spot and USDT perpetuals of a unified account.

Orders, cancels and changes are only acknowledged at once; what became of them is asked for, or heard.
Source: bybit-exchange.github.io/docs/v5, "Trade", "Position", "Account", "WebSocket Private", "Enums", "Error Codes".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.errors import ProtocolError, SettingsInvalid
from engine.execution.ccxt_bybit_rows import executions_of, funding_of, heard_of, order_of
from engine.execution.ccxt_words import (
    Ask,
    Call,
    Execution,
    Heard,
    Holdings,
    Listed,
    Meaning,
    amount,
    coarse,
    inner,
    label,
    rows,
    split,
)
from engine.execution.venue import Permissions, VenueOrder
from engine.orders import FundingPaid, OrderSpec, OrderType, Rules, Side, decimal

WINDOW_MS = 7 * 86_400_000 - 1
"""Longest time between the bounds of a request for executions."""

MOST_MS = 90 * 86_400_000
"""How far back executions are asked for. What is older shows in balances and positions."""

THROTTLED = {"10006", "10018", "170005"}

UNKNOWN = {"10000", "10016", "10019", "170001", "170007", "170146", "170147"}
"""Server timeout, server error, restart, internal error, time-outs: whether it happened is not said."""

MISSING = {"110001", "170213"}

LAST = "LastPrice"
"""What triggers: trades, as everywhere here."""


OPTIONS: dict[str, Any] = {
    "defaultType": "spot",
    "recvWindow": 5000,
    "enableUnifiedMargin": False,
    "enableUnifiedAccount": True,
}


class Bybit:
    """Bybit v5. On spot a stop does not lock what it would sell until it is triggered (`StopOrder`)."""

    venue = "bybit"
    weight_limit = 3000
    watched: tuple[str, ...] = ("watch_orders", "watch_my_trades")
    acks = 2

    def __init__(self) -> None:
        self.options: dict[str, Any] = OPTIONS

    def listed(self, key: str) -> Listed:
        """Return an instrument by its key.

        Raises:
            SettingsInvalid: Neither a spot pair nor a USDT perpetual.
        """
        base, quote, settle = split(key)
        if settle and (settle != quote or quote != "USDT"):
            raise SettingsInvalid(
                f"{key}: of Bybit, spot pairs and USDT perpetuals are traded, as in bybit:BTC/USDT:USDT"
            )
        category = "linear" if settle else "spot"
        return Listed(key=key, symbol=base + quote, category=category, base=base, quote=quote, settle=settle)

    def apart(self, market: Listed) -> bool:
        """Tell that spot stops are cancelled under another filter."""
        return not market.derivative

    def said(self, status: int, answer: Any) -> tuple[str, str] | None:
        """Return code and words of a refusal."""
        code = answer.get("retCode") if isinstance(answer, dict) else None
        if status < 400 and code is not None and str(code) == "0":
            return None
        return str(code if code is not None else status), str(answer.get("retMsg", "")) if isinstance(
            answer, dict
        ) else ""

    def meaning(self, status: int, code: str, text: str) -> Meaning:
        """Tell what a refusal means."""
        if status in (403, 429) or code in THROTTLED:
            return Meaning.THROTTLED
        if status >= 500 or code in UNKNOWN or code == "200" or "duplicate" in text.lower():
            return Meaning.UNKNOWN
        if code == "10002":
            return Meaning.CLOCK
        return Meaning.MISSING if code in MISSING else Meaning.REFUSED

    async def clock(self, ask: Ask) -> int:
        """Return the venue's time, UTC ms."""
        return int((await ask(Call("publicGetV5MarketTime", {})))["time"])

    async def rules(self, ask: Ask, markets: Sequence[Listed]) -> dict[str, Rules]:
        """Return the filters of instruments by key."""
        found: dict[str, Rules] = {}
        for market in markets:
            answer = await ask(Call("publicGetV5MarketInstrumentsInfo", self._of(market)))
            listed = rows(answer["result"]["list"], "instruments")
            if not listed:
                raise ProtocolError(f"bybit does not list {market.symbol} ({market.category})")
            lot = listed[0]["lotSizeFilter"]
            found[market.key] = Rules(
                tick=amount(listed[0]["priceFilter"]["tickSize"]),
                step=amount(lot.get("qtyStep") or lot.get("basePrecision")),
                min_quantity=amount(lot["minOrderQty"]),
                min_notional=amount(lot.get("minNotionalValue") or lot.get("minOrderAmt")),
                max_quantity=amount(lot.get("maxLimitOrderQty") or lot.get("maxOrderQty")),
                max_market_quantity=amount(lot.get("maxMarketOrderQty") or lot.get("maxMktOrderQty")),
            )
        return found

    async def permissions(self, ask: Ask, testnet: bool) -> Permissions:
        """Return what the key may do."""
        told = (await ask(Call("privateGetV5UserQueryApi", {})))["result"]
        may = told["permissions"]
        trades = "SpotTrade" in (may.get("Spot") or []) or "Order" in (may.get("ContractTrade") or [])
        bound = [address for address in told.get("ips") or [] if address != "*"]
        return Permissions(
            trade=trades and not int(told["readOnly"]),
            withdraw="Withdraw" in (may.get("Wallet") or []) and not testnet,
            text="bound to addresses" if bound else "not bound to addresses",
        )

    def submit(self, spec: OrderSpec, market: Listed) -> Call | str:
        """Word an order."""
        market_order = not spec.type.limited
        if spec.post_only and market_order:
            return "bybit takes post-only for limit orders alone"
        params = self._of(market) | {
            "side": spec.side.capitalize(),
            "orderType": "Market" if market_order else "Limit",
            "qty": decimal(spec.quantity),
            "orderLinkId": spec.id,
        }
        if not market_order:
            params["price"] = decimal(spec.price)
            params["timeInForce"] = "PostOnly" if spec.post_only else spec.time_in_force.upper()
        elif not market.derivative:
            params["marketUnit"] = "baseCoin"
        if spec.reduce_only and market.derivative:
            params["reduceOnly"] = True
        if spec.type.conditional:
            params["triggerPrice"] = decimal(spec.stop_price)
            if market.derivative:
                rising = (spec.side is Side.BUY) == (spec.type in (OrderType.STOP, OrderType.STOP_LIMIT))
                params |= {"triggerDirection": 1 if rising else 2, "triggerBy": LAST}
            else:
                params["orderFilter"] = "StopOrder"
        return Call("privatePostV5OrderCreate", params)

    def _of(self, market: Listed) -> dict[str, Any]:
        return {"category": market.category, "symbol": market.symbol}

    def submitted(self, answer: Any) -> str:
        """Return the venue's id."""
        return label(answer["result"]["orderId"])

    def cancel(self, market: Listed, order: str, venue_id: str, conditional: bool) -> Call:
        """Word a cancel."""
        params = self._of(market) | _which(order, venue_id)
        if not market.derivative:
            params["orderFilter"] = "StopOrder" if conditional else "Order"
        return Call("privatePostV5OrderCancel", params)

    def canceled(self, answer: Any) -> int | None:  # noqa: ARG002
        """Return None: a cancel is only acknowledged."""
        return None

    def amend(self, spec: OrderSpec, market: Listed, venue_id: str, old: OrderSpec | None) -> Call | str:
        """Word a change; what is equal must not be named."""
        params = self._of(market) | _which(spec.id, venue_id)
        if old is None or old.quantity != spec.quantity:
            params["qty"] = decimal(spec.quantity)
        if spec.type.limited and (old is None or old.price != spec.price):
            params["price"] = decimal(spec.price)
        if spec.type.conditional and (old is None or old.stop_price != spec.stop_price):
            params["triggerPrice"] = decimal(spec.stop_price)
        return Call("privatePostV5OrderAmend", params)

    async def find(self, ask: Ask, market: Listed, order: str, venue_id: str) -> VenueOrder | None:
        """Return an order: among the open and the last ones, then in the history."""
        params = self._of(market) | _which(order, venue_id)
        for method in ("privateGetV5OrderRealtime", "privateGetV5OrderHistory"):
            listed = rows((await ask(Call(method, params)))["result"]["list"], "orders")
            if listed:
                return order_of(listed[0], market)
        return None

    async def trades(self, ask: Ask, market: Listed, since_ms: int, now_ms: int) -> list[Execution]:
        """Return all fills since then, at most 90 days back."""
        return await self._trades(ask, market, {}, since_ms, now_ms)

    async def trades_of(self, ask: Ask, market: Listed, found: VenueOrder) -> list[Execution]:
        """Return all fills of an order."""
        found_rows = await self._paged(
            ask, "privateGetV5ExecutionList", self._of(market) | {"orderId": found.venue_id}, 100
        )
        return executions_of(found_rows, market)

    async def _trades(
        self, ask: Ask, market: Listed, more: dict[str, Any], since_ms: int, now_ms: int
    ) -> list[Execution]:
        return executions_of(await self._since(ask, self._of(market) | more, since_ms, now_ms), market)

    async def _since(self, ask: Ask, params: dict[str, Any], since_ms: int, now_ms: int) -> list[Any]:
        found: list[Any] = []
        start = min(max(since_ms, now_ms - MOST_MS), now_ms)
        while start <= now_ms:
            end = min(start + WINDOW_MS, now_ms + 60_000)
            bounds = {"startTime": str(start), "endTime": str(end)}
            found += await self._paged(ask, "privateGetV5ExecutionList", params | bounds, 100)
            start = end + 1
        return found

    async def _paged(self, ask: Ask, method: str, params: dict[str, Any], limit: int) -> list[Any]:
        found: list[Any] = []
        cursor = ""
        while True:
            page = params | {"limit": str(limit)} | ({"cursor": cursor} if cursor else {})
            result = (await ask(Call(method, page)))["result"]
            listed = rows(result["list"], method)
            found += listed
            last, cursor = cursor, str(result.get("nextPageCursor") or "")
            if not cursor or not listed or cursor == last:
                return found

    async def funding(self, ask: Ask, markets: Sequence[Listed], since_ms: int, now_ms: int) -> list[FundingPaid]:
        """Return the funding since then."""
        found: list[FundingPaid] = []
        for market in markets:
            if market.derivative:
                told = await self._since(ask, self._of(market) | {"execType": "Funding"}, since_ms, now_ms)
                found += [funding_of(row, market) for row in told]
        return sorted(found, key=lambda paid: paid.ts)

    async def standing(self, ask: Ask, markets: Sequence[Listed]) -> list[VenueOrder]:
        """Return the open orders of instruments."""
        keys = {(market.category, market.symbol): market for market in markets}
        found: list[VenueOrder] = []
        for category in sorted({market.category for market in markets}):
            params = {"category": category, "openOnly": "0"} | ({"settleCoin": "USDT"} if category == "linear" else {})
            for row in await self._paged(ask, "privateGetV5OrderRealtime", params, 50):
                if (market := keys.get((category, row["symbol"]))) is not None:
                    order = order_of(row, market)
                    found += [order] if order.state == "working" else []
        return found

    async def holdings(self, ask: Ask, markets: Sequence[Listed]) -> Holdings:
        """Return balances and positions."""
        keys = {market.symbol: market.key for market in markets if market.derivative}
        positions: dict[str, int] = {}
        held = {"category": "linear", "settleCoin": "USDT"}
        for row in await self._paged(ask, "privateGetV5PositionList", held, 200) if keys else ():
            if (key := keys.get(row["symbol"])) is not None:
                sign = 1 if row["side"] == "Buy" else -1
                positions[key] = positions.get(key, 0) + sign * amount(row["size"])
        answer = await ask(Call("privateGetV5AccountWalletBalance", {"accountType": "UNIFIED"}))
        accounts = rows(answer["result"]["list"], "balances")
        coins = [coin for wallet in accounts for coin in rows(wallet["coin"], "balances")]
        return Holdings(
            {label(coin["coin"]): units for coin in coins if (units := coarse(coin["walletBalance"]))}, positions
        )

    def heard(self, message: Mapping[str, Any], markets: Mapping[tuple[str, str], Listed]) -> Heard | None:
        """Read a message of the stream."""
        return heard_of(message, markets)

    def ack(self, message: Mapping[str, Any]) -> bool:
        """Tell whether a message confirms a subscription."""
        return message.get("op") == "subscribe" and message.get("success") is True


def _which(order: str, venue_id: str) -> dict[str, Any]:
    if order and not order.startswith("x-"):
        return {"orderLinkId": order}
    return {"orderId": venue_id or inner(order)}
