"""Orders through ccxt at the venue on loopback: four outcomes, streams that break, and nothing sent twice."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from engine.approval import _SEAL, Approved
from engine.errors import FeedError, SettingsInvalid
from engine.execution.ccxt_venue import CcxtVenue
from engine.execution.venue import Permissions
from engine.ingestion.budget import Budget
from engine.orders import (
    AccountEvent,
    Adopted,
    AmendRefused,
    CancelRefused,
    ConditionChanged,
    FundingPaid,
    Mode,
    OrderAccepted,
    OrderAmended,
    OrderCanceled,
    OrderDenied,
    OrderEvent,
    OrderFilled,
    OrderRejected,
    OrderReported,
    OrderSpec,
    OrderTriggered,
    OrderType,
    OrderUnresolved,
    Side,
    units,
)
from tests.support.venue import KEY, SECRET, Venue, serve

KEYS = {"binance": "binance:BTC/USDT", "binanceusdm": "binanceusdm:BTC/USDT:USDT", "bybit": "bybit:BTC/USDT"}

ALL = pytest.mark.parametrize("kind", KEYS)


class Desk:
    """The loopback venue, our end of it, and what was heard."""

    def __init__(self, venue: Venue, ours: CcxtVenue, heard: list[OrderEvent | AccountEvent]) -> None:
        self.venue = venue
        self.ours = ours
        self.heard = heard
        self.key = next(iter(ours.markets))
        self.count = 0
        self.running: asyncio.Task[None] | None = None

    def spec(self, kind: OrderType = OrderType.LIMIT, **more: Any) -> OrderSpec:
        self.count += 1
        numbers = {"side": Side.BUY, "quantity": units("0.01"), "price": units("30000") if kind.limited else 0} | more
        return OrderSpec(id=f"e1-{self.count}", instrument=self.key, type=kind, mode=Mode.LIVE, **numbers)

    async def submit(self, spec: OrderSpec) -> OrderEvent:
        return await self.ours.submit(Approved(spec, _SEAL))

    def control(self, name: str, **said: Any) -> Any:
        return self.venue.control(name, said)

    def fault(self, kind: str, on: str, **more: Any) -> None:
        self.control("fault", kind=kind, on=on, **more)

    def price(self, price: str) -> None:
        symbol = "spot:BTCUSDT" if self.ours.name == "bybit" else "BTCUSDT"
        self.control("price", symbol=symbol, price=price)

    def of(self, *kinds: type) -> list[Any]:
        return [event for event in self.heard if isinstance(event, kinds)]

    async def follow(self) -> None:
        self.running = asyncio.create_task(self.ours.run())
        await self.until(lambda: self.connected == [False, True])

    @property
    def connected(self) -> list[bool]:
        return [event.text == "" for event in self.of(ConditionChanged)]

    async def until(self, true: Callable[[], object], within_s: float = 30.0) -> None:
        async with asyncio.timeout(within_s):
            while not true():  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.005)


@asynccontextmanager
async def desk(kind: str, **more: Any) -> AsyncIterator[Desk]:
    venue, heard = Venue(kind), []
    async with serve(venue) as address:
        ours = CcxtVenue(
            kind,
            [KEYS[kind]],
            lambda: KEY,
            lambda: SECRET,
            mode=Mode.LIVE,
            sink=heard.append,
            rest=address,
            ws=address.replace("http", "ws"),
            retry_s=0.02,
            **{"timeout_s": 5.0} | more,
        )
        made = Desk(venue, ours, heard)
        try:
            await ours.check()
            yield made
        finally:
            if made.running is not None:
                made.running.cancel()
                await asyncio.gather(made.running, return_exceptions=True)
            await ours.close()


@ALL
async def test_what_is_found_before_trading(kind: str) -> None:
    async with desk(kind) as at:
        at.control("set", skew_ms=3000)
        found = await at.ours.check()
        assert isinstance(found, Permissions)
        assert (found.trade, found.withdraw) == (True, False)
        assert found.clock_ms == pytest.approx(3000, abs=150)
        rules = found.rules[at.key]
        assert rules.tick in (units("0.01"), units("0.1"))
        assert rules.step > 0
        assert rules.min_notional >= units("5")
        # signed with the venue's time: 3 s more than ours would otherwise be refused on one side, 5 s on the other
        assert isinstance(await at.submit(at.spec()), OrderAccepted)
        at.control("set", withdraw=True)
        assert (await at.ours.check()).withdraw is True


@ALL
async def test_an_order_is_taken_filled_and_known(kind: str) -> None:
    async with desk(kind) as at:
        await at.follow()
        spec = at.spec(OrderType.MARKET)
        accepted = await at.submit(spec)
        assert isinstance(accepted, OrderAccepted)
        await at.until(lambda: at.of(OrderFilled))
        fill = at.of(OrderFilled)[0].fill
        assert (fill.order, fill.quantity, fill.price, fill.side) == (spec.id, spec.quantity, units("60000"), Side.BUY)
        assert fill.fee > 0
        assert fill.fee_asset == ("USDT" if kind == "binanceusdm" else "BTC")
        assert await at.ours.fills(at.key, fill.ts - 10**9) == (fill,)
        filled, reported = await at.ours.query(at.key, spec.id, "", 0)
        assert isinstance(filled, OrderFilled)
        assert filled.fill == fill
        assert isinstance(reported, OrderReported)
        assert (reported.state, reported.filled) == ("filled", spec.quantity)
        account = await at.ours.account()
        if kind == "binanceusdm":
            assert account.positions == {at.key: spec.quantity}
        else:
            assert account.balances["BTC"] == spec.quantity - fill.fee
        assert not account.open_orders
        assert not at.ours.held.open


@ALL
async def test_an_order_is_changed_and_cancelled(kind: str) -> None:
    async with desk(kind) as at:
        spec = at.spec()
        accepted = await at.submit(spec)
        assert isinstance(accepted, OrderAccepted)
        changed = OrderSpec(
            id=spec.id,
            instrument=at.key,
            side=Side.BUY,
            type=OrderType.LIMIT,
            quantity=spec.quantity,
            price=units("25000"),
        )
        amended = await at.ours.amend(Approved(changed, _SEAL), accepted.venue_id)
        if kind == "binance":
            assert isinstance(amended, AmendRefused)
            assert "place it anew" in amended.reason
        else:
            assert isinstance(amended, OrderAmended)
            assert amended.price == units("25000")
        (stands,) = (await at.ours.account()).open_orders
        assert stands.price == (units("30000") if kind == "binance" else units("25000"))
        canceled = await at.ours.cancel(at.key, spec.id, "")
        assert isinstance(canceled, OrderCanceled)
        assert canceled.filled == 0
        again = await at.ours.cancel(at.key, spec.id, "")
        assert isinstance(again, CancelRefused)
        assert not (await at.ours.account()).open_orders


@ALL
async def test_a_stop_rests_at_the_venue_and_is_triggered_there(kind: str) -> None:
    async with desk(kind) as at:
        await at.follow()
        await at.submit(at.spec(OrderType.MARKET))
        await at.until(lambda: at.of(OrderFilled))
        stop = at.spec(
            OrderType.STOP, side=Side.SELL, quantity=units("0.005"), stop_price=units("59000"), reduce_only=True
        )
        other = at.spec(
            OrderType.STOP, side=Side.SELL, quantity=units("0.004"), stop_price=units("58000"), reduce_only=True
        )
        for each in (stop, other):
            assert isinstance(await at.submit(each), OrderAccepted)
        assert {order.id for order in (await at.ours.account()).open_orders} == {stop.id, other.id}
        assert isinstance(await at.ours.cancel(at.key, other.id, ""), OrderCanceled)
        at.price("58900")
        await at.until(lambda: len(at.of(OrderFilled)) == 2)
        fill = at.of(OrderFilled)[1].fill
        assert (fill.order, fill.quantity, fill.side) == (stop.id, units("0.005"), Side.SELL)
        if kind != "binance":
            await at.until(lambda: at.of(OrderTriggered))
        assert (await at.ours.query(at.key, stop.id, "", 0))[-1].state == "filled"  # type: ignore[union-attr]
        assert not at.of(Adopted)


@ALL
@pytest.mark.parametrize("fault", ["silent", "torn", "broken", "garbage"])
async def test_an_order_that_may_be_there_is_never_sent_again(kind: str, fault: str) -> None:
    async with desk(kind, timeout_s=1.0 if fault == "silent" else 5.0) as at:
        spec = at.spec()
        at.fault(fault, "submit")
        answer = await at.submit(spec)
        assert isinstance(answer, OrderUnresolved)
        assert answer.doing == "submit"
        (reported,) = await at.ours.query(at.key, spec.id, "", spec.created)
        assert isinstance(reported, OrderReported)
        assert reported.state == "working"
        assert at.venue.heard[spec.id] == 1
        at.fault(fault, "cancel")
        assert isinstance(await at.ours.cancel(at.key, spec.id, ""), OrderUnresolved)
        assert (await at.ours.query(at.key, spec.id, "", 0))[-1].state == "canceled"  # type: ignore[union-attr]
        assert at.venue.asked["cancel"] == 1


@ALL
async def test_a_no_is_a_no(kind: str) -> None:
    async with desk(kind) as at:
        broke = await at.submit(at.spec(quantity=units("80")))
        assert isinstance(broke, OrderRejected)
        assert "insufficient" in broke.reason.lower()
        assert broke.code in broke.reason
        crossing = await at.submit(at.spec(post_only=True, price=units("61000")))
        assert isinstance(crossing, OrderRejected | OrderAccepted)  # Bybit tells it afterwards
        limit = {"binance": "429", "binanceusdm": "429", "bybit": "too many"}
        at.fault("throttle", "submit", seconds=30)
        throttled = await at.submit(at.spec())
        assert isinstance(throttled, OrderRejected), limit
        # the venue said stop: nothing more is sent, also no cancel
        spec = at.spec()
        held = await at.submit(spec)
        assert isinstance(held, OrderDenied)
        assert "s" in held.reason
        assert at.venue.heard[spec.id] == 0
        assert isinstance(await at.ours.cancel(at.key, "e1-1", ""), CancelRefused)


@ALL
async def test_what_did_not_leave_is_denied(kind: str) -> None:
    async with desk(kind) as at:
        at.ours.wire.budget.limit = 100
        at.ours.wire.budget.spend(85, asyncio.get_running_loop().time())
        spec = at.spec()
        denied = await at.submit(spec)
        assert isinstance(denied, OrderDenied)
        assert "used up" in denied.reason
        assert at.venue.heard[spec.id] == 0
        # a cancel finds room all the same
        assert isinstance(await at.ours.cancel(at.key, "e1-1", ""), CancelRefused)
        assert at.venue.asked["cancel"] >= 1


@ALL
async def test_the_kill_switch_is_looked_at_when_the_connection_is_there(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []
    connect = aiohttp.TCPConnector._create_connection

    async def connected(*given: Any) -> Any:
        found = await connect(*given)
        closed.append("killed by anna")
        return found

    async with desk(kind, latch=lambda _: "".join(closed)) as at:
        await at.ours.wire.close()
        with monkeypatch.context() as patched:
            patched.setattr(aiohttp.TCPConnector, "_create_connection", connected)
            denied = await at.submit(at.spec())
        assert isinstance(denied, OrderDenied)
        assert denied.reason == "the kill switch holds: killed by anna"
        assert at.venue.heard == {}
        closed.clear()
        assert isinstance(await at.submit(at.spec()), OrderAccepted)
        closed.append("again")
        assert isinstance(await at.submit(at.spec()), OrderDenied)
        assert isinstance(await at.ours.cancel(at.key, "e1-2", ""), OrderCanceled)
        assert dict(at.venue.heard) == {"e1-2": 1}


async def test_no_connection_is_no_doubt() -> None:
    async with desk("binance") as at:
        await at.ours.wire._sessions().close()
        at.ours.wire._session = None
        client = await at.ours.wire.open()
        client.urls["api"]["private"] = "http://127.0.0.1:9/api/v3"
        denied = await at.submit(at.spec())
        assert isinstance(denied, OrderDenied)
        assert "no connection to binance" in denied.reason
        with pytest.raises(FeedError, match="no connection"):
            await at.ours.fills(at.key, at.ours.now())


@ALL
async def test_missing_is_believed_late_and_twice(kind: str) -> None:
    late = [0]
    async with desk(kind, now=lambda: time.time_ns() + late[0], timeout_s=1.0) as at:
        at.fault("lost", "submit")
        spec = at.spec()
        began = at.ours.now()
        assert isinstance(await at.submit(spec), OrderUnresolved)
        for _ in range(3):
            with pytest.raises(FeedError, match="asked for again"):
                await at.ours.query(at.key, spec.id, "", began)
        late[0] = 9 * 10**9
        await at.ours.measure()  # our clock went on by 9 s, as the venue's did not
        (reported,) = await at.ours.query(at.key, spec.id, "", began)
        assert isinstance(reported, OrderReported)
        assert reported.state == "missing"


@ALL
async def test_nothing_is_lost_with_the_stream(kind: str) -> None:
    async with desk(kind) as at:
        await at.follow()
        spec = at.spec(quantity=units("0.03"))
        await at.submit(spec)
        at.control("stream", mute=100)
        at.control("fill", order=spec.id, quantity="0.01", price="30000")
        at.control("stream", cut=True)
        await at.until(lambda: at.connected[2:] == [False, True])
        assert [event.fill.quantity for event in at.of(OrderFilled)] == [units("0.01")]
        # after the reconnection it goes on, and what comes twice or late counts once
        at.control("stream", mute=0, duplicate=4)
        at.control("fill", order=spec.id, quantity="0.02", price="30000")
        await at.until(lambda: len(at.of(OrderFilled)) == 2)
        await at.until(lambda: not at.ours.held.open)
        fills = [event.fill for event in at.of(OrderFilled)]
        assert len({fill.id for fill in fills}) == len(fills) == 2
        assert sum(fill.quantity for fill in fills) == spec.quantity


@ALL
async def test_a_venue_that_does_not_let_us_back_in_is_a_lasting_condition(kind: str) -> None:
    async with desk(kind) as at:
        await at.follow()
        at.fault("error", "trades", times=4)
        at.control("stream", cut=True)
        await at.until(lambda: at.connected[2:] == [False, True])
        lost = at.of(ConditionChanged)[2]
        assert lost.name == f"connection {kind}"
        assert lost.text.startswith(f"fills and orders of {kind} are not heard")
        assert len(at.of(ConditionChanged)) == 4  # said once, not at every try


@ALL
async def test_orders_of_others_are_adopted_before_their_fills(kind: str) -> None:
    async with desk(kind) as at:
        await at.follow()
        client = await at.ours.wire.open()
        call = at.ours.words.submit(at.spec(), at.ours.markets[at.key])
        assert not isinstance(call, str)
        client_id = "orderLinkId" if kind == "bybit" else "newClientOrderId"
        await getattr(client, call.method)(call.params | {client_id: "web_By-Hand"})
        await at.until(lambda: at.of(Adopted))
        adopted = at.of(Adopted)[0]
        assert adopted.spec.id.startswith(f"x-{kind}-btcusdt-")
        assert (adopted.spec.quantity, adopted.spec.price) == (units("0.01"), units("30000"))
        assert adopted.spec.origin == "external"
        at.control("fill", order="web_By-Hand")
        await at.until(lambda: at.of(OrderFilled))
        fill = at.of(OrderFilled)[0].fill
        assert fill.order == adopted.spec.id
        assert len(at.of(Adopted)) == 1
        listed = await at.ours.fills(at.key, fill.ts - 10**9)
        assert listed == (fill,)


async def test_an_order_of_others_is_cancelled_by_the_venues_id() -> None:
    for kind in KEYS:
        async with desk(kind) as at:
            client = await at.ours.wire.open()
            call = at.ours.words.submit(at.spec(), at.ours.markets[at.key])
            assert not isinstance(call, str)
            client_id = "orderLinkId" if kind == "bybit" else "newClientOrderId"
            await getattr(client, call.method)(call.params | {client_id: "web_By-Hand"})
            (stands,) = (await at.ours.account()).open_orders
            assert isinstance(await at.ours.cancel(at.key, stands.id, stands.venue_id), OrderCanceled)
            assert not (await at.ours.account()).open_orders


async def test_without_a_stream_the_venue_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """As at MEXC, whose stream is not read."""
    monkeypatch.setattr("engine.execution.ccxt_stream.ASK_OFTEN_S", 0.05)
    async with desk("binance") as at:
        at.ours.words.watched = ()
        await at.follow()
        spec, other = at.spec(), at.spec()
        for each in (spec, other):
            await at.submit(each)
        at.control("fill", order=spec.id, quantity="0.004")
        await at.until(lambda: at.of(OrderFilled))
        assert at.ours.held.open.keys() == {spec.id, other.id}
        at.control("cancel", order=other.id)
        at.control("fill", order=spec.id, quantity="0.006")
        await at.until(lambda: len(at.of(OrderFilled)) == 2)
        assert sum(event.fill.quantity for event in at.of(OrderFilled)) == spec.quantity
        for held in at.ours.held.open.values():
            held.since = 0  # they are old enough to be missed
        await at.until(lambda: not at.ours.held.open)
        over = {event.order: event.state for event in at.of(OrderReported)}
        assert over == {spec.id: "filled", other.id: "canceled"}


async def test_funding_is_heard() -> None:
    async with desk("binanceusdm") as at:
        await at.follow()
        await at.submit(at.spec(OrderType.MARKET))
        await at.until(lambda: at.of(OrderFilled))
        at.control("fund", symbol="BTCUSDT", amount="-0.25")
        await at.until(lambda: at.of(FundingPaid))
        paid = at.of(FundingPaid)[0]
        assert (paid.amount, paid.asset, paid.instrument) == (-units("0.25"), "USDT", at.key)
        at.ours._follower.wake()
        await asyncio.sleep(0.6)
        assert len(at.of(FundingPaid)) == 1


@ALL
async def test_no_key_is_in_anything_that_is_said(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with desk(kind) as at:
        await at.follow()
        said: list[object] = []
        at.fault("refuse", "submit", code="-1", text=f"bad key {KEY} {SECRET} \x1b[31m" + "x" * 500)
        said.append(await at.submit(at.spec()))
        for fault in ("torn", "garbage", "broken"):
            at.fault(fault, "submit")
            said.append(await at.submit(at.spec()))
            at.fault(fault, "trades", times=2)
            with pytest.raises(FeedError) as error:
                await at.ours.fills(at.key, at.ours.now())
            said.append(str(error.value))
        at.control("stream", cut=True)
        await at.until(lambda: at.connected[2:] == [False, True])
        said += at.heard
        gc.collect()  # what nobody waits for is told to the log when it is collected
        everything = caplog.text + "".join(map(repr, said))
        for hidden in (KEY, SECRET, "signature=", "listenKey=", "\x1b"):
            assert hidden not in everything
        assert isinstance(said[0], OrderRejected)
        assert len(said[0].reason) < 300


async def test_what_a_venue_echoes_is_cleaned_before_it_is_cut() -> None:
    async with desk("binance", clean=lambda text: text.replace("quoted%2Fsecret", "***")) as at:
        at.fault("refuse", "submit", code="-2010", text="x" * 190 + "quoted%2Fsecret\x1b[31m")
        said = await at.submit(at.spec())
        assert isinstance(said, OrderRejected)
        assert "quoted" not in said.reason
        assert "***" in said.reason


def test_what_cannot_be_opened_is_said() -> None:
    def made(name: str, mode: Mode = Mode.LIVE) -> CcxtVenue:
        return CcxtVenue(name, [], lambda: "", lambda: "", mode=mode, sink=lambda _: None)

    with pytest.raises(SettingsInvalid, match="known are binance"):
        made("kraken")
    with pytest.raises(SettingsInvalid, match="mexc has no testnet"):
        made("mexc", Mode.TESTNET)


@pytest.mark.parametrize(
    ("name", "rest", "stream"),
    [
        ("binance", "testnet.binance.vision", "ws-api.testnet.binance.vision"),
        ("binanceusdm", "demo-fapi.binance.com", "fstream.binancefuture.com"),
        ("bybit", "api-testnet.bybit.com", "stream-testnet.bybit.com"),
    ],
)
async def test_testnets_are_where_ccxt_has_them(name: str, rest: str, stream: str) -> None:
    ours = CcxtVenue(name, [KEYS[name]], lambda: KEY, lambda: SECRET, mode=Mode.TESTNET, sink=lambda _: None)
    try:
        client = await ours.wire.open()
        private = client.urls["api"]["fapiPrivate" if name == "binanceusdm" else "private"]
        assert f"//{rest}" in client.implode_hostname(private)
        streams = client.urls["api"]["ws"]
        ws = {
            "binance": lambda: streams["ws-api"]["spot"],
            "binanceusdm": lambda: streams["linear"],
            "bybit": lambda: client.implode_hostname(streams["private"]["contract"]),
        }[name]()
        assert f"//{stream}" in ws
    finally:
        await ours.close()


def test_a_shared_budget_is_used() -> None:
    budget = Budget("binance", 6000)
    ours = CcxtVenue(
        "binance", [], lambda: "", lambda: "", mode=Mode.LIVE, sink=lambda _: None, budget=budget
    )  # fmt: skip
    assert ours.wire.budget is budget
