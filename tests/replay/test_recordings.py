"""The recorded quarter hours through the whole path, held against what the exchange itself says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

FACTS = {
    "spot": {
        "binance:BTC/USDT": (6495, 19904, 73174, 50093696318, 61602.01, 61602.02),
        "binance:ETH/USDT": (6470, 14515, 58758, 35346924199, 2677.60, 2677.61),
    },
    "usdm": {
        "binanceusdm:BTC/USDT:USDT": (6551, 21313, 66089, 5123135475514, 61659.7, 61659.8),
        "binanceusdm:ETH/USDT:USDT": (6586, 14076, 53992, 5123135545737, 2681.38, 2681.39),
    },
    "cm": {
        "binancecoinm:BTC/USD:BTC": (26847, 2286, 19136, 1007202248021, 61668.6, 61668.7),
        "binancecoinm:ETH/USD:ETH": (22909, 1732, 15812, 1007202247937, 2682.01, 2682.02),
    },
}


def replay(recording: Path, report: Path, *options: str, hash_seed: str = "0") -> dict[str, Any]:
    """Run the command as a user would, in a process of its own."""
    command = [sys.executable, "-m", "tradetui", "--headless", "--replay", str(recording), "--report", str(report)]
    flags = ["--no-inference", "--no-training", "--no-trading", *options]
    if "--speed" not in options:
        flags += ["--speed", "max"]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    subprocess.run([*command, *flags], check=True, env=environment, capture_output=True, timeout=100)
    result: dict[str, Any] = json.loads(report.read_bytes())
    return result


@pytest.fixture(scope="module")
def reports(recordings_root_path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("reports")
    root = recordings_root_path / "hftbacktest-binance-ws"
    return {name: replay(root / name, folder / f"{name}.json") for name in FACTS}


@pytest.mark.parametrize("name", FACTS)
def test_counts_and_final_books_are_those_of_the_recording(name: str, reports: dict[str, dict[str, Any]]) -> None:
    streams = reports[name]["streams"]
    assert set(streams) == set(FACTS[name])
    for key, (depth, trades, quotes, update_id, bid, ask) in FACTS[name].items():
        stream = streams[key]
        assert (stream["depth_updates"], stream["trades"], stream["quotes"]) == (depth, trades, quotes)
        assert (stream["snapshots"], stream["gaps"], stream["resyncs"], stream["crossed"]) == (1, 0, 0, 0)
        book = stream["book"]
        assert (book["update_id"], book["best_bid"], book["best_ask"]) == (update_id, bid, ask)
        assert stream["live"] is True
        assert stream["failures"] == stream["bar_revisions"] == stream["trade_gaps"] == 0


@pytest.mark.parametrize("name", FACTS)
def test_best_prices_agree_with_the_venues_own_quotes(name: str, reports: dict[str, dict[str, Any]]) -> None:
    for stream in reports[name]["streams"].values():
        check = stream["quote_check"]
        assert check["checked"] > 0.99 * stream["depth_updates"]
        share = check["matched"] / check["checked"]
        assert share >= 0.999 if name == "spot" else share == 1.0


@pytest.mark.parametrize(("key", "file"), [("binance:BTC/USDT", "BTC"), ("binance:ETH/USDT", "ETH")])
def test_minutes_equal_the_venues_candles(
    key: str, file: str, reports: dict[str, dict[str, Any]], recordings_root_path: Path
) -> None:
    bars = reports["spot"]["streams"][key]["bars_1m"]
    assert len(bars) == 10
    path = recordings_root_path / "candles-1m-binance-spot" / "2024-07_08" / f"{file}_USDT-1m.feather"
    candles = {int(row["date"].timestamp() * 1000): row for row in pl.read_ipc(path).iter_rows(named=True)}
    for open_ms, *values, _trades in bars:
        candle = candles[open_ms]
        assert values == [candle[name] for name in ("open", "high", "low", "close", "volume")]


def test_seconds_add_up_to_their_minute(reports: dict[str, dict[str, Any]]) -> None:
    for stream in reports["spot"]["streams"].values():
        seconds = {bar[0]: bar for bar in stream["bars_1s"]}
        for minute in stream["bars_1m"]:
            inside = [seconds[minute[0] + 1000 * i] for i in range(60)]
            assert sum(Decimal(str(bar[5])) for bar in inside) == Decimal(str(minute[5]))
            assert sum(bar[6] for bar in inside) == minute[6]
            traded = [bar for bar in inside if bar[6]]
            assert (traded[0][1], traded[-1][4]) == (minute[1], minute[4])


def test_state_hash_does_not_depend_on_process_or_hash_seed(
    reports: dict[str, dict[str, Any]], recordings_root_path: Path, tmp_path: Path
) -> None:
    spot = recordings_root_path / "hftbacktest-binance-ws" / "spot"
    again = replay(spot, tmp_path / "again.json", hash_seed="4711")
    assert again["state_hash"] == reports["spot"]["state_hash"]


def test_state_hash_is_the_same_after_a_seek(
    reports: dict[str, dict[str, Any]], recordings_root_path: Path, tmp_path: Path
) -> None:
    spot = recordings_root_path / "hftbacktest-binance-ws" / "spot"
    sought = replay(spot, tmp_path / "sought.json", "--seek", "2024-08-09T00:01:00")
    assert sought["state_hash"] == reports["spot"]["state_hash"]


def test_a_time_outside_names_what_there_is(recordings_root_path: Path, tmp_path: Path) -> None:
    spot = recordings_root_path / "hftbacktest-binance-ws" / "spot"
    command = [sys.executable, "-m", "tradetui", "--headless", "--replay", str(spot), "--speed", "max"]
    done = subprocess.run([*command, "--seek", "2031-01-01T00:00:00"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "2024-08-08T23:54:13" in done.stderr
    assert "2024-08-09T00:05:04" in done.stderr
    assert "Traceback" not in done.stderr
