"""What a file is, and what is not let in."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import zstandard

from engine.errors import ImportRefused
from storage.interchange import packed
from storage.interchange.batch import Hints
from storage.interchange.recognise import FORMATS, format_of, read
from tests.storage.interchange.support import bars, table

HINTS = Hints(venue="binance", symbol="BTC/USDT", timeframe="1m")


def zipped(path: Path, **members: bytes | str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "."), data)
    return path


class Bomb:
    """Would be run by whoever opens the pickle: a folder would be there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("name", ["x.pkl", "x.pickle", "BTC_USDT-1m.feather", "x.csv", "x"])
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_pickle_is_refused_whatever_its_name_and_never_opened(tmp_path: Path, name: str, protocol: int) -> None:
    path, bomb = tmp_path / name, Bomb(tmp_path / "opened")
    path.write_bytes(pickle.dumps(bomb, protocol))
    with pytest.raises(ImportRefused, match=r"pickle can run any code.*Parquet or CSV"):
        format_of(path)
    path.write_bytes(gzip.compress(pickle.dumps(bomb, protocol)))
    with pytest.raises(ImportRefused, match="pickle can run any code"):
        format_of(path)
    assert not bomb.folder.exists()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (os.urandom(5000), "of no format that is known; tried archive, freqtrade, csv"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5 is not read"),
        (b"FEA1" + bytes(100), "Feather of version 1"),
        (b"hello\nworld\n", "of no format"),
        (b"PK\x03\x04" + bytes(50), "no whole zip"),
        (b"\x7fELF" + bytes(500), "of no format"),
    ],
)  # fmt: skip
def test_unknown_formats_say_what_was_tried(tmp_path: Path, data: bytes, why: str) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(data)
    with pytest.raises(ImportRefused, match=why):
        format_of(path)


@pytest.mark.parametrize("format", [name for name in FORMATS if name != "recording"])
def test_no_reader_breaks_on_junk(tmp_path: Path, format: str) -> None:
    for number, data in enumerate(
        [
            b"",
            b"\x00" * 300,
            os.urandom(3000),
            b"ARROW1" + os.urandom(999),
            b"PAR1" + os.urandom(999) + b"PAR1",
            b"SQLite format 3\x00" + os.urandom(4096),
            b"[[1,2],",
            b'{"a": ',
            b"[" * 100_000,
        ]
    ):
        path = tmp_path / f"x{number}"
        path.write_bytes(data)
        try:
            parsed = read([path], format, HINTS)
        except ImportRefused:
            continue
        assert not parsed.candles


def test_a_zip_that_unpacks_to_too_much_is_not_unpacked(tmp_path: Path) -> None:
    path = zipped(tmp_path / "BTCUSDT-1m-2024-10.zip", **{"BTCUSDT-1m-2024-10__csv": b"0" * 50_000_000})
    with pytest.raises(ImportRefused, match="unpacks to more than"):
        read([path], "archive", HINTS)


def test_a_zip_that_lies_about_its_size_is_stopped(tmp_path: Path) -> None:
    path = zipped(tmp_path / "BTCUSDT-1m-2024-10.zip", **{"BTCUSDT-1m-2024-10__csv": b"0" * 50_000_000})
    data = bytearray(path.read_bytes())
    for place in (22, data.rindex(b"PK\x01\x02") + 24):
        data[place : place + 4] = (1000).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(ImportRefused, match=r"no whole zip|unpacks to more"):
        read([path], "archive", HINTS)


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: zstandard.compress(data, 19)])
def test_packed_bombs_are_stopped(tmp_path: Path, pack: object, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(pack(b"1,2,3,4,5,6\n" * 5_000_000))  # type: ignore[operator]
    monkeypatch.setattr(packed, "SMALL", 1 << 20)
    with pytest.raises(ImportRefused, match="unpacks to more than"):
        read([path], "csv", HINTS)


def test_a_torn_zip(tmp_path: Path) -> None:
    text = "\n".join(bars(2000)).encode()
    path = zipped(tmp_path / "BTCUSDT-1m-2024-10.zip", **{"BTCUSDT-1m-2024-10__csv": text})
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(ImportRefused, match="no whole zip"):
        format_of(path)


def test_a_locked_zip_and_one_without_tables(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", readme__txt="hello")
    with pytest.raises(ImportRefused, match="no CSV in it"):
        format_of(path)
    buffer = io.BytesIO(zipped(tmp_path / "BTCUSDT-1m-2024-10.zip", **{"BTCUSDT-1m-2024-10__csv": "1"}).read_bytes())
    data = bytearray(buffer.getvalue())
    data[6] |= 1  # says that it is encrypted
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    locked = tmp_path / "BTCUSDT-1m-2024-11.zip"
    locked.write_bytes(data)
    with pytest.raises(ImportRefused, match="cannot be opened"):
        read([locked], "archive", HINTS)


def test_a_zip_of_a_plain_table(tmp_path: Path) -> None:
    text = "timestamp,open,high,low,close,volume\n" + "\n".join(bars(30))
    path = zipped(tmp_path / "download.zip", **{"kraken_BTC-USD_1m__csv": text})
    assert format_of(path) == "zip"
    (candles,) = read([path], "zip", Hints()).candles
    assert candles.name == "kraken:BTC/USD 1m import:csv"


def test_formats_of_recorded_files(recordings_root_path: Path) -> None:
    found = {
        "candles-1m-binance-spot/2021-04_05/BTC_USDT-1m.json": "json",
        "candles-1m-binance-spot/2024-07_08/BTC_USDT-1m.feather": "feather",
        "candles-1m-binance-spot/2022/BTCUSDT_1m.csv": "csv",
        "candles-1m-usdc-depeg-2023-03/kraken/BTCUSDC_1m.csv": "csv",
        "binance-vision-zips/spot-klines-BTCUSDT-1h-2024-10-28.zip": "archive",
        "lean-crypto/crypto/coinbase/second/btcusd/20161007_trade.zip": "lean",
        "lean-crypto/crypto/bitfinex/hour/btcusd_trade.zip": "lean",
        "octobot-sqlite-2017_2018/BTC_USDT.data": "octobot",
        "hftbacktest-binance-ws/spot/btcusdt_20240808.gz": "recording",
        "bitmex-lob10-20200310/trades.csv.gz": "csv",
        "binance-spot-20201101T09/BTCUSDT_trades.json": "json",
    }
    assert {name: format_of(recordings_root_path / name) for name in found} == found


def test_an_unreadable_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match="cannot be read"):
        format_of(tmp_path / "nothing.csv")
    with pytest.raises(ImportRefused, match="--format 'dbase'"):
        read([table([], tmp_path / "x.csv")], "dbase", HINTS)
