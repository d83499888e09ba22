"""A real account: what is sent, held back, asked again and cancelled while answers are late, missing or refusals."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.execution.account import Account
from engine.execution.lifecycle import Order, OrderState
from engine.execution.settings import TradingSettings
from engine.operator import (
    AmendOrder,
    Arm,
    CancelOrders,
    Disarm,
    Flatten,
    Kill,
    OperatorAsked,
    OperatorCommand,
    PlaceOrder,
    Who,
)
from engine.orders import (
    AmendRefused,
    Answered,
    BalancesReported,
    CancelOrder,
    CancelRefused,
    ChangeOrder,
    Fill,
    Journaled,
    KeyChecked,
    Liquidity,
    Mode,
    Noticed,
    OrderAccepted,
    OrderAmended,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
    OrderReported,
    OrderSpec,
    OrderType,
    OrderUnresolved,
    Origin,
    QueryOrder,
    Reconciled,
    Side,
    SubmitOrder,
    units,
)
from engine.risk.limits import RiskSettings
from engine.state import EngineState
from engine.trading.recall import image, recall
from engine.types import SECOND
from tests.engine.support import BTC, Driver, delta, snapshot, trade
from tests.engine.trading.floor import START, WIDE

KEY = BTC.key


class Desk:
    """A testnet account at one venue; what it is asked stays in `driver.commands`, and the test answers."""

    def __init__(self) -> None:
        self.driver = Driver(BTC)
        self.account = Account(
            TradingSettings(mode=Mode.TESTNET), RiskSettings(limits=WIDE), prefix="n", venues=("binance",)
        )
        self.now, self.ids, self.deals = START, 100, 0
        self.driver.up(START)
        book = [(5_999_900, 500_000), (1_000_000, 9)], [(6_000_100, 500_000), (20_000_000, 9)]
        self.driver.at(START, snapshot(100, *book))
        self.wait(0.1)
        self.driver.at(self.now, trade(1, 6_000_000, 100, self.now))
        self.driver.state.account = self.account
        self.tell(KeyChecked(venue="binance", ts=self.now, trade=True, withdraw=False))
        self.tell(BalancesReported(venue="binance", ts=self.now, balances={"USDT": units("10000")}))
        self.tell(Reconciled(venue="binance", ts=self.now))
        self.wait(1.1)
        assert self.ask(Arm(word="TESTNET")).done

    def wait(self, seconds: float) -> None:
        until = self.now + int(seconds * SECOND)
        while self.now < until:
            self.now = min(self.now + SECOND, until)
            self.ids += 1
            self.driver.at(self.now, delta(self.ids, ts=self.now))
            self.driver.until(self.now)

    def tell(self, event: Any) -> None:
        self.now += 1000
        self.driver.apply(self.now, "control", event)
        assert "fault" not in self.account.conditions, self.account.conditions

    def ask(self, command: OperatorCommand) -> Answered:
        self.tell(OperatorAsked(id=1, who=Who(), command=command))
        return self.said(Answered)[-1]

    def said(self, kind: type[Any]) -> list[Any]:
        return [each for each in self.driver.commands if isinstance(each, kind)]

    def buy(self, quantity: str = "0.02", **more: Any) -> Order:
        answer = self.ask(PlaceOrder(symbol=KEY, side=Side.BUY, quantity=quantity, **more))
        assert answer.done, answer.text
        return self.account.orders.open()[-1]

    def sent(self, kind: OrderType | None = None) -> list[OrderSpec]:
        specs = [each.order.value for each in self.said(SubmitOrder)]
        return [spec for spec in specs if kind in (None, spec.type)]

    def accept(self, order: Order) -> None:
        self.tell(OrderAccepted(order=order.id, ts=self.now, venue_id=f"v{order.id}"))

    def fill(self, order: Order, quantity: str, price: str = "60000") -> None:
        self.deals += 1
        spec = order.spec
        buys = spec.side is Side.BUY
        fee = units(quantity) // 1000 if buys else units(quantity) * units(price) // 10**8 // 1000
        fill = Fill(
            id=str(self.deals), order=order.id, instrument=KEY, side=spec.side, price=units(price),
            quantity=units(quantity), fee=fee, fee_asset="BTC" if buys else "USDT", liquidity=Liquidity.TAKER,
            ts=self.now, mode=Mode.TESTNET,
        )  # fmt: skip
        self.tell(OrderFilled(order=order.id, ts=self.now, fill=fill))

    def exits(self) -> list[Order]:
        return [each for each in self.account.orders.open() if each.spec.origin is Origin.EXIT]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_nothing_is_armed_before_the_venue_was_reconciled() -> None:
    desk = Desk()
    desk.account.armed = False
    desk.account.venues["binance"].reconciled = 0
    assert desk.ask(Arm(word="TESTNET")).code == "not_reconciled"
    desk.tell(Reconciled(venue="binance", ts=desk.now))
    desk.tell(KeyChecked(venue="binance", ts=desk.now, trade=False))
    assert desk.ask(Arm(word="TESTNET")).code == "key"
    assert desk.ask(Arm(word="LIVE")).code == "word"


def test_the_record_of_an_order_goes_before_it(desk: Desk) -> None:
    desk.buy()
    kinds = [
        each.kind if isinstance(each, Journaled) else type(each).__name__
        for each in desk.driver.commands
        if isinstance(each, Journaled | SubmitOrder)
    ]
    assert kinds[-3:] == ["order", "SubmitOrder", "audit"]


def test_an_order_of_unknown_state_freezes_its_instrument_until_the_venue_tells(desk: Desk) -> None:
    order = desk.buy()
    desk.tell(OrderUnresolved(order=order.id, ts=desk.now, doing="submit", reason="no answer within 5 s"))
    assert order.state is OrderState.UNRESOLVED
    frozen = desk.ask(PlaceOrder(symbol=KEY, side=Side.BUY, quantity="0.01"))
    assert frozen.code == "frozen"
    assert order.id in frozen.text
    desk.wait(8)
    assert [each.order for each in desk.said(QueryOrder)] == [order.id] * 3  # after 1, 2 and 4 s
    desk.tell(OrderReported(order=order.id, ts=desk.now, state="missing"))
    assert not order.open
    desk.wait(30)
    assert len(desk.said(QueryOrder)) == 3
    desk.buy("0.01")
    assert len(desk.sent()) == 2  # it was not sent again by itself


def test_on_spot_the_stop_rests_and_the_target_is_watched_here(desk: Desk) -> None:
    order = desk.buy(stop_loss="59000", take_profit="60100")
    desk.accept(order)
    desk.fill(order, "0.02")
    (stop,) = desk.exits()
    assert (stop.spec.type, stop.quantity, stop.stop_price) == (OrderType.STOP, units("0.01998"), units("59000"))
    desk.accept(stop)
    desk.now += SECOND
    desk.driver.at(desk.now, trade(2, 6_020_000, 100, desk.now))
    (cancel,) = desk.said(CancelOrder)
    assert (cancel.order, cancel.venue_id) == (stop.id, f"v{stop.id}")
    assert len(desk.sent()) == 2  # nothing is sold before the stop gives it back
    desk.tell(OrderCanceled(order=stop.id, ts=desk.now))
    last = desk.sent()[-1]
    assert (last.type, last.quantity, last.origin) == (OrderType.MARKET, units("0.01998"), Origin.FLATTEN)


def yielding(desk: Desk) -> tuple[Order, OrderSpec]:
    """A position whose stop holds it, and a sale that waits for the stop to give it back."""
    order = desk.buy(stop_loss="59000")
    desk.accept(order)
    desk.fill(order, "0.02")
    (stop,) = desk.exits()
    desk.accept(stop)
    answer = desk.ask(PlaceOrder(symbol=KEY, side=Side.SELL, quantity="0.01", reduce_only=True))
    assert answer.done, answer.text
    (waiting,) = desk.account.deferred[KEY]
    assert len(desk.sent()) == 2
    return stop, waiting


def test_a_sale_is_sent_when_the_stop_has_given_it_back(desk: Desk) -> None:
    stop, waiting = yielding(desk)
    (change,) = desk.said(ChangeOrder)
    assert change.order.value.quantity == units("0.00998")
    desk.tell(OrderAmended(order=stop.id, ts=desk.now, quantity=units("0.00998")))
    desk.wait(0.2)
    assert desk.sent()[-1] == waiting
    assert desk.account.deferred == {}


@pytest.mark.parametrize(
    "command", [Flatten(), Kill(flatten=False), CancelOrders(symbol=KEY), CancelOrders(all=True)],
    ids=["flatten", "kill", "cancel symbol", "cancel all"],
)  # fmt: skip
def test_what_waits_is_withdrawn_by_whatever_cancels(desk: Desk, command: OperatorCommand) -> None:
    stop, waiting = yielding(desk)
    assert desk.ask(command).done
    desk.tell(AmendRefused(order=stop.id, ts=desk.now, reason="not in one request"))
    desk.tell(OrderCanceled(order=stop.id, ts=desk.now))
    desk.wait(3)
    assert waiting not in desk.sent()
    assert desk.account.deferred == {}
    if isinstance(command, Flatten):
        assert (desk.sent()[-1].origin, desk.sent()[-1].quantity) == (Origin.FLATTEN, units("0.01998"))


def test_one_that_waits_can_be_cancelled_by_its_id(desk: Desk) -> None:
    _, waiting = yielding(desk)
    assert desk.ask(CancelOrders(order=waiting.id)).text == f"{waiting.id} had not been sent, and is not any more"
    desk.wait(1)
    assert waiting not in desk.sent()


def test_a_stop_that_the_venue_refuses_is_watched_here_and_tried_again(desk: Desk) -> None:
    order = desk.buy(stop_loss="59000")
    desk.accept(order)
    desk.fill(order, "0.02")
    (stop,) = desk.exits()
    desk.tell(OrderRejected(order=stop.id, ts=desk.now, code="-2010", reason="too many orders"))
    desk.wait(4.5)
    assert len(desk.sent(OrderType.STOP)) == 1
    desk.wait(1.5)
    assert len(desk.sent(OrderType.STOP)) == 2
    (stop,) = desk.exits()
    desk.tell(OrderRejected(order=stop.id, ts=desk.now, code="-2010", reason="too many orders"))
    desk.now += SECOND
    desk.driver.at(desk.now, trade(2, 5_890_000, 100, desk.now))
    assert desk.sent()[-1].origin is Origin.FLATTEN


def test_a_cancel_that_crosses_a_fill_closes_no_more_than_is_held(desk: Desk) -> None:
    order = desk.buy(stop_loss="59000")
    desk.accept(order)
    desk.fill(order, "0.02")
    (stop,) = desk.exits()
    desk.accept(stop)
    desk.ask(Flatten())
    desk.fill(stop, "0.01", "58990")
    desk.tell(OrderCanceled(order=stop.id, ts=desk.now, filled=units("0.01")))
    assert desk.sent()[-1].quantity == units("0.00998")
    desk.wait(3)
    assert len(desk.sent()) == 3


def test_an_end_that_tells_of_a_fill_that_has_not_come_waits_for_it(desk: Desk) -> None:
    order = desk.buy(stop_loss="59000")
    desk.accept(order)
    desk.fill(order, "0.02")
    (stop,) = desk.exits()
    desk.accept(stop)
    desk.ask(Flatten())
    desk.tell(OrderCanceled(order=stop.id, ts=desk.now, filled=units("0.01")))
    assert stop.state is OrderState.UNRESOLVED
    assert len(desk.sent()) == 2
    desk.fill(stop, "0.01", "58990")
    assert desk.sent()[-1].quantity == units("0.00998")


def test_a_cancel_that_is_refused_while_closing_is_asked_again_after_a_second(desk: Desk) -> None:
    order = desk.buy("0.02", type=OrderType.LIMIT, price="59000")
    desk.accept(order)
    desk.ask(Flatten())
    for times in (1, 2, 3):
        assert len(desk.said(CancelOrder)) == times
        desk.tell(CancelRefused(order=order.id, ts=desk.now, reason="try later"))
        desk.wait(0.5)
        assert len(desk.said(CancelOrder)) == times
        desk.wait(0.7)


def test_an_order_of_unknown_state_is_not_cancelled_ten_times_a_second(desk: Desk) -> None:
    order = desk.buy("0.02", type=OrderType.LIMIT, price="59000")
    desk.tell(OrderUnresolved(order=order.id, ts=desk.now, doing="submit", reason="no answer"))
    desk.ask(Flatten())
    desk.wait(20)
    assert len(desk.said(CancelOrder)) == 1
    desk.tell(OrderReported(order=order.id, ts=desk.now, state="working", venue_id="7"))
    desk.wait(15)
    assert desk.said(CancelOrder)[-1].venue_id == "7"
    assert order.state is OrderState.CANCELING


def test_what_turns_up_after_a_kill_is_cancelled_too(desk: Desk) -> None:
    order = desk.buy("0.02", type=OrderType.LIMIT, price="59000")
    desk.tell(OrderUnresolved(order=order.id, ts=desk.now, doing="submit", reason="no answer"))
    desk.ask(Kill(flatten=False))
    desk.tell(OrderReported(order=order.id, ts=desk.now, state="working", venue_id="7"))
    before = len(desk.said(CancelOrder))
    desk.wait(1.2)
    assert len(desk.said(CancelOrder)) == before + 1
    assert desk.ask(PlaceOrder(symbol=KEY, side=Side.BUY, quantity="0.01")).code == "latched"


def test_a_row_of_rejects_pauses_the_venue(desk: Desk) -> None:
    for _ in range(5):
        order = desk.buy("0.001")
        desk.tell(OrderRejected(order=order.id, ts=desk.now, code="-1", reason="closed for repair"))
    refused = desk.ask(PlaceOrder(symbol=KEY, side=Side.BUY, quantity="0.001"))
    assert refused.code == "breaker"
    assert "closed for repair" in refused.text
    assert [each.code for each in desk.said(Noticed)].count("VENUE_TROUBLE") == 1
    desk.wait(61)
    desk.buy("0.001")


def test_what_open_orders_hold_is_not_free_also_after_a_restart(desk: Desk) -> None:

    order = desk.buy("0.1", type=OrderType.LIMIT, price="60000")
    desk.accept(order)
    spec = msgspec.structs.replace(order.spec, id="next")
    held = desk.account.free(spec)
    assert held == units("4000")
    again = Account(TradingSettings(mode=Mode.TESTNET), RiskSettings(limits=WIDE), prefix="m", venues=("binance",))
    recall(EngineState(), again, msgspec.json.encode(image(desk.account)), [], desk.now)
    assert again.free(spec) == held


def test_cancels_are_sent_in_reduce_and_changes_are_judged(desk: Desk) -> None:

    order = desk.buy("0.02", type=OrderType.LIMIT, price="59900")
    desk.accept(order)
    assert desk.ask(AmendOrder(order=order.id, price="59901")).done
    (change,) = desk.said(ChangeOrder)
    assert (change.order.value.price, change.order.value.quantity, change.venue_id) == (
        units("59901"), units("0.02"), f"v{order.id}",
    )  # fmt: skip
    desk.ask(Disarm())
    assert desk.ask(CancelOrders(all=True)).done
    assert desk.said(CancelOrder)[-1].order == order.id
