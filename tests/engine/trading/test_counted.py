"""What an order counts for when others are under way, when it is passed already, and in which money."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import pytest

from engine.execution.account import Account
from engine.execution.settings import PaperSettings, TradingSettings
from engine.ingestion.markets import SPOT
from engine.ingestion.symbols import guess
from engine.operator import (
    AmendOrder,
    CancelOrders,
    Disarm,
    Flatten,
    Kill,
    OperatorAsked,
    PlaceOrder,
    Protect,
    SetLimits,
    Switch,
    Who,
)
from engine.orders import Answered, OrderType, Origin, Side, TradingState, units
from engine.risk.limits import Exits, Limits, RiskSettings
from engine.trading.turn import state_of
from engine.types import SECOND
from tests.engine.support import BTC, BTC_USDM, Driver, delta, snapshot
from tests.engine.trading.floor import START, WIDE, Floor

PERPETUAL = BTC_USDM.key
LIMITS = Limits(orders_per_minute=10)


@dataclass
class Asked:
    """An order, in short."""

    side: str
    quantity: str
    kind: str = "market"
    price: str = ""
    stop: str = ""
    loss: str = ""


def send(floor: Floor, key: str, asked: Asked) -> str:
    """Ask for it; return the code of the refusal, or ""."""
    command = PlaceOrder(
        symbol=key,
        side=Side(asked.side),
        type=OrderType(asked.kind),
        quantity=asked.quantity,
        price=asked.price,
        stop_price=asked.stop,
        stop_loss=asked.loss,
    )
    return floor.ask(command).code


@pytest.mark.parametrize("kind", ["market", "limit"])
def test_orders_against_a_position_close_it_once(kind: str):
    """Each of them alone would only close it; together they are a short, and count as one."""
    floor = Floor(LIMITS)
    price = "60010" if kind == "limit" else ""
    assert send(floor, PERPETUAL, Asked("buy", "0.03")) == ""
    floor.wait()
    codes = [send(floor, PERPETUAL, Asked("sell", "0.03", kind, price)) for _ in range(4)]
    assert codes == ["", "", "max_position", "max_position"]
    floor.wait()
    floor.trade(PERPETUAL, 600_200, 500, sell=False)
    floor.wait()
    assert floor.account.quantity(PERPETUAL) == -units("0.03")
    assert len(floor.account.entries) == 2  # the one that opened, and the one that turned it round


def test_a_change_that_is_under_way_counts_as_what_it_asks_for():
    floor = Floor(LIMITS)
    for price in ("59900", "59910"):
        assert send(floor, PERPETUAL, Asked("buy", "0.005", "limit", price)) == ""
    floor.wait()
    first, second = floor.account.orders.open(PERPETUAL)
    assert floor.ask(AmendOrder(order=first.id, quantity="0.02")).code == ""
    assert floor.ask(AmendOrder(order=second.id, quantity="0.02")).code == "max_position"
    assert send(floor, PERPETUAL, Asked("buy", "0.02")) == "max_position"
    floor.wait()
    assert [order.quantity for order in (first, second)] == [units("0.02"), units("0.005")]
    assert floor.ask(AmendOrder(order=first.id, quantity="0.005")).code == ""
    floor.wait()
    assert send(floor, PERPETUAL, Asked("buy", "0.02")) == ""


def test_what_only_reduces_opens_nothing_later():
    floor = Floor(LIMITS)
    assert send(floor, PERPETUAL, Asked("buy", "0.03")) == ""
    floor.wait()
    assert send(floor, PERPETUAL, Asked("sell", "0.03", "limit", "60020")) == ""
    assert send(floor, PERPETUAL, Asked("sell", "0.03")) == ""
    floor.wait()
    assert floor.account.quantity(PERPETUAL) == 0
    floor.trade(PERPETUAL, 600_400, 500, sell=False)
    floor.wait()
    assert floor.account.quantity(PERPETUAL) == 0


@pytest.mark.parametrize("key", [BTC.key, PERPETUAL])
def test_a_stop_that_is_passed_counts_at_the_market(key: str):
    floor = Floor(LIMITS)
    assert send(floor, key, Asked("buy", "0.5", "stop", stop="10000")) == "max_position"
    codes = [send(floor, key, Asked("buy", "0.02", "stop", stop="10000")) for _ in range(3)]
    assert codes == ["", "max_position", "max_position"]


def test_a_target_that_is_passed_is_held_against_the_market():
    floor = Floor(LIMITS)
    passed = Asked("buy", "0.01", "take_profit_limit", "65100", "65000")
    assert send(floor, PERPETUAL, passed) == "price_collar"
    waits = Asked("buy", "0.01", "take_profit_limit", "59100", "59000")
    assert send(floor, PERPETUAL, waits) == ""


@pytest.mark.parametrize(("ask", "bought"), [(600_300, "0.166"), (606_000, "0")])
def test_a_stop_never_spends_more_than_there_is(ask: int, bought: str):
    """10,000 USDT: at 60,030 it is 9,965, at 60,600 it would be 10,060."""
    floor = Floor(WIDE)
    assert send(floor, BTC.key, Asked("buy", "0.166", "stop", stop="60020")) == ""
    floor.wait()
    floor.book(BTC.key, ask)
    floor.trade(BTC.key, 600_300, sell=False)
    floor.wait()
    assert sum(fill.quantity for fill in floor.fills) == units(bought)
    assert bool(floor.told("ORDER_EXPIRED")) is (bought == "0")


def test_closing_needs_no_margin():
    wide = Limits(max_position=1.0, max_exposure=1.0, risk_per_trade=0.1)
    floor = Floor(wide)
    for side in ("buy", "sell"):
        assert send(floor, PERPETUAL, Asked(side, "0.1")) == ""
        floor.wait()
    assert floor.account.quantity(PERPETUAL) == 0
    assert len(floor.fills) == 2


def test_a_kill_flattens_what_is_filled_before_it_could_be_cancelled():
    floor = Floor(LIMITS)
    floor.flattens = True
    assert send(floor, PERPETUAL, Asked("buy", "0.03")) == ""
    floor.ask(Kill(flatten=True))
    floor.wait(1.5)
    assert state_of(floor.account)[0] is TradingState.HALTED
    assert [fill.side for fill in floor.fills] == [Side.BUY, Side.SELL]
    assert floor.account.quantity(PERPETUAL) == 0


def test_the_rest_of_an_old_trade_does_not_hide_a_new_one():
    floor = Floor(msgspec.structs.replace(LIMITS, max_open_trades=1))
    assert send(floor, BTC.key, Asked("buy", "0.01001")) == ""
    floor.wait()
    floor.ask(Flatten(symbol=BTC.key))
    floor.wait()
    assert 0 < floor.account.quantity(BTC.key) < units("0.00001")
    assert send(floor, PERPETUAL, Asked("buy", "0.01")) == ""
    floor.wait()
    assert send(floor, BTC.key, Asked("buy", "0.01")) == "max_open_trades"


def test_what_was_sold_is_at_risk_no_more():
    floor = Floor(LIMITS)
    for _ in range(3):  # 1,200 USDT, 24 of 50 that may be lost
        assert send(floor, PERPETUAL, Asked("buy", "0.02")) == ""
        floor.wait()
        assert send(floor, PERPETUAL, Asked("sell", "0.019")) == ""
        floor.wait()
    assert floor.account.quantity(PERPETUAL) == units("0.003")


@pytest.mark.parametrize("stop", ["59000", "off"])
def test_a_stop_that_was_moved_away_leaves_no_room_for_more(stop: str):
    """0.03 at 60,000 lose 3 USDT at 59,900, 30 at 59,000, 36 two percent away; 50 may be lost."""
    floor = Floor(msgspec.structs.replace(LIMITS, max_position=0.5))
    assert send(floor, PERPETUAL, Asked("buy", "0.03", loss="59900")) == ""
    floor.wait()
    more = Asked("buy", "0.03", loss="59250")  # 22.5
    assert floor.ask(Protect(symbol=PERPETUAL, stop_loss=stop)).code == ""
    floor.wait()
    assert send(floor, PERPETUAL, more) == "risk_per_trade"
    assert floor.ask(Protect(symbol=PERPETUAL, stop_loss="59900")).code == ""
    floor.wait()
    assert send(floor, PERPETUAL, more) == ""


def test_turning_a_position_round_gives_the_new_one_its_exits():
    floor = Floor(LIMITS, risk=RiskSettings(limits=LIMITS, exits=Exits(stop_loss=0.01)))
    assert send(floor, PERPETUAL, Asked("buy", "0.01")) == ""
    floor.wait()
    assert send(floor, PERPETUAL, Asked("sell", "0.02", loss="61000")) == ""
    floor.wait()
    protection = floor.account.protections[PERPETUAL]
    assert (protection.side, protection.stop) == (Side.SELL, units("61000"))
    [stop] = floor.account.orders.open(PERPETUAL)
    assert (stop.spec.side, stop.stop_price, stop.quantity) == (Side.BUY, units("61000"), units("0.01"))


def test_a_symbol_that_is_paid_in_another_asset_counts_in_the_currency():
    """ETH/BTC at 0.05 BTC: 0.6 ETH are 0.03 BTC, 1,800 of the 2,000 USDT that one symbol may be."""
    cross = guess(SPOT, "ETHBTC", 5, 4)
    cash = {"USDT": "7000", "BTC": "0.05"}
    account = Account(TradingSettings(paper=PaperSettings(balances=cash)), RiskSettings(), prefix="t", armed=True)
    driver, now = Driver(BTC, cross), START
    driver.state.account = account
    driver.up(now)
    for key, mid in ((BTC.key, 6_000_000), (cross.key, 5_000)):
        driver.at(now, snapshot(100, [(mid - 1, 10**6)], [(mid + 1, 10**6)], key))
    answers = []
    for number in range(1, 4):
        now += 2 * SECOND
        for key in (BTC.key, cross.key):
            driver.at(now, delta(100 + number, key=key, ts=now))
        asked = PlaceOrder(symbol=cross.key, side=Side.BUY, quantity="0.3", stop_loss="0.049")
        driver.apply(now, "control", OperatorAsked(id=number, who=Who(), command=asked))
        answers.append([each.code for each in driver.commands if isinstance(each, Answered)][-1])
    assert account.quantity(cross.key) == 2 * units("0.2997")
    assert answers == ["", "", "max_position"]


def test_an_exit_is_moved_and_taken_away_as_what_it_is():
    """To change or cancel its order would be undone at once: the position would have its exits again."""
    floor = Floor(LIMITS)
    assert send(floor, PERPETUAL, Asked("buy", "0.01", loss="59000")) == ""
    floor.wait()
    [stop] = floor.account.orders.open(PERPETUAL)
    assert floor.ask(AmendOrder(order=stop.id, stop_price="59500")).code == ""
    floor.wait()
    assert floor.ask(AmendOrder(order=stop.id, quantity="0.005")).code == "exit"
    refused = floor.ask(CancelOrders(order=stop.id))
    assert refused.code == "exit"
    assert "protect" in refused.text
    floor.wait()
    assert (stop.stop_price, stop.quantity, stop.open) == (units("59500"), units("0.01"), True)
    assert floor.ask(Protect(symbol=PERPETUAL, stop_loss="off")).code == ""
    floor.wait()
    assert floor.account.orders.open(PERPETUAL) == []


def test_a_stop_may_not_be_moved_to_where_more_would_be_lost_than_may_be():
    floor = Floor(msgspec.structs.replace(LIMITS, max_position=0.5))
    assert send(floor, PERPETUAL, Asked("buy", "0.03", loss="59900")) == ""
    floor.wait()
    answer = floor.ask(Protect(symbol=PERPETUAL, stop_loss="30000"))
    assert answer.code == "invalid_argument"
    assert "the trade would lose 9 % of equity, and the limit is 0.5 %" in answer.text
    assert floor.account.protections[PERPETUAL].stop == units("59900")


@pytest.mark.parametrize("command", [Disarm(), Switch(name="entries", on=False), Switch(name=PERPETUAL, on=False)])
def test_who_wants_no_new_risk_has_resting_entries_taken_back_and_exits_left(command: Disarm | Switch):
    floor = Floor(msgspec.structs.replace(LIMITS, max_position=0.5))
    assert send(floor, PERPETUAL, Asked("buy", "0.01", loss="59900")) == ""
    assert send(floor, PERPETUAL, Asked("buy", "0.01", "limit", "59950", loss="59900")) == ""
    floor.wait()
    answer = floor.ask(command)
    assert "; 1 resting orders that would add risk are being cancelled" in answer.text
    floor.wait()
    [stop] = floor.account.orders.open(PERPETUAL)
    assert stop.spec.origin is Origin.EXIT


def test_all_orders_are_cancelled_but_the_exits_that_would_be_set_again():
    floor = Floor(msgspec.structs.replace(LIMITS, max_position=0.5))
    assert send(floor, PERPETUAL, Asked("buy", "0.01", loss="59900")) == ""
    assert send(floor, PERPETUAL, Asked("buy", "0.01", "limit", "59950", loss="59900")) == ""
    floor.wait()
    said = floor.ask(CancelOrders(all=True)).text
    assert said == f"1 order being cancelled; the exits of {PERPETUAL} stay (protect takes them away)"
    floor.wait()
    assert [order.spec.origin for order in floor.account.orders.open()] == [Origin.EXIT]
    said = floor.ask(CancelOrders(all=True)).text
    assert said == f"nothing else is open; the exits of {PERPETUAL} stay (protect takes them away)"


def test_a_count_is_a_whole_number():
    answer = Floor(LIMITS).ask(SetLimits(values={"orders_per_minute": 2.5}))
    assert (answer.code, answer.text) == (
        "invalid_limit", "orders_per_minute is a whole number, and 2.5 is none: nothing was changed"
    )  # fmt: skip


@pytest.mark.parametrize(
    "text", ["1_0", "١", "0.01" + "0" * 30 + "1", "nan", "inf", "0x10", "", ".", "1e999999", "1e13"]
)
def test_what_is_no_plain_number_is_none(text: str):
    with pytest.raises(ValueError, match=r"not a number|finer than 1e-8"):
        units(text)
