"""Notes of our own recorder: written and read back, and refused when damaged."""

from __future__ import annotations

import base64
import json
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ProtocolError
from engine.ingestion import envelope
from engine.ingestion.binance import Codec
from engine.ingestion.envelope import Note
from engine.ingestion.markets import SPOT
from engine.ingestion.symbols import guess
from engine.orders import Rules, units
from engine.types import (
    Bar,
    BarsLoaded,
    FeedAlive,
    FeedLost,
    FeedUp,
    InstrumentListed,
    PivotPoint,
    PivotsLoaded,
    PriceReported,
    Timeframe,
)

TEXT = st.text(max_size=30)


def codec() -> Codec:
    return Codec(SPOT, [guess(SPOT, "BTCUSDT", 2, 8)])


@given(source=TEXT, reason=TEXT, rotated=st.booleans())
def test_connection_events_come_back_as_they_were(source: str, reason: str, rotated: bool) -> None:
    for event in (
        FeedUp(source=source, rotated=rotated),
        FeedLost(source=source, reason=reason),
        FeedAlive(source=source),
    ):
        line = envelope.encode(envelope.of_event(event))
        assert line.startswith(envelope.PREFIX)
        assert b"\n" not in line
        assert json.loads(line)["stream"] == "!tradetui"
        assert envelope.to_event(envelope.decode(line), codec(), "BTCUSDT") == (event, source)


@given(frame=st.binary(max_size=200))
def test_a_damaged_frame_is_kept_byte_for_byte(frame: bytes) -> None:
    line = envelope.encode(envelope.garbage(frame))
    assert b"\n" not in line
    assert b"\r" not in line
    note = envelope.decode(line)
    assert note.e == "garbage"
    assert base64.b64decode(json.loads(bytes(note.body))) == frame
    assert envelope.to_event(note, codec(), "BTCUSDT") is None


INFO = b"""{"symbols": [
  {"symbol":"BTCUSDT","baseAsset":"BTC","quoteAsset":"USDT",\r
   "filters":[{"filterType":"PRICE_FILTER","tickSize":"0.0100"}]}]}"""
ROWS = b'[[60000,"1.00","2.00","0.50","1.50","3",119999,"4",5,"1","1","0"]]'


def test_answers_come_back_as_events() -> None:
    known = Codec(SPOT)
    note = Note(e="exchangeInfo", symbol="BTCUSDT", trade_stream="trade", body=msgspec.Raw(INFO))
    line = envelope.encode(note)
    assert b"\n" not in line
    found = envelope.to_event(envelope.decode(line), known, "BTCUSDT")
    assert found is not None
    listed, source = found
    assert source == "binance:rest"
    assert isinstance(listed, InstrumentListed)
    assert (listed.trade_stream, listed.instrument.price_decimals) == ("trade", 2)
    # From here on the codec knows the instrument.
    for note, kind in (
        (Note(e="klines", symbol="BTCUSDT", interval="1m", body=msgspec.Raw(ROWS)), BarsLoaded),
        (Note(e="price", symbol="BTCUSDT", body=msgspec.Raw(b'{"symbol":"BTCUSDT","price":"1.5"}')), PriceReported),
    ):
        found = envelope.to_event(envelope.decode(envelope.encode(note)), known, "BTCUSDT")
        assert found is not None
        assert isinstance(found[0], kind)
    assert envelope.to_event(Note(e="end"), known, "BTCUSDT") is None


BARS = tuple(
    Bar(
        open_ms=60_000 * place, open=100, high=120, low=90 - place, close=110, volume=5, trades=trades, taker_buy=2,
        quote_volume=quote, first_id=7, last_id=9, complete=place != 2, source=source,
    )
    for place, (trades, quote, source) in enumerate(
        [(3, 550, "trades"), (3, 550, "venue"), (2, -1, "mixed"), (-1, -1, "mexc"), (-1, -1, "import")]
    )
)  # fmt: skip
PIVOTS = PivotsLoaded(
    instrument="binance:BTC/USDT",
    timeframe=Timeframe.H1,
    until_ms=1_700_000_000_000,
    state=bytes(range(256)),
    pivots=(
        PivotPoint(
            timeframe=Timeframe.H1, level=2, high=True, ts_ms=1, price=61837.63, confirmed_ms=3, known_at=4_000_000
        ),
    ),
)


def test_loaded_candles_and_pivots_come_back_as_they_were() -> None:
    """Whoever served them: the source of every candle, what is not known of it, and the opaque state are kept."""
    loaded = BarsLoaded(instrument="binance:BTC/USDT", timeframe=Timeframe.M1, bars=BARS)
    for event, note in (
        (loaded, envelope.of_bars(loaded, "BTCUSDT", "storage")),
        (PIVOTS, envelope.of_pivots(PIVOTS, "BTCUSDT")),
    ):
        line = envelope.encode(note)
        assert b"\n" not in line
        assert envelope.to_event(envelope.decode(line), codec(), "BTCUSDT") == (event, "binance:rest")


