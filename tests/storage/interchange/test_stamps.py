"""Times in files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.interchange.stamps import EARLIEST, LATEST, of_column

NEW_YEAR = 1_672_531_200


def one(value: object) -> int | None:
    """Return the one time in UTC ns, or None."""
    ns, good, _ = of_column(pl.Series([value]))
    return int(ns[0]) if good[0] else None


@pytest.mark.parametrize(
    "text",
    [
        "1672531200", "1672531200000", "1672531200000000", "1672531200000000000", "1672531200.0", " 1672531200 ",
        "1.6725312e9", "2023-01-01", "20230101", "2023-01-01 00:00", "2023-01-01 00:00:00", "2023-01-01T00:00:00Z",
        "2023-01-01T00:00:00.000Z", "2023-01-01 00:00:00+00:00", "2023-01-01 01:00:00+01:00", "20230101T000000",
        "2022-12-31T19:00:00-05:00",
        "2023-01-01 00:00:00 UTC", "2023/01/01 00:00:00", "20230101 00:00", "2023-01-01 00:00:00+0000",
    ],
)  # fmt: skip
def test_one_moment_in_many_forms(text: str) -> None:
    assert one(text) == NEW_YEAR * 10**9


@pytest.mark.parametrize(
    "text",
    [
        "", "abc", "nan", "inf", "1e400", "-1672531200", "0", "12345", "9" * 30, "01/02/2023", "2023-02-30",
        "2023-03-26 02:30:00 CET", "2023-01-01 25:00:00", "1969-12-31", "2200-01-01",
        "2023-01-01T00:00:00 Europe/Berlin",
    ],
)  # fmt: skip
def test_what_is_no_time_or_may_be_two_is_none(text: str) -> None:
    assert one(text) is None


@given(st.integers(EARLIEST, LATEST - 1), st.sampled_from([1, 10**3, 10**6, 10**9]))
def test_numbers_carry_their_unit(seconds: int, per_second: int) -> None:
    value = seconds * per_second
    assert one(value) == one(str(value)) == seconds * 10**9
    if per_second < 10**9:  # above, a float does not hold it
        assert one(float(value)) == seconds * 10**9


@given(
    st.datetimes(datetime(1974, 1, 1), datetime(2099, 1, 1)),  # noqa: DTZ001
    st.integers(-14 * 60, 14 * 60),
    st.sampled_from(["T", " "]),
)
def test_iso_texts_are_what_python_says(moment: datetime, offset_min: int, parting: str) -> None:
    zoned = moment.replace(tzinfo=timezone(timedelta(minutes=offset_min)))
    for written in (zoned, moment.replace(tzinfo=None)):
        text = written.isoformat(sep=parting)
        expected = written if written.tzinfo else written.replace(tzinfo=UTC)
        since = expected - datetime(1970, 1, 1, tzinfo=UTC)
        assert one(text) == (since // timedelta(microseconds=1)) * 1000


@given(st.lists(st.text(max_size=30), min_size=1, max_size=20))
def test_no_text_breaks_the_reader(texts: list[str]) -> None:
    ns, good, _ = of_column(pl.Series(texts, dtype=pl.String))
    assert len(ns) == len(good) == len(texts)
    assert ((ns[good] >= EARLIEST * 10**9) & (ns[good] < LATEST * 10**9)).all()


def test_units_may_change_within_a_column_and_are_told() -> None:
    ns, good, found = of_column(pl.Series([NEW_YEAR * 1000, (NEW_YEAR + 60) * 10**6]))
    assert good.all()
    assert np.diff(ns).tolist() == [60 * 10**9]
    assert found == ["ms", "us"]


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_columns_of_dates(unit: str) -> None:
    moment = datetime(2023, 1, 1, 12)  # noqa: DTZ001
    naive = pl.Series([moment, None]).cast(pl.Datetime(unit))  # type: ignore[arg-type]
    for column in (
        naive,
        naive.dt.replace_time_zone("UTC"),
        naive.dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Tokyo"),
    ):
        ns, good, _ = of_column(column)
        assert good.tolist() == [True, False]
        assert ns[0] == (NEW_YEAR + 43_200) * 10**9
    assert of_column(naive.cast(pl.Date))[0][0] == NEW_YEAR * 10**9
