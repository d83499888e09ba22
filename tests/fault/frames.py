"""Hostile frames against the engine's socket, in virtual time, with an honest client beside them.

    python -m tests.fault.frames --seed 0 --count 10000

Prints what became of them as JSON. The run fails when a frame is answered by a fault of ours, touches another
connection or the market's state, or leaves a task or an open file behind.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import gc
import json
import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.digest import state_hash
from engine.peer import RATE
from tests.support.exchange import now_ns, run_virtual
from tests.support.hostile import hostile_frames
from tests.support.serving import START_NS, Market, Stage, stage
from tests.support.wire import HELLO

AT_ONCE = 8
"""Attackers side by side."""

ANSWERS = {"state", "series", "done", "denied", "refused"}


def open_files() -> int:
    """Open files of this process, 0 where the system does not tell."""
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


class _Errors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(record.getMessage())


def run(seed: int, count: int) -> dict[str, Any]:
    """Send `count` frames; return what became of them."""
    errors = _Errors()
    logging.getLogger().addHandler(errors)
    try:
        with tempfile.TemporaryDirectory() as folder:
            found = run_virtual(lambda: _run(seed, count, Path(folder)), start_ns=START_NS)
    finally:
        logging.getLogger().removeHandler(errors)
    assert errors.seen == []
    return found


async def _run(seed: int, count: int, folder: Path) -> dict[str, Any]:
    market, still = Market(), Market()

    async def harmless(_arguments: Mapping[str, object]) -> str:
        return "done"

    async with stage(folder, state=market.state, commands={"acknowledge": harmless, "log_level": harmless}) as made:
        honest = await made.client()
        honest.send(type="subscribe", id=1, topic="markets", every_ms=100)
        seen = [0]

        async def listen() -> None:
            async for message in honest:
                assert message["type"] == "state"
                seen[0] += 1

        async def move() -> None:
            while True:
                await asyncio.sleep(0.1)
                market.tick()
                still.tick()

        beside = [asyncio.create_task(listen()), asyncio.create_task(move())]
        await asyncio.sleep(1)
        gc.collect()
        files, tasks, begun, first = open_files(), len(asyncio.all_tasks()), now_ns(), seen[0]
        frames, told = hostile_frames(seed), collections.Counter[str]()
        left = iter(range(count))

        async def attack() -> None:
            for _ in left:
                await _send(made, next(frames), told)

        await asyncio.gather(*(attack() for _ in range(AT_ONCE)))
        await asyncio.sleep(7)  # the time for a first word and more
        gc.collect()
        seconds = (now_ns() - begun) / 1e9
        result = {
            "seed": seed,
            "frames": count,
            "answers": dict(sorted(told.items())),
            "refused": made.server.refused,
            "virtual_s": round(seconds, 1),
            "honest_news_per_s": round((seen[0] - first) / seconds, 2),
            "files_left": open_files() - files,
            "tasks_left": len(asyncio.all_tasks()) - tasks,
            "connections": len(made.server.consoles()),
            "state_is_untouched": state_hash(market.state) == state_hash(still.state),
        }
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
    return result


async def _send(made: Stage, frame: bytes, told: collections.Counter[str]) -> None:
    """Say hello, send a frame, hear what comes of it, and vanish."""
    wire = await made.client(HELLO)
    made.wires.remove(wire)
    assert wire.welcome["type"] == "welcome"
    wire.writer.write(frame)
    kind = "nothing"
    try:
        async with asyncio.timeout(1 / RATE):
            answer = await wire.read()
            kind = answer.get("type", "closed")
            assert kind in ANSWERS
            assert answer.get("code") != "failed", answer
    except TimeoutError:
        pass
    told[kind] += 1
    wire.writer.close()
    await asyncio.sleep(0)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.fault.frames", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=10_000)
    given = parser.parse_args()
    print(json.dumps(run(given.seed, given.count)))


if __name__ == "__main__":
    main()
