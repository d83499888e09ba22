"""All recorded candles and trades brought in by the command line, in one go: how many rows, how fast, and again.

python -m tests.bench.imports [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.start import environment
from tests.support.exchange import recordings_root

ROOT = Path(__file__).parents[2]


def command(home: Path, *arguments: str) -> tuple[int, Any, float]:
    """Run `tradetui data ...`; return its exit code, what it printed, and the seconds."""
    began = time.perf_counter()
    line = [sys.executable, "-m", "tradetui", "data", *arguments, "--json"]
    done = subprocess.run(line, env=environment(home), cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode > 1:
        sys.exit(done.stderr)
    return done.returncode, json.loads(done.stdout), time.perf_counter() - began


def measure(home: Path, recordings: Path) -> dict[str, Any]:
    """Return the figures."""
    given = ("import", "--manifest", str(ROOT / "docs" / "import-manifest.toml"), str(recordings))
    _, first, took = command(home, *given)
    cpu = resource.getrusage(resource.RUSAGE_CHILDREN)
    _, second, again = command(home, *given)
    _, series, _ = command(home, "ls")
    code, verified, verifying = command(home, "verify")
    candles = [each for each in series if "trades" not in each["timeframe"]]
    minutes = [
        each
        for each in candles
        if (each["venue"], each["timeframe"], each["source"]) == ("binance", "1m", "import:freqtrade")
    ]
    return {
        "totals": first["totals"],
        "candles": sum(each["rows"] for each in candles),
        "trades": sum(each["rows"] for each in series) - sum(each["rows"] for each in candles),
        "binance_spot_1m": sum(each["rows"] for each in minutes),
        "series": len(series),
        "import_s": first["seconds"],
        "rows_per_s": round(first["totals"]["new"] / first["seconds"]),
        "with_pivots_s": round(took, 2),
        "cpu_s": round(cpu.ru_utime + cpu.ru_stime, 2),
        "again_new": second["totals"]["new"],
        "again_s": round(again, 2),
        "slowest": sorted(([each["seconds"], each["path"]] for each in first["files"]), reverse=True)[:3],
        "verify": {
            "exit_code": code,
            "pairs": verified["pairs"],
            "compared": verified["compared"],
            "differing_pairs": verified["differing_pairs"],
            "differing_candles": verified["differing_candles"],
            "seconds": round(verifying, 2),
        },
    }


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="Home of the profile, kept; a new temporary one by default.")
    chosen = parser.parse_args()
    recordings = recordings_root()
    if recordings is None:
        sys.exit("no recordings: set TRADETUI_RECORDINGS")
    with tempfile.TemporaryDirectory() as folder:
        home = chosen.keep or Path(folder)
        home.mkdir(parents=True, exist_ok=True)
        print(json.dumps(measure(home, recordings), indent=1))


if __name__ == "__main__":
    main()
