"""The recorded exchange in a process of its own, on loopback; and a venue that repeats what it is told."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterator
from http.server import HTTPServer
from pathlib import Path

import pytest

from tests.support.exchange.process import exchange_process
from tests.support.marked import Parrot


@pytest.fixture(scope="module")
def exchange_address(recordings_root_path: Path) -> Iterator[str]:
    """A recorded exchange; it begins anew for each file of tests."""
    root = recordings_root_path / "hftbacktest-binance-ws"
    with exchange_process(root / "spot", root / "usdm") as (_, address):
        yield address


@pytest.fixture(scope="module")
def exchange_config(exchange_address: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Settings that point every market at the recorded exchange."""
    config = tmp_path_factory.mktemp("config") / "config.toml"
    ws = exchange_address.replace("http", "ws", 1)
    sections = [
        f'[venues.{venue}]\nrest = ["{exchange_address}/{prefix}"]\nws = ["{ws}/{prefix}"]\n'
        for venue, prefix in (("binance", "spot"), ("binanceusdm", "usdm"))
    ]
    # No test speaks to a real venue.
    config.write_text("data_provider.stand_ins = []\n" + "\n".join(sections))
    return config


@pytest.fixture(autouse=True)
def weights_of_its_own(request: pytest.FixtureRequest) -> None:
    """Each test asks as from an address of its own.

    The start of an engine takes a fourteenth of a minute's request weight: with the engines of the tests before it, a
    test's candles would be held back after seven starts in a minute, and its books after twelve.
    """
    if "exchange_address" in request.fixturenames:
        urllib.request.urlopen(f"{request.getfixturevalue('exchange_address')}/control/weights", timeout=30).close()


@pytest.fixture
def parrot() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Parrot)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()
