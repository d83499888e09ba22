"""Whatever people ask and the market does: the money adds up, a halt holds, and the records tell it all again."""

from __future__ import annotations

from typing import Any

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


Exits = tuple[int | None, int | None, float, float]
exits: st.SearchStrategy[Exits] = st.tuples(
    st.one_of(st.none(), st.integers(20, 300)),
    st.one_of(st.none(), st.integers(20, 300)),
    st.sampled_from([0.0, 0.0, 3.0]),
    st.sampled_from([0.0, 0.0, 5.0]),
)
"""Distances of stop and target (tenths), trailing (bps), and time stop (s)."""


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
        quantity=st.integers(1, 50),
        at=offsets,
        wakes=offsets,
        post_only=st.booleans(),
        term=st.sampled_from(TimeInForce),
        ends=exits,
    )
    def order(
        self,
        key: str,
        side: Side,
        kind: OrderType,
        quantity: int,
        at: int,
        wakes: int,
        post_only: bool,
        term: TimeInForce,
        ends: Exits,
    ) -> None:
        mid, held = self.mid[key], self.floor.account.quantity(key)
        if not held and key == BTC.key:
            side = Side.BUY
        less = held * side.sign < 0
        rests = kind is OrderType.LIMIT and post_only
        self.floor.ask(
            PlaceOrder(
                symbol=key,
                side=side,
                type=kind,
                quantity=f"{quantity / 1000:.3f}",
                price=price(mid, at) if kind.limited else "",
                stop_price=price(mid, wakes) if kind.conditional else "",
                time_in_force=TimeInForce.GTC if rests else term,
                reduce_only=less and post_only,
                post_only=rests,
                **({} if less else self._exits(mid, side, ends)),
            )
        )

    def _exits(self, mid: int, side: Side, ends: Exits) -> dict[str, Any]:
        stop, target, trailing, seconds = ends
        return {
            "stop_loss": "" if stop is None else price(mid, -stop * side.sign),
            "take_profit": "" if target is None else price(mid, target * side.sign),
            "trailing_bps": trailing,
            "time_stop_s": seconds,
        }

    @rule(key=keys, side=st.sampled_from(Side), quantity=st.integers(2, 50), ends=exits)
    def enter(self, key: str, side: Side, quantity: int, ends: Exits) -> None:
        side = Side.BUY if key == BTC.key else side
        more = self._exits(self.mid[key], side, ends) if self.floor.account.quantity(key) * side.sign >= 0 else {}
        self.floor.ask(PlaceOrder(symbol=key, side=side, quantity=f"{quantity / 1000:.3f}", **more))
        self.floor.wait(0.2)

    @rule(key=keys, share=st.sampled_from([1, 2, 3]), at=maybe)
    def reduce(self, key: str, share: int, at: int | None) -> None:
        held = self.floor.account.quantity(key)
        quantity = abs(held) // 10**5 // share
        if quantity:
            self.floor.ask(
                PlaceOrder(
                    symbol=key,
                    side=Side.SELL if held > 0 else Side.BUY,
                    type=OrderType.MARKET if at is None else OrderType.LIMIT,
                    quantity=f"{quantity / 1000:.3f}",
                    price=price(self.mid[key], at),
                    reduce_only=True,
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

    @rule(flatten=st.booleans(), seconds=st.sampled_from([None, 0.0, 0.3, 2.0]))
    def kill(self, flatten: bool, seconds: float | None) -> None:
        self.floor.flattens = flatten
        self.floor.ask(Kill(flatten=flatten))
        assert self.floor.account.halted
        if seconds is not None:
            self.floor.wait(seconds)
            self.arm("on")

    @rule(reason=st.sampled_from(["", "again", "again"]))
    def arm(self, reason: str) -> None:
        self.floor.ask(Arm(word="PAPER", reason=reason))

    @rule(again=st.booleans())
    def disarm(self, again: bool) -> None:
        self.floor.ask(Disarm())
        if again:
            self.arm("")

    @rule(name=st.sampled_from(["trading", "entries", "exits", BTC.key]), on=st.sampled_from([False, True, True]))
    def switch(self, name: str, on: bool) -> None:
        self.floor.ask(Switch(name=name, on=False))
        self.floor.wait(0.3)
        self.floor.ask(Switch(name=name, on=on))

    @rule(share=st.sampled_from([0.3, 1.0, 1.0]), pace=st.sampled_from([5, 1000, 1000]))
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
    max_examples=200, stateful_step_count=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
