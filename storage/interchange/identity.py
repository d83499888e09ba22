"""Whose data a file holds: venue, instrument and timeframe from names of files, folders and columns.

freqtrade            BTC_USDT-1m.feather, futures/BTC_USDT_USDT-1h-futures.json
Binance's archive    [spot-|futures-um-|futures-cm-]BTCUSDT-1h-2024-10-28.zip
LEAN                 crypto/coinbase/minute/btcusd/20161007_trade.zip
others               ETHUSDT_1m.parquet, Binance_BTC-USD_1h.csv
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from engine.errors import ImportRefused
from engine.ingestion.markets import MARKETS
from engine.ingestion.symbols import QUOTES
from engine.types import TIMEFRAME_SECONDS

VENUES = (
    "binance", "binancecoinm", "binanceus", "binanceusdm", "bingx", "bitfinex", "bitget", "bitmart", "bitmex",
    "bitstamp", "bitvavo", "bybit", "coinbase", "cryptocom", "deribit", "dydx", "ftx", "gate", "gateio", "gdax",
    "gemini", "htx", "huobi", "hyperliquid", "kraken", "krakenfutures", "kucoin", "mexc", "okex", "okx", "phemex",
    "poloniex", "upbit", "whitebit",
)  # fmt: skip
"""Names of venues that are recognised in paths; a flag or a manifest may give any other."""

RENAMED = {"gdax": "coinbase", "okex": "okx", "gateio": "gate", "huobi": "htx"}
"""Venues under names that they had before."""

CASH = ("USDT", "USDC", "FDUSD", "BUSD", "TUSD", "USD1", "USD", "EUR", "GBP", "TRY", "BRL", "JPY", "DAI")
"""Quotes that are money, and so are never the base of a pair."""

WORDS = {"second": "1s", "minute": "1m", "min": "1m", "hour": "1h", "hourly": "1h", "day": "1d", "daily": "1d"}

_UNITS = {
    "s": 1,
    "sec": 1,
    "m": 60,
    "min": 60,
    "t": 60,
    "h": 3600,
    "hr": 3600,
    "d": 86_400,
    "day": 86_400,
    "w": 604_800,
}
_LENGTH = re.compile(r"(\d{1,4})(s|sec|m|min|t|h|hr|d|day|w)", re.IGNORECASE)
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}")
_ASSET = re.compile(r"[A-Z0-9]{1,20}")
_FREQTRADE = re.compile(
    r"([A-Za-z0-9]+)_([A-Za-z0-9]+)(?:_([A-Za-z0-9]+))?-(\d+[smhdwMy]|trades)(?:-(futures|mark|index|premiumIndex|funding_rate))?"
)


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """What a name tells; "" is not told. `odd` is a timeframe that is not stored; `refused` says why it is no data."""

    venue: str = ""
    symbol: str = ""
    timeframe: str = ""
    odd: str = ""
    refused: str = ""


def timeframe_of(text: str) -> tuple[str, str]:
    """Return a text as a stored timeframe and "", or "" and a length that is not stored; both "" if it is none."""
    if text == "1M":  # a month; 1m is a minute
        return "", text
    word = WORDS.get(text.lower(), text)
    match = _LENGTH.fullmatch(word)
    if match is None:
        return "", ""
    seconds = int(match[1]) * _UNITS[match[2].lower()]
    found = next((each.value for each, length in TIMEFRAME_SECONDS.items() if length == seconds), "")
    return (found, "") if found else ("", text)


def pair_of(text: str) -> str:
    """Return `BASE/QUOTE[:SETTLE]` of a symbol in any usual form, "" if it cannot be told.

    `BTC/USDT:USDT`, `BTC/USDT`, `BTC_USDT`, `BTC-USDT`, `BTCUSDT`, `XBTUSD`, `BTCUSD_PERP` (settled in the base).
    """
    text = text.strip().strip("\x00").upper()
    if "/" in text:
        pair, _, settle = text.partition(":")
        base, _, quote = pair.partition("/")
        fine = (
            _ASSET.fullmatch(base)
            and _ASSET.fullmatch(quote)
            and (not settle or re.fullmatch(r"[A-Z0-9]+(-\d{6})?", settle))
        )
        return text if fine else ""
    if text.endswith("_PERP"):
        pair = pair_of(text.removesuffix("_PERP"))
        return f"{pair}:{pair.partition('/')[0]}" if pair else ""
    parts = re.split(r"[-_]", text)
    if len(parts) == 2 and parts[1] in QUOTES + CASH:
        return f"{_asset(parts[0])}/{parts[1]}" if _ASSET.fullmatch(parts[0]) else ""
    if len(parts) != 1 or not _ASSET.fullmatch(text):
        return ""
    quote = next((quote for quote in (*QUOTES, *CASH) if text.endswith(quote) and len(text) > len(quote) + 1), "")
    return f"{_asset(text.removesuffix(quote))}/{quote}" if quote else ""


def _asset(name: str) -> str:
    return "BTC" if name == "XBT" else name


def key_of(venue: str, symbol: str) -> str:
    """Return the instrument's key.

    Raises:
        ImportRefused: One of the two is missing or none; the message names the flag to give.
    """
    lacking = [flag for flag, said in (("--venue", venue), ("--symbol", symbol)) if not said]
    if lacking:
        example = {"--venue": "--venue binance", "--symbol": "--symbol BTC/USDT"}
        missing = " and ".join({"--venue": "venue", "--symbol": "symbol"}[flag] for flag in lacking)
        raise ImportRefused(f"the {missing} cannot be told: give {' and '.join(example[flag] for flag in lacking)}")
    venue = RENAMED.get(venue.lower(), venue.lower())
    if not _NAME.fullmatch(venue):
        raise ImportRefused(f"--venue {venue!r}: expected a name of a-z, 0-9, -, _ and ., as in --venue kraken")
    pair = pair_of(symbol)
    if not pair:
        raise ImportRefused(
            f"--symbol {symbol!r}: expected BASE/QUOTE[:SETTLE], as in --symbol BTC/USDT or BTC/USDT:USDT"
        )
    market = MARKETS.get(venue)
    settle = pair.partition(":")[2]
    if market is not None and market.futures != bool(settle):
        base, _, quote = pair.partition(":")[0].partition("/")
        if settle:
            raise ImportRefused(
                f"{venue} is a spot market: --symbol {base}/{quote}, or --venue binanceusdm or binancecoinm"
            )
        pair = f"{pair}:{base if market.inverse else quote}"
    return f"{venue}:{pair}"


def of_freqtrade(path: Path) -> Identity | None:
    """Return what a name as freqtrade gives it tells, None of another's; without a venue's folder it is Binance's."""
    match = _FREQTRADE.fullmatch(path.name.partition(".")[0])
    if match is None:
        return None
    base, quote, settle, length, kind = match.groups()
    above = [part.lower() for part in path.parts[:-1]][-2:]
    venue = next((part for part in reversed(above) if part in VENUES), "binance")
    futures = settle is not None or kind == "futures"
    if futures and venue == "binance":
        venue = "binancecoinm" if settle == base else "binanceusdm"
    symbol = f"{base}/{quote}" + (f":{settle or quote}" if futures else "")
    timeframe, odd = timeframe_of(length)
    refused = f"{kind.replace('_', ' ')} rows are no candles of trades" if kind not in (None, "futures") else ""
    return Identity(venue=venue, symbol=symbol.upper(), timeframe=timeframe, odd=odd, refused=refused)


