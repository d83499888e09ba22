"""What a check is, and how all of them run at once under one limit."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from functools import partial
from typing import Any, TypeAlias, TypeVar

import msgspec

from tradetui.logs.files import harmless

T = TypeVar("T")

LIMIT_S = 8.0
"""Seconds for all checks together."""


class Outcome(StrEnum):
    """How a check ended."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"


class Check(msgspec.Struct, frozen=True):
    """What was found about one subject, and what to do about it."""

    name: str
    outcome: Outcome
    text: str
    remedy: str = ""


Work: TypeAlias = Callable[[], Check | list[Check] | Awaitable[Check | list[Check]]]
"""A check: a coroutine function, or a function that may block."""


async def run_checks(work: Mapping[str, Work], limit_s: float = LIMIT_S) -> list[Check]:
    """Run all checks at once; one that raises, or is not done within `limit_s` seconds, has failed."""
    tasks = {name: asyncio.create_task(_run(check)) for name, check in work.items()}
    if tasks:
        await asyncio.wait(tasks.values(), timeout=limit_s)
    found: list[Check] = []
    for name, task in tasks.items():
        if not task.done():
            task.cancel()
            found.append(Check(name, Outcome.FAIL, f"no outcome within {limit_s:g} s", "something does not answer"))
        elif (error := task.exception()) is not None:
            text = f"the check itself failed: {type(error).__name__}: {error}"
            found.append(Check(name, Outcome.FAIL, text, "report it"))
        else:
            result = task.result()
            found.extend(result if isinstance(result, list) else [result])
    return found


async def _run(check: Work) -> Check | list[Check]:
    result = check() if inspect.iscoroutinefunction(check) else await in_thread(check)
    return result if isinstance(result, Check | list) else await result


async def in_thread(function: Callable[..., T], *arguments: Any) -> T:
    """Return what a blocking function returns. The thread is a daemon: one that hangs holds nobody at the end."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(settled: Callable[[], None]) -> None:
        if not done.done():
            settled()

    def run() -> None:
        try:
            settled = partial(done.set_result, function(*arguments))
        except Exception as error:  # noqa: BLE001 - it is raised again in the loop
            settled = partial(done.set_exception, error)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, settled)

    threading.Thread(target=run, name="check", daemon=True).start()
    return await done


def cleaned(check: Check, redact: Callable[[str], str]) -> Check:
    """Return a check without secrets, and with nothing in it that a terminal would obey."""
    return Check(check.name, check.outcome, harmless(redact(check.text)), harmless(redact(check.remedy)))
