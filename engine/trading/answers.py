"""What becomes of orders and of the account: applied, kept, and what follows from it."""

from __future__ import annotations

from engine.execution.ledger import ClosedTrade
from engine.execution.lifecycle import FINAL, Order, OrderState, Outcome
from engine.execution.money import value
from engine.orders import (
    Adopted,
    BalancesReported,
    ConditionChanged,
    Fill,
    FundingPaid,
    Mode,
    OrderCanceled,
    OrderDenied,
    OrderEvent,
    OrderFilled,
    OrderRejected,
    OrderUnresolved,
    Origin,
    QueryOrder,
    Reconciled,
    decimal,
)
from engine.risk.breakers import VenueBreaker
from engine.trading import closing, protecting
from engine.trading.marks import rate_of
from engine.trading.turn import Turn
from engine.types import SECOND

ASK_AFTER = 1 * SECOND
"""An order whose state is not known is asked for after so long, and then after twice, four times ... as long."""

ASK_MOST = 30 * SECOND


def apply(turn: Turn, event: OrderEvent) -> None:
    """Take an order event: keep it if it is news, count its money, and do what follows."""
    account = turn.account
    order, outcome = account.orders.apply(event)
    if order is None or outcome is Outcome.DUPLICATE:
        return
    if outcome is Outcome.IMPOSSIBLE and not isinstance(event, OrderFilled):
        turn.notice(
            "ORDER_IMPOSSIBLE", order.spec.instrument, f"{order.spec.id} is {order.state}, and was told {event}"
        )
        return
    key = order.spec.instrument
    if isinstance(event, OrderFilled):
        turn.journal("fill", event, f"{key}/{event.fill.id}")
        filled(turn, order, event.fill)
    else:
        turn.journal("order_event", event)
        _told(turn, order, event)
        protecting.told(turn, order, event)
    _watch(turn, order)
    if order.state in FINAL:
        closing.go_on(turn, key)


def filled(turn: Turn, order: Order, fill: Fill) -> None:
    """Count a fill's money, and look after the trade that it belongs to."""
    account, key = turn.account, fill.instrument
    closed = book(turn, order, fill)
    side = f"{fill.side} {decimal(fill.quantity)} at {decimal(fill.price)}"
    turn.notice("FILLED", key, f"{side}, fee {decimal(fill.fee)} {fill.fee_asset} ({fill.mode})")
    if closed is not None:
        turn.journal("trade", closed, closed.id)
    if order.spec.origin is Origin.EXIT and order.triggered:
        turn.notice("STOP_HIT", key, f"{order.spec.type} of {key}: {side}", "the position is reduced")
    protecting.after_fill(turn, key, account.quantity(key))


def book(turn: Turn, order: Order, fill: Fill) -> ClosedTrade | None:
    """Count a fill in the ledger and in what is known of trades; also when records are folded again."""
    account, spec, key = turn.account, order.spec, fill.instrument
    ledger = account.ledger_of(key)
    before = account.quantity(key)
    adds = before * fill.side.sign >= 0
    risk = 0
    if adds:
        stop = spec.stop_loss
        distance = abs(fill.price - stop) if stop else int(fill.price * account.risk.limits.assumed_stop)
        risk = value(distance, fill.quantity)
    applied = ledger.fill(account.contract(key), fill, risk=risk, dust=spec.dust)
    if applied.duplicate:
        return None
    account.fills.append((fill, applied.realised))
    if adds:
        protecting.take_over(turn, spec, fill)
    closed = applied.closed
    if closed is None:
        return None
    account.protections.pop(key, None) if not account.quantity(key) else None
    account.streak.closed(closed.net, fill.ts)
    if account.mode is Mode.LIVE and closed.r is not None:
        account.ramp.closed(closed.r)
    return closed


