"""Time for the risk gate to judge one order, in microseconds.

    python -m tests.bench.gate [--orders 200000] [--runs 5]

One thread. Orders that pass every check (the slowest that are approved), that only reduce, that are refused by the last
check, and by the first; and everything that can be said against one (`examine`, for the preview). Prints JSON: for each
the mean of the best run, and the 99th percentile of single calls.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Callable

from engine.approval import Approved, Refused
from engine.orders import UNIT, OrderSpec, Side, TradingState
from engine.risk.gate import examine, judge
from engine.risk.situation import Situation
from tests.engine.risk.cases import LIMITS, RULES, limit, long, order, well

TARGET_US = 20.0


def measured(call: Callable[[], object], orders: int, runs: int) -> dict[str, float]:
    """Mean of the best run and 99th percentile of single calls, us."""
    best = float("inf")
    for _ in range(runs):
        began = time.perf_counter()
        for _ in range(orders):
            call()
        best = min(best, (time.perf_counter() - began) / orders)
    single = []
    for _ in range(orders // 10):
        began_ns = time.perf_counter_ns()
        call()
        single.append(time.perf_counter_ns() - began_ns)
    single.sort()
    return {"mean_us": round(best * 1e6, 2), "p99_us": round(single[len(single) * 99 // 100] / 1000, 2)}


def main() -> None:
    """Measure and print."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--orders", type=int, default=200_000)
    asked.add_argument("--runs", type=int, default=5)
    given = asked.parse_args()
    cases: dict[str, tuple[Situation, OrderSpec, type]] = {
        "approved": (well(quality=0.9, size_factor=0.5), limit(60_000 * UNIT, stop_loss=59_000 * UNIT), Approved),
        "reduces": (long(state=TradingState.REDUCE), order(side=Side.SELL), Approved),
        "refused by the last check": (well(free=0), order(), Refused),
        "refused by the first check": (well(state=TradingState.HALTED), order(), Refused),
    }
    gc.disable()
    found: dict[str, object] = {}
    for name, (situation, spec, expected) in cases.items():
        verdict = judge(LIMITS, situation, spec, RULES)
        if not isinstance(verdict, expected):
            raise SystemExit(f"{name}: {verdict}")
        found[name] = measured(lambda at=situation, it=spec: judge(LIMITS, at, it, RULES), given.orders, given.runs)
    bad = well(state=TradingState.REDUCE, book_age_ms=None, equity=None, free=None, open_trades=9, entries=False)
    found["everything against one"] = measured(lambda: examine(LIMITS, bad, order(), RULES), given.orders // 10, 3)
    found["target_us"] = TARGET_US
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
