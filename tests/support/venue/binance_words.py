"""Orders, trades and events in Binance's words (spot and USD-M), as its pages show them in 2026."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.support.venue.instruments import LEVERAGE, Instrument
from tests.support.venue.matching import Matching
from tests.support.venue.orders import Happened, Order, Trade

Body = dict[str, Any]

_SPOT_TYPES = ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"]
_LINEAR_TYPES = ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"]


def number(value: Decimal) -> str:
    """With eight decimals, as spot does; futures are read the same way."""
    return f"{value:.8f}"


def status(order: Order) -> str:
    """`X` and `status`."""
    if order.state in ("waiting", "open"):
        return "PARTIALLY_FILLED" if order.filled else "NEW"
    return order.state.upper()


def algo_status(order: Order) -> str:
    """`algoStatus`: TRIGGERED until the order that came of it is over."""
    if order.triggered:
        return "TRIGGERED" if order.open else "FINISHED"
    return "NEW" if order.open else order.state.upper()


def order_body(order: Order) -> Body:
    """An order of `order`, `openOrders`, `allOrders`."""
    asked, spot = order.asked, order.instrument.spot
    body: Body = {
        "symbol": order.instrument.symbol,
        "orderId": order.child,
        "clientOrderId": order.client,
        "price": number(asked.price),
        "origQty": number(asked.quantity),
        "executedQty": number(order.filled),
        "status": status(order),
        "timeInForce": asked.time_in_force,
        "type": _type(order),
        "side": asked.side,
        "stopPrice": number(asked.trigger),
        "time": order.created,
        "updateTime": order.updated,
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }
    if spot:
        return body | {
            "orderListId": -1,
            "cummulativeQuoteQty": number(order.paid),
            "icebergQty": number(Decimal(0)),
            "isWorking": order.state != "waiting",
            "workingTime": order.created if order.state != "waiting" else -1,
            "origQuoteOrderQty": number(Decimal(0)),
        }
    return body | {
        "cumQuote": number(order.paid),
        "cumQty": number(order.filled),
        "avgPrice": number(order.average),
        "reduceOnly": asked.reduce_only,
        "closePosition": False,
        "positionSide": "BOTH",
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": asked.said if not order.algo else _type(order),
        "priceMatch": "NONE",
        "goodTillDate": 0,
    }


def _type(order: Order) -> str:
    """What came of a triggered algo order is a plain one."""
    if order.algo and order.child:
        return "LIMIT" if order.asked.price else "MARKET"
    return order.asked.said


def submit_body(order: Order, kind: str, now_ms: int) -> Body:
    """The answer to a new order: ACK, RESULT or FULL."""
    body = order_body(order)
    if not order.instrument.spot:
        unfilled = {name: number(Decimal(0)) for name in ("executedQty", "cumQty", "cumQuote", "avgPrice")}
        return body | unfilled | {"status": "NEW"} if kind == "ACK" else body
    body |= {"transactTime": now_ms}
    del body["time"], body["updateTime"], body["isWorking"]
    if kind == "ACK":
        return {name: body[name] for name in ("symbol", "orderId", "orderListId", "clientOrderId", "transactTime")}
    if kind == "FULL":
        body["fills"] = [
            {
                "price": number(trade.price),
                "qty": number(trade.quantity),
                "commission": number(trade.fee),
                "commissionAsset": trade.asset,
                "tradeId": trade.number,
            }
            for trade in order.trades
        ]
    return body


def algo_body(order: Order) -> Body:
    """A conditional order of USD-M, which has a desk of its own."""
    asked = order.asked
    return {
        "algoId": order.algo,
        "clientAlgoId": order.client,
        "algoType": "CONDITIONAL",
        "orderType": asked.said,
        "symbol": order.instrument.symbol,
        "side": asked.side,
        "positionSide": "BOTH",
        "timeInForce": asked.time_in_force,
        "quantity": number(asked.quantity),
        "algoStatus": algo_status(order),
        "actualOrderId": str(order.child or ""),
        "actualPrice": number(order.average),
        "triggerPrice": number(asked.trigger),
        "price": number(asked.price),
        "icebergQuantity": None,
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "workingType": "CONTRACT_PRICE",
        "priceMatch": "NONE",
        "closePosition": False,
        "priceProtect": False,
        "reduceOnly": asked.reduce_only,
        "createTime": order.created,
        "updateTime": order.updated,
        "triggerTime": order.triggered,
        "goodTillDate": 0,
    }


def trade_body(trade: Trade) -> Body:
    """A trade of `myTrades` or `userTrades`."""
    body: Body = {
        "symbol": trade.instrument.symbol,
        "id": trade.number,
        "orderId": trade.order,
        "price": number(trade.price),
        "qty": number(trade.quantity),
        "quoteQty": number(trade.price * trade.quantity),
        "commission": number(trade.fee),
        "commissionAsset": trade.asset,
        "time": trade.ms,
    }
    if trade.instrument.spot:
        return body | {
            "orderListId": -1, "isBuyer": trade.side == "BUY", "isMaker": trade.maker, "isBestMatch": True,
        }  # fmt: skip
    return body | {
        "side": trade.side, "positionSide": "BOTH", "buyer": trade.side == "BUY", "maker": trade.maker,
        "realizedPnl": number(trade.realised), "marginAsset": trade.instrument.quote,
    }  # fmt: skip


def listing(instrument: Instrument) -> Body:
    """An instrument of `exchangeInfo`."""
    filters: list[Body] = [
        {"filterType": "PRICE_FILTER", "minPrice": number(instrument.tick), "maxPrice": "1000000.00000000",
         "tickSize": number(instrument.tick)},
        {"filterType": "LOT_SIZE", "minQty": number(instrument.least), "maxQty": number(instrument.most),
         "stepSize": number(instrument.step)},
        {"filterType": "MARKET_LOT_SIZE", "minQty": number(instrument.least if not instrument.spot else Decimal(0)),
         "maxQty": number(instrument.most), "stepSize": number(instrument.step if not instrument.spot else Decimal(0))},
    ]  # fmt: skip
    body: Body = {
        "symbol": instrument.symbol,
        "status": "TRADING",
        "baseAsset": instrument.base,
        "quoteAsset": instrument.quote,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "filters": filters,
    }
    if instrument.spot:
        filters.append({
            "filterType": "NOTIONAL", "minNotional": number(instrument.notional), "applyMinToMarket": True,
            "maxNotional": "9000000.00000000", "applyMaxToMarket": False, "avgPriceMins": 5,
        })  # fmt: skip
        return body | {
            "quoteAssetPrecision": 8, "baseCommissionPrecision": 8, "quoteCommissionPrecision": 8,
            "orderTypes": _SPOT_TYPES, "icebergAllowed": True, "ocoAllowed": True, "quoteOrderQtyMarketAllowed": True,
            "allowTrailingStop": True, "cancelReplaceAllowed": True, "amendAllowed": True,
            "isSpotTradingAllowed": True, "isMarginTradingAllowed": True, "permissions": [],
            "permissionSets": [["SPOT"]], "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        }  # fmt: skip
    filters.append({"filterType": "MIN_NOTIONAL", "notional": f"{instrument.notional:f}"})
    return body | {
        "pair": instrument.symbol, "contractType": "PERPETUAL", "deliveryDate": 4133404800000,
        "onboardDate": 1569398400000, "marginAsset": instrument.quote, "pricePrecision": 2, "quantityPrecision": 3,
        "underlyingType": "COIN", "orderTypes": _LINEAR_TYPES, "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
        "triggerProtect": "0.0500", "liquidationFee": "0.012500",
    }  # fmt: skip


def positions(matching: Matching, now_ms: int) -> list[Body]:
    """`positionRisk`: only what is held."""
    found = []
    for key, position in matching.wallet.positions.items():
        if key.startswith("linear:") and position.amount:
            instrument, price = matching.instruments[key], matching.prices[key]
            worth = position.amount * price
            found.append({
                "symbol": instrument.symbol, "positionSide": "BOTH", "positionAmt": number(position.amount),
                "entryPrice": number(position.entry), "breakEvenPrice": number(position.entry),
                "markPrice": number(price), "unRealizedProfit": number(position.amount * (price - position.entry)),
                "liquidationPrice": "0", "isolatedMargin": "0", "notional": number(worth),
                "marginAsset": instrument.quote, "isolatedWallet": "0", "initialMargin": number(abs(worth) / LEVERAGE),
                "maintMargin": "0", "positionInitialMargin": number(abs(worth) / LEVERAGE),
                "openOrderInitialMargin": "0", "adl": 1, "bidNotional": "0", "askNotional": "0", "updateTime": now_ms,
            })  # fmt: skip
    return found


# Events of the private streams. ---------------------------------------------------------------------------------------


def events(matching: Matching, happened: Happened, now_ms: int) -> list[Body]:
    """What the stream of this market says of it, in its order."""
    order = happened.order
    spot = any(each.spot for each in matching.instruments.values())
    if order is None:
        return [_money(matching, happened, now_ms, spot=spot)]
    if spot:
        if happened.what == "TRIGGERED":
            return []
        said = [_execution(order, happened, now_ms)]
        return said if happened.what == "AMENDED" else [*said, _account(matching, order, now_ms)]
    if order.algo and not order.child:
        return [_algo(order, now_ms, algo_status(order))]
    found: list[Body] = []
    if happened.what == "TRADE":
        found.append(_positions(matching, order, now_ms))
    if happened.what == "FINISHED":  # the news of the trigger comes after the fills
        return [_algo(order, now_ms, "TRIGGERED"), _algo(order, now_ms, "FINISHED")]
    found.append(_update(order, happened, now_ms))
    if order.algo and happened.what == "EXPIRED":
        found.append(_algo(order, now_ms, "FINISHED"))
    return found


def _execution(order: Order, happened: Happened, now_ms: int) -> Body:
    asked, trade = order.asked, happened.trade
    what = {"AMENDED": "REPLACED"}.get(happened.what, happened.what)
    cancels = happened.what == "CANCELED"
    return {
        "e": "executionReport", "E": now_ms, "s": order.instrument.symbol,
        "c": f"cancel-{order.child}" if cancels else order.client, "S": asked.side, "o": asked.said,
        "f": asked.time_in_force, "q": number(asked.quantity), "p": number(asked.price), "P": number(asked.trigger),
        "F": "0.00000000", "g": -1, "C": order.client if cancels else "", "x": what,
        "X": _then(order, happened), "r": "NONE", "i": order.child,
        "l": number(trade.quantity if trade else Decimal(0)), "z": number(_so_far(order, happened)),
        "L": number(trade.price if trade else Decimal(0)), "n": number(trade.fee) if trade else "0",
        "N": trade.asset if trade else None, "T": happened.ms,
        "t": trade.number if trade else -1, "v": 0, "I": order.child * 10, "w": order.state == "open",
        "m": trade.maker if trade else False, "M": trade is not None, "O": order.created,
        "Z": number(order.paid), "Y": number(trade.price * trade.quantity if trade else Decimal(0)),
        "Q": "0.00000000", "W": order.created, "V": "EXPIRE_MAKER",
    }  # fmt: skip


def _update(order: Order, happened: Happened, now_ms: int) -> Body:
    asked, trade = order.asked, happened.trade
    what = {"AMENDED": "AMENDMENT", "TRIGGERED": "NEW"}.get(happened.what, happened.what)
    said: Body = {
        "s": order.instrument.symbol, "c": order.client, "S": asked.side, "o": _type(order), "f": asked.time_in_force,
        "q": number(asked.quantity), "p": number(asked.price), "ap": number(order.average), "sp": "0", "x": what,
        "X": "NEW" if happened.what == "TRIGGERED" else _then(order, happened), "i": order.child,
        "l": number(trade.quantity if trade else Decimal(0)), "z": number(_so_far(order, happened)),
        "L": number(trade.price if trade else Decimal(0)), "T": happened.ms, "t": trade.number if trade else 0,
        "b": "0", "a": "0", "m": trade.maker if trade else False, "R": asked.reduce_only, "wt": "CONTRACT_PRICE",
        "ot": asked.said, "ps": "BOTH", "cp": False, "rp": number(trade.realised if trade else Decimal(0)),
        "pP": False, "si": 0, "ss": 0, "V": "EXPIRE_MAKER", "pm": "NONE", "gtd": 0,
    }  # fmt: skip
    if trade:
        said |= {"n": number(trade.fee), "N": trade.asset}
    return {"e": "ORDER_TRADE_UPDATE", "E": now_ms, "T": happened.ms, "o": said}


def _then(order: Order, happened: Happened) -> str:
    """The order's state at that moment: a fill may be followed by others within the same request."""
    if happened.what == "NEW":
        return "NEW"
    if happened.trade and order.trades[-1] is not happened.trade:
        return "PARTIALLY_FILLED"
    return status(order)


