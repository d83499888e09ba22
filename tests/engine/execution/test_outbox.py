"""The way out: nothing leaves before its records are on disk, nothing leaves twice, and what cannot leave is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from engine.approval import _SEAL, Approved
from engine.errors import FeedUnavailable, StorageFailed
from engine.execution import outbox
from engine.execution.outbox import Outbox
from engine.orders import (
    AmendRefused,
    CancelOrder,
    CancelRefused,
    ChangeOrder,
    ConditionChanged,
    Journaled,
    Mode,
    OrderAccepted,
    OrderAmended,
    OrderCanceled,
    OrderDenied,
    OrderReported,
    OrderSpec,
    OrderType,
    OrderUnresolved,
    QueryOrder,
    Side,
    SubmitOrder,
)

KEY = "binance:BTC/USDT"


def order(number: int, key: str = KEY) -> SubmitOrder:
    spec = OrderSpec(id=f"t-{number}", instrument=key, side=Side.BUY, type=OrderType.MARKET, quantity=1)
    return SubmitOrder(order=Approved(spec, _SEAL))


def change(number: int) -> ChangeOrder:
    return ChangeOrder(order=order(number).order)


def cancel(number: int, key: str = KEY) -> CancelOrder:
    return CancelOrder(order=f"t-{number}", instrument=key)


def record(number: int) -> Journaled:
    return Journaled(kind="order", key=f"live/order/t-{number}", ts=number, body=b"{}")


class Disk:
    """Keeps records once it is let; `broken` says why it does not."""

    def __init__(self, log: list[str]) -> None:
        self.log = log
        self.kept: list[str] = []
        self.open = asyncio.Event()
        self.open.set()
        self.broken = ""

    async def record(self, kind: str, client_key: str, body: bytes | str, *, mode: str, ts: int) -> bool:
        await self.open.wait()
        if self.broken:
            raise StorageFailed(self.broken)
        assert (kind, mode) == ("order", "live")
        new = client_key not in self.kept
        self.kept.append(client_key)
        self.log.append(f"kept {client_key.rpartition('/')[2]}")
        return new


class Desk:
    """A venue that answers at once, or as `answer` says."""

    name = "binance"

    def __init__(self, log: list[str]) -> None:
        self.log = log
        self.answer: Callable[[str], Any] = lambda _: None

    def _ask(self, what: str, number: str) -> None:
        self.log.append(f"{what} {number}")
        self.answer(what)

    async def submit(self, order: Approved[OrderSpec]) -> OrderAccepted:
        self._ask("submit", order.value.id)
        return OrderAccepted(order=order.value.id, ts=1, venue_id="9")

    async def cancel(self, instrument: str, order: str, venue_id: str) -> OrderCanceled:
        self._ask("cancel", order)
        return OrderCanceled(order=order, ts=1)

    async def amend(self, order: Approved[OrderSpec], venue_id: str) -> OrderAmended:
        self._ask("amend", order.value.id)
        return OrderAmended(order=order.value.id, ts=1)

    async def query(self, instrument: str, order: str, venue_id: str, since: int) -> tuple[OrderReported, ...]:
        self._ask("query", order)
        return (OrderReported(order=order, ts=1, state="working"),)


class Way:
    """The outbox between both, and what it tells."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.told: list[Any] = []
        self.latched = ""
        self.disk = Disk(self.log)
        self.desk = Desk(self.log)
        venues: Any = {"binance": self.desk}
        self.box = Outbox(Mode.LIVE, self.disk, venues, self.told.append, lambda: 7, lambda _: self.latched)

    def put(self, *items: Any) -> None:
        for item in items:
            self.box.put(item)

    async def settle(self) -> None:
        """Let everything that can happen happen."""
        for _ in range(30):
            await asyncio.sleep(0)

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.told if isinstance(event, kind)]


@pytest.fixture
async def way(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Way]:
    monkeypatch.setattr(outbox, "AGAIN_S", 0.0)
    way = Way()
    running = asyncio.create_task(way.box.run())
    yield way
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_an_order_leaves_after_all_its_records(way: Way) -> None:
    way.disk.open.clear()
    way.put(record(1), record(2), order(1))
    await way.settle()
    assert way.log == []
    assert way.box.waiting == 3
    way.disk.open.set()
    assert await way.box.flush(5)
    assert way.log == ["kept t-1", "kept t-2", "submit t-1"]
    assert way.told == [OrderAccepted(order="t-1", ts=1, venue_id="9")]
    assert way.box.waiting == 0


async def test_what_comes_later_does_not_overtake(way: Way) -> None:
    way.put(record(1), order(1), record(2), order(2), record(3), change(1))
    assert await way.box.flush(5)
    kept = [each for each in way.log if each.startswith("kept")]
    assert kept == ["kept t-1", "kept t-2", "kept t-3"]
    assert way.log.index("kept t-2") < way.log.index("submit t-2")
    assert way.log.index("kept t-3") < way.log.index("amend t-1")


async def test_an_order_leaves_once(way: Way) -> None:
    way.put(record(1), order(1))
    await way.box.flush(5)
    await way.settle()
    assert way.log.count("submit t-1") == 1


