"""The full path on a recording at full speed: decompression, decode, books, bars, COB, report.

    python -m tests.bench.path [--recording PATH] [--runs 5]

Each run is a process of its own, as a user would start it. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.exchange import recordings_root


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.path", description=__doc__)
    parser.add_argument("--recording", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    root = recordings_root()
    if given.recording is None and root is None:
        raise SystemExit("no recordings: set TRADETUI_RECORDINGS")
    recording = given.recording or root / "hftbacktest-binance-ws" / "spot"  # type: ignore[operator]
    rates: list[float] = []
    messages = 0
    for _ in range(given.runs):
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report.json"
            command = [sys.executable, "-m", "tradetui", "--headless", "--replay", str(recording), "--speed", "max"]
            subprocess.run([*command, "--report", str(report)], check=True, capture_output=True)
            throughput = json.loads(report.read_bytes())["throughput"]
            rates.append(throughput["messages_per_s"])
            messages = throughput["messages"]
    print(
        json.dumps(
            {
                "recording": recording.name,
                "messages": messages,
                "msg_per_s": {"median": statistics.median(rates), "min": min(rates), "max": max(rates)},
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
