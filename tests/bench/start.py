"""How soon an engine is there: from the start of its process to its first live book, and the cost of `--help`.

    python -m tests.bench.start --runs 5

The exchange is the recorded one in a process of its own, on loopback.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from engine.errors import EngineUnreachable
from engine.health import HealthView
from tests.support.exchange import recordings_root
from tests.support.exchange.process import exchange_process
from tradetui.client import engine_of
from tradetui.places import Places, places


@contextlib.contextmanager
def exchange(folder: Path) -> Iterator[Path]:
    """Serve the spot recording; yield a settings file that points there."""
    root = recordings_root()
    if root is None:
        sys.exit("no recordings: set TRADETUI_RECORDINGS")
    with exchange_process(root / "hftbacktest-binance-ws" / "spot") as (_, address):
        config = folder / "config.toml"
        ws = address.replace("http", "ws", 1)
        config.write_text(
            f'data_provider.stand_ins = []\n[venues.binance]\nrest = ["{address}/spot"]\nws = ["{ws}/spot"]\n'
        )
        yield config


def environment(home: Path) -> dict[str, str]:
    """Return this process's environment with a home of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "TRADETUI__"))}
    return {**kept, "HOME": str(home)}


async def _first_book(place: Places, began: float) -> tuple[float, float]:
    """Return the seconds until the socket answers and until the first book is live."""
    answered = 0.0
    while True:
        try:
            async with engine_of(place, "bench") as client:
                answered = answered or time.perf_counter() - began
                while True:
                    health = await client.get("health", HealthView)
                    if any(instrument.live for instrument in health.instruments):
                        return answered, time.perf_counter() - began
                    await asyncio.sleep(0.005)
        except EngineUnreachable:
            await asyncio.sleep(0.005)


def start(config: Path, home: Path) -> tuple[float, float]:
    """Start an engine; return the seconds until its socket answers, and until its first book is live."""
    env = environment(home)
    began = time.perf_counter()
    command = [sys.executable, "-m", "tradetui", "--headless", "--config", str(config)]
    engine = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
    try:
        return asyncio.run(asyncio.wait_for(_first_book(places("default", env), began), 30))
    finally:
        engine.terminate()
        engine.wait()


def help_cost() -> tuple[float, float]:
    """Return wall and processor seconds of `tradetui --help`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "tradetui", "--help"], stdout=subprocess.DEVNULL, check=True)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the medians as JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.start", description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, exchange(Path(name)) as config:
        starts = [start(config, Path(name)) for _ in range(given.runs)]
    helps = [help_cost() for _ in range(given.runs)]
    print(
        json.dumps(
            {
                "socket_s": round(statistics.median(s for s, _ in starts), 3),
                "first_book_s": round(statistics.median(b for _, b in starts), 3),
                "first_book_max_s": round(max(b for _, b in starts), 3),
                "help_s": round(statistics.median(w for w, _ in helps), 3),
                "help_cpu_s": round(statistics.median(c for _, c in helps), 3),
                "runs": given.runs,
            }
        )
    )


if __name__ == "__main__":
    main()
