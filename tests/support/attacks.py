"""Ways to be a bad client of an engine in another process; each returns when it has done what it can or its time is up.

They run in threads, beside an `Honest` one who follows prices and counts what he is given.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from tests.support.hostile import hostile_frames
from tests.support.processes import BlockingClient, connected
from tests.support.wire import HELLO, packed, said

Attack = Callable[[Path, float], Any]

EVERYTHING: tuple[dict[str, Any], ...] = (
    {"topic": "health"}, {"topic": "alerts"}, {"topic": "markets"}, {"topic": "events"},
    *(
        {"topic": topic, "instrument": f"binance:{coin}/USDT"}
        for topic in ("book", "cob", "trades", "heat")
        for coin in ("BTC", "ETH")
    ),
    *(
        {"topic": "bars", "instrument": "binance:BTC/USDT", "timeframe": frame}
        for frame in ("1s", "1m", "5m", "15m", "1h", "4h", "1d")
    ),
)  # fmt: skip


class Honest:
    """A client that follows the markets ten times a second, and health, which tells of the heartbeat."""

    def __init__(self, path: Path) -> None:
        self.news = 0
        self.last_seq = 0
        self.health: dict[str, Any] = {}
        self.error = ""
        self._client = BlockingClient(path)
        self._client.send(type="subscribe", id=1, topic="markets", every_ms=100)
        self._client.send(type="subscribe", id=2, topic="health", every_ms=100)
        self._ended = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            while not self._ended:
                message = self._client.read()
                if message.get("seq", -1) < self.last_seq:
                    self.error = f"after {self.last_seq} came {message}"
                self.last_seq = message["seq"]
                self.news += message["id"] == 1
                if message["id"] == 2:
                    self.health = message["data"]
        except (OSError, EOFError) as error:
            self.error = self.error or f"{type(error).__name__} {error}"

    def end(self) -> None:
        self._ended = True
        self._thread.join(10)
        self._client.close()


def _until(seconds: float) -> Iterator[None]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield


def one_huge_frame(path: Path, seconds: float) -> int:
    """A frame of 100 MB; return how many bytes were taken."""
    sent = 0
    with connected(path) as sock, contextlib.suppress(OSError):
        sock.sendall(HELLO + struct.pack(">I", 100 << 20))
        for _ in _until(seconds):
            sent += sock.send(bytes(1 << 20))
    return sent


def many_small_frames(path: Path, seconds: float, total: int = 100 << 20) -> int:
    """100 MB of valid small frames, with a new connection after each refusal; return how many bytes were taken."""
    sent = 0
    block = b"".join(said(type="get", id=number, topic="health") for number in range(1000))
    for _ in _until(seconds):
        if sent >= total:
            break
        with connected(path) as sock, contextlib.suppress(OSError):
            sock.settimeout(1)
            sock.sendall(HELLO)
            while sent < total:
                sent += sock.send(block)
    return sent


def a_hundred_at_once(path: Path, seconds: float) -> list[str]:
    """A hundred connections, again and again; return what the last hundred were told."""
    told: list[str] = []
    for _ in _until(seconds):
        told.clear()
        socks = [connected(path) for _ in range(100)]
        for sock in socks:
            with contextlib.suppress(OSError):
                sock.sendall(HELLO)
        for sock in socks:
            sock.settimeout(5)
            with contextlib.suppress(OSError):
                told.append(sock.recv(4096)[5:30].decode("latin-1"))
        for sock in socks:
            sock.close()
    return told


def come_and_vanish(path: Path, seconds: float) -> int:
    """Connections closed at every place of a conversation; return how many."""
    words = (b"", b"\0", HELLO[:7], HELLO, HELLO + said(type="subscribe", id=1, topic="health", every_ms=100))
    number = 0
    for _ in _until(seconds):
        with connected(path) as sock, contextlib.suppress(OSError):
            sock.sendall(words[number % len(words)])
        number += 1
    return number


def never_read(path: Path, seconds: float) -> None:
    """Everything ten times a second, and nothing is read."""
    wants = (said(type="subscribe", id=number, every_ms=100, **topic) for number, topic in enumerate(EVERYTHING))
    with connected(path) as sock, contextlib.suppress(OSError):
        sock.sendall(HELLO + b"".join(wants))
        for _ in _until(seconds):
            time.sleep(0.05)


def ten_thousand_subscriptions(path: Path, seconds: float) -> dict[str, int]:
    """As many subscriptions as the rate allows; return the answers."""
    told: dict[str, int] = {}
    with BlockingClient(path) as client:
        for number, _ in enumerate(_until(seconds)):
            topic = {"topic": "book", "instrument": "binance:BTC/USDT", "depth": 5000 - number % 4000, "every_ms": 100}
            kind = client.ask(type="subscribe", id=number, **topic)["type"]
            told[kind] = told.get(kind, 0) + 1
            time.sleep(1 / 190)
    return told


def many_requests(path: Path, seconds: float) -> int:
    """Dear requests as fast as they are answered, with a new connection after each refusal; return how many."""
    number = 0
    for _ in _until(seconds):
        with BlockingClient(path) as client, contextlib.suppress(OSError, EOFError):
            for _ in _until(seconds):
                number += 1
                asked = {"topic": "book", "instrument": "binance:BTC/USDT", "depth": 1 + number % 5000}
                if client.ask(type="get", id=number, **asked)["type"] == "refused":
                    break
    return number


def hostile(path: Path, seconds: float, count: int = 10_000, seed: int = 0) -> int:
    """Mutated and invented frames, one connection each; return how many were sent."""
    number = 0
    for frame, _ in zip(islice(hostile_frames(seed), count), _until(seconds), strict=False):
        number += 1
        with connected(path) as sock, contextlib.suppress(OSError):
            sock.settimeout(0.02)
            sock.sendall(HELLO + frame)
            while sock.recv(1 << 16):
                pass
    return number


def another_user(path: Path, seconds: float) -> str:
    """Come in as user 65534, for whom the way has been opened; return what he is told. Only root can."""
    code = (
        "import os, socket, sys\n"
        "folder = os.open(os.path.dirname(sys.argv[1]), os.O_PATH)\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "sock = socket.socket(socket.AF_UNIX)\n"
        "sock.connect(f'/proc/self/fd/{folder}/engine.sock')\n"
        "print(sock.recv(4096))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False, timeout=20 + seconds
    )
    return done.stdout or done.stderr


def hostile_commands(path: Path, seconds: float) -> set[str]:
    """Commands that would do harm if they were believed; return the answers."""
    told = set()
    with BlockingClient(path) as client:
        for number, (name, arguments) in enumerate(
            [
                ("stop", {"x": 1}), ("STOP", {}), ("stop ", {}), ("__class__", {}), ("log_level", {"level": "\x1b[2J"}),
                ("log_level", {"level": "x" * 200}), ("acknowledge", {"alert": -1}), ("acknowledge", {"all": True}),
                ("acknowledge", {"alert": 2**63}), ("acknowledge", {str(n): n for n in range(3000)}),
            ]
        ):  # fmt: skip
            answer = client.ask(type="command", id=number, name=name, arguments=arguments)
            told.add(f"{answer['type']} {answer.get('code')}")
    return told


def ask_and_leave(path: Path, seconds: float) -> int:
    """As many questions as may be under way, and gone before the first is answered; return how many were sent."""
    slow: list[dict[str, Any]] = [
        {"topic": topic, "instrument": "binance:BTC/USDT", "timeframe": "1m", "limit": 5000}
        for topic in ("history", "quality", "pivots", "model_input", "gaps", "profile")
    ]
    slow += [{"topic": topic, "limit": 5000} for topic in ("order_history", "fill_history", "audit", "storage")]
    flood = b"".join(said(type="get", id=number, **slow[number % len(slow)]) for number in range(64))
    sent = 0
    for _ in _until(seconds):
        with connected(path) as sock, contextlib.suppress(OSError):
            sock.sendall(HELLO + flood)
            time.sleep(0.02)
        sent += 64
    return sent


def command_and_leave(path: Path, seconds: float) -> int:
    """Orders that are looked at, orders that are refused, from twenty connections that leave; return how many."""
    order = {"symbol": "binance:BTC/USDT", "side": "buy", "type": "limit", "price": "1", "quantity": "1000"}
    flood = b"".join(
        said(type="command", id=number, name="order" if number % 2 else "preview", arguments=order)
        for number in range(64)
    )
    sent = 0
    for _ in _until(seconds):
        socks = [connected(path) for _ in range(20)]
        for sock in socks:
            with contextlib.suppress(OSError):
                sock.sendall(HELLO + flood)
                sent += 64
        time.sleep(0.1)
        for sock in socks:
            sock.close()
    return sent


def no_engine_talk(path: Path, seconds: float) -> list[bytes]:
    """Other protocols; return what they are told."""
    words = (b"GET / HTTP/1.1\r\n\r\n", bytes.fromhex("16030100c8010000c40303"), packed(b"\xc1"), bytes(4), b"\xff" * 4)
    told = []
    for word in words:
        with connected(path) as sock:
            sock.settimeout(5)
            sock.sendall(word)
            told.append(sock.recv(4096))
    return told


def open_files(pid: int) -> int:
    """Files that a process holds open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def half_a_header(path: Path, seconds: float) -> None:
    """Thirty connections that begin a frame and say no more."""
    socks: list[socket.socket] = []
    try:
        for number in range(30):
            socks.append(connected(path))
            socks[-1].sendall(HELLO * (number % 2) + b"\0\0\0\x40"[: 1 + number % 4])
        time.sleep(seconds)
    finally:
        for sock in socks:
            sock.close()
