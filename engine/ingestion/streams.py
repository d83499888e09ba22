"""One decoder for each kind of stream: from a frame of an instrument to its event.

Source: developers.binance.com, WebSocket streams of the three markets.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite

import msgspec

from engine.errors import ProtocolError
from engine.ingestion.scaling import EXACT, exact, exact_levels, positive, scaler
from engine.ingestion.shapes import (
    DepthShape,
    MarkShape,
    QuoteShape,
    Scaled,
    Text,
    TickerShape,
    TradeShape,
    read_depth,
    read_depth_text,
    read_mark,
    read_quote,
    read_text,
    read_ticker,
    read_trade,
)
from engine.types import MS, BookDelta, Event, Instrument, Level, MarkPrice, Quote, Ticker, Trade

LATEST_MS = 4_102_444_800_000
"""The year 2100; a later stamp is damage."""

_WIDEST = 10**9
"""Update ids that one diff can hold; more is damage."""


def _same(symbol: str, expected: str, kind: str, expected_kind: str) -> None:
    if symbol != expected or kind != expected_kind:
        raise ProtocolError(f"{kind or 'message'} of {symbol!r} in the {expected_kind} stream of {expected}")


def _deltas(instrument: Instrument) -> Callable[[bytes], BookDelta]:
    key, symbol = instrument.key, instrument.symbol
    scale = scaler(b'"b":[', b'"a":[', instrument)

    def exactly(frame: bytes) -> tuple[DepthShape[Text], tuple[Level, ...], tuple[Level, ...]]:
        text: DepthShape[Text] = read_depth_text(frame).data
        return text, exact_levels(text.b, instrument), exact_levels(text.a, instrument)

    def decode(frame: bytes) -> BookDelta:
        depth: DepthShape[Scaled] | DepthShape[Text]
        bids: tuple[Level, ...]
        asks: tuple[Level, ...]
        scaled, levels = scale(frame)
        try:
            read: DepthShape[Scaled] = read_depth(scaled).data
            depth, bids, asks = read, read.b, read.a
            if len(bids) + len(asks) != levels:
                depth, bids, asks = exactly(frame)
        except msgspec.ValidationError:
            depth, bids, asks = exactly(frame)
        if depth.s != symbol or depth.e != "depthUpdate":
            _same(depth.s, symbol, depth.e, "depthUpdate")
        if depth.u < depth.U or depth.U < 0 or depth.pu >= depth.u or depth.u - depth.U > _WIDEST:
            raise ProtocolError(f"update ids make no sense: U {depth.U}, u {depth.u}, pu {depth.pu}")
        if not 0 < depth.E < LATEST_MS or not 0 <= depth.T < LATEST_MS:
            raise ProtocolError(f"stamps T {depth.T}, E {depth.E} are no times")
        return BookDelta(
            instrument=key,
            first_id=depth.U,
            last_id=depth.u,
            prev_id=depth.pu if depth.pu >= 0 else depth.U - 1,
            ts_exch=(depth.T or depth.E) * MS,
            bids=bids,
            asks=asks,
        )

    return decode


def _trades(instrument: Instrument) -> Callable[[bytes], Trade]:
    key, symbol = instrument.key, instrument.symbol
    price_scale, size_scale = instrument.price_scale, instrument.size_scale
    dearest, largest = EXACT / price_scale, EXACT / size_scale

    def decode(frame: bytes) -> Trade:
        trade: TradeShape = read_trade(frame).data
        p, q = trade.p, trade.q
        price = int(p * price_scale + 0.5)
        size = int(q * size_scale + 0.5)
        if not (0 < price / price_scale == p < dearest and size / size_scale == q < largest):
            price, size = _exact_trade(frame, instrument)
        aggregate = trade.e == "aggTrade"
        number, count = (trade.a, trade.l - trade.f + 1) if aggregate else (trade.t, 1)
        if trade.s != symbol or number < 0 or count < 1 or not (aggregate or trade.e == "trade"):
            _same(trade.s, symbol, trade.e, "aggTrade" if aggregate else "trade")
            raise ProtocolError(f"trade without usable ids: {number}, {count} trades")
        if not 0 < trade.T < LATEST_MS or not 0 < trade.E < LATEST_MS:
            raise ProtocolError(f"stamps T {trade.T}, E {trade.E} are no times")
        return Trade(
            instrument=key,
            id=number,
            price=price,
            size=size,
            ts_exch=trade.T * MS,
            ts_sent=trade.E * MS,
            sell=trade.m,
            aggregate=aggregate,
            count=count,
            # X tells the kind on the futures' raw trade stream; NA comes with price and size zero.
            regular=trade.X == "MARKET" and size > 0,
        )

    return decode


def _exact_trade(frame: bytes, instrument: Instrument) -> tuple[int, int]:
    data = read_text(frame)["data"]
    price = exact(str(data["p"]), instrument.price_decimals)
    if not price and data.get("X", "MARKET") == "MARKET":
        raise ProtocolError("a trade at price zero")
    return price, exact(str(data["q"]), instrument.size_decimals)


def _quotes(instrument: Instrument) -> Callable[[bytes], Quote]:
    key, symbol = instrument.key, instrument.symbol
    price_scale, size_scale = instrument.price_scale, instrument.size_scale
    dearest, largest = EXACT / price_scale, EXACT / size_scale

    def decode(frame: bytes) -> Quote:
        quote: QuoteShape = read_quote(frame).data
        b, bs, a, as_ = quote.b, quote.B, quote.a, quote.A
        bid = int(b * price_scale + 0.5)
        ask = int(a * price_scale + 0.5)
        bid_size = int(bs * size_scale + 0.5)
        ask_size = int(as_ * size_scale + 0.5)
        if not (
            0 < bid / price_scale == b < dearest
            and 0 < ask / price_scale == a < dearest
            and bid_size / size_scale == bs < largest
            and ask_size / size_scale == as_ < largest
        ):
            data = read_text(frame)["data"]
            bid = exact(str(data["b"]), instrument.price_decimals)
            ask = exact(str(data["a"]), instrument.price_decimals)
            bid_size = exact(str(data["B"]), instrument.size_decimals)
            ask_size = exact(str(data["A"]), instrument.size_decimals)
            if (bid_size and not bid) or (ask_size and not ask):
                raise ProtocolError("a best price of zero with a size")
        if quote.s != symbol or quote.u < 0:
            _same(quote.s, symbol, "bookTicker", "bookTicker")
            raise ProtocolError(f"bookTicker with update id {quote.u}")
        return Quote(
            instrument=key,
            update_id=quote.u,
            bid=bid,
            bid_size=bid_size,
            ask=ask,
            ask_size=ask_size,
            ts_exch=quote.T * MS,
        )

    return decode


def _tickers(instrument: Instrument) -> Callable[[bytes], Ticker]:
    def decode(frame: bytes) -> Ticker:
        ticker: TickerShape = read_ticker(frame).data
        _same(ticker.s, instrument.symbol, ticker.e, "24hrTicker")
        decimals = instrument.price_decimals
        if not isfinite(ticker.P) or ticker.n < 0 or not 0 < ticker.E < LATEST_MS:
            raise ProtocolError(f"ticker with change {ticker.P}, {ticker.n} trades, stamp {ticker.E}")
        return Ticker(
            instrument=instrument.key,
            ts_exch=ticker.E * MS,
            last=positive(ticker.c, decimals, "last price"),
            open=exact(ticker.o, decimals),
            high=exact(ticker.h, decimals),
            low=exact(ticker.l, decimals),
            volume=exact(ticker.v, instrument.size_decimals),
            trades=ticker.n,
            change_pct=ticker.P,
        )

    return decode


def _marks(instrument: Instrument) -> Callable[[bytes], MarkPrice]:
    def decode(frame: bytes) -> MarkPrice:
        mark: MarkShape = read_mark(frame).data
        _same(mark.s, instrument.symbol, mark.e, "markPriceUpdate")
        rate = float(mark.r) if mark.r else None
        if not mark.p > 0 or not 0 < mark.E < LATEST_MS or not isfinite(mark.p + (rate or 0) + (mark.i or 0)):
            raise ProtocolError(f"mark price {mark.p}, index {mark.i}, rate {mark.r}")
        return MarkPrice(
            instrument=instrument.key,
            ts_exch=mark.E * MS,
            mark=mark.p,
            index=mark.i,
            funding_rate=rate,
            next_funding=mark.T * MS,
        )

    return decode


DECODERS: dict[str, Callable[[Instrument], Callable[[bytes], Event]]] = {
    "trade": _trades,
    "aggTrade": _trades,
    "bookTicker": _quotes,
    "ticker": _tickers,
    "depth": _deltas,
    "depth@0ms": _deltas,
    "depth@100ms": _deltas,
    "depth@250ms": _deltas,
    "depth@500ms": _deltas,
    "depth@1000ms": _deltas,
    "markPrice": _marks,
    "markPrice@1s": _marks,
}
"""Stream kinds that are followed. Partial depth (`depth5`, `depth20`) looks like a diff on futures but is none."""
