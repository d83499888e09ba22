"""Books held against a venue's: what was missed is taken in, once, and what cannot be explained is told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.execution.contracts import Contract
from engine.execution.ledger import Ledger
from engine.execution.lifecycle import Orders
from engine.execution.reconcile import YOUNG, Comparison, compare
from engine.execution.states import OrderState
from engine.execution.venue import VenueAccount, VenueOrder
from engine.orders import (
    AccountEvent,
    Adopted,
    BalancesReported,
    CancelSent,
    Fill,
    Liquidity,
    Mode,
    OrderAccepted,
    OrderAmended,
    OrderCanceled,
    OrderEvent,
    OrderFilled,
    OrderReported,
    OrderSpec,
    OrderSubmitted,
    OrderType,
    OrderUnresolved,
    Origin,
    Side,
    units,
)
from engine.types import SECOND

SPOT = "binance:BTC/USDT"
SWAP = "binanceusdm:BTC/USDT:USDT"
NOW = 1_760_000_000 * SECOND


class Books:
    """Our orders and ledger of one venue."""

    def __init__(self, key: str = SPOT) -> None:
        self.key = key
        self.venue = key.partition(":")[0]
        self.orders = Orders()
        self.ledger = Ledger("USDT", {"USDT": units("1000")})
        self.contract = Contract(
            instrument=key, base="BTC", quote="USDT", settle="USDT", derivative=key.count(":") == 2
        )

    def place(self, number: int, quantity: str = "0.01", *, accepted: bool = True, **more: Any) -> OrderSpec:
        plain = {
            "side": Side.BUY,
            "type": OrderType.LIMIT,
            "price": units("50000"),
            "created": NOW - 60 * SECOND,
        } | more
        spec = OrderSpec(id=f"m1-{number}", instrument=self.key, quantity=units(quantity), mode=Mode.LIVE, **plain)
        self.orders.add(spec)
        self.tell(OrderSubmitted(order=spec.id, ts=NOW - 60 * SECOND))
        if accepted:
            self.tell(OrderAccepted(order=spec.id, ts=NOW - 59 * SECOND, venue_id=str(number)))
        return spec

    def tell(self, *events: OrderEvent | AccountEvent) -> None:
        """As the core does it."""
        for event in events:
            match event:
                case Adopted():
                    self.orders.adopt(event)
                case BalancesReported():
                    self.ledger.report(event)
                case OrderFilled():
                    self.orders.apply(event)
                    self.ledger.fill(self.contract, event.fill)
                case _:
                    self.orders.apply(event)  # type: ignore[arg-type]

    def fill(self, number: int, order: str, quantity: str = "0.01", side: Side = Side.BUY) -> Fill:
        return Fill(
            id=f"{self.venue}-BTCUSDT-{number}", order=order, instrument=self.key, side=side, price=units("50000"),
            quantity=units(quantity), fee=0, fee_asset="USDT", liquidity=Liquidity.MAKER, ts=NOW - 30 * SECOND + number,
            mode=Mode.LIVE,
        )  # fmt: skip

    def compare(
        self,
        *fills: Fill,
        stands: tuple[VenueOrder, ...] = (),
        balances: dict[str, int] | None = None,
        **positions: int,
    ) -> Comparison:
        account = VenueAccount(
            venue=self.venue,
            ts=NOW,
            balances=dict(self.ledger.balances) if balances is None else balances,
            positions={self.key: positions["position"]} if positions else {},
            open_orders=stands,
        )
        return compare(self.orders, self.ledger, account, {self.key: fills})


def there(spec: OrderSpec, **more: Any) -> VenueOrder:
    plain = {"id": spec.id, "quantity": spec.quantity, "filled": 0, "price": spec.price, "side": str(spec.side)} | more
    return VenueOrder(
        venue_id="9", instrument=spec.instrument, type=str(spec.type), stop_price=spec.stop_price, reduce_only=False,
        state="working", ts=NOW - 60 * SECOND, **plain,
    )  # fmt: skip


def test_books_that_agree_change_nothing() -> None:
    books = Books()
    spec = books.place(1)
    found = books.compare(stands=(there(spec),))
    assert found.events == (BalancesReported(venue="binance", ts=NOW, balances={"USDT": units("1000")}),)
    assert not found.ask
    assert not found.differences
    assert not found.mismatches


def test_a_missed_fill_is_taken_in_once() -> None:
    books = Books()
    spec = books.place(1)
    fill = books.fill(1, spec.id)
    found = books.compare(fill, balances={"BTC": units("0.01"), "USDT": units("500")})
    assert [type(event) for event in found.events] == [OrderFilled, BalancesReported]
    assert not found.ask  # the fill completes it: nothing is left to ask
    (told,) = found.differences
    assert "filled buy 0.01 of binance:BTC/USDT at 50000" in told
    books.tell(*found.events)
    assert books.orders.by_id[spec.id].state is OrderState.FILLED
    again = books.compare(fill)
    assert [type(event) for event in again.events] == [BalancesReported]
    assert not again.differences


def test_a_strangers_fill_comes_with_its_order() -> None:
    books = Books()
    fills = (books.fill(1, "x-binance-btcusdt-77"), books.fill(2, "x-binance-btcusdt-77", "0.005"))
    found = books.compare(*fills)
    adopted, first, second, _ = found.events
    assert isinstance(adopted, Adopted)
    assert (adopted.spec.quantity, adopted.spec.origin) == (units("0.015"), Origin.EXTERNAL)
    assert adopted.spec.mode is Mode.LIVE
    assert (first, second) == tuple(OrderFilled(order=fill.order, ts=fill.ts, fill=fill) for fill in fills)
    books.tell(*found.events)
    assert books.orders.by_id["x-binance-btcusdt-77"].state is OrderState.FILLED
    assert not books.compare(*fills).differences


def test_an_order_that_stands_and_is_not_ours_is_adopted() -> None:
    books = Books()
    foreign = there(books.place(1), id="x-binance-btcusdt-88")
    found = books.compare(stands=(foreign, there(books.orders.by_id["m1-1"].spec)))
    adopted = found.events[0]
    assert isinstance(adopted, Adopted)
    assert adopted.spec.id == "x-binance-btcusdt-88"
    assert adopted.venue_id == "9"
    books.tell(*found.events)
    assert not books.compare(stands=(foreign, there(books.orders.by_id["m1-1"].spec))).differences


def test_an_order_that_was_thought_over_and_stands_is_open_again() -> None:
    books = Books()
    spec = books.place(1)
    books.tell(OrderCanceled(order=spec.id, ts=NOW))
    found = books.compare(stands=(there(spec),))
    assert found.ask == (spec.id,)
    assert "was thought to be canceled" in found.differences[0]
    books.tell(*found.events)
    assert books.orders.by_id[spec.id].open


def test_silence_is_no_answer() -> None:
    books = Books()
    spec = books.place(1)
    young = books.place(2, accepted=False, created=NOW - YOUNG + 1)
    found = books.compare()
    assert found.ask == (spec.id,)  # asked for, and still open
    assert [type(event) for event in found.events] == [BalancesReported]
    assert books.orders.by_id[spec.id].open
    assert young.id not in " ".join(found.differences)


def test_an_order_in_doubt_that_stands_is_in_doubt_no_more() -> None:
    books = Books()
    spec = books.place(1, accepted=False)
    books.tell(OrderUnresolved(order=spec.id, ts=NOW, doing="submit", reason="no answer"))
    found = books.compare(stands=(there(spec),))
    assert isinstance(found.events[0], OrderReported)
    books.tell(*found.events)
    assert books.orders.by_id[spec.id].state is OrderState.WORKING


def test_fills_that_the_venue_counts_and_does_not_list_are_asked_for() -> None:
    books = Books()
    spec = books.place(1, "0.03")
    found = books.compare(books.fill(1, spec.id), stands=(there(spec, filled=units("0.02")),))
    assert found.ask == (spec.id,)
    assert any("is filled to 0.02 at the venue, to 0.01 here" in text for text in found.differences)


def test_the_venues_numbers_are_taken() -> None:
    books = Books()
    spec = books.place(1)
    found = books.compare(stands=(there(spec, price=units("49000")),))
    amended = found.events[0]
    assert isinstance(amended, OrderAmended)
    books.tell(*found.events)
    assert books.orders.by_id[spec.id].price == units("49000")
    assert not books.compare(stands=(there(spec, price=units("49000")),)).differences


@pytest.mark.parametrize("known", [True, False])
def test_a_position_is_what_all_fills_make_it(known: bool) -> None:
    books = Books(SWAP)
    fill = books.fill(1, books.place(1).id)
    if known:
        books.tell(OrderFilled(order=fill.order, ts=fill.ts, fill=fill))
    assert not books.compare(fill, position=units("0.01")).mismatches
    found = books.compare(fill, position=units("-0.02"))
    assert found.mismatches == (SWAP,)
    assert any("is -0.02 at the venue, all fills make 0.01" in text for text in found.differences)
    assert books.compare(fill).mismatches == (SWAP,)  # flat there, and not here


def test_what_is_moved_in_or_out_is_told_after_the_first_time() -> None:
    books = Books()
    first = books.compare(balances={"USDT": units("70")})
    assert not first.differences  # what is there is what it begins with
    books.tell(*first.events)
    account = VenueAccount(
        venue="binance", ts=NOW + SECOND, balances={"USDT": units("60"), "ETH": 5}, positions={}, open_orders=()
    )
    found = compare(books.orders, books.ledger, account, {})
    assert sorted(found.differences) == [
        "binance has 0.00000005 ETH more than fills, fees and funding explain; it counts as moved in or out",
        "binance has 10 USDT less than fills, fees and funding explain; it counts as moved in or out",
    ]


def test_orders_of_another_venue_are_not_missed() -> None:
    books = Books(SWAP)
    books.place(1)
    account = VenueAccount(venue="binance", ts=NOW, balances={}, positions={}, open_orders=())
    assert not compare(books.orders, books.ledger, account, {}).ask


@given(
    fills=st.lists(st.tuples(st.integers(1, 6), st.integers(1, 3)), max_size=12),
    known=st.sets(st.integers(0, 11)),
    stands=st.sets(st.integers(1, 8)),
    canceling=st.booleans(),
)
def test_what_is_found_is_found_once(
    fills: list[tuple[int, int]], known: set[int], stands: set[int], canceling: bool
) -> None:
    """Orders 1 to 4 are ours; whatever is missing here, after it was applied the books agree and fills add up."""
    books = Books()
    specs = {number: books.place(number, "1") for number in range(1, 5)}
    if canceling:
        books.tell(CancelSent(order=specs[1].id, ts=NOW))
    listed = [
        books.fill(at, specs[number].id if number in specs else f"x-binance-btcusdt-{number}", f"0.0{part}")
        for at, (number, part) in enumerate(fills)
    ]
    for at, fill in enumerate(listed):
        if at in known and fill.order in books.orders.by_id:
            books.tell(OrderFilled(order=fill.order, ts=fill.ts, fill=fill))
    there_now = tuple(
        there(
            specs[number] if number in specs else specs[1],
            id=specs[number].id if number in specs else f"x-binance-btcusdt-{number}",
            filled=sum(
                fill.quantity for fill in listed if fill.order in (f"m1-{number}", f"x-binance-btcusdt-{number}")
            ),
        )
        for number in sorted(stands)
    )
    total = sum(fill.quantity for fill in listed)
    balances = {"USDT": units("1000") - total * 50_000, "BTC": total}
    found = books.compare(*listed, stands=there_now, balances=balances)
    books.tell(*found.events)
    assert books.ledger.balances.get("BTC", 0) == total
    position = books.ledger.positions.get(SPOT)
    assert (position.quantity if position is not None else 0) == total
    for number in stands:
        name = specs[number].id if number in specs else f"x-binance-btcusdt-{number}"
        assert books.orders.by_id[name].open
    # what is open here and not there was asked for, and nothing was guessed
    for number, spec in specs.items():
        assert (spec.id in found.ask) == (number not in stands)
    again = books.compare(*listed, stands=there_now, balances=balances)
    assert [type(event) for event in again.events if not isinstance(event, OrderReported)] == [BalancesReported]
    assert not [text for text in again.differences if "asked for" not in text and "it was" not in text]
