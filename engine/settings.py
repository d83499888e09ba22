"""What the market state is told. Each class is one section of the settings file.

The descriptions here are the documentation of those settings; the defaults here are the only ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from engine.types import Timeframe

Amount = str | int | float
"""A decimal in quote units; text keeps it exact."""

Amounts = Annotated[
    dict[str, Amount], Meta(extra={"allowed": 'a table of positive numbers by BASE/QUOTE, as in {"SOL/USDT" = "0.05"}'})
]

Timeframes = Annotated[
    tuple[Timeframe, ...],
    Meta(
        min_length=1,
        description="Bar lengths whose history is asked of the venue, healed and served. "
        "Bars of the other lengths are still built, from trades alone.",
    ),
]

EVERY_TIMEFRAME: tuple[Timeframe, ...] = tuple(Timeframe)

REFERENCES: Mapping[str, str] = {"ETH": "BTC", "BTC": "ETH"}
"""The base asset that an instrument is held against, by its own."""


class CacheSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Candles in memory."""

    enabled: Annotated[
        bool,
        Meta(description="Ask the venue for past candles and for missing ones; without, bars begin at the start."),
    ] = True
    candles_per_timeframe: Annotated[
        int, Meta(ge=100, le=20_000, description="Closed bars kept in memory per timeframe and instrument.")
    ] = 1500


class CobSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The consolidated order book."""

    enabled: Annotated[
        bool, Meta(description="Build the consolidated order book (COB), its history and its imbalance.")
    ] = True
    bucket_sizes: Annotated[
        Amounts,
        Meta(
            description="COB bucket size in quote units by BASE/QUOTE, added to the defaults; a multiple of the price "
            "step. Without an entry about 2.5 bps of the first mid."
        ),
    ] = msgspec.field(default_factory=lambda: {"ETH/USDT": "1", "BTC/USDT": "10", "ETH/USD": "1", "BTC/USD": "10"})
    price_ranges: Annotated[
        Amounts,
        Meta(
            description="Half-width of the imbalance band in quote units by BASE/QUOTE. Without an entry five buckets, "
            "which is $5 for ETH and $50 for BTC."
        ),
    ] = msgspec.field(default_factory=dict)


class MarketLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What counts as large, stale or silent."""

    large_trade: Annotated[
        float, Meta(gt=0, lt=1e12, description="Value in quote units from which a trade is marked as large.")
    ] = 100_000.0
    stale_after_s: Annotated[
        float, Meta(gt=0, lt=30, description="Silence of a connection, s, after which what it feeds is stale.")
    ] = 5.0
    silence_s: Annotated[
        float, Meta(gt=0, lt=1e9, description="Time without trades, s, after which bars close by the exchange's clock.")
    ] = 0.5


class MarketSettings(MarketLimits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that the market state is told."""

    timeframes: Timeframes = EVERY_TIMEFRAME
    cache: CacheSettings = msgspec.field(default_factory=CacheSettings)
    cob: CobSettings = msgspec.field(default_factory=CobSettings)
