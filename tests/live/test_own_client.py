"""Clients written from docs/protocol.md alone: the example on the page, and one that follows, acts and resumes.

What is inside `OwnClient` uses nothing but `socket`, `struct` and `msgpack` (and `json` for the lock file).
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest

from tests.support.processes import EngineProcess, until

PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"
BTC = "binance:BTC/USDT"


@pytest.fixture(scope="module")
def engine(exchange_config: Path) -> Iterator[EngineProcess]:
    """An engine on the recorded exchange, for most of this file."""
    with tempfile.TemporaryDirectory() as short:  # a socket's address has 107 bytes; pytest's folders have long names
        running = EngineProcess(Path(short), exchange_config)
        try:
            yield running.ready()
        finally:
            running.stop()


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as short:
        yield Path(short)


class Gone(Exception):
    """The connection has ended; here is why, if it was said."""


class OwnClient:
    """Keeps what a person would look at, and resumes by cursor."""

    def __init__(self, lock: Path) -> None:
        self.lock = lock
        self.engine = (0, 0)
        self.cursors = {"bars": "", "events": ""}
        self.prices: dict[str, tuple[float, float]] = {}
        self.bars: dict[int, list[Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.resets = {"bars": 0, "events": 0}
        self.seq = 0
        self.open()

    def open(self) -> None:
        """Say hello, and ask for everything from where we were."""
        path = json.loads(self.lock.read_text())["socket"]
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(path)
        self.frames = self.sock.makefile("rb")
        self.send(type="hello", protocol=1, version="1.0", client="own")
        welcome = self.receive()
        if welcome["type"] != "welcome":
            self.close()
            raise Gone(welcome["reason"])
        if self.engine != (welcome["pid"], welcome["started"]):
            self.engine, self.seq = (welcome["pid"], welcome["started"]), 0
        self.send(type="subscribe", id=1, topic="markets", every_ms=250)
        self.send(type="subscribe", id=2, topic="bars", instrument=BTC, timeframe="1s", since=self.cursors["bars"],
                  every_ms=100)  # fmt: skip
        self.send(type="subscribe", id=3, topic="events", since=self.cursors["events"], limit=5, every_ms=100)
        self.number = 3
        self.answers: dict[int, dict[str, Any]] = {}

    def close(self) -> None:
        self.frames.close()
        self.sock.close()

    def send(self, **message: Any) -> None:
        body = msgpack.packb(message)
        self.sock.sendall(struct.pack(">I", len(body)) + body)

    def receive(self) -> dict[str, Any]:
        head = self.frames.read(4)
        if len(head) < 4:
            raise Gone("without a word")
        message: dict[str, Any] = msgpack.unpackb(self.frames.read(*struct.unpack(">I", head)))
        return message

    def take(self) -> None:
        """Take in one message."""
        message = self.receive()
        if message["type"] in ("bye", "refused"):
            raise Gone(message["reason"])
        if message["type"] in ("state", "series"):
            assert message["seq"] >= self.seq
            self.seq = message["seq"]
        if message["id"] == 1:
            self.prices = {row["instrument"]: (row["best_bid"], row["best_ask"]) for row in message["data"]}
        elif message["id"] in (2, 3):
            self._rows(message)
        else:
            self.answers[message["id"]] = message

    def _rows(self, message: dict[str, Any]) -> None:
        topic = message["topic"]
        self.cursors[topic] = message["cursor"]
        if message["reset"]:
            self.resets[topic] += 1
            self.bars.clear() if topic == "bars" else self.events.clear()
        for row in message["rows"]:
            if topic == "bars":
                self.bars[row[0]] = row
            else:
                self.events.append(row)

    def ask(self, **message: Any) -> dict[str, Any]:
        """Have a request answered, and go on following meanwhile."""
        self.number += 1
        number = self.number
        self.send(id=number, **message)
        while number not in self.answers:
            self.take()
        return self.answers.pop(number)

    def follow(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.take()

    def caught_up(self) -> int:
        """Follow until every bar that the engine calls closed is here and the same; return how many."""
        until(lambda: self.take() or any(row[8] for row in self.bars.values()), "a closed bar")
        rows = self.ask(type="get", topic="bars", instrument=BTC, timeframe="1s", limit=5000)["rows"]
        theirs = {row[0]: row for row in rows if row[8] and row[0] >= min(self.bars)}
        end = time.monotonic() + 30
        while time.monotonic() < end and any(self.bars.get(key) != row for key, row in theirs.items()):
            self.take()
        assert {key: row for key, row in self.bars.items() if key in theirs} == theirs
        assert not {key for key in self.bars if key < max(theirs)} - set(theirs)
        return len(theirs)


def test_the_example_of_the_page_shows_live_prices(engine: EngineProcess) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    assert len([line for line in code.splitlines() if line.strip()]) <= 30
    modules = re.findall(r"^import (.*)$", code, re.M)
    assert {name for line in modules for name in line.split(", ")} == {
        "json",
        "os",
        "socket",
        "struct",
        "sys",
        "msgpack",
    }
    example = subprocess.Popen(
        [sys.executable, "-I", "-c", code], env=engine.environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert example.stdout is not None
        lines = [example.stdout.readline().split() for _ in range(6)]
    finally:
        example.kill()
        example.communicate()
    assert {line[0] for line in lines} == {BTC, "binance:ETH/USDT"}
    for _, bid, ask, *live in lines:
        assert 0 < float(bid) < float(ask)
        assert live == ["live"]


def test_the_example_says_why_it_ends(exchange_config: Path, home: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    running = EngineProcess(home, exchange_config)
    try:
        running.ready()
        example = subprocess.Popen(
            [sys.executable, "-I", "-c", code], env=running.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        assert example.stdout is not None
        example.stdout.readline()
    finally:
        running.stop()
    _, words = example.communicate(timeout=10)
    assert (example.returncode, words.strip()) == (1, "the engine is stopping")


def test_an_own_client_follows_acts_and_resumes_without_hole_or_double(engine: EngineProcess) -> None:
    with contextlib.closing(OwnClient(engine.places.lock)) as client:
        until(lambda: client.take() or (client.prices and client.bars), "the first news")
        assert set(client.prices) == {BTC, "binance:ETH/USDT"}
        assert all(0 < bid < ask for bid, ask in client.prices.values())
        running = [row for row in client.bars.values() if not row[8]]
        assert len(running) <= 1
        assert client.caught_up() > 0

        stranger = socket.socket(socket.AF_UNIX)
        stranger.connect(str(engine.places.socket))
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
        stranger.close()
        until(lambda: client.take() or any(entry["change"] == "raised" for entry in client.events), "the alert's event")
        alerts = client.ask(type="get", topic="alerts")["data"]
        (alert,) = (each for each in alerts if each["code"] == "CLIENT_REFUSED")
        assert not alert["acknowledged"]
        done = client.ask(type="command", name="acknowledge", arguments={"alert": alert["id"]})
        assert (done["type"], done["text"]) == ("done", "1 acknowledged")
        until(lambda: client.take() or acknowledged(client), "its event")
        assert [entry["alert"]["acknowledged"] for entry in acknowledged(client)] == [True]

        for pause in (0.2, 1.2):
            before = max(client.bars)
            client.close()
            time.sleep(pause)
            other = OwnClient(engine.places.lock)  # things happen meanwhile
            other.ask(type="command", name="acknowledge")
            other.close()
            with pytest.raises((Gone, ConnectionError)):
                refuse(engine)
            client.open()
            until(lambda before=before: client.take() or max(client.bars) > before, "a bar of the time after it")
            client.caught_up()
        assert client.resets == {"bars": 1, "events": 1}

        until(lambda: client.take() or client.events[-1]["cursor"] >= len(engine.journal()), "the last event")
        cursors = [entry["cursor"] for entry in client.events]
        assert cursors == list(range(cursors[0], cursors[0] + len(cursors)))
        written = {entry["cursor"]: entry for entry in engine.journal()}
        assert [entry for entry in client.events if entry["cursor"] in written] == [
            written[cursor] for cursor in cursors if cursor in written
        ]


def acknowledged(client: OwnClient) -> list[dict[str, Any]]:
    return [entry for entry in client.events if entry["change"] == "acknowledged"]


def refuse(engine: EngineProcess) -> None:
    """Come in with a wrong word, so that there is an event."""
    sock = socket.socket(socket.AF_UNIX)
    with sock, sock.makefile("rb") as frames:
        sock.connect(str(engine.places.socket))
        sock.sendall(struct.pack(">I", 0))
        while frames.read(4):
            pass
        raise Gone("as it should be")


@pytest.mark.parametrize("killed", [False, True])
def test_an_own_client_knows_a_new_engine_and_goes_on(killed: bool, exchange_config: Path, home: Path) -> None:
    """Events go on over a stop; after a kill the last ones may be lost, and the reset says so."""
    running = EngineProcess(home, exchange_config)
    client = None
    try:
        client = OwnClient(running.ready().places.lock)
        until(lambda: client.take() or client.resets == {"bars": 1, "events": 1}, "the first rows")
        first = client.engine
        running.stop(9 if killed else 15)
        with pytest.raises(Gone):
            client.follow(5)
        client.close()
        running = EngineProcess(home, exchange_config).ready()
        client.open()
        assert client.engine != first

        def told() -> bool:
            """Whether it has heard of the next engine."""
            if killed:
                return any(entry["alert"] and entry["alert"]["code"] == "ENGINE_DIED" for entry in client.events)
            return sum(entry["kind"] == "start" for entry in client.events) == 2

        until(lambda: client.take() or (client.resets["bars"] == 2 and told()), "the rows of the next engine")
        assert client.resets == {"bars": 2, "events": 1 + killed}
        kinds = [entry["kind"] for entry in client.events]
        cursors = [entry["cursor"] for entry in client.events]
        assert cursors == list(range(cursors[0], cursors[0] + len(cursors)))
        if killed:
            assert kinds[0] == "start"
            died = [entry for entry in client.events if entry["alert"] and entry["alert"]["code"] == "ENGINE_DIED"]
            assert f"pid {first[0]} did not end cleanly" in died[0]["alert"]["text"]
        else:
            assert [kind for kind in kinds if kind != "alert"] == ["start", "stop", "start"]
        client.caught_up()
    finally:
        if client is not None:
            client.close()
        running.stop()
