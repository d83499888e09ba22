"""What becomes of orders and of the account: applied, kept, and what follows from it."""

from __future__ import annotations

from engine.execution.ledger import Applied
from engine.execution.lifecycle import FINAL, Order, OrderState, Outcome
from engine.execution.money import value
from engine.orders import (
    Adopted,
    BalancesReported,
    BlindTime,
    ConditionChanged,
    Fill,
    FillKept,
    FundingPaid,
    KeyChecked,
    Mode,
    OrderCanceled,
    OrderDenied,
    OrderEvent,
    OrderFilled,
    OrderRejected,
    OrderTriggered,
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
    if isinstance(event, OrderFilled):
        if _fill(turn, order, event) or order is None:
            return
    elif order is None or outcome in (Outcome.DUPLICATE, Outcome.LATE):
        return
    else:
        turn.journal("order_event", event)  # an impossible one, too: it may have left the order unresolved
        if outcome is Outcome.IMPOSSIBLE:
            text = f"{order.id} is {order.state}, and the venue said {type(event).__name__} of it"
            turn.notice("ORDER_IMPOSSIBLE", order.spec.instrument, text, "the venue is asked where it is not clear")
        else:
            _told(turn, order, event)
        protecting.told(turn, order, event)
    _watch(turn, order)
    if order.state in FINAL:
        turn.touched[order.spec.instrument] = None
        closing.go_on(turn, order.spec.instrument)


def _fill(turn: Turn, order: Order | None, event: OrderFilled) -> bool:
    """Count a fill, also one of an order that is not remembered any more; tell whether it was known already."""
    account, fill = turn.account, event.fill
    applied = book(turn, order, fill)
    if applied.duplicate:
        return True
    kept = FillKept(order=event.order, ts=event.ts, fill=fill, realised=applied.realised)
    turn.journal("fill", kept, f"{fill.instrument}/{fill.id}")
    key = fill.instrument
    side = f"{fill.side} {decimal(fill.quantity)} at {decimal(fill.price)}"
    turn.notice("FILLED", key, f"{side}, fee {decimal(fill.fee)} {fill.fee_asset} ({fill.mode})")
    if applied.closed is not None:
        turn.journal("trade", applied.closed, applied.closed.id)
    turn.touched[key] = None
    account.version += 1
    return False


def book(turn: Turn, order: Order | None, fill: Fill) -> Applied:
    """Count a fill in the ledger and in what is known of trades; also when records are folded again."""
    account, key = turn.account, fill.instrument
    spec = order.spec if order is not None else None
    before = account.quantity(key)
    stop = spec.stop_loss if spec is not None else 0
    distance = abs(fill.price - stop) if stop else int(fill.price * account.risk.limits.assumed_stop)
    reason = str(spec.origin) if spec is not None else ""
    dust = spec.dust if spec is not None else 0
    risk = value(distance, fill.quantity)
    applied = account.ledger_of(key).fill(account.contract(key), fill, risk=risk, dust=dust, reason=reason)
    if applied.duplicate:
        return applied
    account.fills.append((fill, applied.realised))
    closed = applied.closed
    if closed is not None:
        account.protections.pop(key, None)  # they belong to the trade, also where a fill begins the opposite one
    first = order is not None and order.filled <= fill.quantity  # later ones must not undo what a trailing stop won
    if spec is not None and (applied.opened or (first and before * fill.side.sign >= 0)):
        protecting.take_over(turn, spec, fill)
    if closed is not None:
        account.streak.closed(closed.net, fill.ts)
        risen = account.ramp.closed(closed.r) if account.mode is Mode.LIVE and closed.r is not None else None
        if risen:
            turn.notice("SIZE_CHANGED", "trading", risen)
    return applied


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
        case OrderTriggered() if order.spec.origin is Origin.EXIT:
            at = f"at {decimal(order.stop_price)} was reached by a trade at {decimal(event.price)}"
            turn.notice("STOP_HIT", key, f"the {order.spec.type} of {key} {at}: {name}", "the position is being closed")
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
        turn.journal("trading", {"watch": account.drawdown.image()})


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


def key(turn: Turn, event: KeyChecked) -> None:
    """Keep what a venue says of our key and our clock."""
    account = turn.account
    status = account.venues.get(event.venue)
    if status is None:
        return
    account.rules.update(event.rules)
    status.clock_ms, status.trade, status.withdraw = event.clock_ms, event.trade, event.withdraw
    account.version += 1
    if event.withdraw or event.trade is False:
        said = "may withdraw" if event.withdraw else "may not trade"
        turn.notice("KEY_UNSAFE", event.venue, f"the key of {event.venue} {said}", "it cannot be armed with it")


def blind(turn: Turn, event: BlindTime) -> None:
    """Begin after a time in which nobody looked: it is kept, told, and stands on the screen."""
    account = turn.account
    account.blind_from, account.blind_s = event.since, (event.ts - event.since) / SECOND
    turn.journal("blind", event)
    held = [key for ledger in account.ledgers.values() for key, each in ledger.positions.items() if each.open]
    if held or account.orders.open():
        text = f"no engine ran for {account.blind_s:.0f} s, while {', '.join(held) or 'orders'} stood open"
        turn.notice("BLIND_TIME", "trading", text, "stops act on the first trade, at that trade's price")
    for each in account.closing.values():
        if each.waits and event.killed_at > each.begun:
            each.barred = event.killed
    stand_again(turn)
    for key in list(account.protections):
        protecting.ensure(turn, key)
    closing.take_up(turn)


def stand_again(turn: Turn) -> None:
    """Put open orders of the paper account back to its venue; what was under way is over."""
    account = turn.account
    if account.paper is not None:
        for event in account.paper.restore(account.orders.open(), blind=True):
            apply(turn, event)


def reconciled(turn: Turn, event: Reconciled) -> None:
    """Keep what the venue was found to differ in."""
    account = turn.account
    status = account.venues.get(event.venue)
    if status is not None:
        status.reconciled = status.complete = event.ts
        found = event.differences
        # Whoever arms has to see what the start has found, not what has come since alone.
        status.differences = found if account.armed else tuple(dict.fromkeys((*status.differences, *found)))[-50:]
    account.mismatched = {key for key in account.mismatched if not key.startswith(f"{event.venue}:")}
    account.mismatched.update(event.position_mismatch)
    account.conditions.pop(f"reconcile {event.venue}", None)
    turn.journal("account", event)
    if event.differences:
        said = "; ".join(event.differences[:5])
        turn.notice("RECONCILE_DIFFERS", event.venue, f"{len(event.differences)} differences: {said}", "put right")
    closing.take_up(turn, event.venue)
