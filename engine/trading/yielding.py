"""Orders of a person that sell what exits hold: on a spot venue these have to give it back first."""

from __future__ import annotations

from engine.approval import Refused
from engine.orders import OrderSpec, Origin, Side, decimal
from engine.trading.judging import judge, send
from engine.trading.turn import Turn
from engine.types import SECOND

PATIENCE = 10 * SECOND
"""An order that has waited so long for exits is of another moment: it is dropped, and told."""


def place(turn: Turn, spec: OrderSpec) -> Refused | None:
    """Send an order if the gate lets it pass, now or when exits have given way; else return why not."""
    verdict = judge(turn, spec)
    if isinstance(verdict, Refused):
        return verdict
    key = spec.instrument
    turn.touched[key] = None
    if _is_held(turn, spec):
        turn.account.deferred.setdefault(key, []).append(spec)
    else:
        send(turn, verdict)
    return None


def tend(turn: Turn) -> None:
    """Send what exits have given way to; drop what has waited too long, or passes the gate no more."""
    account = turn.account
    for key, waiting in list(account.deferred.items()):
        for spec in list(waiting):
            late = turn.now - spec.created > PATIENCE or bool(account.halted)
            if _is_held(turn, spec) and not late:
                continue
            waiting.remove(spec)
            turn.touched[key] = None
            verdict = judge(turn, spec)
            if late or isinstance(verdict, Refused):
                why = verdict.text if isinstance(verdict, Refused) else "its exits did not give way in time"
                text = f"{spec.side} {decimal(spec.quantity)} {key} was not sent: {why}"
                turn.notice("ORDER_DENIED", key, text, "the exits are set again")
            else:
                send(turn, verdict)
        if not waiting:
            del account.deferred[key]


def withdraw(turn: Turn, *, instrument: str = "", order: str = "") -> int:
    """Drop what waits, of an instrument, or one order, or all; return how many. Nothing of it was sent."""
    account, count = turn.account, 0
    for key, waiting in list(account.deferred.items()):
        dropped = [spec for spec in waiting if instrument in ("", key) and order in ("", spec.id)]
        count += len(dropped)
        for spec in dropped:
            waiting.remove(spec)
            turn.touched[key] = None
            text = f"{spec.side} {decimal(spec.quantity)} {key} was not sent: it was withdrawn before"
            turn.notice("ORDER_DENIED", key, text, "it is over")
        if not waiting:
            del account.deferred[key]
    return count


def _is_held(turn: Turn, spec: OrderSpec) -> bool:
    account = turn.account
    if account.holds_both(spec.instrument) or spec.side is Side.BUY or account.free(spec) >= spec.quantity:
        return False
    return any(order.spec.origin is Origin.EXIT for order in account.orders.open(spec.instrument))
