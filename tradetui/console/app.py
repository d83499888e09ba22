"""The console's screen: panes on a desk, one clock, and the keys that hold everywhere."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.geometry import Size
from textual.screen import Screen
from textual.widgets import Static

import themes
from tradetui.console.acts import Acts
from tradetui.console.body import Body, DeskScreen
from tradetui.console.dealing import Dealing
from tradetui.console.desk_keys import DeskKeys
from tradetui.console.hand import Hand
from tradetui.console.keymap import KEYS
from tradetui.console.keys import FILE, Keys
from tradetui.console.layout import LEAST, TRADING, arrange
from tradetui.console.meter import Meter
from tradetui.console.orders import Orders
from tradetui.console.palette import ConsoleCommands
from tradetui.console.panes.alerts import Acknowledge, AlertsPane
from tradetui.console.panes.chart import ChartPane
from tradetui.console.panes.data import DataPane
from tradetui.console.panes.dealt import FillsPane, JournalPane, OrdersPane, PositionsPane
from tradetui.console.panes.equity import EquityPane
from tradetui.console.panes.events import EventsPane
from tradetui.console.panes.heat import HeatPane
from tradetui.console.panes.ladder import LadderPane
from tradetui.console.panes.lines import (
    AccountLine,
    BannerPane,
    EventLine,
    Footer,
    ReplayLine,
    StatusLine,
    TabLine,
)
from tradetui.console.panes.markets import MarketsPane
from tradetui.console.panes.paint import Paint
from tradetui.console.panes.pane import Pane, bindings
from tradetui.console.panes.risk import Apply, RiskPane, Toggle
from tradetui.console.panes.system import SystemPane
from tradetui.console.panes.tape import TapePane
from tradetui.console.panes.writing import Written
from tradetui.console.screens.command_line import CommandLine
from tradetui.console.view import Memory

if TYPE_CHECKING:
    from engine.tradingviews import OrderView
    from tradetui.console.desk import Desk
    from tradetui.console.terminal import Terminal

KEEP_S = 1.0
"""Seconds between two looks whether the view has to be kept."""

SLOW_S = 1.0
"""Pause between frames when the loop is late, and on a slow line."""


class ConsoleApp(DeskKeys):
    """A trading desk in the terminal."""

    CSS_PATH: ClassVar = [Path(themes.__file__).with_name("console.tcss")]
    COMMANDS: ClassVar = {ConsoleCommands}
    ALLOW_SELECT = False  # dragging moves charts
    BINDINGS: ClassVar = bindings("everywhere", "replay", "trading")

    def __init__(
        self,
        desk: Desk,
        terminal: Terminal | None = None,
        memory: Memory | None = None,
        keys: Keys | None = None,
    ) -> None:
        super().__init__(ansi_color=desk.look.colours in ("16", "none"))
        self.desk = desk
        self.link = desk.link
        self.fault: BaseException | None = None
        self.meter = desk.meter = Meter()
        self.low = False
        """A slow line: one frame a second, no heat map unless it is asked for."""
        self._terminal = terminal
        self._memory = memory
        self.own_keys = keys or Keys(Path(FILE), KEYS, {}, ())
        self.keys = desk.keys = self.own_keys.table
        self._lines = [
            StatusLine(desk),
            TabLine(desk),
            ReplayLine(desk),
            AccountLine(desk),
            BannerPane(desk),
            EventLine(desk),
            Footer(desk),
        ]
        self._panes: dict[str, Pane] = {
            pane.id or "": pane
            for pane in (
                *(ChartPane(desk, number) for number in range(1, 5)),
                HeatPane(desk), LadderPane(desk), TapePane(desk), MarketsPane(desk), SystemPane(desk),
                AlertsPane(desk), EventsPane(desk), DataPane(desk), PositionsPane(desk), OrdersPane(desk),
                FillsPane(desk), JournalPane(desk), RiskPane(desk), EquityPane(desk),
            )
        }  # fmt: skip
        self.command_line = CommandLine(self.known, self.line_entered, self.line_changed, self.line_closed)
        self._body = Body(*self._lines, *self._panes.values(), self.command_line)
        self._small = Static(id="small", markup=False)
        self._linking: asyncio.Task[None] | None = None
        self._timer: Any = None
        self._paused_s = 0.0
        self._kept_at = 0.0
        self._rung = 0
        self.acts = Acts(self)
        self.dealing = Dealing(self, self.acts)
        self.hand = Hand(self, self.dealing)
        self._orders = Orders(self)

    # Life. ----------------------------------------------------------------------------------------------------------

    def get_default_screen(self) -> Screen[None]:
        """Return the screen of the desk."""
        return DeskScreen(id="_default")

    def compose(self) -> ComposeResult:
        """Put the desk on the screen."""
        yield self._body
        yield self._small

    def on_mount(self) -> None:
        """Begin to look for the engine."""
        self.set_class(self.desk.look.ascii, "ascii")
        self.set_class(self.desk.look.colours == "none", "bare")
        self.paint(self.desk.paint)
        self.set_keymap(self.own_keys.keymap)
        self.meter.watch(self)
        self.desk.changed = self.changed
        self.desk.ask = lambda line: self.begin_line(":", line)
        self.desk.choose = self.acts.choose_layers
        self.link.arrived = self.arrived
        self._linking = asyncio.create_task(self.link.run(), name="link")
        self._pace()
        self.place()
        self.focus_pane(self.desk.view.pane)
        self.call_after_refresh(self._settled)
        self.draw()

    def _settled(self) -> None:
        gc.collect()
        gc.freeze()

    async def on_unmount(self) -> None:
        """Keep the view, and let go of the engine."""
        self.keep()
        tasks = [task for task in (self._linking, *self.acts.tasks) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def keep(self) -> None:
        """Keep the view, if it has changed."""
        self._kept_at = time.monotonic()
        if self._memory is not None:
            before = self._memory.trouble
            self._memory.keep(self.desk.view)
            if self._memory.trouble and self._memory.trouble != before:
                self.desk.say(self._memory.trouble)

    # The clock. -----------------------------------------------------------------------------------------------------

    def _pace(self) -> None:
        """Let the clock run as fast as the person, the line and the machine want it."""
        pause = SLOW_S if self.low or self.meter.late else 1 / self.desk.view.rate
        if pause != self._paused_s:
            self._paused_s = pause
            if self._timer is not None:
                self._timer.stop()
            self._timer = self.set_interval(pause, self._tick)

    def _tick(self) -> None:
        now = time.monotonic()
        self.meter.tick(now, self._paused_s)
        self._pace()
        if now - self._kept_at >= KEEP_S:
            self.keep()
        self._ring()
        self.dealing.questions.look()
        if self._terminal is not None:
            self._terminal.look()
            if self._terminal.behind(self):
                return  # it does not read; what is newest then is drawn when it does again
        self.draw()

    def _ring(self) -> None:
        """Ring the bell once for all that was worth it since the last time."""
        if self.link.rings != self._rung:
            self._rung = self.link.rings
            if self.desk.view.bell:
                self.bell()

    def changed(self) -> None:
        """Draw at once what a key has changed."""
        if self.screen_stack:
            self._pace()
            self.draw()

    def arrived(self) -> None:
        """Draw a page of the past at once: somebody waits for it."""
        if self._terminal is None or not self._terminal.behind(self):
            self.draw()

    def draw(self) -> None:
        """Put on the screen what is known now."""
        if not self.screen_stack or self._is_small(self.size):
            return
        if self.place():
            self.call_after_refresh(self.draw)  # until then the panes have their old places
            return
        visible = self._body.places.boxes
        self.link.look_at(self.desk.wants(set(visible)))
        # A dialog or the command line may lie over panes: then Textual puts all together.
        write = len(self.screen_stack) == 1 and not self.command_line.open
        written = [pane.tick(write=write) for pane in (*self._lines, *self._panes.values()) if pane.id in visible]
        if any(written):
            self._display(self.screen, Written("".join(written)))

    # Places. --------------------------------------------------------------------------------------------------------

    @staticmethod
    def _is_small(size: Size) -> bool:
        return size.width < LEAST[0] or size.height < LEAST[1]

    def on_resize(self, event: events.Resize) -> None:
        """Place everything anew; say so if there is not enough room."""
        if not self.screen_stack:
            return  # it is ending
        small = self._is_small(event.size)
        if small:
            self.desk.letters = {}
            while len(self.screen_stack) > 1:
                self.pop_screen()
            told = f"too small: need {LEAST[0]}x{LEAST[1]}\nthis is {event.size.width}x{event.size.height}"
            self._small.update(told)
        self.screen_stack[0].set_class(small, "small")
        if not small:
            self.place()
            self.screen.refresh()  # a terminal that was another size for a moment has lost its picture
            self.call_after_refresh(self.draw)

    def place(self) -> bool:
        """Give every pane its place, if anything that decides it has changed; return whether it has."""
        view, size, account = self.desk.view, self.size, self.link.account
        if self._is_small(size):
            return False
        banner = next(line for line in self._lines if isinstance(line, BannerPane))
        boxes = arrange(
            view.preset,
            size.width,
            size.height,
            focus=view.pane if view.pane in self._panes else "chart2",
            chart=f"chart{view.chart + 1}",
            zoomed=view.zoomed,
            folded=view.folded,
            without=(*(("heat",) if self.low else ()), *(() if account.on else TRADING)),
            lines={"markets": max(len(self.desk.symbols), 1) + 3, "positions": max(len(account.positions), 1) + 3},
            banner=banner.lines(size.width),
            replay=self.desk.replay is not None and self.link.attached,
            account=account.on,
        )
        if self.command_line.open:
            boxes["command"] = boxes.pop("event")
        if boxes == self._body.places.boxes:
            return False
        self._body.move(boxes)
        return True

    def paint(self, paint: Paint) -> None:
        """Take a theme: the panes draw themselves anew, dialogs follow."""
        from tradetui.console.screens.theme import textual_theme

        self.desk.paint = paint
        theme = textual_theme(paint.palette, self.desk.look)
        self.register_theme(theme)
        self.theme = theme.name

    # Focus. ---------------------------------------------------------------------------------------------------------

    def focus_pane(self, name: str) -> None:
        """Go to a pane; one without a place is given one."""
        view = self.desk.view
        pane = self._panes.get(name)
        if pane is None:
            return
        view.pane = name
        if name.startswith("chart"):
            view.chart = int(name[-1]) - 1
        self.place()
        pane.display = True
        if self.screen_stack:
            self.screen_stack[0].set_focus(pane)
        self.changed()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Take what is in focus for the pane of the keys."""
        name = event.widget.id or ""
        focused = self.screen_stack[0].focused if self.screen_stack else None
        if name in self._panes and name != self.desk.view.pane and focused is event.widget:
            self.focus_pane(name)

    @property
    def focused_pane(self) -> Pane:
        """The pane in focus, or that was before a dialog came."""
        return self._panes.get(self.desk.view.pane) or self._panes["chart2"]

    @property
    def chart_pane(self) -> ChartPane:
        """The chart that was last in focus."""
        pane = self._panes[f"chart{self.desk.view.chart + 1}"]
        assert isinstance(pane, ChartPane)
        return pane

    def visible_panes(self) -> list[str]:
        """Return the panes in sight, in reading order."""
        boxes = self._body.places.boxes
        return sorted((name for name in boxes if name in self._panes), key=lambda name: (boxes[name].y, boxes[name].x))

    def chosen_order(self) -> OrderView | None:
        """Return the order under the cursor, while the list of orders is in focus."""
        orders = self._panes["orders"]
        assert isinstance(orders, OrdersPane)
        return orders.item if self.desk.view.pane == "orders" else None

    def chosen_symbol(self) -> str:
        """Return the instrument of the row under the cursor of positions or orders in focus; else the desk's."""
        pane = self.focused_pane
        item = pane.item if isinstance(pane, PositionsPane | OrdersPane) else None
        return item.instrument if item is not None else self.desk.symbol

    # What is asked for. -----------------------------------------------------------------------------------------------

    def enter(self, line: str) -> None:
        """Carry out a line of the command line."""
        self._orders.enter(line)

    def acknowledge_chosen(self) -> None:
        """Mark the chosen alert as seen."""
        alerts = self._panes["alerts"]
        assert isinstance(alerts, AlertsPane)
        alerts.action_acknowledge()

    def on_acknowledge(self, event: Acknowledge) -> None:
        """Have the engine mark an alert as seen."""
        self.acts.acknowledge(event.alert)

    def on_toggle(self, event: Toggle) -> None:
        """Turn a switch of the engine; asks."""
        self.dealing.switch(event.name, event.on)

    def on_apply(self, _event: Apply) -> None:
        """Have the staged limits hold; asks."""
        self.dealing.apply()

    # Faults. --------------------------------------------------------------------------------------------------------

    def _fatal_error(self) -> None:
        """End without a traceback on the terminal; the command line writes a report."""
        self.fault = self._exception
        with contextlib.suppress(Exception):
            self._close_messages_no_wait()
