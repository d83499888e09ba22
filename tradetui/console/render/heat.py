"""The heat map as a whole: which seconds and prices are in sight, and what is drawn again.

Between two columns only the newest one is made anew; the others are kept as a picture until a second closes, the view
changes or a scale has to move.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import floor
from typing import TYPE_CHECKING, NamedTuple

from tradetui.console.render import heat_edge, ramps
from tradetui.console.render.cells import decimals
from tradetui.console.render.columns import EDGE, WIDTH, Grid, History, Seconds, Window, gather, join, present
from tradetui.console.render.heat_image import Picture, Scheme, dots, image, lines
from tradetui.console.render.instruments import base
from tradetui.console.render.prints import Prints
from tradetui.console.render.ramps import Cut, Steady

if TYPE_CHECKING:
    from engine.snapshot import CobView
    from engine.views import HeatRow, TradeRow
    from tradetui.console.render.frame import Frame
    from tradetui.console.render.look import Look
    from tradetui.console.view import HeatView

LATE_S = 5
"""Seconds for which the column of now waits for the second before it, rather than leave a hole that closes at once."""


class Scene(NamedTuple):
    """What is known of an instrument. `live`: `cob` is the market now; `now` UTC s; versions tell whether rows changed.

    `word` is what the newest column is.
    """

    instrument: str
    rows: Sequence[HeatRow]
    rows_version: int
    trades: Sequence[TradeRow]
    trades_version: int
    cob: CobView | None
    live: bool
    now: int
    tick: float
    word: str = "live▸"


class Layout(NamedTuple):
    """How a rectangle is divided: the map; prices (`label` columns) and depth (`bar`) on its right; two lines below."""

    columns: int
    scheme: Scheme
    buckets: int
    label: int
    bar: int
    axis: bool
    legend: bool


def arrange(width: int, height: int, label: int, view: HeatView, look: Look) -> Layout:
    """Divide a rectangle; `label` is the width of a price. What is least needed gives way first."""
    axis, legend = height >= 4, height >= 6
    rows = max(height - axis - legend, 0)
    label = label if width >= label + 16 else 0
    bar = next((bar for least, bar in ((160, 16), (110, 12), (70, 8)) if width >= least and label), 0)
    columns = max(width - (label and label + 1) - (bar and bar + 1), 0)
    wanted = -(-WIDTH // view.merge)
    half = rows * 4 < wanted * 3 and not look.shades
    tall = 0 if half else max(rows // wanted, 1)
    buckets = 2 * rows if half else -(-rows // tall)
    return Layout(columns, Scheme(rows, tall, view.metric, view.tint, look), buckets, label, bar, axis, legend)


class HeatMap:
    """One heat map and what it remembers from frame to frame."""

    def __init__(self) -> None:
        self._begin(())

    def _begin(self, of: tuple[object, ...]) -> None:
        """Forget everything: nothing of one instrument holds for another."""
        self._of = of
        self.history = History()
        self.prints = Prints()
        self._steady = Steady()
        self.cut: Cut | None = None
        self.window: Window | None = None
        self._rows_version = self._trades_version = -1
        self._middle: int | None = None
        self._top = 0.0
        self._key: tuple[object, ...] = ()
        self._asked: tuple[object, ...] = ()
        self._closed: Picture | None = None

    def draw(self, frame: Frame, scene: Scene, view: HeatView, look: Look) -> bool:
        """Draw everything; return False, and draw nothing, as long as no second of the book is known."""
        cob = scene.cob
        size = (cob.bucket_size if cob is not None else None) or (scene.rows[-1].size if scene.rows else 0.0)
        if not size or not frame.width or not frame.height:
            return False
        self._take(scene, size)
        newest = int(self.history.seconds.start[-1]) if len(self.history.seconds.start) else None
        second = self._second(scene, newest)
        now = present(cob, second) if cob is not None and scene.live else None
        best = now.best[0] if now is not None else self.history.seconds.best[-1] if newest is not None else None
        if best is None:
            return False
        mid, places = float(best.mean()), decimals(scene.tick / 2) if scene.tick else 2
        told = f"{mid:.{places}f}"
        layout = arrange(frame.width, frame.height, len(told) + 1, view, look)
        self._follow(layout, view, mid, second)
        self._draw_map(frame, layout, now, view)
        if now is None and newest is not None and self.window is not None:
            heat_edge.hole(frame.part(0, 0, layout.columns, layout.scheme.rows), self.window, newest)
        self._draw_edge(frame, layout, now, mid, told, scene, view)
        return True

    def _second(self, scene: Scene, newest: int | None) -> int:
        """Return the second of the newest column."""
        if newest is None or scene.now - newest > LATE_S:
            return scene.now
        return newest + 1 if scene.live or scene.now > newest else newest

    def _take(self, scene: Scene, size: float) -> None:
        if (scene.instrument, size) != self._of:
            self._begin((scene.instrument, size))
        if scene.rows_version != self._rows_version:
            self._rows_version = scene.rows_version
            self.history.take(scene.rows, size)
        if scene.trades_version != self._trades_version:
            self._trades_version = scene.trades_version
            self.prints.take(scene.trades, size)

    def _follow(self, layout: Layout, view: HeatView, mid: float, second: int) -> None:
        """Set what is in sight."""
        size = self.history.size * view.merge
        before = self.window
        if before is None or before.merge != view.merge:
            self._middle, self._top = None, 0.0
        self._middle = ramps.follow_middle(self._middle, floor(mid / size + EDGE), layout.buckets)
        right = second // view.seconds
        bottom = self._middle - layout.buckets // 2
        self.window = Window(
            right - layout.columns + 1, layout.columns, view.seconds, bottom, layout.buckets, view.merge, size
        )

    def _draw_map(self, frame: Frame, layout: Layout, now: Seconds | None, view: HeatView) -> None:
        window, scheme, columns = self.window, layout.scheme, layout.columns
        if window is None or not columns or not scheme.rows:
            return
        closed = window._replace(columns=columns - 1)
        edge = window._replace(first=window.first + columns - 1, columns=1)
        seconds = self.history.seconds
        running = seconds.pick(seconds.start // window.each == edge.first)
        newest = gather(join(running, now) if now is not None else running, edge, view.metric)
        key = (self._rows_version, closed, scheme, view.cut, view.dots, view.lines)
        if key != self._key or self._closed is None:
            self._closed = self._picture(gather(seconds, closed, view.metric), newest, closed, scheme, view)
            self._key = key
        live = image(newest, edge, self._steady.following(newest.value, self.cut), scheme)
        self._overlay(live, newest, edge, scheme, view)
        part = frame.part(0, 0, columns, scheme.rows)
        for picture, place in ((self._closed, slice(0, columns - 1)), (live, slice(columns - 1, columns))):
            part.glyphs[:, place], part.pens[:, place] = picture.glyphs, picture.pens

    def _picture(self, grid: Grid, newest: Grid, window: Window, scheme: Scheme, view: HeatView) -> Picture:
        """Return the picture of the closed columns, with the cut-offs that they ask for."""
        asked = (view.metric, view.seconds, view.merge, view.cut)
        kept = self.cut if asked == self._asked else None
        self._asked = asked
        some = grid.value if window.columns and grid.known.any() else newest.value
        if view.metric == "imbalance":
            self.cut = ramps.BALANCED
        else:
            spread = view.metric == "spread"
            self.cut = ramps.follow_cut(kept, ramps.wanted_widest(some) if spread else ramps.wanted_cut(some, view.cut))
        level = self._steady.levels(
            grid.value, self.cut, window.first, (self.cut, window._replace(first=0), view.metric)
        )
        picture = image(grid, window, level, scheme)
        self._overlay(picture, grid, window, scheme, view)
        return picture

    def _overlay(self, picture: Picture, grid: Grid, window: Window, scheme: Scheme, view: HeatView) -> None:
        if view.lines and view.metric != "spread":  # it lies between the best prices, under their lines
            lines(picture, grid, window, scheme)
        if view.dots:
            dots(picture, self.prints.hits(window), scheme)

    def _draw_edge(
        self,
        frame: Frame,
        layout: Layout,
        now: Seconds | None,
        mid: float,
        told: str,
        scene: Scene,
        view: HeatView,
    ) -> None:
        window, scheme = self.window, layout.scheme
        if window is None:
            return
        x = layout.columns + 1
        if layout.label:
            label = frame.part(x, 0, layout.label, scheme.rows)
            heat_edge.prices(label, window, scheme)
            heat_edge.middle(label, mid, told, window, scheme, live=now is not None)
        if layout.bar and now is not None:
            second = window._replace(first=int(now.start[0]), columns=1, each=1)
            grid = gather(now, second, "size")
            bids, asks = heat_edge.row_sums(grid, scheme)
            self._top = ramps.follow_top(self._top, float((bids + asks).max(initial=0.0)))
            heat_edge.depth(frame.part(x + layout.label + 1, 0, layout.bar, scheme.rows), grid, self._top, scheme)
        y = scheme.rows
        if layout.axis:
            heat_edge.times(frame.part(0, y, layout.columns, 1), window, scene.word)
        if layout.legend:
            best = view.lines and view.metric != "spread"
            unit = base(scene.instrument)
            heat_edge.legend(frame.part(0, y + 1, frame.width, 1), self.cut, scheme, unit, dots=view.dots, best=best)
