"""Keeps an exchange moving while clients are connected."""

from __future__ import annotations

import asyncio
import contextlib

from tests.support.exchange.exchange import RecordedExchange


class Pump:
    """One task of the running loop that advances the exchange whenever something is due.

    Args:
        exchange: What is driven; without clients it needs no driving.
        grain_s: Due times closer together than this are served together.
    """

    def __init__(self, exchange: RecordedExchange, grain_s: float = 0.0) -> None:
        self._exchange = exchange
        self._grain_s = grain_s
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Run until no client is left."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Stop, and report what broke."""
        if self._task is None:
            return
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = None

    async def _run(self) -> None:
        exchange = self._exchange
        while exchange.connections:
            exchange.advance()
            due_ns = exchange.next_due_ns()
            if due_ns is None:
                return
            await asyncio.sleep(max((due_ns - exchange.now_ns()) / 1e9, self._grain_s, 0.0))
