"""Sustained live load over loopback: the engine as a user starts it, the recorded exchange in a process of its own.

    python -m tests.bench.live [--seconds 600] [--rate 1000]

The exchange serves `--rate` messages a second of each of two symbols (any kind, in recorded order; recordings are
tiled). Latency is from the frame's receive stamp until its effect is in the state. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.exchange import recordings_root
from tests.support.exchange.process import exchange_process


def rss_mb(pid: int) -> float:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.live", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--rate", type=float, default=1000.0)
    given = parser.parse_args()
    with exchange(given.rate) as address:
        print(json.dumps(measure(address, given.seconds)[0]))


@contextmanager
def exchange(rate: float) -> Iterator[str]:
    """Run the recorded exchange in a process of its own; give its address."""
    root = recordings_root()
    if root is None:
        raise SystemExit("no recordings: set TRADETUI_RECORDINGS")
    with exchange_process(root / "hftbacktest-binance-ws" / "spot", rate=rate) as (_, address):
        yield address


def measure(
    address: str, seconds: float, program: Sequence[str] = ("-m", "tradetui")
) -> tuple[dict[str, Any], list[float]]:
    """Run the engine against an exchange; return the figures, and its memory in MB each second."""
    with tempfile.TemporaryDirectory() as folder:
        config, report = Path(folder) / "config.toml", Path(folder) / "report.json"
        ws = address.replace("http", "ws", 1)
        config.write_text(
            f'data_provider.stand_ins = []\n[venues.binance]\nrest = ["{address}/spot"]\nws = ["{ws}/spot"]\n'
        )
        command = [sys.executable, *program, "--headless", "--config", str(config), "--duration", str(seconds)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        engine = subprocess.Popen([*command, "--report", str(report)], **quiet)
        began = time.monotonic()
        memory = []
        while engine.poll() is None:
            time.sleep(1)
            if engine.poll() is None:
                memory.append(rss_mb(engine.pid))
        took = time.monotonic() - began
        result = json.loads(report.read_bytes())
    streams = result["streams"]
    figures = {
        "seconds": round(took, 1),
        "messages": result["throughput"]["messages"],
        "messages_per_s": round(result["throughput"]["messages"] / seconds),
        "latency": result["latency"],
        "rss_mb": {"after_60_s": memory[min(60, len(memory) - 1)], "end": memory[-1], "max": max(memory)},
        "gaps": sum(stream["gaps"] for stream in streams.values()),
        "live": all(stream["live"] for stream in streams.values()),
        "quote_check": {key: stream["quote_check"] for key, stream in streams.items()},
        "overflow": result["overflow"],
        "refused": result["refused"],
    }
    return figures, memory


if __name__ == "__main__":
    main()
