"""Live size grows by a record of closed trades, and falls back at once."""

from __future__ import annotations

import random

import msgspec
import pytest

from engine.risk.ramp import Ramp


def feed(ramp: Ramp, multiples: list[float]) -> list[str]:
    return [told for r in multiples if (told := ramp.closed(r))]


def test_each_step_needs_twenty_trades_that_bear_it():
    ramp = Ramp()
    shares = [ramp.share]
    for _ in range(3):
        assert feed(ramp, [0.5, -0.4] * 9 + [0.5]) == []
        (told,) = feed(ramp, [0.5])
        assert "20 live trades" in told
        shares.append(ramp.share)
    assert shares == [0.1, 0.25, 0.5, 1.0]
    assert feed(ramp, [1.0] * 100) == []
    assert ramp.share == 1.0
    assert "last step" in ramp.told


def test_the_bound_and_not_the_mean_decides():
    # 20 trades of +-1 R, mean 0: s = 1.026, t80(19) = 0.861, bound = -0.1975
    even = Ramp()
    assert feed(even, [1.0, -1.0] * 10) == []
    assert even.bound == pytest.approx(-0.8610 * 1.02598 / 20**0.5, abs=1e-4)
    assert even.share == 0.1
    # 20 trades of +-0.5 R have a bound of -0.0988
    assert len(feed(Ramp(), [0.5, -0.5] * 10)) == 1
    assert feed(Ramp(), [-0.2] * 60) == []


def test_it_is_judged_every_twenty_trades_over_all_of_the_step():
    ramp = Ramp()
    assert feed(ramp, [-1.0] * 20) == []
    assert feed(ramp, [3.0] * 19) == []
    assert ramp.bound is not None
    assert ramp.bound > -0.1
    assert len(feed(ramp, [3.0])) == 1
    assert ramp.count == 0


def test_a_reset_goes_to_the_first_step_and_forgets_its_trades():
    ramp = Ramp()
    feed(ramp, [1.0] * 35)
    told = ramp.reset("killed by hand")
    assert told == "size goes back from 25 % to 10 % of full size: killed by hand"
    assert (ramp.share, ramp.count) == (0.1, 0)
    assert "killed by hand" in ramp.told
    assert ramp.reset("model changed") is None
    assert feed(ramp, [1.0] * 19) == []


def test_an_image_goes_on_as_before():
    dice = random.Random(5)
    ramp, multiples = Ramp(), [dice.gauss(0.1, 1) for _ in range(200)]
    for r in multiples:
        copy = Ramp()
        copy.restore(msgspec.json.decode(msgspec.json.encode(ramp.image())))
        assert copy.closed(r) == ramp.closed(r)
        assert copy.image() == ramp.image()
        assert copy.told == ramp.told


def test_other_steps_are_kept_to():
    ramp = Ramp((0.5, 1.0))
    ramp.restore(Ramp().image() | {"step": 3})
    assert ramp.share == 1.0
    assert Ramp(()).share == 1.0
