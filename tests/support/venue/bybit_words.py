"""Orders, trades and events in Bybit's words (v5, unified account), as its pages show them in 2026."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.support.venue.instruments import LEVERAGE, Instrument
from tests.support.venue.matching import Matching
from tests.support.venue.orders import Happened, Order, Trade

Body = dict[str, Any]


def number(value: Decimal) -> str:
    """Without trailing zeros."""
    return f"{value:f}".rstrip("0").rstrip(".") if value % 1 else f"{value.to_integral_value():f}"


def order_id(order: Order) -> str:
    """Spot has numbers, contracts have UUIDs."""
    return _id(order.instrument, order.child)


def _id(instrument: Instrument, known: int) -> str:
    return f"20990000{known:011d}" if instrument.spot else f"{known:08x}-b17b-4000-8000-0000000000ab"


def number_of(identity: str) -> int:
    """The other way round; 0 for what is no id of ours."""
    try:
        return int(identity[:8], 16) if "-" in identity else int(identity) - 20990000 * 10**11
    except ValueError:
        return 0


def status(order: Order) -> str:
    """`orderStatus`."""
    match order.state:
        case "waiting":
            return "Untriggered"
        case "open":
            return "PartiallyFilled" if order.filled else "New"
        case "filled":
            return "Filled"
    if order.asked.trigger and not order.triggered:
        return "Deactivated"
    return "PartiallyFilledCanceled" if order.filled and order.instrument.spot else "Cancelled"


def order_body(order: Order, *, so_far: Decimal | None = None, said: str = "") -> Body:
    """An order of `realtime`, `history` and the topic `order`."""
    asked, instrument = order.asked, order.instrument
    fees: dict[str, Decimal] = {}
    for trade in order.trades:
        fees[trade.asset] = fees.get(trade.asset, Decimal(0)) + trade.fee
    filled = order.filled if so_far is None else so_far
    ended = order.state in ("canceled", "expired")
    return {
        "category": instrument.category,
        "symbol": instrument.symbol,
        "orderId": order_id(order),
        "orderLinkId": order.client,
        "side": asked.side.capitalize(),
        "orderType": "Limit" if asked.price else "Market",
        "price": number(asked.price),
        "qty": number(asked.quantity),
        "timeInForce": asked.time_in_force if asked.price else "IOC",
        "orderStatus": said or status(order),
        "cancelType": "CancelByUser" if order.state == "canceled" else "UNKNOWN",
        "rejectReason": order.reason or ("EC_NoImmediateQtyToFill" if order.state == "expired" else "EC_NoError"),
        "avgPrice": number(order.average) if order.filled else "",
        "leavesQty": number(Decimal(0) if ended else asked.quantity - filled),
        "leavesValue": "0",
        "cumExecQty": number(filled),
        "cumExecValue": number(order.paid),
        "cumExecFee": number(sum(fees.values(), Decimal(0))),
        "cumFeeDetail": {asset: number(fee) for asset, fee in fees.items()},
        "stopOrderType": "Stop" if asked.trigger else "",
        "triggerPrice": number(asked.trigger) if asked.trigger else "",
        "triggerDirection": (1 if asked.rising else 2) if asked.trigger else 0,
        "triggerBy": "LastPrice" if asked.trigger else "",
        "reduceOnly": asked.reduce_only,
        "closeOnTrigger": False,
        "isLeverage": "0" if instrument.spot else "",
        "marketUnit": "baseCoin" if instrument.spot and not asked.price else "",
        "positionIdx": 0,
        "tpslMode": "UNKNOWN" if not instrument.spot else "",
        "takeProfit": "",
        "stopLoss": "",
        "smpType": "None",
        "createdTime": str(order.created),
        "updatedTime": str(order.updated),
    }


def trade_body(trade: Trade) -> Body:
    """A trade of `execution/list` and the topic `execution`."""
    instrument = trade.instrument
    return {
        "category": instrument.category,
        "symbol": instrument.symbol,
        "orderId": _id(instrument, trade.order),
        "orderLinkId": trade.client,
        "side": trade.side.capitalize(),
        "execId": f"22100000{trade.number:011d}"
        if instrument.spot
        else f"{trade.number:08x}-e7ec-5000-8000-0000000000cd",
        "execPrice": number(trade.price),
        "execQty": number(trade.quantity),
        "execValue": number(trade.price * trade.quantity),
        "execFee": number(trade.fee),
        "feeCurrency": trade.asset,
        "feeRate": number(trade.fee / (trade.quantity * (1 if trade.asset == instrument.base else trade.price))),
        "execType": "Trade",
        "execTime": str(trade.ms),
        "isMaker": trade.maker,
        "orderType": "Limit" if trade.maker else "Market",
        "seq": trade.number,
        "leavesQty": "0",
        "closedSize": "0",
        "blockTradeId": "",
        "stopOrderType": "",
        "markPrice": "",
    }


def funding_body(number_: int, happened: Happened) -> Body:
    """Funding stands among the executions; a fee of minus so much is received."""
    assert happened.instrument is not None
    return {
        "category": "linear", "symbol": happened.instrument.symbol, "orderId": "", "orderLinkId": "", "side": "Sell",
        "execId": f"{number_:08x}-f00d-5000-8000-0000000000ef", "execPrice": "0", "execQty": "0", "execValue": "0",
        "execFee": number(-happened.amount), "feeCurrency": happened.asset, "feeRate": "0", "execType": "Funding",
        "execTime": str(happened.ms), "isMaker": False, "orderType": "UNKNOWN", "seq": 0,
    }  # fmt: skip


def listing(instrument: Instrument) -> Body:
    """An instrument of `instruments-info`."""
    body: Body = {
        "symbol": instrument.symbol, "baseCoin": instrument.base, "quoteCoin": instrument.quote, "status": "Trading",
        "priceFilter": {"tickSize": number(instrument.tick)},
    }  # fmt: skip
    if instrument.spot:
        return body | {
            "innovation": "0", "marginTrading": "both",
            "lotSizeFilter": {
                "basePrecision": number(instrument.step), "quotePrecision": "0.0000001",
                "minOrderQty": number(instrument.least), "maxOrderQty": number(instrument.most),
                "minOrderAmt": number(instrument.notional), "maxOrderAmt": "4000000",
                "maxLimitOrderQty": number(instrument.most), "maxMarketOrderQty": number(instrument.most),
            },
        }  # fmt: skip
    return body | {
        "contractType": "LinearPerpetual", "launchTime": "1585526400000", "deliveryTime": "0", "settleCoin": "USDT",
        "priceScale": "2", "fundingInterval": 480, "unifiedMarginTrade": True, "copyTrading": "both",
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
        "priceFilter": {"tickSize": number(instrument.tick), "minPrice": "0.1", "maxPrice": "1999999"},
        "lotSizeFilter": {
            "qtyStep": number(instrument.step), "minOrderQty": number(instrument.least),
            "maxOrderQty": number(instrument.most), "maxMktOrderQty": number(instrument.most),
            "minNotionalValue": number(instrument.notional), "postOnlyMaxOrderQty": number(instrument.most),
        },
    }  # fmt: skip


def wallet(matching: Matching) -> Body:
    """The unified account."""
    coins = [
        {
            "coin": asset, "equity": number(total), "usdValue": "0", "walletBalance": number(total),
            "locked": number(matching.locked(asset)), "availableToWithdraw": number(matching.free(asset)),
            "unrealisedPnl": "0", "cumRealisedPnl": "0", "borrowAmount": "0", "accruedInterest": "0",
            "totalOrderIM": "0", "totalPositionIM": "0", "totalPositionMM": "0", "bonus": "0", "spotHedgingQty": "0",
        }
        for asset, total in matching.wallet.total.items()
    ]  # fmt: skip
    return {
        "accountType": "UNIFIED",
        "accountIMRate": "0",
        "totalEquity": "0",
        "totalWalletBalance": "0",
        "coin": coins,
    }


def positions(matching: Matching, now_ms: int, symbol: str = "") -> list[Body]:
    """`position/list`: with a symbol also where nothing is held."""
    found = []
    for key, instrument in matching.instruments.items():
        position = matching.wallet.positions.get(key)
        amount = position.amount if position else Decimal(0)
        if instrument.spot or (symbol and instrument.symbol != symbol) or not (amount or symbol):
            continue
        entry = position.entry if position else Decimal(0)
        found.append({
            "symbol": instrument.symbol, "side": "Buy" if amount > 0 else "Sell" if amount < 0 else "",
            "size": number(abs(amount)), "avgPrice": number(entry), "positionValue": number(abs(amount) * entry),
            "leverage": number(LEVERAGE), "markPrice": number(matching.prices[key]), "positionIdx": 0,
            "unrealisedPnl": number(amount * (matching.prices[key] - entry)), "cumRealisedPnl": "0",
            "positionStatus": "Normal", "tradeMode": 0, "category": "linear", "createdTime": str(now_ms),
            "updatedTime": str(now_ms), "seq": 1,
        })  # fmt: skip
    return found


def events(matching: Matching, happened: Happened, now_ms: int) -> list[tuple[str, list[Body]]]:
    """What the private stream says of it: topics and their rows, in its order."""
    order, trade = happened.order, happened.trade
    if order is None:
        return [("wallet", [wallet(matching)])]
    if trade is None:
        said = {"NEW": "Untriggered" if order.asked.trigger else "New", "TRIGGERED": "Triggered"}.get(happened.what, "")
        so_far = Decimal(0) if happened.what in ("NEW", "TRIGGERED") else None
        return [("order", [order_body(order, so_far=so_far, said=said)])]
    upto = order.trades.index(trade) + 1
    so_far = sum((each.quantity for each in order.trades[:upto]), Decimal(0))
    said = status(order) if upto == len(order.trades) else "PartiallyFilled"
    found = [("execution", [trade_body(trade)]), ("order", [order_body(order, so_far=so_far, said=said)])]
    if not order.instrument.spot:
        found.append(("position", positions(matching, now_ms, order.instrument.symbol)))
    return [*found, ("wallet", [wallet(matching)])]
