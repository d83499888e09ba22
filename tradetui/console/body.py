"""The desk's screen: what holds the panes, and places them where `tradetui.console.layout` says."""

from __future__ import annotations

from textual.geometry import NULL_OFFSET, NULL_SPACING, Region, Size
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.screen import Screen
from textual.widget import Widget

from tradetui.console.layout import Box


class DeskLayout(Layout):
    """Places the panes where `tradetui.console.layout` says."""

    name = "desk"

    def __init__(self) -> None:
        self.boxes: dict[str, Box] = {}

    def arrange(self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True) -> ArrangeResult:  # noqa: ARG002
        """Return the places of the panes that have one."""
        parent.pre_layout(self)
        return [
            WidgetPlacement(Region(*self.boxes[child.id]), NULL_OFFSET, NULL_SPACING, child)
            for child in children
            if child.id in self.boxes
        ]


class Body(Widget):
    """Holds everything on the desk."""

    def __init__(self, *children: Widget) -> None:
        super().__init__(*children, id="body")
        self.places = DeskLayout()

    @property
    def layout(self) -> Layout:
        """How the panes are placed."""
        return self.places

    def move(self, boxes: dict[str, Box]) -> None:
        """Place the panes anew; those without a box are not shown."""
        self.places.boxes = boxes
        for widget in self.children:
            widget.display = widget.id in boxes
        self._clear_arrangement_cache()  # the places have changed, not the widgets
        self.refresh(layout=True)


class DeskScreen(Screen[None], inherit_bindings=False):
    """The desk's screen; the keys are those of the keymap, and no others, and the focus is where it was left."""

    AUTO_FOCUS = ""