async def test_while_storage_fails_orders_are_denied_and_cancels_go(way: Way) -> None:
    way.disk.broken = "disk full"
    way.put(record(1), order(1), cancel(7))
    await way.settle()
    assert "cancel t-7" in way.log
    assert "submit t-1" not in way.log
    (denied,) = way.of(OrderDenied)
    assert (denied.order, denied.reason) == ("t-1", "it could not be stored first: disk full")
    began = way.of(ConditionChanged)
    assert [(each.name, each.text) for each in began] == [
        ("journal", "orders and fills cannot be stored: disk full")
    ]  # once, not with each attempt
    way.put(record(2), order(2))
    await way.settle()
    assert [each.order for each in way.of(OrderDenied)] == ["t-1", "t-2"]


async def test_storage_that_heals_keeps_everything_and_denied_orders_do_not_come_back(way: Way) -> None:
    way.disk.broken = "disk full"
    way.put(record(1), order(1), record(2))
    await way.settle()
    way.disk.broken = ""
    assert await way.box.flush(5)
    assert way.disk.kept == ["live/order/t-1", "live/order/t-2"]
    assert [each for each in way.log if each.startswith("submit")] == []
    assert [each.text for each in way.of(ConditionChanged)][-1] == ""
    way.put(record(3), order(3))
    assert await way.box.flush(5)
    assert way.log[-1] == "submit t-3"


async def test_too_many_records_are_a_condition_until_they_are_kept(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "FULL", 10)
    way.disk.open.clear()
    way.put(*(record(number) for number in range(12)))
    await way.settle()
    assert [(each.name, bool(each.text)) for each in way.of(ConditionChanged)] == [("storage queue", True)]
    assert "11 records wait" in way.of(ConditionChanged)[0].text
    way.disk.open.set()
    assert await way.box.flush(5)
    way.put(record(20))
    assert await way.box.flush(5)
    assert [(each.name, bool(each.text)) for each in way.of(ConditionChanged)][1:] == [("storage queue", False)]


async def test_behind_a_closed_latch_nothing_leaves_but_cancels(way: Way) -> None:
    way.latched = "killed by anna"
    way.put(record(1), order(1), change(2), cancel(3))
    assert await way.box.flush(5)
    assert [each for each in way.log if not each.startswith("kept")] == ["cancel t-3"]
    assert way.of(OrderDenied)[0].reason == "the kill switch holds: killed by anna"
    assert way.of(AmendRefused)[0].reason == "the kill switch holds: killed by anna"


async def test_the_latch_counts_when_the_order_leaves_not_when_it_was_wanted(way: Way) -> None:
    way.disk.open.clear()
    way.put(record(1), order(1))
    await way.settle()
    way.latched = "killed"
    way.disk.open.set()
    assert await way.box.flush(5)
    assert way.log == ["kept t-1"]
    assert [each.order for each in way.of(OrderDenied)] == ["t-1"]


@pytest.mark.parametrize("error", [ValueError("a fault"), FeedUnavailable("gone")])
@pytest.mark.parametrize(
    ("item", "doing"),
    [(order(1), "submit"), (change(1), "amend"), (cancel(1), "cancel")],
    ids=["order", "change", "cancel"],
)
async def test_after_a_fault_nobody_knows_and_the_venue_is_to_be_asked(
    way: Way, item: Any, doing: str, error: Exception
) -> None:
    def fail(_: str) -> None:
        raise error

    way.desk.answer = fail
    way.put(item)
    assert await way.box.flush(5)
    (unresolved,) = way.of(OrderUnresolved)
    assert (unresolved.order, unresolved.doing, unresolved.ts) == ("t-1", doing, 7)
    assert type(error).__name__ in unresolved.reason or "gone" in unresolved.reason


async def test_a_question_that_fails_tells_nothing(way: Way) -> None:
    def fail(_: str) -> None:
        raise FeedUnavailable("gone")

    way.desk.answer = fail
    way.put(QueryOrder(order="t-1", instrument=KEY))
    assert await way.box.flush(5)
    assert way.told == []


async def test_a_cancel_takes_back_what_has_not_left(way: Way) -> None:
    way.disk.open.clear()
    way.put(record(1), order(1), cancel(1))
    await way.settle()
    assert [(each.order, each.reason) for each in way.of(OrderDenied)] == [
        ("t-1", "it was cancelled before it was sent")
    ]
    way.disk.open.set()
    assert await way.box.flush(5)
    assert way.log == ["kept t-1"]


async def test_a_cancel_of_what_has_left_is_sent(way: Way) -> None:
    way.put(record(1), order(1))
    assert await way.box.flush(5)
    way.put(cancel(1))
    assert await way.box.flush(5)
    assert way.log == ["kept t-1", "submit t-1", "cancel t-1"]


async def test_what_no_venue_trades_is_said(way: Way) -> None:
    key = "mexc:BTC/USDT"
    way.put(order(1, key), cancel(2, key), ChangeOrder(order=order(3, key).order))
    assert await way.box.flush(5)
    assert {type(each) for each in way.told} == {OrderDenied, CancelRefused, AmendRefused}
    assert all(key in each.reason for each in way.told)
    assert way.log == []


async def test_answers_to_a_question_come_in_their_order(way: Way) -> None:
    way.put(QueryOrder(order="t-1", instrument=KEY))
    assert await way.box.flush(5)
    assert way.told == [OrderReported(order="t-1", ts=1, state="working")]


async def test_who_waits_for_a_broken_disk_is_told_that_it_was_not_enough(way: Way) -> None:
    way.disk.open.clear()
    way.put(record(1))
    assert not await way.box.flush(0.01)
    assert way.box.waiting == 1
