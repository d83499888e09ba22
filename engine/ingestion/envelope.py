"""Lines of a recording that are not market frames: connections, REST answers, the end.

They look like messages of a stream whose name no venue uses, so other readers of the format pass over them. A depth
snapshot is no envelope: it stands raw, as the public collector writes it. Damaged frames are kept base64-coded.
"""

from __future__ import annotations

import base64

import msgspec

from engine.errors import ProtocolError
from engine.ingestion.binance import Codec
from engine.ingestion.coverage import checked
from engine.ingestion.shapes import DAMAGE
from engine.ingestion.streams import LATEST_MS
from engine.ingestion.symbols import instruments, rules
from engine.types import (
    Bar,
    BarsLoaded,
    Event,
    FeedAlive,
    FeedLost,
    FeedUp,
    InstrumentListed,
    PivotPoint,
    PivotsLoaded,
    Timeframe,
)

PREFIX = b'{"stream":"!tradetui"'

REST_SUFFIX = ":rest"
"""Source name of REST answers: the venue's name with this behind."""


class Note(msgspec.Struct, omit_defaults=True):
    """What one such line says.

    `e` is one of feedUp, feedLost, feedAlive, exchangeInfo, candles, pivots, klines, price, account, trading, timers,
    garbage, end; `klines` (the venue's own answer) is what older versions wrote for candles. Account, trading and
    timers are read by `engine.trading.taped`.
    """

    e: str
    source: str = ""
    reason: str = ""
    rotated: bool = False
    symbol: str = ""
    interval: str = ""
    trade_stream: str = ""
    body: msgspec.Raw = msgspec.Raw()


class _Line(msgspec.Struct):
    data: Note


_decode = msgspec.json.Decoder(_Line).decode


def encode(note: Note) -> bytes:
    """Return a note as the message part of a line."""
    body = bytes(note.body)
    if body:
        # Raw bytes go in as they are; line breaks in them would break the line.
        note = msgspec.structs.replace(note, body=msgspec.Raw(body.replace(b"\n", b" ").replace(b"\r", b" ")))
    return PREFIX + b',"data":' + msgspec.json.encode(note) + b"}"


def garbage(frame: bytes) -> Note:
    """Return a note that keeps a frame which is no text of one line."""
    return Note(e="garbage", body=msgspec.Raw(b'"' + base64.b64encode(frame) + b'"'))


def of_event(event: FeedUp | FeedLost | FeedAlive) -> Note:
    """Return the note that tells of a connection event."""
    match event:
        case FeedUp():
            return Note(e="feedUp", source=event.source, rotated=event.rotated)
        case FeedLost():
            return Note(e="feedLost", source=event.source, reason=event.reason)
        case FeedAlive():
            return Note(e="feedAlive", source=event.source)


class _Row(msgspec.Struct, array_like=True):
    """A candle in a recording; the fields of `Bar`, without their names."""

    open_ms: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    trades: int
    taker_buy: int
    quote_volume: int
    first_id: int
    last_id: int
    complete: bool
    source: str


_read_rows = msgspec.json.Decoder(list[_Row]).decode


class _Structure(msgspec.Struct):
    """The market structure of a timeframe in a recording; `state` is base64 there."""

    until_ms: int
    state: bytes
    pivots: tuple[PivotPoint, ...]


_read_structure = msgspec.json.Decoder(_Structure).decode


def of_bars(loaded: BarsLoaded, symbol: str, source: str) -> Note:
    """Return the note that keeps loaded candles: rows in ticks and lots, each with its source."""
    rows = [_Row(**msgspec.structs.asdict(bar)) for bar in loaded.bars]
    body = msgspec.Raw(msgspec.json.encode(rows))
    return Note(e="candles", source=source, symbol=symbol, interval=loaded.timeframe, body=body)


def of_pivots(loaded: PivotsLoaded, symbol: str) -> Note:
    """Return the note that keeps a loaded market structure."""
    kept = _Structure(until_ms=loaded.until_ms, state=loaded.state, pivots=loaded.pivots)
    return Note(e="pivots", symbol=symbol, interval=loaded.timeframe, body=msgspec.Raw(msgspec.json.encode(kept)))


def _bars(note: Note, instrument: str) -> BarsLoaded:
    timeframe = Timeframe(note.interval)
    bars = [Bar(**msgspec.structs.asdict(row)) for row in _read_rows(bytes(note.body))]
    return BarsLoaded(
        instrument=instrument, timeframe=timeframe, bars=checked(bars, timeframe, 0, LATEST_MS, "the recording")
    )


def _pivots(note: Note, instrument: str) -> PivotsLoaded:
    kept = _read_structure(bytes(note.body))
    return PivotsLoaded(
        instrument=instrument,
        timeframe=Timeframe(note.interval),
        until_ms=kept.until_ms,
        state=kept.state,
        pivots=kept.pivots,
    )


def decode(frame: bytes) -> Note:
    """Return what a line says.

    Raises:
        ProtocolError: Damaged.
    """
    try:
        return _decode(frame).data
    except DAMAGE as error:
        raise ProtocolError(f"note in the recording: {error}", frame) from error


def to_event(note: Note, codec: Codec, symbol: str) -> tuple[Event, str] | None:
    """Return the event that a note stands for and its source, or None if it changes nothing.

    Raises:
        ProtocolError: Unknown or damaged.
    """
    try:
        return _event_of(note, codec, symbol)
    except ProtocolError:
        raise
    except DAMAGE as error:
        raise ProtocolError(f"note {note.e!r} in the recording: {error}") from error


def _event_of(note: Note, codec: Codec, symbol: str) -> tuple[Event, str] | None:
    rest = codec.market.venue + REST_SUFFIX
    match note.e:
        case "feedUp":
            return FeedUp(source=note.source, rotated=note.rotated), note.source
        case "feedLost":
            return FeedLost(source=note.source, reason=note.reason), note.source
        case "feedAlive":
            return FeedAlive(source=note.source), note.source
        case "exchangeInfo":
            found, _ = instruments(codec.market, bytes(note.body), {symbol})
            instrument = found.get(symbol)
            if instrument is None:
                raise ProtocolError(f"recorded exchangeInfo does not list {symbol}")
            codec.add(instrument)
            told = rules(codec.market, bytes(note.body), {symbol}).get(symbol)
            return InstrumentListed(instrument=instrument, trade_stream=note.trade_stream, rules=told), rest
        case "candles":
            return _bars(note, codec.known(symbol).key), rest
        case "pivots":
            return _pivots(note, codec.known(symbol).key), rest
        case "klines":
            return codec.klines(symbol, Timeframe(note.interval), bytes(note.body)), rest
        case "price":
            return codec.price(symbol, bytes(note.body)), rest
        case "garbage" | "end":
            return None
    raise ProtocolError(f"note {note.e!r} in the recording is unknown")
