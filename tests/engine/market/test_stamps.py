"""The exchange's clock as a connection tells it: wrong stamps, pauses, and steps of our own clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.market.stamps import AGREED, APART, CARRIED, ExchangeClock
from engine.types import MS, SECOND
from tests.engine.support import T0

START = T0 * SECOND
JITTER = 500 * MS


def running(lead: int = 0) -> ExchangeClock:
    """A clock that has heard the truth for a second; receive stamps are `lead` ahead of it."""
    clock = ExchangeClock()
    for tenth in range(11):
        assert clock.tell(START - SECOND + tenth * 100 * MS, START - SECOND + tenth * 100 * MS + lead)
    assert clock.now == START
    return clock


@pytest.mark.parametrize("wrong", [APART + MS, 3000 * SECOND, -APART - MS, -3000 * SECOND, -START + 1])
def test_a_single_wrong_stamp_is_doubted(wrong: int) -> None:
    clock = running()
    for number in range(1, 100):
        at = START + number * 100 * MS
        assert not clock.tell(at + wrong, at)
        assert clock.now == at - 100 * MS
        assert clock.tell(at, at)
        assert clock.now == at


@pytest.mark.parametrize("wrong", [APART - 1, -APART + 1])
def test_what_is_not_far_off_is_taken(wrong: int) -> None:
    clock = running()
    assert clock.tell(START + wrong, START)
    assert clock.now == START + wrong


@pytest.mark.parametrize("wrong", [3000 * SECOND, -3000 * SECOND, APART + MS, -APART - MS])
def test_ten_in_a_row_are_believed(wrong: int) -> None:
    clock = running()
    for number in range(1, AGREED):
        assert not clock.tell(START + wrong + number * MS, START + number * MS)
        assert clock.now == START
    assert clock.tell(START + wrong + AGREED * MS, START + AGREED * MS)
    assert clock.now == START + wrong + AGREED * MS
    assert clock.tell(START + wrong + SECOND, START + SECOND)


def test_forgetting_forgets_doubts_too() -> None:
    clock = running()
    for _ in range(AGREED - 1):
        assert not clock.tell(START + 3000 * SECOND, START)
    clock.forget()
    assert clock.now == 0
    assert clock.tell(START, START)
    assert not clock.tell(START + 3000 * SECOND, START + MS)


def test_signs_of_life_carry_it_over_short_silences() -> None:
    clock = running(lead=-1300 * MS)
    for second in range(1, 30):
        clock.carry(START - 1300 * MS + second * SECOND)
        assert clock.now == START + second * SECOND
    assert clock.tell(START + 30 * SECOND, START - 1300 * MS + 30 * SECOND)


@pytest.mark.parametrize("pause", [CARRIED, 1800 * SECOND])
def test_a_long_pause_makes_it_unknown(pause: int) -> None:
    clock = running()
    clock.carry(START + CARRIED - MS)
    assert clock.now == START + CARRIED - MS
    clock.carry(START + CARRIED - MS + pause)
    assert clock.now == 0
    clock.carry(START + CARRIED + pause)
    assert clock.now == 0, "a sign of life says nothing about time that is not known"
    assert clock.tell(START + pause, START + CARRIED + pause)
    assert clock.now == START + pause


def test_our_clock_running_backwards_makes_it_unknown() -> None:
    clock = running()
    clock.carry(START - MS)
    assert clock.now == 0


@pytest.mark.parametrize("step", [1800 * SECOND, 6 * SECOND])
@pytest.mark.parametrize("signs", [False, True])
def test_a_step_of_our_clock_never_moves_it(step: int, signs: bool) -> None:
    clock = running()
    doubted = 0
    for number in range(1, 60):
        at = START + number * 100 * MS
        if signs and step > 2 * APART:
            clock.carry(at - MS + step)
            assert clock.now in (0, at - 100 * MS, at - MS)
        doubted += not clock.tell(at, at + step)
        assert clock.now <= at
        assert clock.now in (at, START)
    assert clock.now == START + 5900 * MS
    assert doubted == (0 if signs and step > 2 * APART else AGREED - 1)


def follow(steps: list[tuple[int, int, int | None]]) -> tuple[int, int]:
    """Play (passed, delay, bad offset or None); return the largest lead of the clock and how many truths it took."""
    clock = running()
    true, recv, lead, bad, taken = START, START, 0, 0, 0
    for passed, delay, offset in steps:
        true += passed
        recv = max(recv + 1, true + delay)
        bad = 0 if offset is None else bad + 1
        if bad == AGREED:
            offset, bad = None, 0
        taken += clock.tell(true + (offset or 0), recv) and offset is None
        lead = max(lead, clock.now - recv, clock.now - true - delay)
    return lead, taken


PASSED = st.integers(0, SECOND)
DELAY = st.integers(0, JITTER)
FAR = st.one_of(st.integers(2 * APART + 2 * JITTER, 10**6 * SECOND), st.integers(-(10**6) * SECOND, -2 * APART))


@given(st.lists(st.tuples(PASSED, DELAY, st.one_of(st.none(), FAR)), max_size=120))
def test_up_to_nine_far_stamps_in_a_row_never_move_it(steps: list[tuple[int, int, int | None]]) -> None:
    lead, _ = follow(steps)
    assert lead <= JITTER


@given(st.lists(st.tuples(PASSED, DELAY, st.one_of(st.none(), st.integers(-60 * SECOND, 60 * SECOND))), max_size=120))
def test_single_wrong_stamps_never_move_it_far(steps: list[tuple[int, int, int | None]]) -> None:
    """However near they are: the next true stamp puts it right."""
    for place in range(1, len(steps)):
        if steps[place - 1][2] is not None:
            steps[place] = (*steps[place][:2], None)
    lead, _ = follow(steps)
    assert lead <= APART + 2 * JITTER
