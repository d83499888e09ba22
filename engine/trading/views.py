"""The account as people see it: rows of the socket's topics, made of what the core knows; nothing is changed here."""

from __future__ import annotations

from collections.abc import Iterator

from engine.execution.account import Account
from engine.execution.ledger import ClosedTrade, Position
from engine.execution.lifecycle import Order
from engine.execution.money import value
from engine.orders import UNIT, Fill, decimal
from engine.state import EngineState
from engine.trading.judging import exposure
from engine.trading.marks import mark_of, rate_of, tradable
from engine.trading.turn import state_of
from engine.tradingviews import (
    EquityView,
    FillView,
    JournalView,
    OrderView,
    PositionView,
    SwitchView,
    TradingView,
    VenueView,
)
from engine.types import SECOND

ORDERS = 200
"""Orders shown that are over."""

FILLS = 200
TRADES = 200


def trading_view(state: EngineState, account: Account, now: int) -> TradingView:
    """Return whose money it is, what may be done at `now` (UTC ns), and what the account is worth."""
    standing, reasons = state_of(account)
    equity, begun = account.equity, account.drawdown.day_start
    held = list(open_positions(account))
    orders = account.orders.open()
    return TradingView(
        mode=account.mode,
        state=standing,
        reasons=reasons,
        armed=account.armed,
        latched=account.latched,
        word=account.mode.upper(),
        currency=account.trading.currency,
        equity=None if equity is None else decimal(equity),
        day_pnl=decimal(equity - begun) if equity is not None and begun > 0 else None,
        drawdown=account.drawdown.drawdown,
        exposure=decimal(exposure(state, account)),
        unrealised=_sum(_unrealised(state, account, position) for position in held),
        realised=decimal(_total(state, account, "realised")),
        fees=decimal(_total(state, account, "fees")),
        funding=decimal(_total(state, account, "funding")),
        open_orders=len(orders),
        unresolved=len(account.orders.unresolved()),
        open_trades=len(held),
        positions=len(held),
        blind_s=account.blind_s,
        blind_from=account.blind_from,
        switches=tuple(SwitchView(name=name, on=on) for name, on in account.switches.items()),
        venues=tuple(_venue(account, name, now) for name in account.venues),
        balances={asset: decimal(amount) for asset, amount in sorted(_balances(account).items()) if amount},
        instruments=tradable(state, account),
    )


def positions_view(state: EngineState, account: Account) -> list[PositionView]:
    """Return open positions; what cannot be sold any more (dust) is among the balances only."""
    return [_position(state, account, position) for position in open_positions(account)]


def orders_view(account: Account) -> list[OrderView]:
    """Return all open orders and the last ones that are over, newest first."""
    return [order_view(order) for order in account.orders.recent(ORDERS)]


def fills_view(account: Account) -> list[FillView]:
    """Return the last fills, newest first."""
    return [fill_view(fill, realised) for fill, realised in list(account.fills)[: -FILLS - 1 : -1]]


def journal_rows(account: Account) -> list[JournalView]:
    """Return the last closed trades, newest first."""
    closed = [trade for ledger in account.ledgers.values() for trade in ledger.closed]
    closed.sort(key=lambda trade: trade.closed, reverse=True)
    return [journal_view(trade) for trade in closed[:TRADES]]


def equity_view(account: Account) -> EquityView:
    """Return the curve of equity."""
    return EquityView(points=tuple((second, equity / UNIT, fall) for second, equity, fall in account.equity_points))


# Rows, also for what was read from storage. ---------------------------------------------------------------------------


def order_view(order: Order) -> OrderView:
    """Return an order as it is."""
    spec = order.spec
    return OrderView(
        id=spec.id,
        venue_id=order.venue_id,
        instrument=spec.instrument,
        mode=spec.mode,
        side=spec.side,
        type=spec.type,
        quantity=decimal(order.quantity),
        filled=decimal(order.filled),
        price=_price(order.price),
        stop_price=_price(order.stop_price),
        average=_price(order.average),
        time_in_force=spec.time_in_force,
        reduce_only=spec.reduce_only,
        post_only=spec.post_only,
        origin=spec.origin,
        oco=spec.oco,
        state=order.state,
        open=order.open,
        reason=order.reason,
        fees={asset: decimal(fee) for asset, fee in order.fees.items()},
        created=order.created,
        updated=order.updated,
    )


