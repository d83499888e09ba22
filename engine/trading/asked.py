"""What a person, a script or a program asks: done or refused with a sentence, and audited either way."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any

import msgspec

from engine.approval import Refused
from engine.execution.account import SWITCHES, Account
from engine.execution.lifecycle import Order, OrderState
from engine.operator import (
    AmendOrder,
    Arm,
    CancelOrders,
    Disarm,
    Flatten,
    Kill,
    OperatorAsked,
    OperatorCommand,
    PlaceOrder,
    Protect,
    Reconcile,
    SetLimits,
    Switch,
)
from engine.orders import Mode, Origin, ReconcileVenues, TradingState, decimal, units
from engine.risk.limits import Limits
from engine.trading import closing, protecting, yielding
from engine.trading.judging import judge
from engine.trading.marks import tradable
from engine.trading.turn import Turn, state_of
from engine.trading.wanted import order_of
from engine.tradingviews import AuditView


class No(Exception):
    """The answer is no; `code` is stable."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def asked(turn: Turn, event: OperatorAsked) -> None:
    """Carry out a command, answer it, and keep who asked for what."""
    command, account = event.command, turn.account
    before = _standing(turn)
    code = ""
    try:
        text = _ACTS[type(command)](turn, command)
    except No as no:
        code, text = no.code, no.text
    account.version += 1
    name = command.__struct_config__.tag
    view = AuditView(
        ts=turn.now,
        user=event.who.user,
        client=event.who.client,
        pid=event.who.pid,
        command=str(name),
        detail=msgspec.json.encode(command).decode(),
        before=before,
        after=_standing(turn),
        done=not code,
        result=text,
    )
    turn.journal("audit", view)
    if code and isinstance(command, PlaceOrder):
        turn.notice("ORDER_REFUSED", command.symbol, text, "nothing was sent")
    turn.answer(event.id, text, code=code)


def _standing(turn: Turn) -> str:
    """Return the state of trading in a few words, for the audit."""
    state, reasons = state_of(turn.account)
    return f"{state}: {reasons[0]}" if reasons else str(state)


def _place(turn: Turn, command: PlaceOrder) -> str:
    spec = order_of(turn, command)
    refused = spec if isinstance(spec, Refused) else yielding.place(turn, spec)
    if refused is not None:
        raise No(refused.reason, refused.text)
    assert not isinstance(spec, Refused)
    at = f" at {decimal(spec.price)}" if spec.price else ""
    wakes = f", wakes at {decimal(spec.stop_price)}" if spec.stop_price else ""
    return f"{spec.id}: {spec.side} {decimal(spec.quantity)} {spec.instrument} {spec.type}{at}{wakes} ({spec.mode})"


def _cancel(turn: Turn, command: CancelOrders) -> str:
    account = turn.account
    given = sum((bool(command.order), bool(command.symbol), command.all))
    if given != 1:
        raise No("invalid_argument", "say which: an order, a symbol, or all")
    withdrawn = yielding.withdraw(turn, instrument=command.symbol, order=command.order)
    if withdrawn and command.order:
        return f"{command.order} had not been sent, and is not any more"
    if command.order:
        found = account.orders.by_id.get(command.order)
        if found is None or not found.open:
            said = f"it is {found.state}" if found is not None else "no such order is known"
            raise No("not_open", f"{command.order} is not open: {said}")
        _not_set_again(account, found)
        chosen = [found]
    else:
        chosen = account.orders.open(command.symbol)
    exits = [order for order in chosen if not command.order and _set_again(account, order)]
    chosen = [order for order in chosen if order not in exits]
    for order in chosen:
        closing.cancel(turn, order)
    count = len(chosen) + withdrawn
    told = f"{count} order{'' if count == 1 else 's'} being cancelled" if count else "no order is open"
    if exits:
        names = ", ".join(sorted({order.spec.instrument for order in exits}))
        return f"{told if count else 'nothing else is open'}; the exits of {names} stay (protect takes them away)"
    return told


def _set_again(account: Account, order: Order) -> bool:
    """Whether an order is an exit that would be there again at once."""
    acts = account.switches["exits"] and not account.halted
    return order.spec.origin is Origin.EXIT and acts and order.spec.instrument in account.protections


def _not_set_again(account: Account, order: Order) -> None:
    """Refuse to cancel an exit that would be there again at once."""
    key = order.spec.instrument
    if _set_again(account, order):
        name = "stop-loss" if order.stop_price else "target"
        text = f"{order.id} holds the {name} of {key}, which would be set again at once"
        raise No("exit", f"{text}: take the {name} away (protect), or flatten")


