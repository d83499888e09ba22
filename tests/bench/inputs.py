"""Model input: built live, read from storage, and what keeping it up to date costs a second.

    python -m tests.bench.inputs [--recordings PATH]

Replays the recorded quarter of an hour with two months of recorded candles loaded before it, so that memory is full,
and stores all of it. Prints JSON; milliseconds and microseconds by median and 99th percentile.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from engine.core import Commands
from engine.data.parts import live_parts
from engine.data.provider import DataProvider
from engine.keep import Keep
from engine.market.assembly import build
from engine.market.frames import Frames
from engine.replay import Recording, Replay
from engine.types import SECOND
from storage.archive import StoredArchive
from storage.writer import Writer
from tests.engine.recorded import load
from tests.support.exchange import recordings_root

KEY = "binance:ETH/USDT"


def timed(call: Callable[[], object], times: int, unit: float = 1e6) -> dict[str, float]:
    """Return median and 99th percentile of a call, ns / unit."""
    taken = []
    for _ in range(times):
        began = time.perf_counter_ns()
        call()
        taken.append((time.perf_counter_ns() - began) / unit)
    return {"median": round(statistics.median(taken), 4), "p99": round(sorted(taken)[int(times * 0.99) - 1], 4)}


def seconds_of_frames(replay: Replay, keeps: list[Keep]) -> dict[str, float]:
    """Return what a second costs the frames, microseconds: bars of all timeframes, indicators, pivots, a column."""
    market = replay.state.markets[KEY]
    frames = Frames(market.instrument, 1500)
    taken = []
    for keep in keeps:
        if keep.instrument.key != KEY:
            continue
        began = time.perf_counter_ns()
        frames.take(keep.known_at, keep.bars, keep.withdrawn, keep.column, keep.bucket, keep.averages)
        if len(keep.bars) < 10:  # the history that is loaded at the start is another matter
            taken.append((time.perf_counter_ns() - began) / 1e3)
    return {"median": round(statistics.median(taken), 1), "p99": round(sorted(taken)[int(len(taken) * 0.99)], 1)}


async def stored(keeps: list[Keep], folder: Path, state: Replay) -> dict[str, object]:
    """Store everything, and ask for it."""
    last = max(keep.known_at for keep in keeps)
    async with Writer(folder / "market.db", clock=lambda: last + SECOND) as writer:
        for keep in keeps:
            writer.put(keep)
    archive = StoredArchive(folder / "market.db", folder / "cold")
    offline = DataProvider(archive=archive)
    live = DataProvider(state=lambda: state.state, archive=archive, now=lambda: last)
    first = min(keep.known_at for keep in keeps)
    times = [first + (n * 37 % 500 + 100) * SECOND for n in range(100)]
    cold = []
    for at in times:
        answer = await offline.get_inference_data(KEY, at, context_window_minutes=0)
        assert answer.input is not None, answer.reason
        cold.append(answer.query_latency_ms)
    latest = [(await live.get_inference_data(KEY, context_window_minutes=0)).query_latency_ms for _ in range(300)]
    context = [(await offline.get_inference_data(KEY, at)).query_latency_ms for at in times[:30]]
    archive.close()
    return {
        "one_timestamp_ms": {"median": round(statistics.median(cold), 2), "p99": round(max(cold), 2)},
        "with_context_of_5_min_ms": {"median": round(statistics.median(context), 2), "p99": round(max(context), 2)},
        "latest_ms": {"median": round(statistics.median(latest), 4), "p99": round(sorted(latest)[296], 4)},
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.inputs", description=__doc__)
    parser.add_argument("--recordings", type=Path, default=recordings_root())
    root = parser.parse_args().recordings
    if root is None:
        raise SystemExit("no recordings: set TRADETUI_RECORDINGS")
    keeps: list[Keep] = []
    replay = Replay(Recording([root / "hftbacktest-binance-ws" / "spot"]))

    def commanded(commands: Commands) -> None:
        keeps.extend(command for command in commands if isinstance(command, Keep))

    replay.commands = commanded
    replay.run(limit=1000)
    load(root, replay)
    replay.run()
    given = build(live_parts(replay.state, KEY))
    figures: dict[str, object] = {
        "bars_in_memory": {str(each): int(frame.there.sum()) for each, frame in given.frames.items()},
        "build_ms": timed(lambda: build(live_parts(replay.state, KEY)), 1000),
        "parts_ms": timed(lambda: live_parts(replay.state, KEY), 1000),
        "second_of_frames_us": seconds_of_frames(replay, keeps),
    }
    with tempfile.TemporaryDirectory() as folder:
        figures |= asyncio.run(stored(keeps, Path(folder), replay))
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
