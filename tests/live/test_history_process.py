"""An engine's own process, over sockets: its venue's candle requests fail, MEXC's stand in, and `status` says so."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from tests.support.exchange.process import exchange_process
from tests.support.processes import BlockingClient, EngineProcess, until

SERIES = "binance:BTC/USDT", "1m"


def candles(address: str, kind: str) -> None:
    urllib.request.urlopen(f"{address}/control/candles/{kind}", timeout=5).close()


def serving(engine: EngineProcess) -> dict[str, Any]:
    with BlockingClient(engine.places.socket) as client:
        health = client.ask(type="get", id=1, topic="health")["data"]
    found = [each for each in health["history"] if (each["instrument"], each["timeframe"]) == SERIES]
    return found[0] if found else {"source": "", "rows": 0, "stand_in": "", "failed": ""}


def test_status_says_who_serves_the_candles(recordings_root_path: Path, tmp_path: Path) -> None:
    tape = recordings_root_path / "hftbacktest-binance-ws" / "spot"
    with exchange_process(tape, symbols="BTCUSDT") as (_, address):
        candles(address, "object")
        config = tmp_path / "config.toml"
        config.write_text(
            f'[data_provider]\nsymbols = ["BTC/USDT"]\ntimeframes = ["1m"]\nstand_ins = ["mexc"]\n'
            f'[venues.binance]\nrest = ["{address}/spot"]\nws = ["{address.replace("http", "ws", 1)}/spot"]\n'
            f'[venues.mexc]\nrest = ["{address}/mexc"]\n'
        )
        engine = EngineProcess(tmp_path, config)
        try:
            engine.ready(1)
            until(lambda: serving(engine)["rows"] >= 999, "a stand-in", 60)
            found = serving(engine)
            assert (found["source"], found["stand_in"], found["missing"]) == ("mexc", "mexc", 0)
            assert found["failed"].startswith("venue: klines answer")
            told = subprocess.run(
                [sys.executable, "-m", "tradetui", "status"],
                capture_output=True, text=True, env=engine.environment, check=False, timeout=30,
            )  # fmt: skip
            (line,) = [line.split() for line in told.stdout.splitlines() if line.startswith("binance:BTC/USDT  1m ")]
            assert (line[2], line[-1]) == ("mexc", "0"), told
            assert "not had, 1 of 1: venue: klines answer" in told.stdout
            assert "HISTORY_FALLBACK" in told.stdout
        finally:
            engine.stop()