def _amend(turn: Turn, command: AmendOrder) -> str:
    account = turn.account
    order = account.orders.by_id.get(command.order)
    if order is None or not order.open:
        raise No("not_open", f"{command.order} is not open; only open orders can be changed")
    try:
        price, stop, quantity = (
            units(text) if text else 0 for text in (command.price, command.stop_price, command.quantity)
        )
    except ValueError as error:
        raise No("invalid_number", f"{error}; prices and quantities are plain decimals") from error
    if not (price or stop or quantity) or min(price, stop, quantity) < 0:
        raise No("invalid_argument", "say what to change: price, stop_price or quantity, above 0")
    if (price and not order.price) or (stop and not order.stop_price):
        raise No("invalid_argument", f"a {order.spec.type} order has no such price")
    if order.state in (OrderState.CANCELING, OrderState.AMENDING):
        raise No("busy", f"{command.order} is {order.state} already; wait for the venue's answer")
    if order.spec.origin is Origin.EXIT and order.spec.instrument in account.protections:
        if quantity:
            raise No("exit", f"{command.order} is an exit of {order.spec.instrument}: its size is that of the position")
        wanted = Protect(symbol=order.spec.instrument, stop_loss=command.stop_price, take_profit=command.price)
        return _protect(turn, wanted)
    if quantity and quantity <= order.filled:
        raise No("invalid_argument", f"{decimal(order.filled)} of it are filled already; cancel the rest instead")
    change(turn, order, price=price, stop_price=stop, quantity=quantity)
    return f"{command.order} is being changed"


def change(turn: Turn, order: Order, *, price: int = 0, stop_price: int = 0, quantity: int = 0) -> None:
    """Ask for an order to be changed, if the gate lets the changed order pass.

    Raises:
        No: It does not.
    """
    spec = msgspec.structs.replace(
        order.spec,
        price=price or order.price,
        stop_price=stop_price or order.stop_price,
        quantity=quantity or order.quantity,
    )
    verdict = judge(turn, spec, filled=order.filled)
    if isinstance(verdict, Refused):
        raise No(verdict.reason, verdict.text)
    closing.change(turn, order, verdict, price=price, stop_price=stop_price, quantity=quantity)


def _protect(turn: Turn, command: Protect) -> str:
    key, account = command.symbol, turn.account
    position = account.ledger_of(key).positions.get(key)
    if position is None or not position.open:
        raise No("no_position", f"there is no position of {key or 'that name'}; exits belong to a position")
    try:
        return protecting.asked(turn, command)
    except ValueError as error:
        raise No("invalid_argument", str(error)) from error


def _flatten(turn: Turn, command: Flatten) -> str:
    account = turn.account
    state, reasons = state_of(account)
    held = [
        key
        for ledger in account.ledgers.values()
        for key, each in ledger.positions.items()
        if each.open and command.symbol in ("", key)
    ]
    if command.symbol and command.symbol not in tradable(turn.state, account):
        raise No("unknown_symbol", f"{command.symbol} is not followed here")
    opened = account.orders.open(command.symbol)
    if state is TradingState.HALTED:
        if not held:
            raise No("halted", f"trading is halted ({reasons[0]}) and nothing is held")
        closing.close_halted(turn, held, "flattened by hand while halted")
        return f"{', '.join(held)} being closed at the market, although trading is halted"
    for key in dict.fromkeys((*held, *(order.spec.instrument for order in opened))):
        closing.begin(turn, key, "flattened by hand")
    if not held and not opened:
        return "nothing is held and no order is open"
    closed = f"{', '.join(held)} being closed at the market" if held else "nothing is held"
    return f"{len(opened)} open orders being cancelled; {closed}"


def _kill(turn: Turn, command: Kill) -> str:
    flatten = turn.account.risk.kill_flattens if command.flatten is None else command.flatten
    reason = command.reason or "by hand"
    done = closing.halt(turn, f"{closing.KILLED}{reason}", flatten=flatten, latched=True)
    return f"killed; {'; '.join(done)}; `tradetui arm` ends it"


