"""Trading in a recording: the account as an engine took it up, and every record of trading at its place.

A replay that takes them from there trades as was traded: the same orders, fills and ledger, also of real venues, whose
answers are among these records.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Protocol, TypeVar

import msgspec

from engine.errors import ProtocolError
from engine.execution.account import Account
from engine.execution.ledger import Ledger, Position
from engine.execution.order import Order
from engine.execution.settings import TradingAddresses, TradingSettings
from engine.ingestion.envelope import Note
from engine.ingestion.shapes import DAMAGE
from engine.ingestion.streams import LATEST_MS
from engine.operator import TradingEvent
from engine.risk.exits import Protection
from engine.risk.limits import RiskSettings
from engine.state import EngineState
from engine.trading.recall import Image, image, recall
from engine.types import MS

ACCOUNT = "account"
TRADING = "trading"
TIMERS = "timers"
KINDS = (ACCOUNT, TRADING, TIMERS)

Stamp = Annotated[int, msgspec.Meta(ge=0, le=LATEST_MS * MS)]


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """An account as it stood when an engine had recalled it, at `ts` (UTC ns)."""

    ts: Stamp
    prefix: str
    venues: tuple[str, ...]
    trading: TradingSettings
    risk: RiskSettings
    image: Image


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """A record of trading, with its stamp (UTC ns) and its place: behind what its line's stamp says was received last.

    `timers` is the boundary (UTC ns) of the first timer that stood behind it, 0 before the first of all.
    """

    ts: Stamp
    timers: Stamp
    event: TradingEvent


Kept = TypeVar("Kept")

_OF_OTHERS = ("positions", "_late")
"""Fields by name that are no amounts."""


class _Slotted(Protocol):
    __slots__: tuple[str, ...]


_opening = msgspec.json.Decoder(Opening).decode
_placed = msgspec.json.Decoder(Placed).decode
_timers = msgspec.json.Decoder(Stamp).decode
_encode = msgspec.json.Encoder().encode


def of_account(account: Account, now: int) -> Note:
    """Return the note that keeps an account; addresses are left out, they may be nobody else's business."""
    opening = Opening(
        ts=now,
        prefix=account.prefix,
        venues=tuple(account.venues),
        trading=msgspec.structs.replace(account.trading, addresses=TradingAddresses()),
        risk=account.risk,
        image=image(account),
    )
    return Note(e=ACCOUNT, body=msgspec.Raw(_encode(opening)))


def of_event(event: TradingEvent, ts: int, timers: int) -> Note:
    """Return the note that keeps a record of trading."""
    return Note(e=TRADING, body=msgspec.Raw(_encode(Placed(ts=ts, timers=timers, event=event))))


def _check(account: Account, fresh: Account) -> None:
    """Find out whether a recalled account holds what one holds: a recording may come from anybody.

    Raises:
        ValueError: It does not.
    """
    for name in ("drawdown", "streak", "ramp"):
        _alike(getattr(account, name), getattr(fresh, name))
    for order in account.orders.by_id.values():
        _alike(order, Order(order.spec))
    for protection in account.protections.values():
        _alike(protection, Protection(protection.instrument, protection.side))
    for ledger in account.ledgers.values():
        _alike(ledger, Ledger(""))
        for position in ledger.positions.values():
            _alike(position, Position(position.contract))


def _alike(kept: _Slotted, fresh: _Slotted) -> None:
    """Compare the kinds of all fields with those of a fresh one; amounts by name are whole numbers."""
    for name in fresh.__slots__:
        usual, found = getattr(fresh, name), getattr(kept, name)
        numbers = type(usual) is float and type(found) is int
        if usual is not None and type(found) is not type(usual) and not numbers:
            raise ValueError(f"{name} is {type(found).__name__}, not {type(usual).__name__}")
        if type(found) is dict and name not in _OF_OTHERS and any(type(each) is not int for each in found.values()):
            raise ValueError(f"{name} are amounts, whole numbers")


def of_timers(timers: int) -> Note:
    """Return the note that tells up to which boundary (UTC ns) timers have passed."""
    return Note(e=TIMERS, body=msgspec.Raw(b"%d" % timers))


def opened(note: Note, state: EngineState) -> Account:
    """Return the account that a note keeps, as it stood.

    Raises:
        ProtocolError: Damaged, or written by a version whose account is another.
    """
    try:
        kept = _opening(bytes(note.body))
        account = Account(kept.trading, kept.risk, prefix=kept.prefix, venues=kept.venues)
        recall(state, account, _encode(kept.image), (), kept.ts)
        _check(account, Account(kept.trading, kept.risk, prefix=kept.prefix))
    except DAMAGE as error:
        raise ProtocolError(f"account in the recording: {error}") from error
    return account


def passed(note: Note) -> int:
    """Return the boundary that a note tells, UTC ns.

    Raises:
        ProtocolError: Damaged.
    """
    return _read(_timers, note, "timers")


def placed(note: Note) -> Placed:
    """Return the record that a note keeps.

    Raises:
        ProtocolError: Damaged.
    """
    return _read(_placed, note, "record of trading")


def _read(decode: Callable[[bytes], Kept], note: Note, what: str) -> Kept:
    try:
        return decode(bytes(note.body))
    except DAMAGE as error:
        raise ProtocolError(f"{what} in the recording: {error}") from error
