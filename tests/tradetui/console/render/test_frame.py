"""Frames: what is written into them, and that what changed is all that changed."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from tradetui.console.render.frame import JOIN, Frame
from tradetui.console.render.look import Look
from tradetui.console.render.pens import BAD, BOLD, OLD, TEXT, UP, back_of, fore_of, pen, with_back


def test_text_is_cut_to_the_frame_and_to_its_room() -> None:
    frame = Frame.blank(10, 2)
    assert frame.text(7, 0, "hello") == 10
    assert frame.text(0, 1, "hello world", pen(UP), most=6) == 6
    assert frame.lines() == ["       hel", "hello\u2026    "]
    assert frame.pens[1, 0] == pen(UP)
    assert frame.pens[1, 6] == pen(TEXT)
    assert frame.text(-2, 0, "xyz") == 1
    assert frame.lines()[0][0] == "z"
    assert frame.text(3, 9, "nowhere") == 3


def test_text_from_outside_takes_one_cell_a_character_and_does_nothing() -> None:
    frame = Frame.blank(30, 1)
    frame.text(0, 0, "a\x1b[31mb\u202ec\u4f60e\u0301\tz[bold]")
    line = frame.lines()[0]
    assert cell_len(line) == 30
    assert "\x1b" not in line
    assert "\u202e" not in line
    assert "\u4f60" not in line
    assert "[bold]" in line


def test_right_keeps_the_end() -> None:
    frame = Frame.blank(5, 1)
    assert frame.right(5, 0, "1234567") == 0
    assert frame.lines() == ["34567"]


def test_a_border_has_room_for_both_its_texts_at_any_width() -> None:
    for width in range(40):
        for height in (1, 2, 5):
            frame = Frame.blank(width, height)
            frame.border("ETH/USDT 1m", "O 1 H 2 L 3 C 4", heavy=True)
            assert all(cell_len(line) == width for line in frame.lines())
    assert frame.lines()[0].startswith("\u250f\u2501 ETH/USDT 1m \u2501")
    assert frame.lines()[0].endswith(" O 1 H 2 L 3 C 4 \u2501\u2513")


def test_an_ascii_border_is_ascii() -> None:
    frame = Frame.blank(12, 3)
    frame.border("x", look=Look(ascii=True))
    frame.text(1, 1, "\u25b2\u2588\u2026\u00e9")
    frame.ascii()
    assert all(line.isascii() for line in frame.lines())
    assert frame.lines()[1][1:5] == "^#~?"


def test_parts_share_the_memory_and_are_cut() -> None:
    frame = Frame.blank(6, 4)
    part = frame.part(4, 2, 10, 10)
    assert (part.width, part.height) == (2, 2)
    part.text(0, 0, "ab", pen(BAD))
    assert frame.lines()[2] == "    ab"
    assert frame.part(9, 9, 3, 3).width == 0
    assert Frame.blank(1, 1).inside().height == 0


def test_pens_come_apart_again() -> None:
    made = pen(UP, BAD, BOLD)
    assert (fore_of(made), back_of(made)) == (UP, BAD)
    assert back_of(with_back(made, TEXT)) == TEXT
    assert with_back(made, TEXT) & BOLD
    frame = Frame.blank(2, 1, made)
    frame.old()
    assert int(frame.pens[0, 0]) == made | OLD


frames = st.tuples(st.integers(1, 40), st.integers(1, 6)).flatmap(
    lambda size: st.tuples(
        st.just(size),
        st.lists(
            st.tuples(
                st.integers(0, size[0] - 1), st.integers(0, size[1] - 1), st.sampled_from("ab "), st.integers(0, 2)
            ),
            max_size=30,
        ),
    )
)


@settings(max_examples=200, deadline=None)
@given(frames)
def test_the_changed_runs_make_the_new_frame_of_the_old_one(
    case: tuple[tuple[int, int], list[tuple[int, int, str, int]]],
) -> None:
    (width, height), marks = case
    before = Frame.blank(width, height)
    after = before.copy()
    for x, y, glyph, pen_ in marks:
        after.glyphs[y, x], after.pens[y, x] = glyph, pen_
    runs = after.changed(before)
    if runs is None:
        differs = (after.glyphs != before.glyphs) | (after.pens != before.pens)
        assert differs.sum() * 2 > differs.size
        return
    for run in runs:
        before.glyphs[run.y, run.x : run.x + run.width] = after.glyphs[run.y, run.x : run.x + run.width]
        before.pens[run.y, run.x : run.x + run.width] = after.pens[run.y, run.x : run.x + run.width]
    assert np.array_equal(before.glyphs, after.glyphs)
    assert np.array_equal(before.pens, after.pens)
    for one, other in pairwise(runs):
        assert one.y != other.y or other.x - (one.x + one.width) >= JOIN


def test_a_frame_of_another_size_is_sent_whole() -> None:
    assert Frame.blank(3, 3).changed(Frame.blank(3, 4)) is None
    assert Frame.blank(3, 3).changed(None) is None
    assert Frame.blank(3, 3).changed(Frame.blank(3, 3)) == []
