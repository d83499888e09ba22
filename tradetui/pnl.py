"""What was earned: closed trades by day, by instrument, and how good they were; and an account as it was last known.

Exact: in 1e-8, shown as decimals.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from engine.orders import decimal, units
from engine.tradingviews import JournalView
from engine.types import SECOND

if TYPE_CHECKING:
    from engine.execution.account import Account


class PnlRow(msgspec.Struct, frozen=True, kw_only=True):
    """Trades of one day or instrument, added up: `net` is gross less fees and with funding, all in currency."""

    name: str
    trades: int
    gross: str
    fees: str
    funding: str
    net: str


class Pnl(msgspec.Struct, frozen=True, kw_only=True):
    """Closed trades, added up.

    `hit_rate`: share with a net gain; `mean_r`: mean net R of those whose risk was known (`with_r`). `drawdown`: the
    largest fall of the sum of nets from a peak before it, in currency. None: no trade.
    """

    total: PnlRow
    days: tuple[PnlRow, ...]
    """By UTC day of their end, newest first."""
    symbols: tuple[PnlRow, ...]
    """By what they brought, best first."""
    hit_rate: float | None
    mean_r: float | None
    with_r: int
    best: str
    worst: str
    drawdown: str


class HeldRow(msgspec.Struct, frozen=True, kw_only=True):
    """A position as it was last known: signed quantity in base, its cost and average price in `asset`.

    `realised`, `fees` and `funding` are of the trade that is under way since `opened` (UTC ns), in `asset`.
    """

    instrument: str
    quantity: str
    average: str
    cost: str
    asset: str
    realised: str
    fees: str
    funding: str
    opened: int


class LastKnown(msgspec.Struct, frozen=True, kw_only=True):
    """An account as its records leave it, at `ts` (UTC ns, 0: there are none); money by asset.

    Nothing here has a price, so `unrealised` is always None: it is not known.
    """

    mode: str
    ts: int
    realised: dict[str, str]
    fees: dict[str, str]
    funding: dict[str, str]
    positions: tuple[HeldRow, ...]
    unrealised: None = None


def last_known(account: Account, ts: int) -> LastKnown:
    """Return what an account that was recalled has earned and holds; `ts` is the time of its last record (UTC ns)."""
    from engine.trading.views import open_positions  # loads much, and where an engine answers it is not needed

    return LastKnown(
        mode=account.mode,
        ts=ts,
        realised=_by_asset(ledger.realised for ledger in account.ledgers.values()),
        fees=_by_asset(ledger.fees for ledger in account.ledgers.values()),
        funding=_by_asset(ledger.funding for ledger in account.ledgers.values()),
        positions=tuple(
            HeldRow(
                instrument=held.instrument,
                quantity=decimal(held.quantity),
                average=decimal(held.average),
                cost=decimal(held.cost),
                asset=held.contract.quote,
                realised=decimal(held.realised),
                fees=decimal(held.fees),
                funding=decimal(held.funding),
                opened=held.opened,
            )
            for held in open_positions(account)
        ),
    )


def _by_asset(parts: Iterable[dict[str, int]]) -> dict[str, str]:
    total: dict[str, int] = {}
    for part in parts:
        for asset, amount in part.items():
            total[asset] = total.get(asset, 0) + amount
    return {asset: decimal(amount) for asset, amount in sorted(total.items()) if amount}


class _Sum:
    __slots__ = ("fees", "funding", "gross", "net", "trades")

    def __init__(self) -> None:
        self.trades = self.gross = self.fees = self.funding = self.net = 0

    def add(self, trade: JournalView) -> None:
        self.trades += 1
        self.gross += units(trade.gross)
        self.fees += units(trade.fees)
        self.funding += units(trade.funding)
        self.net += units(trade.net)

    def row(self, name: str) -> PnlRow:
        return PnlRow(
            name=name,
            trades=self.trades,
            gross=decimal(self.gross),
            fees=decimal(self.fees),
            funding=decimal(self.funding),
            net=decimal(self.net),
        )


def pnl(trades: Sequence[JournalView]) -> Pnl:
    """Return what trades add up to, in any order."""
    total, days, symbols = _Sum(), dict[str, _Sum](), dict[str, _Sum]()
    for trade in trades:
        day = datetime.fromtimestamp(trade.closed // SECOND, UTC).strftime("%Y-%m-%d")
        for sums in (total, days.setdefault(day, _Sum()), symbols.setdefault(trade.instrument, _Sum())):
            sums.add(trade)
    nets = [units(trade.net) for trade in sorted(trades, key=lambda trade: (trade.closed, trade.id))]
    multiples = [trade.r for trade in trades if trade.r is not None]
    return Pnl(
        total=total.row("total"),
        days=tuple(days[day].row(day) for day in sorted(days, reverse=True)),
        symbols=tuple(sums.row(key) for key, sums in sorted(symbols.items(), key=lambda each: (-each[1].net, each[0]))),
        hit_rate=sum(net > 0 for net in nets) / len(nets) if nets else None,
        mean_r=sum(multiples) / len(multiples) if multiples else None,
        with_r=len(multiples),
        best=decimal(max(nets)) if nets else "",
        worst=decimal(min(nets)) if nets else "",
        drawdown=decimal(_fall(nets)) if nets else "",
    )


def _fall(nets: Iterable[int]) -> int:
    """Return the largest fall of a running sum, which begins at 0, from its peak."""
    now = peak = most = 0
    for net in nets:
        now += net
        peak = max(peak, now)
        most = max(most, peak - now)
    return most
