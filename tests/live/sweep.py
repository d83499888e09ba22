"""Many faults at random, and whether everything that was shown of them was true.

python -m tests.live.sweep --seeds 0 200
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from pathlib import Path

from engine.watch import HOLD
from tests.live.witness import TOLD, play
from tests.support.exchange import FaultKind, FaultScript, Instrument, recordings_root

SYMBOLS = (("binance:BTC/USDT", "binance:ETH/USDT"), ("binanceusdm:BTC/USDT:USDT",))
INSTRUMENTS = ((Instrument("spot", "BTCUSDT"), Instrument("spot", "ETHUSDT")), (Instrument("usdm", "BTCUSDT"),))


def sweep(root: Path, folder: Path, seed: int) -> list[str]:
    """Run a seed; return what was not true."""
    market = seed % 2
    script = FaultScript.from_seed(seed, INSTRUMENTS[market], first_s=3.0, duration_s=20.0, every_s=3.0, longest_s=9.0)
    run = play(root, folder, list(script), 50, symbols=SYMBOLS[market], seed=seed)
    last = run.samples[-1]
    jumped = abs(sum(fault.seconds for fault in script if fault.kind is FaultKind.CLOCK_JUMP)) > 0.9
    waits = "FEED_DOWN" in {code for code, _ in last.active}  # after many failures for up to a minute
    calm = last.at > run.calm + HOLD + TOLD
    if script.finished and calm and not jumped and not waits and last.health.state != "healthy":
        return [*run.complaints, f"ends {last.health.state}: {last.health.why}"]
    return run.complaints


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.live.sweep", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 200), metavar=("FIRST", "END"))
    given = parser.parse_args()
    logging.disable(logging.ERROR)
    root = recordings_root()
    if root is None:
        sys.exit("no recordings: set TRADETUI_RECORDINGS")
    wrong = 0
    for seed in range(*given.seeds):
        with tempfile.TemporaryDirectory() as folder:
            complaints = sweep(root, Path(folder), seed)
        wrong += bool(complaints)
        for complaint in complaints:
            print(f"seed {seed}: {complaint}", flush=True)
    print(f"{given.seeds[1] - given.seeds[0]} runs, {wrong} with something that was not true")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
