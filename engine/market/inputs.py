"""What every model is given: the layout of `ModelInput`, the one place where it is written down.

All arrays are numpy, times int64, masks bool, everything else float64: prices of five digits with cents do not fit into
float32, and models make ratios of them before they narrow them. nan stands for what is not known; each array has a mask
beside it. The newest row is the last. Row i of a stream opens at `open_ms[i]`, on a grid without holes: where there is
no bar the row is nan and `there` is False, so a stream shorter than 300 is masked at the front.

| field | shape | what |
| --- | --- | --- |
| `frames[t].values` | [300, 8] | closed bars of t = 1s, 1m, 1h, 1d by `BARS`, which tells the units |
| `frames[t].there` | [300] | there is a bar |
| `frames[t].complete` | [300] | the feed covered all of it |
| `reference_1s` | as above | the reference's 1s bars on the grid of the primary's |
| `so_far[t].values` | [8] | the running bar of t = 1m, 1h, 1d, out of closed shorter bars alone; see `SoFar` |
| `indicators[t].values` | [300, 24] | by `indicators.NAMES`, on the grid of `frames[t]`; `last`: the newest row |
| `cob.bids`, `cob.asks` | [300, 40] | base asset by bucket at the second `cob.seconds[i]`; the last is `as_of` |
| `cob.bid_quote`, `cob.ask_quote` | [300, 40] | the same in quote units (USD) |
| `cob.imbalance` | [300, 40] | (bid - ask) / (bid + ask); nan in an empty bucket |
| `cob.partial` | [300, 40] | a lower bound, or no second at all: masked for models unless they say otherwise |
| `cob.there` | [300] | the book was live at that second |
| `cob.low`, `best_bid`, `best_ask`, `mid` | [300] | quote units; `low` is the lower edge of bucket 0 |
| `cob.spread_bps` | [300] | basis points of the mid |
| `imbalance` | [4, 2] | of the band round the mid over 1, 5, 15, 60 s: plain, volume-weighted |
| `bucket_imbalance` | [40, 4] | mean imbalance of each bucket of the newest column over 1, 5, 15, 60 s |
| `flow` | [4, 5] | over the last 1, 5, 15, 60 seconds of the 1s grid, by `FLOW` |
| `pivots[t].price` ... | [5, 8] | the newest 8 confirmed pivots of each level, in order of confirmation |
| `pivots[t].trend`, `support`, `resistance` | [5] | by level; trend 1 up, 0 sideways, -1 down |
| `micro` | by `MICRO` | figures of book and trades |

Volumes are base asset on inverse markets, too: contracts x contract size / the mean price of the bar. `vwap` and `obv`
of the 1s stream count the day's closed 1m bars and the 1s bars of the running minute: the day's seconds are more than
are in memory. Those of 1m are nan before the first midnight within the newest 1500 bars. Everything is as known at
`as_of`, a whole second: bars, pivots and answers of models with `known_at` later than that are not in it, running bars
only as `so_far`.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
import numpy.typing as npt

from engine.market.bounds import PivotBounds
from engine.market.outputs import ModelOutput
from engine.market.quality import FRAMES as FRAMES
from engine.market.quality import Facts, Quality
from engine.market.structure import FloorPivots
from engine.ohlcv import Flags, Floats, Ints
from engine.types import MS, Timeframe

TIMEFRAMES: tuple[Timeframe, ...] = (Timeframe.S1, Timeframe.M1, Timeframe.H1, Timeframe.D1)
"""The streams of the primary."""

BARS: tuple[str, ...] = ("open", "high", "low", "close", "volume", "quote_volume", "taker_buy", "trades")
"""Columns of a bar: prices in quote units, `volume` and `taker_buy` base asset, `quote_volume` quote units."""

FLOW: tuple[str, ...] = ("buy", "sell", "buy_ratio", "trades", "seconds")
"""Columns of the order flow: aggressive volume in base asset, its share of buys, trades, seconds that were known."""

MICRO: tuple[str, ...] = (
    "price",
    "best_bid",
    "best_ask",
    "mid",
    "spread_bps",
    "bid_volume",
    "ask_volume",
    "bid_quote",
    "ask_quote",
    "liquidity_imbalance",
    "partial_buckets",
)
"""Names of `micro`: `price` is the mid of a live book, else the last close; volumes are sums over the 40 buckets."""

NEWEST_PIVOTS = 8
"""Pivots of each level in an input."""


class Frame(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One stream of closed bars on its grid."""

    timeframe: Timeframe
    open_ms: Ints
    values: Floats
    there: Flags
    complete: Flags

    @property
    def end_ms(self) -> int | None:
        """End of the newest bar, UTC ms, or None."""
        places = np.flatnonzero(self.there)
        return int(self.open_ms[places[-1]]) + self.timeframe.seconds * 1000 if places.size else None


