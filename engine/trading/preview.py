"""What an order would be, before anybody sends it: cost, fee, risk, and everything that would refuse it."""

from __future__ import annotations

from engine.approval import Refused
from engine.execution.account import Account
from engine.execution.costs import fees_of
from engine.execution.money import from_lots, from_ticks, half_even, value
from engine.operator import PlaceOrder
from engine.orders import Liquidity, OrderSpec, OrderType, Side, TimeInForce, decimal
from engine.state import EngineState, MarketState
from engine.trading.judging import REACH, examine, exposure
from engine.trading.marks import mark_of, market_of, prices_of, rate_of, value_account
from engine.trading.turn import Turn
from engine.trading.wanted import order_of, refusal
from engine.tradingviews import PreviewView


def preview(state: EngineState, account: Account, asked: PlaceOrder, now: int) -> PreviewView:
    """Return what an order would cost and risk at `now` (UTC ns). Nothing is changed."""
    turn = Turn(state, account, now)
    if account.equity is None:
        value_account(state, account)
    spec = order_of(turn, asked, number="preview")
    if isinstance(spec, Refused):
        return _nothing(asked, spec)
    refused = examine(turn, spec)
    market = market_of(state, account, spec.instrument)
    if market is None:
        return _nothing(asked, refusal("unknown_symbol", f"{spec.instrument} has no market that prices it"))
    price, maker = _price(market, spec)
    mark = mark_of(state, spec.instrument)
    cost = value(price, spec.quantity) if price else 0
    sign = spec.side.sign
    held = account.quantity(spec.instrument)
    reduces = held * sign < 0
    stop = spec.stop_loss
    distance = abs(price - stop) if stop else int(price * account.risk.limits.assumed_stop)
    risk = 0 if reduces else value(distance, spec.quantity)
    reward = value(abs(spec.take_profit - price), spec.quantity) if spec.take_profit and price else 0
    rate = rate_of(state, account, account.contract(spec.instrument).quote)
    costs = fees_of(account.trading.fees, spec.instrument.partition(":")[0])
    liquidity = Liquidity.MAKER if maker else Liquidity.TAKER
    fee, asset = (
        costs.fee(market.instrument, spec.side, price, spec.quantity, liquidity) if costs and price else (0, "")
    )
    mid = prices_of(market)
    slippage = (price - mid[2]) * sign / mid[2] * 10_000 if mid is not None and price and not maker else None
    after = exposure(state, account) + (0 if reduces else value(rate or 0, cost))
    return PreviewView(
        instrument=spec.instrument,
        side=str(spec.side),
        type=str(spec.type),
        quantity=decimal(spec.quantity),
        price=decimal(price),
        cost=decimal(cost),
        fee=decimal(fee),
        fee_asset=asset,
        slippage_bps=slippage,
        risk=decimal(risk),
        risk_share=value(rate, risk) / account.equity if account.equity and rate is not None else None,
        reward=decimal(reward),
        position_after=decimal(held + sign * spec.quantity),
        exposure_after=after / account.equity if account.equity else None,
        allowed=not refused,
        refusals=tuple(each.text for each in refused),
        notes=tuple(_notes(account, spec, mark, maker=maker, reduces=reduces)),
    )


def _price(market: MarketState, spec: OrderSpec) -> tuple[int, bool]:
    """Return at what price it would be filled on average (1e-8), and whether it would rest until then."""
    prices = prices_of(market)
    if spec.type is not OrderType.MARKET:
        price = spec.price or spec.stop_price
        best = 0 if prices is None else prices[1] if spec.side is Side.BUY else prices[0]
        takes = spec.type.conditional or bool(best and (best - price) * spec.side.sign <= 0)
        return price, not takes and spec.time_in_force is TimeInForce.GTC
    if prices is None:
        return 0, False
    bids, asks = market.sync.book.top(REACH)
    instrument, left, paid = market.instrument, spec.quantity, 0
    for ticks, lots in asks if spec.side is Side.BUY else bids:
        part = min(left, from_lots(lots, instrument.size_decimals))
        paid += from_ticks(ticks, instrument.price_decimals) * part
        left -= part
        if not left:
            break
    filled = spec.quantity - left
    return (half_even(paid, filled) if filled else 0), False


def _notes(account: Account, spec: OrderSpec, mark: int | None, *, maker: bool, reduces: bool) -> list[str]:
    notes = [f"{str(account.mode).upper()}: {'modelled fills' if account.paper is not None else 'real orders'}"]
    if maker:
        notes.append("it would rest in the book and pay the maker fee when it is filled")
    if reduces:
        notes.append("it reduces the position")
    elif not spec.stop_loss and not spec.trailing_bps:
        share = account.risk.limits.assumed_stop
        notes.append(f"without a stop its risk is measured at {share:.1%} of the price; nothing closes it there")
    if spec.price and mark is not None and abs(spec.price - mark) * 20 > mark:
        notes.append(f"its price is {abs(spec.price - mark) / mark:.1%} away from the market at {decimal(mark)}")
    return notes


def _nothing(asked: PlaceOrder, refused: Refused) -> PreviewView:
    return PreviewView(
        instrument=asked.symbol,
        side=str(asked.side),
        type=str(asked.type),
        quantity=asked.quantity,
        price=asked.price,
        cost="",
        fee="",
        fee_asset="",
        slippage_bps=None,
        risk="",
        risk_share=None,
        reward="",
        position_after="",
        exposure_after=None,
        allowed=False,
        refusals=(refused.text,),
        notes=(),
    )