def of_lean(path: Path) -> Identity | None:
    """Return what a path in a LEAN data folder tells: `crypto[future]/VENUE/RESOLUTION/[SYMBOL/]NAME_trade.zip`."""
    parts = [part.lower() for part in path.parts]
    try:
        start = max(i for i, part in enumerate(parts[:-3]) if part in ("crypto", "cryptofuture"))
    except ValueError:
        return None
    resolution = parts[start + 2]
    if resolution not in ("second", "minute", "hour", "daily", "tick"):
        return None
    name = parts[-1].partition(".")[0]
    symbol = name.partition("_")[0] if resolution in ("hour", "daily") else parts[-2]
    pair, venue = pair_of(symbol), RENAMED.get(parts[start + 1], parts[start + 1])
    if parts[start] == "cryptofuture" and pair:
        base, _, quote = pair.partition("/")
        inverse = quote == "USD"
        pair = f"{pair}:{base if inverse else quote}"
        venue = {"binance": "binancecoinm" if inverse else "binanceusdm"}.get(venue, venue)
    timeframe, odd = timeframe_of(resolution)
    kind = name.rpartition("_")[2]
    refused = {
        "quote": "quote bars are best bids and asks, no candles of trades",
        "openinterest": "open interest is no candles",
    }.get(kind, "ticks are not read; import the bars" if resolution == "tick" else "")
    return Identity(venue=venue, symbol=pair, timeframe=timeframe, odd=odd, refused=refused)


