"""Every fault does what it says, and the exchange behaves again afterwards."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from engine.errors import FeedUnavailable
from tests.exchange.follower import Follower, Gap, Unreadable
from tests.support.exchange import (
    Fault,
    FaultKind,
    FaultScript,
    Instrument,
    MemoryTransport,
    RecordedExchange,
    Tape,
    now_ns,
    run_virtual,
)

BTC = Instrument("spot", "BTCUSDT")
SECOND = 1_000_000_000
Scene = Callable[[RecordedExchange, MemoryTransport, Follower], Awaitable[None]]


def _play(tape: Tape, fault: Fault, scene: Scene) -> Fault:
    async def main() -> None:
        exchange = RecordedExchange(tape, now_ns, faults=FaultScript([fault]))
        transport = MemoryTransport(exchange)
        follower = Follower(transport, BTC)
        await follower.connect()
        await follower.join()
        await scene(exchange, transport, follower)
        again = Follower(transport, BTC)
        await again.connect()
        await again.join()
        await again.run(now_ns, 3)
        again.check(exchange)
        await transport.aclose()

    run_virtual(main)
    assert fault.started_ns is not None
    assert fault.ended_ns is not None
    assert fault.started_ns <= fault.ended_ns
    return fault


async def _until_drop(follower: Follower) -> int:
    count = 0
    with pytest.raises(FeedUnavailable):  # noqa: PT012
        while True:
            await follower.follow()
            count += 1
    return count


def test_refused_and_broken_handshakes(spot: Tape) -> None:
    async def scene(_e: RecordedExchange, _t: MemoryTransport, follower: Follower) -> None:
        await _until_drop(follower)
        for _ in range(2):
            with pytest.raises(FeedUnavailable):
                await follower.connect()

    fault = _play(spot, Fault(kind=FaultKind.REFUSE_CONNECT, at_s=2, count=2), scene)
    assert fault.breaks(BTC)

    async def broken(_e: RecordedExchange, _t: MemoryTransport, follower: Follower) -> None:
        await _until_drop(follower)
        with pytest.raises(FeedUnavailable, match="broke"):
            await follower.connect()

    _play(spot, Fault(kind=FaultKind.DROP_IN_HANDSHAKE, at_s=2), broken)


def test_drop_after_connect(spot: Tape) -> None:
    async def scene(_e: RecordedExchange, _t: MemoryTransport, follower: Follower) -> None:
        await _until_drop(follower)
        await follower.connect()
        assert await _until_drop(follower) == 0

    _play(spot, Fault(kind=FaultKind.DROP_AFTER_CONNECT, at_s=2), scene)


def test_drop_after_frames(spot: Tape) -> None:
    async def scene(exchange: RecordedExchange, _t: MemoryTransport, follower: Follower) -> None:
        armed_ns = exchange.t0_ns + 2 * SECOND
        after = 0
        with pytest.raises(FeedUnavailable):  # noqa: PT012
            while True:
                await follower.follow()
                after += now_ns() >= armed_ns
        assert after == 7

    _play(spot, Fault(kind=FaultKind.DROP_AFTER_FRAMES, at_s=2, count=7), scene)


def test_drop_during_snapshot(spot: Tape) -> None:
    async def scene(_e: RecordedExchange, _t: MemoryTransport, follower: Follower) -> None:
        await _until_drop(follower)
        await follower.connect()
        await follower.event()
        status, _ = await follower.snapshot()
        assert status == 200
        with pytest.raises(FeedUnavailable):  # noqa: PT012
            for _ in range(10):
                await follower.event()

    _play(spot, Fault(kind=FaultKind.DROP_DURING_SNAPSHOT, at_s=2, provoke=True), scene)


@pytest.mark.parametrize("kind", [FaultKind.GAP, FaultKind.REORDER])
def test_lost_and_swapped_diffs(kind: FaultKind, spot: Tape) -> None:
    async def scene(_e: RecordedExchange, _t: MemoryTransport, follower: Follower) -> None:
        with pytest.raises(Gap):
            await follower.run(now_ns, 5)
        if kind is FaultKind.REORDER:
            late = await follower.event()
            assert late["U"] == follower.update_id + 1
        await asyncio.sleep(3)

    fault = _play(spot, Fault(kind=kind, at_s=2, instrument=BTC, count=3), scene)
    assert fault.breaks(BTC)
    assert not fault.breaks(Instrument("spot", "ETHUSDT"))


def test_duplicate(spot: Tape) -> None:
    async def scene(_e: RecordedExchange, _t: MemoryTransport, follower: Follower) -> None:
        ids = [(await follower.event())["u"] for _ in range(60)]
        assert len(ids) - len(set(ids)) == 2
        assert ids == sorted(ids)

    assert not _play(spot, Fault(kind=FaultKind.DUPLICATE, at_s=2, instrument=BTC, count=2), scene).breaks(BTC)


def test_truncated(spot: Tape) -> None:
    async def scene(_e: RecordedExchange, _t: MemoryTransport, follower: Follower) -> None:
        with pytest.raises(Unreadable):
            await follower.run(now_ns, 5)
        with pytest.raises(Gap):
            await follower.follow()

    _play(spot, Fault(kind=FaultKind.TRUNCATED, at_s=2, instrument=BTC, seed=5), scene)


@pytest.mark.parametrize("count", [1, 10])
@pytest.mark.parametrize("seed", range(8))
def test_garbage_is_extra(count: int, seed: int, spot: Tape) -> None:
    async def scene(_e: RecordedExchange, _t: MemoryTransport, follower: Follower) -> None:
        odd, in_a_row, longest = 0, 0, 0
        for _ in range(60):
            try:
                await follower.follow()
                in_a_row = 0
            except Unreadable:
                odd += 1
                in_a_row += 1
                longest = max(longest, in_a_row)
        assert odd == longest == count

    fault = _play(spot, Fault(kind=FaultKind.GARBAGE, at_s=2, count=count, seed=seed), scene)
    assert not fault.breaks(BTC)


@pytest.mark.parametrize("kind", [FaultKind.SILENCE, FaultKind.DEAD_SOCKET])
def test_silence(kind: FaultKind, spot: Tape) -> None:
    async def scene(exchange: RecordedExchange, _t: MemoryTransport, follower: Follower) -> None:
        await follower.run(now_ns, (exchange.t0_ns + 2 * SECOND - now_ns()) / 1e9 - 0.3)
        await asyncio.sleep(1)
        pong = asyncio.create_task(follower.socket.ping())
        await asyncio.sleep(1)
        assert pong.done() == (kind is FaultKind.SILENCE)
        begun = now_ns()
        with pytest.raises(Gap):
            await follower.run(now_ns, 10)
        assert now_ns() - begun > 1.5 * SECOND
        await follower.socket.close()
        await asyncio.gather(pong, return_exceptions=True)

    fault = _play(spot, Fault(kind=kind, at_s=2, seconds=4.0), scene)
    assert fault.ended_ns is not None
    assert fault.started_ns is not None
    assert fault.ended_ns - fault.started_ns == 4 * SECOND


def test_slow_and_stale_snapshots(spot: Tape) -> None:
    async def slow(_e: RecordedExchange, _t: MemoryTransport, follower: Follower) -> None:
        await asyncio.sleep(3)
        begun = now_ns()
        await follower.snapshot()
        assert now_ns() - begun > 2.5 * SECOND

    _play(spot, Fault(kind=FaultKind.SLOW_SNAPSHOT, at_s=2, seconds=2.5), slow)

    async def stale(_e: RecordedExchange, _t: MemoryTransport, follower: Follower) -> None:
        await asyncio.sleep(3)
        fresh = Follower(follower.transport, BTC)
        await follower.socket.close()
        await fresh.connect()
        first = await fresh.event()
        status, body = await fresh.snapshot()
        assert status == 200
        assert body["lastUpdateId"] < first["U"] - 1
        status, body = await fresh.snapshot()
        assert body["lastUpdateId"] >= first["U"]
        await fresh.socket.close()

    _play(spot, Fault(kind=FaultKind.STALE_SNAPSHOT, at_s=2), stale)


@pytest.mark.parametrize(("kind", "status"), [(FaultKind.THROTTLED, 429), (FaultKind.BANNED, 418)])
def test_throttling(kind: FaultKind, status: int, spot: Tape) -> None:
    async def scene(_e: RecordedExchange, transport: MemoryTransport, _f: Follower) -> None:
        await asyncio.sleep(3)
        first = await transport.get("http://x/spot/api/v3/ping", timeout_s=1)
        assert (first.status, first.headers["retry-after"]) == (status, "3")
        await asyncio.sleep(1)
        assert (await transport.get("http://x/spot/api/v3/time", timeout_s=1)).status == status
        await asyncio.sleep(2)
        assert (await transport.get("http://x/spot/api/v3/time", timeout_s=1)).status == 200

    _play(spot, Fault(kind=kind, at_s=2, seconds=3.0), scene)


def test_server_errors_and_timeouts(spot: Tape) -> None:
    async def errors(_e: RecordedExchange, transport: MemoryTransport, _f: Follower) -> None:
        await asyncio.sleep(3)
        got = [(await transport.get("http://x/spot/api/v3/time", timeout_s=1)).status for _ in range(3)]
        assert got == [502, 502, 200]

    _play(spot, Fault(kind=FaultKind.SERVER_ERROR, at_s=2, status=502, count=2), errors)

    async def timeout(_e: RecordedExchange, transport: MemoryTransport, _f: Follower) -> None:
        await asyncio.sleep(3)
        begun = now_ns()
        with pytest.raises(FeedUnavailable):
            await transport.get("http://x/spot/api/v3/time", timeout_s=4)
        assert now_ns() - begun == pytest.approx(4 * SECOND, rel=1e-6)

    _play(spot, Fault(kind=FaultKind.REST_TIMEOUT, at_s=2), timeout)


def test_clock_jump(spot: Tape) -> None:
    async def scene(exchange: RecordedExchange, transport: MemoryTransport, follower: Follower) -> None:
        lags: list[int] = []
        while now_ns() < exchange.t0_ns + 4 * SECOND:
            stamp = (await follower.event())["E"]
            lags.append(now_ns() // 1_000_000 - stamp)
        assert 0 <= min(lags[:5]) < 300
        assert 1990 < min(lags[-5:]) < 2300
        body: Any = json.loads((await transport.get("http://x/spot/api/v3/time", timeout_s=1)).body)
        assert 1900 < now_ns() // 1_000_000 - body["serverTime"] < 2100

    _play(spot, Fault(kind=FaultKind.CLOCK_JUMP, at_s=2, seconds=-2.0), scene)


def test_scripts_repeat_from_their_seed(spot: Tape) -> None:
    first = FaultScript.from_seed(7, spot.instruments, duration_s=600)
    again = FaultScript.from_seed(7, spot.instruments, duration_s=600)
    other = FaultScript.from_seed(8, spot.instruments, duration_s=600)
    assert first.faults == again.faults
    assert first.faults != other.faults
    assert {fault.kind for fault in first} == set(FaultKind)


@pytest.mark.parametrize("market", ["spot", "usdm", "coinm"])
@pytest.mark.parametrize("seed", range(3))
def test_a_stubborn_client_survives_any_script(seed: int, market: str, request: pytest.FixtureRequest) -> None:
    tape: Tape = request.getfixturevalue(market)
    instrument = tape.instruments[0]
    script = FaultScript.from_seed(seed, [instrument], duration_s=150)

    async def main() -> None:
        exchange = RecordedExchange(tape, now_ns, faults=script)
        transport = MemoryTransport(exchange)
        end, follower, different = now_ns() + 170 * SECOND, Follower(transport, instrument), 0
        last_error: Exception | None = None
        while now_ns() < end:
            try:
                async with asyncio.timeout(8):
                    await follower.connect()
                    await follower.join()
                while now_ns() < end:
                    async with asyncio.timeout(3):
                        await follower.follow()
                    if follower.update_id % 40 == 0:
                        oracle = exchange.oracle(*instrument).at(follower.update_id)
                        different += oracle.levels(100) != follower.levels(100)
            except (FeedUnavailable, Gap, Unreadable, TimeoutError, AssertionError, json.JSONDecodeError) as error:
                last_error = error
                if follower.socket is not None:
                    await follower.socket.close()
                follower = Follower(transport, instrument)
                await asyncio.sleep(0.2)
        assert not different, last_error
        follower.check(exchange)
        await transport.aclose()

    run_virtual(main)
    assert script.finished
