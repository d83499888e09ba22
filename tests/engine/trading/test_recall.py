"""An engine that begins again: its records give the account that was, and what was under way is not taken for done."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from engine.execution.account import Account
from engine.execution.lifecycle import OrderState
from engine.execution.settings import TradingSettings
from engine.operator import (
    AmendOrder,
    Arm,
    CancelOrders,
    Flatten,
    Kill,
    OperatorAsked,
    PlaceOrder,
    Protect,
    SetLimits,
    Switch,
    Who,
)
from engine.orders import (
    AmendSent,
    BalancesReported,
    BlindTime,
    CancelSent,
    ConditionChanged,
    Journaled,
    Mode,
    OrderAccepted,
    OrderReported,
    OrderSpec,
    OrderType,
    QueryOrder,
    Side,
    SubmitOrder,
    TradingState,
    units,
)
from engine.ports import Record
from engine.replay import Recording, Replay
from engine.risk.limits import Limits, RiskSettings
from engine.state import EngineState
from engine.trading import recall as recalling
from engine.trading.recall import image, recall
from engine.trading.turn import state_of
from engine.trading.views import trading_view
from engine.types import SECOND, Trade
from tests.engine.support import BTC, Driver
from tests.engine.trading.floor import START, WIDE, Floor, lasting

KEY = BTC.key
MID = 600_000


def buy(quantity: str = "0.02", **more: Any) -> PlaceOrder:
    return PlaceOrder(symbol=KEY, side=Side.BUY, quantity=quantity, **more)


def evening(floor: Floor) -> list[tuple[int, dict[str, Any]]]:
    """Trade a while; return after each step how many records there are, and what the account is."""
    steps: list[Any] = [
        lambda: floor.ask(buy(stop_loss="59999", take_profit="60010")),
        lambda: floor.wait(0.3),
        lambda: floor.ask(buy("0.03", type=OrderType.LIMIT, price="59998")),
        lambda: floor.wait(0.3),
        lambda: floor.trade(KEY, MID - 20, 900),
        lambda: floor.ask(Protect(symbol=KEY, trailing_bps=1.0)),
        lambda: floor.book(KEY, MID + 30),
        lambda: floor.trade(KEY, MID + 30),
        lambda: floor.wait(0.3),
        lambda: floor.ask(SetLimits(values={"max_position": 0.4})),
        lambda: floor.ask(buy("0.01", type=OrderType.LIMIT, price="59000")),
        lambda: floor.wait(0.2),
        lambda: floor.ask(AmendOrder(order=floor.account.orders.open(KEY)[-1].id, price="59001")),
        lambda: floor.wait(0.2),
        lambda: floor.trade(KEY, MID - 40, 5),
        lambda: floor.wait(0.3),
        lambda: floor.ask(Flatten(symbol=KEY)),
        lambda: floor.wait(0.3),
        lambda: floor.ask(buy()),
        lambda: floor.ask(CancelOrders(all=True)),
        lambda: floor.wait(61),
        lambda: floor.ask(Switch(name="entries", on=False)),
        lambda: floor.ask(Kill(flatten=False, reason="enough")),
        lambda: floor.wait(0.3),
        lambda: floor.ask(Arm(word="PAPER", reason="on")),
    ]
    seen = []
    for step in steps:
        step()
        seen.append((len(floor.records), lasting(floor.account)))
    return seen


def test_a_kill_between_any_two_steps_loses_nothing() -> None:
    floor = Floor(WIDE, BTC)
    seen = evening(floor)
    assert {record.kind for record in floor.records} >= {"order", "order_event", "fill", "trade", "trading", "equity"}
    for place, kept in seen:
        assert lasting(floor.folded(records=floor.records[:place])) == kept


def test_a_kill_after_any_record_leaves_an_account_that_adds_up() -> None:
    floor = Floor(WIDE, BTC)
    evening(floor)
    for place in range(len(floor.records) + 1):
        again = floor.folded(records=floor.records[:place])
        held = sum(
            fill.side.sign * fill.quantity - (fill.fee if fill.fee_asset == "BTC" else 0) for fill, _ in again.fills
        )
        assert again.quantity(KEY) == held
        assert sum(record.kind == "fill" for record in floor.records[:place]) == len(again.fills)
        assert not again.armed


def test_the_same_record_twice_counts_once() -> None:
    floor = Floor(WIDE, BTC)
    evening(floor)
    fills = [record for record in floor.records if record.kind in ("fill", "order")]
    twice = floor.folded(records=[*floor.records, *fills])
    assert twice.ledgers["paper"].image() == floor.account.ledgers["paper"].image()


def test_limits_that_were_changed_outlive_two_restarts_and_others_follow_the_settings() -> None:
    floor = Floor(WIDE, BTC)
    floor.ask(SetLimits(values={"max_position": 0.4, "orders_per_minute": 3}))
    first = floor.folded()
    begun = msgspec.json.encode(image(first))
    floor.risk = RiskSettings(limits=msgspec.structs.replace(WIDE, max_position=0.9, stale_ms=1234))
    second = floor.folded(begun, [])
    assert second.risk.limits.max_position == 0.4
    assert second.risk.limits.orders_per_minute == 3
    assert second.risk.limits.stale_ms == 1234
    assert second.drawdown.limits == second.streak.limits == second.risk.limits


def test_a_new_peak_after_a_halt_is_not_forgotten() -> None:
    """Else the old peak would halt again what a person has just armed."""
    limits = msgspec.structs.replace(WIDE, drawdown=0.01)
    floor = Floor(limits, BTC)
    floor.flattens = True
    floor.ask(buy("0.15"))
    floor.wait(1.5)
    floor.book(KEY, MID - 8000)
    floor.wait(3)
    assert floor.told("DRAWDOWN")
    floor.ask(Arm(word="PAPER", reason="go on"))
    again = floor.folded()
    assert again.drawdown.image() == floor.account.drawdown.image()
    assert again.drawdown.peak < 9_900 * 10**8
    assert not again.halted


def test_what_was_moved_out_is_no_loss_after_a_restart() -> None:
    floor = Floor(WIDE, BTC)
    floor.wait(2)
    floor.tell(BalancesReported(venue="binance", ts=floor.now, balances={"USDT": units("2000")}))
    again = floor.folded()
    assert again.drawdown.peak == units("2000")
    assert again.ledgers["paper"].balances == {"USDT": units("2000")}


# What was under way. -------------------------------------------------------------------------------------------------


def restart(floor: Floor, *, down_s: float = 30.0) -> Floor:
    """Another engine on the same records; its market begins anew."""
    now = floor.now + int(down_s * SECOND)
    account = floor.opened("u", armed=False)
    last = recall(EngineState(), account, None, floor.records, now)
    assert last == floor.records[-1].ts
    second = Floor(WIDE, *floor.instruments, start=now, account=account, fills=floor.fills)
    second.tell(BlindTime(since=last, ts=second.now))
    second.wait(1.1)
    return second


def test_a_paper_order_that_had_not_arrived_is_not_placed() -> None:
    floor = Floor(WIDE, BTC)
    floor.ask(buy("0.01", type=OrderType.LIMIT, price="59000"))
    second = restart(floor)
    (order,) = second.account.orders.by_id.values()
    assert order.state is OrderState.REJECTED
    assert "not placed" in order.reason
    assert second.told("ORDER_REJECTED")


def test_resting_paper_orders_stand_again_and_cancels_are_done() -> None:
    floor = Floor(WIDE, BTC)
    for price in ("59000", "59001"):
        floor.ask(buy("0.01", type=OrderType.LIMIT, price=price))
    floor.wait(0.3)
    floor.ask(CancelOrders(order="t-2"))
    second = restart(floor)
    assert [order.id for order in second.account.orders.open()] == ["t-1"]
    assert second.account.orders.by_id["t-2"].state is OrderState.CANCELED
    second.trade(KEY, 589_000, 50)
    assert second.account.orders.by_id["t-1"].state is OrderState.FILLED


def test_after_a_restart_there_is_no_new_risk_until_somebody_arms() -> None:
    floor = Floor(WIDE, BTC)
    floor.ask(buy())
    floor.wait(0.3)
    second = restart(floor)
    assert state_of(second.account)[0] is TradingState.REDUCE
    assert second.ask(buy()).code == "state"
    assert second.ask(Flatten()).done
    second.wait(0.3)
    assert not second.account.ledgers["paper"].positions[KEY].open
    assert second.ask(Arm(word="PAPER")).done
    assert second.ask(buy()).done


def test_ids_are_never_given_twice() -> None:
    floor = Floor(WIDE, BTC)
    floor.ask(buy())
    second = restart(floor)
    second.ask(Arm(word="PAPER"))
    second.ask(buy())
    assert len(second.account.orders.by_id) == 2


class Real:
    """A live account of one venue, whose records are kept and whose requests are seen."""

    def __init__(self, records: list[Record] | None = None) -> None:
        self.driver = Driver(BTC)
        settings = TradingSettings(mode=Mode.LIVE)
        risk = RiskSettings(limits=Limits())
        self.account = Account(settings, risk, prefix="l", venues=("binance",))
        self.driver.state.account = self.account
        recall(self.driver.state, self.account, None, records or [], START)
        self.records = list(records or [])
        self.driver.until(START)

    def keep(self, kind: str, body: Any) -> None:
        number = len(self.records) + 1
        found = msgspec.json.encode(body)
        self.records.append(Record(id=number, kind=kind, key=f"live/{kind}/{number}", ts=START, body=found))

    def again(self) -> Real:
        return Real(self.records)

    def tell(self, event: Any) -> None:
        self.driver.apply(START, "control", event)

    def commands(self, kind: type[Any]) -> list[Any]:
        assert not any(isinstance(each, SubmitOrder) for each in self.driver.commands)
        return [each for each in self.driver.commands if isinstance(each, kind)]


SPEC = OrderSpec(
    id="l-1", instrument=KEY, side=Side.BUY, type=OrderType.LIMIT, quantity=10**7, price=units("59000"),
    mode=Mode.LIVE, created=START,
)  # fmt: skip


@pytest.fixture
def real() -> Real:
    real = Real()
    real.keep("order", SPEC)
    return real


def test_a_real_order_whose_answer_never_came_is_asked_for(real: Real) -> None:
    again = real.again()
    (order,) = again.account.orders.open()
    assert (order.state, order.doing) == (OrderState.UNRESOLVED, "submit")
    again.driver.until(START + SECOND)
    asked, *_ = again.commands(QueryOrder)
    assert (asked.order, asked.instrument, asked.since) == ("l-1", KEY, START)
    again.tell(OrderReported(order="l-1", ts=START, state="missing"))
    assert again.account.orders.open() == []


def test_it_is_asked_for_again_and_again_with_longer_pauses(real: Real) -> None:
    again = real.again()
    again.driver.until(START + 60 * SECOND)
    times = len(again.commands(QueryOrder))
    assert 5 <= times <= 8  # after 0, 1, 3, 7, 15, 31 s


@pytest.mark.parametrize(
    ("event", "doing"),
    [(CancelSent(order="l-1", ts=START), "cancel"), (AmendSent(order="l-1", ts=START, price=1), "amend")],
)
def test_a_cancel_or_change_that_may_not_have_left_is_not_believed(real: Real, event: Any, doing: str) -> None:
    real.keep("order_event", OrderAccepted(order="l-1", ts=START, venue_id="7"))
    real.keep("order_event", event)
    again = real.again()
    (order,) = again.account.orders.open()
    assert (order.state, order.doing) == (OrderState.UNRESOLVED, doing)
    again.tell(OrderReported(order="l-1", ts=START, state="working", venue_id="7"))
    assert order.state is OrderState.WORKING  # and can be cancelled, as any other
    again.tell(OperatorAsked(id=1, who=Who(), command=CancelOrders(all=True)))
    assert order.state is OrderState.CANCELING


# Blind time. ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tape(recordings_root_path: Path) -> Path:
    return recordings_root_path / "hftbacktest-binance-ws" / "spot" / "btcusdt_20240808.gz"


def test_a_stop_that_was_passed_unseen_acts_on_the_first_trade_at_its_price(tape: Path) -> None:
    """In the recording the price falls through the stop at 61,790 a minute and a half after the beginning."""
    risk = RiskSettings()
    opened = partial(Account, TradingSettings(), risk, prefix="r", armed=True)
    first = Replay(Recording([tape]), account=opened)
    records: list[Record] = []

    def keep(commands: Any) -> None:
        for each in commands:
            if isinstance(each, Journaled):
                records.append(Record(id=len(records) + 1, kind=each.kind, key=each.key, ts=each.ts, body=each.body))

    first.commands = keep
    begin = first.recording.start
    first.run(until=begin + 10 * SECOND)
    order = PlaceOrder(symbol=KEY, side=Side.BUY, quantity="0.02", stop_loss="61790", take_profit="61900")
    first.ask(OperatorAsked(id=1, who=Who(), command=order))
    first.run(until=begin + 40 * SECOND)

    second = Replay(Recording([tape]))
    wakes = begin + 150 * SECOND
    second.run(until=wakes)
    account = Account(TradingSettings(), risk, prefix="s")
    last = recall(second.state, account, None, records, wakes)
    second.state.account = account
    second.commands = keep
    before = len(records)
    second.ask(BlindTime(since=last, ts=wakes))
    stop, target = account.orders.open()
    assert account.quantity(KEY) == units("0.01998")
    assert (stop.spec.type, stop.stop_price, target.price) == (OrderType.STOP, units("61790"), units("61900"))
    assert account.blind_s == (wakes - last) / SECOND > 100
    assert records[before].kind == "blind"
    view = trading_view(second.state, account, wakes)
    assert view.blind_s == account.blind_s

    trades: list[Trade] = []
    second.observer = lambda record, _: trades.append(record.event) if isinstance(record.event, Trade) else None
    while not trades:
        second.run(limit=1)
    (fill, _), *others = list(account.fills)[-1:]
    assert not others
    price = trades[0].price * 10**6
    assert fill.price == price < units("61790")
    assert (fill.quantity, str(fill.liquidity)) == (units("0.01998"), "taker")
    assert account.orders.open() == []
    assert account.quantity(KEY) == 0


# The way up of an engine. --------------------------------------------------------------------------------------------


class Stored:
    """Records as storage gives them: the newest image, and what is behind it."""

    def __init__(self, begun: Record | None, records: list[Record]) -> None:
        self.begun, self.records = begun, records

    def since_image(self) -> tuple[Record | None, list[Record]]:
        return self.begun, self.records


async def test_after_an_orderly_stop_too_orders_stand_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The image is then the last record, and nothing is behind it."""
    from tradetui import trading
    from tradetui.config.sections import Settings
    from tradetui.places import places

    floor = Floor(WIDE, BTC)
    floor.ask(buy("0.01", type=OrderType.LIMIT, price="59000"))
    floor.wait(0.3)
    found = places("default", {"HOME": str(tmp_path)})
    found.make()
    found.database.parent.mkdir(parents=True, exist_ok=True)
    found.database.touch()
    joined = trading.Trading(Settings(), found, SimpleNamespace(), {}, START)  # type: ignore[arg-type]
    body = msgspec.json.encode(image(floor.account))
    begun = Record(id=1, kind="image", key="paper/image/t-1", ts=floor.now, body=body)
    monkeypatch.setattr(joined, "records", Stored(begun, []))
    told: list[Any] = []
    driver = Driver(BTC)
    driver.state.account = joined.account
    now = floor.now + 5 * SECOND
    engine: Any = SimpleNamespace(state=driver.state, now=lambda: now, tell=told.append)
    await joined.recover(engine)
    assert BlindTime(since=floor.now, ts=now) in told
    for event in told:
        if not isinstance(event, ConditionChanged):
            driver.apply(now, "control", event)
    (order,) = joined.account.orders.open()
    assert set(joined.account.paper._matching.of) == {order.id}  # type: ignore[union-attr]


def test_nothing_of_the_image_is_left_out() -> None:
    """A field that is added to the image is taken up again as well."""
    floor = Floor(WIDE, BTC)
    evening(floor)
    first = image(floor.account)
    again = floor.folded(msgspec.json.encode(first), [])
    assert msgspec.to_builtins(recalling.image(again)) == msgspec.to_builtins(first)
