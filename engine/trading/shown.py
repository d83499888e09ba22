"""Topics of the account, packed: made anew only when something of them has changed, whoever asks how often."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from engine.execution.account import Account
from engine.protocol import raw
from engine.risk.metrics import Tail
from engine.state import EngineState
from engine.trading.riskview import risk_view, tail
from engine.trading.views import (
    equity_view,
    fills_view,
    journal_rows,
    open_positions,
    orders_view,
    positions_view,
    trading_view,
)
from engine.types import SECOND

TRADING = ("trading", "positions", "orders", "fills", "journal", "risk", "equity")
"""The topics that are made here."""

MOVING = ("trading", "positions", "risk")
"""They change with the market, too."""

EVERY = SECOND // 4
"""Least time between two makings of those for the market's sake."""

TAIL_EVERY = 60 * SECOND
"""VaR is told anew so often, and when positions change."""


class Shown:
    """Rows of one account; another account, as after a seek of a replay, begins anew."""

    __slots__ = ("_account", "_made", "_tail", "_tail_of")

    def __init__(self) -> None:
        self._account: Account | None = None
        self._made: dict[str, tuple[object, msgspec.Raw]] = {}
        self._tail: Tail | None = None
        self._tail_of: object = None

    def topic(self, name: str, state: EngineState, account: Account, now: int) -> msgspec.Raw:
        """Return a topic of `TRADING` at `now` (UTC ns), packed."""
        if account is not self._account:
            self._made.clear()
            self._account, self._tail_of = account, None
        key = self._key(name, account, now)
        made = self._made.get(name)
        if made is None or made[0] != key:
            made = self._made[name] = key, raw(self._make(name, state, account, now))
        return made[1]

    def _key(self, name: str, account: Account, now: int) -> object:
        """Return what a topic depends on, in few words."""
        if name == "equity":
            points = account.equity_points
            return points[-1] if points else None
        return account.version, now // EVERY if name in MOVING else 0

    def _make(self, name: str, state: EngineState, account: Account, now: int) -> object:
        match name:
            case "trading":
                return trading_view(state, account, now)
            case "positions":
                return positions_view(state, account)
            case "risk":
                return risk_view(state, account, now, self._tail_at(state, account, now))
            case "equity":
                return equity_view(account)
        rows: Callable[[Account], object] = {"orders": orders_view, "fills": fills_view, "journal": journal_rows}[name]
        return rows(account)

    def _tail_at(self, state: EngineState, account: Account, now: int) -> Tail | None:
        held = tuple((each.instrument, each.quantity) for each in open_positions(account))
        if self._tail_of != (held, now // TAIL_EVERY):
            self._tail_of = held, now // TAIL_EVERY
            self._tail = tail(state, account)
        return self._tail
