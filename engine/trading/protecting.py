"""Exits of open positions: the orders that hold them, kept in step with what is held and with what is wanted.

A stop rests at the venue wherever it takes one; a target rests beside it on paper and on derivatives, where both may
hold the same position. What does not rest is watched here, trade by trade.
"""

from __future__ import annotations

import msgspec

from engine.approval import Refused
from engine.execution.lifecycle import OPEN, Order, OrderState
from engine.execution.money import value
from engine.operator import Protect
from engine.orders import AmendRefused, Fill, OrderEvent, OrderSpec, OrderType, Origin, Side, decimal, units
from engine.risk.exits import Protection
from engine.risk.rules import round_price, round_quantity
from engine.risk.wording import percent
from engine.trading import closing
from engine.trading.judging import judge, try_send
from engine.trading.marks import mark_of, rate_of, rules_known, rules_of
from engine.trading.turn import Turn
from engine.types import SECOND

AGAIN = 5 * SECOND
"""An exit that could not be sent is tried again after so long; until then it is watched here."""

AGAIN_UNFIT = 600 * SECOND
"""The same for one that the venue's rules do not allow."""

TRAILING_MOST = 5000.0
"""Bps."""

TIME_STOP_MOST = 31_536_000.0
"""Seconds: a year."""

CALM = frozenset({OrderState.WORKING, OrderState.PARTIAL})
"""States in which an exit may be changed."""


def take_over(turn: Turn, spec: OrderSpec, fill: Fill) -> None:
    """Give the position that a fill opens or adds to the exits that its order names; also when records are folded."""
    key, held = fill.instrument, turn.account.protections
    if not (spec.stop_loss or spec.take_profit or spec.trailing_bps or spec.time_stop_s):
        return
    protection = held.get(key)
    if protection is None or protection.side is not fill.side:
        protection = held[key] = Protection(key, fill.side)
    protection.set(
        stop_loss=spec.stop_loss or None,
        take_profit=spec.take_profit or None,
        trailing_bps=spec.trailing_bps or None,
        closes_at=fill.ts + int(spec.time_stop_s * SECOND) if spec.time_stop_s else None,
        price=fill.price,
    )


def settle(turn: Turn) -> None:
    """Keep exits in step with what is held, once everything that has become known together was taken in."""
    touched, turn.touched = turn.touched, {}
    for key in touched:
        account = turn.account
        position = account.ledger_of(key).positions.get(key)
        if position is None or not position.open:
            account.protections.pop(key, None)
            account.exits_again.pop(key, None)
        ensure(turn, key)


def told(turn: Turn, order: Order, event: OrderEvent) -> None:
    """Heed what became of an exit: one that cannot be changed is replaced, one that cannot be sent is watched here."""
    if order.spec.origin is not Origin.EXIT:
        return
    key = order.spec.instrument
    if isinstance(event, AmendRefused):
        closing.cancel(turn, order)
    elif order.state in (OrderState.REJECTED, OrderState.DENIED):
        turn.account.exits_again[key] = turn.now + AGAIN
    turn.touched[key] = None


def ensure(turn: Turn, key: str) -> None:
    """Have the orders that a position's exits need, and no others."""
    account = turn.account
    protection, position = account.protections.get(key), account.quantity(key)
    if key in account.closing or account.halted:
        return
    exits = [order for order in account.orders.open(key) if order.spec.origin is Origin.EXIT]
    for order in exits:
        if protection is None or order.spec.side is protection.side:
            closing.cancel(turn, order)  # of a position that is not there any more
    rules = rules_known(turn.state, account, key)
    if protection is None or position * protection.side.sign <= 0:
        return
    if rules is None:  # nothing is known of its market yet
        account.exits_again[key] = turn.now + AGAIN
        return
    exits = [order for order in exits if order.spec.side is not protection.side]
    stop = next((order for order in exits if order.spec.type is OrderType.STOP), None)
    target = next((order for order in exits if order.spec.type is OrderType.LIMIT), None)
    both = account.holds_both(key)
    blocked = not account.switches["exits"] or account.exits_again.get(key, 0) > turn.now
    quantity = round_quantity(abs(position) if both else account.closable(key, exits=False), rules)
    side = protection.side.opposite
    group = next((order.spec.oco for order in exits), "") or f"{account.prefix}-x{account.counter + 1}"
    if not quantity:  # other orders hold all of it
        for order in exits:
            closing.cancel(turn, order)
    elif not blocked:
        resting = protection.stop if account.rests(key) else 0
        stop = _held(turn, stop, key, side, OrderType.STOP, resting, quantity, group)
        target = _held(turn, target, key, side, OrderType.LIMIT, protection.take_profit if both else 0, quantity, group)
    protection.stop_held = stop is not None and stop.state in OPEN
    protection.target_held = target is not None and target.state in OPEN


