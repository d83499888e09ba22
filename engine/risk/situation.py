"""What the gate sees of the account and the market when it judges; plain numbers, no objects of others."""

from __future__ import annotations

import msgspec

from engine.orders import UNIT, TradingState


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """The account and one market at one moment; money and quantities in 1e-8, times UTC ns.

    None is unknown, and what is unknown blocks new risk. `position` is signed quantity; `position_value`,
    `open_value` (of open orders of this symbol that would add to it, at their prices) and `exposure` (all symbols,
    positions and open orders that add) are absolute values in the account's currency. `can_short` is False on spot.
    `free` is what is free of the asset that the order pays with (quote of a BUY, base of a SELL; on derivatives what
    may still be bought or sold for it, at the leverage allowed). `book_reach` is the price to which a market order of
    this size would walk the book, None where it is not known to reach. `frozen` names an order of this symbol whose
    state is not known. `open_trades` are symbols with a position, or with an order that would open one. `peak` and
    `day_start` are 0 while they are not known.
    """

    now: int
    state: TradingState
    why: str = ""
    equity: int | None = None
    peak: int = 0
    day_start: int = 0
    position: int = 0
    position_value: int = 0
    open_value: int = 0
    exposure: int = 0
    open_trades: int = 0
    orders_last_minute: int = 0
    losses_in_a_row: int = 0
    pause_until: int = 0
    day_blocked: bool = False
    can_short: bool = False
    derivative: bool = False
    free: int | None = None
    dust: bool = False
    """What is held is the rest of a trade that is over, and too little to be sold."""
    closable: int = 0
    """Quantity that can still be sold or bought back: the position less what open reducing orders hold."""
    left: int | None = None
    """What of that no exit may close before the order does, which waits; None: all."""
    mid: int | None = None
    best_bid: int | None = None
    best_ask: int | None = None
    book_reach: int | None = None
    book_age_ms: float | None = None
    quality: float | None = None
    frozen: str = ""
    entries: bool = True
    exits: bool = True
    symbol_on: bool = True
    breaker: str = ""
    """Sentence about a breaker that is open for this symbol or its venue."""
    regime: str = "unknown"
    size_factor: float = 1.0
    """Of the regime and of the live ramp together."""
    max_spread_bps: float | None = None
    """The regime's, where it is tighter than the limit."""
    latched: bool = False
    trade_risk: int = 0
    """Loss at their stops of the open trade of this symbol and of its open orders that add, in `currency`."""
    rate: int | None = UNIT
    """Of one unit of the quote asset in `currency`, 1e-8."""
    currency: str = ""
    """Of equity and values; for the sentences."""
    flattening: bool = False
    """A flattening that belongs to a halt is under way: reducing orders of origin `flatten` pass, halted or latched."""
