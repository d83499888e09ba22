"""Instrument lists: recorded ones where there are any, the fields derived from the frames where there are none."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec

from tests.support.exchange.candles import as_text, scaled
from tests.support.exchange.tape import Instrument, Market, Tape

_RECORDED = {"spot": "BINANCE.0", "usdm": "BINANCE_FUTURES.0"}
_ALSO = {"BTCUSDT", "ETHUSDT", "ETHBTC", "BNBUSDT"}
_WEIGHT_LIMIT = {"spot": 6000, "usdm": 2400, "coinm": 2400}

Entry = dict[str, Any]


def decimals_of(text: str) -> int:
    """How many decimals a number is written with."""
    return len(text.partition(".")[2])


def tick_of(tape: Tape, instrument: Instrument) -> tuple[str, int]:
    """The coarsest price step that fits every price of the recorded book, and the decimals prices are written with."""
    snapshot = tape.snapshots[instrument]
    prices = [price for price, _ in snapshot.bids + snapshot.asks]
    decimals = decimals_of(prices[0])
    return as_text(math.gcd(*map(scaled, prices)), 8, decimals), decimals


def _derived(tape: Tape, instrument: Instrument) -> Entry:
    """A COIN-M entry; nothing was recorded of that list, so these fields follow from the symbol and the frames."""
    tick, decimals = tick_of(tape, instrument)
    pair, _, _ = instrument.symbol.partition("_")
    base = pair.removesuffix("USD")
    return {
        "symbol": instrument.symbol,
        "pair": pair,
        "contractType": "PERPETUAL",
        "contractStatus": "TRADING",
        "contractSize": 100 if base == "BTC" else 10,
        "baseAsset": base,
        "quoteAsset": "USD",
        "marginAsset": base,
        "pricePrecision": decimals,
        "quantityPrecision": 0,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "filters": [
            {"filterType": "PRICE_FILTER", "tickSize": tick},
            {"filterType": "LOT_SIZE", "stepSize": "1", "minQty": "1"},
        ],
    }


def _recorded(market: Market, root: Path | None, wanted: set[str]) -> dict[str, Entry]:
    name = _RECORDED.get(market)
    path = root / "cryptofeed-raw" / name if root is not None and name is not None else None
    if path is None or not path.is_file():
        return {}
    with path.open("rb") as lines:
        first = lines.readline()
    listed = msgspec.json.decode(first[first.index(b"{") :])["symbols"]
    return {entry["symbol"]: entry for entry in listed if entry["symbol"] in wanted}


def instrument_list(tape: Tape, market: Market, root: Path | None) -> dict[str, Entry]:
    """The entries of one market by symbol."""
    listed = [instrument for instrument in tape.instruments if instrument.market == market]
    entries = _recorded(market, root, {instrument.symbol for instrument in listed} | _ALSO)
    for instrument in listed:
        entry = entries.get(instrument.symbol)
        if entry is None:
            entries[instrument.symbol] = _derived(tape, instrument)
            continue
        # The lists were recorded in 2021; since then BTCUSDT futures, for one, went from a tick of 0.01 to 0.10.
        tick, _ = tick_of(tape, instrument)
        for rule in entry["filters"]:
            if rule["filterType"] == "PRICE_FILTER" and scaled(rule["tickSize"]) != scaled(tick):
                rule["tickSize"] = tick
    return entries


def answer(market: Market, entries: list[Entry], server_ms: int) -> Entry:
    """The body of an exchangeInfo answer."""
    limit = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": _WEIGHT_LIMIT[market]}
    return {
        "timezone": "UTC",
        "serverTime": server_ms,
        "rateLimits": [limit],
        "exchangeFilters": [],
        "symbols": entries,
    }
