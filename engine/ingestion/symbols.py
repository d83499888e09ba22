"""Names of instruments: the venue's symbols, the unified keys, and instruments read from exchangeInfo.

A key is `venue:BASE/QUOTE` on spot, `venue:BASE/QUOTE:SETTLE` for perpetual and `...-YYMMDD` for dated contracts.
"""

from __future__ import annotations

import re
from math import isfinite

import msgspec

from engine.errors import ProtocolError, SettingsInvalid
from engine.ingestion.markets import Market, market_of
from engine.orders import Rules, units
from engine.types import Instrument

QUOTES = (
    "USDT",
    "USDC",
    "FDUSD",
    "BUSD",
    "TUSD",
    "USD1",
    "USD",
    "EUR",
    "TRY",
    "BRL",
    "JPY",
    "DAI",
    "BTC",
    "ETH",
    "BNB",
)
"""Quote assets tried, in this order, when a symbol has to be split without exchangeInfo."""

INVERSE_CONTRACT_USD = {"BTC": 100}
"""Quote units of one COIN-M contract; every other base has 10."""

MOST = 1e12
"""Quantities are counted up to here."""

_SYMBOL = re.compile(r"([A-Z0-9]+?)(?:_(PERP|\d{6}))?")


def full_key(symbol: str) -> str:
    """Return an instrument key; a bare BASE/QUOTE is Binance spot.

    Raises:
        SettingsInvalid: Not an instrument.
    """
    venue, colon, name = symbol.partition(":")
    if not colon or "/" in venue:
        venue, name = "binance", symbol
    key = f"{venue}:{name.upper()}"
    symbol_of(key)
    return key


def symbol_of(key: str) -> tuple[Market, str]:
    """Return the market and the venue's symbol of an instrument key.

    Raises:
        SettingsInvalid: The key does not have the form of its market.
    """
    market = market_of(key)
    name = key.partition(":")[2]
    pair, _, settle = name.partition(":")
    base, slash, quote = pair.partition("/")
    settle, _, expiry = settle.partition("-")
    expected = "" if not market.futures else base if market.inverse else quote
    if not (slash and base and quote) or settle != expected:
        form = "BASE/QUOTE" + (":SETTLE" if market.futures else "")
        raise SettingsInvalid(f"{key}: expected {market.venue}:{form}, as in {market.venue}:{_example(market)}")
    suffix = f"_{expiry}" if expiry else "_PERP" if market.inverse else ""
    return market, f"{base}{quote}{suffix}"


def _example(market: Market) -> str:
    return "BTC/USD:BTC" if market.inverse else "BTC/USDT:USDT" if market.futures else "BTC/USDT"


def guess(market: Market, symbol: str, price_decimals: int, size_decimals: int) -> Instrument:
    """Return an instrument for a symbol of which only messages are known.

    Raises:
        ProtocolError: The symbol cannot be split into base and quote.
    """
    match = _SYMBOL.fullmatch(symbol)
    pair, expiry = (match[1], match[2]) if match else ("", None)
    quotes = ("USD",) if market.inverse else QUOTES
    quote = next((asset for asset in quotes if pair.endswith(asset) and len(pair) > len(asset)), "")
    if not quote or (market.inverse and not expiry):
        raise ProtocolError(f"cannot tell base and quote of {market.venue} symbol {symbol!r}")
    return _build(market, symbol, pair[: -len(quote)], quote, expiry or "", price_decimals, size_decimals)


def _build(
    market: Market,
    symbol: str,
    base: str,
    quote: str,
    expiry: str,
    price_decimals: int,
    size_decimals: int,
    tick: int = 1,
    contract_size: int = 0,
) -> Instrument:
    settle = "" if not market.futures else f":{base if market.inverse else quote}"
    dated = f"-{expiry}" if expiry and expiry != "PERP" else ""
    if market.inverse and not contract_size:
        contract_size = INVERSE_CONTRACT_USD.get(base, 10)
    return Instrument(
        key=f"{market.venue}:{base}/{quote}{settle}{dated}",
        venue=market.venue,
        symbol=symbol,
        base=base,
        quote=quote,
        price_decimals=price_decimals,
        size_decimals=size_decimals,
        tick=tick,
        contract_size=contract_size,
    )


class _Filter(msgspec.Struct):
    filterType: str = ""  # noqa: N815
    tickSize: str = ""  # noqa: N815
    stepSize: str = ""  # noqa: N815
    minQty: str = ""  # noqa: N815
    maxQty: str = ""  # noqa: N815
    minNotional: str = ""  # noqa: N815
    notional: str = ""


