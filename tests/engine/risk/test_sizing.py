"""Sizes that can be checked by hand, and that the gate lets pass."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.approval import Approved, Refused
from engine.orders import UNIT, Rules, Side
from engine.risk.gate import judge
from engine.risk.limits import Limits, RiskSettings
from engine.risk.situation import Situation
from engine.risk.sizing import Calibrated, size
from tests.engine.risk.cases import NOW, PRICE, RULES, limit, situations, some_limits, well

WIDE = Limits(max_position=10.0, max_exposure=10.0, max_leverage=20.0, risk_per_trade=0.005)
DEEP = 10**9 * UNIT


def sized(
    situation: Situation,
    *,
    limits: Limits = WIDE,
    side: Side = Side.BUY,
    stop: int = PRICE * 98 // 100,
    volatility: float | None = None,
    rules: Rules | None = RULES,
    calibrated: Calibrated | None = None,
    **changes: Any,
) -> int | Refused:
    return size(RiskSettings(limits=limits, **changes), situation, side, PRICE, stop, volatility, rules, calibrated)


def test_a_fixed_fraction_of_equity_is_lost_at_the_stop():
    # 0.5 % of 10,000 is 50; the stop is 1,200 away: 0.041666... BTC, rounded down to 0.00001
    assert sized(well(book_reach=None)) == 4_166_000
    assert sized(well(book_reach=None), stop=PRICE * 99 // 100) == 8_333_000
    # 50 over 1,000 is 0.05 to the lot, and not one lot less
    assert sized(well(book_reach=None), stop=PRICE - 1000 * UNIT) == 5_000_000
    assert sized(well(book_reach=None, size_factor=0.5), stop=PRICE - 1000 * UNIT) == 2_500_000


def test_without_a_stop_the_assumed_one_counts():
    assert sized(well(book_reach=None), stop=0) == sized(well(book_reach=None), stop=PRICE * 98 // 100)


def test_a_market_order_counts_at_what_it_would_reach():
    # 60,100 less 59,000
    assert sized(well(book_reach=PRICE + 100 * UNIT), stop=PRICE - 1000 * UNIT) == 4_545_000


@pytest.mark.parametrize(
    ("limits", "facts", "most"),
    [
        (Limits(), {}, 3_333_000),  # position: 20 % of 10,000 at 60,000
        (Limits(), {"open_value": 500 * UNIT, "exposure": 500 * UNIT}, 2_500_000),
        (Limits(), {"position": UNIT // 100, "position_value": 600 * UNIT, "exposure": 600 * UNIT}, 2_333_000),
        (Limits(max_position=1.0), {"exposure": 4400 * UNIT}, 1_000_000),
        (Limits(max_position=1.0, max_exposure=1.0, max_leverage=0.12), {}, 2_000_000),
        (Limits(), {"free": 600 * UNIT}, 1_000_000),
        (Limits(), {"trade_risk": 38 * UNIT}, 1_000_000),
        (Limits(), {"size_factor": 0.3}, 1_000_000),
    ],
)
def test_no_limit_is_passed(limits: Limits, facts: dict[str, Any], most: int):
    assert sized(well(book_reach=None, **facts), limits=limits) == most


def test_no_rule_of_the_venue_is_passed():
    at = well(book_reach=None)
    assert sized(at, rules=msgspec.structs.replace(RULES, max_quantity=2_000_500)) == 2_000_000
    of_market = msgspec.structs.replace(RULES, max_market_quantity=1_000_000)
    assert sized(at, rules=of_market) == 4_166_000
    assert sized(well(book_reach=PRICE), rules=of_market) == 1_000_000


def test_a_short_is_sized_where_there_are_shorts():
    shorts = well(can_short=True, derivative=True, book_reach=None)
    assert sized(shorts, side=Side.SELL, stop=PRICE + 1000 * UNIT) == 5_000_000
    refused = sized(well(book_reach=None), side=Side.SELL, stop=PRICE + 1000 * UNIT)
    assert isinstance(refused, Refused)
    assert refused.reason == "spot_short"


def test_a_volatility_is_aimed_at():
    # 20 % aimed at, 80 % a year: a quarter of 10,000, 2,500 at 60,000; the loss at the stop stays within 0.5 %
    assert sized(well(book_reach=None), volatility=0.8, sizing="volatility", stop=PRICE * 99 // 100) == 4_166_000
    assert sized(well(book_reach=None), volatility=0.8, sizing="volatility", stop=PRICE * 97 // 100) == 2_777_000
    for unknown in (None, 0.0, float("nan")):
        refused = sized(well(), volatility=unknown, sizing="volatility")
        assert isinstance(refused, Refused)
        assert refused.reason == "volatility"


def test_kelly_needs_a_calibrated_forecast_and_is_capped():
    refused = sized(well(), sizing="kelly")
    assert isinstance(refused, Refused)
    assert refused.reason == "uncalibrated"
    assert "calibrated" in refused.text
    loose = msgspec.structs.replace(WIDE, risk_per_trade=0.1)
    # f* = 0.55 - 0.45 / 1 = 0.1; a quarter of it is 2.5 %: 250 over 3,000
    at = well(book_reach=None)
    even = Calibrated(probability=0.55, payoff=1.0)
    assert sized(at, sizing="kelly", calibrated=even, limits=loose, stop=PRICE * 95 // 100) == 8_333_000
    # never more than the risk of a trade: 50 over 3,000
    assert sized(at, sizing="kelly", calibrated=even, stop=PRICE * 95 // 100) == 1_666_000
    for losing in (Calibrated(probability=0.5, payoff=1.0), Calibrated(probability=0.9, payoff=0.0)):
        refused = sized(at, sizing="kelly", calibrated=losing)
        assert isinstance(refused, Refused)
        assert refused.reason == "no_edge"


@pytest.mark.parametrize(
    ("facts", "asked", "reason"),
    [
        ({"equity": None}, {}, "unknown"),
        ({"rate": None}, {}, "unknown"),
        ({}, {"rules": None}, "unknown"),
        ({}, {"stop": PRICE + UNIT}, "stop_loss"),
        ({"free": 4 * UNIT}, {}, "too_small"),
        ({"position": UNIT, "position_value": 600_000 * UNIT, "exposure": 600_000 * UNIT}, {}, "too_small"),
    ],
)
def test_what_cannot_be_sized_is_refused(facts: dict[str, Any], asked: dict[str, Any], reason: str):
    refused = sized(well(**facts), **asked)
    assert isinstance(refused, Refused)
    assert refused.reason == reason


SIZE = {"max_position", "max_exposure", "max_leverage", "risk_per_trade", "balance", "stop_loss", "rules", "equity"}


@given(
    some_limits,
    situations,
    st.sampled_from(Side),
    st.sampled_from([0, PRICE * 99 // 100, PRICE * 101 // 100]),
    st.integers(PRICE // 2, PRICE * 2),
    st.sampled_from(["fraction", "volatility"]),
)
@settings(max_examples=400, deadline=None)
def test_the_gate_lets_pass_what_was_sized(
    limits: Limits, situation: Situation, side: Side, stop: int, rate: int, method: str
):
    facts = msgspec.structs.replace(situation, book_reach=None, rate=rate, now=NOW)
    given_size = size(RiskSettings(limits=limits, sizing=method), facts, side, PRICE, stop, 0.5, RULES)
    if isinstance(given_size, Refused):
        assert given_size.text
        return
    assert given_size % RULES.step == 0
    verdict = judge(limits, facts, limit(PRICE, side=side, quantity=given_size, stop_loss=stop), RULES)
    assert isinstance(verdict, Approved) or verdict.reason not in SIZE
