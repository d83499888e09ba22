"""The kill switch against an engine as a person starts it: stopped, signalled, restarted, armed again."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import BlockingClient, EngineProcess, until
from tradetui.latch import Latch

CONFIG = """
[venues.binance]
rest = ["http://127.0.0.1:9"]
ws = ["ws://127.0.0.1:9"]
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "config.toml").write_text(CONFIG)
    return tmp_path


@pytest.fixture
def running(home: Path) -> Iterator[EngineProcess]:
    engine = started(home)
    yield engine
    engine.stop(signal.SIGKILL)


def started(home: Path) -> EngineProcess:
    engine = EngineProcess(home, home / "config.toml")
    until(engine.reached, "the socket")
    return engine


def trading(engine: EngineProcess) -> dict[str, Any]:
    with BlockingClient(engine.places.socket) as client:
        found: dict[str, Any] = client.ask(type="get", id=1, topic="trading")["data"]
        return found


def tradetui(engine: EngineProcess, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "tradetui", *arguments],
        env=engine.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


def audited(engine: EngineProcess) -> list[dict[str, Any]]:
    connection = sqlite3.connect(f"file:{engine.places.database}?mode=ro", uri=True)
    rows = connection.execute("SELECT body FROM records WHERE kind = 'audit' ORDER BY id").fetchall()
    connection.close()
    return [json.loads(body) for (body,) in rows]


@pytest.mark.alone
def test_killed_while_it_is_stopped_and_armed_again_by_a_person_alone(running: EngineProcess, home: Path) -> None:
    assert tradetui(running, "arm", "--word", "PAPER")[0] == 0
    assert trading(running)["armed"]
    running.process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    code, said = tradetui(running, "kill", "--reason", "a test")
    took = time.monotonic() - began
    assert code == 1  # its paper orders are inside it
    assert "did not answer" in said
    assert took < 2, took
    running.process.send_signal(signal.SIGCONT)
    until(lambda: trading(running)["latched"], "the halt")
    assert trading(running)["state"] == "halted"

    running.stop(signal.SIGKILL)
    again = started(home)
    try:
        assert trading(again)["state"] == "halted", "a restart opens nothing"
        assert tradetui(again, "order", "BTC/USDT", "buy", "0.01", "--yes")[0] == 1
        code, said = tradetui(again, "arm", "--word", "PAPER")
        assert (code, "reason" in said) == (1, True)
        code, said = tradetui(again, "arm", "--word", "PAPER", "--reason", "it is over")
        assert code == 0, said
        time.sleep(0.3)  # would it halt again by itself
        assert trading(again)["state"] != "halted"
        assert Latch(again.places.latch).closed() == ""

        again.process.send_signal(signal.SIGUSR1)
        until(lambda: trading(again)["latched"], "the halt by signal")
        until(lambda: Latch(again.places.latch).note(), "the latch by signal")
        assert tradetui(again, "log", "debug")[0] == 0
        until(lambda: audited(again)[-1]["command"] == "log_level", "the record")
        kept = [(row["command"], row["user"] != "", row["done"]) for row in audited(again)]
        assert ("kill", True, True) in kept
        assert kept.count(("arm", True, True)) == 2
        last = audited(again)[-1]
        assert (last["before"], last["after"], last["client"]) == ("INFO", "DEBUG", "log")
    finally:
        again.stop(signal.SIGKILL)


def test_an_order_that_cannot_be_one_is_in_the_audit(running: EngineProcess) -> None:
    assert tradetui(running, "order", "BTC/USDT", "buy", "0.01", "--price", "nan", "--yes")[0] == 1
    until(lambda: audited(running), "the record")
    (row,) = audited(running)
    assert (row["command"], row["done"], row["user"] != "") == ("order", False, True)
    assert "price 'nan'" in row["result"]
    assert row["before"] == row["after"] == "reduce: not armed: `tradetui arm` or M, and the word PAPER"


def test_killed_while_it_runs_it_says_so_at_once(running: EngineProcess) -> None:
    code, said = tradetui(running, "kill", "--json")
    report = json.loads(said)
    assert code == 0, said
    assert report["engine_done"]
    assert report["mode"] == "paper"
    assert "killed" in report["engine"]
    assert trading(running)["state"] == "halted"
    assert json.loads((running.places.state / "kill.json").read_text())["mode"] == "paper"
    assert os.stat(running.places.state / "killed.ready")  # noqa: PTH116
