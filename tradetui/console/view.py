"""What the person has chosen to see. It is kept when the console ends, and is there again at the next attach."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from engine.types import Timeframe
from tradetui.places import contents

Frame = Annotated[str, Meta(max_length=8)]
Chosen = Annotated[str, Meta(max_length=20)]
Price = Annotated[float, Meta(ge=-1e15, le=1e15)]

CHARTS = ("1s", "1m", "1h", "1d")
"""Timeframes of the four charts at the beginning."""

TIMEFRAMES = tuple(str(timeframe) for timeframe in Timeframe)


class ChartView(msgspec.Struct, kw_only=True):
    """One chart.

    `columns` says how many columns a bar takes; below 1 a column holds several bars. `end` is the opening time, ms, of
    the newest bar in sight, None: live. `low` and `high` hold the price scale, None: it follows the candles. `lines`
    are indicators over the candles, `study` the one below them, `marks` what else is laid over them; see `studies`.
    """

    timeframe: Frame = "1m"
    columns: Annotated[float, Meta(ge=1 / 64, le=8)] = 1.0
    end: int | None = None
    low: Price | None = None
    high: Price | None = None
    scale: Literal["linear", "log", "percent"] = "linear"
    glyphs: Literal["eighth", "half", "box", "braille"] = "eighth"
    heikin: bool = False
    volume: bool = True
    lines: tuple[Chosen, ...] = ()
    study: Annotated[str, Meta(max_length=20)] = ""
    marks: tuple[Chosen, ...] = ("orders",)


class HeatView(msgspec.Struct, kw_only=True):
    """The heat map and the ladder.

    `cut` is the part, per cent, that is cut off at both ends of the sizes. `levels`: the ladder shows single prices.
    """

    metric: Literal["size", "imbalance", "spread"] = "size"
    seconds: Annotated[int, Meta(ge=1, le=60)] = 1
    merge: Annotated[int, Meta(ge=1, le=20)] = 1
    cut: Annotated[float, Meta(ge=0, le=45)] = 5.0
    tint: bool = False
    dots: bool = True
    lines: bool = True
    levels: bool = False


class Cross(msgspec.Struct, kw_only=True):
    """The crosshair: the time (ms) it stands on, the price, or None while it holds on to the close, and whose it is."""

    ms: int
    price: Price | None = None
    chart: int = 0


class AlertsView(msgspec.Struct, kw_only=True):
    """The list of alerts."""

    severity: Literal["info", "warning", "error", "critical"] = "info"
    active: bool = False


class View(msgspec.Struct, kw_only=True):
    """Everything that is kept. `chart` is the chart that was last in focus, `pane` the pane in focus."""

    symbol: Annotated[str, Meta(max_length=60)] = ""
    preset: Annotated[str, Meta(max_length=20)] = "desk"
    pane: Annotated[str, Meta(max_length=20)] = "chart2"
    chart: Annotated[int, Meta(ge=0, le=3)] = 1
    zoomed: bool = False
    folded: list[Annotated[str, Meta(max_length=20)]] = []
    theme: Annotated[str, Meta(max_length=32)] = "colour-safe"
    sync: bool = True
    bell: bool = True
    rate: Annotated[float, Meta(ge=0.5, le=10)] = 4.0
    cross: Cross | None = None
    charts: Annotated[list[ChartView], Meta(min_length=4, max_length=4)] = msgspec.field(
        default_factory=lambda: [ChartView(timeframe=timeframe) for timeframe in CHARTS]
    )
    heat: HeatView = msgspec.field(default_factory=HeatView)
    alerts: AlertsView = msgspec.field(default_factory=AlertsView)
    filters: dict[Annotated[str, Meta(max_length=20)], Annotated[str, Meta(max_length=100)]] = {}


class Memory:
    """The file that keeps the view."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept = b""
        self.trouble = ""
        """Why the view cannot be kept, or was not found as it was left."""

    def recall(self) -> View:
        """Return what was kept; a file that makes no sense is put aside, and its view is the first one."""
        try:
            data = contents(self._path)
            view = msgspec.json.decode(data, type=View)
        except FileNotFoundError:
            return View()
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            self.trouble = f"the kept view cannot be read ({error}); it begins anew"
            with contextlib.suppress(OSError):
                self._path.replace(self._path.with_suffix(".unread"))
            return View()
        for chart in view.charts:
            if chart.timeframe not in TIMEFRAMES:
                chart.timeframe = "1m"
        self._kept = data
        return view

    def keep(self, view: View) -> bool:
        """Write the view if it has changed; whole or not at all. Return whether something was written."""
        data = msgspec.json.encode(view)
        if data == self._kept:
            return False
        new = self._path.with_suffix(f".new{os.getpid()}")
        try:
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            new.replace(self._path)
        except OSError as error:
            self.trouble = f"the view cannot be kept: {error.strerror or error}"
            with contextlib.suppress(OSError):
                new.unlink()
            return False
        self._kept, self.trouble = data, ""
        return True
