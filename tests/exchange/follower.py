"""A client that follows one book by the letter of the venue's documentation, and checks every step."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tests.support.exchange import Instrument, MemoryTransport, RecordedExchange

PATHS = {"spot": "/spot/api/v3", "usdm": "/usdm/fapi/v1", "coinm": "/coinm/dapi/v1"}
STREAMS = {"spot": "/spot/stream", "usdm": "/usdm/public/stream", "coinm": "/coinm/stream"}
DEEPEST = {"spot": 5000, "usdm": 1000, "coinm": 1000}


class Gap(Exception):
    """An event does not follow."""


class Unreadable(Exception):
    """A message that is no depth event."""


class Follower:
    """One symbol's book at one exchange."""

    def __init__(self, transport: MemoryTransport, instrument: Instrument) -> None:
        self.transport = transport
        self.instrument = instrument
        self.bids: dict[Decimal, Decimal] = {}
        self.asks: dict[Decimal, Decimal] = {}
        self.update_id = 0
        self.snapshot_id = 0
        self.first_u = 0
        self.socket: Any = None
        self.events: list[dict[str, Any]] = []

    async def connect(self) -> None:
        market, symbol = self.instrument
        self.socket = await self.transport.connect(f"ws://x{STREAMS[market]}?streams={symbol.lower()}@depth@100ms")

    async def event(self) -> dict[str, Any]:
        message = await self.socket.receive()
        try:
            event: dict[str, Any] = json.loads(message)["data"]
            if {type(event[name]) for name in ("E", "U", "u")} != {int}:
                raise Unreadable(message[:80])
        except (ValueError, TypeError, KeyError) as error:
            raise Unreadable(message[:80]) from error
        return event

    async def snapshot(self) -> tuple[int, dict[str, Any]]:
        market, symbol = self.instrument
        url = f"http://x{PATHS[market]}/depth?symbol={symbol}&limit={DEEPEST[market]}"
        response = await self.transport.get(url, timeout_s=10)
        return response.status, json.loads(response.body)

    async def join(self) -> None:
        """Buffer, take a snapshot, drop what is older, and check that the first event covers it."""
        buffered = [await self.event()]
        for _ in range(20):
            status, body = await self.snapshot()
            assert status == 200
            if body["lastUpdateId"] >= buffered[0]["U"]:
                break
        self.snapshot_id = self.update_id = body["lastUpdateId"]
        self.bids = {Decimal(p): Decimal(q) for p, q in body["bids"]}
        self.asks = {Decimal(p): Decimal(q) for p, q in body["asks"]}
        while True:
            event = buffered.pop() if buffered else await self.event()
            if self.instrument.market == "spot":
                if event["u"] > self.update_id:
                    assert event["U"] <= self.update_id + 1
                    break
            elif event["u"] >= self.update_id:
                assert event["U"] <= self.update_id or event["pu"] == self.update_id
                break
        self.first_u = event["u"]
        self._change(event)

    async def follow(self) -> None:
        """Apply one event."""
        event = await self.event()
        follows = event["U"] == self.update_id + 1 if "pu" not in event else event["pu"] == self.update_id
        if not follows:
            raise Gap(f"{self.update_id} then {event['U']}..{event['u']}")
        self._change(event)

    async def run(self, now_ns: Callable[[], int], seconds: float) -> int:
        """Follow for so long; the number of events."""
        end, count = now_ns() + int(seconds * 1e9), 0
        while now_ns() < end:
            await self.follow()
            count += 1
        return count

    def check(self, exchange: RecordedExchange) -> None:
        """Every level must be the naive book's."""
        oracle = exchange.oracle(*self.instrument)
        limit = DEEPEST[self.instrument.market]
        mirror = oracle.joined(self.snapshot_id, limit, self.update_id, first_u=self.first_u)
        assert mirror.update_id == self.update_id
        assert mirror.levels() == self.levels()

    def levels(self, limit: int | None = None) -> tuple[list[Any], list[Any]]:
        return sorted(self.bids.items(), reverse=True)[:limit], sorted(self.asks.items())[:limit]

    def _change(self, event: dict[str, Any]) -> None:
        for side, levels in ((self.bids, event["b"]), (self.asks, event["a"])):
            for price, size in levels:
                if Decimal(size):
                    side[Decimal(price)] = Decimal(size)
                else:
                    side.pop(Decimal(price), None)
        self.update_id = event["u"]