def _held(
    turn: Turn,
    order: Order | None,
    key: str,
    side: Side,
    kind: OrderType,
    price: int,
    quantity: int,
    group: str,
) -> Order | None:
    """Send, change or cancel the order that holds one exit at `price` (0: none is wanted); return it."""
    account = turn.account
    if price:
        price = round_price(price, rules_of(turn.state, account, key), side)
    if order is not None:
        now = order.stop_price if kind is OrderType.STOP else order.price
        if not price:
            closing.cancel(turn, order)
        elif order.state in CALM and not order.triggered and (now != price or order.remaining != quantity):
            _change(turn, order, kind, price, order.filled + quantity)
        return order
    if not price:
        return None
    spec = OrderSpec(
        id=account.next_id(),
        instrument=key,
        side=side,
        type=kind,
        quantity=quantity,
        price=price if kind is OrderType.LIMIT else 0,
        stop_price=price if kind is OrderType.STOP else 0,
        reduce_only=True,
        origin=Origin.EXIT,
        oco=group,
        dust=rules_of(turn.state, account, key).step,
        mode=account.mode,
        created=turn.now,
    )
    refused = try_send(turn, spec)
    if refused is None:
        return account.orders.by_id[spec.id]
    pause = AGAIN_UNFIT if refused.reason == "rules" else AGAIN  # what is too small for the venue stays so for a while
    account.exits_again[key] = turn.now + pause
    name = "stop-loss" if kind is OrderType.STOP else "target"
    text = f"the {name} of {key} at {decimal(price)} cannot rest at the venue: {refused.text}"
    turn.notice("EXIT_REFUSED", key, text, f"it is watched here, and tried again in {pause // SECOND} s")
    return None


def _change(turn: Turn, order: Order, kind: OrderType, price: int, quantity: int) -> None:
    stop = kind is OrderType.STOP
    spec = msgspec.structs.replace(
        order.spec,
        price=0 if stop else price,
        stop_price=price if stop else 0,
        quantity=quantity,
    )
    verdict = judge(turn, spec, filled=order.filled)
    if isinstance(verdict, Refused):
        turn.notice(
            "EXIT_REFUSED", spec.instrument, f"{order.id} cannot be changed: {verdict.text}", "it stands as it is"
        )
        turn.account.exits_again[spec.instrument] = turn.now + AGAIN
        return
    closing.change(turn, order, verdict, price=0 if stop else price, stop_price=price if stop else 0, quantity=quantity)


def watch(turn: Turn, key: str, price: int) -> None:
    """Take a traded price (1e-8): exits that do not rest act on it, a trailing stop follows it."""
    account = turn.account
    protection = account.protections.get(key)
    if protection is None or key in account.closing or account.halted or not account.switches["exits"]:
        return
    due = protection.price(price, turn.now)
    if due is None:
        return
    if due.stop:
        turn.journal("trading", {"protection": protection.image()})
        ensure(turn, key)
    if due.close:
        name = due.close.replace("_", " ")
        at = f" at {decimal(price)}" if due.close != "time_stop" else ""
        turn.notice("STOP_HIT", key, f"the {name} of {key} was reached{at}", "the position is being closed")
        closing.begin(turn, key, name)