def _so_far(order: Order, happened: Happened) -> Decimal:
    if happened.what == "NEW":
        return Decimal(0)
    if happened.trade is None:
        return order.filled
    upto = order.trades.index(happened.trade) + 1
    return sum((trade.quantity for trade in order.trades[:upto]), Decimal(0))


def _algo(order: Order, now_ms: int, said: str) -> Body:
    asked = order.asked
    return {
        "e": "ALGO_UPDATE", "T": order.updated, "E": now_ms,
        "o": {
            "caid": order.client, "aid": order.algo, "at": "CONDITIONAL", "o": asked.said,
            "s": order.instrument.symbol, "S": asked.side, "ps": "BOTH", "f": asked.time_in_force,
            "q": number(asked.quantity), "X": said, "ai": str(order.child or ""), "ap": number(order.average),
            "aq": number(order.filled), "act": "LIMIT" if asked.price else "MARKET", "tp": number(asked.trigger),
            "p": number(asked.price), "V": "EXPIRE_MAKER", "wt": "CONTRACT_PRICE", "pm": "NONE", "cp": False,
            "pP": False, "R": asked.reduce_only, "tt": order.triggered, "gtd": 0, "rm": order.reason,
        },
    }  # fmt: skip


def _account(matching: Matching, order: Order, now_ms: int) -> Body:
    held = []
    for asset in (order.instrument.base, order.instrument.quote):
        locked = matching.locked(asset)
        held.append({
            "a": asset, "f": number(matching.wallet.total.get(asset, Decimal(0)) - locked), "l": number(locked),
        })  # fmt: skip
    return {"e": "outboundAccountPosition", "E": now_ms, "u": now_ms, "B": held}


