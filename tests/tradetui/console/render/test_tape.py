"""The tape: newest on top, sides told without colour, filters that say what they do."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.views import TradeRow
from tests.support.desk_data import SPOT_ETH, Playback, playback
from tradetui.console.render.frame import Frame
from tradetui.console.render.pens import BOLD, DOWN, UP, fore_of
from tradetui.console.render.tape import Flow, draw, flow_of, flow_told, passes

SOLD = TradeRow(1, 1_723_161_295_230, 2680.24, 0.5, True, False)
BOUGHT = TradeRow(2, 1_723_161_296_007, 2680.25, 25.0, False, True)


@pytest.fixture(scope="module")
def play(recordings_root_path: Path) -> Playback:
    return playback(recordings_root_path, SPOT_ETH, 90)


def test_a_row_tells_time_side_price_size_and_what_is_large() -> None:
    frame = Frame.blank(44, 3)
    draw(frame, [BOUGHT, SOLD], 0.01, 4)
    assert [line.rstrip() for line in frame.lines()] == [
        "23:54:56.007 ▲ buy  2680.25    25.0000■",
        "23:54:55.230 ▼ sell 2680.24     0.5000",
        "",
    ]
    assert [fore_of(int(frame.pens[y, 13])) for y in (0, 1)] == [UP, DOWN]
    assert [bool(frame.pens[y, 30] & BOLD) for y in (0, 1)] == [True, False]


@pytest.mark.parametrize(
    ("width", "told"),
    [(25, "23:54:55 ▼ 2680.24 0.5000"), (22, "54:55 ▼ 2680.24 0.5000"), (16, "▼ 2680.24 0.5000")],
)
def test_the_time_gives_way_first(width: int, told: str) -> None:
    frame = Frame.blank(width + 1, 1)
    draw(frame, [SOLD], 0.01, 4)
    assert frame.lines()[0].rstrip() == told


@pytest.mark.parametrize("width", [25, 26, 27, 28, 33])
def test_small_sizes_are_told_by_their_digits_before_the_time_by_its_hour(width: int) -> None:
    rows = [TradeRow(1, 1_723_161_352_230, 61_700.01, size, True, False) for size in (0.00012, 0.5, 12.34567)]
    frame = Frame.blank(width, 3)
    draw(frame, rows, 0.01, 5)
    lines = [line.split() for line in frame.lines()]
    assert [line[-1] for line in lines] == ["0.00012", "0.50000", "12.3457" if width in (25, 28) else "12.34567"]
    assert lines[0][0] == ("55:52" if width < 28 else "23:55:52")


def test_the_real_tape_stands_newest_first_in_columns(play: Playback) -> None:
    rows = list(reversed(play.desk.trades().rows))
    frame = Frame.blank(60, 30)
    draw(frame, rows, 0.01, 4)
    lines = frame.lines()
    assert [float(line.split()[3]) for line in lines] == [row.price for row in rows[:30]]
    assert [line.index(".", 30) for line in lines] == [lines[0].index(".", 30)] * 30
    times = [line[:12] for line in lines]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("", [1, 2]), ("buy", [2]), ("sell", [1]), ("large", [2]), (">0.5", [2]), (">=0.5", [1, 2]), ("<1", [1]),
        ("<=.5", [1]), ("sell >1", []), ("BUY >1", [2]), ("2680.24", [1]), ("23:54:56", [2]), ("nonsense", []),
        (">", []), (">1x", []),
    ],
)  # fmt: skip
def test_filters(text: str, kept: list[int]) -> None:
    fits = passes(text)
    assert [row.id for row in (SOLD, BOUGHT) if fits(row)] == kept


def test_the_flow_is_that_of_the_whole_window_or_unknown(play: Playback) -> None:
    rows = list(reversed(play.desk.trades().rows))
    now = rows[0].ts_ms
    found = flow_of(rows, now, 20)
    assert found is not None
    inside = [row for row in rows if row.ts_ms > now - 20_000]
    assert found.trades == len(inside)
    assert found.sell == pytest.approx(sum(row.size for row in inside if row.sell))
    assert found.buy + found.sell == pytest.approx(sum(row.size for row in inside))
    assert flow_of(rows[:5], now, 20) is None


def test_the_flow_is_told_as_room_allows() -> None:
    flow = Flow(60, 3.0, 1.0, 90)
    assert flow_told(flow, 40) == "bought  75 %    1.5/s"
    assert flow_told(flow, 15) == "bought  75 %"
    assert flow_told(flow, 5) == ""
    assert "-" in flow_told(Flow(60, 0.0, 0.0, 0), 40)
    assert flow_told(None, 40) == ""


@settings(max_examples=50, deadline=None)
@given(width=st.integers(1, 80), height=st.integers(1, 40), places=st.integers(0, 8))
def test_every_size_can_be_drawn(play: Playback, width: int, height: int, places: int) -> None:
    frame = Frame.blank(width, height)
    draw(frame, list(reversed(play.desk.trades().rows)), 0.01, places)
    assert all(len(char) == 1 for char in frame.glyphs.ravel())
    assert sum("▲" in line or "▼" in line for line in frame.lines()) == height or width < 1


def test_a_time_that_is_none_is_drawn_as_none() -> None:
    frame = Frame.blank(40, 1)
    draw(frame, [TradeRow(1, 2**62, 1.0, 1.0, True, False)], 0.01, 1)
    assert "--:--:--" in frame.lines()[0]
