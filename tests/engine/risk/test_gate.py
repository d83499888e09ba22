"""The gate lets pass what the limits allow, names every reason against the rest, and knows nothing it was not told."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.approval import Approved, Refused
from engine.orders import UNIT, OrderSpec, OrderType, Origin, Rules, Side, TradingState
from engine.risk.gate import examine, judge, reduces
from engine.risk.limits import Limits
from engine.risk.situation import Situation
from engine.risk.worth import worth
from engine.types import SECOND
from tests.engine.risk.cases import (
    BTC,
    LIMITS,
    NOW,
    PRICE,
    RULES,
    limit,
    long,
    order,
    orders,
    situations,
    some_limits,
    well,
)


def reasons(situation: Situation, spec: OrderSpec, limits: Limits = LIMITS, rules: Rules | None = RULES) -> list[str]:
    return [each.reason for each in examine(limits, situation, spec, rules)]


def test_what_is_within_all_limits_is_approved_as_it_was_asked():
    spec = order()
    verdict = judge(LIMITS, well(), spec, RULES)
    assert isinstance(verdict, Approved)
    assert verdict.value is spec
    assert examine(LIMITS, well(), spec, RULES) == ()


SPOILT: list[tuple[str, dict[str, Any], OrderSpec, str]] = [
    ("halted", {"state": TradingState.HALTED, "why": "drawdown of 11 %"}, order(), "drawdown of 11 %"),
    ("latched", {"latched": True}, order(), "arms it again"),
    ("frozen", {"frozen": "t-7"}, order(), "t-7"),
    ("entries", {"entries": False}, order(), "switched off"),
    ("symbol", {"symbol_on": False}, order(), BTC),
    ("spot_short", {}, order(side=Side.SELL), "0.01 is more than the 0 "),
    ("reduce_only", {}, order(reduce_only=True), "can be closed"),
    ("state", {"state": TradingState.REDUCE, "why": "it is not armed"}, order(), "(it is not armed)"),
    ("breaker", {"breaker": "BTC moved 2 %: wait 20 s"}, order(), "wait 20 s"),
    ("order", {}, order(quantity=0), "above 0"),
    ("rules", {}, order(quantity=UNIT // 100 + 1), ""),
    ("stale_ms", {"book_age_ms": 2000.1}, order(), "2000 ms"),
    ("max_spread_bps", {"best_bid": PRICE - 31 * UNIT, "best_ask": PRICE + 31 * UNIT}, order(), "10.33 bps"),
    ("max_spread_bps", {"max_spread_bps": 0.001, "regime": "wild"}, order(), "wild regime"),
    ("min_quality", {"quality": 0.79}, order(), "0.79"),
    ("min_quality", {}, order(origin=Origin.MODEL), "not known"),
    ("price_collar", {"book_reach": PRICE + 301 * UNIT}, order(), "0.5 %"),
    ("price_collar", {}, limit(PRICE + 301 * UNIT), "0.5 %"),
    ("max_position", {"position_value": 1401 * UNIT, "position": 2335000}, order(), "2001"),
    ("max_position", {"size_factor": 0.25}, order(), "times 0.25"),
    ("max_exposure", {"exposure": 4401 * UNIT}, order(), "5001"),
    ("risk_per_trade", {"trade_risk": 39 * UNIT}, order(), "51"),
    ("risk_per_trade", {}, order(stop_loss=PRICE * 90 // 100), "at 54000"),
    ("stop_loss", {}, order(stop_loss=PRICE * 101 // 100), "below"),
    ("max_open_trades", {"open_trades": 3}, order(), "3 trades"),
    ("orders_per_minute", {"orders_last_minute": 10}, order(), "10 orders"),
    ("losses_in_a_row", {"pause_until": NOW + 600 * SECOND, "losses_in_a_row": 3}, order(), "00:10:00 UTC"),
    ("daily_loss", {"day_blocked": True}, order(), "00:00 UTC"),
    ("daily_loss", {"day_start": 10_205 * UNIT, "peak": 10_205 * UNIT}, order(), "205 USDT, 2.009 %"),
    ("drawdown", {"peak": 11_112 * UNIT}, order(), "1112 USDT (10.01 %)"),
    ("balance", {"free": 599 * UNIT}, order(), "599"),
]


@pytest.mark.parametrize(
    ("reason", "facts", "spec", "said"), SPOILT, ids=[f"{at}-{each[0]}" for at, each in enumerate(SPOILT)]
)
def test_each_limit_refuses_alone_with_numbers_and_a_way_out(
    reason: str, facts: dict[str, Any], spec: OrderSpec, said: str
):
    found = examine(LIMITS, well(**facts), spec, RULES)
    assert [each.reason for each in found] == [reason]
    assert said in found[0].text


def test_leverage_is_held_against_all_that_is_open():
    loose = msgspec.structs.replace(LIMITS, max_exposure=5.0)
    assert reasons(well(exposure=9_400 * UNIT), order(), loose) == ["max_leverage"]
    assert reasons(well(exposure=9_399 * UNIT), order(), loose) == []


def test_limits_are_reached_to_the_unit_and_not_passed():
    at = limit(PRICE, quantity=UNIT // 30 // 1000 * 1000)  # 1999.8 USDT
    wide = msgspec.structs.replace(LIMITS, risk_per_trade=0.1)
    worth = at.quantity * 60_000
    assert reasons(well(open_value=2000 * UNIT - worth), at, wide) == []
    assert reasons(well(open_value=2000 * UNIT - worth + 1), at, wide) == ["max_position"]
    assert reasons(well(free=worth), at, wide) == []
    assert reasons(well(free=worth - 1), at, wide) == ["balance"]


def test_losses_count_from_their_limit_on():
    assert reasons(well(equity=9_800 * UNIT), order()) == ["daily_loss"]
    assert reasons(well(equity=9_800 * UNIT + 1), order()) == []
    assert reasons(well(peak=10_000 * UNIT, equity=9_000 * UNIT, day_start=9_000 * UNIT), order()) == ["drawdown"]
    assert reasons(well(peak=10_000 * UNIT, equity=9_000 * UNIT + 1, day_start=9_000 * UNIT), order()) == []


def test_an_order_counts_at_its_worst_and_rounded_against_it():
    assert worth(well(), limit(PRICE)) == 600 * UNIT
    assert worth(well(), limit(PRICE + 1, quantity=1)) == 60_001
    assert worth(well(), order()) == 600 * UNIT + UNIT // 100
    # A SELL below the mid is filled at the mid or above it.
    assert worth(well(), limit(PRICE - 100 * UNIT, side=Side.SELL)) == 600 * UNIT
    assert worth(well(), limit(PRICE + 100 * UNIT, side=Side.SELL)) == 601 * UNIT
    assert worth(well(rate=UNIT // 2), limit(PRICE)) == 300 * UNIT
    assert worth(well(rate=None), limit(PRICE)) is None


def test_without_the_rules_of_the_venue_nothing_is_opened():
    assert reasons(well(), order(), rules=None) == ["rules"]


def test_the_stop_tells_the_risk_and_an_assumed_one_does_where_there_is_none():
    quantity = UNIT // 50 * 3 // 2  # 0.03: 1800 USDT, 36 at the assumed 2 %
    assert reasons(well(), order(quantity=quantity)) == []
    tight = msgspec.structs.replace(LIMITS, risk_per_trade=0.0035)
    assert reasons(well(), order(quantity=quantity), tight) == ["risk_per_trade"]
    assert reasons(well(), order(quantity=quantity, stop_loss=PRICE * 99 // 100), tight) == []


def test_a_conditional_order_is_priced_against_its_stop_price():
    stop = PRICE * 103 // 100
    waits = order(type=OrderType.STOP_LIMIT, stop_price=stop, price=stop * 1004 // 1000)
    assert reasons(well(book_reach=None), waits) == []
    far = order(type=OrderType.STOP_LIMIT, stop_price=stop, price=stop * 1006 // 1000)
    assert reasons(well(book_reach=None), far) == ["price_collar"]
    assert reasons(well(book_reach=None), order(type=OrderType.STOP, stop_price=stop)) == []


def test_a_short_needs_a_market_that_has_them_and_meets_the_same_limits():
    shorts = well(can_short=True, derivative=True, book_reach=PRICE - UNIT)
    assert reasons(shorts, order(side=Side.SELL)) == []
    assert reasons(shorts, order(side=Side.SELL, quantity=UNIT // 25)) == ["max_position"]
    # From long to short: what is left counts, not what is sold.
    turned = long(can_short=True, derivative=True, book_reach=PRICE - UNIT)
    assert reasons(turned, order(side=Side.SELL, quantity=UNIT // 25)) == []
    assert reasons(turned, order(side=Side.SELL, quantity=UNIT // 20)) == ["max_position"]


BAD: dict[str, Any] = {
    "state": TradingState.REDUCE,
    "equity": None,
    "mid": None,
    "best_bid": None,
    "best_ask": None,
    "book_reach": None,
    "book_age_ms": None,
    "free": None,
    "rate": None,
    "peak": 0,
    "day_start": 0,
    "entries": False,
    "symbol_on": False,
    "breaker": "BTC moved 2 %: wait",
    "day_blocked": True,
    "pause_until": NOW + 1,
    "orders_last_minute": 99,
    "open_trades": 99,
    "quality": 0.0,
}


def test_what_only_reduces_passes_whatever_is_wrong():
    sold = order(side=Side.SELL)
    assert reasons(long(**BAD), sold) == []
    assert reasons(long(**BAD), sold, rules=None) == []
    bought = order(side=Side.BUY)
    short = long(position=-UNIT // 100, closable=UNIT // 100, can_short=True, derivative=True, **{
        name: value for name, value in BAD.items() if name != "position"
    })  # fmt: skip
    assert reasons(short, bought) == []


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"state": TradingState.HALTED}, "halted"),
        ({"latched": True}, "latched"),
        ({"frozen": "t-3"}, "frozen"),
        ({"exits": False}, "exits"),
    ],
)
def test_only_a_halt_a_frozen_symbol_and_the_exits_switch_stop_what_reduces(facts: dict[str, Any], reason: str):
    assert reasons(long(**facts), order(side=Side.SELL)) == [reason]
    assert reasons(long(), order(side=Side.SELL, quantity=999)) == ["rules"]


def test_the_flattening_of_a_halt_passes_it_and_nothing_else_does():
    halted = long(state=TradingState.HALTED, latched=True, exits=False, flattening=True)
    assert reasons(halted, order(side=Side.SELL, origin=Origin.FLATTEN)) == []
    assert reasons(halted, order(side=Side.SELL))[0] == "latched"
    assert reasons(halted, order(origin=Origin.FLATTEN))[0] == "latched"
    unasked = msgspec.structs.replace(halted, flattening=False)
    assert reasons(unasked, order(side=Side.SELL, origin=Origin.FLATTEN)) == ["latched"]


def test_a_sell_of_more_than_is_held_is_no_reduction():
    held = long(closable=UNIT // 200)
    sold = order(side=Side.SELL)
    assert not reduces(held, sold)
    (refused,) = [each for each in examine(LIMITS, held, sold, RULES) if each.reason == "spot_short"]
    assert "0.005" in refused.text
    assert "0.01" in refused.text


@given(some_limits, situations, orders)
@settings(max_examples=200, deadline=None)
def test_examine_begins_with_what_judge_says(limits: Limits, situation: Situation, spec: OrderSpec):
    found = examine(limits, situation, spec, RULES)
    verdict = judge(limits, situation, spec, RULES)
    if isinstance(verdict, Approved):
        assert found == ()
        assert verdict.value is spec
    else:
        assert found[0] == verdict
    for refused in found:
        assert refused.reason
        assert refused.limit
        assert refused.observed
        assert "\n" not in refused.text
        assert not refused.text.endswith(".")
        assert len(refused.text) > 20


TIGHTER: dict[str, float] = {"assumed_stop": 1, "min_quality": 1}
"""Limits of which more is tighter; of the others less is."""


@given(
    some_limits, situations, orders, st.sampled_from([each.name for each in msgspec.structs.fields(Limits)]), st.data()
)
@settings(max_examples=600, deadline=None)
def test_a_tighter_limit_never_approves_more(
    limits: Limits, situation: Situation, spec: OrderSpec, name: str, data: st.DataObject
):
    other = getattr(data.draw(some_limits), name)
    ours = getattr(limits, name)
    tighter = max(ours, other) if name in TIGHTER else min(ours, other)
    looser = min(ours, other) if name in TIGHTER else max(ours, other)
    tight, loose = (msgspec.structs.replace(limits, **{name: value}) for value in (tighter, looser))
    refused = {each.reason for each in examine(loose, situation, spec, RULES)}
    assert refused <= {each.reason for each in examine(tight, situation, spec, RULES)}


@given(situations, orders, st.floats(0.01, 1), st.floats(0.01, 1))
@settings(max_examples=200, deadline=None)
def test_a_smaller_size_factor_never_approves_more(situation: Situation, spec: OrderSpec, one: float, other: float):
    small, large = (msgspec.structs.replace(situation, size_factor=each) for each in sorted((one, other)))
    assert {each.reason for each in examine(LIMITS, large, spec, RULES)} <= {
        each.reason for each in examine(LIMITS, small, spec, RULES)
    }


UNKNOWNS: dict[str, Any] = {
    "equity": None,
    "mid": None,
    "best_bid": None,
    "best_ask": None,
    "book_age_ms": None,
    "free": None,
    "rate": None,
    "peak": 0,
    "day_start": 0,
    "book_reach": None,
}


@given(situations, orders, st.sampled_from(list(UNKNOWNS)))
@settings(max_examples=400, deadline=None)
def test_what_is_not_known_never_approves_new_risk(situation: Situation, spec: OrderSpec, name: str):
    assume(not reduces(situation, spec))
    assume(name != "book_reach" or spec.type is OrderType.MARKET)
    blind = msgspec.structs.replace(situation, **{name: UNKNOWNS[name]})
    assert isinstance(judge(LIMITS, blind, spec, RULES), Refused)
    assert isinstance(judge(LIMITS, situation, spec, None), Refused)


@pytest.mark.parametrize("name", [*UNKNOWNS, "nan age", "nan quality"])
def test_the_unknown_alone_refuses_what_would_pass(name: str):
    facts = {"nan age": {"book_age_ms": float("nan")}, "nan quality": {"quality": float("nan")}}
    assert reasons(well(**facts.get(name, {name: UNKNOWNS.get(name)})), order())


@given(some_limits, situations, orders, st.booleans())
@settings(max_examples=300, deadline=None)
def test_nothing_but_its_own_flattening_passes_a_halt(
    limits: Limits, situation: Situation, spec: OrderSpec, latch: bool
):
    halted = msgspec.structs.replace(
        situation, latched=latch, state=TradingState.ACTIVE if latch else TradingState.HALTED
    )
    assert isinstance(judge(limits, halted, spec, RULES), Refused)
    closes = msgspec.structs.replace(spec, origin=Origin.FLATTEN)
    passed = judge(limits, msgspec.structs.replace(halted, flattening=True), closes, RULES)
    assert isinstance(passed, Refused) or reduces(situation, closes)


@given(some_limits, situations, orders)
@settings(max_examples=300, deadline=None)
def test_in_reduce_nothing_passes_that_adds(limits: Limits, situation: Situation, spec: OrderSpec):
    held = msgspec.structs.replace(situation, state=TradingState.REDUCE)
    if isinstance(judge(limits, held, spec, RULES), Approved):
        assert situation.position * spec.side.sign < 0
        assert spec.quantity <= abs(situation.position)
