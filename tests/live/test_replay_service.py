"""Replays as processes: the socket, its commands, several at once, beside a live engine, and their end."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.replay import Recording, Replay
from engine.types import SECOND
from tests.support.marked import MARK
from tests.support.processes import BlockingClient, EngineProcess, until
from tradetui.lock import is_held
from tradetui.places import Places, places

QUICK = (
    "import sys, tradetui.replays as s; s.GONE_S = float(sys.argv.pop(1)); s.NOBODY_S = float(sys.argv.pop(1)); "
    "from tradetui.__main__ import main; main()"
)
"""The command with other times until a replay ends by itself."""


class ReplayProcess:
    """A replay engine as a console starts it, with a home that it may share."""

    def __init__(self, home: Path, number: int, *arguments: str, gone_s: float = 15.0, nobody_s: float = 60.0) -> None:
        self.profile = f"default/{number}"
        self.home = home
        self.environment = {**os.environ, "HOME": str(home)}
        self.places = places(self.profile, self.environment)
        self.words = home / f"{number}.out"
        options = ("--headless", "--detached", "--profile", self.profile)
        with self.words.open("ab") as words:
            self.process = subprocess.Popen(
                [sys.executable, "-c", QUICK, str(gone_s), str(nobody_s), *options, *arguments],
                env=self.environment, stdout=words, stderr=words,
            )  # fmt: skip

    def reached(self) -> bool:
        assert self.process.poll() is None, self.words.read_text()
        try:
            BlockingClient(self.places.socket).close()
        except (OSError, EOFError):
            return False
        return True

    def client(self) -> BlockingClient:
        until(self.reached, "the socket")
        return BlockingClient(self.places.socket)

    def ended(self, within_s: float = 60.0) -> int:
        return self.process.wait(within_s)


Start = Callable[..., ReplayProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    made: list[ReplayProcess] = []

    def begin(*arguments: object, **options: Any) -> ReplayProcess:
        made.append(ReplayProcess(tmp_path, 4711 + len(made), *map(str, arguments), **options))
        return made[-1]

    yield begin
    for each in made:
        each.process.kill()
        each.process.wait()


@pytest.fixture(scope="module")
def spot(recordings_root_path: Path) -> Path:
    return recordings_root_path / "hftbacktest-binance-ws" / "spot"


def view(client: BlockingClient) -> dict[str, Any]:
    found: dict[str, Any] = client.ask(type="get", id=1, topic="replay")["data"]
    return found


def act(client: BlockingClient, name: str, **arguments: Any) -> dict[str, Any]:
    return client.ask(type="command", id=2, name=name, arguments=arguments)


def settled(client: BlockingClient) -> dict[str, Any]:
    """The view, once nothing is sought."""
    return until(lambda: (found := view(client))["seeking"] is None and found, "the seek")  # type: ignore[no-any-return]


def folders(places: Places) -> list[Path]:
    return [folder for folder in (places.state, places.runtime) if folder.exists()]


def test_a_replay_is_served_and_does_as_it_is_told(start: Start, spot: Path) -> None:
    replay = start("--replay", spot, "--speed", "10x", "--seek", "2024-08-08T23:55:00")
    with replay.client() as client:
        assert client.welcome["profile"] == "default/4711"
        first = settled(client)
        start_ns = first["start"]
        assert first["position"] >= start_ns + 46 * SECOND
        assert act(client, "replay_pause")["type"] == "done"
        paused = view(client)
        time.sleep(0.2)
        assert view(client)["position"] == paused["position"]
        assert act(client, "replay_step", frames=5)["type"] == "done"
        until(lambda: view(client)["messages"] == paused["messages"] + 5, "five steps")

        end = until(lambda: view(client)["end"], "the end known")
        stamp = start_ns + 30 * SECOND
        assert "goes to 2024-08-08T23:54:43" in act(client, "replay_seek", to=stamp)["text"]
        there = settled(client)
        assert (there["position"], there["paused"], there["ended"]) == (stamp, True, False)
        straight = Replay(Recording([spot]))
        straight.run(until=stamp)
        assert there["messages"] == straight.messages
        row = client.ask(type="get", id=3, topic="markets")["data"][0]
        market = straight.state.markets[row["instrument"]]
        assert row["live"]
        assert row["best_bid"] == market.instrument.price(market.sync.book.best_bid)

        health = client.ask(type="get", id=4, topic="health")["data"]
        assert (health["state"], health["data"], health["ts"]) == ("healthy", "replay", stamp)
        assert "replay" in [part["name"] for part in health["components"]]
        for arguments, said in (
            ({"to": end + 1}, "to 2024-08-09T00:05:04.543Z"),
            ({"to": 5}, "from 2024-08-08T23:54:13.937Z"),
            ({"to": "now"}, "UTC nanoseconds"),
            ({"to": end, "by_s": 1}, "either"),
            ({}, "either"),
            ({"by_s": float("nan")}, "a number"),
            ({"by_s": 1e300}, "a year"),
        ):
            denied = act(client, "replay_seek", **arguments)
            assert (denied["type"], denied["code"]) == ("denied", "invalid_argument")
            assert said in denied["reason"]
        for name, arguments in (
            ("replay_speed", {"speed": -1}), ("replay_speed", {}), ("replay_speed", {"speed": True}),
            ("replay_step", {"frames": 0}), ("replay_step", {"frames": 1.5}), ("replay_pause", {"x": 1}),
        ):  # fmt: skip
            assert act(client, name, **arguments)["code"] == "invalid_argument"

        act(client, "replay_speed", speed=0)
        act(client, "replay_resume")
        last = until(lambda: (found := view(client))["ended"] and found, "the end")
        assert (last["position"], last["end"], last["speed"]) == (end, end, 0.0)
        assert "no next frame" in act(client, "replay_step")["text"]
        act(client, "replay_seek", by_s=-10)
        assert settled(client)["position"] >= end - 10 * SECOND

        status = subprocess.run(
            [sys.executable, "-m", "tradetui", "status", "--profile", replay.profile],
            env=replay.environment, capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
        assert status.returncode == 0, status.stdout
        assert "data replay" in status.stdout
        assert "at 2024-08-09 00:0" in status.stdout
    stopped = subprocess.run(
        [sys.executable, "-m", "tradetui", "stop", "--profile", replay.profile],
        env=replay.environment, capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert stopped.returncode == 0, stopped.stderr
    assert replay.ended() == 0
    assert folders(replay.places) == []


def test_two_at_once_beside_a_live_engine_touch_nothing_of_it(
    start: Start, spot: Path, exchange_config: Path, tmp_path: Path
) -> None:
    live = EngineProcess(tmp_path, exchange_config)
    try:
        until(live.reached, "the live engine")
        journal = until(live.journal, "its journal")
        began = time.monotonic()
        replays = [start("--replay", spot, "--config", exchange_config, "--speed", speed) for speed in ("1x", "max")]
        clients = [replay.client() for replay in replays]
        until(lambda: view(clients[1])["ended"], "the end of the fast one")
        slow = view(clients[0])
        assert slow["position"] < slow["start"] + (time.monotonic() - began) * SECOND
        named = subprocess.run(
            [sys.executable, "-m", "tradetui", "status"],
            env=replays[0].environment, capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
        assert "data live" in named.stdout
        assert named.stdout.endswith("replays: default/4711, default/4712\n")
        with BlockingClient(live.places.socket) as client:
            for name in ("replay_pause", "replay_resume", "replay_step"):
                denied = act(client, name)
                assert (denied["type"], denied["code"]) == ("denied", "not_available")
                assert "this engine is live" in denied["reason"]
            assert client.ask(type="get", id=9, topic="replay")["code"] == "not_available"
            assert client.ask(type="get", id=9, topic="health")["data"]["data"] == "live"
        for replay, client in zip(replays, clients, strict=True):
            client.close()
            replay.process.send_signal(signal.SIGTERM)
            assert replay.ended() == 0
            assert folders(replay.places) == []
        assert is_held(live.places.lock)
        assert [line for line in live.journal() if line["kind"] != "alert"] == [
            line for line in journal if line["kind"] != "alert"
        ]
        assert live.stop() == 0
    finally:
        live.stop(9)


def test_it_ends_when_its_last_client_was_killed(start: Start, spot: Path) -> None:
    replay = start("--replay", spot, gone_s=1.0)
    until(replay.reached, "the socket")
    looker = subprocess.Popen(
        [
            sys.executable, "-c",
            "import sys, time\nfrom pathlib import Path\nfrom tests.support.processes import BlockingClient\n"
            "with BlockingClient(Path(sys.argv[1])):\n    print('there', flush=True)\n    time.sleep(60)",
            str(replay.places.socket),
        ],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert looker.stdout is not None
        assert looker.stdout.readline() == b"there\n"
        time.sleep(2.5)
        assert replay.process.poll() is None
    finally:
        looker.kill()
        looker.wait()
        if looker.stdout is not None:
            looker.stdout.close()
    assert replay.ended() == 0
    assert folders(replay.places) == []


def test_it_ends_when_nobody_comes(start: Start, spot: Path) -> None:
    replay = start("--replay", spot, nobody_s=1.0)
    assert replay.ended() == 0
    assert folders(replay.places) == []


def test_its_mistakes_end_it_at_once(start: Start, spot: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no recording\n")
    for arguments, said in (
        (("--replay", tmp_path / "nowhere"), "no such file or folder"),
        (("--replay", tmp_path / "notes.txt"), "no message of a known stream"),
        (("--replay", spot, "--until", "2020-01-01"), "before the recording's start"),
    ):
        replay = start(*arguments)
        assert replay.ended() == 2
        assert said in replay.words.read_text()
        assert folders(replay.places) == []


# The console. -------------------------------------------------------------------------------------------------------


class Console:
    """`tradetui --replay` on a terminal of its own."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self.home = home
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tradetui", *arguments], stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True, env={**os.environ, "HOME": str(home), "TERM": "xterm-256color"},
        )  # fmt: skip
        os.close(slave)
        self._text = b""
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        """Take what it draws, or it would wait."""
        with contextlib.suppress(OSError):
            while came := os.read(self.master, 1 << 16):
                self._text += came

    def replays(self) -> list[Places]:
        folder = self.home / ".local/state/tradetui/default/replays"
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        return [places(f"default/{name}", {"HOME": str(self.home)}) for name in names]

    def said(self) -> str:
        """Everything, until its end."""
        self.process.wait(60)
        self._reading.join(5)
        return self._text.decode("utf-8", "replace")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reading.join(5)
        os.close(self.master)


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Callable[..., Console]]:
    made: list[Console] = []

    def begin(*arguments: object) -> Console:
        made.append(Console(tmp_path, *map(str, arguments)))
        return made[-1]

    yield begin
    for each in made:
        found = each.replays()
        each.close()
        for replay in found:
            with BlockingClient(replay.socket) as client:
                os.kill(client.welcome["pid"], signal.SIGTERM)
            until(lambda replay=replay: not replay.state.exists(), "the end of the replay")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--replay", "nowhere"), "nowhere: no such file or folder"),
        (("--replay", "{tmp}"), "no recordings in it"),
        (("--replay", "{spot}", "--speed", "3x"), "1x, 2x, 5x, 10x, 100x, max"),
        (("--replay", "{spot}", "--seek", "noon"), "expected a UTC time"),
        (("--replay", "{spot}", "--seek", "2024-08-09T12:00:00"), "to 2024-08-09T00:05:04.543Z"),
        (("--replay", "{spot}", "--seek", "2024-08-08"), "from 2024-08-08T23:54:13.937Z"),
        (("--replay", "{spot}", "--until", "2024-08-08"), "before the recording's start"),
        (("--replay", "{spot}", "--report", "x.json"), "add --headless"),
        (("--profile", "default/99",), "no replay 'default/99' is running"),
        (("--profile", "default/x",), "profile 'default/x': expected"),
        (("--headless", "--profile", "default/99"), "is a replay's"),
        (("--headless", "--detached", "--replay", "{spot}"), "has a number"),
    ],
)  # fmt: skip
def test_mistakes_are_told_before_a_screen_opens(
    arguments: tuple[str, ...], said: str, console: Callable[..., Console], spot: Path, tmp_path: Path
) -> None:
    opened = console(*(each.format(spot=spot, tmp=tmp_path) for each in arguments))
    text = opened.said()
    assert opened.process.returncode == 2, text
    assert said in text
    assert "\x1b[?1049h" not in text
    assert "Traceback" not in text
    assert opened.replays() == []


