"""What an order counts for when it is held against a limit: at its worst price, rounded against it."""

from __future__ import annotations

from engine.orders import UNIT, OrderSpec, OrderType, Side
from engine.risk.situation import Situation


def reference(situation: Situation, spec: OrderSpec) -> int | None:
    """Return the worst price known for an order: its limit, its stop, or how far it would walk the book; 1e-8."""
    kind = spec.type
    if kind is OrderType.MARKET:
        return situation.book_reach
    if kind.limited:
        return spec.price
    if kind is OrderType.STOP and situation.mid is not None:  # one that is passed already takes what the market gives
        return max(spec.stop_price, situation.mid) if spec.side is Side.BUY else min(spec.stop_price, situation.mid)
    return spec.stop_price


def worth(situation: Situation, spec: OrderSpec) -> int | None:
    """Return the most that an order can be worth, 1e-8 of the account's currency; None: not known.

    A SELL may be filled above its limit, so it counts at the mid at least.
    """
    price, rate = reference(situation, spec), situation.rate
    if price is None or rate is None or situation.mid is None:
        return None
    if spec.side is Side.SELL and situation.mid > price:
        price = situation.mid
    return up(up(price * spec.quantity) * rate)


def up(product: int) -> int:
    """1e-16 to 1e-8, rounded up: what may be lost or paid is never counted smaller than it is."""
    return -(-product // UNIT)


def share_of(whole: int, share: float, factor: float = 1.0) -> int:
    """Return a share of an amount, to the nearest unit."""
    return round(share * factor * whole)


def adds(situation: Situation, spec: OrderSpec) -> int:
    """Return what of an order's quantity, 1e-8, does more than close what no other order closes already."""
    against = max(-situation.position * spec.side.sign, 0)
    closes = situation.closable if situation.left is None else min(situation.left, situation.closable)
    return max(spec.quantity - min(against, closes), 0)


def position_after(situation: Situation, spec: OrderSpec, value: int) -> int:
    """Return what the position and its open orders would be worth with the order's `value`, all of it, more."""
    if situation.position * spec.side.sign > 0:
        return situation.position_value + value + situation.open_value
    return -(-value * adds(situation, spec) // max(spec.quantity, 1)) + situation.open_value
