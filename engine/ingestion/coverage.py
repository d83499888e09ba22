"""Which candles of a stretch are still wanted, and whether those that a source gives are what they say.

What counts is which opening times are covered, never how many rows came: an answer of enough rows may be of the wrong
time, have a hole, or end early.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from engine.errors import ProtocolError
from engine.ohlcv import STAND_INS
from engine.types import Bar, Instrument, Timeframe

JOIN = 200
"""Holes with fewer candles between them are asked for at once: a request costs more than rows that are known."""

Run = tuple[int, int]
"""Opening times of the first and the last candle of a stretch without any, UTC ms."""


def runs(opens: Iterable[int], length_ms: int, join: int = 0) -> Iterator[Run]:
    """Group opening times in ascending order into stretches; up to `join` others may lie between two of one stretch."""
    first = last = None
    for open_ms in opens:
        if first is None or last is None:
            first = open_ms
        elif open_ms - last > (join + 1) * length_ms:
            yield first, last
            first = open_ms
        last = open_ms
    if first is not None and last is not None:
        yield first, last


class Wanted:
    """The candles of one instrument and timeframe that open in [start_ms, end_ms), and which of them are had.

    `missing` holds the opening times of which there is no candle of the first choice yet: none at all, or one of a
    venue that stands in (`stood_in`). `first_had` is the opening time of the oldest one of the first choice.
    """

    __slots__ = ("first_had", "instrument", "length_ms", "missing", "reserve", "stood_in", "timeframe")

    def __init__(self, instrument: Instrument, timeframe: Timeframe, start_ms: int, end_ms: int) -> None:
        length = self.length_ms = timeframe.seconds * 1000
        self.instrument = instrument
        self.timeframe = timeframe
        self.missing = dict.fromkeys(range(-(-start_ms // length) * length, end_ms, length))
        self.first_had: int | None = None
        self.stood_in: set[int] = set()
        self.reserve: dict[int, Bar] = {}

    def take(self, bars: Iterable[Bar]) -> tuple[Bar, ...]:
        """Return those that were wanted, which they are no more; a stand-in's are kept for want of better."""
        taken: list[Bar] = []
        for bar in bars:
            if bar.open_ms not in self.missing or not bar.complete:
                continue
            if bar.source in STAND_INS:
                self.reserve.setdefault(bar.open_ms, bar)
            else:
                del self.missing[bar.open_ms]
                self.first_had = min(bar.open_ms, self.first_had or bar.open_ms)
                self.stood_in.discard(bar.open_ms)
                taken.append(bar)
        return tuple(taken)

    def stand(self, bars: Iterable[Bar]) -> tuple[Bar, ...]:
        """Return those of a stand-in's candles of which there is none at all."""
        used = tuple(bar for bar in bars if bar.open_ms in self.missing and bar.open_ms not in self.stood_in)
        self.stood_in.update(bar.open_ms for bar in used)
        return used

    def make_do(self) -> tuple[Bar, ...]:
        """Return the kept candles of stand-ins for what is still missing."""
        used = self.stand(bar for _, bar in sorted(self.reserve.items()))
        self.reserve.clear()
        return used

    def nowhere(self) -> dict[int, None]:
        """Return the opening times of which there is no candle at all."""
        return {open_ms: None for open_ms in self.missing if open_ms not in self.stood_in}

    def windows(self, most: int, *, any_source: bool) -> list[tuple[int, int]]:
        """Return the ranges [start, end) to ask for, at most `most` candles each.

        `any_source`: only what there is no candle of at all; else also what a stand-in gave.
        """
        asked: list[tuple[int, int]] = []
        step = most * self.length_ms
        for first, last in runs(self.nowhere() if any_source else self.missing, self.length_ms, JOIN):
            asked += [(at, min(at + step, last + self.length_ms)) for at in range(first, last + 1, step)]
        return asked


def checked(bars: Sequence[Bar], timeframe: Timeframe, start_ms: int, end_ms: int, source: str) -> tuple[Bar, ...]:
    """Return the candles of an answer to a question for [start_ms, end_ms), if all of them are candles of it.

    Raises:
        ProtocolError: One is out of the range or of order, not on a boundary, or contradicts itself.
    """
    length, before = timeframe.seconds * 1000, start_ms - 1
    for bar in bars:
        if bar.open_ms % length or not start_ms <= bar.open_ms < end_ms:
            raise ProtocolError(f"{source}: candle {bar.open_ms} is none of {timeframe} in [{start_ms}, {end_ms})")
        if bar.open_ms <= before:
            raise ProtocolError(f"{source}: candle {bar.open_ms} comes after {before}")
        if not 0 < bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high or bar.volume < 0:
            raise ProtocolError(
                f"{source}: candle {bar.open_ms} contradicts itself: open {bar.open}, high {bar.high}, low {bar.low}, "
                f"close {bar.close} ticks, volume {bar.volume} lots"
            )
        before = bar.open_ms
    return tuple(bars)
