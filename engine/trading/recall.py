"""What an earlier engine of this account left: its records, folded again in their order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from engine.execution.account import Account, Closing
from engine.execution.ledger import Ledger
from engine.execution.lifecycle import Orders, OrderState
from engine.orders import (
    Adopted,
    BalancesReported,
    FundingPaid,
    OrderEvent,
    OrderFilled,
    OrderSpec,
    OrderSubmitted,
    OrderUnresolved,
    Reconciled,
)
from engine.ports import Record
from engine.risk.exits import Protection
from engine.risk.limits import Limits
from engine.state import EngineState
from engine.trading import answers
from engine.trading.asked import set_limits
from engine.trading.turn import Turn

_spec = msgspec.json.Decoder(OrderSpec)
_event = msgspec.json.Decoder(OrderEvent)
_account = msgspec.json.Decoder(BalancesReported | FundingPaid | Adopted | Reconciled)
_any = msgspec.json.Decoder()


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """All that a fold needs, in one record, so that a start does not read years."""

    orders: Any
    ledgers: dict[str, Any]
    protections: list[Any]
    drawdown: Any
    streak: Any
    ramp: Any
    limits: dict[str, int | float]
    switches: dict[str, bool]
    halted: str
    latched: bool
    points: list[tuple[int, int, float]]
    complete: dict[str, int] = {}
    closing: dict[str, tuple[str, int]] = {}


_UNANSWERED = {
    OrderState.NEW: "submit",
    OrderState.SUBMITTED: "submit",
    OrderState.CANCELING: "cancel",
    OrderState.AMENDING: "amend",
}
"""What a real venue was asked and may not have heard, by the state of the order."""

_image = msgspec.json.Decoder(Image)


def image(account: Account) -> Image:
    """Return everything of an account that has to outlive the engine."""
    return Image(
        orders=account.orders.image(),
        ledgers={name: ledger.image() for name, ledger in account.ledgers.items()},
        protections=[each.image() for each in account.protections.values()],
        drawdown=account.drawdown.image(),
        streak=account.streak.image(),
        ramp=account.ramp.image(),
        limits=dict(account.changed),
        switches=dict(account.switches),
        halted=account.halted,
        latched=account.latched,
        points=list(account.equity_points),
        complete={name: status.complete for name, status in account.venues.items()},
        closing={
            key: (each.reason, each.begun)
            for key, each in account.closing.items()
            if each.halting and (account.halted or account.latched)
        },
    )


def recall(state: EngineState, account: Account, begun: bytes | None, records: Iterable[Record], now: int) -> int:
    """Fold what was kept, the image first; return the time of the last record (UTC ns), 0 without any.

    Afterwards orders that stand on paper stand again, and orders of real venues whose end is not known are unresolved:
    the venue is asked. Nothing is armed. What a halt was closing waits until it is known what is held.
    """
    turn = Turn(state, account, now)
    last = 0
    if begun is not None:
        _restore(account, _image.decode(begun))
    for record in records:
        last = max(last, record.ts)
        turn.now = record.ts
        _fold(turn, record)
    account.armed = False
    account.version += 1
    turn.now = now
    for closing in account.closing.values():
        closing.recalled, closing.waits = now, True
    for order in account.orders.open():
        doing = _UNANSWERED.get(order.state)
        if account.paper is None and doing is not None:
            text = "the engine ended before the venue's answer came"
            account.orders.apply(OrderUnresolved(order=order.id, ts=now, doing=doing, reason=text))
        if order.state is OrderState.UNRESOLVED:
            account.waiting[order.id] = (now, answers.ASK_AFTER)
    return last


def _restore(account: Account, kept: Image) -> None:
    account.orders = Orders.restore(kept.orders)
    for name, each in kept.ledgers.items():
        account.ledgers[name] = Ledger.restore(each)
    for each in kept.protections:
        protection = Protection.restored(each)
        account.protections[protection.instrument] = protection
    account.drawdown.restore(kept.drawdown)
    account.streak.restore(kept.streak)
    account.ramp.restore(kept.ramp)
    _limits(account, kept.limits)
    account.switches.update(kept.switches)
    account.halted, account.latched = kept.halted, kept.latched
    account.equity_points.extend(kept.points)
    for name, ts in kept.complete.items():
        if name in account.venues:
            account.venues[name].complete = ts
    for key, (reason, begun) in kept.closing.items():
        account.closing[key] = Closing(reason, begun, halting=True)


def _fold(turn: Turn, record: Record) -> None:
    account = turn.account
    match record.kind:
        case "order":
            spec = _spec.decode(record.body)
            if spec.id not in account.orders.by_id:
                account.orders.add(spec)
                account.orders.apply(OrderSubmitted(order=spec.id, ts=record.ts))
        case "order_event":
            account.orders.apply(_event.decode(record.body))
        case "fill":
            filled = _event.decode(record.body)
            order, _ = account.orders.apply(filled)
            if isinstance(filled, OrderFilled):
                answers.book(turn, order, filled.fill)
        case "account":
            _fold_account(turn, _account.decode(record.body))
        case "trading":
            _fold_trading(account, _any.decode(record.body), record.ts)
        case "equity":
            point = _any.decode(record.body)
            account.drawdown.restore(point["watch"])
            share = account.drawdown.drawdown or 0.0
            account.equity_points.append((record.ts // 1_000_000_000, point["equity"], share))
        case _:
            pass


def _fold_account(turn: Turn, event: BalancesReported | FundingPaid | Adopted | Reconciled) -> None:
    account = turn.account
    match event:
        case BalancesReported():
            account.ledger_of(f"{event.venue}:").report(event)
        case FundingPaid():
            account.ledger_of(event.instrument).fund(account.contract(event.instrument), event)
        case Adopted() if event.spec.id not in account.orders.by_id:
            account.orders.adopt(event)
        case Reconciled() if event.venue in account.venues:
            account.venues[event.venue].complete = event.ts
        case _:
            pass


def _fold_trading(account: Account, kept: dict[str, Any], ts: int) -> None:
    if "halted" in kept:
        account.halted, account.latched = kept["halted"], bool(kept.get("latched"))
        account.closing.clear()
    for key in kept.get("closing", ()):
        account.closing[key] = Closing(kept.get("reason") or account.halted, ts, halting=True)
    account.closing.pop(kept.get("closed", ""), None)
    if kept.get("armed"):
        if account.halted or account.latched:
            account.ramp.reset("armed again after a halt")
        account.halted, account.latched = "", False
        account.closing.clear()
    if "watch" in kept:
        account.drawdown.restore(kept["watch"])
    if "switch" in kept:
        account.switches[kept["switch"]] = bool(kept["on"])
    if "limits" in kept:
        _limits(account, kept["limits"])
    if "protection" in kept:
        protection = Protection.restored(kept["protection"])
        position = account.ledger_of(protection.instrument).positions.get(protection.instrument)
        if position is not None and position.open:
            account.protections[protection.instrument] = protection


def _limits(account: Account, kept: dict[str, float]) -> None:
    """Put limits in force again that a command had changed."""
    now = msgspec.structs.asdict(account.risk.limits)
    known = {name: value for name, value in kept.items() if name in now}
    account.changed.update(known)
    set_limits(account, msgspec.convert(now | known, Limits))
