"""Partial updates cropped on their left edge, too.

Textual 8.2.8 sends each changed row from the left edge of its widget (its issue 5625). Charts change on their right:
uncropped, a column of a heat map costs 27 times what it has to. Only the version that this was tested with is changed;
with another one updates are larger, and still right.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from rich.control import Control
from textual._compositor import ChopsUpdate

if TYPE_CHECKING:
    from rich.console import Console

TESTED = ("8.2.8",)


def render_segments(self: ChopsUpdate, console: Console) -> str:
    """Return the changed spans of each row as terminal sequences."""
    out: list[str] = []
    for y, first, last in self.spans:
        for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
            if strip is None or x >= last or end <= first:
                continue
            start, stop = max(x, first), min(end, last)
            part = strip if (start, stop) == (x, end) else strip.crop(start - x, stop - x)
            out += (Control.move_to(start, y).segment.text, part.render(console))
    return "".join(out)


def crop() -> bool:
    """Change Textual, if it is a version that is known; return whether it was."""
    known = version("textual") in TESTED
    if known:
        ChopsUpdate.render_segments = render_segments  # type: ignore[method-assign]
    return known
