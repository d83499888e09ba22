"""The three markets: what they are asked for, and by which way."""

from __future__ import annotations

import pytest

from engine.errors import SettingsInvalid
from engine.ingestion.markets import COINM, MARKETS, SPOT, USDM, market_of
from engine.types import Timeframe


def test_streams_dp5() -> None:
    """Diff depth (never partial depth), one trade stream, best quotes, 24 h statistics; marks on futures."""
    assert set(SPOT.streams("BTCUSDT", "100ms")) == {
        "btcusdt@depth@100ms",
        "btcusdt@trade",
        "btcusdt@bookTicker",
        "btcusdt@ticker",
    }
    for market in (USDM, COINM):
        kinds = {stream.partition("@")[2] for stream in market.streams("X", "100ms")}
        assert "aggTrade" in kinds
        assert "trade" not in kinds
        assert "markPrice" in kinds
        assert not any(kind.startswith(("depth5", "depth10", "depth20")) for kind in kinds)


def test_routes_of_usdm_are_two_connections() -> None:
    sources = {USDM.source(stream) for stream in USDM.streams("BTCUSDT", "100ms")}
    assert sources == {"binanceusdm/public", "binanceusdm/market"}
    assert USDM.route("btcusdt@depth@100ms") == "/public"
    assert USDM.route("btcusdt@aggTrade") == "/market"
    for market in (SPOT, COINM):
        assert {market.source(stream) for stream in market.streams("X", "100ms")} == {market.venue}


def test_update_speeds() -> None:
    """The venue's documents name the usual speed's stream without a number: 1000 ms on spot, 250 ms on futures."""
    assert [SPOT.depth_stream(speed) for speed in ("100ms", "1000ms")] == ["depth@100ms", "depth"]
    for market in (USDM, COINM):
        assert [market.depth_stream(f"{ms}ms") for ms in (100, 250, 500)] == ["depth@100ms", "depth", "depth@500ms"]
        assert "x@depth" in market.streams("X", "250ms")
    for market, speed in ((SPOT, "250ms"), (USDM, "1000ms"), (COINM, "")):
        with pytest.raises(SettingsInvalid, match=f"{market.venue} sends no .* every {speed}; it allows 100ms, "):
            market.depth_stream(speed)


def test_futures_give_only_some_numbers_of_levels() -> None:
    """Another number is refused with -4021; the next larger one is asked for."""
    assert [SPOT.depth_levels(wanted) for wanted in (5, 77, 1000, 5000, 9000)] == [5, 77, 1000, 5000, 5000]
    assert [USDM.depth_levels(wanted) for wanted in (5, 6, 77, 501, 1000, 5000)] == [5, 10, 100, 1000, 1000, 1000]


@pytest.mark.parametrize(
    ("venue", "limit", "weight"),
    [
        ("binance", 100, 5),
        ("binance", 101, 25),
        ("binance", 500, 25),
        ("binance", 1000, 50),
        ("binance", 5000, 250),
        ("binanceusdm", 50, 2),
        ("binanceusdm", 1000, 20),
        ("binancecoinm", 500, 10),
    ],
)
def test_depth_weights(venue: str, limit: int, weight: int) -> None:
    assert MARKETS[venue].depth_weight(limit) == weight


def test_the_deepest_snapshot_has_a_weight() -> None:
    for market in MARKETS.values():
        assert market.depth_weight(market.depth_limit) > 0
        assert market.depth_weight(market.depth_limit) < market.weight_limit // 2
    assert SPOT.depth_limit == 5000


def test_second_candles_only_where_the_venue_has_them() -> None:
    assert Timeframe.S1 in SPOT.kline_timeframes
    assert Timeframe.S1 not in USDM.kline_timeframes
    assert Timeframe.S1 not in COINM.kline_timeframes
    assert set(USDM.kline_timeframes) == set(Timeframe) - {Timeframe.S1}


def test_addresses_are_the_real_exchange_with_a_second_one_for_spot() -> None:
    assert SPOT.rest[0] == "https://api.binance.com"
    assert SPOT.ws[0] == "wss://stream.binance.com:9443"
    assert USDM.rest[0] == "https://fapi.binance.com"
    assert COINM.rest[0] == "https://dapi.binance.com"
    assert len(SPOT.rest) > 1
    assert len(SPOT.ws) > 1
    for market in MARKETS.values():
        assert all(url.startswith("https://") for url in market.rest)
        assert all(url.startswith("wss://") for url in market.ws)


def test_an_unknown_venue_is_named_with_the_known_ones() -> None:
    with pytest.raises(SettingsInvalid, match=r"'kraken'.*binance"):
        market_of("kraken:BTC/USD")
