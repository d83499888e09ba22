"""REST answers as the venue words them, from what the exchange knows now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from tests.support.exchange import instruments
from tests.support.exchange.candles import INTERVALS_MS, Bar, as_text
from tests.support.exchange.listing import Listing
from tests.support.exchange.oracle import NaiveBook
from tests.support.exchange.tape import Instrument, Market, Tape

PREFIXES: dict[Market, str] = {"spot": "/api/v3/", "usdm": "/fapi/v1/", "coinm": "/dapi/v1/"}
_FUTURES_DEPTHS = (5, 10, 20, 50, 100, 500, 1000)
Params = Mapping[str, str]


class Refusal(Exception):
    """An error answer of the venue."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = msgspec.json.encode({"code": code, "msg": message})


class RestDesk:
    """Answers requests; errors are `Refusal`."""

    def __init__(self, tape: Tape, listings: dict[Instrument, Listing], root: Path | None) -> None:
        self._tape = tape
        self._listings = listings
        self._root = root
        self._entries: dict[Market, dict[str, instruments.Entry]] = {}
        self._decimals: dict[Instrument, tuple[int, int, int]] = {}
        self._endpoints: dict[str, Callable[[Market, Params, int, int], Any]] = {
            "ping": lambda *_: {},
            "time": lambda _market, _params, now_ms, _candles_ms: {"serverTime": now_ms},
            "klines": self._klines,
            "exchangeInfo": self._exchange_info,
            "ticker/price": self._price,
        }

    def answer(self, market: Market, endpoint: str, params: Params, now_ms: int, candles_ms: int) -> bytes:
        """The body for an endpoint other than depth; `candles_ms` is the candles' clock."""
        make = self._endpoints.get(endpoint)
        if make is None:
            raise Refusal(404, 0, f"no such path: {endpoint}")
        return msgspec.json.encode(make(market, params, now_ms, candles_ms))

    def listing(self, market: Market, params: Params) -> Listing:
        """The listing that a request names."""
        symbol = params.get("symbol", "")
        if not symbol:
            raise Refusal(400, -1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
        found = self._listings.get(Instrument(market, symbol))
        if found is None:
            raise Refusal(400, -1121, "Invalid symbol.")
        return found

    def depth_limit(self, market: Market, params: Params) -> int:
        """The number of levels a depth request asks for."""
        limit = _integer(params, "limit", 100 if market == "spot" else 500)
        if market != "spot" and limit not in _FUTURES_DEPTHS:
            raise Refusal(400, -4021, f"'{limit}' is not valid depth limit.")
        if limit < 1:
            raise Refusal(400, -1130, "Data sent for parameter 'limit' is not valid.")
        return min(limit, 5000)

    def depth(self, book: NaiveBook, limit: int, now_ms: int, stamp_ms: int) -> bytes:
        """A depth answer; `stamp_ms` moves the book's recorded transaction time."""
        bids, asks = book.snapshot(limit)
        body: dict[str, Any] = {"lastUpdateId": book.update_id}
        if book.instrument.market != "spot":
            body |= {"E": now_ms, "T": min(now_ms, book.trade_ms + stamp_ms)}
        if book.instrument.market == "coinm":
            body |= {"symbol": book.instrument.symbol, "pair": book.instrument.symbol.partition("_")[0]}
        return msgspec.json.encode(body | {"bids": bids, "asks": asks})

    def _klines(self, market: Market, params: Params, _now_ms: int, candles_ms: int) -> list[list[Any]]:
        listing = self.listing(market, params)
        interval = params.get("interval", "")
        if interval not in INTERVALS_MS or (interval == "1s" and market != "spot"):
            raise Refusal(400, -1120, "Invalid interval.")
        most = 1000 if market == "spot" else 1500
        limit = min(_integer(params, "limit", 500), most)
        start, end = _integer(params, "startTime", 0), _integer(params, "endTime", candles_ms)
        rows = listing.candles.rows(interval, candles_ms)
        rows = [bar for bar in rows if start <= bar.open_ms <= end]
        rows = rows[:limit] if "startTime" in params else rows[-limit:]
        decimals = self._precision(listing.instrument)
        return [_row(bar, INTERVALS_MS[interval], decimals) for bar in rows]

    def _precision(self, instrument: Instrument) -> tuple[int, int, int]:
        """Decimals of prices, sizes and quote amounts."""
        found = self._decimals.get(instrument)
        if found is None:
            snapshot = self._tape.snapshots[instrument]
            price, size = (instruments.decimals_of(text) for text in snapshot.bids[0])
            quote = 8 if instrument.market == "coinm" else min(8, price + size)
            found = self._decimals[instrument] = (price, size, quote)
        return found

    def _exchange_info(self, market: Market, params: Params, now_ms: int, _candles_ms: int) -> dict[str, Any]:
        if market not in self._entries:
            self._entries[market] = instruments.instrument_list(self._tape, market, self._root)
        listed = self._entries[market]
        wanted = list(listed)
        # Only spot filters its list; the futures venues send all of it whatever is asked.
        if market == "spot" and "symbol" in params:
            wanted = [params["symbol"]]
        elif market == "spot" and "symbols" in params:
            wanted = msgspec.json.decode(params["symbols"])
        if any(symbol not in listed for symbol in wanted):
            raise Refusal(400, -1121, "Invalid symbol.")
        return instruments.answer(market, [listed[symbol] for symbol in wanted], now_ms)

    def _price(self, market: Market, params: Params, _now_ms: int, _candles_ms: int) -> Any:
        if "symbol" in params:
            priced = _priced(self.listing(market, params))
            return [priced] if market == "coinm" else priced
        listings = [listing for instrument, listing in self._listings.items() if instrument.market == market]
        return [_priced(listing) for listing in listings if listing.last_price is not None]


def _priced(listing: Listing) -> dict[str, Any]:
    if listing.last_price is None:
        raise Refusal(503, -1008, "No trade was served yet.")
    priced: dict[str, Any] = {"symbol": listing.instrument.symbol, "price": listing.last_price}
    if listing.instrument.market == "coinm":
        priced["ps"] = listing.instrument.symbol.partition("_")[0]
    if listing.instrument.market != "spot":
        priced["time"] = listing.last_trade_ms
    return priced


def _integer(params: Params, name: str, default: int) -> int:
    text = params.get(name)
    if text is None:
        return default
    if not text.lstrip("-").isdigit():
        raise Refusal(400, -1100, f"Illegal characters found in parameter '{name}'.")
    return int(text)


def _row(bar: Bar, step_ms: int, decimals: tuple[int, int, int]) -> list[Any]:
    price, size, quote = decimals
    return [
        bar.open_ms,
        *(as_text(value, 8, price) for value in (bar.open, bar.high, bar.low, bar.close)),
        as_text(bar.volume, 8, size),
        bar.open_ms + step_ms - 1,
        as_text(bar.quote, 16, quote) if bar.quote else "0",
        bar.trades,
        as_text(bar.taker_volume, 8, size) if bar.taker_volume else "0",
        as_text(bar.taker_quote, 16, quote) if bar.taker_quote else "0",
        "0",
    ]
