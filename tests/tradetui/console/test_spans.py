"""Moments and stretches of time as people write them: what is read is what was meant, and the rest is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.types import TIMEFRAME_SECONDS, Timeframe
from tradetui.console.render.viewport import ZOOMS
from tradetui.console.spans import DAY, HOUR, RANGES, fitting, moment, stretch

SEEN, NOW = 1_722_859_200, 1_763_640_000
FRAMES = {str(each): TIMEFRAME_SECONDS[each] for each in Timeframe}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2024-08-05", datetime(2024, 8, 5, tzinfo=UTC)),
        (" 2024-08-05 06:00 ", datetime(2024, 8, 5, 6, tzinfo=UTC)),
        ("2024-08-05T06:00:30", datetime(2024, 8, 5, 6, 0, 30, tzinfo=UTC)),
        ("2024-08-05t06:00z", datetime(2024, 8, 5, 6, tzinfo=UTC)),
        ("2024-08-05T08:00+02:00", datetime(2024, 8, 5, 6, tzinfo=UTC)),
        ("2017-08", datetime(2017, 8, 1, tzinfo=UTC)),
    ],
)
def test_a_date_is_a_moment_in_utc(text: str, meant: datetime) -> None:
    assert moment(text, SEEN, NOW) == meant.timestamp()


def test_a_span_goes_on_from_what_is_seen() -> None:
    assert moment("-2h", SEEN, NOW) == SEEN - 2 * HOUR
    assert moment("-3d", SEEN, NOW) == SEEN - 3 * DAY
    assert moment("+1w", SEEN, NOW) == SEEN + 7 * DAY
    assert moment("-1M", SEEN, NOW) == SEEN - 30 * DAY
    assert moment("-1m", SEEN, NOW) == SEEN - 60
    assert moment("now", SEEN, NOW) == NOW


@pytest.mark.parametrize(
    "text",
    ["", "2024", "2024-13-01", "2024-02-30", "2024-08-05 25:00", "yesterday", "2h", "-2", "-2x", "1969-12-31",
     "-99999d",
     "2024-08-05 06:00 x", "\uff12\uff10\uff12\uff14-08-05", "1700000000", "--2h", "9999999-01-01"],
)  # fmt: skip
def test_what_is_no_moment_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        moment(text, SEEN, NOW)


@given(st.text(max_size=30))
def test_any_text_is_a_moment_or_refused(text: str) -> None:
    try:
        found = moment(text, SEEN, NOW)
    except ValueError:
        return
    assert found >= 0 or text.strip()[0] == "-"


def test_ranges_are_those_of_the_specification() -> None:
    assert [stretch(each) for each in RANGES] == [3600, 14_400, 86_400, 604_800, 2_592_000]  # DLC-15
    assert stretch("90m") == 5400
    for wrong in ("", "1", "d", "0d", "5s", "21y", "1.5d", "-1d"):
        with pytest.raises(ValueError, match="expected a stretch"):
            stretch(wrong)


@given(st.integers(10, 20 * 365 * DAY), st.integers(20, 300), st.sampled_from(sorted(FRAMES)))
def test_a_range_fits_and_is_as_large_as_it_can_be(length: int, room: int, now: str) -> None:
    frame, columns = fitting(length, room, FRAMES, ZOOMS, now)
    taken = length / FRAMES[frame] * columns
    assert taken <= room or columns == ZOOMS[0]
    larger = [zoom for zoom in ZOOMS if zoom > columns]
    assert not larger or length / FRAMES[frame] * larger[0] > room
    if 10 <= length / FRAMES[now] <= room:
        assert frame == now, "the timeframe is not changed without need"


def test_a_day_on_minutes_takes_longer_bars_and_an_hour_keeps_them() -> None:
    assert fitting(DAY, 100, FRAMES, ZOOMS, "1m") == ("15m", 1.0)
    assert fitting(HOUR, 130, FRAMES, ZOOMS, "1m") == ("1m", 2.0)
    assert fitting(HOUR, 100, FRAMES, ZOOMS, "1d") == ("1m", 1.0)
