"""The books of one account: balances, positions, P&L, fees and funding, to the last unit.

For every asset, at any time (all in 1e-8 of it; sums over the instruments that are counted in it):

    balance = begun with + transfers + outside + realised - fees + funding
              - cost of spot positions that are paid in it + quantity of spot positions that are held in it

so that the equity changes by realised and unrealised P&L less fees, plus funding and transfers, and by what the prices
of assets change that are not positions. A base fee of a spot fill counts at the fill's price, rounded up, as a fee in
the quote asset, and so much less as cost: both together are exactly what was paid. `taken` has fees as the venue took
them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from engine.execution.contracts import Change, ClosedTrade, Contract, change_of, contract_of
from engine.execution.money import share, value
from engine.execution.positions import Position
from engine.orders import UNIT, BalancesReported, Fill, FundingPaid

__all__ = ["Applied", "ClosedTrade", "Contract", "Equity", "Ledger", "Position", "contract_of"]

CLOSED = 1000
"""Closed trades that are kept."""

REMEMBERED = 10_000
"""Fills and payments of funding whose ids are remembered, so that the same one counts once. One that is older than
what was forgotten cannot be told from a duplicate, and is taken for one."""

RECENT = 1000
"""Changes of balances that a report may not have in it yet."""

UNEXPLAINED = 16
"""Sales beyond a position, of an instrument, that a purchase which is told late may still explain."""


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What a fill did: `realised` P&L in the settle asset, without fees; the trade that it closed, and whether it
    opened one; `duplicate`: it was known and changed nothing. `beyond`: sold of what is not our position, 1e-8 base.
    """

    realised: int = 0
    closed: ClosedTrade | None = None
    opened: bool = False
    duplicate: bool = False
    beyond: int = 0


class Equity(msgspec.Struct, frozen=True, kw_only=True):
    """What an account is worth, 1e-8 of its currency; `total` is None while the prices of `unknown` (assets and
    instruments) are not known. `unrealised` is of the positions whose prices are known.
    """

    total: int | None
    unrealised: int
    unknown: tuple[str, ...] = ()


