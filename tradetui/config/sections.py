"""Everything that can be set, one class per section of the settings file, and the profiles that come with the product.

A field's type holds its bounds, its description the documentation with units, its default the only default there is.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from engine.ingestion.markets import COINM, SPOT, USDM
from engine.ingestion.session import FeedSettings
from engine.settings import EVERY_TIMEFRAME, CacheSettings, CobSettings, MarketLimits, MarketSettings, Timeframes


class DataProvider(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is followed, and how."""

    symbols: Annotated[
        tuple[str, ...],
        Meta(
            min_length=1,
            description="Instruments, primary first: `venue:BASE/QUOTE[:SETTLE]`; without a venue spot is meant. "
            "Venues: binance (spot), binanceusdm, binancecoinm.",
        ),
    ] = ("binance:ETH/USDT", "binance:BTC/USDT")
    timeframes: Timeframes = EVERY_TIMEFRAME
    cache: CacheSettings = msgspec.field(default_factory=CacheSettings)
    cob: CobSettings = msgspec.field(default_factory=CobSettings)
    websocket: FeedSettings = msgspec.field(default_factory=FeedSettings)


RestAddresses = Annotated[
    tuple[Annotated[str, Meta(pattern=r"^https?://[^\s/]")], ...],
    Meta(
        min_length=1,
        description="REST base addresses, tried in turn.",
        extra={"allowed": 'a list of at least one address, as in ["https://api.binance.com"]'},
    ),
]

SocketAddresses = Annotated[
    tuple[Annotated[str, Meta(pattern=r"^wss?://[^\s/]")], ...],
    Meta(
        min_length=1,
        description="WebSocket base addresses, tried in turn.",
        extra={"allowed": 'a list of at least one address, as in ["wss://stream.binance.com:9443"]'},
    ),
]


class Addresses(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where one market is reached."""

    rest: RestAddresses
    ws: SocketAddresses


class Venues(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Addresses by market; the exchange's own are the defaults."""

    binance: Addresses = Addresses(rest=SPOT.rest, ws=SPOT.ws)
    binanceusdm: Addresses = Addresses(rest=USDM.rest, ws=USDM.ws)
    binancecoinm: Addresses = Addresses(rest=COINM.rest, ws=COINM.ws)


class Parts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which parts may run; none of these is built yet."""

    inference: Annotated[bool, Meta(description="Models may run.")] = True
    training: Annotated[bool, Meta(description="Models may be trained.")] = True
    trading: Annotated[bool, Meta(description="Orders may be sent.")] = True


class EngineOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The engine's process."""

    record: Annotated[
        str,
        Meta(
            description="Folder for a recording of everything received; empty: none. `~` is your home, `{data}` the "
            "profile's data folder.",
            extra={"path": True, "allowed": "a path or nothing"},
        ),
    ] = ""
    disk_low_mb: Annotated[int, Meta(ge=0, le=10**9, description="Free space, MB, below which an alert is raised.")] = (
        1024
    )


class Log(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Log files."""

    level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], Meta(description="Least severity that is written.")
    ] = "INFO"
    max_mb: Annotated[
        int, Meta(ge=1, le=10_000, description="Size, MB, at which a log file is put aside and a new one begun.")
    ] = 8
    backups: Annotated[int, Meta(ge=0, le=1000, description="Old log files that are kept.")] = 5


class Credentials(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Exchange keys; they are never in this file."""

    file: Annotated[
        str,
        Meta(
            description="TOML file with exchange keys that only its owner can read; empty: none. `~` is your home, "
            "`{data}` the profile's data folder.",
            extra={"path": True, "allowed": "a path or nothing"},
        ),
    ] = ""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything."""

    data_provider: DataProvider = msgspec.field(default_factory=DataProvider)
    market: MarketLimits = msgspec.field(default_factory=MarketLimits)
    venues: Venues = msgspec.field(default_factory=Venues)
    parts: Parts = msgspec.field(default_factory=Parts)
    engine: EngineOptions = msgspec.field(default_factory=EngineOptions)
    log: Log = msgspec.field(default_factory=Log)
    credentials: Credentials = msgspec.field(default_factory=Credentials)

    def for_market(self) -> MarketSettings:
        """Return what the engine's market state is told."""
        data = self.data_provider
        return MarketSettings(
            timeframes=data.timeframes, cache=data.cache, cob=data.cob, **msgspec.structs.asdict(self.market)
        )


_NO_PARTS = {"inference": False, "training": False, "trading": False}

PROFILES: dict[str, dict[str, Any]] = {
    "default": {},
    "safe": {"parts": {"training": False, "trading": False}},
    "full": {"parts": {"inference": True, "training": True, "trading": True}},
    "cob": {"parts": _NO_PARTS, "data_provider": {"timeframes": ["1s", "1m"]}},
    "record": {"parts": _NO_PARTS, "engine": {"record": "{data}/recordings"}},
}
"""Profiles that need no section; a section of the same name in the file is laid over them."""
