"""Numbers in the sentences of refusals and breaches: always with their unit."""

from __future__ import annotations

from engine.orders import UNIT, decimal
from engine.types import SECOND

UNKNOWN = "not known"


def money(amount: int, asset: str = "") -> str:
    """An amount in 1e-8 of `asset`: two decimals from 100 on, all of them below."""
    text = decimal(amount, 2 if abs(amount) >= 100 * UNIT else 8)
    return f"{text} {asset}" if asset else text


def percent(share: float) -> str:
    """A share as a percentage, four figures of it: `20 %`, `0.5017 %`."""
    return f"{float(f'{share * 100:.4g}'):.10g} %"


def span(seconds: float) -> str:
    """A length of time: `45 s`, `30 min`, `2.5 h`."""
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"


def time_of_day(ns: int) -> str:
    """UTC ns as `14:05:00 UTC`."""
    seconds = ns // SECOND % 86_400
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02} UTC"
