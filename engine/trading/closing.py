"""Cancelling, closing positions, and halting. A position is closed when its orders are gone and nothing is left."""

from __future__ import annotations

from engine.approval import Approved
from engine.execution.account import Closing
from engine.execution.lifecycle import Order, OrderState
from engine.orders import AmendSent, CancelOrder, CancelSent, ChangeOrder, OrderSpec, OrderType, Origin, Side, decimal
from engine.risk.rules import round_quantity
from engine.trading import yielding
from engine.trading.judging import try_send
from engine.trading.marks import market_of, prices_of, rules_known
from engine.trading.turn import Turn
from engine.types import SECOND

TRIES = 10
"""Orders that may be needed to close a position; a thin book fills one in parts."""

PAUSE = SECOND
"""Least time between two of them, and between two requests to cancel the same order."""

LONG_PAUSE = 30 * SECOND
"""The same for an order whose state is not known: the venue is asked what it is, and may have it cancelled already."""

KILLED = "killed: "
"""How the reason of a halt begins that is a person's."""


def cancel(turn: Turn, order: Order) -> None:
    """Ask for an order to be cancelled; once, and whatever the state of trading is."""
    if order.state is OrderState.CANCELING:
        return
    account, spec = turn.account, order.spec
    event = CancelSent(order=spec.id, ts=turn.now)
    account.orders.apply(event)
    turn.journal("order_event", event)
    if account.paper is not None:
        account.paper.cancel(spec.id, turn.now)
    else:
        turn.commands.append(CancelOrder(order=spec.id, instrument=spec.instrument, venue_id=order.venue_id))


def change(
    turn: Turn,
    order: Order,
    approved: Approved[OrderSpec],
    *,
    price: int = 0,
    stop_price: int = 0,
    quantity: int = 0,
) -> None:
    """Ask for an order to be changed; the gate has approved what it would be."""
    account, spec = turn.account, order.spec
    event = AmendSent(order=spec.id, ts=turn.now, price=price, stop_price=stop_price, quantity=quantity)
    account.orders.apply(event)
    turn.journal("order_event", event)
    if account.paper is not None:
        account.paper.amend(approved, turn.now)
    else:
        turn.commands.append(ChangeOrder(order=approved, venue_id=order.venue_id))


def withdraw_entries(turn: Turn, instrument: str = "") -> str:
    """Cancel resting orders that would add risk, of one instrument or of all; return that, as a clause, or "".

    Orders found at the venue are the person's own affair, and stay.
    """
    kept = (Origin.EXIT, Origin.FLATTEN, Origin.EXTERNAL)
    entries = [
        order
        for order in turn.account.orders.open(instrument)
        if not order.spec.reduce_only and order.spec.origin not in kept
    ]
    for order in entries:
        cancel(turn, order)
    return f"; {len(entries)} resting orders that would add risk are being cancelled" if entries else ""


def begin(turn: Turn, instrument: str, reason: str, *, halting: bool = False) -> None:
    """Close a position: its orders first, then what is left, at the market."""
    yielding.withdraw(turn, instrument=instrument)
    turn.account.closing[instrument] = Closing(reason, turn.now, halting=halting)
    turn.account.version += 1
    go_on(turn, instrument)


def go_on(turn: Turn, instrument: str) -> None:
    """Do the next step of closing a position, if there is one to do."""
    account = turn.account
    closing = account.closing.get(instrument)
    if closing is None or closing.waits:
        return
    opened = account.orders.open(instrument)
    for order in opened:
        if order.spec.origin is not Origin.FLATTEN and turn.now >= closing.asked.get(order.id, 0):
            closing.asked[order.id] = turn.now + (LONG_PAUSE if order.state is OrderState.UNRESOLVED else PAUSE)
            cancel(turn, order)
    if opened:
        return
    position = account.quantity(instrument)
    if not position:
        _over(turn, instrument, "")
        return
    rules = rules_known(turn.state, account, instrument)
    if rules is None and closing.recalled and account.paper is not None:
        return  # its market has not been listed yet
    if rules is None:
        done = "follow it again, or close it at its venue"
        _over(
            turn, instrument, f"{decimal(abs(position))} of {instrument} are held, which is not followed here: {done}"
        )
        return
    most = min(filter(None, (rules.max_quantity, rules.max_market_quantity)), default=abs(position))
    quantity = round_quantity(min(abs(position), most), rules)
    if not quantity:
        _over(turn, instrument, "")
        return
    market = market_of(turn.state, account, instrument)
    if turn.now < closing.since or (account.paper is not None and (market is None or prices_of(market) is None)):
        return  # too soon; on paper there is nothing to fill it from until the book is there again
    if closing.tries >= TRIES:
        left = (
            f"{decimal(abs(position))} of {instrument} are left after {TRIES} orders; look at its book and the alerts"
        )
        _over(turn, instrument, left)
        return
    closing.tries += 1
    closing.since = turn.now + PAUSE
    spec = OrderSpec(
        id=account.next_id(),
        instrument=instrument,
        side=Side.SELL if position > 0 else Side.BUY,
        type=OrderType.MARKET,
        quantity=quantity,
        reduce_only=True,
        origin=Origin.FLATTEN,
        dust=rules.step,
        mode=account.mode,
        created=turn.now,
    )
    refused = try_send(turn, spec)
    if refused is not None and refused.reason == "rules":
        _over(turn, instrument, f"{decimal(abs(position))} of {instrument} are too little to be traded: {refused.text}")
    elif refused is not None and closing.tries >= TRIES:
        _over(turn, instrument, refused.text)


