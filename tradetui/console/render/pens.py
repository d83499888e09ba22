"""Pens: how a cell is drawn, as one integer, so that numpy can lay layers over each other.

A pen is `foreground role | background role << 8 | attributes`. Roles are names of colours; a theme says which colours.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from themes.palette import LEVELS, RAMPS, ROLES

(
    GROUND, BAR, PANEL, TEXT, FAINT, STALE, BORDER, FOCUS, TITLE, UP, DOWN, FLAT, BID, ASK,
    MID, AXIS, CROSS, CROSS_TEXT, SELECT, SELECT_TEXT, GOOD, WARN, BAD, OWN, ALARM,
    ALARM_TEXT, LIVE, REPLAY, PAPER, MODE_TEXT, UP_FAINT, DOWN_FAINT, TAG_TEXT, UNKNOWN, KEY,
    LINE1, LINE2, LINE3, LINE4, LINE5,
) = range(len(ROLES))  # fmt: skip

LINES = (LINE1, LINE2, LINE3, LINE4, LINE5)
"""What is drawn over candles."""

HEAT, HEAT_BID, HEAT_ASK, BALANCE = (64 + LEVELS * place for place in range(len(RAMPS)))
"""The first roles of the ramps, each of `LEVELS` steps."""

BOLD, DIM, UNDERLINE, REVERSE, OLD = (1 << bit for bit in range(16, 21))
"""`OLD` takes the colour out of a cell: what it shows is not the present."""


def pen(fore: int, back: int = GROUND, attributes: int = 0) -> int:
    """Return a pen."""
    return fore | back << 8 | attributes


PenOrPens = TypeVar("PenOrPens", int, npt.NDArray[np.int32])


def with_back(pen_: PenOrPens, back: int) -> PenOrPens:
    """Return a pen, or each of many, on another background."""
    return pen_ & ~0xFF00 | back << 8


def fore_of(pen_: int) -> int:
    """Return the foreground role."""
    return pen_ & 0xFF


def back_of(pen_: int) -> int:
    """Return the background role."""
    return pen_ >> 8 & 0xFF
