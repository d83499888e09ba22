"""The engine's pulse and its resources."""

from __future__ import annotations

import shutil
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.pulse import BEATS, Heart, Resources


class Time:
    """A monotonic clock that is moved by hand."""

    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


def test_a_heart_that_has_not_beaten_knows_nothing() -> None:
    heart = Heart(Time())
    assert heart.age is None
    assert heart.intervals_ms() == (None, None, None, None)
    assert heart.beat() == 0.0
    assert heart.age == 0.0
    assert heart.intervals_ms() == (None, None, None, None)


@given(st.lists(st.floats(0.001, 100), min_size=1, max_size=2 * BEATS))
def test_intervals_are_those_of_the_last_minute(intervals: list[float]) -> None:
    time = Time()
    heart = Heart(time)
    heart.beat()
    for interval in intervals:
        time.s += interval
        assert heart.beat() == pytest.approx(interval, abs=1e-6)
    assert heart.beats == len(intervals) + 1
    recent = sorted(intervals[-BEATS:])
    p50, p95, p99, longest = heart.intervals_ms()
    assert longest == pytest.approx(1000 * recent[-1], abs=0.01)
    for share, value in ((0.5, p50), (0.95, p95), (0.99, p99)):
        # At least so many are not longer, and so many are not shorter.
        assert value is not None
        assert sum(1000 * each <= value + 0.01 for each in recent) >= share * len(recent)
        assert sum(1000 * each >= value - 0.01 for each in recent) >= (1 - share) * len(recent) - 1e-9
    time.s += 3
    assert heart.age == pytest.approx(3)


def test_a_pause_between_two_lives_is_no_interval() -> None:
    time = Time()
    heart = Heart(time)
    heart.beat()
    time.s += 60
    heart.begin()
    assert heart.age is None
    assert heart.beat() == 0.0
    time.s += 0.1
    heart.beat()
    assert heart.intervals_ms()[3] == pytest.approx(100)


def test_resources_are_this_process_and_this_disk(tmp_path: Path) -> None:
    resources = Resources(tmp_path)
    assert (resources.rss_mb, resources.cpu_percent, resources.disk_free_mb) == (None, None, None)
    resources.sample()
    assert resources.rss_mb == pytest.approx(psutil.Process().memory_info().rss / 1e6, rel=0.1)
    assert resources.cpu_percent is not None
    assert resources.disk_free_mb == pytest.approx(shutil.disk_usage(tmp_path).free / 1e6, rel=0.05, abs=100)


def test_a_disk_that_cannot_be_asked_is_not_known(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    resources = Resources(folder)
    resources.sample()
    assert resources.disk_free_mb is not None
    folder.rmdir()
    resources.sample()
    assert resources.disk_free_mb is None
    assert Resources().disk_free_mb is None
