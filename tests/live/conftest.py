"""The recorded exchange in a process of its own, on loopback."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def exchange_config(recordings_root_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A settings file that points every market at a recorded exchange, which runs as long as the tests."""
    root = recordings_root_path / "hftbacktest-binance-ws"
    command = [
        sys.executable,
        "-m",
        "tests.support.exchange",
        "--recordings",
        *(str(root / n) for n in ("spot", "usdm")),
    ]
    exchange = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert exchange.stdout is not None
        address = json.loads(exchange.stdout.readline())["address"]
        config = tmp_path_factory.mktemp("config") / "config.toml"
        ws = address.replace("http", "ws", 1)
        sections = [
            f'[venues.{venue}]\nrest = ["{address}/{prefix}"]\nws = ["{ws}/{prefix}"]\n'
            for venue, prefix in (("binance", "spot"), ("binanceusdm", "usdm"))
        ]
        # No test speaks to a real venue.
        config.write_text("data_provider.stand_ins = []\n" + "\n".join(sections))
        yield config
    finally:
        exchange.kill()
        exchange.wait()
        if exchange.stdout is not None:
            exchange.stdout.close()
