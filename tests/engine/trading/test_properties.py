"""Whatever people ask and the market does: the money adds up, a halt holds, and the records tell it all again."""

from __future__ import annotations

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from engine.operator import AmendOrder, Arm, CancelOrders, Disarm, Flatten, Kill, PlaceOrder, Protect, SetLimits, Switch
from engine.orders import OrderType, Side, TimeInForce
from engine.trading.recall import image
from tests.engine.support import BTC, BTC_USDM
from tests.engine.trading.floor import KEYS, Floor, lasting

keys = st.sampled_from(KEYS)
offsets = st.integers(-30, 30)
"""Tenths of the quote asset, from the mid."""

maybe = st.one_of(st.none(), offsets)


def price(mid: int, offset: int | None) -> str:
    return "" if offset is None else f"{(mid + offset) / 10:.1f}"


class Trading(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.floor = Floor()
        self.mid = dict.fromkeys(KEYS, 600_000)
        self.image: tuple[bytes, int] | None = None

    # The market. ---------------------------------------------------------------------------------------------------

    @rule(key=keys, by=offsets, sizes=st.lists(st.integers(1, 60), min_size=1, max_size=4))
    def moves(self, key: str, by: int, sizes: list[int]) -> None:
        if self.floor.market(key).sync.live:
            self.mid[key] += by
            self.floor.book(key, self.mid[key], sizes)

    @rule(key=keys, offset=offsets, size=st.integers(1, 80), sell=st.booleans())
    def trades(self, key: str, offset: int, size: int, sell: bool) -> None:
        self.floor.trade(key, self.mid[key] + offset, size, sell=sell)

    @rule(seconds=st.sampled_from([0.2, 1.5, 12.0]))
    def time_passes(self, seconds: float) -> None:
        self.floor.wait(seconds)

    @rule(seconds=st.sampled_from([0.5, 3.0]))
    def nothing_is_heard(self, seconds: float) -> None:
        self.floor.silence(seconds)

    @rule(key=keys)
    def connection(self, key: str) -> None:
        if self.floor.market(key).sync.live:
            self.floor.lose(key)
        else:
            self.floor.found(key, self.mid[key])

    @rule(amount=st.integers(-(10**8), 10**8))
    def funding(self, amount: int) -> None:
        self.floor.fund(amount)

    # A person. -------------------------------------------------------------------------------------------------------

    @rule(
        key=keys,
        side=st.sampled_from(Side),
        kind=st.sampled_from(OrderType),
        quantity=st.integers(1, 60),
        at=offsets,
        wakes=offsets,
        flags=st.tuples(st.booleans(), st.booleans()),
        term=st.sampled_from(TimeInForce),
        stop_loss=maybe,
        take_profit=maybe,
        trailing=st.sampled_from([0.0, 0.0, 3.0]),
        ends=st.sampled_from([0.0, 0.0, 5.0]),
    )
    def order(
        self,
        key: str,
        side: Side,
        kind: OrderType,
        quantity: int,
        at: int,
        wakes: int,
        flags: tuple[bool, bool],
        term: TimeInForce,
        stop_loss: int | None,
        take_profit: int | None,
        trailing: float,
        ends: float,
    ) -> None:
        mid, less = self.mid[key], flags[0] and flags[1]
        self.floor.ask(
            PlaceOrder(
                symbol=key,
                side=side,
                type=kind,
                quantity=f"{quantity / 1000:.3f}",
                price=price(mid, at) if kind.limited else "",
                stop_price=price(mid, wakes) if kind.conditional else "",
                time_in_force=term,
                reduce_only=less,
                post_only=flags[1] and kind is OrderType.LIMIT,
                stop_loss="" if less else price(mid, stop_loss),
                take_profit="" if less else price(mid, take_profit),
                trailing_bps=0.0 if less else trailing,
                time_stop_s=0.0 if less else ends,
            )
        )

    @rule(key=keys, quantity=st.integers(5, 60), stop=st.integers(-20, -1), gain=st.integers(2, 20))
    def bracket(self, key: str, quantity: int, stop: int, gain: int) -> None:
        mid = self.mid[key]
        self.floor.ask(
            PlaceOrder(
                symbol=key,
                side=Side.BUY,
                quantity=f"{quantity / 1000:.3f}",
                stop_loss=price(mid, stop),
                take_profit=price(mid, gain),
            )
        )

    @rule(place=st.integers(0, 5), at=maybe, wakes=maybe, quantity=st.one_of(st.none(), st.integers(1, 60)))
    def amend(self, place: int, at: int | None, wakes: int | None, quantity: int | None) -> None:
        opened = self.floor.account.orders.open()
        if opened:
            order = opened[place % len(opened)]
            mid = self.mid[order.spec.instrument]
            self.floor.ask(
                AmendOrder(
                    order=order.id,
                    price=price(mid, at) if order.price else "",
                    stop_price=price(mid, wakes) if order.stop_price else "",
                    quantity="" if quantity is None else f"{quantity / 1000:.3f}",
                )
            )

    @rule(place=st.integers(0, 5), what=st.sampled_from(["order", "symbol", "all"]), key=keys)
    def cancel(self, place: int, what: str, key: str) -> None:
        opened = self.floor.account.orders.open()
        if what == "order" and opened:
            self.floor.ask(CancelOrders(order=opened[place % len(opened)].id))
        elif what == "symbol":
            self.floor.ask(CancelOrders(symbol=key))
        else:
            self.floor.ask(CancelOrders(all=True))

    @rule(
        key=keys,
        stop=maybe,
        aim=maybe,
        trailing=st.sampled_from([0.0, 5.0, -1.0]),
        ends=st.sampled_from([0.0, 4.0, -1.0]),
        off=st.booleans(),
    )
    def protect(self, key: str, stop: int | None, aim: int | None, trailing: float, ends: float, off: bool) -> None:
        mid = self.mid[key]
        self.floor.ask(
            Protect(
                symbol=key,
                stop_loss="off" if off else price(mid, stop),
                take_profit=price(mid, aim),
                trailing_bps=trailing,
                time_stop_s=ends,
            )
        )

    @rule(key=st.sampled_from([*KEYS, ""]))
    def flatten(self, key: str) -> None:
        self.floor.flattens = True
        self.floor.ask(Flatten(symbol=key))

    @rule(flatten=st.booleans())
    def kill(self, flatten: bool) -> None:
        self.floor.flattens = flatten
        self.floor.ask(Kill(flatten=flatten))
        assert self.floor.account.halted

    @rule(reason=st.sampled_from(["", "again", "again"]))
    def arm(self, reason: str) -> None:
        self.floor.ask(Arm(word="PAPER", reason=reason))

    @rule()
    def disarm(self) -> None:
        self.floor.ask(Disarm())

    @rule(name=st.sampled_from(["trading", "entries", "exits", BTC.key]), on=st.booleans())
    def switch(self, name: str, on: bool) -> None:
        self.floor.ask(Switch(name=name, on=on))

    @rule(share=st.sampled_from([0.05, 0.5, 1.0]), pace=st.sampled_from([2, 1000]))
    def limits(self, share: float, pace: int) -> None:
        self.floor.ask(SetLimits(values={"max_position": share, "orders_per_minute": pace}))

    @rule()
    def keep_image(self) -> None:
        self.image = msgspec.json.encode(image(self.floor.account)), len(self.floor.records)

    # What holds. -----------------------------------------------------------------------------------------------------

    @invariant()
    def what_is_free_was_not_promised_twice(self) -> None:
        for key in KEYS:
            for side in Side:
                assert self.floor.free(key, side) >= 0 or key == BTC_USDM.key

    def teardown(self) -> None:
        floor = self.floor
        live = lasting(floor.account)
        begins = [(None, 0), *([self.image] if self.image is not None else [])]
        for begun, place in begins:
            again = lasting(floor.folded(begun, floor.records[place:]))
            for name, kept in live.items():
                assert again[name] == kept, name
        for key in KEYS:
            if not floor.market(key).sync.live:
                floor.found(key, self.mid[key])
        floor.ask(CancelOrders(all=True))
        floor.ask(Kill(flatten=False))
        floor.wait(2.0)
        assert floor.account.orders.open() == []


TestTrading = Trading.TestCase
TestTrading.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
