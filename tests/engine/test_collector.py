"""Memory is handed back to the system."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.collector import give_back

STATUS = Path("/proc/self/status")


def resident_mb() -> float:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


@pytest.mark.skipif(not STATUS.exists(), reason="resident memory is read from /proc")
def test_freed_memory_is_given_back() -> None:
    blocks = [bytes(30_000) for _ in range(4000)]
    kept = blocks[-1]  # the last one holds the top of the heap
    full = resident_mb()
    del blocks
    give_back()
    assert full - resident_mb() > 80
    assert len(kept) == 30_000
