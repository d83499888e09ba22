"""Names and scales of instruments, from exchangeInfo and from messages alone."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.errors import ProtocolError, SettingsInvalid
from engine.ingestion.markets import COINM, SPOT, USDM, Market
from engine.ingestion.symbols import entry_of, guess, instruments, rules, symbol_of
from engine.orders import Rules, units


@pytest.mark.parametrize(
    ("key", "market", "symbol"),
    [
        ("binance:BTC/USDT", SPOT, "BTCUSDT"),
        ("binance:ETH/BTC", SPOT, "ETHBTC"),
        ("binanceusdm:BTC/USDT:USDT", USDM, "BTCUSDT"),
        ("binanceusdm:BTC/USDT:USDT-210924", USDM, "BTCUSDT_210924"),
        ("binancecoinm:BTC/USD:BTC", COINM, "BTCUSD_PERP"),
        ("binancecoinm:ETH/USD:ETH-241227", COINM, "ETHUSD_241227"),
    ],
)
def test_keys_and_symbols_are_one_to_one(key: str, market: Market, symbol: str) -> None:
    assert symbol_of(key) == (market, symbol)
    assert guess(market, symbol, 2, 3).key == key


@pytest.mark.parametrize(
    "key",
    [
        "BTC/USDT",
        "kraken:BTC/USD",
        "binance:BTCUSDT",
        "binance:/USDT",
        "binance:BTC/",
        "binance:BTC/USDT:USDT",
        "binanceusdm:BTC/USDT",
        "binanceusdm:BTC/USDT:BTC",
        "binancecoinm:BTC/USD:USD",
        "binancecoinm:BTC/USD",
        "",
    ],
)
def test_wrong_keys_are_refused_with_the_form_that_is_expected(key: str) -> None:
    with pytest.raises(SettingsInvalid, match="binance"):
        symbol_of(key)


@pytest.mark.parametrize(
    ("market", "symbol"),
    [(SPOT, "USDT"), (SPOT, "XYZ"), (SPOT, ""), (COINM, "BTCUSD"), (SPOT, "btcusdt"), (SPOT, "A B")],
)
def test_what_cannot_be_split_is_refused(market: Market, symbol: str) -> None:
    with pytest.raises(ProtocolError, match="cannot tell"):
        guess(market, symbol, 2, 2)


def test_contract_sizes_of_inverse_markets() -> None:
    assert guess(COINM, "BTCUSD_PERP", 1, 0).contract_size == 100
    assert guess(COINM, "ETHUSD_PERP", 2, 0).contract_size == 10
    assert guess(USDM, "BTCUSDT", 1, 3).contract_size == 0


def recorded(data_root: Path, name: str) -> bytes:
    lines = (data_root / "cryptofeed-raw" / name).read_bytes().splitlines()
    line = next(line for line in lines if b"exchangeInfo ->" in line[:100])
    return line.partition(b" -> ")[2].partition(b": ")[2]


@pytest.mark.parametrize(("name", "market", "limit"), [("BINANCE.0", SPOT, 1200), ("BINANCE_FUTURES.0", USDM, 2400)])
def test_recorded_exchange_info(name: str, market: Market, limit: int, data_root: Path) -> None:
    """Every instrument that was listed: scales fit its tick exactly, its key leads back to its symbol, none collide."""
    body = recorded(data_root, name)
    entries = json.loads(body)["symbols"]
    assert len(entries) > 100
    found, weight = instruments(market, body, {entry["symbol"] for entry in entries})
    assert weight == limit
    assert len(found) == len(entries)
    assert len({instrument.key for instrument in found.values()}) == len(entries)
    for entry in entries:
        instrument = found[entry["symbol"]]
        step = next(Decimal(f["tickSize"]) for f in entry["filters"] if f["filterType"] == "PRICE_FILTER")
        assert Decimal(instrument.tick).scaleb(-instrument.price_decimals) == step
        assert symbol_of(instrument.key) == (market, entry["symbol"])
        if market is SPOT:
            assert instrument.size_decimals == entry["baseAssetPrecision"]
        else:
            lot = next(Decimal(f["stepSize"]) for f in entry["filters"] if f["filterType"] == "LOT_SIZE")
            assert lot.scaleb(instrument.size_decimals) % 1 == 0
    one, _ = instruments(market, body, {"ETHUSDT", "NOSUCH"})
    assert set(one) == {"ETHUSDT"}
    piece = entry_of(body, "ETHUSDT")
    assert piece is not None
    assert instruments(market, piece, {"ETHUSDT"})[0] == one
    assert len(piece) < len(body) // 20
    assert entry_of(body, "NOSUCH") is None


def info(tick: object = "0.01000000", **more: Any) -> bytes:
    entry = {
        "symbol": "BTCUSDT",
        "baseAsset": "BTC",
        "quoteAsset": "USDT",
        "filters": [{"filterType": "PRICE_FILTER", "tickSize": tick}],
    }
    return json.dumps({"symbols": [entry | more]}).encode()


@pytest.mark.parametrize(
    ("step", "tick", "decimals"),
    [
        ("0.01000000", 1, 2),
        ("0.10", 1, 1),
        ("0.50", 5, 1),
        ("0.00000001", 1, 8),
        ("1.00000000", 1, 0),
        ("1", 1, 0),
        ("10", 10, 0),
        ("0.25", 25, 2),
        ("2.50", 25, 1),
    ],
)
def test_tick_sizes(step: str, tick: int, decimals: int) -> None:
    found, _ = instruments(SPOT, info(step), {"BTCUSDT"})
    assert (found["BTCUSDT"].tick, found["BTCUSDT"].price_decimals) == (tick, decimals)


def test_coinm_contract_size_and_limits() -> None:
    body = json.loads(info("0.1", symbol="ADAUSD_PERP", baseAsset="ADA", quoteAsset="USD", contractSize=10))
    body["rateLimits"] = [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2222}]
    found, limit = instruments(COINM, json.dumps(body).encode(), {"ADAUSD_PERP"})
    instrument = found["ADAUSD_PERP"]
    assert (instrument.key, instrument.contract_size, instrument.size_decimals, limit) == (
        "binancecoinm:ADA/USD:ADA",
        10,
        0,
        2222,
    )
    assert instruments(COINM, info(), set())[1] == COINM.weight_limit


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'{"code":-1121,"msg":"Invalid symbol."}',
        info(tick=""),
        info(tick="abc"),
        info(tick="1e-8"),
        info(tick="0.0x"),
        info(tick="0"),
        info(tick="0.000"),
        info(tick="-1"),
        info(filters=[]),
        info(filters=5),
        b"[" * 100_000,
    ],
    ids=lambda body: body[:12].decode("ascii", "replace") if len(body) > 99 else repr(body),
)
def test_damaged_exchange_info_is_a_protocol_error(body: bytes) -> None:
    with pytest.raises(ProtocolError, match="exchangeInfo"):
        instruments(SPOT, body, {"BTCUSDT"})


@pytest.mark.parametrize(("name", "market"), [("BINANCE.0", SPOT), ("BINANCE_FUTURES.0", USDM)])
def test_recorded_rules_are_told_of_every_instrument(name: str, market: Market, data_root: Path) -> None:
    body = recorded(data_root, name)
    entries = json.loads(body)["symbols"]
    found = rules(market, body, {entry["symbol"] for entry in entries})
    assert len(found) == len(entries)
    for entry in entries:
        filters = {each["filterType"]: each for each in entry["filters"]}
        told, lot = found[entry["symbol"]], filters["LOT_SIZE"]
        assert Decimal(told.tick) / 10**8 == Decimal(filters["PRICE_FILTER"]["tickSize"])
        assert [Decimal(size) / 10**8 for size in (told.step, told.min_quantity, told.max_quantity)] == [
            Decimal(lot[field]) for field in ("stepSize", "minQty", "maxQty")
        ]
        worth = filters["MIN_NOTIONAL"]
        assert Decimal(told.min_notional) / 10**8 == Decimal(worth.get("minNotional") or worth["notional"])
        assert Decimal(told.max_market_quantity) / 10**8 == Decimal(
            filters.get("MARKET_LOT_SIZE", {"maxQty": "0"})["maxQty"]
        )
        assert not told.assumed


FILTERS: list[dict[str, Any]] = [
    {"filterType": "PRICE_FILTER", "tickSize": "0.01000000"},
    {"filterType": "LOT_SIZE", "minQty": "0.00001000", "maxQty": "9000.00000000", "stepSize": "0.00001000"},
    {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True, "maxNotional": "9000000.0"},
]


def test_rules_of_today_are_read() -> None:
    """NOTIONAL took the place of MIN_NOTIONAL on spot in 2023."""
    told = rules(SPOT, info(filters=FILTERS), {"BTCUSDT"})["BTCUSDT"]
    assert told == Rules(
        tick=units("0.01"),
        step=units("0.00001"),
        min_quantity=units("0.00001"),
        max_quantity=units("9000"),
        min_notional=units("5"),
    )


@pytest.mark.parametrize(
    "filters",
    [
        FILTERS[:1],
        FILTERS[1:],
        [FILTERS[0], {**FILTERS[1], "stepSize": "0.00000000"}],
        [FILTERS[0], {**FILTERS[1], "stepSize": "x"}],
        [FILTERS[0], {**FILTERS[1], "minQty": "9e999999"}],
        [FILTERS[0], {**FILTERS[1], "minQty": "-1"}],
        [FILTERS[0], {**FILTERS[1], "stepSize": "0.000000001"}],
    ],
)
def test_rules_that_cannot_be_kept_are_not_guessed(filters: list[dict[str, Any]]) -> None:
    assert rules(SPOT, info(filters=filters), {"BTCUSDT"}) == {}
    assert rules(SPOT, info(filters=FILTERS), {"ETHUSDT"}) == {}
    assert rules(COINM, info(filters=FILTERS), {"BTCUSDT"}) == {}


def test_a_largest_quantity_beyond_what_is_counted_is_no_bound() -> None:
    huge = [FILTERS[0], {**FILTERS[1], "maxQty": "9000000000000"}, FILTERS[2]]
    assert rules(SPOT, info(filters=huge), {"BTCUSDT"})["BTCUSDT"].max_quantity == 0
