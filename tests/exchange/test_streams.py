"""Faultless play through the in-memory transport, in virtual time."""

from __future__ import annotations

import asyncio
import json
import time
from decimal import Decimal
from itertools import groupby
from typing import Any

import pytest

from engine.errors import FeedUnavailable
from tests.exchange.follower import Follower
from tests.support.exchange import (
    Instrument,
    MemoryTransport,
    RecordedExchange,
    Tape,
    now_ns,
    run_virtual,
)

BTC = Instrument("spot", "BTCUSDT")
SECOND = 1_000_000_000


async def _frames(socket: Any, seconds: float) -> list[dict[str, Any]]:
    end, got = now_ns() + int(seconds * SECOND), []
    while now_ns() < end:
        try:
            async with asyncio.timeout((end - now_ns()) / 1e9):
                got.append(json.loads(await socket.receive()))
        except TimeoutError:
            break
    return got


@pytest.mark.parametrize("market", ["spot", "usdm", "coinm"])
def test_documented_join_never_gaps_and_equals_the_naive_book(market: str, request: pytest.FixtureRequest) -> None:
    tape: Tape = request.getfixturevalue(market)

    async def main() -> None:
        exchange = RecordedExchange(tape, now_ns)
        transport = MemoryTransport(exchange)
        for instrument in tape.instruments:
            follower = Follower(transport, instrument)
            await follower.connect()
            await follower.join()
            assert await follower.run(now_ns, 20) > 100
            follower.check(exchange)
            assert exchange.oracle(*instrument).at(follower.update_id).levels(50) == follower.levels(50)
        await transport.aclose()

    run_virtual(main, start_ns=tape.aligned(1_767_225_600 * SECOND))