def fill_view(fill: Fill, realised: int | None) -> FillView:
    """Return a fill; `realised` (1e-8 quote) is None where only the trade's end tells it."""
    return FillView(
        id=fill.id,
        order=fill.order,
        instrument=fill.instrument,
        mode=fill.mode,
        side=fill.side,
        price=decimal(fill.price),
        quantity=decimal(fill.quantity),
        fee=decimal(fill.fee),
        fee_asset=fill.fee_asset,
        liquidity=fill.liquidity,
        realised="" if realised is None else decimal(realised),
        ts=fill.ts,
    )


def journal_view(trade: ClosedTrade) -> JournalView:
    """Return a closed trade."""
    return JournalView(
        id=trade.id,
        instrument=trade.instrument,
        mode=trade.mode,
        side=trade.side,
        quantity=decimal(trade.quantity),
        entry=decimal(trade.entry),
        exit=decimal(trade.exit),
        opened=trade.opened,
        closed=trade.closed,
        gross=decimal(trade.gross),
        fees=decimal(trade.fees),
        funding=decimal(trade.funding),
        net=decimal(trade.net),
        r=trade.r,
        reason=trade.reason,
    )


def _position(state: EngineState, account: Account, position: Position) -> PositionView:
    key = position.instrument
    mark, protection = mark_of(state, key), account.protections.get(key)
    rate = rate_of(state, account, position.contract.quote)
    worth = None if mark is None else value(mark, position.quantity)
    gained = None if worth is None else worth - position.cost
    net = None if gained is None else gained + position.realised - position.fees + position.funding
    # Paper's own stops rest in the engine, and do not act without it.
    acts = not account.halted and account.switches["exits"]
    where = "engine" if acts and protection is not None and protection.stop else ""
    if where and account.paper is None and protection is not None and protection.stop_held:
        where = "venue"
    return PositionView(
        instrument=key,
        mode=position.mode,
        quantity=decimal(position.quantity),
        average=decimal(position.average),
        mark=None if mark is None else decimal(mark),
        value=None if worth is None or rate is None else decimal(value(rate, worth)),
        unrealised=None if gained is None else decimal(gained),
        unrealised_pct=100 * gained / abs(position.cost) if gained is not None and position.cost else None,
        realised=decimal(position.realised),
        fees=decimal(position.fees),
        funding=decimal(position.funding),
        stop_loss=_price(protection.stop) if protection is not None else "",
        take_profit=_price(protection.take_profit) if protection is not None else "",
        trailing_bps=protection.trailing_bps if protection is not None else 0.0,
        time_stop=protection.closes_at if protection is not None else 0,
        stop_held=where,
        r=net / position.risk if net is not None and position.risk > 0 else None,
        opened=position.opened,
        trade=position.trade,
    )


def _venue(account: Account, name: str, now: int) -> VenueView:
    status, breaker = account.venues[name], account.venue_breakers.get(name)
    return VenueView(
        name=name,
        connected=status.connected,
        clock_ms=status.clock_ms,
        trade=status.trade,
        withdraw=status.withdraw,
        reconciled=status.reconciled,
        differences=status.differences,
        paused_s=round(max(breaker.until - now, 0) / SECOND, 1) if breaker is not None else 0.0,
        trouble=status.trouble or (breaker.open(now) if breaker is not None else ""),
    )


def open_positions(account: Account) -> Iterator[Position]:
    """Yield positions of which a trade is under way; dust is left of trades that are over."""
    for ledger in account.ledgers.values():
        yield from (position for position in ledger.positions.values() if position.open and position.quantity)


def _unrealised(state: EngineState, account: Account, position: Position) -> int | None:
    """Return what a position has gained and not realised, 1e-8 of the account's currency."""
    mark, rate = mark_of(state, position.instrument), rate_of(state, account, position.contract.quote)
    if mark is None or rate is None:
        return None
    return value(rate, value(mark, position.quantity) - position.cost)


def _total(state: EngineState, account: Account, what: str) -> int:
    """Return a total by asset in the account's currency, at the rates of now; what has no rate is left out."""
    total = 0
    for ledger in account.ledgers.values():
        amounts: dict[str, int] = getattr(ledger, what)
        for asset, amount in amounts.items():
            rate = rate_of(state, account, asset)
            total += value(rate, amount) if rate is not None else 0
    return total


def _balances(account: Account) -> dict[str, int]:
    found: dict[str, int] = {}
    for ledger in account.ledgers.values():
        for asset, amount in ledger.balances.items():
            found[asset] = found.get(asset, 0) + amount
    return found


def _sum(amounts: Iterator[int | None]) -> str | None:
    """Return a sum; None if a part of it is not known."""
    total = 0
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return decimal(total)


def _price(price: int) -> str:
    return decimal(price) if price else ""
