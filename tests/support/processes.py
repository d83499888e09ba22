"""Engines in processes of their own, as a person starts them, and a plain blocking client of their socket."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import msgspec

from engine.errors import StorageFailed
from storage.journal import stored_events
from tests.support.wire import HELLO, said
from tradetui.places import Places, places

PATIENCE_S = 60.0
"""Longest wait for one thing; on an idle machine they take less than two seconds."""

BEATS = "import engine.pulse as p, sys; p.BEATS = int(sys.argv.pop(1)); from tradetui.__main__ import main; main()"
"""The command with another number of heartbeats to look back on."""


def until(fact: Callable[[], Any], what: str, within_s: float = PATIENCE_S) -> Any:
    """Wait for something that must happen; return it."""
    end = time.monotonic() + within_s
    while not (found := fact()):
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not happen within {within_s:.0f} s")
        time.sleep(0.02)
    return found


class EngineProcess:
    """`tradetui --headless` with a home of its own."""

    def __init__(
        self,
        home: Path,
        config: Path,
        *arguments: str,
        profile: str = "default",
        beats: int = 0,
        runtime: Path | None = None,
    ) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "TRADETUI_"))}
        self.environment = {**kept, "HOME": str(home), **({"XDG_RUNTIME_DIR": str(runtime)} if runtime else {})}
        self.places: Places = places(profile, self.environment)
        head = ["-c", BEATS, str(beats)] if beats else ["-m", "tradetui"]
        with (home / f"{profile}.out").open("ab") as words:
            self.process = subprocess.Popen(
                [sys.executable, *head, "--headless", "--config", str(config), "--profile", profile, *arguments],
                env=self.environment, stdout=words, stderr=words,
            )  # fmt: skip
        self.words = home / f"{profile}.out"

    @property
    def pid(self) -> int:
        return self.process.pid

    def ready(self, instruments: int = 2) -> EngineProcess:
        """Wait until its books are live."""
        until(self.reached, "the socket")
        with BlockingClient(self.places.socket) as client:
            until(lambda: self._live(client) >= instruments, "live books")
        return self

    def reached(self) -> bool:
        """Whether its socket answers."""
        assert self.process.poll() is None, self.words.read_text()
        try:
            BlockingClient(self.places.socket).close()
        except (OSError, EOFError):
            return False
        return True

    def _live(self, client: BlockingClient) -> int:
        return sum(row["live"] for row in client.ask(type="get", id=1, topic="markets")["data"])

    def stop(self, number: int = 15) -> int:
        """End it; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(PATIENCE_S)
        finally:
            self.process.kill()
            self.process.wait()

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.places.logs / "engine.log").read_text().splitlines()]

    def journal(self) -> list[dict[str, Any]]:
        """What the database holds of it, as a client sees it; nothing until there is one."""
        try:
            entries = stored_events(self.places.database)
        except StorageFailed:
            return []
        return [msgspec.to_builtins(entry) for entry in entries]


class BlockingClient:
    """One connection, in a thread or process of its own."""

    def __init__(self, path: Path, hello: bytes = HELLO, timeout_s: float = PATIENCE_S) -> None:
        self.sock = connected(path)
        self.sock.settimeout(timeout_s)
        self.stream = self.sock.makefile("rb")
        try:
            self.sock.sendall(hello)
            self.welcome = self.read() if hello else {}
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> BlockingClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, **message: Any) -> None:
        self.sock.sendall(said(**message))

    def read(self) -> dict[str, Any]:
        """The next message.

        Raises:
            EOFError: The connection has ended.
        """
        head = self.stream.read(4)
        if len(head) < 4:
            raise EOFError
        found: dict[str, Any] = msgpack.unpackb(self.stream.read(*struct.unpack(">I", head)))
        return found

    def ask(self, **message: Any) -> dict[str, Any]:
        self.send(**message)
        while (answer := self.read()).get("id") != message["id"]:
            pass
        return answer

    def close(self) -> None:
        self.stream.close()
        self.sock.close()


def connected(path: Path) -> socket.socket:
    """A blocking socket; its folder is entered through /proc, where the path is too long for an address."""
    sock = socket.socket(socket.AF_UNIX)
    try:
        if len(os.fsencode(path)) < 100:
            sock.connect(str(path))
        else:
            folder = os.open(path.parent, os.O_PATH)
            try:
                sock.connect(f"/proc/self/fd/{folder}/{path.name}")
            finally:
                os.close(folder)
    except BaseException:
        sock.close()
        raise
    return sock
