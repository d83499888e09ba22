"""Keys that hold everywhere: going to panes, what the desk shows, lines and dialogs."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.widgets import Input

from tradetui.console.desk_app import DeskApp
from tradetui.console.layout import DIGITS, LEAST, PRESETS, TRADING
from tradetui.console.palette import Palette
from tradetui.console.prompt import known_of
from tradetui.console.screens import dialogs
from tradetui.console.view import TIMEFRAMES

if TYPE_CHECKING:
    from tradetui.console.acts import Acts
    from tradetui.console.arguments import Known
    from tradetui.console.dealing import Dealing
    from tradetui.console.hand import Hand
    from tradetui.console.panes.chart import ChartPane
    from tradetui.console.panes.table import Told
    from tradetui.console.screens.command_line import CommandLine


class DeskKeys(DeskApp):
    """What the keys do that hold in every pane; the app itself places, draws and ends."""

    ENABLE_COMMAND_PALETTE: ClassVar[bool] = False
    """Textual's own palette: it would take the key of ours, before every other key."""

    acts: Acts
    dealing: Dealing
    hand: Hand
    command_line: CommandLine

    @property
    @abstractmethod
    def chart_pane(self) -> ChartPane:
        """The chart that was last in focus."""

    @abstractmethod
    def enter(self, line: str) -> None:
        """Carry out a line of the command line."""

    @abstractmethod
    def place(self) -> bool:
        """Give every pane its place; return whether one has moved."""

    @abstractmethod
    def visible_panes(self) -> list[str]:
        """Return the panes in sight, in reading order."""

    @abstractmethod
    def acknowledge_chosen(self) -> None:
        """Mark the chosen alert as seen."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Let nothing be done that cannot be seen: while there is no room for the desk one can only leave."""
        if action in ("command", "filter") and (self.command_line.open or len(self.screen_stack) > 1):
            return False  # it is a character like others there
        return action == "leave" or not self._cramped

    @property
    def _cramped(self) -> bool:
        return self.size.width < LEAST[0] or self.size.height < LEAST[1]

    async def on_event(self, event: events.Event) -> None:
        """Take the key of the kill switch before anything else does; a line of input gets its letter, too."""
        if isinstance(event, events.Key) and not event.is_forwarded and event.key in self._kills:
            self.action_kill()
            if not isinstance(self.focused, Input):
                return
        await super().on_event(event)

    @property
    def _kills(self) -> list[str]:
        return next((key.names.split(",") for key in self.desk.keys if key.id == "kill"), [])

    # Panes. ---------------------------------------------------------------------------------------------------------

    def action_next(self, steps: int) -> None:
        """Go to the next pane in sight."""
        names = self.visible_panes()
        at = names.index(self.desk.view.pane) if self.desk.view.pane in names else 0
        self.focus_pane(names[(at + steps) % len(names)])

    def action_pane(self, digit: str) -> None:
        """Go to a pane by its key."""
        view = self.desk.view
        if digit != "1":
            self.focus_pane(DIGITS[digit])
            return
        charts = [name for name in self.visible_panes() if name.startswith("chart")] or ["chart1"]
        if len(charts) == 1:  # there is one place for charts: the key goes through all of them
            charts = ["chart1", "chart2", "chart3", "chart4"]
        here = f"chart{view.chart + 1}"
        step = 1 if view.pane == here else 0
        self.focus_pane(charts[(charts.index(here) + step) % len(charts)] if here in charts else charts[0])

    def action_go(self, name: str) -> None:
        """Go to a pane by its name."""
        self.focus_pane(name)

    # Trading. -------------------------------------------------------------------------------------------------------

    def action_ticket(self, side: str) -> None:
        """Show an order ticket."""
        self.dealing.ticket(side)

    def action_cancel(self) -> None:
        """Cancel orders; asks which."""
        self.dealing.cancel()

    def action_flatten(self) -> None:
        """Close what is held; asks which."""
        self.dealing.flatten()

    def action_amend(self) -> None:
        """Take a line of the chart into the hand."""
        self.hand.take()

    def action_arm(self) -> None:
        """Arm or disarm; asks."""
        self.dealing.arm()

    def action_kill(self) -> None:
        """The first of two keys, or the second."""
        self.dealing.kill_switch.press()

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
        first = view.pane if name == "trading" and view.pane in TRADING else f"chart{view.chart + 1}"
        first = {"book": "heat", "engine": "system", "data": "data"}.get(name, first)
        if name == "trading":
            view.pane = first
        self.place()
        if view.pane not in self.visible_panes() or name in ("book", "engine", "data", "trading"):
            self.focus_pane(first)
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
        """Show an instrument."""
        self.desk.show(name)
        self.changed()

    def action_timeframe(self, steps: int) -> None:
        """Show another timeframe in the chart."""
        at = TIMEFRAMES.index(self.desk.chart.timeframe)
        self.timeframe(TIMEFRAMES[min(max(at + steps, 0), len(TIMEFRAMES) - 1)])

    def timeframe(self, name: str) -> None:
        """Show a timeframe in the chart that was last in focus."""
        self.desk.timeframe(name)
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
        if self.desk.back():
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
        self.command_line.begin(prefix, text)
        self.place()
        self.command_line.focus_line()
        self.changed()

    def known(self) -> Known:
        """Return what a command may speak of."""
        return known_of(self.desk, self.acts.own_themes, self.chart_pane.seen)

    def filter(self, text: str) -> None:
        """Show only rows of the pane in focus that hold a text."""
        self.desk.filter(text)
        self.changed()

    def line_entered(self, prefix: str, text: str) -> None:
        """Take a line."""
        if prefix == "/":
            self.filter(text)
        else:
            self.enter(text)

    def line_changed(self, prefix: str, text: str) -> None:
        """Filter as it is typed."""
        if prefix == "/":
            self.filter(text)

    def line_closed(self) -> None:
        """Give the keys back to the pane."""
        self.place()
        self.focus_pane(self.desk.view.pane)

    def on_told(self, event: Told) -> None:
        """Show what a pane has to tell."""
        self.push_screen(dialogs.Told(event.title, [f"{name}: {text}" if name else text for name, text in event.lines]))

    def on_toggle_engine(self) -> None:
        """Stop the engine, or start one."""
        self.acts.engine()

    def action_palette(self) -> None:
        """Find a command by its name."""
        self.push_screen(Palette())

    def action_jump(self) -> None:
        """Put a letter on each pane, and go where the person says."""
        from tradetui.console.screens.jump import Jump

        letters = dict(zip("asdfghjklqwert", self.visible_panes(), strict=False))
        self.desk.letters = {name: letter for letter, name in letters.items()}
        self.changed()

        def go(name: str | None) -> None:
            self.desk.letters = {}
            if name:
                self.focus_pane(name)
            self.changed()

        self.push_screen(Jump(letters), go)

    def action_help(self) -> None:
        """Show every key, those of the pane in focus first."""
        self.acts.help()

    def action_leave(self) -> None:
        """Ask whether to detach or to stop the engine; where the question cannot be read, detach."""
        if self._cramped:
            self.exit()
        else:
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
