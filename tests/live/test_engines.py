"""Engines as processes: one to a profile, whatever ends them, and two profiles side by side."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.processes import BlockingClient, EngineProcess, until
from tradetui.lock import holder_of, is_held

START_S = 1.0
"""About the time from the start of a process to its first book."""


def status(engine: EngineProcess, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tradetui", "status", "--profile", engine.places.profile, *more]
    return subprocess.run(command, env=engine.environment, capture_output=True, text=True, check=False, timeout=60)


def alerts(engine: EngineProcess, code: str) -> list[str]:
    with BlockingClient(engine.places.socket) as client:
        return [each["text"] for each in client.ask(type="get", id=1, topic="alerts")["data"] if each["code"] == code]


def clean(engine: EngineProcess) -> bool:
    """Whether nothing of it is left but what is to be kept."""
    places = engine.places
    return not is_held(places.lock) and holder_of(places.lock) is None and not places.socket.exists()


def test_of_two_at_once_one_wins_and_a_killed_one_is_taken_over(exchange_config: Path, tmp_path: Path) -> None:
    two = [EngineProcess(tmp_path, exchange_config) for _ in range(2)]
    try:
        (loser,) = until(lambda: [each for each in two if each.process.poll() is not None], "that one gives up")
        (winner,) = (each for each in two if each is not loser)
        assert loser.process.returncode == 2
        words = loser.words.read_text()
        assert f"an engine of profile 'default' is running already (pid {winner.pid})" in words
        assert "Traceback" not in words
        until(winner.reached, "its socket")
        assert holder_of(winner.places.lock).pid == winner.pid  # type: ignore[union-attr]

        winner.process.kill()
        winner.process.wait()
        assert winner.places.socket.exists()  # stale
        assert "no engine of profile 'default' is running" in status(winner).stderr
        third = EngineProcess(tmp_path, exchange_config)
        two.append(third)
        until(third.reached, "the next engine")
        (text,) = alerts(third, "ENGINE_DIED")
        assert text == f"pid {winner.pid} did not end cleanly"
        assert any("did not end cleanly" in line["text"] for line in third.log())
    finally:
        for each in two:
            each.stop()
    assert clean(winner)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_ends_it_cleanly(number: signal.Signals, exchange_config: Path, tmp_path: Path) -> None:
    engine = EngineProcess(tmp_path, exchange_config)
    try:
        engine.ready()
        with BlockingClient(engine.places.socket) as client:
            begun = time.monotonic()
            engine.process.send_signal(number)
            assert client.read() == {"type": "bye", "reason": "the engine is stopping"}
            assert engine.process.wait(20) == 0
        assert time.monotonic() - begun < 10  # 2 s are asked for; closing the exchange's sockets is in it
        assert clean(engine)
        assert [entry["kind"] for entry in engine.journal()][-1] == "stop"
        assert any(line["text"] == f"stopping: {number.name}" for line in engine.log())
    finally:
        engine.stop()


def test_sigterm_at_any_moment_of_the_start_leaves_nothing_behind(tmp_path: Path) -> None:
    """Twelve engines of as many profiles, ended at twelve moments of their start.

    They have no exchange: so many would use up the requests that it allows to one address.
    """
    nowhere = tmp_path / "nowhere.toml"
    nowhere.write_text('[venues.binance]\nrest = ["http://127.0.0.1:9"]\nws = ["ws://127.0.0.1:9"]\n')

    def begin_and_end(number: int) -> EngineProcess:
        engine = EngineProcess(tmp_path, nowhere, profile=f"p{number}")
        time.sleep(number * START_S / 12)
        engine.process.terminate()
        engine.process.wait(30)
        return engine

    with ThreadPoolExecutor(3) as pool:
        engines = list(pool.map(begin_and_end, range(12)))
    for engine in engines:
        assert engine.process.returncode in (0, 1, -signal.SIGTERM), engine.words.read_text()
        assert "Traceback" not in engine.words.read_text()
        assert clean(engine)


def test_two_profiles_side_by_side_share_nothing(exchange_config: Path, tmp_path: Path) -> None:
    one, two = (EngineProcess(tmp_path, exchange_config, profile=name) for name in ("one", "two"))
    try:
        for engine in (one, two):
            until(engine.reached, "its socket")
            places = engine.places
            with BlockingClient(places.socket) as client:
                assert (client.welcome["profile"], client.welcome["pid"]) == (places.profile, engine.pid)
            assert holder_of(places.lock).pid == engine.pid  # type: ignore[union-attr]
        with BlockingClient(one.places.socket) as client:
            client.ask(type="command", id=1, name="log_level", arguments={"level": "error"})
            client.ask(type="command", id=2, name="stop")
        one.process.wait(20)
        assert status(one).returncode == 2
        with BlockingClient(two.places.socket) as client:
            assert client.ask(type="get", id=1, topic="health")["data"]["log_level"] == "INFO"
        assert {line["text"].partition(",")[0] for line in one.log() if line["text"].startswith("engine of")} == {
            "engine of profile one"
        }
        assert [entry["kind"] for entry in two.journal()] == ["start"]
    finally:
        one.stop()
        two.stop()


def test_a_socket_that_somebody_deletes_is_back_in_a_moment(exchange_config: Path, tmp_path: Path) -> None:
    """Meanwhile a command says so; open connections notice nothing; a copy of the note leads nobody astray."""
    engine = EngineProcess(tmp_path, exchange_config)
    try:
        until(engine.reached, "its socket")
        with BlockingClient(engine.places.socket) as client:
            engine.places.socket.unlink()
            until(engine.reached, "a new socket")
            assert client.ask(type="get", id=1, topic="markets")["type"] == "state"
        done = status(engine)
        assert done.returncode in (0, 1), done.stderr
        assert any("was taken away by somebody" in line["text"] for line in engine.log())

        other = tmp_path / ".local/state/tradetui/other"
        other.mkdir(mode=0o700)
        (other / "engine.lock").write_bytes(engine.places.lock.read_bytes())
        command = [sys.executable, "-m", "tradetui", "stop", "--profile", "other"]
        done = subprocess.run(command, env=engine.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "belongs to the engine of profile 'default'" in done.stderr
        assert engine.process.poll() is None
    finally:
        engine.stop()


def test_an_engine_elsewhere_with_the_same_socket_is_not_pushed_aside(exchange_config: Path, tmp_path: Path) -> None:
    """Another state folder and the same runtime folder: another lock, and one socket."""
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    homes = [tmp_path / "a", tmp_path / "b"]
    engines = []
    try:
        for home in homes:
            home.mkdir()
            engines.append(EngineProcess(home, exchange_config, runtime=runtime))
            if len(engines) == 1:
                until(engines[0].reached, "its socket")
        first, second = engines
        assert second.process.wait(30) == 2
        assert f"an engine answers at {first.places.socket} already" in second.words.read_text()
        assert first.reached()
        assert not is_held(second.places.lock)
        assert holder_of(second.places.lock) is None
    finally:
        for engine in engines:
            engine.stop()
