"""What a person has the engine do, and the dialogs that ask first."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from engine.errors import ConsoleError
from themes.palette import ThemeInvalid, catalogue, load
from tradetui.console.news import Phase
from tradetui.console.panes.paint import Paint
from tradetui.console.screens.dialogs import Confirm, Help, Leave, Told
from tradetui.console.studies import LINES, MARKS, STUDIES

if TYPE_CHECKING:
    from pathlib import Path

    from engine.alerts import Alert
    from tradetui.console.desk_app import DeskApp

SEEK_S = 10.0
"""How far a key seeks in a replay."""

SLOWEST, FASTEST = 1 / 8, 1024.0
"""Speeds of a replay that keys reach."""


class Acts:
    """Acts of one console. What is asked of the engine runs beside the screen; its answer is told among the events."""

    def __init__(self, app: DeskApp, own_themes: Path | None = None) -> None:
        self._app = app
        self.own_themes = own_themes
        self.tasks: set[asyncio.Task[None]] = set()

    def run(self, act: Coroutine[Any, Any, str]) -> None:
        """Have something done, and tell what came of it."""
        task = asyncio.create_task(self._carry_out(act))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _carry_out(self, act: Coroutine[Any, Any, str]) -> None:
        desk = self._app.desk
        try:
            told = await act
        except ConsoleError as error:
            told = f"not done: {error}"
        if told:
            desk.say(told)
        self._app.changed()

    # The engine. ----------------------------------------------------------------------------------------------------

    def engine(self) -> None:
        """Stop the engine, or start one; asks first, and no is the default."""
        link, app = self._app.link, self._app
        if link.phase in (Phase.STARTING, Phase.LOOKING):
            link.say("the engine is being looked for; wait a moment")
        elif link.attached:
            pid = link.pid

            def stop(yes: bool | None) -> None:
                if yes:
                    self.run(self._stop(pid))

            consequence = "It follows the market no more, for every console attached to it."
            if link.places.replay:
                consequence = "The replay ends, for every console attached to it."
            question = f"Stop the engine (pid {pid}, profile {link.places.profile})?"
            app.push_screen(Confirm(question, consequence), stop)
        else:
            self._start()
        app.changed()

    def _start(self) -> None:
        link = self._app.link

        def start(yes: bool | None) -> None:
            if yes:
                link.start_engine()

        options = f"\n\nOptions: {' '.join(link.arguments)}" if link.arguments else ""
        consequence = f"It follows the market in a process of its own, and stays when the console goes.{options}"
        self._app.push_screen(Confirm(f"Start an engine of profile {link.places.profile}?", consequence), start)

    async def _stop(self, pid: int) -> str:
        await self._app.link.stop_engine(pid)
        return f"the engine (pid {pid}) is stopping"

    def try_now(self) -> None:
        """Look for the engine now."""
        link = self._app.link
        if link.attached:
            link.say(f"the engine (pid {link.pid}) is attached")
        else:
            link.try_now()
        self._app.changed()

    def leave(self) -> None:
        """Ask whether to detach or to stop the engine; without an engine there is nothing to ask."""
        app, link = self._app, self._app.link
        if not link.attached:
            app.exit()
            return
        pid, me = link.pid, os.getpid()
        consoles = link.health.consoles if link.health is not None else ()
        others = [f"{each.client or 'a client'} (pid {each.pid})" for each in consoles if each.pid != me]

        def left(choice: str | None) -> None:
            if choice == "detach":
                app.exit()
            elif choice == "stop":
                self.run(self._stop_and_leave(pid))

        app.push_screen(Leave(pid, link.places.profile, others, replay=bool(link.places.replay)), left)

    async def _stop_and_leave(self, pid: int) -> str:
        told = await self._stop(pid)
        self._app.exit()
        return told

    def command(self, name: str, /, **arguments: str | int | float | bool) -> None:
        """Have the engine carry out a command, and tell its word."""
        self.run(self._app.link.command(name, **arguments))

    def acknowledge(self, alert: Alert) -> None:
        """Mark an alert as seen."""

        async def marked() -> str:
            await self._app.link.command("acknowledge", alert=alert.id)
            return f"{alert.code} {alert.component} acknowledged"

        self.run(marked())

    # The replay. ----------------------------------------------------------------------------------------------------

    def replay(self, what: str) -> None:
        """Steer the replay by a key."""
        view = self._app.link.replay
        if view is None:
            self._app.desk.say("this is no replay: the engine is live")
            self._app.changed()
            return
        match what:
            case "toggle":
                self.command("replay_resume" if view.paused else "replay_pause")
            case "step":
                self.command("replay_step", frames=1)
            case "slower" | "faster":
                speed = view.speed or FASTEST
                speed = min(max(speed * (2 if what == "faster" else 0.5), SLOWEST), FASTEST)
                self.command("replay_speed", speed=speed)
            case "back" | "on":
                self.command("replay_seek", by_s=SEEK_S if what == "on" else -SEEK_S)

    # Themes and help. -----------------------------------------------------------------------------------------------

    def next_theme(self, steps: int) -> None:
        """Take the next theme that can be read."""
        known = [palette.name for palette in catalogue(self.own_themes)[0]]
        now = self._app.desk.view.theme
        at = known.index(now) if now in known else -1
        self.theme(known[(at + steps) % len(known)])

    def theme(self, name: str) -> None:
        """Take a theme; one that cannot be read is told, and nothing changes."""
        desk = self._app.desk
        try:
            palette = load(name, self.own_themes)
        except ThemeInvalid as error:
            desk.say(str(error))
        else:
            desk.view.theme = name
            self._app.paint(Paint(palette, desk.look))
            desk.say(f"theme {name}: {palette.title}")
        self._app.changed()

    def choose_theme(self) -> None:
        """Let the person choose from all themes; the one under the cursor is shown."""
        from tradetui.console.screens.theme import ThemePicker

        app, now = self._app, self._app.desk.view.theme
        palettes, troubles = catalogue(self.own_themes)
        for trouble in troubles:
            app.desk.say(trouble)
        app.push_screen(ThemePicker(palettes, now, self.theme))

    def choose_layers(self, what: str) -> None:
        """Let the person switch what lies over and under the candles of the chart in focus."""
        from tradetui.console.screens.switches import Switch, Switches

        desk = self._app.desk
        if what == "indicators":
            switches = [Switch(name, line.label) for name, line in LINES.items()]
            switches += [Switch(name, f"{study.label}, below the candles", True) for name, study in STUDIES.items()]
        else:
            switches = [Switch(name, explained) for name, explained in MARKS.items()]

        def switch(name: str) -> None:
            desk.lay(name)
            self._app.changed()

        title = f"{what} of the {desk.chart.timeframe} chart"
        self._app.push_screen(Switches(title, switches, desk.laid, switch))

    def help(self, word: str = "") -> None:
        """Show every key, those of the pane in focus first; with a word only what has it."""
        app = self._app
        kinds = tuple(app.focused_pane.KIND.split())
        app.push_screen(Help(kinds, app.keys, replay=app.link.replay is not None, narrow=word))

    def tell_keys(self) -> None:
        """Tell where the person's own keys are kept, and what of them does not hold."""
        keys = self._app.own_keys
        lines = [
            f"Your own keys: {keys.path}" + ("" if keys.path.exists() else " (not there yet)"),
            "`tradetui keys --write` makes it, with every key as a comment; it is read when the console starts.",
            *(keys.problems or ["Everything in it holds."] if keys.path.exists() else []),
        ]
        self._app.push_screen(Told("keys", lines))
