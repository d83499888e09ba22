"""The console in a real terminal, with a real engine on a recorded exchange: what may happen to each of them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.terminal import Desk


class World:
    """A home of its own, with at most one engine."""

    def __init__(self, folder: Path, config: Path) -> None:
        (folder / "run").mkdir(mode=0o700)
        self.config = config
        self.environment = {**os.environ, "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder / "run")}
        self.desks: list[Desk] = []

    def open(self, *arguments: str, size: tuple[int, int] = (120, 40)) -> Desk:
        self.desks.append(Desk(self.environment, "--config", str(self.config), *arguments, size=size))
        return self.desks[-1]

    def ask(self, *arguments: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "tradetui", *arguments, "--json"],
            capture_output=True, text=True, check=False, env=self.environment, timeout=60,
        )  # fmt: skip
        return json.loads(done.stdout) if done.stdout else None

    def pid(self) -> int:
        """The engine's process, 0 without one."""
        health = self.ask("status")
        return int(health["processes"][0]["pid"]) if "processes" in health else 0

    def kill(self) -> int:
        pid = self.pid()
        os.kill(pid, signal.SIGKILL)
        return pid


@pytest.fixture
def world(tmp_path: Path, exchange_config: Path) -> Iterator[World]:
    made = World(tmp_path, exchange_config)
    try:
        yield made
    finally:
        for desk in made.desks:
            desk.close()
        if pid := made.pid():
            os.kill(pid, signal.SIGKILL)


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def until(condition: Callable[[], bool], within_s: float = 30.0) -> bool:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def test_it_starts_an_engine_that_stays(world: World) -> None:
    desk = world.open()
    assert desk.sees("starting engine") < 5
    desk.sees("healthy")
    desk.sees("ETH/USDT 1m")
    pid = world.pid()
    assert pid
    assert os.getsid(pid) == pid, "the engine is in the console's session"
    assert desk.leave() == 0
    assert f"detached; the engine (pid {pid}) goes on" in desk.text
    assert desk.restored()
    assert alive(pid)
    again = world.open("--symbol", "BTC/USDT")
    assert again.sees("healthy") < 5
    again.showed("no effect on a running engine: --config")
    again.press("E")
    again.sees("Stop the engine")
    again.press("\r")
    again.read(1.0)
    assert alive(pid), "no is the default"
    again.press("E")
    again.sees("Stop the engine")
    again.read(0.4)
    again.press("y")
    again.sees("stopped from this console")
    assert until(lambda: not alive(pid))
    again.read(3.0)
    assert not world.pid(), "an engine came back by itself"
    again.press("q")  # there is nothing to ask
    assert again.ended() == 0
    assert "no engine is attached" in again.text


def test_the_engine_dies_and_a_person_starts_another(world: World) -> None:
    desk = world.open()
    desk.sees("healthy")
    pid = world.kill()
    desk.sees("engine gone since")
    desk.sees(f"(pid {pid}: the engine closed the connection)")
    desk.mark()
    desk.read(3.5)
    assert not world.pid(), "it was started again without being asked"
    desk.press("E")
    desk.sees("Start an engine")
    desk.read(0.4)  # a dialog takes no yes before anybody can have read it
    desk.press("y")
    desk.showed("new engine (pid")
    desk.showed("before it pid")
    other = world.pid()
    assert other not in (0, pid)
    assert desk.leave() == 0
    assert alive(other)


def test_an_engine_started_by_others_is_found(world: World) -> None:
    desk = world.open()
    desk.sees("healthy")
    world.kill()
    desk.sees("engine gone since")
    other = world.open()
    other.sees("1/1 up")
    desk.showed("new engine (pid")
    assert world.pid()


def test_a_stalled_engine_is_said(world: World) -> None:
    desk = world.open()
    desk.sees("healthy")
    pid = world.pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        desk.sees("stalled: attached, but no news")
    finally:
        os.kill(pid, signal.SIGCONT)
    desk.sees("ENGINE_STALLED")  # the engine itself says that it stood still
    desk.sees("healthy")  # the word in the place of STALLED, once that alert has healed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_the_console_is_killed(world: World, number: signal.Signals) -> None:
    desk = world.open()
    desk.sees("healthy")
    pid = world.pid()
    desk.process.send_signal(number)
    code = desk.ended()
    assert code == (128 + number if number != signal.SIGKILL else -number)
    assert "Traceback" not in desk.text
    if number != signal.SIGKILL:
        assert desk.restored()
    assert alive(pid)
    assert until(lambda: len(world.ask("status")["consoles"]) <= 1), world.ask("status")["consoles"]


def test_the_terminal_goes_away(world: World) -> None:
    desk = world.open()
    desk.sees("healthy")
    pid = world.pid()
    desk.hang_up()
    assert until(lambda: desk.process.poll() is not None), "a stray process stays"
    assert alive(pid)


