"""How long `tradetui kill --flatten` takes, from the start of Python to its end, against three venues on loopback.

python -m tests.bench.kill [rounds]
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path

from tests.support.venue import KEY, SECRET, Venue, serve
from tests.support.venue.instruments import KINDS
from tests.support.venue.orders import Wanted
from tradetui.kill.card import KillCard, VenueCard, write_card
from tradetui.places import places

TRADED = {"binance": "BTC/USDT", "binanceusdm": "BTC/USDT:USDT", "bybit": "BTC/USDT:USDT"}


def order(venue: Venue, number: int, kind: str, price: str) -> None:
    """Put an order straight into a venue's book."""
    listed = next(each for each in KINDS[venue.kind] if venue.kind == "binance" or not each.spot)
    wanted = Wanted(
        client=f"x-{number}", instrument=listed, side="BUY", type=kind, quantity=Decimal("0.01"), price=Decimal(price),
        said=kind.upper(),
    )  # fmt: skip
    venue.matching.place(wanted)


async def one(home: Path, venues: list[Venue], number: int) -> tuple[float, float]:
    """Kill once; seconds until every venue had nothing left, and of the whole command."""
    for venue in venues:
        for each in range(5):
            order(venue, number * 10 + each, "limit", str(50_000 - each))
        if venue.kind != "binance":
            order(venue, number * 10 + 9, "market", "0")
    environment = {**os.environ, "HOME": str(home)}
    for name in ("BINANCE", "BYBIT"):
        environment |= {f"TRADETUI_{name}_API_KEY": KEY, f"TRADETUI_{name}_API_SECRET": SECRET}
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tradetui", "kill", "--flatten", "--json", env=environment, stdout=asyncio.subprocess.PIPE
    )
    ending = asyncio.ensure_future(process.communicate())
    clear = 0.0
    while not ending.done():
        await asyncio.sleep(0.002)
        if not clear and not any(list(venue.matching.standing()) for venue in venues):
            clear = time.perf_counter() - began
    whole = time.perf_counter() - began
    said, _ = await ending
    report = json.loads(said)
    spot = "what is ours on spot is not known"  # there is no database here
    assert all(spot in trouble for trouble in report["troubles"]), report
    assert not any(venue["troubles"] or venue["open"] or venue["positions"] for venue in report["venues"]), report
    return clear, whole


async def main(rounds: int) -> None:
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        venues = [Venue(kind) for kind in TRADED]
        cards = [
            VenueCard(
                name=venue.kind, url=await stack.enter_async_context(serve(venue)), instruments=(TRADED[venue.kind],)
            )
            for venue in venues
        ]
        place = places("default", {"HOME": str(home)})
        place.make()
        write_card(place.kill_card, KillCard(mode="live", venues=tuple(cards)))
        taken = [await one(home, venues, number) for number in range(rounds)]
    cleared, whole = (sorted(each) for each in zip(*taken, strict=True))
    print(
        json.dumps(
            {
                "rounds": rounds,
                "cancelled_ms": {"p50": round(cleared[rounds // 2] * 1e3), "max": round(cleared[-1] * 1e3)},
                "command_ms": {"p50": round(whole[rounds // 2] * 1e3), "max": round(whole[-1] * 1e3)},
            }
        )
    )


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
