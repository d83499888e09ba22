"""What may happen to a terminal: noise, storms of sizes and keys, no reader, no terminal. One engine is shared."""

from __future__ import annotations

import os
import signal
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.test_console_pty import World, alive, until
from tests.support.terminal import Desk

NOISE = (
    b"\xe9\xff\xfe\xed\xa0\x80", b"\x1b[M\xff\xff\xff", b"\x1b[99999999~", b"\x1b[1114112u", b"\x1b[97;1:99;999u",
    b"\x9b31m\xf0\x9f", b"\x1b[48;0;0;0;0t\x1b[48;1;1;1;1t", b"\x1b]11;rgb:zz/zz/zz\x07", b"\x1b[<0;99999;99999M",
)  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, exchange_config: Path) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("world"), exchange_config)
    try:
        made.open().sees("healthy")
        made.desks[0].close()
        yield made
    finally:
        for desk in made.desks:
            desk.close()
        if pid := made.pid():
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def desk(world: World) -> Iterator[Desk]:
    opened = world.open()
    opened.sees("healthy")
    yield opened
    opened.close()
    assert not crashes(world)


def crashes(world: World) -> list[Path]:
    return list(Path(world.environment["HOME"]).rglob("crashes/*"))


def kept(world: World) -> bytes:
    (found,) = Path(world.environment["HOME"]).rglob("console.json")
    return found.read_bytes()


def test_noise_ends_neither_the_console_nor_its_keyboard(desk: Desk) -> None:
    for noise in NOISE:
        os.write(desk.master, noise)
        desk.read(0.1)
        os.write(desk.master, b"\x1b")
        desk.read(0.2)
    desk.press("?")
    desk.sees("Everywhere")
    assert "Traceback" not in desk.text
    desk.press("\x1b")
    desk.misses("Everywhere")  # read at once with the escape, the q would be another key
    assert desk.leave() == 0
    assert desk.restored()


def test_a_long_paste_with_controls_is_shown_inert(desk: Desk) -> None:
    desk.press(":")
    desk.read(0.3)
    os.write(desk.master, b"\x1b[200~theme \x1b]0;x\x07\xc2\x9b2J" + b"x" * 3000 + b"\x1b[201~")
    desk.sees("2Jxxxxxx")
    assert "healthy" in desk.screen()[0], "a paste has cleared the screen"
    desk.press("\x1b")
    desk.sees("? help")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT, signal.SIGKILL])
def test_it_ends_in_the_middle_of_frames(world: World, desk: Desk, number: signal.Signals) -> None:
    desk.press("p")
    assert until(lambda: b"preset" in kept(world))
    before = kept(world)
    for width in range(120, 126):
        desk.resize(width, 40)
        time.sleep(0.01)
    desk.process.send_signal(number)
    assert desk.ended() == (128 + number if number != signal.SIGKILL else -number)
    assert "Traceback" not in desk.text
    assert number == signal.SIGKILL or desk.restored()
    assert b'"preset"' in kept(world)
    assert len(kept(world)) > len(before) // 2, "half a view was kept"


@pytest.mark.parametrize("after_s", [0.0, 0.1])
def test_the_terminal_is_closed_in_the_middle_of_a_frame(world: World, desk: Desk, after_s: float) -> None:
    engine = world.pid()
    desk.resize(200, 60)
    time.sleep(after_s)
    desk.hang_up()
    assert until(lambda: desk.process.poll() is not None), "a stray process stays"
    assert desk.process.returncode == 128 + signal.SIGHUP
    assert alive(engine)


def test_storms_of_sizes_and_keys(desk: Desk) -> None:
    for size in ((1, 1), (200, 1), (1, 60), (81, 25), (2, 36)) * 4:
        desk.resize(*size)
        os.write(desk.master, b"\x10?E:")  # the palette, help, questions: nothing of it opens where nothing can be read
        desk.read(0.02)
    desk.read(0.5)
    os.write(desk.master, b"\x1b" * 8)
    desk.read(0.5)
    desk.resize(120, 40)
    desk.sees("healthy")
    for _ in range(20):
        os.write(desk.master, b"hlc[]zz{}a+-0kjvss1x"[:20])
        desk.read(0.01)
    began = time.monotonic()
    desk.press("?")
    desk.sees("Everywhere", 15)
    assert time.monotonic() - began < 10
    assert "Traceback" not in desk.text


def test_what_was_missed_while_nobody_read_is_not_made_up_for(desk: Desk) -> None:
    time.sleep(2)  # nobody reads
    began = len(desk.raw)
    desk.read(0.3)
    assert len(desk.raw) - began < 200_000, "a backlog of pictures"
    desk.mark()
    desk.sees("healthy")
    assert termios.tcgetattr(desk._slave) != desk.before
