"""How finely the prices of an instrument are told, and how far a key moves one."""

from __future__ import annotations

from math import floor, log10
from typing import TYPE_CHECKING

from tradetui.console.render.cells import decimals

if TYPE_CHECKING:
    from tradetui.console.desk import Desk


def places(desk: Desk, symbol: str) -> int:
    """Return the decimals of an instrument's prices."""
    market = desk.market(symbol)
    return decimals(market.tick) if market is not None and market.tick else 2


def tick(desk: Desk, symbol: str) -> float:
    """Return the price step of an instrument."""
    market = desk.market(symbol)
    return market.tick if market is not None and market.tick else 10.0 ** -places(desk, symbol)


def step_of(price: float, least: float) -> float:
    """Return how far one key moves a line: about a hundredth of a per cent, a round number of price steps."""
    wanted = max(price * 1e-4, least)
    size = 10.0 ** floor(log10(wanted))
    round_ = next(size * each for each in (5, 2, 1) if wanted >= size * each * (1 - 1e-9))
    return max(round(round_ / least), 1) * least
