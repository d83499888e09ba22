"""Two hand-made markets, a spot one and a perpetual, with one paper account that trades them; records are kept.

`Floor` is what a test drives: books move, trades happen, time passes, a person asks. After every step the account has
to be in order (`check`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from engine.execution.account import Account
from engine.execution.paper import NEVER
from engine.execution.settings import PaperSettings, TradingSettings
from engine.operator import OperatorAsked, OperatorCommand, Who
from engine.orders import (
    Answered,
    BlindTime,
    Fill,
    FundingPaid,
    Journaled,
    Noticed,
    OrderFilled,
    OrderSpec,
    Origin,
    Side,
    units,
)
from engine.ports import Record
from engine.risk.limits import Limits, RiskSettings
from engine.state import EngineState
from engine.trading.marks import mark_of
from engine.trading.recall import recall
from engine.types import SECOND, FeedLost, Instrument, Level
from tests.engine.support import BTC, BTC_USDM, T0, Driver, delta, snapshot, trade

START = T0 * SECOND
CASH = units("10000")
KEYS = (BTC.key, BTC_USDM.key)

WIDE = Limits(
    max_position=1.0,
    max_exposure=1.0,
    risk_per_trade=0.1,
    daily_loss=1.0,
    drawdown=1.0,
    orders_per_minute=1000,
    max_spread_bps=1000.0,
    price_collar=0.5,
    losses_in_a_row=100,
    max_open_trades=10,
)

_spec = msgspec.json.Decoder(OrderSpec)
_filled = msgspec.json.Decoder(OrderFilled)


class Floor:
    """Prices are in whole units of the quote asset's tenth, sizes in thousandths of the base asset."""

    def __init__(
        self,
        limits: Limits = WIDE,
        *instruments: Instrument,
        risk: RiskSettings | None = None,
        start: int = START,
        account: Account | None = None,
        fills: Sequence[Fill] = (),
    ) -> None:
        self.instruments = instruments or (BTC, BTC_USDM)
        self.risk = risk or RiskSettings(limits=limits)
        self.driver = Driver(*self.instruments)
        self.account = account or self.opened("t")
        self.now = start
        self.ids = dict.fromkeys((each.key for each in self.instruments), 100)
        self.trades = dict.fromkeys(self.ids, 0)
        self.funded = 0
        self.records: list[Record] = []
        self.notices: list[Noticed] = []
        self.answers: list[Answered] = []
        self.fills = list(fills)
        self.paid = 0
        self.halted = ""
        self.flattens = False
        self._seen = 0
        self.checks = True
        self._standing = account is None
        for each in self.instruments:
            market = self.market(each.key)
            self.driver.up(start, market.book_source)
            if market.trade_source != market.book_source:
                self.driver.up(start, market.trade_source)
            self.load(each.key, 600_000)
            self.trade(each.key, 600_000)
            assert market.sync.live
        self.driver.state.account = self.account
        if account is None:
            self.wait(1.1)  # until equity is known

    def opened(self, prefix: str, armed: bool = True) -> Account:
        cash = {"USDT": str(CASH // 10**8)}
        return Account(TradingSettings(paper=PaperSettings(balances=cash)), self.risk, prefix=prefix, armed=armed)

    def market(self, key: str) -> Any:
        return self.driver.state.markets[key]

    def scales(self, key: str) -> tuple[int, int]:
        """Ticks in a tenth, lots in a thousandth."""
        instrument = self.market(key).instrument
        return 10 ** (instrument.price_decimals - 1), 10 ** (instrument.size_decimals - 3)

    # The market. ---------------------------------------------------------------------------------------------------

    def levels(self, key: str, levels: Sequence[tuple[int, int]]) -> list[Level]:
        price, size = self.scales(key)
        return [(each * price, there * size) for each, there in levels]

    def load(self, key: str, mid: int, size: int = 500) -> None:
        """A book begins anew, one level on each side of the mid."""
        self.ids[key] += 1
        self.driver.at(
            self.now,
            snapshot(
                self.ids[key],
                self.levels(key, [(mid - 1, size), (100_000, 1)]),
                self.levels(key, [(mid + 1, size), (2_000_000, 1)]),
                key,
            ),
            self.market(key).book_source,
        )
        self.book(key, mid)

    def book(self, key: str, mid: int, sizes: Sequence[int] = (500,), seconds: float = 0.1) -> None:
        """The book becomes these sizes on both sides, a tenth apart."""
        self.now += int(seconds * SECOND)
        book = self.market(key).sync.book
        far = {each * self.scales(key)[0] for each in (100_000, 2_000_000)}
        bids = dict.fromkeys((price for price in book.bids if price not in far), 0)
        asks = dict.fromkeys((price for price in book.asks if price not in far), 0)
        bids |= dict(self.levels(key, [(mid - 1 - place, size) for place, size in enumerate(sizes)]))
        asks |= dict(self.levels(key, [(mid + 1 + place, size) for place, size in enumerate(sizes)]))
        self.ids[key] += 1
        told = delta(self.ids[key], tuple(bids.items()), tuple(asks.items()), key=key, ts=self.now)
        self.driver.at(self.now, told, self.market(key).book_source)
        self.take()

    def lose_far(self, key: str) -> None:
        """Levels far from the mid go away: what is near is all there is."""
        self.now += SECOND // 100
        self.ids[key] += 1
        gone = [self.levels(key, [(price, 0)]) for price in (100_000, 2_000_000)]
        told = delta(self.ids[key], gone[0], gone[1], key=key, ts=self.now)
        self.driver.at(self.now, told, self.market(key).book_source)
        self.take()

    def trade(self, key: str, price: int, size: int = 1, *, sell: bool = True) -> None:
        """A trade happens."""
        self.now += SECOND // 50
        ticks, lots = self.scales(key)
        self.trades[key] += 1
        aggregate = self.market(key).aggregate
        each = trade(self.trades[key], price * ticks, size * lots, self.now, sell=sell, key=key, aggregate=aggregate)
        self.driver.at(self.now, each, self.market(key).trade_source)
        self.take()

    def lose(self, key: str) -> None:
        """The connection that brings its book is lost."""
        self.now += SECOND // 10
        source = self.market(key).book_source
        self.driver.at(self.now, FeedLost(source=source, reason="gone"), source)
        self.take()

    def found(self, key: str, mid: int) -> None:
        """It is there again."""
        self.now += SECOND // 10
        self.driver.up(self.now, self.market(key).book_source)
        self.load(key, mid)

    def wait(self, seconds: float = 0.3) -> None:
        """Time passes, with books that go on as they are."""
        until = self.now + int(seconds * SECOND)
        while self.now < until:
            self.now = min(self.now + SECOND, until)
            for key in self.ids:
                if self.market(key).sync.live:
                    self.ids[key] += 1
                    source = self.market(key).book_source
                    self.driver.at(self.now, delta(self.ids[key], key=key, ts=self.now), source)
            self.driver.until(self.now)
            self.take()

    def silence(self, seconds: float) -> None:
        """Time passes, and nothing is heard."""
        self.now += int(seconds * SECOND)
        self.driver.until(self.now)
        self.take()

    # People. ---------------------------------------------------------------------------------------------------------

    def ask(self, command: OperatorCommand) -> Answered:
        """Have a command carried out."""
        self.now += SECOND // 100
        self.driver.until(self.now)
        self.driver.apply(self.now, "control", OperatorAsked(id=1, who=Who(user="anna"), command=command))
        self.take()
        return self.answers[-1]

    def fund(self, amount: int) -> None:
        """Funding of the perpetual."""
        self.funded += 1
        self.now += SECOND // 100
        key = BTC_USDM.key
        self.paid += amount
        self.tell(FundingPaid(id=str(self.funded), instrument=key, ts=self.now, amount=amount, asset="USDT"))

    def tell(self, event: Any) -> None:
        """Something becomes known of the account."""
        self._standing = self._standing or isinstance(event, BlindTime)
        self.driver.apply(self.now, "control", event)
        self.take()

    # What has to hold. -----------------------------------------------------------------------------------------------

    def take(self) -> None:
        """Keep what is to be kept; nothing but what flattens is sent while trading is halted."""
        before, self.halted = self.halted, self.account.halted
        for command in self.driver.commands[self._seen :]:
            if isinstance(command, Noticed):
                self.notices.append(command)
            elif isinstance(command, Answered):
                self.answers.append(command)
            elif isinstance(command, Journaled):
                assert all(row.key != command.key for row in self.records[-50:]), command.key
                self.records.append(
                    Record(
                        id=len(self.records) + 1,
                        kind=command.kind,
                        key=command.key,
                        ts=command.ts,
                        body=command.body,
                    )
                )
                if command.kind == "fill":
                    self.fills.append(_filled.decode(command.body).fill)
                if command.kind == "order" and before and self.halted:
                    assert _spec.decode(command.body).origin is Origin.FLATTEN
                    assert self.flattens, "nobody chose to flatten"
        self._seen = len(self.driver.commands)
        if self.checks:
            self.check()

    def told(self, code: str) -> list[Noticed]:
        return [notice for notice in self.notices if notice.code == code]

    def check(self) -> None:
        """The account is in order."""
        account, state = self.account, self.driver.state
        assert "fault" not in account.conditions, account.conditions["fault"]
        ledger = account.ledgers["paper"]
        for key in self.ids:
            base = account.contract(key).base
            held = sum(
                fill.side.sign * fill.quantity - (fill.fee if fill.fee_asset == base else 0)
                for fill in self.fills
                if fill.instrument == key
            )
            assert account.quantity(key) == held
        equity = ledger.equity(lambda _: None, lambda key: mark_of(state, key))
        assert equity.total is not None
        gained = ledger.realised.get("USDT", 0) + equity.unrealised
        assert equity.total - CASH == gained - ledger.fees.get("USDT", 0) + ledger.funding.get(
            "USDT", 0
        ) + ledger.transfers.get("USDT", 0)
        assert ledger.funding.get("USDT", 0) == self.paid
        assert all(amount >= 0 for amount in ledger.balances.values()), ledger.balances
        for order in account.orders.by_id.values():
            assert order.filled <= order.quantity
        self._stands()

    def _stands(self) -> None:
        """Once nothing is on its way, what is open stands at the venue, and nothing else does."""
        paper = self.account.paper
        assert paper is not None
        if paper.due == NEVER and self._standing:
            assert set(paper._matching.of) == {order.id for order in self.account.orders.open()}

    def free(self, key: str, side: Side) -> int:
        """What is free for an order that comes next."""
        kind: Any = "limit"
        spec = OrderSpec(id="free", instrument=key, side=side, type=kind, quantity=1, price=1)
        return self.account.free(spec)

    def folded(self, begun: bytes | None = None, records: Sequence[Record] | None = None) -> Account:
        """The account as an engine that begins now takes it up."""
        again = self.opened("u", armed=False)
        recall(EngineState(), again, begun, self.records if records is None else records, self.now)
        return again


def lasting(account: Account) -> dict[str, Any]:
    """What of an account has to outlive its engine; not what an exit is doing at the moment."""
    passing = {"best", "closing", "stop_held", "target_held"}
    exits = [each.image() for _, each in sorted(account.protections.items())]
    return {
        "orders": account.orders.image(),
        "ledgers": {name: ledger.image() for name, ledger in account.ledgers.items()},
        "exits": [{name: value for name, value in each.items() if name not in passing} for each in exits],
        "streak": account.streak.image(),
        "limits": account.risk.limits,
        "switches": dict(account.switches),
        "halted": (account.halted, account.latched),
        "closing": {key: each.reason for key, each in account.closing.items() if each.halting and account.halted},
    }
