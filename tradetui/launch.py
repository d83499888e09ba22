"""Starting an engine from a console: a process in a session of its own, which stays when the console goes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from engine.errors import EngineUnreachable
from tradetui.client import Client, connect
from tradetui.config.layers import here
from tradetui.lock import is_held
from tradetui.places import Places

PATIENCE_S = 20.0
"""Time for a new engine to open its socket."""

LOOK_S = 0.05

ROOT = Path(__file__).absolute().parents[1]


class Launch:
    """An engine that is being started."""

    def __init__(self, places: Places, arguments: list[str]) -> None:
        """Start it; its first words, until its log is open, go to `<logs>/engine.start`.

        Unless the product itself lies in the present folder, Python does not look there for modules (-P).
        """
        self.places = places
        self._words = places.logs / "engine.start"
        engine = ("--headless", "--detached", "--profile", places.profile)
        safe = [] if here() == ROOT else ["-P"]
        self._words.write_bytes(b"")
        self._words.chmod(0o600)
        with self._words.open("ab") as words:  # another console may be starting one at this moment
            self._process = subprocess.Popen(
                [sys.executable, *safe, "-m", "tradetui", *engine, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                start_new_session=True,
            )
        # Whoever started a process has to take its exit code, or it stays in the process table.
        threading.Thread(target=self._process.wait, name="engine-wait", daemon=True).start()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def ended(self) -> str | None:
        """Return why it ended, or None while it runs."""
        code = self._process.poll()
        if code is None:
            return None
        lines = self._words.read_text(encoding="utf-8", errors="replace").splitlines()
        said = [line.strip("│ ") for line in lines if any(char.isalnum() for char in line)]
        return f"the engine ended at its start (exit {code}): " + (said[-1] if said else f"see {self.places.logs}")

    def succeeded(self) -> None:
        """An engine is there: what those who came too late have said is of no interest."""
        self._words.unlink(missing_ok=True)

    def end(self) -> None:
        """End it: another one was quicker, and this one would begin when that one stops."""
        self._process.terminate()


async def attach(
    places: Places, name: str, arguments: list[str], waiting: Callable[[str], None] = lambda _text: None
) -> tuple[Client, bool]:
    """Open a connection to the profile's engine; if none runs, start one and wait for it.

    Returns:
        The connection, and whether its engine is the one that was started here.

    Raises:
        EngineUnreachable: It does not start, or refuses us; the message says why.
        SettingsInvalid: The profile's folders cannot be made.
    """
    launch: Launch | None = None
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            client = await connect(places, name)
        except EngineUnreachable as error:
            if error.hung and not error.starting:
                raise
            if launch is None and not error.starting:
                waiting("starting engine")
                places.make()
                launch = Launch(places, arguments)
            ended = launch.ended() if launch is not None else None
            if ended is not None and not is_held(places.lock):  # held: somebody else was quicker, his will do
                raise EngineUnreachable(ended) from error
            if time.monotonic() > until:
                raise
        else:
            ours = launch is not None and client.welcome.pid == launch.pid
            if launch is not None:
                launch.succeeded()
                if not ours:
                    launch.end()
            return client, ours
        await asyncio.sleep(LOOK_S)
