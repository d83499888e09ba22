"""Rows of the topics that the socket serves, light to import."""

from __future__ import annotations

import msgspec


class MarketRow(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument in one line.

    Units: prices in quote units; sizes and `volume_24h` in base asset (contracts on inverse markets); `age_ms` since
    the last book update; `change_24h_pct` per cent. None: not known.
    """

    instrument: str
    live: bool
    age_ms: float | None
    tick: float
    best_bid: float | None
    best_ask: float | None
    last: float | None
    last_sell: bool | None
    change_24h_pct: float | None
    high_24h: float | None
    low_24h: float | None
    volume_24h: float | None
    mark: float | None
    funding_rate: float | None


class PriceView(msgspec.Struct, frozen=True, kw_only=True):
    """The best price there is, in quote units, with its source and age; `stale`: nobody should act on it."""

    instrument: str
    price: float | None
    source: str
    age_ms: float | None
    stale: bool


class BarRow(msgspec.Struct, frozen=True, array_like=True):
    """One candle: prices in quote units, sizes in base asset (contracts on inverse markets)."""

    open_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    trades: int
    taker_buy: float
    closed: bool
    complete: bool
    source: str


class TradeRow(msgspec.Struct, frozen=True, array_like=True):
    """One trade: `ts_ms` UTC; `sell`: the taker sold; `large`: worth marking."""

    id: int
    ts_ms: int
    price: float
    size: float
    sell: bool
    large: bool


class HeatRow(msgspec.Struct, frozen=True, array_like=True):
    """One second of the heat map: 40 buckets from `price` upwards, `size` wide, base asset; `partial`: lower bounds."""

    second: int
    price: float
    size: float
    best_bid: float
    best_ask: float
    bids: tuple[float, ...]
    asks: tuple[float, ...]
    partial: tuple[bool, ...]


class ReplayView(msgspec.Struct, frozen=True, kw_only=True):
    """Where a replay stands.

    Units: times UTC ns; `speed` recorded seconds per second, 0.0 is as fast as possible. `end` is None until the files
    have been read through, and with it come `notes`: what of them was skipped. `seeking` is the time that is being
    sought, `progress` the share of the way there (0 to 1). `ended`: there is nothing to come; one can seek back.
    `messages` and `refused` count the recorded lines up to `position`, and those of them that gave no event.
    `as_traded`: orders and positions are those of the engine that recorded it, and cannot be added to.
    """

    position: int
    start: int
    end: int | None
    speed: float
    paused: bool
    ended: bool
    seeking: int | None
    progress: float | None
    messages: int
    refused: int
    files: tuple[str, ...]
    notes: tuple[str, ...]
    as_traded: bool = False


class SpanView(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of missing bars: opening times of the first and the last, UTC ms, how many, and what is known of it."""

    first_ms: int
    last_ms: int
    missing: int
    reason: str = ""


NOTHING_OLDER, NOBODY_HAS = "there is nothing older", "nobody has more of that time"
"""Reasons of a history that is shorter than asked for although nothing failed."""


class ServedView(msgspec.Struct, frozen=True, kw_only=True):
    """Who gave how many of the rows: `memory`, `storage` or a venue's name; `ms` is the time it took."""

    source: str
    rows: int
    ms: float


class HistoryView(msgspec.Struct, frozen=True, kw_only=True):
    """Closed candles of one instrument and timeframe, oldest first.

    `served` names who gave them, in the order asked. `gaps` are the stretches missing between the first and the last
    row. `reached_start`: nothing older is to be had from anybody. `first_ms`, `last_ms` bound what is stored (opening
    times, UTC ms), None: nothing is. `reason` says why there are fewer rows than asked for; empty when there are not.
    In the rows `taker_buy` is nan and `trades` -1 where the source does not tell.
    """

    instrument: str
    timeframe: str
    rows: tuple[BarRow, ...]
    served: tuple[ServedView, ...]
    gaps: tuple[SpanView, ...]
    reached_start: bool
    first_ms: int | None
    last_ms: int | None
    reason: str


class PivotRow(msgspec.Struct, frozen=True, array_like=True):
    """One confirmed pivot: opening time of the bar that turned, end of the one that confirmed it (UTC ms), level 1-5.

    `price` in quote units; `high`: a high, else a low.
    """

    ts_ms: int
    confirmed_ms: int
    level: int
    high: bool
    price: float


class TrendView(msgspec.Struct, frozen=True, kw_only=True):
    """What one level of the market structure says.

    `trend` is `up` (higher highs and higher lows), `down` (lower ones), `sideways`, or `unknown` without two of each.
    `support`, `resistance`: nearest confirmed low below and high above the last close, quote units; None: none.
    """

    level: int
    trend: str
    support: float | None
    resistance: float | None


class FloorView(msgspec.Struct, frozen=True, kw_only=True):
    """Classic floor pivots of the last closed day, which opened at `day_ms` (UTC ms); quote units."""

    day_ms: int
    pivot: float
    r1: float
    r2: float
    r3: float
    s1: float
    s2: float
    s3: float


class BoundsView(msgspec.Struct, frozen=True, kw_only=True):
    """Price range that inputs may be measured against, quote units; `source`: `pivots`, or `range` until they exist."""

    low: float
    high: float
    source: str


class PivotsView(msgspec.Struct, frozen=True, kw_only=True):
    """The market structure of one instrument and timeframe as known at `as_of` (UTC ns).

    `points` are the newest of each level, in order of confirmation. `reason` says why there are none.
    """

    instrument: str
    timeframe: str
    as_of: int
    points: tuple[PivotRow, ...]
    trends: tuple[TrendView, ...]
    floor: FloorView | None
    bounds: BoundsView | None
    reason: str


class ProfileView(msgspec.Struct, frozen=True, kw_only=True):
    """Volume by price since 00:00 UTC, base asset.

    Bucket i covers [`price` + i x `size`, + `size`) in quote units. `control` is the middle of the bucket with the most
    volume, `value_low` to `value_high` the range round it that holds 70 % of it. `approximate`: part of it comes from
    bars, whose volume was spread over their range. Times UTC ms.
    """

    instrument: str
    since_ms: int
    until_ms: int
    price: float
    size: float
    volumes: tuple[float, ...]
    total: float
    control: float | None
    value_low: float | None
    value_high: float | None
    approximate: bool
    reason: str


class BandView(msgspec.Struct, frozen=True, kw_only=True):
    """Volume within `within_pct` per cent of the mid, base asset; `partial`: the book is not known so far out."""

    within_pct: float
    bid: float
    ask: float
    imbalance: float | None
    partial: bool


class WallView(msgspec.Struct, frozen=True, kw_only=True):
    """A bucket that stands out: lower edge `price`, `size` base asset, `intensity` 0 to 1, `bid`: of bids."""

    price: float
    size: float
    intensity: float
    bid: bool


class DepthView(msgspec.Struct, frozen=True, kw_only=True):
    """What the book of one instrument amounts to; prices in quote units, sizes in base asset.

    `liquidity` is a score from 0 to 1. `top` are the largest buckets of either side, `walls` those of intensity 0.7 and
    more. Without a live book everything is None or empty, and `reason` says why.
    """

    instrument: str
    seq: int
    live: bool
    mid: float | None
    spread_bps: float | None
    liquidity: float | None
    bands: tuple[BandView, ...]
    top: tuple[WallView, ...]
    walls: tuple[WallView, ...]
    partial_buckets: int | None
    reason: str


class QualityPartView(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the quality score: `weight` of the whole, `score` 0 to 1, and `why` it is not 1."""

    name: str
    weight: float
    score: float
    why: str


class StreamView(msgspec.Struct, frozen=True, kw_only=True):
    """One stream of a model input: `name` as in `primary_1m`; `wanted` rows of it, `rows` there, `incomplete` of these.

    `missing` counts the bars absent between the first and the last; `age_ms` since the end of the last; `sources`
    counts rows by where they come from.
    """

    name: str
    wanted: int
    rows: int
    incomplete: int
    missing: int
    first_ms: int | None
    last_ms: int | None
    age_ms: float | None
    sources: dict[str, int]


class TableView(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of stored rows: how many, in how many bytes where that is known, and how many of them are packed."""

    name: str
    rows: int
    bytes: int | None
    packed: int


class ReadsView(msgspec.Struct, frozen=True, kw_only=True):
    """How long one kind of question took, ms, and how often memory had the answer (`hits`) or not (`misses`)."""

    name: str
    count: int
    hits: int
    misses: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class StorageView(msgspec.Struct, frozen=True, kw_only=True):
    """The database: where, how large, what is in it, and what waits to be written.

    `waiting` rows not on disk yet, `written` and `rejected` since the start; `lag_ms` how long the oldest of those that
    wait has done so. `backup_ms` the last backup, UTC ms. `error` is empty while all is well.
    """

    path: str
    bytes: int
    free_bytes: int
    schema: int
    tables: tuple[TableView, ...]
    waiting: int
    written: int
    rejected: int
    lag_ms: float | None
    backup_ms: int | None
    error: str
    reads: tuple[ReadsView, ...] = ()


class QualityView(msgspec.Struct, frozen=True, kw_only=True):
    """How good the model input of one instrument is at `as_of` (UTC ns).

    `score` is the sum of weight x score over `parts`. `missing` says what keeps a model that needs everything from
    being run, `valid` that nothing does. `reason` says why there is no input at all.
    """

    instrument: str
    as_of: int
    score: float
    valid: bool
    parts: tuple[QualityPartView, ...]
    missing: tuple[str, ...]
    streams: tuple[StreamView, ...]
    storage: StorageView | None
    reason: str


class ModelInputView(msgspec.Struct, frozen=True, kw_only=True):
    """A summary of the model input of one instrument at `as_of` (UTC ns); None and empty: not known.

    `source` is `cache` (this engine's memory) or `database`; `age_ms` how much older than asked for it is. `indicators`
    holds by timeframe the values after its last closed bar, `pivots` how many of each level it has, `imbalance` by name
    (`plain_1s`, `weighted_60s`), `micro` the figures of book and trades, `outputs` the age in ms of each model's last.
    """

    instrument: str
    reference: str
    as_of: int
    source: str
    age_ms: float
    build_ms: float
    price: float | None
    score: float
    missing: tuple[str, ...]
    warnings: tuple[str, ...]
    streams: tuple[StreamView, ...]
    indicators: dict[str, dict[str, float | None]]
    pivots: dict[str, tuple[int, ...]]
    imbalance: dict[str, float | None]
    micro: dict[str, float | None]
    outputs: dict[str, float]
    reason: str


class GapsView(msgspec.Struct, frozen=True, kw_only=True):
    """Stretches without a candle in what is stored of one instrument and timeframe, oldest first.

    `first_ms`, `last_ms` are the opening times of the first and the last stored one; None: nothing is stored.
    """

    instrument: str
    timeframe: str
    first_ms: int | None
    last_ms: int | None
    gaps: tuple[SpanView, ...]
    missing: int
    reason: str
