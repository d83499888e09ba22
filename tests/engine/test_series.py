"""Rows since a cursor: a reader that applies what it gets has what the source has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from engine.series import Versions

Rows = dict[int, str]


class Reader:
    """A client: keeps rows by key, forgets them at a reset."""

    def __init__(self) -> None:
        self.cursor = ""
        self.rows: Rows = {}
        self.resets = 0

    def read(self, source: Versions[tuple[int, str], tuple[int, str]], limit: int) -> int:
        rows, self.cursor, reset = source.newer(self.cursor, limit)
        assert len(rows) <= limit
        if reset:
            self.rows = {}
            self.resets += 1
        keys = [key for key, _ in rows]
        assert keys == sorted(set(keys)), "rows come in the order of their keys, each once"
        self.rows |= dict(rows)
        return len(rows)


def as_rows(rows: Rows) -> list[tuple[int, tuple[int, str]]]:
    return [(key, (key, rows[key])) for key in sorted(rows)]


KEYS = st.integers(-5, 30)
VALUES = st.sampled_from("abc")


class SeriesMachine(RuleBasedStateMachine):
    """A source whose rows come, change and leave, and readers with various limits that ask when they like."""

    @initialize(rows=st.dictionaries(KEYS, VALUES, max_size=8))
    def begin(self, rows: Rows) -> None:
        self.source: Versions[tuple[int, str], tuple[int, str]] = Versions("e.1", lambda row: row)
        self.rows: Rows = {}
        self.readers = {limit: Reader() for limit in (1, 3, 10, 1000)}
        self.change(rows)

    def change(self, rows: Rows) -> None:
        self.rows = rows
        self.source.update(as_rows(rows))

    @rule(values=st.lists(VALUES, min_size=1, max_size=12))
    def grow(self, values: list[str]) -> None:
        last = max(self.rows, default=0)
        self.change(self.rows | {last + 1 + place: value for place, value in enumerate(values)})

    @rule(data=st.data())
    def revise(self, data: st.DataObject) -> None:
        if self.rows:
            keys = data.draw(st.sets(st.sampled_from(sorted(self.rows)), max_size=12))
            self.change(self.rows | {key: data.draw(VALUES) for key in keys})

    @rule(count=st.integers(1, 5))
    def leave_at_the_front(self, count: int) -> None:
        kept = sorted(self.rows)[count:]
        self.change({key: self.rows[key] for key in kept})

    @rule(rows=st.dictionaries(KEYS, VALUES, max_size=8))
    def begin_again(self, rows: Rows) -> None:
        """Anything at all: rows taken away at the end or in the middle, others put before."""
        self.change(rows)

    @rule()
    def nothing_happens(self) -> None:
        self.change(dict(self.rows))

    @rule(limit=st.sampled_from([1, 3, 10, 1000]))
    def read(self, limit: int) -> None:
        reader = self.readers[limit]
        reader.read(self.source, limit)
        self.holds(reader, limit)
        # What was just read is not sent again.
        rows, cursor, reset = self.source.newer(reader.cursor, limit)
        assert (rows, cursor, reset) == ([], reader.cursor, False)

    @rule(cursor=st.sampled_from(["", "e.1", "e.1.", "e.1.x", "e.1.-1", "e.1.0:", "e.2.0", ".", "e.1.9" * 5, "e.1.٣"]))
    def read_with_a_foreign_cursor(self, cursor: str) -> None:
        reader = self.readers[3]
        reader.cursor = cursor
        before = reader.resets
        reader.read(self.source, 3)
        assert reader.resets == before + 1
        self.holds(reader, 3)

    def holds(self, reader: Reader, limit: int) -> None:
        """A reader has the last rows of the source, without a hole; all of them if its limit allowed it.

        Rows that left at the source's front it may still have.
        """
        first = min(self.rows, default=None)
        has = {key: row for key, row in reader.rows.items() if first is not None and key >= first}
        keys = sorted(self.rows)[-len(has) :] if has else []
        assert has == {key: self.rows[key] for key in keys}
        assert len(has) >= min(limit, len(self.rows))


TestSeriesMachine = SeriesMachine.TestCase


@given(st.text(max_size=30))
def test_a_cursor_that_is_none_gives_the_newest_rows(cursor: str) -> None:
    source: Versions[str, str] = Versions("epoch", lambda row: row)
    source.update((key, str(key)) for key in range(10))
    rows, following, reset = source.newer(cursor, 4)
    assert (rows, reset) == (["6", "7", "8", "9"], True)
    assert source.newer(following, 4) == ([], following, False)


def test_more_changes_than_fit_are_a_reset_and_not_a_silent_hole() -> None:
    source: Versions[str, str] = Versions("e", lambda row: row)
    source.update((key, "old") for key in range(10))
    _, cursor, _ = source.newer("", 100)
    source.update((key, "new") for key in range(10))
    rows, following, reset = source.newer(cursor, 3)
    assert (rows, reset) == (["new"] * 3, True)
    # What lies before the rows given is of no interest to this reader any more, even when it changes.
    source.update((key, "newer" if key in (2, 8) else "new") for key in range(10))
    assert source.newer(following, 3) == (["newer"], following.replace(".2:", ".3:"), False)


def test_rows_that_left_at_the_front_are_no_reset_and_all_others_are() -> None:
    source: Versions[str, str] = Versions("e", lambda row: row)
    source.update((key, "row") for key in range(5))
    _, cursor, _ = source.newer("", 100)
    source.update((key, "row") for key in range(2, 5))
    assert source.newer(cursor, 100) == ([], cursor, False)
    source.update((key, "row") for key in range(2, 4))
    rows, cursor, reset = source.newer(cursor, 100)
    assert (rows, reset) == (["row", "row"], True)
    source.update(())
    assert source.newer(cursor, 100)[2]


def test_a_cursor_of_another_epoch_or_of_the_future_is_answered_in_full() -> None:
    one: Versions[str, str] = Versions("a", lambda row: row)
    other: Versions[str, str] = Versions("b", lambda row: row)
    for source in (one, other):
        source.update([(1, "row")])
    _, cursor, _ = one.newer("", 10)
    assert other.newer(cursor, 10)[2]
    assert one.newer("a.999", 10) == (["row"], cursor, True)


@pytest.mark.parametrize("times", [1, 5])
def test_an_empty_series_is_read_once(times: int) -> None:
    source: Versions[str, str] = Versions("e", lambda row: row)
    for _ in range(times):
        source.update(())
    rows, cursor, reset = source.newer("", 10)
    assert (rows, reset) == ([], True)
    assert source.newer(cursor, 10) == ([], cursor, False)


def of(keys: range | list[int]) -> list[tuple[int, int]]:
    return [(key, key) for key in keys]


def test_a_reader_that_missed_rows_which_have_left_is_told_so() -> None:
    source: Versions[int, int] = Versions("e", lambda row: row)
    source.update(of(range(5)))
    _, cursor, _ = source.newer("", 100)
    source.update(of(range(3, 11)))
    source.update(of(range(8, 16)))
    assert source.newer(cursor, 100) == (list(range(8, 16)), "e.3", True)


def test_nor_is_anything_known_of_what_came_between_when_no_old_row_is_left() -> None:
    source: Versions[int, int] = Versions("e", lambda row: row)
    source.update(of(range(5)))
    _, cursor, _ = source.newer("", 100)
    source.update(of(range(20, 25)))
    rows, cursor, reset = source.newer(cursor, 100)
    assert (rows, reset) == (list(range(20, 25)), True)
    assert source.newer(cursor, 100) == ([], cursor, False)


def test_what_left_before_a_cut_readers_first_row_does_not_concern_it() -> None:
    source: Versions[int, int] = Versions("e", lambda row: row)
    source.update(of(range(10)))
    rows, cursor, _ = source.newer("", 3)
    assert rows == [7, 8, 9]
    source.update([*((key, -key) for key in range(5)), *of(range(5, 11))])
    source.update(of(range(5, 12)))
    assert source.newer(cursor, 100)[::2] == ([10, 11], False)


def test_rows_that_leave_in_another_order_than_that_of_their_keys_are_no_reset() -> None:
    """A late trade stands behind newer ones on the tape, and leaves after them."""
    source: Versions[int, int] = Versions("e", lambda row: row)
    source.update(of([11, 13, 12, 14]))
    _, cursor, _ = source.newer("", 100)
    source.update(of([13, 12, 14, 15]))
    source.update(of([12, 14, 15, 16]))
    assert source.newer(cursor, 100) == ([15, 16], "e.3", False)
