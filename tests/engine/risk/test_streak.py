"""Losses in a row bring a pause."""

from __future__ import annotations

from engine.risk.limits import Limits
from engine.risk.streak import Streak
from engine.types import SECOND


def test_three_losses_pause_for_half_an_hour():
    streak = Streak()
    assert [streak.closed(-1, at * SECOND) for at in range(3)] == [0, 0, 1802 * SECOND]
    assert streak.losses == 3
    # A fourth in a row begins it anew; a gain ends the row, not the pause.
    assert streak.closed(-1, 2000 * SECOND) == 3800 * SECOND
    assert streak.closed(5, 2001 * SECOND) == 3800 * SECOND
    assert streak.losses == 0
    assert streak.closed(-1, 4000 * SECOND) == 3800 * SECOND


def test_what_does_not_lose_ends_the_row():
    streak = Streak(Limits(losses_in_a_row=2))
    for net in (-1, 0, -1, 1, -1):
        assert streak.closed(net, SECOND) == 0
    assert streak.closed(-1, SECOND) > 0


def test_an_image_is_taken_back():
    streak = Streak()
    for at in range(3):
        streak.closed(-1, at)
    copy = Streak()
    copy.restore(streak.image())
    assert copy.image() == streak.image()
    assert copy.losses == 3
