"""What things are worth now: marks of instruments, rates of assets, and equity."""

from __future__ import annotations

from engine.execution.account import Account
from engine.execution.money import from_ticks
from engine.orders import UNIT, Rules
from engine.risk.rules import assumed
from engine.state import EngineState, MarketState
from engine.types import MS

Prices = tuple[int, int, int]
"""Best bid, best ask and mid, 1e-8 of the quote asset."""


def market_of(state: EngineState, account: Account, instrument: str) -> MarketState | None:
    """Return the market that prices an instrument: its own, or the one that is set for it."""
    market = state.markets.get(instrument)
    if market is None and account.paper is None:
        market = state.markets.get(account.trading.priced_by.get(instrument, ""))
    return market


def rules_of(state: EngineState, account: Account, instrument: str) -> Rules:
    """Return what the venue lets orders be, or what is known of it here.

    Raises:
        KeyError: Nothing prices it.
    """
    found = rules_known(state, account, instrument)
    if found is None:
        raise KeyError(instrument)
    return found


def rules_known(state: EngineState, account: Account, instrument: str) -> Rules | None:
    """Return the same; None where nothing prices it, as of a position whose instrument is not followed any more."""
    told = account.rules.get(instrument)
    if told is not None:
        return told
    market = market_of(state, account, instrument)
    return None if market is None else market.rules or assumed(market.instrument)


def tradable(state: EngineState, account: Account) -> tuple[str, ...]:
    """Return what can be traded here."""
    routed = account.trading.priced_by if account.paper is None else {}
    own = [
        key
        for key, market in state.markets.items()
        if not market.instrument.contract_size
        and (account.paper is not None or key.partition(":")[0] in account.venues)
    ]
    return (*own, *(key for key, priced in routed.items() if priced in state.markets))


def prices_of(market: MarketState) -> Prices | None:
    """Return the best prices of a live book; None without one."""
    book = market.sync.book
    if not (market.sync.live and book.best_bid and book.best_ask):
        return None
    decimals = market.instrument.price_decimals
    bid, ask = from_ticks(book.best_bid, decimals), from_ticks(book.best_ask, decimals)
    return bid, ask, (bid + ask) // 2


def mark_of(state: EngineState, instrument: str) -> int | None:
    """Return the price at which a position is valued: the mid of a live book, else the last trade's; None: unknown."""
    account = state.account
    market = market_of(state, account, instrument) if account is not None else state.markets.get(instrument)
    if market is None:
        return None
    prices = prices_of(market)
    if prices is not None:
        return prices[2]
    if market.last_trade is not None:
        return from_ticks(market.last_trade.price, market.instrument.price_decimals)
    return None


def rate_of(state: EngineState, account: Account, asset: str) -> int | None:
    """Return the value of one of an asset in the account's currency (1e-8); None if no followed instrument tells."""
    currency = account.trading.currency
    if asset == currency:
        return UNIT
    for key, market in state.markets.items():
        instrument = market.instrument
        if instrument.base == asset and instrument.quote == currency and not instrument.contract_size:
            mark = mark_of(state, key)
            if mark is not None:
                return mark
    return None


def book_age_ms(market: MarketState, now: int) -> float | None:
    """Return the age of the last book update, ms; None before the first."""
    return max(now - market.ts_book, 0) / MS if market.ts_book else None


def value_account(state: EngineState, account: Account) -> None:
    """Find out what the account is worth at this moment."""
    total = 0
    unknown: list[str] = []

    def rate(asset: str) -> int | None:
        return rate_of(state, account, asset)

    def mark(instrument: str) -> int | None:
        return mark_of(state, instrument)

    complete = True
    for ledger in account.ledgers.values():
        equity = ledger.equity(rate, mark)
        unknown.extend(equity.unknown)
        if equity.total is None:
            complete = False
        else:
            total += equity.total
    account.unvalued = tuple(unknown)
    account.equity = total if complete else None