def test_the_terminal_goes_away_and_nobody_says_so(world: World) -> None:
    """As under nohup: no SIGHUP comes, only reads and writes fail."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        desk = world.open()
    finally:
        signal.signal(signal.SIGHUP, before)
    desk.sees("healthy")
    desk.hang_up()
    assert until(lambda: desk.process.poll() is not None), "a stray process stays"


@pytest.mark.slow
@pytest.mark.idle
def test_a_terminal_that_does_not_read(world: World) -> None:
    desk = world.open(size=(200, 60))
    desk.sees("healthy")
    pid = world.pid()
    time.sleep(30)  # nobody reads
    health = world.ask("status")
    (console,) = [each for each in health["consoles"] if each["client"] == "console"]
    assert console["waiting"] == 0, "the console does not read any more"
    assert health["processes"][0]["beat_max_ms"] < 1000
    assert not [alert for alert in health["alerts"] if alert["code"] == "CLIENT_SLOW"]
    desk.read(1.0)
    desk.mark()
    desk.sees("healthy")
    assert world.pid() == pid
    time.sleep(12)
    desk.process.terminate()
    assert until(lambda: desk.process.poll() is not None), "it does not end while nobody reads"
    assert desk.process.returncode == 128 + signal.SIGTERM
    assert termios.tcgetattr(desk._slave) == desk.before
    assert "Traceback" not in desk.text


def test_every_size(world: World) -> None:
    desk = world.open(size=(80, 24))
    desk.sees("healthy")
    for width, height in ((79, 24), (80, 23), (1, 1), (3, 200), (300, 3)):
        desk.resize(width, height)
        desk.read(0.6)
        assert desk.process.poll() is None
    desk.resize(60, 20)
    desk.sees("too small: need 80x24")
    for width, height in ((80, 24), (500, 120), (81, 25)):
        desk.resize(width, height)
        desk.sees("healthy")
    desk.press("?")
    desk.sees("the pane in focus")
    desk.resize(20, 5)
    desk.read(0.6)
    desk.resize(120, 40)
    desk.sees("healthy")
    assert desk.leave() == 0


def test_without_a_terminal_nothing_is_started(world: World) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tradetui"], capture_output=True, text=True, check=False, env=world.environment,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("tradetui: the console needs a terminal; use `tradetui status`")
    assert not world.pid()


def test_wrong_settings_are_said_before_anything_starts(world: World, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[log]\nlevle = 'INFO'\n")
    desk = Desk(world.environment, "--config", str(wrong))
    world.desks.append(desk)
    assert desk.ended() == 2
    assert "unknown setting log.levle" in desk.text
    assert not world.pid()


def test_what_the_console_loads() -> None:
    heavy = ("torch", "polars", "ccxt", "aiohttp", "pandas", "aiosqlite")
    code = (
        "import tradetui.cli.console, tradetui.config, tradetui.console.app, tradetui.console.link\n"
        "import tradetui.console.terminal, engine.health\n"
        f"import sys\nprint(*[name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_two_consoles_at_once_share_one_engine_and_a_third_attaches(world: World) -> None:
    desks = [world.open(), world.open()]
    for desk in desks:
        desk.sees("healthy")
    desks.append(world.open())
    desks[2].sees("healthy")
    pid = world.pid()
    for desk in desks:
        desk.mark()
        desk.sees(f"pid {pid}")
    consoles = [each for each in world.ask("status")["consoles"] if each["client"] == "console"]
    assert {each["pid"] for each in consoles} == {desk.process.pid for desk in desks}
    for desk, number in zip(desks[:2], (signal.SIGKILL, signal.SIGHUP), strict=True):
        desk.process.send_signal(number)
        desk.process.wait()
    desks[2].mark()
    desks[2].sees("healthy")
    assert alive(pid)
    assert world.pid() == pid

    def attached() -> list[int]:
        return [each["pid"] for each in world.ask("status")["consoles"] if each["client"] == "console"]

    assert until(lambda: attached() == [desks[2].process.pid]), attached()


def test_an_engine_that_cannot_start_is_told(world: World) -> None:
    desk = world.open("--symbol", "binance:NOPE/NOPE")
    desk.sees("does not list NOPENOPE")  # it has ended before the console attached, or says so when it goes
    desk.press("q")
    assert desk.ended() == 0


def test_q_stops_the_engine_if_that_is_wanted(world: World) -> None:
    desk = world.open()
    desk.sees("healthy")
    pid = world.pid()
    assert desk.leave("s") == 0
    assert until(lambda: not alive(pid)), "the engine goes on"
    assert desk.restored()


def test_a_hang_up_keeps_the_view(world: World) -> None:
    desk = world.open()
    desk.sees("healthy")
    desk.press("p")
    desk.sees("layout quad")
    desk.hang_up()
    assert until(lambda: desk.process.poll() is not None)
    again = world.open()
    again.sees("layout quad")


def test_colours_by_what_the_terminal_says(world: World) -> None:
    world.environment.pop("COLORTERM", None)
    plain = world.open("--color", "none")
    plain.sees("healthy")
    plain.read(1.0)
    assert not re.search(rb"\x1b\[[0-9;]*[34]8;[25];", plain.raw), "a colour in a terminal that is to have none"
    few = world.open("--color", "16", "--ascii")
    few.sees("healthy")
    few.read(0.5)
    assert not re.search(rb"\x1b\[[0-9;]*[34]8;[25];", few.raw)
    assert all(line.isascii() for line in few.screen())
    many = world.open()
    many.sees("healthy")
    assert re.search(rb"[34]8;5;", many.raw)
    assert not re.search(rb"[34]8;2;", many.raw), "TERM alone promises 256 colours"
    few.press_now("?")
    few.sees("the pane in focus")
    assert all(line.isascii() for line in few.screen())
