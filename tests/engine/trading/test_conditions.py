"""What takes the right to new risk away, and what gives it back; what reduces goes on meanwhile."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import msgspec
import pytest

from engine.operator import Arm, Disarm, Flatten, PlaceOrder, SetLimits, Switch
from engine.orders import Answered, BalancesReported, ConditionChanged, Side, TradingState, units
from engine.risk.limits import Breakers, Limits, RiskSettings
from engine.trading.turn import state_of
from engine.trading.views import trading_view
from engine.types import SECOND
from tests.engine.support import BTC, BTC_USDM
from tests.engine.trading.floor import START, WIDE, Floor

KEY, PERPETUAL = BTC.key, BTC_USDM.key
MID = 600_000


def limited(**values: Any) -> Limits:
    return msgspec.structs.replace(WIDE, **values)


@pytest.fixture
def floor() -> Floor:
    return Floor()


def buy(floor: Floor, quantity: str = "0.02", key: str = KEY, **more: Any) -> Answered:
    answer = floor.ask(PlaceOrder(symbol=key, side=Side.BUY, quantity=quantity, **more))
    floor.wait(0.2)
    return answer


def sell(floor: Floor, quantity: str = "0.005", key: str = KEY) -> Answered:
    answer = floor.ask(PlaceOrder(symbol=key, side=Side.SELL, quantity=quantity))
    floor.wait(0.2)
    return answer


def state(floor: Floor) -> TradingState:
    return state_of(floor.account)[0]


def test_a_book_that_stands_still_under_a_position_is_reduce_until_it_goes_on(floor: Floor) -> None:
    floor.silence(5)
    assert state(floor) is TradingState.ACTIVE  # nothing is held: nothing is at stake
    floor.wait(1)
    buy(floor)
    floor.silence(3)
    assert state(floor) is TradingState.REDUCE
    assert KEY in state_of(floor.account)[1][0]
    assert buy(floor, key=PERPETUAL).code == "state"
    floor.wait(1.1)
    assert state(floor) is TradingState.ACTIVE
    assert buy(floor).done


def test_a_book_that_is_lost_is_reduce_until_it_is_there_again(floor: Floor) -> None:
    buy(floor)
    floor.lose(KEY)
    floor.silence(1)
    assert state(floor) is TradingState.REDUCE
    floor.found(KEY, MID)
    floor.wait(1.1)
    assert state(floor) is TradingState.ACTIVE


def test_the_loss_of_a_day_blocks_until_the_next_one() -> None:
    risk = RiskSettings(limits=limited(daily_loss=0.01), breakers=Breakers(flash_move=0.5))
    floor = Floor(WIDE, BTC, risk=risk, start=START + (86_400 - 30) * SECOND)
    buy(floor, "0.15")
    floor.book(KEY, MID - 8000)
    floor.wait(2)
    assert "1 %" in floor.told("DAILY_LOSS")[0].text
    assert state(floor) is TradingState.REDUCE
    floor.book(KEY, MID)
    floor.wait(2)
    assert buy(floor).code in ("state", "daily_loss")  # it is not given back by a better price
    assert sell(floor).done
    floor.wait(40)
    assert state(floor) is TradingState.ACTIVE
    assert buy(floor).done
    assert len(floor.told("DAILY_LOSS")) == 1


@pytest.mark.parametrize("flattens", [True, False])
def test_the_drawdown_halts_and_flattens_as_it_is_set(flattens: bool) -> None:
    limits = limited(drawdown=0.01)
    calm = Breakers(flash_move=0.5)
    floor = Floor(WIDE, BTC, risk=RiskSettings(limits=limits, drawdown_flattens=flattens, breakers=calm))
    floor.flattens = flattens
    buy(floor, "0.15", stop_loss="58000")
    floor.book(KEY, MID - 8000)
    floor.wait(2)
    assert state(floor) is TradingState.HALTED
    assert floor.account.orders.open() == []
    assert bool(floor.account.ledgers["paper"].positions[KEY].open) is not flattens
    assert len(floor.told("DRAWDOWN")) == len(floor.told("TRADING_HALTED")) == 1
    assert buy(floor).code == "halted"
    assert floor.ask(Arm(word="PAPER")).code == "reason"
    assert floor.ask(Arm(word="PAPER", reason="I saw it")).done
    floor.wait(2)
    assert state(floor) is TradingState.ACTIVE  # from a new peak
    assert buy(floor, "0.01").done


def test_losses_in_a_row_make_a_pause() -> None:
    floor = Floor(limited(losses_in_a_row=2, pause_s=20.0), BTC)
    for _ in range(2):
        assert buy(floor).done
        floor.ask(Flatten())
        floor.wait(0.5)
    refused = buy(floor)
    assert refused.code == "losses_in_a_row"
    assert "the last 2 trades lost" in refused.text
    floor.wait(20)
    assert buy(floor).done


def test_a_flash_move_stops_new_risk_in_that_market_alone() -> None:
    breakers = Breakers(flash_move=0.01, flash_window_s=10.0, flash_pause_s=5.0)
    floor = Floor(risk=RiskSettings(limits=WIDE, breakers=breakers))
    buy(floor)
    floor.book(KEY, MID + 7000)
    floor.wait(0.3)
    assert len(floor.told("FLASH_MOVE")) == 1
    refused = buy(floor)
    assert refused.code == "breaker"
    assert "1.167 %" in refused.text
    assert sell(floor).done
    assert buy(floor, key=PERPETUAL).done
    floor.wait(5)
    assert buy(floor).done


def test_disarmed_only_what_reduces_passes(floor: Floor) -> None:
    buy(floor)
    assert floor.ask(Disarm()).done
    assert state(floor) is TradingState.REDUCE
    assert buy(floor).code == "state"
    assert sell(floor).done
    assert floor.ask(Arm(word="paper")).code == "word"
    assert floor.ask(Arm(word="LIVE")).code == "word"
    assert floor.ask(Arm(word="PAPER")).text == "armed (paper); trading is active"
    assert buy(floor).done


def test_what_is_told_from_outside_lasts_until_it_is_over(floor: Floor) -> None:
    floor.tell(ConditionChanged(name="journal", text="the disk is full", ts=floor.now))
    view = trading_view(floor.driver.state, floor.account, floor.now)
    assert view.state == "reduce"
    assert "the disk is full" in view.reasons
    refused = buy(floor)
    assert refused.code == "state"
    assert "the disk is full" in refused.text
    floor.tell(ConditionChanged(name="journal", text="", ts=floor.now))
    assert buy(floor).done


@pytest.mark.parametrize(
    ("name", "code"),
    [("trading", "state"), ("entries", "entries"), (KEY, "symbol")],
    ids=["trading", "entries", "symbol"],
)
def test_what_is_switched_off_takes_no_new_risk(floor: Floor, name: str, code: str) -> None:
    buy(floor)
    assert floor.ask(Switch(name=name, on=False)).text == f"{name} off (was on)"
    assert buy(floor).code == code
    assert sell(floor).done
    assert buy(floor, key=PERPETUAL).done is (name == KEY)
    floor.ask(Switch(name=name, on=True))
    assert buy(floor).done
    assert floor.ask(Switch(name="lights", on=True)).code == "unknown_switch"


def test_without_a_price_of_all_that_is_held_nothing_new_is_begun(floor: Floor) -> None:
    floor.checks = False
    floor.tell(BalancesReported(venue="binance", ts=floor.now, balances={"USDT": units("10000"), "XYZ": 5}))
    floor.wait(2)
    assert "is not known" in floor.told("EQUITY_UNKNOWN")[0].text
    assert buy(floor).code == "equity"


def test_limits_are_changed_all_or_none(floor: Floor) -> None:
    answer = floor.ask(SetLimits(values={"max_position": 0.05, "orders_per_minute": 2}))
    assert answer.text == "limits changed: max_position 1 -> 0.05, orders_per_minute 1000 -> 2"
    assert buy(floor).code == "max_position"
    for _ in range(2):
        assert buy(floor, "0.001").done
    assert buy(floor, "0.001").code == "orders_per_minute"
    floor.wait(61)
    assert buy(floor, "0.001").done
    before = floor.account.risk.limits
    for values, code in (
        ({"max_position": 0.1, "nonsense": 1.0}, "unknown_limit"),
        ({}, "unknown_limit"),
        ({"max_position": 0.1, "max_leverage": 99.0}, "invalid_limit"),
        ({"orders_per_minute": 2.5}, "invalid_limit"),
        ({"orders_per_minute": inf}, "invalid_limit"),
        ({"max_position": nan}, "invalid_limit"),
    ):
        assert floor.ask(SetLimits(values=values)).code == code
        assert floor.account.risk.limits == before


def test_with_leverage_more_than_the_balance_can_be_traded() -> None:
    floor = Floor(limited(max_leverage=3.0, max_position=3.0, max_exposure=3.0), BTC_USDM)
    assert buy(floor, "0.4", key=PERPETUAL).done
    assert floor.account.quantity(PERPETUAL) == units("0.4")
    assert buy(floor, "0.4", key=PERPETUAL).code in ("max_position", "max_exposure", "max_leverage", "balance")


def test_what_is_asked_is_audited_with_what_it_changed(floor: Floor) -> None:
    floor.ask(Disarm(reason="lunch"))
    floor.ask(Arm(word="wrong"))
    kept = [msgspec.json.decode(record.body) for record in floor.records if record.kind == "audit"]
    first, second = kept
    assert (first["user"], first["command"], first["done"]) == ("anna", "disarm", True)
    assert (first["before"], first["after"]) == ("active", "reduce: not armed: `tradetui arm` or M, and the word PAPER")
    assert (second["done"], second["before"]) == (False, first["after"])
    assert "lunch" in first["detail"]
