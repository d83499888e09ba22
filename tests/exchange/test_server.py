"""The loopback server, in this process and in its own."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import pytest

from tests.support.exchange import Fault, FaultKind, FaultScript, RecordedExchange, Tape, serve

REPOSITORY = Path(__file__).resolve().parents[2]


async def test_rest_and_streams(spot: Tape) -> None:
    exchange = RecordedExchange(spot, time.time_ns)
    async with serve(exchange) as base_url, aiohttp.ClientSession(base_url) as session:
        async with session.get("/spot/api/v3/depth", params={"symbol": "BTCUSDT", "limit": "10"}) as response:
            assert response.status == 200
            assert response.headers["x-mbx-used-weight-1m"] == "5"
            assert len((await response.json())["bids"]) == 10
        async with session.get("/control/weights") as response:
            assert response.status == 204
        async with session.get("/spot/api/v3/ping") as response:
            assert response.headers["x-mbx-used-weight-1m"] == "1", "as from an address of its own"
        async with session.get("/nowhere") as response:
            assert response.status == 404
        async with session.get("/control/state") as response:
            assert (await response.json())["round"] == 0
        names = "btcusdt@depth@100ms/ethusdt@bookTicker/btcusdt@ticker"
        async with session.ws_connect(f"/spot/stream?streams={names}") as socket:
            seen: set[str] = set()
            for _ in range(100):
                message = await socket.receive(timeout=5)
                assert message.type is aiohttp.WSMsgType.TEXT
                body = json.loads(message.data)
                seen.add(body["stream"])
                if "E" in body["data"]:
                    assert abs(time.time() * 1000 - body["data"]["E"]) < 2000
            assert seen == {"btcusdt@depth@100ms", "ethusdt@bookTicker"}
        async with session.ws_connect("/spot/ws/0") as socket:
            await socket.send_json({"method": "SUBSCRIBE", "params": ["btcusdt@bookTicker"], "id": 7})
            assert (await socket.receive_json(timeout=5)) == {"result": None, "id": 7}
            assert (await socket.receive_json(timeout=5))["s"] == "BTCUSDT"


class Held:
    """The system's clock, but it stands still where the test has not yet come so far, however slow the machine is."""

    def __init__(self) -> None:
        self.began = time.time_ns()
        self.most_s = 0.7

    def __call__(self) -> int:
        return min(time.time_ns(), self.began + int(self.most_s * 1e9))


async def test_faults_reach_real_sockets(spot: Tape) -> None:
    clock = Held()
    script = FaultScript(
        [
            Fault(kind=FaultKind.REFUSE_CONNECT, at_s=0.5),
            # This client tries once more by itself before it reports a broken handshake.
            Fault(kind=FaultKind.DROP_IN_HANDSHAKE, at_s=0.8, count=2),
            Fault(kind=FaultKind.GARBAGE, at_s=1.5, count=10, seed=3),
            Fault(kind=FaultKind.DEAD_SOCKET, at_s=2.0, seconds=1.0),
            Fault(kind=FaultKind.THROTTLED, at_s=0.2, seconds=2.0),
        ]
    )
    exchange = RecordedExchange(spot, clock, faults=script)
    async with serve(exchange) as base_url, aiohttp.ClientSession(base_url) as session:
        url = "/spot/stream?streams=btcusdt@bookTicker"
        async with session.ws_connect(url) as socket:
            while (message := await socket.receive(timeout=20)).type is aiohttp.WSMsgType.TEXT:
                pass
            assert message.type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.ERROR}
        async with session.get("/spot/api/v3/time") as response:
            assert (response.status, response.headers["Retry-After"]) == (429, "2")
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(url)
        clock.most_s = 1.0
        await asyncio.sleep(0.5)
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.ws_connect(url)
        odd = 0
        async with asyncio.timeout(30), session.ws_connect(url) as socket:
            clock.most_s = 3600.0
            end = time.monotonic() + 1
            while odd < 10 or time.monotonic() < end or not all(fault.started_ns for fault in script):
                message = await socket.receive()
                try:
                    odd += "stream" not in json.loads(message.data) or len(json.loads(message.data)["data"]) != 6
                except (ValueError, TypeError, KeyError):
                    odd += 1
        assert odd == 10
    assert [fault.started_ns is not None for fault in script] == [True] * 5


def test_own_process(recordings: Path) -> None:
    command = [
        sys.executable, "-m", "tests.support.exchange", "--recordings", str(recordings / "spot"),
        "--limit-s", "20", "--rate", "1000", "--fault-seed", "3",
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        assert said["address"].startswith("http://127.0.0.1:")
        assert ["spot", "BTCUSDT"] in said["symbols"]

        async def main() -> None:
            url = said["address"] + "/spot/stream?streams=btcusdt@bookTicker"
            async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
                assert (await socket.receive_json(timeout=5))["stream"] == "btcusdt@bookTicker"

        asyncio.run(main())
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
