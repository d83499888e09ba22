"""The gate's question: what of the account and the market an order is held against; and the sending of what passes."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import nlargest, nsmallest

from engine.approval import Approved, Refused, Verdict
from engine.execution.account import Account
from engine.execution.lifecycle import Order
from engine.execution.money import from_lots, from_ticks, value
from engine.orders import Mode, OrderSpec, OrderSubmitted, OrderType, Origin, Side, SubmitOrder
from engine.risk import gate
from engine.risk.situation import Situation
from engine.state import EngineState, MarketState
from engine.trading.marks import book_age_ms, mark_of, market_of, prices_of, rate_of, rules_of, value_account
from engine.trading.turn import Turn, state_of
from engine.types import SECOND

REACH = 200
"""Levels of a book that are walked to find out how far an order reaches."""

MINUTE = 60 * SECOND


def situation(turn: Turn, spec: OrderSpec, *, filled: int = 0, quality: float | None = None) -> Situation:
    """Return what the gate sees for an order; the order itself is not in it, nor what was `filled` of it."""
    account, state, now, key = turn.account, turn.state, turn.now, spec.instrument
    if account.equity is None:
        value_account(state, account)
    market = market_of(state, account, key)
    prices = prices_of(market) if market is not None else None
    bid, ask, mid = prices if prices is not None else (None, None, None)
    trading, reasons = state_of(account)
    contract = account.contract(key)
    while account.entries and account.entries[0] <= now - MINUTE:
        account.entries.popleft()
    position = account.quantity(key) - spec.side.sign * filled
    regime = account.regimes.get(key)
    closing = account.closing.get(key)
    factor = regime.parameters.size if regime is not None else 1.0
    if account.mode is Mode.LIVE:
        factor *= account.ramp.share
    unresolved = account.orders.unresolved(key)
    venue = account.venue_breakers.get(key.partition(":")[0])
    flash = account.flash.get(market.instrument.key) if market is not None else None
    breaker = (flash.open(now) if flash is not None else "") or (venue.open(now) if venue is not None else "")
    if key in account.mismatched:
        breaker = f"the position of {key} at the venue cannot be explained by its fills; reconcile, or close it there"
    return Situation(
        now=now,
        state=trading,
        why=reasons[0] if reasons else "",
        equity=account.equity,
        peak=account.drawdown.peak,
        day_start=account.drawdown.day_start,
        position=position,
        position_value=_worth(state, account, key, position),
        open_value=_opening(state, account, key, position, beside=spec.id),
        exposure=exposure(state, account, beside=spec.id)
        + (_worth(state, account, key, position) - _worth(state, account, key, account.quantity(key)) if filled else 0),
        open_trades=_open_trades(account, beside=spec.id),
        orders_last_minute=len(account.entries),
        losses_in_a_row=account.streak.losses,
        pause_until=account.streak.pause_until,
        day_blocked=account.drawdown.day_blocked,
        can_short=contract.derivative,
        derivative=contract.derivative,
        free=account.free(spec) + _paid(spec, filled, derivative=contract.derivative),
        dust=account.dust(key),
        left=account.closable(key, beside=spec.oco or spec.id, exits=spec.type is not OrderType.MARKET)
        + (filled if position * spec.side.sign < 0 else 0),
        closable=_closable(account, spec) + (filled if position * spec.side.sign < 0 else 0),
        mid=mid,
        best_bid=bid,
        best_ask=ask,
        book_reach=_reach(market, spec) if market is not None and prices is not None else None,
        book_age_ms=book_age_ms(market, now) if market is not None else None,
        quality=quality,
        frozen=unresolved[0].spec.id if unresolved else "",
        entries=account.switches["entries"],
        exits=account.switches["exits"],
        symbol_on=account.switches.get(key, True),
        breaker=breaker,
        regime=regime.regime if regime is not None else "unknown",
        size_factor=factor,
        max_spread_bps=regime.parameters.max_spread_bps if regime is not None else None,
        trade_risk=_risked(state, account, key, spec.side, beside=spec.id),
        rate=rate_of(state, account, contract.settle),
        currency=account.trading.currency,
        latched=account.latched,
        flattening=closing is not None and closing.halting and spec.origin is Origin.FLATTEN,
    )


def _paid(spec: OrderSpec, filled: int, *, derivative: bool) -> int:
    """Return what was paid for what was filled of an order, at its price, 1e-8."""
    if spec.side is Side.SELL and not derivative:
        return filled
    return value(spec.price or spec.stop_price, filled)


def _closable(account: Account, spec: OrderSpec) -> int:
    """Return what an order may close: exits give way to others, and share a position where venues let them."""
    if spec.origin is not Origin.EXIT:
        return account.closable(spec.instrument, beside=spec.oco or spec.id, exits=False)
    if account.holds_both(spec.instrument):
        return abs(account.quantity(spec.instrument))
    return account.closable(spec.instrument, beside=spec.oco or spec.id)


def exposure(state: EngineState, account: Account, *, beside: str = "") -> int:
    """Return the value of all positions and of the open orders that would add to them, the order `beside` left out."""
    total = 0
    keys = {order.spec.instrument for order in account.orders.open()}
    for ledger in account.ledgers.values():
        keys.update(key for key, each in ledger.positions.items() if each.open)
    for key in keys:
        position = account.quantity(key)
        total += _worth(state, account, key, position) + _opening(state, account, key, position, beside=beside)
    return total


def _open_trades(account: Account, *, beside: str) -> int:
    """Return on how many symbols there is a position, or an order that would open one."""
    keys = {key for ledger in account.ledgers.values() for key, each in ledger.positions.items() if each.open}
    keys.update(
        order.spec.instrument for order in account.orders.open() if not order.spec.reduce_only and order.id != beside
    )
    return len(keys)


def _risked(state: EngineState, account: Account, key: str, side: Side, *, beside: str) -> int:
    """Return what the open trade of a symbol and its open orders that add lose at their stops, in the currency.

    What was sold of the position is at risk no more, and nothing of it is once an order of the other side opened more.
    A stop that was moved away makes the risk larger; one that was moved nearer does not make room for more.
    """
    position = account.ledger_of(key).positions.get(key)
    held = account.quantity(key)
    total = 0
    if position is not None and position.open and position.entered and held * side.sign > 0:
        protection = account.protections.get(key)
        stop, cost = protection.stop if protection is not None else 0, abs(position.cost)
        lost = (cost - value(stop, abs(held))) * side.sign if stop else int(cost * account.risk.limits.assumed_stop)
        total = max(-(-position.risk * min(abs(held), position.entered) // position.entered), lost)
    for order, quantity in _adding(account, key, held, beside):
        entry, stop = _price(state, order), order.spec.stop_loss
        distance = abs(entry - stop) if stop else int(entry * account.risk.limits.assumed_stop)
        total += value(distance, quantity)
    return value(_rate(state, account, key), total)


def _worth(state: EngineState, account: Account, key: str, position: int) -> int:
    """Return a position's absolute value in the currency at its mark, 0 without one: equity is not known then."""
    mark = mark_of(state, key) if position else None
    return value(_rate(state, account, key), value(mark, abs(position))) if mark is not None else 0


