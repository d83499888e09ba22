"""Williams market structure: swing highs and lows of five levels, as a log of confirmations that only ever grows.

A bar is a level-1 high when its high is greater than each of the `distance` highs before it and not less than each of
the `distance` after it: of equals the first is it. Lows are its mirror. The highs of level n + 1 are found by the same
rule among the highs of level n, the lows among the lows. Both neighbours have to be there: the first bars of a series
are no pivots, and a pivot exists from the end of the bar on that completes the ones after it, on every level. Nothing
that was confirmed is taken back or made better, so a price known by then decided everything in the log.

After L. Williams, "Long-Term Secrets to Short-Term Trading" (1999), chapter 1: short, intermediate and long-term
swings, each from the one below. There one bar on each side decides and inside days are left out; here it is `distance`
bars, and every bar counts.

Bars are neighbours as they are given: over a gap the ones on its two sides follow one another. A bar that is corrected
after it was taken in changes nothing. So what a `Structure` said depends on the order of what became known, and is
stored; it is never worked out again from the bars in memory.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from engine.market.pivotlog import PivotLog
from engine.ohlcv import OHLCV, Floats, Ints
from engine.types import MS, PivotPoint, Timeframe

LEVELS = 5
"""Levels of the structure."""

DISTANCE = 2
"""Neighbours on each side that decide (`min_pivot_distance`), unless configured."""

VERSION = 1
"""Of the form of a saved state; its first byte."""


class _Window:
    """The last 2 x distance items of one level and side: the prices (lows negated, so that high always wins), stamps.

    An item more, and the one in the middle is decided.
    """

    __slots__ = ("distance", "keys", "stamps")

    def __init__(self, distance: int, keys: list[float], stamps: list[int]) -> None:
        self.distance = distance
        self.keys = keys
        self.stamps = stamps

    def push(self, key: float, stamp: int) -> tuple[float, int] | None:
        """Take in the next item; return the one that is a pivot now, if there is one."""
        keys, stamps, distance = self.keys, self.stamps, self.distance
        keys.append(key)
        stamps.append(stamp)
        if len(keys) <= 2 * distance:
            return None
        middle, turned = keys[distance], None
        if max(keys[:distance]) < middle >= max(keys[distance + 1 :]):
            turned = middle, stamps[distance]
        del keys[0], stamps[0]
        return turned

    def extend(
        self, keys: Floats, stamps: Ints, bars: npt.NDArray[np.intp]
    ) -> tuple[Floats, Ints, npt.NDArray[np.intp]]:
        """Take in items, each brought by the bar at a place of `bars`; return those that are pivots, likewise."""
        distance, held = self.distance, len(self.keys)
        keys = np.concatenate((np.array(self.keys, np.float64), keys))
        stamps = np.concatenate((np.array(self.stamps, np.int64), stamps))
        self.keys, self.stamps = keys[-2 * distance :].tolist(), stamps[-2 * distance :].tolist()
        decided = max(len(keys) - 2 * distance, 0)
        middle = keys[distance : distance + decided]
        turned = np.ones(decided, np.bool_)
        for away in range(1, distance + 1) if decided else ():
            turned &= middle > keys[distance - away :][:decided]
            turned &= middle >= keys[distance + away :][:decided]
        places = np.flatnonzero(turned)
        return middle[places], stamps[places + distance], bars[places + (2 * distance - held)]


class _Saved(msgspec.Struct, frozen=True, array_like=True):
    """A structure on disk; each window is (keys, stamps), the highs by level and then the lows."""

    timeframe: Timeframe
    distance: int
    until_ms: int | None
    known_at: int
    windows: tuple[tuple[list[float], list[int]], ...]


class Structure:
    """The market structure of one timeframe after all the bars it was given, whatever became of them since.

    `until_ms` is the opening time of the last of them, None before the first. `known_at` (UTC ns) is when the last of
    them to become known did: every pivot found is from then, since it hangs on all that came before.
    Holds: given bars one by one or in stretches of any length it finds the same, in the same order; its size does not
    grow.
    """

    __slots__ = ("_highs", "_lows", "distance", "known_at", "timeframe", "until_ms")

    def __init__(self, timeframe: Timeframe, distance: int = DISTANCE) -> None:
        if distance < 1:
            raise ValueError(f"min_pivot_distance is {distance}; a pivot needs at least 1 bar on each side")
        self.timeframe = timeframe
        self.distance = distance
        self.until_ms: int | None = None
        self.known_at = 0
        self._highs = [_Window(distance, [], []) for _ in range(LEVELS)]
        self._lows = [_Window(distance, [], []) for _ in range(LEVELS)]

    def advance(self, open_ms: int, high: float, low: float, known_at: int = 0) -> list[PivotPoint]:
        """Take in the next closed bar and return the pivots that it confirms, mostly none.

        Args:
            open_ms: When it opened, UTC ms.
            high: In quote units, as `low`.
            low: Not above `high`.
            known_at: UTC ns; 0 stands for the end of the bar.

        Raises:
            ValueError: The bar is not later than the last one, or its high is not at or above its low. It changes
                nothing.
        """
        if self.until_ms is not None and open_ms <= self.until_ms:
            raise ValueError(self._late(open_ms))
        if not high >= low:
            raise ValueError(self._inverted(open_ms, high, low))
        end_ms = open_ms + self.timeframe.seconds * 1000
        self.until_ms = open_ms
        self.known_at = max(self.known_at, known_at or end_ms * MS)
        found: list[PivotPoint] = []
        for rising, windows, first in ((True, self._highs, float(high)), (False, self._lows, -float(low))):
            key, stamp = first, open_ms
            for level, window in enumerate(windows, 1):
                turned = window.push(key, stamp)
                if turned is None:
                    break
                key, stamp = turned
                found.append(
                    PivotPoint(
                        timeframe=self.timeframe,
                        level=level,
                        high=rising,
                        ts_ms=stamp,
                        price=key if rising else -key,
                        confirmed_ms=end_ms,
                        known_at=self.known_at,
                    )
                )
        return found

    def extend(self, candles: OHLCV) -> PivotLog:
        """Take in a stretch of closed bars at once, as `advance` would one by one, and return what they confirm.

        Raises:
            ValueError: As `advance`, or the candles are of another timeframe; nothing of them was taken in.
        """
        opens, highs, lows = candles.open_ms, candles.high, candles.low
        self._check(candles)
        known_at = np.maximum.accumulate(np.maximum(candles.known_at, self.known_at))
        found: list[tuple[bool, int, Ints, Floats, npt.NDArray[np.intp]]] = []
        for rising, windows, first in ((True, self._highs, highs), (False, self._lows, -lows)):
            keys, stamps, bars = first, opens, np.arange(len(opens))
            for level, window in enumerate(windows, 1):
                keys, stamps, bars = window.extend(keys, stamps, bars)
                found.append((rising, level, stamps, keys if rising else -keys, bars))
        if len(candles):
            self.until_ms, self.known_at = int(opens[-1]), int(known_at[-1])
        bars = np.concatenate([part[4] for part in found])
        order = np.argsort(bars, kind="stable")
        bars, counts = bars[order], [len(part[2]) for part in found]
        return PivotLog(
            timeframe=self.timeframe,
            level=np.repeat(np.array([part[1] for part in found], np.uint8), counts)[order],
            high=np.repeat(np.array([part[0] for part in found]), counts)[order],
            ts_ms=np.concatenate([part[2] for part in found])[order],
            price=np.concatenate([part[3] for part in found])[order],
            confirmed_ms=candles.close_ms[bars],
            known_at=known_at[bars],
        )

    def copy(self) -> Structure:
        """Return one that goes on by itself."""
        other = Structure(self.timeframe, self.distance)
        other.until_ms, other.known_at = self.until_ms, self.known_at
        other._highs = [_Window(self.distance, window.keys[:], window.stamps[:]) for window in self._highs]
        other._lows = [_Window(self.distance, window.keys[:], window.stamps[:]) for window in self._lows]
        return other

    def state(self) -> bytes:
        """Return all of it as bytes, below 1 kB at the usual distance."""
        windows = tuple((window.keys, window.stamps) for window in (*self._highs, *self._lows))
        saved = _Saved(self.timeframe, self.distance, self.until_ms, self.known_at, windows)
        return bytes([VERSION]) + msgspec.msgpack.encode(saved)

    @classmethod
    def restore(cls, state: bytes) -> Structure:
        """Return a structure as it was saved.

        Raises:
            ValueError: The bytes are not a state that this version wrote: work it out again from the stored bars.
        """
        if state[:1] != bytes([VERSION]):
            raise ValueError(f"a pivot state of version {state[0] if state else 'none'}, read is {VERSION}")
        try:
            saved = msgspec.msgpack.decode(state[1:], type=_Saved)
        except msgspec.DecodeError as error:
            raise ValueError(f"a pivot state of {len(state)} bytes is damaged: {error}") from error
        structure = cls(saved.timeframe, saved.distance)
        lengths = {(len(keys), len(stamps)) for keys, stamps in saved.windows}
        if len(saved.windows) != 2 * LEVELS or any(a != b or a > 2 * saved.distance for a, b in lengths):
            raise ValueError(f"a pivot state of {len(state)} bytes is damaged: windows of {sorted(lengths)} items")
        structure.until_ms, structure.known_at = saved.until_ms, saved.known_at
        windows = [_Window(saved.distance, keys, stamps) for keys, stamps in saved.windows]
        structure._highs, structure._lows = windows[:LEVELS], windows[LEVELS:]
        return structure

    def _check(self, candles: OHLCV) -> None:
        """Refuse a stretch of bars that cannot be taken in whole."""
        if candles.timeframe is not self.timeframe:
            raise ValueError(f"candles of {candles.timeframe} given to a market structure of {self.timeframe}")
        opens = candles.open_ms
        late = np.flatnonzero(opens[1:] <= opens[:-1])
        if late.size:
            first = int(late[0])
            raise ValueError(f"the bar of {opens[first + 1]} ms comes after the one of {opens[first]} ms; sort them")
        if len(opens) and self.until_ms is not None and opens[0] <= self.until_ms:
            raise ValueError(self._late(int(opens[0])))
        inverted = np.flatnonzero(~(candles.high >= candles.low))
        if inverted.size:
            first = int(inverted[0])
            raise ValueError(self._inverted(int(opens[first]), candles.high[first], candles.low[first]))

    def _late(self, open_ms: int) -> str:
        return f"the {self.timeframe} bar of {open_ms} ms comes after the one of {self.until_ms} ms; take bars in once"

    def _inverted(self, open_ms: int, high: float, low: float) -> str:
        return f"the {self.timeframe} bar of {open_ms} ms has a high of {high} and a low of {low}; leave it out"


def pivots(candles: OHLCV, distance: int = DISTANCE) -> tuple[PivotLog, Structure]:
    """Return the log of a whole series from its first bar on, and the structure to go on from.

    Raises:
        ValueError: As `Structure.extend`.
    """
    structure = Structure(candles.timeframe, distance)
    return structure.extend(candles), structure
