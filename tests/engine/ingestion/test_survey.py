"""What a recording holds, recognised from its messages alone."""

from __future__ import annotations

import gzip
from pathlib import Path

import msgspec
import pytest

from engine.errors import RecordingUnusable
from engine.ingestion import envelope
from engine.ingestion.envelope import Note
from engine.ingestion.markets import COINM, SPOT, USDM
from engine.ingestion.survey import Contents, Survey
from engine.orders import Rules, units
from engine.replay import Recording, Replay
from tests.engine.support import frames


def write(path: Path, *messages: bytes, start: int = 1_723_161_600_000_000_000) -> Path:
    path.write_bytes(gzip.compress(b"".join(b"%d %s\n" % (start + n * 1000, m) for n, m in enumerate(messages))))
    return path


@pytest.mark.parametrize(
    ("folder", "venue", "scales"),
    [
        ("spot", "binance", {"BTCUSDT": (2, 8), "ETHUSDT": (2, 8)}),
        ("usdm", "binanceusdm", {"BTCUSDT": (1, 3), "ETHUSDT": (2, 3)}),
        ("cm", "binancecoinm", {"BTCUSD_PERP": (1, 0), "ETHUSD_PERP": (2, 0)}),
    ],
)
def test_recorded_markets_are_recognised(folder: str, venue: str, scales: dict, recordings: Path) -> None:
    contents = Contents(sorted((recordings / folder).glob("*.gz")))
    assert {market for market, _ in contents.instruments} == {venue}
    found = {symbol: (i.price_decimals, i.size_decimals) for (_, symbol), i in contents.instruments.items()}
    assert found == scales
    # The recordings hold `trade` on every market, so it feeds the bars there too.
    assert set(contents.trade_streams.values()) == {"trade"}
    for survey in contents.files:
        assert survey.start > 1_723_161_200_000_000_000
        assert survey.symbol in scales


def test_every_frame_of_a_recording_fits_the_scales_found_in_its_beginning(recordings: Path) -> None:
    """The sample must be enough: not one later frame is refused for being finer."""
    for name in ("spot/ethusdt_20240809.gz", "usdm/btcusdt_20240808.gz", "cm/ethusd_perp_20240808.gz"):
        replay = Replay(Recording([recordings / name]))
        replay.run(limit=30_000)
        assert not {reason: n for reason, n in replay.refusals.reasons.items() if "finer" in reason}


def test_a_short_sample_of_one_kind_is_enough(recordings: Path, tmp_path: Path) -> None:
    for folder, market, kinds in (
        ("spot/btcusdt", SPOT, (b"@depth", b"@trade", b"@bookTicker")),
        ("usdm/btcusdt", USDM, (b"@depth", b"@trade", b"@bookTicker")),
        ("cm/btcusd_perp", COINM, (b"@depth", b"@trade", b"@bookTicker")),
    ):
        messages = [m for _, m in frames(recordings / f"{folder}_20240808.gz", 1500)]
        for kind in kinds:
            part = [m for m in messages if kind in m[:50]][:20]
            survey = Survey(write(tmp_path / "part.gz", *part), 0)
            survey.look(None)
            assert survey.market is market, (folder, kind)
            survey.look(SPOT)
            assert survey.market is SPOT


def test_an_exchange_info_note_tells_market_scales_and_stream(tmp_path: Path) -> None:
    entry = (
        b'{"symbols":[{"symbol":"BTCUSDT","baseAsset":"BTC","quoteAsset":"USDT","quantityPrecision":4,'
        b'"filters":[{"filterType":"PRICE_FILTER","tickSize":"0.50"}]}]}'
    )
    note = Note(e="exchangeInfo", source="binanceusdm", symbol="BTCUSDT", body=msgspec.Raw(entry))
    contents = Contents([write(tmp_path / "x.gz", envelope.encode(note))])
    (instrument,) = contents.instruments.values()
    assert (instrument.key, instrument.tick, instrument.price_decimals, instrument.size_decimals) == (
        "binanceusdm:BTC/USDT:USDT",
        5,
        1,
        4,
    )
    assert contents.trade_streams == {instrument.key: "aggTrade"}
    assert contents.rules == {}


