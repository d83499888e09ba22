"""Orders of the command line, carried out: each is a method of its name with its arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradetui.console.arguments import Value
from tradetui.console.intents import wished
from tradetui.console.prompt import Order, Wrong, parse
from tradetui.console.view import ChartView, HeatView

if TYPE_CHECKING:
    from tradetui.console.desk_keys import DeskKeys


class Orders:
    """What a line of the command line does. The arguments of each order are those that `prompt` tells."""

    def __init__(self, app: DeskKeys) -> None:
        self._app = app

    def enter(self, line: str) -> None:
        """Read a line and carry it out; one that cannot be read is told, and nothing happens."""
        read = parse(line, self._app.known())
        if isinstance(read, Wrong):
            self._app.desk.say(read.told)
            self._app.changed()
        else:
            self.carry_out(read)

    def carry_out(self, order: Order) -> None:
        """Do what an order says."""
        getattr(self, f"do_{order.name}")(*order.arguments)
        self._app.changed()

    # What is looked at. ---------------------------------------------------------------------------------------------

    def do_show(self, symbol: str, timeframe: str | None) -> None:
        """Show an instrument."""
        self._app.symbol(symbol)
        if timeframe is not None:
            self._app.timeframe(timeframe)

    def do_timeframe(self, timeframe: str) -> None:
        """Show a timeframe."""
        self._app.timeframe(timeframe)

    def do_go(self, pane: str, symbol: str | None) -> None:
        """Go to a pane."""
        if symbol is not None:
            self._app.symbol(symbol)
        self._app.focus_pane(pane)

    def do_layout(self, name: str) -> None:
        """Show a layout."""
        self._app.preset(name)

    def do_theme(self, name: str | None) -> None:
        """Take a theme, or let the person choose."""
        if name is None:
            self._app.acts.choose_theme()
        else:
            self._app.acts.theme(name)

    def do_rate(self, rate: float) -> None:
        """Draw so many frames a second."""
        self._app.desk.view.rate = rate

    def do_sync(self, on: bool | None) -> None:
        """Tie the charts to one time."""
        view = self._app.desk.view
        view.sync = not view.sync if on is None else on

    def do_freeze(self, on: bool | None) -> None:
        """Keep the screen as it is."""
        desk = self._app.desk
        desk.freeze(not desk.frozen if on is None else on)

    def do_filter(self, text: str | None) -> None:
        """Show only rows that hold a text."""
        self._app.filter(text or "")

    def do_reset(self) -> None:
        """Set the pane back to what it was at first."""
        view = self._app.desk.view
        if view.pane.startswith("chart"):
            view.charts[view.chart] = ChartView(timeframe=view.charts[view.chart].timeframe)
            view.cross = None
        elif view.pane in ("heat", "ladder"):
            view.heat = HeatView()
        else:
            view.filters.pop(view.pane, None)

    # Charts and heat map. -------------------------------------------------------------------------------------------

    def do_scale(self, name: str) -> None:
        """Draw prices on another scale."""
        chart = self._app.desk.chart
        chart.scale, chart.low, chart.high = name, None, None  # type: ignore[assignment]

    def do_goto(self, seconds: int) -> None:
        """Go to a moment, UTC seconds."""
        self._app.chart_pane.go_to(seconds * 1000)

    def do_range(self, seconds: int) -> None:
        """Show so many seconds."""
        self._app.chart_pane.show(seconds)

    def do_layer(self, name: str, on: bool | None) -> None:
        """Lay something over the candles or under them."""
        self._app.desk.lay(name, on)

    def do_heikin(self, on: bool | None) -> None:
        """Draw Heikin-Ashi candles."""
        chart = self._app.desk.chart
        chart.heikin = not chart.heikin if on is None else on

    def do_glyphs(self, name: str) -> None:
        """Draw candles by other glyphs."""
        self._app.desk.chart.glyphs = name  # type: ignore[assignment]

    def do_volume(self, on: bool | None) -> None:
        """Draw volume."""
        chart = self._app.desk.chart
        chart.volume = not chart.volume if on is None else on

    def do_metric(self, name: str) -> None:
        """Show another metric on the heat map."""
        self._app.desk.view.heat.metric = name  # type: ignore[assignment]

    def do_seconds(self, seconds: int) -> None:
        """Put so much time into a column."""
        self._app.desk.view.heat.seconds = seconds

    def do_merge(self, buckets: int) -> None:
        """Put so many buckets into a row."""
        self._app.desk.view.heat.merge = buckets

    def do_levels(self, on: bool | None) -> None:
        """Show single prices on the ladder instead of buckets."""
        heat = self._app.desk.view.heat
        heat.levels = not heat.levels if on is None else on

    def do_cut(self, share: float) -> None:
        """Cut off so much of the small and the large, per cent."""
        self._app.desk.view.heat.cut = share

    def do_tint(self, on: bool | None) -> None:
        """Draw bids and asks in colours of their own."""
        heat = self._app.desk.view.heat
        heat.tint = not heat.tint if on is None else on

    # Trading. -------------------------------------------------------------------------------------------------------

    def do_order(self, *fields: Value) -> None:
        """Ask for an order."""
        self._app.dealing.order(wished(fields))

    def do_ticket(self, side: str) -> None:
        """Fill in an order."""
        self._app.dealing.ticket(side)

    def do_cancel(self, which: str | None, value: str | bool | None) -> None:
        """Cancel orders: those that were named, or ask which."""
        self._app.dealing.cancel(which, value)

    def do_amend(self, *fields: Value) -> None:
        """Change an order."""
        self._app.dealing.amend(wished(fields))

    def do_protect(self, *fields: Value) -> None:
        """Change the exits of a position."""
        self._app.dealing.protect(wished(fields))

    def do_flatten(self, which: str | None, value: str | bool | None) -> None:
        """Close what is held: what was named, or ask what."""
        symbol = str(value) if which == "symbol" else None
        self._app.dealing.flatten(symbol, all_=which == "all")

    def do_kill(self, flatten: str | None) -> None:
        """Halt at once, and close what is held if that is said."""
        self._app.dealing.kill_switch.kill(flatten=flatten is not None)

    def do_arm(self) -> None:
        """Arm."""
        self._app.dealing.arm()

    def do_disarm(self) -> None:
        """Disarm."""
        self._app.dealing.disarm()

    def do_switch(self, name: str, on: bool | None) -> None:
        """Turn a switch; without a word to the other side."""
        self._app.dealing.switch(name, on)

    def do_limits(self, name: str, value: str) -> None:
        """Stage a limit."""
        self._app.dealing.stage(name, value)

    def do_apply(self) -> None:
        """Have the staged limits hold."""
        self._app.dealing.apply()

    def do_reconcile(self) -> None:
        """Have the venues asked."""
        self._app.dealing.reconcile()

    def do_bell(self, on: bool | None) -> None:
        """Ring at fills and alerts."""
        view = self._app.desk.view
        view.bell = not view.bell if on is None else on
        self._app.desk.say(f"bell {'on' if view.bell else 'off'}")

    # Alerts, replay, engine. ----------------------------------------------------------------------------------------

    def do_acknowledge(self, which: str | int | None) -> None:
        """Mark an alert as seen: the chosen one, one by its number, or all."""
        if which is None:
            self._app.acknowledge_chosen()
        elif which == "all":
            self._app.acts.command("acknowledge")
        else:
            self._app.acts.command("acknowledge", alert=int(which))

    def do_pause(self) -> None:
        """Pause the replay."""
        self._app.acts.command("replay_pause")

    def do_play(self) -> None:
        """Let the replay go on."""
        self._app.acts.command("replay_resume")

    def do_step(self, frames: int) -> None:
        """Apply the next frames."""
        self._app.acts.command("replay_step", frames=frames)

    def do_speed(self, speed: float) -> None:
        """Play at another speed; 0 is as fast as possible."""
        self._app.acts.command("replay_speed", speed=speed)

    def do_seek(self, how: str, where: float) -> None:
        """Go to another place of the recording."""
        self._app.acts.command("replay_seek", **{how: where})

    def do_start(self) -> None:
        """Start an engine, if there is none."""
        if self._app.link.attached:
            self._app.desk.say(f"an engine (pid {self._app.link.pid}) is attached already")
        else:
            self._app.acts.engine()

    def do_stop(self) -> None:
        """Stop the engine."""
        if self._app.link.attached:
            self._app.acts.engine()
        else:
            self._app.desk.say("no engine is attached: there is nothing to stop")

    def do_log(self, level: str) -> None:
        """Have the engine log more, or less."""
        self._app.acts.command("log_level", level=level)

    def do_detach(self) -> None:
        """Leave at once; the engine goes on."""
        self._app.exit()

    def do_quit(self) -> None:
        """Leave; ask whether the engine is to go on."""
        self._app.acts.leave()

    def do_help(self, word: str | None) -> None:
        """Show keys, commands and words."""
        self._app.acts.help(word or "")

    def do_keys(self) -> None:
        """Tell where the person's own keys are."""
        self._app.acts.tell_keys()
