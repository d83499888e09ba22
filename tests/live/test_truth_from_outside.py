"""What the commands say of an engine whose exchange is stopped, killed and started again, and which is killed itself.

Three processes on loopback: the recorded exchange, `tradetui --headless`, and the commands. Nothing is waited for but
for what must happen, with a generous limit.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from storage.journal import stored_events
from tests.support.exchange.process import exchange_process
from tradetui.places import places

LIMIT_S = 30.0
"""Longest wait for one thing; they take one to seven seconds on an idle machine."""

SETTINGS = """
[data_provider]
symbols = ["binance:BTC/USDT"]
timeframes = ["1m"]
stand_ins = []

[data_provider.websocket]
ping_after_s = 0.5
pong_within_s = 4.0
connect_timeout_s = 1.0
max_reconnect_delay = 1.0

[market]
stale_after_s = 1.5

[venues.binance]
rest = ["http://127.0.0.1:{port}/spot"]
ws = ["ws://127.0.0.1:{port}/spot"]
"""

BOOK = "binance:BTC/USDT"


@contextmanager
def exchange(root: Path, port: int) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The exchange in a process of its own, at a port (0: any)."""
    tape = root / "hftbacktest-binance-ws" / "spot"
    # Far from the end of the tape, at which the exchange drops everybody.
    with exchange_process(tape, symbols="BTCUSDT", limit_s=400, port=port) as (process, address):
        yield process, int(address.rpartition(":")[2])


