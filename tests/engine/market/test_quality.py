"""The worked formula of SDP-4 at its edges, and what keeps a model from being run."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.market.assembly import build
from engine.market.inputs import TIMEFRAMES, ModelInput
from engine.market.quality import FULL, LEAST_SCORE, Facts, Needs, quality
from engine.market.validation import Missing, validate
from engine.types import SECOND, Timeframe
from tests.engine.market import test_inputs as parts
from tests.engine.market.test_inputs import candles
from tests.engine.support import BTC, T0

S1, M1, H1, D1 = TIMEFRAMES


def facts(**given: object) -> Facts:
    usual: dict[str, object] = {
        "frames": dict.fromkeys(TIMEFRAMES, 300),
        "ages": dict.fromkeys(TIMEFRAMES, 0.0),
        "reference": 300,
        "book": True,
        "pivots": dict.fromkeys(TIMEFRAMES, 5),
    }
    return Facts(**{**usual, **given})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "score"),
    [
        ({}, 1.0),
        ({"frames": {S1: 150}}, 0.8),
        ({"frames": {S1: 0}}, 0.6),
        ({"frames": {S1: 900}}, 1.0),
        ({"book": False}, 0.7),  # C-22: without the book never enough
        ({"pivots": {}}, 0.8),  # C-22: without pivots just enough, while all is fresh
        ({"pivots": {S1: 0, M1: 0}}, 0.8),
        ({"pivots": {D1: 1}}, 1.0),
        ({"ages": {S1: 30.0}}, 0.95),
        ({"ages": {S1: 60.0}}, 0.9),
        ({"ages": {S1: 1000.0}}, 0.9),
        ({"ages": {}}, 0.9),
        ({"frames": {S1: 225}, "ages": {S1: 45.0}}, 0.825),
        ({"frames": {}, "book": False, "pivots": {}, "ages": {}}, 0.0),
    ],
)
def test_the_worked_formula(changed: dict[str, object], score: float) -> None:
    found = quality(facts(**changed))
    assert found.score == pytest.approx(score, abs=1e-12)
    assert sum(part.weight * part.score for part in found.parts) == pytest.approx(found.score)
    assert [part.name for part in found.parts] == ["frames", "book", "pivots", "freshness"]
    assert all(bool(part.why) == (part.score < 1) for part in found.parts)


def test_the_boundary_is_exact() -> None:
    """0.4 + 0.3 + 0.1 is 0.8, which is enough; a second of age is too much then."""
    assert quality(facts(pivots={})).score >= LEAST_SCORE
    assert quality(facts(pivots={}, ages={S1: 0.001})).score < LEAST_SCORE


@pytest.mark.parametrize(
    ("needs", "changed", "score"),
    [
        (Needs(book=False), {"book": False}, 1.0),
        (Needs(book=False, pivots=False), {"book": False, "pivots": {}}, 1.0),
        (Needs(timeframes=(M1,), book=False), {"frames": {M1: 300}, "book": False}, 1.0),
        (Needs(timeframes=(M1,), book=False, pivots=False), {"frames": {M1: 150}}, (4 * 0.5 + 1) / 5),
        (Needs(timeframes=(M1, H1), reference=False), {"frames": {M1: 75, H1: 300}}, (4 * 0.25 + 3 + 2 + 1) / 10),
        (Needs(timeframes=(M1, H1), reference=False), {"frames": {M1: 300, H1: 75}}, 1.0),  # asked for by itself
        (Needs(), {"frames": {S1: 300, D1: 100}, "reference": 100}, 1.0),
        (Needs(timeframes=(H1, D1), book=False), {"ages": {H1: 30 * 3600.0}}, (4 + 2 + 0.5) / 7),
        (Needs(timeframes=(), reference=False, pivots=False), {"ages": {S1: 6.0}}, (3 + 0.9) / 4),
        (Needs(timeframes=(M1,)), {"pivots": {S1: 9}}, 0.8),
        (Needs(timeframes=(S1,), reference=False), {"pivots": {M1: 9}}, 0.8),
    ],
)
def test_what_is_not_needed_does_not_count(needs: Needs, changed: dict[str, object], score: float) -> None:
    assert quality(facts(**changed), needs).score == pytest.approx(score, abs=1e-12)


@given(
    frames=st.integers(0, 400), age=st.one_of(st.none(), st.floats(0, 1e6)), book=st.booleans(), pivots=st.booleans(),
    needs=st.builds(
        Needs, timeframes=st.just((S1, M1)), reference=st.booleans(), book=st.booleans(), pivots=st.booleans()
    ),
)  # fmt: skip
def test_a_score_is_a_share_and_better_is_not_worse(
    frames: int, age: float | None, book: bool, pivots: bool, needs: Needs
) -> None:
    def score(more: int, fresher: float) -> float:
        made = facts(
            frames={S1: frames + more, M1: frames + more},
            ages={} if age is None else {S1: age * fresher},
            book=book or bool(more),
            pivots={S1: int(pivots)},
        )
        return quality(made, needs).score

    assert 0 <= score(0, 1) <= score(50, 0.5) <= 1 + 1e-12


def whole() -> ModelInput:
    made = build(
        parts.empty(
            candles={
                each: candles(each, [T0 - each.seconds * back for back in range(300, 0, -1)]) for each in TIMEFRAMES
            },
            reference="binance:ETH/USDT",
            reference_1s=candles(S1, [T0 - back for back in range(300, 0, -1)]),
            as_of=T0 * SECOND,
        )
    )
    there = np.ones(300, np.bool_)
    cob = msgspec.structs.replace(made.cob, there=there, bids=np.ones((300, 40)), asks=np.ones((300, 40)))
    return msgspec.structs.replace(made, cob=cob)


NO_PIVOTS = Needs(pivots=False)


def test_an_input_without_fault_is_valid() -> None:
    assert validate(whole(), NO_PIVOTS, BTC.key) == ()
    assert validate(whole(), Needs(), BTC.key) == ()  # 0.8 is enough


def test_what_is_missing_is_named_with_what_is_there() -> None:
    given = whole()
    frame = given.frames[M1]
    there = frame.there.copy()
    there[:201] = False
    short = msgspec.structs.replace(given, frames={**given.frames, M1: msgspec.structs.replace(frame, there=there)})
    assert Missing(what="primary 1m", expected="at least 100 bars", actual="99") in validate(short, NO_PIVOTS)
    assert validate(short, Needs(timeframes=(S1, H1), pivots=False)) == ()
    there[200] = True
    hundred = msgspec.structs.replace(given, frames={**given.frames, M1: msgspec.structs.replace(frame, there=there)})
    assert validate(hundred, NO_PIVOTS) == ()  # shorter than 300 is masked, and enough
    dark = given.cob.there.copy()
    dark[-1] = False
    blind = msgspec.structs.replace(given, cob=msgspec.structs.replace(given.cob, there=dark))
    assert Missing(what="book", expected="a live one", actual="none at that second") in validate(blind, NO_PIVOTS)
    assert validate(blind, Needs(book=False, pivots=False)) == ()


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_numbers_that_cannot_be_are_found(value: float) -> None:
    given = whole()
    frame = given.frames[S1]
    values = frame.values.copy()
    values[7, 4] = value
    bad = msgspec.structs.replace(given, frames={**given.frames, S1: msgspec.structs.replace(frame, values=values)})
    assert [(each.what, each.actual) for each in validate(bad)] == [("primary 1s", "1 bars with others")]
    volumes = given.cob.bids.copy()
    volumes[3, 3] = value
    bad = msgspec.structs.replace(given, cob=msgspec.structs.replace(given.cob, bids=volumes))
    assert [each.what for each in validate(bad)] == ["book"]


def test_times_out_of_order_another_symbol_and_half_a_second_are_found() -> None:
    given = whole()
    frame = given.frames[H1]
    opens = frame.open_ms.copy()
    opens[9], opens[10] = opens[10], opens[9]
    bad = msgspec.structs.replace(given, frames={**given.frames, H1: msgspec.structs.replace(frame, open_ms=opens)})
    assert [(each.what, each.actual) for each in validate(bad)] == [("primary 1h", "3 others")]
    assert [str(each) for each in validate(given, symbol="binance:SOL/USDT")] == [
        f"symbol: expected binance:SOL/USDT, have {BTC.key}"
    ]
    half = msgspec.structs.replace(given, as_of=T0 * SECOND + 5)
    assert [each.what for each in validate(half)] == ["time"]


def test_old_data_without_pivots_is_not_enough() -> None:
    given = msgspec.structs.replace(whole(), as_of=(T0 + 6) * SECOND)
    (found,) = validate(given)
    assert str(found) == (
        "quality: expected at least 0.8, have 0.790 (no confirmed pivot; the last bar of 1s ended 6.0 s ago)"
    )
    assert Timeframe.S1 in FULL.timeframes


def test_indicators_of_bars_older_than_the_input_are_not_told_as_its_own() -> None:
    def minutes(newest: int) -> ModelInput:
        back = range(700, newest - 1, -1)
        made = {each: candles(each, [T0 - each.seconds * number for number in back]) for each in TIMEFRAMES}
        return build(parts.empty(candles=made, as_of=T0 * SECOND))

    old, late = minutes(401), minutes(3)
    assert not old.frames[M1].there.any()
    assert late.frames[M1].there.any()
    assert old.indicators[M1].last.keys() == late.indicators[M1].last.keys()
    assert not any(np.isfinite(value) for value in old.indicators[M1].last.values())
