"""The recorded exchange in a process of its own, on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.exchange.process import exchange_process


@pytest.fixture(scope="module")
def exchange_config(recordings_root_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Settings that point every market at a recorded exchange; it begins anew for each file of tests."""
    root = recordings_root_path / "hftbacktest-binance-ws"
    with exchange_process(root / "spot", root / "usdm") as (_, address):
        config = tmp_path_factory.mktemp("config") / "config.toml"
        ws = address.replace("http", "ws", 1)
        sections = [
            f'[venues.{venue}]\nrest = ["{address}/{prefix}"]\nws = ["{ws}/{prefix}"]\n'
            for venue, prefix in (("binance", "spot"), ("binanceusdm", "usdm"))
        ]
        # No test speaks to a real venue.
        config.write_text("data_provider.stand_ins = []\n" + "\n".join(sections))
        yield config
