"""What one record does to trading: the commands that follow from it, in their order."""

from __future__ import annotations

import msgspec

from engine.execution.account import Account
from engine.keep import Keep
from engine.orders import Answered, Journaled, Noticed, TradingState
from engine.state import EngineState
from engine.types import Command

_encode = msgspec.json.Encoder().encode


class Turn:
    """One record's turn: state, time (the record's stamp, UTC ns), and what is to be done."""

    __slots__ = ("account", "commands", "now", "state", "touched")

    def __init__(self, state: EngineState, account: Account, now: int) -> None:
        self.state = state
        self.account = account
        self.now = now
        self.commands: list[Command | Keep] = []
        self.touched: dict[str, None] = {}
        """Instruments whose exits are to be looked at when all that is known has been taken in."""

    def journal(self, kind: str, body: object, key: str = "") -> None:
        """Keep a record for good; without a key of its own it gets the next one."""
        account = self.account
        if not key:
            account.records += 1
            key = f"{account.prefix}-{account.records}"
        account.version += 1
        self.commands.append(Journaled(kind=kind, key=f"{account.mode}/{kind}/{key}", ts=self.now, body=_encode(body)))

    def notice(self, code: str, component: str, text: str, doing: str = "") -> None:
        """Alert people."""
        self.commands.append(Noticed(code=code, component=component, text=text, doing=doing))

    def answer(self, number: int, text: str, *, code: str = "") -> None:
        """Answer who asked; a code means no."""
        self.commands.append(Answered(id=number, done=not code, text=text, code=code))


def state_of(account: Account) -> tuple[TradingState, tuple[str, ...]]:
    """Return what may be done now, and why not more, the weightiest reason first."""
    reasons: list[str] = []
    if account.latched:
        reasons.append(f"the kill switch holds: {account.halted or 'no reason was given'}")
    elif account.halted:
        reasons.append(account.halted)
    if reasons:
        return TradingState.HALTED, tuple(reasons)
    if not account.armed:
        reasons.append(f"not armed: `tradetui arm` or M, and the word {account.mode.upper()}")
    if not account.switches["trading"]:
        reasons.append("trading is switched off")
    reasons.extend(account.conditions.values())
    return (TradingState.REDUCE if reasons else TradingState.ACTIVE), tuple(reasons)