class Outside:
    """The commands, in a home of their own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.config = home / "config.toml"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "TRADETUI"))}
        self.environment = {**kept, "HOME": str(home)}
        self.engines: list[subprocess.Popen[bytes]] = []

    def engine(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tradetui", "--headless", "--config", str(self.config)]
        with (self.home / "engine.out").open("ab") as words:
            self.engines.append(subprocess.Popen(command, env=self.environment, stdout=words, stderr=words))
        return self.engines[-1]

    def end(self) -> None:
        for engine in self.engines:
            engine.kill()
            engine.wait()

    def run(self, *arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "tradetui", *arguments],
            capture_output=True, text=True, check=False, timeout=60, env=self.environment,
        )  # fmt: skip
        return done.returncode, done.stdout

    def status(self) -> tuple[int, dict[str, Any]]:
        code, text = self.run("status", "--json")
        return code, json.loads(text)

    def alerts(self) -> dict[tuple[str, str], dict[str, Any]]:
        code, text = self.run("alerts", "--json")
        assert code == 0
        return {(alert["code"], alert["component"]): alert for alert in json.loads(text)}

    def metrics(self) -> dict[tuple[str, str], float]:
        """Samples by name and the values of their labels."""
        code, text = self.run("metrics")
        assert code == 0
        return {
            (sample.name, " ".join(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def until(self, right: Callable[[int, dict[str, Any]], bool]) -> tuple[int, dict[str, Any]]:
        """Ask for the status until it is as it must become."""
        end = time.monotonic() + LIMIT_S
        while True:
            code, status = self.status()
            if right(code, status):
                return code, status
            assert time.monotonic() < end, (code, status)


def active(status: dict[str, Any]) -> set[str]:
    return {alert["code"] for alert in status.get("alerts", ())}


def healthy(code: int, status: dict[str, Any]) -> bool:
    return code == 0 and status["state"] == "healthy"


def live(status: dict[str, Any]) -> bool:
    return any(view["live"] for view in status["instruments"])


def test_the_commands_tell_the_truth_from_outside(recordings_root_path: Path, tmp_path: Path) -> None:
    outside = Outside(tmp_path)
    code, status = outside.status()
    assert (code, status["state"]) == (2, "none")
    with exchange(recordings_root_path, 0) as (first, port):
        outside.config.write_text(SETTINGS.format(port=port))
        try:
            engine = outside.engine()
            _, status = outside.until(healthy)
            assert status["processes"][0]["pid"] == engine.pid
            assert active(status) == set()
            silent_exchange(outside, first)
            dead_exchange(outside, first, recordings_root_path, port)
            dead_engine(outside, engine)
        finally:
            outside.end()


def silent_exchange(outside: Outside, process: subprocess.Popen[bytes]) -> None:
    """A stopped process: sockets stay open, nothing comes, nothing is answered."""
    stopped = time.time_ns()
    process.send_signal(signal.SIGSTOP)
    try:
        code, status = outside.until(lambda _, status: "FEED_SILENT" in active(status))
        assert (code, status["state"]) == (1, "degraded")
        assert not live(status)
        alert = next(alert for alert in status["alerts"] if alert["code"] == "FEED_SILENT")
        assert alert["text"] == "no valid message for more than 1.5 s"
        assert -1 < (alert["since"] - stopped) / 1e9 < 0.5  # the last message came just before
        assert f"FEED_SILENT binance: {alert['text']}" in status["why"]
        code, status = outside.until(lambda _, status: "FEED_DOWN" in active(status))
        assert code == 1
        alert = outside.alerts()["FEED_DOWN", "binance"]
        assert alert["active"]
        assert alert["text"].startswith(("no pong within 4 s", "http://", "ws://"))
        assert "try" in alert["doing"]
        metrics = outside.metrics()
        assert metrics["tradetui_connection_up", "binance"] == 0
        assert metrics["tradetui_book_live", BOOK] == 0
        assert metrics["tradetui_alert_active", "FEED_DOWN binance error"] == 1
        assert metrics["tradetui_health", "degraded"] == 1
    finally:
        process.send_signal(signal.SIGCONT)
    outside.until(lambda _, status: "FEED_DOWN" not in active(status) and live(status))
    alert = outside.alerts()["FEED_DOWN", "binance"]
    assert not alert["active"]
    assert alert["healed"] > alert["since"] > stopped
    end = time.monotonic() + LIMIT_S
    while outside.metrics()["tradetui_book_live", BOOK] != 1:  # it may have to begin again when the backlog comes
        assert time.monotonic() < end


def dead_exchange(outside: Outside, process: subprocess.Popen[bytes], root: Path, port: int) -> None:
    """A killed process, and another one at its place."""
    before = outside.alerts()["FEED_DOWN", "binance"]
    killed = time.time_ns()
    process.kill()
    code, status = outside.until(lambda _, status: "FEED_DOWN" in active(status))
    assert code == 1
    alert = outside.alerts()["FEED_DOWN", "binance"]
    assert alert["active"]
    assert alert["count"] == before["count"] + 1
    assert alert["first_seen"] == before["first_seen"]
    assert 0 < (alert["since"] - killed) / 1e9 < 3  # at once, as far as the machine is not busy
    outside.until(lambda _, status: any("Connect call failed" in why for why in status["why"]))
    assert outside.metrics()["tradetui_connection_up", "binance"] == 0
    with exchange(root, port):
        _, status = outside.until(healthy)
        assert live(status)
        assert active(status) == set()
        alert = outside.alerts()["FEED_DOWN", "binance"]
        assert not alert["active"]
        # Trades that were missed meanwhile may be told a moment later, so the health need not be the same in both.
        metrics = outside.metrics()
        assert metrics["tradetui_connection_up", "binance"] == 1
        assert metrics["tradetui_alert_occurrences_total", "FEED_DOWN binance"] == alert["count"]


def dead_engine(outside: Outside, engine: subprocess.Popen[bytes]) -> None:
    """A killed engine is no engine; the next one knows what was, and that the last one died."""
    outside.until(lambda _, status: "FEED_DOWN" in active(status))  # the exchange is gone again
    before = outside.alerts()
    assert before["FEED_DOWN", "binance"]["active"]
    count = before["FEED_DOWN", "binance"]["count"]
    database = places("default", {"HOME": str(outside.home)}).database
    end = time.monotonic() + LIMIT_S
    while not any(
        alert is not None and (alert.code, alert.count, alert.active) == ("FEED_DOWN", count, True)
        for alert in (entry.alert for entry in stored_events(database))
    ):
        assert time.monotonic() < end  # it is on disk a fifth of a second after it was told
        time.sleep(0.05)
    engine.kill()
    engine.wait()
    code, status = outside.status()
    assert (code, status["state"]) == (2, "none")
    assert outside.run("alerts", "--json")[0] == 2
    assert outside.run("metrics")[0] == 2
    second = outside.engine()
    code, status = outside.until(lambda _, status: "ENGINE_DIED" in active(status))
    assert code == 1
    after = outside.alerts()
    died = after["ENGINE_DIED", "engine"]
    assert died["active"]
    assert died["text"] == f"pid {engine.pid} did not end cleanly"
    assert {key: alert["first_seen"] for key, alert in before.items()}.items() <= {
        key: alert["first_seen"] for key, alert in after.items()
    }.items()
    assert all(after[key]["count"] >= alert["count"] for key, alert in before.items())
    assert {key: alert["id"] for key, alert in before.items()}.items() <= {
        key: alert["id"] for key, alert in after.items()
    }.items()
    # The exchange is still gone; the new engine has not come so far as to see its connection down.
    outside.until(lambda _, status: "REQUEST_FAILED" in active(status))
    left = outside.alerts()["FEED_DOWN", "binance"]
    assert (left["active"], left["doing"]) == (False, "the engine that saw it has ended")
    # One that is told to stop leaves nothing to complain of.
    second.terminate()
    assert second.wait(LIMIT_S) in (0, 1)
    outside.engine()
    outside.until(lambda code, status: code == 1 and status["state"] in ("starting", "degraded"))
    again = outside.alerts()["ENGINE_DIED", "engine"]
    assert (again["active"], again["count"]) == (False, 1)