def _opening(state: EngineState, account: Account, key: str, position: int, *, beside: str) -> int:
    """Return the value, in the currency, of what open orders would add to a position on its larger side."""
    adds = {Side.BUY: 0, Side.SELL: 0}
    for order, quantity in _adding(account, key, position, beside):
        adds[order.spec.side] += value(_price(state, order), quantity)
    return value(_rate(state, account, key), max(adds.values()))


def _adding(account: Account, key: str, position: int, beside: str) -> Iterator[tuple[Order, int]]:
    """Yield the open orders that add to a position, with how much; those against it close it together.

    Orders that only reduce, of a group one, may close it before others do.
    """
    opened = [order for order in account.orders.open(key) if order.id != beside]
    groups: dict[str, int] = {}
    for order in opened:
        spec = order.spec
        if spec.reduce_only and spec.side.sign * position < 0:
            groups[spec.oco or spec.id] = max(groups.get(spec.oco or spec.id, 0), order.most)
    left = max(abs(position) - sum(groups.values()), 0)
    for order in opened:
        spec = order.spec
        if spec.reduce_only:
            continue
        closes = min(left, order.most) if spec.side.sign * position < 0 else 0
        left -= closes
        if order.most > closes:
            yield order, order.most - closes


def _price(state: EngineState, order: Order) -> int:
    """Return what an open order may be filled at, to be counted at: one that has been passed takes the market's."""
    price = order.dearest
    if order.spec.type in (OrderType.MARKET, OrderType.STOP) or order.spec.side is Side.SELL:
        return max(price, mark_of(state, order.spec.instrument) or 0)
    return price


def _rate(state: EngineState, account: Account, key: str) -> int:
    """Return the worth of one of a symbol's quote asset in the currency; 0 where equity cannot be known either."""
    return rate_of(state, account, account.contract(key).quote) or 0


def _reach(market: MarketState, spec: OrderSpec) -> int | None:
    """Return the price at which an order that takes would end; None where the book is not known to reach so far."""
    if spec.type is not OrderType.MARKET:
        return None
    instrument, book = market.instrument, market.sync.book
    buys = spec.side is Side.BUY
    levels = book.asks if buys else book.bids
    left = spec.quantity
    for ticks in nsmallest(REACH, levels) if buys else nlargest(REACH, levels):
        left -= from_lots(levels[ticks], instrument.size_decimals)
        if left <= 0:
            return from_ticks(ticks, instrument.price_decimals)
    return None


def judge(turn: Turn, spec: OrderSpec, *, filled: int = 0, quality: float | None = None) -> Verdict[OrderSpec]:
    """Ask the gate; an order that is changed is judged whole, as if what was `filled` of it were not."""
    found = situation(turn, spec, filled=filled, quality=quality)
    return gate.judge(turn.account.risk.limits, found, spec, rules_of(turn.state, turn.account, spec.instrument))


def examine(turn: Turn, spec: OrderSpec) -> tuple[Refused, ...]:
    """Return everything that the gate has against an order."""
    account = turn.account
    rules = rules_of(turn.state, account, spec.instrument)
    return gate.examine(account.risk.limits, situation(turn, spec), spec, rules)


def send(turn: Turn, approved: Approved[OrderSpec]) -> None:
    """Take an approved order into the book of orders, store it, and send it on its way."""
    account, spec = turn.account, approved.value
    held = account.quantity(spec.instrument)
    adds = not spec.reduce_only and (held * spec.side.sign >= 0 or spec.quantity > _closable(account, spec))
    account.orders.add(spec)
    turn.journal("order", spec, spec.id)
    if adds:
        account.entries.append(turn.now)
    account.orders.apply(OrderSubmitted(order=spec.id, ts=turn.now))
    if account.paper is not None:
        account.paper.submit(approved, turn.now)
    else:
        turn.commands.append(SubmitOrder(order=approved))


def try_send(turn: Turn, spec: OrderSpec) -> Refused | None:
    """Send an order if the gate lets it pass; else return why not."""
    verdict = judge(turn, spec)
    if isinstance(verdict, Refused):
        return verdict
    send(turn, verdict)
    return None
