"""Arithmetic of money: whole numbers of 1e-8 in and out, and one rounding for each purpose."""

from __future__ import annotations

from engine.orders import UNIT

PLACES = 8
"""Decimals that 1e-8 has."""

BPS = 10_000
"""Basis points in one."""

FINE = 1_000_000
"""Of a basis point: fees are read to so small a part of one."""


def value(price: int, quantity: int) -> int:
    """Return what a quantity is worth at a price, 1e-8 of the quote asset: exact where it can be, else half even.

    Signs multiply; a value and that of the opposite quantity differ in their sign alone.
    """
    return half_even(price * quantity, UNIT)


def value_up(price: int, quantity: int) -> int:
    """Return the same, rounded up: what a fee that was taken in the base asset costs."""
    return -(-price * quantity // UNIT)


def share(amount: int, part: int, whole: int) -> int:
    """Return the share of an amount that falls to `part` of `whole` (positive), half even; all of it for the whole."""
    return half_even(amount * part, whole)


def fee(value: int, bps: float) -> int:
    """Return the fee on a value (not negative) in its own unit, rounded up; of a negative rate the rebate, toward zero.

    A rate counts to a millionth of a basis point.
    """
    return -(-value * round(bps * FINE) // (BPS * FINE))


def half_even(numerator: int, denominator: int) -> int:
    """Return the quotient as the nearest whole number, ties to the even one; the denominator is positive."""
    quotient, rest = divmod(numerator, denominator)
    twice = 2 * rest
    return quotient + (twice > denominator or (twice == denominator and quotient & 1))


def from_ticks(ticks: int, decimals: int) -> int:
    """Return a price in 1e-8 of the quote asset.

    Raises:
        ValueError: It is finer than 1e-8.
    """
    return _rescaled(ticks, decimals, PLACES, "price")


def from_lots(lots: int, decimals: int) -> int:
    """Return a quantity in 1e-8 of the base asset.

    Raises:
        ValueError: It is finer than 1e-8.
    """
    return _rescaled(lots, decimals, PLACES, "quantity")


def _rescaled(number: int, decimals: int, wanted: int, what: str) -> int:
    if wanted >= decimals:
        return int(number * 10 ** (wanted - decimals))
    result, rest = divmod(number, 10 ** (decimals - wanted))
    if rest:
        raise ValueError(f"a {what} of {number} times 1e-{decimals} is finer than 1e-{wanted}")
    return int(result)
