"""What Binance's answers have in common: states of orders, ids, filters. Source: see `ccxt_binance`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.errors import ProtocolError
from engine.execution.ccxt_words import Listed, amount, inner, label, rows
from engine.orders import Rules

STATES = {
    "NEW": "working",
    "PENDING_NEW": "working",
    "PARTIALLY_FILLED": "working",
    "PENDING_CANCEL": "working",
    "FILLED": "filled",
    "CANCELED": "canceled",
    "REJECTED": "rejected",
    "EXPIRED": "expired",
    "EXPIRED_IN_MATCH": "expired",
}


def trade_id(venue: str, symbol: str, number: Any) -> str:
    """Return our id of a fill; Binance counts trades by symbol."""
    return f"{venue}-{symbol}-{label(number)}"


def which(order: str, venue_id: str) -> dict[str, str]:
    """Name an order: ours by the client id, others by the id of the venue."""
    if order and not order.startswith("x-"):
        return {"origClientOrderId": order}
    return {"orderId": venue_id or inner(order)}


def read_rules(info: Any, markets: Sequence[Listed]) -> dict[str, Rules]:
    """Read the filters of an exchangeInfo, by key.

    Raises:
        ProtocolError: An instrument is not listed there.
    """
    symbols = {entry["symbol"]: entry for entry in rows(info["symbols"], "exchangeInfo")}
    found: dict[str, Rules] = {}
    for market in markets:
        entry = symbols.get(market.symbol)
        if entry is None:
            raise ProtocolError(f"the venue does not list {market.symbol}")
        filters = {rule["filterType"]: rule for rule in entry["filters"]}
        lot = filters["LOT_SIZE"]
        least = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}
        found[market.key] = Rules(
            tick=amount(filters["PRICE_FILTER"]["tickSize"]),
            step=amount(lot["stepSize"]),
            min_quantity=amount(lot["minQty"]),
            min_notional=amount(least.get("minNotional", least.get("notional"))),
            max_quantity=amount(lot["maxQty"]),
            max_market_quantity=amount(filters.get("MARKET_LOT_SIZE", {}).get("maxQty")),
        )
    return found
