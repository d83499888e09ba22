"""The recorded quarter of an hour, replayed once: what was kept, what models were given live, and a database of it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl

from engine.core import Commands, step
from engine.data.parts import live_parts
from engine.keep import Keep
from engine.market.assembly import build
from engine.market.inputs import ModelInput
from engine.replay import Recording, Replay
from engine.types import MS, SECOND, Bar, BarsLoaded, Event, Instrument, Record, Timeframe
from storage.writer import Writer
from tests.support.series import longer, minutes

KEYS = ("binance:ETH/USDT", "binance:BTC/USDT")


class Recorded:
    """A replay with all that it said, and the inputs that were built live at some of its seconds."""

    def __init__(
        self, root: Path, share: float = 0.03, disturbances: Sequence[tuple[int, Callable[[Replay], None]]] = ()
    ) -> None:
        """`share` of the seconds are looked at; each disturbance is done so many seconds after the start."""
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
        for second, disturb in disturbances:
            self.replay.run(until=self.replay.recording.start + second * SECOND)
            disturb(self.replay)
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


def inject(replay: Replay, event: Event, source: str = "binance") -> None:
    """Have something happen that is not in the recording."""
    state = replay.state
    step(state, Record(seq=state.seq + 1, ts_recv=replay.position, source=source, event=event))


def candles(root: Path, instrument: Instrument, timeframe: Timeframe, end_ms: int) -> tuple[Bar, ...]:
    """Recorded candles of minutes before a time, summed up to a timeframe, the newest 1500."""
    price, size = instrument.price_scale, instrument.size_scale
    table = longer(minutes(root, instrument.base, ("2024-07_08",)), timeframe)
    table = table.filter(pl.col("open_ms") + timeframe.seconds * 1000 <= end_ms)
    return tuple(
        Bar(
            open_ms=open_ms, open=round(open_ * price), high=round(high * price), low=round(low * price),
            close=round(close * price), volume=round(volume * size), trades=-1, taker_buy=-1, quote_volume=-1,
            source="venue",
        )
        for open_ms, open_, high, low, close, volume in table.tail(1500).iter_rows()
    )  # fmt: skip


def load(root: Path, replay: Replay, newest: int = 1500) -> None:
    """Have the venue's candles come, all but those of seconds, as history does."""
    for key, market in replay.state.markets.items():
        for timeframe in list(Timeframe)[1:]:
            bars = candles(root, market.instrument, timeframe, replay.position // MS - 2000)[-newest:]
            inject(replay, BarsLoaded(instrument=key, timeframe=timeframe, bars=bars), "binance:rest")


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
