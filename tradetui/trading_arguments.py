"""The arguments of commands about trading: what each may be, and the operator's command that they make.

Arguments are flat; numbers of money and size are decimals as text, which are exact. What is wrong is told in a sentence
before the engine is asked, all else is the engine's to judge.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from math import isfinite
from typing import NamedTuple, TypeVar

import msgspec

from engine.actions import Args
from engine.errors import RequestDenied
from engine.operator import PlaceOrder
from engine.orders import OrderType, units
from engine.text import inert
from tradetui.commands import only

T = TypeVar("T", bound=msgspec.Struct)


class Word(NamedTuple):
    """An argument: what it is for people, what it may be, and whether it must be there."""

    said: str
    holds: Callable[[object], bool]
    needed: bool = False


def _amount(value: object) -> bool:
    """Tell whether a value is a decimal above 0, as text."""
    try:
        return isinstance(value, str) and units(value) > 0
    except ValueError:
        return False


def finite(value: object) -> bool:
    """Tell whether a value is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


_NAME = Word("a name", lambda value: isinstance(value, str) and bool(value) and value.isprintable())
_THIS = _NAME._replace(needed=True)
_TEXT = Word("a text", lambda value: isinstance(value, str))
_FLAG = Word("true or false", lambda value: isinstance(value, bool))
_NUMBER = Word("a number", finite)
_PRICE = Word('a price above 0 as text, as in "60000.5"', lambda value: value == "" or _amount(value))
_SIZE = Word('a quantity above 0 as text, as in "0.01"', lambda value: value == "" or _amount(value))
_EXIT = Word('a price above 0 as text, or "off"', lambda value: value in ("", "off") or _amount(value))


def _above(value: object) -> bool:
    return isinstance(value, int | float) and finite(value) and value >= 0


def _one_of(*texts: str) -> Word:
    said = ", ".join(texts[:-1])
    return Word(f"{said} or {texts[-1]}", lambda value: isinstance(value, str) and value in texts)


_ORDER = {
    "symbol": _THIS,
    "side": _one_of("buy", "sell")._replace(needed=True),
    "type": _one_of(*OrderType),
    "quantity": _SIZE,
    "price": _PRICE,
    "stop_price": _PRICE,
    "time_in_force": _one_of("gtc", "ioc", "fok"),
    "reduce_only": _FLAG,
    "post_only": _FLAG,
    "stop_loss": _PRICE,
    "take_profit": _PRICE,
    "trailing_bps": Word("a number, 0 or more", _above),
    "time_stop_s": Word("a number, 0 or more", _above),
    "size": Word("fraction, volatility or kelly", lambda value: value in ("", "fraction", "volatility", "kelly")),
}

WORDS: dict[str, dict[str, Word]] = {
    "order": _ORDER,
    "preview": _ORDER,
    "cancel": {"order": _NAME, "symbol": _NAME, "all": _FLAG},
    "amend": {"order": _THIS, "price": _PRICE, "stop_price": _PRICE, "quantity": _SIZE},
    "protect": {"symbol": _THIS, "stop_loss": _EXIT, "take_profit": _EXIT, "trailing_bps": _NUMBER,
                "time_stop_s": _NUMBER},
    "flatten": {"symbol": _NAME},
    "kill": {"flatten": _FLAG, "reason": _TEXT},
    "arm": {"word": Word("the word to arm with, as in PAPER", _NAME.holds, needed=True), "reason": _TEXT,
            "unknown_withdrawal": _FLAG},
    "disarm": {"reason": _TEXT},
    "switch": {"name": _THIS, "on": _FLAG._replace(needed=True)},
    "reconcile": {},
}  # fmt: skip
"""Arguments by command; those of `limits` are the limits' own names."""


def in_time(until_ms: object) -> None:
    """Deny an order that comes later (UTC ms) than it was meant: an engine that was stopped finds it in its socket."""
    if until_ms is None:
        return
    if isinstance(until_ms, bool) or not isinstance(until_ms, int):
        raise wrong(f"until_ms {shown(until_ms)}: expected UTC milliseconds, a whole number")
    late_s = time.time() - until_ms / 1000
    if late_s > 0:
        text = (
            f"the engine has come to this order {late_s:.1f} s too late, for another market: look at it, and ask again"
        )
        raise RequestDenied("late", text)


def order_of(arguments: Args) -> PlaceOrder:
    """Return an order whose numbers fit its type.

    Raises:
        RequestDenied: They do not.
    """
    order = command_of(PlaceOrder, arguments, _ORDER)
    kind = order.type
    for name, wanted, meaning in (
        ("price", kind.limited, "a limit price"),
        ("stop_price", kind.conditional, "the price at which it becomes an order"),
    ):
        if wanted != bool(getattr(order, name)):
            raise wrong(f"an order of type {kind} {f'needs {name}, {meaning}' if wanted else f'has no {name}'}")
    if order.post_only and not kind.limited:
        raise wrong(f"post_only is for orders with a limit price, not for {kind}")
    return order


def command_of(kind: type[T], arguments: Args, words: Mapping[str, Word]) -> T:
    """Return a command of these arguments.

    Raises:
        RequestDenied: One is missing, unknown, or nothing that it can be.
    """
    only(arguments, *words)
    for name, word in words.items():
        if name not in arguments:
            if word.needed:
                raise wrong(f"{name} is missing: expected {word.said}")
        elif not word.holds(arguments[name]):
            raise wrong(f"{name} {shown(arguments[name])}: expected {word.said}")
    try:
        return msgspec.convert(dict(arguments), kind)
    except msgspec.ValidationError as error:
        raise wrong(inert(str(error))) from error


def shown(value: object) -> str:
    """Return what was given, for a sentence about it."""
    return inert(repr(value), 80)


def wrong(reason: str) -> RequestDenied:
    """Return the denial of an argument that cannot be what it is meant for."""
    return RequestDenied("invalid_argument", reason)