class _Symbol(msgspec.Struct):
    symbol: str
    baseAsset: str  # noqa: N815
    quoteAsset: str  # noqa: N815
    filters: list[_Filter] = []
    baseAssetPrecision: int = 8  # noqa: N815
    quantityPrecision: int | None = None  # noqa: N815
    contractSize: float = 0  # noqa: N815


class _Limit(msgspec.Struct):
    rateLimitType: str = ""  # noqa: N815
    interval: str = ""
    limit: int = 0


class _Info(msgspec.Struct):
    symbols: list[_Symbol]
    rateLimits: list[_Limit] = []  # noqa: N815


_info = msgspec.json.Decoder(_Info, strict=False)


def _read(body: bytes) -> _Info:
    try:
        return _info.decode(body)
    except msgspec.MsgspecError as error:
        raise ProtocolError(f"exchangeInfo: {error}", body) from error


def instruments(market: Market, body: bytes, wanted: set[str]) -> tuple[dict[str, Instrument], int]:
    """Read exchangeInfo: the wanted instruments by symbol, and the request weight limit per minute.

    Prices count the decimals of the tick size. Sizes count the decimals that the venue prints (8 on spot, where old
    dust finer than the lot step stands in the book), not the order step.

    Raises:
        ProtocolError: The answer is not an exchangeInfo.
    """
    info = _read(body)
    found: dict[str, Instrument] = {}
    for entry in info.symbols:
        if entry.symbol not in wanted:
            continue
        step = next((f.tickSize for f in entry.filters if f.filterType == "PRICE_FILTER"), "")
        if not step:
            raise ProtocolError(f"exchangeInfo: {entry.symbol} has no PRICE_FILTER", body)
        whole, _, digits = step.partition(".")
        digits = digits.rstrip("0")
        if not (whole + digits).isdecimal() or not (tick := int(whole + digits)):
            raise ProtocolError(f"exchangeInfo: {entry.symbol} has the price step {step!r}", body)
        size_decimals = entry.baseAssetPrecision if not market.futures else entry.quantityPrecision or 0
        expiry = entry.symbol.partition("_")[2]
        found[entry.symbol] = _build(
            market,
            entry.symbol,
            entry.baseAsset,
            entry.quoteAsset,
            expiry,
            len(digits),
            0 if market.inverse else size_decimals,
            tick,
            int(entry.contractSize) if isfinite(entry.contractSize) else 0,
        )
    limit = next(
        (
            rate.limit
            for rate in info.rateLimits
            if rate.rateLimitType == "REQUEST_WEIGHT" and rate.interval == "MINUTE"
        ),
        market.weight_limit,
    )
    return found, limit


def rules(market: Market, body: bytes, wanted: set[str]) -> dict[str, Rules]:
    """Read exchangeInfo: what the venue lets orders of the wanted symbols be.

    A symbol is left out whose filters do not tell, or not in a form that can be kept; so are inverse contracts, which
    are counted in contracts. Source: Binance, "Spot: Filters" (PRICE_FILTER, LOT_SIZE, MARKET_LOT_SIZE, NOTIONAL and
    before 2023 MIN_NOTIONAL), "USDS-Margined Futures: Exchange Information" (the same, `notional`).

    Raises:
        ProtocolError: The answer is not an exchangeInfo.
    """
    found: dict[str, Rules] = {}
    for entry in _read(body).symbols:
        if entry.symbol in wanted and not market.inverse:
            told = _rules({each.filterType: each for each in entry.filters})
            if told is not None:
                found[entry.symbol] = told
    return found


def _rules(filters: dict[str, _Filter]) -> Rules | None:
    try:
        lot, price = filters["LOT_SIZE"], filters["PRICE_FILTER"]
        at_market = filters.get("MARKET_LOT_SIZE", _Filter())
        worth = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or _Filter()
        told = Rules(
            tick=units(price.tickSize),
            step=units(lot.stepSize),
            min_quantity=units(lot.minQty),
            max_quantity=_bound(lot.maxQty),
            max_market_quantity=_bound(at_market.maxQty),
            min_notional=units(worth.minNotional or worth.notional or "0"),
        )
    except (KeyError, ValueError):
        return None
    usable = min(told.tick, told.step) > 0 and min(told.min_quantity, told.max_quantity, told.min_notional) >= 0
    return told if usable and told.max_market_quantity >= 0 else None


def _bound(most: str) -> int:
    """Return a largest quantity in 1e-8; one that is larger than anything that is counted here is none."""
    return units(most) if most and float(most) < MOST else 0


def entry_of(body: bytes, symbol: str) -> bytes | None:
    """Cut the entry of one symbol out of an exchangeInfo answer, for a recording."""
    info = msgspec.json.decode(body)
    entries = [entry for entry in info.get("symbols", []) if entry.get("symbol") == symbol]
    return msgspec.json.encode({"symbols": entries}) if entries else None
