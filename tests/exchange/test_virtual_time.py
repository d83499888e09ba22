"""The loop whose time jumps."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.support.exchange import VirtualDeadlock, now_ns, run_virtual, virtual_time


@pytest.mark.alone
def test_an_hour_takes_no_time() -> None:
    async def main() -> int:
        begun = now_ns()
        await asyncio.gather(asyncio.sleep(3600), asyncio.sleep(1800))
        return now_ns() - begun

    begun = time.perf_counter()
    assert run_virtual(main) == pytest.approx(3600e9, abs=1e3)
    assert time.perf_counter() - begun < 1


def test_start_and_order() -> None:
    async def main() -> list[int]:
        order: list[int] = []

        async def late(seconds: int) -> None:
            await asyncio.sleep(seconds)
            order.append(seconds)

        assert now_ns() == 5_000
        await asyncio.gather(late(3), late(1), late(2))
        return order

    assert run_virtual(main, start_ns=5_000) == [1, 2, 3]


def test_a_deadlock_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual_time, "GRACE_S", 0.05)

    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(VirtualDeadlock):
        run_virtual(main)


def test_threads_take_no_virtual_time() -> None:
    async def main() -> int:
        begun = now_ns()
        ticking = asyncio.create_task(asyncio.sleep(100))
        await asyncio.to_thread(time.sleep, 0.1)
        passed = now_ns() - begun
        ticking.cancel()
        return passed

    assert run_virtual(main) < 1e6
