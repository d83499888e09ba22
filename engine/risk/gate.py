"""The one way to a venue: every order is judged here, and what passes is `Approved`.

Orders that only reduce a position pass what guards new risk (`checks`); nothing passes a halt, an order of unknown
state on the same instrument, or the venue's rules. What is not known refuses. A tighter limit never lets more pass.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.approval import _SEAL, Approved, Refused
from engine.orders import OrderSpec, Origin, Rules, Side, TradingState
from engine.risk import checks
from engine.risk.limits import Limits
from engine.risk.rules import check
from engine.risk.situation import Situation
from engine.risk.wording import UNKNOWN, money
from engine.risk.worth import reference


def judge(limits: Limits, situation: Situation, spec: OrderSpec, rules: Rules | None) -> Approved[OrderSpec] | Refused:
    """Approve an order, or refuse it for the first reason there is."""
    refused = next(_refusals(limits, situation, spec, rules), None)
    return Approved(spec, _SEAL) if refused is None else refused


def examine(limits: Limits, situation: Situation, spec: OrderSpec, rules: Rules | None) -> tuple[Refused, ...]:
    """Return everything that would refuse an order, the first being `judge`'s; () if it would be approved."""
    return tuple(_refusals(limits, situation, spec, rules))


def reduces(situation: Situation, spec: OrderSpec) -> bool:
    """Whether an order can only make the position smaller, whatever becomes of the open orders that reduce it too."""
    position = situation.position
    against = position > 0 if spec.side is Side.SELL else position < 0
    return against and 0 < spec.quantity <= min(situation.closable, abs(position))


def _refusals(limits: Limits, situation: Situation, spec: OrderSpec, rules: Rules | None) -> Iterator[Refused]:
    """Everything against an order, the weightiest first; made one by one, so that `judge` makes only the first."""
    less = reduces(situation, spec)
    yield from _stopped(situation, spec, less)
    if not less:
        yield from _blocked(situation, spec)
    yield from _unfit(situation, spec, rules, less)
    if not less:
        yield from checks.market(limits, situation, spec)
        yield from checks.size(limits, situation, spec)
        yield from checks.pace(limits, situation)
        yield from checks.losses(limits, situation)
        yield from checks.balance(situation, spec)


def _stopped(situation: Situation, spec: OrderSpec, less: bool) -> Iterator[Refused]:
    """What stops reducing orders too: a halt, an order of unknown state, exits that are switched off."""
    closing = less and spec.origin is Origin.FLATTEN
    if (situation.latched or situation.state is TradingState.HALTED) and not (closing and situation.flattening):
        why = f" ({situation.why})" if situation.why else ""
        yield Refused(
            reason="latched" if situation.latched else "halted",
            limit=TradingState.ACTIVE,
            observed=TradingState.HALTED,
            text=f"trading is halted{why}: nothing is sent but cancels until a person arms it again, with a reason",
        )
    if situation.frozen:
        yield Refused(
            reason="frozen",
            limit="every order's state known",
            observed=situation.frozen,
            text=f"what became of order {situation.frozen} of {spec.instrument} is not known, so nothing more is sent "
            "there: wait for the venue's answer, or reconcile",
        )
    if less and not closing and not situation.exits:
        yield Refused(
            reason="exits",
            limit="on",
            observed="off",
            text=f"exits are switched off, and this {spec.side.value.upper()} of {money(spec.quantity)} would reduce "
            f"{spec.instrument}: switch exits on, or flatten",
        )


def _blocked(situation: Situation, spec: OrderSpec) -> Iterator[Refused]:
    """What keeps all new risk away: switches, what the order is, the state, breakers."""
    if not situation.entries:
        yield _off(
            "entries",
            "entries are switched off, so only what reduces a position passes: switch them on to take new risk",
        )
    if not situation.symbol_on:
        yield _off("symbol", f"{spec.instrument} is switched off: switch it on to take new risk there")
    if spec.side is Side.SELL and not situation.can_short:
        yield _uncovered(situation, spec)
    elif spec.reduce_only:
        yield _too_much(situation, spec)
    if situation.state is TradingState.REDUCE:
        why = situation.why or "it is not armed, or something is wrong"
        yield Refused(
            reason="state",
            limit=TradingState.ACTIVE,
            observed=TradingState.REDUCE,
            text=f"trading is in REDUCE ({why}), in which only what reduces a position passes: put that right, or arm",
        )
    if situation.breaker:
        yield Refused(reason="breaker", limit="none open", observed="open", text=situation.breaker)


def _uncovered(situation: Situation, spec: OrderSpec) -> Refused:
    held, asked = money(situation.closable), money(spec.quantity)
    return Refused(
        reason="spot_short",
        limit=held,
        observed=asked,
        text=f"a SELL of {asked} is more than the {held} of {spec.instrument} that are held and free, and what is not "
        "held cannot be sold on a spot market: sell less, cancel the orders that hold the rest, or use a derivative "
        "market for a short",
    )


def _too_much(situation: Situation, spec: OrderSpec) -> Refused:
    held, asked = money(situation.closable), money(spec.quantity)
    return Refused(
        reason="reduce_only",
        limit=held,
        observed=asked,
        text=f"a reduce-only {spec.side.value.upper()} of {asked} would do more than close the {held} of "
        f"{spec.instrument} that can be closed: make it smaller, or cancel the orders that hold the rest",
    )


def _off(name: str, text: str) -> Refused:
    return Refused(reason=name, limit="on", observed="off", text=text)


def _unfit(situation: Situation, spec: OrderSpec, rules: Rules | None, less: bool) -> Iterator[Refused]:
    """What the order itself lacks, and what the venue would reject it for."""
    kind = spec.type
    if spec.quantity <= 0 or (spec.price <= 0 and kind.limited) or (spec.stop_price <= 0 and kind.conditional):
        yield Refused(
            reason="order",
            limit="more than 0",
            observed=f"{money(spec.quantity)} at {money(spec.price or spec.stop_price)}",
            text=f"a {kind.value.replace('_', ' ')} order of {money(spec.quantity)} at "
            f"{money(spec.price or spec.stop_price)} is no order: give every quantity and price it needs, above 0",
        )
    elif rules is not None:
        if text := check(spec, rules, reference(situation, spec) or situation.mid):
            yield Refused(reason="rules", limit="the venue's rules", observed=money(spec.quantity), text=text)
    elif not less:
        yield Refused(
            reason="rules",
            limit="the venue's rules",
            observed=UNKNOWN,
            text=f"the venue's rules for {spec.instrument} are not known, so nothing new is sent: wait until its "
            "markets are loaded",
        )
