"""Funding of perpetuals on paper: at each funding time what the venue announced last, for what is held then.

Longs pay shorts where the rate is positive: amount = position x mark price x rate (Binance, "Introduction to Binance
Futures Funding Rates"; Bybit, "Funding Fee Calculation"). Real venues tell it themselves.
"""

from __future__ import annotations

from fractions import Fraction
from math import floor

from engine.execution.account import Announced
from engine.orders import FundingPaid
from engine.state import MarketState
from engine.trading import answers
from engine.trading.turn import Turn


def tend(turn: Turn, key: str, market: MarketState) -> None:
    """Pay what has become due on an instrument, and remember what is announced for the next time."""
    account, mark = turn.account, market.mark
    if account.paper is None or mark is None or mark.funding_rate is None or not mark.next_funding:
        return
    before = account.announced.get(key)
    if before is not None and turn.now >= before.at and mark.next_funding > before.at:
        held = account.quantity(key)
        if held and account.contract(key).derivative:
            due = Fraction(before.mark) * Fraction(before.rate) * held * Fraction(-1)
            paid = FundingPaid(
                id=str(before.at),
                instrument=key,
                ts=turn.now,
                amount=floor(due),  # to the account's disadvantage, by less than a unit
                asset=account.contract(key).settle,
            )
            answers.funding(turn, paid)
    if before is None or mark.next_funding >= before.at:
        account.announced[key] = Announced(mark.next_funding, mark.mark, mark.funding_rate)