_ARCHIVE = re.compile(
    r"(?:(spot|futures-um|futures-cm)-)?(?:klines-)?([A-Z0-9]+(?:_[A-Z0-9]+)?)-(\d+[smhdwM]o?|trades|aggTrades)-\d{4}-\d\d(?:-\d\d)?"
)


def of_archive(path: Path, member: str) -> Identity | None:
    """Return what names in Binance's public archive tell; spot or futures is told by the folder or a prefix only."""
    match = _ARCHIVE.fullmatch(path.name.removesuffix(".zip")) or _ARCHIVE.fullmatch(member.removesuffix(".csv"))
    if match is None:
        return None
    market, symbol, length = match.groups()
    folders = "/".join(path.parts[:-1])
    for name, marks in (("futures-um", "futures/um"), ("futures-cm", "futures/cm"), ("spot", "data/spot")):
        if market is None and (f"/{marks}/" in f"/{folders}/"):
            market = name
    known = {"spot": "binance", "futures-um": "binanceusdm", "futures-cm": "binancecoinm"}
    venue = "binancecoinm" if symbol.endswith("_PERP") else known.get(market or "", "")
    pair = pair_of(symbol)
    if venue == "binanceusdm" and pair:
        pair = f"{pair}:{pair.partition('/')[2]}"
    timeframe, odd = timeframe_of(length)
    return Identity(venue=venue, symbol=pair, timeframe=timeframe, odd=odd)


def of_name(path: Path) -> Identity:
    """Return what any other file's name tells; a folder that is called like a venue tells the venue."""
    words = re.split(r"[-_. ]+", path.name.partition(".")[0])
    venue = next((w.lower() for w in words if w.lower() in VENUES), "")
    venue = venue or next((p.lower() for p in reversed(path.parts[:-1][-3:]) if p.lower() in VENUES), "")
    timeframe = odd = symbol = ""
    for word in words:
        timeframe, odd = timeframe_of(word)
        if timeframe or odd:
            break
    for first, second in zip(words, [*words[1:], ""], strict=True):
        if second.upper() in CASH and _ASSET.fullmatch(first.upper()) and first.lower() not in VENUES:
            symbol = f"{_asset(first.upper())}/{second.upper()}"
            break
        if first.lower() not in VENUES and first.upper() not in CASH and (symbol := pair_of(first)):
            break
    return Identity(venue=RENAMED.get(venue, venue), symbol=symbol, timeframe=timeframe, odd=odd)


def told(path: Path) -> str:
    """Return all that a file's name and folders tell, as text that is the same for the same."""
    found = (of_freqtrade(path), of_lean(path), of_archive(path, ""), of_name(path))
    return msgspec.json.encode(found, order="sorted").decode()
