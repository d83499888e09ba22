"""Percentiles against sorting."""

from __future__ import annotations

from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.latency import LARGEST_US, Latency


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
        assert found == exact[place] / 1000
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
    latency.add(7_000_000_000)
    latency.add(1000)
    view = latency.view()
    assert (view.samples, view.max_ms) == (2, 7000.0)
    assert view.p50_ms == 0.001
    assert view.p99_ms == pytest.approx(LARGEST_US / 1000)
