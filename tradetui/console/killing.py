"""The kill switch of the console: two keys, wherever one is; an engine that does not answer is killed from outside."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from engine.errors import ConsoleError, RequestDenied
from engine.text import inert
from tradetui.console.intents import Wish

if TYPE_CHECKING:
    from tradetui.console.acts import Acts
    from tradetui.console.desk_app import DeskApp
    from tradetui.console.questions import Questions

TWICE_S = 2.0
"""Seconds within which the second key has to come."""

KILL_S = 1.0
"""Seconds that the engine has to answer before it is killed from outside."""

KILL_LINES = 40
"""Lines that are shown of what that process says."""

REASON = "the kill switch at a console"


class KillSwitch:
    """Halts trading at once, and asks nothing."""

    def __init__(self, app: DeskApp, acts: Acts, questions: Questions) -> None:
        self._app = app
        self._acts = acts
        self._questions = questions

    def press(self) -> None:
        """Take one key of the kill switch: the second within two seconds kills."""
        desk, link = self._app.desk, self._app.link
        now = link.monotonic()
        if now < desk.kill_until:
            desk.kill_until = 0.0
            self.kill()
        else:
            desk.kill_until = now + TWICE_S
            self._app.set_timer(TWICE_S + 0.05, self._app.changed)
        self._app.changed()

    def kill(self, *, flatten: bool = False) -> None:
        """Halt at once: latch, cancel everything, flatten if told to (else as the settings say); asks nothing."""
        desk, link = self._app.desk, self._app.link
        if link.attached and not self._app.link.account.on and self._app.link.account.refused:
            desk.say(f"nothing to kill: {self._app.link.account.refused}")
            return
        desk.say("KILL: asked the engine to halt")
        self._acts.run(self._kill({"reason": REASON, **({"flatten": True} if flatten else {})}))

    async def _kill(self, wish: Wish) -> str:
        """Have the engine halt; one that does not answer is killed from outside, by a process of its own."""
        link = self._app.link
        try:
            async with asyncio.timeout(KILL_S):
                return f"KILL: {await link.command('kill', **wish)}"
        except RequestDenied as denied:
            told = f"KILL: the engine says: {denied}"
            if self._app.link.account.trading is not None and self._app.link.account.trading.latched:
                return told
        except (ConsoleError, TimeoutError) as error:
            told = f"KILL: the engine does not answer ({str(error) or 'no word for a second'})"
        if link.replay is not None or link.places.replay:
            return told
        self._app.desk.say(f"{told}; killing from outside")
        return await self._from_outside(flatten="flatten" in wish)

    async def _from_outside(self, *, flatten: bool) -> str:
        link = self._app.link
        given = link.arguments
        config = next((given[at : at + 2] for at, each in enumerate(given) if each == "--config"), [])
        arguments = ("-m", "tradetui", "kill", "--profile", link.places.profile, "--reason", REASON, *config)
        arguments += ("--flatten",) if flatten else ()
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        out, _ = await process.communicate()
        lines = [inert(line, 2000) for line in out.decode("utf-8", "replace").splitlines() if line.strip()][:KILL_LINES]
        self._questions.tell("`tradetui kill` says", lines or ["nothing"])
        return f"`tradetui kill` ended with {process.returncode}: {' '.join(lines) or 'it said nothing'}"