def test_an_exchange_info_note_tells_the_rules_of_orders(tmp_path: Path) -> None:
    entry = (
        b'{"symbols":[{"symbol":"BTCUSDT","baseAsset":"BTC","quoteAsset":"USDT","quantityPrecision":3,"filters":['
        b'{"filterType":"PRICE_FILTER","tickSize":"0.10"},{"filterType":"MIN_NOTIONAL","notional":"100"},'
        b'{"filterType":"LOT_SIZE","stepSize":"0.001","minQty":"0.001","maxQty":"1000"}]}]}'
    )
    note = Note(e="exchangeInfo", source="binanceusdm", symbol="BTCUSDT", body=msgspec.Raw(entry))
    recording = Recording([write(tmp_path / "x.gz", envelope.encode(note))])
    key = "binanceusdm:BTC/USDT:USDT"
    told = Rules(
        tick=units("0.1"),
        step=units("0.001"),
        min_quantity=units("0.001"),
        max_quantity=units("1000"),
        min_notional=units("100"),
    )
    assert recording.contents.rules == {key: told}
    replay = Replay(recording)
    assert replay.state.markets[key].rules == told
    market = replay.state.markets[key]
    replay.run()
    assert replay.state.markets[key] is market
    assert market.rules == told


def test_bars_follow_the_usual_stream_where_both_were_recorded(tmp_path: Path) -> None:
    trade = b'{"stream":"btcusdt@%s","data":{"e":"%s","E":1,"s":"BTCUSDT","p":"1.5","q":"2.25","T":1,"M":true}}'
    for kinds, expected in ((("trade", "aggTrade"), "trade"), (("aggTrade",), "aggTrade"), (("depth",), "trade")):
        messages = [trade.replace(b"%s", kind.encode()) for kind in kinds]
        contents = Contents([write(tmp_path / "x.gz", *messages)])
        assert set(contents.trade_streams.values()) == {expected}


DAMAGE = {
    "a snapshot of numbers": b'{"lastUpdateId":1,"bids":5,"asks":6}',
    "a snapshot of bare prices": b'{"lastUpdateId":1,"bids":[["1.5"]],"asks":[]}',
    "a snapshot of nulls": b'{"lastUpdateId":1,"bids":[[null,null]],"asks":null}',
    "a snapshot cut off": b'{"lastUpdateId":1,"bids":[["1.5","2',
    "a level of three": b'{"stream":"btcusdt@depth","data":{"b":[["1","2","3"]],"a":[]}}',
    "a level of one": b'{"stream":"btcusdt@depth","data":{"b":[["1"]],"a":[]}}',
    "a level of numbers": b'{"stream":"btcusdt@depth","data":{"b":[[1,2]],"a":[]}}',
    "no levels": b'{"stream":"btcusdt@depth","data":{"b":5,"a":[]}}',
    "data that is a number": b'{"stream":"btcusdt@trade","data":5}',
    "data that is null": b'{"stream":"btcusdt@trade","data":null}',
    "no data": b'{"stream":"btcusdt@trade"}',
    "a price that is null": b'{"stream":"btcusdt@trade","data":{"p":null,"q":"1"}}',
    "deep nesting": b'{"stream":"btcusdt@trade","data":' + b"[" * 100_000,
    "deep nesting in a snapshot": b'{"lastUpdateId":1,"bids":' + b"[" * 100_000,
    "bytes that are no text": b'{"stream":"btcusdt@trade","data":{"p":"\xff\xfe","q":"1"}}',
    "an exchangeInfo of nothing": envelope.encode(
        Note(e="exchangeInfo", source="binance", symbol="BTCUSDT", body=msgspec.Raw(b"{}"))
    ),
    "an exchangeInfo without a tick": envelope.encode(
        Note(
            e="exchangeInfo",
            source="binance",
            symbol="BTCUSDT",
            body=msgspec.Raw(b'{"symbols":[{"symbol":"BTCUSDT","baseAsset":"BTC","quoteAsset":"USDT"}]}'),
        )
    ),
    "a note cut off": envelope.PREFIX + b',"data":{"e":"exch',
    "a note of deep nesting": envelope.PREFIX + b',"data":' + b"[" * 100_000,
    "klines of an unknown interval": envelope.encode(
        Note(e="klines", symbol="BTCUSDT", interval="7x", body=msgspec.Raw(b"[]"))
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_lines_are_passed_over(damage: str, recordings: Path, tmp_path: Path) -> None:
    """A recording with a damaged line opens and plays; without a good line it says that it is unusable."""
    good = [m for _, m in frames(recordings / "spot/btcusdt_20240808.gz", 30)]
    path = write(tmp_path / "x.gz", *good[:10], DAMAGE[damage], *good[10:])
    contents = Contents([path])
    assert set(contents.instruments) == {("binance", "BTCUSDT")}
    replay = Replay(Recording([path]))
    assert replay.run() == 31
    assert replay.state.markets["binance:BTC/USDT"].sync.live
    refusal = ""
    try:
        Contents([write(tmp_path / "y.gz", DAMAGE[damage])])
    except RecordingUnusable as error:
        refusal = str(error)
    assert not refusal or "y.gz" in refusal


def test_nothing_usable_is_said_with_the_expected_format(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(b"hello\nworld\n")
    with pytest.raises(RecordingUnusable, match=r"<ns> <message>"):
        Contents([path])
