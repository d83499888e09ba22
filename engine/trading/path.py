"""Where trading meets the path: what each record of the market, of time, of a person and of a venue does to it."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any, get_args

from engine.execution.account import Account
from engine.execution.money import from_ticks
from engine.execution.paper import Look
from engine.keep import Keep
from engine.operator import OperatorAsked, TradingEvent
from engine.orders import (
    Adopted,
    BalancesReported,
    BlindTime,
    ConditionChanged,
    FundingPaid,
    KeyChecked,
    Noticed,
    OrderEvent,
    Reconciled,
)
from engine.risk.rules import assumed
from engine.state import EngineState, MarketState
from engine.trading import answers, asked, protecting, tending
from engine.trading.marks import market_of
from engine.trading.turn import Turn
from engine.types import BookDelta, Command, Record, TimerFired, Trade

Commands = list[Command | Keep]


def due(state: EngineState, account: Account, now: int) -> Commands:
    """Let the paper venue do what was due before `now`, against the books as they stand."""
    turn = Turn(state, account, now)
    paper = account.paper
    while paper is not None and paper.due < now:
        turn.now = paper.due
        for event in paper.advance(turn.now, lambda key: look(state, key)):
            answers.apply(turn, event)
        protecting.settle(turn)
    return turn.commands


def market(state: EngineState, account: Account, record: Record) -> Commands:
    """Let the paper venue see what a record has done to a market in which it holds something."""
    paper, event = account.paper, record.event
    turn = Turn(state, account, record.ts_recv)
    key: str = event.instrument  # type: ignore[union-attr, assignment]
    market = state.markets.get(key)
    if market is None:
        return turn.commands
    traded = type(event) is Trade and market.last_trade is event
    if paper is not None and key in paper.watched:
        seen = look_at(market)
        if traded:
            events = paper.on_trade(seen, event, turn.now)  # type: ignore[arg-type]
        elif type(event) is BookDelta and market.sync.live:
            events = paper.on_delta(seen, event, turn.now)
        else:
            events = paper.on_reload(seen, turn.now) if type(event) is not Trade else []
        for each in events:
            answers.apply(turn, each)
        protecting.settle(turn)
    if traded:
        price = from_ticks(event.price, market.instrument.price_decimals)  # type: ignore[union-attr]
        for protected in tuple(account.protections):
            if market_of(state, account, protected) is market:
                protecting.watch(turn, protected, price)
    return turn.commands


def lost(state: EngineState, account: Account, record: Record) -> Commands:
    """Tell the paper venue that books are not known any more."""
    turn = Turn(state, account, record.ts_recv)
    paper = account.paper
    for key in tuple(paper.watched) if paper is not None else ():
        market = state.markets.get(key)
        if paper is not None and market is not None and not market.sync.live:
            for each in paper.on_reload(look_at(market), turn.now):
                answers.apply(turn, each)
            protecting.settle(turn)
    return turn.commands


def failed(state: EngineState, account: Account, record: Record, error: Exception) -> Commands:
    """Trading failed by a fault of ours: no new risk until a person arms again, and whoever asked is told."""
    turn = Turn(state, account, record.ts_recv)
    what = f"{type(error).__name__}: {error}"
    account.armed = False
    account.conditions["fault"] = (
        f"trading failed by a fault of ours ({what}); look at the log, then restart the engine"
    )
    account.version += 1
    turn.commands.append(
        Noticed(
            code="TRADING_FAILED",
            component="trading",
            text=f"{type(record.event).__name__}: {what}",
            doing="no new risk is taken",
            detail="".join(traceback.format_exception(error)),
        )
    )
    if isinstance(record.event, OperatorAsked):
        turn.answer(record.event.id, f"not done: trading failed by a fault of ours ({what})", code="failed")
    return turn.commands


def apply(state: EngineState, account: Account, record: Record, event: TradingEvent) -> Commands:
    """Take what a person asks, or what a venue says."""
    turn = Turn(state, account, record.ts_recv)
    _APPLY.get(type(event), answers.apply)(turn, event)
    protecting.settle(turn)
    return turn.commands


def timer(state: EngineState, account: Account, fired: TimerFired) -> Commands:
    """Do what time brings."""
    turn = Turn(state, account, fired.boundary)
    tending.tend(turn)
    protecting.settle(turn)
    return turn.commands


def look(state: EngineState, key: str) -> Look | None:
    """Return what the paper venue sees of an instrument; None where it is not followed."""
    market = state.markets.get(key)
    return look_at(market) if market is not None else None


def look_at(market: MarketState) -> Look:
    """Return what the paper venue sees of a market."""
    return Look(
        instrument=market.instrument,
        book=market.sync.book,
        live=market.sync.live,
        rules=market.rules or assumed(market.instrument),
        last_trade=market.last_trade,
        low=market.sync.low,
        high=market.sync.high,
        stamp=market.stamp_book,
        loads=market.sync.resyncs,
    )


_APPLY: dict[type, Callable[[Turn, Any], None]] = {
    OperatorAsked: asked.asked,
    BalancesReported: answers.balances,
    FundingPaid: answers.funding,
    Adopted: answers.adopted,
    ConditionChanged: answers.condition,
    Reconciled: answers.reconciled,
    KeyChecked: answers.key,
    BlindTime: answers.blind,
}

TRADING: frozenset[type] = frozenset((*_APPLY, *get_args(OrderEvent)))
"""Kinds of events that are trading's own."""
