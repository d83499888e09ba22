"""`python -m tests.support.venue --port P [--kind binance|binanceusdm|bybit] [--journal FILE]`.

Prints one line of JSON with its address, then serves until it is killed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
from pathlib import Path

from tests.support.venue.instruments import KINDS
from tests.support.venue.service import Venue, serve
from tests.support.venue.signing import KEY, SECRET


async def _serve(given: argparse.Namespace) -> None:
    async with serve(Venue(given.kind, journal=given.journal), port=given.port) as address:
        print(json.dumps({"address": address, "kind": given.kind, "key": KEY, "secret": SECRET}), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.support.venue", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--kind", choices=KINDS, default="binance")
    parser.add_argument("--journal", type=Path)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(parser.parse_args()))
