"""The rules of venues: every refusal is a sentence, and what passes is on the grid."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.ingestion.markets import SPOT, USDM
from engine.ingestion.symbols import guess
from engine.orders import UNIT, OrderSpec, OrderType, Rules, Side, units
from engine.risk.rules import assumed, check, is_derivative, quote_of, round_price, round_quantity

RULES = Rules(
    tick=units("0.01"),
    step=units("0.001"),
    min_quantity=units("0.002"),
    min_notional=units("5"),
    max_quantity=units("1000"),
    max_market_quantity=units("100"),
)
KEY = "binance:ETH/USDT"


def spec(quantity: str, price: str = "0", stop: str = "0", **more: Any) -> OrderSpec:
    kind = OrderType.LIMIT if price != "0" else OrderType.STOP if stop != "0" else OrderType.MARKET
    values = {"id": "o", "instrument": KEY, "side": Side.BUY, "type": kind, **more}
    return OrderSpec(quantity=units(quantity), price=units(price), stop_price=units(stop), **values)


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (spec("0"), "a quantity of 0 cannot be traded; it has to be above 0"),
        (spec("1.0005"), "the quantity 1.0005 is no multiple of the lot step 0.001; 1 would be"),
        (spec("0.0005"), "the quantity 0.0005 is no multiple of the lot step 0.001"),
        (spec("0.001"), "the quantity 0.001 is below the least, 0.002"),
        (spec("1001", "10"), "the quantity 1001 is above the most, 1000; split it"),
        (spec("101"), "the quantity 101 is above the most, 100; split it"),
        (spec("1", "10.005"), "the price 10.005 is no multiple of the price step 0.01; 10.01 would be"),
        (spec("1", stop="10.004"), "the stop price 10.004 is no multiple of the price step 0.01; 10 would be"),
        (spec("1", type=OrderType.LIMIT), "a limit order needs a price above 0"),
        (spec("1", "9", type=OrderType.TAKE_PROFIT_LIMIT), "a take profit limit order needs a stop price above 0"),
        (
            spec("0.4", "10"),
            "the order is worth 4 USDT, below the least of 5; at this price the least quantity is 0.5",
        ),
        (spec("0.049"), "the order is worth 4.9 USDT, below the least of 5; at this price the least quantity is 0.05"),
        (spec("0.3", stop="10"), "the order is worth 3 USDT, below the least of 5"),
    ],
)
def test_what_a_venue_would_not_take_is_said_in_a_sentence(order: OrderSpec, said: str) -> None:
    found = check(order, RULES, units("100"))
    assert found.startswith(f"{KEY}: {said}")


@pytest.mark.parametrize(
    "order", [spec("1"), spec("1000", "10"), spec("0.5", "10"), spec("0.05"), spec("1", stop="10")]
)
def test_what_a_venue_takes_passes(order: OrderSpec) -> None:
    assert check(order, RULES, units("100")) == ""


def test_the_value_of_a_market_order_counts_only_where_a_price_is_known() -> None:
    assert check(spec("0.002"), RULES, None) == ""
    assert "worth" in check(spec("0.002"), RULES, units("100"))


def test_reducing_orders_of_derivatives_need_no_least_value_those_of_spot_do() -> None:
    contract = spec("0.002", instrument="binanceusdm:ETH/USDT:USDT", reduce_only=True)
    assert check(contract, RULES, units("100")) == ""
    assert "worth" in check(msgspec.structs.replace(contract, reduce_only=False), RULES, units("100"))
    assert "worth" in check(spec("0.002", reduce_only=True), RULES, units("100"))


@given(st.integers(1, 10**16), st.integers(1, 10**12), st.integers(1, 10**10), st.integers(1, 10**10))
def test_rounding_is_to_the_grid_and_never_in_our_disfavour(price: int, quantity: int, tick: int, step: int) -> None:
    rules = Rules(tick=tick, step=step, min_quantity=step, min_notional=0)
    size = round_quantity(quantity, rules)
    assert size % step == 0
    assert quantity - step < size <= quantity
    low, near, high = (
        round_price(price, rules, Side.BUY),
        round_price(price, rules),
        round_price(price, rules, Side.SELL),
    )
    assert low % tick == near % tick == high % tick == 0
    assert price - tick < low <= price <= high < price + tick
    assert 2 * abs(near - price) <= tick
    order = spec("1", "1")
    order = msgspec.structs.replace(order, price=max(low, tick), quantity=max(size, step))
    assert check(order, rules, None) == ""


@given(st.integers(1, 10**15), st.integers(1, 10**11), st.integers(0, 10**11))
def test_the_least_quantity_that_is_named_is_the_least(price: int, notional: int, quantity: int) -> None:
    rules = Rules(tick=1, step=1000, min_quantity=1000, min_notional=notional)
    asked = max(quantity // 1000 * 1000, 1000)
    order = msgspec.structs.replace(spec("1", "1"), price=price, quantity=asked)
    said = check(order, rules, None)
    assert (said == "") == (price * asked // UNIT >= notional)
    if said:
        least = units(said.rpartition(" ")[2])
        assert check(msgspec.structs.replace(order, quantity=least), rules, None) == ""
        if least > 1000:
            assert check(msgspec.structs.replace(order, quantity=least - 1000), rules, None) != ""


def test_known_rules_are_assumed_where_the_venue_has_not_told() -> None:
    found = assumed(guess(SPOT, "BTCUSDT", 2, 8))
    assert found == Rules(
        tick=units("0.01"), step=units("0.00001"), min_quantity=units("0.00001"), min_notional=units("5"), assumed=True
    )
    perpetual = assumed(guess(USDM, "ETHUSDT", 2, 3))
    assert (perpetual.step, perpetual.min_notional, perpetual.assumed) == (units("0.001"), units("20"), True)


def test_a_price_step_is_no_finer_than_the_prices_of_a_recording() -> None:
    assert assumed(guess(SPOT, "BTCUSDT", 1, 8)).tick == units("0.1")
    assert assumed(guess(USDM, "BTCUSDT", 2, 3)).tick == units("0.1")


def test_others_are_traded_by_their_scales() -> None:
    instrument = msgspec.structs.replace(guess(SPOT, "PEPEUSDT", 8, 2), tick=5)
    assert assumed(instrument) == Rules(
        tick=5, step=units("0.01"), min_quantity=units("0.01"), min_notional=0, assumed=True
    )


def test_keys_tell_what_they_are() -> None:
    assert not is_derivative(KEY)
    assert is_derivative("binanceusdm:BTC/USDT:USDT-240927")
    assert quote_of(KEY) == quote_of("binanceusdm:ETH/USDT:USDT") == "USDT"
