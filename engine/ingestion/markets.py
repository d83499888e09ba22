"""What differs between Binance's three markets: addresses, paths, stream names, limits and request weights.

Source: developers.binance.com, "Spot: WebSocket Streams, Market Data endpoints, Limits", "USDS-Margined Futures" and
"COIN-Margined Futures", the same chapters; "Important WebSocket Change Notice" of 2026-03-06 for the routes of USD-M.
"""

from __future__ import annotations

import msgspec

from engine.errors import SettingsInvalid
from engine.types import Timeframe


class Market(msgspec.Struct, frozen=True, kw_only=True):
    """One market of the venue.

    Weights are request weight per minute and IP address. `depth_streams` gives the name of the diff stream by update
    speed. `depth_limits` are the only numbers of levels that a depth request may ask for; empty: any up to
    `depth_limit`.
    """

    venue: str
    api: str
    futures: bool
    inverse: bool
    rest: tuple[str, ...]
    ws: tuple[str, ...]
    trade_stream: str
    depth_streams: dict[str, str]
    routes: dict[str, str] = msgspec.field(default_factory=dict)
    default_route: str = ""
    depth_limit: int
    depth_limits: tuple[int, ...] = ()
    depth_weights: tuple[tuple[int, int], ...]
    kline_limit: int
    kline_weights: tuple[tuple[int, int], ...]
    kline_timeframes: tuple[Timeframe, ...]
    info_weight: int
    price_weight: int
    weight_limit: int

    def streams(self, symbol: str, update_speed: str) -> tuple[str, ...]:
        """Names of the streams that one instrument is followed by.

        Raises:
            SettingsInvalid: The market sends no diffs at that speed.
        """
        kinds = [self.depth_stream(update_speed), self.trade_stream, "bookTicker", "ticker"]
        if self.futures:
            kinds.append("markPrice")
        return tuple(f"{symbol.lower()}@{kind}" for kind in kinds)

    def depth_stream(self, update_speed: str) -> str:
        """Name of the diff stream of an update speed such as `100ms`.

        Raises:
            SettingsInvalid: The market sends none at that speed.
        """
        if update_speed not in self.depth_streams:
            raise SettingsInvalid(
                f"{self.venue} sends no depth updates every {update_speed}; it allows {', '.join(self.depth_streams)}"
            )
        return self.depth_streams[update_speed]

    def route(self, stream: str) -> str:
        """Path prefix under which a stream is served; streams of different routes need different connections."""
        kind = stream.partition("@")[2].partition("@")[0]
        return self.routes.get(kind, self.default_route)

    def source(self, stream: str) -> str:
        """Name of the connection that carries a stream."""
        route = self.route(stream)
        return f"{self.venue}{route}" if route else self.venue

    def depth_levels(self, wanted: int) -> int:
        """Levels a side to ask for to get at least `wanted`, as far as the market gives them."""
        return next((limit for limit in self.depth_limits if limit >= wanted), min(wanted, self.depth_limit))

    def depth_weight(self, limit: int) -> int:
        """Weight of a depth request."""
        return next(weight for most, weight in self.depth_weights if limit <= most)

    def kline_weight(self, limit: int) -> int:
        """Weight of a request for so many candles."""
        return next(weight for most, weight in self.kline_weights if limit <= most)


_ALL = tuple(Timeframe)
_NO_SECONDS = tuple(timeframe for timeframe in Timeframe if timeframe is not Timeframe.S1)
_FUTURES_DEPTH = ((50, 2), (100, 5), (500, 10), (1000, 20))
_FUTURES_KLINES = ((99, 1), (499, 2), (1000, 5), (1500, 10))
_FUTURES_LIMITS = (5, 10, 20, 50, 100, 500, 1000)
# The bare name is the stream of the market's usual speed.
_SPOT_SPEEDS = {"100ms": "depth@100ms", "1000ms": "depth"}
_FUTURES_SPEEDS = {"100ms": "depth@100ms", "250ms": "depth", "500ms": "depth@500ms"}

SPOT = Market(
    venue="binance",
    api="/api/v3",
    futures=False,
    inverse=False,
    rest=("https://api.binance.com", "https://api1.binance.com", "https://data-api.binance.vision"),
    ws=("wss://stream.binance.com:9443", "wss://stream.binance.com:443", "wss://data-stream.binance.vision"),
    trade_stream="trade",
    depth_streams=_SPOT_SPEEDS,
    depth_limit=5000,
    depth_weights=((100, 5), (500, 25), (1000, 50), (5000, 250)),
    kline_limit=1000,
    kline_weights=((1000, 2),),
    kline_timeframes=_ALL,
    info_weight=20,
    price_weight=2,
    weight_limit=6000,
)

USDM = Market(
    venue="binanceusdm",
    api="/fapi/v1",
    futures=True,
    inverse=False,
    rest=("https://fapi.binance.com",),
    ws=("wss://fstream.binance.com",),
    trade_stream="aggTrade",
    depth_streams=_FUTURES_SPEEDS,
    routes={"depth": "/public", "bookTicker": "/public", "trade": "/public"},
    default_route="/market",
    depth_limit=1000,
    depth_limits=_FUTURES_LIMITS,
    depth_weights=_FUTURES_DEPTH,
    kline_limit=1500,
    kline_weights=_FUTURES_KLINES,
    kline_timeframes=_NO_SECONDS,
    info_weight=1,
    price_weight=1,
    weight_limit=2400,
)

COINM = Market(
    venue="binancecoinm",
    api="/dapi/v1",
    futures=True,
    inverse=True,
    rest=("https://dapi.binance.com",),
    ws=("wss://dstream.binance.com",),
    trade_stream="aggTrade",
    depth_streams=_FUTURES_SPEEDS,
    depth_limit=1000,
    depth_limits=_FUTURES_LIMITS,
    depth_weights=_FUTURES_DEPTH,
    kline_limit=1500,
    kline_weights=_FUTURES_KLINES,
    kline_timeframes=_NO_SECONDS,
    info_weight=1,
    price_weight=1,
    weight_limit=2400,
)

MARKETS: dict[str, Market] = {market.venue: market for market in (SPOT, USDM, COINM)}


class StandInMarket(msgspec.Struct, frozen=True, kw_only=True):
    """A venue that can give candles of a pair in place of the pair's own venue; see `standins`.

    `page` candles per request, `limit` requests a minute (far below the venue's own), `rows` the way to the candles in
    an answer.
    """

    rest: tuple[str, ...]
    page: int
    limit: int
    perpetuals: bool
    rows: tuple[str, ...] = ()


STAND_IN_MARKETS: dict[str, StandInMarket] = {
    "mexc": StandInMarket(rest=("https://api.mexc.com",), page=500, limit=300, perpetuals=False),
    "bybit": StandInMarket(
        rest=("https://api.bybit.com",), page=1000, limit=300, perpetuals=True, rows=("result", "list")
    ),
}
"""By ccxt's names.

Source: mexc.com/api-docs/spot-v3, "Kline/Candlestick Data" and "Limits" (500 weight in 10 s, a request weighs 1);
bybit-exchange.github.io/docs/v5/market/kline and /docs/v5/rate-limit (600 requests in 5 s).
"""


def market_of(instrument_key: str) -> Market:
    """Return the market of an instrument key such as `binance:BTC/USDT`.

    Raises:
        SettingsInvalid: The venue has no native feed.
    """
    venue = instrument_key.partition(":")[0]
    if venue not in MARKETS:
        known = ", ".join(MARKETS)
        raise SettingsInvalid(f"{instrument_key}: unknown venue {venue!r}; known are {known}")
    return MARKETS[venue]
