"""The price scale: what is asked for is in it, and it stays as long as it can be read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradetui.console.render.scale import FILL, LEAST_TICKS, Scale, between, fit, follow, shifted, stretched

prices = st.floats(1e-7, 1e7)
ranges = st.tuples(prices, prices).map(sorted)


@settings(max_examples=80)
@given(ranges, st.booleans())
def test_a_new_scale_holds_its_candles_with_room_on_both_sides(ends: list[float], log_: bool) -> None:
    low, high = ends
    scale = fit(low, high, 0.0, log_=log_)
    rows = scale.rows(np.array([low, high]), 20)
    assert 0 < rows[0] <= rows[1] < 20


@settings(max_examples=80)
@given(ranges, st.booleans(), st.sampled_from([0.0, 0.01, 1e-6]))
def test_a_scale_that_was_just_made_stays(ends: list[float], log_: bool, tick: float) -> None:
    scale = fit(*ends, tick, log_=log_)
    assert follow(scale, *ends, tick, log_=log_) is scale


@settings(max_examples=80)
@given(st.lists(st.floats(0.9, 1.1), min_size=2, max_size=30))
def test_a_followed_scale_always_holds_the_candles_and_is_never_nearly_empty(walk: list[float]) -> None:
    scale: Scale | None = None
    for low, high in zip(walk, [price + 0.05 for price in walk], strict=True):
        before = scale
        scale = follow(before, low, high, 0.0)
        assert scale.bottom <= low
        assert high <= scale.top
        assert high - low >= FILL * (scale.top - scale.bottom) * 0.999
        if before is not None and scale != before:
            assert low < before.bottom or high > before.top or high - low < FILL * (before.top - before.bottom)


def test_a_price_leaving_the_scale_makes_a_new_one_and_a_smaller_move_does_not() -> None:
    scale = fit(100.0, 110.0, 0.01)
    assert follow(scale, 100.0, 110.5, 0.01) is scale
    assert follow(scale, 100.0, 112.0, 0.01) is not scale
    assert follow(scale, 103.0, 107.0, 0.01) is not scale


@pytest.mark.parametrize("log_", [False, True])
@pytest.mark.parametrize("price", [1e-6, 0.5, 1e6])
def test_row_and_price_are_each_others_inverse(price: float, log_: bool) -> None:
    scale = fit(price, price * 1.5, 0.0, log_=log_)
    for row in (0.0, 3.5, 20.0):
        assert scale.rows(np.array([scale.price(row, 20)]), 20)[0] == pytest.approx(row, abs=1e-6)
    assert scale.low == pytest.approx(scale.price(0, 20))
    assert scale.high == pytest.approx(scale.price(20, 20))


def test_a_flat_market_has_a_scale_of_some_price_steps() -> None:
    scale = fit(2500.0, 2500.0, 0.01)
    assert scale.top - scale.bottom >= LEAST_TICKS * 0.01
    assert scale.bottom < 2500 < scale.top
    dust = fit(1e-6, 1e-6, 1e-8, log_=True)
    assert 0 < dust.low < 1e-6 < dust.high


def test_equal_ratios_are_equal_heights_on_a_logarithmic_scale() -> None:
    rows = between(1.0, 16.0, log_=True).rows(np.array([1.0, 2.0, 4.0, 16.0]), 40)
    assert rows == pytest.approx([0, 10, 20, 40])


def test_prices_without_a_logarithm_are_nowhere_or_on_a_linear_scale() -> None:
    assert np.isnan(between(1.0, 2.0, log_=True).rows(np.array([-1.0]), 10)[0])
    assert not between(-1.0, 2.0, log_=True).log


@settings(max_examples=50)
@given(ranges, st.lists(st.sampled_from([-1, 1]), max_size=300), st.booleans())
def test_no_stretching_breaks_a_scale(ends: list[float], presses: list[int], log_: bool) -> None:
    scale = fit(*ends, 0.0, log_=log_)
    for press in presses:
        scale = stretched(scale, press, scale.price(3, 10))
        assert scale.bottom < scale.top
        assert np.isfinite(scale.rows(np.array(ends), 20)).all() or log_


def test_stretching_keeps_the_price_it_is_about_in_its_place_and_is_undone() -> None:
    scale = fit(100.0, 200.0, 0.01)
    price = scale.price(5, 20)
    taller = stretched(scale, 1, price)
    assert taller.top - taller.bottom < scale.top - scale.bottom
    assert taller.rows(np.array([price]), 20)[0] == pytest.approx(5)
    assert stretched(taller, -1, price) == pytest.approx(scale)


def test_a_shifted_scale_shows_what_lay_so_many_rows_higher() -> None:
    scale = between(100.0, 120.0)
    assert shifted(scale, 5, 20).price(0, 20) == pytest.approx(105)
