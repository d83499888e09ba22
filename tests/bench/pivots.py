"""Market structure of 2.6 million one-minute bars at once, and bar by bar.

    python -m tests.bench.pivots [--bars 2600000] [--runs 5] [--steps 200000]

The bars are the recorded one-minute candles of Binance spot, tiled: read again and again with later stamps, until there
are enough. One thread. Prints JSON: seconds for the whole log of 5 levels (candles in memory, columns out), and
microseconds for each bar of the incremental form.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
from pathlib import Path

import numpy as np

from engine.market.pivots import Structure, pivots
from engine.ohlcv import COLUMNS, OHLCV
from engine.types import MS, Timeframe
from tests.support.exchange import recordings_root
from tests.support.series import minutes


def recorded(root: Path) -> np.ndarray:
    """High and low of the recorded minutes, BTC and then ETH, in order of time: [n, 2]."""
    return np.concatenate([minutes(root, coin).select("high", "low").to_numpy() for coin in ("BTC", "ETH")])


def tiled(prices: np.ndarray, count: int) -> OHLCV:
    """As many minutes as asked, the recorded prices again and again."""
    rows = np.resize(prices, (count, 2))
    columns = {name: np.zeros(count, kind) for name, kind in COLUMNS.items()}
    columns["open_ms"] = np.arange(count, dtype=np.int64) * 60_000
    columns["known_at"] = (columns["open_ms"] + 60_000) * MS
    columns["high"], columns["low"] = rows[:, 0].copy(), rows[:, 1].copy()
    return OHLCV(timeframe=Timeframe.M1, **columns)


def main() -> None:
    """Measure and print."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--bars", type=int, default=2_600_000)
    asked.add_argument("--runs", type=int, default=5)
    asked.add_argument("--steps", type=int, default=200_000)
    given = asked.parse_args()
    root = recordings_root()
    if root is None:
        raise SystemExit("no recordings: set TRADETUI_RECORDINGS")
    prices = recorded(root)
    candles = tiled(prices, given.bars)
    seconds = []
    for _ in range(given.runs):
        began = time.perf_counter()
        log, _ = pivots(candles)
        seconds.append(time.perf_counter() - began)
    structure = Structure(Timeframe.M1)
    columns = [column[: given.steps].tolist() for column in (candles.open_ms, candles.high, candles.low)]
    rows = list(zip(*columns, strict=True))
    taken = []
    gc.disable()
    for open_ms, high, low in rows:
        start = time.perf_counter_ns()
        structure.advance(open_ms, high, low)
        taken.append(time.perf_counter_ns() - start)
    gc.enable()
    p50, p99, most = np.quantile(np.array(taken) / 1000, (0.5, 0.99, 1.0)).round(2).tolist()
    print(
        json.dumps(
            {
                "bars": given.bars,
                "recorded_bars": len(prices),
                "pivots_per_level": {str(n): int((log.level == n).sum()) for n in range(1, 6)},
                "batch_seconds": {"median": round(statistics.median(seconds), 3), "worst": round(max(seconds), 3)},
                "incremental_us": {"bars": len(taken), "p50": p50, "p99": p99, "max": most},
                "state_bytes": len(structure.state()),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
