"""What the kill switch asks of every venue, and what it reports of each."""

from __future__ import annotations

import time
from decimal import ROUND_DOWN, Decimal
from typing import NamedTuple, Protocol

import msgspec

from tradetui.kill.line import Refusal, Unanswered

ROUNDS = 3
"""Times that orders are cancelled and looked for again."""

SETTLED_S = 0.25
"""An order that was on its way when the latch was closed has arrived after so long; the last look is not earlier."""


AGAIN_S = 0.05
"""Pause before it is looked again whether orders stand."""

FAILURES = (Refusal, Unanswered, LookupError, TypeError, ValueError, ArithmeticError, AttributeError)
"""What a call may raise: no, no answer, or an answer of another shape than is known."""


class Standing(NamedTuple):
    """An open order: the venue's own symbol and id, words for people; `kind` is whatever the venue tells apart."""

    symbol: str
    id: str
    text: str
    kind: str = ""


class Held(NamedTuple):
    """An open position of a derivative: signed `quantity`; `side` where long and short are held apart."""

    symbol: str
    quantity: Decimal
    side: str = ""
    kind: str = ""

    @property
    def text(self) -> str:
        """Return it in words."""
        return f"{self.symbol} {plain(self.quantity)}{f' ({self.side.lower()})' if self.side else ''}"


class Ours(NamedTuple):
    """A spot position that the journal says is ours: `BASE/QUOTE`, quantity in the base asset.

    `since_ms` is the time of its last fill (UTC), `known` the venue's ids of all of them: what was sold since, and is
    not among them, is ours no more.
    """

    instrument: str
    quantity: Decimal
    since_ms: int = 0
    known: frozenset[str] = frozenset()

    @property
    def base(self) -> str:
        """Return the asset that is held."""
        return self.instrument.partition("/")[0]

    @property
    def symbol(self) -> str:
        """Return the name that the venues here have for it."""
        return self.instrument.replace("/", "")


class VenueReport(msgspec.Struct, kw_only=True):
    """What became of one venue: sentences and orders for people, in the order in which they happened.

    `canceled` are gone now (cancelled, or filled before that), `open` still stand; `closed` was done about positions,
    `positions` are still there; `troubles` is what is not known or did not work.
    """

    venue: str
    url: str
    canceled: list[str] = msgspec.field(default_factory=list)
    open: list[str] = msgspec.field(default_factory=list)
    closed: list[str] = msgspec.field(default_factory=list)
    positions: list[str] = msgspec.field(default_factory=list)
    troubles: list[str] = msgspec.field(default_factory=list)
    ms: float = 0.0

    @property
    def clean(self) -> bool:
        """Whether everything known was cancelled, and closed where that was wanted."""
        return not self.open and not self.troubles


class Account(Protocol):
    """Our account at one venue. Every call raises Refusal or Unanswered when it is not sure to have happened."""

    def orders(self) -> list[Standing]:
        """Return all open orders."""

    def cancel(self, standing: list[Standing]) -> None:
        """Cancel everything, of the symbols of these orders and of those that are traded here."""

    def positions(self) -> list[Held]:
        """Return the open positions of derivatives."""

    def reduce(self, held: Held) -> str:
        """Close a position at the market; return what was done."""

    def sell(self, ours: Ours) -> str:
        """Sell what is ours on spot at the market, at most what is free; return what was done."""

    def close(self) -> None:
        """Let go of the connection."""


def work(account: Account, report: VenueReport, ours: list[Ours], *, flatten: bool, latched: float) -> None:
    """Cancel everything at a venue, and close what is open where `flatten`; what happens is written to `report`.

    `ours` is what is held on spot. `latched`: when the latch was closed (monotonic, s).
    """
    if not _cancel(account, report, latched):
        report.troubles.append("whether orders are still open is not known: look at the venue")
    held = _positions(account, report)
    if flatten:
        _sell(account, report, ours)
        if held:
            failed = _reduce(account, report, held)
            held = _positions(account, report)
            left = {each.symbol for each in held or ()}
            report.troubles += [text for symbol, text in failed if held is None or symbol in left]
        if held:
            report.troubles.append("positions are still open: kill again with --flatten, or close them at the venue")
    report.positions += [each.text for each in held or ()]
    if not flatten:
        report.positions += [f"{each.instrument} {plain(each.quantity)} (spot, as our journal has it)" for each in ours]


