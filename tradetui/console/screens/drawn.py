"""Text from anywhere as Textual's widgets may draw it."""

from __future__ import annotations

from typing import Any

from textual.app import App
from textual.content import Content

from engine.text import LONGEST, inert
from tradetui.console.render.look import plain

ASCII = "ascii"
"""Class of an app on a terminal that can show nothing but ASCII."""


ARROWS = str.maketrans({"\u2190": "left", "\u2192": "right", "\u2191": "up", "\u2193": "down"})
"""Keys by their names: in ASCII an arrow would look like another key."""


def drawn(app: App[Any], text: str, longest: int = LONGEST) -> Content:
    """Return a text on one line: inert, without markup, and in ASCII where nothing else can be shown."""
    return Content(as_shown(app, inert(text, longest)))


def as_shown(app: App[Any], text: str) -> str:
    """Return a text in ASCII if nothing else can be shown."""
    return "".join(map(plain, text.translate(ARROWS))) if app.has_class(ASCII) else text
