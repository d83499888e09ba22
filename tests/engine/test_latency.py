"""Percentiles against sorting."""

from __future__ import annotations

from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.latency import EXACT, LARGEST_US, STEPS, Latency


@settings(max_examples=25)
@given(samples=st.lists(st.one_of(st.integers(-5000, 5000), st.integers(0, 300_000_000)), min_size=1, max_size=300))
def test_percentiles_equal_those_of_the_sorted_samples(samples: list[int]) -> None:
    latency = Latency()
    for sample in samples:
        latency.add(sample)
    exact = sorted(min(max(sample // 1000, 0), LARGEST_US) for sample in samples)
    view = latency.view()
    assert view.samples == len(samples)
    for found, share in ((view.p50_ms, 50), (view.p95_ms, 95), (view.p99_ms, 99)):
        place = max(ceil(share * len(exact) / 100), 1) - 1
        assert found is not None
        if exact[place] < EXACT:
            assert found == exact[place] / 1000
        else:
            assert exact[place] <= found * 1000 + 1e-6 <= exact[place] * (1 + 1 / STEPS) + 1
    assert view.max_ms == max(max(sample // 1000, 0) for sample in samples) / 1000


def test_nothing_measured_is_none() -> None:
    latency = Latency()
    for _ in range(2):
        view = latency.view()
        assert (view.samples, view.p50_ms, view.p95_ms, view.p99_ms, view.max_ms) == (0, None, None, None, None)
        latency.add(5)
        latency.reset()


def test_what_is_too_long_is_counted_and_remembered() -> None:
    latency = Latency()
    latency.add(1000)
    latency.add(100_000_000_000)
    view = latency.view()
    assert (view.samples, view.max_ms) == (2, 100_000.0)
    assert view.p50_ms == 0.001
    assert view.p99_ms == pytest.approx(LARGEST_US / 1000)


def test_windows_tell_of_late_and_forget() -> None:
    latency = Latency()
    latency.add(50_000_000)
    assert latency.recent() == latency.view()
    latency.turn()
    latency.add(1000)
    assert (latency.recent().samples, latency.recent().max_ms) == (2, 50.0)
    latency.turn()
    latency.add(2000)
    recent = latency.recent()
    assert (recent.samples, recent.p50_ms, recent.p99_ms, recent.max_ms) == (2, 0.001, 0.002, 0.002)
    latency.turn()
    latency.turn()
    assert latency.recent().samples == 0
    assert (latency.view().samples, latency.view().max_ms) == (3, 50.0)
