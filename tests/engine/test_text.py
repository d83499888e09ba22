"""Text from outside is made fit to be logged, stored and drawn."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.text import LONGEST, inert

HARMFUL = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
ANY_TEXT = st.text(st.characters(codec=None), max_size=2 * LONGEST)


@given(ANY_TEXT, st.integers(0, 50) | st.just(LONGEST))
def test_any_text_becomes_one_harmless_line(text: str, longest: int) -> None:
    made = inert(text, longest)
    assert len(made) <= longest
    assert not {unicodedata.category(char) for char in made} & HARMFUL
    assert made.splitlines() in ([made], [])
    assert made.encode("utf-8").decode("utf-8") == made
    assert inert(made, longest) == made


@given(st.text(st.characters(exclude_categories=HARMFUL), max_size=LONGEST))
def test_harmless_text_stays_as_it_is(text: str) -> None:
    assert inert(text) == text


@given(ANY_TEXT)
def test_a_text_that_is_cut_says_so(text: str) -> None:
    made = inert(text, 20)
    assert made.endswith("...") or len(text) <= 20
    assert len(made) == min(len(text), 20)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("", ""),
        ("plain, with 'quotes' and \\", "plain, with 'quotes' and \\"),
        ("\x1b[2J\x1b]0;title\x07gone", "?[2J?]0;title?gone"),
        ("two\r\nlines\tand a tab", "two  lines and a tab"),
        ("\x9b31mred\x00\x7f", "?31mred??"),
        ("safe\u202egnp.exe", "safe?gnp.exe"),
        ("zero\u200bwidth\ufeff\u2066", "zero?width??"),
        ("lines\u2028and\u2029more\x85\x0b\x0c", "lines?and?more???"),
        ("\ud800 lone", "? lone"),
        ("\ue000\U000f0000\uffff\u0378", "????"),
        ("ETH \u00e9 \u4e2d \U0001f680 \u00a0", "ETH \u00e9 \u4e2d \U0001f680 \u00a0"),
    ],
)
def test_what_becomes_of(text: str, made: str) -> None:
    assert inert(text) == made
