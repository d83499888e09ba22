"""Volume by price since 00:00 UTC: where a day traded most, and the range that holds 70 % of it."""

from __future__ import annotations

from math import isnan
from typing import Self

import msgspec

from engine.ohlcv import OHLCV, Floats
from engine.types import DAY_MS, MS, Instrument, Trade

VALUE_AREA = 70
"""Per cent of a day's volume that its value area holds."""


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """Bucket of most volume (`control`), and the buckets `low` to `high`, both included, that hold the value area."""

    control: int
    low: int
    high: int


class ProfileKept(msgspec.Struct, frozen=True, kw_only=True):
    """A profile at rest, as `VolumeProfile.kept` gives it and `VolumeProfile.of` takes it; fields as there."""

    bucket: int
    day: int
    since_ms: int
    trades_ms: int
    until_ms: int
    spread: int
    buys: dict[int, int]
    sells: dict[int, int]
    unsided: dict[int, int]


class VolumeProfile:
    """The volume of one instrument's trades in one UTC day, by price bucket; a trade of a later day begins it anew.

    Units: `bucket` ticks, bucket k covers [k, k + 1) x `bucket`; volumes lots, exact. `buys` and `sells` are what
    takers bought and sold, `unsided` what a candle does not tell the side of. `day` counts days since 1970. The profile
    covers `since_ms` to `until_ms` (UTC ms), from `trades_ms` on by trades; it is `whole` when it begins at 00:00. Of
    its volume `spread` lots came from candles, laid evenly over their range: an approximation.
    """

    __slots__ = ("bucket", "buys", "day", "sells", "since_ms", "spread", "trades_ms", "unsided", "until_ms")

    def __init__(self, bucket: int, since_ms: int) -> None:
        """Start empty; all trades from `since_ms` on will be given."""
        self.bucket = bucket
        self.since_ms = self.until_ms = self.trades_ms = since_ms
        self.day = since_ms // DAY_MS
        self.spread = 0
        self.buys: dict[int, int] = {}
        self.sells: dict[int, int] = {}
        self.unsided: dict[int, int] = {}

    @classmethod
    def of(cls, kept: ProfileKept) -> Self:
        """Return the profile that was kept; what was traded since `until_ms` is for the caller to add."""
        profile = cls(kept.bucket, kept.since_ms)
        profile.day, profile.spread = kept.day, kept.spread
        profile.trades_ms, profile.until_ms = kept.trades_ms, kept.until_ms
        profile.buys, profile.sells, profile.unsided = dict(kept.buys), dict(kept.sells), dict(kept.unsided)
        return profile

    def kept(self) -> ProfileKept:
        """Return the content, in canonical order."""
        return ProfileKept(
            bucket=self.bucket,
            day=self.day,
            since_ms=self.since_ms,
            trades_ms=self.trades_ms,
            until_ms=self.until_ms,
            spread=self.spread,
            buys=dict(sorted(self.buys.items())),
            sells=dict(sorted(self.sells.items())),
            unsided=dict(sorted(self.unsided.items())),
        )

    def take(self, trade: Trade) -> None:
        """Count a trade by its trade time; irregular ones are left out, as they are of bars, and so are older ones."""
        at_ms = trade.ts_exch // MS
        if not trade.regular or not self._reaches(at_ms) or at_ms < self.trades_ms:
            return
        side = self.sells if trade.sell else self.buys
        k = trade.price // self.bucket
        side[k] = side.get(k, 0) + trade.size
        self.until_ms = max(self.until_ms, at_ms)

    def fill(self, ohlcv: OHLCV, instrument: Instrument) -> None:
        """Add the part of the day before `since_ms` from candles, of which those that end by then count.

        `since_ms` becomes the opening time of the first of them; holes between candles, and from the last of them to
        the first trade, stay holes.
        """
        past = ohlcv.take((ohlcv.open_ms >= self.day * DAY_MS) & (ohlcv.close_ms <= self.since_ms))
        if not len(past):
            return

        def whole(column: Floats, scale: int) -> list[int]:
            return [round(value * scale) for value in column.tolist()]

        lows, highs = whole(past.low, instrument.price_scale), whole(past.high, instrument.price_scale)
        volumes = whole(past.volume, instrument.size_scale)
        for low, high, volume, bought in zip(lows, highs, volumes, past.taker_buy.tolist(), strict=True):
            self.lay(low, high, volume, None if isnan(bought) else round(bought * instrument.size_scale))
        self.since_ms = int(past.open_ms.min())

    def lay(self, low: int, high: int, volume: int, bought: int | None = None) -> None:
        """Add a candle of the day whose trades were not given: its volume, evenly over the ticks from low to high.

        `bought` is what takers bought of it, None where that is not known.
        """
        parts = [(self.unsided, volume)] if bought is None else [(self.buys, bought), (self.sells, volume - bought)]
        ticks = high - low + 1
        for side, size in parts:
            # Cut from a running total, the parts add up to the whole.
            laid = 0
            for k in range(low // self.bucket, high // self.bucket + 1):
                upto = size * min((k + 1) * self.bucket - low, ticks) // ticks
                side[k] = side.get(k, 0) + upto - laid
                laid = upto
        self.spread += volume

    def advance(self, now_ms: int) -> None:
        """Begin a new day if one has begun, without waiting for its first trade."""
        if self._reaches(now_ms):
            self.until_ms = max(self.until_ms, now_ms)

    @property
    def whole(self) -> bool:
        """True when the profile covers the day from its start."""
        return self.since_ms <= self.day * DAY_MS

    @property
    def approximate(self) -> bool:
        """True when part of the volume came from candles."""
        return self.spread > 0

    def volumes(self) -> dict[int, int]:
        """Return the volume of each bucket with any, by price."""
        held = self.buys.keys() | self.sells.keys() | self.unsided.keys()
        return {
            k: volume
            for k in sorted(held)
            if (volume := self.buys.get(k, 0) + self.sells.get(k, 0) + self.unsided.get(k, 0))
        }

    def value_area(self, share: int = VALUE_AREA) -> Range | None:
        """Return point of control and value area; None without volume."""
        return value_area(self.volumes(), share)

    def _reaches(self, at_ms: int) -> bool:
        """Begin a new day if `at_ms` is in one; tell whether it is in the profile's."""
        day = at_ms // DAY_MS
        if day > self.day:
            self.day = day
            self.since_ms = self.until_ms = self.trades_ms = day * DAY_MS
            self.spread = 0
            for side in (self.buys, self.sells, self.unsided):
                side.clear()
        return day == self.day


def value_area(volumes: dict[int, int], share: int = VALUE_AREA) -> Range | None:
    """Return the bucket of most volume and the range round it with `share` per cent of all; None without volume.

    The procedure of the Chicago Board of Trade (A Six-Part Study Guide to Market Profile): begin with the point of
    control; compare the volume of the two buckets above the range with that of the two below, and add the pair that has
    more (a single bucket where only one is left on that side), until the range holds the share. Of equal pairs the
    upper one is added; of several points of control that nearest the middle of the day's range counts, then the lower.
    """
    if not any(volumes.values()):
        return None
    lowest, highest = (bound(k for k, volume in volumes.items() if volume) for bound in (min, max))
    control = min(volumes, key=lambda k: (-volumes[k], abs(2 * k - lowest - highest), k))
    total = sum(volumes.values())
    low = high = control
    inside = volumes[control]
    while inside * 100 < total * share and (low > lowest or high < highest):
        above = [volumes.get(k, 0) for k in range(high + 1, min(high + 2, highest) + 1)]
        below = [volumes.get(k, 0) for k in range(max(low - 2, lowest), low)]
        if above and (not below or sum(above) >= sum(below)):
            high += len(above)
            inside += sum(above)
        else:
            low -= len(below)
            inside += sum(below)
    return Range(control=control, low=low, high=high)