def _arm(turn: Turn, command: Arm) -> str:
    account = turn.account
    word = account.mode.upper()
    if command.word != word:
        raise No("word", f"type {word} to arm, so that nobody arms {account.mode} by mistake")
    if (account.latched or account.halted) and not command.reason:
        raise No("reason", f"trading was halted ({account.halted}); arming again needs a reason")
    for status in account.venues.values():
        if not status.reconciled:
            raise No("not_reconciled", f"{status.name} has not been reconciled yet; wait, or run `tradetui reconcile`")
        if status.trade is False:
            raise No("key", f"the key of {status.name} may not trade; allow it at the venue, or use another key")
        if status.withdraw is True and account.mode == "live":
            raise No("key", f"the key of {status.name} may withdraw; make one that may only trade")
        if status.withdraw is None and account.mode == "live" and not command.unknown_withdrawal:
            raise No(
                "key_unknown",
                f"{status.name} does not tell whether its key may withdraw: unknown; confirm that it may not",
            )
    if account.latched or account.halted:
        fallen = account.ramp.reset("armed again after a halt")
        if fallen and account.mode is Mode.LIVE:
            turn.notice("SIZE_CHANGED", "trading", fallen)
        account.drawdown.rebase()
    closing.give_up(turn)
    account.armed, account.halted, account.latched = True, "", False
    turn.touched.update(dict.fromkeys(account.protections))
    turn.journal("trading", {"armed": True, "reason": command.reason, "watch": account.drawdown.image()})
    state, reasons = state_of(account)
    return f"armed ({account.mode}); trading is {state}" + (f": {reasons[0]}" if reasons else "")


def _disarm(turn: Turn, command: Disarm) -> str:
    turn.account.armed = False
    turn.journal("trading", {"armed": False, "reason": command.reason})
    return f"disarmed: no new risk; exits, stops and cancels go on{closing.withdraw_entries(turn)}"


def _switch(turn: Turn, command: Switch) -> str:
    account, name = turn.account, command.name
    if name not in SWITCHES and name not in tradable(turn.state, account):
        raise No(
            "unknown_switch",
            f"{name!r} is no switch; there are {', '.join((*SWITCHES, *tradable(turn.state, account)))}",
        )
    before = account.switches.get(name, True)
    account.switches[name] = command.on
    turn.journal("trading", {"switch": name, "on": command.on})
    if name == "exits" and command.on:
        turn.touched.update(dict.fromkeys(account.protections))
    if name == "exits" and not command.on:
        turn.notice("EXITS_OFF", "trading", "exits are switched off: stops that are not at a venue do not act")
    gone = ""
    if not command.on and name != "exits":
        gone = closing.withdraw_entries(turn, "" if name in SWITCHES else name)
    return f"{name} {'on' if command.on else 'off'} (was {'on' if before else 'off'}){gone}"


def _limits(turn: Turn, command: SetLimits) -> str:
    account = turn.account
    now = msgspec.structs.asdict(account.risk.limits)
    unknown = [name for name in command.values if name not in now]
    if unknown or not command.values:
        raise No("unknown_limit", f"{', '.join(unknown) or 'nothing'} is no limit; there are {', '.join(now)}")
    if not all(map(isfinite, command.values.values())):
        raise No("invalid_limit", "a limit is a finite number: nothing was changed")
    for name, each in command.values.items():
        if isinstance(now[name], int) and each != int(each):
            raise No("invalid_limit", f"{name} is a whole number, and {each:g} is none: nothing was changed")
    given: dict[str, Any] = {
        name: int(each) if isinstance(now[name], int) else each for name, each in command.values.items()
    }
    try:
        limits = msgspec.convert(now | given, Limits)
    except msgspec.ValidationError as error:
        raise No("invalid_limit", f"{error}: nothing was changed") from error
    set_limits(account, limits)
    account.changed.update(given)
    turn.journal("trading", {"limits": given})
    told = ", ".join(f"{name} {now[name]:g} -> {each:g}" for name, each in given.items())
    return f"limits changed: {told}"


def set_limits(account: Account, limits: Limits) -> None:
    """Put limits in force."""
    account.risk = msgspec.structs.replace(account.risk, limits=limits)
    account.drawdown.limits = limits
    account.streak.limits = limits


def _reconcile(turn: Turn, _command: Reconcile) -> str:
    if turn.account.paper is not None:
        return "a paper account has no venue to be reconciled with"
    turn.commands.append(ReconcileVenues())
    return "the venues are being asked"


_ACTS: dict[type[OperatorCommand], Callable[[Turn, Any], str]] = {
    PlaceOrder: _place,
    CancelOrders: _cancel,
    AmendOrder: _amend,
    Protect: _protect,
    Flatten: _flatten,
    Kill: _kill,
    Arm: _arm,
    Disarm: _disarm,
    Switch: _switch,
    SetLimits: _limits,
    Reconcile: _reconcile,
}
