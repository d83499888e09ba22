"""An order's round trip on loopback: from the asking to the venue's answer in the core, against the venue's own time.

    python -m tests.bench.orders [--orders 200]

Both are resting limit orders at the same venue (a process of its own, Binance spot). Ours pass the queue, the gate, the
journal on disk (SQLite, synchronous FULL), ccxt's words and signature, and the answer's way back into the core; each is
cancelled before the next, unmeasured. The venue's own is one signed request over an open connection, and nothing else.
Prints JSON (milliseconds).
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import hmac
import json
import statistics
import tempfile
import time
from pathlib import Path

import aiohttp
import msgspec

from engine.clock import Clock
from engine.core import CONTROL
from engine.execution.ccxt_venue import CcxtVenue
from engine.execution.lifecycle import OrderState
from engine.execution.outbox import Outbox
from engine.operator import CancelOrders, PlaceOrder, Who
from engine.orders import Mode, OrderType, Reconciled, Side
from engine.risk.limits import Limits, RiskSettings
from engine.runtime import Engine
from engine.trader import Trader
from engine.types import BookSnapshot, FeedUp, InstrumentListed
from storage.writer import Writer
from tests.engine.support import BTC, delta
from tests.support.venue import KEY, SECRET, VenueProcess, venue_process
from tradetui.bootstrap import account_of
from tradetui.config.sections import Settings

WIDE = Limits(orders_per_minute=1000, max_exposure=10, max_leverage=20, max_position=10, risk_per_trade=0.1)


async def ours(venue: VenueProcess, folder: Path, count: int) -> list[float]:
    """Milliseconds of each of our orders, from asking to the state `working`."""
    settings = Settings()
    trading = msgspec.structs.replace(settings.trading, mode=Mode.LIVE)
    settings = msgspec.structs.replace(settings, trading=trading, risk=RiskSettings(limits=WIDE, ramp=(1.0,)))
    account = account_of(settings, prefix=f"b{time.time_ns() // 10**9}", venues=("binance",))
    clock = Clock()
    async with Writer(folder / "market.db") as writer:
        heard = asyncio.Event()
        engine = Engine(clock, account=account, observer=lambda record, _: record.source != CONTROL or heard.set())
        adapter = CcxtVenue(
            "binance",
            [BTC.key],
            lambda: KEY,
            lambda: SECRET,
            mode=Mode.LIVE,
            sink=engine.tell,
            rest=venue.rest,
            ws=venue.ws,
        )
        outbox = Outbox(Mode.LIVE, writer, {"binance": adapter}, engine.tell, engine.now, lambda _: "")
        trader = engine.trader = Trader(engine.tell, outbox=outbox)
        await adapter.check()
        stop = asyncio.Event()
        tasks = [asyncio.create_task(work) for work in (engine.run(stop), outbox.run(), _market(engine))]
        reported = await adapter.account()
        account.ledger_of(BTC.key).balances.update(reported.balances)
        engine.tell(Reconciled(venue="binance", ts=engine.now()))
        account.armed = True
        await asyncio.sleep(1.0)
        took = [await _one(engine, trader, heard, number) for number in range(count)]
        stop.set()
        await asyncio.gather(tasks[0], return_exceptions=True)
        for task in tasks[1:]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await adapter.close()
    return took


async def _one(engine: Engine, trader: Trader, heard: asyncio.Event, number: int) -> float:
    account = engine.state.account
    assert account is not None
    order = PlaceOrder(
        symbol=BTC.key, side=Side.BUY, type=OrderType.LIMIT, quantity="0.001", price=f"{59_000 - number % 50}"
    )
    began = time.perf_counter()
    answered = await trader.ask(order, Who(client="bench"))
    if not answered.done:
        raise SystemExit(answered.text)
    placed = account.orders.by_id[answered.text.partition(":")[0]]
    while placed.state is not OrderState.WORKING:
        if not placed.open:
            raise SystemExit(f"{placed.state}: {placed.reason}")
        heard.clear()
        await heard.wait()  # looking again and again would keep storage's thread from working
    took = (time.perf_counter() - began) * 1000
    await trader.ask(CancelOrders(order=placed.id), Who(client="bench"))
    while placed.open:
        heard.clear()
        await heard.wait()
    return took


async def _market(engine: Engine) -> None:
    """A book that stays fresh: the gate wants one."""
    engine.deliver(engine.stamp(), "binance:rest", InstrumentListed(instrument=BTC), b"")
    engine.deliver(engine.stamp(), "binance", FeedUp(source="binance"), b"")
    book = BookSnapshot(
        instrument=BTC.key, last_id=1, bids=((5_999_990, 10**6),), asks=((6_000_000, 10**6),), ts_exch=engine.now()
    )
    engine.deliver(engine.stamp(), "binance", delta(1, ts=engine.now()), b"")
    engine.deliver(engine.stamp(), "binance:rest", book, b"")
    number = 1
    while True:
        number += 1
        engine.deliver(engine.stamp(), "binance", delta(number, bids=[(5_999_980, number)], ts=engine.now()), b"")
        await asyncio.sleep(0.1)


async def alone(venue: VenueProcess, count: int) -> list[float]:
    """Milliseconds of the venue's own answer to the same orders."""
    took = []
    async with aiohttp.ClientSession() as session:
        for number in range(count):
            body = (
                f"symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.001&price={59_000 - number % 50}"
                f"&newClientOrderId=alone-{number}&newOrderRespType=ACK&recvWindow=5000"
                f"&timestamp={time.time_ns() // 10**6}"
            )
            body += "&signature=" + hmac.new(SECRET.encode(), body.encode(), hashlib.sha256).hexdigest()
            began = time.perf_counter()
            head = {"X-MBX-APIKEY": KEY, "Content-Type": "application/x-www-form-urlencoded"}
            async with session.post(f"{venue.rest}/api/v3/order", data=body, headers=head) as answer:
                await answer.read()
                if answer.status != 200:
                    raise SystemExit(await answer.text())
            took.append((time.perf_counter() - began) * 1000)
    return took


def figures(took: list[float]) -> dict[str, float]:
    """Percentiles."""
    cuts = statistics.quantiles(took, n=100, method="inclusive")
    return {name: round(cuts[at - 1], 3) for name, at in (("p50", 50), ("p95", 95), ("p99", 99))}


async def main() -> None:
    """Measure both, alternating, and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.orders", description=__doc__)
    parser.add_argument("--orders", type=int, default=200)
    count = parser.parse_args().orders
    with tempfile.TemporaryDirectory() as folder, venue_process("binance") as venue:
        venue.control("set", weight_limit=1_000_000)
        theirs = await alone(venue, count)
        mine = await ours(venue, Path(folder), count)
    own, whole = figures(theirs), figures(mine)
    above = {name: round(whole[name] - own[name], 3) for name in own}
    print(json.dumps({"orders": count, "venue_ms": own, "ours_ms": whole, "above_ms": above}, indent=1))


if __name__ == "__main__":
    asyncio.run(main())
