"""Flash moves and venue trouble stop new risk for a while, and say so."""

from __future__ import annotations

from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.orders import UNIT
from engine.risk.breakers import FlashBreaker, VenueBreaker
from engine.risk.limits import Breakers
from engine.types import SECOND

PLAIN = Breakers()


def test_a_flash_move_pauses_its_symbol():
    breaker = FlashBreaker(PLAIN, "binance:BTC/USDT")
    assert breaker.price(60_000 * UNIT, 0) is None
    assert breaker.price(59_500 * UNIT, 5 * SECOND) is None
    assert breaker.open(5 * SECOND) == ""
    told = breaker.price(59_399 * UNIT, 9 * SECOND)
    assert told is not None
    assert "binance:BTC/USDT moved 1.002 %" in told
    assert "from 60000 to 59399" in told
    assert breaker.open(9 * SECOND + 1) != ""
    assert "until 00:05:09 UTC" in breaker.open(10 * SECOND)
    assert breaker.open(309 * SECOND) == ""


def test_the_same_move_in_a_longer_time_is_none():
    breaker = FlashBreaker(PLAIN)
    for second in range(100):
        assert breaker.price(60_000 - 55 * second, second * SECOND) is None


def test_the_window_is_as_long_as_it_is_said():
    for after, moved in ((10 * SECOND, True), (10 * SECOND + 1, False)):
        breaker = FlashBreaker(PLAIN)
        breaker.price(1000, 0)
        assert (breaker.price(1011, after) is not None) is moved


def test_a_move_up_counts_too_and_each_is_told_once():
    breaker = FlashBreaker(PLAIN)
    assert breaker.price(1000, 0) is None
    assert breaker.price(1011, SECOND) is not None
    until = breaker.until
    assert breaker.price(1012, 2 * SECOND) is None
    assert breaker.until == until
    assert breaker.price(1030, 3 * SECOND) is not None
    assert breaker.until > until


@given(st.lists(st.tuples(st.integers(1, 4 * SECOND), st.integers(980, 1020)), min_size=1, max_size=60))
@settings(max_examples=200, deadline=None)
def test_it_is_what_a_look_at_the_whole_window_says(steps: list[tuple[int, int]]):
    breaker, window, now = FlashBreaker(PLAIN), deque[tuple[int, int]](), 0
    for after, mid in steps:
        now += after
        while window and window[0][0] < now - 10 * SECOND:
            window.popleft()
        window.append((now, mid))
        top, bottom = max(each for _, each in window), min(each for _, each in window)
        flashed = top - mid > 0.01 * top or mid - bottom > 0.01 * bottom
        assert (breaker.price(mid, now) is not None) == flashed
        if flashed:
            window = deque([(now, mid)])
        assert len(breaker.image()["high"]) <= len(window)  # type: ignore[arg-type]


def test_failures_in_a_row_pause_a_venue():
    breaker = VenueBreaker(PLAIN, "binance")
    for second in range(4):
        assert breaker.failed(second * SECOND, "timeout") is None
    breaker.succeeded()
    for second in range(4):
        assert breaker.failed(second * SECOND) is None
    assert breaker.open(4 * SECOND) == ""
    told = breaker.failed(4 * SECOND, "HTTP 503")
    assert told is not None
    assert "binance failed or rejected 5 requests in a row (last: HTTP 503)" in told
    assert "until 00:01:04 UTC" in breaker.open(5 * SECOND)
    assert breaker.failed(6 * SECOND, "timeout") is None
    assert breaker.open(64 * SECOND) == ""
    # One more failure is enough then, one success is enough to be well again.
    assert breaker.failed(65 * SECOND, "timeout") is not None
    breaker.succeeded()
    assert breaker.open(65 * SECOND) != ""
    assert breaker.failed(130 * SECOND, "timeout") is None
    assert breaker.image()["failures"] == 1