def _told(turn: Turn, order: Order, event: OrderEvent) -> None:
    """Tell people, and the breaker of the venue."""
    account, key = turn.account, order.spec.instrument
    breaker = account.venue_breakers.get(key.partition(":")[0])
    name = f"{order.spec.side} {decimal(order.spec.quantity)} {key}"
    match event:
        case OrderRejected():
            turn.notice("ORDER_REJECTED", key, f"{name} was rejected by the venue: {event.reason}", "it is over")
            _failed(turn, breaker, key, event.reason)
        case OrderDenied():
            turn.notice("ORDER_DENIED", key, f"{name} was not sent: {event.reason}", "it is over")
        case OrderUnresolved():
            text = f"{name} ({order.spec.id}): whether it could {event.doing} is not known: {event.reason}"
            turn.notice("ORDER_UNRESOLVED", key, text, "the venue is asked; nothing new is sent for this symbol")
            _failed(turn, breaker, key, event.reason)
        case OrderCanceled() if event.expired:
            turn.notice("ORDER_EXPIRED", key, f"{name} ended: {event.reason}", "what was filled of it stands")
        case _:
            if breaker is not None:
                breaker.succeeded()


def _failed(turn: Turn, breaker: VenueBreaker | None, key: str, reason: str) -> None:
    if breaker is None:
        return
    opened = breaker.failed(turn.now, reason)
    if opened:
        turn.notice("VENUE_TROUBLE", key.partition(":")[0], opened, "no new risk until the pause is over")


def _watch(turn: Turn, order: Order) -> None:
    """Have an order whose state is not known asked for; one that is known no more."""
    account, number = turn.account, order.spec.id
    if order.state is OrderState.UNRESOLVED:
        account.waiting.setdefault(number, (turn.now + ASK_AFTER, ASK_AFTER))
    else:
        account.waiting.pop(number, None)


def ask_due(turn: Turn) -> None:
    """Ask for the orders whose turn has come."""
    account = turn.account
    for number, (due, pause) in list(account.waiting.items()):
        order = account.orders.by_id.get(number)
        if order is None:
            del account.waiting[number]
        elif due <= turn.now:
            account.waiting[number] = turn.now + pause, min(2 * pause, ASK_MOST)
            spec = order.spec
            turn.commands.append(
                QueryOrder(order=number, instrument=spec.instrument, venue_id=order.venue_id, since=spec.created)
            )


# The account. ------------------------------------------------------------------------------------------------------


def balances(turn: Turn, event: BalancesReported) -> None:
    """Take a venue's balances; what our fills do not explain was moved in or out, and is no profit or loss."""
    account = turn.account
    ledger = account.ledger_of(f"{event.venue}:")
    moved = ledger.report(event)
    account.version += 1
    if moved:
        turn.journal("account", event)
        total = 0
        for asset, amount in moved.items():
            rate = rate_of(turn.state, account, asset)
            total += value(rate, amount) if rate is not None else 0
        account.drawdown.transfer(total)


def funding(turn: Turn, event: FundingPaid) -> None:
    """Count a funding payment once."""
    account = turn.account
    if account.ledger_of(event.instrument).fund(account.contract(event.instrument), event):
        turn.journal("account", event, f"funding/{event.instrument}/{event.id}")


def adopted(turn: Turn, event: Adopted) -> None:
    """Take in an order that was not made here."""
    if event.spec.id not in turn.account.orders.by_id:
        turn.account.orders.adopt(event)
        turn.journal("account", event, f"adopted/{event.spec.id}")


def condition(turn: Turn, event: ConditionChanged) -> None:
    """Begin or end a condition that means REDUCE."""
    account = turn.account
    if event.name.startswith("connection "):
        status = account.venues.get(event.name.partition(" ")[2])
        if status is not None:
            status.connected, status.trouble = not event.text, event.text
    if event.text:
        account.conditions[event.name] = event.text
    else:
        account.conditions.pop(event.name, None)
    account.version += 1


def reconciled(turn: Turn, event: Reconciled) -> None:
    """Keep what the venue was found to differ in."""
    account = turn.account
    status = account.venues.get(event.venue)
    if status is not None:
        status.reconciled, status.differences = event.ts, event.differences
    account.mismatched = {key for key in account.mismatched if not key.startswith(f"{event.venue}:")}
    account.mismatched.update(event.position_mismatch)
    account.conditions.pop(f"reconcile {event.venue}", None)
    turn.journal("account", event)
    if event.differences:
        said = "; ".join(event.differences[:5])
        turn.notice("RECONCILE_DIFFERS", event.venue, f"{len(event.differences)} differences: {said}", "put right")
