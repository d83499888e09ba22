"""What the terminal says of itself, and what is made of it."""

from __future__ import annotations

import os

import pytest

from tradetui.console.capabilities import SYSTEMS, look_of, prepare
from tradetui.console.render.look import COLOURS, Look


@pytest.mark.parametrize(
    ("environment", "colours"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "truecolor"),
        ({"TERM": "xterm-256color", "COLORTERM": "24bit"}, "truecolor"),
        ({"TERM": "xterm-256color"}, "256"),
        ({"TERM": "tmux-256color"}, "256"),
        ({"TERM": "xterm"}, "256"),
        ({"TERM": "xterm-direct"}, "truecolor"),
        ({"TERM": "linux"}, "16"),
        ({"TERM": "screen"}, "16"),
        ({"TERM": "vt100"}, "16"),
        ({}, "16"),
        ({"TERM": "dumb"}, "none"),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "1"}, "none"),
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, "256"),
    ],
)
def test_colours(environment: dict[str, str], colours: str) -> None:
    assert look_of(environment=environment).colours == colours


@pytest.mark.parametrize(
    ("environment", "plain"),
    [
        ({}, False),
        ({"LANG": "C"}, True),
        ({"LANG": "C.UTF-8"}, False),
        ({"LANG": "en_US.utf8"}, False),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "C"}, True),
        ({"LANG": "POSIX"}, True),
        ({"LC_ALL": "", "LANG": "de_DE.ISO-8859-1"}, True),
    ],
)
def test_characters(environment: dict[str, str], plain: bool) -> None:
    assert look_of(environment=environment).ascii is plain


def test_what_the_person_says_counts() -> None:
    assert look_of("16", ascii_only=True, environment={"COLORTERM": "truecolor", "NO_COLOR": "1"}) == Look("16", True)
    assert look_of(low=True, environment={"COLORTERM": "truecolor"}).colours == "256"
    with pytest.raises(ValueError, match="expected auto, truecolor, 256, 16, none"):
        look_of("many")


@pytest.mark.parametrize("colours", COLOURS)
def test_the_library_is_told(monkeypatch: pytest.MonkeyPatch, colours: str) -> None:
    for name in ("TEXTUAL_COLOR_SYSTEM", "TEXTUAL_ANIMATIONS", "NO_COLOR"):
        monkeypatch.setenv(name, "before")
    prepare(Look(colours))
    assert os.environ["TEXTUAL_COLOR_SYSTEM"] == SYSTEMS[colours]
    assert ("NO_COLOR" in os.environ) is (colours == "none")


def test_what_the_environment_says_to_textual_is_not_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"TEXTUAL_DRIVER", "TEXTUAL_LOG", "TEXTUAL_PRESS", "COLUMNS", "LINES"}
    for name in (*told, "TEXTUAL_COLOR_SYSTEM", "TEXTUAL_ANIMATIONS", "NO_COLOR"):
        monkeypatch.setenv(name, "1")
    prepare(Look())
    assert not told & os.environ.keys()
