from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.execution.money import fee, from_ticks, half_even, share, value, value_up
from engine.orders import UNIT, units

prices = st.integers(0, 10**15)
quantities = st.integers(-(10**15), 10**15)


@given(prices, quantities)
def test_a_value_is_what_exact_arithmetic_says_half_even(price, quantity):
    exact = Fraction(price * quantity, UNIT)
    assert value(price, quantity) == round(exact)
    assert value(price, -quantity) == -value(price, quantity)
    assert value_up(price, quantity) == ceil(exact)


@pytest.mark.parametrize(
    ("numerator", "denominator", "expected"), [(5, 2, 2), (7, 2, 4), (-5, 2, -2), (-7, 2, -4), (8, 3, 3), (7, 3, 2)]
)
def test_ties_go_to_the_even_number(numerator, denominator, expected):
    assert half_even(numerator, denominator) == expected


@given(quantities, st.integers(1, 10**15), st.data())
def test_shares_of_a_total_are_near_and_lose_nothing(amount, whole, data):
    part = data.draw(st.integers(0, whole))
    taken = share(amount, part, whole)
    assert share(amount, whole, whole) == amount
    assert share(amount, 0, whole) == 0
    assert abs(taken * whole - amount * part) * 2 <= whole
    assert taken + (amount - taken) == amount


@pytest.mark.parametrize(
    ("worth", "bps", "expected"),
    [
        ("600", 10.0, units("0.6")),
        ("0.00000001", 10.0, 1),
        ("0.00000001", -1.0, 0),
        ("600", 0.0, 0),
        ("600", -2.5, -units("0.15")),
        ("0.00033333", -1.0, -3),
        ("0.00033333", 1.0, 4),
        ("123.45678901", 7.5, 9_259_260),
    ],
)
def test_fees_are_rounded_up_and_rebates_toward_zero(worth, bps, expected):
    assert fee(units(worth), bps) == expected


@given(st.integers(0, 10**18), st.integers(-10_000, 100_000))
def test_a_fee_is_never_less_than_its_rate_and_less_than_one_unit_more(worth, tenths):
    exact = Fraction(worth * tenths, 100_000)
    assert 0 <= fee(worth, tenths / 10) - exact < 1


@given(st.integers(0, 10**12), st.integers(0, 8))
def test_ticks_are_counted_in_units(number, decimals):
    assert from_ticks(number, decimals) * 10**decimals == number * UNIT


def test_what_is_finer_than_the_scale_is_refused_with_its_number():
    with pytest.raises(ValueError, match="finer than 1e-8"):
        from_ticks(15, 9)
    assert from_ticks(150, 9) == 15
