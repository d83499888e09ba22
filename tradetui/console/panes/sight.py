"""What a chart shows at a moment: bars in slots, columns on the screen, a scale, a crosshair."""

from __future__ import annotations

from typing import NamedTuple

from tradetui.console.render.chart import Cross, Layout
from tradetui.console.render.scale import Scale
from tradetui.console.render.slots import Slots
from tradetui.console.render.viewport import Viewport


class Sight(NamedTuple):
    """What a chart shows at a moment. `cross` is None while there is no crosshair, or no bar at its time."""

    slots: Slots
    parts: Layout
    view: Viewport
    scale: Scale
    cross: Cross | None
