"""What is told of what is stored: gaps, agreement, export, removal, pivots."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from engine.errors import ImportRefused
from engine.market.pivots import Structure, pivots
from engine.types import Timeframe
from storage.interchange import exporting, holes, pruning, swings
from storage.interchange.verifying import Comparison, verify
from tests.storage.interchange.support import START, Shelf, bars, closes, equal, only, table

KEY = "binance:BTC/USDT"
SAID = {"venue": "binance", "symbol": "BTC/USDT", "timeframe": "1m"}
EVERYTHING = {"start_ms": 0, "end_ms": START * 2}


def nothing(*_: object) -> None:
    """Say nothing."""


def gaps(shelf: Shelf, **asked: str) -> list[holes.SeriesGaps]:
    return list(holes.gaps(shelf.connection, shelf.cold, holes.listed(shelf.connection, **asked)))


def compared(shelf: Shelf) -> list[Comparison]:
    return list(verify(shelf.connection, shelf.cold, holes.listed(shelf.connection), nothing))


@pytest.mark.parametrize(
    ("name", "first", "missing", "distance"),
    [
        ("2021-04_05", "2021-04-25T04:01", 284, "4h45"),
        ("2021-09_10", "2021-09-29T07:00", 120, "2h01"),
        ("2023-03_05", "2023-03-24T12:40", 80, "1h21"),
    ],
)  # fmt: skip
def test_outages_of_the_exchange(
    shelf: Shelf, recordings_root_path: Path, name: str, first: str, missing: int, distance: str
) -> None:
    shelf.bring(recordings_root_path / "candles-1m-binance-spot" / name)
    for series in gaps(shelf):
        (gap,) = series.gaps
        assert str(np.datetime64(gap.first, "ms"))[:16] == first
        assert (gap.missing, gap.why) == (missing, holes.INSIDE)
        assert f"{gap.distance_s // 3600}h{gap.distance_s % 3600 // 60:02}" == distance
        assert (gap.before - gap.after) // 1000 == gap.distance_s
        assert (gap.last - gap.first) // 60_000 + 1 == missing


def test_hours_that_are_missing_since_2017(shelf: Shelf, recordings_root_path: Path) -> None:
    shelf.bring(recordings_root_path / "candles-1h-binance-spot/nic-btc-2017_2024")
    (series,) = gaps(shelf)
    assert (len(series.gaps), sum(gap.missing for gap in series.gaps)) == (28, 128)
    assert max(gap.missing for gap in series.gaps) == 33
    (listed,) = shelf.archive.series()
    assert (listed.rows, listed.gaps, listed.missing) == (58_419, 28, 128)


def test_gaps_between_files_are_no_outage(shelf: Shelf, tmp_path: Path) -> None:
    for number in (0, 1):
        shelf.bring(table(bars(5, start=START + number * 600_000), tmp_path / f"{number}.csv"), **SAID)
    (series,) = gaps(shelf, source="csv")
    assert [(gap.missing, gap.why) for gap in series.gaps] == [(5, holes.BETWEEN)]
    assert gaps(shelf, instrument="binance:ETH/USDT") == []


def test_agreeing_sources_agree_and_every_disagreement_is_told(shelf: Shelf, tmp_path: Path) -> None:
    start = START // 300_000 * 300_000
    minutes = bars(600, start=start)
    shelf.bring(table(minutes, tmp_path / "a.csv"), **SAID, source="a")
    fives = []
    for i in range(0, 600, 5):
        parts = [tuple(map(float, row.split(","))) for row in minutes[i : i + 5]]
        fives.append(
            f"{int(parts[0][0])},{parts[0][1]!r},{max(p[2] for p in parts)!r},{min(p[3] for p in parts)!r},"
            f"{parts[-1][4]!r},{sum(p[5] for p in parts)!r}"
        )
    shelf.bring(table(fives, tmp_path / "5.csv"), **{**SAID, "timeframe": "5m"}, source="b")
    assert [(each.compared, each.differing) for each in compared(shelf)] == [(120, 0)]
    wrong = minutes.copy()
    for place, cell, by in ((7, 5, 1.0), (300, 2, 0.5), (301, 2, 0.25)):
        cells = wrong[place].split(",")
        cells[cell] = repr(float(cells[cell]) + by)
        wrong[place] = ",".join(cells)
    shelf.bring(table(wrong, tmp_path / "c.csv"), **SAID, source="c")
    sources, built = [each for each in compared(shelf) if each.differing]
    assert (sources.built, sources.compared, sources.differing) == (False, 600, 3)
    told = [
        (each.at - start, each.field, round(each.right_value - each.left_value, 9)) for each in sources.disagreements
    ]
    assert told == [
        (7 * 60_000, "volume", 1.0), (300 * 60_000, "high", 0.5), (301 * 60_000, "high", 0.25),
    ]  # fmt: skip
    assert (built.built, built.left, built.right) == (True, "1m import:c", "5m import:b")
    assert [(each.at - start, each.field) for each in built.disagreements] == [
        (300_000, "volume"),
        (18_000_000, "high"),
    ]


def test_recorded_minutes_make_the_recorded_fives(shelf: Shelf, recordings_root_path: Path) -> None:
    folder = recordings_root_path / "candles-1m-binance-spot/2025-05_08"
    shelf.bring(*sorted(folder.glob("ETH*.feather")))
    assert {each.compared: each.differing for each in compared(shelf)} == {26_141: 0, 8713: 0}


def test_a_minute_opens_with_its_first_trade(shelf: Shelf, recordings_root_path: Path) -> None:
    """In the first second of 23:57 nobody traded: its bar carries the price before it, and opens no minute."""
    shelf.bring(recordings_root_path / "hftbacktest-binance-ws/cm/btcusd_perp_20240808.gz")
    assert [(each.left, each.compared, each.differing) for each in compared(shelf)] == [("1s import:recording", 4, 0)]


@pytest.mark.parametrize("format", exporting.FORMATS)
def test_what_is_exported_can_be_imported_again(
    shelf: Shelf, tmp_path: Path, recordings_root_path: Path, format: str
) -> None:
    shelf.bring(recordings_root_path / "binance-vision-zips/spot-klines-BTCUSDT-1h-2024-10-28.zip")
    path = tmp_path / exporting.name_of(KEY, "1h", format)
    done = exporting.candles(shelf.archive, KEY, Timeframe.H1, path, format, **EVERYTHING, progress=nothing)
    assert (done.rows, Path(done.path).exists()) == (24, True)
    assert list(tmp_path.glob(".*")) == []
    given = shelf.archive.candles(KEY, Timeframe.H1)
    other = Shelf(tmp_path / "other")
    try:
        assert only(other.bring(path)).new == 24
        found = other.archive.candles(KEY, Timeframe.H1)
    finally:
        other.close()
    names = ["open_ms", "open", "high", "low", "close", "volume", "known_at"]
    names += [] if format.startswith("freqtrade") else ["quote_volume", "taker_buy", "trades", "complete"]
    for name in names:
        assert equal(getattr(found, name), getattr(given, name)), name


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_trades_can_be_exported_and_imported_again(
    shelf: Shelf, tmp_path: Path, recordings_root_path: Path, format: str
) -> None:
    shelf.bring(recordings_root_path / "binance-spot-20201101T09/ETHBTC_trades.json")
    path = tmp_path / f"trades.{format}"
    done = exporting.trades(
        shelf.connection,
        shelf.cold,
        "binance:ETH/BTC",
        path,
        format,
        start_ms=1604221200000,
        end_ms=1604225800000,
        progress=nothing,
    )
    assert done.rows == 1736
    query = "SELECT aggregate, trade_id, ts, price, size, sell, count, ts_sent, known_at FROM trades ORDER BY trade_id"
    other = Shelf(tmp_path / "other")
    try:
        assert only(other.bring(path)).new == 1736
        assert other.rows(query) == shelf.rows(query)
    finally:
        other.close()


def test_ranges_and_nothing(shelf: Shelf, tmp_path: Path) -> None:
    shelf.bring(table(bars(20), tmp_path / "x.csv"), **SAID)
    path = tmp_path / "out.parquet"
    done = exporting.candles(
        shelf.archive,
        KEY,
        Timeframe.M1,
        path,
        "parquet",
        start_ms=START + 300_000,
        end_ms=START + 600_000,
        progress=nothing,
    )
    assert (done.rows, done.first, done.last) == (5, START + 300_000, START + 540_000)
    assert pl.read_parquet(path.read_bytes()).height == 5
    with pytest.raises(ImportRefused, match="nothing to export"):
        exporting.candles(
            shelf.archive, KEY, Timeframe.M1, tmp_path / "no.csv", "csv", start_ms=0, end_ms=600_000, progress=nothing
        )
    assert not (tmp_path / "no.csv").exists()


def test_an_import_can_be_removed_and_brought_again(shelf: Shelf, tmp_path: Path) -> None:
    path = table(bars(200), tmp_path / "x.csv")
    empty = [line for line in shelf.dump() if "instruments" not in line]
    shelf.bring(path, **SAID)
    shelf.pivots()
    chosen = pruning.Chosen(instrument=KEY, timeframe="1m", source="csv")
    assert pruning.count(shelf.connection, chosen) == pruning.Removed(rows=200, files=1)
    assert pruning.remove(shelf.connection, chosen) == pruning.Removed(rows=200, files=1)
    shelf.pivots()
    assert [line for line in shelf.dump() if "instruments" not in line] == empty
    with pytest.raises(ImportRefused, match="has no import 'csv'"):
        pruning.remove(shelf.connection, chosen)
    assert only(shelf.bring(path, **SAID)).new == 200


def test_imported_trades_can_be_removed(shelf: Shelf, recordings_root_path: Path) -> None:
    shelf.bring(recordings_root_path / "binance-spot-20201101T09/ETHBTC_trades.json")
    chosen = pruning.Chosen(instrument="binance:ETH/BTC", timeframe="trades", source="events")
    assert pruning.remove(shelf.connection, chosen) == pruning.Removed(rows=1736, files=1)
    assert shelf.rows("SELECT * FROM trades") == shelf.rows("SELECT * FROM imports") == []


def stored_pivots(shelf: Shelf, timeframe: str) -> list[tuple[object, ...]]:
    query = (
        "SELECT confirmed_ms, ts_ms, level, high, price, known_at FROM pivots WHERE timeframe = ? ORDER BY 1, 2, 3, 4"
    )
    return shelf.rows(query, timeframe)


def test_pivots_of_imports_are_those_of_the_whole_series(shelf: Shelf, recordings_root_path: Path) -> None:
    folder = recordings_root_path / "candles-1m-binance-spot"
    shelf.bring(folder / "2024-07_08/BTC_USDT-1m.feather")
    assert shelf.pivots() > 10_000
    before = stored_pivots(shelf, "1m")
    shelf.bring(folder / "2021-11_12/BTC_USDT-1m.json")  # older bars: they are worked out anew
    shelf.pivots()
    whole = shelf.archive.candles(KEY, Timeframe.M1)
    log, end = pivots(whole)
    expected = zip(
        log.confirmed_ms.tolist(),
        log.ts_ms.tolist(),
        log.level.tolist(),
        log.high.tolist(),
        log.price.tolist(),
        log.known_at.tolist(),
        strict=True,
    )
    assert stored_pivots(shelf, "1m") == sorted(tuple(map(float, row)) for row in expected)
    assert len(stored_pivots(shelf, "1m")) > len(before) + 10_000
    ((until, state),) = shelf.rows("SELECT until_ms, state FROM pivot_states WHERE timeframe = '1m'")
    # An engine goes on from it with the bars that it holds in memory.
    structure = Structure.restore(state)
    assert until == structure.until_ms == whole.open_ms[-swings.IN_MEMORY - 1]
    structure.extend(whole[-swings.IN_MEMORY :])
    assert structure.state() == end.state()
    assert {timeframe for (timeframe,) in shelf.rows("SELECT DISTINCT timeframe FROM pivots")} == {
        "1m",
        "5m",
        "15m",
        "1h",
        "4h",
    } | {"1d"}
    assert swings.due(shelf.connection) == []


def test_pivots_that_an_engine_confirmed_are_never_taken_back(shelf: Shelf, tmp_path: Path) -> None:
    shelf.bring(table(bars(100), tmp_path / "x.csv"), **SAID)
    shelf.pivots()
    number = shelf.rows("SELECT id FROM instruments")[0][0]
    shelf.connection.execute(
        "INSERT INTO series (instrument_id, timeframe, source, rank) VALUES (?, '1m', 'trades', 10)", (number,)
    )
    own = (number, "1m", 1, START + 7, START + 3, 1, 5.0, 1)
    shelf.connection.execute("INSERT INTO pivots VALUES (?, ?, ?, ?, ?, ?, ?, ?)", own)
    shelf.bring(table(bars(100, start=START + 6_000_000), tmp_path / "y.csv"), **SAID)
    shelf.pivots()
    assert own in shelf.rows("SELECT * FROM pivots")
    assert len(closes(shelf)) == 200
