"""The ring of raw book updates."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.market import raw
from engine.market.raw import AGE, BLOCK, MOST, RawUpdates
from engine.types import SECOND


@given(gaps=st.lists(st.integers(0, 3 * SECOND), min_size=1, max_size=4 * BLOCK), since=st.integers(0, 600 * SECOND))
def test_it_gives_back_what_came_in_order(gaps: list[int], since: int) -> None:
    ring, expected, stamp = RawUpdates(), [], 10**18
    for number, gap in enumerate(gaps):
        stamp += gap
        frame = b"frame %d" % number * (number % 5)
        ring.append(stamp, frame)
        expected.append((stamp, frame))
    assert len(ring) == len(expected)
    assert list(ring.since(0)) == expected
    assert list(ring.since(10**18 + since)) == [line for line in expected if line[0] >= 10**18 + since]


def test_old_blocks_go() -> None:
    ring = RawUpdates()
    for number in range(3 * BLOCK):
        ring.append(number * SECOND, b"x")
    ring.append(AGE + 2 * BLOCK * SECOND, b"y")
    kept = [stamp for stamp, _ in ring.since(0)]
    assert kept == [*range(2 * BLOCK * SECOND, 3 * BLOCK * SECOND, SECOND), AGE + 2 * BLOCK * SECOND]


def test_never_more_than_the_cap() -> None:
    ring = RawUpdates()
    for number in range(MOST + 10 * BLOCK):
        ring.append(number, b"x")
    assert MOST - 2 * BLOCK <= len(ring) <= MOST
    newest = list(ring.since(MOST))
    assert newest[-1] == (MOST + 10 * BLOCK - 1, b"x")
    assert raw.AGE == 1800 * SECOND
