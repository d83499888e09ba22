"""The codec: recorded frames exactly as Decimal arithmetic says, everything else refused with a reason."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.errors import ProtocolError
from engine.ingestion.binance import Codec
from engine.ingestion.markets import COINM, MARKETS, SPOT, USDM, Market
from engine.ingestion.scaling import exact
from engine.ingestion.symbols import guess
from engine.types import (
    MS,
    BookDelta,
    BookSnapshot,
    Event,
    Instrument,
    MarkPrice,
    Quote,
    Ticker,
    Timeframe,
    Trade,
)
from tests.engine.support import MARKET_FILES, frames

IDS = [entry[1].removesuffix("_20240808.gz") for entry in MARKET_FILES]


def codec_of(entry: tuple[Market, str, str, int, int]) -> tuple[Codec, Instrument]:
    market, _, symbol, price_decimals, size_decimals = entry
    instrument = guess(market, symbol, price_decimals, size_decimals)
    return Codec(market, [instrument]), instrument


# The reference. ---------------------------------------------------------------------------------------------------


def scaled(text: object, decimals: int) -> int | None:
    """A decimal number as a count of 10**-decimals with all its digits, or None where that is not a whole number."""
    number = Decimal(str(text)).as_tuple()
    exponent = number.exponent
    if not isinstance(exponent, int) or abs(exponent) > 400:
        return None
    digits = int("".join(map(str, number.digits))) * (-1 if number.sign else 1)
    shift = exponent + decimals
    if shift >= 0:
        return digits * 10**shift
    unit = 10**-shift
    whole, rest = divmod(digits, unit)
    if min(rest, unit - rest) * 2**53 <= digits and 0 < digits < unit * 2**53:
        # Finer than the scale by less than a double can tell: no venue prints that many digits.
        return whole + (rest > unit // 2)
    return whole if not rest else None


def count(text: object, decimals: int) -> int:
    """The same, and fails where it is not a whole number or negative."""
    whole = scaled(text, decimals)
    assert whole is not None, f"{text} is finer than {decimals}"
    assert whole >= 0
    return whole


def whole(value: object) -> int:
    """An id or a stamp, which damage may have put between quotes or given a fraction of zero."""
    number = Decimal(str(value))
    assert number == int(number)
    return int(number)


def levels(pairs: list[Any], instrument: Instrument) -> tuple[tuple[int, int], ...]:
    return tuple((count(p, instrument.price_decimals), count(q, instrument.size_decimals)) for p, q in pairs)


def reference(frame: bytes, instrument: Instrument) -> dict[str, Any]:
    """What a frame says, read slowly with json and Decimal."""
    message = json.loads(frame.decode("utf-8", "replace"), parse_float=Decimal)
    if "stream" not in message:
        return {
            "last_id": message["lastUpdateId"],
            "bids": levels(message["bids"], instrument),
            "asks": levels(message["asks"], instrument),
            "ts_exch": whole(message.get("T", 0)) * MS,
        }
    data = message["data"]
    assert data["s"] == instrument.symbol
    kind = message["stream"].partition("@")[2].partition("@")[0]
    price, size = instrument.price_decimals, instrument.size_decimals
    if kind == "depth":
        first = whole(data["U"])
        return {
            "first_id": first,
            "last_id": whole(data["u"]),
            "prev_id": whole(data["pu"]) if whole(data.get("pu", -1)) >= 0 else first - 1,
            "ts_exch": whole(data.get("T") or data["E"]) * MS,
            "bids": levels(data["b"], instrument),
            "asks": levels(data["a"], instrument),
        }
    if kind == "bookTicker":
        return {
            "update_id": whole(data["u"]),
            "bid": count(data["b"], price),
            "ask": count(data["a"], price),
            "bid_size": count(data["B"], size),
            "ask_size": count(data["A"], size),
            "ts_exch": whole(data.get("T", 0)) * MS,
        }
    if kind in ("trade", "aggTrade"):
        aggregate = kind == "aggTrade"
        return {
            "id": whole(data["a" if aggregate else "t"]),
            "price": count(data["p"], price),
            "size": count(data["q"], size),
            "ts_exch": whole(data["T"]) * MS,
            "ts_sent": whole(data["E"]) * MS,
            "sell": data["m"] in (True, "true", "True", 1, "1"),
            "aggregate": aggregate,
            "count": whole(data["l"]) - whole(data["f"]) + 1 if aggregate else 1,
            "regular": data.get("X", "MARKET") == "MARKET" and Decimal(str(data["q"])) > 0,
        }
    raise AssertionError(f"no reference for {kind}")


def fields(event: Event) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(event).items() if name != "instrument"}


def sound(event: Event, instrument: Instrument) -> None:
    """What no event may ever hold, wherever its frame came from."""
    assert getattr(event, "instrument", None) == instrument.key
    sides: tuple[tuple[int, int], ...] = ()
    if isinstance(event, BookDelta | BookSnapshot):
        sides = (*event.bids, *event.asks)
    elif isinstance(event, Quote):
        sides = ((event.bid, event.bid_size), (event.ask, event.ask_size))
    elif isinstance(event, Trade):
        sides = ((event.price, event.size),) if event.regular else ()
        assert event.id >= 0
        assert event.count >= 1
        assert type(event.id) is int
    for price, size in sides:
        assert type(price) is int
        assert type(size) is int
        assert price > 0
        assert size >= 0
    if isinstance(event, BookDelta):
        assert event.prev_id < event.last_id
        assert event.first_id <= event.last_id
    if isinstance(event, MarkPrice):
        assert event.mark > 0
        assert event.mark < float("inf")


def said(error: ProtocolError, frame: bytes | None = None) -> None:
    """A refusal tells why, and keeps the beginning of the frame."""
    assert error.reason.strip()
    if frame is not None:
        assert error.excerpt == frame[:120]


# Recorded frames. -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", MARKET_FILES, ids=IDS)
def test_recorded_frames_decode_exactly(entry: tuple, recordings: Path) -> None:
    codec, instrument = codec_of(entry)
    seen: Counter[str] = Counter()
    for _, frame in frames(recordings / entry[1], 8_000):
        if frame.startswith(b'{"lastUpdateId"'):
            event: Event = codec.snapshot(instrument.symbol, frame)
            seen["snapshot"] += 1
        else:
            event, source = codec.decode(frame)
            kind = type(event).__name__
            seen[kind] += 1
            assert source == {
                ("binance", kind): "binance",
                ("binancecoinm", kind): "binancecoinm",
                ("binanceusdm", kind): "binanceusdm/public",
            }.get((instrument.venue, kind))
            if kind == "Quote" and seen[kind] > 2500:
                continue
        sound(event, instrument)
        assert fields(event) == reference(frame, instrument)
    assert seen["snapshot"] == 1
    assert min(seen[name] for name in ("BookDelta", "Trade", "Quote")) > 50, seen


def test_recorded_sample_is_large(recordings: Path) -> None:
    """Both days of spot, all trades: thousands of each kind went through the comparison above and this one."""
    checked = 0
    for name, symbol in (("btcusdt", "BTCUSDT"), ("ethusdt", "ETHUSDT")):
        instrument = guess(SPOT, symbol, 2, 8)
        codec = Codec(SPOT, [instrument])
        for _, frame in frames(recordings / f"spot/{name}_20240809.gz"):
            if b"@trade" in frame[:40] and checked < 12_000:
                assert fields(codec.decode(frame)[0]) == reference(frame, instrument)
                checked += 1
    assert checked == 12_000


@pytest.mark.parametrize("entry", MARKET_FILES[2:5:2], ids=["usdm", "cm"])
@pytest.mark.parametrize("kind", ["depth5", "depth20", "depth10@100ms", "depth20@0ms", "depth20@500ms"])
def test_partial_depth_is_refused(entry: tuple, kind: str, recordings: Path) -> None:
    """Partial depth has the shape of a diff on futures; applied as one it would leave old levels standing."""
    codec, _ = codec_of(entry)
    frame = next(f for _, f in frames(recordings / entry[1], 100) if b"@depth" in f[:40])
    assert isinstance(codec.decode(frame)[0], BookDelta)
    changed = frame.replace(b"@depth@0ms", b"@" + kind.encode(), 1)
    assert changed != frame
    with pytest.raises(ProtocolError, match="not followed"):
        codec.decode(changed)


# Everything else that was ever recorded of the venue. -------------------------------------------------------------

_MARKET_TYPES = {"Spot": SPOT, "Linear": USDM, "Inverse": COINM}


def all_symbols(market: Market, names: Iterable[str]) -> Codec:
    codec = Codec(market)
    for name in sorted(names):
        try:
            codec.add(guess(market, name, 8, 8 if not market.inverse else 0))
        except ProtocolError:
            continue
    return codec


def outcome(codec: Codec, raw: bytes) -> str:
    try:
        event, _ = codec.decode(raw)
    except ProtocolError as error:
        said(error, raw)
        return "refused"
    found = re.match(rb'\{"stream":"([a-z0-9_]+)@', raw)
    assert found is not None
    instrument = codec._instruments[found[1].decode().upper()]
    sound(event, instrument)
    if not isinstance(event, MarkPrice | Ticker):
        assert fields(event) == reference(raw, instrument)
    return type(event).__name__


def every_reader(codec: Codec, symbol: str, body: bytes) -> list[str]:
    """Offer a body to every reader of REST answers; each takes it or refuses it with a reason."""
    took = []
    for name, read in (
        ("depth", lambda: codec.snapshot(symbol, body)),
        ("klines", lambda: codec.klines(symbol, Timeframe.M1, body)),
        ("price", lambda: codec.price(symbol, body)),
    ):
        try:
            read()
        except ProtocolError as error:
            said(error)
        else:
            took.append(name)
    return took


def test_all_messages_of_the_parser_collection(data_root: Path) -> None:
    rows = [json.loads(line) for line in (data_root / "crypto-msg-parser-raw/binance.jsonl").read_text().splitlines()]
    names = frozenset(
        found[1].upper() for row in rows if (found := re.match(r'\{"stream":"([a-z0-9_]+)@', row["raw"])) is not None
    )
    counts: Counter[str] = Counter()
    for row in rows:
        market = next((m for start, m in _MARKET_TYPES.items() if row["market_type"].startswith(start)), SPOT)
        raw = row["raw"].encode()
        codec = all_symbols(market, names)
        kind = outcome(codec, raw)
        counts[kind] += 1
        symbol = next(iter(codec._instruments))
        every_reader(codec, symbol, raw)
        if re.search(rb"@depth(5|10|20)", raw[:80]):
            assert kind == "refused"
    assert sum(counts.values()) == 51
    assert counts["Trade"] >= 4
    assert counts["BookDelta"] >= 2
    assert counts["Quote"] >= 2


@pytest.mark.parametrize(("name", "market"), [("BINANCE", SPOT), ("BINANCE_FUTURES", USDM)])
def test_all_messages_of_the_feed_collection(name: str, market: Market, data_root: Path) -> None:
    payloads = []
    for line in (data_root / f"cryptofeed-raw/{name}.ws.1.0").read_bytes().splitlines():
        head, _, payload = line.partition(b": ")
        if payload and b" <" not in head:
            payloads.append(payload)
    assert len(payloads) > 200
    names = frozenset(
        found[1].decode().upper() for p in payloads if (found := re.match(rb'\{"stream":"([a-z0-9_]+)@', p))
    )
    codec = all_symbols(market, names)
    counts = Counter(outcome(codec, payload) for payload in payloads)
    assert min(counts[kind] for kind in ("BookDelta", "Quote", "Trade")) > 1, counts
    # Only candles were recorded beside what is followed.
    assert counts["refused"] == sum(b"@kline" in payload[:60] for payload in payloads)


@pytest.mark.parametrize(
    ("name", "market"),
    [("BINANCE.http.0.0", SPOT), ("BINANCE_FUTURES.http.0.0", USDM), ("BINANCE.0", SPOT), ("BINANCE_FUTURES.0", USDM)],
)
def test_all_rest_bodies_of_the_feed_collection(name: str, market: Market, data_root: Path) -> None:
    took: Counter[str] = Counter()
    for line in (data_root / f"cryptofeed-raw/{name}").read_bytes().splitlines():
        head, _, body = line.partition(b" -> ")
        body = body.partition(b": ")[2]
        if not body:
            continue
        found = re.search(rb"symbol=([A-Z0-9]+)", head)
        symbol = found[1].decode() if found else "BTCUSDT"
        codec = all_symbols(market, frozenset({symbol}))
        readers = every_reader(codec, symbol, body)
        took.update(readers)
        if b"/depth" in head:
            assert readers == ["depth"]
            snapshot = codec.snapshot(symbol, body)
            assert fields(snapshot) == reference(body, codec._instruments[symbol])
            assert len(snapshot.bids) > 50
        else:
            assert readers == []
    assert took["depth"] == (4 if ".http" in name else 0)


# Damage. ----------------------------------------------------------------------------------------------------------

NASTY = [
    b"NaN",
    b"-1",
    b"1e999",
    b"-0.00000000",
    b"0",
    b"null",
    b"[]",
    b"{}",
    b'"x"',
    b"9007199254740993",
    b"90071992547409.93",
    b"18446744073709551616",
    b"123456789012345678901234567890",
    b"Infinity",
    b"true",
    b"1.5",
    b"\xff\xfe",
    b"\x00",
    b"\\u0000",
    b'"',
    b"e2",
    b"E-3",
    "\u0661".encode(),
    b"0x10",
    b"1_000",
    b" 1",
    b"+1",
    b".5",
    b"5.",
]


def mutate(frame: bytes, dice: random.Random) -> bytes:
    body = bytearray(frame)
    for _ in range(dice.choice((1, 1, 1, 2, 5))):
        if not body:
            return b""
        at = dice.randrange(len(body))
        end = min(len(body), at + dice.randint(1, 30))
        match dice.randrange(12):
            case 0:
                body[at] ^= 1 << dice.randrange(8)
            case 1:
                del body[at:end]
            case 2:
                body[at:at] = bytes(dice.randrange(256) for _ in range(dice.randint(1, 5)))
            case 3:
                body[at:at] = body[at:end]
            case 4:
                del body[at:]
            case 5 | 6:  # another value for a field
                values = list(re.finditer(rb'"[^"]*"|-?\d+(\.\d+)?|true|false', bytes(body)))
                if values:
                    value = dice.choice(values)
                    new = dice.choice(NASTY)
                    if dice.random() < 0.5 and value[0].startswith(b'"'):
                        new = b'"' + new + b'"'
                    body[value.start() : value.end()] = new
            case 7:  # two fields change places
                values = list(re.finditer(rb'"(\w)":("[^"]*"|-?\d+)', bytes(body)))
                if len(values) > 1:
                    one, two = sorted(dice.sample(values, 2), key=lambda m: m.start())
                    body[:] = (
                        body[: one.start(2)] + two[2] + body[one.end(2) : two.start(2)] + one[2] + body[two.end(2) :]
                    )
            case 8:
                body[at:at] = b"[" * dice.choice((1, 50, 3000))
            case 9:
                body[at:at] = b'{"a":' * dice.choice((1, 50, 3000))
            case 10:  # a digit more or less
                digits = [m.start() for m in re.finditer(rb"\d", bytes(body))]
                if digits:
                    place = dice.choice(digits)
                    body[place:place] = b"%d" % dice.randrange(10) * dice.choice((1, 1, 1, 8, 20))
            case 11:  # a field moves to the end of its object
                values = list(re.finditer(rb'"\w":("[^"]*"|-?\d+),', bytes(body)))
                if values:
                    value = dice.choice(values)
                    piece = b"," + value[0][:-1]
                    del body[value.start() : value.end()]
                    place = bytes(body).rfind(b"}}")
                    if place > 0:
                        body[place:place] = piece
    return bytes(body)


def mutants(entry: tuple, recordings: Path, seed: int, number: int) -> list[bytes]:
    dice = random.Random(seed)
    by_kind: dict[bytes, list[bytes]] = {}
    for _, frame in frames(recordings / entry[1], 1500):
        kind = frame[:40].partition(b"@")[2].partition(b'"')[0].partition(b"@")[0] or b"snapshot"
        kept = by_kind.setdefault(kind, [])
        if len(kept) < 40:
            kept.append(frame if kind != b"snapshot" else frame[:1200] + frame[-1200:])
    kinds = sorted(by_kind)
    return [mutate(dice.choice(by_kind[dice.choice(kinds)]), dice) for _ in range(number)]


@pytest.mark.parametrize("entry", MARKET_FILES, ids=IDS)
def test_ten_thousand_damaged_frames(entry: tuple, recordings: Path) -> None:
    """Refused, or read as what they now say, digit by digit; nothing but ProtocolError comes out."""
    codec, instrument = codec_of(entry)
    taken = 0
    for frame in mutants(entry, recordings, 7, 1_700):
        for read in (codec.decode, lambda body: (codec.snapshot(instrument.symbol, body), "")):
            try:
                event, _ = read(frame)
            except ProtocolError as error:
                said(error)
                continue
            taken += 1
            sound(event, instrument)
            assert fields(event) == reference(frame, instrument), frame[:300]
    assert taken > 50


@pytest.mark.parametrize(
    "body", [b"", b"{", b"null", b"[]", b"{}", b'{"stream":1}', b'{"stream":"btcusdt@trade"}', b"\xff"]
)
def test_small_rubbish(body: bytes) -> None:
    codec = Codec(SPOT, [guess(SPOT, "BTCUSDT", 2, 8)])
    with pytest.raises(ProtocolError, match=r"."):
        codec.decode(body)
    assert every_reader(codec, "BTCUSDT", body) in ([], ["klines"] if body == b"[]" else [])


@pytest.mark.parametrize("depth", [100, 5_000, 200_000])
def test_deep_nesting(depth: int) -> None:
    codec = Codec(SPOT, [guess(SPOT, "BTCUSDT", 2, 8)])
    for opening in (b"[", b'{"a":'):
        nested = opening * depth
        for frame in (
            nested,
            b'{"stream":"btcusdt@trade","data":' + nested,
            b'{"stream":"btcusdt@trade","x":' + nested,
            b'{"stream":"btcusdt@depth@100ms","data":{"b":' + nested,
        ):
            with pytest.raises(ProtocolError):
                codec.decode(frame)
            assert every_reader(codec, "BTCUSDT", frame) == []


# Numbers. ---------------------------------------------------------------------------------------------------------

TEXTS = st.builds(
    lambda whole, part, zeros: f"{whole}.{part}{zeros}" if part or zeros else str(whole),
    st.one_of(st.integers(0, 10**6), st.integers(0, 10**17), st.sampled_from([2**53 - 1, 2**53, 2**53 + 1, 10**30])),
    st.text("0123456789", max_size=18),
    st.sampled_from(["", "0", "00000000"]),
)


def depth_frame(price: str, size: str) -> bytes:
    return (
        b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1723161255208,"s":"BTCUSDT","U":1,"u":2,'
        b'"b":[["%s","%s"]],"a":[["%s","%s"],["7","1"]]}}' % ((price.encode(), size.encode()) * 2)
    )


def trade_frame(price: str, size: str, extra: str = "") -> bytes:
    return (
        '{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":5,'
        f'"p":"{price}","q":"{size}","T":1723161255342,"m":true,"M":true{extra}}}}}'
    ).encode()


def quote_frame(price: str, size: str) -> bytes:
    return (
        '{"stream":"btcusdt@bookTicker","data":{"u":5,"s":"BTCUSDT",'
        f'"b":"{price}","B":"{size}","a":"{price}","A":"{size}"}}}}'
    ).encode()


def snapshot_body(price: str, size: str) -> bytes:
    return f'{{"lastUpdateId":5,"bids":[["{price}","{size}"]],"asks":[["{price}","{size}"]]}}'.encode()


@settings(max_examples=400)
@given(price=TEXTS, size=TEXTS, price_decimals=st.integers(0, 10), size_decimals=st.integers(0, 10))
@example(price="90071992547409.93", size="90071992.54740993", price_decimals=2, size_decimals=8)
@example(price="61837.6300001", size="1", price_decimals=2, size_decimals=8)
@example(price="1", size="0.100000001", price_decimals=2, size_decimals=8)
@example(price="0", size="1", price_decimals=2, size_decimals=8)
@example(price="0.00", size="0", price_decimals=2, size_decimals=0)
def test_scaling_is_exact_or_refused(price: str, size: str, price_decimals: int, size_decimals: int) -> None:
    """The same for every kind of message: the integer that Decimal gives, or a refusal, never something near it."""
    codec = Codec(SPOT, [guess(SPOT, "BTCUSDT", price_decimals, size_decimals)])
    want_price, want_size = scaled(price, price_decimals), scaled(size, size_decimals)
    refused = want_price is None or want_size is None or want_price == 0
    for name, read in (
        ("exact", lambda: [(exact(price, price_decimals), exact(size, size_decimals))]),
        ("depth", lambda: [codec.decode(depth_frame(price, size))[0]]),
        ("snapshot", lambda: [codec.snapshot("BTCUSDT", snapshot_body(price, size))]),
        ("trade", lambda: [codec.decode(trade_frame(price, size))[0]]),
        ("quote", lambda: [codec.decode(quote_frame(price, size))[0]]),
    ):
        try:
            (found,) = read()
        except ProtocolError as error:
            said(error)
            texts = ((price, price_decimals), (size, size_decimals))
            assert refused or any(Decimal(text) * 10**decimals % 1 for text, decimals in texts), name
            continue
        if name == "exact":
            assert found == (want_price, want_size)
            continue
        if name == "quote" and want_price == 0 and want_size == 0:
            continue  # how the venue writes an empty side
        assert not refused, f"{name}: {price} x {size} was taken for {found}"
        if isinstance(found, BookDelta | BookSnapshot):
            assert found.bids == ((want_price, want_size),)
            assert found.asks[0] == (want_price, want_size)
        elif isinstance(found, Trade):
            assert (found.price, found.size) == (want_price, want_size)
        elif isinstance(found, Quote):
            assert (found.bid, found.bid_size, found.ask, found.ask_size) == (want_price, want_size) * 2


@pytest.mark.parametrize(
    "number",
    [
        "-1",
        "-0.01",
        "NaN",
        "inf",
        "Infinity",
        "",
        " 1",
        "1 ",
        "+1",
        "0x1",
        "1_0",
        "\u0661",
        ".",
        "1.2.3",
        "1,5",
        "\u00b2",
    ],
)
def test_what_is_no_plain_number_is_refused(number: str) -> None:
    codec = Codec(SPOT, [guess(SPOT, "BTCUSDT", 2, 8)])
    for frame in (
        depth_frame(number, "1"),
        depth_frame("1", number),
        trade_frame(number, "1"),
        trade_frame("1", number),
        quote_frame(number, "1"),
        quote_frame("1", number),
    ):
        with pytest.raises(ProtocolError):
            codec.decode(frame)
    for body in (snapshot_body(number, "1"), snapshot_body("1", number)):
        with pytest.raises(ProtocolError):
            codec.snapshot("BTCUSDT", body)


def test_zero_size_removes_and_is_no_trade() -> None:
    codec = Codec(SPOT, [guess(SPOT, "BTCUSDT", 2, 8)])
    event = codec.decode(depth_frame("5.00", "0.00000000"))[0]
    assert isinstance(event, BookDelta)
    assert event.bids == ((500, 0),)
    event = codec.decode(trade_frame("5.00", "0.00000000"))[0]
    assert isinstance(event, Trade)
    assert not event.regular


def test_insurance_fund_trades_are_not_regular() -> None:
    codec = Codec(USDM, [guess(USDM, "BTCUSDT", 2, 8)])
    for extra, regular in (("MARKET", True), ("INSURANCE_FUND", False), ("ADL", False)):
        event = codec.decode(trade_frame("5", "1", f',"X":"{extra}"'))[0]
        assert isinstance(event, Trade)
        assert event.regular is regular
    event = codec.decode(trade_frame("0", "0", ',"X":"NA"'))[0]
    assert isinstance(event, Trade)
    assert not event.regular
    with pytest.raises(ProtocolError, match="price zero"):
        codec.decode(trade_frame("0", "1", ',"X":"MARKET"'))


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (b'"U":1', b'"U":3'),
        (b'"U":1', b'"U":-1'),
        (b'"s":"BTCUSDT"', b'"s":"ETHUSDT"'),
        (b'"e":"depthUpdate"', b'"e":"trade"'),
        (b'"u":2', b'"u":2,"pu":2'),
        (b'"u":2', b'"u":1.5'),
        (b'"u":2', b'"u":null'),
        (b'"u":2,', b""),
        (b'"b":[["5","1"]]', b'"b":[["5"]]'),
        (b'"b":[["5","1"]]', b'"b":[["5","1","2"]]'),
        (b'"b":[["5","1"]]', b'"b":{"5":"1"}'),
        (b'"b":[["5","1"]],', b""),
        (b"btcusdt@depth@100ms", b"dogeusdt@depth@100ms"),
        (b"btcusdt@depth@100ms", b"!ticker@arr"),
        (b"btcusdt@depth@100ms", b"btcusdt@kline_1m"),
        (b"btcusdt@depth@100ms", b"btcusdt@trade"),
        (b"btcusdt@depth@100ms", b"btcusdt"),
    ],
)
def test_a_diff_that_the_specification_forbids(good: bytes, bad: bytes) -> None:
    codec = Codec(SPOT, [guess(SPOT, "BTCUSDT", 2, 8), guess(SPOT, "ETHUSDT", 2, 8)])
    frame = depth_frame("5", "1")
    assert good in frame
    codec.decode(frame)
    with pytest.raises(ProtocolError):
        codec.decode(frame.replace(good, bad, 1))


def test_ids_behind_the_levels_keep_their_value() -> None:
    """The exponent written behind prices must not reach other fields, wherever the venue puts them."""
    codec = Codec(SPOT, [guess(SPOT, "BTCUSDT", 2, 8)])
    frame = (
        b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1723161255208,'
        b'"b":[["5.01","1"]],"a":[["5.02","2"]],"s":"BTCUSDT","U":"5","u":"7"}}'
    )
    try:
        event = codec.decode(frame)[0]
    except ProtocolError:
        return
    assert isinstance(event, BookDelta)
    assert (event.first_id, event.last_id) == (5, 7)
    assert event.bids == ((501, 100_000_000),)


def test_sides_in_another_order_are_read_at_the_right_scale() -> None:
    codec = Codec(SPOT, [guess(SPOT, "BTCUSDT", 2, 8)])
    frame = (
        b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1723161255208,"s":"BTCUSDT","U":5,"u":7,'
        b'"a":[["5","2"]],"b":[["4","1"]]}}'
    )
    event = codec.decode(frame)[0]
    assert isinstance(event, BookDelta)
    assert (event.bids, event.asks) == (((400, 100_000_000),), ((500, 200_000_000),))
    for body in (
        b'{"asks":[["5","2"]],"lastUpdateId":5,"bids":[["4","1"]]}',
        b'{"lastUpdateId":5,"asks":[["5","2"]],"bids":[["4","1"]]}',
    ):
        snapshot = codec.snapshot("BTCUSDT", body)
        assert (snapshot.bids, snapshot.asks) == (((400, 100_000_000),), ((500, 200_000_000),))


@pytest.mark.parametrize("stamp", ["0", "-5", "99999999999999", "1e15"])
def test_trade_stamps_that_are_no_times(stamp: str) -> None:
    codec = Codec(SPOT, [guess(SPOT, "BTCUSDT", 2, 8)])
    with pytest.raises(ProtocolError):
        codec.decode(trade_frame("5", "1").replace(b'"T":1723161255342', b'"T":' + stamp.encode()))
    with pytest.raises(ProtocolError):
        codec.decode(trade_frame("5", "1").replace(b'"E":1723161255343', b'"E":' + stamp.encode()))


@pytest.mark.parametrize("stamp", ["-5", "99999999999999999"])
def test_depth_stamps_that_are_no_times(stamp: str) -> None:
    """The first stamp of a connection tells since when its bars are whole, so it must be a time."""
    codec = Codec(SPOT, [guess(SPOT, "BTCUSDT", 2, 8)])
    with pytest.raises(ProtocolError):
        codec.decode(depth_frame("5", "1").replace(b'"E":1723161255208', b'"E":' + stamp.encode()))


def test_new_scales_replace_the_old_ones() -> None:
    codec = Codec(SPOT, [guess(SPOT, "BTCUSDT", 2, 8)])
    assert codec.decode(trade_frame("5.01", "1"))[0].price == 501  # type: ignore[union-attr]
    with pytest.raises(ProtocolError, match="finer"):
        codec.decode(trade_frame("5.011", "1"))
    codec.add(guess(SPOT, "BTCUSDT", 3, 8))
    assert codec.decode(trade_frame("5.011", "1"))[0].price == 5011  # type: ignore[union-attr]


# Statistics, marks, candles, prices. ------------------------------------------------------------------------------

TICKER = (
    '{"stream":"btcusdt@ticker","data":{"e":"24hrTicker","E":1723161255343,"s":"BTCUSDT","p":"-94.99","P":"-95.960",'
    '"w":"0.29","x":"0.1","c":"4.00","Q":"200","b":"4.00","B":"431.0","a":"4.01","A":"9.0","o":"99.00","h":"100.00",'
    '"l":"0.10","v":"8913.30000000","q":"15.3","O":0,"C":86400000,"F":0,"L":18150,"n":18151}}'
)
MARK = (
    '{"stream":"btcusdt@markPrice","data":{"e":"markPriceUpdate","E":1723161255343,"s":"BTCUSDT","p":"11794.15000000",'
    '"i":"11784.62659091","P":"11784.25641265","r":"0.00038167","T":1723161600000}}'
)


def test_ticker() -> None:
    codec = Codec(SPOT, [guess(SPOT, "BTCUSDT", 2, 8)])
    event, source = codec.decode(TICKER.encode())
    assert source == "binance"
    assert fields(event) == {
        "ts_exch": 1723161255343 * MS,
        "last": 400,
        "open": 9900,
        "high": 10_000,
        "low": 10,
        "volume": 891_330_000_000,
        "trades": 18151,
        "change_pct": -95.96,
    }
    assert fields(codec.decode(TICKER.replace('"n":18151', '"n":0').encode())[0])["trades"] == 0


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ('"c":"4.00"', '"c":"0.00"'),
        ('"c":"4.00"', '"c":"-4.00"'),
        ('"P":"-95.960"', '"P":"NaN"'),
        ('"P":"-95.960"', '"P":"Infinity"'),
        ('"v":"8913.30000000"', '"v":"-1"'),
        ('"s":"BTCUSDT"', '"s":"ETHUSDT"'),
        ('"n":18151', '"n":-1'),
    ],
)
def test_ticker_that_cannot_be(good: str, bad: str) -> None:
    codec = Codec(SPOT, [guess(SPOT, "BTCUSDT", 2, 8)])
    with pytest.raises(ProtocolError):
        codec.decode(TICKER.replace(good, bad).encode())


def test_mark_price() -> None:
    codec = Codec(USDM, [guess(USDM, "BTCUSDT", 2, 3)])
    event, source = codec.decode(MARK.encode())
    assert source == "binanceusdm/market"
    assert fields(event) == {
        "ts_exch": 1723161255343 * MS,
        "mark": 11794.15,
        "index": 11784.62659091,
        "funding_rate": 0.00038167,
        "next_funding": 1723161600000 * MS,
    }
    event, _ = codec.decode(MARK.replace('"r":"0.00038167"', '"r":""').encode())
    assert isinstance(event, MarkPrice)
    assert event.funding_rate is None
    for good, bad in (
        ('"p":"11794.15000000"', '"p":"NaN"'),
        ('"p":"11794.15000000"', '"p":"0"'),
        ('"p":"11794.15000000"', '"p":"-1"'),
        ('"i":"11784.62659091"', '"i":"inf"'),
        ('"r":"0.00038167"', '"r":"NaN"'),
        ('"r":"0.00038167"', '"r":"x"'),
    ):
        with pytest.raises(ProtocolError):
            codec.decode(MARK.replace(good, bad).encode())


ROW = [
    1723161240000,
    "61837.63",
    "61900.00",
    "61800.00",
    "61850.01",
    "12.5",
    1723161299999,
    "773000.12",
    321,
    "6.25",
    "386000.1",
    "0",
]


def test_candles() -> None:
    codec = Codec(SPOT, [guess(SPOT, "BTCUSDT", 2, 8)])
    rows = [ROW, [ROW[0] + 60_000, *ROW[1:]]]
    event = codec.klines("BTCUSDT", Timeframe.M1, json.dumps(rows).encode())
    assert [bar.open_ms for bar in event.bars] == [ROW[0], ROW[0] + 60_000]
    bar = event.bars[0]
    assert (bar.open, bar.high, bar.low, bar.close) == (6_183_763, 6_190_000, 6_180_000, 6_185_001)
    assert (bar.volume, bar.trades, bar.taker_buy) == (1_250_000_000, 321, 625_000_000)
    assert bar.quote_volume == 773_000_12 * 10**8
    assert (bar.source, bar.complete) == ("venue", True)
    left_out = [*ROW[:7], "0", 0, "0", "0", "0"]
    (bar,) = codec.klines("BTCUSDT", Timeframe.M1, json.dumps([left_out]).encode()).bars
    assert (bar.volume, bar.trades, bar.taker_buy, bar.quote_volume) == (1_250_000_000, -1, -1, -1)
    quiet = [*ROW[:5], "0", ROW[6], "0", 0, "0", "0", "0"]
    (bar,) = codec.klines("BTCUSDT", Timeframe.M1, json.dumps([quiet]).encode()).bars
    assert (bar.volume, bar.trades, bar.taker_buy, bar.quote_volume) == (0, 0, 0, 0)
    inverse = Codec(COINM, [guess(COINM, "BTCUSD_PERP", 1, 0)])
    row = [*ROW[:1], "61837.6", "61900.0", "61800.0", "61850.0", "12", ROW[6], "0.12", 321, "6", "0.1", "0"]
    assert inverse.klines("BTCUSD_PERP", Timeframe.M1, json.dumps([row]).encode()).bars[0].quote_volume == -1


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (1, "0"),
        (1, "61900.01"),
        (2, "61849.00"),
        (2, "9" * 20),
        (3, "61837.64"),
        (4, "NaN"),
        (4, "61850.011"),
        (5, "-1"),
        (6, ROW[0] + 299_999),
        (8, "x"),
        (8, -1),
        (9, "12.50000001"),
        (0, -60_000),
        (0, "now"),
        (1, None),
    ],
)
def test_a_candle_that_contradicts_itself_is_refused(place: int, value: object) -> None:
    codec = Codec(SPOT, [guess(SPOT, "BTCUSDT", 2, 8)])
    row: list[Any] = list(ROW)
    row[place] = value
    with pytest.raises(ProtocolError, match="klines answer"):
        codec.klines("BTCUSDT", Timeframe.M1, json.dumps([row]).encode())


@pytest.mark.parametrize("rows", [[ROW, ROW], [[ROW[0] + 1, *ROW[1:]], ROW], [ROW[:-2]], [[]], [1], {"code": -1121}])
def test_candles_in_a_wrong_shape_or_order(rows: object) -> None:
    codec = Codec(SPOT, [guess(SPOT, "BTCUSDT", 2, 8)])
    with pytest.raises(ProtocolError, match="klines answer"):
        codec.klines("BTCUSDT", Timeframe.M1, json.dumps(rows).encode())


def test_price_answers() -> None:
    codec = Codec(SPOT, [guess(SPOT, "BTCUSDT", 2, 8)])
    assert codec.price("BTCUSDT", b'{"symbol":"BTCUSDT","price":"61837.63000000"}').price == 6_183_763
    inverse = Codec(COINM, [guess(COINM, "BTCUSD_PERP", 1, 0)])
    body = b'[{"symbol":"BTCUSD_PERP","ps":"BTCUSD","price":"61837.6","time":1}]'
    assert inverse.price("BTCUSD_PERP", body).price == 618_376
    for bad in (
        b'{"symbol":"ETHUSDT","price":"1"}',
        b'{"symbol":"BTCUSDT","price":"0"}',
        b'{"symbol":"BTCUSDT","price":"-1"}',
        b'{"symbol":"BTCUSDT","price":1}',
        b'{"code":-1121,"msg":"Invalid symbol."}',
        b"[]",
    ):
        with pytest.raises(ProtocolError):
            codec.price("BTCUSDT", bad)


def test_unknown_symbols_are_named() -> None:
    codec = Codec(SPOT)
    for read in (
        lambda: codec.snapshot("BTCUSDT", b"{}"),
        lambda: codec.klines("BTCUSDT", Timeframe.M1, b"[]"),
        lambda: codec.price("BTCUSDT", b"{}"),
        lambda: codec.decode(trade_frame("1", "1")),
    ):
        with pytest.raises(ProtocolError, match="BTCUSDT"):
            read()


def test_a_depth_answer_of_another_symbol_is_refused() -> None:
    codec = Codec(COINM, [guess(COINM, "BTCUSD_PERP", 1, 0)])
    body = b'{"lastUpdateId":5,"symbol":"ETHUSD_PERP","pair":"ETHUSD","T":1,"bids":[["4","1"]],"asks":[["5","2"]]}'
    with pytest.raises(ProtocolError, match="ETHUSD_PERP"):
        codec.snapshot("BTCUSD_PERP", body)


def test_streams_that_are_asked_for_are_decoded() -> None:
    """Every stream name a market subscribes to has a decoder and a source; nothing is asked for in vain."""
    samples = {"depth": depth_frame("5", "1"), "trade": trade_frame("5", "1"), "bookTicker": quote_frame("5", "1")}
    samples |= {"ticker": TICKER.encode(), "markPrice": MARK.encode()}
    samples["aggTrade"] = trade_frame("5", "1", ',"a":9,"f":3,"l":4').replace(b'"e":"trade"', b'"e":"aggTrade"')
    for market in MARKETS.values():
        symbol = "BTCUSD_PERP" if market.inverse else "BTCUSDT"
        codec = Codec(market, [guess(market, symbol, 2, 8)])
        kinds = set()
        for stream in market.streams(symbol, "100ms"):
            kind = stream.partition("@")[2].partition("@")[0]
            kinds.add(kind)
            frame = re.sub(rb'"stream":"[^"]*"', b'"stream":"' + stream.encode() + b'"', samples[kind])
            event, source = codec.decode(frame.replace(b'"BTCUSDT"', b'"' + symbol.encode() + b'"'))
            assert source == market.source(stream)
            if kind == "aggTrade":
                assert isinstance(event, Trade)
                assert (event.id, event.count, event.aggregate) == (9, 2, True)
        assert kinds == {"depth", market.trade_stream, "bookTicker", "ticker"} | (
            {"markPrice"} if market.futures else set()
        )


def test_reference_is_strict() -> None:
    """The reference itself must not let through what it is to catch."""
    for text in ("1.001", "-1"):
        with pytest.raises(AssertionError):
            count(text, 2)
    with pytest.raises(InvalidOperation):
        count("x", 2)
    assert [count(t, d) for t, d in (("1.10", 2), ("0.00000001", 8), ("61837", 0))] == [110, 1, 61837]
    assert list(chain(levels([("1", "2")], guess(SPOT, "BTCUSDT", 1, 1)))) == [(10, 20)]
