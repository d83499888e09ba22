"""Layouts: at every size everything is inside, nothing overlaps, and the pane in focus is there."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradetui.console.layout import BOTTOM, DIGITS, LEAST, PANES, PRESETS, TOP, TRADING, Box, arrange

SIZES = [(80, 24), (120, 40), (200, 60)]


def cells(box: Box) -> set[tuple[int, int]]:
    return {(x, y) for x in range(box.x, box.x + box.width) for y in range(box.y, box.y + box.height)}


@settings(max_examples=250, deadline=None)
@given(
    width=st.integers(LEAST[0], 320), height=st.integers(LEAST[1], 100), preset=st.sampled_from(PRESETS),
    focus=st.sampled_from(PANES), chart=st.integers(1, 4), zoomed=st.booleans(),
    folded=st.sets(st.sampled_from(PANES)), without=st.sets(st.sampled_from(PANES)), banner=st.integers(0, 20),
    replay=st.booleans(), account=st.booleans(), markets=st.integers(1, 60),
)  # fmt: skip
def test_everything_is_inside_and_nothing_overlaps(
    width: int, height: int, preset: str, focus: str, chart: int, zoomed: bool, folded: set[str], without: set[str],
    banner: int, replay: bool, account: bool, markets: int,
) -> None:  # fmt: skip
    boxes = arrange(
        preset, width, height, focus=focus, chart=f"chart{chart}", zoomed=zoomed, folded=folded, without=without,
        banner=banner, replay=replay, account=account, lines={"markets": markets},
    )  # fmt: skip
    assert focus in boxes
    seen: set[tuple[int, int]] = set()
    for name, box in boxes.items():
        mine = cells(box)
        assert box.width > 0, name
        assert box.height > 0 or name in folded, (name, box)
        assert not mine & seen, name
        seen |= mine
        assert box.x >= 0
        assert box.x + box.width <= width
        assert box.y >= 0
        assert box.y + box.height <= height
    if not folded:
        assert len(seen) == width * height, "there are holes"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("preset", PRESETS)
def test_each_pane_can_be_reached_in_each_layout(size: tuple[int, int], preset: str) -> None:
    for digit, name in (*DIGITS.items(), *enumerate(TRADING)):
        boxes = arrange(preset, *size, focus=name, chart="chart2")
        assert boxes[name].width >= 17, digit
        assert boxes[name].height >= 4


def test_the_wide_desk_has_all_panes() -> None:
    boxes = arrange("desk", 200, 60, focus="chart2", chart="chart2", lines={"markets": 5})
    own = {"data", "fills", "journal", "risk", "equity"}
    assert set(PANES) - own <= set(boxes), "the others have layouts of their own"
    assert boxes["markets"].height == 5


def test_on_a_narrow_terminal_the_main_place_is_that_of_the_focus() -> None:
    boxes = arrange("desk", 80, 24, focus="system", chart="chart3")
    assert boxes["system"].width > boxes["ladder"].width
    assert "chart3" not in boxes
    boxes = arrange("desk", 80, 24, focus="ladder", chart="chart3")
    assert {"ladder", "chart3"} <= set(boxes)


def test_folded_panes_take_a_line_and_give_the_rest_away() -> None:
    before = arrange("quad", 120, 40, focus="chart2", chart="chart2")
    after = arrange("quad", 120, 40, focus="chart2", chart="chart2", folded=["chart1"])
    assert after["chart1"].height == 1
    assert after["chart1"].width == 120
    assert after["chart2"].width == before["chart1"].width + before["chart2"].width
    both = arrange("quad", 120, 40, focus="chart2", chart="chart2", folded=["chart1", "chart2"])
    assert both["chart3"].height == 40 - TOP - BOTTOM - 2


def test_zoomed_is_alone() -> None:
    boxes = arrange("desk", 200, 60, focus="heat", chart="chart2", zoomed=True)
    assert boxes["heat"] == Box(0, TOP, 200, 60 - TOP - BOTTOM)
    assert not set(PANES) - {"heat"} & set(boxes)
