"""One venue looked after: what it does not answer is a condition, what differs is told, and it is asked again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.errors import FeedUnavailable
from engine.execution import keeper as keeping
from engine.execution.account import Account
from engine.execution.keeper import BACK, OVERLAP, Keeper
from engine.execution.settings import TradingSettings
from engine.execution.venue import Permissions, VenueAccount
from engine.orders import (
    BalancesReported,
    ConditionChanged,
    Fill,
    KeyChecked,
    Liquidity,
    Mode,
    OrderSpec,
    OrderType,
    OrderUnresolved,
    Reconciled,
    Side,
)
from engine.risk.limits import RiskSettings
from engine.types import MS, SECOND

KEY = "binance:BTC/USDT"
NOW = 1_723_161_600 * SECOND


class Desk:
    """A venue that answers, unless it is `gone`."""

    name = "binance"

    def __init__(self) -> None:
        self.gone = ""
        self.since: list[int] = []
        self.asked = 0
        self.followed = 0
        self.withdraw: bool | None = False

    async def run(self) -> None:
        self.followed += 1

    async def check(self) -> Permissions:
        self.asked += 1
        if self.gone:
            raise FeedUnavailable(self.gone)
        return Permissions(trade=True, withdraw=self.withdraw, clock_ms=3.0)

    async def fills(self, instrument: str, since: int) -> tuple[Fill, ...]:
        assert instrument == KEY
        self.since.append(since)
        return ()

    async def account(self) -> VenueAccount:
        return VenueAccount(
            venue="binance", ts=NOW, balances={"USDT": 5}, positions={}, open_orders=(), mode=Mode.TESTNET
        )


class Watch:
    """A keeper at work, and what it tells and asks."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.account = Account(TradingSettings(mode=Mode.TESTNET), RiskSettings(), prefix="n", venues=("binance",))
        self.told: list[Any] = []
        self.questions: list[Any] = []
        venue: Any = self.desk
        self.keeper = Keeper(venue, self.account, (KEY,), self.told.append, self.questions.append, lambda: NOW)

    async def run(self) -> None:
        """Let it work until it waits."""
        task = asyncio.create_task(self.keeper.run())
        for _ in range(20):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.told if isinstance(event, kind)]

    def fill(self, ts: int) -> None:
        fill = Fill(
            id="1", order="n-1", instrument=KEY, side=Side.BUY, price=1, quantity=1, fee=0, fee_asset="BTC",
            liquidity=Liquidity.TAKER, ts=ts,
        )  # fmt: skip
        self.account.fills.append((fill, 0))


@pytest.fixture
def watch() -> Watch:
    return Watch()


async def test_until_it_was_reconciled_there_is_a_condition(watch: Watch) -> None:
    await watch.run()
    first, checked = watch.told[:2]
    assert (first.name, "has not been reconciled yet" in first.text) == ("reconcile binance", True)
    assert checked == KeyChecked(venue="binance", ts=NOW, clock_ms=3.0, trade=True, withdraw=False)
    assert isinstance(watch.told[-1], Reconciled)
    assert watch.of(BalancesReported)[0].balances == {"USDT": 5}


async def test_a_venue_that_does_not_answer_is_never_taken_for_empty(watch: Watch) -> None:
    watch.desk.gone = "no route"
    await watch.run()
    assert watch.of(Reconciled) == watch.of(BalancesReported) == []
    text = watch.of(ConditionChanged)[-1].text
    assert text == "binance cannot be reconciled (no route); it is tried again"


async def test_it_tries_again_and_waits_longer_each_time(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "AGAIN_S", 0.0)
    watch.desk.gone = "no route"
    await watch.run()
    assert watch.desk.asked > 2