def _over(turn: Turn, instrument: str, left: str) -> None:
    closing = turn.account.closing.pop(instrument)
    turn.account.version += 1
    if closing.halting:
        turn.journal("trading", {"closed": instrument, "left": left})
    turn.account.exits_again[instrument] = turn.now  # what could not be closed has its exits again
    if left:
        turn.notice("NOT_FLAT", instrument, left, "nothing more is tried")


def close_halted(turn: Turn, keys: list[str], reason: str) -> None:
    """Close positions although trading is halted, because a person wants it."""
    turn.journal("trading", {"closing": keys, "reason": reason})
    for key in keys:
        begin(turn, key, reason, halting=True)


def take_up(turn: Turn, venue: str = "") -> None:
    """Go on with what the halt of an earlier engine was closing, once a venue has told what is held there.

    Without a venue: with what is not at one that is asked, as on paper.
    """
    account = turn.account
    for key, closing in list(account.closing.items()):
        name = key.partition(":")[0]
        asked = name if account.paper is None and name in account.venues else ""
        if not closing.waits or asked != venue:
            continue
        closing.waits = False
        account.version += 1
        held = _held(turn, key)
        if closing.barred:
            left = f"{held} are left of what was to be closed ({closing.reason}); somebody else may be closing it"
            _over(turn, key, f"{left}: {closing.barred}" if held else "")
            continue
        if held:
            text = f"the last engine ended before {key} was closed ({closing.reason}): {held} are held still"
            turn.notice("FLATTEN_RESUMED", key, text, "it is closed now, no more than that, at the market")
        go_on(turn, key)


def give_up(turn: Turn) -> None:
    """Leave what the halt of an earlier engine was closing as it is, because a person arms."""
    for key, closing in list(turn.account.closing.items()):
        if closing.recalled:
            held = _held(turn, key)
            left = f"{held} are left of what was to be closed ({closing.reason}); it was armed before all was closed"
            _over(turn, key, left if held else "")


def _held(turn: Turn, key: str) -> str:
    """Return how much of an instrument is held, "" if there is no position."""
    position = turn.account.ledger_of(key).positions.get(key)
    return f"{decimal(abs(position.quantity))} of {key}" if position is not None and position.open else ""


def sweep(turn: Turn) -> None:
    """Cancel what is found open although trading was halted: an order whose state was not known then, or a late one."""
    for order in turn.account.orders.open():
        known = order.state not in (OrderState.CANCELING, OrderState.UNRESOLVED)
        if known and order.spec.origin not in (Origin.FLATTEN, Origin.EXTERNAL):
            cancel(turn, order)


def halt(turn: Turn, reason: str, *, flatten: bool, latched: bool = False) -> list[str]:
    """Stop everything until a person arms again; return what is being done, as sentences.

    Orders are cancelled, all of them; positions are closed only where `flatten` says so.
    """
    account = turn.account
    account.halted = reason
    account.latched = account.latched or latched
    account.armed = False
    account.version += 1
    account.closing.clear()
    opened = account.orders.open()
    held = [key for ledger in account.ledgers.values() for key, each in ledger.positions.items() if each.open]
    # An order may be filled before it is cancelled: then there is a position to close where there is none yet.
    keys = list(dict.fromkeys((*held, *(order.spec.instrument for order in opened)))) if flatten else []
    turn.journal("trading", {"halted": reason, "latched": account.latched, "flatten": flatten, "closing": keys})
    yielding.withdraw(turn)
    for order in opened:
        cancel(turn, order)
    done = [f"{len(opened)} open orders are being cancelled" if opened else "no order was open"]
    for key in keys:
        begin(turn, key, reason, halting=True)
    if flatten and held:
        done.append(f"{', '.join(held)} being closed at the market")
    elif held:
        done.append(f"positions stay open without stops: {', '.join(held)}")
    turn.notice(
        "KILLED" if latched else "TRADING_HALTED", "trading", f"{reason}; {'; '.join(done)}", "until armed again"
    )
    return done
