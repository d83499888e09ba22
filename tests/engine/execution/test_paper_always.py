"""What holds of the paper venue whatever happens: markets and orders at random, twice."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.orders import (
    Liquidity,
    OrderAmended,
    OrderCanceled,
    OrderEvent,
    OrderFilled,
    OrderType,
    Side,
    TimeInForce,
    decimal,
    units,
)
from tests.engine.execution.papers import SPOT, Papers

CENT = units("0.01")
prices = st.integers(9_950, 10_050)
sizes = st.integers(0, 400).map(lambda size: size * units("0.01"))
changes = st.dictionaries(prices, sizes, max_size=6)

operations = st.lists(
    st.one_of(
        st.tuples(st.just("delta"), st.integers(9_960, 10_040), changes),
        st.tuples(st.just("trade"), prices, sizes.filter(bool), st.booleans(), st.booleans()),
        st.tuples(
            st.just("order"),
            st.sampled_from(Side),
            st.sampled_from(OrderType),
            st.integers(1, 300),
            prices,
            prices,
            st.sampled_from(TimeInForce),
            st.booleans(),
            st.booleans(),
            st.sampled_from(["", "", "g"]),
        ),
        st.tuples(st.just("cancel"), st.integers(0, 20)),
        st.tuples(st.just("amend"), st.integers(0, 20), st.integers(1, 300), prices, prices),
        st.tuples(st.just("lose")),
        st.tuples(st.just("load"), st.integers(9_960, 10_040), changes),
    ),
    max_size=40,
)


class Watcher(Papers):
    """Holds every event against what may be, as it comes."""

    def __init__(self) -> None:
        super().__init__(base="100")
        self.there: dict[tuple[Side, int], int] = {}
        """What orders that take can still get of each level, 1e-8, by their side and the price in ticks."""
        self.dealt = 0
        """What the trade that is heard now may give to those who rest."""
        self.begin(10_000, {})

    def split(self, mid: int, changed: dict[int, int]) -> tuple[dict[str, str], dict[str, str]]:
        """Bids below and asks from `mid` on, so that no book crosses."""
        sides: tuple[dict[str, str], dict[str, str]] = ({}, {})
        for price, size in changed.items():
            sides[price >= mid][decimal(price * CENT)] = decimal(size)
        return sides

    def begin(self, mid: int, changed: dict[int, int]) -> None:
        self.wait()
        self.live = True
        bids, asks = self.split(mid, {9_900: CENT * 100, 10_100: CENT * 100, **changed})
        self.there = {
            (side, units(price) // CENT): units(size)
            for side, levels in ((Side.SELL, bids), (Side.BUY, asks))
            for price, size in levels.items()
        }
        self.load(bids, asks)

    def tell(self, mid: int, changed: dict[int, int]) -> None:
        bids, asks = self.split(mid, changed)
        for level in list(self.book.bids):
            if level >= mid:
                bids[decimal(level * CENT)] = "0"
        for level in list(self.book.asks):
            if level < mid:
                asks[decimal(level * CENT)] = "0"
        for side, levels in ((Side.SELL, bids), (Side.BUY, asks)):
            for price, size in levels.items():
                self.there[side, units(price) // CENT] = units(size)
        self.delta(bids, asks)

    def hear(self, events: Any) -> list[OrderEvent]:
        for event in events:
            if isinstance(event, OrderFilled):
                self._hold(event)
            super().hear([event])
            order = self.orders[event.order]
            assert 0 <= order.filled <= order.quantity
            if isinstance(event, OrderCanceled):
                assert event.filled == order.filled
            if isinstance(event, OrderAmended):
                assert event.quantity >= order.filled
        return list(events)

    def _hold(self, event: OrderFilled) -> None:
        fill, order = event.fill, self.orders[event.order]
        assert fill.quantity > 0
        assert fill.quantity % self.rules.step == 0
        if order.price:
            assert (fill.price - order.price) * fill.side.sign <= 0
        if order.spec.reduce_only:
            assert self.position * fill.side.sign < 0
            assert abs(self.position) >= fill.quantity
        if fill.liquidity is Liquidity.MAKER:
            assert fill.price == order.price
            if self.dealt >= 0:
                self.dealt -= fill.quantity
                assert self.dealt >= 0
        elif self.live:
            level = fill.side, fill.price // CENT
            self.there[level] = self.there.get(level, 0) - fill.quantity
            assert self.there[level] >= 0

    def settled(self) -> None:
        """Between events: what is watched is what matters, and nobody took more than was displayed."""
        state: Any = self.venue.state()
        actions, books = state
        assert actions == []
        standing = [order for order in self.orders.values() if order.open]
        gone = [(self.book.bids, books[0][3]), (self.book.asks, books[0][4])] if books else []
        consumed = [(levels[price], taken) for levels, taken_of in gone for price, taken in taken_of]
        assert all(0 < taken <= shown for shown, taken in consumed)
        assert self.venue.watched == ({SPOT.key} if standing or consumed else set())


def play(operations: list[Any]) -> Watcher:
    desk = Watcher()
    for operation in operations:
        desk.dealt = -1
        match operation:
            case ("delta", mid, changed) if desk.live:
                desk.tell(mid, changed)
            case ("trade", price, size, sell, late):
                desk.wait()
                desk.dealt = size
                at = desk.stamp if late else 0
                desk.trade(decimal(price * CENT), decimal(size), sell=sell, at=at)
            case ("order", side, kind, quantity, price, stop, terms, reduce, post, group):
                desk.order(
                    side,
                    decimal(quantity * units("0.01")),
                    decimal(price * CENT) if kind.limited else "0",
                    decimal(stop * CENT) if kind.conditional else "0",
                    type=kind,
                    time_in_force=terms,
                    reduce_only=reduce,
                    post_only=post and kind is OrderType.LIMIT and terms is TimeInForce.GTC,
                    oco=group,
                )
            case ("cancel", number):
                desk.venue.cancel(f"o{number}", desk.now)
                if f"o{number}" not in desk.orders:
                    [refused] = desk.venue.advance(desk.venue.due, desk.look)
                    assert refused.order == f"o{number}"
                desk.wait()
            case ("amend", number, quantity, price, stop) if f"o{number}" in desk.orders:
                spec = desk.orders[f"o{number}"].spec
                changed = msgspec.structs.replace(
                    spec,
                    quantity=quantity * units("0.01"),
                    price=price * CENT if spec.price else 0,
                    stop_price=stop * CENT if spec.stop_price else 0,
                )
                desk.change(changed)
            case ("lose",):
                desk.lose()
                desk.live = False
            case ("load", mid, changed):
                desk.begin(mid, changed)
        desk.settled()
    return desk


@settings(max_examples=150, deadline=None)
@given(operations)
def test_nothing_is_filled_that_was_not_there_and_the_same_happens_twice(operations: list[Any]) -> None:
    first, second = play(operations), play(operations)
    assert first.events == second.events
    assert first.venue.state() == second.venue.state()
    assert first.position == units("100") + sum(
        fill.side.sign * fill.quantity - (fill.fee if fill.fee_asset == "BTC" else 0) for fill in first.fills
    )
