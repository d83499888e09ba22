"""Equity against its peak and the day's start: told once each, and never ignored."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.orders import UNIT
from engine.risk.drawdown import EquityWatch
from engine.risk.limits import Limits
from engine.types import DAY, SECOND

MIDNIGHT = 1_723_161_600 * SECOND


def watch() -> EquityWatch:
    return EquityWatch(Limits(), "USDT")


def names(watch: EquityWatch, now: int, equity: float | None) -> list[str]:
    return [breach.name for breach in watch.update(now, None if equity is None else int(equity * UNIT))]


def test_the_loss_of_a_day_is_told_once_and_ends_at_midnight():
    ours = watch()
    assert names(ours, MIDNIGHT, 10_000) == []
    assert names(ours, MIDNIGHT + SECOND, 9_800.01) == []
    (breach,) = ours.update(MIDNIGHT + 2 * SECOND, 9_800 * UNIT)
    assert breach.name == "daily_loss"
    assert "200 USDT (2 %) since 00:00 UTC" in breach.text
    assert ours.day_blocked
    assert names(ours, MIDNIGHT + 3 * SECOND, 9_700) == []
    assert names(ours, MIDNIGHT + 4 * SECOND, 10_100) == []
    assert ours.day_blocked
    assert names(ours, MIDNIGHT + DAY - 1, 10_100) == []
    assert names(ours, MIDNIGHT + DAY, 9_990) == []
    assert not ours.day_blocked
    assert ours.day_start == 9_990 * UNIT
    assert ours.peak == 10_100 * UNIT


def test_a_drawdown_counts_from_the_peak_over_days_and_is_told_once():
    ours = watch()
    fallen = []
    for day, equity in enumerate((10_000, 11_000, 10_800, 10_600, 10_400, 10_200, 10_000, 9_901, 9_900, 9_800)):
        fallen += [(day, name) for name in names(ours, MIDNIGHT + day * DAY, equity)]
    assert fallen == [(8, "drawdown")]
    assert ours.drawdown == (11_000 - 9_800) / 11_000
    ours.rebase()
    assert ours.drawdown == 0
    assert names(ours, MIDNIGHT + 10 * DAY, 9_000) == []
    assert names(ours, MIDNIGHT + 11 * DAY, 8_820) == ["drawdown"]


def test_a_transfer_is_no_gain_and_no_loss():
    ours = watch()
    names(ours, MIDNIGHT, 10_000)
    ours.transfer(-5_000 * UNIT)
    assert names(ours, MIDNIGHT + SECOND, 5_000) == []
    assert ours.daily == ours.drawdown == 0
    ours.transfer(20_000 * UNIT)
    assert names(ours, MIDNIGHT + 2 * SECOND, 24_501) == []
    assert names(ours, MIDNIGHT + 3 * SECOND, 24_500) == ["daily_loss"]


def test_what_is_not_known_is_told():
    ours = watch()
    (breach,) = ours.update(MIDNIGHT, None)
    assert breach.name == "unknown"
    assert "no price" in breach.text
    assert names(ours, MIDNIGHT + SECOND, None) == []
    assert ours.drawdown is None
    assert ours.daily is None
    assert names(ours, MIDNIGHT + 2 * SECOND, 10_000) == ["known"]
    assert names(ours, MIDNIGHT + 3 * SECOND, None) == ["unknown"]
    # What was lost meanwhile is a loss.
    assert names(ours, MIDNIGHT + 4 * SECOND, 8_000) == ["known", "daily_loss", "drawdown"]


def test_a_day_that_begins_unknown_starts_with_the_first_that_is_known():
    ours = watch()
    names(ours, MIDNIGHT, 10_000)
    names(ours, MIDNIGHT + DAY, None)
    assert ours.day_start == 0
    names(ours, MIDNIGHT + DAY + SECOND, 9_500)
    assert ours.day_start == 9_500 * UNIT


steps = st.lists(
    st.tuples(st.integers(1, DAY // 3), st.none() | st.integers(5_000, 15_000), st.integers(-500, 500)), max_size=40
)


@given(steps)
@settings(max_examples=200, deadline=None)
def test_it_agrees_with_a_look_at_the_whole_curve_and_with_its_image(given_steps: list[tuple[int, int | None, int]]):
    ours, now, curve = watch(), MIDNIGHT, []
    for after, equity, moved in given_steps:
        now += after
        copy = watch()
        copy.restore(msgspec.json.decode(msgspec.json.encode(ours.image())))
        found = names(ours, now, equity)
        assert names(copy, now, equity) == found
        assert copy.image() == ours.image()
        assert len(found) == len(set(found))
        if equity is None:
            continue
        curve.append((now // DAY, equity))
        today = [each for day, each in curve if day == now // DAY]
        assert ours.peak == max(each for _, each in curve) * UNIT
        assert ours.day_start == today[0] * UNIT
        assert ours.day_blocked == any(today[0] - each >= 0.02 * today[0] for each in today)
        ours.transfer(moved * UNIT)
        curve = [(day, each + moved) for day, each in curve]
        if ours.day_blocked or moved:  # its share of what there was is another then
            return
