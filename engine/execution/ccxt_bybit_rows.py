"""Bybit's orders, executions and messages of the private stream, read. Source: see `ccxt_bybit`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.errors import ProtocolError
from engine.execution.ccxt_words import Execution, Heard, Listed, amount, fee, label, named, rows
from engine.execution.venue import VenueOrder
from engine.orders import (
    Fill,
    FundingPaid,
    Liquidity,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
    OrderTriggered,
    Side,
)
from engine.types import MS

VENUE = "bybit"

STATES = {
    "New": "working",
    "PartiallyFilled": "working",
    "Untriggered": "working",
    "Triggered": "working",
    "Filled": "filled",
    "Cancelled": "canceled",
    "PartiallyFilledCanceled": "canceled",
    "Deactivated": "canceled",
    "Rejected": "rejected",
}

FILLS = {"Trade", "AdlTrade", "BustTrade", "Settle"}
"""Executions that change a position."""


def order_of(raw: Mapping[str, Any], market: Listed) -> VenueOrder:
    """Read an order of an answer or of the stream."""
    venue_id, word = label(raw["orderId"]), raw["orderStatus"]
    if word not in STATES:
        raise ProtocolError(f"bybit: order {venue_id:.40} has the unknown status {word!r:.40}")
    side, stop = Side(str(raw["side"]).lower()), amount(raw.get("triggerPrice"))
    limited = raw["orderType"] == "Limit"
    kind = "limit" if limited else "market"
    if stop:
        direction = int(raw.get("triggerDirection") or 0)
        profit = direction and (direction == 1) != (side is Side.BUY)
        kind = ("take_profit" if profit else "stop") + ("_limit" if limited else "")
    refused = label(raw.get("rejectReason") or "EC_NoError")
    return VenueOrder(
        id=named(VENUE, market.symbol, str(raw.get("orderLinkId") or ""), venue_id),
        venue_id=venue_id,
        instrument=market.key,
        side=side,
        type=kind,
        quantity=amount(raw["qty"]),
        filled=amount(raw.get("cumExecQty")),
        price=amount(raw.get("price")) if limited else 0,
        stop_price=stop,
        reduce_only=bool(raw.get("reduceOnly", False)),
        state=STATES[word],
        ts=int(raw.get("updatedTime") or raw.get("createdTime") or 0) * MS,
        reason="" if refused == "EC_NoError" else refused,
    )


def executions_of(found: list[Any], market: Listed) -> list[Execution]:
    """Return the fills among executions, once each, oldest first."""
    once = {row["execId"]: row for row in found if row.get("execType", "Trade") in FILLS}
    ordered = sorted(once.values(), key=lambda row: (int(row["execTime"]), int(row.get("seq") or 0), row["execId"]))
    return [Execution(label(row["orderId"]), fill_of(row, market), True) for row in ordered]


def fill_of(row: Mapping[str, Any], market: Listed) -> Fill:
    """Read an execution that is a fill."""
    side = Side(str(row["side"]).lower())
    taken = market.settle or (market.base if side is Side.BUY else market.quote)
    return Fill(
        id=f"{VENUE}-{label(row['execId'])}",
        order=named(VENUE, market.symbol, str(row.get("orderLinkId") or ""), label(row["orderId"])),
        instrument=market.key,
        side=side,
        price=amount(row["execPrice"]),
        quantity=amount(row["execQty"]),
        fee=fee(row.get("execFee")),
        fee_asset=label(row.get("feeCurrency") or taken),
        liquidity=Liquidity.MAKER if row.get("isMaker") in (True, "true") else Liquidity.TAKER,
        ts=int(row["execTime"]) * MS,
    )


def funding_of(row: Mapping[str, Any], market: Listed) -> FundingPaid:
    """Read an execution that is funding."""
    # What is paid is told as a fee: positive is paid.
    return FundingPaid(
        id=f"{VENUE}-{label(row['execId'])}",
        instrument=market.key,
        ts=int(row["execTime"]) * MS,
        amount=-fee(row["execFee"]),
        asset=label(row.get("feeCurrency") or market.settle),
    )


def heard_of(message: Mapping[str, Any], markets: Mapping[tuple[str, str], Listed]) -> Heard | None:
    """Read a message of the stream."""
    topic = message.get("topic")
    if topic not in ("order", "execution", "wallet", "position"):
        return None
    heard = Heard()
    for row in rows(message["data"], topic) if topic in ("order", "execution") else ():
        market = markets.get((row.get("category", "spot"), row["symbol"]))
        if market is None:
            continue
        if topic == "order":
            _order_heard(heard, row, market)
        elif row.get("execType") in FILLS:
            fill = fill_of(row, market)
            heard.events.append(OrderFilled(order=fill.order, ts=fill.ts, fill=fill))
        elif row.get("execType") == "Funding":
            heard.events.append(funding_of(row, market))
    return heard


def _order_heard(heard: Heard, row: Mapping[str, Any], market: Listed) -> None:
    order = order_of(row, market)
    heard.orders.append(order)
    word, tell = row["orderStatus"], heard.events.append
    if word in ("New", "Untriggered"):
        tell(OrderAccepted(order=order.id, ts=order.ts, venue_id=order.venue_id))
    elif word == "Triggered":
        tell(OrderTriggered(order=order.id, ts=order.ts, price=order.stop_price))
    elif word == "Rejected":
        code = order.reason or "Rejected"
        tell(OrderRejected(order=order.id, ts=order.ts, code=code, reason=f"bybit refused the order: {code}"))
    elif order.state == "canceled":
        tell(OrderCanceled(order=order.id, ts=order.ts, reason=order.reason, filled=order.filled))
