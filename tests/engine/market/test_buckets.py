"""Buckets of a book: exact edges, wider ones, the largest, ranges, statistics, profile."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.market.book import Book
from engine.market.buckets import Buckets
from engine.market.cob import Cob

LEVELS = st.dictionaries(st.integers(1, 400), st.integers(1, 2**60), max_size=20)


def buckets(bids: dict[int, int], asks: dict[int, int], size: int = 10, first: int = -9, stop: int = 99) -> Buckets:
    return Buckets(size=size, first=first, stop=stop, bids=bids, asks=asks)


@pytest.mark.parametrize(
    ("price", "size", "lower", "upper"),
    [("50004.9", "10", "50000", "50010"), ("3020.4", "1", "3020", "3021"), ("0.3", "0.1", "0.3", "0.4")],
)
def test_gv11_bucket_edges_are_exact(price: str, size: str, lower: str, upper: str) -> None:
    """GV-11: floor and ceiling of a price; bids and asks share what lies between (ruling), 0.3 is in that of 0.3."""
    ticks, wide = (int(Decimal(text) * 10) for text in (price, size))
    made = Buckets.of_levels([(ticks, 3)], [(ticks, 5)], wide, 0, 10**9)
    ((k, bid),), ((other, ask),) = made.bids.items(), made.asks.items()
    assert (k, bid, ask) == (other, 3, 5)
    assert (k * wide, (k + 1) * wide) == tuple(int(Decimal(text) * 10) for text in (lower, upper))


@given(
    bids=LEVELS,
    asks=LEVELS,
    size=st.integers(1, 50),
    factor=st.integers(1, 7),
    known=st.tuples(*[st.integers(0, 400)] * 2),
)
def test_merged_buckets_are_those_of_the_wider_size(
    bids: dict[int, int], asks: dict[int, int], size: int, factor: int, known: tuple[int, int]
) -> None:
    """PBC-9: no volume is lost, and what holds an unknown part is partial."""
    low, high = sorted(known)
    fine = Buckets.of_levels(bids.items(), asks.items(), size, low, high)
    wide = fine.merged(factor)
    straight = Buckets.of_levels(bids.items(), asks.items(), size * factor, low, high)
    assert (wide.size, wide.bids, wide.asks) == (straight.size, straight.bids, straight.asks)
    for k in range(-2, 400 // wide.size + 3):
        known_whole = k * wide.size >= low and (k + 1) * wide.size - 1 <= high
        assert wide.is_partial(k) == straight.is_partial(k) == (not known_whole)


@given(bids=LEVELS, asks=LEVELS, size=st.integers(1, 50))
def test_buckets_of_a_column_are_those_of_the_book(bids: dict[int, int], asks: dict[int, int], size: int) -> None:
    book, cob = Book(), Cob(size, 5)
    book.load(bids.items(), asks.items(), 1)
    cob.rebuild(book)
    column = cob.column(0, book, 50, 300)
    seen = Buckets.of_column(column, size)
    whole = Buckets.of_levels(bids.items(), asks.items(), size, 50, 300).within(
        column.base * size, (column.base + 39) * size
    )
    assert (seen.bids, seen.asks) == (whole.bids, whole.asks)
    assert all(seen.is_partial(k) == whole.is_partial(k) for k in range(seen.first, seen.stop))
    assert seen.is_partial(seen.first - 1)


def test_range_round_a_centre_does_not_go_below_zero() -> None:
    """PBC-5."""
    assert buckets({}, {}).range_round(3000, 20) == (2800, 3200)
    assert buckets({}, {}).range_round(100, 20) == (0, 300)


def test_within_includes_both_ends() -> None:
    """PBC-6."""
    made = buckets({1: 5, 2: 6, 3: 7}, {3: 1, 4: 2, 5: 3}).within(20, 40)
    assert (made.bids, made.asks) == ({2: 6, 3: 7}, {3: 1, 4: 2})
    assert made.is_partial(1)
    assert not made.is_partial(2)
    assert buckets({1: 5}, {}).within(11, 19).bids == {}


def test_top_buckets() -> None:
    """PBC-7: by volume; of equal ones that nearer the spread."""
    made = buckets({1: 9, 2: 5, 3: 5}, {5: 2, 6: 2, 7: 8})
    assert made.top(2) == ([(1, 9), (3, 5)], [(7, 8), (5, 2)])
    assert made.top(9)[0] == [(1, 9), (3, 5), (2, 5)]
    assert buckets({}, {}).top(3) == ([], [])


def test_statistics() -> None:
    """PBC-8."""
    told = buckets({1: 10, 3: 20}, {4: 10}).statistics()
    assert (told.bid.buckets, told.bid.volume, told.bid.largest, told.bid.average) == (2, 30, 20, 15)
    assert (told.ask.buckets, told.ask.volume, told.ask.largest, told.ask.average) == (1, 10, 10, 10)
    assert (told.lowest, told.highest, told.total_volume, told.volume_imbalance) == (10, 50, 40, 0.5)
    nothing = buckets({}, {}).statistics()
    assert (nothing.total_volume, nothing.volume_imbalance, nothing.lowest, nothing.bid.largest) == (
        0,
        None,
        None,
        None,
    )


def test_profile_by_distance() -> None:
    """PBC-10: nearest first, from the middle of each bucket."""
    assert buckets({97: 1, 99: 2}, {100: 4, 102: 3}, stop=200).profile(1000) == (
        [(5, 2), (25, 1)],
        [(5, 4), (25, 3)],
    )


def test_a_factor_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="1 or more, not 0"):
        buckets({}, {}).merged(0)
