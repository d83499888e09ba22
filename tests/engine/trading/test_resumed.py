"""A halt that was closing positions when its engine ended: the next one goes on, once, and only where it should."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from engine.alerts import CATALOGUE
from engine.core import step
from engine.execution.account import Account
from engine.execution.settings import TradingSettings
from engine.operator import Arm, Flatten, Kill, PlaceOrder
from engine.orders import (
    BlindTime,
    Journaled,
    Mode,
    Noticed,
    OrderFilled,
    OrderReported,
    OrderSpec,
    OrderType,
    Origin,
    Reconciled,
    Side,
    SubmitOrder,
    units,
)
from engine.ports import Record
from engine.risk.limits import RiskSettings
from engine.state import EngineState
from engine.trading import closing, troubles
from engine.trading.recall import image, recall
from engine.types import SECOND
from engine.types import Record as Applied
from tests.engine.support import BTC
from tests.engine.trading.floor import WIDE, Floor, lasting
from tests.engine.trading.test_venues import Desk

KEY = BTC.key
MID = 600_000
HELD = units("0.01998")

_filled = msgspec.json.Decoder(OrderFilled)
_spec = msgspec.json.Decoder(OrderSpec)


def holding(*, book: bool = True) -> Floor:
    """A paper account with a position, that may be flattened; without its book nothing is closed yet."""
    floor = Floor(WIDE, BTC)
    floor.flattens = True
    floor.ask(PlaceOrder(symbol=KEY, side=Side.BUY, quantity="0.02"))
    floor.wait(0.3)
    assert floor.account.quantity(KEY) == HELD
    if not book:
        floor.lose(KEY)
    return floor


def again(
    floor: Floor,
    records: list[Record] | None = None,
    *,
    begun: bytes | None = None,
    prefix: str = "u",
    book: bool = True,
    **told: Any,
) -> Floor:
    """The next engine, thirty seconds later, on these records; `told` is what it knows of the kill switch."""
    records = floor.records if records is None else records
    now = floor.now + 30 * SECOND
    account = floor.opened(prefix, armed=False)
    last = recall(EngineState(), account, begun, records, now)
    fills = [_filled.decode(record.body).fill for record in records if record.kind == "fill"]
    second = Floor(WIDE, BTC, start=now, account=account, fills=floor.fills if begun else fills)
    second.flattens, second.halted = True, account.halted
    if not book:
        second.lose(KEY)
    second.tell(BlindTime(since=last or now - 1, ts=now, **told))
    return second


def sold(floor: Floor) -> int:
    return sum(fill.quantity for fill in floor.fills if fill.side is Side.SELL)


def resumed(floor: Floor) -> list[str]:
    return [notice.text for notice in floor.told("FLATTEN_RESUMED")]


# What goes on. --------------------------------------------------------------------------------------------------------


def test_a_kill_whose_order_never_arrived_is_gone_on_with() -> None:
    floor = holding()
    floor.ask(Kill(flatten=True, reason="a test"))
    second = again(floor)
    (said,) = resumed(second)
    assert said == f"the last engine ended before {KEY} was closed (killed: a test): 0.01998 of {KEY} are held still"
    second.wait(1)
    assert second.account.quantity(KEY) == 0
    assert sold(second) == HELD
    assert second.account.closing == {}
    assert (second.account.halted, second.account.latched) == ("killed: a test", True)
    third = again(second, [*floor.records, *second.records], prefix="v")
    third.wait(3)
    assert resumed(third) == third.told("NOT_FLAT") == []
    assert [record.kind for record in third.records if record.kind == "order"] == []


def test_killed_after_any_record_it_is_closed_once() -> None:
    """On a thin book, so that it takes several orders."""
    floor = holding()
    floor.book(KEY, MID, [7])
    floor.lose_far(KEY)
    before = len(floor.records)
    floor.ask(Kill(flatten=True))
    for _ in range(5):
        floor.wait(0.4)
        floor.book(KEY, MID, [7], seconds=0.8)
    assert floor.account.quantity(KEY) == 0
    assert len(floor.records) - before > 10
    for place in range(before + 1, len(floor.records) + 1):
        second = again(floor, floor.records[:place])
        second.wait(3)
        assert second.account.quantity(KEY) == 0
        assert sold(second) == HELD
        assert second.account.closing == {}
        assert second.told("NOT_FLAT") == []


def test_what_is_remembered_is_what_was() -> None:
    floor = holding(book=False)
    steps: list[Callable[[], Any]] = [
        lambda: floor.ask(Kill(flatten=True, reason="one")),
        lambda: floor.ask(Kill(flatten=False, reason="two")),
        lambda: floor.ask(Flatten()),
        lambda: floor.found(KEY, MID),
        lambda: floor.wait(1),
        lambda: floor.ask(Arm(word="PAPER", reason="on")),
    ]
    for each in steps:
        each()
        first = floor.account
        folded = floor.folded()
        assert lasting(folded) == lasting(first)
        restored = floor.folded(msgspec.json.encode(image(first)), [])
        assert lasting(restored) == lasting(first)
        assert {key: each.begun for key, each in restored.closing.items()} == {
            key: each.begun for key, each in folded.closing.items()
        }
    assert floor.account.closing == {}


def test_it_outlives_several_restarts_and_an_orderly_one() -> None:
    floor = holding(book=False)
    floor.ask(Kill(flatten=True))
    for prefix in "uvw":
        account = floor.opened(prefix, armed=False)
        recall(EngineState(), account, None, floor.records, floor.now)
        begun = msgspec.json.encode(image(account))
        second = again(floor, [], begun=begun, prefix=f"{prefix}1")
        assert len(resumed(second)) == 1
    second.wait(1)
    assert second.account.quantity(KEY) == 0


def test_the_halt_by_drawdown_goes_on_too() -> None:
    limits = msgspec.structs.replace(WIDE, drawdown=0.01)
    floor = Floor(limits, BTC)
    floor.flattens = True
    floor.ask(PlaceOrder(symbol=KEY, side=Side.BUY, quantity="0.15"))
    floor.wait(1.5)
    floor.book(KEY, MID - 8000, [10])
    floor.lose_far(KEY)
    floor.wait(1)
    assert floor.told("DRAWDOWN")
    left = floor.account.quantity(KEY)
    assert left > 0
    second = again(floor)
    assert second.account.halted
    assert not second.account.latched
    second.wait(2)
    assert second.account.quantity(KEY) == 0
    assert len(resumed(second)) == 1


def test_what_a_person_flattens_while_it_is_halted_goes_on_too() -> None:
    floor = holding()
    floor.ask(Kill(flatten=False))
    assert floor.ask(Flatten()).done
    second = again(floor)
    assert "flattened by hand while halted" in resumed(second)[0]
    second.wait(1)
    assert second.account.quantity(KEY) == 0


def test_on_paper_it_waits_until_its_market_is_there_and_says_so() -> None:
    floor = holding()
    floor.ask(Kill(flatten=True))
    account = floor.opened("u", armed=False)
    now = floor.now + SECOND
    state = EngineState(account=account)
    last = recall(state, account, None, floor.records, now)
    commands = step(state, Applied(seq=1, ts_recv=now, source="control", event=BlindTime(since=last, ts=now)))
    codes = [each.code for each in commands if isinstance(each, Noticed)]
    assert "FLATTEN_RESUMED" in codes
    assert "NOT_FLAT" not in codes
    (cause,) = [each for each in troubles.causes(account, now) if each.code == "FLATTEN_RESUMED"]
    assert "0.01998" in cause.text
    assert "as soon as there is a book" in cause.doing
    second = Floor(WIDE, BTC, start=now, account=account, fills=floor.fills)
    second.flattens, second.halted, second._standing = True, account.halted, True
    second.wait(1)
    assert account.quantity(KEY) == 0
    assert [each for each in troubles.causes(account, second.now) if each.code == "FLATTEN_RESUMED"] == []


# What does not. -------------------------------------------------------------------------------------------------------


def stays(second: Floor) -> None:
    second.wait(3)
    assert second.account.quantity(KEY) == HELD
    assert second.account.closing == {}
    assert resumed(second) == []
    assert all(record.kind != "order" for record in second.records)


def test_a_halt_that_closes_nothing_closes_nothing_after_a_restart_either() -> None:
    floor = holding()
    floor.ask(Kill(flatten=False))
    stays(again(floor))


def test_a_kill_without_flattening_ends_the_one_with_it() -> None:
    floor = holding(book=False)
    floor.ask(Kill(flatten=True))
    floor.ask(Kill(flatten=False))
    stays(again(floor))


def test_who_armed_in_between_ended_it() -> None:
    floor = holding(book=False)
    floor.ask(Kill(flatten=True))
    assert floor.ask(Arm(word="PAPER", reason="I keep it")).done
    for second in (again(floor), again(floor, [], begun=msgspec.json.encode(image(floor.account)))):
        stays(second)
        assert not second.account.halted


def test_who_arms_after_the_restart_ends_it_too_and_is_told_what_is_left() -> None:
    floor = holding()
    floor.ask(Kill(flatten=True))
    second = again(floor, book=False)
    second.wait(1)
    assert second.account.quantity(KEY) == HELD
    assert second.ask(Arm(word="PAPER", reason="I keep it")).done
    (left,) = second.told("NOT_FLAT")
    assert "0.01998" in left.text
    assert "armed" in left.text
    second.found(KEY, MID)
    second.wait(3)
    assert second.account.quantity(KEY) == HELD
    third = again(second, [*floor.records, *second.records], prefix="v")
    stays(third)


def test_who_closed_the_kill_switch_since_may_be_closing_it_himself() -> None:
    floor = holding()
    floor.ask(Kill(flatten=True, reason="a test"))
    second = again(floor, killed="the kill switch was closed by bert", killed_at=floor.now + 1)
    (left,) = second.told("NOT_FLAT")
    assert f"0.01998 of {KEY} are left" in left.text
    assert "by bert" in left.text
    stays(second)
    stays(again(second, [*floor.records, *second.records], prefix="v"))


def test_who_closed_it_before_is_the_one_whose_halt_it_is() -> None:
    floor = holding()
    at = floor.now
    floor.ask(Kill(flatten=True, reason="a test"))
    second = again(floor, killed="the kill switch was closed by bert", killed_at=at)
    second.wait(1)
    assert second.account.quantity(KEY) == 0


def test_what_was_given_up_is_not_begun_again() -> None:
    floor = holding()
    floor.book(KEY, MID, [1])
    floor.lose_far(KEY)
    floor.ask(Kill(flatten=True))
    for _ in range(closing.TRIES + 1):
        floor.book(KEY, MID, [1], seconds=0.5)
        floor.wait(0.8)
    assert floor.told("NOT_FLAT")
    left = floor.account.quantity(KEY)
    second = again(floor)
    second.wait(3)
    assert second.account.quantity(KEY) == left > 0
    assert resumed(second) == []


def test_a_kill_in_the_next_engine_says_anew_what_is_wanted() -> None:
    floor = holding()
    floor.ask(Kill(flatten=True))
    second = again(floor, book=False)
    second.ask(Kill(flatten=False))
    second.found(KEY, MID)
    second.wait(3)
    assert second.account.quantity(KEY) == HELD
    assert second.account.closing == {}


# At a venue. ----------------------------------------------------------------------------------------------------------


def after(desk: Desk, **told: Any) -> Desk:
    """The next engine of a testnet account: it has recalled the records, and no venue was asked yet."""
    rows = [each for each in desk.driver.commands if isinstance(each, Journaled)]
    records = [
        Record(id=number, kind=each.kind, key=each.key, ts=each.ts, body=each.body)
        for number, each in enumerate(rows, 1)
    ]
    second = Desk()
    second.now = desk.now + SECOND
    account = Account(
        TradingSettings(mode=Mode.TESTNET), RiskSettings(limits=WIDE), prefix="o", venues=("binance",)
    )  # fmt: skip
    last = recall(second.driver.state, account, None, records, second.now)
    second.account = second.driver.state.account = account
    second.driver.commands.clear()
    second.deals = desk.deals
    second.tell(BlindTime(since=last, ts=second.now, **told))
    return second


@pytest.fixture
def desk() -> Desk:
    """One that holds 0.01998, and is being killed with its closing order under way."""
    desk = Desk()
    order = desk.buy()
    desk.accept(order)
    desk.fill(order, "0.02")
    assert desk.ask(Kill(flatten=True, reason="a test")).done
    assert [each.origin for each in desk.sent()] == [Origin.OPERATOR, Origin.FLATTEN]
    return desk


def codes(desk: Desk) -> list[str]:
    return [each.code for each in desk.said(Noticed)]


def test_nothing_is_sent_before_the_venue_was_reconciled_and_its_orders_are_known(desk: Desk) -> None:
    second = after(desk)
    number = desk.sent()[-1].id
    second.wait(5)
    assert "FLATTEN_RESUMED" not in codes(second)
    (cause,) = [each for each in troubles.causes(second.account, second.now) if each.code == "FLATTEN_RESUMED"]
    assert cause.text.endswith("0.01998 of it are held still, as far as is known here")
    assert "when binance has told" in cause.doing
    second.tell(Reconciled(venue="binance", ts=second.now))
    assert codes(second).count("FLATTEN_RESUMED") == 1
    second.wait(5)
    assert second.sent() == [], "what became of the first order is not known"
    second.tell(OrderReported(order=number, ts=second.now, state="missing"))
    (spec,) = second.sent()
    assert (spec.origin, spec.type, spec.side, spec.quantity) == (Origin.FLATTEN, OrderType.MARKET, Side.SELL, HELD)
    assert spec.reduce_only
    second.tell(Reconciled(venue="binance", ts=second.now))
    second.wait(5)
    assert len(second.sent()) == 1
    order = second.account.orders.by_id[spec.id]
    second.accept(order)
    second.fill(order, "0.01998")
    second.wait(5)
    assert len(second.sent()) == 1
    assert second.account.closing == {}
    assert codes(second).count("FLATTEN_RESUMED") == 1


def test_what_the_first_order_sold_is_not_sold_again(desk: Desk) -> None:
    order = desk.account.orders.by_id[desk.sent()[-1].id]
    second = after(desk)
    known = second.account.orders.by_id[order.id]
    second.fill(known, "0.01")
    second.tell(OrderReported(order=order.id, ts=second.now, state="canceled", filled=units("0.01")))
    assert second.sent() == []
    second.tell(Reconciled(venue="binance", ts=second.now))
    assert [spec.quantity for spec in second.sent()] == [units("0.00998")]


def test_nothing_is_said_where_nothing_is_left(desk: Desk) -> None:
    second = after(desk)
    order = second.account.orders.by_id[desk.sent()[-1].id]
    second.fill(order, "0.01998")
    second.tell(Reconciled(venue="binance", ts=second.now))
    second.wait(5)
    assert second.sent() == []
    assert second.account.closing == {}
    assert not {"FLATTEN_RESUMED", "NOT_FLAT"} & set(codes(second))


def test_what_is_left_is_said_when_the_venue_has_told_it(desk: Desk) -> None:
    second = after(desk, killed="the kill switch was closed by bert", killed_at=desk.now + 1)
    order = second.account.orders.by_id[desk.sent()[-1].id]
    second.fill(order, "0.01")
    second.tell(OrderReported(order=order.id, ts=second.now, state="canceled", filled=units("0.01")))
    assert "NOT_FLAT" not in codes(second)
    second.tell(Reconciled(venue="binance", ts=second.now))
    (left,) = [each for each in second.said(Noticed) if each.code == "NOT_FLAT"]
    assert "0.00998" in left.text
    second.wait(5)
    assert second.sent() == []


def test_another_venue_says_nothing_of_this_one(desk: Desk) -> None:
    second = after(desk)
    second.tell(Reconciled(venue="bybit", ts=second.now))
    assert second.account.closing[KEY].waits
    assert not [each for each in second.driver.commands if isinstance(each, SubmitOrder)]


def test_its_alert_is_one_that_heals() -> None:
    assert not CATALOGUE["FLATTEN_RESUMED"].once
