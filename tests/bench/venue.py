"""Round trip of orders through ccxt at the venue on loopback, beside a bare request to the same venue.

`python -m tests.bench.venue [KIND] [COUNT]` prints JSON, times in ms. `above` is a submit's p99 less that of a bare
signed order of aiohttp alone, taken in turn, so that the machine, the kernel and the venue weigh the same on both.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

import aiohttp

from engine.approval import _SEAL, Approved
from engine.execution.ccxt_venue import CcxtVenue
from engine.ingestion.budget import Budget
from engine.orders import Mode, OrderAccepted, OrderCanceled, OrderSpec, OrderType, Side, units
from tests.support.venue import KEY, SECRET, venue_process

KEYS = {"binance": "binance:BTC/USDT", "binanceusdm": "binanceusdm:BTC/USDT:USDT", "bybit": "bybit:BTC/USDT"}
PATHS = {"binance": "/api/v3/order", "binanceusdm": "/fapi/v1/order", "bybit": "/v5/order/create"}


async def timed(work: Callable[[], Awaitable[Any]], took: list[float]) -> Any:
    began = time.perf_counter()
    answer = await work()
    took.append((time.perf_counter() - began) * 1e3)
    return answer


def bare(kind: str, number: int) -> tuple[str, dict[str, str]]:
    """Body and headers of an order, signed as the venue wants it."""
    now = str(time.time_ns() // 1_000_000)
    if kind == "bybit":
        order = {"category": "spot", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.01"}
        body = json.dumps(order | {"price": "30000", "orderLinkId": f"bare-{number}"})
        sign = hmac.new(SECRET.encode(), f"{now}{KEY}5000{body}".encode(), hashlib.sha256).hexdigest()
        named = {"API-KEY": KEY, "TIMESTAMP": now, "RECV-WINDOW": "5000", "SIGN": sign}
        return body, {f"X-BAPI-{name}": value for name, value in named.items()} | {"Content-Type": "application/json"}
    fields = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
    body = urlencode(fields | {"price": "30000", "newClientOrderId": f"bare-{number}", "timestamp": now})
    sign = hmac.new(SECRET.encode(), body.encode(), hashlib.sha256).hexdigest()
    return f"{body}&signature={sign}", {"X-MBX-APIKEY": KEY, "Content-Type": "application/x-www-form-urlencoded"}


async def measure(kind: str, count: int) -> dict[str, Any]:
    key = KEYS[kind]
    with venue_process(kind) as venue:
        ours = CcxtVenue(
            kind, [key], lambda: KEY, lambda: SECRET, mode=Mode.LIVE, sink=lambda _: None, rest=venue.rest,
            ws=venue.ws, budget=Budget(kind, 10**9),
        )  # fmt: skip
        await ours.check()
        following = asyncio.create_task(ours.run())
        submits: list[float] = []
        cancels: list[float] = []
        bares: list[float] = []
        async with aiohttp.ClientSession() as session:

            async def plain(number: int) -> bytes:
                body, headers = bare(kind, number)
                async with session.post(venue.rest + PATHS[kind], data=body, headers=headers) as answer:
                    assert answer.status == 200, await answer.text()
                    return await answer.read()

            for number in range(count):
                await timed(lambda number=number: plain(number), bares)  # type: ignore[misc]
                await ours.cancel(key, f"bare-{number}", "")
                spec = OrderSpec(
                    id=f"bench-{number}", instrument=key, side=Side.BUY, type=OrderType.LIMIT, quantity=units("0.01"),
                    price=units("30000"),
                )  # fmt: skip
                order = Approved(spec, _SEAL)
                accepted = await timed(lambda order=order: ours.submit(order), submits)  # type: ignore[misc]
                assert isinstance(accepted, OrderAccepted), accepted
                canceled = await timed(lambda spec=spec: ours.cancel(key, spec.id, ""), cancels)  # type: ignore[misc]
                assert isinstance(canceled, OrderCanceled), canceled
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await ours.close()
    return {
        "venue": kind, "orders": count, "submit": shown(submits), "cancel": shown(cancels), "bare": shown(bares),
        "above": {name: round(at(submits, share) - at(bares, share), 2) for name, share in SHARES.items()},
    }  # fmt: skip


SHARES = {"p50": 0.5, "p99": 0.99}


def at(took: list[float], share: float) -> float:
    return sorted(took)[min(int(len(took) * share), len(took) - 1)]


def shown(took: list[float]) -> dict[str, float]:
    return {name: round(at(took, share), 2) for name, share in SHARES.items()}


if __name__ == "__main__":
    kinds = sys.argv[1:2] or list(KEYS)
    for each in kinds:
        print(json.dumps(asyncio.run(measure(each, int(sys.argv[2]) if len(sys.argv) > 2 else 1000))))
