"""The venue in a process of its own, and a blocking hand on its controls."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class VenueProcess:
    """`python -m tests.support.venue` on a free port; it outlives the engines that it is asked by."""

    def __init__(self, kind: str = "binance", *, port: int = 0, journal: Path | None = None) -> None:
        command = [sys.executable, "-m", "tests.support.venue", "--kind", kind, "--port", str(port)]
        self.process = subprocess.Popen(
            command + (["--journal", str(journal)] if journal else []), stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        self.rest: str = json.loads(self.process.stdout.readline())["address"]

    @property
    def ws(self) -> str:
        return self.rest.replace("http://", "ws://")

    def control(self, name: str, **said: Any) -> Any:
        """Set something in motion; see the package's docstring."""
        request = urllib.request.Request(f"{self.rest}/control/{name}", data=json.dumps(said).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    def state(self) -> Any:
        """Everything that the venue knows."""
        return self.control("state")

    def stop(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


@contextmanager
def venue_process(kind: str = "binance", *, port: int = 0, journal: Path | None = None) -> Iterator[VenueProcess]:
    """A venue for as long as it is needed."""
    venue = VenueProcess(kind, port=port, journal=journal)
    try:
        yield venue
    finally:
        venue.stop()
