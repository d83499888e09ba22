"""The journal lane: how long until a record is on disk, alone and in bursts, and how fast records are read again.

`python -m tests.bench.journal_lane [--records 20000] [--alone 500] [--burst 200] [--folder DIR]` prints JSON. Records
have the size of an order's. Times are those of this disk: each commit waits for it (synchronous FULL).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from storage.records import StoredRecords
from storage.writer import Writer

BODY = (
    b'{"record":"OrderFilled","order":"k3x9-%06d","ts":1723161400000000000,"fill":{"record":"Fill","id":"123456789",'
    b'"order":"k3x9-%06d","instrument":"binance:BTC/USDT","side":"buy","price":6000000000000,"quantity":1000000,'
    b'"fee":1000,"fee_asset":"BTC","liquidity":"taker","ts":1723161400000000000,"mode":"paper"}}'
)


async def one(store: Writer, number: int) -> float:
    """Keep a record; return the seconds until it was on disk."""
    began = time.perf_counter()
    body = BODY % (number // 4, number // 4)
    assert await store.record("order_event", f"e{number}", body, mode="paper", ts=number)
    return time.perf_counter() - began


def times(taken: Sequence[float]) -> dict[str, float]:
    """Percentiles, ms."""
    p50, p99, most = np.percentile(taken, (50, 99, 100)) * 1000
    return {"p50_ms": round(p50, 3), "p99_ms": round(p99, 3), "max_ms": round(most, 3)}


async def measured(path: Path, records: int, alone: int, burst: int) -> dict[str, object]:
    """Everything that is printed."""
    async with Writer(path, engine=False) as store:
        singles = [await one(store, number) for number in range(alone)]
        number, bursts, took = alone, [], 0.0
        while number < records:
            began = time.perf_counter()
            bursts += await asyncio.gather(*(one(store, number + each) for each in range(burst)))
            took += time.perf_counter() - began
            number += burst
        written = number - alone
    reader = StoredRecords(path, "paper")
    began = time.perf_counter()
    read = sum(1 for _ in reader.since_image()[1])
    recovering = time.perf_counter() - began
    began = time.perf_counter()
    newest = reader.newest(["order_event"], limit=500)
    newest_ms = (time.perf_counter() - began) * 1000
    began = time.perf_counter()
    found = reader.of_orders([f"k3x9-{n:06d}" for n in range(500)])
    of_orders_ms = (time.perf_counter() - began) * 1000
    return {
        "alone": {"records_per_s": round(alone / sum(singles)), **times(singles)},
        f"bursts of {burst}": {"records_per_s": round(written / took), **times(bursts)},
        "read again": {"records": read, "records_per_s": round(read / recovering)},
        "newest 500": {"rows": len(newest), "ms": round(newest_ms, 2)},
        "of 500 orders": {"rows": len(found), "ms": round(of_orders_ms, 2)},
    }


def main(arguments: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--alone", type=int, default=500)
    parser.add_argument("--burst", type=int, default=200)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        found = asyncio.run(measured(Path(folder) / "market.db", given.records, given.alone, given.burst))
    print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
