"""What a venue lets orders be: held against before anything is sent, and known where the venue has not told.

Units: 1e-8 of the quote asset (prices, notional) and of the base asset (quantities), as in `orders`.
"""

from __future__ import annotations

import msgspec

from engine.orders import UNIT, OrderSpec, OrderType, Rules, Side, decimal, units
from engine.types import Instrument


def check(spec: OrderSpec, rules: Rules, reference: int | None) -> str:
    """Return why a venue would not take an order, as a sentence; "" if it would.

    `reference` is the price that counts for an order without a limit (best of the other side, or mid); None: its value
    is not known, and not checked. Orders of derivatives that only reduce have no least value (Binance, "Contract
    specifications of USD-M futures": reduce-only orders are not affected).
    """
    name = f"{spec.instrument}:"
    quantity = spec.quantity
    if quantity <= 0:
        return f"{name} a quantity of {decimal(quantity)} cannot be traded; it has to be above 0"
    if quantity % rules.step:
        nearest = _nearby(round_quantity(quantity, rules))
        return f"{name} the quantity {decimal(quantity)} is no multiple of the lot step {decimal(rules.step)}{nearest}"
    if quantity < rules.min_quantity:
        return f"{name} the quantity {decimal(quantity)} is below the least, {decimal(rules.min_quantity)}"
    most = rules.max_quantity
    if spec.type is OrderType.MARKET and rules.max_market_quantity:
        most = min(most or rules.max_market_quantity, rules.max_market_quantity)
    if most and quantity > most:
        return f"{name} the quantity {decimal(quantity)} is above the most, {decimal(most)}; split it"
    for what, price, needed in (
        ("price", spec.price, spec.type.limited),
        ("stop price", spec.stop_price, spec.type.conditional),
    ):
        if needed and price <= 0:
            return f"{name} a {spec.type.replace('_', ' ')} order needs a {what} above 0"
        if needed and price % rules.tick:
            nearest = _nearby(round_price(price, rules))
            return f"{name} the {what} {decimal(price)} is no multiple of the price step {decimal(rules.tick)}{nearest}"
    counted = _counted(spec, reference)
    if not counted or (spec.reduce_only and is_derivative(spec.instrument)):
        return ""
    worth = counted * quantity // UNIT
    if worth < rules.min_notional:
        least = -(-rules.min_notional * UNIT // counted)
        least = -(-least // rules.step) * rules.step
        return (
            f"{name} the order is worth {decimal(worth, 2)} {quote_of(spec.instrument)}, below the least of "
            f"{decimal(rules.min_notional, 2)}; at this price the least quantity is {decimal(least)}"
        )
    return ""


def _counted(spec: OrderSpec, reference: int | None) -> int:
    """The price that an order's value is counted at; 0 where it is not known."""
    if spec.type is OrderType.MARKET:
        return reference or 0
    return spec.price if spec.type.limited else spec.stop_price


def _nearby(number: int) -> str:
    return f"; {decimal(number)} would be" if number else ""


def round_quantity(quantity: int, rules: Rules) -> int:
    """Return the largest multiple of the lot step that is not above a quantity."""
    return quantity // rules.step * rules.step


def round_price(price: int, rules: Rules, side: Side | None = None) -> int:
    """Return a price on the grid: the nearest, or the nearest that is no worse to a `side` (BUY down, SELL up)."""
    tick = rules.tick
    if side is Side.BUY:
        return price // tick * tick
    if side is Side.SELL:
        return -(-price // tick) * tick
    return (price + tick // 2) // tick * tick


def is_derivative(instrument: str) -> bool:
    """Tell whether a key is a contract's, by its settle asset: `venue:BASE/QUOTE:SETTLE`."""
    return instrument.count(":") > 1


def quote_of(instrument: str) -> str:
    """Return the quote asset of a key."""
    return instrument.partition("/")[2].partition(":")[0]


def _known(tick: str, step: str, notional: str) -> Rules:
    return Rules(
        tick=units(tick), step=units(step), min_quantity=units(step), min_notional=units(notional), assumed=True
    )


_KNOWN = {
    "binance:BTC/USDT": _known("0.01", "0.00001", "5"),
    "binance:ETH/USDT": _known("0.01", "0.0001", "5"),
    "binance:SOL/USDT": _known("0.01", "0.001", "5"),
    "binanceusdm:BTC/USDT:USDT": _known("0.1", "0.001", "100"),
    "binanceusdm:ETH/USDT:USDT": _known("0.01", "0.001", "20"),
    "binanceusdm:SOL/USDT:USDT": _known("0.01", "1", "5"),
}
"""For recordings without exchangeInfo.

Source: Binance, "Spot trading rules" and "USD-M futures: trading rules" (binance.com/en/trade-rule,
binance.com/en/futures/trading-rules), as of 2024; the venue changes them, and what it has told always goes first.
"""


def assumed(instrument: Instrument) -> Rules:
    """Return rules for an instrument whose venue has not told any: known ones, else those of its scales.

    A price step is never finer than the instrument's prices can tell.
    """
    tick = instrument.tick * scale(instrument.price_decimals)
    known = _KNOWN.get(instrument.key)
    if known is not None:
        return msgspec.structs.replace(known, tick=max(tick, known.tick))
    step = scale(instrument.size_decimals)
    return Rules(tick=tick, step=step, min_quantity=step, min_notional=0, assumed=True)


def scale(decimals: int) -> int:
    """Return how many 1e-8 one step of a scale is; at least 1."""
    return int(10 ** max(8 - decimals, 0))
