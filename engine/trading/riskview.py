"""Risk as people see it: every limit with its bounds and what is used of it, and the figures of risk."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import msgspec
import numpy as np
from msgspec import inspect

from engine.execution.account import Account
from engine.execution.money import value
from engine.orders import Mode, decimal
from engine.risk.limits import Limits
from engine.risk.metrics import Tail, hit_rate, leverage, mean_r, var_es
from engine.risk.wording import span, time_of_day
from engine.state import EngineState
from engine.trading.judging import exposure
from engine.trading.marks import book_age_ms, mark_of, market_of, rate_of
from engine.trading.views import open_positions
from engine.tradingviews import LimitView, RegimeView, RiskView
from engine.types import SECOND, Timeframe

DAYS = 500
"""Days that VaR is told from, at most."""

UNITS = {
    "max_leverage": "x",
    "orders_per_minute": "1/min",
    "stale_ms": "ms",
    "max_spread_bps": "bps",
    "min_quality": "",
    "losses_in_a_row": "",
    "pause_s": "s",
    "max_open_trades": "",
}
"""Units of the limits that are no shares."""


class Bound(NamedTuple):
    """What a limit can be, and what it means."""

    least: float
    most: float
    explained: str


@cache
def bounds() -> dict[str, Bound]:
    """Return bounds and explanation of every limit, as its type says them."""
    found = {}
    described = inspect.type_info(Limits)
    assert isinstance(described, inspect.StructType)
    for field in described.fields:
        kind: Any = field.type
        said = ""
        if isinstance(kind, inspect.Metadata):
            said, kind = (kind.extra_json_schema or {}).get("description", ""), kind.type
        least = kind.ge if kind.ge is not None else kind.gt
        found[field.name] = Bound(float(least or 0), float(kind.le), said)
    return found


def tail(state: EngineState, account: Account) -> Tail | None:
    """Return VaR and ES of one day of the positions as they are, 1e-8 of the currency; None without enough days."""
    values, closes = [], []
    for position in open_positions(account):
        key = position.instrument
        market, mark = market_of(state, account, key), mark_of(state, key)
        rate = rate_of(state, account, position.contract.quote)
        if market is None or mark is None or rate is None:
            return None
        days = market.frames.tracks[Timeframe.D1].candles(DAYS)
        values.append(float(value(rate, value(mark, position.quantity))))
        closes.append(dict(zip(days.open_ms.tolist(), days.close.tolist(), strict=True)))
    if not values:
        return Tail(var=0.0, es=0.0, samples=0)
    every = sorted(set().union(*closes))
    day_ms = Timeframe.D1.seconds * 1000
    if not every:
        return None
    times = range(every[0], every[-1] + 1, day_ms)
    aligned = np.array([[each.get(at, np.nan) for each in closes] for at in times])
    return var_es(values, aligned)


def risk_view(state: EngineState, account: Account, now: int, found: Tail | None) -> RiskView:
    """Return limits and figures at `now` (UTC ns); `found` is what `tail` told a moment ago."""
    drawdown, streak, equity = account.drawdown, account.streak, account.equity
    exposed = exposure(state, account)
    trades = [trade for ledger in account.ledgers.values() for trade in ledger.closed]
    multiples = [trade.r for trade in trades if trade.r is not None]
    used = _used(state, account, now, exposed)
    limits = msgspec.structs.asdict(account.risk.limits)
    live = account.mode is Mode.LIVE
    return RiskView(
        limits=tuple(
            LimitView(
                name=name,
                value=float(limits[name]),
                used=used.get(name),
                least=bound.least,
                most=bound.most,
                unit=UNITS.get(name, "share"),
                explained=bound.explained,
            )
            for name, bound in bounds().items()
        ),
        equity=None if equity is None else decimal(equity),
        peak=decimal(drawdown.peak) if drawdown.peak else "",
        day_start=decimal(drawdown.day_start) if drawdown.day_start else "",
        drawdown=drawdown.drawdown,
        daily=drawdown.daily,
        exposure=leverage(exposed, equity),
        leverage=leverage(_held(state, account), equity),
        var=None if found is None else decimal(round(found.var), 2),
        es=None if found is None else decimal(round(found.es), 2),
        samples=found.samples if found is not None else 0,
        hit_rate=hit_rate([trade.net for trade in trades]),
        mean_r=mean_r(multiples),
        trades=len(trades),
        losses_in_a_row=streak.losses,
        pause_until=streak.pause_until if streak.pause_until > now else 0,
        orders_last_minute=_entries(account, now),
        ramp=account.ramp.share if live else 1.0,
        ramp_told=account.ramp.told if live else "",
        regimes=tuple(
            RegimeView(
                instrument=key,
                regime=tracker.regime,
                percentile=tracker.percentile,
                spread_bps=tracker.spread_bps,
                size=tracker.parameters.size,
            )
            for key, tracker in account.regimes.items()
        ),
        breakers=tuple(
            text
            for breakers in (account.flash, account.venue_breakers)
            for breaker in breakers.values()
            if (text := breaker.open(now))
        ),
        protections=tuple(_exits(account, key, now) for key in account.protections),
    )


def _used(state: EngineState, account: Account, now: int, exposed: int) -> dict[str, float | None]:
    """Return what is used of each limit, in its unit; limits of single orders have no use."""
    equity = account.equity if account.equity is not None and account.equity > 0 else None
    held = list(open_positions(account))
    drawdown, daily = account.drawdown.drawdown, account.drawdown.daily
    ages = [book_age_ms(market, now) for market in state.markets.values()]
    spreads = [tracker.spread_bps for tracker in account.regimes.values() if tracker.spread_bps is not None]
    worths = [_worth(state, account, position.instrument, position.quantity) for position in held]
    return {
        "risk_per_trade": max((position.risk / equity for position in held), default=0.0) if equity else None,
        "max_position": max((worth / equity for worth in worths), default=0.0) if equity else None,
        "max_exposure": leverage(exposed, equity),
        "max_leverage": leverage(exposed, equity),
        "daily_loss": max(daily, 0.0) if daily is not None else None,
        "drawdown": drawdown,
        "orders_per_minute": float(_entries(account, now)),
        "stale_ms": None if not ages or None in ages else max(age for age in ages if age is not None),
        "max_spread_bps": max(spreads, default=None),
        "losses_in_a_row": float(account.streak.losses),
        "pause_s": max(account.streak.pause_until - now, 0) / SECOND,
        "max_open_trades": float(len(held)),
    }


def _held(state: EngineState, account: Account) -> int:
    """Return the value of all positions at their marks, 1e-8 of the currency."""
    return sum(_worth(state, account, each.instrument, each.quantity) for each in open_positions(account))


def _worth(state: EngineState, account: Account, key: str, quantity: int) -> int:
    mark, rate = mark_of(state, key), rate_of(state, account, account.contract(key).quote)
    return value(rate, value(mark, abs(quantity))) if mark is not None and rate is not None else 0


def _entries(account: Account, now: int) -> int:
    return sum(at > now - 60 * SECOND for at in account.entries)


def _exits(account: Account, key: str, now: int) -> str:
    """Return the exits of a position as a sentence."""
    exits = account.protections[key]
    told = []
    if exits.stop:
        where = "here" if account.paper is not None or not exits.stop_held else "at the venue"
        where = where if account.switches["exits"] and not account.halted else "off"
        told.append(f"stop-loss {decimal(exits.stop)} ({where})")
    if exits.take_profit:
        told.append(f"take profit {decimal(exits.take_profit)}")
    if exits.trailing_bps:
        best = f" behind {decimal(exits.best)}" if exits.best else ""
        told.append(f"trailing {exits.trailing_bps:g} bps{best}")
    if exits.closes_at:
        left = max(exits.closes_at - now, 0) / SECOND
        told.append(f"time stop at {time_of_day(exits.closes_at)}, in {span(left)}")
    return f"{key}: {', '.join(told) or 'no exits'}"
