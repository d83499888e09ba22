"""Figures against their definitions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.orders import UNIT
from engine.risk import metrics
from engine.types import Timeframe
from tests.support.series import BINANCE_1D, recorded


def daily(returns: list[float]) -> np.ndarray:
    return np.cumprod([100.0, *(1 + each for each in returns)])[:, None]


def test_the_worst_twentieth_of_days_is_the_tail():
    # 40 days: the two worst are -10 % and -6 %
    returns = [0.01] * 38
    returns.insert(3, -0.10)
    returns.insert(20, -0.06)
    tail = metrics.var_es([1000.0], daily(returns))
    assert tail is not None
    assert tail.samples == 40
    assert tail.var == pytest.approx(60.0)
    assert tail.es == pytest.approx(80.0)


def test_positions_are_taken_together_with_their_signs():
    dice = np.random.default_rng(5)
    one = dice.normal(0, 0.02, 100)
    prices = np.cumprod(1 + np.stack([one, one], axis=1), axis=0)
    hedged = metrics.var_es([500.0, -500.0], prices)
    assert hedged is not None
    assert hedged.var == pytest.approx(0, abs=1e-9)
    both, single = metrics.var_es([500.0, 500.0], prices), metrics.var_es([1000.0], prices[:, :1])
    assert both is not None
    assert single is not None
    assert both.var == pytest.approx(single.var)


def test_thirty_days_are_needed():
    assert metrics.var_es([1.0], daily([0.01, -0.01] * 14 + [0.01])) is None
    assert metrics.var_es([1.0], daily([0.01, -0.01] * 15)) is not None
    assert metrics.var_es([1.0], np.ones((24 * 30, 1)), per_day=24) is None
    assert metrics.var_es([1.0], np.ones((24 * 31, 1)), per_day=24) == metrics.Tail(var=0.0, es=0.0, samples=30)
    assert metrics.var_es([1.0, 2.0], np.ones((100, 1))) is None


def test_hours_are_taken_a_day_at_a_time():
    dice = np.random.default_rng(3)
    closes = np.cumprod(1 + dice.normal(0, 0.005, (24 * 40, 1)), axis=0)
    tail = metrics.var_es([100.0], closes, per_day=24)
    assert tail is not None
    days = np.sort(100 * (closes[24:, 0] / closes[:-24, 0] - 1))
    worst = days[: int(len(days) * 0.05)]
    assert tail.var == pytest.approx(-worst[-1])
    assert tail.es == pytest.approx(-worst.mean())
    assert tail.samples == 39


def test_recorded_days_lose_more_than_var_once_in_twenty(recordings_root_path: Path):
    closes = recorded(recordings_root_path, BINANCE_1D, Timeframe.D1).close
    tail = metrics.var_es([1.0], closes[:, None])
    assert tail is not None
    days = closes[1:] / closes[:-1] - 1
    assert tail.samples == len(days)
    assert len(days) > 1000
    assert np.mean(-days >= tail.var) == pytest.approx(0.05, abs=1 / len(days))
    assert tail.es == pytest.approx(-days[-days >= tail.var].mean())
    short = metrics.var_es([-1.0], closes[:, None])
    assert short is not None
    assert short.var == pytest.approx(np.sort(days)[-int(len(days) * 0.05)])


def test_a_missing_close_is_no_return_and_a_flat_position_needs_none():
    closes = np.hstack([daily([0.01, -0.01] * 20), np.full((41, 1), np.nan)])
    assert metrics.var_es([1.0, 1.0], closes) is None
    assert metrics.var_es([1.0, 0.0], closes) is not None
    closes[5, 0] = np.nan
    tail = metrics.var_es([1.0, 0.0], closes)
    assert tail is not None
    assert tail.samples == 38


@given(st.lists(st.floats(-0.2, 0.2), min_size=30, max_size=80), st.floats(-1000, 1000))
@settings(max_examples=100, deadline=None)
def test_es_is_never_milder_than_var(returns: list[float], value: float):
    tail = metrics.var_es([value], daily(returns))
    assert tail is not None
    assert tail.es >= tail.var - 1e-9
    assert tail.var >= 0


@pytest.mark.parametrize(
    ("freedom", "quantile"),
    [(1, 1.376), (2, 1.061), (3, 0.978), (5, 0.920), (10, 0.879), (19, 0.861), (30, 0.854), (120, 0.845)],
)
def test_students_t_is_that_of_the_tables(freedom: int, quantile: float):
    assert metrics.student_80(freedom) == pytest.approx(quantile, abs=1.1e-3)


def test_a_lower_bound_is_the_mean_less_its_error():
    assert metrics.lower_bound(1, 0.5, 0.0) is None
    assert metrics.lower_bound(20, 0.5, 0.0) == 0.5
    # s^2 = 19 / 19, so the error is 1 / sqrt 20
    assert metrics.lower_bound(20, 0.5, 19.0) == pytest.approx(0.5 - 0.861 / 20**0.5, abs=1e-4)


def test_figures_of_trades():
    assert metrics.hit_rate([1.0, -1.0, 0.0, 2.0]) == 0.5
    assert metrics.mean_r([1.0, -1.0, 0.0, 2.0]) == 0.5
    assert metrics.hit_rate([]) is None
    assert metrics.mean_r([]) is None


def test_figures_of_the_account():
    assert metrics.exposure([5 * UNIT, -3 * UNIT]) == 8 * UNIT
    assert metrics.leverage(8 * UNIT, 4 * UNIT) == 2.0
    assert metrics.leverage(1, 0) is None
    assert metrics.leverage(1, None) is None
