"""The paper venue on hand-made books: what is taken, what rests, what wakes, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from engine.execution.lifecycle import OrderState
from engine.execution.paper import NEVER
from engine.orders import (
    AmendRefused,
    CancelRefused,
    Liquidity,
    OrderAccepted,
    OrderAmended,
    OrderCanceled,
    OrderRejected,
    OrderTriggered,
    OrderType,
    Rules,
    Side,
    TimeInForce,
    units,
)
from engine.types import MS
from tests.engine.execution.papers import LATENCY, PERPETUAL, SPOT, Papers, approved, filled

BIDS = {"99.99": "1", "99.98": "2", "99.90": "5"}
ASKS = {"100.01": "1", "100.02": "2", "100.10": "5"}
BUY, SELL = Side.BUY, Side.SELL


def papers(**more: Any) -> Papers:
    made = Papers(**more)
    made.load(BIDS, ASKS)
    return made


# Taking. ------------------------------------------------------------------------------------------------------------


def test_a_market_order_walks_the_levels_after_the_latency_and_pays_in_the_asset_it_receives() -> None:
    desk = papers()
    sent = desk.now
    order = desk.order(BUY, "4")
    assert filled(desk) == [(order, "100.01", "1"), (order, "100.02", "2"), (order, "100.1", "1")]
    assert [fill.id for fill in desk.fills] == [f"{order}/1", f"{order}/2", f"{order}/3"]
    assert {fill.ts for fill in desk.fills} == {sent + LATENCY}
    assert [(fill.fee, fill.fee_asset, fill.liquidity) for fill in desk.fills] == [
        (units("0.001"), "BTC", Liquidity.TAKER),
        (units("0.002"), "BTC", Liquidity.TAKER),
        (units("0.001"), "BTC", Liquidity.TAKER),
    ]
    assert desk.orders[order].state is OrderState.FILLED
    sold = desk.order(SELL, "0.5")
    assert filled(desk)[-1] == (sold, "99.99", "0.5")
    assert (desk.fills[-1].fee, desk.fills[-1].fee_asset) == (units("0.049995"), "USDT")


def test_the_book_of_the_moment_of_arrival_counts_not_that_of_sending() -> None:
    desk = papers()
    spec = desk.spec(BUY, "1")
    desk.venue.submit(approved(spec), desk.now)
    assert desk.venue.due == desk.now + LATENCY
    assert desk.venue.advance(desk.now + LATENCY - 1, desk.look) == []
    desk.book.apply((), ((10001, 0),), 9)
    events = desk.venue.advance(desk.now + LATENCY, desk.look)
    assert [event.fill.price for event in events if hasattr(event, "fill")] == [units("100.02")]
    assert desk.venue.due == NEVER


def test_what_was_taken_stays_taken_until_an_update_touches_that_level() -> None:
    desk = papers()
    first = desk.order(BUY, "2.5")
    desk.delta(asks={"100.30": "1"})
    second = desk.order(BUY, "1")
    assert filled(desk)[2:] == [(second, "100.02", "0.5"), (second, "100.1", "0.5")]
    assert filled(desk)[:2] == [(first, "100.01", "1"), (first, "100.02", "1.5")]
    desk.delta(asks={"100.01": "0.7"})
    desk.order(BUY, "1")
    assert filled(desk)[-2:] == [("o3", "100.01", "0.7"), ("o3", "100.1", "0.3")]


def test_a_book_that_runs_out_within_what_is_known_of_it_ends_the_order() -> None:
    desk = papers()
    desk.high = 10002
    order = desk.order(BUY, "4")
    assert filled(desk) == [(order, "100.01", "1"), (order, "100.02", "2")]
    ended = desk.last(OrderCanceled)
    assert ended.expired
    assert ended.filled == units("3")
    assert "with 1 of it not filled" in ended.reason


def test_a_message_that_the_book_has_passed_gives_nothing_back() -> None:
    desk = papers()
    desk.order(BUY, "1")
    desk.delta(asks={"100.01": "1"}, old=True)
    desk.order(BUY, "1")
    assert filled(desk) == [("o1", "100.01", "1"), ("o2", "100.02", "1")]


def test_of_a_level_that_is_no_whole_number_of_lots_the_dust_is_left() -> None:
    desk = Papers()
    desk.load({"99.99": "1"}, {"100.01": "0.12345678", "100.02": "1"})
    order = desk.order(BUY, "0.2")
    assert filled(desk) == [(order, "100.01", "0.12345"), (order, "100.02", "0.07655")]


def test_a_limit_order_takes_what_crosses_and_rests_with_the_rest() -> None:
    desk = papers()
    order = desk.order(BUY, "4", "100.02")
    assert filled(desk) == [(order, "100.01", "1"), (order, "100.02", "2")]
    assert desk.orders[order].state is OrderState.PARTIAL
    assert desk.venue.watched == {SPOT.key}
    desk.delta(asks={"100.01": "0", "100.02": "0"})
    assert len(filled(desk)) == 2
    desk.trade("100.02", "0.4", sell=True)
    assert filled(desk)[2:] == [(order, "100.02", "0.4")]
    assert desk.fills[-1].liquidity is Liquidity.MAKER


@pytest.mark.parametrize(
    ("terms", "quantity", "parts"),
    [
        (TimeInForce.IOC, "4", ["1", "2"]),
        (TimeInForce.IOC, "3", ["1", "2"]),
        (TimeInForce.FOK, "4", []),
        (TimeInForce.FOK, "3", ["1", "2"]),
    ],
)
def test_immediate_or_cancel_and_fill_or_kill(terms: TimeInForce, quantity: str, parts: list[str]) -> None:
    desk = papers()
    order = desk.order(BUY, quantity, "100.02", time_in_force=terms)
    assert [part for _, _, part in filled(desk)] == parts
    wanted = OrderState.FILLED if quantity == "3" else OrderState.EXPIRED
    assert desk.orders[order].state is wanted
    desk.delta(asks={"100.01": "0", "100.02": "0"})
    assert desk.venue.watched == set()


# Resting. -----------------------------------------------------------------------------------------------------------


def test_an_order_waits_behind_everything_that_was_displayed_when_it_came() -> None:
    desk = papers()
    order = desk.order(BUY, "1", "99.98")
    desk.trade("99.98", "1.5", sell=True)
    assert not desk.fills
    desk.trade("99.98", "0.7", sell=False)
    assert not desk.fills
    desk.trade("99.98", "0.7", sell=True)
    assert filled(desk) == [(order, "99.98", "0.2")]
    desk.trade("99.98", "5", sell=True)
    assert filled(desk)[1:] == [(order, "99.98", "0.8")]
    assert desk.orders[order].state is OrderState.FILLED
    assert desk.fills[0].fee == units("0.0002")
    assert desk.fills[0].fee_asset == "BTC"


def test_others_who_leave_bring_it_forward_those_who_join_do_not_put_it_back() -> None:
    desk = papers()
    desk.order(BUY, "1", "99.98")
    desk.delta(bids={"99.98": "0.5"})
    desk.delta(bids={"99.98": "7"})
    desk.trade("99.98", "0.6", sell=True)
    assert filled(desk) == [("o1", "99.98", "0.1")]


def test_a_trade_that_the_book_knows_of_already_brings_nothing_forward_twice() -> None:
    desk = papers()
    desk.order(BUY, "1", "99.98")
    told = desk.now
    desk.delta(bids={"99.98": "0.5"})
    desk.trade("99.98", "1.5", sell=True, at=told)  # this is why 0.5 was left
    assert not desk.fills
    desk.trade("99.98", "0.6", sell=True)
    assert filled(desk) == [("o1", "99.98", "0.1")]


def test_trades_that_the_book_knows_of_bring_it_forward_by_themselves() -> None:
    desk = papers()
    desk.order(BUY, "1", "99.98")
    told = desk.now
    desk.delta(bids={"99.90": "1"})
    desk.trade("99.98", "1.5", sell=True, at=told)
    assert not desk.fills
    desk.trade("99.98", "1", sell=True, at=told)
    assert filled(desk) == [("o1", "99.98", "0.5")]


def test_a_trade_of_before_it_came_does_not_count() -> None:
    desk = papers()
    desk.delta(bids={"99.97": "1"})
    before = desk.stamp
    desk.order(BUY, "1", "99.98")
    desk.trade("99.98", "9", sell=True, at=before)
    desk.trade("99.50", "9", sell=True, at=before)
    assert not desk.fills


def test_a_trade_beyond_its_price_fills_it_up_to_that_trades_size_at_its_own_price() -> None:
    desk = papers()
    order = desk.order(BUY, "3", "99.98")
    desk.trade("99.97", "1.25", sell=True)
    assert filled(desk) == [(order, "99.98", "1.25")]
    desk.trade("99.98", "0.5", sell=True)  # whatever stood before it is gone
    assert filled(desk)[1:] == [(order, "99.98", "0.5")]


def test_our_orders_share_a_trade_best_price_first_then_in_the_order_of_arrival() -> None:
    desk = papers()
    low = desk.order(BUY, "1", "99.97")
    first = desk.order(BUY, "1", "99.98")
    second = desk.order(BUY, "1", "99.98")
    desk.trade("99.98", "2.5", sell=True)
    assert filled(desk) == [(first, "99.98", "0.5")]
    desk.trade("99.96", "2", sell=True)
    assert filled(desk)[1:] == [(first, "99.98", "0.5"), (second, "99.98", "1"), (low, "99.97", "0.5")]


def test_the_other_side_that_comes_to_its_price_fills_it_once_at_its_price() -> None:
    desk = papers()
    order = desk.order(BUY, "3", "99.95")
    desk.delta(bids={"99.99": "0", "99.98": "0"}, asks={"99.93": "0.5", "99.95": "1", "99.96": "9"})
    assert filled(desk) == [(order, "99.95", "0.5"), (order, "99.95", "1")]
    desk.delta(asks={"99.97": "1"})
    assert len(filled(desk)) == 2
    desk.delta(asks={"99.93": "0.25"})
    assert filled(desk)[2:] == [(order, "99.95", "0.25")]
    assert desk.fills[-1].liquidity is Liquidity.MAKER


def test_below_what_is_known_of_the_book_it_stands_behind_all_until_an_update_tells() -> None:
    desk = papers()
    desk.low = 9990
    desk.order(BUY, "1", "99.50")
    desk.trade("99.50", "1000", sell=True)
    assert not desk.fills
    desk.delta(bids={"99.50": "2"})
    desk.trade("99.50", "2.5", sell=True)
    assert filled(desk) == [("o1", "99.5", "0.5")]


def test_after_the_book_was_lost_it_stands_behind_everything() -> None:
    desk = papers()
    order = desk.order(BUY, "1", "99.98")
    desk.trade("99.98", "2", sell=True)
    desk.lose()
    desk.trade("99.98", "50", sell=True)
    assert not desk.fills
    desk.live = True
    desk.load(BIDS, ASKS)
    desk.trade("99.98", "2.1", sell=True)
    assert filled(desk) == [(order, "99.98", "0.1")]


def test_a_snapshot_that_widens_a_live_book_moves_nobody_and_gives_nothing_back() -> None:
    desk = papers()
    desk.low = 9995
    near = desk.order(BUY, "1", "99.98")
    far = desk.order(BUY, "1", "99.50")
    desk.order(BUY, "1")
    desk.trade("99.98", "1.9", sell=True)
    desk.low = 9900
    desk.book.bids[9950] = units("3")
    desk.hear(desk.venue.on_reload(desk.look(), desk.now))
    desk.trade("99.98", "0.2", sell=True)
    assert filled(desk)[1:] == [(near, "99.98", "0.1")]
    desk.trade("99.50", "3", sell=True)
    assert filled(desk)[2:] == [
        (near, "99.98", "0.9"),
    ]
    desk.trade("99.50", "3.1", sell=True)
    assert filled(desk)[3:] == [(far, "99.5", "1")]
    desk.order(BUY, "0.1")
    assert filled(desk)[-1] == ("o4", "100.02", "0.1")


# Stops. -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "kind", "stop", "quiet", "waking"),
    [
        (SELL, OrderType.STOP, "99.50", "99.51", "99.50"),
        (BUY, OrderType.STOP, "100.50", "100.49", "100.50"),
        (SELL, OrderType.TAKE_PROFIT, "100.50", "100.49", "100.50"),
        (BUY, OrderType.TAKE_PROFIT, "99.50", "99.51", "99.50"),
    ],
)
def test_a_stop_wakes_at_a_trade_and_takes_at_once(
    side: Side, kind: OrderType, stop: str, quiet: str, waking: str
) -> None:
    desk = papers(base="10")
    order = desk.order(side, "1", stop=stop, type=kind)
    desk.trade(quiet, "1", sell=True)
    assert desk.told(order) == ["OrderAccepted"]
    desk.load({"99.0": "9"}, {"101": "9"})
    desk.trade(waking, "1", sell=True)
    assert desk.told(order) == ["OrderAccepted", "OrderTriggered", "OrderFilled"]
    assert desk.last(OrderTriggered).price == units(waking)
    assert filled(desk) == [(order, "101" if side is BUY else "99", "1")]


def test_a_stop_gets_no_better_price_than_the_trade_that_woke_it_while_the_book_lags() -> None:
    desk = papers(base="10")
    desk.order(SELL, "1", stop="99.95")
    desk.trade("99.90", "4.5", sell=True)  # swept 99.99 and 99.98, and most of 99.90
    assert filled(desk) == [("o1", "99.9", "0.5")]
    assert desk.last(OrderCanceled).expired
    desk.order(SELL, "1")  # the book is as it is displayed
    assert filled(desk)[1:] == [("o2", "99.99", "1")]


def test_a_stop_that_an_old_trade_wakes_gets_what_is_displayed() -> None:
    desk = papers(base="10")
    desk.order(SELL, "1", stop="99.95")
    desk.delta(bids={"99.80": "1"})
    desk.trade("99.90", "4.5", sell=True, at=desk.stamp)
    assert filled(desk) == [("o1", "99.99", "1")]


def test_a_stop_limit_rests_where_its_price_cannot_be_had() -> None:
    desk = papers(base="10")
    order = desk.order(SELL, "2", "99.97", stop="99.98", type=OrderType.STOP_LIMIT)
    desk.load({"99.97": "0.5", "99.90": "9"}, ASKS)
    desk.trade("99.98", "1", sell=False)
    assert filled(desk) == [(order, "99.97", "0.5")]
    desk.delta(bids={"99.97": "0"}, asks={"99.97": "3"})
    desk.trade("99.97", "0.25", sell=False)  # the 3 came after it
    assert filled(desk)[1:] == [(order, "99.97", "0.25")]


def test_without_a_book_a_stop_gets_the_price_of_the_trade_that_woke_it() -> None:
    desk = papers(base="10")
    desk.order(SELL, "1", stop="99.50")
    desk.lose()
    desk.trade("98.70", "0.1", sell=True)
    assert filled(desk) == [("o1", "98.7", "1")]


# Groups and reducing orders. ----------------------------------------------------------------------------------------


def bracket(desk: Papers, quantity: str = "2") -> tuple[str, str]:
    group: dict[str, Any] = {"oco": "g", "reduce_only": True}
    return (
        desk.order(SELL, quantity, stop="99.50", **group),
        desk.order(SELL, quantity, "100.50", **group),
    )


def test_of_a_group_a_stop_that_wakes_ends_the_target_in_the_same_step() -> None:
    desk = papers(base="2")
    stop, target = bracket(desk)
    desk.delta(bids={"99.30": "0.5"})
    events = desk.trade("99.40", "1", sell=True)
    assert [(event.order, type(event).__name__) for event in events] == [
        (stop, "OrderTriggered"),
        (stop, "OrderFilled"),
        (stop, "OrderCanceled"),  # the book had no more
        (target, "OrderCanceled"),
    ]
    assert filled(desk) == [(stop, "99.3", "0.5")]
    assert desk.orders[target].state is OrderState.CANCELED


def test_of_a_group_a_fill_in_part_reduces_the_stop_and_the_last_ends_it() -> None:
    desk = papers(base="2")
    stop, target = bracket(desk)
    desk.trade("100.50", "0.5", sell=False)
    assert filled(desk) == [(target, "100.5", "0.5")]
    assert desk.last(OrderAmended).quantity == units("1.5")
    assert desk.orders[stop].quantity == units("1.5")
    desk.trade("100.51", "9", sell=False)
    assert desk.orders[target].state is OrderState.FILLED
    assert desk.orders[stop].state is OrderState.CANCELED
    assert desk.position == 0
    desk.trade("99.40", "1", sell=True)
    assert desk.position == 0


def test_reducing_orders_never_go_beyond_the_position() -> None:
    desk = papers(base="0.75")
    order = desk.order(SELL, "2", reduce_only=True)
    assert filled(desk) == [(order, "99.99", "0.75")]
    assert "nothing left to reduce" in desk.last(OrderCanceled).reason
    assert desk.position == 0
    desk.order(SELL, "2", reduce_only=True)
    assert desk.last(OrderRejected).code == "reduce_only"


def test_two_reducing_orders_of_the_same_step_share_one_position() -> None:
    desk = papers(base="1")
    desk.order(SELL, "1", "100.20", reduce_only=True)
    desk.order(SELL, "1", "100.20", reduce_only=True)
    desk.trade("100.30", "5", sell=False)
    assert filled(desk) == [("o1", "100.2", "1")]
    desk.trade("100.30", "5", sell=False)
    assert desk.orders["o2"].state is OrderState.EXPIRED
    assert desk.position == 0


def test_a_short_is_closed_by_a_reducing_buy_on_a_derivative() -> None:
    desk = Papers(PERPETUAL, quote="10000")
    desk.rules = Rules(tick=units("0.1"), step=units("0.001"), min_quantity=units("0.001"), min_notional=units("100"))
    desk.load({"99.9": "50"}, {"100.1": "50"})
    desk.order(SELL, "10")
    assert desk.position == units("-10")
    assert (desk.fills[-1].fee, desk.fills[-1].fee_asset) == (units("0.4995"), "USDT")
    desk.order(BUY, "0.5", reduce_only=True)  # below the least value, which such orders need not reach
    assert desk.position == units("-9.5")


# Refusals. ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "code", "sentence"),
    [
        ({"quantity": "0.000015"}, "rules", "no multiple of the lot step 0.00001; 0.00001 would be"),
        ({"quantity": "1", "price": "99.995"}, "rules", "no multiple of the price step 0.01; 100 would be"),
        ({"quantity": "0.01"}, "rules", "is worth 1 USDT, below the least of 5"),
        (
            {"quantity": "0.04", "price": "90"},
            "rules",
            "is worth 3.6 USDT, below the least of 5; at this price the least",
        ),
        ({"quantity": "2", "price": "99", "side": SELL}, "balance", "needs 2 BTC, and 1 is free"),
        ({"quantity": "6", "price": "99"}, "balance", "needs 594 USDT, and 500 is free"),
        ({"quantity": "5"}, "balance", "needs 500.25 USDT, and 500 is free"),
        ({"quantity": "1", "price": "100.01", "post_only": True}, "post_only", "it would take what stands at 100.01"),
    ],
)
def test_it_rejects_what_a_venue_would_and_says_why(asked: dict[str, Any], code: str, sentence: str) -> None:
    desk = papers(base="1", quote="500")
    order = desk.order(asked.pop("side", BUY), **asked)
    rejected = desk.last(OrderRejected)
    assert (rejected.order, rejected.code) == (order, code)
    assert sentence in rejected.reason
    assert not desk.fills
    assert desk.venue.watched == set()


def test_what_is_free_and_not_known_rejects() -> None:
    desk = papers()
    desk.balances["USDT"] = None
    desk.order(BUY, "1")
    assert "not known" in desk.last(OrderRejected).reason


def test_two_market_orders_of_the_same_moment_do_not_spend_the_same_money() -> None:
    desk = papers(quote="150")
    for _ in range(2):
        desk.send(desk.spec(BUY, "1"))
    desk.wait()
    assert filled(desk) == [("o1", "100.01", "1")]
    assert desk.last(OrderRejected).code == "balance"


def test_two_limit_orders_of_the_same_moment_are_counted_once_each() -> None:
    desk = papers(quote="150")
    for _ in range(2):
        desk.send(desk.spec(BUY, "0.7", "100.02"))
    desk.wait()
    assert filled(desk) == [("o1", "100.01", "0.7"), ("o2", "100.01", "0.3"), ("o2", "100.02", "0.4")]


def test_without_a_live_book_an_order_is_rejected_and_a_stop_is_taken() -> None:
    desk = papers(base="1")
    desk.lose()
    desk.order(BUY, "1", "99")
    assert desk.last(OrderRejected).code == "no_book"
    desk.order(SELL, "1", stop="99")
    assert isinstance(desk.events[-1], OrderAccepted)


def test_what_is_not_followed_or_inverse_or_without_fees_is_rejected() -> None:
    desk = papers()
    desk.send(desk.spec(BUY, "1"))
    events = desk.venue.advance(desk.venue.due, lambda _: None)
    assert [event.code for event in events if isinstance(event, OrderRejected)] == ["unknown_symbol"]
    import msgspec

    for change, code in (
        ({"contract_size": 100}, "inverse"),
        ({"venue": "elsewhere"}, "fees"),
        ({"size_decimals": 9}, "scale"),
    ):
        desk.instrument = msgspec.structs.replace(SPOT, **change)
        desk.order(BUY, "1")
        assert desk.last(OrderRejected).code == code


# Cancels and changes. -----------------------------------------------------------------------------------------------


def test_a_cancel_arrives_after_the_latency_and_may_be_too_late() -> None:
    desk = papers()
    order = desk.order(BUY, "1", "99.98")
    desk.venue.cancel(order, desk.now)
    desk.hear(desk.venue.on_trade(desk.look(), _trade(desk, "99.90", "9"), desk.now + MS))
    assert desk.orders[order].state is OrderState.FILLED
    desk.wait()
    assert isinstance(desk.events[-1], CancelRefused)
    assert "is over, or never came" in desk.events[-1].reason
    other = desk.order(BUY, "1", "99.90")
    desk.venue.cancel(other, desk.now)
    desk.wait()
    ended = desk.last(OrderCanceled)
    assert (ended.order, ended.filled, ended.expired) == (other, 0, False)


def _trade(desk: Papers, price: str, size: str) -> Any:
    from engine.types import Trade

    [(ticks, lots)] = desk.levels({price: size})
    return Trade(
        instrument=desk.instrument.key, id=1, price=ticks, size=lots, ts_exch=desk.now, ts_sent=desk.now, sell=True
    )


def amend(desk: Papers, order: str, **values: str) -> None:
    import msgspec

    spec = desk.orders[order].spec
    changed = msgspec.structs.replace(spec, **{name: units(value) for name, value in values.items()})
    desk.change(changed)


def test_a_smaller_quantity_keeps_its_place_another_price_does_not() -> None:
    desk = papers()
    order = desk.order(BUY, "3", "99.98")
    desk.trade("99.98", "1.9", sell=True)
    amend(desk, order, quantity="2")
    desk.trade("99.98", "0.2", sell=True)
    assert filled(desk) == [(order, "99.98", "0.1")]
    amend(desk, order, price="99.90", quantity="2")
    amend(desk, order, price="99.98", quantity="2")
    desk.trade("99.98", "2", sell=True)
    assert len(desk.fills) == 1


def test_a_change_that_crosses_takes_at_once_and_one_that_cannot_be_is_refused() -> None:
    desk = papers(quote="300")
    order = desk.order(BUY, "1.5", "99.98")
    amend(desk, order, price="100.01")
    assert filled(desk) == [(order, "100.01", "1")]
    amend(desk, order, price="100.01", quantity="0.5")
    assert "1 of it is filled" in desk.last(AmendRefused).reason
    amend(desk, order, price="100.01", quantity="50")
    assert "is free" in desk.last(AmendRefused).reason
    desk.venue.cancel(order, desk.now)
    desk.wait()
    amend(desk, order, price="99")
    assert "is over, or never came" in desk.last(AmendRefused).reason


def test_a_stop_price_can_be_moved() -> None:
    desk = papers(base="5")
    order = desk.order(SELL, "1", stop="99.50")
    amend(desk, order, stop_price="99.80")
    desk.delta(bids={"99.60": "2"})
    desk.trade("99.70", "0.1", sell=True)
    assert desk.orders[order].state is OrderState.FILLED


# Restarts. ----------------------------------------------------------------------------------------------------------


def restarted(desk: Papers, *, blind: bool = True) -> Papers:
    fresh = Papers(desk.instrument)
    fresh.now, fresh.position, fresh.balances = desk.now, desk.position, desk.balances
    fresh.kept, fresh.loads = desk.kept, 0
    fresh.hear(fresh.venue.restore([order for order in desk.orders.values() if order.open], blind=blind))
    return fresh


def test_after_a_restart_the_first_trade_that_reaches_a_stop_fills_it_at_its_own_price() -> None:
    desk = papers(base="2")
    stop, target = bracket(desk)
    fresh = restarted(desk)
    fresh.load({"97.10": "9"}, {"97.20": "9"})
    fresh.trade("97.15", "0.001", sell=True)
    assert filled(fresh) == [(stop, "97.15", "2")]
    assert fresh.orders[target].state is OrderState.CANCELED
    assert fresh.venue.watched == set()


def test_after_the_first_trade_the_book_counts_again_and_ids_go_on() -> None:
    desk = papers(base="2")
    stop, target = bracket(desk)
    desk.trade("100.50", "0.5", sell=False)
    fresh = restarted(desk)
    assert fresh.venue.watched == {SPOT.key}
    fresh.load(BIDS, ASKS)
    fresh.trade("100.00", "1", sell=True)
    assert not fresh.fills
    fresh.trade("100.50", "0.25", sell=False)
    assert [(fill.id, fill.quantity) for fill in fresh.fills] == [(f"{target}/2", units("0.25"))]
    fresh.load({"99.00": "9"}, ASKS)
    fresh.trade("99.50", "1", sell=True)
    assert filled(fresh)[1:] == [(stop, "99", "1.25")]


def test_a_stop_that_was_triggered_before_a_restart_rests_as_the_limit_order_that_it_is() -> None:
    desk = papers(base="2")
    order = desk.order(SELL, "1", "100.30", stop="99.98", type=OrderType.STOP_LIMIT)
    desk.trade("99.98", "0.1", sell=True)
    assert desk.told(order) == ["OrderAccepted", "OrderTriggered"]
    fresh = restarted(desk)
    fresh.load(BIDS, ASKS)
    fresh.trade("99.90", "1", sell=True)
    assert not fresh.events
    fresh.trade("100.31", "0.5", sell=False)
    assert filled(fresh) == [(order, "100.3", "0.5")]


def test_what_was_under_way_at_a_restart_is_told() -> None:
    desk = papers(base="2")
    kept = desk.order(BUY, "1", "99.90")
    ended = desk.order(BUY, "1", "99.91")
    from engine.orders import CancelSent

    desk.kept.apply(CancelSent(order=ended, ts=desk.now))
    desk.send(desk.spec(BUY, "1"))
    fresh = restarted(desk)
    assert fresh.orders[kept].state is OrderState.WORKING
    assert fresh.orders[ended].state is OrderState.CANCELED
    rejected = fresh.last(OrderRejected)
    assert (rejected.order, rejected.code) == ("o3", "not_placed")


def test_an_empty_venue_watches_nothing_and_keeps_nothing() -> None:
    desk = papers(base="5")
    desk.order(BUY, "1", "99.5")
    desk.order(SELL, "1", stop="99")
    desk.order(BUY, "0.5")
    assert desk.venue.watched == {SPOT.key}
    for order in ("o1", "o2"):
        desk.venue.cancel(order, desk.now)
    desk.wait()
    assert desk.venue.watched == {SPOT.key}  # of what was taken
    desk.delta(asks={"100.01": "1"})
    assert desk.venue.watched == set()
    assert desk.venue.state() == [[], []]