def _positions(matching: Matching, order: Order, now_ms: int) -> Body:
    quote = order.instrument.quote
    wallet = number(matching.wallet.total.get(quote, Decimal(0)))
    position = matching.wallet.position(order.instrument)
    held = {
        "s": order.instrument.symbol, "pa": number(position.amount), "ep": number(position.entry), "cr": "0",
        "bep": number(position.entry), "up": "0", "mt": "cross", "iw": "0", "ps": "BOTH", "ma": quote,
    }  # fmt: skip
    money = [{"a": quote, "wb": wallet, "cw": wallet, "bc": "0"}]
    return {"e": "ACCOUNT_UPDATE", "E": now_ms, "T": order.updated, "a": {"m": "ORDER", "B": money, "P": [held]}}


def _money(matching: Matching, happened: Happened, now_ms: int, *, spot: bool) -> Body:
    if spot:
        return {"e": "balanceUpdate", "E": now_ms, "a": happened.asset, "d": number(happened.amount), "T": happened.ms}
    wallet = number(matching.wallet.total.get(happened.asset, Decimal(0)))
    why = "FUNDING_FEE" if happened.what == "FUNDING" else "DEPOSIT"
    money = [{"a": happened.asset, "wb": wallet, "cw": wallet, "bc": number(happened.amount)}]
    return {"e": "ACCOUNT_UPDATE", "E": now_ms, "T": happened.ms, "a": {"m": why, "B": money, "P": []}}
