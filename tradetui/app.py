"""The console's screen: panes on a desk, one clock, and the keys that hold everywhere."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events
from textual.app import App, ComposeResult
from textual.geometry import NULL_OFFSET, NULL_SPACING, Region, Size
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

import themes
from tradetui.acts import Acts
from tradetui.arguments import Known
from tradetui.keymap import KEYS
from tradetui.keys import FILE, Keys
from tradetui.layout import DIGITS, LEAST, PRESETS, Box, arrange
from tradetui.meter import Meter
from tradetui.orders import Orders
from tradetui.palette import ConsoleCommands, Palette
from tradetui.panes.alerts import AlertsPane
from tradetui.panes.chart import ChartPane
from tradetui.panes.events import EventsPane
from tradetui.panes.heat import HeatPane
from tradetui.panes.ladder import LadderPane
from tradetui.panes.lines import BannerPane, EventLine, Footer, StatusLine, TabLine
from tradetui.panes.markets import MarketsPane
from tradetui.panes.paint import Paint
from tradetui.panes.pane import Pane, bindings
from tradetui.panes.system import SystemPane
from tradetui.panes.table import Told
from tradetui.panes.tape import TapePane
from tradetui.panes.writing import Written
from tradetui.prompt import known_of
from tradetui.screens import dialogs
from tradetui.screens.command_line import CommandLine
from tradetui.view import TIMEFRAMES, Memory

if TYPE_CHECKING:
    from tradetui.desk import Desk
    from tradetui.terminal import Terminal

KEEP_S = 1.0
"""Seconds between two looks whether the view has to be kept."""

SLOW_S = 1.0
"""Pause between frames when the loop is late, and on a slow line."""


class DeskLayout(Layout):
    """Places the panes where `tradetui.layout` says."""

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


class DeskScreen(Screen[None], inherit_bindings=False):
    """The desk's screen; the keys are those of the keymap, and no others, and the focus is where it was left."""

    AUTO_FOCUS = ""


