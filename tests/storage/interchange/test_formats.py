"""Each format on recorded files: the figures are those of the recordings' own notes."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from engine.errors import ImportRefused
from engine.types import Timeframe
from storage.interchange.batch import Hints, Parsed
from storage.interchange.formats import archive, delimited, freqtrade, lean, octobot, parquet, tapes
from tests.storage.interchange.support import START, bars, equal, table

NONE = Hints()


def counts(parsed: Parsed) -> list[tuple[str, int]]:
    return [(each.name, len(each)) for each in (*parsed.candles, *parsed.trades)]


# Binance's archive. --------------------------------------------------------------------------------------------------


def test_archive_klines_of_spot_and_futures(recordings_root_path: Path) -> None:
    folder = recordings_root_path / "binance-vision-zips"
    spot = archive.read(folder / "spot-klines-BTCUSDT-1h-2024-10-28.zip", NONE)
    futures = archive.read(folder / "futures-um-klines-BTCUSDT-1h-2024-10-28.zip", NONE)
    assert counts(spot) == [("binance:BTC/USDT 1h import:archive", 24)]
    assert counts(futures) == [("binanceusdm:BTC/USDT:USDT 1h import:archive", 24)]
    rows = spot.candles[0].ohlcv
    first = (rows.open[0], rows.high[0], rows.low[0], rows.close[0], rows.volume[0], rows.quote_volume[0])
    assert first == (68021.69, 68116.78, 67839.9, 67859.91, 555.35912, 37756129.8195325)
    assert (rows.trades[0], rows.taker_buy[0]) == (145_225, 281.12098)


def test_archive_aggregate_trades(recordings_root_path: Path) -> None:
    parsed = archive.read(recordings_root_path / "binance-vision-zips/spot-PEPEUSDT-aggTrades-2024-10-27.zip", NONE)
    (trades,) = parsed.trades
    assert (trades.instrument, trades.aggregate, len(trades)) == ("binance:PEPE/USDT", True, 57_229)
    assert (trades.ids[0], trades.price[0], trades.size[0], trades.ts[0]) == (
        60953854,
        9.08e-06,
        3591711.0,
        1729987202368 * 10**6,
    )
    assert trades.sell[:2].tolist() == [False, True]
    assert (np.diff(trades.ids) == 1).all()


def zipped(path: Path, member: str, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as made:
        made.writestr(member, text)
    return path


def test_archive_microseconds_folders_and_trades(tmp_path: Path) -> None:
    row = f"{START * 1000},10,11,9,10,5,{(START + 60_000) * 1000 - 1},50,7,2,20,0"
    name = "BTCUSDT-1m-2025-01"
    path = zipped(tmp_path / f"data/spot/monthly/klines/BTCUSDT/1m/{name}.zip", f"{name}.csv", row)
    (candles,) = archive.read(path, NONE).candles
    assert (candles.instrument, candles.ohlcv.open_ms[0]) == ("binance:BTC/USDT", START)
    path = zipped(tmp_path / f"{name}.zip", f"{name}.csv", row)
    with pytest.raises(ImportRefused, match="--venue binance or --venue binanceusdm"):
        archive.read(path, NONE)
    assert archive.read(path, Hints(venue="binanceusdm")).candles[0].instrument == "binanceusdm:BTC/USDT:USDT"
    name = "BTCUSDT-trades-2025-01-01"
    rows = f"7,10.5,2,21,{START * 1000 + 5},True,True\n8,10.5,0.5,5.25,{START * 1000 + 6},False,True"
    path = zipped(tmp_path / f"spot-{name}.zip", f"{name}.csv", rows)
    (trades,) = archive.read(path, NONE).trades
    assert (trades.aggregate, trades.ids.tolist(), trades.sell.tolist()) == (False, [7, 8], [True, False])
    assert trades.ts[0] == START * 10**6 + 5000


def test_archive_volumes_of_inverse_markets_are_contracts(tmp_path: Path) -> None:
    row = f"{START},10,11,9,10,500,{START + 59_999},0.7,7,200,0.3,0"
    path = zipped(tmp_path / "BTCUSD_PERP-1m-2024-10.zip", "BTCUSD_PERP-1m-2024-10.csv", row)
    (candles,) = archive.read(path, NONE).candles
    rows = candles.ohlcv
    assert (candles.instrument, rows.volume[0], rows.taker_buy[0]) == ("binancecoinm:BTC/USD:BTC", 500, 200)
    assert np.isnan(rows.quote_volume[0])  # the column holds base asset there


# Freqtrade. -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "rows", "first"),
    [
        ("candles-1m-binance-spot/2021-04_05/BTC_USDT-1m.json", 42_915, "2021-04-20T20:42"),
        ("candles-1m-binance-spot/2024-07_08/BTC_USDT-1m.feather", 43_209, "2024-07-26T14:15"),
        ("candles-1h-binance-spot/nic-btc-2017_2024/BTC_USDT-1h.feather", 58_419, "2017-08-17T04:00"),
    ],
)  # fmt: skip
def test_freqtrade_files_are_binance_s(recordings_root_path: Path, name: str, rows: int, first: str) -> None:
    path = recordings_root_path / name
    read = freqtrade.read_json if path.suffix == ".json" else freqtrade.read_feather
    parsed = read(path, NONE)
    (candles,) = parsed.candles
    assert (candles.instrument, candles.source, len(candles)) == ("binance:BTC/USDT", "import:freqtrade", rows)
    assert str(np.datetime64(int(candles.ohlcv.open_ms[0]), "ms"))[:16] == first
    assert (parsed.refusals.count, parsed.rows) == (0, rows)


def test_json_and_feather_of_the_same_are_the_same(tmp_path: Path, recordings_root_path: Path) -> None:
    path = recordings_root_path / "candles-1m-binance-spot/2024-07_08/ETH_USDT-1m.feather"
    frame = pl.read_ipc(path.read_bytes()).head(500)
    rows = list(
        zip(frame["date"].dt.epoch("ms").to_list(), *(frame[name].to_list() for name in frame.columns[1:]), strict=True)
    )
    (tmp_path / "ETH_USDT-1m.json").write_bytes(msgspec.json.encode(rows))
    frame.write_parquet(tmp_path / "ETH_USDT-1m.parquet")
    frame.with_columns(date=pl.col("date").dt.epoch("s")).write_csv(tmp_path / "ETH_USDT-1m.csv")
    given = freqtrade.read_feather(path, NONE).candles[0].ohlcv[:500]
    others = [
        freqtrade.read_json(tmp_path / "ETH_USDT-1m.json", NONE), parquet.read(tmp_path / "ETH_USDT-1m.parquet", NONE),
        delimited.read(tmp_path / "ETH_USDT-1m.csv", Hints(venue="binance")),
    ]  # fmt: skip
    for other in others:
        (candles,) = other.candles
        assert candles.instrument == "binance:ETH/USDT"
        for name in ("open_ms", "open", "high", "low", "close", "volume", "known_at"):
            assert equal(getattr(candles.ohlcv, name), getattr(given, name))


def test_json_with_damage_is_taken_apart(tmp_path: Path) -> None:
    rows = [[START + 60_000 * i, 10.0, 11.0, 9.0, 10.0, 1.0] for i in range(6)]
    broken = [
        *rows[:2],
        [START],
        "x",
        {"a": 1},
        [START + 360_000, None, 11, 9, 10, 1],
        [START + 420_000, float("nan"), 11, 9, 10, 1],
        *rows[2:],
    ]
    path = tmp_path / "BTC_USDT-1m.json"
    path.write_text(json.dumps(broken))
    parsed = freqtrade.read_json(path, NONE)
    assert (parsed.rows, len(parsed.candles[0]), parsed.refusals.count) == (11, 6, 5)
    for text in (json.dumps(rows)[:-30], "[]", '{"bids": [], "asks": []}', "[1, 2]", '{"a": [1], "b": [2]}'):
        path.write_text(text)
        if text == "[]":
            assert freqtrade.read_json(path, NONE).notes == ["no rows"]
            continue
        with pytest.raises(ImportRefused):
            freqtrade.read_json(path, NONE)


def test_klines_as_rest_gives_them(tmp_path: Path) -> None:
    path = tmp_path / "klines_BTCUSDT_1m.json"
    path.write_text(json.dumps([[START, "10", "11", "9", "10", "5", START + 59_999, "50", 7, "2", "20", "0"]]))
    (candles,) = freqtrade.read_json(path, Hints(venue="binance")).candles
    assert (candles.name, candles.ohlcv.trades[0]) == ("binance:BTC/USDT 1m import:json", 7)


def test_a_torn_feather_and_other_kinds_of_freqtrade_rows(tmp_path: Path, recordings_root_path: Path) -> None:
    whole = (recordings_root_path / "candles-1m-binance-spot/2024-07_08/BTC_USDT-1m.feather").read_bytes()
    path = tmp_path / "BTC_USDT-1m.feather"
    for cut in (100, len(whole) // 2, len(whole) - 10):
        path.write_bytes(whole[:cut])
        with pytest.raises(ImportRefused, match="torn or of another kind"):
            freqtrade.read_feather(path, NONE)
    path = tmp_path / "BTC_USDT_USDT-8h-funding_rate.feather"
    path.write_bytes(whole)
    with pytest.raises(ImportRefused, match="funding rate rows are no candles"):
        freqtrade.read_feather(path, NONE)
    path = tmp_path / "futures" / "BTC_USDT_USDT-1m-futures.feather"
    path.parent.mkdir()
    path.write_bytes(whole)
    assert freqtrade.read_feather(path, NONE).candles[0].instrument == "binanceusdm:BTC/USDT:USDT"


# Parquet. -------------------------------------------------------------------------------------------------------------


def test_foreign_parquet(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {"timestamp": pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2024, 1, 1, 1), "1m", eager=True)}
    ).with_columns(open=10.0, high=11.0, low=9.0, close=10.5, volume=3)
    path = tmp_path / "ETHUSDT_1m.parquet"
    frame.write_parquet(path)
    with pytest.raises(ImportRefused, match="venue cannot be told: give --venue binance"):
        parquet.read(path, NONE)
    assert counts(parquet.read(path, Hints(venue="bybit"))) == [("bybit:ETH/USDT 1m import:parquet", 61)]
    frame.drop("close").write_parquet(path)
    with pytest.raises(ImportRefused, match=r"neither candles \(no close\)"):
        parquet.read(path, Hints(venue="bybit"))
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ImportRefused, match="torn"):
        parquet.read(path, NONE)


# LEAN. ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [pl.List(pl.Float64), pl.Binary, pl.Duration("us"), pl.Struct({"a": pl.Float64})])
def test_columns_that_hold_no_numbers_are_refused_by_name(tmp_path: Path, kind: pl.DataType) -> None:
    frame = pl.DataFrame({name: [1.0, 2.0] for name in ("date", "high", "low", "close", "volume")})
    path = tmp_path / "ETHUSDT_1m.parquet"
    frame.with_columns(pl.Series("open", [None, None], dtype=kind)).write_parquet(path)
    with pytest.raises(ImportRefused, match="column open holds"):
        parquet.read(path, Hints(venue="bybit"))


def test_categories_are_read_as_texts(tmp_path: Path) -> None:
    path = tmp_path / "ETHUSDT_1m.csv"
    head, *rows = table(bars(5), path).read_text().splitlines()
    cells = zip(*(row.split(",") for row in rows), strict=True)
    frame = pl.DataFrame({n: pl.Series(c, dtype=pl.Categorical) for n, c in zip(head.split(","), cells, strict=True)})
    frame.write_parquet(tmp_path / "ETHUSDT_1m.parquet")
    assert counts(parquet.read(tmp_path / "ETHUSDT_1m.parquet", Hints(venue="bybit")))[0][1] == 5


@pytest.mark.parametrize(
    ("name", "series", "rows", "first"),
    [
        ("crypto/coinbase/second/btcusd/20161007_trade.zip", "coinbase:BTC/USD 1s", 4063, "2016-10-07T00:00:04"),
        ("crypto/coinbase/minute/btceur/20180404_trade.zip", "coinbase:BTC/EUR 1m", 949, "2018-04-04T00:00:00"),
        ("crypto/bitfinex/hour/btcusd_trade.zip", "bitfinex:BTC/USD 1h", 733, "2013-10-01T00:00:00"),
        ("crypto/coinbase/daily/btcusd_trade.zip", "coinbase:BTC/USD 1d", 1318, "2014-12-01T00:00:00"),
        ("cryptofuture/binance/minute/btcusd/20221213_trade.zip", "binancecoinm:BTC/USD:BTC 1m", 1439, "2022-12-13"),
        ("cryptofuture/bybit/minute/btcusdt/20221213_trade.zip", "bybit:BTC/USDT:USDT 1m", 721, "2022-12-13T00:00:00"),
    ],
)  # fmt: skip
def test_lean(recordings_root_path: Path, name: str, series: str, rows: int, first: str) -> None:
    parsed = lean.read(recordings_root_path / "lean-crypto" / name, NONE)
    assert counts(parsed) == [(f"{series} import:lean", rows)]
    assert str(np.datetime64(int(parsed.candles[0].ohlcv.open_ms[0]), "ms"))[:19].startswith(first)


def test_lean_quotes_and_odd_places_are_refused(recordings_root_path: Path, tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match="quote bars"):
        lean.read(recordings_root_path / "lean-crypto/crypto/coinbase/daily/btcusd_quote.zip", NONE)
    path = zipped(tmp_path / "20161007_trade.zip", "20161007_btcusd_minute_trade.csv", "0,1,2,1,1,1")
    with pytest.raises(ImportRefused, match="keep the folders"):
        lean.read(path, NONE)
    path = zipped(tmp_path / "crypto/coinbase/minute/btcusd/trade.zip", "btcusd.csv", "0,1,2,1,1,1")
    with pytest.raises(ImportRefused, match="no day in its name"):
        lean.read(path, NONE)
    path = zipped(
        tmp_path / "crypto/coinbase/minute/btcusd/20161007_trade.zip",
        "20161007_btcusd_minute_trade.csv",
        "0,1,2,1,1,1\n86400000,1,2,1,1,1",
    )
    parsed = lean.read(path, NONE)
    assert (len(parsed.candles[0]), dict(parsed.refusals.kinds)) == (1, {"no time": 1})  # tomorrow is another file


# OctoBot. -------------------------------------------------------------------------------------------------------------


def test_octobot(recordings_root_path: Path) -> None:
    parsed = octobot.read(recordings_root_path / "octobot-sqlite-2017_2018/BTC_USDT.data", NONE)
    assert {each.name.split()[1]: len(each) for each in parsed.candles} == {
        "1m": 502, "5m": 500, "15m": 500, "1h": 500, "4h": 500, "1d": 255,
    }  # fmt: skip
    assert parsed.rows == 5388 == sum(map(len, parsed.candles)) + parsed.skipped.total()
    assert parsed.skipped["30m is not a timeframe that is stored"] == 500
    day = next(each for each in parsed.candles if each.timeframe is Timeframe.D1)
    assert day.ohlcv.complete[:-1].all()
    assert not day.ohlcv.complete[-1]  # it was collected at noon
    assert (day.ohlcv.open[0], day.ohlcv.volume[0]) == (4261.48, 795.150377)


def test_other_databases_are_refused_and_damage_is_counted(tmp_path: Path, recordings_root_path: Path) -> None:
    path = tmp_path / "x.data"
    with sqlite3.connect(path) as made:
        made.execute("CREATE TABLE notes (text)")
    with pytest.raises(ImportRefused, match="not OctoBot's: tables notes"):
        octobot.read(path, NONE)
    path.write_bytes((recordings_root_path / "octobot-sqlite-2017_2018/BTC_USDT.data").read_bytes())
    with sqlite3.connect(path) as made:
        made.execute(
            "UPDATE ohlcv SET candle = 'x' WHERE rowid IN (SELECT rowid FROM ohlcv WHERE time_frame = '1h' LIMIT 2)"
        )
        made.execute(
            "UPDATE ohlcv SET candle = '[1, 2]' WHERE rowid = (SELECT min(rowid) FROM ohlcv WHERE time_frame = '1d')"
        )
        made.execute("UPDATE description SET timestamp = 'yesterday'")
    before = path.read_bytes()
    assert octobot.read(path, NONE).refusals.kinds == {"no time": 3}
    assert path.read_bytes() == before
    path.write_bytes(before[:100_000])
    with pytest.raises(ImportRefused, match="no whole OctoBot file"):
        octobot.read(path, NONE)


# Events. --------------------------------------------------------------------------------------------------------------


def test_events_of_a_venue(recordings_root_path: Path) -> None:
    folder = recordings_root_path / "binance-spot-20201101T09"
    parsed = freqtrade.read_json(folder / "ETHBTC_trades.json", NONE)
    (trades,) = parsed.trades
    assert (trades.instrument, trades.aggregate, len(trades)) == ("binance:ETH/BTC", True, 1736)
    assert (trades.ids[0], trades.price[0], trades.size[0], trades.sell[0]) == (178113193, 0.028182, 2.02, False)
    assert (trades.ts[0], trades.ts_sent[0]) == (1604221202527 * 10**6, 1604221202529 * 10**6)
    with pytest.raises(ImportRefused, match="events of depthUpdate: neither candles nor trades"):
        freqtrade.read_json(folder / "ETHBTC_update.json", NONE)
    with pytest.raises(ImportRefused, match="order book of one moment"):
        freqtrade.read_json(folder / "ETHBTC_snapshot.json", NONE)


def test_events_with_damage(tmp_path: Path) -> None:
    good = {"e": "trade", "s": "BTCUSDT", "t": 5, "p": "10", "q": "1", "T": START, "m": True, "M": True}
    bad = [{"p": "x"}, {"q": "-1"}, {"t": "five"}, {"m": None}, {"T": 0}]
    path = tmp_path / "events.json"
    path.write_text(json.dumps([good, {**good, "t": 6}, *({**good, **each} for each in bad), 7, {"e": "depthUpdate"}]))
    parsed = freqtrade.read_json(path, NONE)
    assert (len(parsed.trades[0]), parsed.refusals.count, parsed.skipped.total(), parsed.rows) == (2, 6, 1, 9)
    path.write_text(json.dumps([{name: value for name, value in good.items() if name != "M"}]))
    with pytest.raises(ImportRefused, match="give --venue"):  # futures, or somebody else's
        freqtrade.read_json(path, NONE)


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5) | st.just(START),
    lambda each: (
        st.lists(each, max_size=7) | st.dictionaries(st.sampled_from([*"espqTtamM", "open", "close", "time"]), each)
    ),
    max_leaves=20,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(VALUES)
@example([{"e": []}])
def test_whatever_the_json_all_entries_are_accounted_for(tmp_path: Path, value: object) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(value), encoding="utf-8", errors="surrogatepass")
    try:
        parsed = freqtrade.read_json(path, Hints(venue="binance", symbol="BTC/USDT", timeframe="1m"))
    except ImportRefused:
        return
    taken = sum(len(each) + each.duplicates + each.conflicts for each in (*parsed.candles, *parsed.trades))
    assert parsed.rows == taken + parsed.refusals.count + parsed.skipped.total()


def test_trades_without_ids(recordings_root_path: Path) -> None:
    hints = Hints(
        venue="bitmex", symbols={"XBTUSD": "BTC/USD:BTC", "ETHUSD": "ETH/USD:BTC"},
        columns=("symbol", "time", "millisecond", "price", "size", "-", "side"),
    )  # fmt: skip
    path = recordings_root_path / "bitmex-lob10-20200310/trades.csv.gz"
    first, again = delimited.read(path, hints), delimited.read(path, hints)
    assert [each.instrument for each in first.trades] == ["bitmex:BTC/USD:BTC", "bitmex:ETH/USD:BTC"]
    assert sum(map(len, first.trades)) == first.rows == 10_000
    for one, other in zip(first.trades, again.trades, strict=True):
        assert (one.ids < 0).all()
        assert equal(one.ids, other.ids)


# Recordings. ----------------------------------------------------------------------------------------------------------


def test_a_recording_gives_trades_and_the_bars_the_engine_makes(recordings_root_path: Path) -> None:
    folder = recordings_root_path / "hftbacktest-binance-ws/spot"
    parsed = tapes.read([folder / "ethusdt_20240808.gz", folder / "ethusdt_20240809.gz"], NONE)
    (trades,) = parsed.trades
    assert (len(trades), trades.aggregate) == (14_515, False)
    assert (np.diff(trades.ids) == 1).all()
    minutes = next(each for each in parsed.candles if each.timeframe is Timeframe.M1).ohlcv
    venue = freqtrade.read_feather(
        recordings_root_path / "candles-1m-binance-spot/2024-07_08/ETH_USDT-1m.feather", NONE
    )
    same = venue.candles[0].ohlcv
    same = same.take(np.isin(same.open_ms, minutes.open_ms))
    assert len(minutes) == 10
    for name in ("open", "high", "low", "close", "volume"):
        assert equal(getattr(minutes, name), getattr(same, name))
    assert next(len(each) for each in parsed.candles if each.timeframe is Timeframe.S1) == 649


def test_messages_of_other_venues_are_no_recording(recordings_root_path: Path, tmp_path: Path) -> None:
    with pytest.raises(ImportRefused):
        tapes.read([recordings_root_path / "hftbacktest-binance-ws/hyperliquid/btcusd_20250126.gz"], NONE)
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join(bars(3)))
    with pytest.raises(ImportRefused):
        tapes.read([path], Hints(venue="kraken"))