@pytest.mark.parametrize(
    "note",
    [
        Note(e="unheard of"),
        Note(e="candles", interval="1m"),
        Note(e="candles", interval="1m", body=msgspec.Raw(b"{}")),
        Note(e="candles", interval="1m", body=msgspec.Raw(b"[[1,2,3]]")),
        Note(e="candles", interval="7x", body=msgspec.Raw(b"[]")),
        Note(e="candles", interval="1m", body=msgspec.Raw(b'[[60000,1,2,3,1,1,1,1,1,1,1,true,"venue"]]')),
        Note(e="candles", interval="1m", body=msgspec.Raw(b'[[60001,2,2,2,2,1,1,1,1,1,1,true,"venue"]]')),
        Note(e="pivots", interval="1m"),
        Note(e="pivots", interval="1m", body=msgspec.Raw(b'{"until_ms":1,"state":"%","pivots":[]}')),
        Note(e="pivots", body=msgspec.Raw(b'{"until_ms":1,"state":"","pivots":[]}')),
        Note(e="klines", interval="7x", body=msgspec.Raw(ROWS)),
        Note(e="klines", body=msgspec.Raw(ROWS)),
        Note(e="klines", interval="1m"),
        Note(e="klines", interval="1m", body=msgspec.Raw(b"{}")),
        Note(e="price"),
        Note(e="exchangeInfo", body=msgspec.Raw(b"{}")),
        Note(e="exchangeInfo", body=msgspec.Raw(b'{"symbols":[]}')),
        Note(e="exchangeInfo"),
    ],
    ids=lambda note: f"{note.e}-{note.interval}-{len(bytes(note.body))}",
)
def test_notes_that_say_nothing_usable_are_refused(note: Note) -> None:
    with pytest.raises(ProtocolError, match=r"."):
        envelope.to_event(note, codec(), "BTCUSDT")


def test_damaged_notes_raise_nothing_but_protocol_errors() -> None:
    dice = random.Random(5)
    lines = [
        envelope.encode(note)
        for note in (
            Note(e="feedUp", source="binance"),
            Note(e="klines", symbol="BTCUSDT", interval="1m", body=msgspec.Raw(ROWS)),
            Note(e="exchangeInfo", symbol="BTCUSDT", body=msgspec.Raw(INFO)),
            envelope.of_bars(BarsLoaded(instrument="", timeframe=Timeframe.M1, bars=BARS), "BTCUSDT", "venue"),
            envelope.of_pivots(PIVOTS, "BTCUSDT"),
            Note(e="price", symbol="BTCUSDT", body=msgspec.Raw(b'{"symbol":"BTCUSDT","price":"1.5"}')),
            envelope.garbage(b"\xff\x00"),
        )
    ]
    for _ in range(3000):
        body = bytearray(dice.choice(lines))
        for _ in range(dice.choice((1, 1, 3))):
            at = dice.randrange(len(envelope.PREFIX), len(body))
            match dice.randrange(4):
                case 0:
                    body[at] ^= 1 << dice.randrange(8)
                case 1:
                    del body[at : at + dice.randint(1, 9)]
                case 2:
                    body[at:at] = bytes(dice.randrange(256) for _ in range(3))
                case 3:
                    body[at:at] = b"[" * dice.choice((1, 5000))
            if len(body) <= len(envelope.PREFIX):
                break
        refusal = None
        try:
            envelope.to_event(envelope.decode(bytes(body)), codec(), "BTCUSDT")
        except ProtocolError as error:
            refusal = error
        assert refusal is None or refusal.reason.strip()


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_deeply_nested_notes_are_refused(opening: bytes) -> None:
    for line in (
        envelope.PREFIX + b',"data":' + opening * 200_000,
        envelope.PREFIX + b',"data":{"e":"klines","interval":"1m","body":' + opening * 200_000,
        envelope.PREFIX + b',"data":{"e":"klines","interval":"1m","body":' + b"[" * 200_000 + b"]" * 200_000 + b"}}",
        envelope.PREFIX + b',"x":' + opening * 200_000,
    ):
        with pytest.raises(ProtocolError):
            envelope.to_event(envelope.decode(line), codec(), "BTCUSDT")


def test_a_listing_brings_the_rules_of_orders_where_they_are_told() -> None:
    lots = b'{"filterType":"LOT_SIZE","stepSize":"0.001","minQty":"0.002","maxQty":"9000"},{"filterType":"PRICE'
    for info, told in (
        (INFO, None),
        (
            INFO.replace(b'{"filterType":"PRICE', lots),
            Rules(
                tick=units("0.01"),
                step=units("0.001"),
                min_quantity=units("0.002"),
                max_quantity=units("9000"),
                min_notional=0,
            ),
        ),
    ):
        note = Note(e="exchangeInfo", symbol="BTCUSDT", body=msgspec.Raw(info))
        found = envelope.to_event(envelope.decode(envelope.encode(note)), Codec(SPOT), "BTCUSDT")
        assert found is not None
        assert isinstance(found[0], InstrumentListed)
        assert found[0].rules == told