class ConsoleApp(App[None]):
    """A trading desk in the terminal."""

    CSS_PATH: ClassVar = [Path(themes.__file__).with_name("console.tcss")]
    COMMANDS: ClassVar = {ConsoleCommands}
    ALLOW_SELECT = False  # dragging moves charts
    BINDINGS: ClassVar = bindings("everywhere", "replay")

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
        self._lines = [StatusLine(desk), TabLine(desk), BannerPane(desk), EventLine(desk), Footer(desk)]
        self._panes: dict[str, Pane] = {
            pane.id or "": pane
            for pane in (
                *(ChartPane(desk, number) for number in range(1, 5)),
                HeatPane(desk), LadderPane(desk), TapePane(desk), MarketsPane(desk), SystemPane(desk),
                AlertsPane(desk), EventsPane(desk),
            )
        }  # fmt: skip
        self._command = CommandLine(desk)
        self._body = Body(*self._lines, *self._panes.values(), self._command)
        self._small = Static(id="small", markup=False)
        self._linking: asyncio.Task[None] | None = None
        self._timer: Any = None
        self._paused_s = 0.0
        self._kept_at = 0.0
        self.acts = Acts(self)
        self.orders = Orders(self)

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
        self.paint(self.desk.paint)
        self.set_keymap(self.own_keys.keymap)
        self.meter.watch(self)
        self.desk.changed = self.changed
        self._linking = asyncio.create_task(self.link.run(), name="link")
        self._pace()
        self.place()
        self._focus(self.desk.view.pane)
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
        if self._terminal is not None:
            self._terminal.look()
            if self._terminal.behind(self):
                return  # it does not read; what is newest then is drawn when it does again
        self.draw()

    def changed(self) -> None:
        """Draw at once what a key has changed."""
        if self.screen_stack:
            self._pace()
            self.draw()

    def draw(self) -> None:
        """Put on the screen what is known now."""
        if not self.screen_stack or self._is_small(self.size):
            return
        self.place()
        visible = self._body.places.boxes
        self.link.look_at(self.desk.wants(set(visible)))
        # A dialog or the command line may lie over panes: then Textual puts all together.
        write = len(self.screen_stack) == 1 and not self._command.open
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
            while len(self.screen_stack) > 1:
                self.pop_screen()
            told = f"too small: need {LEAST[0]}x{LEAST[1]}\nthis is {event.size.width}x{event.size.height}"
            self._small.update(told)
        self.screen_stack[0].set_class(small, "small")
        if not small:
            self.place()
            self.call_after_refresh(self.draw)

    def place(self) -> None:
        """Give every pane its place, if anything that decides it has changed."""
        view, size = self.desk.view, self.size
        if self._is_small(size):
            return
        banner = next(line for line in self._lines if isinstance(line, BannerPane))
        boxes = arrange(
            view.preset,
            size.width,
            size.height,
            focus=view.pane if view.pane in self._panes else "chart2",
            chart=f"chart{view.chart + 1}",
            zoomed=view.zoomed,
            folded=view.folded,
            without=("heat",) if self.low else (),
            lines={"markets": max(len(self.desk.symbols), 1) + 3},
            banner=banner.lines(size.width),
        )
        if self._command.open:
            boxes["command"] = boxes.pop("event")
        if boxes == self._body.places.boxes:
            return
        self._body.places.boxes = boxes
        for widget in (*self._lines, *self._panes.values(), self._command):
            widget.display = widget.id in boxes
        self._body._clear_arrangement_cache()  # the places have changed, not the widgets
        self._body.refresh(layout=True)

    def paint(self, paint: Paint) -> None:
        """Take a theme: the panes draw themselves anew, dialogs follow."""
        from tradetui.screens.theme import textual_theme

        self.desk.paint = paint
        theme = textual_theme(paint.palette, self.desk.look)
        self.register_theme(theme)
        self.theme = theme.name

    # Focus. ---------------------------------------------------------------------------------------------------------

    def _focus(self, name: str) -> None:
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
        if name in self._panes and name != self.desk.view.pane:
            self._focus(name)

    @property
    def focused_pane(self) -> Pane:
        """The pane in focus, or that was before a dialog came."""
        return self._panes.get(self.desk.view.pane) or self._panes["chart2"]

    def visible_panes(self) -> list[str]:
        """Return the panes in sight, in reading order."""
        boxes = self._body.places.boxes
        return sorted((name for name in boxes if name in self._panes), key=lambda name: (boxes[name].y, boxes[name].x))

    def action_next(self, steps: int) -> None:
        """Go to the next pane in sight."""
        names = self.visible_panes()
        at = names.index(self.desk.view.pane) if self.desk.view.pane in names else 0
        self._focus(names[(at + steps) % len(names)])

    def action_pane(self, digit: str) -> None:
        """Go to a pane by its key."""
        view = self.desk.view
        if digit != "1":
            self._focus(DIGITS[digit])
            return
        charts = [name for name in self.visible_panes() if name.startswith("chart")] or ["chart1"]
        if len(charts) == 1:  # there is one place for charts: the key goes through all of them
            charts = ["chart1", "chart2", "chart3", "chart4"]
        here = f"chart{view.chart + 1}"
        step = 1 if view.pane == here else 0
        self._focus(charts[(charts.index(here) + step) % len(charts)] if here in charts else charts[0])

    def focus_pane(self, name: str) -> None:
        """Go to a pane by name."""
        self._focus(name)

    # The desk. ------------------------------------------------------------------------------------------------------

    def action_zoom(self) -> None:
        """Show the pane in focus alone, or all again."""
        self.desk.view.zoomed = not self.desk.view.zoomed
        self.changed()

    def action_fold(self) -> None:
        """Fold the pane in focus to its title, or open it."""
        folded, name = self.desk.view.folded, self.desk.view.pane
        if name in folded:
            folded.remove(name)
        else:
            folded.append(name)
        self.changed()

    def action_preset(self, steps: int) -> None:
        """Show the next layout."""
        view = self.desk.view
        at = PRESETS.index(view.preset) if view.preset in PRESETS else 0
        self.preset(PRESETS[(at + steps) % len(PRESETS)])

    def preset(self, name: str) -> None:
        """Show a layout; its own panes come first, so the focus goes to one of them."""
        view = self.desk.view
        view.preset, view.zoomed = name, False
        plain = arrange(name, *self.size, focus="chart2", chart=f"chart{view.chart + 1}")
        own = [pane for pane in plain if pane in self._panes]
        if view.pane not in own:
            first = next((pane for pane in DIGITS.values() if pane in own and name in ("book", "engine")), None)
            self._focus({"book": "heat", "engine": "system"}.get(name) or first or f"chart{view.chart + 1}")
        self.changed()

    def action_theme(self, steps: int) -> None:
        """Take the next theme."""
        self.acts.next_theme(steps)

    def action_sync(self) -> None:
        """Tie the charts to one time, or let each have its own."""
        view = self.desk.view
        view.sync = not view.sync
        self.changed()

    def action_symbol(self, steps: int) -> None:
        """Show the next instrument."""
        names = self.desk.symbols
        if len(names) < 2:
            self.desk.say("there is one instrument only; more come from data_provider.symbols in the settings")
        else:
            self.symbol(names[(names.index(self.desk.symbol) + steps) % len(names)])
        self.changed()

    def symbol(self, name: str) -> None:
        """Show an instrument: prices of another one mean nothing on it."""
        view = self.desk.view
        if name != view.symbol:
            view.symbol, view.cross = name, None
            for chart in view.charts:
                chart.low = chart.high = chart.end = None
        self.changed()

    def action_timeframe(self, steps: int) -> None:
        """Show another timeframe in the chart."""
        at = TIMEFRAMES.index(self.desk.chart.timeframe)
        self.timeframe(TIMEFRAMES[min(max(at + steps, 0), len(TIMEFRAMES) - 1)])

    def timeframe(self, name: str) -> None:
        """Show a timeframe in the chart that was last in focus."""
        chart = self.desk.chart
        if chart.timeframe != name:
            chart.timeframe, chart.low, chart.high, chart.end = name, None, None, None
        self.changed()

    def action_freeze(self) -> None:
        """Keep the screen as it is, or let it go on; a replay is paused itself."""
        if self.link.replay is not None:
            self.acts.replay("toggle")
        else:
            self.desk.freeze(not self.desk.frozen)
        self.changed()

    async def action_back(self) -> None:
        """Go one step back."""
        view = self.desk.view
        if self.desk.frozen:
            self.desk.freeze(False)
        elif view.cross is not None:
            view.cross = None
        elif view.zoomed:
            view.zoomed = False
        elif view.filters.pop(view.pane, None) is None:
            return
        self.changed()

    # Lines and dialogs. ---------------------------------------------------------------------------------------------

    def action_command(self) -> None:
        """Type a command."""
        self.begin_line(":", "")

    def action_filter(self) -> None:
        """Type what rows have to hold."""
        self.begin_line("/", self.desk.view.filters.get(self.desk.view.pane, ""))

    def begin_line(self, prefix: str, text: str) -> None:
        """Open the command line with a text in it."""
        self._command.begin(prefix, text)
        self.place()
        self._command.focus_line()
        self.changed()

    def known(self) -> Known:
        """Return what a command may speak of."""
        return known_of(self.desk, self.acts.own_themes)

    def enter(self, line: str) -> None:
        """Carry out a line of the command line."""
        self.orders.enter(line)

    def filter(self, text: str) -> None:
        """Show only rows of the pane in focus that hold a text."""
        filters, pane = self.desk.view.filters, self.desk.view.pane
        filters.pop(pane, None)
        if text:
            filters[pane] = text[:100]
        self.changed()

    def on_command_line_entered(self, event: CommandLine.Entered) -> None:
        """Take a line."""
        if event.prefix == "/":
            self.filter(event.text)
        else:
            self.enter(event.text)

    def on_command_line_changed(self, event: CommandLine.Changed) -> None:
        """Filter as it is typed."""
        if event.prefix == "/":
            self.filter(event.text)

    def on_command_line_closed(self) -> None:
        """Give the keys back to the pane."""
        self.place()
        self._focus(self.desk.view.pane)

    def on_told(self, event: Told) -> None:
        """Show what a pane has to tell."""
        self.push_screen(dialogs.Told(event.title, [f"{name}: {text}" for name, text in event.lines]))

    def on_toggle_engine(self) -> None:
        """Stop the engine, or start one."""
        self.acts.engine()

    def acknowledge_chosen(self) -> None:
        """Mark the chosen alert as seen."""
        alerts = self._panes["alerts"]
        assert isinstance(alerts, AlertsPane)
        alerts.action_acknowledge()

    def action_palette(self) -> None:
        """Find a command by its name."""
        self.push_screen(Palette())

    def action_jump(self) -> None:
        """Put a letter on each pane, and go where the person says."""
        from tradetui.screens.jump import Jump

        letters = dict(zip("asdfghjklqwert", self.visible_panes(), strict=False))
        self.desk.letters = {name: letter for letter, name in letters.items()}
        self.draw()

        def go(name: str | None) -> None:
            self.desk.letters = {}
            if name:
                self._focus(name)
            self.changed()

        self.push_screen(Jump(letters), go)

    def action_help(self) -> None:
        """Show every key, those of the pane in focus first."""
        self.acts.help()

    def action_leave(self) -> None:
        """Ask whether to detach or to stop the engine."""
        self.acts.leave()

    def action_engine(self) -> None:
        """Stop the engine, or start one; asks first."""
        self.acts.engine()

    def action_try_now(self) -> None:
        """Look for the engine now."""
        self.acts.try_now()

    def action_replay(self, what: str) -> None:
        """Steer the replay."""
        self.acts.replay(what)

    # Faults. --------------------------------------------------------------------------------------------------------

    def _fatal_error(self) -> None:
        """End without a traceback on the terminal; the command line writes a report."""
        self.fault = self._exception
        with contextlib.suppress(Exception):
            self._close_messages_no_wait()
