"""A paper account that trades one hand-made market, and keeps its records in memory."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from engine.execution.account import Account
from engine.execution.settings import TradingSettings
from engine.operator import CancelOrders, OperatorAsked, OperatorCommand, PlaceOrder, Who
from engine.orders import Answered, Journaled, Noticed, OrderType, Side
from engine.ports import Record
from engine.risk.limits import Limits, RiskSettings
from engine.types import SECOND
from tests.engine.support import BTC, T0, Driver, delta, snapshot, trade

KEY = BTC.key
START = T0 * SECOND
FAR = 5_000_000, 7_000_000
"""Levels (ticks) that never move, so that the book is known that far."""

WIDE = Limits(
    max_position=1.0,
    max_exposure=1.0,
    risk_per_trade=0.1,
    orders_per_minute=100,
    max_spread_bps=1000.0,
    price_collar=0.5,
)


class Kept:
    """Records as they would be stored."""

    def __init__(self) -> None:
        self.rows: list[Record] = []

    def put(self, kept: Journaled) -> None:
        assert all(row.key != kept.key for row in self.rows), kept.key
        self.rows.append(Record(id=len(self.rows) + 1, kind=kept.kind, key=kept.key, ts=kept.ts, body=kept.body))

    def newest(
        self,
        kinds: Sequence[str],
        *,
        limit: int,
        start: int | None = None,
        end: int | None = None,
        instrument: str = "",
        tag: str = "",
    ) -> list[Record]:
        found = [row for row in self.rows if row.kind in kinds and (start or 0) <= row.ts < (end or 2**63)]
        found = [row for row in found if not tag or msgspec.json.decode(row.body).get("record") == tag]
        found = [row for row in found if not instrument or instrument in row.body.decode()]
        return sorted(found, key=lambda row: (row.ts, row.id), reverse=True)[:limit]

    def of_orders(self, orders: Sequence[str]) -> list[Record]:
        kinds = ("order_event", "fill")
        return [row for row in self.rows if row.kind in kinds and msgspec.json.decode(row.body)["order"] in orders]


class Books:
    """A market at 60,000, and who trades it."""

    def __init__(self, risk: RiskSettings | None = None, trading: TradingSettings | None = None) -> None:
        self.driver = Driver(BTC)
        risk = risk or RiskSettings(limits=WIDE)
        self.account = Account(trading or TradingSettings(), risk, prefix="t", armed=True)
        self.driver.state.account = self.account
        self.kept = Kept()
        self.notices: list[Noticed] = []
        self.number = 100
        self.seen = 0
        self.now = START
        self.driver.up(START)
        self.driver.at(START, snapshot(100, [(5_999_900, 500_000), (FAR[0], 9)], [(6_000_100, 500_000), (FAR[1], 9)]))
        self.move(5_999_900, 6_000_100)

    def move(self, bid: int, ask: int, seconds: float = 0.2) -> None:
        """Let the book move to these best prices (ticks), and a trade happen at the bid."""
        book = self.driver.market().sync.book
        gone = [[(price, 0) for price in side if price not in (bid, ask, *FAR)] for side in (book.bids, book.asks)]
        self.number += 1
        self.now += int(seconds * SECOND)
        changed = delta(self.number, [*gone[0], (bid, 500_000)], [*gone[1], (ask, 500_000)], ts=self.now)
        self.driver.at(self.now, changed)
        self.driver.at(self.now + 1, trade(self.number, bid, 1000, self.now + 1, sell=True))
        self._keep()

    def wait(self, seconds: float = 1.2) -> None:
        """Let time pass, with a book that goes on."""
        book = self.driver.market().sync.book
        self.move(book.best_bid, book.best_ask, seconds)

    def ask(self, command: OperatorCommand) -> Answered:
        """Have a command carried out."""
        before = len(self.driver.commands)
        self.now += SECOND // 10
        self.driver.until(self.now)
        who = Who(user="anna", client="console", pid=7)
        self.driver.apply(self.now, "control", OperatorAsked(id=1, who=who, command=command))
        answers = [each for each in self.driver.commands[before:] if isinstance(each, Answered)]
        self._keep()
        return answers[-1]

    def ask_only(self, side: str, quantity: str, kind: str = "market", **more: str | float | bool) -> Answered:
        """Place an order; it is on its way."""
        command = PlaceOrder(symbol=KEY, side=Side(side), type=OrderType(kind), quantity=quantity, **more)  # type: ignore[arg-type]
        return self.ask(command)

    def order(self, side: str, quantity: str, kind: str = "market", **more: str | float | bool) -> Answered:
        """Place an order and let it arrive."""
        answer = self.ask_only(side, quantity, kind, **more)
        self.wait(0.3)
        return answer

    def cancel_all(self) -> None:
        self.ask(CancelOrders(all=True))
        self.wait(0.3)

    def _keep(self) -> None:
        for command in self.driver.commands[self.seen :]:
            if isinstance(command, Journaled):
                self.kept.put(command)
            elif isinstance(command, Noticed):
                self.notices.append(command)
        self.seen = len(self.driver.commands)
