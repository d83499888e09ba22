"""The recorded quarter of an hour, replayed once: what was kept, what models were given live, and a database of it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from engine.core import Commands
from engine.gathering import live_parts
from engine.keep import Keep
from engine.market.assembly import build
from engine.market.inputs import ModelInput
from engine.replay import Recording, Replay
from engine.types import SECOND
from storage.writer import Writer

KEYS = ("binance:ETH/USDT", "binance:BTC/USDT")


class Recorded:
    """A replay with all that it said, and the inputs that were built live at some of its seconds."""

    def __init__(self, root: Path, share: float = 0.03) -> None:
        self.keeps: list[Keep] = []
        self.live: dict[tuple[str, int], ModelInput] = {}
        chosen = random.Random(7)
        self.replay = Replay(Recording([root / "hftbacktest-binance-ws" / "spot"]))

        def commanded(commands: Commands) -> None:
            kept = [command for command in commands if isinstance(command, Keep)]
            self.keeps.extend(kept)
            if kept and chosen.random() < share:
                for key in KEYS:
                    given = build(live_parts(self.replay.state, key))
                    self.live[key, given.as_of] = given

        self.replay.commands = commanded
        self.replay.run()
        self.last = max(keep.known_at for keep in self.keeps)
        self.first = min(keep.known_at for keep in self.keeps)

    def store(self, path: Path) -> Path:
        """Write all that became known into a database."""
        self.store_on(path, 0, self.last)
        return path

    def store_on(self, path: Path, first: int, until: int) -> int:
        """Write what became known up to a time, beginning with the `first`th; return where to go on."""
        stop = first + sum(keep.known_at <= until for keep in self.keeps[first:])

        async def write() -> None:
            async with Writer(path, clock=lambda: self.last + SECOND, engine=False) as writer:
                for keep in self.keeps[first:stop]:
                    writer.put(keep)

        asyncio.run(write())
        return stop


def differences(one: object, other: object, where: str = "", tolerance: float = 1e-9) -> list[str]:
    """The places in which two inputs differ: numbers by more than 1e-9 of their size, everything else at all."""
    if isinstance(one, msgspec.Struct):
        if type(one) is not type(other):
            return [f"{where}: {type(one).__name__} and {type(other).__name__}"]
        return [
            found
            for name in one.__struct_fields__
            for found in differences(getattr(one, name), getattr(other, name), f"{where}.{name}", tolerance)
        ]
    if isinstance(one, Mapping):
        if not isinstance(other, Mapping) or one.keys() != other.keys():
            return [f"{where}: names {sorted(map(str, one))} and others"]
        return [found for key in one for found in differences(one[key], other[key], f"{where}[{key}]", tolerance)]
    if isinstance(one, list | tuple):
        if not isinstance(other, list | tuple) or len(one) != len(other):
            return [f"{where}: {one} and {other}"]
        return [
            found
            for place, (a, b) in enumerate(zip(one, other, strict=True))
            for found in differences(a, b, f"{where}[{place}]", tolerance)
        ]
    if isinstance(one, np.ndarray):
        return _arrays(one, other, where, tolerance)
    if isinstance(one, float) and isinstance(other, float):
        same = (one != one and other != other) or abs(one - other) <= tolerance * max(abs(one), abs(other), 1e-3)
        return [] if same else [f"{where}: {one!r} and {other!r}"]
    return [] if one == other else [f"{where}: {one!r} and {other!r}"]


def _arrays(one: np.ndarray[Any, Any], other: Any, where: str, tolerance: float) -> list[str]:
    if one.shape != other.shape or one.dtype != other.dtype:
        return [f"{where}: {one.dtype}{one.shape} and {other.dtype}{other.shape}"]
    if one.dtype.kind != "f":
        places = np.argwhere(one != other)
    else:
        both = np.isnan(one) & np.isnan(other)
        near = np.abs(one - other) <= tolerance * np.maximum(np.maximum(np.abs(one), np.abs(other)), 1e-3)
        places = np.argwhere(~(both | near))
    return [f"{where}{place.tolist()}: {one[tuple(place)]!r} and {other[tuple(place)]!r}" for place in places[:3]]
