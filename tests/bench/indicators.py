"""All indicators: of a series at once, and bar by bar, on recorded candles.

    python -m tests.bench.indicators [--runs 20]

Prints JSON: milliseconds for 1500 bars and for all bars at once, microseconds for a bar (advance, peek), milliseconds
to build a state from 1500 bars.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

from engine.collector import calm_collector
from engine.market.indicator_state import IndicatorState
from engine.market.indicators import NAMES, WARM_UP, indicators
from engine.types import Timeframe
from tests.support.exchange import recordings_root
from tests.support.series import BINANCE_1M, recorded


def milliseconds(action: Callable[[], object], runs: int) -> dict[str, float]:
    """Median and worst time of an action."""
    times = []
    for _ in range(runs):
        began = time.perf_counter_ns()
        action()
        times.append((time.perf_counter_ns() - began) / 1e6)
    return {"median": round(statistics.median(times), 3), "max": round(max(times), 3)}


def each(action: Callable[..., object], bars: list[tuple[float, ...]]) -> dict[str, float]:
    """Median and 99th percentile of the microseconds that an action takes for a bar."""
    times = []
    for bar in bars:
        began = time.perf_counter_ns()
        action(*bar)
        times.append(time.perf_counter_ns() - began)
    times.sort()
    return {"median": round(statistics.median(times) / 1e3, 1), "p99": round(times[len(times) * 99 // 100] / 1e3, 1)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.indicators", description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    given = parser.parse_args()
    root = recordings_root()
    if root is None:
        raise SystemExit("no recordings: set TRADETUI_RECORDINGS")
    calm_collector()
    series = recorded(root, BINANCE_1M, Timeframe.M1)
    recent = series[:WARM_UP]
    columns = (series.open_ms, series.open, series.high, series.low, series.close, series.volume, series.quote_volume)
    bars = list(zip(*[column[WARM_UP : WARM_UP + 20_000].tolist() for column in columns], strict=True))
    state = IndicatorState.of(recent)
    result = {
        "indicators": len(NAMES),
        "batch_1500_ms": milliseconds(lambda: indicators(recent), given.runs),
        "batch_all_bars": len(series),
        "batch_all_ms": milliseconds(lambda: indicators(series), 3),
        "advance_us": each(state.copy().advance, bars),
        "peek_us": each(state.peek, bars[:2000]),
        "state_of_1500_ms": milliseconds(lambda: IndicatorState.of(recent), given.runs),
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
