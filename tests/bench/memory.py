"""Memory of a live engine once its bounded caches are full.

    python -m tests.bench.memory [--messages 5000000] [--rate 10000]

The engine follows two symbols of the recorded exchange (a process of its own, recordings tiled) at ten times the load
of the latency benchmark, so that the 180,000 raw updates and the 300 s of COB are full after eight minutes; then RSS is
held against the messages that follow, as medians over half a minute. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
from statistics import median

from tests.bench.live import exchange, measure

FILL_S = 480


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.memory", description=__doc__)
    parser.add_argument("--messages", type=int, default=5_000_000)
    parser.add_argument("--rate", type=float, default=10_000.0)
    given = parser.parse_args()
    # The exchange serves a little less than asked for; ten per cent are added so that the messages are reached.
    seconds = FILL_S + 1.15 * given.messages / (2 * given.rate)
    with exchange(given.rate) as address:
        result, memory = measure(address, seconds)
    full = memory[FILL_S:-5]  # the last seconds are the report's
    messages = round(result["messages_per_s"] * len(full))
    print(
        json.dumps(
            {
                "messages_after_fill": messages,
                "rss_mb_full": full[0],
                "rss_mb_each_30_s": [round(mb, 1) for mb in full[::30]],
                "grown_mb": round(median(full[-30:]) - median(full[:30]), 2),
                "run": result,
            }
        )
    )


if __name__ == "__main__":
    main()