def test_stamps_are_near_now_and_candle_boundaries_stay(spot: Tape) -> None:
    async def main() -> None:
        exchange = RecordedExchange(spot, now_ns)
        transport = MemoryTransport(exchange)
        socket = await transport.connect("ws://x/spot/stream?streams=btcusdt@depth@100ms/ethusdt@trade")
        for _ in range(500):
            stamp = json.loads(await socket.receive())["data"]["E"]
            assert 0 <= now_ns() // 1_000_000 - stamp < 500
        response = await transport.get("http://x/spot/api/v3/time", timeout_s=1)
        assert abs(json.loads(response.body)["serverTime"] - now_ns() // 1_000_000) < 100
        assert exchange.timeline.delta_ns % (60 * SECOND) == 0
        await transport.aclose()

    run_virtual(main)


def test_unshifted_frames_are_byte_for_byte_as_recorded(spot: Tape) -> None:
    async def main() -> None:
        exchange = RecordedExchange(spot, now_ns, shift=False, tile=False)
        transport = MemoryTransport(exchange)
        socket = await transport.connect("ws://x/spot/ws/btcusdt@trade")
        recorded = [f for f in spot.frames if f.kind == "trade" and f.instrument == BTC]
        got = [await socket.receive() for _ in range(50)]
        first = next(i for i, f in enumerate(recorded) if f.data == got[0])
        assert first < 10
        assert got == [f.data for f in recorded[first : first + 50]]
        await transport.aclose()

    run_virtual(main)


@pytest.mark.alone
def test_sixty_seconds_take_well_under_two(spot: Tape) -> None:
    async def main() -> int:
        exchange = RecordedExchange(spot, now_ns)
        transport = MemoryTransport(exchange)
        names = "/".join(f"{s}usdt@{k}" for s in ("btc", "eth") for k in ("depth@100ms", "trade", "bookTicker"))
        socket = await transport.connect(f"ws://x/spot/stream?streams={names}")
        count = len(await _frames(socket, 60))
        await transport.aclose()
        return count

    begun = time.perf_counter()
    assert run_virtual(main, start_ns=spot.aligned(1_767_225_600 * SECOND)) > 5_000
    assert time.perf_counter() - begun < 2


def test_stream_names_routes_and_silent_streams(usdm: Tape) -> None:
    async def main() -> None:
        transport = MemoryTransport(RecordedExchange(usdm, now_ns))

        async def seen(path: str) -> set[str]:
            socket = await transport.connect(f"ws://x/usdm/{path}")
            frames = await _frames(socket, 3)
            await socket.close()
            return {str(frame.get("stream", frame.get("e"))) for frame in frames}

        many = "btcusdt@depth@0ms/btcusdt@depth/ethusdt@depth@500ms/btcusdt@aggTrade/btcusdt@ticker/nousdt@trade"
        depths = {"btcusdt@depth@0ms", "btcusdt@depth", "ethusdt@depth@500ms"}
        assert await seen(f"public/stream?streams={many}") == depths
        assert await seen(f"market/stream?streams={many}") == {"btcusdt@aggTrade"}
        assert await seen(f"stream?streams={many}") == set()
        assert await seen("public/ws/btcusdt@bookTicker") == {"bookTicker"}
        await transport.aclose()

    run_virtual(main)


@pytest.mark.parametrize("market", ["spot", "usdm"])
def test_aggregates_are_the_trades(market: str, request: pytest.FixtureRequest) -> None:
    tape: Tape = request.getfixturevalue(market)

    async def main() -> None:
        transport = MemoryTransport(RecordedExchange(tape, now_ns))
        route = {"spot": ("", ""), "usdm": ("public/", "market/")}[market]
        trades = await transport.connect(f"ws://x/{market}/{route[0]}stream?streams=btcusdt@trade")
        joined = await transport.connect(f"ws://x/{market}/{route[1]}stream?streams=btcusdt@aggTrade")
        plain, runs = await asyncio.gather(_frames(trades, 30), _frames(joined, 30))
        by_id = {frame["data"]["t"]: frame["data"] for frame in plain}
        numbers = [frame["data"]["a"] for frame in runs]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        for run in (frame["data"] for frame in runs[1:-1]):
            inside = [by_id[i] for i in range(run["f"], run["l"] + 1)]
            assert {(t["T"], t["p"], t["m"]) for t in inside} == {(run["T"], run["p"], run["m"])}
            assert sum(Decimal(t["q"]) for t in inside) == Decimal(run["q"])
        keys = [(f["data"]["T"], f["data"]["p"], f["data"]["m"]) for f in plain]
        assert abs(len([*groupby(keys)]) - len(runs)) <= 2
        await transport.aclose()

    run_virtual(main, start_ns=tape.aligned(1_767_225_600 * SECOND))


def test_tiling_continues_ids_and_disconnects_at_the_seam(spot: Tape) -> None:
    async def main() -> None:
        exchange = RecordedExchange(spot, now_ns)
        transport = MemoryTransport(exchange)
        seam_ns = exchange.timeline.seam_ns()
        assert seam_ns is not None
        await asyncio.sleep((seam_ns - now_ns()) / 1e9 - 5)
        names = "btcusdt@depth@100ms/btcusdt@trade/btcusdt@aggTrade"
        seen: list[list[dict[str, Any]]] = []
        for _ in range(2):
            socket = await transport.connect(f"ws://x/spot/stream?streams={names}")
            seen.append([])
            with pytest.raises(FeedUnavailable):  # noqa: PT012
                while now_ns() < seam_ns + 10 * SECOND:
                    seen[-1].append(json.loads(await socket.receive())["data"])
                raise FeedUnavailable("enough seen")
        before, after = seen
        assert abs(now_ns() - seam_ns - 10 * SECOND) < SECOND

        def ids(frames: list[dict[str, Any]], name: str) -> list[int]:
            return [frame[name] for frame in frames if isinstance(frame.get(name), int)]

        for name in ("u", "t", "a", "E"):
            values = ids(before, name) + ids(after, name)
            assert values == sorted(values)
        assert ids(after, "U")[0] > ids(before, "u")[-1] + 1
        assert ids(after, "t")[0] > ids(before, "t")[-1]
        follower = Follower(transport, BTC)
        await follower.connect()
        await follower.join()
        await follower.run(now_ns, 5)
        follower.check(exchange)
        await transport.aclose()

    run_virtual(main)


def test_without_tiling_the_streams_fall_silent(coinm: Tape) -> None:
    async def main() -> None:
        transport = MemoryTransport(RecordedExchange(coinm, now_ns, tile=False))
        socket = await transport.connect("ws://x/coinm/stream?streams=btcusd_perp@depth")
        assert await _frames(socket, 66)
        assert not await _frames(socket, 30)
        await socket.ping()
        await transport.aclose()

    run_virtual(main, start_ns=coinm.aligned(1_767_225_600 * SECOND))


def test_even_rate(spot: Tape) -> None:
    async def main() -> None:
        exchange = RecordedExchange(spot, now_ns, rate=1000)
        transport = MemoryTransport(exchange)
        names = "/".join(f"{s}usdt@{k}" for s in ("btc", "eth") for k in ("depth@100ms", "trade", "bookTicker"))
        socket = await transport.connect(f"ws://x/spot/stream?streams={names}")
        frames = await _frames(socket, 5)
        assert abs(len(frames) - 10_000) < 20
        assert abs(sum(f["stream"].startswith("btc") for f in frames) - 5_000) < 20
        follower = Follower(transport, BTC)
        await follower.connect()
        await follower.join()
        await follower.run(now_ns, 2)
        await transport.aclose()

    run_virtual(main)


def test_speed(spot: Tape) -> None:
    async def main() -> None:
        exchange = RecordedExchange(spot, now_ns, speed=10)
        transport = MemoryTransport(exchange)
        socket = await transport.connect("ws://x/spot/stream?streams=btcusdt@depth@100ms")
        frames = await _frames(socket, 3)
        passed = frames[-1]["data"]["E"] - frames[0]["data"]["E"]
        assert 28_000 < passed < 31_000
        await transport.aclose()

    run_virtual(main)
