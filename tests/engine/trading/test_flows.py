"""Closing a position and keeping its exits, step by step: what is cancelled, sent, changed, tried again and told."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest

from engine.execution.lifecycle import Order, OrderState
from engine.operator import (
    AmendOrder,
    Arm,
    CancelOrders,
    Disarm,
    Flatten,
    Kill,
    PlaceOrder,
    Protect,
    Switch,
)
from engine.orders import AmendRefused, OrderSpec, OrderType, Origin, Rules, Side, units
from engine.trading import closing
from engine.trading.judging import situation
from engine.trading.turn import Turn
from engine.types import SECOND, InstrumentListed
from tests.engine.support import BTC, BTC_USDM
from tests.engine.trading.floor import WIDE, Floor

KEY, PERPETUAL = BTC.key, BTC_USDM.key
MID = 600_000


@pytest.fixture
def floor() -> Floor:
    return Floor()


def place(floor: Floor, side: Side, quantity: str, *, key: str = KEY, done: bool = True, **more: Any) -> None:
    answer = floor.ask(PlaceOrder(symbol=key, side=side, quantity=quantity, **more))
    assert answer.done is done, answer.text
    floor.wait(0.2)


def buy(floor: Floor, quantity: str = "0.02", **more: Any) -> None:
    place(floor, Side.BUY, quantity, **more)


def exits(floor: Floor, key: str = KEY) -> dict[OrderType, Order]:
    return {each.spec.type: each for each in floor.account.orders.open(key) if each.spec.origin is Origin.EXIT}


def sent(floor: Floor, origin: Origin) -> list[OrderSpec]:
    return [each.spec for each in floor.account.orders.by_id.values() if each.spec.origin is origin]


def fall(floor: Floor, to: int, key: str = KEY) -> None:
    """The book falls, and then somebody sells."""
    floor.book(key, to + 1)
    floor.trade(key, to)


def flat(floor: Floor, key: str = KEY) -> bool:
    position = floor.account.ledgers["paper"].positions.get(key)
    return position is None or not position.open


# Brackets. -----------------------------------------------------------------------------------------------------------


def test_a_bracket_rests_and_one_leg_ends_the_other(floor: Floor) -> None:
    buy(floor, stop_loss="59990", take_profit="60010")
    held = exits(floor)
    stop, target = held[OrderType.STOP], held[OrderType.LIMIT]
    assert stop.spec.oco == target.spec.oco
    assert stop.quantity == target.quantity == units("0.01998")
    fall(floor, MID - 110)
    assert (stop.state, target.state) == (OrderState.FILLED, OrderState.CANCELED)
    assert flat(floor)
    assert KEY not in floor.account.protections
    floor.wait(1)
    assert len(sent(floor, Origin.EXIT)) == 2  # nothing was sent for what had gone
    assert [notice.code for notice in floor.notices if notice.code == "ORDER_REJECTED"] == []


def test_a_stop_that_is_filled_in_parts_is_told_once_and_the_rest_gets_exits_again(floor: Floor) -> None:
    buy(floor, "0.03", stop_loss="59990", take_profit="60010")
    floor.lose_far(KEY)
    floor.book(KEY, MID - 109, [5, 3])
    floor.trade(KEY, MID - 110)
    floor.wait(0.2)
    assert len(floor.told("STOP_HIT")) == 1
    (held,) = {spec.oco for spec in sent(floor, Origin.EXIT)[2:]}
    assert held != sent(floor, Origin.EXIT)[0].oco
    stop = exits(floor)[OrderType.STOP]
    assert stop.quantity == floor.account.quantity(KEY) == units("0.02297")
    fall(floor, MID - 110)
    assert flat(floor)


def test_a_target_that_is_filled_in_parts_takes_as_much_from_the_stop(floor: Floor) -> None:
    buy(floor, "0.02", stop_loss="59990", take_profit="60010")
    held = exits(floor)
    stop, target = held[OrderType.STOP], held[OrderType.LIMIT]
    floor.trade(KEY, MID + 120, 5, sell=False)
    floor.wait(0.3)
    assert (target.filled, target.remaining) == (units("0.005"), units("0.01498"))
    assert (stop.quantity, stop.remaining) == (units("0.01498"), units("0.01498"))
    assert len(sent(floor, Origin.EXIT)) == 2
    before = len(floor.records)
    floor.wait(1)
    assert [each.kind for each in floor.records[before:] if each.kind == "order_event"] == []  # no to and fro
    floor.ask(Protect(symbol=KEY, stop_loss="59991", take_profit="60012"))
    floor.wait(0.3)
    assert (target.price, target.remaining) == (units("60012"), units("0.01498"))
    assert (stop.stop_price, stop.remaining) == (units("59991"), units("0.01498"))
    fall(floor, MID - 110)
    assert flat(floor)


def test_more_of_a_position_gets_the_same_exits(floor: Floor) -> None:
    buy(floor, "0.02", stop_loss="59990", take_profit="60010")
    buy(floor, "0.01")
    floor.wait(0.3)
    assert {each.quantity for each in exits(floor).values()} == {units("0.02997")}
    assert len(sent(floor, Origin.EXIT)) == 2


def test_a_position_that_turns_round_leaves_no_exit_of_the_other_side() -> None:
    floor = Floor()
    buy(floor, "0.02", key=PERPETUAL, stop_loss="59990", take_profit="60010")
    place(floor, Side.SELL, "0.05", key=PERPETUAL)
    floor.wait(0.3)
    assert floor.account.quantity(PERPETUAL) == -units("0.03")
    assert exits(floor, PERPETUAL) == {}
    assert PERPETUAL not in floor.account.protections
    floor.trade(PERPETUAL, MID - 200)
    assert floor.account.quantity(PERPETUAL) == -units("0.03")


def test_a_position_that_turns_round_gets_the_exits_of_its_own_order() -> None:
    floor = Floor()
    buy(floor, "0.02", key=PERPETUAL, stop_loss="59990", take_profit="60010")
    place(floor, Side.SELL, "0.05", key=PERPETUAL)
    floor.ask(Protect(symbol=PERPETUAL, stop_loss="60011"))
    floor.wait(0.3)
    (stop,) = exits(floor, PERPETUAL).values()
    assert (stop.spec.side, stop.stop_price, stop.quantity) == (Side.BUY, units("60011"), units("0.03"))


def test_a_stop_that_was_moved_is_not_put_back_by_the_next_part_of_its_entry(floor: Floor) -> None:
    buy(floor, "0.02", type=OrderType.LIMIT, price="59998", stop_loss="59900")
    floor.trade(KEY, MID - 30, 5)
    floor.wait(0.3)
    floor.ask(Protect(symbol=KEY, stop_loss="59950"))
    floor.wait(0.3)
    floor.trade(KEY, MID - 30, 5)
    floor.wait(0.3)
    (stop,) = exits(floor).values()
    assert (stop.stop_price, stop.quantity) == (units("59950"), units("0.00999"))


# Trailing and time. --------------------------------------------------------------------------------------------------


def test_a_trailing_stop_only_moves_with_the_position(floor: Floor) -> None:
    buy(floor, trailing_bps=10)
    floor.trade(KEY, MID + 100)
    floor.wait(0.2)
    assert exits(floor)[OrderType.STOP].stop_price == units("59949.99")
    floor.trade(KEY, MID + 1000)
    floor.wait(0.2)
    assert exits(floor)[OrderType.STOP].stop_price == units("60039.90")
    floor.trade(KEY, MID + 500)
    floor.wait(0.2)
    assert exits(floor)[OrderType.STOP].stop_price == units("60039.90")
    assert len(sent(floor, Origin.EXIT)) == 1  # it is changed, not sent anew
    floor.trade(KEY, MID + 390)
    assert flat(floor)


def test_a_time_stop_closes_without_a_trade(floor: Floor) -> None:
    buy(floor, stop_loss="59000", time_stop_s=5)
    floor.wait(4.5)
    assert not flat(floor)
    floor.wait(1)
    assert flat(floor)
    assert "time stop" in floor.told("STOP_HIT")[0].text
    assert floor.account.orders.open() == []


# Exits that cannot be as they should. --------------------------------------------------------------------------------


def test_a_change_of_a_stop_that_is_refused_replaces_it(floor: Floor) -> None:
    buy(floor, stop_loss="59990")
    stop = exits(floor)[OrderType.STOP]
    floor.ask(Protect(symbol=KEY, stop_loss="59980"))
    assert stop.state is OrderState.AMENDING
    floor.tell(AmendRefused(order=stop.id, ts=floor.now, reason="not here"))
    floor.wait(0.5)
    assert stop.state is OrderState.CANCELED
    again = exits(floor)[OrderType.STOP]
    assert (again.stop_price, again.quantity) == (units("59980"), units("0.01998"))


def test_switched_off_exits_do_not_act_and_are_there_again_when_they_are_on(floor: Floor) -> None:
    floor.ask(Switch(name="exits", on=False))
    assert floor.told("EXITS_OFF")
    buy(floor, stop_loss="59990", trailing_bps=10)
    floor.trade(KEY, MID - 200)
    floor.wait(1)
    assert exits(floor) == {}
    assert not flat(floor)
    floor.ask(Switch(name="exits", on=True))
    floor.wait(0.2)
    assert exits(floor)[OrderType.STOP].stop_price == units("59990")
    fall(floor, MID - 200)
    assert flat(floor)


def test_protect_takes_exits_away_and_says_what_there_is(floor: Floor) -> None:
    buy(floor, stop_loss="59990", take_profit="60010")
    assert floor.ask(Protect(symbol=KEY, take_profit="off")).text == f"{KEY}: stop 59990"
    floor.wait(0.2)
    assert set(exits(floor)) == {OrderType.STOP}
    assert floor.ask(Protect(symbol=KEY, stop_loss="off")).text == f"{KEY}: no exits"
    floor.wait(0.2)
    assert exits(floor) == {}


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"stop_loss": "60005"}, "the stop-loss has to be below the price of 60000"),
        ({"take_profit": "59000"}, "the take profit has to be above the price of 60000"),
        ({"stop_loss": "-1"}, "no price"),
        ({"stop_loss": "many"}, "not a number"),
        ({"trailing_bps": 1e300}, "at most 5000 bps"),
        ({"time_stop_s": 1e300}, "at most"),
    ],
)
def test_exits_that_make_no_sense_are_refused_and_nothing_changes(
    floor: Floor, wanted: dict[str, Any], said: str
) -> None:
    buy(floor)
    answer = floor.ask(Protect(symbol=KEY, **wanted))
    assert (answer.done, answer.code) == (False, "invalid_argument")
    assert said in answer.text
    assert floor.account.protections == {}


def test_exits_of_nothing_are_refused(floor: Floor) -> None:
    assert floor.ask(Protect(symbol=KEY, stop_loss="1")).code == "no_position"
    assert floor.ask(Protect(symbol="binance:X/Y", stop_loss="1")).code == "no_position"


# Closing. ------------------------------------------------------------------------------------------------------------


def test_flatten_cancels_first_and_closes_then(floor: Floor) -> None:
    buy(floor, stop_loss="59990", take_profit="60010")
    buy(floor, "0.01", type=OrderType.LIMIT, price="59000")
    answer = floor.ask(Flatten(symbol=KEY))
    assert answer.text == f"3 open orders being cancelled; {KEY} being closed at the market"
    assert {order.state for order in floor.account.orders.open()} == {OrderState.CANCELING}
    assert sent(floor, Origin.FLATTEN) == []
    floor.wait(0.3)
    assert flat(floor)
    assert floor.account.orders.open() == []
    assert floor.account.closing == {}
    (last,) = sent(floor, Origin.FLATTEN)
    assert (last.quantity, last.reduce_only) == (units("0.01998"), True)


def test_flatten_without_a_symbol_closes_all(floor: Floor) -> None:
    buy(floor)
    place(floor, Side.SELL, "0.03", key=PERPETUAL)
    floor.ask(Flatten())
    floor.wait(0.3)
    assert flat(floor)
    assert flat(floor, PERPETUAL)
    assert floor.ask(Flatten()).text == "nothing is held and no order is open"
    assert floor.ask(Flatten(symbol="binance:X/Y")).code == "unknown_symbol"


def test_on_a_thin_book_it_is_closed_in_parts_a_second_apart(floor: Floor) -> None:
    buy(floor, "0.03")
    floor.book(KEY, MID, [4, 3])
    floor.lose_far(KEY)
    floor.ask(Flatten(symbol=KEY))
    for _ in range(6):
        floor.wait(0.4)
        floor.book(KEY, MID, [4, 3], seconds=0.4)
    assert flat(floor)
    parts = sent(floor, Origin.FLATTEN)
    assert len(parts) == 5
    assert all(later.created - one.created >= SECOND for one, later in pairwise(parts))
    assert floor.told("NOT_FLAT") == []


def test_what_cannot_be_closed_has_its_exits_again(floor: Floor) -> None:
    buy(floor, "0.03", stop_loss="59000")
    floor.book(KEY, MID, [1])
    floor.lose_far(KEY)
    floor.ask(Flatten(symbol=KEY))
    for _ in range(closing.TRIES + 1):
        floor.book(KEY, MID, [1], seconds=0.5)
        floor.wait(0.8)
    assert floor.account.closing == {}
    assert "are left after 10 orders" in floor.told("NOT_FLAT")[0].text
    (stop,) = exits(floor).values()
    assert stop.quantity == floor.account.quantity(KEY) > 0
    assert stop.stop_price == units("59000")


def test_dust_is_left_and_ends_the_trade(floor: Floor) -> None:
    buy(floor, "0.01001")
    floor.ask(Flatten(symbol=KEY))
    floor.wait(0.3)
    assert 0 < floor.account.quantity(KEY) < units("0.00001")
    assert flat(floor)
    assert len(floor.account.ledgers["paper"].closed) == 1
    assert floor.told("NOT_FLAT") == []
    assert floor.ask(Protect(symbol=KEY, stop_loss="59000")).code == "no_position"


def test_a_position_above_the_most_of_an_order_is_closed_in_several() -> None:
    floor = Floor(WIDE, BTC)
    buy(floor, "0.05")
    step = units("0.00001")
    rules = Rules(tick=units("0.01"), step=step, min_quantity=step, min_notional=0, max_market_quantity=units("0.02"))
    floor.driver.apply(floor.now, "binance:rest", InstrumentListed(instrument=BTC, rules=rules))
    floor.ask(Flatten())
    floor.wait(4)
    assert flat(floor)
    assert [spec.quantity for spec in sent(floor, Origin.FLATTEN)] == [2000 * step, 2000 * step, 995 * step]


def test_without_a_book_closing_waits_for_it(floor: Floor) -> None:
    buy(floor)
    floor.lose(KEY)
    floor.flattens = True
    floor.ask(Kill(flatten=True))
    floor.silence(30)
    assert not flat(floor)
    floor.found(KEY, MID)
    floor.wait(0.3)
    assert flat(floor)


def test_what_is_not_followed_any_more_is_said_and_harms_nothing(floor: Floor) -> None:
    place(floor, Side.SELL, "0.03", key=PERPETUAL, stop_loss="60100")
    floor.ask(CancelOrders(all=True))
    floor.wait(0.3)
    del floor.driver.state.markets[PERPETUAL]
    del floor.ids[PERPETUAL]
    floor.checks = False
    floor.flattens = True
    floor.ask(Kill(flatten=True))
    floor.wait(1)
    assert f"0.03 of {PERPETUAL} are held, which is not followed here" in floor.told("NOT_FLAT")[0].text
    assert "fault" not in floor.account.conditions
    assert floor.ask(Arm(word="PAPER", reason="on")).done


def test_flatten_goes_on_in_reduce_and_with_exits_off(floor: Floor) -> None:
    buy(floor)
    floor.ask(Disarm())
    floor.ask(Switch(name="exits", on=False))
    assert floor.ask(Flatten()).done
    floor.wait(0.3)
    assert flat(floor)


def test_after_a_kill_positions_stay_until_flattened_and_arming_gives_them_exits_again(floor: Floor) -> None:
    buy(floor, stop_loss="59990")
    floor.ask(Kill(flatten=False))
    floor.wait(0.3)
    assert floor.account.orders.open() == []
    floor.trade(KEY, MID - 200)
    floor.wait(1)
    assert not flat(floor)  # the person has chosen so
    floor.book(KEY, MID)
    assert floor.ask(PlaceOrder(symbol=KEY, side=Side.SELL, quantity="0.01", reduce_only=True)).code == "latched"
    assert floor.ask(Arm(word="PAPER")).code == "reason"
    assert floor.ask(Arm(word="PAPER", reason="on")).done
    floor.wait(0.2)
    assert exits(floor)[OrderType.STOP].stop_price == units("59990")


def test_flatten_is_possible_while_halted(floor: Floor) -> None:
    buy(floor, stop_loss="59990")
    floor.ask(Kill(flatten=False))
    floor.wait(0.3)
    floor.flattens = True
    assert "although trading is halted" in floor.ask(Flatten()).text
    floor.wait(0.3)
    assert flat(floor)
    assert floor.account.halted
    assert floor.ask(Flatten()).code == "halted"


def test_a_kill_is_kept_before_anything_that_follows_from_it(floor: Floor) -> None:
    """Else an engine that is killed at the wrong moment begins again without knowing of it."""
    buy(floor)
    floor.flattens = True
    before = len(floor.records)
    floor.ask(Kill(flatten=True))
    kinds = [record.kind for record in floor.records[before:]]
    assert kinds == ["trading", "order", "audit"]


# Cancels and changes. ------------------------------------------------------------------------------------------------


def test_a_cancel_is_asked_once(floor: Floor) -> None:
    buy(floor, "0.01", type=OrderType.LIMIT, price="59000")
    before = len(floor.records)
    for _ in range(3):
        floor.ask(CancelOrders(all=True))
    assert [record.kind for record in floor.records[before:]].count("order_event") == 1
    floor.wait(0.3)
    assert floor.ask(CancelOrders(order="t-1")).code == "not_open"
    assert floor.ask(CancelOrders()).code == "invalid_argument"
    assert floor.ask(CancelOrders(all=True)).text == "no order is open"


def test_an_order_is_changed_when_the_gate_lets_it(floor: Floor) -> None:
    buy(floor, "0.01", type=OrderType.LIMIT, price="59000")
    assert floor.ask(AmendOrder(order="t-1", price="59001", quantity="0.02")).done
    assert floor.ask(AmendOrder(order="t-1", price="59002")).code == "busy"
    floor.wait(0.2)
    (order,) = floor.account.orders.open()
    assert (order.price, order.quantity, order.state) == (units("59001"), units("0.02"), OrderState.WORKING)
    assert floor.ask(AmendOrder(order="t-1", quantity="50")).code in ("max_position", "risk_per_trade", "balance")
    assert floor.ask(AmendOrder(order="t-1", price="59001.001")).code == "rules"
    assert floor.ask(AmendOrder(order="t-1", stop_price="1")).code == "invalid_argument"
    assert floor.ask(AmendOrder(order="t-1")).code == "invalid_argument"
    assert floor.ask(AmendOrder(order="t-9", price="1")).code == "not_open"


def test_a_reducing_order_that_was_filled_in_part_can_be_changed(floor: Floor) -> None:
    """It is judged whole, as if what was filled of it were not."""
    buy(floor, "0.03")
    place(floor, Side.SELL, "0.02", type=OrderType.LIMIT, price="60010", reduce_only=True)
    floor.trade(KEY, MID + 120, 5, sell=False)
    (order,) = floor.account.orders.open()
    assert order.filled == units("0.005")
    answer = floor.ask(AmendOrder(order=order.id, price="60005"))
    assert answer.done, answer.text
    floor.wait(0.2)
    assert (order.price, order.remaining) == (units("60005"), units("0.015"))
    assert floor.ask(AmendOrder(order=order.id, quantity="0.005")).code == "invalid_argument"
    assert floor.ask(AmendOrder(order=order.id, quantity="0.04")).code in ("reduce_only", "spot_short")


def test_an_order_that_adds_is_judged_without_what_was_filled_of_it(floor: Floor) -> None:
    buy(floor, "0.1", type=OrderType.LIMIT, price="59990")
    floor.trade(KEY, MID - 110, 50)
    (order,) = floor.account.orders.open()
    turn = Turn(floor.driver.state, floor.account, floor.now)
    before = situation(turn, msgspec.structs.replace(order.spec, id="other"))
    found = situation(turn, order.spec, filled=order.filled)
    assert found.position == -(units("0.05") - floor.account.quantity(KEY))  # no more than the fee
    assert found.free > before.free  # type: ignore[operator]
    assert found.exposure < before.exposure
    assert floor.ask(AmendOrder(order=order.id, price="59991")).done
