"""Everything that can be set, one class per section of the settings file, and the profiles that come with the product.

A field's type holds its bounds, its description the documentation with units, its default the only default there is.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from engine.execution.settings import TradingSettings
from engine.ingestion.markets import COINM, SPOT, STAND_IN_MARKETS, USDM
from engine.ingestion.session import FeedSettings
from engine.orders import Mode
from engine.risk.limits import RiskSettings
from engine.settings import (
    EVERY_TIMEFRAME,
    REFERENCES,
    CacheSettings,
    CobSettings,
    MarketLimits,
    MarketSettings,
    Timeframes,
)


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
    references: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[A-Z0-9]+/[A-Z0-9]+$")], ...],
        Meta(
            description="Pairs of base assets: in the input of models the first is held against the second, of the "
            "same venue, quote asset and kind, which must be followed, too. An asset without a pair has no reference.",
            extra={"allowed": 'a list of pairs, as in ["ETH/BTC", "BTC/ETH", "SOL/BTC"]'},
        ),
    ] = tuple(f"{base}/{other}" for base, other in REFERENCES.items())
    stand_ins: Annotated[
        tuple[Literal["mexc", "bybit"], ...],
        Meta(
            description="Other venues that are asked for candles, in this order, where an instrument's own venue "
            "cannot give them; empty: none. Such candles are marked, and give way to the venue's own.",
            extra={"allowed": 'a list of "mexc", "bybit", or nothing'},
        ),
    ] = ("mexc", "bybit")


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


StandInAddresses = Annotated[
    tuple[Annotated[str, Meta(pattern=r"^https?://[^\s/]")], ...],
    Meta(
        description="REST base addresses, tried in turn; without any this venue does not stand in.",
        extra={"allowed": 'a list of addresses, as in ["https://api.bybit.com"], or an empty one'},
    ),
]


class StandInVenue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a venue that stands in for others is reached."""

    rest: StandInAddresses


class Venues(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Addresses by market; the exchange's own are the defaults."""

    binance: Addresses = Addresses(rest=SPOT.rest, ws=SPOT.ws)
    binanceusdm: Addresses = Addresses(rest=USDM.rest, ws=USDM.ws)
    binancecoinm: Addresses = Addresses(rest=COINM.rest, ws=COINM.ws)
    mexc: StandInVenue = StandInVenue(rest=STAND_IN_MARKETS["mexc"].rest)
    bybit: StandInVenue = StandInVenue(rest=STAND_IN_MARKETS["bybit"].rest)


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


class Storage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The database: how it is written, and how long what is followed live is kept.

    Imports, bars of a minute and longer, annotations, orders and fills are kept for ever.
    """

    flush_rows: Annotated[int, Meta(ge=1, le=20_000, description="Rows that wait when they are written.")] = 100
    flush_s: Annotated[
        float, Meta(ge=0.5, le=60.0, description="Time, s, after which rows are written at the latest.")
    ] = 5.0
    waiting_rows: Annotated[
        int,
        Meta(
            ge=1000,
            le=10_000_000,
            description="Rows that wait in memory, at most, while the database refuses; then the oldest are dropped.",
        ),
    ] = 200_000
    books_days: Annotated[int, Meta(ge=1, le=36_500, description="Days for which books (one a minute) are kept.")] = 30
    cob_days: Annotated[int, Meta(ge=1, le=36_500, description="Days for which COB seconds and minutes are kept.")] = 60
    imbalances_days: Annotated[int, Meta(ge=1, le=36_500, description="Days for which imbalances are kept.")] = 60
    trades_days: Annotated[int, Meta(ge=1, le=36_500, description="Days for which trades are kept.")] = 90
    seconds_days: Annotated[int, Meta(ge=1, le=36_500, description="Days for which bars of a second are kept.")] = 730
    pack_books_days: Annotated[int, Meta(ge=1, le=36_500, description="Days after which books are packed.")] = 1
    pack_cob_days: Annotated[int, Meta(ge=1, le=36_500, description="Days after which the COB is packed.")] = 2
    pack_imbalances_days: Annotated[
        int, Meta(ge=1, le=36_500, description="Days after which imbalances are packed.")
    ] = 2
    pack_trades_days: Annotated[int, Meta(ge=1, le=36_500, description="Days after which trades are packed.")] = 7
    pack_seconds_days: Annotated[
        int, Meta(ge=1, le=36_500, description="Days after which bars of a second are packed.")
    ] = 7
    prune_below_mb: Annotated[
        int,
        Meta(
            ge=0,
            le=10**9,
            description="Free space, MB, below which the oldest days are given up before their time: books, COB "
            "seconds, imbalances, COB minutes, trades, bars of a second.",
        ),
    ] = 512
    backups: Annotated[int, Meta(ge=0, le=1000, description="Daily copies of the database that are kept; 0: none.")] = 7


class Log(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Log files."""

    level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], Meta(description="Least severity that is written.")
    ] = "INFO"
    max_mb: Annotated[
        int, Meta(ge=1, le=10_000, description="Size, MB, at which a log file is put aside and a new one begun.")
    ] = 8
    backups: Annotated[int, Meta(ge=0, le=1000, description="Old log files that are kept.")] = 5


class Notices(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Notices by webhook: POSTs of JSON to the address in `TRADETUI_WEBHOOK_URL`, which may hold a token."""

    least: Annotated[
        Literal["info", "warning", "error", "critical"], Meta(description="Least severity of an alert that is sent.")
    ] = "error"
    fills: Annotated[bool, Meta(description="Whether every fill is sent, too.")] = False


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
    storage: Storage = msgspec.field(default_factory=Storage)
    log: Log = msgspec.field(default_factory=Log)
    credentials: Credentials = msgspec.field(default_factory=Credentials)
    notices: Notices = msgspec.field(default_factory=Notices)
    trading: TradingSettings = msgspec.field(default_factory=TradingSettings)
    risk: RiskSettings = msgspec.field(default_factory=RiskSettings)

    def on_paper(self) -> Settings:
        """Return the same with trading on paper, as every replay is."""
        return msgspec.structs.replace(self, trading=msgspec.structs.replace(self.trading, mode=Mode.PAPER))

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