class SoFar(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A bar that is not closed: what closed shorter bars say of it.

    It opened at `open_ms`; `elapsed_s` seconds of it have passed, and shorter bars cover `covered_s` of these.
    """

    timeframe: Timeframe
    open_ms: int
    values: Floats
    elapsed_s: int
    covered_s: int


class IndicatorInput(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Indicators of one stream; `last` are those after its newest bar, nan where it has seen too few."""

    values: Floats
    last: dict[str, float]


class CobInput(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The COB, second by second; `size` is the width of a bucket in quote units, nan without a column."""

    seconds: Ints
    there: Flags
    size: float
    low: Floats
    best_bid: Floats
    best_ask: Floats
    mid: Floats
    spread_bps: Floats
    bids: Floats
    asks: Floats
    bid_quote: Floats
    ask_quote: Floats
    imbalance: Floats
    partial: Flags


class PivotInput(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The market structure of one timeframe: row l is level l + 1.

    `high` is 1 for a high and -1 for a low, `there` False (and the rest 0 or nan) where there is none. `support` and
    `resistance` are the nearest to `ModelInput.price`; distances are for whoever has a price. `bounds` by pivots, or by
    the highest timeframe's bars until there are any.
    """

    ts_ms: Ints
    confirmed_ms: Ints
    price: Floats
    high: npt.NDArray[np.int8]
    there: Flags
    trend: Floats
    support: Floats
    resistance: Floats
    bounds: PivotBounds | None


class ModelInput(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Everything that models may know of one instrument at `as_of` (UTC ns, a whole second).

    `symbol` and `reference` are instrument keys, `reference` empty where none of its bars is known. `price` is
    `micro["price"]`.
    """

    symbol: str
    reference: str
    as_of: int
    frames: dict[Timeframe, Frame]
    reference_1s: Frame
    so_far: dict[Timeframe, SoFar | None]
    indicators: dict[Timeframe, IndicatorInput]
    cob: CobInput
    imbalance: Floats
    bucket_imbalance: Floats
    flow: Floats
    pivots: dict[Timeframe, PivotInput]
    floor: FloorPivots | None
    micro: dict[str, float]
    outputs: Mapping[str, ModelOutput]
    quality: Quality

    @property
    def price(self) -> float:
        """The price now, quote units; nan without one."""
        return self.micro["price"]

    def output_age_s(self, name: str) -> float:
        """Return how long ago a model's last answer was known, s."""
        return (self.as_of - self.outputs[name].known_at) / (1000 * MS)

    def facts(self) -> Facts:
        """Return what the quality score is made from."""
        return facts_of(self.as_of, self.frames, self.reference_1s, self.cob, self.pivots)


def facts_of(
    as_of: int,
    frames: Mapping[Timeframe, Frame],
    reference: Frame,
    cob: CobInput,
    pivots: Mapping[Timeframe, PivotInput],
) -> Facts:
    """Return what the quality score is made from."""
    ends = {timeframe: frame.end_ms for timeframe, frame in frames.items()}
    return Facts(
        frames={timeframe: int(frame.there.sum()) for timeframe, frame in frames.items()},
        ages={timeframe: None if end is None else max(as_of // MS - end, 0) / 1000 for timeframe, end in ends.items()},
        reference=int(reference.there.sum()),
        book=bool(cob.there[-1]),
        pivots={timeframe: int(found.there.sum()) for timeframe, found in pivots.items()},
    )
