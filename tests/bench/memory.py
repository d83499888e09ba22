"""Memory of the live path once its bounded caches are full, in virtual time over the tiled spot recording.

    python -m tests.bench.memory [--messages 5000000]

First 35 recorded minutes fill the caches of minutes (raw updates 30 min, 1500 bars of 1s, 300 s of COB, the tape);
longer bars come from the candles at start as far as there are any. Then RSS is taken every 250,000 messages. The
recorded exchange runs in the same process and is in the figures. Prints JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import random
import time

from engine.collector import calm_collector
from engine.runtime import Engine
from tests.bench.live import rss_mb
from tests.fault.run import KEYS, VENUES, address
from tests.support.exchange import MemoryTransport, RecordedExchange, load_tape, now_ns, recordings_root, run_virtual
from tests.support.exchange.virtual_time import START_NS
from tests.support.virtual_clock import VirtualClock
from tradetui.bootstrap import build_engine
from tradetui.config import Settings, Venues

FILL_S = 35 * 60
EVERY = 250_000


async def reached(engine: Engine, messages: int) -> None:
    """Wait, a virtual second at a time, until so many messages were taken."""
    while engine.messages < messages:  # noqa: ASYNC110 - nothing in the engine tells when a count is reached
        await asyncio.sleep(1)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.memory", description=__doc__)
    parser.add_argument("--messages", type=int, default=5_000_000)
    given = parser.parse_args()
    root = recordings_root()
    if root is None:
        raise SystemExit("no recordings: set TRADETUI_RECORDINGS")
    tape = load_tape(root / "hftbacktest-binance-ws" / "spot")
    points: list[tuple[int, float]] = []
    began = time.monotonic()

    async def work() -> Engine:
        exchange = RecordedExchange(tape, now_ns, recordings=root)
        engine = build_engine(
            Settings(venues=Venues(**{venue: address(prefix) for prefix, venue in VENUES.items()})),
            list(KEYS["spot"]),
            clock=VirtualClock(),
            transport=MemoryTransport(exchange),
            monotonic=asyncio.get_running_loop().time,
            dice=random.Random(1).random,
        )
        stop = asyncio.Event()
        running = asyncio.create_task(engine.run(stop))
        await asyncio.sleep(FILL_S)
        first = engine.messages
        for goal in range(first, first + given.messages + EVERY, EVERY):
            await reached(engine, goal)
            gc.collect()
            points.append((engine.messages - first, rss_mb(os.getpid())))
        stop.set()
        await running
        return engine

    calm_collector()
    engine = run_virtual(work, start_ns=START_NS)
    grown = points[-1][1] - points[0][1]
    print(
        json.dumps(
            {
                "messages": points[-1][0],
                "wall_s": round(time.monotonic() - began),
                "rss_mb": [round(mb, 1) for _, mb in points],
                "grown_mb": round(grown, 2),
                "books_live": all(market.sync.live for market in engine.state.markets.values()),
                "resyncs": {key: market.sync.resyncs for key, market in engine.state.markets.items()},
            }
        )
    )


if __name__ == "__main__":
    main()
