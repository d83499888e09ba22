"""From what a person asks to the order that it means."""

from __future__ import annotations

import msgspec

from engine.approval import Refused
from engine.errors import SettingsInvalid
from engine.operator import PlaceOrder
from engine.orders import OrderSpec, OrderType, Origin, Side, TimeInForce, decimal, units
from engine.risk import sizing
from engine.risk.rules import round_price
from engine.trading.judging import situation
from engine.trading.marks import mark_of, rules_of, tradable
from engine.trading.turn import Turn


def refusal(reason: str, text: str) -> Refused:
    """Return a refusal that no limit of the gate has spoken."""
    return Refused(reason=reason, limit="", observed="", text=text)


def order_of(turn: Turn, asked: PlaceOrder, *, number: str = "") -> OrderSpec | Refused:
    """Return the order that is asked for, sized if it names no quantity; `number` is its id, else the next one."""
    account, key = turn.account, asked.symbol
    known = tradable(turn.state, account)
    if key not in known:
        names = ", ".join(known) or "none yet"
        return refusal("unknown_symbol", f"{key!r} cannot be traded here; what can be is {names}")
    try:
        contract = account.contract(key)
    except SettingsInvalid as error:
        return refusal("inverse", str(error))
    try:
        price, stop, stop_loss, target, quantity = (
            units(text) if text else 0
            for text in (asked.price, asked.stop_price, asked.stop_loss, asked.take_profit, asked.quantity)
        )
    except ValueError as error:
        return refusal("invalid_number", f"{error}; prices and quantities are plain decimals, as in 0.01")
    wrong = _wrong(asked, (price, stop, stop_loss, target), quantity)
    if wrong:
        return refusal("invalid_order", wrong)
    entry = price or stop or mark_of(turn.state, key) or 0
    sign, held = asked.side.sign, account.quantity(key)
    # What only reduces now must not open anything later, when the position may be gone.
    reduces = held * sign < 0 and 0 < quantity <= account.closable(key, exits=False)
    spec = OrderSpec(
        id=number or account.next_id(),
        instrument=key,
        side=asked.side,
        type=asked.type,
        quantity=quantity,
        price=price,
        stop_price=stop,
        time_in_force=asked.time_in_force,
        reduce_only=asked.reduce_only or reduces or (asked.side is Side.SELL and not contract.derivative),
        post_only=asked.post_only,
        origin=Origin.OPERATOR,
        dust=rules_of(turn.state, account, key).step,
        mode=account.mode,
        created=turn.now,
    )
    if not asked.reduce_only and (held * sign >= 0 or quantity > abs(held)):
        exits, steps = account.risk.exits, rules_of(turn.state, account, key)
        if not stop_loss and exits.stop_loss and entry:
            stop_loss = round_price(int(entry * (1 - sign * exits.stop_loss)), steps)
        if not target and exits.take_profit and entry:
            target = round_price(int(entry * (1 + sign * exits.take_profit)), steps)
        spec = msgspec.structs.replace(
            spec,
            stop_loss=stop_loss,
            take_profit=target,
            trailing_bps=asked.trailing_bps or exits.trailing_bps,
            time_stop_s=asked.time_stop_s or exits.time_stop_s,
        )
    elif stop_loss or target or asked.trailing_bps or asked.time_stop_s:
        text = "an order that reduces a position opens nothing to protect; set the exits of the position (protect)"
        return refusal("invalid_order", text)
    for what, bound, side in (("stop-loss", stop_loss, sign), ("take profit", target, -sign)):
        if bound and entry and (entry - bound) * side <= 0:
            where = "below" if side > 0 else "above"
            text = (
                f"the {what} of a {asked.side} has to be {where} its entry: {decimal(bound)} against {decimal(entry)}"
            )
            return refusal("invalid_order", text)
    return spec if quantity else _sized(turn, spec, entry, asked.size)


def _wrong(asked: PlaceOrder, prices: tuple[int, ...], quantity: int) -> str:
    """Return what is wrong with an order's shape, as a sentence, or ""."""
    kind, price, stop = asked.type, prices[0], prices[1]
    if min(prices) < 0:
        return "a price cannot be negative"
    if asked.quantity and quantity <= 0:
        return f"a quantity of {asked.quantity} cannot be traded: it has to be above 0"
    if not 0 <= asked.trailing_bps <= 5000 or not 0 <= asked.time_stop_s <= 31_536_000:
        return "a trailing distance is 0 to 5000 bps, a time stop 0 to 31,536,000 s"
    if kind.limited and not price:
        return f"a {kind} order needs a price"
    if not kind.limited and price:
        return f"a {kind} order has no price; did you mean {'limit' if kind is OrderType.MARKET else f'{kind}_limit'}?"
    if kind.conditional and not stop:
        return f"a {kind} order needs a stop_price, the price at which it wakes"
    if not kind.conditional and stop:
        return f"a {kind} order has no stop_price; did you mean stop, stop_limit, or stop_loss for its exit?"
    if asked.post_only and kind is not OrderType.LIMIT:
        return "post_only is for limit orders: others take"
    if asked.post_only and asked.time_in_force is not TimeInForce.GTC:
        return "post_only and a time in force of ioc or fok contradict each other"
    return ""


def _sized(turn: Turn, spec: OrderSpec, entry: int, how: str) -> OrderSpec | Refused:
    account = turn.account
    settings = account.risk
    if how:
        if how not in ("fraction", "volatility", "kelly"):
            return refusal("invalid_order", f"size {how!r}: expected fraction, volatility or kelly, or a quantity")
        settings = msgspec.structs.replace(settings, sizing=how)
    if not entry:
        return refusal("unknown_price", f"no price of {spec.instrument} is known, so nothing can be sized by it")
    tracker = account.regimes.get(spec.instrument)
    if spec.type is OrderType.MARKET:  # the worst price at which it may be filled
        entry += int(entry * settings.limits.price_collar) * spec.side.sign
    found = sizing.size(
        settings,
        situation(turn, spec),
        spec.side,
        entry,
        spec.stop_loss,
        tracker.volatility if tracker is not None else None,
        rules_of(turn.state, account, spec.instrument),
    )
    return found if isinstance(found, Refused) else msgspec.structs.replace(spec, quantity=found)
