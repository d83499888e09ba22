"""Parts of the engine that run on their own: started, watched, started again after a failure, given up if told so."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from enum import StrEnum

import msgspec

from engine.errors import ConsoleError, Policy

log = logging.getLogger(__name__)

PAUSE_S = 1.0
"""First pause before a failed part is started again; it doubles up to `PAUSE_MOST_S`."""

PAUSE_MOST_S = 60.0

SETTLED_S = 60.0
"""A part that ran this long has recovered: its pause begins anew."""


class PartState(StrEnum):
    """Where a part stands."""

    RUNNING = "running"
    WAITING = "waiting to start again"
    GIVEN_UP = "given up"


class Part(msgspec.Struct, kw_only=True):
    """One part as the supervisor knows it.

    `failures` counts how often it failed; `again_at` is loop time; `code` is the alert that its failure raises. After
    `most_restarts` in a row, none of which settled, it is given up; None: never.
    """

    name: str
    run: Callable[[], Awaitable[None]]
    state: PartState = PartState.WAITING
    restarts: int = 0
    failures: int = 0
    last_error: str = ""
    again_at: float = 0.0
    most_restarts: int | None = None
    code: str = "COMPONENT_FAILED"
    failed: Callable[[BaseException], None] | None = None


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, or all those inside a group."""
    if isinstance(error, BaseExceptionGroup):
        for inside in error.exceptions:
            yield from leaves(inside)
    else:
        yield error


def told(error: BaseException) -> str:
    """Return an error in one line."""
    first = next(leaves(error))
    return str(first) if isinstance(first, ConsoleError) else f"{type(first).__name__}: {first}"


class Supervisor:
    """Keeps parts running; what one does when it fails harms no other."""

    def __init__(self) -> None:
        self.parts: dict[str, Part] = {}
        self.stopping = False

    async def keep(self, part: Part) -> None:
        """Run a part until cancelled; one that ends by itself has failed.

        Raises:
            ConsoleError: Its policy is to end the engine.
        """
        self.parts[part.name] = part
        loop = asyncio.get_running_loop()
        pause, row = PAUSE_S, 0
        while True:
            part.state = PartState.RUNNING
            began = loop.time()
            try:
                await part.run()
                raise RuntimeError("it ended by itself")  # noqa: TRY301 - handled as every other failure
            except (Exception, asyncio.CancelledError) as error:
                task = asyncio.current_task()
                if isinstance(error, asyncio.CancelledError) and (task is None or task.cancelling()):
                    raise  # we are told to stop; a cancelled task of its own is its failure like any other
                if self.stopping:
                    raise asyncio.CancelledError from error  # a failure on the way down is no reason to start again
                self._failed(part, error)
            if loop.time() - began >= SETTLED_S:
                pause, row = PAUSE_S, 0
            if part.most_restarts is not None and row >= part.most_restarts:
                part.state = PartState.GIVEN_UP
                log.error("%s: given up after %d restarts in a row: %s", part.name, row, part.last_error)
                await asyncio.Event().wait()
            part.state = PartState.WAITING
            part.again_at = loop.time() + pause
            log.error("%s: starts again in %.0f s", part.name, pause)
            await asyncio.sleep(pause)
            part.restarts += 1
            row += 1
            pause = min(2 * pause, PAUSE_MOST_S)

    def _failed(self, part: Part, error: BaseException) -> None:
        part.failures += 1
        part.last_error = told(error)
        for each in leaves(error):
            if isinstance(each, ConsoleError) and each.policy is Policy.EXIT:
                raise each from error
        log.error("%s failed: %s", part.name, part.last_error, exc_info=error)
        if part.failed is not None:
            part.failed(error)