async def test_a_key_that_may_withdraw_ends_new_risk_also_while_armed(watch: Watch) -> None:
    watch.account.mode = Mode.LIVE
    await watch.run()
    assert [each.name for each in watch.of(ConditionChanged)] == ["reconcile binance"]
    for withdraw, said in ((True, "the key of binance may withdraw: take that from it"), (None, "")):
        watch.desk.withdraw = withdraw
        await watch.run()
        last = [each for each in watch.of(ConditionChanged) if each.name == "key binance"][-1]
        assert last.text.startswith(said)
        assert bool(last.text) == bool(said)


async def test_the_stream_leaves_what_was_before_to_the_first_reconciliation(watch: Watch) -> None:
    watch.desk.gone = "no route"
    following = asyncio.create_task(watch.keeper.follow())
    await watch.run()
    assert watch.desk.followed == 0
    watch.desk.gone = ""
    await watch.run()
    await following
    assert watch.desk.followed == 1


async def test_without_one_the_stream_does_not_wait_for_ever(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "FIRST_S", 0.0)
    await watch.keeper.follow()
    assert watch.desk.followed == 1


async def test_whoever_wants_it_now_gets_it_now(watch: Watch) -> None:
    task = asyncio.create_task(watch.keeper.run())
    for _ in range(20):
        await asyncio.sleep(0)
    assert watch.desk.asked == 1
    watch.keeper.wake()
    for _ in range(20):
        await asyncio.sleep(0)
    assert watch.desk.asked == 2
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_fills_are_asked_for_from_before_all_that_may_be_missing(watch: Watch) -> None:
    await watch.run()
    watch.fill(NOW - 50 * SECOND)  # that it is known says nothing of those before it
    watch.account.venues["binance"].complete = NOW - 100 * SECOND
    await watch.run()
    spec = OrderSpec(
        id="n-2", instrument=KEY, side=Side.BUY, type=OrderType.LIMIT, quantity=1, price=1, created=NOW - 300 * SECOND
    )
    watch.account.orders.add(spec)
    await watch.run()
    assert watch.desk.since == [NOW - BACK - OVERLAP, NOW - 100 * SECOND - OVERLAP, NOW - 300 * SECOND - OVERLAP]


async def test_after_an_image_a_young_order_does_not_hide_a_day_of_fills(watch: Watch) -> None:
    spec = OrderSpec(
        id="n-2", instrument=KEY, side=Side.BUY, type=OrderType.LIMIT, quantity=1, price=1, created=NOW - 3 * SECOND
    )
    watch.account.orders.add(spec)
    await watch.run()
    assert watch.desk.since == [NOW - BACK - OVERLAP]


async def test_orders_that_the_venue_does_not_show_are_asked_for(watch: Watch) -> None:
    spec = OrderSpec(id="n-2", instrument=KEY, side=Side.BUY, type=OrderType.LIMIT, quantity=1, price=1, created=7)
    watch.account.orders.add(spec)
    watch.account.orders.apply(OrderUnresolved(order="n-2", ts=8, doing="submit", reason="no answer"))
    await watch.run()
    assert [(each.order, each.instrument, each.since) for each in watch.questions] == [("n-2", KEY, 7)]


@pytest.mark.parametrize(("apart_ms", "asked"), [(10, 4), (-10, 4), (-1001, 1), (1001, 1)])
async def test_balances_of_the_moment_of_a_fill_are_asked_for_again(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, apart_ms: int, asked: int
) -> None:
    """It may be in them or not. After some times in a row it waits, as where fills never end."""
    monkeypatch.setattr(keeping, "SOON_S", 0.0)
    ledger = watch.account.ledger_of(KEY)
    ledger.report(BalancesReported(venue="binance", ts=NOW, balances={"USDT": 5}))
    fill = Fill(
        id="1", order="n-1", instrument=KEY, side=Side.BUY, price=1, quantity=1, fee=0, fee_asset="BTC",
        liquidity=Liquidity.TAKER, ts=NOW + apart_ms * MS,
    )  # fmt: skip
    ledger.fill(watch.account.contract(KEY), fill)
    task = asyncio.create_task(watch.keeper.run())
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert watch.desk.asked == asked