class Ledger:
    """One account. Money changes by `fill`, `fund` and `report` alone.

    Units: 1e-8 of each asset. `transfers` is what venues reported and no fill, fee or funding explains; `outside` what
    sales beyond a position moved; `positions` by instrument, also those that are flat.
    """

    __slots__ = (
        "_forgotten",
        "_late",
        "_recent",
        "_seen",
        "balances",
        "closed",
        "currency",
        "fees",
        "funding",
        "outside",
        "positions",
        "realised",
        "reported",
        "taken",
        "transfers",
    )

    def __init__(self, currency: str, balances: Mapping[str, int] | None = None) -> None:
        self.currency = currency
        self.balances: dict[str, int] = dict(balances or {})
        self.positions: dict[str, Position] = {}
        self.closed: deque[ClosedTrade] = deque(maxlen=CLOSED)
        self.realised: dict[str, int] = {}
        self.fees: dict[str, int] = {}
        self.taken: dict[str, int] = {}
        self.funding: dict[str, int] = {}
        self.transfers: dict[str, int] = {}
        self.outside: dict[str, int] = {}
        self.reported = 0
        self._seen: dict[str, int] = {}
        self._forgotten = 0
        self._recent: deque[tuple[str, int, int]] = deque(maxlen=RECENT)
        self._late: dict[str, deque[tuple[int, int, int]]] = {}

    def fill(
        self,
        contract: Contract,
        fill: Fill,
        risk: int = 0,
        dust: int = 0,
        fee_rate: int | None = None,
        reason: str = "",
    ) -> Applied:
        """Take in a fill; the same id of an instrument counts once.

        `risk` is what the fill puts at risk (1e-8 quote), `dust` the quantity below which nothing can be sold,
        `fee_rate` the price of a third fee asset in the quote asset, `reason` why a trade that it closes was closed.
        """
        if not self._new(f"{contract.instrument} {fill.id}", fill.ts):
            return Applied(duplicate=True)
        position = self.positions.get(contract.instrument)
        if position is None:
            position = self.positions[contract.instrument] = Position(contract)
        change = change_of(contract, fill, risk, dust, fee_rate, reason)
        _add(self.taken, fill.fee_asset, fill.fee)
        _add(self.fees, contract.quote, change.fee)
        _add(self.fees, fill.fee_asset, change.other_fee)
        self._move(fill.fee_asset, -change.other_fee, fill.ts)
        trade, beyond, explained = position.trade, 0, 0
        if contract.derivative:
            realised, closed = position.change(change)
            self._move(contract.settle, realised - change.fee, fill.ts)
        else:
            self._move(contract.base, change.quantity, fill.ts)
            self._move(contract.quote, -(change.value + change.fee), fill.ts)
            change, explained = self._explaining(contract, change)
            change, beyond = self._within(position, change)
            realised, closed = position.change(change)
        realised += explained
        _add(self.realised, contract.settle, realised)
        if closed is not None:
            self.closed.append(closed)
        opened = position.trade not in ("", trade)
        return Applied(realised=realised, closed=closed, opened=opened, beyond=beyond)

    def knows(self, fill: Fill) -> bool:
        """Tell whether a fill was taken in already, or is older than what is remembered."""
        return f"{fill.instrument} {fill.id}" in self._seen or fill.ts < self._forgotten

    def near(self, distance: int) -> bool:
        """Tell whether a fill, or funding, is stamped within this time (ns) of the last report of balances."""
        return any(abs(ts - self.reported) <= distance for ts in self._seen.values())

    def sweep(self, instrument: str, dust: int, ts: int, reason: str = "") -> ClosedTrade | None:
        """Close the trade of an instrument of which less than `dust` is held, which nobody can sell; return it then."""
        position = self.positions.get(instrument)
        closed = None if position is None else position.sweep(dust, ts, reason)
        if closed is not None:
            self.closed.append(closed)
        return closed

    def _within(self, position: Position, change: Change) -> tuple[Change, int]:
        """Return what of a spot fill concerns the position, and what was sold beyond it: what is not ours to count."""
        beyond = -(position.quantity + change.quantity)
        if beyond <= 0:
            return change, 0
        contract, cost = position.contract, share(change.value, beyond, -change.quantity)
        _add(self.outside, contract.base, -beyond)
        _add(self.outside, contract.quote, -cost)
        sales = self._late.setdefault(contract.instrument, deque(maxlen=UNEXPLAINED))
        sales.append((change.fill.ts, beyond, cost))
        return msgspec.structs.replace(change, quantity=change.quantity + beyond, value=change.value - cost), beyond

    def _explaining(self, contract: Contract, change: Change) -> tuple[Change, int]:
        """Return what is left of a purchase that was told after sales which followed it, and what those realised.

        Such a sale had gone beyond the position as it was known; now it is known what was sold.
        """
        realised, sales = 0, self._late.get(contract.instrument, deque())
        for _ in range(len(sales)):
            ts, sold, brought = sales.popleft()
            part = min(sold, change.quantity) if ts >= change.fill.ts else 0
            if part > 0:
                paid, got = share(change.value, part, change.quantity), share(brought, part, sold)
                realised -= paid + got
                _add(self.outside, contract.base, part)
                _add(self.outside, contract.quote, got)
                change = msgspec.structs.replace(change, quantity=change.quantity - part, value=change.value - paid)
                sold, brought = sold - part, brought - got
            if sold:
                sales.append((ts, sold, brought))
        return change, realised

    def fund(self, contract: Contract, paid: FundingPaid) -> bool:
        """Take in funding; return whether it was new."""
        if not self._new(f"{paid.instrument} funding {paid.id}", paid.ts):
            return False
        _add(self.funding, paid.asset, paid.amount)
        self._move(paid.asset, paid.amount, paid.ts)
        position = self.positions.get(paid.instrument)
        if position is not None and paid.asset == contract.settle:
            position.fund(paid.amount)
        return True

    def report(self, reported: BalancesReported) -> dict[str, int]:
        """Take over the balances of a venue's account; return by asset what nothing here explains (a transfer).

        Its `ts`, by the clock that the venue's fills have, parts what is in it from what is not: fills and funding of
        before it that are told later change no balance, and the later ones that are known already come on top. One that
        is older than the last is old news.
        """
        if reported.ts < self.reported:
            return {}
        self.reported = reported.ts
        later = deque((move for move in self._recent if move[2] > reported.ts), maxlen=RECENT)
        self._recent = later
        differences: dict[str, int] = {}
        for asset in sorted(self.balances.keys() | reported.balances.keys()):
            known = self.balances.get(asset, 0) - sum(amount for name, amount, _ in later if name == asset)
            _add(differences, asset, reported.balances.get(asset, 0) - known)
        for asset, difference in differences.items():
            _add(self.transfers, asset, difference)
            _add(self.balances, asset, difference)
        return differences

    def equity(self, rate: Callable[[str], int | None], marks: Callable[[str], int | None]) -> Equity:
        """Return what the account is worth: positions at `marks` (price of an instrument, 1e-8 of its quote asset), all
        else at `rate` (price of an asset, 1e-8 of the currency; 0 leaves an asset out). None is not known.
        """
        total = unrealised = 0
        unknown: list[str] = []
        rest = dict(self.balances)
        for position in self.positions.values():
            if not position.quantity:
                continue
            contract = position.contract
            if not contract.derivative:
                _add(rest, contract.base, -position.quantity)
            mark, price = marks(contract.instrument), self._rate(rate, contract.quote)
            if mark is None or price is None:
                unknown.append(contract.instrument if mark is None else contract.quote)
                continue
            worth = value(mark, position.quantity)
            gained = worth - position.cost
            unrealised += value(price, gained)
            total += value(price, gained if contract.derivative else worth)
        for asset, amount in rest.items():
            if not amount:
                continue
            price = self._rate(rate, asset)
            if price is None:
                unknown.append(asset)
            else:
                total += value(price, amount)
        names = tuple(sorted(set(unknown)))
        return Equity(total=None if names else total, unrealised=unrealised, unknown=names)

    def _rate(self, rate: Callable[[str], int | None], asset: str) -> int | None:
        return UNIT if asset == self.currency else rate(asset)

    def _new(self, key: str, ts: int) -> bool:
        if key in self._seen or ts < self._forgotten:
            return False
        self._seen[key] = ts
        if len(self._seen) > REMEMBERED:
            self._forgotten = max(self._forgotten, self._seen.pop(next(iter(self._seen))))
        return True

    def _move(self, asset: str, amount: int, ts: int) -> None:
        """Change a balance; one that was reported since has the change in it already."""
        if ts <= self.reported:
            _add(self.transfers, asset, -amount)
        elif amount:
            _add(self.balances, asset, amount)
            self._recent.append((asset, amount, ts))

    def image(self) -> dict[str, Any]:
        """All of it in plain values, for `restore`."""
        return {
            "currency": self.currency,
            "reported": self.reported,
            "positions": [position.image() for position in self.positions.values()],
            "closed": [msgspec.to_builtins(trade) for trade in self.closed],
            "seen": dict(self._seen),
            "forgotten": self._forgotten,
            "recent": [list(move) for move in self._recent],
            "late": {instrument: [list(sale) for sale in sales] for instrument, sales in self._late.items()},
            **{name: dict(getattr(self, name)) for name in _BY_ASSET},
        }

    @classmethod
    def restore(cls, image: Mapping[str, Any]) -> Ledger:
        """Return the ledger of an image."""
        ledger = cls(image["currency"])
        ledger.reported = image["reported"]
        for row in image["positions"]:
            position = Position.restore(row)
            ledger.positions[position.instrument] = position
        ledger.closed.extend(msgspec.convert(row, ClosedTrade) for row in image["closed"])
        ledger._seen, ledger._forgotten = dict(image["seen"]), image["forgotten"]
        ledger._recent.extend((asset, amount, ts) for asset, amount, ts in image["recent"])
        for instrument, sales in image["late"].items():
            ledger._late[instrument] = deque(((ts, sold, cost) for ts, sold, cost in sales), maxlen=UNEXPLAINED)
        for name in _BY_ASSET:
            setattr(ledger, name, dict(image[name]))
        return ledger

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ledger) and self.image() == other.image()

    __hash__ = None  # type: ignore[assignment]


_BY_ASSET = ("balances", "realised", "fees", "taken", "funding", "transfers", "outside")


def _add(amounts: dict[str, int], asset: str, amount: int) -> None:
    if amount:
        amounts[asset] = amounts.get(asset, 0) + amount