def _cancel(account: Account, report: VenueReport, latched: float) -> bool:
    """Cancel until nothing stands, also what was under way when the latch was closed; tell whether that is known."""
    settled = latched + SETTLED_S
    looked, standing, trouble = _look(account)
    seen = list(standing or ())
    for _ in range(ROUNDS):
        if standing:
            trouble = _try(account, standing)
        elif standing is None:
            trouble = f"{trouble}; {_try(account, [])}".removesuffix("; ")
        elif looked >= settled:
            break
        time.sleep(max(settled - time.monotonic(), AGAIN_S))
        looked, standing, blind = _look(account)
        trouble = blind or trouble
        seen += standing or ()
    left = {(each.kind, each.id) for each in standing or ()}
    report.open += [each.text for each in standing or ()]
    if standing is not None:
        report.canceled += dict.fromkeys(each.text for each in seen if (each.kind, each.id) not in left)
    if trouble and standing != []:
        report.troubles.append(trouble)
    return standing is not None


def _look(account: Account) -> tuple[float, list[Standing] | None, str]:
    """Return when it was looked, what stands (None: not known), and why that is not known."""
    looked = time.monotonic()
    try:
        return looked, account.orders(), ""
    except FAILURES as error:
        return looked, None, why(error)


def _try(account: Account, standing: list[Standing]) -> str:
    try:
        account.cancel(standing)
    except FAILURES as error:
        return why(error)
    return ""


def _reduce(account: Account, report: VenueReport, held: list[Held]) -> list[tuple[str, str]]:
    """Close positions; return by symbol what failed, which is nothing where the position has gone meanwhile."""
    failed = []
    for each in held:
        try:
            report.closed.append(account.reduce(each))
        except FAILURES as error:
            failed.append((each.symbol, f"{each.text} was not closed for certain: {why(error)}"))
    return failed


def _sell(account: Account, report: VenueReport, ours: list[Ours]) -> None:
    for each in ours:
        try:
            report.closed.append(account.sell(each))
        except FAILURES as error:
            report.troubles.append(f"{each.instrument} {plain(each.quantity)} was not sold for certain: {why(error)}")


def _positions(account: Account, report: VenueReport) -> list[Held] | None:
    """Return the open positions, None if they are not known."""
    try:
        return list(dict.fromkeys(account.positions()))
    except FAILURES as error:
        report.troubles.append(f"positions are not known: {why(error)}")
        return None


def why(error: Exception) -> str:
    """Return what a failure was, in words."""
    if isinstance(error, Refusal | Unanswered):
        return str(error)
    return f"the venue's answer has another shape than is known ({type(error).__name__})"


def salable(ours: Ours, sold: Decimal, free: Decimal, step: Decimal) -> tuple[Decimal, str]:
    """Return how much of a position can be sold, and the words about what cannot.

    `sold` is what left it since the journal's last fill, `free` the account's free balance, `step` the venue's.
    """
    held = max(ours.quantity - sold, Decimal(0))
    quantity = stepped(min(held, free), step)
    if quantity <= 0:
        return Decimal(0), (
            f"{ours.instrument}: nothing to sell: {plain(held)} {ours.base} are ours, {plain(free)} are free"
        )
    return quantity, f"; {plain(held - quantity)} are left" if quantity < held else ""


def plain(amount: Decimal) -> str:
    """Return an amount as people write it, exactly."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def stepped(quantity: Decimal, step: Decimal) -> Decimal:
    """Return the most of `quantity` that is a whole number of steps."""
    return (quantity / step).to_integral_value(ROUND_DOWN) * step if step > 0 else quantity
