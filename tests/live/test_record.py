"""What is recorded live over loopback replays to the same state."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from engine.digest import state_hash
from engine.replay import Recording, Replay
from tests.support.processes import until

TRADETUI = [sys.executable, "-m", "tradetui"]
SYMBOLS = ["--symbol", "ETH/USDT", "--symbol", "BTC/USDT", "--symbol", "binanceusdm:BTC/USDT:USDT"]


def replayed(folder: Path) -> Replay:
    replay = Replay(Recording([folder]))
    replay.run()
    return replay


@pytest.mark.alone
def test_replay_of_a_recording_has_the_live_runs_state_hash(exchange_config: Path, tmp_path: Path) -> None:
    tape, report = tmp_path / "tape", tmp_path / "live.json"
    options = ["--config", str(exchange_config), "--duration", "8", "--report", str(report)]
    subprocess.run([*TRADETUI, "record", str(tape), *SYMBOLS, *options], check=True, capture_output=True, timeout=60)
    live: dict[str, Any] = json.loads(report.read_bytes())
    assert live["refused"] == live["overflow"] == 0
    assert len(live["streams"]) == 3
    feeds = {feed["source"]: feed for feed in live["feeds"]}
    assert set(feeds) == {"binance", "binanceusdm/public", "binanceusdm/market"}
    assert all(feed["up"] and feed["frames"] and not feed["reconnects"] for feed in feeds.values())
    for stream in live["streams"].values():
        assert stream["live"]
        assert stream["quote_check"]["matched"] == stream["quote_check"]["checked"] > 10
    replay = replayed(tape)
    assert state_hash(replay.state) == live["state_hash"]
    assert replay.recording.notes() == []
    history = live["streams"]["binance:ETH/USDT"]
    assert len(history["bars_1m"]) > 1000
    assert live["latency"]["p99_ms"] < 50


def test_sigterm_ends_a_recording_in_order(exchange_config: Path, tmp_path: Path) -> None:
    tape, report = tmp_path / "tape", tmp_path / "live.json"
    options = ["--config", str(exchange_config), "--report", str(report), "--symbol", "ETH/USDT"]
    engine = subprocess.Popen([*TRADETUI, "record", str(tape), *options], stderr=subprocess.DEVNULL)
    wait_for_bytes(tape)
    time.sleep(1.5)
    engine.send_signal(signal.SIGTERM)
    assert engine.wait(20) == 0
    assert state_hash(replayed(tape).state) == json.loads(report.read_bytes())["state_hash"]


@pytest.mark.alone
def test_kill_loses_at_most_what_was_not_yet_on_disk(exchange_config: Path, tmp_path: Path) -> None:
    tape = tmp_path / "tape"
    options = ["--config", str(exchange_config), "--symbol", "ETH/USDT"]
    engine = subprocess.Popen([*TRADETUI, "record", str(tape), *options], stderr=subprocess.DEVNULL)
    wait_for_bytes(tape)
    time.sleep(4)
    engine.kill()
    killed = time.time_ns()
    engine.wait()
    replay = replayed(tape)
    assert killed - replay.position < 2.5e9
    assert replay.state.markets["binance:ETH/USDT"].sync.live


def wait_for_bytes(folder: Path) -> None:
    until(lambda: any(path.stat().st_size for path in folder.rglob("*.gz")), "the first bytes of a recording")
