"""How soon a chart follows when one scrolls through years of candles: a page back, and going to a date.

    python -m tests.bench.scroll --presses 60

A console on a real pty of 200x60, beside the stand-in engine of recorded candles (`tests.support.candles --years`): its
answers come from memory, so what is measured is the console. `page_ms`: from the key until the chart has drawn the next
page, all of them in the past; `goto_ms`: from enter until another month is on the screen. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from tests.bench.console import percentile
from tests.support.exchange import recordings_root
from tests.support.terminal import Desk
from tradetui.places import places

PAGE_UP = "\x1b[5~"

DATES = ("2021-05-01", "2023-04-01", "2022-12-15", "2021-05-10", "2021-09-20", "2023-04-10")
QUIET_S = 0.12


def follows(desk: Desk, keys: str, least: int, text: str = "") -> float:
    """Press keys; return the milliseconds until so many bytes have been drawn, and a text among them."""
    began = time.monotonic()
    desk.press_now(keys)
    while time.monotonic() - began < 5:
        desk.read(0.002)
        if len(desk.raw) - desk.marked >= least and text in desk.drawn():
            return (time.monotonic() - began) * 1000
    raise AssertionError("nothing was drawn")


def measure(environment: dict[str, str], presses: int) -> dict[str, object]:
    """Return the figures."""
    desk = Desk(environment, size=(200, 60))
    try:
        desk.sees("replay \u25b8")
        desk.press(":layout solo\r")
        desk.read(1.0)
        pages, jumps = [], []
        desk.press(":goto 2023-04-20\r")
        desk.read(2.0)
        for _ in range(presses):
            pages.append(follows(desk, PAGE_UP, 2000))
            desk.read(QUIET_S)
        for date in DATES:
            desk.press(f":goto {date} 12:00")
            desk.read(0.3)
            jumps.append(follows(desk, "\r", 4000, f"{datetime.fromisoformat(date):%b %Y}"))
            desk.read(1.0)
        desk.press_now("q")
        desk.read(0.5)
        desk.press_now("d")
        desk.ended()
    finally:
        desk.close()
    return {
        "page_ms": {"p50": percentile(pages, 0.5), "p95": percentile(pages, 0.95), "max": round(max(pages), 1)},
        "goto_ms": {"p50": percentile(jumps, 0.5), "max": round(max(jumps), 1)},
    }


def main() -> None:
    """Measure, and print."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--presses", type=int, default=60)
    given = asked.parse_args()
    root = recordings_root()
    if root is None:
        sys.exit("no recordings: set TRADETUI_RECORDINGS")
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "HOME": home, "COLORTERM": "truecolor"}
        for name in ("XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "NO_COLOR"):
            environment.pop(name, None)
        command = [sys.executable, "-m", "tests.support.candles", "--recordings", str(root), "--speed", "1", "--years"]
        engine = subprocess.Popen([*command, "--until", "2024-08-05T13:00"], env=environment)
        try:
            socket: Path = places("default", environment).socket
            until = time.monotonic() + 60
            while not socket.exists() and time.monotonic() < until:
                time.sleep(0.2)
            print(json.dumps(measure(environment, given.presses)))
        finally:
            engine.terminate()
            engine.wait()


if __name__ == "__main__":
    main()
