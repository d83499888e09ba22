"""The viewport: whatever is done, it shows slots that exist, each on its columns."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradetui.console.render.viewport import AIR, ZOOMS, closer, grouped, snapped, viewport

views = st.builds(
    viewport,
    width=st.integers(1, 200), columns=st.sampled_from(ZOOMS), total=st.integers(1, 400),
    last=st.none() | st.integers(-5, 500),
)  # fmt: skip


@settings(max_examples=150)
@given(views)
def test_what_is_in_sight_exists_and_lies_on_the_chart(view) -> None:
    assert 0 <= view.first <= view.last < view.stop <= view.total
    lefts = view.lefts()
    assert len(lefts) == view.stop - view.first
    assert lefts[0] >= 0
    assert lefts[-1] + view.body <= view.width or view.width < view.each
    for slot, left in zip(range(view.first, view.stop), lefts, strict=True):
        assert view.left(slot) == left
        if 0 <= view.middle(slot) < view.width:
            assert view.slot(view.middle(slot)) == slot


@settings(max_examples=150)
@given(views, st.integers(-450, 450))
def test_one_step_moves_by_one_slot_or_stands_at_the_end(view, by: int) -> None:
    moved = view.to(view.last + by)
    assert moved.last == min(max(view.last + by, min(view.room, view.total) - 1), view.total - 1)
    assert moved.left(view.last) == view.left(view.last) - (moved.last - view.last) * view.each


@settings(max_examples=150)
@given(views, st.integers(0, 399))
def test_a_slot_that_is_to_be_seen_is_seen(view, slot: int) -> None:
    slot = min(slot, view.total - 1)
    seen = view.seeing(slot)
    assert seen.first <= slot <= seen.last
    assert seen.seeing(slot) == seen


@pytest.mark.parametrize("zoom", ZOOMS)
def test_zooming_keeps_a_bar_in_its_place(zoom: float) -> None:
    view = viewport(120, 1.0, 5000, 3000)
    slot = 2960
    after = viewport(120, zoom, 5000, 3000).keeping(slot, view.middle(slot))
    assert abs(after.middle(slot) - view.middle(slot)) <= after.each // 2


def test_live_has_air_and_the_first_step_back_moves_by_one_column() -> None:
    live = viewport(60, 1.0, 200, None)
    assert live.live
    assert live.left(199) == 60 - AIR - 1
    back = live.to(198)
    assert not back.live
    assert back.left(198) == 60 - AIR - 1
    assert back.stop == 200


def test_few_bars_stand_at_the_right() -> None:
    view = viewport(60, 1.0, 3, None)
    assert view.lefts().tolist() == [55, 56, 57]


def test_zoom_steps_end_at_both_sides_and_any_kept_number_is_a_step() -> None:
    assert closer(8.0, 1) == 8.0
    assert closer(1 / 64, -1) == 1 / 64
    assert closer(1.0, 1) == 2.0
    assert grouped(closer(1.0, -1)) == 2
    assert snapped(0.3) == 0.25
    assert snapped(7.9) == 8.0
    assert [viewport(60, zoom, 9, None).body % 2 for zoom in ZOOMS] == [1] * len(ZOOMS)
