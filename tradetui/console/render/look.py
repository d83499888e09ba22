"""What a terminal can show, and what the person wants of it."""

from __future__ import annotations

from typing import NamedTuple

COLOURS = ("truecolor", "256", "16", "none")


class Look(NamedTuple):
    """`colours` is one of `COLOURS`; `ascii` allows no other characters."""

    colours: str = "truecolor"
    ascii: bool = False

    @property
    def shades(self) -> bool:
        """Whether sizes are told by the density of glyphs, because there are too few colours to tell them."""
        return self.ascii or self.colours in ("16", "none")


FULL = Look()
"""A terminal that can show everything."""


class Lines(NamedTuple):
    """The characters of a border."""

    across: str
    down: str
    corners: str
    """Top left, top right, bottom left, bottom right."""


LIGHT = Lines("\u2500", "\u2502", "\u256d\u256e\u2570\u256f")
HEAVY = Lines("\u2501", "\u2503", "\u250f\u2513\u2517\u251b")
ASCII_LIGHT = Lines("-", "|", "++++")
ASCII_HEAVY = Lines("=", "|", "****")

_PLAIN = {
    "\u25b2": "^", "\u25bc": "v", "\u25b4": "^", "\u25be": "v", "\u25b8": ">", "\u25b6": ">", "\u25c2": "<",
    "\u2502": "|", "\u2503": "|", "\u2500": "-", "\u2501": "-", "\u254c": "-", "\u250a": ":", "\u2026": "~",
    "\u00b7": ".", "\u25cf": "O", "\u25cb": "o", "\u2022": "x", "\u25e6": "o", "\u21c4": "=", "\u2190": "<",
    "\u2192": ">", "\u2191": "^", "\u2193": "v", "\u2588": "#", "\u2593": "%", "\u2592": "+", "\u2591": ".",
    "\u2581": "_", "\u2582": "_", "\u2583": "_", "\u2584": "=", "\u2585": "=", "\u2586": "=", "\u2587": "#",
    "\u2580": "=", "\u2594": "-", "\u258f": "|", "\u258e": "|", "\u258d": "|", "\u258c": "#", "\u258b": "#",
    "\u258a": "#", "\u2589": "#", "\u256d": "+", "\u256e": "+", "\u2570": "+", "\u256f": "+", "\u250f": "+",
    "\u2513": "+", "\u2517": "+", "\u251b": "+", "\u253c": "+", "\u2524": "|", "\u251c": "|", "\u2571": "/",
    "\u00b1": "~", "\u2265": ">", "\u2013": "-", "\u00d7": "x", "\u2212": "-", "\u2016": "=", "\u25a0": "#",
    "\u25a1": "o",
}  # fmt: skip
"""What stands for a character where only ASCII may be sent."""


def plain(char: str) -> str:
    """Return the ASCII character that stands for one."""
    return char if char.isascii() else _PLAIN.get(char, "?")
