"""The desk that comes of the usual parts: Textual's own widgets, and plotext 5 for charts and heat map.

The same link, the same panes, the same four frames a second; for `tests.bench.console`. It stands for what one would
build in a day, not for the best that can be made of these parts.
"""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import numpy as np
import plotext
from rich.text import Text
from textual.app import App, ComposeResult
from textual.containers import Grid, Horizontal, Vertical
from textual.widgets import DataTable, Footer, Static

from tradetui.console.link import Link
from tradetui.console.news import Want
from tradetui.places import places

TIMEFRAMES = ("1s", "1m", "1h", "1d")


class PlotextDesk(App[None]):
    """Four charts, heat map, ladder, tape, markets, connections, alerts, events."""

    CSS = """
    Grid { grid-size: 2 2; height: 4fr; }
    Grid Static, #heat { border: round white; }
    #side { width: 3fr; } #left { width: 5fr; } #book { height: 3fr; } #heat { width: 4fr; }
    DataTable { height: 1fr; }
    """
    BINDINGS: ClassVar = [("q", "quit", "quit")]

    def compose(self) -> ComposeResult:
        yield Static(id="status")
        with Vertical():
            with Horizontal():
                with Grid(id="left"):
                    for name in TIMEFRAMES:
                        yield Static(id=f"c{name}")
                with Vertical(id="side"):
                    for name in ("markets", "connections", "alerts", "events"):
                        yield DataTable(id=name)
            with Horizontal(id="book"):
                yield Static(id="heat")
                yield DataTable(id="ladder")
                yield DataTable(id="tape")
        yield Footer()

    def on_mount(self) -> None:
        self.link = Link(places("default"), [])
        self._linking = asyncio.create_task(self.link.run())
        self.columns = {
            "markets": ("market", "bid", "ask", "last"), "connections": ("source", "up", "age", "rate"),
            "alerts": ("code", "component", "since"), "events": ("time", "event"),
            "ladder": ("bid", "price", "ask"), "tape": ("time", "price", "size"),
        }  # fmt: skip
        for name, columns in self.columns.items():
            self.query_one(f"#{name}", DataTable).add_columns(*columns)
        self.set_interval(0.25, self.tick)

    async def on_unmount(self) -> None:
        self._linking.cancel()

    def tick(self) -> None:
        link = self.link
        if not link.markets:
            return
        symbol = link.markets[0].instrument
        wants = {Want("bars", symbol, name) for name in TIMEFRAMES}
        link.look_at(wants | {Want("cob", symbol), Want("heat", symbol), Want("trades", symbol)})
        self.query_one("#status", Static).update(f"{symbol} {link.markets[0].last}")
        for name in TIMEFRAMES:
            self.chart(symbol, name)
        self.heat(symbol)
        self.tables(symbol)

    def drawn(self, name: str, draw: object) -> None:
        plot = self.query_one(f"#{name}", Static)
        plotext.clear_figure()
        plotext.plotsize(max(plot.content_size.width, 10), max(plot.content_size.height, 4))
        draw()  # type: ignore[operator]
        plot.update(Text.from_ansi(plotext.build()))

    def chart(self, symbol: str, name: str) -> None:
        candles = self.link.candles(symbol, name)
        if not len(candles):
            return
        width = max(self.query_one(f"#c{name}", Static).content_size.width - 10, 5)
        ohlc = candles.ohlc[-width:]
        times = [datetime.fromtimestamp(ms / 1000, UTC) for ms in candles.open_ms[-width:]]

        def draw() -> None:
            plotext.date_form("d/m/Y H:M:S")
            columns = dict(zip(("Open", "High", "Low", "Close"), ohlc.T.tolist(), strict=True))
            plotext.candlestick(plotext.datetimes_to_strings(times), columns)

        self.drawn(f"c{name}", draw)

    def heat(self, symbol: str) -> None:
        rows = self.link.heat(symbol).rows[-120:]
        if rows:
            matrix = np.array([np.add(row.bids, row.asks) for row in rows]).T[::-1]
            self.drawn("heat", lambda: plotext.matrix_plot(matrix.tolist()))

    def tables(self, symbol: str) -> None:
        link, cob = self.link, self.link.cobs.get(symbol)
        health = link.health
        rows = {
            "markets": [(m.instrument, m.best_bid, m.best_ask, m.last) for m in link.markets],
            "connections": [(c.source, c.up, c.age_ms, c.rate) for c in (health.connections if health else ())],
            "alerts": [(a.code, a.component, a.since) for a in link.alerts],
            "events": [(e.ts, e.text) for e in list(link.events)[-10:]],
            "ladder": [(f"{b.bid:.3f}", b.price, f"{b.ask:.3f}") for b in reversed(cob.buckets if cob else ())],
            "tape": [(t.ts_ms, t.price, t.size) for t in list(link.trades(symbol).rows)[-30:]],
        }
        for name, cells in rows.items():
            table = self.query_one(f"#{name}", DataTable)
            for at, row in enumerate(cells):
                if at >= table.row_count:
                    table.add_row(*map(str, row))
                else:
                    for column, cell in enumerate(row):
                        if table.get_cell_at((at, column)) != str(cell):  # type: ignore[arg-type]
                            table.update_cell_at((at, column), str(cell))  # type: ignore[arg-type]


if __name__ == "__main__":
    sys.argv = [sys.argv[0]]
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    Path("~").expanduser()
    PlotextDesk().run()
