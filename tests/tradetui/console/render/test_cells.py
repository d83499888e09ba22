"""Numbers, times and ages as texts: they keep their width, are near to what they tell, and never make 0 of nothing."""

from __future__ import annotations

from math import inf, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.types import SECOND
from tradetui.console.render import cells

numbers = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True), st.sampled_from((0.0, 1e9, -5.0, 1e-9)))


@given(value=numbers)
@settings(max_examples=300, deadline=None)
def test_figures_keep_their_width(value: float | None) -> None:
    assert len(cells.age(value)) <= 4
    assert len(cells.change(value)) <= 8
    assert len(cells.change(value, 6)) <= 6
    assert len(cells.bar(value, 10)) == 10
    if value is None or abs(value) < 1e18 or value != value:
        assert len(cells.figure(abs(value) if value is not None else None)) <= 5
        assert len(cells.size(abs(value) if value is not None and value < 1e15 else None)) <= 7
    for text in (cells.age(value), cells.change(value), cells.figure(value), cells.price(value, 0.01, 12)):
        assert "nan" not in text
        assert "inf" not in text


def test_what_is_missing_is_no_zero() -> None:
    for missing in (None, nan, inf):
        assert cells.price(missing, 0.01, 10) == cells.number(missing) == cells.figure(missing) == cells.NOTHING
        assert cells.change(missing) == cells.age(missing) == cells.size(missing) == cells.NOTHING
    assert cells.bar(None, 4) == cells.bar(0.0, 4) == "\u00b7" * 4


def test_a_direction_is_told_by_shape_and_sign() -> None:
    assert [cells.change(value) for value in (1.25, -1.25, 0.0)] == ["\u25b2+1.25%", "\u25bc-1.25%", " +0.00%"]
    assert cells.change(123.456, 7) == "\u25b2+123%"
    assert cells.change(-1e9) == "\u25bc1000M%"


def test_cells() -> None:
    assert cells.fit("abcdef", 4) == "abc\u2026"
    assert cells.fit("abcdef", 4, keep_end=True) == "\u2026def"
    assert cells.fit("ab", 4, right=True) == "  ab"
    assert cells.fit("\u65e5\u672c", 4) == "\ufffd\ufffd  ", "what takes two cells would move all to its right"
    assert [cells.fit("abc", width) for width in (0, 1)] == ["", "a"]
    assert cells.price(61826.01, 0.01, 11) == "61,826.01"
    assert cells.price(123456789.12, 0.01, 12) == "123456789.12"
    assert cells.price(0.00001234, 0.00000001, 10) == "0.00001234"
    assert [cells.age(s) for s in (-7.0, 0.2, 5.9, 99, 100, 5999, 6000, 359_999, 360_000, 1e12)] == [
        "<1s", "<1s", "5s", "99s", "1m", "99m", "1h", "99h", "4d", "999d",
    ]  # fmt: skip
    assert [cells.uptime(s) for s in (-1, 0, 59, 754, 11_040, 183_600, 86_400 * 4000)] == [
        "0s", "0s", "59s", "12m34s", "3h04m", "2d03h", "4000d",
    ]  # fmt: skip
    assert [cells.count(n, 7) for n in (0, 1234567, 12345678, 10**12)] == ["0", "1234567", "12345k", "1000G"]
    assert [cells.figure(n) for n in (0.0, 0.42, 4.21, 9.96, 81.3, 1234.0, 1e9)] == [
        "0", "0.42", "4.2", "10", "81", "1234", "1000M",
    ]  # fmt: skip
    assert [cells.size(n) for n in (0, 512, 4200, 81_400_000, 10**15)] == ["0 B", "512 B", "4.2 kB", "81 MB", "1.0 PB"]
    assert cells.clock(0) == cells.clock(10**30) == "00:00:00Z"
    assert cells.clock(0, 86_400 * SECOND) == "1970-01-01"
    assert cells.bar(0.5, 4) == "\u2588\u2588\u00b7\u00b7"
    assert cells.bar(7.0, 4) == "\u2588" * 4


@pytest.mark.parametrize(
    ("seconds", "expected"), [(1, "1s"), (90, "90s"), (60, "1m"), (7200, "2h"), (3 * 86_400, "3d")]
)
def test_lengths_of_time(seconds: int, expected: str) -> None:
    assert cells.length(seconds) == expected


@given(st.floats(0, 1e12), st.integers(4, 9))
def test_an_amount_fits_and_is_near(value: float, width: int) -> None:
    text = cells.amount(value, width)
    assert len(text) <= width
    if text.startswith("<"):
        assert 0 < value < float(text[1:])
    else:
        factor = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}.get(text[-1], 1.0)
        number = float(text.rstrip("kMGT")) * factor
        assert number == pytest.approx(value, rel=0.06, abs=10.0 ** (2 - width))
        assert bool(number) == bool(value)


@given(st.floats(0, 1e9), st.integers(0, 5), st.integers(5, 9))
def test_an_aligned_size_fits_and_is_never_nought_for_something(value: float, places: int, width: int) -> None:
    text = cells.aligned(value, places, width)
    assert len(text) <= max(width, places + 2)
    assert (float(text) == 0 if text[0] != "<" and text[-1].isdigit() else False) == (value == 0)


def test_missing_is_missing() -> None:
    assert cells.amount(None) == "-"
    assert cells.amount(float("nan")) == "-"


def test_places_follow_the_largest_or_the_finest() -> None:
    assert [cells.places_for(top) for top in (3000.0, 300.0, 30.0, 3.0, 0.3)] == [0, 1, 2, 3, 3]
    assert cells.places_of([0.25, 1.0, 0.0004]) == 4
    assert cells.places_of([2.0]) == 0
