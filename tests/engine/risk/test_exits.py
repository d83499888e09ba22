"""Stops, targets, trailing and time: for long and short alike, each asked for once, a trailing stop never back."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.orders import UNIT, Side
from engine.risk.exits import Due, Protection
from engine.types import SECOND

PRICE = 60_000 * UNIT


def protect(side: Side = Side.BUY, **exits: float) -> Protection:
    made = Protection("binance:BTC/USDT", side)
    made.set(**exits)  # type: ignore[arg-type]
    return made


def sides(side: Side, distance: int) -> int:
    """A price so much better for a position than 60,000."""
    return PRICE + side.sign * distance * UNIT


@pytest.mark.parametrize("side", Side)
def test_a_stop_that_does_not_rest_closes_at_its_price_or_beyond(side: Side):
    stop = sides(side, -600)
    held = protect(side, stop_loss=stop)
    assert held.price(sides(side, -599), 1) is None
    assert held.price(stop, 2) == Due(close="stop_loss")
    assert held.price(stop, 3) is None
    held.again()
    assert held.price(sides(side, -500), 4) is None
    # Nobody watched while it fell through: the first price after that closes it.
    assert held.price(sides(side, -5000), 5) == Due(close="stop_loss")


@pytest.mark.parametrize("side", Side)
def test_a_target_that_does_not_rest_closes_at_its_price_or_better(side: Side):
    held = protect(side, take_profit=sides(side, 600))
    assert held.price(sides(side, 599), 1) is None
    assert held.price(sides(side, 601), 2) == Due(close="take_profit")


@pytest.mark.parametrize("side", Side)
def test_what_rests_at_the_venue_is_left_to_it(side: Side):
    held = protect(side, stop_loss=sides(side, -600), take_profit=sides(side, 600))
    held.stop_held = held.target_held = True
    assert held.price(sides(side, -700), 1) is None
    assert held.price(sides(side, 700), 2) is None
    held.stop_held = False
    assert held.price(sides(side, -700), 3) == Due(close="stop_loss")


@pytest.mark.parametrize("side", Side)
def test_a_trailing_stop_follows_the_best_price_and_never_goes_back(side: Side):
    held = protect(side, trailing_bps=100.0, price=PRICE)
    held.stop_held = True
    assert held.price(PRICE, 1) == Due(stop=sides(side, -600))
    assert held.price(sides(side, -300), 2) is None
    # 10 better moves the stop by 10 or so, which is not yet 2 bps of it
    assert held.price(sides(side, 10), 3) is None
    due = held.price(sides(side, 1000), 4)
    assert due is not None
    best = sides(side, 1000)
    assert due.stop == best - side.sign * (best // 100)
    assert held.price(sides(side, -100), 5) is None
    assert held.stop == due.stop


def test_a_trailing_stop_begins_no_worse_than_the_stop_that_is_there():
    held = protect(stop_loss=PRICE - 100 * UNIT, trailing_bps=100.0, price=PRICE)
    held.stop_held = True
    assert held.price(PRICE, 1) is None
    assert held.stop == PRICE - 100 * UNIT
    due = held.price(PRICE + 1000 * UNIT, 2)
    assert due is not None
    assert due.stop > PRICE


def test_a_time_stop_closes_when_nothing_is_traded_too():
    held = protect(closes_at=100 * SECOND, stop_loss=1)
    assert held.elapsed(100 * SECOND - 1) is None
    assert held.elapsed(100 * SECOND) == Due(close="time_stop")
    assert held.elapsed(101 * SECOND) is None
    held.again()
    assert held.price(PRICE, 102 * SECOND) == Due(close="time_stop")


def test_exits_are_changed_one_by_one_and_taken_away_by_nought():
    held = protect(stop_loss=10, take_profit=20, trailing_bps=5.0, closes_at=30, price=15)
    held.set(take_profit=25)
    assert (held.stop, held.take_profit, held.trailing_bps, held.closes_at, held.best) == (10, 25, 5.0, 30, 15)
    held.set(trailing_bps=7.0, price=99)
    assert (held.trailing_bps, held.best) == (7.0, 15)
    assert not held.empty
    held.set(stop_loss=0, take_profit=0, trailing_bps=0, closes_at=0)
    assert held.empty
    assert held.price(1, 10**18) is None


@given(
    st.sampled_from(Side),
    st.floats(1, 5000),
    st.lists(st.integers(PRICE // 2, PRICE * 3 // 2), min_size=1, max_size=40),
    st.sampled_from([0, PRICE // 3, PRICE * 2]),
)
@settings(max_examples=200, deadline=None)
def test_a_trailing_stop_ratchets_and_an_image_goes_on_as_before(side: Side, bps: float, prices: list[int], stop: int):
    held = protect(side, trailing_bps=bps, price=PRICE, stop_loss=0 if stop * side.sign > PRICE * side.sign else stop)
    held.stop_held = True
    for at, price in enumerate(prices):
        copy = Protection.restored(msgspec.json.decode(msgspec.json.encode(held.image())))
        before = held.stop
        due = held.price(price, at)
        assert copy.price(price, at) == due
        assert copy.image() == held.image()
        if due is None:
            assert held.stop == before
            continue
        assert held.stop == due.stop
        if before:
            assert (due.stop - before) * side.sign * 10_000 >= 2 * before
        best = max(PRICE, *prices[: at + 1]) if side is Side.BUY else min(PRICE, *prices[: at + 1])
        assert (best - due.stop) * side.sign >= 0
        assert abs(abs(best - due.stop) - best * bps / 10_000) <= 1
