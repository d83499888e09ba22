"""Changed cells, written straight to the terminal.

Textual lays out, focuses, shows dialogs and paints whole screens. Its partial updates walk over every widget and send
each changed row from the left edge of its pane (its issue 5625); a desk whose panes never overlap, and know which cells
have changed, needs neither. What is written here is what Textual would paint: both read the same frames.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from textual._compositor import CompositorUpdate

from tradetui.console.render.frame import Frame, Run

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from tradetui.console.panes.paint import Paint


class Written(CompositorUpdate):
    """An update that is terminal sequences already."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Nothing: this is never put into something else."""
        return iter(())

    def render_segments(self, console: Console) -> str:  # noqa: ARG002 - the colours suit the terminal already
        """Return the sequences."""
        return self._text


def whole(frame: Frame) -> list[Run]:
    """Return every row of a frame."""
    return [Run(0, y, frame.width) for y in range(frame.height)]


def sequences(frame: Frame, runs: Iterable[Run], x: int, y: int, paint: Paint) -> str:
    """Return what draws the runs of a frame whose left upper corner is at the screen's cell (`x`, `y`)."""
    out: list[str] = []
    start = paint.start
    for run in runs:
        end = run.x + run.width
        text = "".join(frame.glyphs[run.y, run.x : end])
        pens = frame.pens[run.y, run.x : end]
        out.append(f"\x1b[{y + run.y + 1};{x + run.x + 1}H")
        if len(pens) == 1:
            out += (start(int(pens[0])), text)
            continue
        cuts = [0, *(np.flatnonzero(pens[1:] != pens[:-1]) + 1).tolist(), len(text)]
        for first, last in pairwise(cuts):
            out += (start(int(pens[first])), text[first:last])
    if out:
        out.append("\x1b[0m")
    return "".join(out)
