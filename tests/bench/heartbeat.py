"""What clients do to the engine's heartbeat: consoles that are killed, stalled terminals, hostile frames, floods.

    python -m tests.bench.heartbeat --seconds 60 --out heartbeat.json

Every phase has an engine of its own on the recorded exchange, which looks back on exactly the phase; the engine asks
for a beat every 100 ms. `ratio` is the p99 of a phase to that of the undisturbed one. Everything runs on one machine:
what the attackers take from its processors is in the figures.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.start import exchange
from tests.support import attacks
from tests.support.attacks import Honest
from tests.support.processes import EngineProcess

EVERY_S = 2.0
"""Seconds between two deaths of a console."""

CONSOLE = """
import sys
from pathlib import Path
from tests.support.processes import BlockingClient
with BlockingClient(Path(sys.argv[1])) as client:
    for number, (topic, every) in enumerate((("health", 500), ("markets", 250), ("alerts", 500), ("events", 500))):
        client.send(type="subscribe", id=number, topic=topic, every_ms=every)
    while True:
        client.read()
"""
"""A client that subscribes as the console does."""

Phase = Callable[[EngineProcess, float], Any]


class Terminal:
    """The product's own console in a terminal; without a reader the terminal stalls."""

    def __init__(self, engine: EngineProcess, config: Path) -> None:
        self.master, slave = pty.openpty()
        command = [sys.executable, "-m", "tradetui", "--config", str(config)]
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            env={**engine.environment, "TERM": "xterm-256color"},
        )  # fmt: skip
        os.close(slave)

    def read(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.master], [], [], left)[0]:
                return
            try:
                os.read(self.master, 1 << 16)
            except OSError:
                return

    def end(self, number: int = signal.SIGKILL) -> None:
        self.process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.read(0.2)
            self.process.wait(10)
        self.process.kill()
        self.process.wait()
        os.close(self.master)


def undisturbed(_engine: EngineProcess, seconds: float) -> None:
    time.sleep(seconds)


def clients_killed(number: int) -> Phase:
    def phase(engine: EngineProcess, seconds: float) -> int:
        killed, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            client = subprocess.Popen([sys.executable, "-c", CONSOLE, str(engine.places.socket)])
            time.sleep(EVERY_S)
            client.send_signal(number)
            client.wait()
            killed += 1
        return killed

    return phase


def consoles_killed(number: int, config: Path) -> Phase:
    def phase(engine: EngineProcess, seconds: float) -> int:
        killed, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            terminal = Terminal(engine, config)
            terminal.read(EVERY_S)
            terminal.end(number)
            killed += 1
        return killed

    return phase


def stalled(config: Path) -> Phase:
    """A terminal that is not read for 30 s (or the phase), and beside it a client that does not read at all."""

    def phase(engine: EngineProcess, seconds: float) -> None:
        terminal = Terminal(engine, config)
        terminal.read(min(3.0, seconds / 4))
        deaf = threading.Thread(target=attacks.never_read, args=(engine.places.socket, min(30.0, seconds / 2)))
        deaf.start()
        deaf.join()
        terminal.read(max(seconds - 3 - min(30.0, seconds / 2), 0.5))
        terminal.end()

    return phase


def repeated(attack: Callable[[Path, float], Any]) -> Phase:
    """An attack until the phase is over; it may be done earlier."""

    def phase(engine: EngineProcess, seconds: float) -> Any:
        begun = time.monotonic()
        told = attack(engine.places.socket, seconds)
        time.sleep(max(begun + seconds - time.monotonic(), 0))
        return told

    return phase


def hostile_frames(path: Path, seconds: float) -> int:
    """Ten thousand frames, or as many as the phase has time for."""
    return attacks.hostile(path, seconds, count=10_000)


def measure(name: str, phase: Phase, config: Path, home: Path, seconds: float) -> dict[str, Any]:
    """Run one phase; return the heartbeat's figures, in ms, and those of an honest client beside it."""
    engine = EngineProcess(home, config, beats=int(10 * seconds)).ready()
    try:
        time.sleep(1)  # the first books are dear
        honest = Honest(engine.places.socket)
        time.sleep(1)
        before, begun = honest.news, time.monotonic()
        told = phase(engine, seconds)
        took = time.monotonic() - begun
        process, health = honest.health["processes"][0], honest.health
        found = {
            "p50": process["beat_p50_ms"], "p95": process["beat_p95_ms"], "p99": process["beat_p99_ms"],
            "max": process["beat_max_ms"], "honest_news_per_s": round((honest.news - before) / took, 2),
            "honest_error": honest.error, "rss_mb": process["rss_mb"], "refused": health["refused_consoles"],
            "live": all(row["live"] for row in health["instruments"]), "told": told if isinstance(told, int) else None,
        }  # fmt: skip
        honest.end()
    finally:
        engine.stop()
    print(f"{name}: {json.dumps(found)}", file=sys.stderr)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.heartbeat", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each phase")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", nargs="*", help="these phases, besides the undisturbed one")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, exchange(Path(folder)) as config:
        phases: dict[str, Phase] = {
            "undisturbed": undisturbed,
            "client_sighup": clients_killed(signal.SIGHUP),
            "client_kill": clients_killed(signal.SIGKILL),
            "console_sighup": consoles_killed(signal.SIGHUP, config),
            "console_kill": consoles_killed(signal.SIGKILL, config),
            "stalled_terminal": stalled(config),
            "hostile_frames": repeated(hostile_frames),
            "100_mb_small_frames": repeated(attacks.many_small_frames),
            "100_mb_one_frame": repeated(attacks.one_huge_frame),
            "come_and_vanish": repeated(attacks.come_and_vanish),
            "dear_subscriptions": repeated(attacks.ten_thousand_subscriptions),
            "dear_requests": repeated(attacks.many_requests),
        }
        chosen = ["undisturbed", *(given.only or [name for name in phases if name != "undisturbed"])]
        found: dict[str, dict[str, Any]] = {}
        for name in chosen:
            home = Path(folder) / name
            home.mkdir()
            found[name] = measure(name, phases[name], config, home, given.seconds)
            found[name]["ratio"] = round(found[name]["p99"] / found["undisturbed"]["p99"], 3)
    result = json.dumps({"seconds": given.seconds, "load": os.getloadavg()[0], "phases": found}, indent=1)
    print(result)
    if given.out is not None:
        given.out.write_text(result + "\n")


if __name__ == "__main__":
    main()
