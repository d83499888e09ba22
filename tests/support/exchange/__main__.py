"""Run the recorded exchange in its own process; prints one JSON line with its address, then serves until killed."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import time
from pathlib import Path

from tests.support.exchange.exchange import RecordedExchange
from tests.support.exchange.faults import FaultScript
from tests.support.exchange.server import serve
from tests.support.exchange.tape import load_tape


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.support.exchange", description=__doc__)
    parser.add_argument("--recordings", type=Path, nargs="+", required=True, help="folders or files")
    parser.add_argument("--symbols", nargs="*", help="only these")
    parser.add_argument("--limit-s", type=float, help="only this much of the recordings")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--rate", type=float, help="messages a second of each symbol instead of recorded times")
    parser.add_argument("--no-shift", action="store_true", help="serve the recorded stamps")
    parser.add_argument("--no-tile", action="store_true", help="fall silent at the recording's end")
    parser.add_argument("--begin", choices=["now", "start"], default="now")
    parser.add_argument("--legacy-routes", action="store_true")
    parser.add_argument("--fault-seed", type=int)
    parser.add_argument("--fault-duration-s", type=float, default=600.0)
    return parser.parse_args()


async def _serve(given: argparse.Namespace) -> None:
    tape = load_tape(*given.recordings, symbols=given.symbols, limit_s=given.limit_s)
    faults = None
    if given.fault_seed is not None:
        faults = FaultScript.from_seed(given.fault_seed, tape.instruments, duration_s=given.fault_duration_s)
    gc.freeze()
    exchange = RecordedExchange(
        tape,
        time.time_ns,
        faults=faults,
        shift=not given.no_shift,
        speed=given.speed,
        rate=given.rate,
        tile=not given.no_tile,
        begin=given.begin,
        legacy_routes=given.legacy_routes,
    )
    async with serve(exchange, port=given.port) as base_url:
        symbols = [list(instrument) for instrument in tape.instruments]
        print(json.dumps({"address": base_url, "symbols": symbols, "t0": exchange.t0_ns}), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(_arguments()))
