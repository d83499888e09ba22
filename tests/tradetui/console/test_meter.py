"""What the console costs is measured as it is."""

from __future__ import annotations

from tradetui.console.meter import KEPT, Meter


def test_bytes_a_second_over_the_last_seconds() -> None:
    meter = Meter()
    assert meter.kilobytes_s == 0.0
    for tick in range(40):
        meter.tick(tick * 0.25, 0.25)
        meter.sent += 1000
    assert 3.9 <= meter.kilobytes_s <= 4.1
    for tick in range(40, 60):
        meter.tick(tick * 0.25, 0.25)
    assert meter.kilobytes_s == 0.0


def test_lateness_is_told_and_one_slip_is_none() -> None:
    meter = Meter()
    now = 0.0
    for _ in range(KEPT):
        meter.tick(now, 0.25)
        now += 0.25
    assert meter.lag_ms < 1e-6
    meter.tick(now + 1.0, 0.25)
    assert 999 < meter.lag_ms < 1001
    assert not meter.late
    now += 1.25
    for _ in range(KEPT):
        now += 0.6
        meter.tick(now, 0.25)
    assert meter.late
