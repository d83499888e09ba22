"""The policy of a connection, second by second and without a socket."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.ingestion.session import Due, Session, SessionSettings


def session(**values: float) -> Session:
    made = Session(SessionSettings(**values))  # type: ignore[arg-type]
    made.opened(1000.0)
    return made


def test_gv12_reconnect_delays_double() -> None:
    """1, 2, 4, 8, 16 s times U(0.5, 1), at most 60 s."""
    high, low = session(), session()
    assert [high.delay(0.999_999_999) for _ in range(8)] == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60], rel=1e-6)
    assert [low.delay(0.0) for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]


@given(failures=st.integers(0, 2000), dice=st.floats(0, 1, exclude_max=True))
def test_reconnect_delay_is_in_its_range(failures: int, dice: float) -> None:
    made = session()
    for _ in range(failures):
        made.delay(0.5)
    largest = min(60.0, 2.0 ** min(failures, 100))
    assert 0.5 * largest <= made.delay(dice) <= largest
    assert made.failures == failures + 1


def test_good_data_for_a_second_resets_the_delay() -> None:
    made = session()
    for _ in range(5):
        made.delay(0.5)
    made.opened(2000.0)
    made.frame(2000.0)
    made.frame(2000.9)
    assert made.failures == 5
    made.frame(2001.0)
    assert made.failures == 0
    assert made.delay(0.0) == 0.5


def test_a_connection_that_breaks_at_once_does_not_reset_the_delay() -> None:
    """Each connection gives some frames and dies within the second: the delay goes on doubling."""
    made = session()
    delays = []
    now = 1000.0
    for _ in range(6):
        made.opened(now)
        made.frame(now + 0.1)
        made.frame(now + 0.9)
        delays.append(made.delay(0.0))
        now += 100
    assert delays == [0.5, 1, 2, 4, 8, 16]


def test_ten_protocol_errors_in_a_row_are_a_lost_connection() -> None:
    made = session()
    assert [made.refused(1000.0 + i) for i in range(9)] == [False] * 9
    made.frame(1010.0)
    assert [made.refused(1011.0 + i) for i in range(9)] == [False] * 9
    assert made.refused(1020.0)
    assert "10 protocol errors" in made.reason
    made.opened(1030.0)
    assert not made.refused(1031.0)


def test_silence_pings_then_gives_up() -> None:
    made = session()
    made.frame(1001.0)
    assert made.due(1002.9) is Due.NOTHING
    assert made.due(1003.0) is Due.PING
    made.pinged(1003.0)
    assert made.awaits_pong
    assert made.due(1007.9) is Due.NOTHING
    assert made.due(1008.0) is Due.RECONNECT
    assert "pong" in made.reason


def test_data_is_as_good_as_a_pong() -> None:
    made = session()
    made.pinged(1002.0)
    made.frame(1003.0)
    assert not made.awaits_pong
    assert made.due(1004.9) is Due.NOTHING
    assert made.due(1005.0) is Due.PING


def test_pongs_without_data_hold_for_fifteen_seconds() -> None:
    made = session()
    now = 1000.0
    seen = []
    while now < 1016.0:
        due = made.due(now)
        seen.append(due)
        if due is Due.PING:
            made.pinged(now)
            made.pong()
        if due is Due.RECONNECT:
            break
        now += 0.25
    assert Due.PING in seen
    assert seen[-1] is Due.RECONNECT
    assert now == pytest.approx(1015.0)
    assert made.reason == "no data for 15 s"


def test_rotation_before_the_venue_cuts_at_24_hours() -> None:
    made = session()
    for hour in range(1, 24):
        made.frame(1000.0 + hour * 3600)
        assert made.due(1000.0 + hour * 3600) is Due.NOTHING
    made.frame(1000.0 + 23.5 * 3600)
    assert made.due(1000.0 + 23.5 * 3600) is Due.ROTATE
    made.opened(1000.0 + 23.5 * 3600)
    assert made.due(1000.0 + 23.5 * 3600 + 1) is Due.NOTHING


@pytest.mark.parametrize("act", [Session.frame, lambda s, now: s.refused(now)])
def test_any_frame_is_a_sign_of_life(act: Callable[[Session, float], object]) -> None:
    made = session()
    act(made, 1014.0)
    assert made.due(1015.5) is Due.NOTHING


def test_settings_are_heeded() -> None:
    made = session(ping_after_s=1, pong_within_s=2, silence_s=30, reconnect_delay=3, max_reconnect_delay=10)
    assert made.due(1001.0) is Due.PING
    made.pinged(1001.0)
    assert made.due(1003.0) is Due.RECONNECT
    assert [made.delay(0.0) * 2 for _ in range(4)] == [3, 6, 10, 10]


@given(pinged=st.none() | st.floats(0.0, 4.0), answered=st.booleans())
def test_a_silent_connection_says_when_it_is_given_up(pinged: float | None, answered: bool) -> None:
    made = session(ping_after_s=2.0, pong_within_s=5.0, silence_s=15.0)
    made.opened(100.0)
    assert made.given_up_in(101.9) is None
    assert made.given_up_in(102.0) == pytest.approx(13.0)
    if pinged is not None:
        made.pinged(102.0 + pinged)
        assert not made.unanswered(102.9 + pinged)
        if answered:
            made.pong()
    now = 108.0
    left = made.given_up_in(now)
    assert left is not None
    if left:
        assert made.due(now + left - 0.01) is not Due.RECONNECT
    assert made.due(now + left + 0.01) is Due.RECONNECT
    made.frame(now)
    assert made.given_up_in(now + 1.9) is None
    assert not made.unanswered(now + 1.9)