def tend(turn: Turn) -> None:
    """Heed time stops, and try again what could not be sent."""
    account = turn.account
    for key, protection in list(account.protections.items()):
        due = protection.elapsed(turn.now)
        if due is not None and key not in account.closing and not account.halted and account.switches["exits"]:
            turn.notice("STOP_HIT", key, f"the time stop of {key} is due", "the position is being closed")
            closing.begin(turn, key, "time stop")
        again = account.exits_again.get(key)
        if again is not None and again <= turn.now:
            del account.exits_again[key]
            ensure(turn, key)
        if protection.closing and key not in account.closing and account.quantity(key):
            protection.again()


def asked(turn: Turn, command: Protect) -> str:
    """Set the exits of an open position as a person wants them; return what they are now.

    Raises:
        ValueError: A price is none, or on the wrong side; nothing was changed.
    """
    account, key = turn.account, command.symbol
    position = account.quantity(key)
    side = Side.BUY if position > 0 else Side.SELL
    mark = mark_of(turn.state, key)
    stop, target = _wanted(command.stop_loss), _wanted(command.take_profit)
    for name, price, sign in (("stop-loss", stop, side.sign), ("take profit", target, -side.sign)):
        if price and mark is not None and (mark - price) * sign <= 0:
            where = "below" if sign > 0 else "above"
            raise ValueError(f"the {name} has to be {where} the price of {decimal(mark)}, and {decimal(price)} is not")
    trailing, seconds = command.trailing_bps, command.time_stop_s
    if not trailing <= TRAILING_MOST or not seconds <= TIME_STOP_MOST:
        raise ValueError("a trailing distance is at most 5000 bps, a time stop at most 31,536,000 s; negative is off")
    protection = account.protections.get(key)
    if stop:
        _bear(turn, key, stop, protection.stop if protection is not None else 0)
    if protection is None or protection.side is not side:
        protection = account.protections[key] = Protection(key, side)
    protection.set(
        stop_loss=stop,
        take_profit=target,
        trailing_bps=trailing or None,
        closes_at=None if not seconds else turn.now + int(seconds * SECOND) if seconds > 0 else 0,
        price=mark or 0,
    )
    turn.journal("trading", {"protection": protection.image()})
    ensure(turn, key)
    told = [
        f"{name} {decimal(price)}"
        for name, price in (("stop", protection.stop), ("target", protection.take_profit))
        if price
    ]
    if protection.trailing_bps:
        told.append(f"trailing {protection.trailing_bps:g} bps")
    if protection.closes_at:
        told.append(f"time stop in {(protection.closes_at - turn.now) / SECOND:g} s")
    return f"{key}: {', '.join(told) or 'no exits'}"


def _bear(turn: Turn, key: str, stop: int, before: int) -> None:
    """Find out whether a stop may be moved there.

    Raises:
        ValueError: The trade would lose more at it than before, and more than the limit.
    """
    account = turn.account
    position = account.ledger_of(key).positions[key]
    sign = 1 if position.quantity > 0 else -1
    average, quantity = abs(position.average), abs(position.quantity)
    rate = rate_of(turn.state, account, position.contract.settle)
    if account.equity is None or rate is None:
        return
    limit = account.risk.limits.risk_per_trade
    loss = value(rate, value((average - stop) * sign, quantity))
    farther = not before or (before - stop) * sign > 0
    if farther and loss > limit * account.equity:
        raise ValueError(
            f"at {decimal(stop)} the trade would lose {percent(loss / account.equity)} of equity, and the limit is "
            f"{percent(limit)}: set a nearer stop, make the position smaller, or raise risk_per_trade"
        )


def _wanted(text: str) -> int | None:
    if not text:
        return None
    if text == "off":
        return 0
    found = units(text)
    if found <= 0:
        raise ValueError(f"{text} is no price; give one above 0, or off")
    return found
