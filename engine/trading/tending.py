"""What time brings to trading: exits, equity and its limits, market conditions, breakers, questions that are due."""

from __future__ import annotations

from engine.execution.account import Account
from engine.risk.breakers import FlashBreaker
from engine.risk.regimes import MOST_HOURS, RegimeTracker
from engine.state import MarketState
from engine.timers import TENTH
from engine.trading import answers, closing, funding, protecting, yielding
from engine.trading.marks import book_age_ms, market_of, prices_of, tradable, value_account
from engine.trading.turn import Turn
from engine.types import SECOND, Timeframe

POINT_S = 60
"""Seconds between two points of the equity curve that are kept."""

CLOSES_S = 60
"""Seconds between two looks at the hourly closes."""

FLASH_TENTHS = 2
"""Tenths of a second between two looks for a flash move."""


def tend(turn: Turn) -> None:
    """Do what is due at a timer boundary (`turn.now`, a multiple of 100 ms)."""
    account, tenth = turn.account, turn.now // TENTH
    if tenth % FLASH_TENTHS == 0:
        for key, market in turn.state.markets.items():
            _flash(turn, key, market)
    if account.protections:
        protecting.tend(turn)
    if account.closing:
        for key in list(account.closing):
            closing.go_on(turn, key)
    if account.deferred:
        yielding.tend(turn)
    if account.waiting:
        answers.ask_due(turn)
    if account.halted and tenth % 10 == 0:
        closing.sweep(turn)
    if tenth % 10 == 0 and turn.state.markets:
        for key in tradable(turn.state, account):
            _condition_of(turn, key, turn.now // SECOND)
        _equity(turn, turn.now // SECOND)


def _flash(turn: Turn, key: str, market: MarketState) -> None:
    """Watch a market for flash moves."""
    prices = prices_of(market)
    if prices is None:
        return
    account = turn.account
    flash = account.flash.get(key)
    if flash is None:
        flash = account.flash[key] = FlashBreaker(account.risk.breakers, key)
    moved = flash.price(prices[2], turn.now)
    if moved:
        turn.notice("FLASH_MOVE", key, moved, "exits go on")


def _condition_of(turn: Turn, key: str, second: int) -> None:
    """Find out the condition of an instrument's market, and whether it is known where it matters."""
    account = turn.account
    market = market_of(turn.state, account, key)
    if market is None:
        return
    prices = prices_of(market)
    if prices is not None:
        bid, ask, mid = prices
        tracker = account.regimes.get(key)
        if tracker is None:
            tracker = account.regimes[key] = RegimeTracker(account.risk.regimes)
        before = tracker.regime
        tracker.spread((ask - bid) / mid * 10_000, turn.now)
        if second % CLOSES_S == 0 or tracker.percentile is None:
            tracker.closes(_closes(market))
        account.version += tracker.regime != before
    if market.mark is not None:
        funding.tend(turn, key, market)
    text = ""
    if account.quantity(key) or account.orders.open(key):
        age = book_age_ms(market, turn.now)
        if not market.sync.live:
            text = f"the book of {key} is not known at this moment"
        elif age is None or age > account.risk.limits.stale_ms:
            text = f"the book of {key} is older than {account.risk.limits.stale_ms} ms"
    _condition(account, f"stale {key}", text)


def _condition(account: Account, name: str, text: str) -> None:
    if text and name not in account.conditions:
        account.conditions[name] = text
        account.version += 1
    elif not text and account.conditions.pop(name, None) is not None:
        account.version += 1


def _closes(market: MarketState) -> list[float]:
    """Return hourly closes of the last 30 days, NaN where an hour is missing."""
    bars = market.bars.closed[Timeframe.H1]
    if not bars:
        return []
    last = bars[-1].open_ms // 3_600_000
    found = {bar.open_ms // 3_600_000: float(bar.close) for bar in list(bars)[-MOST_HOURS - 1 :]}
    first = max(min(found), last - MOST_HOURS)
    return [found.get(hour, float("nan")) for hour in range(first, last + 1)]


def _equity(turn: Turn, second: int) -> None:
    """Value the account, hold it against its limits, and keep a point of its curve a minute."""
    account = turn.account
    value_account(turn.state, account)
    if account.equity is None and account.drawdown.equity is None:
        return  # nothing has been valued yet: the first books are awaited
    for breach in account.drawdown.update(turn.now, account.equity):
        account.version += 1
        match breach.name:
            case "drawdown":
                turn.notice("DRAWDOWN", "trading", breach.text, "trading is halted")
                if not account.halted:
                    closing.halt(turn, breach.text, flatten=account.risk.drawdown_flattens)
            case "daily_loss":
                gone = closing.withdraw_entries(turn)
                turn.notice("DAILY_LOSS", "trading", breach.text, f"no new risk today{gone}")
            case "unknown":
                turn.notice("EQUITY_UNKNOWN", "trading", breach.text, "no new risk")
            case _:
                pass
    if account.drawdown.day_blocked:
        _condition(account, "daily loss", "the loss of the day has reached its limit; no new risk until 00:00 UTC")
    else:
        _condition(account, "daily loss", "")
    points = account.equity_points
    if account.equity is not None and (not points or second - points[-1][0] >= POINT_S):
        points.append((second, account.equity, account.drawdown.drawdown or 0.0))
        turn.journal("equity", {"equity": account.equity, "watch": account.drawdown.image()}, str(second))
