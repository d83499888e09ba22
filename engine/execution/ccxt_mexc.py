"""The dialect of MEXC spot: Binance's words with other order types, filters and codes. It holds no stops.

Its private stream speaks protobuf, which ccxt reads with a package that is not among our dependencies; the venue is
asked instead. Source: mexc.com/api-docs/spot-v3, "Spot Account/Trade", "Market Data Endpoints", "Error Code".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import structs

from engine.errors import ProtocolError
from engine.execution.ccxt_binance import BinanceSpot
from engine.execution.ccxt_binance_rows import STATES, which
from engine.execution.ccxt_words import (
    Ask,
    Call,
    Execution,
    Heard,
    Holdings,
    Listed,
    Meaning,
    Said,
    coarse,
    label,
    named,
    rows,
)
from engine.execution.venue import Permissions, VenueOrder
from engine.orders import UNIT, OrderSpec, OrderType, Rules, TimeInForce, decimal
from engine.types import DAY_MS

PAGE = 100

TYPES = {TimeInForce.GTC: "LIMIT", TimeInForce.IOC: "IMMEDIATE_OR_CANCEL", TimeInForce.FOK: "FILL_OR_KILL"}

CODES = {
    "429": Meaning.THROTTLED,
    "510": Meaning.THROTTLED,
    "500": Meaning.UNKNOWN,
    "501": Meaning.UNKNOWN,
    "503": Meaning.UNKNOWN,
    "504": Meaning.UNKNOWN,
    "603": Meaning.UNKNOWN,
    "700003": Meaning.CLOCK,
    "-2013": Meaning.MISSING,
}


OPTIONS: dict[str, Any] = {"defaultType": "spot", "recvWindow": 5000}


class Mexc(BinanceSpot):
    """MEXC spot."""

    venue = "mexc"
    weight_limit = 2000
    watched: tuple[str, ...] = ()
    acks = 0
    window_ms = 30 * DAY_MS - 1

    def __init__(self) -> None:
        super().__init__()
        self.options = OPTIONS
        self.read_types = {"MARKET": "market"}

    def meaning(self, status: int, code: str, text: str) -> Meaning:
        """Tell what a refusal means."""
        if status >= 500 or status == 403 or "duplicate" in text.lower():
            return Meaning.UNKNOWN
        return Meaning.THROTTLED if status == 429 else CODES.get(code, Meaning.REFUSED)

    async def clock(self, ask: Ask) -> int:
        """Return the venue's time, UTC ms."""
        return int((await ask(Call("spotPublicGetTime", {})))["serverTime"])

    async def rules(self, ask: Ask, markets: Sequence[Listed]) -> dict[str, Rules]:
        """Return the filters of instruments by key; prices and sizes are limited by decimals here."""
        wanted = ",".join(market.symbol for market in markets)
        info = await ask(Call("spotPublicGetExchangeInfo", {"symbols": wanted}, 10))
        symbols = {entry["symbol"]: entry for entry in rows(info["symbols"], "exchangeInfo")}
        found: dict[str, Rules] = {}
        for market in markets:
            entry = symbols.get(market.symbol)
            if entry is None:
                raise ProtocolError(f"mexc does not list {market.symbol}")
            step = UNIT // 10 ** int(entry["baseAssetPrecision"])
            found[market.key] = Rules(
                tick=UNIT // 10 ** int(entry["quotePrecision"]),
                step=step,
                min_quantity=max(coarse(entry.get("baseSizePrecision")), step),
                min_notional=coarse(entry.get("quoteAmountPrecision")),
            )
        return found

    async def permissions(self, ask: Ask, testnet: bool) -> Permissions:  # noqa: ARG002
        """Return what is known: whether the account may trade. What the key may do, the venue does not tell."""
        account = await ask(Call("spotPrivateGetAccount", {}, 10))
        return Permissions(trade=bool(account["canTrade"]), withdraw=None, text="mexc does not tell what a key may do")

    def submit(self, spec: OrderSpec, market: Listed) -> Call | str:
        """Word an order."""
        if spec.type.conditional:
            return "mexc takes no stop or take-profit orders through its interface; the engine has to watch this exit"
        if spec.post_only and spec.type is not OrderType.LIMIT:
            return "mexc takes post-only for limit orders alone"
        kind = "MARKET" if spec.type is OrderType.MARKET else TYPES[spec.time_in_force]
        params = self._common(spec, market) | {
            "type": "LIMIT_MAKER" if spec.post_only else kind,
            "newClientOrderId": spec.id,
            "quantity": decimal(spec.quantity),
        }
        if spec.type.limited:
            params["price"] = decimal(spec.price)
        return Call("spotPrivatePostOrder", params)

    def cancel(self, market: Listed, order: str, venue_id: str, conditional: bool) -> Call:  # noqa: ARG002
        """Word a cancel."""
        return Call("spotPrivateDeleteOrder", {"symbol": market.symbol} | which(order, venue_id))

    async def find(self, ask: Ask, market: Listed, order: str, venue_id: str) -> VenueOrder | None:
        """Return an order as the venue has it."""
        try:
            found = await ask(Call("spotPrivateGetOrder", {"symbol": market.symbol} | which(order, venue_id), 2))
        except Said as error:
            if error.meaning is Meaning.MISSING:
                return None
            raise
        return self.order(found, market)

    def order(self, raw: Mapping[str, Any], market: Listed) -> VenueOrder:
        """Read an order of an answer."""
        word = "CANCELED" if raw["status"] == "PARTIALLY_CANCELED" else raw["status"]
        if word not in STATES:
            raise ProtocolError(f"mexc: order {raw['orderId']!s:.40} has the unknown status {word!r:.40}")
        return super().order({**raw, "status": word}, market)

    def _trades_call(self, market: Listed, which: dict[str, str], weight: int) -> Call:
        return Call("spotPrivateGetMyTrades", {"symbol": market.symbol, "limit": str(PAGE)} | which, weight)

    async def trades(self, ask: Ask, market: Listed, since_ms: int, now_ms: int) -> list[Execution]:
        """Return all fills since then, page by page back from the newest.

        Raises:
            ProtocolError: More fills in one millisecond than a page holds.
        """
        found: list[Any] = []
        start = max(since_ms, now_ms - self.window_ms)
        end = now_ms + 60_000
        while True:
            bounds = {"startTime": str(start), "endTime": str(end)}
            page = rows(await ask(self._trades_call(market, bounds, 10)), "trades")
            found += page
            if len(page) < PAGE:
                return self._executions(found, market)
            oldest = min(int(row["time"]) for row in page)
            if oldest >= end:
                raise ProtocolError(f"mexc: more than {PAGE} fills of {market.symbol} at one time")
            end = oldest

    def _executions(self, found: list[Any], market: Listed) -> list[Execution]:
        once = {str(row["id"]): row for row in found}
        ordered = sorted(once.values(), key=lambda row: (int(row["time"]), str(row["id"])))
        executions: list[Execution] = []
        for row in ordered:
            venue_id, client_id = label(row["orderId"]), str(row.get("clientOrderId") or "")
            order = named(self.venue, market.symbol, client_id, venue_id) if client_id else ""
            executions.append(Execution(venue_id, structs.replace(self._fill(row, market), order=order), bool(order)))
        return executions

    async def _open(self, ask: Ask, market: Listed) -> list[VenueOrder]:
        answer = await ask(Call("spotPrivateGetOpenOrders", {"symbol": market.symbol}, 3))
        return [self.order(row, market) for row in rows(answer, "open orders")]

    async def holdings(self, ask: Ask, markets: Sequence[Listed]) -> Holdings:  # noqa: ARG002
        """Return balances."""
        told = await ask(Call("spotPrivateGetAccount", {}, 10))
        balances = {
            label(row["asset"]): coarse(row["free"]) + coarse(row["locked"])
            for row in rows(told["balances"], "balances")
        }
        return Holdings(balances, {})

    def heard(self, message: Mapping[str, Any], markets: Mapping[tuple[str, str], Listed]) -> Heard | None:  # noqa: ARG002
        """Hear nothing: there is no stream."""
        return None
