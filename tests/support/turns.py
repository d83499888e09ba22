"""Turns: tests run side by side, but one that measures time has the machine to itself.

Two files are locked. Everybody passes the gate and then shares the floor; who wants the floor alone keeps the gate shut
while those on it finish, so that he is not kept waiting for ever.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def turn(folder: Path, *, alone: bool) -> Iterator[None]:
    """Hold the floor, shared with others or alone."""
    folder.mkdir(exist_ok=True)
    with (folder / "gate").open("w") as gate, (folder / "floor").open("w") as floor:
        fcntl.flock(gate, fcntl.LOCK_EX)
        fcntl.flock(floor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(gate, fcntl.LOCK_UN)
        yield
