"""Binance's messages of spot, USD-M and COIN-M as events; pure, bytes in, values out.

A frame is a combined-stream message `{"stream": name, "data": {...}}`. What is not one of the streams that the engine
follows is refused with the reason. Numbers become integers exactly. In book messages an exponent is written behind
each number before parsing ("61837.63" becomes "61837.63e2"), so that the JSON parser itself yields integers and refuses
what is finer than the scale; single numbers are scaled as floats and scaled back. Where either way refuses (too fine,
too large, negative, not a number), the text itself decides.

Source: developers.binance.com, WebSocket streams of the three markets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import pairwise
from math import isfinite
from typing import Annotated, Any

import msgspec

from engine.errors import ProtocolError, ScaleOutdated
from engine.ingestion.markets import Market
from engine.types import (
    MS,
    Bar,
    BarsLoaded,
    BookDelta,
    BookSnapshot,
    Event,
    Instrument,
    Level,
    MarkPrice,
    PriceReported,
    Quote,
    Ticker,
    Timeframe,
    Trade,
)

_EXACT = 2**53
"""Integers from here on are not all exact as floats."""

_WIDEST = 10**9
"""Update ids that one diff can hold; more is damage."""

PREFIX = b'{"stream":"'
_START = len(PREFIX)
_LATEST_MS = 4_102_444_800_000
"""The year 2100; a later stamp is damage."""
DAMAGE = (msgspec.MsgspecError, RecursionError, ValueError, OverflowError, KeyError, TypeError, AttributeError)
"""What reading a damaged message can raise."""

_Price = Annotated[int, msgspec.Meta(gt=0, lt=_EXACT)]
_Size = Annotated[int, msgspec.Meta(ge=0, lt=_EXACT)]
_Scaled = tuple[tuple[_Price, _Size], ...]


class _Depth(msgspec.Struct, gc=False):
    e: str
    E: int
    s: str
    U: int
    u: int
    b: _Scaled
    a: _Scaled
    T: int = 0
    pu: int = -1


class _DepthFrame(msgspec.Struct, gc=False):
    data: _Depth


class _DepthText(msgspec.Struct, gc=False):
    e: str
    E: int
    s: str
    U: int
    u: int
    b: list[tuple[str, str]]
    a: list[tuple[str, str]]
    T: int = 0
    pu: int = -1


class _DepthTextFrame(msgspec.Struct, gc=False):
    data: _DepthText


class _Trade(msgspec.Struct, gc=False):
    e: str
    E: int
    s: str
    p: float
    q: float
    T: int
    m: bool
    t: int = -1
    a: int = -1
    f: int = -1
    l: int = -1  # noqa: E741
    X: str = "MARKET"


class _TradeFrame(msgspec.Struct, gc=False):
    data: _Trade


class _Quote(msgspec.Struct, gc=False):
    u: int
    s: str
    b: float
    B: float
    a: float
    A: float
    T: int = 0


class _QuoteFrame(msgspec.Struct, gc=False):
    data: _Quote


class _Ticker(msgspec.Struct, gc=False):
    e: str
    E: int
    s: str
    c: str
    o: str
    h: str
    l: str  # noqa: E741
    v: str
    n: int
    P: float


class _TickerFrame(msgspec.Struct, gc=False):
    data: _Ticker


class _Mark(msgspec.Struct, gc=False):
    e: str
    E: int
    s: str
    p: float
    T: int = 0
    i: float | None = None
    r: str = ""


class _MarkFrame(msgspec.Struct, gc=False):
    data: _Mark


class _Snapshot(msgspec.Struct, gc=False):
    lastUpdateId: int  # noqa: N815
    bids: _Scaled
    asks: _Scaled
    T: int = 0
    symbol: str = ""


class _SnapshotText(msgspec.Struct, gc=False):
    lastUpdateId: int  # noqa: N815
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]
    T: int = 0
    symbol: str = ""


class _PriceAnswer(msgspec.Struct, gc=False):
    symbol: str
    price: str


def _decoder(shape: type[Any]) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(shape, strict=False).decode


_depth = _decoder(_DepthFrame)
_depth_text = _decoder(_DepthTextFrame)
_trade = _decoder(_TradeFrame)
_quote = _decoder(_QuoteFrame)
_ticker = _decoder(_TickerFrame)
_mark = _decoder(_MarkFrame)
_snapshot = _decoder(_Snapshot)
_snapshot_text = _decoder(_SnapshotText)
_klines = msgspec.json.Decoder(list[tuple[int, str, str, str, str, str, int, str, int, str, str, Any]]).decode
_prices = msgspec.json.Decoder(_PriceAnswer | list[_PriceAnswer]).decode
_text = msgspec.json.Decoder(dict[str, Any]).decode


def exact(text: str, decimals: int) -> int:
    """Return a non-negative decimal number as an integer count of 10**-decimals.

    Raises:
        ScaleOutdated: Finer than `decimals`.
        ProtocolError: Not a plain decimal number, or negative.
    """
    whole, _, part = text.partition(".")
    if not (whole.isdecimal() and whole.isascii()) or (part and not (part.isdecimal() and part.isascii())):
        raise ProtocolError(f"{text!r} is not a plain number")
    if part[decimals:].strip("0"):
        raise ScaleOutdated(f"{text} is finer than {decimals} decimals: the instrument's scale is out of date")
    return int(whole + part[:decimals].ljust(decimals, "0"))


class Codec:
    """Decodes the frames of one market for the instruments it knows.

    Holds: an event is returned whole or `ProtocolError` is raised; nothing else escapes.
    """

    def __init__(self, market: Market, instruments: Iterable[Instrument] = ()) -> None:
        self.market = market
        self._decoders: dict[bytes, tuple[Callable[[bytes], Event], str]] = {}
        self._instruments: dict[str, Instrument] = {}
        for instrument in instruments:
            self.add(instrument)

    def add(self, instrument: Instrument) -> None:
        """Know one more instrument, or the new scales of a known one."""
        self._instruments[instrument.symbol] = instrument
        self._decoders.clear()

    def decode(self, frame: bytes) -> tuple[Event, str]:
        """Return the event that a frame tells, and the name of the connection that carries its stream.

        Raises:
            ProtocolError: The frame is damaged, or not of a stream that is followed.
        """
        found = self._decoders.get(frame[_START : frame.find(b'"', _START)])
        try:
            if found is None or not frame.startswith(PREFIX):
                found = self._choose(frame)
            return found[0](frame), found[1]
        except ProtocolError as error:
            raise type(error)(error.reason, frame) from None
        except DAMAGE as error:
            raise ProtocolError(str(error), frame) from error

    def snapshot(self, symbol: str, body: bytes) -> BookSnapshot:
        """Return the event that a REST depth answer tells.

        Raises:
            ProtocolError: The answer is damaged or belongs to another symbol.
        """
        instrument = self._known(symbol)
        try:
            answer, bids, asks = _read_snapshot(body, instrument)
        except DAMAGE as error:
            raise ProtocolError(f"depth answer: {error}", body) from error
        if answer.symbol and answer.symbol != symbol:
            raise ProtocolError(f"depth answer of {answer.symbol} where {symbol} was asked", body)
        return BookSnapshot(
            instrument=instrument.key, last_id=answer.lastUpdateId, bids=bids, asks=asks, ts_exch=answer.T * MS
        )

    def klines(self, symbol: str, timeframe: Timeframe, body: bytes) -> BarsLoaded:
        """Return the candles of a REST klines answer, as the venue sent them (the last may still be running).

        Raises:
            ProtocolError: The answer is damaged, or a candle contradicts itself.
        """
        instrument = self._known(symbol)
        try:
            rows = _klines(body)
            bars = tuple(_bar(row, instrument) for row in rows)
        except ProtocolError as error:
            raise ProtocolError(f"klines answer: {error.reason}", body) from None
        except DAMAGE as error:
            raise ProtocolError(f"klines answer: {error}", body) from error
        if any(later.open_ms <= bar.open_ms for bar, later in pairwise(bars)):
            raise ProtocolError("klines answer: candles are not in order of time", body)
        return BarsLoaded(instrument=instrument.key, timeframe=timeframe, bars=bars)

    def price(self, symbol: str, body: bytes) -> PriceReported:
        """Return the price of a REST price answer (COIN-M answers with a list of one).

        Raises:
            ProtocolError: The answer is damaged or of another symbol.
        """
        instrument = self._known(symbol)
        try:
            answer = _prices(body)
        except DAMAGE as error:
            raise ProtocolError(f"price answer: {error}", body) from error
        for entry in answer if isinstance(answer, list) else [answer]:
            if entry.symbol == symbol:
                ticks = _positive(entry.price, instrument.price_decimals, "price")
                return PriceReported(instrument=instrument.key, price=ticks)
        raise ProtocolError(f"price answer is not of {symbol}", body)

    def _known(self, symbol: str) -> Instrument:
        instrument = self._instruments.get(symbol)
        if instrument is None:
            raise ProtocolError(f"{self.market.venue} symbol {symbol!r} is not followed")
        return instrument

    def _choose(self, frame: bytes) -> tuple[Callable[[bytes], Event], str]:
        """Find the decoder of a stream seen for the first time, or say why there is none."""
        name = _text(frame).get("stream")
        if not isinstance(name, str):
            raise ProtocolError("not a combined-stream message", frame)
        symbol, at, kind = name.partition("@")
        if not at or symbol.startswith("!"):
            raise ProtocolError(f"stream {name!r} is not of one symbol", frame)
        make: Callable[[Instrument], Callable[[bytes], Event]] | None = _MAKERS.get(kind)
        if make is None:
            raise ProtocolError(f"stream kind {kind!r} is not followed", frame)
        found = make(self._known(symbol.upper())), self.market.source(name)
        if frame.startswith(PREFIX + name.encode() + b'"'):
            self._decoders[name.encode()] = found
        return found


def _scaler(first: bytes, second: bytes, instrument: Instrument) -> Callable[[bytes], tuple[bytes, int]]:
    """Return what writes the exponents behind the numbers of a book message, and tells how many levels it saw.

    A number that got no exponent would be read at the wrong scale: unless as many levels are read as were seen, the
    message is read the exact way. It tells -1 where the two sides do not stand as usual.
    """
    price, size = b'e%d","' % instrument.price_decimals, b'e%d"]' % instrument.size_decimals

    def scale(frame: bytes) -> tuple[bytes, int]:
        at = frame.find(first)
        if not 0 <= at < frame.find(second, at):
            return frame, -1
        prices = frame[at:].split(b'","')
        sizes = price.join(prices).split(b'"]')
        levels = len(prices) - 1 if len(prices) == len(sizes) else -1
        return frame[:at] + size.join(sizes), levels

    return scale


def _read_snapshot(
    body: bytes, instrument: Instrument
) -> tuple[_Snapshot | _SnapshotText, tuple[Level, ...], tuple[Level, ...]]:
    scaled, levels = _scaler(b'"bids":[', b'"asks":[', instrument)(body)
    with suppress(msgspec.ValidationError):
        answer: _Snapshot = _snapshot(scaled)
        if len(answer.bids) + len(answer.asks) == levels:
            return answer, answer.bids, answer.asks
    text: _SnapshotText = _snapshot_text(body)
    return text, _exact_levels(text.bids, instrument), _exact_levels(text.asks, instrument)


def _exact_levels(pairs: list[tuple[str, str]], instrument: Instrument) -> tuple[Level, ...]:
    price_decimals, size_decimals = instrument.price_decimals, instrument.size_decimals
    levels = tuple((exact(p, price_decimals), exact(q, size_decimals)) for p, q in pairs)
    if any(price == 0 for price, _ in levels):
        raise ProtocolError("a level at price zero")
    return levels


def _bar(row: tuple[int, str, str, str, str, str, int, str, int, str, str, Any], instrument: Instrument) -> Bar:
    open_ms, o, h, l, c, v, _, quote, trades, taker, _, _ = row  # noqa: E741
    decimals = instrument.price_decimals
    prices = [_positive(text, decimals, "a candle's price") for text in (o, h, l, c)]
    if max(prices) != prices[1] or min(prices) != prices[2]:
        raise ProtocolError(f"candle {open_ms}: open {o} and close {c} are not between low {l} and high {h}")
    volume, taker_buy = exact(v, instrument.size_decimals), exact(taker, instrument.size_decimals)
    if not 0 <= open_ms < _LATEST_MS or trades < 0 or taker_buy > volume:
        raise ProtocolError(f"candle {open_ms}: {trades} trades, volume {v}, of it bought {taker}")
    try:
        quote_volume = -1 if instrument.contract_size else exact(quote, decimals + instrument.size_decimals)
    except ProtocolError:
        quote_volume = -1
    return Bar(
        open_ms=open_ms,
        open=prices[0],
        high=prices[1],
        low=prices[2],
        close=prices[3],
        volume=volume,
        trades=trades,
        taker_buy=taker_buy,
        quote_volume=quote_volume,
        source="venue",
    )


def _same(symbol: str, expected: str, kind: str, expected_kind: str) -> None:
    if symbol != expected or kind != expected_kind:
        raise ProtocolError(f"{kind or 'message'} of {symbol!r} in the {expected_kind} stream of {expected}")


def _positive(text: str, decimals: int, what: str) -> int:
    number = exact(text, decimals)
    if not number:
        raise ProtocolError(f"{what} is zero")
    return number


def _deltas(instrument: Instrument) -> Callable[[bytes], BookDelta]:
    key, symbol = instrument.key, instrument.symbol
    scale = _scaler(b'"b":[', b'"a":[', instrument)

    def exactly(frame: bytes) -> tuple[_DepthText, tuple[Level, ...], tuple[Level, ...]]:
        text: _DepthText = _depth_text(frame).data
        return text, _exact_levels(text.b, instrument), _exact_levels(text.a, instrument)

    def decode(frame: bytes) -> BookDelta:
        depth: _Depth | _DepthText
        bids: tuple[Level, ...]
        asks: tuple[Level, ...]
        scaled, levels = scale(frame)
        try:
            read: _Depth = _depth(scaled).data
            depth, bids, asks = read, read.b, read.a
            if len(bids) + len(asks) != levels:
                depth, bids, asks = exactly(frame)
        except msgspec.ValidationError:
            depth, bids, asks = exactly(frame)
        if depth.s != symbol or depth.e != "depthUpdate":
            _same(depth.s, symbol, depth.e, "depthUpdate")
        if depth.u < depth.U or depth.U < 0 or depth.pu >= depth.u or depth.u - depth.U > _WIDEST:
            raise ProtocolError(f"update ids make no sense: U {depth.U}, u {depth.u}, pu {depth.pu}")
        if not 0 < depth.E < _LATEST_MS or not 0 <= depth.T < _LATEST_MS:
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
    dearest, largest = _EXACT / price_scale, _EXACT / size_scale

    def decode(frame: bytes) -> Trade:
        trade: _Trade = _trade(frame).data
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
        if not 0 < trade.T < _LATEST_MS or not 0 < trade.E < _LATEST_MS:
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
    data = _text(frame)["data"]
    price = exact(str(data["p"]), instrument.price_decimals)
    if not price and data.get("X", "MARKET") == "MARKET":
        raise ProtocolError("a trade at price zero")
    return price, exact(str(data["q"]), instrument.size_decimals)


def _quotes(instrument: Instrument) -> Callable[[bytes], Quote]:
    key, symbol = instrument.key, instrument.symbol
    price_scale, size_scale = instrument.price_scale, instrument.size_scale
    dearest, largest = _EXACT / price_scale, _EXACT / size_scale

    def decode(frame: bytes) -> Quote:
        quote: _Quote = _quote(frame).data
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
            data = _text(frame)["data"]
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
        ticker: _Ticker = _ticker(frame).data
        _same(ticker.s, instrument.symbol, ticker.e, "24hrTicker")
        decimals = instrument.price_decimals
        if not isfinite(ticker.P) or ticker.n < 0 or not 0 < ticker.E < _LATEST_MS:
            raise ProtocolError(f"ticker with change {ticker.P}, {ticker.n} trades, stamp {ticker.E}")
        return Ticker(
            instrument=instrument.key,
            ts_exch=ticker.E * MS,
            last=_positive(ticker.c, decimals, "last price"),
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
        mark: _Mark = _mark(frame).data
        _same(mark.s, instrument.symbol, mark.e, "markPriceUpdate")
        rate = float(mark.r) if mark.r else None
        if not mark.p > 0 or not 0 < mark.E < _LATEST_MS or not isfinite(mark.p + (rate or 0) + (mark.i or 0)):
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


_MAKERS: dict[str, Callable[[Instrument], Callable[[bytes], Event]]] = {
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
