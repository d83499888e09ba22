"""Money, prices and quantities as they are told: exact texts, grouped; gains and losses by shape and sign."""

from __future__ import annotations

from tradetui.console.render.cells import NOTHING, decimals
from tradetui.console.render.pens import (
    ASK,
    BAD,
    BID,
    BOLD,
    DOWN,
    FAINT,
    FLAT,
    GOOD,
    UP,
    WARN,
    pen,
)

MODES = {"paper": pen(FAINT), "testnet": pen(WARN), "live": pen(BAD, attributes=BOLD)}
"""Pens of a mode in a row: it is told by its word, the colour only adds to it."""

STATES = {
    "active": pen(GOOD, attributes=BOLD), "reduce": pen(WARN, attributes=BOLD), "halted": pen(BAD, attributes=BOLD),
}  # fmt: skip

SIDES = {"buy": ("\u25b2 BUY", pen(BID)), "sell": ("\u25bc SELL", pen(ASK))}


def number(text: str | None) -> float | None:
    """Return a decimal as a number for drawing, None for none."""
    try:
        return float(text) if text else None
    except ValueError:
        return None


def plain(text: str | None, places: int | None = None) -> str:
    """Return a decimal with its thousands apart; `places`: that many decimals, rounded. `-` for none."""
    value = number(text)
    if value is None or text is None:
        return NOTHING
    if places is not None:
        return f"{value:,.{places}f}"
    whole, point, part = text.partition(".")
    try:
        return f"{int(whole):,}{point}{part}" if whole not in ("", "-", "-0") else text
    except ValueError:
        return text


def price(text: str | None, tick: float) -> str:
    """Return a price with the decimals of its step, as many as it has where the step is not known."""
    return plain(text, decimals(tick)) if tick else plain(text)


def gain(text: str | None, places: int = 2) -> tuple[str, int]:
    """Return a gain or a loss with its shape and sign, and its pen."""
    value = number(text)
    if value is None:
        return NOTHING, pen(FLAT)
    if round(value, places) == 0:
        return f"= {0:.{places}f}", pen(FLAT)
    return f"{shape(value)}{value:+,.{places}f}", pen(UP if value > 0 else DOWN)


def shape(value: float) -> str:
    """Return what stands for up or down."""
    return "\u25b2" if value > 0 else "\u25bc" if value < 0 else "="


def share(value: float | None, places: int = 2, *, sign: bool = False) -> str:
    """Return a part of one in per cent."""
    return NOTHING if value is None else f"{value * 100:{'+' if sign else ''}.{places}f} %"


def r(value: float | None) -> str:
    """Return a multiple of the risk."""
    return NOTHING if value is None else f"{value:+.2f}"
