"""A pane: a widget that draws a frame and sends to the terminal only what has changed in it."""

from __future__ import annotations

import logging
from abc import abstractmethod
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tradetui.console.keymap import KEYS
from tradetui.console.panes.writing import sequences, whole
from tradetui.console.render.cells import age
from tradetui.console.render.frame import Frame
from tradetui.console.render.pens import ALARM, ALARM_TEXT, BAD, BOLD, FAINT, TEXT, pen

if TYPE_CHECKING:
    from tradetui.console.desk import Condition, Desk
    from tradetui.console.panes.paint import Paint

log = logging.getLogger(__name__)


FIRST = ("command", "filter", "date", "range")
"""Keys that open a line to type in: they hold before the next key, which may have come with them, finds its way."""


def bindings(*where: str) -> list[BindingType]:
    """Return the bindings of the keys that hold in some contexts."""
    return [
        Binding(key.names, key.action, key.explained, show=False, id=key.id, priority=key.id in FIRST)
        for key in KEYS
        if key.where in where
    ]


class Pane(Widget, can_focus=True):
    """The ground of everything on the desk: border, title, age and fold are drawn here, the content by `draw`."""

    DEFAULT_CSS = "Pane { width: 1fr; height: 1fr; }"
    KIND: ClassVar[str] = ""
    """Which keys of the keymap hold while it is in focus; several are separated by spaces."""
    DIGIT: ClassVar[str] = ""
    """The key that goes here, shown in the title."""
    BORDERED: ClassVar[bool] = True

    def __init_subclass__(cls, **options: Any) -> None:
        """Bind the keys of its kind."""
        cls.BINDINGS = bindings(*cls.KIND.split())
        super().__init_subclass__(**options)

    def __init__(self, desk: Desk, name: str) -> None:
        super().__init__(id=name)
        self.desk = desk
        self.drawn = 0
        """Cells sent so far, for measurements."""
        self.fault = ""
        """Why it cannot be drawn, "" if it can."""
        self._frame: Frame | None = None
        self._shown: tuple[object, ...] | None = None
        self._strips: dict[int, Strip] = {}
        self._painted: Paint | None = None

    # What a pane says of itself. ------------------------------------------------------------------------------------

    def title(self) -> str:
        """Return the left side of the border: what is shown."""
        return self.id or ""

    def told(self) -> str:
        """Return the right side of the border: figures of now."""
        return ""

    def foot(self) -> str:
        """Return what is said quietly on the lower border; "": nothing."""
        return ""

    def condition(self) -> Condition | None:
        """Tell whether what is shown is the present; None where the content says so itself, row by row."""
        return self.desk.condition()

    @abstractmethod
    def version(self) -> object:
        """Return something that compares equal as long as there is nothing new to draw."""

    @abstractmethod
    def draw(self, frame: Frame) -> None:
        """Draw the content into a blank frame, that of the pane without its border."""

    def simple(self, frame: Frame) -> None:
        """Draw what can still be drawn after `draw` has failed; the error is written over its first line."""

    # Drawing. -------------------------------------------------------------------------------------------------------

    def tick(self, *, write: bool = False) -> str:
        """Draw again if there is something new.

        With `write` return the terminal sequences that show it; otherwise Textual is told what to paint.
        """
        size = self.size
        if not self.display or not size.width or not size.height:
            return ""
        desk = self.desk
        try:
            version: object = (self.version(), self.title(), self.told(), self.foot(), self.condition())
        except Exception as error:  # noqa: BLE001 - one pane must not take the desk with it
            version = repr(error)
        shown = (version, size, desk.look, self.has_focus, desk.picked(self))
        if shown == self._shown and desk.paint is self._painted:
            return ""
        self._shown = shown
        before = self._frame if desk.paint is self._painted else None
        self._painted = desk.paint
        frame = self._frame = self.frame(size.width, size.height)
        runs = frame.changed(before)
        if runs is None:
            self._strips.clear()
            runs = whole(frame)
        for run in runs:
            self._strips.pop(run.y, None)
            self.drawn += run.width
        if not runs:
            return ""
        if write:
            return sequences(frame, runs, *self.region.offset, desk.paint)
        self.refresh(*(Region(run.x, run.y, run.width, 1) for run in runs))
        return ""

    def frame(self, width: int, height: int) -> Frame:
        """Return the frame of now. A pane that fails draws what it can, and says why."""
        desk = self.desk
        whole = Frame.blank(width, height)
        inside = whole.inside() if self.BORDERED else whole
        title, told, foot, urgent = self.id or "", "", "", False
        try:
            condition = self.condition()
            title, told, foot = self.title(), self.told(), self.foot()
            if inside.height > 0 and inside.width > 0:
                self.draw(inside)
            if condition is not None and not condition.live:
                inside.old()
                told, urgent = condition.why, True
            self.fault = ""
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            if said != self.fault:
                log.exception("pane %s failed", self.id)
            self.fault, told, urgent = said, "FAILED", True
            self._failed(inside)
        if self.BORDERED:
            if desk.frozen:
                inside.old()
                told, urgent = f"FROZEN {age(desk.frozen_s)}", True
            name = f"{self.DIGIT} {title}".strip()
            whole.border(name, told, heavy=self.has_focus, look=desk.look, urgent=urgent)
            if foot and height > 1:
                whole.text(2, height - 1, f" {foot} ", pen(FAINT), most=width - 4)
        letter = desk.letters.get(self.id or "")
        if letter:
            whole.text(0, 0, f" {letter} ", pen(ALARM_TEXT, ALARM, BOLD))
        if desk.look.ascii:
            whole.ascii()
        return whole

    def _failed(self, inside: Frame) -> None:
        inside.fill(pen(TEXT), " ")
        try:
            self.simple(inside)
        except Exception as error:  # noqa: BLE001
            inside.fill(pen(TEXT), " ")
            inside.text(0, 1, f"and again: {type(error).__name__}: {error}", pen(FAINT))
        inside.text(0, 0, f"cannot be drawn: {self.fault}", pen(BAD), most=inside.width)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return lines as the last frame has them.

        A pane has no box of Textual's and its colours suit the terminal already: what Textual does about that for every
        line, changed or not, is left out. It was a third of the desk's cost.
        """
        lines = [self.render_line(y) for y in crop.line_range]
        if crop.x <= 0 and crop.right >= self.size.width:
            return lines
        return [line.crop(crop.x, crop.right) for line in lines]

    def render_line(self, y: int) -> Strip:
        """Return one line as the last frame has it."""
        strip = self._strips.get(y)
        if strip is None:
            strip = self._strips[y] = self._strip(y)
        return strip

    def _strip(self, y: int) -> Strip:
        frame, paint = self._frame, self._painted or self.desk.paint
        if frame is None or y >= frame.height:
            return Strip.blank(self.size.width, paint.style(pen(TEXT)))
        pens, text = frame.pens[y], "".join(frame.glyphs[y])
        if not text:
            return Strip([], 0)
        cuts = [0, *(np.flatnonzero(pens[1:] != pens[:-1]) + 1).tolist(), len(text)]
        style = paint.style
        return Strip([Segment(text[a:b], style(int(pens[a]))) for a, b in pairwise(cuts)], len(text))

    @property
    def plain(self) -> list[str]:
        """What is shown, without colours."""
        return self._frame.lines() if self._frame is not None else []