def test_a_console_has_a_replay_of_its_own_and_takes_away_what_dead_ones_left(
    console: Callable[..., Console], spot: Path, tmp_path: Path
) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = places(f"default/{dead.pid}", {"HOME": str(tmp_path)})
    left.make()
    (left.state / "engine.lock").write_text("{}")
    opened = console("--replay", spot, "--speed", "10x")

    def engine() -> Places | None:
        return next((each for each in opened.replays() if each.socket.exists()), None)

    found: Places = until(engine, "its engine")
    assert found.replay == str(opened.process.pid)
    assert not left.state.exists()
    with BlockingClient(found.socket) as client:
        until(lambda: len(client.ask(type="get", id=5, topic="health")["data"]["consoles"]) == 2, "the console")
        until(lambda: view(client)["position"] > view(client)["start"] + SECOND, "the replay")
    assert not (tmp_path / ".local/state/tradetui/default/engine.lock").exists()
    opened.process.kill()
    opened.process.wait()
    time.sleep(0.5)
    assert is_held(found.lock)  # it waits for somebody to come back; how long is tested above


def test_a_key_in_the_reason_of_a_kill_is_kept_nowhere(
    start: Start, spot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADETUI_BINANCE_API_KEY", MARK)
    monkeypatch.setenv("TRADETUI_BINANCE_API_SECRET", "s" * 20)
    replay = start("--replay", spot, "--speed", "10x")
    with replay.client() as client:
        settled(client)
        assert act(client, "kill", reason=f"it was {MARK}")["type"] == "done"
        latch = until(lambda: replay.places.latch.exists() and replay.places.latch.read_text(), "the latch")
        told = client.ask(type="get", id=3, topic="trading")
    assert "it was" in latch
    assert MARK not in latch + str(told)
