"""The clock: strictly increasing stamps, whatever the machine's clocks do."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.clock import STEP, Clock
from engine.types import MS, SECOND
from tests.engine.support import T0

WALL = T0 * SECOND


class Hands:
    """A wall clock and a monotonic one that a test turns."""

    def __init__(self) -> None:
        self.wall = WALL
        self.monotonic = 5_000 * SECOND

    def clock(self) -> Clock:
        return Clock(lambda: self.wall, lambda: self.monotonic)

    def run(self, elapsed: int, wall: int | None = None) -> None:
        self.monotonic += elapsed
        self.wall += elapsed if wall is None else wall


@given(
    turns=st.lists(
        st.tuples(
            st.integers(0, 3 * SECOND),
            st.one_of(st.none(), st.integers(-7200 * SECOND, 7200 * SECOND)),
            st.sampled_from(["now", "stamp", "pass"]),
        )
    )
)
def test_time_never_runs_backwards_and_stamps_never_stand_still(turns: list) -> None:
    hands = Hands()
    clock = hands.clock()
    last_now = last_stamp = promised = 0
    for elapsed, wall, act in turns:
        hands.run(elapsed, wall)
        if act == "now":
            now = clock.now()
            assert now >= last_now
            last_now = now
        elif act == "pass":
            promised = max(promised, clock.now() + 50 * MS)
            clock.pass_by(promised)
        else:
            stamp = clock.stamp()
            assert stamp > last_stamp
            assert stamp > promised
            last_stamp = stamp
            # Never ahead of both clocks, but for what was promised and the nanoseconds between equal stamps.
            assert stamp <= max(clock.now(), promised, last_stamp) + len(turns)


def test_time_runs_with_the_monotonic_clock_between_the_steps() -> None:
    hands = Hands()
    clock = hands.clock()
    assert clock.now() == WALL
    # The wall clock is slewed by less than a step: ours keeps the monotonic pace.
    hands.run(10 * SECOND, 10 * SECOND + STEP // 2)
    assert clock.now() == WALL + 10 * SECOND
    assert clock.steps == 0


def test_a_wall_clock_set_forward_is_followed() -> None:
    """Or the machine slept: the monotonic clock stood still, the wall clock went on."""
    hands = Hands()
    clock = hands.clock()
    hands.run(0, 3600 * SECOND)
    assert clock.now() == WALL + 3600 * SECOND
    hands.run(5 * SECOND)
    assert clock.now() == WALL + 3605 * SECOND
    assert clock.steps == 1


def test_a_wall_clock_set_back_is_not_followed_and_counted_once() -> None:
    hands = Hands()
    clock = hands.clock()
    first = clock.stamp()
    hands.run(SECOND, -3600 * SECOND)
    assert clock.now() == WALL + SECOND
    for _ in range(5):
        hands.run(SECOND)
        assert clock.stamp() > first
    assert clock.steps == 1
    hands.run(0, 3700 * SECOND)
    clock.now()
    assert clock.steps == 2


def test_a_promise_holds_for_the_stamps_after_it() -> None:
    hands = Hands()
    clock = hands.clock()
    clock.pass_by(WALL + 100 * MS)
    assert clock.stamp() == WALL + 100 * MS + 1
    clock.pass_by(WALL)
    assert clock.stamp() == WALL + 100 * MS + 2
    hands.run(SECOND)
    assert clock.stamp() == WALL + SECOND


def test_ahead_of_a_clock_that_was_set_back_ours_loses_a_tenth_until_they_agree() -> None:
    hands = Hands()
    clock = hands.clock()
    clock.now()
    hands.run(MS, -30 * SECOND)
    assert clock.now() - hands.wall > 29 * SECOND
    assert clock.steps == 1
    last = clock.now()
    for _ in range(400):
        hands.run(SECOND)
        now = clock.now()
        assert 9 * SECOND // 10 <= now - last <= SECOND
        last = now
    assert abs(clock.now() - hands.wall) <= MS
    assert clock.steps == 1
