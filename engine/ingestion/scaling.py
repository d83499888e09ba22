"""Decimal text of the venue as exact integers, and book levels by the hundred."""

from __future__ import annotations

from collections.abc import Callable

from engine.errors import ProtocolError, ScaleOutdated
from engine.types import Instrument, Level

EXACT = 2**53
"""Integers from here on are not all exact as floats."""


def exact(text: str, decimals: int) -> int:
    """Return a non-negative decimal number as an integer count of 10**-decimals.

    Raises:
        ScaleOutdated: Finer than `decimals`.
        ProtocolError: Not a plain decimal number, or negative.
    """
    whole, _, part = text.partition(".")
    if not (whole.isdecimal() and whole.isascii()) or (part and not (part.isdecimal() and part.isascii())):
        raise ProtocolError(f"{text!r} is not a plain number")
    if part[decimals:].strip("0"):
        raise ScaleOutdated(f"{text} is finer than {decimals} decimals: the instrument's scale is out of date")
    return int(whole + part[:decimals].ljust(decimals, "0"))


def positive(text: str, decimals: int, what: str) -> int:
    """Return a number as `exact` does, but not zero.

    Raises:
        ProtocolError: As `exact`, or zero.
    """
    number = exact(text, decimals)
    if not number:
        raise ProtocolError(f"{what} is zero")
    return number


def exact_levels(pairs: list[tuple[str, str]], instrument: Instrument) -> tuple[Level, ...]:
    """Return the levels of one side from their text, number by number.

    Raises:
        ProtocolError: A number is none, or a price is zero.
    """
    price_decimals, size_decimals = instrument.price_decimals, instrument.size_decimals
    levels = tuple((exact(p, price_decimals), exact(q, size_decimals)) for p, q in pairs)
    if any(price == 0 for price, _ in levels):
        raise ProtocolError("a level at price zero")
    return levels


def scaler(first: bytes, second: bytes, instrument: Instrument) -> Callable[[bytes], tuple[bytes, int]]:
    """Return what writes the exponents behind the numbers of a book message, and tells how many levels it saw.

    A number that got no exponent would be read at the wrong scale: unless as many levels are read as were seen, the
    message is read the exact way. It tells -1 where the two sides do not stand as usual.
    """
    price, size = b'e%d","' % instrument.price_decimals, b'e%d"]' % instrument.size_decimals

    def scale(frame: bytes) -> tuple[bytes, int]:
        at = frame.find(first)
        if not 0 <= at < frame.find(second, at):
            return frame, -1
        prices = frame[at:].split(b'","')
        sizes = price.join(prices).split(b'"]')
        levels = len(prices) - 1 if len(prices) == len(sizes) else -1
        return frame[:at] + size.join(sizes), levels

    return scale
