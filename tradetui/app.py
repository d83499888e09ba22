"""The console's screen: reads what the link keeps, four times a second, and draws what changed."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections import deque
from typing import Any, ClassVar

from rich.text import Text
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.widgets import Static

from engine.alerts import Alert
from engine.errors import ConsoleError
from tradetui.keymap import KEYS
from tradetui.link import Link, Phase
from tradetui.panes.rows import Rows
from tradetui.render import bars, tables
from tradetui.screens.dialogs import Confirm, Help
from tradetui.terminal import Terminal

TICK_S = 0.25
"""The one clock of the screen."""

LEAST = (80, 24)
"""Columns and lines below which nothing is shown."""

ROWS = ("status", "markets", "connections", "alerts", "detail", "events", "footer")

DETAIL = 4
"""Lines that tell of the selected alert."""


def share(height: int, markets: int, connections: int) -> tuple[int, int, int]:
    """Share out the screen's lines: return those of markets, connections and events; the alerts take the rest."""
    events_ = 3 if height < 32 else 5 if height < 50 else 9
    room = height - 2 - 3 - events_ - DETAIL - 5  # status and footer, banner, at least four alerts
    top, middle = max(markets, 1) + 1, max(connections, 1) + 1
    if top + middle > room:
        middle = max(min(middle, room // 2), 2)
        top = max(min(top, room - middle), 2)
    return top, middle, events_


class ConsoleApp(App[None]):
    """The first console: status, markets, connections, alerts, events."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar = [Binding(key.names, key.action, key.explained, show=False) for key in KEYS]
    CSS = """
    Screen { background: #121212; color: #d0d0d0; layout: vertical; overflow: hidden; }
    #banner { display: none; height: auto; max-height: 6; padding: 0 1; background: #ffb000; color: #121212; }
    #banner.said { display: block; }
    #alerts { height: 1fr; min-height: 1; }
    #small { display: none; width: 100%; height: 100%; content-align: center middle; }
    Screen.small Rows, Screen.small #banner { display: none; }
    Screen.small #small { display: block; }
    """

    def __init__(self, link: Link, terminal: Terminal | None = None) -> None:
        super().__init__()
        self.link = link
        self.fault: BaseException | None = None
        self._still: Link | None = None
        self._terminal = terminal
        self._rows = {name: Rows(name) for name in ROWS}
        self._banner = Static(id="banner", markup=False)
        self._small = Static(id="small", markup=False)
        self._linking: asyncio.Task[None] | None = None
        self._acting: set[asyncio.Task[None]] = set()
        self._shown: list[Alert] = []
        self._chosen = 0
        self._moved = False
        self._top = 0
        self._ticked = 0.0
        self._lags: deque[float] = deque([0.0] * 8, maxlen=8)
        self._said: str | None = None
        self._most = (0, 0)

    def compose(self) -> ComposeResult:
        """Lay out the screen, top to bottom."""
        yield self._rows["status"]
        yield self._banner
        for name in ROWS[1:]:
            yield self._rows[name]
        yield self._small

    def on_mount(self) -> None:
        """Begin to look for the engine."""
        self.theme = "textual-dark"
        self._linking = asyncio.create_task(self.link.run(), name="link")
        self._ticked = time.monotonic()
        self.set_interval(TICK_S, self._tick)
        self.call_after_refresh(self._settled)
        self.draw()

    def _settled(self) -> None:
        gc.collect()
        gc.freeze()

    async def on_unmount(self) -> None:
        """Let go of the engine."""
        tasks = [task for task in (self._linking, *self._acting) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # Drawing. -------------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        now = time.monotonic()
        self._lags.append(max(now - self._ticked - TICK_S, 0.0) * 1000)
        self._ticked = now
        if self._terminal is not None:
            self._terminal.look()
            if self._terminal.behind(self):
                return  # it does not read; what is newest then is drawn when it does again
        self.draw()

    def on_resize(self, event: events.Resize) -> None:
        """Say so if there is not enough room."""
        small = event.size.width < LEAST[0] or event.size.height < LEAST[1]
        stack = self.screen_stack
        if not stack:
            return  # it is ending
        if small:
            while len(self.screen_stack) > 1:
                self.pop_screen()
            told = f"too small: need {LEAST[0]}x{LEAST[1]}\nthis is {event.size.width}x{event.size.height}"
            self._small.update(Text(told, justify="center"))
        stack[0].set_class(small, "small")
        if not small:
            self.call_after_refresh(self.draw)

    def draw(self) -> None:
        """Put on the screen what is known now."""
        stack, rows = self.screen_stack, self._rows
        if not stack:
            return  # it is ending
        width, height = stack[0].size
        if width < LEAST[0] or height < LEAST[1]:
            return
        frozen = self._still is not None
        rows["status"].put([bars.status(self.link, width, max(self._lags), frozen)])
        rows["footer"].put([bars.footer(width)])
        self._tell()
        health = self.link.health
        known = health.connections if health is not None else ()
        self._most = max(self._most[0], len(self.link.markets)), max(self._most[1], len(known))
        markets, connections, events_ = share(height, *self._most)
        for name, lines in (
            ("markets", markets),
            ("connections", connections),
            ("detail", DETAIL),
            ("events", events_),
        ):
            rows[name].tall(lines)
        link = self.link
        if self._still is not None and link.attached and link.stalled_s() is None:
            link = self._still
        self._shown = link.alerts
        room = max(rows["alerts"].size.height, 1)
        self._choose(0, room)
        rows["markets"].put(tables.markets(link, width, markets))
        rows["connections"].put(tables.connections(link, width, connections))
        rows["alerts"].put(tables.alerts(link, self._shown, self._chosen, self._top, width, room))
        rows["detail"].put(tables.detail(link, self._shown, self._chosen, width, DETAIL))
        rows["events"].put(tables.events(link, width, events_))

    def _tell(self) -> None:
        said = bars.banner(self.link)
        if said != self._said:
            self._said = said
            self._banner.update(Text(said, style="bold"))
            self._banner.set_class(bool(said), "said")

    def _choose(self, steps: int, room: int) -> None:
        """Move the selection. It stays with its alert when the list changes; before it was moved it is on the first."""
        ids = [alert.id for alert in self._shown]
        if not ids:
            self._chosen = self._top = 0
            return
        self._moved = (self._moved or bool(steps)) and self._chosen in ids
        at = ids.index(self._chosen) if self._chosen in ids and (self._moved or steps) else 0
        at = min(max(at + steps, 0), len(ids) - 1)
        self._chosen = ids[at]
        listed = max(room - 1, 1)
        self._top = min(max(self._top, at - listed + 1, 0), at, max(len(ids) - listed, 0))

    # Keys. ----------------------------------------------------------------------------------------------------------

    def action_help(self) -> None:
        """Show every key."""
        self.push_screen(Help())

    def action_detach(self) -> None:
        """Leave; the engine goes on."""
        self.exit()

    async def action_back(self) -> None:
        """Nothing to leave here; dialogs take this key themselves."""

    def action_select(self, steps: int) -> None:
        """Select another alert."""
        self._choose(steps, max(self._rows["alerts"].size.height, 1))
        self.draw()

    def action_freeze(self) -> None:
        """Keep the tables as they are, or let them go on."""
        self._still = None if self._still is not None else self.link.still()
        self.draw()

    def action_try_now(self) -> None:
        """Look for the engine now."""
        if self.link.attached:
            self.link.say(f"the engine (pid {self.link.pid}) is attached")
        else:
            self.link.try_now()
        self.draw()

    def action_acknowledge(self) -> None:
        """Mark the selected alert as seen."""
        alert = next((alert for alert in self._shown if alert.id == self._chosen), None)
        if alert is None:
            self.link.say("there is no alert to acknowledge")
        elif alert.acknowledged:
            self.link.say(f"{alert.code} {alert.component} is acknowledged already")
        else:
            self._act(self._acknowledge(alert))

    def action_engine(self) -> None:
        """Stop the engine, or start one."""
        link = self.link
        if link.phase in (Phase.STARTING, Phase.LOOKING):
            link.say("the engine is being looked for; wait a moment")
        elif link.attached:
            pid = link.pid

            def stop(yes: bool | None) -> None:
                if yes:
                    self._act(self._stop(pid))

            consequence = "It follows the market no more, for every console attached to it."
            self.push_screen(Confirm(f"Stop the engine (pid {pid}, profile {link.places.profile})?", consequence), stop)
        else:

            def start(yes: bool | None) -> None:
                if yes:
                    link.start_engine()

            options = f"\n\nOptions: {' '.join(link.arguments)}" if link.arguments else ""
            consequence = f"It follows the market in a process of its own, and stays when the console goes.{options}"
            self.push_screen(Confirm(f"Start an engine of profile {link.places.profile}?", consequence), start)

    def _act(self, act: Any) -> None:
        task = asyncio.create_task(self._carry_out(act))
        self._acting.add(task)
        task.add_done_callback(self._acting.discard)

    async def _carry_out(self, act: Any) -> None:
        try:
            self.link.say(await act)
        except ConsoleError as error:
            self.link.say(f"not done: {error}")
        self.draw()

    async def _acknowledge(self, alert: Alert) -> str:
        await self.link.acknowledge(alert.id)
        return f"{alert.code} {alert.component} acknowledged"

    async def _stop(self, pid: int) -> str:
        await self.link.stop_engine(pid)
        return f"the engine (pid {pid}) is stopping"

    # Faults. --------------------------------------------------------------------------------------------------------

    def _fatal_error(self) -> None:
        """End without a traceback on the terminal; the command line writes a report."""
        self.fault = self._exception
        with contextlib.suppress(Exception):
            self._close_messages_no_wait()
