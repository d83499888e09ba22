"""The book against a dictionary of everything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.market.book import SCAN, Book

# Narrow prices make removals and returns of the best price likely; wide ones make gaps longer than the scan.
PRICES = st.one_of(
    st.integers(1, 12), st.sampled_from([1, SCAN - 1, SCAN, SCAN + 1, 2 * SCAN, 10_000, 10_000_000, 2**52])
)
LEVELS = st.lists(st.tuples(PRICES, st.integers(0, 3)), max_size=6)


def agree(book: Book, bids: dict[int, int], asks: dict[int, int]) -> None:
    assert book.bids == bids
    assert book.asks == asks
    assert book.best_bid == max(bids, default=0)
    assert book.best_ask == min(asks, default=0)
    assert book.crossed == bool(bids and asks and max(bids) >= min(asks))


@given(start=st.tuples(LEVELS, LEVELS), diffs=st.lists(st.tuples(LEVELS, LEVELS), max_size=30))
def test_any_sequence_of_diffs(
    start: tuple[list[tuple[int, int]], list[tuple[int, int]]],
    diffs: list[tuple[list[tuple[int, int]], list[tuple[int, int]]]],
) -> None:
    book = Book()
    reference: tuple[dict[int, int], dict[int, int]] = ({}, {})

    def take(levels: list[tuple[int, int]], side: dict[int, int]) -> None:
        side.update(dict(levels))
        for price in [price for price, size in side.items() if not size]:
            del side[price]

    book.load(*[list(dict(levels).items()) for levels in start], 1)
    for levels, side in zip(start, reference, strict=True):
        take(list(dict(levels).items()), side)
    agree(book, *reference)
    for number, diff in enumerate(diffs, 2):
        book.apply(*diff, number)
        for levels, side in zip(diff, reference, strict=True):
            take(levels, side)
        agree(book, *reference)
        assert book.update_id == number


@given(
    bids=st.dictionaries(PRICES, st.integers(1, 9)),
    asks=st.dictionaries(PRICES, st.integers(1, 9)),
    depth=st.integers(0, 20),
)
def test_top_is_the_sorted_side(bids: dict[int, int], asks: dict[int, int], depth: int) -> None:
    book = Book()
    book.load(bids.items(), asks.items(), 1)
    best_bids, best_asks = book.top(depth)
    assert best_bids == sorted(bids.items(), reverse=True)[:depth]
    assert best_asks == sorted(asks.items())[:depth]


@pytest.mark.parametrize("gap", [1, SCAN - 1, SCAN, SCAN + 1, 5 * SCAN])
def test_next_best_price_across_a_gap(gap: int) -> None:
    book = Book()
    book.load([(5000, 1), (5000 - gap, 2)], [(6000, 1), (6000 + gap, 2)], 1)
    book.apply([(5000, 0)], [(6000, 0)], 2)
    assert (book.best_bid, book.best_ask) == (5000 - gap, 6000 + gap)
    book.apply([(5000 - gap, 0)], [(6000 + gap, 0)], 3)
    assert (book.best_bid, book.best_ask) == (0, 0)
    assert book.top(5) == ([], [])


def test_clear_forgets_the_sequence_too() -> None:
    book = Book()
    book.load([(1, 1)], [(2, 1)], 7)
    book.clear()
    assert (book.update_id, book.best_bid, book.best_ask, book.bids, book.asks) == (0, 0, 0, {}, {})
