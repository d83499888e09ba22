"""CSV files, right and wrong."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path
from types import SimpleNamespace

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import ImportRefused
from storage.interchange import sifting
from storage.interchange.batch import Hints, Parsed
from storage.interchange.formats import delimited
from storage.interchange.formats.delimited import text_table
from storage.interchange.identity import Identity
from tests.storage.interchange.support import START, bars, table

BTC = Hints(venue="binance", symbol="BTC/USDT", timeframe="1m")


def read(path: Path, hints: Hints = BTC) -> Parsed:
    parsed = delimited.read(path, hints)
    taken = sum(len(each) + each.duplicates + each.conflicts for each in parsed.candles + parsed.trades)  # type: ignore[operator]
    assert parsed.rows == taken + parsed.refusals.count + parsed.skipped.total()
    return parsed


def reasons(parsed: Parsed) -> dict[str, int]:
    return dict(parsed.refusals.kinds)


@pytest.mark.parametrize(
    "head",
    [
        "timestamp,open,high,low,close,volume", "Date,Open,High,Low,Close,Vol", "\ufeffopen_time,o,h,l,c,v",
        '"unix","open","high","low","close","volume"', "",
    ],
)  # fmt: skip
def test_headers_by_many_names_and_none(tmp_path: Path, head: str) -> None:
    (candles,) = read(table(bars(20), tmp_path / "x.csv", head)).candles
    assert candles.ohlcv.open_ms.tolist() == [START + 60_000 * i for i in range(20)]
    assert candles.ohlcv.known_at[0] == (START + 60_000) * 10**6
    assert candles.ohlcv.complete.all()


def test_columns_in_any_order_with_others_between(tmp_path: Path) -> None:
    rows = [
        f"x,{v},{c},{low},{h},{o},{int(t) // 1000},y" for t, o, h, low, c, v in (row.split(",") for row in bars(12))
    ]
    given = read(table(bars(12), tmp_path / "a.csv")).candles[0].ohlcv
    found = read(table(rows, tmp_path / "b.csv", "note,volume,close,low,high,open,unix,more")).candles[0].ohlcv
    for name in ("open_ms", "open", "high", "low", "close", "volume"):
        assert getattr(found, name).tolist() == getattr(given, name).tolist()
    named = Hints(
        **{
            **{n: getattr(BTC, n) for n in ("venue", "symbol", "timeframe")},
            "columns": ("-", "volume", "close", "low", "high", "open", "time", "-"),
        }
    )
    assert len(read(table(rows, tmp_path / "c.csv", ""), named).candles[0]) == 12


def test_lines_that_end_as_old_spreadsheets_end_them(tmp_path: Path) -> None:
    path = table(bars(5), tmp_path / "x.csv")
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r"))
    assert len(read(path).candles[0]) == 5


def test_lines_that_only_some_readers_know_end_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("#a\r#b\r#c\x0b#d\u2028#e\n" + "\n".join(bars(5)))
    assert len(read(path).candles[0]) == 5
    path.write_bytes(b"#a\x0b#b\x0b#c\x0b1,2,3,4,5,6")
    with pytest.raises(ImportRefused):
        read(path)


def test_decimal_commas_part_no_cells_and_are_no_numbers(tmp_path: Path) -> None:
    rows = [row.replace(",", ";").replace(".", ",") for row in bars(5)]
    assert reasons(read(table(rows, tmp_path / "x.csv", "timestamp;open;high;low;close;volume"))) == {
        "open is not a number": 5
    }


def test_what_lies_in_the_future_is_refused_and_what_has_not_ended_is_not_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    minute = START + 90 * 60_000
    monkeypatch.setattr(sifting, "clock", SimpleNamespace(time_ns=lambda: minute * 10**6 + 59_999_000_000))
    parsed = read(table([*bars(5), *bars(5, start=minute), *bars(2, start=4_000_000_020_000)], tmp_path / "x.csv"))
    (candles,) = parsed.candles
    running = [bool(each) for each in candles.ohlcv.complete]
    assert running == [True] * 5 + [False]
    assert reasons(parsed)["time is in the future"] == 6


@pytest.mark.parametrize("known", [0, 1, START + 60_000, 2**62])
def test_no_file_can_have_a_candle_known_before_it_ended_or_never(tmp_path: Path, known: int) -> None:
    rows = [f"{row},{known}" for row in bars(3)]
    head = "timestamp,open,high,low,close,volume,known_at"
    (candles,) = read(table(rows, tmp_path / "x.csv", head)).candles
    assert candles.ohlcv.known_at.tolist() == [(START + 60_000 * (i + 1)) * 10**6 for i in range(3)]


def test_figures_beyond_reason_are_refused(tmp_path: Path) -> None:
    rows = bars(8)
    at, o, h, low, c, v = rows[1].split(",")
    rows[1:4] = [f"{at},{o},1e300,{low},{c},{v}", f"{at},{o},{h},1e-300,{c},{v}", f"{at},{o},{h},{low},{c},1e300"]
    assert reasons(read(table(rows, tmp_path / "x.csv"))) == {
        "high is beyond reason": 1, "low is beyond reason": 1, "volume is beyond reason": 1,
    }  # fmt: skip


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_delimiters(tmp_path: Path, delimiter: str) -> None:
    head = "timestamp,open,high,low,close,volume".replace(",", delimiter)
    path = table([row.replace(",", delimiter) for row in bars(5)], tmp_path / "x.csv", head)
    assert len(read(path).candles[0]) == 5


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, zstandard.ZstdCompressor().compress])
def test_packed(tmp_path: Path, pack: object) -> None:
    plain = table(bars(30), tmp_path / "x.csv")
    packed = tmp_path / "x.csv.packed"
    packed.write_bytes(pack(plain.read_bytes()))  # type: ignore[operator]
    assert len(read(packed).candles[0]) == 30
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(ImportRefused, match="torn"):
        read(packed)


def test_every_rule_has_its_reason(tmp_path: Path) -> None:
    at = [START + 60_000 * i for i in range(20)]
    rows = [
        f"{at[0]},10,11,9,10,1",
        f"{at[1]},10,9,11,10,1",
        f"{at[2]},10.5,10,9,9.5,1",
        f"{at[3]},9.5,10,9,10.5,1",
        f"{at[4]},9,11,9.5,10,1",
        f"{at[5]},10,11,9.5,9,1",
        f"{at[6]},10,11,9,10,-1",
        f"{at[7]},-10,11,9,10,1",
        f"{at[8]},nan,11,9,10,1",
        f"{at[9]},10,inf,9,10,1",
        f"{at[10]},10,11,,10,1",
        f"{at[11]},10,11,9,abc,1",
        f"{at[12]},10,11,9,10,",
        f"{at[13] + 1},10,11,9,10,1",
        "yesterday,10,11,9,10,1",
        f"{at[15]},0,11,0,10,1",
    ]
    parsed = read(table(rows, tmp_path / "x.csv"))
    assert len(parsed.candles[0]) == 1
    assert reasons(parsed) == {
        "high is below low": 1, "high is below open": 1, "high is below close": 1, "low is above open": 1,
        "low is above close": 1, "volume is negative": 1, "open is not positive": 2, "open is not a number": 1,
        "high is not a number": 1, "low is not a number": 1, "close is not a number": 1, "volume is not a number": 1,
        "time is not a multiple of 1m": 1, "no time": 1,
    }  # fmt: skip
    first = next(row for row in parsed.refusals.rows if row.reason.startswith("high is below low"))
    assert (first.row, first.reason, first.text) == (3, "high is below low: 9 < 11", rows[1])


def test_repeats_and_disorder(tmp_path: Path) -> None:
    rows = bars(10)
    other = rows[4].rsplit(",", 1)[0] + ",77"
    parsed = read(table([*reversed(rows), rows[2], other], tmp_path / "x.csv"))
    (candles,) = parsed.candles
    assert (len(candles), candles.duplicates, candles.conflicts) == (10, 1, 1)
    assert (candles.ohlcv.open_ms[1:] > candles.ohlcv.open_ms[:-1]).all()
    assert candles.ohlcv.volume[4] != 77  # the first that was said stays


def test_prices_in_another_unit_are_refused(tmp_path: Path) -> None:
    rows = [*bars(50), *bars(7, start=START + 50 * 60_000, price=100_000.0), *bars(50, start=START + 57 * 60_000)]
    parsed = read(table(rows, tmp_path / "x.csv"))
    assert reasons(parsed) == {"price leaps by a power of ten: another unit?": 7}
    assert len(parsed.candles[0]) == 100
    later = [*bars(50), *bars(60, start=START + 10**9 // 60_000 * 60_000, price=1000.0)]
    assert not reasons(read(table(later, tmp_path / "y.csv")))  # over a hole a price may grow


def test_seconds_and_milliseconds_in_one_file_are_told_apart_and_said(tmp_path: Path) -> None:
    rows = bars(10)
    rows[5:] = [f"{int(row.split(',')[0]) // 1000},{row.partition(',')[2]}" for row in rows[5:]]
    parsed = read(table(rows, tmp_path / "x.csv"))
    assert len(parsed.candles[0]) == 10
    assert parsed.notes == ["times in s and ms"]


def test_local_times_beside_utc_are_said(tmp_path: Path) -> None:
    rows = [f"{row},2023-11-15 0{i}:14:00" for i, row in enumerate(bars(5))]
    parsed = read(table(rows, tmp_path / "x.csv", "timestamp,open,high,low,close,volume,datetime"))
    assert len(parsed.candles[0]) == 5
    assert "column c6 differs from c0 in 5 rows" in parsed.notes[0]


def test_lines_of_other_widths_are_refused_with_their_numbers(tmp_path: Path) -> None:
    rows = bars(6)
    parsed = read(table([*rows[:2], "1,2,3", *rows[2:4], rows[4] + ",1,2,3", rows[5]], tmp_path / "x.csv"))
    assert len(parsed.candles[0]) == 5
    assert [(row.row, row.reason) for row in parsed.refusals.rows] == [
        (4, "not as many fields as columns: 3 instead of 6"),
        (7, "not as many fields as columns: 9 instead of 6"),
    ]


def test_a_line_before_the_header(tmp_path: Path) -> None:
    path = table(
        [
            "unix,date,open,high,low,close,Volume BTC,Volume USDT",
            *(f"{r.split(',')[0]},x,{r.partition(',')[2]},9" for r in bars(5)),
        ],
        tmp_path / "x.csv",
        "https://www.example.org",
    )
    (candles,) = read(path).candles
    assert candles.ohlcv.quote_volume.tolist() == [9.0] * 5


def test_volume_in_quote_currency_is_nobodys_base_volume(tmp_path: Path) -> None:
    hints = Hints(venue="ftx", symbol="BTC/USD:USD", timeframe="1m", volume="quote")
    (candles,) = read(table(bars(5), tmp_path / "x.csv"), hints).candles
    assert candles.ohlcv.quote_volume.tolist() == [1, 2, 3, 1, 2]
    assert not (candles.ohlcv.volume == candles.ohlcv.volume).any()


def test_ranges(tmp_path: Path) -> None:
    hints = Hints(
        venue="binance", symbol="BTC/USDT", timeframe="1m", since="2023-11-14T22:16", until="2023-11-14 22:20:00"
    )
    parsed = read(table(bars(10), tmp_path / "x.csv"), hints)
    assert len(parsed.candles[0]) == 4
    assert parsed.skipped == {"outside since and until": 6}
    with pytest.raises(ImportRefused, match="since 'then'"):
        read(
            table(bars(10), tmp_path / "x.csv"), Hints(venue="binance", symbol="BTC/USDT", timeframe="1m", since="then")
        )


def test_several_series_in_one_file(tmp_path: Path) -> None:
    rows = [f"{row},{name}" for name in ("BTCUSDT", "ETHUSDT") for row in bars(5)]
    parsed = read(
        table(rows, tmp_path / "x.csv", "timestamp,open,high,low,close,volume,symbol"), Hints(venue="binance")
    )
    assert [each.instrument for each in parsed.candles] == ["binance:BTC/USDT", "binance:ETH/USDT"]
    assert {each.timeframe for each in parsed.candles} == {"1m"}  # told by the distance of the rows


@pytest.mark.parametrize(
    ("text", "said", "why"),
    [
        ("a,b,c,d\n1,2,3,4\n", {}, "neither candles"),
        ("1,2,3,4,5\n" * 5, {}, "no header, and 5 columns"),
        ("\n".join(",".join(reversed(row.split(","))) for row in bars(20)), {}, "make no sense"),
        ("\n".join(bars(5)), {"columns": ("time", "open")}, "names 2 columns, and the file has 6"),
        ("\n".join(bars(5)), {"venue": ""}, "give --venue binance"),
        ("\n".join(bars(5)), {"symbol": ""}, "give --symbol BTC/USDT"),
        ("\n".join(bars(5)), {"symbol": "B!/USDT"}, "--symbol 'B!/USDT'"),
        ("\n".join(bars(5)), {"timeframe": "fortnight"}, "--timeframe 'fortnight'"),
        ("\n".join(bars(20, step=300_000, start=START // 300_000 * 300_000)), {}, "less than 300 s apart"),
        ("\n".join(bars(5)), {"source": "../x"}, "--source '../x'"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_refused_with_what_to_give(
    tmp_path: Path, text: str, said: dict[str, str], why: str
) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    hints = {"venue": "binance", "symbol": "BTC/USDT", "timeframe": "1m", **said}
    with pytest.raises(ImportRefused, match=why.replace("(", r"\(")):
        delimited.read(path, Hints(**hints))


def test_empty_files_have_no_rows(tmp_path: Path) -> None:
    for text in ("", "\n\n", "timestamp,open,high,low,close,volume\n"):
        path = tmp_path / "x.csv"
        path.write_text(text)
        parsed = read(path)
        assert (parsed.rows, parsed.candles) == (0, [])


def test_a_timeframe_that_is_not_stored_is_counted(tmp_path: Path) -> None:
    parsed = read(
        table(bars(5, step=180_000, start=START // 180_000 * 180_000), tmp_path / "x.csv"),
        Hints(venue="binance", symbol="BTC/USDT", timeframe="3m"),
    )
    assert parsed.skipped == {"3m is not a timeframe that is stored": 5}


CELL = st.one_of(
    st.floats().map(repr), st.integers().map(str), st.text(st.characters(blacklist_categories=["Cs"]), max_size=8)
)


@settings(max_examples=150)
@given(st.lists(st.lists(CELL, min_size=4, max_size=8).map(",".join), min_size=1, max_size=15))
def test_whatever_the_rows_all_are_accounted_for(lines: list[str]) -> None:
    data = "\n".join(["time,open,high,low,close,volume", *lines]).encode("utf-8", "surrogatepass")
    parsed = Parsed("csv")
    try:
        text_table(parsed, data, Identity(), BTC, "csv")
    except ImportRefused:
        return
    taken = sum(len(each) + each.duplicates + each.conflicts for each in parsed.candles)
    assert parsed.rows == taken + parsed.refusals.count + parsed.skipped.total()
    for each in parsed.candles:
        rows = each.ohlcv
        assert (rows.low > 0).all()
        assert (rows.high >= rows.open).all()
        assert (rows.low <= rows.close).all()
        assert (rows.open_ms % 60_000 == 0).all()


@given(st.floats(1e-9, 1e9), st.integers(0, 10**6))
def test_numbers_are_the_floats_nearest_to_their_text(price: float, lots: int) -> None:
    row = f"{START},{price!r},{price!r},{price!r},{price!r},{lots / 1000}"
    parsed = Parsed("csv")
    text_table(parsed, f"time,open,high,low,close,volume\n{row}".encode(), Identity(), BTC, "csv")
    assert parsed.candles[0].ohlcv.close[0] == price
    assert parsed.candles[0].ohlcv.volume[0] == lots / 1000
