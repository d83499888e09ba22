"""Request weights: a sliding window on a monotonic clock, and the venue's own word."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.ingestion.budget import Breaker, Budget


def test_gv13_a_hundred_calls_a_minute() -> None:
    """100 calls allowed, call 101 within 60 s refused, allowed again 60 s after the first."""
    budget = Budget("binance", 100, share=1.0)
    for call in range(100):
        assert budget.wait(1, 1000.0 + call * 0.125) == 0
        budget.spend(1, 1000.0 + call * 0.125)
    assert budget.wait(1, 1013.0) > 0
    assert budget.wait(1, 1059.99) > 0
    assert budget.wait(1, 1060.0) == 0
    budget.spend(1, 1060.0)
    assert budget.wait(1, 1060.0) > 0
    assert budget.wait(1, 1060.125) == 0


@given(
    steps=st.lists(st.tuples(st.floats(0, 30), st.integers(1, 60)), max_size=60),
    limit=st.integers(60, 200),
    share=st.sampled_from([0.5, 0.9, 1.0]),
)
def test_bug57_no_minute_ever_holds_more_than_the_limit(steps: list, limit: int, share: float) -> None:
    """Waiting as long as told is enough, never too little, and never for ever; any 60 s hold at most the limit."""
    budget = Budget("binance", limit, share)
    now = 5000.0
    sent: list[tuple[float, int]] = []
    for gap, weight in steps:
        now += gap
        for _ in range(200):
            pause = budget.wait(weight, now)
            assert pause <= 60.001
            if not pause:
                break
            now += pause
        else:
            raise AssertionError("never allowed")
        budget.spend(weight, now)
        sent.append((now, weight))
        allowed = int(limit * share)
        inside = sum(w for at, w in sent if now - 60 < at <= now)
        assert inside <= allowed or inside == weight
        view = budget.view(now)
        assert view.used == inside
        assert 0 <= view.reset_s <= 60


def test_reset_is_sixty_seconds_after_the_oldest_request() -> None:
    budget = Budget("binance", 100)
    budget.spend(10, 1000.0)
    budget.spend(20, 1030.0)
    assert (budget.view(1040.0).used, budget.view(1040.0).reset_s) == (30, 20.0)
    assert (budget.view(1061.0).used, budget.view(1061.0).reset_s) == (20, 29.0)
    assert (budget.view(1091.0).used, budget.view(1091.0).reset_s) == (0, 0.0)


def test_a_share_is_kept_for_what_must_not_wait() -> None:
    budget = Budget("binance", 100)
    budget.spend(90, 1000.0)
    assert budget.wait(1, 1001.0) > 0


def test_the_venue_says_stop() -> None:
    budget = Budget("binance", 6000)
    budget.block(30, 1000.0)
    assert budget.wait(1, 1000.0) == 30
    assert budget.wait(1, 1029.0) == 1
    assert budget.view(1010.0).blocked_s == 20
    budget.block(5, 1010.0)
    assert budget.wait(1, 1016.0) == 14
    assert budget.wait(1, 1030.0) == 0
    assert budget.view(1030.0).blocked_s == 0


def test_the_venues_own_count_is_taken_when_it_is_higher() -> None:
    budget = Budget("binance", 1000)
    budget.spend(100, 1000.0)
    budget.correct(850, 1001.0)
    assert budget.view(1001.0).used == 850
    assert budget.wait(60, 1002.0) > 0
    budget.correct(5, 1002.0)
    assert budget.view(1002.0).used == 850
    assert budget.wait(60, 1061.5) == 0


def test_a_request_heavier_than_the_limit_is_not_waited_for_for_ever() -> None:
    budget = Budget("binance", 100)
    assert budget.wait(250, 1000.0) == 0
    budget.spend(250, 1000.0)
    assert 0 < budget.wait(1, 1000.0) <= 60
    assert budget.wait(250, 1060.0) == 0


def test_breaker_opens_after_three_failures_and_tries_again() -> None:
    breaker = Breaker(failures=3, pause_s=30.0)
    for at in (1.0, 2.0):
        breaker.failed(at)
        assert breaker.allows(at)
    breaker.failed(3.0)
    assert not breaker.allows(32.9)
    assert breaker.allows(33.0)
    breaker.failed(33.0)
    assert not breaker.allows(62.9)
    assert breaker.allows(63.0)
    breaker.succeeded()
    breaker.failed(64.0)
    breaker.failed(65.0)
    assert breaker.allows(65.0)
